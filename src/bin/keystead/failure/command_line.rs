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

/// Returns the command that a command line names, with those below it that it names too. Behind an option or a command
/// that is not known no word is one: it may be a value.
fn commands_named(mut line: &clap::Command, words: impl Iterator<Item = OsString>) -> Vec<&str> {
    let mut names = Vec::new();
    let mut is_value = false;
    for word in words.take_while(|word| word != "--") {
        if std::mem::take(&mut is_value) {
            continue;
        }
        if let Some(command) = line.find_subcommand(&word) {
            names.push(command.get_name());
            line = command;
        } else if let Some(option) = option_named(line, &word.to_string_lossy()) {
            is_value = option.get_action().takes_values() && !word.to_string_lossy().contains('=');
        } else {
            break;
        }
    }
    names
}

/// Returns the option that a word of a command line names.
fn option_named<'a>(line: &'a clap::Command, word: &str) -> Option<&'a clap::Arg> {
    let (name, _) = word.split_once('=').unwrap_or((word, ""));
    line.get_arguments().find(|it| match name.strip_prefix("--") {
        Some(long) => it.get_long() == Some(long),
        None => it.get_short().is_some_and(|short| name == format!("-{short}")),
    })
}

#[cfg(test)]
mod tests {
    use super::commands_named;

    #[test]
    fn a_command_is_named_as_the_command_line_has_it() {
        let line = crate::definition();
        let named = |words: &str| commands_named(&line, words.split(' ').map(Into::into)).join(" ");
        assert_eq!(named("list --nonsense"), "list");
        assert_eq!(named("--store list pin change --nonsense"), "pin change");
        assert_eq!(named("--json nonsense"), "");
        assert_eq!(named("-- list"), "");
        assert_eq!(named("--store=list -q pin"), "pin");
        assert_eq!(named("delete --pin-file pin"), "");
        assert_eq!(named("--nonsense pin"), "");
    }
}
