//! Keystead under fire: killed at any moment, cut off from power, its files damaged, its deleted keys looked for.
//!
//! Programs here choose what they do by a seed, which they say first: `KEYSTEAD_SEED=N` chooses the same again. What
//! the choices meet, such as the moment that a kill hits, and the bytes of new keys, may differ. `KEYSTEAD_FIRE=long`
//! makes each last until it has seen much more; `tests/run fire` does that, and
//! `KEYSTEAD_SHARE=3/16` with it plays a part.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod clocks;
mod crash;
mod damage;
mod fire;
mod gone;
mod hand;
mod image;
mod interrupted;
mod key;
mod length;
mod lines;
mod power;
#[path = "../rig/mod.rs"]
mod rig;
mod seconds;
mod theft;
mod timing;
