//! The passphrase of key files: asked for when the first file needs it, and kept for the others of the command.

use crate::Failure;
use crate::pin::{EnteredPin, KeyFilePassphrase, PinOptions};
use std::cell::OnceCell;
use std::fmt;

/// The passphrase of the files of one command.
#[derive(clap::Args)]
pub(crate) struct FilePassphrase {
    #[command(flatten)]
    options: KeyFilePassphrase,
    #[arg(skip)]
    entered: OnceCell<EnteredPin>,
}

impl fmt::Debug for FilePassphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.options)
    }
}

impl FilePassphrase {
    /// Returns whether the command line says where it is.
    pub(crate) fn is_given(&self) -> bool {
        self.options.is_given()
    }

    /// Uses it.
    pub(crate) fn with<T>(&self, read: impl FnOnce(&str) -> T) -> Result<T, Failure> {
        if self.entered.get().is_none() {
            // The command has one thread: it is set here alone.
            let _set = self.entered.set(self.options.read()?);
        }
        let entered = self.entered.get().map_or("", EnteredPin::text);
        Ok(read(entered))
    }
}
