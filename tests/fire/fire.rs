//! The seed and the length of a program under fire.

use crate::length::Length;
use crate::rig::{World, name_of, play_told};
use std::io::Write;
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

/// Plays a program in a process of its own. It says first with which seed: who is interrupted says nothing more.
pub fn play_under_fire<F: FnOnce(&World, Fire)>(program: F) {
    let length = Length::asked();
    let seed = seed_of(std::env::var(SEED).ok()).unwrap_or_else(|why| panic!("{why}"));
    let name = name_of::<F>();
    let again = again(length, seed, &name);
    let environment = || {
        // libtest keeps what is printed until the end.
        writeln!(std::io::stderr(), "{again}").expect("standard error takes a line");
        vec![(SEED, seed.to_string())]
    };
    play_told(length.either(SHORT, LONG), &name, environment, |world| {
        if world.role().is_empty() {
            println!("{again}");
        }
        let began = Instant::now();
        program(world, Fire { rng: fastrand::Rng::with_seed(seed), length });
        if world.role().is_empty() {
            println!("done in {} s", began.elapsed().as_secs());
        }
    });
}

/// Reads a seed, or chooses one.
fn seed_of(given: Option<String>) -> Result<u64, String> {
    given.map_or_else(
        || Ok(now()),
        |seed| seed.parse().map_err(|_| format!("{SEED}={seed} is no seed: a number below 2^64")),
    )
}

/// The command that makes the same choices again, in the build that made them.
fn again(length: Length, seed: u64, program: &str) -> String {
    let features = if cfg!(feature = "etcd") { " --features etcd" } else { "" };
    format!(
        "again: {length}{SEED}={seed} cargo test --locked{features} --test fire -- --exact {program}"
    )
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
    let line = said.lines().next().unwrap_or_default();
    println!("{flaw}: found, {:.160}", line);
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    since.as_micros() as u64
}

#[test]
fn what_asks_for_no_run_that_there_is_is_refused() {
    let refused = |length, share| Length::of(length, share).expect_err("it asks for nothing");
    for length in ["lnog", "", "LONG", "1"] {
        assert!(refused(Some(length), None).contains("KEYSTEAD_FIRE"), "{length}");
    }
    for share in ["0/16", "17/16", "3", "a/b", ""] {
        assert!(refused(Some("long"), Some(share)).contains("KEYSTEAD_SHARE"), "{share}");
    }
    for seed in ["abc", "", "-1", "1.5"] {
        assert!(
            seed_of(Some(seed.into())).is_err_and(|why| why.contains("KEYSTEAD_SEED")),
            "{seed}"
        );
    }
    assert_eq!(seed_of(Some("7".into())), Ok(7));
    let third = Length::of(Some("long"), Some("3/16")).unwrap();
    let said = again(third, 7, "crash::it_holds");
    assert!(
        said.starts_with("again: KEYSTEAD_FIRE=long KEYSTEAD_SHARE=3/16 KEYSTEAD_SEED=7 cargo")
    );
    assert!(said.ends_with("--test fire -- --exact crash::it_holds"));
}
