//! Processes that live at another time.

use super::world::World;
use std::path::Path;

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

impl Elsewhen {
    fn with<const N: usize>(when: [(&'static str, String); N]) -> Self {
        // Waits go by the monotonic clock, which stays as it is.
        let always = [("LD_PRELOAD", library()), ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned())];
        Self(always.into_iter().chain(when).collect())
    }

    /// The variables, to be lent to a process.
    pub fn borrowed(&self) -> Vec<(&str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }
}
