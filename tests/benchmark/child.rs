//! The work of children, each with one module, whose environment its parent has set: a module is one in a process, and
//! its memory is the process's.

use crate::hot::PIN;
use crate::module::{Module, Outcome, Session};
use crate::operations::{created_on_token, gcm_of, new_value, p256_sign};
use crate::place::memory;
use crate::rounds::clean;
use crate::sample::{Sample, Unit};
use crate::template::{Template, by_id, given_aes};
use clap::ValueEnum;
use cryptoki_sys::CKO_SECRET_KEY;
use std::io::stdin;
use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// The rows of the stores with many keys, beside those that are measured from outside.
pub const CREATE: &str = "token key, created, durable";
pub const INITIALISE: &str = "C_Initialize";
pub const LOGIN: &str = "C_Login";
pub const FIRST_FIND: &str = "find by ID, first";
pub const SIGN: &str = "P-256, token key, sign";
const AGAIN: &str = "find by ID, again";
const ALL: &str = "all objects listed";
const MEMORY_FIRST: &str = "host's memory that C_Initialize took";
const MEMORY: &str = "host's memory that a session with all objects took";

/// The calls that are timed one by one where the middle one counts.
const CALLS: usize = 21;

/// The work that children do together.
#[derive(Clone, Copy, ValueEnum)]
pub enum Load {
    /// AES-256-GCM of 1 KiB
    Gcm,
    /// Durable creations of token keys
    Create,
}

impl Load {
    /// Returns the word for it on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Gcm => "gcm",
            Self::Create => "create",
        }
    }
}

/// Makes the token.
pub fn make(module: &Path) -> Outcome<()> {
    Module::load(module)?.make_token(PIN)
}

fn connected(module: &Path) -> Outcome<Session> {
    let module = Module::load(module)?;
    module.initialize()?;
    module.log_in(PIN)
}

fn id_of(number: u64) -> Vec<u8> {
    format!("benchmark key {number}").into_bytes()
}

/// The share of the time after which it is looked at whether all keys will be there in time.
const TRIAL: u32 = 10;

/// Creates token keys, from the number `from` to `to`, until the time is over, or it shows that it will be. Returns an
/// error then.
pub fn grow(name: &str, module: &Path, from: u64, to: u64, patience: Duration) -> Outcome<()> {
    let (session, began) = (connected(module)?, Instant::now());
    let mut taken = Vec::new();
    for number in from..to {
        let spent = began.elapsed();
        // Each takes at least as long as those before.
        let all = spent.mul_f64((to - from) as f64 / (number - from).max(1) as f64);
        if spent > patience || (spent > patience / TRIAL && all > patience) {
            let (spent, patience) = (spent.as_secs(), patience.as_secs());
            return Err(format!("{} keys in {spent} s: not {to} in {patience} s", number - from));
        }
        let template = given_aes(true, &id_of(number), &new_value());
        let started = Instant::now();
        session.create(&template)?;
        taken.push(started.elapsed());
    }
    let last = taken.len().saturating_sub(200);
    Sample::print_time(CREATE, name, middle(&mut taken[last..]));
    session.module.finalize()
}

/// Starts as a program does that finds one of `keys` keys and signs.
pub fn start(name: &str, module: &Path, keys: u64) -> Outcome<()> {
    let module = Module::load(module)?;
    let before = memory("self");
    let time = |row: &str, one: &mut dyn FnMut() -> Outcome<()>| {
        let began = Instant::now();
        one().map(|()| Sample::print_time(row, name, began.elapsed()))
    };
    time(INITIALISE, &mut || module.initialize())?;
    let bytes = |row, since: u64| {
        let taken = memory("self").saturating_sub(since) as f64;
        Sample::print(row, name, Unit::Bytes, Ok(taken));
    };
    bytes(MEMORY_FIRST, before);
    let mut session = None;
    time(LOGIN, &mut || {
        session = Some(module.log_in(PIN)?);
        Ok(())
    })?;
    let session = session.ok_or("no session")?;
    let template = by_id(CKO_SECRET_KEY, &id_of(keys / 2));
    let mut find = || match session.find::<10>(&template)?.len() {
        0 => Err("a key on the token is not found".to_owned()),
        _ => Ok(()),
    };
    time(FIRST_FIND, &mut find)?;
    Sample::print_time(AGAIN, name, middle_of(&mut find)?);
    let mut listed = 0;
    time(ALL, &mut || {
        listed = session.find::<1000>(&Template::default())?.len() as u64;
        Ok(())
    })?;
    if listed < keys {
        return Err(format!("{listed} of {keys} objects are listed"));
    }
    bytes(MEMORY, before);
    let mut sign = p256_sign(session)?;
    Sample::print_time(SIGN, name, middle_of(&mut || sign(1).map(drop))?);
    clean(session)?;
    session.module.finalize()
}

fn middle_of(one: &mut dyn FnMut() -> Outcome<()>) -> Outcome<Duration> {
    let mut taken = Vec::new();
    for _ in 0..CALLS {
        let began = Instant::now();
        one()?;
        taken.push(began.elapsed());
    }
    Ok(middle(&mut taken))
}

fn middle(taken: &mut [Duration]) -> Duration {
    taken.sort();
    taken.get(taken.len() / 2).copied().unwrap_or_default()
}

/// Says that it is ready, waits for a line, and works with so many threads for that time. Prints the calls a second.
pub fn load(name: &str, module: &Path, what: Load, threads: usize, time: Duration) -> Outcome<()> {
    let session = connected(module)?;
    let started = Barrier::new(threads);
    let work = || -> Outcome<f64> {
        let own = session.module.open(session.slot)?;
        let mut operation = match what {
            Load::Gcm => gcm_of(own, 1 << 10)?,
            Load::Create => created_on_token(own)?,
        };
        if started.wait().is_leader() {
            wait_for_go()?;
        }
        started.wait();
        let (began, mut calls) = (Instant::now(), 0);
        while began.elapsed() < time {
            operation(1)?;
            calls += 1;
        }
        Ok(calls as f64 / began.elapsed().as_secs_f64())
    };
    let each: Vec<Outcome<f64>> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        all.into_iter().map(|it| it.join().expect("a thread ends")).collect()
    });
    let all = each.into_iter().sum::<Outcome<f64>>();
    Sample::print("load", name, Unit::Calls, all);
    // What it leaves on the token may be in use by the other processes.
    session.module.finalize()
}

/// Says that it is ready, waits for a line, before which its parent has ended or stopped what serves the store, and
/// creates a token key.
pub fn interrupted(name: &str, module: &Path, row: &str) -> Outcome<()> {
    let session = connected(module)?;
    session.create(&given_aes(true, &new_value(), &new_value()))?;
    wait_for_go()?;
    let create = || {
        let began = Instant::now();
        let made = session.create(&given_aes(true, &new_value(), &new_value()));
        (made.is_ok(), began.elapsed())
    };
    match create() {
        (true, took) => Sample::print_time(row, name, took),
        (false, took) => {
            Sample::print_time(&format!("{row}, refused"), name, took);
            Sample::print_time(&format!("{row}, the next call"), name, create().1);
        }
    }
    Ok(())
}

/// The line by which a child says that it is ready.
pub const READY: &str = "ready";

fn wait_for_go() -> Outcome<()> {
    println!("{READY}");
    stdin().read_line(&mut String::new()).map(drop).map_err(|error| error.to_string())
}
