//! Targets of fuzzing within the library: all that reads bytes of callers, peers and files.

#![allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod agent;
mod formats;
mod harness;
mod input;
mod keys;
mod parameters;
mod templates;

use harness::Target;

const TARGETS: &[Target] = &[
    Target { name: "parameters", run: parameters::run },
    Target { name: "templates", run: templates::run },
    Target { name: "requests", run: formats::requests },
    Target { name: "responses", run: formats::responses },
    Target { name: "records", run: formats::records },
    Target { name: "configuration", run: formats::configuration },
    Target { name: "json", run: formats::json },
    Target { name: "keys", run: keys::encoded },
    Target { name: "wrapped", run: keys::wrapped },
    Target { name: "encrypted", run: keys::encrypted },
    Target { name: "agent", run: agent::run },
];

#[test]
fn every_input_of_the_corpora_keeps_to_the_properties() {
    harness::replay(TARGETS);
}

#[cfg(fuzzing)]
#[test]
fn fuzzed() {
    harness::fuzz(TARGETS);
}
