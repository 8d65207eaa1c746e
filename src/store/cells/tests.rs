//! Promises of the cell file, over openings and damage.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use super::cell::{
    CLOCK_CELL, COMMITS_CELL, CellNumber, FIRST_ERASE, FIRST_PIN, FORMAT_CELL, IDENTITY_CELL, SIZE,
};
use super::layout::{COPY, first_copy, offset};
use super::*;
use crate::erasure::Tombstone;
use crate::error::Reason;
use crate::id::Id;
use crate::store::files;
use std::collections::{HashMap, HashSet};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

struct StoreDirectory(tempfile::TempDir);

impl StoreDirectory {
    fn new() -> Self {
        let directory = Self(tempfile::tempdir().unwrap());
        Cells::make(directory.0.path()).unwrap();
        directory
    }

    fn open(&self, claimed: &[CellNumber]) -> Cells {
        let cells = Cells::open(self.0.path()).unwrap();
        cells.erase.renew_unclaimed(&claimed.iter().copied().collect()).unwrap();
        cells
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("slots")
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.file()).unwrap()
    }

    fn overwrite(&self, at: usize, bytes: &[u8]) {
        files::open_private(&self.file(), false).unwrap().write_all_at(bytes, at as u64).unwrap();
    }

    fn refusal(&self) -> String {
        let error = match Cells::open(self.0.path()) {
            Ok(cells) => cells.erase.renew_unclaimed(&HashSet::new()).unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(error.reason(), Reason::StoreDamaged);
        error.to_string()
    }
}

fn secret(cells: &Cells, number: CellNumber) -> [u8; 32] {
    match cells.erase.read_cell(number).unwrap() {
        EraseCell::Secret(secret) => **secret,
        EraseCell::Erased(_) => panic!("erased"),
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn a_claimed_secret_stays_and_an_unclaimed_one_is_replaced_at_opening() {
    let directory = StoreDirectory::new();
    let cells = directory.open(&[]);
    let (kept, lost) = (cells.erase.take().unwrap(), cells.erase.take().unwrap());
    let (kept_secret, lost_secret) = (secret(&cells, kept), secret(&cells, lost));
    assert_ne!(kept_secret, lost_secret);
    drop(cells);
    let cells = directory.open(&[kept]);
    assert_eq!(secret(&cells, kept), kept_secret);
    assert!(!contains(&directory.bytes(), &lost_secret));
}

#[test]
fn an_erased_secret_is_nowhere_in_the_file() {
    let directory = StoreDirectory::new();
    let cells = directory.open(&[]);
    let (deleted, expired) = (cells.erase.take().unwrap(), cells.erase.take().unwrap());
    let secrets = [secret(&cells, deleted), secret(&cells, expired)];
    assert!(secrets.iter().all(|secret| contains(&directory.bytes(), secret)));
    cells.erase.delete(&[deleted], 7).unwrap();
    cells.erase.erase(&[(expired, Tombstone::Expired(8))]).unwrap();
    assert!(!secrets.iter().any(|secret| contains(&directory.bytes(), secret)));
    let cells = directory.open(&[deleted, expired]);
    assert!(matches!(cells.erase.read_cell(deleted), Ok(EraseCell::Erased(Tombstone::Deleted(7)))));
    assert!(matches!(cells.erase.read_cell(expired), Ok(EraseCell::Erased(Tombstone::Expired(8)))));
}

#[test]
fn cells_whose_secret_is_overwritten_are_told_from_all_others() {
    let directory = StoreDirectory::new();
    let cells = directory.open(&[]);
    let mut all: Vec<CellNumber> = (0..200).map(|_| cells.erase.take().unwrap()).collect();
    all.sort_unstable();
    let mut gone: Vec<CellNumber> = all.iter().copied().filter(|it| it % 7 == 3).collect();
    cells.erase.delete(&gone, 9).unwrap();
    let told = || {
        let numbered = all.iter().map(|number| (*number, *number));
        cells.erase.overwritten(numbered.collect())
    };
    assert_eq!(told(), gone);
    // One byte of a secret, and of an end, is read as it was; of what is lost nothing is told.
    let (whole, live) = (directory.bytes(), all[0]);
    assert!(!gone.contains(&live));
    for (number, bytes) in [(live, 1), (gone[0], 1), (gone[1], 40)] {
        let at = offset(number) as usize + 8;
        let damaged: Vec<u8> = whole[at..at + bytes].iter().map(|byte| byte ^ 1).collect();
        directory.overwrite(at, &damaged);
    }
    gone.remove(1);
    assert_eq!(told(), gone);
    cells.erase.presume_deleted(&[live], 9);
    gone.insert(0, live);
    assert_eq!(told(), gone);
}

#[test]
fn cells_are_never_handed_out_twice_and_released_ones_come_back_fresh() {
    let directory = StoreDirectory::new();
    let cells = directory.open(&[]);
    let taken: Vec<_> = (0..200).map(|_| cells.erase.take().unwrap()).collect();
    assert_eq!(taken.iter().collect::<HashSet<_>>().len(), 200);
    let before: HashSet<_> = taken.iter().map(|number| secret(&cells, *number)).collect();
    cells.erase.delete(&taken, 1).unwrap();
    taken.iter().for_each(|number| cells.erase.release(*number));
    let length = directory.bytes().len();
    for _ in 0..200 {
        assert!(!before.contains(&secret(&cells, cells.erase.take().unwrap())));
    }
    assert_eq!(directory.bytes().len(), length, "released cells are used again");
}

/// Any slot will do.
fn any(_: u32) -> crate::error::Result<bool> {
    Ok(true)
}

#[test]
fn counts_and_slot_numbers_survive_opening_again() {
    let directory = StoreDirectory::new();
    let (first, second) = (Id::new([1; 16]), Id::new([2; 16]));
    let cells = directory.open(&[]);
    assert_eq!(
        (cells.pins.reserve(first, &any).unwrap(), cells.pins.reserve(second, &any).unwrap()),
        (0, 1)
    );
    assert_eq!(cells.pins.reserve(first, &any).unwrap(), 0);
    cells.pins.confirm(second).unwrap();
    assert_eq!(cells.pins.count_attempt(second, false).unwrap(), 1);
    assert_eq!(cells.pins.count_attempt(second, false).unwrap(), 2);
    assert_eq!(cells.pins.count_attempt(second, true).unwrap(), 1);
    cells.time.raise(99).unwrap();
    cells.time.raise(98).unwrap();
    drop(cells);
    let cells = directory.open(&[]);
    cells.pins.reconcile(&HashMap::from([(second, 1)])).unwrap();
    assert_eq!(cells.pins.of(second).unwrap(), (1, (1, 2)));
    assert!(cells.pins.of(first).is_err(), "no token followed the reservation");
    assert_eq!(cells.time.get(), 99);
    cells.pins.reset(second, (false, true)).unwrap();
    assert_eq!(cells.pins.of(second).unwrap(), (1, (1, 0)));
    assert_eq!(cells.pins.reserve(first, &any).unwrap(), 0);
}

#[test]
fn a_token_gets_the_slot_it_is_meant_for_wherever_that_is_free() {
    let directory = StoreDirectory::new();
    let cells = directory.open(&[]);
    let token = |number: u32| {
        let mut bytes = [9; 16];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        Id::new(bytes)
    };
    let reserve = |number, meant: Option<u32>| {
        let fits = |slot| Ok(meant.is_none_or(|meant| meant == slot));
        cells.pins.reserve(token(number), &fits).map_err(|it| it.reason())
    };
    assert_eq!((reserve(0, Some(2)), reserve(1, Some(0)), reserve(2, None)), (Ok(2), Ok(0), Ok(1)));
    assert_eq!(reserve(3, Some(2)), Err(Reason::Conflict), "another token has it");
    assert_eq!(reserve(3, Some(TOKENS)), Err(Reason::Conflict), "there is no such slot");
    cells.pins.vacate(token(0)).unwrap();
    assert_eq!((reserve(3, Some(2)), reserve(4, Some(TOKENS - 1))), (Ok(2), Ok(TOKENS - 1)));
    for number in 5..=TOKENS {
        reserve(number, None).unwrap();
    }
    assert_eq!(reserve(TOKENS + 1, None), Err(Reason::StoreFull));
    assert_eq!(reserve(TOKENS + 1, Some(7)), Err(Reason::StoreFull));
    cells.pins.vacate(token(4)).unwrap();
    assert_eq!(reserve(TOKENS + 1, None), Ok(TOKENS - 1));
}

#[test]
fn a_token_that_either_side_has_lost_is_damage() {
    let directory = StoreDirectory::new();
    let cells = directory.open(&[]);
    cells.pins.reserve(Id::new([1; 16]), &any).unwrap();
    cells.pins.confirm(Id::new([1; 16])).unwrap();
    assert!(cells.pins.reconcile(&HashMap::new()).unwrap_err().to_string().contains("slots"));
    let unknown = HashMap::from([(Id::new([1; 16]), 0), (Id::new([2; 16]), 0)]);
    assert!(cells.pins.reconcile(&unknown).unwrap_err().to_string().contains("slots"));
}

#[test]
fn a_damaged_cell_loses_its_own_material_only() {
    let directory = StoreDirectory::new();
    let cells = directory.open(&[]);
    let (whole, damaged) = (cells.erase.take().unwrap(), cells.erase.take().unwrap());
    let at = offset(damaged) as usize + 20;
    directory.overwrite(at, &[!directory.bytes()[at], !directory.bytes()[at + 1]]);
    let cells = directory.open(&[whole, damaged]);
    secret(&cells, whole);
    let error = cells.erase.read_cell(damaged).map(drop).unwrap_err().to_string();
    assert!(error.contains("slots") && error.contains(&damaged.to_string()), "{error}");
    assert!(cells.alive());
}

#[test]
fn zeros_a_cut_and_another_file_are_clear_errors() {
    let directory = StoreDirectory::new();
    let good = directory.bytes();
    let rubbish =
        [vec![0; good.len()], good[..good.len() - 1].to_vec(), vec![], vec![b'x'; good.len()]];
    for bytes in rubbish {
        std::fs::write(directory.file(), bytes).unwrap();
        let text = directory.refusal();
        assert!(
            text.contains(directory.file().to_str().unwrap()) && text.contains("restore"),
            "{text}"
        );
    }
    std::fs::remove_file(directory.file()).unwrap();
    assert!(directory.refusal().contains("slots"));
}

#[test]
fn a_claim_beyond_the_end_is_a_clear_error() {
    let directory = StoreDirectory::new();
    let cells = Cells::open(directory.0.path()).unwrap();
    let error = cells.erase.renew_unclaimed(&HashSet::from([FIRST_ERASE + 5000])).unwrap_err();
    assert_eq!(error.reason(), Reason::StoreDamaged);
}

const TOKEN: Id = Id::new([7; 16]);

/// A file with a token whose PINs were wrong, a mark, commits, and a claimed erase cell.
fn furnished() -> (StoreDirectory, CellNumber) {
    let directory = StoreDirectory::new();
    let cells = directory.open(&[]);
    let cell = cells.erase.take().unwrap();
    cells.pins.reserve(TOKEN, &any).unwrap();
    cells.pins.confirm(TOKEN).unwrap();
    for officer in [true, false, false] {
        cells.pins.count_attempt(TOKEN, officer).unwrap();
    }
    cells.time.raise(77).unwrap();
    cells.commits.note(9).unwrap();
    cells.sync().unwrap();
    (directory, cell)
}

fn known() -> HashMap<Id, u32> {
    HashMap::from([(TOKEN, 0)])
}

/// Returns the damage after one byte of `good` was changed in the file, and sees it mended on request;
/// meanwhile the file tells everything that it told before.
fn mended_byte(directory: &StoreDirectory, cell: CellNumber, good: &[u8], at: usize) -> Damage {
    let whole = Cells::open(directory.0.path()).unwrap();
    let (identity, kept) = (whole.identity, secret(&whole, cell));
    directory.overwrite(at, &[!good[at]]);
    let found = damage(directory.0.path()).unwrap();
    let cells = Cells::open(directory.0.path()).unwrap();
    cells.pins.reconcile(&known()).unwrap();
    assert_eq!((cells.identity, cells.time.get(), cells.commits.get()), (identity, 77, 9));
    assert_eq!(cells.pins.of(TOKEN).unwrap(), (0, (1, 2)));
    assert_eq!(secret(&cells, cell), kept);
    assert!(!cells.is_new());
    assert_ne!(directory.bytes(), good, "nothing is mended in silence");
    assert_eq!(cells.mend(&[cell], 9, (9, 10), 5).unwrap(), found);
    assert!(directory.bytes() == good, "byte {at}");
    let [damage] = found[..] else { panic!("{found:?}") };
    damage
}

#[test]
fn any_damaged_byte_is_read_as_it_was_and_mended_when_that_is_asked_for() {
    let (directory, cell) = furnished();
    let good = directory.bytes();
    for number in [FORMAT_CELL, IDENTITY_CELL, CLOCK_CELL, COMMITS_CELL, FIRST_PIN] {
        for copy in [first_copy(number).unwrap(), offset(number)] {
            for at in copy as usize..copy as usize + SIZE {
                let damage = mended_byte(&directory, cell, &good, at);
                assert_eq!(damage, Damage { cell: number, extent: Extent::Copy });
            }
        }
    }
    let erase = offset(cell) as usize;
    for at in erase..erase + SIZE {
        let damage = mended_byte(&directory, cell, &good, at);
        assert_eq!(damage, Damage { cell, extent: Extent::Byte });
    }
    for at in [4 * SIZE + 9, 20_000, 32_767, COPY + 20_000] {
        let number = (at % COPY / SIZE) as CellNumber;
        let damage = mended_byte(&directory, cell, &good, at);
        assert_eq!(damage, Damage { cell: number, extent: Extent::Byte }, "an unused cell");
    }
}

#[test]
fn a_lost_copy_of_any_fixed_cell_costs_nothing_and_is_written_back_before_the_store_is_served() {
    let (directory, cell) = furnished();
    let good = directory.bytes();
    for rubbish in [[0; SIZE], [0xA5; SIZE]] {
        for number in [FORMAT_CELL, IDENTITY_CELL, CLOCK_CELL, COMMITS_CELL, FIRST_PIN] {
            for copy in [first_copy(number).unwrap(), offset(number)] {
                directory.overwrite(copy as usize, &rubbish);
                let cells = directory.open(&[cell]);
                cells.pins.reconcile(&known()).unwrap();
                assert_eq!((cells.time.get(), cells.commits.get()), (77, 9));
                assert_eq!(cells.pins.of(TOKEN).unwrap(), (0, (1, 2)));
                cells.make_copies_equal().unwrap();
                assert!(directory.bytes()[..2 * COPY] == good[..2 * COPY], "cell {number}");
            }
        }
    }
}

#[test]
fn both_copies_damaged_in_one_byte_each_are_read_as_they_were() {
    let (directory, _) = furnished();
    let good = directory.bytes();
    for number in [FORMAT_CELL, IDENTITY_CELL, CLOCK_CELL, COMMITS_CELL, FIRST_PIN] {
        let copies = [first_copy(number).unwrap(), offset(number)].map(|at| at as usize + 20);
        copies.iter().for_each(|at| directory.overwrite(*at, &[!good[*at]]));
        let found = damage(directory.0.path()).unwrap();
        assert_eq!(found, [Damage { cell: number, extent: Extent::Byte }]);
        let cells = Cells::open(directory.0.path()).unwrap();
        assert_eq!((cells.time.get(), cells.commits.get()), (77, 9));
        assert_eq!(cells.pins.of(TOKEN).unwrap(), (0, (1, 2)));
        assert_eq!(cells.mend(&[], 9, (9, 10), 5).unwrap(), found);
        assert!(directory.bytes() == good);
    }
}

#[test]
fn where_a_crash_came_between_two_copies_the_first_counts_and_both_are_made_equal() {
    let (directory, cell) = furnished();
    let older = directory.bytes();
    let counted = directory.open(&[cell]).pins.count_attempt(TOKEN, false).unwrap();
    assert_eq!(counted, 3);
    let newer = directory.bytes();
    let (first, second) = (first_copy(FIRST_PIN).unwrap() as usize, offset(FIRST_PIN) as usize);
    for (at, bytes, wrong) in [(second, &older, 3), (first, &older, 2)] {
        directory.overwrite(first, &newer[first..first + SIZE]);
        directory.overwrite(second, &newer[second..second + SIZE]);
        directory.overwrite(at, &bytes[at..at + SIZE]);
        assert_eq!(damage(directory.0.path()).unwrap(), [], "a crash is no damage");
        let cells = directory.open(&[cell]);
        assert_eq!(cells.pins.of(TOKEN).unwrap(), (0, (1, wrong)));
        cells.make_copies_equal().unwrap();
        assert_eq!(
            directory.bytes()[first..first + SIZE],
            directory.bytes()[second..second + SIZE]
        );
        assert_eq!(directory.open(&[cell]).pins.of(TOKEN).unwrap(), (0, (1, wrong)));
    }
}

#[test]
fn copies_are_not_made_equal_with_what_has_been_written_over_since() {
    let (directory, cell) = furnished();
    let at = first_copy(CLOCK_CELL).unwrap() as usize;
    directory.overwrite(at, &[0xA5; SIZE]);
    let cells = directory.open(&[cell]);
    cells.time.raise(78).unwrap();
    cells.make_copies_equal().unwrap();
    assert_eq!(directory.open(&[cell]).time.get(), 78);
}

#[test]
fn what_cannot_be_told_of_a_token_locks_it_and_leaves_its_officer_one_try() {
    for rubbish in [vec![0; SIZE], vec![0xFF; SIZE], vec![4, 2, 0, 0, 9, 0, 0, 9]] {
        let (directory, _) = furnished();
        for at in [first_copy(FIRST_PIN).unwrap(), offset(FIRST_PIN)] {
            directory.overwrite(at as usize, &rubbish);
        }
        let cells = Cells::open(directory.0.path()).unwrap();
        cells.pins.reconcile(&known()).unwrap();
        assert_eq!(cells.pins.of(TOKEN).unwrap(), (0, (u8::MAX, u8::MAX)));
        assert!(cells.pins.count_attempt(TOKEN, true).is_err());
        assert_ne!(
            cells.pins.reserve(Id::new([8; 16]), &any).unwrap(),
            0,
            "its slot stays its own"
        );
        let mended = cells.mend(&[], 9, (9, 10), 5).unwrap();
        assert_eq!(mended, [Damage { cell: FIRST_PIN, extent: Extent::Lost }]);
        let cells = Cells::open(directory.0.path()).unwrap();
        cells.pins.reconcile(&known()).unwrap();
        assert_eq!(cells.pins.of(TOKEN).unwrap(), (0, (9, 10)));
        assert_eq!(damage(directory.0.path()).unwrap(), []);
    }
}

#[test]
fn a_token_that_was_destroyed_is_not_taken_for_one_whose_count_is_lost() {
    let (directory, _) = furnished();
    let cells = Cells::open(directory.0.path()).unwrap();
    cells.pins.vacate(TOKEN).unwrap();
    assert!(!cells.pins.counts(TOKEN, 0));
    let cells = Cells::open(directory.0.path()).unwrap();
    assert!(!cells.pins.counts(TOKEN, 0));
    assert!(cells.pins.reconcile(&known()).is_err());
}

#[test]
fn erase_cells_that_are_lost_or_cut_off_say_deleted_after_a_mending() {
    let (directory, cell) = furnished();
    directory.overwrite(offset(cell) as usize + 4, &[9, 9]);
    let cells = Cells::open(directory.0.path()).unwrap();
    let mended = cells.mend(&[cell], 9, (9, 10), 5).unwrap();
    assert_eq!(mended, [Damage { cell, extent: Extent::Lost }]);
    assert!(matches!(cells.erase.read_cell(cell), Ok(EraseCell::Erased(Tombstone::Deleted(5)))));

    let (directory, cell) = furnished();
    std::fs::write(directory.file(), &directory.bytes()[..offset(cell) as usize + 10]).unwrap();
    let cells = Cells::open(directory.0.path()).unwrap();
    let text = cells.erase.renew_unclaimed(&HashSet::from([cell])).unwrap_err().to_string();
    assert!(text.contains("keystead recover"), "{text}");
    cells.mend(&[cell], 9, (9, 10), 5).unwrap();
    let cells = directory.open(&[cell]);
    assert!(matches!(cells.erase.read_cell(cell), Ok(EraseCell::Erased(Tombstone::Deleted(5)))));
}

#[test]
fn a_damaged_record_that_claims_a_fixed_cell_has_none_written_over() {
    let (directory, _) = furnished();
    let good = directory.bytes();
    let cells = Cells::open(directory.0.path()).unwrap();
    cells.pins.reconcile(&known()).unwrap();
    assert_eq!(cells.mend(&[COMMITS_CELL], 9, (9, 10), 5).unwrap(), []);
    assert!(directory.bytes() == good);
}

#[test]
fn a_beginning_that_is_lost_is_written_anew_as_the_snapshot_knows_it() {
    for (at, length) in [(0, 40), (64, 64), (0, 128)] {
        let (directory, cell) = furnished();
        let identity = Cells::open(directory.0.path()).unwrap().identity;
        directory.overwrite(at, &vec![b'x'; length]);
        directory.overwrite(COPY + at, &vec![b'x'; length]);
        assert!(directory.refusal().contains("keystead recover"));
        assert!(!Cells::mend_head(directory.0.path(), None).unwrap());
        assert!(Cells::mend_head(directory.0.path(), Some(identity)).unwrap());
        assert!(!Cells::mend_head(directory.0.path(), Some(identity)).unwrap());
        let cells = Cells::open(directory.0.path()).unwrap();
        assert_eq!(cells.identity.store, identity.store);
        assert!(cells.identity.incarnation == identity.incarnation || at + length > 64);
        cells.pins.reconcile(&known()).unwrap();
        assert_eq!(cells.pins.of(TOKEN).unwrap(), (0, (1, 2)));
        secret(&cells, cell);
    }
    let directory = StoreDirectory::new();
    for rubbish in [vec![], vec![0; 80_000], vec![b'x'; 80_000]] {
        std::fs::write(directory.file(), &rubbish).unwrap();
        assert!(
            !Cells::mend_head(
                directory.0.path(),
                Some(StoreIdentity { store: TOKEN, incarnation: 1 })
            )
            .unwrap()
        );
        assert!(std::fs::read(directory.file()).unwrap() == rubbish);
    }
}

/// A cell file of format 1 with the golden cells of then, whose next erase cell is lost.
fn earlier() -> StoreDirectory {
    let directory = StoreDirectory(tempfile::tempdir().unwrap());
    let mut bytes = vec![0; (FIRST_ERASE as usize + 4) * SIZE];
    let golden = include_bytes!("golden-1.bin").as_chunks::<SIZE>().0;
    let numbers = [0, 1, 2, 3, FIRST_PIN, FIRST_PIN + 1, FIRST_ERASE, FIRST_ERASE + 1];
    for (number, cell) in numbers.into_iter().chain([FIRST_ERASE + 2]).zip(golden) {
        let at = number as usize * SIZE;
        bytes[at..at + SIZE].copy_from_slice(cell);
    }
    let lost = (FIRST_ERASE as usize + 3) * SIZE;
    bytes[lost..].fill(0xA5);
    std::fs::write(directory.file(), bytes).unwrap();
    directory
}

#[test]
fn a_file_of_the_earlier_format_is_read_and_written_anew_with_all_it_says() {
    let directory = earlier();
    let error = Cells::open(directory.0.path()).map(drop).unwrap_err().to_string();
    assert!(error.contains("an earlier build"), "{error}");
    let (noted, commits) = Cells::noted(directory.0.path()).unwrap();
    let file = EarlierFile::read(directory.0.path()).unwrap().unwrap();
    assert_eq!((file.identity, file.commits(), commits), (noted, 77, 77));
    assert!(
        matches!(file.erase_cell(FIRST_ERASE), Some(EraseCell::Secret(it)) if **it == [0xC3; 32])
    );
    assert!(file.erase_cell(FIRST_ERASE + 3).is_none());
    file.write_upgraded(directory.0.path()).unwrap();
    keep_earlier(directory.0.path()).unwrap();
    assert!(EarlierFile::read(directory.0.path()).unwrap().is_some());
    take_upgraded(directory.0.path()).unwrap();
    assert!(EarlierFile::read(directory.0.path()).unwrap().is_none());
    let cells = Cells::open(directory.0.path()).unwrap();
    assert_eq!((cells.identity, cells.commits.get(), cells.time.get()), (noted, 77, 1_800_000_000));
    assert_eq!(cells.pins.of(Id::new([0xA1; 16])).unwrap(), (0, (1, 9)));
    assert_eq!(secret(&cells, FIRST_ERASE), [0xC3; 32]);
    let read = |number| cells.erase.read_cell(number);
    assert!(matches!(
        read(FIRST_ERASE + 1),
        Ok(EraseCell::Erased(Tombstone::Deleted(1_800_000_001)))
    ));
    assert!(matches!(
        read(FIRST_ERASE + 2),
        Ok(EraseCell::Erased(Tombstone::Expired(1_800_000_002)))
    ));
    assert!(read(FIRST_ERASE + 3).is_err());
    assert!(is_upgrade_unfinished(directory.0.path()));
    wipe_earlier(directory.0.path()).unwrap();
    assert!(!is_upgrade_unfinished(directory.0.path()));
}

#[test]
fn damage_of_an_earlier_file_is_found_and_its_lost_beginning_mended() {
    let directory = earlier();
    let lost = [Damage { cell: FIRST_ERASE + 3, extent: Extent::Lost }];
    assert_eq!(damage(directory.0.path()).unwrap(), lost);
    let identity = Cells::noted(directory.0.path()).unwrap().0;
    for at in [0, SIZE] {
        let directory = earlier();
        directory.overwrite(at, &[b'x'; SIZE]);
        assert!(EarlierFile::read(directory.0.path()).is_err());
        assert!(Cells::mend_head(directory.0.path(), Some(identity)).unwrap());
        let file = EarlierFile::read(directory.0.path()).unwrap().unwrap();
        assert_eq!(file.identity.store, identity.store);
        assert!(file.erase_cell(FIRST_ERASE).is_some(), "its erase cells stay where they are");
    }
}

#[test]
fn a_new_file_is_laid_out_as_the_format_says() {
    let directory = StoreDirectory::new();
    let cells = directory.open(&[]);
    let cell = cells.erase.take().unwrap();
    cells.pins.reserve(TOKEN, &any).unwrap();
    let bytes = directory.bytes();
    assert!(bytes[..512 * SIZE] == bytes[512 * SIZE..1024 * SIZE]);
    assert_eq!(bytes[8 * SIZE..8 * SIZE + 8], [4, 1, 0, 0, 8, 0, 0, 0]);
    let at = (512 + cell as usize) * SIZE;
    assert!(at >= 1024 * SIZE);
    assert_eq!(bytes[at..at + 4], [5, 1, 0, 0]);
    assert_eq!(bytes[at + 4..at + 8], cell.to_le_bytes());
    assert_eq!(bytes[8..16], [3, 0, 0, 0, 0, 0, 0, 0], "the format");
}
