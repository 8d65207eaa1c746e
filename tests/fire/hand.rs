//! A client process that does what it is told, and can be killed at it.

use crate::key::{Act, Answer, Key, Seen};
use crate::rig::process::{Other, PATIENCE, kill_9};
use crate::rig::token::{Token, aes_material, pin};
use crate::rig::world::now;
use crate::rig::wrap::Courier;
use crate::rig::{
    DELETION_AT, DISABLED, ENABLED, EXPIRES_AT, MATERIAL_STATE, MATERIAL_VERSION, PRESENT, STATUS,
    World, expires_at, for_key, number, rotate,
};
use crate::seconds::{Nanoseconds, Run, runs};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::UserType;
use rustix::process::Pid;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// An order to a client.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    /// Changes a key.
    Act(Key, Act),
    /// Looks at a key.
    See(Key),
    /// Counts all custom keys.
    Count,
    /// Uses a key without a pause until a moment; it is to encrypt this block.
    Use { key: Key, block: Vec<u8>, until: Nanoseconds },
    /// Changes the user's PIN.
    SetPin(String, String),
    /// Says what a token shows of wrong PINs: whether there were some, and whether there were too many.
    WrongPins,
    /// Logs out, and in by one of these PINs.
    Login(Vec<String>),
    /// Ends.
    End,
}

/// The answer to an order, and the time that the slowest call took.
#[derive(Debug, Serialize, Deserialize)]
pub struct Told<T> {
    /// The answer.
    pub answer: T,
    took: Duration,
}

/// A client, seen from the process that started it.
pub struct Hand(Other);

impl Hand {
    /// Starts one, which logs in by one of these PINs. Returns the one that was right.
    pub fn start(world: &World, role: &str, pins: &[String]) -> (Self, String) {
        Self::start_with(world, role, &[], pins)
    }

    /// The same, under more of an environment.
    pub fn start_with(
        world: &World,
        role: &str,
        environment: &[(&str, &str)],
        pins: &[String],
    ) -> (Self, String) {
        let mut hand = Self(world.start_with(role, environment));
        hand.tell(&Order::Login(pins.to_vec()));
        let right = hand.hear(PATIENCE).expect("it logs in");
        (hand, right)
    }

    /// Gives an order.
    pub fn tell(&mut self, order: &Order) {
        self.0.tell(&serde_json::to_string(order).unwrap());
    }

    /// Waits for the answer; none where the client is gone. Fails where a call took longer than that.
    pub fn hear<T: for<'de> Deserialize<'de>>(&mut self, longest: Duration) -> Option<T> {
        let line = self.0.hear();
        let told: Told<T> = serde_json::from_str(&line).ok()?;
        assert!(told.took < longest, "a call took {:?}", told.took);
        Some(told.answer)
    }

    /// Gives an order, and waits for the answer.
    pub fn ask<T: for<'de> Deserialize<'de>>(&mut self, order: &Order, longest: Duration) -> T {
        self.tell(order);
        self.hear(longest).expect("an answer")
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
        self.0.pid()
    }

    /// Kills it. What it has said before can still be heard.
    pub fn kill(&self) {
        kill_9(self.0.pid());
    }

    /// Waits until it has ended as it is told to.
    pub fn end(mut self) {
        self.tell(&Order::End);
        self.0.ends_well();
    }
}

/// Plays another process than the first: one that makes a token, or else a client.
pub fn take_part(world: &World) {
    match world.role() {
        "maker" => drop(world.token()),
        _ => obey(world),
    }
}

/// The client itself: does what it is told.
fn obey(world: &World) {
    let module = world.module();
    let slot = module.get_slots_with_initialized_token().unwrap()[0];
    let token = Token::open(&module, slot);
    let mut courier = None;
    loop {
        let order: Order = serde_json::from_str(&world.hear()).unwrap();
        let began = Instant::now();
        let answer = match order {
            Order::End => return,
            Order::Login(pins) => {
                let right = login(&token, pins);
                courier = Some(Courier::new(&token));
                json(&right, began)
            }
            Order::Act(key, act) => {
                json(&perform(&token, courier.as_ref().expect("a login"), &key, &act), began)
            }
            Order::See(key) => json(&see(&token, &key), began),
            Order::Use { key, block, until } => {
                json(&use_until(&token, &key, &block, until), began)
            }
            Order::Count => json(&count(&token), began),
            Order::WrongPins => {
                let info = module.get_token_info(slot).unwrap();
                json(&(info.user_pin_count_low(), info.user_pin_locked()), began)
            }
            Order::SetPin(old, new) => json(&answer(token.set_pin(&pin(&old), &pin(&new))), began),
        };
        world.tell(&answer);
    }
}

fn json(answer: &impl Serialize, began: Instant) -> String {
    serde_json::to_string(&Told { answer, took: began.elapsed() }).unwrap()
}

/// Logs in by the first PIN that is right.
fn login(token: &Token, pins: Vec<String>) -> String {
    let _not_logged_in = token.logout();
    let is_right = |text: &String| match token.login(UserType::User, Some(&pin(text))) {
        Ok(()) => true,
        Err(Error::Pkcs11(RvError::PinIncorrect, _)) => false,
        Err(other) => panic!("{other}"),
    };
    pins.into_iter().find(is_right).expect("one of the PINs")
}

/// Changes a key.
pub fn perform(token: &Token, courier: &Courier, key: &Key, act: &Act) -> Answer {
    let named = Attribute::Label(key.name.clone().into_bytes());
    let id = key.id.as_deref().unwrap_or_default();
    match act {
        Act::Create => {
            let kind = [number(crate::rig::ORIGIN, crate::rig::EXTERNAL), named];
            answer(token.create_object(&[&aes_material()[..], &kind].concat()))
        }
        Act::Generate => {
            let template = [Attribute::Token(true), Attribute::ValueLen(32.into()), named];
            answer(token.generate_key(&Mechanism::AesKeyGen, &template))
        }
        Act::Import { ends, wrapped } => {
            let template = [&aes_material()[..], &[for_key(id), expires_at(*ends)]].concat();
            let value = Attribute::Value(key.material.clone());
            answer(match wrapped {
                true => courier.import(token, &key.material, &template),
                false => token.create_object(&[&template[..], &[value]].concat()),
            })
        }
        Act::ImportOther(material) => {
            let value = Attribute::Value(material.clone());
            answer(token.create_object(&[&aes_material()[..], &[for_key(id), value]].concat()))
        }
        Act::Delete => match key.id.as_deref().and_then(|id| token.material(id)) {
            Some(material) => answer(token.destroy_object(material)),
            None => Answer::Gone,
        },
        Act::Rotate => answer(token.generate_key(&rotate(), &[for_key(id)])),
        Act::Rename(label) => change(token, id, Attribute::Label(label.clone().into_bytes())),
        Act::Enable(enabled) => {
            change(token, id, number(STATUS, if *enabled { ENABLED } else { DISABLED }))
        }
        Act::Schedule(at) => change(token, id, number(DELETION_AT, *at)),
    }
}

fn change(token: &Token, id: &str, attribute: Attribute) -> Answer {
    match custom_keys(token, &[for_key(id)])[..] {
        [metadata] => answer(token.update_attributes(metadata, &[attribute])),
        [] => Answer::Gone,
        _ => panic!("{id} is there twice"),
    }
}

fn answer<T>(result: cryptoki::error::Result<T>) -> Answer {
    match result {
        Ok(_) => Answer::Done,
        Err(Error::Pkcs11(RvError::ObjectHandleInvalid, _)) => Answer::Gone,
        Err(Error::Pkcs11(code, _)) => Answer::Refused(format!("{code:?}")),
        Err(other) => panic!("{other}"),
    }
}

/// Looks at a key, by its identity or else by its first alias.
pub fn see(token: &Token, key: &Key) -> Option<Seen> {
    let by_name = Attribute::Label(key.name.clone().into_bytes());
    let by = key.id.as_deref().map_or(by_name, for_key);
    let found = custom_keys(token, &[by]);
    assert!(found.len() <= 1, "{} is there {} times", key.name, found.len());
    let metadata = *found.first()?;
    let id = token.key_of(metadata);
    let present = token.number(metadata, MATERIAL_STATE) == PRESENT;
    let material = token.material(&id);
    let ends = token.number(metadata, EXPIRES_AT);
    let is_ending = ends != 0 && now().abs_diff(ends) <= 1;
    let block = material.and_then(|material| token.encrypt_block(material).ok());
    let version = token.number(metadata, MATERIAL_VERSION);
    let is_new = block.is_some() && !key.sealed.contains_key(&version);
    let opens = |sealed: &Vec<u8>| {
        let opened = |material| with_gcm(|gcm| token.decrypt(gcm, material, sealed));
        material.is_some_and(|material| opened(material).is_ok())
    };
    Some(Seen {
        sealed: material
            .filter(|_| is_new)
            .and_then(|material| with_gcm(|gcm| token.encrypt(gcm, material, b"text")).ok()),
        opened: key.sealed.values().map(opens).collect(),
        opens_others: key.others.as_ref().is_some_and(opens),
        label: token.text(metadata, AttributeType::Label),
        status: token.number(metadata, STATUS),
        present,
        agrees: is_ending || material.is_some() == present,
        version,
        ends,
        deletion: token.number(metadata, DELETION_AT),
        block,
        id,
    })
}

fn with_gcm<T>(run: impl FnOnce(&Mechanism<'_>) -> T) -> T {
    let mut iv = [9; 12];
    run(&Mechanism::AesGcm(GcmParams::new(&mut iv, &[], 128.into()).unwrap()))
}

/// Uses a key, which is looked for again whenever it does not work.
fn use_until(token: &Token, key: &Key, block: &[u8], until: Nanoseconds) -> Vec<Run> {
    let id = key.id.as_deref().expect("a key that was seen");
    let mut material = None;
    runs(until, || {
        material = material.or_else(|| token.material(id));
        let encrypted = material.and_then(|material| token.encrypt_block(material).ok());
        assert!(encrypted.as_ref().is_none_or(|encrypted| *encrypted == block), "another key");
        if encrypted.is_none() {
            material = None;
        }
        encrypted.is_some()
    })
}

/// Returns the number of custom keys.
pub fn count(token: &Token) -> usize {
    custom_keys(token, &[]).len()
}

fn custom_keys(token: &Token, by: &[Attribute]) -> Vec<ObjectHandle> {
    let kind = [Attribute::Class(ObjectClass::DATA), Attribute::Application(b"keystead".to_vec())];
    token.find_objects(&[&kind[..], by].concat()).unwrap()
}
