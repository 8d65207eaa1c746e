//! Keystead: a PKCS#11 module that keeps custom keys.
//!
//! The map, top to bottom; each module uses only what stands below it:
//! [`ffi`] (the C border) and the `keystead` program; [`module`] and [`session`]; [`token`] (the
//! use cases); [`object`] and [`mechanism`] (PKCS#11's tables); [`key`] (the domain: no PKCS#11);
//! [`wire`] (the agent's protocol) and [`lc`] (AWS-LC); the leaves. [`agent`] and [`store`] are the
//! other side of the socket and are linked by the program only.

pub mod agent;
pub mod clock;
pub mod config;
pub mod erasure;
pub mod error;
pub mod ffi;
pub mod id;
pub mod key;
pub mod lc;
pub mod manual;
pub mod mechanism;
pub mod module;
pub mod object;
pub mod presence;
pub mod secret;
pub mod session;
pub mod store;
pub mod sys;
pub mod text;
pub mod token;
pub mod wire;
