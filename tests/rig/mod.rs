//! The rig of the scenarios: each plays in a process of its own, on a store of its own with an agent
//! of its own.
//!
//! A module is one per process and takes its configuration from the environment, so the test function
//! that libtest calls only re-executes the test program for that one scenario, and the scenario plays
//! in the child. A scenario that needs further processes starts itself again in another role.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
// Several test programs share it, and each uses its part.
#![allow(dead_code, unused_imports)]

pub mod certificates;
pub mod elsewhen;
#[path = "../../src/bin/keystead/ending.rs"]
mod ending;
pub mod etcd;
pub mod fleet;
pub mod memory;
pub mod paddings;
pub mod preload;
pub mod process;
pub mod proxy;
pub mod raw;
pub mod secrets;
pub mod skip;
pub mod slow;
pub mod token;
pub mod vendor;
pub mod world;
pub mod wrap;

pub use token::{Token, made_objects, made_on_token, refused};
pub use vendor::*;
pub use world::World;

use process::PATIENCE;
use std::any::type_name;
use std::time::Duration;

/// Plays a scenario in a process of its own; libtest sees how it ended.
pub fn play<F: FnOnce(&World)>(scenario: F) {
    play_within(PATIENCE * 2, &name_of::<F>(), scenario);
}

/// The same, for a scenario of that name that takes longer.
pub fn play_within(limit: Duration, name: &str, scenario: impl FnOnce(&World)) {
    play_told(limit, name, Vec::new, scenario);
}

/// The same, under more of an environment, which the process that libtest calls is asked for before all else.
pub fn play_told(
    limit: Duration,
    name: &str,
    environment: impl FnOnce() -> Vec<(&'static str, String)>,
    scenario: impl FnOnce(&World),
) {
    match World::inherited() {
        Some(world) => scenario(&world),
        None => {
            let environment = environment();
            World::new(name).host(limit, environment);
        }
    }
}

/// The name that libtest knows the scenario by: the path of the function its closure stands in,
/// without the crate.
pub fn name_of<F>() -> String {
    let path = type_name::<F>().trim_end_matches("::{{closure}}");
    path.split_once("::").map_or(path, |(_crate, name)| name).to_owned()
}

/// Returns the bytes that hexadecimal digits stand for.
pub fn unhex(digits: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}
