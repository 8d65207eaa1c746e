//! All short histories of one key. In each step it is written, removed or expires; the writer is killed, or loses its
//! power, at any moment of its work on a change, or is overtaken by another opening of the store; and a client that lost
//! its answer asks again. After each step the store is as the answers have it, and what has ended has no secret left.
//!
//! The order of that work is the writer's own: a moment is what its store and its cell file are asked for.
//!
//! `KEYSTEAD_FIRE=long` plays histories that are one step longer, `KEYSTEAD_SHARE=3/16` with it a part of them.

#[path = "../../../../tests/fire/length.rs"]
mod length;

use super::erasure::{Content, Host, Interruption, KEY, NOW, content, read, secret_of_key};
use super::*;
use crate::clock::Clock;
use crate::key::{Expiry, ExpiryAction};
use crate::store::pending_syncs::tests::observed;
use crate::tests::{ObservedStore, StoreUse};
use length::Length;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, MutexGuard};

/// The time for which what is written lives, and the time that passes before what expires, in seconds.
const LIFE: u64 = 500;
const LATER: u64 = 1_000;

/// The name of no change that the store begins with.
const FIRST_NAME: u8 = 100;

/// A change of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Write,
    Remove,
    Expire,
}

/// A moment of a writer's work on a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// The store is about to be synced.
    Applied,
    /// It has been.
    Synced,
    /// After that the cell file is about to be synced.
    Erased,
    /// The work is done.
    Done,
}

/// The end of a writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Killed(Moment),
    /// The store and the cell file lose all that was not synced then.
    PowerLost(Moment),
}

/// One step of a history.
#[derive(Debug, Clone, Copy)]
struct Step {
    act: Act,
    end: End,
    /// The client asks again.
    again: bool,
    overtaken_by: Option<Act>,
}

const ACTS: [Act; 3] = [Act::Write, Act::Remove, Act::Expire];
const ENDS: [End; 7] = [
    End::Killed(Moment::Done),
    End::Killed(Moment::Applied),
    End::Killed(Moment::Synced),
    End::Killed(Moment::Erased),
    End::PowerLost(Moment::Applied),
    End::PowerLost(Moment::Erased),
    End::PowerLost(Moment::Done),
];

/// Returns the steps of which histories consist: for a short run only those at whose end something else is decided.
fn steps(is_long: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    let again_too = |end| {
        let lost = matches!(end, End::Killed(Moment::Applied) | End::PowerLost(Moment::Applied));
        is_long || lost || end == End::Killed(Moment::Done)
    };
    let overtaken_too = |end| is_long || end == End::Killed(Moment::Done);
    for act in ACTS {
        for end in ENDS {
            steps.push(Step { act, end, again: false, overtaken_by: None });
            // No client asks for an expiry.
            if act != Act::Expire && again_too(end) {
                steps.push(Step { act, end, again: true, overtaken_by: None });
            }
            for by in ACTS.into_iter().filter(|_| overtaken_too(end)) {
                steps.push(Step { act, end, again: false, overtaken_by: Some(by) });
            }
        }
    }
    steps
}

/// A way in which a writer is broken, for the control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    /// The commit does not compare what its judgement has read.
    ComparesNothing,
    /// The secret of what ends is erased before the commit is durable.
    ErasesFirst,
    /// The secret of what has ended stays.
    ErasesNothing,
    /// The commit is never made durable.
    SyncsNothing,
    /// The answer comes before the commit is durable.
    AnswersFirst,
    /// The answer comes when the commit is durable, and before the secret is erased.
    AnswersBeforeErasing,
    /// Answers are not kept for those who lost theirs.
    ForgetsAnswers,
}

/// The flaws, each with words by which it is found.
const FLAWS: [(Flaw, &str); 7] = [
    (Flaw::ComparesNothing, "what was read had changed"),
    (Flaw::ErasesFirst, "the key is not as it is known"),
    (Flaw::ErasesNothing, "an answer came before a secret was erased"),
    (Flaw::SyncsNothing, "the key is not as it is known"),
    (Flaw::AnswersFirst, "the key is not as it is known"),
    (Flaw::AnswersBeforeErasing, "an answer came before a secret was erased"),
    (Flaw::ForgetsAnswers, "a client that asks again"),
];

/// The key as its clients know it: what was written last, and until when that lives.
type Known = Option<(Vec<u8>, Seconds)>;

/// The answer to a change; none where its client has heard nothing.
type Heard = Option<Result<Vec<u64>>>;

/// The payload of a panic by which a writer dies.
struct Died;

/// A store in memory that sees what a writer does with it and with the cell file, and has the writer die of it.
#[derive(Clone)]
struct Observer {
    memory: Memory,
    cells: PathBuf,
    compares_nothing: bool,
    seen: Arc<Mutex<Seen>>,
}

/// The work of a writer on one change, as it was seen.
#[derive(Default)]
struct Seen {
    /// The moment at which the writer dies; none while nothing is seen yet.
    dies_at: Option<Moment>,
    /// Another opening makes a change before the next batch is applied.
    faster: Option<Interruption>,
    applied: bool,
    synced: bool,
    died: bool,
    /// The content of the store and of the cell file as they were synced last.
    durable: Content,
    durable_cells: Vec<u8>,
}

impl Observer {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    /// Sees all from now on, and has the writer die at this moment.
    fn begin(&self, dies_at: Moment) {
        let (durable, durable_cells) = (content(&self.memory), std::fs::read(&self.cells).unwrap());
        *self.seen() = Seen { dies_at: Some(dies_at), durable, durable_cells, ..Seen::default() };
    }

    fn reach(&self, moment: Moment) {
        let mut seen = self.seen();
        if seen.dies_at == Some(moment) {
            seen.died = true;
            drop(seen);
            resume_unwind(Box::new(Died));
        }
    }

    /// The cell file is about to be synced.
    fn before_cells(&self) {
        if self.seen().synced {
            self.reach(Moment::Erased);
        }
        self.seen().durable_cells = std::fs::read(&self.cells).unwrap();
    }

    /// Has a writer work on a change until it is done, or dies. Returns what the client has heard then.
    fn heard(&self, work: impl FnOnce() -> Result<()>, done: &Receiver<Result<Done>>) -> Heard {
        let observer = self.clone();
        let before = move |path: &Path| {
            if path == observer.cells {
                observer.before_cells();
            }
        };
        match observed::with(before, || catch_unwind(AssertUnwindSafe(work))) {
            Ok(worked) => worked.unwrap(),
            Err(why) if why.is::<Died>() => {}
            Err(why) => resume_unwind(why),
        }
        done.try_recv().ok().map(|done| done.map(revisions))
    }
}

impl ObservedStore for Observer {
    fn memory(&self) -> &Memory {
        &self.memory
    }

    fn before(&self, used: StoreUse) -> Result<()> {
        let faster = self.seen().faster.take_if(|_| used == StoreUse::Apply);
        faster.into_iter().for_each(|faster| faster());
        Ok(())
    }

    fn applied(&self, batch: &Batch) -> Result<CommitNumber> {
        let conditions = match self.compares_nothing {
            true => Vec::new(),
            false => batch.conditions.clone(),
        };
        let number = self.memory.apply(&Batch { conditions, writes: batch.writes.clone() })?;
        self.seen().applied = true;
        Ok(number)
    }

    fn synced(&self) -> Result<()> {
        self.reach(Moment::Applied);
        let mut seen = self.seen();
        (seen.durable, seen.synced) = (content(&self.memory), seen.dies_at.is_some());
        drop(seen);
        self.reach(Moment::Synced);
        Ok(())
    }
}

/// The state after another opening was faster.
struct Overtaking {
    known: Known,
    /// True where the key was written or removed.
    changed: bool,
}

type Faster = Arc<Mutex<Option<Overtaking>>>;

/// A change that a client asks for, by its name once more where it must.
struct Asked {
    act: Act,
    change: Change,
    name: u8,
}

impl Asked {
    /// Asks, and returns the job, and where its answer comes.
    fn job(&self) -> (Job, Receiver<Result<Done>>) {
        let (changes, change, access) = (vec![self.change.clone()], [self.name; 16], Access::User);
        let work = match self.act {
            Act::Expire => Work::Sweep,
            _ => Work::Commit(Commit { token: TOKEN, changes, change, access }),
        };
        let (answer, done) = sync_channel(1);
        (Job { work, answer: Some(answer), asker: Asker::agent(), caller: None }, done)
    }

    /// Asks a writer that nothing happens to, and returns the answer.
    fn of(&self, writer: &mut Writer) -> Result<Vec<u64>> {
        let (job, done) = self.job();
        writer.work(vec![job]).unwrap();
        done.try_recv().unwrap().map(revisions)
    }
}

fn revisions(done: Done) -> Vec<u64> {
    match done {
        Done::Revisions(revisions) => revisions,
        _ => Vec::new(),
    }
}

/// Works on a job as a writer does that is broken in such a way.
fn work(writer: &mut Writer, job: Job, flaw: Option<Flaw>) -> Result<()> {
    let is_ordered = |flaw: &Flaw| {
        let others = [Flaw::ComparesNothing, Flaw::ForgetsAnswers];
        !others.contains(flaw)
    };
    let Some(flaw) = flaw.filter(is_ordered) else { return writer.work(vec![job]) };
    let result = writer.answer(job.work);
    let answer = || job.answer.unwrap().try_send(result).unwrap();
    if flaw == Flaw::AnswersFirst {
        answer();
        return writer.sync_and_publish();
    }
    if flaw == Flaw::ErasesFirst {
        writer.erase()?;
    }
    if flaw != Flaw::SyncsNothing {
        writer.make_durable()?;
    }
    match flaw {
        Flaw::AnswersBeforeErasing => {
            answer();
            return writer.erase();
        }
        Flaw::ErasesNothing => {}
        _ => writer.erase()?,
    }
    writer.publish()?;
    answer();
    Ok(())
}

/// A store, and what there should be in it.
struct History {
    host: Host,
    known: Known,
    /// The number of changes so far: each is named by it.
    changes: u8,
    /// All erase secrets under which the key ever was.
    secrets: BTreeSet<Vec<u8>>,
    flaw: Option<Flaw>,
}

impl History {
    fn new(flaw: Option<Flaw>) -> Self {
        let known = Some((b"sealed".to_vec(), NOW + 100));
        let host = Host::new();
        let secrets = BTreeSet::from([secret_of_key(&host.writer())]);
        Self { host, known, changes: FIRST_NAME, secrets, flaw }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn now(&self) -> Seconds {
        self.host.clock.now()
    }

    fn observer(&self) -> Observer {
        let (memory, cells) = (self.host.memory.clone(), self.host.cells());
        let compares_nothing = self.has(Flaw::ComparesNothing);
        Observer { memory, cells, compares_nothing, seen: Arc::default() }
    }

    /// One more change, by a writer with this store, and its outcome if it is made.
    fn proposed(&mut self, writer: &Writer, act: Act) -> (Asked, Known) {
        self.changes += 1;
        let row = writer.store.find(TOKEN, KEY).unwrap().map(|found| found.row.revision);
        let expect = row.map_or(Expect::Absent, Expect::Revision);
        let (body, at) = (vec![self.changes; 20], self.now() + LIFE);
        let expiry = Some(Expiry { at, action: ExpiryAction::Erase });
        let role = Role::Object { holds_key: true };
        let header = Header { private: true, role, expiry, tags: vec![Tag([2; 16])] };
        let put = (act == Act::Write).then(|| (header.encode().unwrap(), body.clone()));
        let outcome = put.is_some().then_some((body, at));
        let change = Change { id: KEY, expect, event: vec![], put, alias: None };
        (Asked { act, change, name: self.changes }, outcome)
    }

    /// Returns true for a step that would be another one here: what an overtaking opening writes while no key lives would
    /// take a cell that this opening does not know, so it is not overtaken.
    fn is_another(&self, step: Step) -> bool {
        let later = if expires(step) { LATER } else { 0 };
        let lives = self.known.as_ref().is_some_and(|(_, at)| *at > self.now() + later);
        step.overtaken_by == Some(Act::Write) && !lives
    }

    fn step(&mut self, step: Step) {
        if expires(step) {
            self.host.clock.set(self.now() + LATER);
        }
        let observer = self.observer();
        let mut writer = self.host.writer_on(Box::new(observer.clone()));
        let (mut asked, outcome) = self.proposed(&writer, step.act);
        let (End::Killed(moment) | End::PowerLost(moment)) = step.end;
        observer.begin(moment);
        let faster = Faster::default();
        if let Some(act) = step.overtaken_by {
            self.overtake(act, &writer, Arc::clone(&faster), &observer);
        }
        let (job, done) = asked.job();
        let heard = observer.heard(|| work(&mut writer, job, self.flaw), &done);
        drop(writer);
        if let Some(faster) = faster.lock().unwrap().take() {
            self.known = faster.known;
            let judged_again = step.act == Act::Expire || !faster.changed;
            let is_refused = matches!(heard, Some(Err(_)));
            assert!(judged_again || is_refused, "what was read had changed: {heard:?}");
        }
        let seen = std::mem::take(&mut *observer.seen());
        let stays = seen.synced || matches!(step.end, End::Killed(_));
        if heard.as_ref().map_or(seen.applied && stays, Result::is_ok) {
            self.note(step.act, outcome.clone());
        }
        if let End::PowerLost(_) = step.end {
            self.host.restore(seen.durable);
            std::fs::write(self.host.cells(), seen.durable_cells).unwrap();
        }
        self.check_answered(step, &heard);
        if step.again {
            self.ask_again(&mut asked, heard, outcome);
        }
        self.check();
    }

    /// Fails where a key that an answered change has ended has a secret left, before the store is opened again.
    fn check_answered(&self, step: Step, heard: &Heard) {
        let is_alone = step.overtaken_by.is_none();
        if matches!(heard, Some(Ok(_))) && self.known.is_none() && is_alone {
            let left = self.secrets.iter().any(|secret| self.host.secret_stands(secret));
            assert!(!left, "an answer came before a secret was erased");
        }
    }

    /// A client that has lost its answer, or has not, asks for the same again.
    fn ask_again(&mut self, asked: &mut Asked, heard: Heard, outcome: Known) {
        if self.has(Flaw::ForgetsAnswers) {
            asked.name += FIRST_NAME;
        }
        let again = asked.of(&mut self.host.writer());
        match heard {
            Some(first) => assert_eq!(again, first, "a client that asks again"),
            None => assert!(again.is_ok(), "a client that asks again: {again:?}"),
        }
        if again.is_ok() {
            self.note(asked.act, outcome);
        }
    }

    /// Notes a change that was made.
    fn note(&mut self, act: Act, outcome: Known) {
        let now = self.now();
        match act {
            Act::Expire => drop(self.known.take_if(|(_, expiry)| *expiry <= now)),
            Act::Write | Act::Remove => self.known = outcome,
        }
    }

    /// Has another opening make a change just before the next batch is applied; then tells what is known after it.
    fn overtake(&mut self, act: Act, slower: &Writer, faster: Faster, observer: &Observer) {
        let other = self.host.other();
        other.clock.set(self.now());
        let (asked, outcome) = self.proposed(slower, act);
        let (known, now) = (self.known.clone(), self.now());
        let seen = Arc::clone(&observer.seen);
        let overtakes = move || {
            let made = asked.of(&mut other.writer());
            let changed = made.is_ok() && act != Act::Expire;
            let known = match made {
                Err(_) => known,
                Ok(_) if act == Act::Expire => known.filter(|(_, expiry)| *expiry > now),
                Ok(_) => outcome,
            };
            seen.lock().unwrap().durable = other.pairs();
            *faster.lock().unwrap() = Some(Overtaking { known, changed });
        };
        observer.seen().faster = Some(Box::new(overtakes));
    }

    /// After another opening all is as it is known, and nothing else can be had.
    fn check(&mut self) {
        let mut writer = self.host.writer();
        writer.sweep().unwrap();
        writer.sync_and_publish().unwrap();
        self.note(Act::Expire, None);
        let found = read(&writer);
        match &self.known {
            Some((body, _)) => {
                let known = Some((Erasure::Live, body.clone()));
                assert_eq!(found, known, "the key is not as it is known");
                let secret = secret_of_key(&writer);
                assert!(self.host.secret_stands(&secret));
                self.secrets.insert(secret);
                let left = self.secrets.iter().filter(|it| self.host.secret_stands(it)).count();
                assert_eq!(left, 1, "secrets of what was written before");
            }
            None => {
                let ended = matches!(&found, None | Some((Erasure::Ended(_), _)));
                let ended = ended && found.is_none_or(|(_, sealed)| sealed.is_empty());
                assert!(ended, "the key is not as it is known");
                assert!(!self.secrets.iter().any(|secret| self.host.secret_stands(secret)));
            }
        }
    }
}

/// Returns true where time passes before a step.
fn expires(step: Step) -> bool {
    [Some(step.act), step.overtaken_by].contains(&Some(Act::Expire))
}

/// The outcome of one history.
enum Played {
    Well,
    /// It is another history than it seems to be.
    Another,
    /// The complaint, and the history.
    Badly(String, String),
}

/// Plays one history of so many steps.
fn play(number: usize, depth: u32, steps: &[Step], flaw: Option<Flaw>) -> Played {
    let (mut history, mut rest) = (Vec::new(), number);
    for _ in 0..depth {
        history.push(steps.get(rest % steps.len()).copied().unwrap());
        rest /= steps.len();
    }
    let played = catch_unwind(|| {
        let mut store = History::new(flaw);
        history.iter().all(|step| {
            let is_another = store.is_another(*step);
            if !is_another {
                store.step(*step);
            }
            !is_another
        })
    });
    match played {
        Ok(true) => Played::Well,
        Ok(false) => Played::Another,
        Err(why) => {
            let literal = || why.downcast_ref::<&str>().map(|said| (*said).to_owned());
            let said = why.downcast_ref::<String>().cloned().or_else(literal);
            let history = format!("history {number}: {history:#?}");
            Played::Badly(said.unwrap_or_default(), history)
        }
    }
}

#[test]
fn after_every_short_history_the_store_is_as_it_was_answered_and_what_ended_is_gone() {
    let length = Length::asked();
    let (depth, steps) = (length.either(2, 3), steps(length.either(false, true)));
    let (count, next, played) = (steps.len().pow(depth), AtomicUsize::new(0), AtomicUsize::new(0));
    // They wait for syncs more than for the processor.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let numbers = || next.fetch_add(1, Ordering::Relaxed);
                let all = std::iter::repeat_with(numbers).take_while(|number| *number < count);
                for number in all.filter(|number| length.has(*number)) {
                    match play(number, depth, &steps, None) {
                        Played::Well => drop(played.fetch_add(1, Ordering::Relaxed)),
                        Played::Another => {}
                        Played::Badly(said, history) => panic!("{said}\n{history}"),
                    }
                }
            });
        }
    });
    let (played, count) = (played.into_inner(), length.count_of(count));
    println!("{played} of {count} histories of {depth} steps: the others are among them");
}

#[test]
fn every_flaw_of_a_writer_shows_in_a_history_of_one_step() {
    let steps = steps(false);
    for (flaw, words) in FLAWS {
        let played = (0..steps.len()).map(|number| play(number, 1, &steps, Some(flaw)));
        let found: Vec<(String, String)> = played
            .filter_map(|played| match played {
                Played::Badly(said, history) => Some((said, history)),
                Played::Well | Played::Another => None,
            })
            .collect();
        let by_words = found.iter().find(|(said, _)| said.contains(words));
        let (said, history) = by_words.unwrap_or_else(|| panic!("{flaw:?} is found by {found:?}"));
        println!("{flaw:?}: {said}\n{history}");
    }
}
