//! The single writer: takes every change that waits, applies each, syncs once for all, answers.

use super::audit::{self, Asker, Fact, Journal};
use super::backup::BackupParts;
use super::job::{Done, Job, Work};
use super::keyspace::{self, Answered, Key};
use super::open_store::OpenStore;
use super::snapshots::Snapshots;
use super::sweep::next_due;
use super::transaction::{AfterSync, Transaction};
use super::usage_counts::UsageCounts;
use super::waker::Waker;
use crate::clock::Seconds;
use crate::error::{Reason, Result};
use crate::store::Need;
use crate::sys::heap::wipe_stack;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

/// How many changes one sync covers at the most.
const GROUP: usize = 256;

/// How many records one batch removes when many end at once.
pub(super) const STEP: usize = 256;

/// What a line of the audit log takes at the most, in bytes.
const MOST_OF_A_LINE: u64 = 4096;

/// How many answers are kept for those who lost theirs.
const HISTORY: usize = 16_384;

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

#[cfg(test)]
mod tests;
