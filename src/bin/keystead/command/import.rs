//! `keystead import`: brings key material into a custom key.
//!
//! The material takes the way that it takes into somebody else's device: it is wrapped here under an
//! import key's public half and unwrapped by the token, so that it goes through no PKCS#11 call in the
//! clear.

use super::describe;
use crate::client::{Access, Token};
use crate::keys::{self, CustomKey, Shown, check_alias, vendor};
use crate::material::{self, Format};
use crate::moment::{self, Expiry};
use crate::wrapping::ImportKey;
use crate::{Failure, Global, explain};
use cryptoki::error::{Error, RvError};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use jiff::Timestamp;
use keystead::object::kinds::{self, Kind};
use keystead::object::vendor::{
    CKA_KEYSTEAD_CUSTODY, CKA_KEYSTEAD_DESCRIPTION, CKA_KEYSTEAD_EXPIRES_AT, CKA_KEYSTEAD_KEY_ID,
};
use keystead::secret::Secret;
use std::path::PathBuf;

/// Bring key material into a custom key, for the first time or again
///
/// The first import settles which material it is: only the same can be imported again. Importing it
/// while it is present replaces its expiry.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    token: Token,
    /// The custom key's alias or key ID; with --new the alias of a new one
    key: String,
    /// Where the material is; - is standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    /// How the material is written [default: PEM where it is PEM, else raw]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// When the material expires [default: as the custom key was made, else never]
    #[arg(long, value_name = "WHEN", long_help = Expiry::HELP)]
    expires: Option<Expiry>,
    /// Wrap under the import key with that label instead of one made on the fly
    #[arg(long, value_name = "LABEL")]
    import_key: Option<String>,
    /// The material is wrapped already, under that import key: with OAEP-SHA-256, or as
    /// CKM_RSA_AES_KEY_WRAP has it
    #[arg(long, requires = "import_key")]
    wrapped: bool,
    /// Make a new custom key
    #[arg(long)]
    new: bool,
    /// The type of a new key
    #[arg(long = "type", value_name = "TYPE", default_value = "AES", ignore_case = true,
          value_parser = keys::types(), requires = "new")]
    key_type: String,
    /// What a new key is for, at most 255 bytes
    #[arg(long, value_name = "TEXT", requires = "new")]
    description: Option<String>,
}

impl Arguments {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        describe::check(self.description.as_deref().unwrap_or_default())?;
        let begun = Timestamp::now();
        let session = self.token.log_in(global, Access::Change)?;
        let target = self.target(&session)?;
        let name = target.as_ref().map_or(&self.key_type, |key| &key.shown.key_type);
        let kind = kinds::named(name)
            .ok_or_else(|| Failure::new(format_args!("keys of type {name} cannot be imported")))?;
        let material = material::read(&self.file, self.format, kind)?;
        if !self.wrapped {
            check_size(target.as_ref(), material::bits(&material, kind)?)?;
        }
        let imported = self.bring(&session, target.as_ref(), kind, &material)?;
        let key = CustomKey::named(&session, &key_id(&session, imported)?)?;
        let done = match &target {
            None if key.shown.created.as_second() < begun.as_second() => {
                "imported; the key that had this material before is back"
            }
            _ => "imported",
        };
        key.report(global, &format!("{done}, {}", lasting(&key.shown)))
    }

    /// The custom key that the material is for; none with --new.
    fn target(&self, session: &Session) -> Result<Option<CustomKey>, Failure> {
        if self.new {
            check_alias(session, &self.key)?;
            return Ok(None);
        }
        let key = CustomKey::named(session, &self.key)
            .map_err(|failure| failure.also("`--new` makes a custom key"))?;
        match key.shown.origin.as_str() {
            "external" => Ok(Some(key)),
            _ => Err(Failure::new(format_args!(
                "{}: the token made this key's material, and no other can be imported",
                key.shown
            ))),
        }
    }

    fn bring(
        &self,
        session: &Session,
        target: Option<&CustomKey>,
        kind: &Kind,
        material: &Secret,
    ) -> Result<ObjectHandle, Failure> {
        let import_key = match &self.import_key {
            Some(label) => ImportKey::named(session, label)?,
            None => ImportKey::make_passing(session)?,
        };
        let wrapped = match self.wrapped {
            true => material.expose().to_vec(),
            false => import_key.wrap(session, material)?,
        };
        // Now, because making a key takes its time, and an expiry counts from the import.
        let template = self.template(target, kind)?;
        import_key.unwrap(session, &wrapped, &template, |error| self.explained(target, error))
    }

    fn template(&self, target: Option<&CustomKey>, kind: &Kind) -> Result<Vec<Attribute>, Failure> {
        let mut template = vec![
            Attribute::Class(ObjectClass::try_from(kind.class)?),
            Attribute::KeyType(KeyType::try_from(kind.key_type)?),
            Attribute::Token(true),
            vendor(CKA_KEYSTEAD_CUSTODY, &[1]),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
        ];
        match target {
            Some(key) => template.push(vendor(CKA_KEYSTEAD_KEY_ID, key.shown.key_id.as_bytes())),
            None => template.push(Attribute::Label(self.key.as_bytes().to_vec())),
        }
        if let Some(text) = &self.description {
            template.push(vendor(CKA_KEYSTEAD_DESCRIPTION, text.as_bytes()));
        }
        if let Some(expires) = self.expires {
            let at = expires.for_import_now()?;
            template.push(vendor(CKA_KEYSTEAD_EXPIRES_AT, &at.to_ne_bytes()));
        }
        Ok(template)
    }

    /// The token has one code for several refusals; what is known of the key tells them apart.
    fn explained(&self, target: Option<&CustomKey>, error: Error) -> Failure {
        let shown = target.map(|key| &key.shown);
        let known = shown.map(|shown| shown.material.as_str());
        match (explain::code(&error), known) {
            (Some(RvError::TemplateInconsistent), _) if shown.is_some_and(awaits_deletion) => {
                Failure::new("the custom key awaits its deletion")
            }
            (Some(RvError::WrappedKeyInvalid), _) => {
                Failure::new("the material does not open under this import key")
                    .hint("or it is no material for this type and size of key")
            }
            (Some(RvError::TemplateInconsistent), Some("never imported")) if self.wrapped => {
                Failure::new("the material has another size, or another custom key holds it")
                    .hint("`keystead show` shows the size that the key was made for")
            }
            (Some(RvError::TemplateInconsistent), None | Some("never imported")) => {
                Failure::new("another custom key holds this material")
                    .hint("material belongs to one custom key at a time")
            }
            (Some(RvError::TemplateInconsistent), Some(_)) => Failure::new(
                "this is not the material that the custom key had before",
            )
            .hint("only the same material can be imported again; other needs a key of its own"),
            (Some(RvError::AttributeValueInvalid), _) if self.expires.is_none() => {
                Failure::new("the expiry that the custom key was made with has passed")
                    .hint("--expires gives the material another, or `never`")
            }
            (Some(RvError::AttributeValueInvalid), _) => {
                Failure::new("the expiry has passed before the material was there")
            }
            _ => error.into(),
        }
    }
}

fn awaits_deletion(shown: &Shown) -> bool {
    shown.status == "pending deletion"
}

fn check_size(target: Option<&CustomKey>, bits: u64) -> Result<(), Failure> {
    match target.map(|key| &key.shown) {
        Some(shown) if shown.key_bits != 0 && shown.key_bits != bits => {
            let Shown { key_bits, key_type, .. } = shown;
            let told = format_args!(
                "{shown}: it is for {key_type} material of {key_bits} bits, and this has {bits}"
            );
            Err(Failure::new(told))
        }
        _ => Ok(()),
    }
}

/// The key ID of the custom key that an object is material of.
fn key_id(session: &Session, object: ObjectHandle) -> Result<String, Failure> {
    let kind = AttributeType::VendorDefined(CKA_KEYSTEAD_KEY_ID);
    match session.get_attributes(object, &[kind])?.pop() {
        Some(Attribute::VendorDefined((_, id))) => String::from_utf8(id).map_err(Failure::new),
        _ => Err(Failure::new("the token does not say which custom key it was")),
    }
}

fn lasting(shown: &Shown) -> String {
    match shown.expires {
        Some(at) => format!("expires {at} (in {})", moment::left(at, Timestamp::now())),
        None => "never expires".to_owned(),
    }
}
