//! The seed and the length of a program under fire.

use crate::rig::{World, name_of, play_within};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The chooser of a run, and the length of it.
pub struct Fire {
    /// Chooses all that is chosen.
    pub rng: fastrand::Rng,
    is_long: bool,
}

impl Fire {
    /// Returns the first number in a short run, and the second in a long one.
    pub fn either(&self, short: usize, long: usize) -> usize {
        if self.is_long { long } else { short }
    }
}

/// The variable that gives the seed.
const SEED: &str = "KEYSTEAD_SEED";

/// The time that a short run and a long one may take before they are given up.
const SHORT: Duration = Duration::from_secs(600);
const LONG: Duration = Duration::from_secs(24 * 3600);

/// Plays a program in a process of its own. Where it fails, it says first with which seed.
pub fn play_under_fire<F: FnOnce(&World, Fire)>(program: F) {
    let is_long = std::env::var("KEYSTEAD_FIRE").is_ok_and(|length| length == "long");
    let limit = if is_long { LONG } else { SHORT };
    play_within(limit, &name_of::<F>(), |world| {
        let seed = std::env::var(SEED).ok().map_or_else(now, |seed| seed.parse().expect("a seed"));
        if world.role().is_empty() {
            let length = if is_long { "KEYSTEAD_FIRE=long " } else { "" };
            let program = world.scenario();
            println!("again: {length}{SEED}={seed} cargo test --test fire {program}");
        }
        program(world, Fire { rng: fastrand::Rng::with_seed(seed), is_long });
    });
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    since.as_micros() as u64
}
