//! Finds others who can reach what belongs to a store: its files, the folders above them, the configuration and
//! the programs. `keystead doctor` says what may have leaked, and what helps.

use crate::Failure;
use crate::explain::quoted_path;
use keystead::internal::file_names::{
    AUDIT, BALLAST, CELLS, INDEX, LOCK, PAGE, RECORDS, SNAPSHOT, SNAPSHOT_CHANGES, SOCKET, STARTING,
};
use keystead::internal::sys::Way;
use rustix::process::{getegid, geteuid};
use std::collections::BTreeSet;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Permissions of the group and of all others.
const READ: u32 = 0o044;
const WRITE: u32 = 0o022;
const PASS: u32 = 0o011;

/// Others delete nothing here but their own.
const STICKY: u32 = 0o1000;

/// The depth of a store's directory.
const DEPTH: usize = 4;

/// The number of files that a finding names.
const NAMED: usize = 3;

/// A part of a store: what it tells a reader, and what helps then.
struct Part {
    names: &'static [&'static str],
    leaks: &'static str,
    helps: &'static str,
}

const PARTS: [Part; 6] = [
    Part {
        names: &[RECORDS, SNAPSHOT, SNAPSHOT_CHANGES],
        leaks: "the sealed objects and token keys, against which PINs are guessed without being counted, \
                and public objects",
        helps: "change the PINs, and replace the keys where a PIN was easy to guess",
    },
    Part {
        names: &[CELLS],
        leaks: "the secrets that erasing takes away: a copy of them and of the records brings back what \
                is erased later",
        helps: "do not count on erasing for the material that is there now",
    },
    Part {
        names: &[AUDIT],
        leaks: "the names of keys, users and programs, and the key that chains the log's lines",
        helps: "trust only copies of the log that are kept elsewhere",
    },
    Part { names: &[PAGE], leaks: "which objects are changed, and when", helps: NOTHING },
    Part {
        names: &[INDEX],
        leaks: "how many objects there are, when they expire, and which have something in common",
        helps: NOTHING,
    },
    REST,
];

/// The directory itself, and what lies beside these parts in every store.
const REST: Part = Part {
    names: &["", SOCKET, BALLAST, LOCK, STARTING],
    leaks: "which files there are",
    helps: NOTHING,
};

/// Any other file that was put there, such as a backup or a copy of a part.
const FOREIGN: Part = Part {
    names: &[],
    leaks: "what stands there, which is no part of a store",
    helps: "look what it is, and replace what was secret in it",
};

const NOTHING: &str = "no secret has stood there";

/// A finding in a store's directory: the paths of one part, and what others can do there.
#[derive(Default)]
struct Exposed {
    read: Vec<PathBuf>,
    written: Vec<PathBuf>,
}

/// Problems of the store's own files. Members of `group` pass through the directory and may list it, read the
/// page of generations and connect.
pub(crate) fn of_store(directory: &Path, group: Option<u32>) -> Vec<Failure> {
    // The directory may lie behind a link.
    let directory = &directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    let mut files = Vec::new();
    collect_files(directory, DEPTH, &mut files);
    let owner = files.first().map_or_else(|| geteuid().as_raw(), |(_, found)| found.uid());
    let mut problems = strange(&files, owner);
    let mut open: [Exposed; PARTS.len() + 1] = Default::default();
    for (path, found) in files.iter().filter(|(_, found)| !found.is_symlink()) {
        let within = path.strip_prefix(directory).unwrap_or(path);
        let Some(part) = open.get_mut(part_of(within)) else { continue };
        let extra = found.mode() & !allowed(within, found, group);
        if extra & shows(found) != 0 {
            part.read.push(path.clone());
        }
        if extra & WRITE != 0 {
            part.written.push(path.clone());
        }
    }
    let shut = files.first().is_some_and(|(_, found)| found.mode() & PASS == 0);
    let others = if shut { "but for its directory others could" } else { "others can" };
    for (at, Exposed { read, written }) in open.iter().enumerate() {
        let Part { leaks, helps, .. } = PARTS.get(at).unwrap_or(&FOREIGN);
        if !read.is_empty() {
            let message = format_args!("{others} read {}, which gives away {leaks}", named(read));
            let mend = format_args!(
                "{}; if others have read it, {helps}",
                chmod("go-rwx", directory, read)
            );
            problems.push(Failure::new(message).hint(mend));
        }
        if !written.is_empty() {
            let message = format_args!("{others} write in {}", named(written));
            let mend = format_args!(
                "{}; `keystead audit --verify` tells whether the log is whole, and a backup has what was there",
                chmod("go-w", directory, written)
            );
            problems.push(Failure::new(message).hint(mend));
        }
    }
    problems
}

/// Returns the permissions that show what is in a file.
fn shows(found: &Metadata) -> u32 {
    match found.file_type() {
        kind if kind.is_dir() => READ | PASS,
        kind if kind.is_file() => READ,
        _ => 0,
    }
}

/// The command that takes permissions away from all of the files.
fn chmod(mode: &str, directory: &Path, paths: &[PathBuf]) -> String {
    let within = |path: &PathBuf| path.strip_prefix(directory).unwrap_or(path).to_owned();
    let top = |path: PathBuf| match path.components().next() {
        Some(first) => directory.join(first),
        None => directory.to_owned(),
    };
    let deep = paths.iter().any(|path| within(path).components().count() > 1);
    let tops: BTreeSet<PathBuf> = paths.iter().map(|path| top(within(path))).collect();
    let tops: Vec<String> = tops.iter().map(|top| quoted_path(top)).collect();
    format!("`chmod {}{mode} {}` ends that", if deep { "-R " } else { "" }, tops.join(" "))
}

/// The directory first, then what is in it.
fn collect_files(path: &Path, deep: usize, files: &mut Vec<(PathBuf, Metadata)>) {
    // What cannot be looked at is for its owner to look at.
    let Ok(found) = path.symlink_metadata() else { return };
    let enter = found.is_dir() && deep > 0;
    files.push((path.to_owned(), found));
    let entries = enter.then(|| path.read_dir().ok()).flatten();
    let mut entries: Vec<PathBuf> =
        entries.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    entries.sort();
    entries.iter().for_each(|entry| collect_files(entry, deep - 1, files));
}

/// Returns the permissions that only members of the group may have.
fn allowed(within: &Path, found: &Metadata, group: Option<u32>) -> u32 {
    if group != Some(found.gid()) {
        return 0;
    }
    match within.to_str() {
        Some("") => 0o050,
        Some(PAGE) => 0o040,
        Some(SOCKET) => 0o060,
        _ => 0,
    }
}

fn part_of(within: &Path) -> usize {
    let first = within.components().next();
    let name = first.map(|first| first.as_os_str().to_string_lossy()).unwrap_or_default();
    // Copies and leftovers of a part are as good as the part; the directory's own name is empty here.
    let is_left = |own: &str| !own.is_empty() && name.starts_with(&format!("{own}."));
    let is_of = |part: &Part| part.names.iter().any(|own| name == *own || is_left(own));
    PARTS.iter().position(is_of).unwrap_or(PARTS.len())
}

/// Finds links, and files of another owner.
fn strange(files: &[(PathBuf, Metadata)], owner: u32) -> Vec<Failure> {
    let mut problems = Vec::new();
    let mut others: Vec<PathBuf> = Vec::new();
    for (path, found) in files {
        if found.is_symlink() {
            let message =
                format_args!("{} is a symbolic link, which no agent made", path.display());
            problems.push(Failure::new(message).hint(
                "put the file itself in its place: a user who can exchange the link, or the file behind it, controls the store",
            ));
        } else if found.uid() != owner {
            others.push(path.clone());
        }
    }
    if !others.is_empty() {
        problems.push(
            Failure::new(format_args!("not all files are user {owner}'s: {}", named(&others)))
                .hint(format_args!(
                    "as root, `chown {owner} {}`: the agent cannot use them",
                    listed(&others)
                )),
        );
    }
    problems
}

/// Finds problems of the folders above a file: a user who can write in one can replace the file.
pub(crate) fn above(file: &Path) -> Vec<Failure> {
    let way = Way::to(file).map(|way| way.steps).unwrap_or_default();
    let on_way = way.split_last().map(|(_, before)| before).unwrap_or_default();
    let on_way = on_way.iter().map(|step| step.path.as_path());
    // What is not there yet, or cannot be reached, has a way all the same.
    let folders: BTreeSet<&Path> = file.ancestors().skip(1).chain(on_way).collect();
    folders.into_iter().filter_map(|folder| in_place(folder, file)).collect()
}

fn in_place(folder: &Path, file: &Path) -> Option<Failure> {
    let found = folder.symlink_metadata().ok()?;
    let exchange = format!("can put something else in the place of {}", file.display());
    let said = if is_strangers(&found) {
        format!("{} is user {}'s, who {exchange}", folder.display(), found.uid())
    } else if !found.is_symlink() && is_open(&found) && found.mode() & STICKY == 0 {
        format!("others can write in {}: they {exchange}", folder.display())
    } else {
        return None;
    };
    let mend = format!("`chmod go-w {}` ends that", quoted_path(folder));
    let mend =
        if is_strangers(&found) { "keep it where only you and root write".into() } else { mend };
    Some(Failure::new(said).hint(mend))
}

/// Returns whether neither this user nor root owns it.
fn is_strangers(found: &Metadata) -> bool {
    ![0, geteuid().as_raw()].contains(&found.uid())
}

/// Returns whether every user can write there, or a group that is neither this user's nor root's.
fn is_open(found: &Metadata) -> bool {
    let group = found.mode() & 0o020 != 0 && ![0, getegid().as_raw()].contains(&found.gid());
    group || found.mode() & 0o002 != 0
}

/// Problems of a file that decides what is done: a configuration or a program. `is` says what it does.
pub(crate) fn of_deciding(file: &Path, is: &str) -> Vec<Failure> {
    let Ok(found) = file.metadata() else { return Vec::new() };
    let mut problems = above(file);
    if is_strangers(&found) {
        let message = format_args!("{} is user {}'s, who {is}", file.display(), found.uid());
        problems.push(Failure::new(message).hint("it should be yours or root's"));
    } else if is_open(&found) {
        let message = format_args!("others can write in {}: a user who does {is}", file.display());
        let mend = format_args!("`chmod go-w {}` ends that; look what it says", quoted_path(file));
        problems.push(Failure::new(message).hint(mend));
    }
    problems
}

fn named(paths: &[PathBuf]) -> String {
    let some: Vec<String> =
        paths.iter().take(NAMED).map(|path| path.display().to_string()).collect();
    match paths.len().saturating_sub(NAMED) {
        0 => some.join(", "),
        more => format!("{} and {more} more", some.join(", ")),
    }
}

/// All of them, for a command line.
fn listed(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| quoted_path(path)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
