//! Numbers that stand for values: four bytes each, free again when its value is not needed any more.

use hashbrown::HashTable;
use serde::{Deserialize, Serialize};
use std::hash::{BuildHasher, Hash, RandomState};

/// Values by number, and the numbers by value, without the values a second time.
#[derive(Debug, Serialize, Deserialize)]
#[serde(
    from = "NumberedValues<T>",
    bound(serialize = "T: Serialize", deserialize = "T: Copy + Eq + Hash + Deserialize<'de>")
)]
pub(super) struct Numbers<T> {
    values: Vec<T>,
    free: Vec<u32>,
    #[serde(skip)]
    numbers: HashTable<u32>,
    #[serde(skip)]
    hasher: RandomState,
}

/// Values by number, and the numbers that stand for none.
#[derive(Deserialize)]
struct NumberedValues<T> {
    values: Vec<T>,
    free: Vec<u32>,
}

impl<T: Copy + Eq + Hash> From<NumberedValues<T>> for Numbers<T> {
    fn from(NumberedValues { values, free }: NumberedValues<T>) -> Self {
        let mut is_used = vec![true; values.len()];
        for number in &free {
            if let Some(used) = is_used.get_mut(*number as usize) {
                *used = false;
            }
        }
        let hasher = RandomState::new();
        let mut numbers = HashTable::with_capacity(values.len());
        let used = (0..).zip(&values).zip(is_used).filter(|(_, used)| *used);
        for ((number, value), _) in used {
            // The table has room for all: none is hashed a second time.
            numbers.insert_unique(hasher.hash_one(value), number, |_| 0);
        }
        Self { values, free, numbers, hasher }
    }
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        let (values, free, numbers) = (Vec::new(), Vec::new(), HashTable::new());
        Self { values, free, numbers, hasher: RandomState::new() }
    }
}

impl<T: Copy + Eq + Hash> Numbers<T> {
    /// Returns the count of numbers that were given out, those that are free again among them.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Returns the number of a value.
    pub(super) fn find(&self, value: &T) -> Option<u32> {
        let is_it = |number: &u32| self.value(*number) == Some(*value);
        self.numbers.find(self.hasher.hash_one(value), is_it).copied()
    }

    /// Returns the number of a value, a new one where it has none.
    pub(super) fn find_or_add(&mut self, value: T) -> u32 {
        if let Some(number) = self.find(&value) {
            return number;
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.values.push(value);
            self.values.len() as u32 - 1
        });
        let Self { values, numbers, hasher, .. } = self;
        if let Some(freed) = values.get_mut(number as usize) {
            *freed = value;
        }
        let hash =
            |number: &u32| hasher.hash_one(values.get(*number as usize).copied().unwrap_or(value));
        numbers.insert_unique(hasher.hash_one(value), number, hash);
        number
    }

    /// Frees a number.
    pub(super) fn release(&mut self, number: u32) {
        let Some(value) = self.value(number) else { return };
        let hash = self.hasher.hash_one(value);
        if let Ok(found) = self.numbers.find_entry(hash, |it| *it == number) {
            found.remove();
            self.free.push(number);
        }
    }

    /// Returns the value of a number, which was not given out before it has one.
    pub(super) fn value(&self, number: u32) -> Option<T> {
        self.values.get(number as usize).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_kept_until_it_is_free_and_then_serves_another() {
        let mut numbers = Numbers::default();
        let first = numbers.find_or_add('a');
        assert_eq!(numbers.find_or_add('a'), first);
        assert_ne!(numbers.find_or_add('b'), first);
        numbers.release(first);
        assert_eq!(numbers.find(&'a'), None);
        numbers.release(first);
        assert_eq!(numbers.find_or_add('c'), first);
        assert_eq!((numbers.find(&'c'), numbers.value(first)), (Some(first), Some('c')));
        assert_ne!(numbers.find_or_add('a'), first, "a number is freed once");
    }
}
