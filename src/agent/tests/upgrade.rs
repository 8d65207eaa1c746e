//! A store of an earlier build is upgraded at its opening, wherever that is cut short. It is the one of
//! `tests/vectors/store-1.tar.gz`, or of `store-2.tar.gz` (`store-3.tar.gz` is of this build's format); what is in it, scenarios look at.

use super::*;
use crate::agent::backup::{Backup, BackupParts};
use crate::agent::keyspace;
use crate::agent::open_store::OpenStore;
use crate::agent::recover;
use crate::agent::rows::{self, Answered};
use crate::agent::upgrade::{
    Upgrade, UpgradeStep, open_unharmed, upgrade, upgrade_for_restoration,
};
use crate::agent::{Lock, Recovered};
use crate::error::Reason;
use crate::store::cells::{EarlierFile, EraseCell};
use crate::store::{self, Location};
use rustix::process::{Signal, getpid, kill_process};
use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

/// The steps of an upgrade, in order.
const STEPS: [UpgradeStep; 9] = [
    UpgradeStep::KeepSnapshot,
    UpgradeStep::BuildRecords,
    UpgradeStep::WriteCells,
    UpgradeStep::KeepEarlierCells,
    UpgradeStep::ReplaceCells,
    UpgradeStep::SetEarlierRecordsAside,
    UpgradeStep::ReplaceRecords,
    UpgradeStep::KeepUpgradedSnapshot,
    UpgradeStep::WipeEarlierCells,
];

/// After so many of them the store is an upgraded one.
const STEPS_TO_REPLACED: usize = 5;

const NOW: Seconds = 1_900_000_000;

/// A directory with a store that an earlier build has written.
struct Earlier(tempfile::TempDir);

impl Earlier {
    fn new() -> Self {
        Self::of_format(1)
    }

    fn of_format(format: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let packed = format!("{}/tests/vectors/store-{format}.tar.gz", env!("CARGO_MANIFEST_DIR"));
        let mut tar = Command::new("tar");
        tar.args(["--extract", "--no-same-owner", "--file", &packed, "--directory"]);
        assert!(tar.arg(directory.path()).status().unwrap().success());
        Self(directory)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("store")
    }

    fn lock(&self) -> Lock {
        let Claim::Ours(lock) = claim(&self.path()).unwrap() else { panic!("served") };
        lock
    }

    fn slots(&self) -> Vec<u8> {
        std::fs::read(self.path().join("slots")).unwrap()
    }

    fn overwrite(&self, at: u64, bytes: &[u8]) {
        let file = std::fs::File::options().write(true).open(self.path().join("slots")).unwrap();
        file.write_all_at(bytes, at).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).unwrap().map(Result::unwrap);
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Upgrades in a process of its own, which is killed once a step is done.
    fn kill_process_after(&self, last: UpgradeStep) {
        let killed = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "agent::tests::upgrade::the_upgrade_that_is_killed", "--ignored"])
            .env(DIRECTORY, self.path())
            .env(LAST_STEP, format!("{last:?}"))
            .output()
            .unwrap();
        assert_eq!(killed.status.signal(), Some(Signal::KILL.as_raw()), "{last:?}: {killed:?}");
    }

    /// Upgrades until a step is done, and ends there without another.
    fn kill_after(&self, last: UpgradeStep) {
        let lock = self.lock();
        let done = |step| if step == last { panic!("killed") } else { Ok(()) };
        let upgrade = Upgrade { lock: &lock, open: &open_unharmed, done: &done };
        let killed = catch_unwind(AssertUnwindSafe(|| upgrade.run()));
        assert!(killed.is_err(), "{last:?} did not come");
    }

    /// Upgrades, and fails once a step is done.
    fn fail_after(&self, last: UpgradeStep) -> Reason {
        let lock = self.lock();
        let done = |step| if step == last { Err(Reason::StoreFull.into()) } else { Ok(()) };
        let upgrade = Upgrade { lock: &lock, open: &open_unharmed, done: &done };
        upgrade.run().unwrap_err().reason()
    }

    fn open(&self) -> OpenStore {
        let clock = Arc::new(FixedClock::at(NOW));
        OpenStore::open_at(&self.path(), &self.location(), clock).unwrap()
    }

    fn location(&self) -> Location {
        Location::of_directory(self.path()).unwrap()
    }

    /// All that the upgraded store has: identity, marks, number, tokens with their wrong PINs, records with
    /// their material and what became of it, the end of the audit log.
    fn content(&self) -> (Backup, Option<Vec<u8>>) {
        let store = self.open();
        let mut parts = BackupParts::from(&store).unwrap();
        let mut bytes = Vec::new();
        loop {
            let part = parts.next_part();
            if part.is_empty() {
                break;
            }
            bytes.extend_from_slice(&part);
        }
        let head = store.records.get(&keyspace::audit_head()).unwrap();
        (Backup::decode(&bytes).unwrap(), head)
    }

    fn assert_upgraded(&self) {
        let left = self.names();
        let left =
            left.iter().filter(|name| name.contains("upgrading") || name.contains("earlier"));
        assert_eq!(left.count(), 0, "{:?}", self.names());
        assert!(!upgrade(&self.lock()).unwrap(), "once is enough");
    }
}

fn upgraded() -> Earlier {
    upgraded_from(1)
}

fn upgraded_from(format: u64) -> Earlier {
    let earlier = Earlier::of_format(format);
    assert!(upgrade(&earlier.lock()).unwrap());
    earlier.assert_upgraded();
    earlier
}

fn assert_same(one: &Earlier, other: &Earlier) {
    let ((one, head), (other, its)) = (one.content(), other.content());
    assert!(one.store == other.store && one.tokens == other.tokens);
    assert!(one.records == other.records && head == its);
}

/// The formats that are upgraded.
const FORMATS: [u64; 2] = [1, 2];

#[test]
fn an_upgrade_leaves_identity_counts_cells_and_material_as_they_were() {
    FORMATS.into_iter().for_each(leaves_identity_counts_cells_and_material_as_they_were);
}

fn leaves_identity_counts_cells_and_material_as_they_were(format: u64) {
    let earlier = Earlier::of_format(format);
    let before = EarlierFile::read(&earlier.path()).unwrap().unwrap();
    assert!(upgrade(&earlier.lock()).unwrap());
    let store = earlier.open();
    assert_eq!(store.cells.identity, before.identity);
    assert_eq!(store.cells.commits.get(), before.commits());
    assert!(store.records.number().unwrap() >= before.commits());
    let tokens = store.tokens().unwrap();
    let [(token, row)] = &tokens[..] else { panic!("one token") };
    assert_eq!(store.cells.pins.of(*token).unwrap(), (row.slot, (0, 1)), "one wrong PIN");
    let claims = store.claims().unwrap();
    assert!(!claims.is_empty());
    for (cell, _) in claims {
        match (before.erase_cell(cell).unwrap(), store.cells.erase.read_cell(cell).unwrap()) {
            (EraseCell::Secret(was), EraseCell::Secret(is)) => assert!(was == is),
            _ => panic!("cell {cell} has become another"),
        }
    }
    assert!(store.foreign_cells().unwrap().is_empty());
}

#[test]
fn killed_after_any_step_and_then_after_any_other_it_loses_and_revives_nothing() {
    FORMATS.into_iter().for_each(killed_after_any_step_it_loses_and_revives_nothing);
}

fn killed_after_any_step_it_loses_and_revives_nothing(format: u64) {
    let expected = upgraded_from(format);
    for (at, first) in (1..).zip(STEPS) {
        for second in steps_after(at) {
            let earlier = Earlier::of_format(format);
            let before = earlier.slots();
            earlier.kill_after(first);
            assert_eq!(earlier.slots() == before, at < STEPS_TO_REPLACED, "{first:?}");
            earlier.kill_after(*second);
            let finished = *second == UpgradeStep::WipeEarlierCells;
            assert_eq!(upgrade(&earlier.lock()).unwrap(), !finished, "{first:?}, {second:?}");
            earlier.assert_upgraded();
            assert_same(&earlier, &expected);
        }
    }
}

/// Returns the steps of the upgrade that follows one which was ended after so many steps.
fn steps_after(at: usize) -> &'static [UpgradeStep] {
    match at {
        _ if at < STEPS_TO_REPLACED => &STEPS,
        _ if at < STEPS.len() => &STEPS[STEPS_TO_REPLACED..],
        _ => &[],
    }
}

const DIRECTORY: &str = "KEYSTEAD_TEST_UPGRADE";
const LAST_STEP: &str = "KEYSTEAD_TEST_UPGRADE_STEP";

/// Not a test of its own: the process that is killed runs it.
#[test]
#[ignore = "run by the test beside it"]
fn the_upgrade_that_is_killed() {
    let (Some(directory), Ok(last)) = (std::env::var_os(DIRECTORY), std::env::var(LAST_STEP))
    else {
        return;
    };
    let Claim::Ours(lock) = claim(Path::new(&directory)).unwrap() else { panic!("served") };
    let done = |step| {
        if format!("{step:?}") == last {
            kill_process(getpid(), Signal::KILL).unwrap();
        }
        Ok(())
    };
    Upgrade { lock: &lock, open: &open_unharmed, done: &done }.run().unwrap();
}

#[test]
fn an_upgrade_whose_process_is_killed_after_any_step_loses_and_revives_nothing() {
    let expected = upgraded_from(2);
    for step in STEPS {
        let earlier = Earlier::of_format(2);
        earlier.kill_process_after(step);
        let finished = step == UpgradeStep::WipeEarlierCells;
        assert_eq!(upgrade(&earlier.lock()).unwrap(), !finished, "{step:?}");
        earlier.assert_upgraded();
        assert_same(&earlier, &expected);
    }
}

#[test]
fn what_a_killed_upgrade_has_left_half_done_is_wiped_and_made_anew() {
    let expected = upgraded();
    for name in ["db.upgrading/db", "slots.upgrading"] {
        let earlier = Earlier::new();
        earlier.kill_after(UpgradeStep::KeepEarlierCells);
        let cut = std::fs::File::options().write(true).open(earlier.path().join(name)).unwrap();
        cut.set_len(cut.metadata().unwrap().len() - 1000).unwrap();
        let kept = std::fs::File::open(earlier.path().join("slots.upgrading")).unwrap();
        assert!(upgrade(&earlier.lock()).unwrap());
        let mut bytes = vec![1; kept.metadata().unwrap().len() as usize];
        kept.read_exact_at(&mut bytes, 0).unwrap();
        assert!(bytes.len() > 1024 * 64 && bytes.iter().all(|byte| *byte == 0), "secrets are left");
        earlier.assert_upgraded();
        assert_same(&earlier, &expected);
    }
}

#[test]
fn an_upgraded_store_has_no_row_of_an_index_and_knows_the_changes_that_were_answered() {
    for format in FORMATS {
        let store = upgraded_from(format).open();
        let rows = store.records.scan(b"", b"", usize::MAX).unwrap();
        let kinds: BTreeSet<u8> = rows.iter().filter_map(|(key, _)| key.first().copied()).collect();
        assert!(kinds.iter().all(|kind| b"MTSrogucLl".contains(kind)), "{kinds:?}");
        let answers = rows.iter().filter(|(key, _)| key.starts_with(keyspace::ANSWER_PREFIX));
        for (at, row) in answers.clone() {
            assert!(keyspace::answer_number(at).is_some());
            let answered: Answered = rows::decode(row, "an answer").unwrap();
            assert!(store.is_answered(&answered.change).unwrap());
        }
        assert!(answers.count() > 0);
        for (token, row) in store.tokens().unwrap() {
            let holder = store.records.get(&keyspace::slot(row.slot)).unwrap();
            assert_eq!(holder.as_deref(), Some(&token.bytes()[..]));
        }
    }
}

#[test]
fn a_kept_store_of_this_format_has_a_row_for_each_slot_and_is_opened_as_it_is() {
    let kept = Earlier::of_format(3);
    assert!(!upgrade(&kept.lock()).unwrap());
    let store = kept.open();
    let tokens = store.tokens().unwrap();
    assert_eq!(tokens.len(), 2);
    for (token, row) in tokens {
        let holder = store.records.get(&keyspace::slot(row.slot)).unwrap();
        assert_eq!(holder.as_deref(), Some(&token.bytes()[..]));
    }
}

#[test]
fn the_earlier_cell_file_is_overwritten_before_it_is_gone() {
    let earlier = Earlier::new();
    let kept = std::fs::File::open(earlier.path().join("slots")).unwrap();
    let before = earlier.slots();
    assert!(upgrade(&earlier.lock()).unwrap());
    let mut bytes = vec![1; before.len()];
    kept.read_exact_at(&mut bytes, 0).unwrap();
    assert!(bytes.iter().all(|byte| *byte == 0), "secrets are left");
}

#[test]
fn an_upgrade_that_fails_before_it_has_replaced_anything_leaves_the_store_as_it_was() {
    for step in &STEPS[..STEPS_TO_REPLACED - 1] {
        let earlier = Earlier::new();
        let (slots, _lock) = (earlier.slots(), earlier.lock());
        drop(_lock);
        assert_eq!(earlier.fail_after(*step), Reason::StoreFull);
        assert!(earlier.slots() == slots, "{step:?}");
        let left = earlier.names();
        assert!(!left.iter().any(|name| name.contains("upgrading") || name.contains("earlier")));
        assert!(EarlierFile::read(&earlier.path()).unwrap().is_some());
        assert!(upgrade(&earlier.lock()).unwrap());
    }
}

#[test]
fn a_damaged_byte_of_an_earlier_cell_file_costs_nothing() {
    let expected = upgraded();
    for cell in [0, 1, 2, 3, 8, 512 + 63] {
        let earlier = Earlier::new();
        let at = cell * 64 + 20;
        earlier.overwrite(at as u64, &[earlier.slots()[at] ^ 1]);
        assert!(upgrade(&earlier.lock()).unwrap());
        assert_same(&earlier, &expected);
    }
    let expected = upgraded_from(2);
    for cell in [0, 1, 2, 3, 8, 512, 512 + 8, 1024 + 63] {
        let earlier = Earlier::of_format(2);
        let at = cell * 64 + 20;
        earlier.overwrite(at as u64, &[earlier.slots()[at] ^ 1]);
        assert!(upgrade(&earlier.lock()).unwrap());
        assert_same(&earlier, &expected);
    }
}

#[test]
fn a_lost_count_of_an_earlier_cell_file_locks_its_token_after_the_upgrade_too() {
    let earlier = Earlier::new();
    earlier.overwrite(8 * 64, &[0xAA; 64]);
    assert!(upgrade(&earlier.lock()).unwrap());
    let store = earlier.open();
    let (token, _) = store.tokens().unwrap().remove(0);
    assert_eq!(store.cells.pins.of(token).unwrap().1, (u8::MAX, u8::MAX));
}

#[test]
fn a_snapshot_of_before_is_not_served_after_the_upgrade() {
    let earlier = upgraded();
    let kept = store::snapshot_origin(&earlier.location()).unwrap().unwrap();
    let store = earlier.open();
    assert_eq!(kept.identity(), store.cells.identity);
    assert_eq!(kept.commits, store.records.number().unwrap());
    drop(store);
    std::fs::write(earlier.path().join("db/conf"), b"rubbish").unwrap();
    std::fs::write(earlier.path().join("db/db"), vec![0xA5; 4096]).unwrap();
    let served = earlier.open();
    assert!(!served.is_writable());
    assert_eq!(served.tokens().unwrap().len(), 1);
}

#[test]
fn an_earlier_store_whose_records_are_lost_is_refused_and_recovered_from_its_snapshot() {
    let earlier = Earlier::new();
    let slots = earlier.slots();
    std::fs::write(earlier.path().join("db/db"), vec![0xA5; 48060]).unwrap();
    let error = upgrade(&earlier.lock()).unwrap_err();
    assert_eq!(error.reason(), Reason::StoreDamaged);
    assert!(error.to_string().contains("keystead recover"), "{error}");
    assert!(earlier.slots() == slots);
    let recovered = recover::recover(&earlier.lock()).unwrap();
    assert!(matches!(recovered, Some(Recovered { from_snapshot: true, commits: 0, .. })));
    let expected = upgraded();
    let (one, other) = (earlier.content().0, expected.content().0);
    assert!(one.tokens == other.tokens && one.records == other.records);
}

#[test]
fn a_cut_earlier_cell_file_is_refused_and_upgraded_once_it_is_whole_again_or_its_loss_accepted() {
    for length in [512 * 64, 513 * 64, 513 * 64 + 7] {
        let earlier = Earlier::new();
        let slots = earlier.slots();
        std::fs::write(earlier.path().join("slots"), &slots[..length]).unwrap();
        let error = upgrade(&earlier.lock()).unwrap_err();
        assert!(error.to_string().contains("holds material"), "{error}");
        assert!(earlier.slots() == slots[..length]);
        let left = |name: &String| name.ends_with(".upgrading") || name.ends_with(".earlier");
        assert!(!earlier.names().iter().any(left), "{:?}", earlier.names());
        std::fs::write(earlier.path().join("slots"), &slots).unwrap();
        assert!(upgrade(&earlier.lock()).unwrap());
        let (one, other) = (earlier.content().0, upgraded().content().0);
        assert!(one.tokens == other.tokens && one.records == other.records);
    }
    let earlier = Earlier::new();
    std::fs::write(earlier.path().join("slots"), &earlier.slots()[..512 * 64]).unwrap();
    assert!(!recover::recover(&earlier.lock()).unwrap().unwrap().lost.is_empty());
    earlier.open();
}

#[test]
fn an_earlier_store_whose_records_are_gone_is_not_taken_for_a_new_one() {
    let earlier = Earlier::new();
    std::fs::remove_dir_all(earlier.path().join("db")).unwrap();
    let error = upgrade(&earlier.lock()).unwrap_err();
    assert!(error.to_string().contains("keystead recover"), "{error}");
    assert!(upgrade_for_restoration(&earlier.lock()).is_err(), "its snapshot has everything");
    std::fs::remove_file(earlier.path().join("snapshot")).unwrap();
    assert!(upgrade(&earlier.lock()).is_err());
    assert!(EarlierFile::read(&earlier.path()).unwrap().is_some());
    assert!(upgrade_for_restoration(&earlier.lock()).unwrap());
    let cells = Cells::open(&earlier.path()).unwrap();
    assert!(!cells.is_new() && !cells.is_unused());
}
