//! `keystead generate`: makes a custom key with material of the token's own, which stays for good.

use super::describe;
use crate::client::{SessionMode, TokenArguments};
use crate::identifier::Identifier;
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
use pkcs11_sys::{CKK_EC, CKK_EC_EDWARDS, CKK_EC_MONTGOMERY, CKK_RSA, CKO_SECRET_KEY};

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
    /// The size in bits; curves and parameter sets have their own [default: 3072 for RSA, else 256 or the one
    /// that there is]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    bits: Option<u64>,
    /// The curve of an EC key [default: p-256]
    #[arg(long, value_enum, ignore_case = true, value_name = "CURVE")]
    curve: Option<Curve>,
    /// The `CKA_ID` of the key, or of both halves of a pair, in hexadecimal [default: a random one]
    #[arg(long, value_name = "HEX", value_parser = Identifier::parse)]
    id: Option<Identifier>,
    /// Days between scheduled rotations, 30 to 365; AES and CHACHA20 keys only
    #[arg(long, value_name = "DAYS", allow_negative_numbers = true, value_parser = days(ROTATION_DAYS))]
    rotate_every: Option<u64>,
}

/// The curves of EC keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Curve {
    #[value(name = "p-224")]
    P224,
    #[value(name = "p-256")]
    P256,
    #[value(name = "p-384")]
    P384,
    #[value(name = "p-521")]
    P521,
    Secp256k1,
}

impl Curve {
    /// Returns its object identifier in DER (RFC 5480, SEC 2).
    const fn identifier(self) -> &'static [u8] {
        match self {
            Self::P224 => b"\x06\x05\x2B\x81\x04\x00\x21",
            Self::P256 => b"\x06\x08\x2A\x86\x48\xCE\x3D\x03\x01\x07",
            Self::P384 => b"\x06\x05\x2B\x81\x04\x00\x22",
            Self::P521 => b"\x06\x05\x2B\x81\x04\x00\x23",
            Self::Secp256k1 => b"\x06\x05\x2B\x81\x04\x00\x0A",
        }
    }
}

/// id-Ed25519 and id-X25519 in DER (RFC 8410).
const ED25519: &[u8] = b"\x06\x03\x2B\x65\x70";
const X25519: &[u8] = b"\x06\x03\x2B\x65\x6E";

/// The size of most keys in bits, where none is named, and of RSA keys.
const USUAL_BITS: u64 = 256;
const USUAL_RSA_BITS: u64 = 3072;

/// The sizes that there are, for who has asked for another.
const SIZES: &str = "AES has 128, 192 or 256 bits, AES-XTS 512, CHACHA20 256, a secret 8 to 32768, RSA 2048 to 8192";

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
        let (mechanism, kind) = (self.mechanism()?, self.kind()?);
        if self.curve.is_some() && kind.key_type != CKK_EC {
            return Err(Failure::usage("only EC keys have a --curve").hint("--type ec names them"));
        }
        let made = match kind.class {
            CKO_SECRET_KEY => {
                let template = [self.template(), vec![self.length()?]].concat();
                session.generate_key(&mechanism, &template)
            }
            _ => {
                let both = [Attribute::Token(true), Attribute::Private(false)];
                let public = [&both[..], &self.parameters(kind)?, &self.identifier()].concat();
                let pair = session.generate_key_pair(&mechanism, &public, &self.template());
                pair.map(|(_, private)| private)
            }
        };
        made.map_err(|error| self.explained(error))
    }

    /// Returns the size, the curve or the parameter set of a pair.
    fn parameters(&self, kind: &Kind) -> Result<Vec<Attribute>, Failure> {
        let mut sets = kind.sets().iter();
        let set = sets.find(|set| set.name.eq_ignore_ascii_case(&self.key_type));
        if kind.key_type == CKK_RSA {
            let bits = Attribute::ModulusBits(self.bits()?.into());
            return Ok(vec![bits, Attribute::PublicExponent(vec![1, 0, 1])]);
        }
        if self.bits.is_some() {
            let what = if set.is_some() { "a parameter set" } else { "a curve" };
            return Err(Failure::usage(format_args!("{what} has its own size"))
                .hint("leave --bits out; --curve p-384 names another curve than P-256"));
        }
        Ok(vec![match (set, kind.key_type) {
            (Some(set), _) => vendor(CKA_PARAMETER_SET, &set.number.to_ne_bytes()),
            (None, CKK_EC_EDWARDS) => Attribute::EcParams(ED25519.to_vec()),
            (None, CKK_EC_MONTGOMERY) => Attribute::EcParams(X25519.to_vec()),
            (None, _) => {
                Attribute::EcParams(self.curve.unwrap_or(Curve::P256).identifier().to_vec())
            }
        }])
    }

    fn identifier(&self) -> Vec<Attribute> {
        self.id.iter().map(|id| Attribute::Id(id.bytes().to_vec())).collect()
    }

    fn mechanism(&self) -> Result<Mechanism<'static>, Failure> {
        let generating = generating(self.kind()?.key_type);
        generating.map(mechanisms::bare).ok_or_else(|| Failure::usage("no such key is generated"))
    }

    fn kind(&self) -> Result<&'static Kind, Failure> {
        kinds::named(&self.key_type).ok_or_else(|| Failure::usage("there is no such type of key"))
    }

    /// Returns the size that is asked for, in bits.
    fn bits(&self) -> Result<u64, Failure> {
        let kind = self.kind()?;
        let usual = if kind.key_type == CKK_RSA { USUAL_RSA_BITS } else { USUAL_BITS };
        Ok(self.bits.or(kind.sizes.only()).unwrap_or(usual))
    }

    fn length(&self) -> Result<Attribute, Failure> {
        let bits = self.bits()?;
        let length = bits.is_multiple_of(8).then_some(bits / 8);
        let length = length
            .ok_or_else(|| Failure::usage("a size in bits is a multiple of 8").hint(SIZES))?;
        Ok(Attribute::ValueLen(length.into()))
    }

    fn template(&self) -> Vec<Attribute> {
        let mut template = vec![
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Label(self.alias.clone().into()),
            vendor(CKA_KEYSTEAD_DESCRIPTION, self.description.as_bytes()),
            vendor(CKA_KEYSTEAD_ROTATION_DAYS, &self.rotate_every.unwrap_or(0).to_ne_bytes()),
        ];
        template.extend(self.identifier());
        template
    }

    fn explained(&self, error: cryptoki::error::Error) -> Failure {
        use crate::explain::code;
        use cryptoki::error::RvError;
        match code(&error) {
            Some(RvError::KeySizeRange | RvError::AttributeValueInvalid) => {
                let bits = self.bits().unwrap_or_default();
                Failure::usage(format_args!("there is no such key of {bits} bits")).hint(SIZES)
            }
            Some(RvError::TemplateInconsistent) if self.rotate_every.is_some() => {
                Failure::usage("only AES and CHACHA20 keys rotate on schedule").hint(
                    "programs compare MACs with their own: rotate other keys by hand, \
                     with `keystead rotate`",
                )
            }
            _ => error.into(),
        }
    }
}
