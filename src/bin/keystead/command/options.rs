//! The order in which each command's help and manual page lists its options.

use clap::{Arg, Command};

/// The options by their long names: what is made or looked for, how it is done, where the result goes, then the
/// token and who logs in, and last what every command understands.
const ORDER: &[&str] = &[
    // What it is about.
    "key",
    "event",
    "since",
    "expiring",
    "from",
    "from-token",
    "from-pin-file",
    "from-pin-fd",
    "new",
    "type",
    "bits",
    "curve",
    "label",
    "name",
    "id",
    "description",
    "subject",
    "san",
    "dns",
    "ip",
    "email",
    "custody",
    "user",
    "owner",
    // Its time.
    "expires",
    "expiry-action",
    "rotate-every",
    "every",
    "never",
    "due",
    "days",
    "valid-for",
    // How it is done.
    "for",
    "with",
    "wrapped",
    "form",
    "format",
    "kid",
    "hash",
    "pss",
    "digest",
    "uri",
    "issuers",
    "no-public-key",
    "no-certificates",
    "keep-going",
    "dry-run",
    "check",
    "verify",
    "head",
    "accept",
    "remove",
    "erased-in",
    "records-are-lost",
    "detach",
    "detached",
    "make",
    "stay",
    "yes",
    // Where the result goes.
    "out",
    "force",
    // The token, and who logs in.
    "token",
    "module",
    "so-pin-file",
    "so-pin-fd",
    "pin-file",
    "pin-fd",
    "new-pin-file",
    "new-pin-fd",
    "passphrase-file",
    "passphrase-fd",
    "code-file",
    "code-fd",
    // What every command understands.
    "store",
    "config",
    "json",
    "quiet",
];

/// Gives the definition of the command line, and of each command in it, the one order of options.
pub(crate) fn ordered(line: Command) -> Command {
    let place = |arg: &Arg| ORDER.iter().position(|name| arg.get_long() == Some(name));
    line.mut_args(|arg| match place(&arg) {
        Some(place) => arg.display_order(place),
        None => arg,
    })
    .mut_subcommands(ordered)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{ORDER, ordered};
    use crate::CommandLine;
    use clap::{Command, CommandFactory};
    use std::collections::BTreeSet;

    /// Returns every command of the program, those of commands too.
    fn commands(line: &Command) -> Vec<Command> {
        let below = line.get_subcommands().filter(|it| it.get_name() != "help");
        std::iter::once(line.clone()).chain(below.flat_map(commands)).collect()
    }

    fn all() -> Vec<Command> {
        let mut line = ordered(CommandLine::command());
        line.build();
        commands(&line)
    }

    #[test]
    fn every_option_has_its_place() {
        let own = |it: &&str| !["help", "version"].contains(it);
        let there: BTreeSet<String> = all()
            .iter()
            .flat_map(|command| command.get_arguments().filter_map(clap::Arg::get_long))
            .filter(own)
            .map(str::to_owned)
            .collect();
        let placed: BTreeSet<String> = ORDER.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(placed.len(), ORDER.len(), "one stands there twice");
        assert_eq!(there, placed);
    }

    #[test]
    fn each_help_lists_the_options_in_that_order() {
        for mut command in all() {
            let help = command.render_long_help().to_string();
            let listed = help.lines().filter_map(|line| {
                let (before, after) = line.split_once("--")?;
                let option = before.len() == 6 && before.trim_matches([' ', ',', '-']).len() < 2;
                option.then(|| after.split([' ', '[']).next().unwrap_or_default())
            });
            let places: Vec<_> =
                listed.filter_map(|name| ORDER.iter().position(|it| *it == name)).collect();
            assert!(places.len() >= 4 && places.is_sorted(), "{help}");
        }
    }
}
