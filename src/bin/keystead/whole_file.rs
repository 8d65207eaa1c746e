//! The streams that a command reads and writes: files, or standard input and output. A file that is
//! written appears under its name when it is complete, and never over another one unasked.

use crate::ending::AtASignal;
use crate::global::folder_of;
use crate::{Failure, Global, output, standard};
use keystead::internal::{plain_file, sys};
use rustix::io::Errno;
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Returns whether a path means standard input or output.
pub(crate) fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// A file that is read, or standard input.
pub(crate) struct Input {
    file: File,
    name: PathBuf,
}

impl Input {
    /// Opens it.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let (file, name) = match is_standard(path) {
            true if io::stdin().is_terminal() => {
                return Err(Failure::usage("standard input is the terminal")
                    .hint("name a file, or bring its contents through a pipe"));
            }
            true if standard::input_is_closed() => {
                return Err(Failure::usage("standard input is closed")
                    .hint("name a file, or start the program with its input open"));
            }
            // Without the buffer that the standard library keeps and does not wipe.
            true => (sys::inherited(0), "standard input".into()),
            false => (plain_file::open_named(path), path.to_owned()),
        };
        // A folder can be opened, and fails when it is read.
        let readable = file.and_then(|file| match file.metadata()?.is_dir() {
            true => Err(Errno::ISDIR.into()),
            false => Ok(file),
        });
        let file = readable.map_err(|error| Failure::of_file(&name, &error))?;
        Ok(Self { file, name })
    }

    /// Its length in bytes, where that is known.
    pub(crate) fn len(&self) -> Option<u64> {
        let metadata = self.file.metadata().ok()?;
        metadata.is_file().then_some(metadata.len())
    }

    /// Something about reading it failed.
    pub(crate) fn failed(&self, error: &io::Error) -> Failure {
        Failure::of_file(&self.name, error)
    }

    /// Something is wrong with what is in it.
    pub(crate) fn wrong(&self, failure: &Failure) -> Failure {
        failure.within(self.name.display())
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> impl Read {
        &self.file
    }
}

/// A file that is written, or standard output.
pub(crate) enum Output<'a> {
    /// Standard output.
    Standard(File),
    /// A file that is still called otherwise.
    File {
        /// Its final path.
        path: &'a Path,
        /// The file until then: removed when dropped, or when a signal ends the program.
        temporary: NamedTempFile,
        /// The latter.
        removed: AtASignal,
        /// Set where it may take the place of another.
        force: bool,
    },
}

impl<'a> Output<'a> {
    /// Begins it, with that mode as far as the process's mask allows.
    pub(crate) fn begin(
        global: &Global,
        path: &'a Path,
        mode: u32,
        force: bool,
    ) -> Result<Self, Failure> {
        if is_standard(path) {
            return output::for_data().map(Self::Standard);
        }
        global.check_outside_store(path)?;
        may_appear(path, force)?;
        let mut temporary = tempfile::Builder::new();
        temporary.prefix(".keystead-").permissions(Permissions::from_mode(mode));
        let make = || temporary.tempfile_in(folder_of(path));
        let made = AtASignal::remove(make, |made| std::path::absolute(made.path()));
        let (temporary, removed) = made.map_err(|error| Failure::of_file(path, &error))?;
        Ok(Self::File { path, temporary, removed, force })
    }

    /// Writes the next bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Standard(out) => out.write_all(bytes).map_err(|error| output::lost(&error)),
            Self::File { path, temporary, .. } => {
                temporary.write_all(bytes).map_err(|error| Failure::of_file(path, &error))
            }
        }
    }

    /// Makes it appear, complete and on the disk.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Standard(_) => Ok(()),
            Self::File { path, temporary, removed: _until_then, force } => {
                let failed = |error| Failure::of_file(path, &error);
                temporary.as_file().sync_all().map_err(failed)?;
                let named = match force {
                    true => temporary.persist(path),
                    false => temporary.persist_noclobber(path),
                };
                named.map_err(|refused| failed(refused.error))?;
                keep_name(path).map_err(failed)
            }
        }
    }
}

/// Writes a file that all may read, in the place of what has its name. What a link of that name leads to stays.
pub(crate) fn replace(global: &Global, path: &Path, text: &[u8]) -> Result<(), Failure> {
    let mut file = Output::begin(global, path, 0o666, true)?;
    file.write(text)?;
    file.finish()
}

/// Makes a file's name durable, where the folder permits that.
fn keep_name(path: &Path) -> io::Result<()> {
    match File::open(folder_of(path)).and_then(|folder| folder.sync_all()) {
        Err(error) => match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::InvalidInput | ErrorKind::Unsupported => {
                Ok(())
            }
            _ => Err(error),
        },
        Ok(()) => Ok(()),
    }
}

fn may_appear(path: &Path, force: bool) -> Result<(), Failure> {
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::of_file(path, &error)),
        Ok(there) if !there.is_file() => {
            Err(Failure::new(format_args!("{}: this is no ordinary file", path.display()))
                .hint("`-` in its place is standard output"))
        }
        Ok(_) if force => Ok(()),
        Ok(_) => Err(Failure::new(format_args!("{}: the file exists", path.display()))
            .hint("--force replaces it when the new one is complete")),
    }
}
