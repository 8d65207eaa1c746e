//! Erasing in a fleet. Every host keeps the secret of every key's material in a cell of its own file, `slots`, and never
//! in a row; taking material away has every host overwrite its own cell.
//!
//! | file | what it decides |
//! |---|---|
//! | [`keys`], [`fleet_key`] | the keys of a fleet's rows, and the MAC that some carry |
//! | [`hosts`], [`host_row`] | who belongs to the fleet, and where each host stands |
//! | [`batch`], [`making`] | secrets made ahead, claimed once, given up where they are not claimed |
//! | [`envelope`], [`taking`] | their way to the other hosts |
//! | [`erasure_row`], [`noted`], [`erasing`] | what has ended, and is overwritten here |
//! | [`key_change`] | the envelope key, changed in the one safe order |
//! | [`status`] | how far an erasure has come |
//! | [`invitation`], [`requesting`], [`joining`], [`expelling`] | hosts that come and go |
//! | [`work`] | all that is to be done, each time that something has been followed |
//!
//! An erasure is written down by the commit that takes the material away, as one row for each secret. A host has erased up
//! to a commit once it has overwritten each secret that ended until then, and once no envelope key is left by which one of
//! them could be had from etcd, its log or its backups.

mod batch;
mod envelope;
mod erasing;
pub(crate) mod erasure_row;
mod expelling;
mod fleet_key;
mod host_row;
pub(crate) mod host_store;
mod hosts;
mod invitation;
mod joining;
mod key_change;
pub(crate) mod keys;
mod making;
mod noted;
mod requesting;
mod state;
mod status;
mod taking;
mod work;

pub(crate) use hosts::HostsRow;
pub(crate) use invitation::{Code, invite};
pub(crate) use joining::{found, make_host};
pub(crate) use requesting::{NotJoined, join};
pub(crate) use state::{Fleet, key_of};

#[cfg(test)]
mod tests;
