//! Reading ahead: a caller that looks at one found object after the other gets those that follow in the same
//! round trip.

use crate::id::Id;
use std::sync::{Mutex, PoisonError};

/// The number of records of one round trip, once two have been asked for in order.
const AHEAD: usize = 64;

/// The last search's answer, and how far a caller has gone through it.
#[derive(Default)]
pub(super) struct ReadAhead(Mutex<Walk>);

#[derive(Default)]
struct Walk {
    /// Ascending.
    found: Vec<Id>,
    /// The place in it behind the last record that was read.
    next: usize,
}

impl ReadAhead {
    /// Begins with another search's answer, which is ascending.
    pub(super) fn begin(&self, found: &[Id]) {
        let found = found.to_vec();
        *self.lock() = Walk { found, next: 0 };
    }

    /// Forgets the last search's answer.
    pub(super) fn end(&self) {
        *self.lock() = Walk::default();
    }

    /// Returns the records to be read where `id` is asked for, which is the first of them: it alone, unless it
    /// follows in the last search's answer on what was read before.
    pub(super) fn from(&self, id: Id) -> Vec<Id> {
        let mut walk = self.lock();
        let Ok(place) = walk.found.binary_search(&id) else { return vec![id] };
        let goes_on = place > 0 && place == walk.next;
        let length = if goes_on { AHEAD } else { 1 };
        let read: Vec<Id> = walk.found.iter().skip(place).take(length).copied().collect();
        walk.next = place + read.len();
        read
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Walk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> Id {
        Id::new([number; 16])
    }

    #[test]
    fn who_goes_through_what_was_found_gets_more_at_once_and_others_one() {
        let ahead = ReadAhead::default();
        let found: Vec<Id> = (10..210).map(id).collect();
        ahead.begin(&found);
        assert_eq!(ahead.from(id(5)), [id(5)], "one that was not found");
        assert_eq!(ahead.from(id(10)), [id(10)], "the first may be the only one that is used");
        assert_eq!(ahead.from(id(11)).len(), AHEAD);
        assert_eq!(
            ahead.from(id(75)),
            found.iter().skip(65).take(AHEAD).copied().collect::<Vec<_>>()
        );
        assert_eq!(ahead.from(id(50)), [id(50)], "one out of order");
        assert_eq!(ahead.from(id(209)), [id(209)], "the last");
        ahead.end();
        assert_eq!(ahead.from(id(11)), [id(11)]);
    }
}
