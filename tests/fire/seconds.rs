//! The second at which a key ends, as two processes see it that use the key without a pause: each call that begins
//! before it works, none that begins in it does, and a key that is renewed meanwhile works from the answer on.

use crate::fire::{Fire, complaint, is_found, play_under_fire};
use crate::hand::{Hand, Order, take_part};
use crate::key::{Act, Answer, Key};
use crate::rig::World;
use crate::rig::process::{PATIENCE, agent_of, kill_9};
use crate::rig::token::{USER_PIN, expected_block};
use crate::rig::world::{now, until};
use rustix::process::{Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The seconds that a key lives, and the milliseconds for which it is used around its end.
const LIFE: u64 = 2;
const AROUND: u64 = 150;

/// An event at about the second of an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nothing,
    AgentKilled,
    AgentStopped,
    Renewed,
}

const ALL: [Beside; 4] =
    [Beside::Nothing, Beside::AgentKilled, Beside::AgentStopped, Beside::Renewed];

#[test]
fn a_key_ends_in_its_second_for_two_processes_that_use_it_without_a_pause() {
    play_under_fire(|world, fire| match world.role() {
        "" => {
            let ends = fire.share_of(1, 100) * ALL.len();
            let mut seconds = Seconds::new(world, fire);
            for round in 0..ends {
                let used = seconds.used(&format!("key {round}"), ALL[round % ALL.len()], 0);
                used.judge();
            }
            seconds.end();
            println!("{ends} ends of a key");
        }
        _ => take_part(world),
    });
}

/// The control: a store for which keys end a second late, or early.
#[test]
fn a_key_that_does_not_end_in_its_second_is_found() {
    play_under_fire(|world, fire| match world.role() {
        "" => {
            let mut seconds = Seconds::new(world, fire);
            let mut used = |late| seconds.used(&format!("{late} late"), Beside::Nothing, late);
            let (late, early) = (used(1), used(-1));
            is_found("a key ends late", "works after its end", complaint(|| late.judge()));
            is_found("a key ends early", "has ended before", complaint(|| early.judge()));
            seconds.end();
        }
        _ => take_part(world),
    });
}

/// The nanoseconds since 1970 UTC.
pub type Nanoseconds = u64;

/// Calls in a row that all worked, or all failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub worked: bool,
    /// The beginning and the end of its first call, and of its last.
    pub first: (Nanoseconds, Nanoseconds),
    pub last: (Nanoseconds, Nanoseconds),
}

/// Returns the present time.
pub fn precisely() -> Nanoseconds {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
}

/// Makes calls until a moment, and tells how they went.
pub fn runs(until: Nanoseconds, mut call: impl FnMut() -> bool) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    loop {
        let began = precisely();
        let worked = call();
        let span = (began, precisely());
        match runs.last_mut().filter(|run| run.worked == worked) {
            Some(run) => run.last = span,
            None => runs.push(Run { worked, first: span, last: span }),
        }
        if began > until {
            return runs;
        }
    }
}

/// A key that was used around its end.
struct Used {
    name: String,
    beside: Beside,
    ends: Nanoseconds,
    /// The beginning and the end of the import that renewed it.
    renewed: Option<(Nanoseconds, Nanoseconds)>,
    by: Vec<Vec<Run>>,
}

impl Used {
    fn judge(&self) {
        let (renewal, renewed) = self.renewed.unwrap_or((Nanoseconds::MAX, Nanoseconds::MAX));
        for (client, runs) in self.by.iter().enumerate() {
            let told = format!("{}, {:?}, client {client}", self.name, self.beside);
            let told = format!("{told}: it ends at {}, {:?}: {runs:?}", self.ends, self.renewed);
            assert!(runs.first().is_some_and(|run| run.worked), "{told}: it never worked");
            assert_eq!(
                runs.last().map(|run| run.worked),
                Some(self.renewed.is_some()),
                "{told}: it works after its end, or no more after it was renewed"
            );
            for run in runs {
                match run.worked {
                    true => assert!(
                        run.last.0 < self.ends || run.first.1 > renewal || renewal < self.ends,
                        "{told}: it works after its end"
                    ),
                    // Who did not see the end before it was renewed is told once that the handle is of what has ended.
                    false => assert!(
                        run.first.1 >= self.ends
                            && (run.last.0 <= renewed || run.first == run.last),
                        "{told}: it has ended before its second, or after it was renewed"
                    ),
                }
            }
        }
    }
}

struct Seconds<'a> {
    world: &'a World,
    fire: Fire,
    users: [Hand; 2],
    other: Hand,
}

impl<'a> Seconds<'a> {
    fn new(world: &'a World, fire: Fire) -> Self {
        world.start("maker").ends_well();
        let start = |role| Hand::start(world, role, &[USER_PIN.into()]).0;
        Self { world, fire, users: ["left", "right"].map(start), other: start("other") }
    }

    /// Has two processes use a key around its end, which the store takes for so much later.
    fn used(&mut self, name: &str, beside: Beside, late: i64) -> Used {
        let mut key = Key::new(name.into(), vec![0; 32]);
        self.fire.rng.fill(&mut key.material);
        self.done(Order::Act(key.clone(), Act::Create));
        let seen: Option<crate::key::Seen> = self.other.ask(&Order::See(key.clone()), PATIENCE);
        key.id = seen.map(|seen| seen.id);
        let ends = now() + LIFE;
        let told = ends.checked_add_signed(late).unwrap();
        self.done(Order::Act(key.clone(), Act::Import { ends: told, wrapped: false }));
        let end = Duration::from_secs(ends);
        let stop = (end + Duration::from_millis(AROUND)).as_nanos() as u64;
        let block = expected_block(&key.material);
        for user in &mut self.users {
            user.tell(&Order::Use { key: key.clone(), block: block.clone(), until: stop });
        }
        let at = end - Duration::from_millis(AROUND / 2)
            + Duration::from_millis(self.fire.rng.u64(..AROUND));
        let at = UNIX_EPOCH + at;
        std::thread::sleep(at.duration_since(SystemTime::now()).unwrap_or_default());
        let renewed = self.happens(&key, beside);
        let by = self.users.iter_mut().map(|user| user.hear(PATIENCE).expect("its calls"));
        let by = by.collect();
        Used { name: key.name, beside, ends: end.as_nanos() as u64, renewed, by }
    }

    fn happens(&mut self, key: &Key, beside: Beside) -> Option<(Nanoseconds, Nanoseconds)> {
        let agent = agent_of(&self.world.store());
        match beside {
            Beside::Nothing => None,
            Beside::AgentKilled => {
                agent.into_iter().for_each(kill_9);
                None
            }
            Beside::AgentStopped => {
                let agent = agent.expect("an agent");
                kill_process(agent, Signal::STOP).unwrap();
                until(now() + 1);
                kill_process(agent, Signal::CONT).unwrap();
                None
            }
            Beside::Renewed => {
                let began = precisely();
                let import = Act::Import { ends: now() + 86_400, wrapped: false };
                self.done(Order::Act(key.clone(), import));
                Some((began, precisely()))
            }
        }
    }

    fn done(&mut self, order: Order) {
        let answer: Answer = self.other.ask(&order, PATIENCE);
        assert_eq!(answer, Answer::Done, "{order:?}");
    }

    fn end(self) {
        self.users.into_iter().chain([self.other]).for_each(Hand::end);
        self.world.end_agent();
    }
}
