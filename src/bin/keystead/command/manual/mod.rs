//! `keystead manual`: manual pages, from the definitions of the command line, the table of the configuration and
//! the crate's own manual, so that each is written once.

mod roff;

use crate::outcome::Outcome;
use crate::whole_file::replace;
use crate::{Failure, Global, output};
use clap::Command;
use clap_mangen::Man;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Print a manual page, or write all of them
///
/// `keystead manual | man -l -` shows it, and `man -l DIRECTORY/keystead.7` one that was written. keystead.toml is about the configuration, keystead.7 about a key's life,
/// ceremonies, backups, sealing, clients, recipes, containers, threats and proofs.
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
        chapters: configuration_chapters,
    },
    Topic {
        name: "keystead",
        section: 7,
        about: "custom keys: life, ceremonies, backups, clients, recipes, containers, threats and proofs",
        chapters: || {
            std::iter::once(overview()).chain(CHAPTERS.iter().map(Chapter::text)).collect()
        },
    },
];

/// A chapter of keystead(7): a module of the crate's manual.
struct Chapter {
    module: &'static str,
    title: &'static str,
    /// The contents in a few words.
    about: &'static str,
    source: &'static str,
}

macro_rules! chapters {
    ($($module:literal: $title:literal, $about:literal;)*) => {
        &[$(Chapter {
            module: $module,
            title: $title,
            about: $about,
            source: include_str!(concat!("../../../../manual/", $module, ".rs")),
        }),*]
    };
}

/// The chapters, in their order.
const CHAPTERS: &[Chapter] = chapters! {
    "program": "The program", "its commands, and what each is for";
    "life": "A key's life", "its states, what is refused in each and by which code, expiry, rotation, the end";
    "properties": "Properties", "what a key tells of itself";
    "ceremony": "The import ceremony", "how material is wrapped, carried, compared and imported";
    "migrating": "From another token", "SoftHSM and other modules";
    "backup": "Backups", "what is in one, and what it does not bring back";
    "sealing": "Sealing", "files and messages that name their key";
    "log": "The log and events", "why something does not work; who is told of what happens";
    "installing": "Installing", "packages, and without one; what is in them";
    "clients": "Clients", "which were run, what each needs to know, and where it stumbles";
    "recipes": "Recipes", "nginx, an authority, signed code, sealed backups, keys from the clouds";
    "containers": "Containers", "what an agent needs there, and a program in another";
    "pkcs11": "PKCS#11", "the interfaces, and what of them is not served";
    "mechanisms": "Mechanisms", "which there are, and for which keys";
    "threats": "Threats", "what is protected from whom, and what is not";
    "proofs": "Proofs", "kills, losses of power, damage, thieves and clocks it was put through; what that shows";
};

impl Chapter {
    /// Returns its text under its title, which its own first heading may be; other chapters are named by theirs.
    fn text(&self) -> String {
        let text = roff::chapter(self.source);
        let heading = format!("# {}\n", self.title);
        let titled = match text.strip_prefix(&heading) {
            Some(rest) => format!("{heading}{rest}"),
            None => format!("{heading}\n{text}"),
        };
        CHAPTERS.iter().fold(titled, |text, other| {
            let link = format!("[`{0}`](super::{0})", other.module);
            text.replace(&link, &format!("**{}**", other.title.to_uppercase()))
        })
    }
}

/// Returns the first section of keystead(7): which chapter is about what.
fn overview() -> String {
    let rows = CHAPTERS.iter();
    let rows = rows.map(|it| format!("| {} | {} |\n", it.title.to_uppercase(), it.about));
    format!(
        "# Description\n\nKeystead keeps custom keys: you bring the material, give it an expiry, take it away again, \
         and what names the key, and what it was, stays. Where something is wrong now, `keystead doctor` looks for \
         it and says what mends it; keystead(1) has the commands, keystead.toml(5) the configuration. Here \
         follows:\n\n| chapter | |\n|---|---|\n{}\nNames with `::` in them are modules of the source, whose \
         documentation goes on where this page ends.\n",
        rows.collect::<String>()
    )
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
    pub(crate) fn run(self, global: &Global, line: Command) -> Result<(), Failure> {
        let program = complete(line);
        match (self.out, self.page) {
            (Some(directory), _) => write_all(global, program, &directory),
            (None, None) => output::text(own_page(program)?),
            (None, Some(name)) => match TOPICS.iter().find(|topic| topic.is_called(&name)) {
                Some(topic) => output::text(topic.page()),
                None => output::text(page(named(&program, &name)?)?),
            },
        }
    }
}

fn write_all(global: &Global, program: Command, directory: &Path) -> Result<(), Failure> {
    fs::create_dir_all(directory).map_err(|error| Failure::of_file(directory, &error))?;
    let write = |name: &str, text: &str| replace(global, &directory.join(name), text.as_bytes());
    write(&format!("{PROGRAM}.1"), &own_page(program.clone())?)?;
    write_commands(&program, &write)?;
    TOPICS.iter().try_for_each(|topic| write(&topic.file(), &topic.page()))
}

/// Writes the pages of all commands below one.
fn write_commands(
    above: &Command,
    write: &impl Fn(&str, &str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for command in above.get_subcommands().filter(|command| !command.is_hide_set()) {
        write(&Man::new(command.clone()).get_filename(), &page(command.clone())?)?;
        write_commands(command, write)?;
    }
    Ok(())
}

fn named(program: &Command, name: &str) -> Result<Command, Failure> {
    let named = program.get_subcommands().find(|command| command.get_name() == name);
    named.cloned().ok_or_else(|| {
        Failure::new(format_args!("there is no command {name:?}"))
            .hint("`keystead help` lists the commands")
            .with_outcome(Outcome::Usage)
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
    let mut text = page(program).map_err(Failure::from)?;
    sections(MORE).iter().for_each(|section| text.push_str(&roff::sections(section)));
    Ok(text + &roff::sections(&also))
}

fn page(command: Command) -> io::Result<String> {
    let mut page = Vec::new();
    let man = Man::new(command).date(roff::date()).source(roff::SOURCE).manual(roff::MANUAL);
    man.render(&mut page)?;
    String::from_utf8(page).map(|page| roff::tidied(&page)).map_err(io::Error::other)
}

/// Returns the sections of a text, each with its heading.
fn sections(text: &str) -> Vec<String> {
    let bare = text.split("\n# ").map(|section| section.trim_start_matches("# "));
    bare.map(|section| format!("# {section}\n")).collect()
}

/// Returns the sections of keystead.toml(5).
fn configuration_chapters() -> Vec<String> {
    let example = include_str!("../../../../../.packaging/config.toml");
    let more = include_str!("keystead.toml.md");
    let mut chapters = vec![roff::chapter(include_str!("../../../../manual/configuration.rs"))];
    // The example's own comments are no headings.
    chapters.extend(sections(more).iter().map(|text| text.replace("@example", example.trim_end())));
    chapters
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
