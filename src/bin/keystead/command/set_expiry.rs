//! `keystead set-expiry`: changes the expiry that a custom key has of its own.

use crate::client::SessionMode;
use crate::explain::code;
use crate::key_choice::KeyChoice;
use crate::moment::ExpiryArgument;
use crate::{Failure, Global, output};
use cryptoki::error::RvError;
use cryptoki::object::Attribute;
use serde_json::{Map, Value};

/// Say when the material of each import into a custom key expires, unless the import says otherwise
///
/// Material that is present keeps the expiry it has: importing it again gives it the new one.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    key: KeyChoice,
    /// When it expires: a day, a moment, a time after each import, or never
    #[arg(value_name = "WHEN", long_help = ExpiryArgument::HELP, allow_hyphen_values = true)]
    expires: ExpiryArgument,
    /// The fate of the material then: it is erased, or goes on to decrypt, verify, unwrap and
    /// decapsulate only
    /// [default: as it was, else erase]
    #[arg(long, value_name = "ACTION", value_parser = ["erase", "read-only"])]
    expiry_action: Option<String>,
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let mut members = members(self.expires, self.expiry_action.as_deref())?;
        if members.is_empty() {
            members.insert("expires".to_owned(), Value::Null);
        }
        let json = serde_json::to_vec(&members).map_err(Failure::new)?;
        let (session, key) = self.key.find(global, SessionMode::ReadWrite)?;
        if key.shown.origin != "external" {
            let message = format_args!("{}: the token made this key's material", key.shown);
            return Err(Failure::refused(message).hint("what is generated never expires"));
        }
        let time = global.store_time()?;
        if let Err(error) = session.update_attributes(key.object, &[Attribute::Value(json)]) {
            let refused = time.refused().filter(|_| is_late(&error));
            return Err(key.check_kept().err().or(refused).unwrap_or_else(|| error.into()));
        }
        let (key, now) = (key.again(&session)?, time.moment());
        key.report(global, &format!("from now on {}", key.shown.next_import(now)))?;
        match key.shown.waits() || global.json {
            true => Ok(()),
            false => output::done(format_args!(
                "the material that is present {}",
                key.shown.lasting(now)
            )),
        }
    }
}

fn is_late(error: &cryptoki::error::Error) -> bool {
    code(error) == Some(RvError::AttributeValueInvalid)
}

/// The members of a custom key's JSON that give it an expiry; none for never.
pub(crate) fn members(
    expires: ExpiryArgument,
    action: Option<&str>,
) -> Result<Map<String, Value>, Failure> {
    let (name, value) = match expires {
        ExpiryArgument::Never if action.is_some() => {
            return Err(Failure::usage("it never expires, so that nothing happens at its expiry")
                .hint("an expiry action goes with an expiry"));
        }
        ExpiryArgument::Never => return Ok(Map::new()),
        ExpiryArgument::At(moment) => ("expires", moment.to_string()),
        ExpiryArgument::After(seconds) => ("expires_in", format!("{seconds}s")),
    };
    let action = action.map(|action| ("expiry_action", action.to_owned()));
    let members = [(name, value)].into_iter().chain(action);
    Ok(members.map(|(name, value)| (name.to_owned(), value.into())).collect())
}
