//! The custom key that a command is about, and the login to its token.

use crate::client::{Login, SessionMode, TokenArguments};
use crate::keys::ListedKey;
use crate::name::Name;
use crate::{Failure, Global};

/// A custom key, and the login to its token.
#[derive(Debug, clap::Args)]
pub(crate) struct KeyChoice {
    #[command(flatten)]
    token: TokenArguments,
    /// The custom key's alias, key ID or PKCS#11 URI
    #[arg(value_name = "KEY", value_parser = Name::of_key)]
    key: Name,
}

impl KeyChoice {
    /// Logs the user in, and finds the key.
    pub(crate) fn find(
        &self,
        global: &Global,
        access: SessionMode,
    ) -> Result<(Login, ListedKey), Failure> {
        let session = self.token.log_in_for(global, access, Some(&self.key))?;
        let key = ListedKey::chosen(&session, &self.key)?;
        Ok((session, key))
    }
}
