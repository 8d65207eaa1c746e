//! Erasures that wait their grace out: unusable already, and not yet overwritten.

use super::keyspace;
use super::open_store::OpenStore;
use crate::clock::Seconds;
use crate::error::{Reason, Result};
use crate::id::Id;

/// An erasure that waits its grace out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WaitingErasure {
    /// The token.
    pub(crate) token: Id,
    /// The record.
    pub(crate) id: Id,
    /// The second at which it was found due.
    pub(crate) found: Seconds,
}

/// Returns all erasures that wait, by token and record.
pub(crate) fn waiting(store: &OpenStore) -> Result<Vec<WaitingErasure>> {
    let mut all = Vec::new();
    store.each(keyspace::WAITING, |key, value| {
        let (token, id) = keyspace::waiting_ids(key).ok_or(Reason::StoreDamaged)?;
        let found = value.try_into().map_err(|_| Reason::StoreDamaged)?;
        all.push(WaitingErasure { token, id, found: Seconds::from_be_bytes(found) });
        Ok(true)
    })?;
    Ok(all)
}
