//! All short histories of one key. In each step it is written, removed or expires; the writer is killed after any step
//! of a commit, loses its power, or is overtaken by another opening of the store; and a client that lost its answer
//! asks again. After each step the store is as the answers have it, and what has ended has no secret left.
//!
//! `KEYSTEAD_FIRE=long` plays histories that are one step longer, `KEYSTEAD_SHARE=3/16` with it a part of them.

#[path = "../../../../tests/fire/length.rs"]
mod length;

use super::erasure::{Host, KEY, NOW, Overtaken, STEPS, read, secret_of_key};
use super::*;
use crate::agent::sweep::Sweep;
use crate::clock::Clock;
use crate::key::{Expiry, ExpiryAction};
use length::Length;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

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

/// The end of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Answered,
    /// The writer is killed after so many of the steps that follow a commit.
    Killed(usize),
    /// The power is gone before the commit is durable.
    PowerLost,
}

/// One step of a history.
#[derive(Debug, Clone, Copy)]
struct Step {
    act: Act,
    end: End,
    /// The client did not hear the answer.
    again: bool,
    overtaken_by: Option<Act>,
}

const ACTS: [Act; 3] = [Act::Write, Act::Remove, Act::Expire];
const ENDS: [End; 5] =
    [End::Answered, End::Killed(0), End::Killed(1), End::Killed(2), End::PowerLost];

/// Returns the steps of which histories consist: for a short run only those at whose end something else is decided.
fn steps(is_long: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    let again_too = |end| is_long || !matches!(end, End::Killed(1 | 2));
    let overtaken_too = |end| is_long || end == End::Answered;
    for act in ACTS {
        for end in ENDS {
            steps.push(Step { act, end, again: false, overtaken_by: None });
            if again_too(end) {
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
    /// The answer comes before the commit is durable, and the power goes.
    AnswersFirst,
    /// Answers are not kept for those who lost theirs.
    ForgetsAnswers,
}

const FLAWS: [Flaw; 5] = [
    Flaw::ComparesNothing,
    Flaw::ErasesFirst,
    Flaw::ErasesNothing,
    Flaw::AnswersFirst,
    Flaw::ForgetsAnswers,
];

/// The key as its clients know it: what was written last, and until when that lives.
type Known = Option<(Vec<u8>, Seconds)>;

/// The state after another opening was faster.
struct Overtaking {
    known: Known,
    /// True where the key was written or removed.
    changed: bool,
    /// The content that a loss of power leaves then.
    durable: (CommitNumber, Vec<Pair>),
}

type Faster = Arc<Mutex<Option<Overtaking>>>;

/// A change that a client asks for, by its name once more where it must.
struct Asked {
    act: Act,
    change: Change,
    name: u8,
}

impl Asked {
    /// Asks a writer, and returns the answer.
    fn of(&self, writer: &mut Writer) -> Result<Vec<u64>> {
        if self.act == Act::Expire {
            return writer.drive(&mut Sweep::new(0)).map(|_| Vec::new());
        }
        let (changes, change, access) = (vec![self.change.clone()], [self.name; 16], Access::User);
        writer.drive(&mut Commit { token: TOKEN, changes, change, access })
    }
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

    fn step(&mut self, step: Step) {
        let expires = [Some(step.act), step.overtaken_by].contains(&Some(Act::Expire));
        if expires {
            self.host.clock.set(self.now() + LATER);
        }
        let overtaken = self.host.overtaken();
        if self.has(Flaw::ComparesNothing) {
            overtaken.compare_nothing();
        }
        let mut writer = self.host.writer_on(Box::new(overtaken.clone()));
        let (mut asked, outcome) = self.proposed(&writer, step.act);
        let faster = Faster::default();
        if let Some(act) = step.overtaken_by {
            self.overtake(act, &writer, Arc::clone(&faster), &overtaken);
        }
        let mut durable = self.host.pairs();
        let made = asked.of(&mut writer);
        if let Some(faster) = faster.lock().unwrap().take() {
            (self.known, durable) = (faster.known, faster.durable);
            let judged_again = step.act == Act::Expire || !faster.changed;
            assert!(judged_again || made.is_err(), "what was read had changed: {made:?}");
        }
        let (before, cells) = (self.known.clone(), std::fs::read(self.host.cells()).unwrap());
        if made.is_ok() {
            self.note(step.act, outcome.clone());
        }
        let taken = match step.end {
            End::Answered => STEPS.len(),
            End::Killed(steps) => steps,
            End::PowerLost if self.has(Flaw::ErasesFirst) => STEPS.len(),
            End::PowerLost => 0,
        };
        STEPS.iter().take(taken).for_each(|step| step(&mut writer).unwrap());
        drop(writer);
        if step.end == End::PowerLost {
            self.host.restore(durable);
            self.known = before;
        } else if self.has(Flaw::AnswersFirst) {
            self.host.restore(durable);
        }
        if step.again && step.act != Act::Expire {
            let mut writer = self.host.writer();
            if self.has(Flaw::ForgetsAnswers) {
                asked.name += FIRST_NAME;
            }
            assert_eq!(asked.of(&mut writer), made, "a client that asks again");
            STEPS.iter().for_each(|step| step(&mut writer).unwrap());
            if made.is_ok() {
                self.note(step.act, outcome);
            }
        }
        self.check(&cells);
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
    fn overtake(&mut self, act: Act, slower: &Writer, faster: Faster, overtaken: &Overtaken) {
        let lives = self.known.as_ref().is_some_and(|(_, expiry)| *expiry > self.now());
        if act == Act::Write && !lives {
            // It would take a cell that this opening does not know.
            return;
        }
        let other = self.host.other();
        other.clock.set(self.now());
        let (asked, outcome) = self.proposed(slower, act);
        let (known, now) = (self.known.clone(), self.now());
        overtaken.then(move || {
            let mut writer = other.writer();
            let made = asked.of(&mut writer);
            let changed = made.is_ok() && act != Act::Expire;
            let known = match made {
                Err(_) => known,
                Ok(_) if act == Act::Expire => known.filter(|(_, expiry)| *expiry > now),
                Ok(_) => outcome,
            };
            writer.sync_and_publish().unwrap();
            *faster.lock().unwrap() = Some(Overtaking { known, changed, durable: other.pairs() });
        });
    }

    /// After another opening all is as it is known, and nothing else can be had; the cells before are for a flaw.
    fn check(&mut self, cells: &[u8]) {
        let mut writer = self.host.writer();
        writer.sweep().unwrap();
        writer.sync_and_publish().unwrap();
        self.note(Act::Expire, None);
        let found = read(&writer);
        if self.has(Flaw::ErasesNothing) {
            std::fs::write(self.host.cells(), cells).unwrap();
        }
        match &self.known {
            Some((body, _)) => {
                assert_eq!(found, Some((Erasure::Live, body.clone())));
                let secret = secret_of_key(&writer);
                assert!(self.host.secret_stands(&secret));
                self.secrets.insert(secret);
                let left = self.secrets.iter().filter(|it| self.host.secret_stands(it)).count();
                assert_eq!(left, 1, "secrets of what was written before");
            }
            None => {
                let ended = matches!(&found, None | Some((Erasure::Ended(_), _)));
                assert!(ended && found.is_none_or(|(_, sealed)| sealed.is_empty()));
                assert!(!self.secrets.iter().any(|secret| self.host.secret_stands(secret)));
            }
        }
    }
}

/// Plays one history of so many steps; what is found says which.
fn play(number: usize, depth: u32, steps: &[Step], flaw: Option<Flaw>) -> Option<String> {
    let (mut history, mut rest) = (Vec::new(), number);
    for _ in 0..depth {
        history.push(steps.get(rest % steps.len()).copied().unwrap());
        rest /= steps.len();
    }
    let played = std::panic::catch_unwind(|| {
        let mut store = History::new(flaw);
        history.iter().for_each(|step| store.step(*step));
    });
    played.err().map(|_| format!("history {number}: {history:#?}"))
}

#[test]
fn after_every_short_history_the_store_is_as_it_was_answered_and_what_ended_is_gone() {
    let length = Length::asked();
    let (depth, steps) = (length.either(2, 3), steps(length.either(false, true)));
    let (count, next) = (steps.len().pow(depth), AtomicUsize::new(0));
    println!("{} histories of {depth} steps", length.count_of(count));
    // They wait for syncs more than for the processor.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let numbers = || next.fetch_add(1, Ordering::Relaxed);
                let all = std::iter::repeat_with(numbers).take_while(|number| *number < count);
                let mine = all.filter(|number| length.has(*number));
                let found = mine.filter_map(|number| play(number, depth, &steps, None)).next();
                assert!(found.is_none(), "{}", found.unwrap_or_default());
            });
        }
    });
}

#[test]
fn every_flaw_of_a_writer_shows_in_a_history_of_one_step() {
    let steps = steps(false);
    for flaw in FLAWS {
        let found = (0..steps.len()).find_map(|number| play(number, 1, &steps, Some(flaw)));
        println!("{flaw:?}: {}", found.unwrap_or_else(|| panic!("{flaw:?} is not found")));
    }
}
