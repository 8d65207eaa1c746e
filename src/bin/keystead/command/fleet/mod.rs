//! `keystead fleet`: several hosts that share one store.

mod init;

use crate::{Failure, Global};

/// Share one store among several hosts: make it here
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Fleet,
}

/// The commands on a fleet.
#[derive(Debug, clap::Subcommand)]
enum Fleet {
    Init(init::Arguments),
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        match self.command {
            Fleet::Init(arguments) => arguments.run(global),
        }
    }
}
