//! `keystead generate`: makes a custom key with material of the token's own, which stays for good.

use super::describe;
use crate::client::{SessionMode, TokenArguments};
use crate::keys::{ListedKey, check_alias, vendor};
use crate::moment::days;
use crate::{Failure, Global, mechanisms};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectHandle};
use cryptoki::session::Session;
use keystead::internal::mechanism::generating;
use keystead::internal::object::kinds::{self, Kind};
use keystead::internal::object::properties::ROTATION_DAYS;
use keystead::internal::object::vendor::{
    CKA_KEYSTEAD_DESCRIPTION, CKA_KEYSTEAD_KEY_ID, CKA_KEYSTEAD_ROTATION_DAYS,
};
use keystead::internal::v3_2::CKA_PARAMETER_SET;

/// Make a custom key whose material the token generates
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
          value_parser = crate::keys::generated_types())]
    key_type: String,
    /// The size in bits; a parameter set has its own [default: 256, or the one that there is]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    bits: Option<u64>,
    /// Days between scheduled rotations, 30 to 365; AES and CHACHA20 keys only
    #[arg(long, value_name = "DAYS", allow_negative_numbers = true, value_parser = days(ROTATION_DAYS))]
    rotate_every: Option<u64>,
}

/// The size of most keys in bits, where none is named.
const USUAL_BITS: u64 = 256;

/// The sizes that there are, for who has asked for another.
const SIZES: &str = "AES has 128, 192 or 256 bits, AES-XTS 512, CHACHA20 256, a secret 8 to 32768";

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        describe::check(&self.description)?;
        let session = self.token.log_in(global, SessionMode::ReadWrite)?;
        check_alias(&session, &self.alias)?;
        let key = self.generate(&session)?;
        let id = AttributeType::VendorDefined(CKA_KEYSTEAD_KEY_ID);
        let found = session.get_attributes(key, &[id])?.pop();
        let Some(Attribute::VendorDefined((_, id))) = found else {
            return Err(Failure::new("the token made an ordinary key, and no custom key")
                .hint("the token was initialised without custody"));
        };
        ListedKey::named(&session, &String::from_utf8_lossy(&id))?.report(global, "generated")
    }

    /// Makes the key: a secret one, or the private half of a pair, whose public half stands beside it.
    fn generate(&self, session: &Session) -> Result<ObjectHandle, Failure> {
        let (mechanism, mut sets) = (self.mechanism()?, self.kind()?.sets().iter());
        let made = match sets.find(|set| set.name.eq_ignore_ascii_case(&self.key_type)) {
            None => {
                let template = [self.template(), vec![self.length()?]].concat();
                session.generate_key(&mechanism, &template)
            }
            Some(_) if self.bits.is_some() => {
                return Err(
                    Failure::new("a parameter set has its own size").hint("leave --bits out")
                );
            }
            Some(set) => {
                let set = vendor(CKA_PARAMETER_SET, &set.number.to_ne_bytes());
                let public = [Attribute::Token(true), Attribute::Private(false), set];
                let pair = session.generate_key_pair(&mechanism, &public, &self.template());
                pair.map(|(_, private)| private)
            }
        };
        made.map_err(|error| self.explained(error))
    }

    fn mechanism(&self) -> Result<Mechanism<'static>, Failure> {
        let generating = generating(self.kind()?.key_type);
        generating.map(mechanisms::bare).ok_or_else(|| Failure::new("no such key is generated"))
    }

    fn kind(&self) -> Result<&'static Kind, Failure> {
        kinds::named(&self.key_type).ok_or_else(|| Failure::new("there is no such type of key"))
    }

    /// Returns the size that is asked for, in bits.
    fn bits(&self) -> Result<u64, Failure> {
        Ok(self.bits.or(self.kind()?.sizes.only()).unwrap_or(USUAL_BITS))
    }

    fn length(&self) -> Result<Attribute, Failure> {
        let bits = self.bits()?;
        let length = bits.is_multiple_of(8).then_some(bits / 8);
        let length =
            length.ok_or_else(|| Failure::new("a size in bits is a multiple of 8").hint(SIZES))?;
        Ok(Attribute::ValueLen(length.into()))
    }

    fn template(&self) -> Vec<Attribute> {
        vec![
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Label(self.alias.clone().into()),
            vendor(CKA_KEYSTEAD_DESCRIPTION, self.description.as_bytes()),
            vendor(CKA_KEYSTEAD_ROTATION_DAYS, &self.rotate_every.unwrap_or(0).to_ne_bytes()),
        ]
    }

    fn explained(&self, error: cryptoki::error::Error) -> Failure {
        use crate::explain::code;
        use cryptoki::error::RvError;
        match code(&error) {
            Some(RvError::KeySizeRange | RvError::AttributeValueInvalid) => {
                let bits = self.bits().unwrap_or_default();
                Failure::new(format_args!("there is no such key of {bits} bits")).hint(SIZES)
            }
            Some(RvError::TemplateInconsistent) if self.rotate_every.is_some() => {
                Failure::new("only AES and CHACHA20 keys rotate on schedule").hint(
                    "programs compare MACs with their own: rotate other keys by hand, \
                     with `keystead rotate`",
                )
            }
            _ => error.into(),
        }
    }
}
