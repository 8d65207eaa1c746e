//! Records that cannot be read: each has a line in the log, and stands in no other's way.

use super::{Found, OpenStore};
use crate::agent::keyspace;
use crate::error::{Reason, Result};
use crate::id::Id;

impl OpenStore {
    /// Returns the result of reading a record, or none where that is damaged. Fails where it is the store that failed.
    pub(crate) fn if_readable<T>(
        &self,
        (token, id): (Id, Id),
        read: Result<T>,
    ) -> Result<Option<T>> {
        match read {
            Err(error) if error.reason() == Reason::StoreDamaged && self.alive() => {
                log::error!("record {id} of token {token} is passed over: {error}");
                Ok(None)
            }
            read => read.map(Some),
        }
    }

    /// Returns one record, if it is there and can be read.
    pub(crate) fn find_readable(&self, token: Id, id: Id) -> Result<Option<Found>> {
        Ok(self.if_readable((token, id), self.find(token, id))?.flatten())
    }

    /// Calls `visit` for each record of a token that can be read, and returns those that cannot.
    pub(crate) fn each_readable_record(
        &self,
        token: Id,
        mut visit: impl FnMut(Found) -> Result<()>,
    ) -> Result<Vec<Id>> {
        let mut unread = Vec::new();
        self.each_record(token, |id, row| {
            match self.if_readable((token, id), self.found(id, row))? {
                Some(found) => visit(found),
                None => {
                    unread.push(id);
                    Ok(())
                }
            }
        })?;
        Ok(unread)
    }

    /// Calls `visit` for each record of a token, with its row's bytes.
    pub(crate) fn each_record(
        &self,
        token: Id,
        mut visit: impl FnMut(Id, &[u8]) -> Result<()>,
    ) -> Result<()> {
        self.each(&keyspace::records(token), |key, row| {
            visit(keyspace::last_id(key).ok_or(Reason::StoreDamaged)?, row)?;
            Ok(true)
        })
    }
}
