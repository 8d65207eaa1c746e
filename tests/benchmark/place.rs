//! The modules that are measured, and the folder that each keeps its store in: configuration, the processes that serve
//! it, its size.

use crate::module::Outcome;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A module of which the benchmark knows how it is told where its store is. In the text `{}` stands for the folder.
struct Known {
    name: &'static str,
    variable: &'static str,
    file: &'static str,
    text: &'static str,
}

const KNOWN: &[Known] = &[
    Known {
        name: "keystead",
        variable: "KEYSTEAD_CONF",
        file: "config.toml",
        text: "store = \"{}/store\"\n",
    },
    Known {
        name: "softhsm",
        variable: "SOFTHSM2_CONF",
        file: "softhsm2.conf",
        text: "directories.tokendir = {}/store\nobjectstore.backend = file\nlog.level = ERROR\n",
    },
    Known {
        name: "kryoptic",
        variable: "KRYOPTIC_CONF",
        file: "token.conf",
        text: "[[slots]]\nslot = 1\ndbtype = \"sqlite\"\ndbargs = \"{}/store/token.sql\"\n",
    },
];

/// A module as the command line names it: `NAME=PATH`, with `;VARIABLE=VALUE` for each variable of its environment.
#[derive(Clone)]
pub struct Named {
    pub name: String,
    pub path: PathBuf,
    environment: Vec<(String, String)>,
}

impl std::str::FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Outcome<Self> {
        let mut pairs = text.split(';').map(|pair| {
            let pair = pair.split_once('=').ok_or_else(|| format!("no NAME=VALUE: {pair}"))?;
            Ok((pair.0.to_owned(), pair.1.to_owned()))
        });
        let (name, path) = pairs.next().unwrap_or_else(|| Err("no module".into()))?;
        let path = fs::canonicalize(&path).map_err(|error| format!("{path}: {error}"))?;
        Ok(Self { name, path, environment: pairs.collect::<Outcome<_>>()? })
    }
}

/// A module with a folder of its own, which goes away with it.
pub struct Place {
    pub module: Named,
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new(module: &Named, within: &Path) -> Outcome<Self> {
        let failed = |error: std::io::Error| format!("{}: {error}", within.display());
        let folder = tempfile::Builder::new().prefix(&module.name).tempdir_in(within);
        let place = Self { module: module.clone(), folder: folder.map_err(failed)? };
        fs::DirBuilder::new().mode(0o700).create(place.store()).map_err(failed)?;
        if let Some(known) = place.known() {
            let text = known.text.replace("{}", &place.path());
            fs::write(place.folder.path().join(known.file), text).map_err(failed)?;
        }
        Ok(place)
    }

    fn path(&self) -> String {
        self.folder.path().display().to_string()
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    fn known(&self) -> Option<&'static Known> {
        KNOWN.iter().find(|known| known.name == self.module.name)
    }

    /// Lets a child of the benchmark find the store.
    pub fn configure(&self, command: &mut Command) {
        command.env_remove("KEYSTEAD_STORE").env_remove("KEYSTEAD_LOG");
        if let Some(known) = self.known() {
            command.env(known.variable, self.folder.path().join(known.file));
        }
        for (name, value) in &self.module.environment {
            command.env(name, value.replace("{}", &self.path()));
        }
    }

    /// Returns the bytes that the store's files take on the disk.
    pub fn disk(&self) -> u64 {
        blocks(&self.store()) * 512
    }

    /// Returns the processes that serve the store, as their command lines say, but those of the benchmark.
    pub fn servers(&self) -> Vec<i32> {
        let own = std::env::current_exe().unwrap_or_default();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let serves = String::from_utf8_lossy(&words).contains(&self.path());
            let other = fs::read_link(entry.path().join("exe")).is_ok_and(|program| program != own);
            if serves && other {
                found.push(pid);
            }
        }
        found
    }

    /// Returns the resident memory of the processes that serve the store, in bytes.
    pub fn servers_memory(&self) -> u64 {
        self.servers().into_iter().map(|pid| memory(&pid.to_string())).sum()
    }

    /// Sends a signal to the processes that serve the store; one that ends them is waited for.
    pub fn signal(&self, signal: rustix::process::Signal) {
        use rustix::process::{Pid, Signal, kill_process};
        for pid in self.servers().into_iter().filter_map(Pid::from_raw) {
            // It may have ended meanwhile.
            let _ended = kill_process(pid, signal);
        }
        while [Signal::TERM, Signal::KILL].contains(&signal) && !self.servers().is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.signal(rustix::process::Signal::KILL);
    }
}

/// Returns the resident memory of a process, in bytes; `self` is this one.
pub fn memory(pid: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|count| count.parse().ok()).unwrap_or(0) * 1024
}

fn blocks(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(it) if it.is_dir() => blocks(&entry.path()),
            Ok(it) => it.blocks(),
            Err(_) => 0,
        })
        .sum()
}
