//! The single writer: takes every job that waits, applies the transactions of each, syncs once for all,
//! answers.

use super::audit::{self, Asker, Fact, Journal};
use super::backup::BackupParts;
use super::destroy::DestroyToken;
use super::destroyed_tokens::DestroyedTokens;
use super::job::{Done, Job, Work};
use super::mend::Mend;
use super::open_store::OpenStore;
use super::outlets::Outlets;
use super::proposer::{self, AcceptClock, Note, Proposer};
use super::rows::{TokenRow, UnderWay};
use super::snapshots::Snapshots;
use super::sweep::{Sweep, Swept, has_narrowed, next_due};
use super::token_entry::EntryChange;
use super::transaction::{AfterSync, Transaction};
use super::usage_counts::UsageCounts;
use crate::clock::Seconds;
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::store::{CommitNumber, Need};
use crate::sys::heap::wipe_stack;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

/// The number of answers that are kept for those who lost theirs.
const KEPT_ANSWERS: usize = 16_384;

/// The most jobs that one sync covers.
const GROUP: usize = 256;

/// The one who changes the store.
pub(crate) struct Writer {
    pub(super) store: Arc<OpenStore>,
    /// The number of the last commit.
    commits: CommitNumber,
    /// The number of answers that stay.
    kept_answers: usize,
    after_sync: AfterSync,
    unsynced: bool,
    journal: Journal,
    /// The process that asked for the job under way.
    asker: Asker,
    due: Option<Seconds>,
    /// The time that an erasure waits, in seconds.
    pub(super) grace: Seconds,
    snapshots: Snapshots,
    usage: UsageCounts,
    /// The places that are told of each line of the audit log.
    outlets: Arc<Outlets>,
}

impl Writer {
    /// Reads what was kept, and finishes what a crash interrupted. These places are told of each line of the audit log, also of what was in no file yet.
    pub(crate) fn open(store: Arc<OpenStore>, outlets: Arc<Outlets>) -> Result<Self> {
        let mut writer = Self {
            commits: store.records.number()?,
            kept_answers: KEPT_ANSWERS,
            after_sync: AfterSync::default(),
            unsynced: false,
            journal: Journal::open(&store.directory, &*store.records, store.audit_rows())?,
            asker: Asker::agent(),
            due: None,
            grace: 0,
            snapshots: Snapshots::default(),
            usage: UsageCounts::open(&store)?,
            outlets,
            store,
        };
        if !writer.store.is_writable() {
            writer.drive(&mut DestroyedTokens)?;
        }
        let mut mend = Mend::of(&writer.store)?;
        writer.drive(&mut mend)?;
        // What cannot be gone on with yet is tried again with each sweep.
        if let Err(error) = writer.resume()
            && !writer.store.alive()
        {
            return Err(error);
        }
        writer.save_uses()?;
        writer.sync_and_publish()?;
        writer.keep_lines();
        Ok(writer)
    }

    /// Goes on with what has begun to happen to tokens. What fails stands in no other token's way: its mark
    /// stays and refuses other changes of the token, and the first error is returned after all others.
    fn resume(&mut self) -> Result<()> {
        let mut resumed = Ok(());
        for (token, row) in self.store.tokens()? {
            let Some(under_way) = row.under_way.clone() else { continue };
            if let Err(error) = self.go_on(token, &row, under_way) {
                if !self.store.alive() {
                    return Err(error);
                }
                log::error!("the change of token {token} that is under way waits: {error}");
                resumed = resumed.and(Err(error));
            }
        }
        resumed
    }

    fn go_on(&mut self, token: Id, row: &TokenRow, under_way: UnderWay) -> Result<()> {
        self.store.check_writable()?;
        match under_way {
            UnderWay::Destroy { change, .. } => {
                self.drive(&mut DestroyToken::new(token, change)).map(drop)
            }
            UnderWay::Wipe { change, entry } => {
                self.drive(&mut EntryChange::resumed(token, row, change, entry)).map(drop)
            }
        }
    }

    /// Lets what falls due wait for so many seconds before it is erased.
    pub(crate) fn with_grace(self, grace: Seconds) -> Self {
        Self { grace, ..self }
    }

    /// Works until no more jobs can come. An error means that the store has failed.
    pub(crate) fn run(mut self, jobs: &Receiver<Job>) -> Result<()> {
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
        if let Err(error) = self.save_uses() {
            // A store on other machines may be out of reach.
            if !self.store.alive() {
                return Err(error);
            }
            log::warn!("how often keys were used in the last minute is lost: {error}");
        }
        self.sync_and_publish()?;
        self.keep_lines();
        self.keep_time()?;
        self.keep_snapshot(true)?;
        self.keep_index();
        Ok(())
    }

    /// Keeps an image of the index. One that fails costs the next agent time, and nothing else.
    fn keep_index(&self) {
        if self.store.is_writable()
            && let Err(error) = self.store.keep_index()
        {
            log::warn!("no image of the index was kept: {error}");
        }
    }

    fn work(&mut self, group: Vec<Job>) -> Result<()> {
        let mut answers = Vec::with_capacity(group.len());
        for job in group {
            if job.is_abandoned() {
                log::info!("a change is not made: the process that asked for it has hung up");
                continue;
            }
            let Job { work, answer, asker, .. } = job;
            self.asker = asker;
            let result = self.answer(work);
            if !self.store.alive() {
                return Err(result.err().unwrap_or_else(|| Reason::StoreDamaged.into()));
            }
            answers.push((answer, result));
        }
        self.sync_and_publish()?;
        self.keep_lines();
        // Before an answer says that something has been erased.
        wipe_stack();
        for (answer, result) in answers {
            // The peer that asked may have gone: the change stands, and its answer is kept.
            let _gone = answer.map(|answer| answer.try_send(result));
        }
        self.prepare();
        wipe_stack();
        match next_due(&self.store, self.grace) {
            Ok(due) => {
                if due != std::mem::replace(&mut self.due, due) {
                    self.store.waker.wake();
                }
                Ok(())
            }
            // While a store on other machines is read anew nothing is known of it; the next sweep looks again.
            Err(error) if error.reason() == Reason::StoreUnavailable && self.store.alive() => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn answer(&mut self, work: Work) -> Result<Done> {
        if work.is_change() {
            self.store.check_writable()?;
            self.store.check_reach()?;
        }
        let first = |revision| Done::Revisions(vec![revision]);
        match work {
            Work::Commit(mut commit) => self.drive(&mut commit).map(Done::Revisions),
            Work::PutToken(put) => self.drive(&mut EntryChange::new(put)).map(first),
            Work::DestroyToken { token, change } => {
                self.drive(&mut DestroyToken::new(token, change)).map(first)
            }
            Work::Sweep => self.sweep().map(Done::Swept),
            Work::AcceptClock => self.accept_clock().map(|()| Done::Revisions(Vec::new())),
            Work::Note(fact) => self.note(fact).map(|()| Done::Noted),
            Work::AuditHead => {
                // What came before in this group counts too.
                self.sync_and_publish()?;
                self.keep_lines();
                let (head, waiting) = self.journal.head();
                Ok(Done::AuditHead(head, waiting))
            }
            Work::Keep => {
                self.keep_time()?;
                self.save_uses()?;
                self.keep_snapshot(false).map(|()| Done::Noted)
            }
            Work::OpenUses(key) => self.usage.open_days(&self.store, key).map(Done::OpenUses),
            Work::Used(token, uses) => {
                self.usage.add(&self.store, token, uses).map(|()| Done::Noted)
            }
            Work::Invite(seconds) => {
                let (code, expires) = self.store.invite(seconds)?;
                Ok(Done::Invitation(code, expires))
            }
            Work::Expel(host) => self.store.expel(&host).map(Done::Expelled),
            Work::Backup => self.backup().map(|parts| Done::Backup(Box::new(parts))),
            Work::Stop | Work::Abandon => Err(Reason::AgentAbsent.into()),
        }
    }

    /// Applies what `proposer` proposes until it is done, and returns its answer.
    pub(super) fn drive<P: Proposer>(&mut self, proposer: &mut P) -> Result<P::Answer> {
        let store = Arc::clone(&self.store);
        proposer::drive(&store, proposer, |transaction| self.apply(transaction))
    }

    /// Applies a transaction as the next commit.
    pub(super) fn apply(&mut self, mut transaction: Transaction<'_>) -> Result<()> {
        let quiet = transaction.is_quiet();
        let facts = transaction.facts()?;
        let head = if facts.is_empty() { None } else { Some(transaction.audit_head()?) };
        let (now, most) = (self.store.now(), transaction.spare_lines());
        let sealed = self.journal.seal(head, &facts, now, &self.asker, most)?;
        transaction.keep_lines(&sealed)?;
        transaction.keep_answer(self.kept_answers)?;
        let (number, after_sync) = transaction.apply()?;
        self.commits = number;
        self.unsynced = true;
        self.after_sync.extend(after_sync);
        self.journal.applied(sealed);
        facts.iter().for_each(|fact| audit::log(fact, &self.asker));
        self.snapshots.note_commit(quiet);
        Ok(())
    }

    /// Appends the lines of what is durable to the audit log, and has the outlets tell them.
    fn keep_lines(&mut self) {
        let lines = self.journal.flush();
        let (head, waiting) = self.journal.head();
        self.outlets.tell(&lines, (head.seq, waiting), self.store.clock());
    }

    /// Makes everything applied durable; then, and not before, erases what has ended, and lets the modules
    /// notice once more.
    pub(super) fn sync_and_publish(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.unsynced) {
            return Ok(());
        }
        self.make_durable()?;
        self.erase()?;
        self.publish()
    }

    /// Makes every commit durable: from here on it is decided.
    fn make_durable(&self) -> Result<()> {
        let store = &self.store;
        store.records.sync()?;
        if store.is_writable() {
            store.cells.commits.note(self.commits)?;
        }
        let now = store.now();
        store.cells.time.raise(now)?;
        store.page.set_mark(now);
        Ok(())
    }

    /// Overwrites the cells of what has ended.
    fn erase(&mut self) -> Result<()> {
        self.store.cells.erase.erase(&std::mem::take(&mut self.after_sync.erased))
    }

    /// Moves the counters of what has changed, begins counts of wrong PINs again, and frees the cells that no record
    /// claims any more.
    fn publish(&mut self) -> Result<()> {
        let store = &self.store;
        let after_sync = std::mem::take(&mut self.after_sync);
        let AfterSync { moved, freed, reset, arrived, left, .. } = after_sync;
        moved.into_iter().for_each(|(token, watched)| store.page.moved(token, watched));
        freed.into_iter().for_each(|cell| store.cells.erase.release(cell));
        if reset.is_empty() && arrived.is_empty() && left.is_empty() {
            return Ok(());
        }
        let pins = &store.cells.pins;
        reset.into_iter().try_for_each(|(token, which)| pins.reset(token, which))?;
        arrived.into_iter().try_for_each(|token| pins.confirm(token))?;
        left.into_iter().try_for_each(|token| pins.vacate(token))?;
        store.cells.sync()
    }

    /// Erases and ends everything that is due, and goes on with what is under way.
    pub(super) fn sweep(&mut self) -> Result<Swept> {
        let resumed = self.resume();
        if has_narrowed(&self.store)? {
            self.keep_time()?;
        }
        let swept = self.drive(&mut Sweep::new(self.grace))?;
        resumed.map(|()| swept)
    }

    /// Makes the time durable, and known to the modules.
    fn keep_time(&self) -> Result<()> {
        let now = self.store.now();
        self.store.cells.time.raise(now)?;
        self.store.cells.sync()?;
        self.store.page.set_mark(now);
        Ok(())
    }

    /// Saves how often keys were used. A full disk is left to what matters more: the counts stay in memory.
    fn save_uses(&mut self) -> Result<()> {
        if !self.store.is_writable() {
            return Ok(());
        }
        let mut usage = std::mem::take(&mut self.usage);
        let saved = match (usage.save(&self.store), self.store.records.room(Need::Grow(0))) {
            (None, _) => Ok(()),
            (Some(_), Err(error)) => {
                log::warn!("how often keys are used is not saved: {error}");
                Ok(())
            }
            (Some(mut save), Ok(())) => self.drive(&mut save),
        };
        self.usage = usage;
        saved
    }

    /// Keeps a snapshot if it is time to.
    fn keep_snapshot(&mut self, at_the_end: bool) -> Result<()> {
        if !self.store.is_writable() || !self.snapshots.is_wanted(at_the_end) {
            return Ok(());
        }
        self.sync_and_publish()?;
        self.snapshots.keep(&self.store);
        Ok(())
    }

    /// Takes the clock's time for now, and lowers the high-water mark to it. What has been erased stays erased.
    pub(super) fn accept_clock(&mut self) -> Result<()> {
        let (mark, clock) = (self.store.now(), self.store.clock());
        log::warn!("the store's latest time, {mark}, is lowered to the clock's, {clock}");
        self.drive(&mut AcceptClock::default())?;
        // What was only waiting need not wait any more.
        let swept = self.sweep();
        self.sync_and_publish()?;
        // What had expired may be there again.
        self.store.page.all_moved();
        swept.map(drop)
    }

    /// Fills cells ahead, after the answers have gone out.
    fn prepare(&self) {
        if !self.store.is_writable() {
            return;
        }
        if let Err(error) = self.store.prepare() {
            log::warn!("nothing was prepared for the next change: {error}");
        }
    }

    /// Gathers a backup between two commits, which are made durable before it is given out.
    fn backup(&mut self) -> Result<BackupParts> {
        for (token, _) in self.store.tokens()? {
            match self.note(Fact::of_token(audit::AuditEvent::BackedUp, token)) {
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

    /// Has a line in the audit log that goes with no change.
    pub(super) fn note(&mut self, fact: Fact) -> Result<()> {
        if !self.store.is_writable() {
            log::warn!("not in the audit log, for the store can only be read: {fact}");
            return Ok(());
        }
        self.store.records.room(Need::Grow(audit::LONGEST_LINE as u64))?;
        self.drive(&mut Note::of(fact))
    }
}

#[cfg(test)]
mod tests;
