//! The files of `src` as the tests read them: without comments, and without what only tests use.

use std::fs;
use std::path::{Path, PathBuf};

/// A file that is part of the library or the program.
pub struct Source {
    /// Its path from the project's root.
    pub path: String,
    /// Its module's path: `["token", "wrap"]`; that of the program begins with `bin`.
    pub module: Vec<String>,
    /// Its text without comments and without the tests at its end.
    pub code: String,
}

impl Source {
    /// Makes a source of a path and its text.
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.into(), module: module_of(path), code: code_of(text) }
    }

    /// Returns the folder or file directly below `src` that it belongs to.
    pub fn part(&self) -> &str {
        self.module.first().map_or("lib", String::as_str)
    }
}

/// Reads every file of the sources but those that only tests use.
pub fn all() -> Vec<Source> {
    let files = rust_files(&root().join("src"));
    assert!(files.len() > 100, "the sources are not where they were");
    let code = files.iter().map(|path| below_root(path)).filter(|path| !is_of_tests(path));
    code.map(|path| Source::new(&path, &fs::read_to_string(root().join(&path)).unwrap())).collect()
}

/// Returns whether a file is for tests only: `tests.rs`, or a file below a folder `tests`.
pub fn is_of_tests(path: &str) -> bool {
    path.split('/').any(|step| ["tests", "tests.rs"].contains(&step))
}

/// Returns all paths below `src`, from the project's root.
pub fn paths() -> Vec<String> {
    rust_files(&root().join("src")).iter().map(|path| below_root(path)).collect()
}

/// Returns the paths of all Rust files, from the project's root: the sources, the tests and what builds them.
pub fn everywhere() -> Vec<String> {
    let folders = ["src", "tests"].map(|folder| rust_files(&root().join(folder)));
    let mut paths: Vec<String> = folders.iter().flatten().map(|path| below_root(path)).collect();
    paths.push("build.rs".into());
    paths
}

/// Returns the project's root.
pub fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

fn below_root(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let (folders, mut files): (Vec<_>, Vec<_>) = entries.into_iter().partition(|at| at.is_dir());
    files.retain(|path| path.extension().is_some_and(|ending| ending == "rs"));
    files.extend(folders.iter().flat_map(|folder| rust_files(folder)));
    files
}

fn module_of(path: &str) -> Vec<String> {
    let below = path.trim_start_matches("src/").trim_end_matches(".rs");
    let steps: Vec<&str> = match below.strip_prefix("bin/keystead/") {
        Some(program) => ["bin"].into_iter().chain(program.split('/')).collect(),
        None => below.split('/').collect(),
    };
    let named = steps.into_iter().filter(|step| !["mod", "lib", "main"].contains(step));
    named.map(str::to_owned).collect()
}

fn code_of(text: &str) -> String {
    let before_tests = text.split("\nmod tests {").next().unwrap_or_default();
    let uncommented = before_tests.lines().map(|line| line.split("//").next().unwrap_or_default());
    uncommented.collect::<Vec<_>>().join("\n")
}
