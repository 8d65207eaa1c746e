//! The failure of a command line that is not understood, and the command that it names.

use super::Failure;
use crate::outcome::Outcome;
use std::ffi::OsString;

impl Failure {
    /// The failure of a command line that clap refuses, with these words.
    pub(crate) fn of_command_line(
        said: &clap::Error,
        line: &clap::Command,
        words: impl Iterator<Item = OsString>,
    ) -> Self {
        let text = said.render().to_string();
        let Some(text) = text.strip_prefix("error: ") else {
            let _unread = said.print();
            return Self::silent(Outcome::Usage);
        };
        let text = text.split("\nFor more information").next().unwrap_or(text);
        let failure = Self::usage(text.trim_end());
        match commands_named(line, words).as_slice() {
            [] => failure.hint("`keystead help` lists the commands"),
            names => failure
                .hint(format_args!("`keystead help {}` shows what it takes", names.join(" "))),
        }
    }
}

/// Returns the command that a command line names, with those below it that it names too.
fn commands_named(mut line: &clap::Command, words: impl Iterator<Item = OsString>) -> Vec<&str> {
    let mut names = Vec::new();
    let mut is_value = false;
    for word in words.take_while(|word| word != "--") {
        match line.find_subcommand(&word) {
            _ if std::mem::take(&mut is_value) => {}
            Some(command) => {
                names.push(command.get_name());
                line = command;
            }
            None => {
                let option = word.to_str().and_then(|word| word.strip_prefix("--"));
                let is_it = |it: &&clap::Arg| option.is_some() && it.get_long() == option;
                let option = line.get_arguments().find(is_it);
                is_value = option.is_some_and(|it| it.get_action().takes_values());
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::commands_named;

    #[test]
    fn a_command_is_named_as_the_command_line_has_it() {
        let line = crate::definition();
        let named = |words: &str| commands_named(&line, words.split(' ').map(Into::into)).join(" ");
        assert_eq!(named("keystead list --nonsense"), "list");
        assert_eq!(named("keystead --store list pin change --nonsense"), "pin change");
        assert_eq!(named("keystead --json nonsense"), "");
        assert_eq!(named("keystead -- list"), "");
    }
}
