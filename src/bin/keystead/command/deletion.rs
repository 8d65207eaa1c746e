//! `keystead schedule-deletion` and `keystead cancel-deletion`: the end of a whole custom key, with
//! time to think better of it.

use crate::client::{Access, Token};
use crate::keys::{CustomKey, vendor};
use crate::{Failure, Global, output};
use clap::builder::RangedU64ValueParser;
use keystead::clock::{Clock, SystemClock};
use keystead::key::state::{DAY, DELETION_DAYS};
use keystead::object::vendor::CKA_KEYSTEAD_DELETION_AT;

/// Let a custom key end, with all its material and metadata, some days from now
///
/// Until then nothing can be done with it but cancelling the deletion. Then its material of every
/// version and its metadata are erased for good.
#[derive(Debug, clap::Args)]
pub struct Schedule {
    #[command(flatten)]
    which: Which,
    /// In how many days, 7 to 1096
    #[arg(long, value_name = "DAYS", value_parser = RangedU64ValueParser::<u64>::new().range(DELETION_DAYS))]
    days: u64,
}

/// Keep a custom key whose deletion is scheduled; it is disabled, or awaits its import, afterwards
#[derive(Debug, clap::Args)]
pub struct Cancel {
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, clap::Args)]
struct Which {
    #[command(flatten)]
    token: Token,
    /// The custom key's alias or key ID
    key: String,
}

impl Schedule {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let at = SystemClock.now().saturating_add(self.days.saturating_mul(DAY));
        self.which.set(global, at, "deletion scheduled")
    }
}

impl Cancel {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        self.which.set(global, 0, "deletion cancelled")
    }
}

impl Which {
    fn set(self, global: &Global, at: u64, done: &str) -> Result<(), Failure> {
        let session = self.token.log_in(global, Access::Change)?;
        let key = CustomKey::named(&session, &self.key)?;
        let deletion = vendor(CKA_KEYSTEAD_DELETION_AT, &at.to_ne_bytes());
        key.set(&session, &[deletion])?;
        let now = key.again(&session)?;
        match (&now.shown.deletion, global.json) {
            (Some(deletion), false) => {
                output::line(format_args!("{done}: {} ends at {deletion}", now.shown))
            }
            (None, false) => {
                output::line(format_args!("{done}: {} is {}", now.shown, now.shown.status))
            }
            (_, true) => output::json(&now.json),
        }
    }
}
