//! A login that a connection has proved.

use super::super::access::Access;
use super::super::open_store::OpenStore;
use crate::error::Result;
use crate::id::Id;
use crate::key::pin::TokenEntry;

/// A login that a connection has proved, and what it ends with (see [`TokenEntry::login_mark`]).
pub(super) struct ProvedLogin {
    officer: bool,
    mark: Vec<u8>,
}

impl ProvedLogin {
    pub(super) fn new(entry: &TokenEntry, officer: bool) -> Self {
        Self { officer, mark: entry.login_mark(officer).unwrap_or_default().to_vec() }
    }

    pub(super) fn access(&self) -> Access {
        if self.officer { Access::Officer } else { Access::User }
    }

    /// Returns whether it holds still. A token that is gone has nothing to be seen, and its logins are told
    /// so.
    pub(super) fn holds(&self, store: &OpenStore, token: Id) -> Result<bool> {
        let Some(row) = store.token(token)? else { return Ok(true) };
        Ok(TokenEntry::decode(&row.entry)?.login_mark(self.officer) == Some(&self.mark))
    }
}
