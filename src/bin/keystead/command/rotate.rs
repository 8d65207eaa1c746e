//! `keystead rotate`: makes the next version of a generated key, by hand or what is overdue, and sets
//! the schedule.

use crate::client::{SessionMode, TokenArguments};
use crate::explain::code;
use crate::keys::{ListedKey, vendor};
use crate::moment::days;
use crate::name::Name;
use crate::{Failure, Global, output};
use cryptoki::error::RvError;
use cryptoki::mechanism::vendor_defined::VendorDefinedMechanism;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::session::Session;
use keystead::internal::object::properties::ROTATION_DAYS;
use keystead::internal::object::vendor::{
    CKA_KEYSTEAD_KEY_ID, CKA_KEYSTEAD_ROTATION_DAYS, CKM_KEYSTEAD_ROTATE,
};

/// Make the next version of a generated symmetric key, or say when it is to be made
///
/// The newest version encrypts, wraps and makes MACs from then on; what the older ones made is opened
/// and verified as before. A schedule is kept by the first use after the moment; `--due` makes up for
/// what is overdue without waiting for one.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(false).args(["key", "due"]))]
pub(crate) struct Arguments {
    #[command(flatten)]
    token: TokenArguments,
    /// The custom key's alias, key ID or PKCS#11 URI
    #[arg(value_parser = Name::of_key)]
    key: Option<Name>,
    /// Rotate every enabled key that is overdue
    #[arg(long)]
    due: bool,
    /// Set a schedule of so many days, 30 to 365, instead of rotating now
    #[arg(long, value_name = "DAYS", conflicts_with_all = ["never", "due"],
          allow_negative_numbers = true, value_parser = days(ROTATION_DAYS))]
    every: Option<u64>,
    /// End the schedule instead of rotating now
    #[arg(long, conflicts_with = "due")]
    never: bool,
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let session = self.token.log_in_for(global, SessionMode::ReadWrite, self.key.as_ref())?;
        let Some(name) = &self.key else { return overdue(global, &session) };
        let key = ListedKey::chosen(&session, name)?;
        match (self.every, self.never) {
            (Some(days), _) => schedule(&session, &key, days, global, "scheduled"),
            (None, true) => schedule(&session, &key, 0, global, "schedule ended"),
            (None, false) => {
                rotate(&session, &key)?;
                key.again(&session)?.report(global, "rotated")
            }
        }
    }
}

fn schedule(
    session: &Session,
    key: &ListedKey,
    days: u64,
    global: &Global,
    done: &str,
) -> Result<(), Failure> {
    key.check_kept()?;
    let schedule = vendor(CKA_KEYSTEAD_ROTATION_DAYS, &days.to_ne_bytes());
    session.update_attributes(key.object, &[schedule]).map_err(|error| match code(&error) {
        Some(RvError::ActionProhibited) => {
            Failure::refused(format_args!("{} cannot have a schedule", key.shown))
                .hint("only AES and CHACHA20 keys that the token generated rotate on schedule")
        }
        _ => error.into(),
    })?;
    key.again(session)?.report(global, done)
}

fn overdue(global: &Global, session: &Session) -> Result<(), Failure> {
    let now = global.store_time()?.moment();
    let mut rotated = Vec::new();
    for key in ListedKey::all(session)? {
        let due = key.shown.next_rotation.is_some_and(|due| due <= now);
        if due && key.shown.status == "enabled" {
            rotate(session, &key)?;
            rotated.push(key.again(session)?);
        }
    }
    if global.json {
        return output::done_json(&rotated.iter().map(|key| &key.json).collect::<Vec<_>>());
    }
    if rotated.is_empty() {
        return output::done("nothing is overdue");
    }
    rotated.iter().try_for_each(|key| key.report(global, "rotated"))
}

fn rotate(session: &Session, key: &ListedKey) -> Result<(), Failure> {
    let number = MechanismType::new_vendor_defined(CKM_KEYSTEAD_ROTATE)?;
    let rotate = Mechanism::VendorDefined(VendorDefinedMechanism::new::<()>(number, None));
    let named = vendor(CKA_KEYSTEAD_KEY_ID, key.shown.key_id.as_bytes());
    session.generate_key(&rotate, &[named]).map(drop).map_err(|error| match code(&error) {
        Some(RvError::TemplateInconsistent) => {
            Failure::refused(format_args!("{} cannot be rotated", key.shown))
                .hint("only symmetric keys that the token generated have versions")
        }
        Some(RvError::KeyFunctionNotPermitted) => {
            Failure::refused(format_args!("{} is {}", key.shown, key.shown.status))
                .hint("a key is rotated while it is enabled")
        }
        _ => error.into(),
    })
}
