//! `keystead describe`: says what a custom key is for.

use crate::client::SessionMode;
use crate::key_choice::KeyChoice;
use crate::keys::vendor;
use crate::{Failure, Global};
use keystead::internal::object::vendor::CKA_KEYSTEAD_DESCRIPTION;
use keystead::internal::text::MAX_TEXT;

/// Say what a custom key is for
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    key: KeyChoice,
    /// The new description, at most 255 bytes; it may be empty
    description: String,
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        check(&self.description)?;
        let (session, key) = self.key.find(global, SessionMode::ReadWrite)?;
        let description = vendor(CKA_KEYSTEAD_DESCRIPTION, self.description.as_bytes());
        key.set(&session, &[description])?;
        key.again(&session)?.report(global, "described")
    }
}

/// Checks that a description is no longer than one may be.
pub(crate) fn check(description: &str) -> Result<(), Failure> {
    match description.len() {
        0..=MAX_TEXT => Ok(()),
        length => Err(Failure::usage(format_args!("the description has {length} bytes"))
            .hint(format_args!("it has at most {MAX_TEXT}"))),
    }
}
