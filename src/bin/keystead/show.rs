//! `keystead show`: everything about one custom key.

use crate::client::{Access, Token, custom_key, metadata};
use crate::{Failure, Global};
use std::io::{self, Write};

/// Show everything about one custom key, as JSON
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    token: Token,
    /// The custom key's alias or key ID
    key: String,
}

impl Arguments {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let session = self.token.log_in(global, Access::Look)?;
        let json = metadata(&session, custom_key(&session, &self.key)?)?;
        let mut out = io::stdout().lock();
        out.write_all(&json)?;
        Ok(out.write_all(b"\n")?)
    }
}
