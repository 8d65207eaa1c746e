//! The groups in which the help lists the commands.

use clap::Command;
use keystead::internal::text::harmless;
use std::fmt::Write;

/// Each group with its commands.
const GROUPS: &[(&str, &[&str])] = &[
    ("Tokens", &["init", "tokens", "pin", "destroy-token"]),
    (
        "Keys",
        &[
            "create",
            "generate",
            "list",
            "show",
            "describe",
            "rename",
            "set-expiry",
            "enable",
            "disable",
            "rotate",
            "schedule-deletion",
            "cancel-deletion",
        ],
    ),
    (
        "Import",
        &[
            "import-key",
            "import-keys",
            "wrap",
            "import",
            "import-many",
            "migrate",
            "delete-material",
        ],
    ),
    ("Key pairs", &["public", "sign", "verify", "csr", "certificate"]),
    ("Data", &["seal", "open"]),
    ("Watching", &["audit", "doctor", "clock", "config"]),
    ("The store", &["backup", "restore", "recover", "agent", "sweep", "systemd", "fleet"]),
    ("This program", &["completions", "manual", HELP]),
];

/// The command that clap adds.
const HELP: &str = "help";

/// The width of the help, and of the names in it, in characters.
const WIDTH: usize = 80;
const NAMES: usize = 21;

/// Gives the definition of the command line a help that lists the commands in groups, and the same order to the
/// manual page.
pub(crate) fn grouped(line: Command) -> Command {
    let names = || GROUPS.iter().flat_map(|(_, names)| names.iter());
    let place = |command: &Command| names().position(|name| *name == command.get_name());
    let line = line.mut_subcommands(|command| match place(&command) {
        Some(place) => command.display_order(place),
        None => command,
    });
    let mut text = "{about-with-newline}\n{usage-heading} {usage}\n".to_owned();
    for (group, names) in GROUPS {
        // Writing to a string does not fail.
        let _never = write!(text, "\n{group}:\n");
        for name in *names {
            let about = line.find_subcommand(name).and_then(Command::get_about);
            let about = about
                .map_or("Print this message, or the help of a command".to_owned(), |it| {
                    it.to_string()
                });
            text.push_str(&entry(name, &harmless(&about)));
        }
    }
    text.push_str("\nOptions:\n{options}{after-help}");
    line.help_template(text)
}

/// A command and what it is about, on as many lines as that needs.
fn entry(name: &str, about: &str) -> String {
    let mut entry = format!("  {name:<width$}", width = NAMES - 2);
    let mut column = NAMES;
    for word in about.split(' ') {
        if column + word.len() > WIDTH {
            entry.truncate(entry.trim_end().len());
            entry.push_str(&format!("\n{:NAMES$}", ""));
            column = NAMES;
        }
        entry.push_str(word);
        entry.push(' ');
        column += word.len() + 1;
    }
    entry.truncate(entry.trim_end().len());
    entry + "\n"
}

#[cfg(test)]
mod tests {
    use super::{GROUPS, HELP, WIDTH, entry};
    use clap::Subcommand;

    #[test]
    fn every_command_stands_in_one_group() {
        let line = super::super::Command::augment_subcommands(clap::Command::new("keystead"));
        let mut there: Vec<&str> = line.get_subcommands().map(clap::Command::get_name).collect();
        there.push(HELP);
        let mut grouped: Vec<&str> =
            GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        there.sort_unstable();
        grouped.sort_unstable();
        assert_eq!(there, grouped);
    }

    #[test]
    fn a_long_description_goes_on_under_its_beginning() {
        let text = entry("name", &"word ".repeat(30));
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with(&" ".repeat(21))), "{text}");
    }
}
