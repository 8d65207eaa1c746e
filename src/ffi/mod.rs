//! The C border: every `C_` function once, in the file of its chapter of the specification; what is
//! not served in [`unsupported`].
//!
//! Each entry point runs under [`entry`] (panics, forks, `C_Initialize`, the log) and turns pointers
//! into owned or bounded values ([`buffer`], [`params`], [`template`]) before anything else sees them.
//! What makes that sound is PKCS#11's own contract: a caller's pointer is NULL or valid for as many
//! elements as announced, for the length of the call, and no other thread writes there meanwhile. The
//! SAFETY comment of an entry point names the pointers and the elements that its caller vouches for;
//! what makes a pointer fit to be read (not NULL, aligned, no longer than memory) stands in [`buffer`].
#![allow(
    unsafe_code,
    non_snake_case,                 // the specification's names
    clippy::missing_safety_doc,     // PKCS#11 is the contract of every entry point
    clippy::too_many_arguments,
)]

pub(crate) mod buffer;
pub(crate) mod entry;
pub(crate) mod list_3_2;
pub(crate) mod lists;
pub(crate) mod params;
pub(crate) mod template;

pub(crate) mod decrypt;
pub(crate) mod derive;
pub(crate) mod digest;
pub(crate) mod dual;
pub(crate) mod encapsulate;
pub(crate) mod encrypt;
pub(crate) mod general;
pub(crate) mod key;
pub(crate) mod message_cipher;
pub(crate) mod message_sign;
pub(crate) mod object;
pub(crate) mod random;
pub(crate) mod session;
pub(crate) mod sign;
pub(crate) mod slot;
pub(crate) mod unsupported;
pub(crate) mod verify;
pub(crate) mod verify_signature;
pub(crate) mod wrap;
