//! A client's changes and what the agents wrote for them, in one order.

use super::disk::{Disk, Event, Syncs, Unsynced, events};
use crate::fire::Fire;
use crate::hand::{Hand, Order};
use crate::image::{self, Image, read};
use crate::key::{Act, Answer, Key};
use crate::rig::World;
use crate::rig::preload::compiled;
use crate::rig::process::PATIENCE;
use crate::rig::secrets::{Secret, live, live_in};
use crate::rig::token::USER_PIN;
use crate::rig::world::{eventually, now};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Child;

/// The number of keys that are changed.
const KEYS: usize = 6;

/// The files of which a part is written by what the recorder does not see, and which hold nothing that was
/// acknowledged.
const UNSEEN: [&str; 4] = ["ballast", "generations", "lock", "starting"];

/// The changes that were acknowledged, from one moment of the recording on.
pub struct Step {
    /// The length of the log then.
    at: u64,
    /// The second in which the next change was asked for.
    pub began: u64,
    /// The keys as they are known.
    pub keys: Vec<Key>,
    /// The change that is under way after it.
    pub next: Option<(usize, Act)>,
    /// The PINs that the user may have.
    pub pins: Vec<String>,
    /// The erase secrets that are gone for good.
    pub erased: Vec<Secret>,
}

/// All that agents wrote below the store's directory.
pub struct Recording {
    /// The files before.
    pub base: PathBuf,
    /// All that happened to them.
    pub events: Vec<Event>,
    steps: Vec<Step>,
}

impl Recording {
    /// Records some changes, by agents that follow one another.
    pub fn new(world: &World, fire: &mut Fire) -> Self {
        world.start("maker").ends_well();
        world.end_agent();
        let base = world.path("base");
        let mut files = read(&world.store());
        // It is made anew, and is large.
        files.remove("ballast");
        image::write(&base, &files);
        let mut recorder = Recorder::new(world);
        let mut work = Work {
            hand: Hand::start(world, "worker", &[USER_PIN.to_owned()]).0,
            keys: Vec::new(),
            pins: vec![USER_PIN.to_owned()],
            noted: live(&world.store()),
            steps: Vec::new(),
        };
        for number in 0..fire.either(60, 400) {
            if number % 12 == 11 {
                recorder.another(fire.rng.bool());
            }
            work.step(&recorder, fire);
        }
        recorder.end(true);
        let log = fs::read(&recorder.log).unwrap();
        let (events, mut steps) = (events(&log, 0), work.steps);
        assert_eq!(events.last().map(|event| event.end), Some(log.len() as u64), "a half record");
        note_erased(&mut steps, &erasures(&files, &events));
        let recording = Self { base, events, steps };
        recording.is_whole(world);
        recording
    }

    /// Returns the moments of the answers to changes, each as a number of events.
    pub fn answers(&self) -> Vec<usize> {
        let is_noted = |event: &Event| self.steps.iter().any(|step| step.at == event.end);
        let all = (1..).zip(&self.events);
        all.filter(|(_, event)| event.is_answer() && is_noted(event)).map(|(at, _)| at).collect()
    }

    /// That the recorder has seen all: played to its end, it gives the files that there are.
    fn is_whole(&self, world: &World) {
        let mut disk = Disk::of(&self.base, Syncs::All);
        self.events.iter().for_each(|event| disk.play(event));
        let mut played = disk.cut_off(Unsynced::Kept, &mut fastrand::Rng::with_seed(0));
        let mut there = read(&world.store());
        for name in UNSEEN {
            played.remove(name);
            there.remove(name);
        }
        let names = |image: &Image| image.keys().cloned().collect::<Vec<_>>();
        assert_eq!(
            names(&played),
            names(&there),
            "the names that were recorded, and those there are"
        );
        let other = played.iter().filter(|(name, bytes)| there[*name] != **bytes);
        let other: Vec<&String> = other.map(|(name, _)| name).collect();
        assert!(other.is_empty(), "{other:?} are not as they were recorded");
    }

    /// The last step that was acknowledged when so many events had happened.
    pub fn last_before(&self, events: usize) -> &Step {
        let end = events.checked_sub(1).map_or(0, |last| self.events[last].end);
        let acknowledged = self.steps.iter().rfind(|step| step.at <= end);
        acknowledged.unwrap_or(&self.steps[0])
    }
}

/// The client that makes changes, and what it knows.
struct Work {
    hand: Hand,
    keys: Vec<Key>,
    pins: Vec<String>,
    noted: BTreeSet<Secret>,
    steps: Vec<Step>,
}

impl Work {
    /// One more change.
    fn step(&mut self, recorder: &Recorder, fire: &mut Fire) {
        if self.keys.len() < KEYS && fire.rng.u8(..3) == 0 || self.keys.is_empty() {
            let mut material = vec![0; 32];
            fire.rng.fill(&mut material);
            self.keys.push(Key::new(format!("key {}", self.keys.len()), material));
        }
        if fire.rng.u8(..12) == 0 {
            return self.set_pin(recorder, fire);
        }
        let key = fire.rng.usize(..self.keys.len());
        let act = match self.keys[key].is_there() {
            true => {
                let other = fire.rng.choice(&self.keys);
                crate::key::choose(&mut fire.rng, &self.keys[key], other, false)
            }
            false if key.is_multiple_of(3) => Act::Generate,
            false => Act::Create,
        };
        let began = now();
        let asked = self.note(recorder, began, Some((key, act.clone())));
        let order = Order::Act(self.keys[key].clone(), act.clone());
        let answer: Answer = self.hand.ask(&order, PATIENCE);
        let answered = recorder.answered(asked);
        self.keys[key].ask(&[(act, Some(answer))], (began, now()));
        let seen = self.hand.ask(&Order::See(self.keys[key].clone()), PATIENCE);
        self.keys[key].see(seen, (began, now()));
        self.note_answer(answered);
    }

    fn set_pin(&mut self, recorder: &Recorder, fire: &mut Fire) {
        let (old, new) = (self.pins[0].clone(), format!("user-{}", fire.rng.u32(1_000_000..)));
        self.pins.push(new.clone());
        let asked = self.note(recorder, now(), None);
        let answer: Answer = self.hand.ask(&Order::SetPin(old, new.clone()), PATIENCE);
        let answered = recorder.answered(asked);
        assert_eq!(answer, Answer::Done);
        self.pins = vec![new];
        self.note_answer(answered);
    }

    /// Notes what is known before a change is asked for. Returns the moment of the recording.
    fn note(&mut self, recorder: &Recorder, began: u64, next: Option<(usize, Act)>) -> u64 {
        let at = recorder.length();
        let live = live(&recorder.world.store());
        self.noted.extend(live.iter().copied());
        // What is not there now was overwritten before an answer that has come.
        let erased = self.noted.difference(&live).copied().collect();
        let (keys, pins) = (self.keys.clone(), self.pins.clone());
        self.steps.push(Step { at, began, keys, next, pins, erased });
        at
    }

    /// Notes what is known since an answer came at that moment. What it has erased is told by the recording.
    fn note_answer(&mut self, at: u64) {
        let erased = self.steps.last().map(|step| step.erased.clone()).unwrap_or_default();
        let (keys, pins) = (self.keys.clone(), self.pins.clone());
        self.steps.push(Step { at, began: now(), keys, next: None, pins, erased });
    }
}

/// Returns the secrets that were overwritten by the end of their material, each with the length of the log then.
fn erasures(base: &Image, events: &[Event]) -> Vec<(u64, Secret)> {
    let mut cells = base["slots"].clone().expect("a file");
    let (mut file, mut erasures) = (None, Vec::new());
    for event in events {
        file = event.opened("slots").or(file);
        let Some((at, written)) = file.and_then(|file| event.written(file)) else { continue };
        let before = live_in(&cells);
        if cells.len() < at + written.len() {
            cells.resize(at + written.len(), 0);
        }
        cells[at..at + written.len()].copy_from_slice(written);
        let after = live_in(&cells);
        let ended = before.iter().filter(|(place, _)| !after.contains_key(place));
        erasures.extend(ended.map(|(_, secret)| (event.end, *secret)));
    }
    erasures
}

/// Notes what each change has erased: all that was overwritten before the next one was asked for had to be when its
/// answer came.
fn note_erased(steps: &mut [Step], erasures: &[(u64, Secret)]) {
    let ends: Vec<u64> = steps.iter().skip(1).map(|step| step.at).chain([u64::MAX]).collect();
    for (step, end) in steps.iter_mut().zip(ends).filter(|(step, _)| step.next.is_none()) {
        let until = erasures.iter().filter(|(at, _)| *at <= end).map(|(_, secret)| *secret);
        let erased: BTreeSet<Secret> = step.erased.iter().copied().chain(until).collect();
        step.erased = erased.into_iter().collect();
    }
}

/// The agent whose writes are recorded.
struct Recorder<'a> {
    world: &'a World,
    library: PathBuf,
    log: PathBuf,
    agent: Option<Child>,
}

impl<'a> Recorder<'a> {
    fn new(world: &'a World) -> Self {
        let library = compiled(world, "recorder", include_str!("recorder.c"));
        let log = world.path("recorded");
        fs::write(&log, []).unwrap();
        let mut recorder = Self { world, library, log, agent: None };
        recorder.start();
        recorder
    }

    fn start(&mut self) {
        let store = self.world.store();
        let agent = self
            .world
            .keystead_command(&["agent", "--store", store.to_str().unwrap()])
            .env("LD_PRELOAD", &self.library)
            .env("RECORDER_ROOT", &store)
            .env("RECORDER_LOG", &self.log)
            .spawn()
            .unwrap();
        self.agent = Some(agent);
        eventually("the agent answers", || self.world.agent().is_some());
    }

    fn end(&mut self, in_peace: bool) {
        let mut agent = self.agent.take().expect("an agent");
        match in_peace {
            true => self.world.end_agent(),
            false => agent.kill().unwrap(),
        }
        agent.wait().unwrap();
    }

    fn another(&mut self, in_peace: bool) {
        self.end(in_peace);
        self.start();
    }

    fn length(&self) -> u64 {
        fs::metadata(&self.log).unwrap().len()
    }

    /// Returns the moment of the last answer since then, or that moment, where the agent was not asked.
    fn answered(&self, since: u64) -> u64 {
        let log = fs::read(&self.log).unwrap();
        let events = events(&log[since as usize..], since);
        events.iter().rfind(|event| event.is_answer()).map_or(since, |event| event.end)
    }
}
