//! The seed and the length of a program under fire.

use crate::length::Length;
use crate::rig::{World, name_of, play_within};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The chooser of a run, and the length of it.
#[derive(Clone)]
pub struct Fire {
    /// Chooses all that is chosen.
    pub rng: fastrand::Rng,
    length: Length,
}

impl Fire {
    /// Returns one for another thread, which chooses for itself.
    pub fn fork(&mut self) -> Self {
        Self { rng: self.rng.fork(), length: self.length }
    }

    /// Returns the first number in a short run, and the second in a long one.
    pub fn either(&self, short: usize, long: usize) -> usize {
        self.length.either(short, long)
    }

    /// Returns the first number in a short run, and this share of the second in a long one.
    pub fn share_of(&self, short: usize, long: usize) -> usize {
        self.length.count_of(self.either(short, long))
    }

    /// Keeps the share of a list that is played.
    pub fn keep_share<T>(&self, list: &mut Vec<T>) {
        let mut numbers = 0..;
        list.retain(|_| numbers.next().is_some_and(|number| self.length.has(number)));
    }
}

/// The variable that gives the seed.
const SEED: &str = "KEYSTEAD_SEED";

/// The time that a short run and a long one may take before they are given up.
const SHORT: Duration = Duration::from_secs(600);
const LONG: Duration = Duration::from_secs(24 * 3600);

/// Plays a program in a process of its own. Where it fails, it says first with which seed.
pub fn play_under_fire<F: FnOnce(&World, Fire)>(program: F) {
    let length = Length::asked();
    play_within(length.either(SHORT, LONG), &name_of::<F>(), |world| {
        let seed = std::env::var(SEED).ok().map_or_else(now, |seed| seed.parse().expect("a seed"));
        if world.role().is_empty() {
            let program = world.scenario();
            println!("again: {length}{SEED}={seed} cargo test --test fire {program}");
        }
        let began = Instant::now();
        program(world, Fire { rng: fastrand::Rng::with_seed(seed), length });
        if world.role().is_empty() {
            println!("done in {} s", began.elapsed().as_secs());
        }
    });
}

/// Returns the complaint of a judge, if it has one.
pub fn complaint(judge: impl FnOnce()) -> Option<String> {
    let why = catch_unwind(AssertUnwindSafe(judge)).err()?;
    let text = why.downcast_ref::<String>().cloned();
    let literal = || why.downcast_ref::<&str>().map(|text| (*text).to_owned());
    Some(text.or_else(literal).unwrap_or_default())
}

/// The control of a judge: fails unless it complains of a flaw, in these words.
pub fn is_found(flaw: &str, words: &str, complaint: Option<String>) {
    let said = complaint.unwrap_or_else(|| panic!("{flaw}: not found, so the test proves nothing"));
    assert!(said.contains(words), "{flaw}: found as {said:?}, which does not say {words:?}");
    println!("{flaw}: found");
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    since.as_micros() as u64
}
