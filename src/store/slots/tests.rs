//! What the file `slots` promises, over openings and damage.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use super::cell::SIZE;
use super::*;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        Slots::make(place.0.path()).unwrap();
        place
    }

    fn open(&self, claimed: &[CellNumber]) -> Slots {
        let slots = Slots::open(self.0.path()).unwrap();
        slots.settle(&claimed.iter().copied().collect()).unwrap();
        slots
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
        let error = match Slots::open(self.0.path()) {
            Ok(slots) => slots.settle(&HashSet::new()).unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(error.reason(), Reason::StoreDamaged);
        error.to_string()
    }
}

fn secret(slots: &Slots, number: CellNumber) -> [u8; 32] {
    match slots.content(number).unwrap() {
        Content::Secret(secret) => **secret,
        Content::Deleted(_) | Content::Expired(_) => panic!("erased"),
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn a_claimed_secret_stays_and_an_unclaimed_one_is_replaced_at_opening() {
    let place = Place::new();
    let slots = place.open(&[]);
    let (kept, lost) = (slots.take().unwrap(), slots.take().unwrap());
    let (kept_secret, lost_secret) = (secret(&slots, kept), secret(&slots, lost));
    assert_ne!(kept_secret, lost_secret);
    drop(slots);
    let slots = place.open(&[kept]);
    assert_eq!(secret(&slots, kept), kept_secret);
    assert!(!contains(&place.bytes(), &lost_secret));
}

#[test]
fn an_erased_secret_is_nowhere_in_the_file() {
    let place = Place::new();
    let slots = place.open(&[]);
    let (deleted, expired) = (slots.take().unwrap(), slots.take().unwrap());
    let secrets = [secret(&slots, deleted), secret(&slots, expired)];
    assert!(secrets.iter().all(|secret| contains(&place.bytes(), secret)));
    slots.delete(&[deleted], 7).unwrap();
    slots.expire(&[expired], 8).unwrap();
    assert!(!secrets.iter().any(|secret| contains(&place.bytes(), secret)));
    let slots = place.open(&[deleted, expired]);
    assert!(matches!(slots.content(deleted), Ok(Content::Deleted(7))));
    assert!(matches!(slots.content(expired), Ok(Content::Expired(8))));
}

#[test]
fn cells_are_never_handed_out_twice_and_released_ones_come_back_fresh() {
    let place = Place::new();
    let slots = place.open(&[]);
    let taken: Vec<_> = (0..200).map(|_| slots.take().unwrap()).collect();
    assert_eq!(taken.iter().collect::<HashSet<_>>().len(), 200);
    let before: HashSet<_> = taken.iter().map(|number| secret(&slots, *number)).collect();
    slots.delete(&taken, 1).unwrap();
    taken.iter().for_each(|number| slots.release(*number));
    let length = place.bytes().len();
    for _ in 0..200 {
        assert!(!before.contains(&secret(&slots, slots.take().unwrap())));
    }
    assert_eq!(place.bytes().len(), length, "released cells are used again");
}

#[test]
fn counts_and_slot_numbers_survive_opening_again() {
    let place = Place::new();
    let (first, second) = (Id::new([1; 16]), Id::new([2; 16]));
    let slots = place.open(&[]);
    assert_eq!((slots.reserve(first, None).unwrap(), slots.reserve(second, None).unwrap()), (0, 1));
    assert_eq!(slots.reserve(first, None).unwrap(), 0);
    slots.confirm(second).unwrap();
    assert_eq!(slots.count_attempt(second, false).unwrap(), 1);
    assert_eq!(slots.count_attempt(second, false).unwrap(), 2);
    assert_eq!(slots.count_attempt(second, true).unwrap(), 1);
    slots.raise_mark(99).unwrap();
    slots.raise_mark(98).unwrap();
    drop(slots);
    let slots = place.open(&[]);
    slots.settle_tokens(&HashMap::from([(second, 1)])).unwrap();
    assert_eq!(slots.pin(second).unwrap(), (1, (1, 2)));
    assert!(slots.pin(first).is_err(), "no token followed the reservation");
    assert_eq!(slots.mark(), 99);
    slots.reset(second, (false, true)).unwrap();
    assert_eq!(slots.pin(second).unwrap(), (1, (1, 0)));
    assert_eq!(slots.reserve(first, None).unwrap(), 0);
}

#[test]
fn a_token_gets_the_slot_it_is_meant_for_wherever_that_is_free() {
    let place = Place::new();
    let slots = place.open(&[]);
    let token = |number: u32| {
        let mut bytes = [9; 16];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        Id::new(bytes)
    };
    let reserve = |number, meant| slots.reserve(token(number), meant).map_err(|it| it.reason());
    assert_eq!((reserve(0, Some(2)), reserve(1, Some(0)), reserve(2, None)), (Ok(2), Ok(0), Ok(1)));
    assert_eq!(reserve(3, Some(2)), Err(Reason::Conflict), "another token has it");
    assert_eq!(reserve(3, Some(TOKENS)), Err(Reason::Conflict), "there is no such slot");
    slots.vacate(token(0)).unwrap();
    assert_eq!((reserve(3, Some(2)), reserve(4, Some(TOKENS - 1))), (Ok(2), Ok(TOKENS - 1)));
    for number in 5..=TOKENS {
        reserve(number, None).unwrap();
    }
    assert_eq!(reserve(TOKENS + 1, None), Err(Reason::StoreFull));
    assert_eq!(reserve(TOKENS + 1, Some(7)), Err(Reason::StoreFull));
    slots.vacate(token(4)).unwrap();
    assert_eq!(reserve(TOKENS + 1, None), Ok(TOKENS - 1));
}

#[test]
fn a_token_that_either_side_has_lost_is_damage() {
    let place = Place::new();
    let slots = place.open(&[]);
    slots.reserve(Id::new([1; 16]), None).unwrap();
    slots.confirm(Id::new([1; 16])).unwrap();
    assert!(slots.settle_tokens(&HashMap::new()).unwrap_err().to_string().contains("slots"));
    let unknown = HashMap::from([(Id::new([1; 16]), 0), (Id::new([2; 16]), 0)]);
    assert!(slots.settle_tokens(&unknown).unwrap_err().to_string().contains("slots"));
}

#[test]
fn a_damaged_cell_loses_its_own_material_only() {
    let place = Place::new();
    let slots = place.open(&[]);
    let (whole, damaged) = (slots.take().unwrap(), slots.take().unwrap());
    let at = offset(damaged) as usize + 20;
    place.overwrite(at, &[!place.bytes()[at], !place.bytes()[at + 1]]);
    let slots = place.open(&[whole, damaged]);
    secret(&slots, whole);
    let error = slots.content(damaged).map(drop).unwrap_err().to_string();
    assert!(error.contains("slots") && error.contains(&damaged.to_string()), "{error}");
    assert!(slots.alive());
}

#[test]
fn zeros_a_cut_and_another_file_are_clear_errors() {
    let place = Place::new();
    let good = place.bytes();
    let rubbish =
        [vec![0; good.len()], good[..good.len() - 1].to_vec(), vec![], vec![b'x'; good.len()]];
    for bytes in rubbish {
        std::fs::write(place.file(), bytes).unwrap();
        let text = place.refusal();
        assert!(
            text.contains(place.file().to_str().unwrap()) && text.contains("restore"),
            "{text}"
        );
    }
    std::fs::remove_file(place.file()).unwrap();
    assert!(place.refusal().contains("slots"));
}

#[test]
fn a_claim_beyond_the_end_is_a_clear_error() {
    let place = Place::new();
    let slots = Slots::open(place.0.path()).unwrap();
    let error = slots.settle(&HashSet::from([FIRST_ERASE + 5000])).unwrap_err();
    assert_eq!(error.reason(), Reason::StoreDamaged);
}

const TOKEN: Id = Id::new([7; 16]);

/// A file with a token whose PINs were wrong, a mark, commits, and a claimed erase cell.
fn furnished() -> (Place, CellNumber) {
    let place = Place::new();
    let slots = place.open(&[]);
    let cell = slots.take().unwrap();
    slots.reserve(TOKEN, None).unwrap();
    slots.confirm(TOKEN).unwrap();
    for officer in [true, false, false] {
        slots.count_attempt(TOKEN, officer).unwrap();
    }
    slots.raise_mark(77).unwrap();
    slots.note_commits(9).unwrap();
    slots.sync().unwrap();
    (place, cell)
}

fn known() -> HashMap<Id, u32> {
    HashMap::from([(TOKEN, 0)])
}

#[test]
fn any_damaged_byte_is_read_as_it_was_and_mended_when_that_is_asked_for() {
    let (place, cell) = furnished();
    let good = place.bytes();
    let identity = Slots::open(place.0.path()).unwrap().identity();
    let kept = secret(&Slots::open(place.0.path()).unwrap(), cell);
    let erase = offset(cell) as usize;
    let header = 0..offset(FIRST_PIN + 2) as usize;
    for at in header.chain(erase..erase + SIZE).chain([20_000, 32_767]) {
        place.overwrite(at, &[!good[at]]);
        let damage = damage(place.0.path()).unwrap();
        let [Damage { cell: damaged, mendable: true }] = damage[..] else { panic!("{damage:?}") };
        assert_eq!(damaged as usize, at / SIZE);
        let slots = Slots::open(place.0.path()).unwrap();
        slots.settle_tokens(&known()).unwrap();
        assert_eq!((slots.identity(), slots.mark(), slots.commits()), (identity, 77, 9));
        assert_eq!(slots.pin(TOKEN).unwrap(), (0, (1, 2)));
        assert_eq!(secret(&slots, cell), kept);
        assert!(!slots.is_new());
        assert_ne!(place.bytes(), good, "nothing is mended in silence");
        assert_eq!(slots.mend(&[cell], 9, (9, 10), 5).unwrap(), damage);
        assert!(place.bytes() == good, "byte {at}");
    }
}

#[test]
fn what_cannot_be_told_of_a_token_locks_it_and_leaves_its_officer_one_try() {
    for rubbish in [vec![0; SIZE], vec![0xFF; SIZE], vec![4, 2, 0, 0, 9, 0, 0, 9]] {
        let (place, _) = furnished();
        place.overwrite(offset(FIRST_PIN) as usize, &rubbish);
        let slots = Slots::open(place.0.path()).unwrap();
        slots.settle_tokens(&known()).unwrap();
        assert_eq!(slots.pin(TOKEN).unwrap(), (0, (u8::MAX, u8::MAX)));
        assert!(slots.count_attempt(TOKEN, true).is_err());
        assert_ne!(slots.reserve(Id::new([8; 16]), None).unwrap(), 0, "its slot stays its own");
        let mended = slots.mend(&[], 9, (9, 10), 5).unwrap();
        assert_eq!(mended, [Damage { cell: FIRST_PIN, mendable: false }]);
        let slots = Slots::open(place.0.path()).unwrap();
        slots.settle_tokens(&known()).unwrap();
        assert_eq!(slots.pin(TOKEN).unwrap(), (0, (9, 10)));
        assert_eq!(damage(place.0.path()).unwrap(), []);
    }
}

#[test]
fn a_token_that_was_destroyed_is_not_taken_for_one_whose_count_is_lost() {
    let (place, _) = furnished();
    let slots = Slots::open(place.0.path()).unwrap();
    slots.vacate(TOKEN).unwrap();
    assert!(!slots.counts(TOKEN, 0));
    let slots = Slots::open(place.0.path()).unwrap();
    assert!(!slots.counts(TOKEN, 0));
    assert!(slots.settle_tokens(&known()).is_err());
}

#[test]
fn erase_cells_that_are_lost_or_cut_off_say_deleted_after_a_mending() {
    let (place, cell) = furnished();
    place.overwrite(offset(cell) as usize + 4, &[9, 9]);
    let slots = Slots::open(place.0.path()).unwrap();
    let mended = slots.mend(&[cell], 9, (9, 10), 5).unwrap();
    assert_eq!(mended, [Damage { cell, mendable: false }]);
    assert!(matches!(slots.content(cell), Ok(Content::Deleted(5))));

    let (place, cell) = furnished();
    std::fs::write(place.file(), &place.bytes()[..offset(cell) as usize + 10]).unwrap();
    let slots = Slots::open(place.0.path()).unwrap();
    let text = slots.settle(&HashSet::from([cell])).unwrap_err().to_string();
    assert!(text.contains("keystead recover"), "{text}");
    slots.mend(&[cell], 9, (9, 10), 5).unwrap();
    let slots = place.open(&[cell]);
    assert!(matches!(slots.content(cell), Ok(Content::Deleted(5))));
}

#[test]
fn a_beginning_that_is_lost_is_written_anew_as_the_snapshot_knows_it() {
    for (at, length) in [(0, 40), (64, 64), (0, 128)] {
        let (place, cell) = furnished();
        let (store, incarnation) = Slots::open(place.0.path()).unwrap().identity();
        place.overwrite(at, &vec![b'x'; length]);
        assert!(place.refusal().contains("keystead recover"));
        assert!(!Slots::mend_head(place.0.path(), None).unwrap());
        assert!(Slots::mend_head(place.0.path(), Some((store, incarnation))).unwrap());
        assert!(!Slots::mend_head(place.0.path(), Some((store, incarnation))).unwrap());
        let slots = Slots::open(place.0.path()).unwrap();
        assert_eq!(slots.identity().0, store);
        assert!(slots.identity().1 == incarnation || at + length > 64);
        slots.settle_tokens(&known()).unwrap();
        assert_eq!(slots.pin(TOKEN).unwrap(), (0, (1, 2)));
        secret(&slots, cell);
    }
    let place = Place::new();
    for rubbish in [vec![], vec![0; 40_000], vec![b'x'; 40_000]] {
        std::fs::write(place.file(), &rubbish).unwrap();
        assert!(!Slots::mend_head(place.0.path(), Some((TOKEN, 1))).unwrap());
        assert!(std::fs::read(place.file()).unwrap() == rubbish);
    }
}
