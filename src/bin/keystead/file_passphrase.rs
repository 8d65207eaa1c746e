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

/// The failure of a passphrase that does not open a file.
pub(crate) fn wrong() -> Failure {
    Failure::of_pin("the passphrase of the key's file is wrong")
        .hint("it is the file's own, and no PIN of the token's")
}

/// The refusal of a file that asks for more than is done for a passphrase.
pub(crate) fn too_costly(hint: &str) -> Failure {
    Failure::new("to open it with its passphrase takes more time or memory than is spent on one")
        .hint(hint)
}
