//! Keystead: a PKCS#11 module that keeps custom keys.
//!
//! The map, top to bottom; each module uses only what stands below it:
//! [`ffi`] (the C border) and the `keystead` program; [`module`] and [`session`]; [`token`] (the
//! use cases); [`object`] and [`mechanism`] (PKCS#11's tables); [`key`] (the domain: no PKCS#11);
//! [`wire`] (the agent's protocol) and [`lc`] (AWS-LC); the leaves. [`agent`] and [`store`] are the
//! other side of the socket and are linked by the program only. `internal` is what the program and the
//! tests use of all these.

mod agent;
mod clock;
mod config;
mod erasure;
mod error;
mod fast_map;
mod ffi;
mod file_names;
mod id;
mod installed;
#[doc(hidden)]
pub mod internal;
mod key;
mod lc;
pub mod manual;
mod mechanism;
mod module;
mod object;
mod plain_file;
mod presence;
mod secret;
mod session;
mod store;
mod sys;
mod text;
mod token;
mod v3_2;
mod wire;

#[cfg(test)]
mod tests;
