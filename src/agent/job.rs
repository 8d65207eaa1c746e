//! Jobs for the writer, and their outcome.

use super::audit::{Asker, ChainHead, Fact};
use super::backup::BackupParts;
use super::commit::Commit;
use super::sweep::Swept;
use super::token_entry::PutToken;
use crate::clock::Seconds;
use crate::error::Result;
use crate::id::Id;
use crate::secret::Secret;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

/// A piece of work for the writer.
pub(crate) enum Work {
    /// Changes records.
    Commit(Commit),
    /// Writes a token's entry.
    PutToken(PutToken),
    /// Ends a token whose security officer has asked for it.
    DestroyToken {
        /// The token.
        token: Id,
        /// Names the change.
        change: [u8; 16],
    },
    /// Erases what is due.
    Sweep,
    /// Takes the clock's time for now, as a token's security officer has asked.
    AcceptClock,
    /// Writes a line of the audit log that goes with no change.
    Note(Fact),
    /// Tells the head of the audit log.
    AuditHead,
    /// Tells the uses of a key on the days that are not over.
    OpenUses(Id),
    /// Gathers what the store holds.
    Backup,
    /// Closes the days that are over, and keeps a snapshot of the store.
    Keep,
    /// Invites a host to the fleet for so many seconds.
    Invite(Seconds),
    /// Expels the host of that name or identity from the fleet.
    Expel(String),
    /// Counts uses of custom keys.
    Used(Id, Vec<(Id, u32, u64)>),
    /// Ends the writer, with everything durable.
    Stop,
    /// Ends the writer of a store that is being removed: nothing is written any more.
    Abandon,
}

/// The outcome of a piece of work.
pub(crate) enum Done {
    /// The new revisions.
    Revisions(Vec<u64>),
    /// The counts of a sweep.
    Swept(Swept),
    /// A line was written.
    Noted,
    /// The head of the audit log, and how many lines before it are in no file yet.
    AuditHead(ChainHead, u64),
    /// The uses of a key by day, on the days that are not over.
    OpenUses(Vec<(u32, u64)>),
    /// The code of an invitation, as it is shown, and the second from which on it does not count.
    Invitation(Secret, Seconds),
    /// A host was expelled.
    Expelled(Id),
    /// The content of the store.
    Backup(Box<BackupParts>),
}

/// A piece of work, and the place for its answer. There is none when the store fails: the agent ends instead.
pub(crate) struct Job {
    /// The work.
    pub work: Work,
    /// The place for the answer, if a peer waits for one.
    pub answer: Option<SyncSender<Result<Done>>>,
    /// The process that asks.
    pub asker: Asker,
    /// The connection it came by; none for the agent itself.
    pub caller: Option<Arc<UnixStream>>,
}

impl Job {
    /// Work that the agent gives itself, and waits for no answer to.
    pub(crate) fn own(work: Work) -> Self {
        Self { work, answer: None, asker: Asker::agent(), caller: None }
    }

    /// Returns true for a change that no peer waits for any more. One that gave up waiting was told that it
    /// failed, or has asked again: it is not done behind their back.
    pub(super) fn is_abandoned(&self) -> bool {
        self.work.is_change() && self.caller.as_deref().is_some_and(has_hung_up)
    }
}

impl Work {
    /// Returns true for a change that was asked for, and not one of the agent's own.
    pub(super) fn is_change(&self) -> bool {
        matches!(
            self,
            Self::Commit(_)
                | Self::PutToken(_)
                | Self::DestroyToken { .. }
                | Self::AcceptClock
                | Self::Invite(_)
                | Self::Expel(_)
        )
    }
}

fn has_hung_up(stream: &UnixStream) -> bool {
    let mut look = [PollFd::new(stream, PollFlags::RDHUP)];
    let looked = poll(&mut look, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
    let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
    looked.is_ok() && look.iter().any(|look| look.revents().intersects(gone))
}
