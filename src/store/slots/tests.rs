//! What the file `slots` promises, over openings and damage.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

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
        Content::Secret(secret) => *secret,
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
    slots.settle_tokens(&HashSet::from([second])).unwrap();
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
    assert!(slots.settle_tokens(&HashSet::new()).unwrap_err().to_string().contains("slots"));
    let unknown = HashSet::from([Id::new([1; 16]), Id::new([2; 16])]);
    assert!(slots.settle_tokens(&unknown).unwrap_err().to_string().contains("slots"));
}

#[test]
fn a_damaged_cell_loses_its_own_material_only() {
    let place = Place::new();
    let slots = place.open(&[]);
    let (whole, damaged) = (slots.take().unwrap(), slots.take().unwrap());
    let at = offset(damaged) as usize + 20;
    place.overwrite(at, &[!place.bytes()[at]]);
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
