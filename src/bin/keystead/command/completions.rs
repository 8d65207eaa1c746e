//! `keystead completions`: what a shell needs to complete the command line.

use crate::{Failure, output};
use clap::Command;
use clap_complete::{Shell, generate};

/// Print what a shell needs to complete this program's command line
///
/// For bash: `keystead completions bash > ~/.local/share/bash-completion/completions/keystead`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The shell
    shell: Shell,
}

impl Arguments {
    pub(crate) fn run(self, mut line: Command) -> Result<(), Failure> {
        let mut script = Vec::new();
        generate(self.shell, &mut line, "keystead", &mut script);
        output::text(String::from_utf8_lossy(&script))
    }
}
