//! Erasing in a fleet. Every host keeps the secret of every key's material in a cell of its own file, `slots`, and never
//! in a row; taking material away has every host overwrite its own cell.
//!
//! | file | what it decides |
//! |---|---|
//! | [`keys`], [`fleet_key`] | the keys of a fleet's rows, and the MAC that some carry |
//! | [`hosts`], [`host_row`] | who belongs to the fleet, and where each host stands |
//! | [`batch`], [`envelope`] | secrets made ahead, and their way to the other hosts |
//! | [`erasure_row`] | what has ended |
#![allow(dead_code, unused_imports)] // the agent does not open a fleet yet

pub(crate) mod batch;
pub(crate) mod envelope;
pub(crate) mod erasure_row;
pub(crate) mod fleet_key;
pub(crate) mod host_row;
pub(crate) mod hosts;
pub(crate) mod keys;

pub(crate) use fleet_key::FleetKey;
pub(crate) use host_row::HostRow;
pub(crate) use hosts::{HostsRow, Member, MemberState};
