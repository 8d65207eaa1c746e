//! The names of a store's files, as all parts that meet them know them.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

// The agent's own files, in its directory.

/// The cell file, which makes a directory a store: it is there from the store's first moment to its last.
/// It keeps the name of its first days because it lies on disks: a slot is a PKCS#11 slot, and nothing else.
pub const CELLS: &str = "slots";

/// The cell file of a store in the making.
pub(crate) const CELLS_MADE: &str = "slots.new";

/// The cell file of a store that is being restored.
pub(crate) const CELLS_RESTORED: &str = "slots.restoring";

/// The upgraded cell file until it takes its place.
pub(crate) const CELLS_UPGRADED: &str = "slots.upgrading";

/// A second name of the earlier cell file, from shortly before the upgraded one takes its place until it is wiped.
pub(crate) const CELLS_EARLIER: &str = "slots.earlier";

/// The socket on which the agent answers.
pub const SOCKET: &str = "agent.sock";

/// The file that is locked as long as an agent lives.
pub const LOCK: &str = "lock";

/// The file that is locked until an agent listens.
pub const STARTING: &str = "starting";

/// The file that says which page of generations counts.
pub const PAGE: &str = "generations";

/// A page of generations in the making.
pub(crate) const PAGE_MADE: &str = "generations.new";

/// The image of the index of the records, which the next agent reads.
pub const INDEX: &str = "index";

/// An image of the index that is being written.
pub(crate) const INDEX_MADE: &str = "index.new";

/// The file of a fleet's host with the heartbeats that it has sent.
pub(crate) const HEARTBEAT: &str = "heartbeat";

/// The folder with the mirror of the records that several hosts share.
pub(crate) const MIRROR: &str = "mirror";

/// The folder of the audit log.
pub const AUDIT: &str = "audit";

// The files of records in a directory: the agent's, unless they lie apart.

/// The folder of the records.
pub const RECORDS: &str = "db";

/// The folder of records that are being restored.
pub(crate) const RECORDS_RESTORED: &str = "db.restoring";

/// The folder of upgraded records until they take their place.
pub(crate) const RECORDS_UPGRADED: &str = "db.upgrading";

/// The folder of the earlier records until it is removed.
pub(crate) const RECORDS_EARLIER: &str = "db.earlier";

/// The file that says that the records have failed under an agent.
pub(crate) const RECORDS_SUSPECT: &str = "db.doubted";

/// The folder of damaged records that were set aside, before its number.
pub(crate) const RECORDS_DAMAGED: &str = "db.damaged-";

/// The copy of the records at one commit.
pub const SNAPSHOT: &str = "snapshot";

/// The changes since the snapshot was written.
pub const SNAPSHOT_CHANGES: &str = "snapshot.changes";

/// A snapshot that is being written.
pub(crate) const SNAPSHOT_MADE: &str = "snapshot.new";

/// The file that is given up on a full disk.
pub const BALLAST: &str = "ballast";

/// Returns whether a file is one of a store's own in that directory, or may become one, also where a link leads there, or
/// where it is one under a second name.
pub(crate) fn is_of_store(file: &Path, directory: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = file.parent().map(real).unwrap_or_default();
    let named = file.file_name().map_or_else(|| folder.clone(), |name| folder.join(name));
    let directory = real(directory);
    [named, real(file)].iter().any(|file| {
        let within = file.strip_prefix(&directory).ok();
        let first = within.and_then(|within| within.components().next());
        first.is_some_and(|first| is_own(&first.as_os_str().to_string_lossy()))
    }) || has_second_name(file, &directory)
}

/// Returns whether a file is one of a store's own in that directory, whatever it is called: device and inode are the same.
fn has_second_name(file: &Path, directory: &Path) -> bool {
    let identity = |it: Metadata| (it.dev(), it.ino());
    let Ok(found) = fs::metadata(file).map(identity) else { return false };
    let in_it = |folder: &Path| -> Vec<PathBuf> {
        // Who may not list it cannot write in it either.
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let is_own = |path: &PathBuf| path.file_name().is_some_and(|it| is_own(&it.to_string_lossy()));
    let own = in_it(directory).into_iter().filter(is_own);
    let mut all = own.flat_map(|own| in_it(&own).into_iter().chain([own]));
    all.any(|own| fs::symlink_metadata(own).map(identity).is_ok_and(|own| own == found))
}

/// Returns whether a file is the own one of any store that is there.
pub(crate) fn is_of_any_store(file: &Path) -> bool {
    let named = file.parent().and_then(|folder| folder.canonicalize().ok());
    let real = file.canonicalize().ok();
    let mut above = named.iter().chain(&real).flat_map(|it| it.ancestors());
    let is_store = |it: &Path| {
        // A file of that name alone makes no store.
        it.join(CELLS).is_file() && [LOCK, AUDIT, RECORDS].iter().any(|name| it.join(name).exists())
    };
    above.any(|it| is_store(it) && is_of_store(file, it))
}

fn is_own(name: &str) -> bool {
    const OWN: [&str; 12] = [
        CELLS, SOCKET, LOCK, STARTING, PAGE, INDEX, HEARTBEAT, MIRROR, AUDIT, RECORDS, SNAPSHOT,
        BALLAST,
    ];
    // What is in the making, or set aside, has something behind the name.
    let begins = |own: &str| {
        name.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    OWN.iter().any(|own| begins(own))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{
        INDEX, INDEX_MADE, RECORDS_DAMAGED, SNAPSHOT_CHANGES, SNAPSHOT_MADE, is_of_any_store,
        is_of_store,
    };
    use std::os::unix::fs::symlink;

    #[test]
    fn the_files_of_a_store_are_known_by_their_names_and_through_links() {
        let place = tempfile::tempdir().unwrap();
        let store = place.path().join("store");
        std::fs::create_dir(&store).unwrap();
        let damaged = format!("{RECORDS_DAMAGED}1");
        let copies = [SNAPSHOT_MADE, SNAPSHOT_CHANGES, INDEX, INDEX_MADE];
        for own in
            ["slots", "db/db", "audit/audit.jsonl", &damaged, "ballast"].iter().chain(&copies)
        {
            assert!(is_of_store(&store.join(own), &store), "{own}");
        }
        for other in ["figures.prom", "slotsmachine", "log", "keystead.log"] {
            assert!(!is_of_store(&store.join(other), &store), "{other}");
        }
        assert!(!is_of_store(&place.path().join("slots"), &store));
        let (folder, file) = (place.path().join("folder"), place.path().join("file"));
        symlink(&store, &folder).unwrap();
        std::fs::write(store.join("slots"), "").unwrap();
        symlink(store.join("slots"), &file).unwrap();
        assert!(is_of_store(&folder.join("slots"), &store));
        assert!(is_of_store(&store.join("slots"), &folder));
        assert!(is_of_store(&file, &store));
        assert!(!is_of_any_store(&file), "of a store there is more than one file");
        std::fs::create_dir(store.join("db")).unwrap();
        std::fs::write(store.join("db/db"), "").unwrap();
        std::fs::write(store.join("figures.prom"), "").unwrap();
        for (own, second, expected) in
            [("slots", "second", true), ("db/db", "third", true), ("figures.prom", "fourth", false)]
        {
            let second = place.path().join(second);
            std::fs::hard_link(store.join(own), &second).unwrap();
            assert_eq!(is_of_store(&second, &store), expected, "{own}");
        }
        for own in [file, folder.join("db/db"), store.join("lock"), store.join("db/db")] {
            assert!(is_of_any_store(&own), "{}", own.display());
        }
        assert!(!is_of_any_store(&store.join("figures.prom")));
        assert!(!is_of_any_store(&place.path().join("slots")));
    }
}
