//! Tests that cannot run where something is missing. `tests/run` names a file for them and counts what
//! stands in it as skipped; without it they fail, so that they are not taken for passed.

use std::fs::File;
use std::io::Write;
use std::path::Path;

/// The file that `tests/run` names.
const FILE: &str = "KEYSTEAD_SKIPPED";

/// Returns true where all of these are here, commands or files; a test that lacks one is skipped by name.
pub fn has_all(test: &str, wanted: &[&str]) -> bool {
    match wanted.iter().find(|it| !is_there(it)) {
        Some(missing) => {
            skip(test, &format!("{missing} is missing"));
            false
        }
        None => true,
    }
}

/// Says that a test is skipped, and why.
pub fn skip(test: &str, why: &str) {
    let Some(file) = std::env::var_os(FILE) else { panic!("{test}: {why}") };
    let mut file = File::options().append(true).create(true).open(file).expect("the file");
    writeln!(file, "skipped {test}: {why}").expect("the file takes a line");
}

fn is_there(wanted: &str) -> bool {
    if wanted.starts_with('/') {
        return Path::new(wanted).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(wanted).is_file())
}
