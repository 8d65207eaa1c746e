//! The single writer: takes every change that waits, applies each, syncs once for all, answers.

use super::access::Access;
use super::audit::{self, Asker, Fact, Head, Journal};
use super::backup::BackupParts;
use super::keyspace::{self, Answered, Key, TokenRow};
use super::open_store::{Found, OpenStore, TokenView};
use super::rules::{self, Moment, Proposal};
use super::service::{BESIDE, ROOM, TRIES};
use super::snapshots::Snapshots;
use super::sweep::next_due;
use super::transaction::{AfterSync, Ending, Transaction};
use super::usage_counts::UsageCounts;
use super::waker::Waker;
use crate::clock::Seconds;
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use crate::key::pin::Entry;
use crate::key::{Event, Header, Role};
use crate::store::Need;
use crate::sys::heap::wipe_stack;
use crate::wire::message::MAX_ALIAS;
use crate::wire::{Change, Expect};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::VecDeque;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

/// How many changes one sync covers at the most.
const GROUP: usize = 256;

/// By how many tags one record can be found.
const MOST_TAGS: usize = 256;

/// How many records one batch removes when many end at once.
pub(super) const STEP: usize = 256;

/// What a line of the audit log takes at the most, in bytes.
const MOST_OF_A_LINE: u64 = 4096;

/// How many answers are kept for those who lost theirs.
const HISTORY: usize = 16_384;

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
    fn is_abandoned(&self) -> bool {
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

/// The one who changes the store.
pub struct Writer {
    pub(super) store: Arc<OpenStore>,
    /// The number of the last commit.
    commits: u64,
    /// Changes whose answers are kept, oldest first.
    history: VecDeque<Key>,
    /// How many of them.
    keep: usize,
    after_sync: AfterSync,
    unsynced: bool,
    journal: Journal,
    /// Who asked for what is being done.
    asker: Asker,
    /// Rung when what is due next has changed.
    waker: Arc<Waker>,
    due: Option<Seconds>,
    /// How long an erasure waits, in seconds.
    pub(super) grace: Seconds,
    pub(super) snapshots: Snapshots,
    /// How often keys were used.
    pub(super) usage: UsageCounts,
}

impl Writer {
    /// Reads what was kept, and finishes what a crash interrupted.
    pub fn open(store: Arc<OpenStore>, waker: Arc<Waker>) -> Result<Self> {
        let commits = store.records.number()?;
        let history = history(&store)?;
        let after_sync = AfterSync::default();
        let journal = Journal::open(&store.directory, &*store.records)?;
        let (keep, unsynced, asker, due, grace) = (HISTORY, false, Asker::agent(), None, 0);
        let snapshots = Snapshots::open(&store);
        let usage = UsageCounts::open(&store)?;
        let mut writer = Self {
            store,
            commits,
            history,
            keep,
            after_sync,
            unsynced,
            journal,
            asker,
            waker,
            due,
            grace,
            snapshots,
            usage,
        };
        writer.mend()?;
        writer.close_days()?;
        writer.sync_and_publish()?;
        writer.journal.flush();
        Ok(writer)
    }

    /// The same, letting what falls due wait for so many seconds before it is erased.
    pub fn with_grace(self, grace: Seconds) -> Self {
        Self { grace, ..self }
    }

    /// Works until nobody can ask any more. An error means that the store has failed.
    pub fn run(mut self, jobs: &Receiver<Job>) -> Result<()> {
        while let Ok(first) = jobs.recv() {
            let mut group = vec![first];
            group.extend(jobs.try_iter().take(GROUP - 1));
            let ends = |job: &Job| matches!(job.work, Work::Stop | Work::Abandon);
            match group.iter().find(|job| ends(job)).map(|job| &job.work) {
                Some(Work::Abandon) => return Ok(()),
                Some(_) => break,
                None => self.work(group)?,
            }
        }
        self.finish_up()
    }

    /// Makes everything durable, and the time with it.
    pub(super) fn finish_up(&mut self) -> Result<()> {
        self.close_days()?;
        self.sync_and_publish()?;
        self.journal.flush();
        self.keep_time()?;
        self.keep_snapshot(true)
    }

    fn work(&mut self, group: Vec<Job>) -> Result<()> {
        let mut answers = Vec::with_capacity(group.len());
        for job in group {
            if job.is_abandoned() {
                log::info!("a change is not made: whoever asked for it has hung up");
                continue;
            }
            let Job { work, answer, asker, .. } = job;
            self.asker = asker;
            let result = self.one(work);
            if !self.store.alive() {
                return Err(result.err().unwrap_or_else(|| Reason::StoreDamaged.into()));
            }
            answers.push((answer, result));
        }
        self.sync_and_publish()?;
        self.journal.flush();
        // Before anybody hears that something has been erased.
        wipe_stack();
        for (answer, result) in answers {
            // Whoever asked may have gone: the change stands, and its answer is kept.
            let _gone = answer.map(|answer| answer.try_send(result));
        }
        self.prepare();
        wipe_stack();
        let due = next_due(&self.store, self.grace)?;
        if due != std::mem::replace(&mut self.due, due) {
            self.waker.wake();
        }
        Ok(())
    }

    fn one(&mut self, work: Work) -> Result<Done> {
        match work {
            Work::Commit { .. }
            | Work::PutToken(_)
            | Work::DestroyToken { .. }
            | Work::AcceptClock => {
                self.store.check_writable()?;
            }
            _ => {}
        }
        match work {
            Work::Commit { token, changes, change, access } => {
                self.commit(token, changes, &change, access).map(Done::Revisions)
            }
            Work::PutToken(put) => {
                self.put_token(put).map(|revision| Done::Revisions(vec![revision]))
            }
            Work::DestroyToken { token, change } => {
                self.destroy_token(token, &change).map(|count| Done::Revisions(vec![count]))
            }
            Work::Sweep => self.sweep().map(Done::Swept),
            Work::AcceptClock => self.accept_clock().map(|()| Done::Revisions(Vec::new())),
            Work::Note(fact) => self.note(fact).map(|()| Done::Noted),
            Work::AuditHead => {
                // What came before in this group counts too.
                self.sync_and_publish()?;
                self.journal.flush();
                let (head, waiting) = self.journal.head();
                Ok(Done::AuditHead(head, waiting))
            }
            Work::Keep => {
                self.keep_time()?;
                self.close_days()?;
                self.keep_snapshot(false).map(|()| Done::Noted)
            }
            Work::Used(token, uses) => self.used(token, uses).map(|()| Done::Noted),
            Work::Backup => self.backup().map(|parts| Done::Backup(Box::new(parts))),
            Work::Stop | Work::Abandon => Err(Reason::AgentAbsent.into()),
        }
    }

    /// Makes everything applied durable, then lets the modules notice once more.
    pub(super) fn sync_and_publish(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.unsynced) {
            return Ok(());
        }
        let store = &self.store;
        store.records.sync()?;
        if store.is_writable() {
            store.cells.commits.note(self.commits)?;
        }
        let now = store.now();
        store.cells.time.raise(now)?;
        store.page.set_mark(now);
        let AfterSync { freed, moved } = std::mem::take(&mut self.after_sync);
        moved.into_iter().for_each(|(token, watched)| store.page.moved(token, watched));
        freed.into_iter().for_each(|cell| store.cells.erase.release(cell));
        Ok(())
    }

    /// Lowers the high-water mark of time in each of its places: the slots first, so that a crash in
    /// between leaves the later of the two. What has been erased stays erased.
    pub(super) fn accept_clock(&mut self) -> Result<()> {
        let store = Arc::clone(&self.store);
        let (mark, clock) = (store.now(), store.clock());
        log::warn!("the store's latest time, {mark}, is lowered to the clock's, {clock}");
        store.accept_clock();
        store.cells.time.lower(clock)?;
        self.apply(Transaction::new(&store))?;
        // What was only waiting need not wait any more.
        self.sweep()?;
        self.sync_and_publish()?;
        // What had expired may be there again.
        store.page.all_moved();
        Ok(())
    }

    /// What can be done ahead, after the answers have gone out.
    fn prepare(&self) {
        if !self.store.is_writable() {
            return;
        }
        if let Err(error) = self.store.cells.erase.fill_ahead() {
            log::warn!("nothing was prepared for the next change: {error}");
        }
    }

    /// Applies a transaction as the next commit.
    pub(super) fn apply(&mut self, transaction: Transaction<'_>) -> Result<()> {
        self.snapshots.change();
        self.apply_quietly(transaction)
    }

    /// The same, for what is not worth a snapshot.
    pub(super) fn apply_quietly(&mut self, mut transaction: Transaction<'_>) -> Result<()> {
        self.snapshots.fall_behind();
        let facts = transaction.facts()?;
        let sealed = self.journal.seal(&facts, self.store.now(), &self.asker)?;
        transaction.keep_lines(&sealed)?;
        let (number, AfterSync { freed, moved }) = transaction.apply(self.commits + 1)?;
        self.journal.applied(sealed);
        facts.iter().for_each(|fact| audit::log(fact, &self.asker));
        self.commits = number;
        self.unsynced = true;
        self.after_sync.freed.extend(freed);
        self.after_sync.moved.extend(moved);
        Ok(())
    }

    /// Everything between two commits, made durable before anybody has it in a backup.
    fn backup(&mut self) -> Result<BackupParts> {
        for (token, _) in self.store.tokens()? {
            match self.note(Fact::of_token(audit::Event::BackedUp, token)) {
                // A full disk is no time to refuse a backup.
                Err(error) if error.reason() == Reason::StoreFull => {
                    log::warn!("the backup is not in the audit log: {error}");
                }
                noted => noted?,
            }
        }
        self.sync_and_publish()?;
        BackupParts::from(&self.store)
    }

    pub(super) fn note(&mut self, fact: Fact) -> Result<()> {
        if !self.store.is_writable() {
            log::warn!("not in the audit log, for the store can only be read: {fact}");
            return Ok(());
        }
        self.store.records.room(Need::Grow(MOST_OF_A_LINE))?;
        let store = Arc::clone(&self.store);
        let mut transaction = Transaction::new(&store);
        transaction.note(fact);
        self.apply(transaction)
    }

    fn commit(
        &mut self,
        token: Id,
        changes: Vec<Change>,
        change: &[u8; 16],
        access: Access,
    ) -> Result<Vec<u64>> {
        if let Some(revisions) = self.answered(change)? {
            return Ok(revisions);
        }
        // Before anything is told of what stands there.
        if access == Access::Public {
            return Err(Reason::NotLoggedIn.into());
        }
        if self.store.token(token)?.is_none() {
            return Err(Reason::TokenAbsent.into());
        }
        let store = Arc::clone(&self.store);
        let found = expected(&store, token, &changes)?;
        let proposals = changes.iter().map(proposal).collect::<Result<Vec<_>>>()?;
        let moment = Moment { now: store.now(), clock: store.clock(), access };
        let ended = rules::judge(&TokenView { store: &store, token }, &proposals, moment)?;
        store.records.room(need(&proposals, &changes))?;

        let mut transaction = Transaction::new(&store);
        for tombstone in ended {
            if let Some(found) = store.find(token, tombstone)? {
                transaction.remove(token, &found, Ending::Expired)?;
            }
        }
        for (proposal, old) in proposals.iter().zip(&found) {
            let old = old.as_ref().map(|old| &old.known.header);
            audit::of_change(token, proposal, old)
                .into_iter()
                .for_each(|fact| transaction.note(fact));
        }
        for change in &changes {
            if let Some(alias) = change.alias.as_deref().filter(|_| change.put.is_some()) {
                transaction.set_alias(token, change.id, alias)?;
            }
        }
        let mut revisions = Vec::with_capacity(changes.len());
        for ((change, proposal), old) in changes.into_iter().zip(proposals).zip(found) {
            revisions.push(match (change.put, proposal.put, old) {
                (Some(put), Some(header), old) => {
                    transaction.put(token, change.id, old.as_ref(), header, put)?
                }
                (_, _, Some(old)) => {
                    transaction.remove(token, &old, Ending::Deleted)?;
                    0
                }
                _ => return Err(Reason::ObjectUnknown.into()),
            });
        }
        self.finish(transaction, change, revisions)
    }

    /// Applies a client's change and keeps its answer.
    pub(super) fn finish(
        &mut self,
        mut transaction: Transaction<'_>,
        change: &[u8; 16],
        revisions: Vec<u64>,
    ) -> Result<Vec<u64>> {
        let surplus = (self.history.len() + 1).saturating_sub(self.keep);
        let old: Vec<Key> = self.history.iter().take(surplus).cloned().collect();
        let answered = Answered { number: self.commits + 1, revisions };
        transaction.answer(change, &answered, &old)?;
        self.apply(transaction)?;
        self.history.drain(..surplus);
        self.history.push_back(keyspace::answered(change));
        Ok(answered.revisions)
    }

    pub(super) fn answered(&self, change: &[u8; 16]) -> Result<Option<Vec<u64>>> {
        self.store.answered(change)
    }

    fn put_token(&mut self, put: PutToken) -> Result<u64> {
        if let Some(revisions) = self.answered(&put.change)? {
            return Ok(revisions.first().copied().unwrap_or(0));
        }
        let mut new = Entry::decode(&put.entry).map_err(|_| Reason::ArgumentsBad)?;
        let store = Arc::clone(&self.store);
        let old = store.token(put.token)?;
        check_expected(put.expect, old.as_ref().map(|old| old.revision))?;
        let mut anew = (true, true);
        let mut facts = vec![Fact::of_token(audit::Event::TokenInitialised, put.token)];
        if let Some(old) = &old {
            let by = put.by.ok_or(Reason::NotLoggedIn)?;
            let old = Entry::decode(&old.entry)?;
            new = new.completed_by(&old);
            if !may_become(&old, &new, by, put.wipe) {
                return Err(Reason::Unlawful.detail("a token's entry may not change like this"));
            }
            anew = (old.officer != new.officer, old.user != new.user);
            if !put.wipe {
                let (_, (_, wrong)) = store.cells.pins.of(put.token)?;
                facts = audit::of_entry(put.token, anew, by != By::User, wrong >= TRIES);
            }
        }
        if !new.is_whole() {
            return Err(Reason::ArgumentsBad.detail("a token's entry is not whole, or too long"));
        }
        let entry = new.encode()?;
        store.records.room(if put.wipe { Need::Shrink } else { Need::Grow(entry.len() as u64) })?;
        let slot = store.cells.pins.reserve(put.token, put.slot)?;
        store.cells.pins.reset(put.token, anew)?;
        if let Some(old) = old.as_ref().filter(|_| put.wipe) {
            self.wipe(put.token, old)?;
        }
        let mut transaction = Transaction::new(&store);
        facts.into_iter().for_each(|fact| transaction.note(fact));
        let revision = old.map_or(0, |old| old.revision) + 1;
        transaction.put_token(put.token, &TokenRow { slot, revision, entry })?;
        self.finish(transaction, &put.change, vec![revision])?;
        store.question_logins();
        self.sync_and_publish()?;
        store.cells.pins.confirm(put.token)?;
        Ok(revision)
    }

    /// Ends a token's ordinary objects; on a token without custody, everything.
    fn wipe(&mut self, token: Id, old: &TokenRow) -> Result<()> {
        let custody = Entry::decode(&old.entry)?.custody;
        let store = Arc::clone(&self.store);
        let mut ending = Vec::new();
        store.each(&keyspace::records(token), |key, value| {
            let id = keyspace::last_id(key).ok_or(Reason::StoreDamaged)?;
            let found = store.found(id, value)?;
            if !custody || matches!(found.known.header.role, Role::Object { .. }) {
                ending.push(found);
            }
            Ok(true)
        })?;
        for step in ending.chunks(STEP) {
            let mut transaction = Transaction::new(&store);
            for found in step {
                transaction.remove(token, found, Ending::Deleted)?;
            }
            self.apply(transaction)?;
        }
        Ok(())
    }
}

fn may_become(old: &Entry, new: &Entry, by: By, wipe: bool) -> bool {
    match by {
        By::User => old.may_become(new, false, wipe),
        By::Officer => old.may_become(new, true, wipe),
        By::OfficersLogin => old.officer == new.officer && !wipe && old.may_become(new, true, wipe),
    }
}

/// The answers that are kept, oldest first.
fn history(store: &OpenStore) -> Result<VecDeque<Key>> {
    let mut kept = Vec::new();
    store.each(b"c", |key, value| {
        kept.push((keyspace::decode::<Answered>(value, "an answer")?.number, key.to_vec()));
        Ok(true)
    })?;
    kept.sort_unstable();
    Ok(kept.into_iter().map(|(_, key)| key).collect())
}

/// The records that a commit names, each at the revision it expects.
fn expected(store: &OpenStore, token: Id, changes: &[Change]) -> Result<Vec<Option<Found>>> {
    let find = |change: &Change| {
        let found = store.find(token, change.id)?;
        check_expected(change.expect, found.as_ref().map(|found| found.row.revision))?;
        Ok(found)
    };
    changes.iter().map(find).collect()
}

pub(super) fn check_expected(expect: Expect, revision: Option<u64>) -> Result<()> {
    match (expect, revision) {
        (Expect::Absent, None) => Ok(()),
        (Expect::Revision(expected), Some(revision)) if expected == revision => Ok(()),
        _ => Err(Reason::Conflict.into()),
    }
}

fn proposal(change: &Change) -> Result<Proposal> {
    let event = match change.event.as_slice() {
        [] => None,
        bytes => Some(event(bytes)?),
    };
    let put = change.put.as_ref().map(|(header, _)| Header::decode(header)).transpose();
    let put = put.map_err(|_| malformed())?;
    if change.alias.as_ref().is_some_and(|alias| alias.len() > MAX_ALIAS) {
        return Err(Reason::ArgumentsBad.detail("an alias is too long"));
    }
    if put.as_ref().is_some_and(|header| header.tags.len() > MOST_TAGS) {
        return Err(Reason::ArgumentsBad.detail("a record has too many tags"));
    }
    if let (Some(header), Some((head, sealed))) = (&put, &change.put) {
        check_readable(header, head.len() + sealed.len())?;
    }
    Ok(Proposal { id: change.id, event, put })
}

/// A record fits into an answer: material with its custom key beside it.
fn check_readable(header: &Header, size: usize) -> Result<()> {
    let most = match header.role {
        Role::Object { .. } => ROOM - BESIDE,
        Role::CustomKey(_) | Role::Material { .. } => ROOM / 2 - BESIDE,
    };
    match size > most {
        true => Err(Reason::ArgumentsBad.detail(format_args!("a record has at most {most} bytes"))),
        false => Ok(()),
    }
}

fn event(bytes: &[u8]) -> Result<Event> {
    match postcard::take_from_bytes(bytes) {
        Ok((event, [])) => Ok(event),
        _ => Err(malformed()),
    }
}

fn malformed() -> Error {
    Reason::ArgumentsBad.detail("a change does not parse")
}

/// A commit in which something ends may use the room that is kept for that.
fn need(proposals: &[Proposal], changes: &[Change]) -> Need {
    let ends = |proposal: &Proposal| {
        proposal.put.is_none() || proposal.event == Some(Event::DeleteMaterial)
    };
    if proposals.iter().any(ends) {
        return Need::Shrink;
    }
    let sizes = changes.iter().filter_map(|change| change.put.as_ref());
    Need::Grow(sizes.map(|(header, sealed)| (header.len() + sealed.len()) as u64).sum())
}

#[cfg(test)]
mod tests;
