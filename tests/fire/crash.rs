//! Clients and agents that are killed at any moment: what was acknowledged stays, what was not happened wholly or
//! not at all, nothing that was deleted comes back, and no wrong PIN is forgotten.

use crate::fire::{Fire, play_under_fire};
use crate::hand::{Hand, Order, take_part};
use crate::key::{Act, Answer, Asked, Key, SCHEDULED, choose};
use crate::lines::check_lines;
use crate::rig::World;
use crate::rig::elsewhen::{Elsewhen, faketime};
use crate::rig::process::{agent_of, kill_9};
use crate::rig::secrets::{Secrets, live};
use crate::rig::token::USER_PIN;
use crate::rig::world::now;
use keystead::internal::token::PIN_TRIES;
use keystead::internal::wire::SILENCE_TIMEOUT;
use rustix::process::{Signal, kill_process};
use std::collections::BTreeMap;
use std::time::Duration;

mod flaws;
mod pins;
mod schedule;

/// The stores that are under fire at once: most of a kill is waiting.
const STORES: usize = 4;

/// The clients of each that work at once.
const HANDS: usize = 3;

/// The most custom keys.
const KEYS: usize = 24;

/// The longest that a call may take: it gives up an agent that is silent, and may have found another one before.
const LONGEST: Duration = SILENCE_TIMEOUT.saturating_mul(2);

/// The time of agents for which all that is scheduled has ended, and the days by which it is ahead.
const LATER: &str = "+9d";
const DAYS: u64 = 9;

/// The latest moment of a kill within a round, in microseconds: a change takes less, a start of an agent more.
const LATEST: u64 = 6_000;
const LATEST_AT_START: u64 = 60_000;

#[test]
fn what_was_acknowledged_survives_the_kill_of_any_process_at_any_moment() {
    play_under_fire(|world, mut fire| match world.role() {
        "" => {
            let kills = fire.share_of(300, 10_000).div_ceil(STORES);
            std::thread::scope(|scope| {
                for number in 0..STORES {
                    let world = world.beside(&format!("{number}"));
                    let fire = fire.fork();
                    scope.spawn(move || {
                        world.start("maker").ends_well();
                        let mut storm = Storm::new(&world, fire);
                        while storm.killed < kills {
                            storm.round();
                        }
                        storm.end();
                    });
                }
            });
        }
        _ => take_part(world),
    });
}

/// A process to kill.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Agent,
    /// The agent, asked to end.
    AgentByTerm,
    Hand(usize),
}

struct Storm<'a> {
    world: &'a World,
    fire: Fire,
    hands: Vec<Hand>,
    /// The number of clients so far.
    started: usize,
    keys: Vec<Key>,
    /// The PINs that the user may have, and those of before.
    pins: Vec<String>,
    former: Vec<String>,
    /// The time of the agents that meet the scheduled ends.
    later: Elsewhen,
    secrets: Secrets,
    killed: usize,
    longest: Duration,
}

impl<'a> Storm<'a> {
    fn new(world: &'a World, fire: Fire) -> Self {
        Self::with(world, fire, vec![USER_PIN.to_owned()], Secrets::of(&world.store()))
    }

    /// The same, where more is known already.
    fn with(world: &'a World, fire: Fire, pins: Vec<String>, secrets: Secrets) -> Self {
        let mut storm = Self {
            world,
            fire,
            hands: Vec::new(),
            started: 0,
            keys: Vec::new(),
            pins,
            former: Vec::new(),
            later: faketime(LATER),
            secrets,
            killed: 0,
            longest: LONGEST,
        };
        for _ in 0..HANDS {
            let hand = storm.another();
            storm.hands.push(hand);
        }
        storm
    }

    fn another(&mut self) -> Hand {
        self.started += 1;
        let (hand, right) = Hand::start(self.world, &format!("hand {}", self.started), &self.pins);
        self.is_pin(right);
        hand
    }

    /// Some changes at once, and some kills meanwhile.
    fn round(&mut self) {
        if self.keys.len() < KEYS && self.fire.rng.u8(..8) == 0 {
            self.add_key();
        }
        if self.keys.is_empty() {
            return;
        }
        let began = now();
        let mut acts: Vec<Option<(usize, Act)>> = Vec::new();
        for hand in 0..HANDS {
            acts.push(self.choose(hand, &acts));
        }
        let new_pin = format!("user-{}", self.fire.rng.u32(1_000_000..));
        for (hand, act) in acts.iter().enumerate() {
            let order = match act {
                Some((key, act)) => Order::Act(self.keys[*key].clone(), act.clone()),
                None => Order::SetPin(self.pins[0].clone(), new_pin.clone()),
            };
            self.hands[hand].tell(&order);
        }
        let dead = self.kill_some();
        let answers = self.answers(&acts, &dead);
        self.settle(&dead);
        let mut asked: BTreeMap<usize, Vec<Asked>> = BTreeMap::new();
        for (act, answer) in acts.into_iter().zip(answers) {
            match (act, answer) {
                (Some((key, act)), answer) => asked.entry(key).or_default().push((act, answer)),
                (None, Some(Answer::Done)) => self.is_pin(new_pin.clone()),
                (None, None) => self.pins.push(new_pin.clone()),
                (None, other) => panic!("the PIN does not change: {other:?}"),
            }
        }
        for hand in dead {
            self.hands[hand] = self.another();
        }
        for (key, asked) in asked {
            self.keys[key].ask(&asked, (began, now()));
            self.look(key);
        }
        self.secrets.note();
        match self.fire.rng.u8(..8) {
            0 => self.guess_and_kill(),
            1 => self.erase(),
            _ => {}
        }
    }

    /// A deletion whose secret is gone once it is answered: no agent has been started anew meanwhile, which would
    /// erase what no key claims.
    fn erase(&mut self) {
        let imported = |key: &usize| self.keys[*key].has_imported();
        let key = (0..self.keys.len()).find(imported).unwrap_or_else(|| self.bring_in());
        self.erase_by(key, Act::Delete);
    }

    /// Makes a key and imports its material.
    fn bring_in(&mut self) -> usize {
        let key = self.add_key();
        self.change(key, Act::Create);
        self.look(key);
        self.change(key, Act::Import { ends: 0, wrapped: false });
        self.look(key);
        key
    }

    fn erase_by(&mut self, key: usize, act: Act) {
        // An agent that begins has done so.
        self.hands[0].ask::<usize>(&Order::Count, self.longest);
        let before = live(&self.world.store());
        self.change(key, act);
        let left = live(&self.world.store());
        assert!(!before.is_subset(&left), "of {} erase secrets none is gone", before.len());
    }

    /// Has a change made by the first client, while nothing else happens.
    fn change(&mut self, key: usize, act: Act) {
        let began = now();
        let order = Order::Act(self.keys[key].clone(), act.clone());
        let answer: Answer = self.hands[0].ask(&order, self.longest);
        self.keys[key].ask(&[(act, Some(answer))], (began, now()));
    }

    /// Waits for the answers of the clients to what they were told. Only those may be dead that were killed.
    fn answers(&mut self, acts: &[Option<(usize, Act)>], dead: &[usize]) -> Vec<Option<Answer>> {
        let mut answers = Vec::new();
        for (hand, act) in acts.iter().enumerate() {
            let answer = self.hands[hand].hear(self.longest);
            assert!(answer.is_some() || dead.contains(&hand), "client {hand} died of {act:?}");
            answers.push(answer);
        }
        answers
    }

    /// Adds a key that is not there yet, and returns its number.
    fn add_key(&mut self) -> usize {
        let number = self.keys.len();
        let mut material = vec![0; 32];
        self.fire.rng.fill(&mut material);
        self.keys.push(Key::new(format!("key {number}"), material));
        number
    }

    /// Chooses what a client is to do, beside what others are; none where it is to change the PIN.
    fn choose(&mut self, hand: usize, others: &[Option<(usize, Act)>]) -> Option<(usize, Act)> {
        let rng = &mut self.fire.rng;
        if hand == 0 && self.pins.len() == 1 && rng.u8(..10) == 0 {
            return None;
        }
        // Some keys are changed by several at once.
        let most = 1 + rng.usize(..KEYS);
        let key = rng.usize(..self.keys.len().min(most));
        let held = &self.keys[key];
        let is_made = others.iter().flatten().any(|(other, _)| *other == key);
        let act = match (held.is_there(), is_made) {
            (true, _) => {
                let other = rng.choice(&self.keys);
                choose(rng, held, other, true)
            }
            // Two would make two.
            (false, true) => Act::Delete,
            (false, false) if key.is_multiple_of(3) => Act::Generate,
            (false, false) => Act::Create,
        };
        Some((key, act))
    }

    /// Kills some processes, at moments within the changes that are under way. Returns the clients among them.
    fn kill_some(&mut self) -> Vec<usize> {
        let rng = &mut self.fire.rng;
        let mut victims: Vec<(u64, Victim)> = (0..1 + rng.usize(..3))
            .map(|number| {
                let victim = match rng.u8(..10) {
                    0..3 => Victim::Hand(rng.usize(..HANDS)),
                    3 => Victim::AgentByTerm,
                    _ => Victim::Agent,
                };
                (rng.u64(..if number == 0 { LATEST } else { LATEST_AT_START }), victim)
            })
            .collect();
        victims.sort_by_key(|(at, _)| *at);
        let (mut passed, mut dead) = (0, Vec::new());
        for (at, victim) in victims {
            std::thread::sleep(Duration::from_micros(at - passed));
            passed = at;
            match victim {
                Victim::Hand(hand) if dead.contains(&hand) => continue,
                Victim::Hand(hand) => {
                    self.hands[hand].kill();
                    dead.push(hand);
                }
                Victim::Agent | Victim::AgentByTerm => {
                    let Some(agent) = agent_of(&self.world.store()) else { continue };
                    if let Victim::AgentByTerm = victim {
                        let _ended_meanwhile = kill_process(agent, Signal::TERM);
                        continue;
                    }
                    kill_9(agent);
                }
            }
            self.killed += 1;
        }
        dead
    }

    /// Waits until that is done which a killed client has sent, if it is done at all.
    fn settle(&mut self, dead: &[usize]) {
        let alive = (0..HANDS).find(|hand| !dead.contains(hand));
        if dead.is_empty() {
            return;
        }
        match alive {
            Some(hand) => {
                for _ in 0..2 {
                    self.hands[hand].ask::<usize>(&Order::Count, self.longest);
                }
            }
            // The next agent knows only what was committed.
            None => agent_of(&self.world.store()).into_iter().for_each(kill_9),
        }
    }

    fn look(&mut self, key: usize) {
        let hand = self.fire.rng.usize(..HANDS);
        self.look_by(hand, key);
    }

    /// One client looks at a key, and tries also what another key has sealed.
    fn look_by(&mut self, hand: usize, key: usize) {
        let other = self.fire.rng.choice(&self.keys).filter(|it| it.name != self.keys[key].name);
        self.keys[key].others = other.and_then(|other| other.sealed.values().next().cloned());
        let began = now();
        let seen = self.hands[hand].ask(&Order::See(self.keys[key].clone()), self.longest);
        self.keys[key].see(seen, (began, now()));
    }

    /// All is as the clients know it, with another agent too; and what is gone has left nothing.
    fn end(mut self) {
        self.check();
        self.world.end_agent();
        // The next one fills what no key claims anew, before clients ask it for what they do not know yet.
        assert!(self.world.keystead(&["sweep"]).status.success());
        self.check();
        self.end_scheduled();
        self.check();
        self.erase();
        self.guess_until_locked();
        let materials = self.keys.iter().map(Key::materials).sum();
        self.hands.into_iter().for_each(Hand::end);
        self.world.end_agent();
        self.secrets.only_remain(materials);
        let audit = self.world.keystead(&["audit", "--verify"]);
        assert!(audit.status.success(), "{audit:?}");
        check_lines(&self.world.store(), &self.keys);
        println!("{} kills, {} clients, {} keys", self.killed, self.started, self.keys.len());
    }

    fn check(&mut self) {
        // What is about to end has ended.
        while self.keys.iter().any(|key| key.ends_within(5)) {
            let soon = now() + 1;
            crate::rig::world::until(soon);
            let moment = (soon, now());
            self.keys.iter_mut().for_each(|key| key.ask(&[], moment));
        }
        for key in 0..self.keys.len() {
            (0..HANDS).for_each(|hand| self.look_by(hand, key));
        }
        let there = self.keys.iter().filter(|key| key.is_there()).count();
        let count: usize = self.hands[0].ask(&Order::Count, self.longest);
        assert_eq!(count, there, "custom keys");
    }
}
