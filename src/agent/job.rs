//! What the writer is asked to do, and what came of it.

use super::access::Access;
use super::audit::{Asker, Fact, Head};
use super::backup::BackupParts;
use crate::error::Result;
use crate::id::Id;
use crate::wire::{Change, Expect};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

/// What the writer is asked to do.
pub enum Work {
    /// Changes records.
    Commit {
        /// The token.
        token: Id,
        /// What is to change.
        changes: Vec<Change>,
        /// Names the commit.
        change: [u8; 16],
        /// What the connection has proved.
        access: Access,
    },
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
    /// Gathers what the store holds.
    Backup,
    /// Closes the days that are over, and keeps a snapshot of the store.
    Keep,
    /// Counts uses of custom keys.
    Used(Id, Vec<(Id, u32, u64)>),
    /// Ends the writer, with everything durable.
    Stop,
    /// Ends the writer of a store that somebody is removing: nothing is written any more.
    Abandon,
}

/// A change of a token's entry, see [`crate::wire::Request::PutToken`].
pub struct PutToken {
    /// The token.
    pub token: Id,
    /// What must be there now.
    pub expect: Expect,
    /// The entry.
    pub entry: Vec<u8>,
    /// The slot that a new one is meant for, if any.
    pub slot: Option<u32>,
    /// Who has been authenticated; nobody for a new token.
    pub by: Option<By>,
    /// Whether ordinary objects end.
    pub wipe: bool,
    /// Names the change.
    pub change: [u8; 16],
}

/// Who changes a token's entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The user, by their PIN.
    User,
    /// The security officer, by their PIN.
    Officer,
    /// The security officer, by a login: they set the user's PIN, and nothing else.
    OfficersLogin,
}

/// What came of it.
pub enum Done {
    /// The new revisions.
    Revisions(Vec<u64>),
    /// How much was erased, how much ended.
    Swept(Swept),
    /// A line was written.
    Noted,
    /// The head of the audit log, and how many lines before it are in no file yet.
    AuditHead(Head, u64),
    /// What the store holds.
    Backup(Box<BackupParts>),
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Custom keys whose material was erased, or that ended as scheduled.
    pub erased: u64,
    /// Ordinary keys that ended.
    pub ended: u64,
}

/// One piece of work and whom to tell. Nobody is told when the store fails: the agent ends instead.
pub struct Job {
    /// What to do.
    pub work: Work,
    /// Where the answer goes, if anywhere.
    pub answer: Option<SyncSender<Result<Done>>>,
    /// Who asks.
    pub asker: Asker,
    /// The connection it came by; none for the agent itself.
    pub caller: Option<Arc<UnixStream>>,
}

impl Job {
    /// Work that the agent gives itself, and waits for no answer to.
    pub fn own(work: Work) -> Self {
        Self { work, answer: None, asker: Asker::agent(), caller: None }
    }

    /// Whether it is a change that nobody waits for any more. Whoever gave up waiting was told that it
    /// failed, or has asked again: it is not done behind their back.
    pub(super) fn is_abandoned(&self) -> bool {
        let changes = matches!(
            self.work,
            Work::Commit { .. } | Work::PutToken(_) | Work::DestroyToken { .. } | Work::AcceptClock
        );
        changes && self.caller.as_deref().is_some_and(has_hung_up)
    }
}

fn has_hung_up(stream: &UnixStream) -> bool {
    let mut look = [PollFd::new(stream, PollFlags::RDHUP)];
    let looked = poll(&mut look, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
    let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
    looked.is_ok() && look.iter().any(|look| look.revents().intersects(gone))
}
