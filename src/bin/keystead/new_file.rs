//! A file that a command makes: never over one that is there, and never left behind half written.

use crate::ending::AtASignal;
use crate::{Failure, Global};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A file that is taken away again unless something is written to it.
pub(crate) struct NewFile<'a> {
    path: &'a Path,
    file: File,
    kept: bool,
    /// Taken away at a signal as well.
    removed: Option<AtASignal>,
}

impl<'a> NewFile<'a> {
    /// Makes it, with that mode; a file that is there already is left alone.
    pub(crate) fn make(global: &Global, path: &'a Path, mode: u32) -> Result<Self, Failure> {
        global.check_outside_store(path)?;
        let name = std::path::absolute(path)?;
        let make = || File::options().write(true).create_new(true).mode(mode).open(path);
        let made = AtASignal::remove(make, |_| Ok(name));
        let (file, removed) = made.map_err(|error| Failure::of_file(path, &error))?;
        Ok(Self { path, file, kept: false, removed: Some(removed) })
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        self.path
    }

    /// Fills it, and lets it stay.
    pub(crate) fn keep(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = self.file.write_all(bytes).and_then(|()| self.file.sync_all());
        written.map_err(|error| Failure::of_file(self.path, &error))?;
        self.removed = None;
        self.kept = true;
        Ok(())
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        if !self.kept {
            let _gone_already = fs::remove_file(self.path);
        }
    }
}
