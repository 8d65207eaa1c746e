//! Postings: the records that an entry leads to, by number, in the order of their identities.

use super::records::{RecordNumber, Records};
use crate::id::Id;
use serde::{Deserialize, Serialize};

/// The most numbers that stand in one block.
const BLOCK: usize = 512;

/// The numbers of records, ascending by identity. Most lists have one or two, and some have all of a token.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Postings {
    /// So many, and these.
    Few(u8, [RecordNumber; 3]),
    /// More.
    Many(Box<Blocks>),
}

/// Blocks of numbers, none of which is empty.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Blocks(Vec<Vec<RecordNumber>>);

impl Default for Postings {
    fn default() -> Self {
        Self::Few(0, [0; 3])
    }
}

/// A position in a list: block, and number in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Position(usize, usize);

impl Postings {
    /// Returns true where no record is left.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Few(count, _) => *count == 0,
            Self::Many(blocks) => blocks.0.is_empty(),
        }
    }

    /// Adds a record, unless it is there.
    pub(super) fn insert(&mut self, number: RecordNumber, records: &Records) {
        let id = records.id(number);
        let position = self.seek(Position::default(), id, records);
        if self.at(position).is_some_and(|found| records.id(found) == id) {
            return;
        }
        match self {
            Self::Few(count, numbers) if usize::from(*count) < numbers.len() => {
                let Position(_, at) = position;
                if let Some(behind) = numbers.get_mut(at..) {
                    behind.rotate_right(1);
                    behind.iter_mut().take(1).for_each(|first| *first = number);
                }
                *count += 1;
            }
            Self::Few(_, numbers) => {
                let mut block = numbers.to_vec();
                block.insert(position.1, number);
                *self = Self::Many(Box::new(Blocks(vec![block])));
            }
            Self::Many(blocks) => blocks.insert(position, number),
        }
    }

    /// Takes a record away, where it is there.
    pub(super) fn remove(&mut self, number: RecordNumber, records: &Records) {
        let position = self.seek(Position::default(), records.id(number), records);
        if self.at(position) != Some(number) {
            return;
        }
        match self {
            Self::Few(count, numbers) => {
                if let Some(behind) = numbers.get_mut(position.1..) {
                    behind.rotate_left(1);
                }
                *count -= 1;
            }
            Self::Many(blocks) => blocks.remove(position),
        }
    }

    /// Returns the identities of all records.
    #[cfg(test)]
    pub(super) fn ids(&self, records: &Records) -> Vec<Id> {
        let blocks = (0..self.blocks()).flat_map(|block| self.block(block).iter());
        blocks.map(|number| records.id(*number)).collect()
    }

    fn block(&self, number: usize) -> &[RecordNumber] {
        match self {
            Self::Few(count, numbers) if number == 0 => {
                numbers.get(..usize::from(*count)).unwrap_or_default()
            }
            Self::Few(..) => &[],
            Self::Many(blocks) => blocks.0.get(number).map(Vec::as_slice).unwrap_or_default(),
        }
    }

    fn blocks(&self) -> usize {
        match self {
            Self::Few(..) => 1,
            Self::Many(blocks) => blocks.0.len(),
        }
    }

    fn at(&self, Position(block, at): Position) -> Option<RecordNumber> {
        self.block(block).get(at).copied()
    }

    /// Returns the first position not before `from` whose record is not before `id`; the end of the last block
    /// where there is none.
    fn seek(&self, from: Position, id: Id, records: &Records) -> Position {
        let before = |number: &RecordNumber| records.id(*number) < id;
        let last = self.blocks().saturating_sub(1);
        let ends_before = |block: usize| self.block(block).last().is_some_and(before);
        let Position(mut block, mut at) = from;
        if block < last && ends_before(block) {
            (block, at) = (first_where(block + 1..last, |block| !ends_before(block)), 0);
        }
        let rest = self.block(block).get(at..).unwrap_or_default();
        Position(block, at + gallop(rest, before))
    }
}

impl Blocks {
    fn insert(&mut self, Position(at, within): Position, number: RecordNumber) {
        let last = self.0.len().saturating_sub(1);
        let Some(block) = self.0.get_mut(at) else { return self.0.push(vec![number]) };
        if block.len() < BLOCK {
            return block.insert(within, number);
        }
        // What comes at the end leaves full blocks behind.
        let cut = if at == last && within == block.len() { block.len() } else { BLOCK / 2 };
        let mut second = block.split_off(cut);
        match within.checked_sub(cut).filter(|within| *within > 0 || second.is_empty()) {
            Some(within) => second.insert(within, number),
            None => block.insert(within, number),
        }
        self.0.insert(at + 1, second);
    }

    fn remove(&mut self, Position(at, within): Position) {
        let Some(block) = self.0.get_mut(at) else { return };
        block.remove(within);
        if block.is_empty() {
            self.0.remove(at);
        }
    }
}

/// Returns the first number of a range that fits, or the range's end; behind one that fits, all do.
fn first_where(range: std::ops::Range<usize>, fits: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = low.midpoint(high);
        if fits(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

/// Returns the number of the first numbers that come before; quick where they are few, as from one match to the next,
/// or all, as where a younger record is added.
fn gallop(numbers: &[RecordNumber], before: impl Fn(&RecordNumber) -> bool) -> usize {
    if numbers.last().is_none_or(&before) {
        return numbers.len();
    }
    let mut step = 1;
    while numbers.get(step - 1).is_some_and(&before) {
        step *= 2;
    }
    let (low, high) = (step / 2, step.min(numbers.len()));
    low + numbers.get(low..high).unwrap_or_default().partition_point(before)
}

/// Runs through a list in the order of identities, and never back.
pub(super) struct Cursor<'a> {
    postings: &'a Postings,
    records: &'a Records,
    position: Position,
}

impl<'a> Cursor<'a> {
    /// Stands before the first record of a list.
    pub(super) fn new(postings: &'a Postings, records: &'a Records) -> Self {
        Self { postings, records, position: Position::default() }
    }

    /// Returns the first record not before `id`; `id` never goes back.
    pub(super) fn seek(&mut self, id: Id) -> Option<(Id, RecordNumber)> {
        self.position = self.postings.seek(self.position, id, self.records);
        let number = self.postings.at(self.position)?;
        Some((self.records.id(number), number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::cases;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const TOKEN: Id = Id::new([1; 16]);

    fn id(number: u16) -> Id {
        Id::new(u128::from(number).to_be_bytes())
    }

    fn all(postings: &Postings, records: &Records) -> Vec<Id> {
        let (mut cursor, mut from, mut found) =
            (Cursor::new(postings, records), Id::new([0; 16]), Vec::new());
        while let Some((id, _)) = cursor.seek(from) {
            found.push(id);
            from = Id::new((u128::from_be_bytes(*id.bytes()) + 1).to_be_bytes());
        }
        found
    }

    proptest! {
        #![proptest_config(cases(256))]
        #[test]
        fn a_list_is_what_a_sorted_map_is(
            steps in proptest::collection::vec((any::<bool>(), 0_u16..3000), 0..3000),
            probes in proptest::collection::vec(0_u16..3100, 20),
        ) {
            let (mut records, mut postings) = (Records::default(), Postings::default());
            let mut model = BTreeMap::new();
            for (there, number) in steps {
                let record = records.number_or_new(TOKEN, id(number));
                if there {
                    postings.insert(record, &records);
                    model.insert(id(number), record);
                } else {
                    postings.remove(record, &records);
                    model.remove(&id(number));
                }
            }
            prop_assert_eq!(all(&postings, &records), model.keys().copied().collect::<Vec<_>>());
            prop_assert_eq!(postings.is_empty(), model.is_empty());
            for probe in probes {
                let found = Cursor::new(&postings, &records).seek(id(probe));
                let expected = model.range(id(probe)..).next();
                prop_assert_eq!(found, expected.map(|(id, record)| (*id, *record)));
            }
        }
    }

    #[test]
    fn a_list_that_grows_at_its_end_has_full_blocks() {
        let (mut records, mut postings) = (Records::default(), Postings::default());
        for number in 0..5000 {
            let record = records.number_or_new(TOKEN, id(number));
            postings.insert(record, &records);
        }
        let blocks = postings.blocks();
        assert_eq!(blocks, 5000_usize.div_ceil(BLOCK));
        assert_eq!(all(&postings, &records).len(), 5000);
    }
}
