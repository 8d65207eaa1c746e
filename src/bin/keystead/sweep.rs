//! `keystead sweep`: erases what is due, where no agent stays to do it.

use crate::{Failure, Global};
use keystead::error::Reason;
use keystead::wire::{Link, Place, Request, Response};
use std::io::{self, Write};

/// Erase all material whose time has come, now
///
/// The agent does this by itself as long as it runs. Where none may stay, a timer runs this every hour.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

impl Arguments {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let link = Link::new(Place::of(&global.configuration()?));
        let Response::Swept { erased, ended } = link.ask(&Request::Sweep)? else {
            return Err(Reason::AgentRefuses
                .detail("it answers a sweep with something else")
                .into());
        };
        writeln!(io::stdout(), "erased the material of custom keys: {erased}")?;
        writeln!(io::stdout(), "ended ordinary keys: {ended}")?;
        Ok(())
    }
}
