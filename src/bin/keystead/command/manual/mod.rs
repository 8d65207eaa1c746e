//! `keystead manual`: manual pages, from the definitions of the command line, the table of the configuration and
//! the crate's own manual, so that each is written once.

mod roff;

use crate::{Failure, output};
use clap::Command;
use clap_mangen::Man;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Print a manual page, or write all of them
///
/// `keystead manual | man -l -` shows it. keystead.toml is about the configuration, keystead.7 about a key's life,
/// ceremonies, backups, sealing and threats.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A command, or keystead.toml, or keystead.7 [default: the program's own page]
    #[arg(conflicts_with = "out")]
    page: Option<String>,
    /// Write all pages into a directory
    #[arg(long, short, value_name = "DIRECTORY")]
    out: Option<PathBuf>,
}

/// A page that is about no command.
struct Topic {
    name: &'static str,
    section: u8,
    about: &'static str,
    chapters: fn() -> Vec<String>,
}

const TOPICS: [Topic; 2] = [
    Topic {
        name: "keystead.toml",
        section: 5,
        about: "the configuration of Keystead",
        chapters: || vec![configuration(include_str!("../../../../../README.md"))],
    },
    Topic {
        name: "keystead",
        section: 7,
        about: "custom keys: their life, ceremonies, backups, sealing and threats",
        chapters: || CHAPTERS.map(titled).to_vec(),
    },
];

/// The chapters of keystead(7), the crate's manual, with their titles.
const CHAPTERS: [(&str, &str); 10] = [
    ("A key's life", include_str!("../../../../manual/life.rs")),
    ("Properties", include_str!("../../../../manual/properties.rs")),
    ("The import ceremony", include_str!("../../../../manual/ceremony.rs")),
    ("From another token", include_str!("../../../../manual/migrating.rs")),
    ("Backups", include_str!("../../../../manual/backup.rs")),
    ("Sealing", include_str!("../../../../manual/sealing.rs")),
    ("The log and events", include_str!("../../../../manual/log.rs")),
    ("PKCS#11", include_str!("../../../../manual/pkcs11.rs")),
    ("Mechanisms", include_str!("../../../../manual/mechanisms.rs")),
    ("Threats", include_str!("../../../../manual/threats.rs")),
];

/// Returns a chapter under its title, which its own first heading may be.
fn titled((title, source): (&str, &str)) -> String {
    let text = roff::chapter(source);
    let heading = format!("# {title}\n");
    match text.strip_prefix(&heading) {
        Some(rest) => format!("{heading}{rest}"),
        None => format!("{heading}\n{text}"),
    }
}

/// The sections of keystead(1) behind those that follow from the command line.
const MORE: &str = include_str!("keystead.md");

impl Topic {
    fn file(&self) -> String {
        format!("{}.{}", self.name, self.section)
    }

    fn is_called(&self, name: &str) -> bool {
        name == self.file() || name == self.name && self.name != PROGRAM
    }

    fn page(&self) -> String {
        roff::page(self.name, self.section, self.about, &(self.chapters)())
    }
}

const PROGRAM: &str = "keystead";

impl Arguments {
    pub(crate) fn run(self, line: Command) -> Result<(), Failure> {
        let program = complete(line);
        match (self.out, self.page) {
            (Some(directory), _) => {
                write_all(program, &directory).map_err(|error| Failure::of_file(&directory, &error))
            }
            (None, None) => output::text(own_page(program)?),
            (None, Some(name)) => match TOPICS.iter().find(|topic| topic.is_called(&name)) {
                Some(topic) => output::text(topic.page()),
                None => output::text(page(named(&program, &name)?)?),
            },
        }
    }
}

fn write_all(program: Command, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let own = own_page(program.clone()).map_err(|failure| io::Error::other(failure.message()))?;
    clap_mangen::generate_to(program, directory)?;
    fs::write(directory.join(format!("{PROGRAM}.1")), own)?;
    TOPICS.iter().try_for_each(|topic| fs::write(directory.join(topic.file()), topic.page()))
}

fn named(program: &Command, name: &str) -> Result<Command, Failure> {
    let named = program.get_subcommands().find(|command| command.get_name() == name);
    named.cloned().ok_or_else(|| {
        Failure::new(format_args!("there is no command {name:?}"))
            .hint("`keystead help` lists the commands")
    })
}

/// Completes the command line's definition: each command knows its whole name and common options.
fn complete(line: Command) -> Command {
    let mut program = line.disable_help_subcommand(true);
    program.build();
    program
}

/// Returns the program's page: what follows from its definition, and what it does not say.
fn own_page(program: Command) -> Result<String, Failure> {
    let commands =
        program.get_subcommands().map(|command| format!("keystead-{}(1)", command.get_name()));
    let topics = TOPICS.iter().map(|topic| format!("{}({})", topic.name, topic.section));
    let others = ["pkcs11-tool(1)", "p11-kit(8)"].map(str::to_owned);
    let also: Vec<String> = topics.chain(commands).chain(others).collect();
    let also = format!("# SEE ALSO\n\n{}\n", also.join(", "));
    let mut text = page(program)?;
    for section in MORE.split("\n# ") {
        text.push_str(&roff::sections(&format!("# {}", section.trim_start_matches("# "))));
    }
    Ok(text + &roff::sections(&also))
}

fn page(command: Command) -> Result<String, Failure> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    String::from_utf8(page).map_err(Failure::new)
}

/// Returns the section about the configuration of a README.
fn configuration(readme: &str) -> String {
    let (_, after) = readme.split_once("## Configuration\n").unwrap_or_default();
    let section = after.split("\n## ").next().unwrap_or_default();
    format!("# Description\n{section}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_has_its_text() {
        for topic in &TOPICS {
            let page = topic.page();
            assert!(page.lines().count() > 40, "{}", topic.file());
        }
        let all: String = TOPICS.iter().map(Topic::page).collect();
        for said in ["rsa_minimum", "A KEY(aqS LIFE", "BACKUPS", "THREATS", "CEREMONY"] {
            let said = said.replace("(aq", "\\(aq");
            assert!(all.contains(&said), "{said}");
        }
    }
}
