//! The passphrase of key files: asked for when the first file needs it, and kept for the others of the command.

use crate::Failure;
use crate::pin::{EnteredPin, KeyFilePassphrase, PinOptions};
use once_cell::sync::OnceCell;
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
        let entered = self.entered.get_or_try_init(|| self.options.read())?;
        Ok(read(entered.text()))
    }
}
