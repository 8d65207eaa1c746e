//! Random lives of a few custom keys, lived by two processes at once, against a model of the rules in
//! a few lines: the token always answers as the model does in one order or the other of what happened
//! at once, and no blob is ever opened by another key than its own.

use crate::rig::elsewhen::faketime_in;
use crate::rig::process::Other;
use crate::rig::token::{Token, aes_material};
use crate::rig::world::{World, now};
use crate::rig::{
    DISABLED, ENABLED, EXPIRES_AT, MATERIAL_STATE, MATERIAL_VERSION, PRESENT, STATUS, expires_at,
    for_key, number, play, rotate,
};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, ObjectHandle};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde::{Deserialize, Serialize};
use std::fs;

/// The number of lives that are lived, and of pairs of events that each has.
const LIVES: usize = 12;
const EVENTS: usize = 20;

/// Key 0 is generated, the others wait for an import.
const KEYS: usize = 3;

/// The time after which material expires, and the length of a jump in time, in seconds.
const LIFE: u64 = 1_000;
const JUMP: u64 = 2_000;

/// The number of blobs of one key that are kept for trying.
const KEPT: usize = 4;

#[test]
fn two_processes_and_the_model_always_agree() {
    play(|world| match world.role() {
        "" => {
            let clock = world.path("clock");
            fs::write(&clock, "+0").unwrap();
            let time = faketime_in(&clock);
            let mut agent = world.agent_at(&time);
            let mut maker = world.start_with("maker", &time.borrowed());
            maker.says("made");
            let hands = ["left", "right"].map(|role| world.start_with(role, &time.borrowed()));
            let mut pair = Pair { hands, clock: clock.to_str().unwrap().into(), jumped: 0 };
            let mut runner = TestRunner::default();
            for life in 0..LIVES {
                let events = proptest::collection::vec(event(), EVENTS);
                let events = events.new_tree(&mut runner).unwrap().current();
                live(&mut pair, u8::try_from(life).unwrap(), &events);
            }
            pair.hands.iter_mut().for_each(|hand| hand.tell("\"End\""));
            pair.hands.into_iter().for_each(Other::ends_well);
            maker.ends_well();
            world.kill_agent();
            agent.wait().unwrap();
        }
        "maker" => {
            world.token();
            world.tell("made");
        }
        _ => obey(world),
    });
}

/// An event in the life of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Act {
    Import { material: u8, expires: bool },
    Delete,
    Enable(bool),
    Rotate,
}

/// Two things at once, or time.
#[derive(Debug, Clone)]
enum Happening {
    Both([(usize, Act); 2]),
    Time,
}

fn act() -> impl Strategy<Value = (usize, Act)> {
    let act = prop_oneof![
        4 => (0..3_u8, any::<bool>()).prop_map(|(material, expires)| Act::Import { material, expires }),
        2 => Just(Act::Delete),
        1 => Just(Act::Enable(false)),
        2 => Just(Act::Enable(true)),
        2 => Just(Act::Rotate),
    ];
    (0..KEYS, act)
}

fn event() -> impl Strategy<Value = Happening> {
    prop_oneof![
        8 => [act(), act()].prop_map(Happening::Both),
        1 => Just(Happening::Time),
    ]
}

/// A custom key, as the rules of its life have it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    generated: bool,
    enabled: bool,
    present: bool,
    associated: Option<u8>,
    expires: Option<u64>,
    version: u64,
}

/// The outcome of an act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Answer {
    Done,
    /// There is no material.
    Gone,
    Refused(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Model(Vec<Key>);

impl Model {
    fn new() -> Self {
        let key = |generated| Key {
            generated,
            enabled: true,
            present: generated,
            associated: None,
            expires: None,
            version: u64::from(generated),
        };
        Self((0..KEYS).map(|number| key(number == 0)).collect())
    }

    fn act(&mut self, number: usize, act: &Act, expiry: u64) -> Answer {
        let refused = |code: RvError| Answer::Refused(format!("{code:?}"));
        let held = |material| {
            let holds =
                |(other, key): (usize, &Key)| other != number && key.associated == Some(material);
            self.0.iter().enumerate().any(holds)
        };
        let others = match act {
            Act::Import { material, .. } => held(*material),
            _ => false,
        };
        let key = &mut self.0[number];
        match act {
            Act::Import { material, expires } => {
                let fits = key.associated.is_none_or(|known| known == *material);
                if key.generated || !fits || others {
                    return refused(RvError::TemplateInconsistent);
                }
                key.present = true;
                key.version = 1;
                key.associated = Some(*material);
                key.expires = expires.then_some(expiry);
            }
            Act::Delete if !key.present => return Answer::Gone,
            Act::Delete if key.generated => return refused(RvError::ActionProhibited),
            Act::Delete => (key.present, key.expires) = (false, None),
            Act::Enable(enabled) => key.enabled = *enabled,
            Act::Rotate if !key.generated => return refused(RvError::TemplateInconsistent),
            Act::Rotate if !key.enabled => return refused(RvError::KeyFunctionNotPermitted),
            Act::Rotate => key.version += 1,
        }
        Answer::Done
    }

    fn pass(&mut self, now: u64) {
        for key in &mut self.0 {
            key.present &= key.expires.is_none_or(|expiry| expiry > now);
        }
    }

    /// Returns the view of a key that all processes have.
    fn seen(&self, number: usize) -> Seen {
        let key = &self.0[number];
        Seen {
            present: key.present,
            enabled: key.enabled || !key.present,
            version: key.version,
            expires: key.expires.filter(|_| key.present).unwrap_or(0),
        }
    }
}

/// The view of a key that the token gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    present: bool,
    enabled: bool,
    version: u64,
    expires: u64,
}

/// An order to a process.
#[derive(Debug, Serialize, Deserialize)]
enum Order {
    Generate,
    Create,
    Act { key: String, act: Act, seed: u8, expiry: u64 },
    See(String),
    Seal(String),
    Open { key: String, blob: Vec<u8> },
    End,
}

/// Both processes, and the time they live in.
struct Pair {
    hands: [Other; 2],
    clock: std::path::PathBuf,
    jumped: u64,
}

impl Pair {
    fn ask<T: for<'de> Deserialize<'de>>(&mut self, hand: usize, order: &Order) -> T {
        self.hands[hand].tell(&serde_json::to_string(order).unwrap());
        self.answer(hand)
    }

    fn answer<T: for<'de> Deserialize<'de>>(&mut self, hand: usize) -> T {
        let answer = self.hands[hand].hear();
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
    }

    /// One order to each, and only then their answers.
    fn at_once(&mut self, orders: &[Order; 2]) -> [Answer; 2] {
        for (hand, order) in self.hands.iter_mut().zip(orders) {
            hand.tell(&serde_json::to_string(order).unwrap());
        }
        [0, 1].map(|hand| self.answer(hand))
    }

    fn now(&self) -> u64 {
        now() + self.jumped
    }

    fn jump(&mut self) {
        self.jumped += JUMP;
        fs::write(&self.clock, format!("+{}", self.jumped)).unwrap();
    }
}

fn live(pair: &mut Pair, seed: u8, events: &[Happening]) {
    let keys: Vec<String> = (0..KEYS)
        .map(|number| pair.ask(0, if number == 0 { &Order::Generate } else { &Order::Create }))
        .collect();
    let mut possible = vec![Model::new()];
    let mut blobs: Vec<(usize, Vec<u8>)> = Vec::new();
    for (at, event) in events.iter().enumerate() {
        match event {
            Happening::Time => {
                pair.jump();
                let now = pair.now();
                possible.iter_mut().for_each(|model| model.pass(now));
            }
            Happening::Both(acts) => {
                let expiry = pair.now() + LIFE;
                let order = |(number, act): &(usize, Act)| Order::Act {
                    key: keys[*number].clone(),
                    act: act.clone(),
                    seed,
                    expiry,
                };
                let answers = pair.at_once(&[order(&acts[0]), order(&acts[1])]);
                possible = outcomes(&possible, acts, &answers, expiry);
                assert!(
                    !possible.is_empty(),
                    "no order of {acts:?} explains {answers:?}, after {:?}",
                    &events[..at]
                );
            }
        }
        observe(pair, &keys, &mut possible, events.get(..=at).unwrap());
        seal_and_open(pair, at % 2, &keys, &possible[0], &mut blobs);
    }
}

/// The models that explain the answers to two acts at once, in either order.
fn outcomes(
    possible: &[Model],
    acts: &[(usize, Act); 2],
    answers: &[Answer; 2],
    expiry: u64,
) -> Vec<Model> {
    let mut after = Vec::new();
    for model in possible {
        for order in [[0, 1], [1, 0]] {
            let mut model = model.clone();
            let explains = order.iter().all(|&hand| {
                let (number, act) = &acts[hand];
                model.act(*number, act, expiry) == answers[hand]
            });
            if explains && !after.contains(&model) {
                after.push(model);
            }
        }
    }
    after
}

/// Both processes see the same, and it is what a model says.
fn observe(pair: &mut Pair, keys: &[String], possible: &mut Vec<Model>, events: &[Happening]) {
    for (number, key) in keys.iter().enumerate() {
        let [left, right]: [Seen; 2] = [0, 1].map(|hand| pair.ask(hand, &Order::See(key.clone())));
        assert_eq!(left, right, "two processes see different things of key {number}");
        possible.retain(|model| model.seen(number) == left);
        assert!(!possible.is_empty(), "key {number} shows {left:?} after {events:?}");
    }
}

/// Every key that may makes a blob, and every key tries to open every blob.
fn seal_and_open(
    pair: &mut Pair,
    hand: usize,
    keys: &[String],
    model: &Model,
    blobs: &mut Vec<(usize, Vec<u8>)>,
) {
    for (number, key) in keys.iter().enumerate() {
        let usable = model.0[number].present && model.0[number].enabled;
        let sealed: Option<Vec<u8>> = pair.ask(hand, &Order::Seal(key.clone()));
        assert_eq!(sealed.is_some(), usable, "encrypting with key {number}: {model:?}");
        blobs.extend(sealed.map(|blob| (number, blob)));
        forget_some(blobs, number);
        for (owner, blob) in blobs.iter() {
            let order = Order::Open { key: key.clone(), blob: blob.clone() };
            let opened: bool = pair.ask(1 - hand, &order);
            assert_eq!(
                opened,
                usable && *owner == number,
                "key {number}, blob of {owner}: {model:?}"
            );
        }
    }
}

/// Keeps a few blobs of a key: its first one, of the oldest version, and the latest.
fn forget_some(blobs: &mut Vec<(usize, Vec<u8>)>, number: usize) {
    let its = |(at, (owner, _)): (usize, &(usize, _))| (*owner == number).then_some(at);
    let mine: Vec<usize> = blobs.iter().enumerate().filter_map(its).collect();
    if mine.len() > KEPT {
        blobs.remove(mine[1]);
    }
}

/// One of the two processes: does what it is told.
fn obey(world: &World) {
    let token = world.same_token();
    loop {
        let order: Order = serde_json::from_str(&world.hear()).unwrap();
        let answer = match order {
            Order::End => return,
            Order::Generate => json(&token.key_of(token.generate_aes(&[Attribute::Token(true)]))),
            Order::Create => json(&token.empty_key(&[])),
            Order::Act { key, act, seed, expiry } => {
                json(&perform(&token, &key, &act, seed, expiry))
            }
            Order::See(key) => json(&see(&token, &key)),
            Order::Seal(key) => json(&seal(&token, &key)),
            Order::Open { key, blob } => json(&open(&token, &key, &blob)),
        };
        world.tell(&answer);
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

fn perform(token: &Token, key: &str, act: &Act, seed: u8, expiry: u64) -> Answer {
    let done = match act {
        Act::Import { material, expires } => {
            let mut value = vec![*material; 32];
            value[0] = seed;
            let mut template =
                [&aes_material()[..], &[Attribute::Value(value), for_key(key)]].concat();
            template.extend(expires.then(|| expires_at(expiry)));
            template.extend((!expires).then(|| expires_at(0)));
            token.create_object(&template).map(drop)
        }
        Act::Delete => match token.material(key) {
            Some(material) => token.destroy_object(material),
            None => return Answer::Gone,
        },
        Act::Enable(enabled) => {
            let status = number(STATUS, if *enabled { ENABLED } else { DISABLED });
            token.update_attributes(token.metadata(key), &[status])
        }
        Act::Rotate => token.generate_key(&rotate(), &[for_key(key)]).map(drop),
    };
    match done {
        Ok(()) => Answer::Done,
        // The other process was quicker.
        Err(Error::Pkcs11(RvError::ObjectHandleInvalid, _)) => Answer::Gone,
        Err(Error::Pkcs11(code, _)) => Answer::Refused(format!("{code:?}")),
        Err(other) => panic!("{other}"),
    }
}

fn see(token: &Token, key: &str) -> Seen {
    let metadata = token.metadata(key);
    let present = token.number(metadata, MATERIAL_STATE) == PRESENT;
    assert_eq!(token.material(key).is_some(), present, "the material object and its metadata");
    Seen {
        present,
        enabled: !present || token.number(metadata, STATUS) == ENABLED,
        version: token.number(metadata, MATERIAL_VERSION),
        expires: if present { token.number(metadata, EXPIRES_AT) } else { 0 },
    }
}

const IV: [u8; 12] = [9; 12];

fn seal(token: &Token, key: &str) -> Option<Vec<u8>> {
    let material = token.material(key)?;
    with_gcm(|mechanism| token.encrypt(mechanism, material, b"text")).ok()
}

fn open(token: &Token, key: &str, blob: &[u8]) -> bool {
    let opened =
        |material: ObjectHandle| with_gcm(|mechanism| token.decrypt(mechanism, material, blob));
    token.material(key).is_some_and(|material| opened(material).is_ok())
}

fn with_gcm<T>(run: impl FnOnce(&Mechanism<'_>) -> T) -> T {
    let mut iv = IV;
    run(&Mechanism::AesGcm(GcmParams::new(&mut iv, &[], 128.into()).unwrap()))
}
