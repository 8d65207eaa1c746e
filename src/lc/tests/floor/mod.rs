//! AWS-LC itself, called as directly as can be: what mechanisms cost is measured beside it. Each function has
//! `time` run one call again and again.
#![allow(unused_must_use)]

pub(crate) mod ciphers;
pub(crate) mod derivations;
pub(crate) mod encapsulation;
pub(crate) mod signatures;

/// A function that runs a call again and again, and times it.
pub(crate) type Time<'a> = &'a mut dyn FnMut(&mut dyn FnMut());
