//! The requests of a backup: it is gathered at once, and given out in parts.

use super::super::job::{Done, Work};
use super::{Service, Silence};
use crate::error::{Reason, Result};
use crate::wire::Response;
use crate::wire::message::BackupPart;

impl Service {
    /// For those who could read the files anyway.
    pub(super) fn backup(&mut self) -> Result<Result<Response>, Silence> {
        if !self.user.owner {
            return Ok(Err(Reason::OwnerOnly.into()));
        }
        Ok(match self.done(Work::Backup)? {
            Ok(Done::Backup(parts)) => {
                let response = parts.summary();
                (self.backup, self.midway) = (Some(*parts), true);
                Ok(response)
            }
            Ok(_) => Err(Reason::General.into()),
            Err(error) => Err(error),
        })
    }

    pub(super) fn backup_part(&mut self) -> Result<Response> {
        let part = match &mut self.backup {
            Some(parts) => parts.next_part(),
            None => return Err(Reason::AgentRefuses.detail("nothing was gathered here")),
        };
        self.midway &= !part.is_empty();
        Ok(Response::BackupPart(BackupPart(part.to_vec())))
    }
}
