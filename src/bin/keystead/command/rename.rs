//! `keystead rename`: gives a custom key another alias.

use crate::client::SessionMode;
use crate::key_choice::KeyChoice;
use crate::keys::check_alias;
use crate::{Failure, Global, public_key};
use cryptoki::object::Attribute;

/// Give a custom key another alias, under which its material is found too
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    key: KeyChoice,
    /// Its new alias, 1 to 255 bytes; no other custom key may have it
    alias: String,
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let (session, key) = self.key.find(global, SessionMode::ReadWrite)?;
        if key.shown.label() != self.alias.as_bytes() {
            check_alias(&session, &self.alias)?;
            key.set(&session, &[Attribute::Label(self.alias.clone().into())])?;
            public_key::rename(&session, &key, &self.alias)?;
        }
        key.again(&session)?.report(global, "renamed")
    }
}
