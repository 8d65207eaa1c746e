//! Finds out whether a directory holds a store. Only `keystead init`, `keystead restore` and `C_InitToken` make
//! one; all others ask here first, so that a volume that is not mounted is told from an empty store.

use crate::error::{Error, Reason, Result};
use crate::file_names::{
    AUDIT, BALLAST, CELLS, CELLS_MADE, CELLS_RESTORED, LOCK, PAGE, RECORDS, RECORDS_RESTORED,
    SNAPSHOT, SOCKET, STARTING,
};
use crate::sys;
use rustix::process::geteuid;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The other entries of a store's directory. With two of these and without the cell file, a store is damaged.
const REMAINS: [&str; 4] = [RECORDS, PAGE, SNAPSHOT, STARTING];

/// The entries that may lie in a directory in which a store can be made: those that a file system brings
/// along, systemd's socket, the rest of a making that was cut short, and the log of a store that is gone.
const HARMLESS: [&str; 9] = [
    "lost+found",
    SOCKET,
    LOCK,
    STARTING,
    CELLS_MADE,
    CELLS_RESTORED,
    RECORDS_RESTORED,
    BALLAST,
    AUDIT,
];

/// Fails with [`Reason::StoreAbsent`] where `directory` holds no store, and says what is there instead. A
/// damaged one is a store, and so is one that this process may not look at: opening it says what is
/// wrong.
pub fn check(directory: &Path) -> Result<()> {
    match directory.join(CELLS).symlink_metadata() {
        Err(error) if is_missing(&error) && !is_damaged(directory) => Err(absent(directory)),
        _ => Ok(()),
    }
}

/// Fails with [`Reason::StoreAbsent`] where no store can be made in `directory`, because something else
/// is there. A store that is there already is no failure, nor is one that another process makes meanwhile.
pub fn check_place(directory: &Path) -> Result<()> {
    // In this order: of a store that is being made, the cell file comes before all that looks foreign.
    let other = foreign(directory);
    match (check(directory), other) {
        (Err(error), Some(_)) => Err(error),
        (Err(_), None) => check_folder(directory),
        (Ok(()), _) => Ok(()),
    }
}

/// Returns the entry of a directory without a store that is there for something else.
fn foreign(directory: &Path) -> Option<PathBuf> {
    let harmless = |name: &OsString| HARMLESS.iter().any(|known| name == known);
    let other = names(directory).into_iter().find(|name| !harmless(name));
    other.map(|name| directory.join(name))
}

/// The names in a directory, in order; none where it cannot be read.
fn names(directory: &Path) -> Vec<OsString> {
    let entries = directory.read_dir().into_iter().flatten().filter_map(io::Result::ok);
    let mut names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
    names.sort();
    names
}

/// A link that leads nowhere cannot be followed to make a directory.
fn check_folder(directory: &Path) -> Result<()> {
    match directory.symlink_metadata().map(|_| directory.metadata()) {
        Ok(Err(error)) if is_missing(&error) => Err(absent(directory)),
        Ok(Ok(place)) if !place.is_dir() => Err(absent(directory)),
        _ => Ok(()),
    }
}

fn is_damaged(directory: &Path) -> bool {
    REMAINS.iter().filter(|name| directory.join(name).exists()).count() > 1
}

/// The error of a store that is not there: first what is there instead, then what helps.
fn absent(directory: &Path) -> Error {
    let elsewhere = |what: &str| (what.to_owned(), ELSEWHERE.to_owned());
    let (what, cure) = match (directory.metadata(), directory.read_link()) {
        (Err(_), Ok(to)) => {
            elsewhere(&format!("is a link to {}, which is not there", to.display()))
        }
        (Err(_), Err(_)) => ("does not exist".to_owned(), make("keystead init LABEL")),
        (Ok(place), _) if !place.is_dir() => elsewhere("is not a directory"),
        (Ok(place), _) => match held_instead(directory) {
            (what, true) => elsewhere(&what),
            (what, false) => (what, make(&by_owner("keystead init LABEL", place.uid()))),
        },
    };
    Reason::StoreAbsent.detail(format_args!("{} {what}; {cure}", directory.display()))
}

const ELSEWHERE: &str = "mount what should be there, or name another directory";

/// The cure of a store that is not there by the command that makes one.
fn make(command: &str) -> String {
    format!("mount the volume that it should be on, or `{command}` makes one")
}

/// Returns a command as another user runs it where it is for the user `owner`: root, who becomes that user.
pub fn by_owner(command: &str, owner: u32) -> String {
    let name = sys::name_of(owner);
    match owner == geteuid().as_raw() {
        true => command.to_owned(),
        // As in a container: `runuser` wants a user with a name.
        false if name == owner.to_string() => {
            format!("setpriv --reuid={owner} --keep-groups {command}")
        }
        false => format!("runuser -u {name} -- {command}"),
    }
}

/// Describes the content of a directory without a store; true if it belongs to something else.
fn held_instead(directory: &Path) -> (String, bool) {
    let shown = |name: &OsString| name.to_string_lossy().into_owned();
    match (foreign(directory), names(directory).as_slice()) {
        (Some(other), _) => (format!("holds something else: {}", other.display()), true),
        (None, []) => ("is empty".to_owned(), false),
        (None, names) => (
            format!("holds only {}", names.iter().map(shown).collect::<Vec<_>>().join(", ")),
            false,
        ),
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{by_owner, check, check_place, geteuid, sys};
    use crate::error::{Reason, Result};
    use std::fs;
    use std::path::Path;

    /// Returns an error's text without the hint.
    fn said(result: Result<()>) -> String {
        let error = result.unwrap_err();
        assert_eq!(error.reason(), Reason::StoreAbsent);
        error.to_string().rsplit_once("; ").unwrap().0.to_owned()
    }

    fn hold(directory: &Path, names: &[&str]) {
        names.iter().for_each(|name| fs::write(directory.join(name), "").unwrap());
    }

    #[test]
    fn who_is_not_the_owner_is_told_how_the_owner_makes_a_store() {
        let (own, other) = if geteuid().is_root() { (0, 1) } else { (geteuid().as_raw(), 0) };
        assert_eq!(by_owner("keystead init LABEL", own), "keystead init LABEL");
        let command = by_owner("keystead init LABEL", other);
        assert_eq!(command, format!("runuser -u {} -- keystead init LABEL", sys::name_of(other)));
        let nameless = by_owner("keystead init LABEL", 3_999_999_999);
        assert_eq!(nameless, "setpriv --reuid=3999999999 --keep-groups keystead init LABEL");
        assert_eq!((sys::name_of(0), sys::name_of_group(0)), ("root".into(), "root".into()));
        assert_eq!(sys::name_of(3_999_999_999), "3999999999");
        assert_eq!(sys::name_of_group(3_999_999_999), "3999999999");
    }

    #[test]
    fn an_empty_or_missing_directory_holds_none_and_can_hold_one() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        assert!(said(check(folder.path())).ends_with(" is empty"));
        assert!(said(check(&missing)).ends_with("missing does not exist"));
        check_place(folder.path()).unwrap();
        check_place(&missing).unwrap();
        hold(folder.path(), &["lost+found", "agent.sock", "starting", "lock", "slots.new"]);
        let expected = "holds only agent.sock, lock, lost+found, slots.new, starting";
        assert!(said(check(folder.path())).ends_with(expected));
        check_place(folder.path()).unwrap();
    }

    #[test]
    fn a_restoration_that_was_cut_short_can_be_begun_again() {
        let folder = tempfile::tempdir().unwrap();
        hold(folder.path(), &["ballast", "db.restoring", "lock", "slots.restoring", "starting"]);
        check_place(folder.path()).unwrap();
    }

    #[test]
    fn a_directory_of_other_things_is_named_with_one_of_them_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        hold(folder.path(), &["lost+found", "letter", "photo"]);
        let expected = format!("holds something else: {}/letter", folder.path().display());
        assert!(said(check(folder.path())).ends_with(&expected));
        assert!(said(check_place(folder.path())).ends_with(&expected));
    }

    #[test]
    fn a_store_that_is_made_while_the_place_is_looked_at_is_nothing_foreign() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..500 {
            let place = folder.path().join(number.to_string());
            fs::create_dir(&place).unwrap();
            std::thread::scope(|threads| {
                let maker = threads.spawn(|| hold(&place, &["starting", "lock", "slots", "db"]));
                while !maker.is_finished() {
                    check_place(&place).unwrap();
                }
            });
        }
    }

    #[test]
    fn what_is_no_directory_is_said_to_be_none() {
        let folder = tempfile::tempdir().unwrap();
        hold(folder.path(), &["file"]);
        std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
        for (name, expected) in
            [("file", "is not a directory"), ("link", "is a link to nowhere, which is not there")]
        {
            let place = folder.path().join(name);
            assert!(said(check(&place)).ends_with(expected));
            assert!(said(check_place(&place)).ends_with(expected));
        }
    }

    #[test]
    fn a_store_is_one_as_long_as_its_cell_file_or_two_other_parts_are_there() {
        for parts in [&["slots"][..], &["slots", "letter"], &["db", "generations"]] {
            let folder = tempfile::tempdir().unwrap();
            hold(folder.path(), parts);
            check(folder.path()).unwrap();
            check_place(folder.path()).unwrap();
        }
        for part in ["db", "generations", "snapshot"] {
            let folder = tempfile::tempdir().unwrap();
            hold(folder.path(), &[part]);
            said(check_place(folder.path()));
        }
    }
}
