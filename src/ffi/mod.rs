//! The C border: every `C_` function once, in the file of its chapter of the specification; what is
//! not served in [`unsupported`].
//!
//! Each entry point runs under [`entry`] (panics, forks, `C_Initialize`, the log) and turns pointers
//! into owned or bounded values ([`buffer`], [`params`], [`template`]) before anything else sees them.
//! What makes that sound is PKCS#11's own contract: a caller's pointer is NULL or valid for as many
//! elements as announced, for the length of the call, and nobody else writes there meanwhile. The
//! SAFETY comment of an entry point names the pointers and the elements that its caller vouches for;
//! what makes a pointer fit to be read (not NULL, aligned, no longer than memory) stands in [`buffer`].
#![allow(
    unsafe_code,
    non_snake_case,                 // the specification's names
    clippy::missing_safety_doc,     // PKCS#11 is the contract of every entry point
    clippy::too_many_arguments,
)]

pub mod buffer;
pub mod entry;
pub mod lists;
pub mod params;
pub mod template;

pub mod decrypt;
pub mod digest;
pub mod dual;
pub mod encrypt;
pub mod general;
pub mod key;
pub mod message_cipher;
pub mod message_sign;
pub mod object;
pub mod random;
pub mod session;
pub mod sign;
pub mod slot;
pub mod unsupported;
pub mod verify;
