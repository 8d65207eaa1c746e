//! The origin of a snapshot: what it is of.

use super::StoreIdentity;
use crate::id::Id;

/// The store that a snapshot is of, and the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SnapshotOrigin {
    /// The store's identity.
    pub store: Id,
    /// Its incarnation.
    pub incarnation: u64,
    /// The number of its last commit.
    pub commits: u64,
}

impl SnapshotOrigin {
    /// Returns true where it is of the store with this identity and incarnation.
    pub(crate) fn is_of(&self, identity: StoreIdentity) -> bool {
        self.identity() == identity
    }

    /// Returns the identity of the store that was kept.
    pub(crate) fn identity(&self) -> StoreIdentity {
        StoreIdentity { store: self.store, incarnation: self.incarnation }
    }
}
