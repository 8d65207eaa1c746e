//! The sessions that hold keys: those alone have to be looked at when a login or a key ends, however many
//! others are open.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The sessions that hold keys, or have lately: by slot, then by handle. Its lock may be taken while a
/// session is in use, and nothing is waited for under it.
#[derive(Default)]
pub(crate) struct Holders(Mutex<BTreeSet<(u64, u64)>>);

impl Holders {
    /// Notes that a session holds something.
    pub(crate) fn add(&self, slot: u64, session: u64) {
        self.lock().insert((slot, session));
    }

    /// Notes that a session holds nothing any more.
    pub(crate) fn remove(&self, slot: u64, session: u64) {
        self.lock().remove(&(slot, session));
    }

    /// Those on a slot.
    pub(crate) fn on(&self, slot: u64) -> Vec<u64> {
        let all = self.lock();
        all.range((slot, 0)..=(slot, u64::MAX)).map(|(_, session)| *session).collect()
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<u64> {
        self.lock().iter().map(|(_, session)| *session).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<(u64, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Holders;

    #[test]
    fn each_slot_has_its_own() {
        let holders = Holders::default();
        for (slot, session) in [(0, 5), (1, 6), (0, u64::MAX), (0, 5)] {
            holders.add(slot, session);
        }
        assert_eq!(holders.on(0), [5, u64::MAX]);
        holders.remove(0, 5);
        holders.remove(1, 5);
        assert_eq!(
            (holders.on(0), holders.on(1), holders.on(2)),
            (vec![u64::MAX], vec![6], vec![])
        );
    }
}
