//! `keystead schedule-deletion` and `keystead cancel-deletion`: the end of a whole custom key, with
//! time to think better of it.

use crate::client::SessionMode;
use crate::key_choice::KeyChoice;
use crate::keys::{ListedKey, vendor};
use crate::moment::days;
use crate::uses::RecentUses;
use crate::{Failure, Global, output};
use cryptoki::session::Session;
use keystead::internal::key::state::{DAY, DELETION_DAYS};
use keystead::internal::object::vendor::CKA_KEYSTEAD_DELETION_AT;

/// Let a custom key end, with all its material and metadata, some days from now
///
/// Where it was used in the last 90 days, that is said: `keystead show` says it before. Until its end nothing can be
/// done with it but cancelling the deletion. Then its material of every
/// version and its metadata are erased for good.
#[derive(Debug, clap::Args)]
pub(crate) struct ScheduleDeletion {
    #[command(flatten)]
    key: KeyChoice,
    /// In how many days, 7 to 1096
    #[arg(long, value_name = "DAYS", allow_negative_numbers = true, value_parser = days(DELETION_DAYS))]
    days: u64,
}

/// Keep a custom key whose deletion is scheduled; it is disabled, or awaits its import, afterwards
#[derive(Debug, clap::Args)]
pub(crate) struct CancelDeletion {
    #[command(flatten)]
    key: KeyChoice,
}

impl ScheduleDeletion {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let (session, key) = self.key.find(global, SessionMode::ReadWrite)?;
        let uses = RecentUses::of(global, &key.shown.key_id)?;
        let at = global.store_time()?.now().saturating_add(self.days.saturating_mul(DAY));
        set(global, &session, &key, at, "deletion scheduled")?;
        match (uses, global.json) {
            (RecentUses::Unused, _) | (_, true) => Ok(()),
            (uses, false) => output::line(uses).map_err(output::though_done),
        }
    }
}

impl CancelDeletion {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let (session, key) = self.key.find(global, SessionMode::ReadWrite)?;
        match key.shown.deletion {
            Some(_) => set(global, &session, &key, 0, "deletion cancelled"),
            None => Err(Failure::new(format_args!("{}: no deletion is scheduled", key.shown))
                .hint("`keystead list` shows which keys are to be deleted")),
        }
    }
}

fn set(
    global: &Global,
    session: &Session,
    key: &ListedKey,
    at: u64,
    done: &str,
) -> Result<(), Failure> {
    let deletion = vendor(CKA_KEYSTEAD_DELETION_AT, &at.to_ne_bytes());
    key.set(session, &[deletion])?;
    let now = key.again(session)?;
    match (&now.shown.deletion, global.json) {
        (Some(deletion), false) => {
            output::done(format_args!("{done}: {} ends at {deletion}", now.shown))
        }
        (None, false) => {
            output::done(format_args!("{done}: {} is {}", now.shown, now.shown.status))
        }
        (_, true) => output::done_json(&now.json),
    }
}
