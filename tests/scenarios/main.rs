//! Scenarios from outside: through the C interface, with the `cryptoki` crate as the client.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod access;
mod activation;
mod asymmetric;
mod attacks;
mod attributes;
mod audit_names;
mod auditing;
mod backing_up;
mod busy;
mod bypasses;
mod ceremony;
mod cipher_keys;
mod ciphers;
mod clocks;
mod compare;
mod conflicts;
mod connections;
mod crowds;
mod custody;
mod damage;
mod defaults;
mod deriving;
mod durability;
mod encapsulating;
mod ending;
mod events;
mod faults;
#[cfg(feature = "etcd")]
mod fleet;
mod frames;
mod generations;
mod import;
mod import_keys;
mod kem_ceremony;
mod kept;
mod key_wrap;
mod logging;
mod manual_pages;
mod memory;
mod messages;
mod migrating;
mod ml_dsa;
mod names;
mod numbers;
mod objects;
mod odd_files;
mod oracles;
mod own_expiry;
mod passing_on;
mod pins;
mod profiles;
mod program;
mod properties;
mod public_halves;
mod reauthentication;
mod records_apart;
mod refusals;
mod restored_lattices;
#[path = "../rig/mod.rs"]
mod rig;
mod rotating;
mod sealed_files;
mod sealing;
mod service_pins;
mod silence;
mod slots;
mod specification;
mod starting;
mod storeless;
mod strangers;
mod tables;
mod threads;
mod time;
mod trust;
mod trust_objects;
mod under_way;
mod workshop;
