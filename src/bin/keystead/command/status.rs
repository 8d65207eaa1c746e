//! `keystead enable` and `keystead disable`: whether a custom key may be used.

use crate::client::{SessionMode, TokenArguments};
use crate::keys::{ListedKey, vendor};
use crate::{Failure, Global};
use keystead::internal::object::vendor::{CKA_KEYSTEAD_STATUS, STATUS_DISABLED, STATUS_ENABLED};

/// Let a disabled custom key be used again
#[derive(Debug, clap::Args)]
pub(crate) struct Enable {
    #[command(flatten)]
    which: Which,
}

/// Let a custom key not be used until it is enabled again; its material stays
#[derive(Debug, clap::Args)]
pub(crate) struct Disable {
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, clap::Args)]
struct Which {
    #[command(flatten)]
    token: TokenArguments,
    /// The custom key's alias or key ID
    key: String,
}

impl Enable {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        self.which.set(global, STATUS_ENABLED, "enabled")
    }
}

impl Disable {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        self.which.set(global, STATUS_DISABLED, "disabled")
    }
}

impl Which {
    fn set(self, global: &Global, status: u64, done: &str) -> Result<(), Failure> {
        let session = self.token.log_in(global, SessionMode::ReadWrite)?;
        let key = ListedKey::named(&session, &self.key)?;
        let status = vendor(CKA_KEYSTEAD_STATUS, &status.to_ne_bytes());
        key.set(&session, &[status])?;
        key.again(&session)?.report(global, done)
    }
}
