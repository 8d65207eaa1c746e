//! Published vectors, through the C interface: Wycheproof's, NIST's and the RFCs'.
//!
//! Valid ones must give exactly what they say, the others must be refused with the right code.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod acvp;
mod aead;
mod ciphers;
mod client;
mod coverage;
mod curves;
mod derivations;
mod expect;
mod hashes;
mod keys;
mod lattices;
mod macs;
mod ml_dsa;
#[path = "../rig/mod.rs"]
mod rig;
mod rsa;
