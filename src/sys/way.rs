//! The way to a file: every directory and every link that its path leads through, each opened by itself, so that what
//! was looked at is what is used.

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat, readlinkat};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

/// The most links on a way, as the kernel has it.
const MOST_LINKS: usize = 40;

/// The permissions of others than the owner to write.
const OTHERS_WRITE: u32 = 0o022;

/// The mode of a directory in which a user removes only files of his own.
const STICKY: u32 = 0o1000;

/// The way to a file.
#[derive(Debug)]
pub struct Way {
    /// Its steps in the order in which the kernel meets them: directories, links, and the file last.
    pub steps: Vec<Step>,
    /// The file, opened as a place (`O_PATH`).
    pub end: OwnedFd,
}

/// A directory or link on a way, or the file at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its path.
    pub path: PathBuf,
    /// Its kind.
    pub kind: FileType,
    /// The user who owns it.
    pub owner: u32,
    /// Its permissions.
    pub mode: u32,
}

impl Way {
    /// Goes to the file at an absolute path. No directory and no link on the way can be exchanged between the look at it
    /// and the step behind it.
    pub fn to(path: &Path) -> io::Result<Self> {
        if !path.is_absolute() {
            return Err(io::Error::other("it is not an absolute path"));
        }
        let (mut ahead, mut steps, mut links) = (names(path), Vec::new(), 0);
        let (mut end, mut place) = (step_to(CWD, OsStr::new("/"))?, PathBuf::from("/"));
        while let Some(name) = ahead.pop() {
            let next = step_to(&end, &name)?;
            let about = fstat(&next)?;
            let (kind, mode) = (FileType::from_raw_mode(about.st_mode), about.st_mode & 0o7777);
            let path = match name.to_str() {
                Some("..") => place.parent().unwrap_or(Path::new("/")).to_owned(),
                _ => place.join(&name),
            };
            steps.push(Step { path: path.clone(), kind, owner: about.st_uid, mode });
            if kind == FileType::Symlink {
                links += 1;
                if links > MOST_LINKS {
                    return Err(rustix::io::Errno::LOOP.into());
                }
                let target = readlinkat(&next, "", Vec::new())?;
                ahead.extend(names(Path::new(&OsString::from_vec(target.into_bytes()))));
            } else {
                (end, place) = (next, path);
            }
        }
        Ok(Self { steps, end })
    }

    /// Returns the first on the way that others than `owner` and root could change or exchange. Where `shared`, a
    /// directory may be open to all in which a user removes only files of his own, such as `/tmp`: the step behind it is
    /// looked at next.
    pub fn open_to_others(&self, owner: u32, shared: bool) -> Option<&Step> {
        self.steps.iter().find(|step| {
            let is_shared = shared && step.kind == FileType::Directory && step.mode & STICKY != 0;
            let is_open = step.kind != FileType::Symlink && step.mode & OTHERS_WRITE != 0;
            ![0, owner].contains(&step.owner) || is_open && !is_shared
        })
    }
}

/// Opens what stands under a name in a directory, and follows nothing.
fn step_to(directory: impl std::os::fd::AsFd, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(directory, name, flags, Mode::empty())?)
}

/// Returns the names of a path, the last first.
fn names(path: &Path) -> Vec<OsString> {
    let name = |part: Component<'_>| match part {
        Component::CurDir => None,
        part => Some(part.as_os_str().to_owned()),
    };
    path.components().rev().filter_map(name).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// A directory with a file behind two links, the second of them in a directory of its own.
    fn linked() -> (tempfile::TempDir, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let name = |name: &str| place.path().join(name);
        fs::create_dir(name("between")).unwrap();
        fs::write(name("file"), "").unwrap();
        fs::set_permissions(name("file"), Permissions::from_mode(0o644)).unwrap();
        fs::set_permissions(name("between"), Permissions::from_mode(0o755)).unwrap();
        symlink("../file", name("between/second")).unwrap();
        symlink(name("between/second"), name("first")).unwrap();
        let first = name("first");
        (place, first)
    }

    #[test]
    fn every_link_and_directory_is_on_it_and_the_file_itself_is_its_end() {
        let (place, first) = linked();
        let way = Way::to(&first).unwrap();
        let paths: Vec<_> = way.steps.iter().map(|step| step.path.clone()).collect();
        let name = |name: &str| place.path().join(name);
        for expected in ["first", "between", "between/second", "file", ""] {
            assert!(paths.contains(&name(expected)), "{expected} is not in {paths:?}");
        }
        assert_eq!(paths.first().unwrap(), Path::new("/"));
        assert_eq!(paths.last().unwrap(), &name("file"));
        let found = fstat(&way.end).unwrap().st_ino;
        assert_eq!(found, std::os::unix::fs::MetadataExt::ino(&name("file").metadata().unwrap()));
    }

    #[test]
    fn a_directory_that_others_can_write_is_found_also_between_two_links() {
        let (place, first) = linked();
        let own = rustix::process::geteuid().as_raw();
        let between = place.path().join("between");
        let found = |shared| {
            let way = Way::to(&first).unwrap();
            way.open_to_others(own, shared).map(|step| step.path.clone())
        };
        assert_eq!(found(true), None, "temporary directories are shared");
        fs::set_permissions(&between, Permissions::from_mode(0o777)).unwrap();
        assert_eq!(found(true), Some(between.clone()));
        fs::set_permissions(&between, Permissions::from_mode(0o1777)).unwrap();
        assert_eq!(found(true), None);
        assert!(found(false).is_some());
        let file = place.path().join("file");
        for mode in [0o664, 0o646, 0o1646] {
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            assert_eq!(found(true), Some(file.clone()), "{mode:o}");
        }
    }

    #[test]
    fn the_directory_of_every_link_counts_also_of_a_relative_one_and_of_one_to_a_directory() {
        let (place, open) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let own = rustix::process::geteuid().as_raw();
        let file = place.path().join("file");
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        symlink(&file, open.path().join("between")).unwrap();
        let links =
            ["file", "directory", "up"].map(|name| place.path().join(format!("{name}.link")));
        symlink(open.path().join("between"), &links[0]).unwrap();
        symlink(open.path(), &links[1]).unwrap();
        let name = open.path().file_name().unwrap();
        symlink(Path::new("..").join(name).join("between"), &links[2]).unwrap();
        let ways = [links[0].clone(), links[1].join("between"), links[2].clone()];
        let found = |way: &PathBuf| {
            let way = Way::to(way).unwrap();
            way.open_to_others(own, true).map(|step| step.path.clone())
        };
        for way in &ways {
            assert_eq!(found(way), None);
        }
        fs::set_permissions(open.path(), Permissions::from_mode(0o777)).unwrap();
        for way in &ways {
            assert_eq!(found(way), Some(open.path().to_owned()));
        }
        // Another user's is as open as one that all can write.
        fs::set_permissions(open.path(), Permissions::from_mode(0o755)).unwrap();
        if own == 0 {
            std::os::unix::fs::chown(open.path(), Some(65_534), None).unwrap();
            for way in &ways {
                assert_eq!(found(way), Some(open.path().to_owned()));
            }
        }
    }

    #[test]
    fn a_link_to_itself_and_a_relative_path_lead_nowhere() {
        let place = tempfile::tempdir().unwrap();
        let link = place.path().join("link");
        symlink(&link, &link).unwrap();
        assert_eq!(Way::to(&link).unwrap_err().raw_os_error(), Some(libc::ELOOP));
        assert!(Way::to(Path::new("here")).is_err());
    }
}
