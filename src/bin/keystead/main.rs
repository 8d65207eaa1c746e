//! The `keystead` program: the command line, the common options, and how a run ends. Each command is
//! a file in `command`; the files here are what commands share.

mod client;
mod command;
mod ending;
mod explain;
mod failure;
mod importing;
mod keys;
mod manifest;
mod material;
mod moment;
mod new_file;
mod officer;
mod output;
mod pin;
mod public_key;
mod rsa_aes;
mod sealed_file;
mod serving;
mod standard;
mod store_time;
mod terminal;
mod transfer;
mod whole_file;
mod wrapping;

use clap::Parser;
use clap::builder::{NonEmptyStringValueParser, TypedValueParser};
use command::Command;
use failure::Failure;
use keystead::config::{Config, journal};
use keystead::presence;
use std::path::Path;
use std::process::ExitCode;

/// Keeps custom keys: bring them, time-limit them, take them away.
#[derive(Debug, Parser)]
#[command(name = "keystead", version, after_help = EXIT_STATUS)]
pub struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const EXIT_STATUS: &str =
    "Exit status: 0 when it is done, 1 when it failed, 2 when the command line is wrong.";

/// What every command understands.
#[derive(Debug, clap::Args)]
pub struct Global {
    /// The store: a directory, or sled:///directory [default: as configured]
    #[arg(long, global = true, value_name = "STORE",
          value_parser = NonEmptyStringValueParser::new().try_map(from_here))]
    store: Option<String>,
    /// The configuration file [default: $KEYSTEAD_CONF, the user's, the system's]
    #[arg(long, global = true, value_name = "FILE",
          value_parser = NonEmptyStringValueParser::new().try_map(from_here))]
    config: Option<String>,
    /// Print JSON instead of text for people
    #[arg(long, global = true)]
    json: bool,
}

impl Global {
    fn load(&self) -> Result<Config, Failure> {
        Ok(match &self.store {
            Some(store) => Config::load_with_store(self.config.as_deref(), store)?,
            None => Config::load(self.config.as_deref())?,
        })
    }

    /// The configuration, under what the command line says, with the log opened as it has it.
    fn configuration(&self) -> Result<Config, Failure> {
        let config = self.load()?;
        journal::open(&config);
        Ok(config)
    }

    /// The same for a command on a store, which must be there.
    fn store(&self) -> Result<Config, Failure> {
        let config = self.configuration()?;
        presence::check(&config.directory)?;
        Ok(config)
    }

    /// Checks that a file that is to be written is none of the store's own: `--force` would replace them.
    /// A command that needs no store does without a configuration too, and then there is none to spare.
    fn check_outside_store(&self, file: &Path) -> Result<(), Failure> {
        let Ok(config) = self.load() else { return Ok(()) };
        match (folder_of(file).canonicalize(), config.directory.canonicalize()) {
            (Ok(folder), Ok(store)) if folder.starts_with(&store) => {
                let told = format_args!("{}: this is in the store's directory", file.display());
                Err(Failure::new(told).hint("only the agent writes there: name a file elsewhere"))
            }
            _ => Ok(()),
        }
    }
}

/// A path as people write it, seen from here: the module finds it in the environment, where it is
/// absolute. What has a scheme is left to the configuration.
fn from_here(text: String) -> std::io::Result<String> {
    let path = match text.contains("://") {
        true => return Ok(text),
        false => std::path::absolute(&text)?,
    };
    path.into_os_string().into_string().map_err(|_| std::io::ErrorKind::InvalidFilename.into())
}

/// Returns the folder of a file.
fn folder_of(file: &Path) -> &Path {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

fn main() -> ExitCode {
    journal::begin();
    let done = match Arguments::try_parse() {
        Ok(Arguments { global, command }) => {
            // What a background agent says is told on by whoever started it, with its own options.
            let told_on = matches!(&command, Command::Agent(agent) if agent.in_background());
            command.run(&global).map_err(|failure| match told_on {
                true => failure,
                false => failure.in_store(&global),
            })
        }
        Err(said) => Failure::of_command_line(&said),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.end(),
    }
}
