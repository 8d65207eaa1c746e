//! The manual pages: readable by the system's own reader, and telling what people look for there.

use crate::rig::{World, play};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn no_page_has_anything_that_groff_warns_of() {
    play(|world| {
        world.needs("groff");
        let pages = written(world);
        assert!(pages.len() > 30);
        for page in pages {
            let read =
                Command::new("groff").args(["-man", "-ww", "-Tutf8", "-z"]).arg(&page).output();
            let read = read.unwrap();
            let said = String::from_utf8_lossy(&read.stderr).into_owned();
            assert!(read.status.success() && said.is_empty(), "{}: {said}", page.display());
        }
    });
}

#[test]
fn no_page_has_anything_that_mandoc_warns_of() {
    play(|world| {
        world.needs("mandoc");
        let pages = written(world);
        let read =
            Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).args(pages).output();
        let read = read.unwrap();
        let said = String::from_utf8_lossy(&read.stdout).into_owned();
        assert!(read.status.success() && said.is_empty(), "{said}");
    });
}

#[test]
fn no_page_is_wider_than_a_terminal() {
    play(|world| {
        world.needs("groff");
        for page in written(world) {
            let text = read(&page);
            let wide = text.lines().find(|line| line.chars().count() > 80);
            assert_eq!(wide, None, "{}", page.display());
        }
    });
}

#[test]
fn the_programs_page_has_examples_files_environment_exit_statuses_and_other_pages() {
    play(|world| {
        world.needs("groff");
        let page = read(&folder(world).join("keystead.1"));
        for said in [
            "EXAMPLES",
            "keystead import payroll payroll.key --format raw",
            "FILES",
            "/etc/keystead/config.toml",
            "ENVIRONMENT",
            "KEYSTEAD_STORE",
            "COLUMNS",
            "EXIT STATUS",
            "SEE ALSO",
            "keystead.toml(5)",
            "keystead(7)",
            "keystead-import(1)",
        ] {
            assert!(page.contains(said), "{said} is not in\n{page}");
        }
    });
}

#[test]
fn the_configuration_and_the_manual_are_pages_made_of_the_same_text() {
    play(|world| {
        world.needs("groff");
        let configuration = read(&folder(world).join("keystead.toml.5"));
        for key in [
            "store",
            "agent_directory",
            "on_event",
            "rsa_minimum",
            "log_level",
            "WHEN A CHANGE HOLDS",
            "EXAMPLE",
            "usermod -aG keystead USER",
        ] {
            assert!(configuration.contains(key), "{key} is not in\n{configuration}");
        }
        let manual = read(&folder(world).join("keystead.7"));
        for said in [
            "A KEY'S LIFE",
            "pending import",
            "THE IMPORT CEREMONY",
            "BACKUPS",
            "SEALING",
            "CLIENTS",
            "RECIPES",
            "TLS with nginx, from nothing",
            "CONTAINERS",
        ] {
            assert!(manual.contains(said), "{said} is not in\n{manual}");
        }
        // No mark of the text that it is made of is left.
        let marked = manual.split_whitespace().find(|word| {
            let inner = word.trim_matches(|it: char| !it.is_alphanumeric() && it != '*');
            word.contains('`') || inner.len() > 2 && inner.starts_with('*') && inner.ends_with('*')
        });
        assert_eq!(marked, None);
        // What the crate's manual says, it says.
        let sentence = "The log names the reason. An import that fails changes nothing.";
        assert!(include_str!("../../src/manual/life.rs").contains(sentence));
        assert!(words(&manual).contains(sentence), "{manual}");
        let shown = world.keystead(&["manual", "keystead.7"]);
        assert_eq!(shown.stdout, fs::read(folder(world).join("keystead.7")).unwrap());
        let shown = world.keystead(&["manual", "keystead.toml"]);
        assert_eq!(shown.stdout, fs::read(folder(world).join("keystead.toml.5")).unwrap());
    });
}

// --- what the scenarios are made of ---

fn folder(world: &World) -> PathBuf {
    let folder = world.path("pages");
    if !folder.exists() {
        let done = world.keystead(&["manual", "--out", folder.to_str().unwrap()]);
        assert!(done.status.success(), "{done:?}");
    }
    folder
}

fn written(world: &World) -> Vec<PathBuf> {
    fs::read_dir(folder(world)).unwrap().map(|page| page.unwrap().path()).collect()
}

/// A page as a reader without fonts sees it.
fn read(page: &Path) -> String {
    let shown = Command::new("groff")
        .args(["-man", "-rHY=0", "-Tascii", "-P-cbou"])
        .arg(page)
        .output()
        .unwrap();
    assert!(shown.status.success(), "{shown:?}");
    String::from_utf8(shown.stdout).unwrap()
}

/// The words of a text with one space between them.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
