//! `keystead delete-material`: erases imported material; the custom key stays.

use crate::client::SessionMode;
use crate::key_choice::KeyChoice;
use crate::{Failure, Global, output, public_key};

/// Erase a custom key's imported material; the custom key and its metadata stay
///
/// Only the same material can be imported again. A private key's public key object stays too.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    key: KeyChoice,
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let (session, key) = self.key.find(global, SessionMode::ReadWrite)?;
        if key.shown.origin == "generated" {
            let message = format_args!("{}: the token made this key's material", key.shown);
            return Err(Failure::refused(message)
                .hint("such material is never deleted by hand; `keystead disable` stops its use"));
        }
        key.check_kept()?;
        let material = key.material(&session)?;
        if material.is_empty() {
            let message =
                format_args!("{}: there is no material: {}", key.shown, key.shown.material);
            let hint =
                "nothing is to be done; `keystead audit --key KEY` tells what happened to it";
            return Err(Failure::not_found(message).hint(hint));
        }
        let readable = public_key::is_beside(&session, &key)?;
        for object in material {
            session.destroy_object(object)?;
        }
        key.again(&session)?.report(global, "material deleted")?;
        match readable && !global.json {
            true => output::done(format_args!("what stays: {}", public_key::READABLE)),
            false => Ok(()),
        }
    }
}
