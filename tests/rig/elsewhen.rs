//! Processes that live at another time.

use super::preload::compiled;
use super::world::World;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The environment in which a process lives at another time.
pub struct Elsewhen(Vec<(&'static str, String)>);

/// Another time, as `faketime` writes it: `+2d`.
pub fn faketime(offset: &str) -> Elsewhen {
    Elsewhen::with([("FAKETIME", offset.to_owned())])
}

/// A time that moves with what stands in a file, as `faketime` writes it.
pub fn faketime_in(file: &Path) -> Elsewhen {
    let file = file.to_str().unwrap().to_owned();
    Elsewhen::with([("FAKETIME_TIMESTAMP_FILE", file), ("FAKETIME_NO_CACHE", "1".to_owned())])
}

fn library() -> String {
    let folders = ["/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime"];
    folders
        .iter()
        .map(|folder| format!("{folder}/libfaketime.so.1"))
        .find(|path| Path::new(path).exists())
        .unwrap_or_else(|| World::skip("libfaketime is missing"))
}

/// A machine that was suspended for a while: its processes see it by the clocks that count such a time.
pub struct Suspended {
    library: PathBuf,
    file: PathBuf,
}

impl Suspended {
    /// Compiles what stands between processes and these clocks. They are as they are at first.
    pub fn new(world: &World) -> Self {
        let library = compiled(world, "suspended", include_str!("suspended.c"));
        let suspended = Self { library, file: world.path("suspended") };
        suspended.set(0);
        suspended
    }

    /// From now on the machine has been suspended for so many seconds.
    pub fn set(&self, seconds: i64) {
        // In place, for it is mapped.
        let file = fs::File::options().write(true).create(true).truncate(false).open(&self.file);
        file.unwrap().write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }

    /// Returns the environment of this machine's processes at that time.
    pub fn at(&self, Elsewhen(mut environment): Elsewhen) -> Elsewhen {
        let own = self.library.to_str().unwrap();
        for (_, value) in environment.iter_mut().filter(|(name, _)| *name == PRELOAD) {
            *value = format!("{own} {value}");
        }
        environment.push(("SUSPENDED", self.file.to_str().unwrap().to_owned()));
        Elsewhen(environment)
    }
}

const PRELOAD: &str = "LD_PRELOAD";

impl Elsewhen {
    fn with<const N: usize>(when: [(&'static str, String); N]) -> Self {
        // Waits go by the monotonic clock, which stays as it is.
        let always = [(PRELOAD, library()), ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned())];
        Self(always.into_iter().chain(when).collect())
    }

    /// The variables, to be lent to a process.
    pub fn borrowed(&self) -> Vec<(&str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }
}
