//! `keystead manual`: manual pages from the definitions of the command line.

use crate::{Failure, output};
use clap::Command;
use clap_mangen::Man;
use std::fs;
use std::path::PathBuf;

/// Print a manual page, or write all of them
///
/// `keystead manual | man -l -` shows it.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The command whose page it is [default: the program's own]
    #[arg(conflicts_with = "out")]
    command: Option<String>,
    /// Write the program's page and every command's into a directory
    #[arg(long, short, value_name = "DIRECTORY")]
    out: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn run(self, line: Command) -> Result<(), Failure> {
        let program = complete(line);
        match (self.out, self.command) {
            (Some(directory), _) => fs::create_dir_all(&directory)
                .and_then(|()| clap_mangen::generate_to(program, &directory))
                .map_err(|error| Failure::of_file(&directory, &error)),
            (None, None) => output::text(page(program)?),
            (None, Some(name)) => {
                let named = program.get_subcommands().find(|command| command.get_name() == name);
                let command = named.cloned().ok_or_else(|| {
                    Failure::new(format_args!("there is no command {name:?}"))
                        .hint("`keystead help` lists the commands")
                })?;
                output::text(page(command)?)
            }
        }
    }
}

/// Completes the command line's definition: each command knows its whole name and common options.
fn complete(line: Command) -> Command {
    let mut program = line.disable_help_subcommand(true);
    program.build();
    program
}

fn page(command: Command) -> Result<String, Failure> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    String::from_utf8(page).map_err(Failure::new)
}
