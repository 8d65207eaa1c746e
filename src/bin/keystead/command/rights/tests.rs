//! Tests of the findings about a store's files, and about what decides over it.

use super::*;
use std::fs::{Permissions, create_dir, set_permissions, write};
use std::os::unix::fs::{PermissionsExt, symlink};

const FILES: [&str; 6] = ["db/db", "slots", "audit/audit.jsonl", "generations", "lock", "snapshot"];

fn set(path: &Path, mode: u32) {
    set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A folder with the store in it that no other user can reach.
fn store() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("a store");
    for directory in ["", "db", "audit"] {
        create_dir(store.join(directory)).unwrap();
        set(&store.join(directory), 0o700);
    }
    for file in FILES {
        write(store.join(file), "").unwrap();
        set(&store.join(file), 0o600);
    }
    (folder, store)
}

fn messages(store: &Path, group: Option<u32>) -> Vec<String> {
    of_store(store, group).iter().map(Failure::message).collect()
}

#[test]
fn a_store_of_its_owners_alone_has_no_problem() {
    let (_folder, store) = store();
    assert_eq!(messages(&store, None), [""; 0]);
}

#[test]
fn each_file_that_others_can_read_says_what_may_have_leaked() {
    let (_folder, store) = store();
    set(&store, 0o711);
    for (file, leaks) in [
        ("db/db", "PINs are guessed"),
        ("snapshot", "PINs are guessed"),
        ("slots", "brings back what is erased"),
        ("audit/audit.jsonl", "names of keys"),
        ("generations", "which objects are changed"),
        ("lock", "which files there are"),
        ("store.backup", "no part of a store"),
        (".slots.swp", "no part of a store"),
    ] {
        write(store.join(file), "").unwrap();
        set(&store.join(file), 0o604);
        let messages = messages(&store, None);
        set(&store.join(file), 0o600);
        let found = messages
            .iter()
            .any(|it| it.starts_with("others can read") && it.contains(file) && it.contains(leaks));
        assert!(found, "{file}: {messages:?}");
    }
}

#[test]
fn the_command_that_mends_it_takes_all_of_it_back() {
    let (_folder, store) = store();
    set(&store, 0o755);
    for file in FILES {
        set(&store.join(file), 0o666);
    }
    for directory in ["db", "audit"] {
        set(&store.join(directory), 0o777);
    }
    for failure in of_store(&store, None) {
        let message = failure.message();
        let command = message.split('`').nth(1).unwrap();
        let done = std::process::Command::new("sh").args(["-c", command]).status().unwrap();
        assert!(done.success(), "{command}");
    }
    assert_eq!(messages(&store, None), [""; 0]);
}

#[test]
fn a_shut_directory_is_said_to_keep_others_out_of_open_files() {
    let (_folder, store) = store();
    set(&store.join("slots"), 0o622);
    let messages = messages(&store, None);
    assert!(
        messages.len() == 1 && messages[0].starts_with("but for its directory others could write")
    );
}

#[test]
fn a_group_does_what_it_may_and_no_more() {
    let (_folder, store) = store();
    let group = store.metadata().unwrap().gid();
    set(&store, 0o750);
    set(&store.join("generations"), 0o640);
    assert_eq!(messages(&store, Some(group)), [""; 0]);
    assert_eq!(messages(&store, None).len(), 2);
    set(&store.join("generations"), 0o660);
    set(&store.join("slots"), 0o640);
    assert_eq!(messages(&store, Some(group)).len(), 2);
}

#[test]
fn a_link_is_no_file_of_a_store() {
    let (_folder, store) = store();
    symlink(store.join("slots"), store.join("db/conf")).unwrap();
    let messages = messages(&store, None);
    assert!(
        messages.len() == 1 && messages[0].contains("db/conf is a symbolic link"),
        "{messages:?}"
    );
}

#[test]
fn whoever_writes_above_a_file_or_in_it_is_named() {
    let (folder, store) = store();
    let (file, within) = (store.join("lock"), |found: &[Failure]| {
        found.iter().filter(|it| it.message().contains(folder.path().to_str().unwrap())).count()
    });
    assert_eq!(within(&of_deciding(&file, "decides")), 0);
    set(&store, 0o707);
    assert_eq!(within(&above(&file)), 1);
    set(&store, 0o1707);
    assert_eq!(within(&above(&file)), 0, "nobody removes another's file there");
    set(&file, 0o602);
    let found = of_deciding(&file, "decides everything");
    assert!(found.iter().any(|it| it.message().contains("a user who does decides everything")));
}
