//! The `keystead` program. Each command is a file of its own: its arguments, and what it does with
//! them. A command is added by its file and its lines in [`Command`].

mod agent;
mod client;
mod directory;
mod failure;
mod import_key;
mod list;
mod show;
mod sweep;

use clap::{Parser, Subcommand};
use failure::Failure;
use keystead::config::{Config, journal};
use std::process::ExitCode;

/// Keeps custom keys: bring them, time-limit them, take them away.
#[derive(Debug, Parser)]
#[command(name = "keystead", version, after_help = EXIT_STATUS)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const EXIT_STATUS: &str =
    "Exit status: 0 when it is done, 1 when it failed, 2 when the command line is wrong.";

/// What every command understands.
#[derive(Debug, clap::Args)]
struct Global {
    /// The store: a directory, or sled:///directory [default: as configured]
    #[arg(long, global = true, value_name = "STORE")]
    store: Option<String>,
    /// The configuration file [default: $KEYSTEAD_CONF, the user's, the system's]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<String>,
}

impl Global {
    /// The configuration, under what the command line says, with the log opened as it has it.
    fn configuration(&self) -> Result<Config, Failure> {
        let config = match &self.store {
            Some(store) => Config::load_with_store(self.config.as_deref(), store)?,
            None => Config::load(self.config.as_deref())?,
        };
        journal::open(&config, None);
        Ok(config)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    Agent(agent::Arguments),
    ImportKey(import_key::Arguments),
    List(list::Arguments),
    Show(show::Arguments),
    Sweep(sweep::Arguments),
}

impl Command {
    fn run(self, global: &Global) -> Result<(), Failure> {
        match self {
            Self::Agent(arguments) => arguments.run(global),
            Self::ImportKey(arguments) => arguments.run(global),
            Self::List(arguments) => arguments.run(global),
            Self::Show(arguments) => arguments.run(global),
            Self::Sweep(arguments) => arguments.run(global),
        }
    }
}

fn main() -> ExitCode {
    let Arguments { global, command } = Arguments::parse();
    match command.run(&global) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            ExitCode::FAILURE
        }
    }
}
