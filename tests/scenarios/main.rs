//! Scenarios from outside: through the C interface, with the `cryptoki` crate as the client.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod activation;
mod asymmetric;
mod attacks;
mod audit_names;
mod auditing;
mod backing_up;
mod bypasses;
mod ceremony;
mod ciphers;
mod clocks;
mod compare;
mod conflicts;
mod crowds;
mod custody;
mod defaults;
mod deriving;
mod durability;
mod ending;
mod faults;
mod import;
mod import_keys;
mod kept;
mod logging;
mod messages;
mod model;
mod numbers;
mod objects;
mod oracles;
mod pins;
mod program;
mod reauthentication;
#[path = "../rig/mod.rs"]
mod rig;
mod rotating;
mod sealed_files;
mod sealing;
mod silence;
mod slots;
mod starting;
mod storeless;
mod strangers;
mod threads;
mod time;
mod trust;
mod under_way;
