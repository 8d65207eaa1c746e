//! `keystead enable` and `keystead disable`: whether a custom key may be used.

use crate::client::SessionMode;
use crate::key_choice::KeyChoice;
use crate::keys::vendor;
use crate::{Failure, Global};
use keystead::internal::object::vendor::{CKA_KEYSTEAD_STATUS, STATUS_DISABLED, STATUS_ENABLED};

/// Let a disabled custom key be used again
#[derive(Debug, clap::Args)]
pub(crate) struct Enable {
    #[command(flatten)]
    key: KeyChoice,
}

/// Let a custom key not be used until it is enabled again; its material stays
#[derive(Debug, clap::Args)]
pub(crate) struct Disable {
    #[command(flatten)]
    key: KeyChoice,
}

impl Enable {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        set(&self.key, global, STATUS_ENABLED, "enabled")
    }
}

impl Disable {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        set(&self.key, global, STATUS_DISABLED, "disabled")
    }
}

fn set(key: &KeyChoice, global: &Global, status: u64, done: &str) -> Result<(), Failure> {
    let (session, key) = key.find(global, SessionMode::ReadWrite)?;
    let status = vendor(CKA_KEYSTEAD_STATUS, &status.to_ne_bytes());
    key.set(&session, &[status])?;
    key.again(&session)?.report(global, done)
}
