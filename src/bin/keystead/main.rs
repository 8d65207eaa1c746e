//! The `keystead` program: the command line, the common options, and how a run ends. Each command is
//! a file in `command`; the files here are what commands share.

mod certificates;
mod client;
mod colours;
mod command;
mod ending;
mod explain;
mod failure;
mod file_passphrase;
mod global;
mod identifier;
mod importing;
mod key_choice;
mod key_file;
mod keys;
mod manifest;
mod material;
mod mechanisms;
mod module_file;
mod moment;
mod name;
mod new_file;
mod officer;
mod openssh;
mod openssh_key;
mod outcome;
mod output;
mod pem;
mod pin;
mod pin_source;
mod public_half;
mod public_key;
mod rsa_aes;
mod sealed_file;
mod serving;
mod signing;
mod source_material;
mod standard;
mod store_time;
mod terminal;
mod transfer;
mod uri;
mod uses;
mod whole_file;
mod wrapping;

use clap::{CommandFactory, FromArgMatches, Parser};
use command::Command;
use failure::Failure;
use global::Global;
use keystead::internal::config::logging;
use std::process::ExitCode;

/// Keeps custom keys: bring them, time-limit them, take them away.
#[derive(Debug, Parser)]
#[command(name = "keystead", version, after_help = outcome::help())]
pub struct CommandLine {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    logging::begin();
    failure::speak_json(failure::asks_for_json(std::env::args_os()));
    let done = uri::check_command_line(std::env::args_os()).and_then(|()| run());
    done.map_or_else(Failure::end, |()| ExitCode::SUCCESS)
}

/// Returns the definition of the whole command line.
fn definition() -> clap::Command {
    command::grouped(command::ordered(CommandLine::command()))
}

fn run() -> Result<(), Failure> {
    let parsed = definition().try_get_matches();
    match parsed.and_then(|matches| CommandLine::from_arg_matches(&matches)) {
        Ok(CommandLine { global, command }) => {
            failure::speak_json(global.json);
            if global.quiet {
                failure::be_quiet();
            }
            // What a background agent says is told on by the process that started it, with its own options.
            let told_on = matches!(&command, Command::Agent(agent) if agent.in_background());
            command.run(&global, definition).map_err(|failure| match told_on {
                true => failure,
                false => failure.with_hint(|hint| global.here(hint)),
            })
        }
        // Help and version, which are no failure.
        Err(said) if !said.use_stderr() => output::text(said.render()),
        Err(said) => {
            Err(Failure::of_command_line(&said, &definition(), std::env::args_os().skip(1)))
        }
    }
}

#[cfg(test)]
mod tests;
