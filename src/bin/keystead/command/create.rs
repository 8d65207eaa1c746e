//! `keystead create`: makes an empty custom key, which waits for its first import.

use super::{describe, set_expiry};
use crate::client::{SessionMode, TokenArguments};
use crate::keys::{ListedKey, check_alias};
use crate::moment::ExpiryArgument;
use crate::{Failure, Global};
use cryptoki::object::{Attribute, ObjectClass};
use keystead::internal::object::vendor::APPLICATION;
use serde_json::{Map, Value};

/// Make an empty custom key: metadata that waits for material
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    token: TokenArguments,
    /// The custom key's alias, 1 to 255 bytes; no other custom key may have it
    alias: String,
    /// Its purpose, at most 255 bytes
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    /// The type of key
    #[arg(long = "type", value_name = "TYPE", default_value = "AES", ignore_case = true,
          value_parser = crate::keys::types())]
    key_type: String,
    /// The size in bits that its material must have [default: any its type can have]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    bits: Option<u64>,
    /// When the material of each import expires, unless that says otherwise; `keystead set-expiry`
    /// changes it
    #[arg(long, value_name = "WHEN", long_help = ExpiryArgument::HELP, allow_hyphen_values = true)]
    expires: Option<ExpiryArgument>,
    /// The fate of the material then: it is erased, or goes on to decrypt, verify, unwrap and
    /// decapsulate only
    /// [default: erase]
    #[arg(long, value_name = "ACTION", value_parser = ["erase", "read-only"], requires = "expires")]
    expiry_action: Option<String>,
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        describe::check(&self.description)?;
        let json = self.json()?;
        let session = self.token.log_in(global, SessionMode::ReadWrite)?;
        check_alias(&session, &self.alias)?;
        let object = session
            .create_object(&[
                Attribute::Class(ObjectClass::DATA),
                Attribute::Token(true),
                Attribute::Application(APPLICATION.to_vec()),
                Attribute::Value(json),
            ])
            .map_err(|error| self.explained(global, error))?;
        ListedKey::read(&session, object)?.report(global, "created")
    }

    /// Returns the JSON that `object::json` reads.
    fn json(&self) -> Result<Vec<u8>, Failure> {
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        put("alias", self.alias.clone().into());
        put("description", self.description.clone().into());
        put("key_type", self.key_type.clone().into());
        if let Some(bits) = self.bits {
            put("key_bits", bits.into());
        }
        if let Some(expires) = self.expires {
            fields.extend(set_expiry::members(expires, self.expiry_action.as_deref())?);
        }
        serde_json::to_vec(&fields).map_err(Failure::new)
    }

    fn explained(&self, global: &Global, error: cryptoki::error::Error) -> Failure {
        use crate::explain::code;
        use cryptoki::error::RvError;
        let late = || self.expires.and(global.store_time().ok()?.refused());
        let late = (code(&error) == Some(RvError::AttributeValueInvalid)).then(late).flatten();
        match (code(&error), self.bits) {
            _ if late.is_some() => late.unwrap_or_else(|| error.into()),
            (Some(RvError::KeySizeRange | RvError::AttributeValueInvalid), Some(bits)) => {
                let failure = Failure::usage(format_args!(
                    "there is no {} key of {bits} bits",
                    self.key_type
                ));
                match self.key_type.as_str() {
                    "RSA" => failure.hint("RSA has 8192 bits at most, and 2048 at least unless `rsa_minimum` says otherwise"),
                    _ => failure.hint("AES has 128, 192 or 256 bits, AES-XTS 512, CHACHA20 256, a secret 8 to 32768, a curve its own"),
                }
            }
            _ => error.into(),
        }
    }
}
