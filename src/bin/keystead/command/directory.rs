//! The store's directory, before an agent trusts it.

use crate::{Failure, explain};
use keystead::internal::agent::{check_file_system, check_records, not_given};
use keystead::internal::config::Config;
use libc::O_DIRECTORY;
use rustix::fs::{Gid, fchown};
use rustix::process::geteuid;
use std::fs::{DirBuilder, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Makes the agent's directory, and that of the records where it is another of this machine, where they are
/// not there, and prepares them, see [`prepare`]. Only for a store that is made or restored.
pub(crate) fn make_all(config: &Config, group: Option<u32>) -> Result<(), Failure> {
    make(&config.directory)?;
    prepare(&config.directory, group)?;
    let Some(records) = apart(config) else { return Ok(()) };
    make(records)?;
    prepare(records, None)
}

/// Prepares the directories of a store that is there, see [`prepare`]. Where the records lie apart and are not
/// there, the volume may not be mounted, and nothing is made in its place.
pub(crate) fn prepare_all(config: &Config, group: Option<u32>) -> Result<(), Failure> {
    prepare(&config.directory, group)?;
    check_records(&config.directory, &config.store)?;
    apart(config).map_or(Ok(()), |records| prepare(records, None))
}

fn apart(config: &Config) -> Option<&Path> {
    config.store.local().filter(|records| *records != config.directory)
}

fn make(directory: &Path) -> Result<(), Failure> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.or_else(|error| match directory.exists() {
        true => Ok(()),
        false => Err(Failure::of_file(directory, &error)),
    })
}

/// Checks that the directory lies on this machine, and its owner alone may serve it or write in it. The members
/// of a group, where one may use the store, pass through it.
fn prepare(directory: &Path, group: Option<u32>) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::of_file(directory, &error);
    let folder = File::options().read(true).custom_flags(O_DIRECTORY).open(directory);
    let folder = folder.map_err(failed)?;
    let found = folder.metadata().map_err(failed)?;
    check_file_system(directory)?;
    check_rights(directory, &found)?;
    if let Some(group) = group {
        fchown(&folder, None, Some(Gid::from_raw(group)))
            .map_err(|error| not_given(directory, group, error.into()))?;
        let mode = found.mode() & 0o7777 | 0o010;
        folder.set_permissions(Permissions::from_mode(mode)).map_err(failed)?;
    }
    Ok(())
}

/// Checks that this process's user owns the directory, and no other user can write in it.
fn check_rights(directory: &Path, found: &Metadata) -> Result<(), Failure> {
    let user = geteuid().as_raw();
    if found.uid() != user {
        let owner = found.uid();
        let message = format_args!("{} belongs to user {owner}, not {user}", directory.display());
        return Err(Failure::refused(message).hint("only the store's owner runs its agent"));
    }
    check_writers(directory, found)
}

/// Checks that no user but its owner can write in the directory.
pub(crate) fn check_writers(directory: &Path, found: &Metadata) -> Result<(), Failure> {
    if found.mode() & 0o022 != 0 {
        let message = format_args!("others than its owner can write in {}", directory.display());
        return Err(Failure::new(message)
            .hint(format_args!("`chmod go-w {}` ends that", explain::quoted_path(directory))));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{make, prepare};
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn a_directory_that_is_made_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("a/b");
        make(&store).unwrap();
        assert_eq!(store.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        make(&store).unwrap();
        prepare(&store, None).unwrap();
    }

    #[test]
    fn a_group_passes_through_and_does_not_look() {
        let folder = tempfile::tempdir().unwrap();
        let group = rustix::process::getegid().as_raw();
        let store = folder.path().join("store");
        make(&store).unwrap();
        prepare(&store, Some(group)).unwrap();
        let made = store.metadata().unwrap();
        assert_eq!((made.permissions().mode() & 0o777, made.gid()), (0o710, group));
    }

    #[test]
    fn a_directory_that_others_can_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (mode, accepted) in [(0o755, true), (0o750, true), (0o770, false), (0o702, false)] {
            set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
            assert_eq!(prepare(folder.path(), None).is_ok(), accepted, "{mode:o}");
        }
    }

    #[test]
    fn a_directory_that_others_can_write_is_refused_with_what_ends_it() {
        let folder = tempfile::tempdir().unwrap();
        set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        let refused = prepare(folder.path(), None).unwrap_err();
        let cure = format!("`chmod go-w {}` ends that", folder.path().display());
        assert!(refused.message().contains(&cure), "{refused:?}");
    }

    #[test]
    fn a_file_in_the_place_of_a_directory_is_said_to_be_one() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refused = prepare(file.path(), None).unwrap_err();
        assert_eq!(refused.message(), format!("{}: Not a directory", file.path().display()));
    }
}
