//! `keystead fleet`: several hosts that share one store.

mod expel;
mod init;
mod invite;
mod join;
mod shared;
mod status;

use crate::{Failure, Global};

/// Share one store among several hosts: make it here, let hosts join, expel them
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Fleet,
}

/// The commands on a fleet.
#[derive(Debug, clap::Subcommand)]
enum Fleet {
    Init(init::Arguments),
    Invite(invite::Arguments),
    Join(join::Arguments),
    Status(status::Arguments),
    Expel(expel::Arguments),
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        match self.command {
            Fleet::Init(arguments) => arguments.run(global),
            Fleet::Invite(arguments) => arguments.run(global),
            Fleet::Join(arguments) => arguments.run(global),
            Fleet::Status(arguments) => arguments.run(global),
            Fleet::Expel(arguments) => arguments.run(global),
        }
    }
}
