//! One import: material on its way into a custom key, or beside it to be compared. What `import` and
//! `import-many` share.

use crate::keys::{ListedKey, Shown, vendor};
use crate::material;
use crate::moment::ExpiryArgument;
use crate::name::Name;
use crate::source_material::SourceMaterial;
use crate::store_time::StoreTime;
use crate::wrapping::ImportKey;
use crate::{Failure, explain};
use cryptoki::error::{Error, RvError};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use jiff::Timestamp;
use keystead::internal::clock::exact_timestamp;
use keystead::internal::key::ExpiryAction;
use keystead::internal::key::policy::WRAPPING_RSA;
use keystead::internal::object::import_only;
use keystead::internal::object::kinds::{self, Kind};
use keystead::internal::object::vendor::{
    ACTION_ERASE, ACTION_READ_ONLY, CKA_KEYSTEAD_CUSTODY, CKA_KEYSTEAD_DESCRIPTION,
    CKA_KEYSTEAD_EXPIRES_AT, CKA_KEYSTEAD_EXPIRY_ACTION, CKA_KEYSTEAD_KEY_BITS,
    CKA_KEYSTEAD_KEY_ID,
};
use pkcs11_sys::{CKA_KEY_TYPE, CKK_AES, CKK_RSA};
use std::cell::Cell;

/// The destination of material, and the wishes for it.
pub(crate) struct ImportRequest<'a> {
    /// The custom key that it is for; none for a new one.
    pub target: Option<&'a ListedKey>,
    /// The alias of a new custom key.
    pub alias: &'a str,
    /// The `CKA_ID` of a new custom key.
    pub id: Option<&'a [u8]>,
    /// The kind of key that it is.
    pub kind: &'static Kind,
    /// The size in bits, where the name of its type says it.
    pub bits: Option<u64>,
    /// The expiry; without one, as the custom key itself has it.
    pub expires: Option<ExpiryArgument>,
    /// The action at the expiry; without one, as the custom key itself has it, else erasing.
    pub action: Option<ExpiryAction>,
    /// The description of a new custom key.
    pub description: Option<&'a str>,
    /// The time by which it expires.
    pub time: StoreTime,
}

impl ImportRequest<'_> {
    /// Checks that the custom key may take any material, and this, as far as can be known without a
    /// token.
    pub(crate) fn check(&self, material: &SourceMaterial) -> Result<(), Failure> {
        if let Some(ListedKey { shown, .. }) = self.target
            && shown.origin != "external"
        {
            return Err(Failure::refused(format_args!(
                "{shown}: the token made this key's material, and no other can be imported"
            ))
            .hint("import it under another alias"));
        }
        match material {
            SourceMaterial::Plain(material) => {
                let bits = material::bits(material, self.kind)?;
                self.check_named(bits).and_then(|()| check_size(self.target, bits))
            }
            SourceMaterial::Wrapped(..) => Ok(()),
        }
    }

    /// Refuses material of another parameter set than the name of its type says.
    fn check_named(&self, bits: u64) -> Result<(), Failure> {
        match self.target {
            None => check_named(self.kind, self.bits, bits),
            Some(_) => Ok(()),
        }
    }

    /// Refuses an own expiry of the custom key's that has passed, and what is to happen at an expiry where
    /// there is none.
    pub(crate) fn check_expiry(&self) -> Result<(), Failure> {
        let own = self.target.and_then(|key| key.shown.own_expiry());
        let passed = |at: &Timestamp| *at <= self.time.moment();
        match (self.expires.or(own), self.action) {
            (Some(ExpiryArgument::At(at)), _) if self.expires.is_none() && passed(&at) => {
                Err(own_expiry_passed(at))
            }
            (None | Some(ExpiryArgument::Never), Some(_)) => {
                Err(Failure::usage("it never expires, so that nothing happens at its expiry")
                    .hint("an expiry action goes with an expiry"))
            }
            _ => Ok(()),
        }
    }

    /// Brings it in.
    pub(crate) fn bring(
        &self,
        session: &Session,
        by: &ImportKey,
        material: &SourceMaterial,
    ) -> Result<ObjectHandle, Failure> {
        let explain = |error| self.explained(material, error);
        self.unwrap(session, by, material, || self.template(), explain)
    }

    /// Refuses other material than the custom key was imported with; nothing changes.
    pub(crate) fn compare(
        &self,
        session: &Session,
        by: &ImportKey,
        material: &SourceMaterial,
        key: &ListedKey,
    ) -> Result<(), Failure> {
        match self.is_of(session, by, material, key)? {
            true => Ok(()),
            false => Err(other_material()),
        }
    }

    /// Refuses a new key where one of these has lost just this material: the token would bring that one
    /// back, and give it the new one's alias.
    pub(crate) fn check_new(
        &self,
        session: &Session,
        by: &ImportKey,
        material: &SourceMaterial,
        lost: &[ListedKey],
    ) -> Result<(), Failure> {
        let bits = match material {
            SourceMaterial::Plain(material) => Some(material::bits(material, self.kind)?),
            SourceMaterial::Wrapped(..) => None,
        };
        let may_be = |shown: &Shown| {
            self.kind.names().any(|name| name == shown.key_type)
                && bits.is_none_or(|bits| bits == shown.key_bits)
        };
        for key in lost.iter().filter(|key| may_be(&key.shown)) {
            if self.is_of(session, by, material, key)? {
                return Err(Failure::refused(format_args!("{} had this material", key.shown))
                    .hint("material belongs to one custom key: import it under that alias"));
            }
        }
        Ok(())
    }

    fn is_of(
        &self,
        session: &Session,
        by: &ImportKey,
        material: &SourceMaterial,
        key: &ListedKey,
    ) -> Result<bool, Failure> {
        let other = Cell::new(false);
        let explain = |error| {
            other.set(explain::code(&error) == Some(RvError::TemplateInconsistent));
            self.explained(material, error)
        };
        match self.unwrap(session, by, material, || comparison(self.kind, key), explain) {
            Ok(made) => Ok(session.destroy_object(made).map(|()| true)?),
            Err(_) if other.get() => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// The template is made last, because wrapping takes its time, and an expiry counts from the
    /// import.
    fn unwrap(
        &self,
        session: &Session,
        by: &ImportKey,
        material: &SourceMaterial,
        template: impl Fn() -> Result<Vec<Attribute>, Failure>,
        explain: impl Fn(Error) -> Failure,
    ) -> Result<ObjectHandle, Failure> {
        let transfer = match material {
            SourceMaterial::Plain(material) => by.wrap(session, material)?,
            SourceMaterial::Wrapped(form, texts) => {
                let texts: Vec<&[u8]> = texts.iter().map(|text| text.as_slice()).collect();
                form.read(&texts, &by.public(session)?)?
            }
        };
        by.unwrap(session, &transfer, &template()?, explain)
    }

    fn template(&self) -> Result<Vec<Attribute>, Failure> {
        let mut template = vec![Attribute::Token(true), vendor(CKA_KEYSTEAD_CUSTODY, &[1])];
        template.extend(protected(self.kind)?);
        match self.target {
            Some(key) => template.push(named(key)),
            None => template.push(Attribute::Label(self.alias.as_bytes().to_vec())),
        }
        if let (None, Some(id)) = (self.target, self.id) {
            template.push(Attribute::Id(id.to_vec()));
        }
        // What is wrapped only the token sees.
        if let (None, Some(bits)) = (self.target, self.bits) {
            template.push(vendor(CKA_KEYSTEAD_KEY_BITS, &bits.to_ne_bytes()));
        }
        if let Some(text) = self.description {
            template.push(vendor(CKA_KEYSTEAD_DESCRIPTION, text.as_bytes()));
        }
        if let Some(expires) = self.expires {
            let at = expires.for_import(self.time.now())?;
            template.push(vendor(CKA_KEYSTEAD_EXPIRES_AT, &at.to_ne_bytes()));
        }
        if let Some(action) = self.action {
            let number = match action {
                ExpiryAction::Erase => ACTION_ERASE,
                ExpiryAction::ReadOnly => ACTION_READ_ONLY,
            };
            template.push(vendor(CKA_KEYSTEAD_EXPIRY_ACTION, &number.to_ne_bytes()));
        }
        Ok(template)
    }

    /// Returns whether it is an RSA key that no token takes unless it is configured.
    fn is_short(&self, material: &SourceMaterial) -> bool {
        let SourceMaterial::Plain(material) = material else { return false };
        self.kind.key_type == CKK_RSA
            && material::bits(material, self.kind).is_ok_and(|bits| bits < WRAPPING_RSA)
    }

    /// The token has one code for several refusals; what is known of the key tells them apart.
    fn explained(&self, material: &SourceMaterial, error: Error) -> Failure {
        let shown = self.target.map(|key| &key.shown);
        let known = shown.map(|shown| shown.material.as_str());
        match (explain::code(&error), known) {
            (Some(RvError::TemplateInconsistent), _) if shown.is_some_and(awaits_deletion) => {
                Failure::refused("the custom key awaits its deletion")
                    .hint("`keystead cancel-deletion` keeps it")
            }
            (Some(RvError::MechanismInvalid), _) => Failure::refused(
                "this import key takes no material in that form",
            )
            .hint("`keystead import-key --form` says which an import key takes: oaep unless told"),
            (Some(RvError::WrappedKeyInvalid | RvError::WrappedKeyLenRange), _)
                if self.is_short(material) =>
            {
                Failure::new("the RSA key is shorter than the token takes").hint(
                    "`rsa_minimum` in the configuration says what it takes: 2048 bits, unless told",
                )
            }
            (Some(RvError::WrappedKeyInvalid | RvError::WrappedKeyLenRange), _) => Failure::new(
                "the material does not open under this import key",
            )
            .hint(match self.target.is_none() && self.kind.key_type == CKK_AES {
                true => {
                    "or it is no AES key's, which a new key is unless --type says otherwise, or \
                             wrapped in another form"
                }
                false => {
                    "or it is no material for this type and size of key, or wrapped in another form"
                }
            }),
            (Some(RvError::TemplateInconsistent), Some("never imported"))
                if material.is_wrapped() =>
            {
                Failure::refused("the material has another size, or is another custom key's")
                    .hint("`keystead show` shows the size that the key was made for")
            }
            (Some(RvError::TemplateInconsistent), None)
                if material.is_wrapped() && self.bits.is_some() =>
            {
                let said = self.kind.called(self.bits.unwrap_or_default());
                Failure::refused(format_args!(
                    "this is no {said} key's material, or it is another custom key's"
                ))
                .hint("--type says which it is, and `keystead wrap` said what it wrapped")
            }
            (Some(RvError::TemplateInconsistent), None | Some("never imported")) => {
                Failure::refused("this material is another custom key's")
                    .hint("material belongs to one custom key for good")
            }
            (Some(RvError::TemplateInconsistent), Some(_)) => other_material(),
            (Some(RvError::AttributeValueInvalid), _) if self.time.refused().is_some() => {
                self.time.refused().unwrap_or_else(|| error.into())
            }
            (Some(RvError::AttributeValueInvalid), _) => {
                Failure::refused("the expiry has passed before the material was there")
                    .hint("--expires gives it a later one, or `never`")
            }
            _ => error.into(),
        }
    }
}

/// Refuses material of another size than the name of its type says, where that says one.
pub(crate) fn check_named(kind: &Kind, said: Option<u64>, bits: u64) -> Result<(), Failure> {
    match said {
        Some(said) if said != bits => {
            let (said, found) = (kind.called(said), kind.called(bits));
            Err(Failure::usage(format_args!("this is no {said} key's material, but {found}'s"))
                .hint("--type says which it is"))
        }
        _ => Ok(()),
    }
}

/// Returns the template of a session key that can do nothing: the token makes it of the named custom key's
/// material only.
pub(crate) fn comparison(kind: &Kind, key: &ListedKey) -> Result<Vec<Attribute>, Failure> {
    let mut template = vec![Attribute::Token(false), named(key)];
    template.extend(import_only::usages_of(kind.class).map(|flag| vendor(flag, &[0])));
    template.extend(protected(kind)?);
    Ok(template)
}

fn protected(kind: &Kind) -> Result<[Attribute; 5], Failure> {
    Ok([
        Attribute::Class(ObjectClass::try_from(kind.class)?),
        // The client crate has no name for some of the types.
        vendor(CKA_KEY_TYPE, &kind.key_type.to_ne_bytes()),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
    ])
}

/// The import key of that name, or one for this session.
pub(crate) fn import_key(session: &Session, name: Option<&Name>) -> Result<ImportKey, Failure> {
    match name {
        Some(name) => ImportKey::named(session, name),
        None => ImportKey::make_passing(session),
    }
}

/// The kind of key that a type's name means.
pub(crate) fn kind(name: &str) -> Result<&'static Kind, Failure> {
    kinds::named(name).ok_or_else(|| {
        Failure::new(format_args!("keys of type {name} cannot be imported"))
            .hint("`keystead help import` says which types there are")
    })
}

/// Returns the expiry of an object that is material.
pub(crate) fn expires(
    session: &Session,
    object: ObjectHandle,
) -> Result<Option<Timestamp>, Failure> {
    let kind = AttributeType::VendorDefined(CKA_KEYSTEAD_EXPIRES_AT);
    let second = match session.get_attributes(object, &[kind])?.pop() {
        Some(Attribute::VendorDefined((_, bytes))) => bytes.try_into().ok().map(u64::from_ne_bytes),
        _ => None,
    };
    let second = second.ok_or_else(|| Failure::new("the token does not say when it expires"))?;
    (second != 0).then(|| Ok(exact_timestamp(second)?)).transpose()
}

/// The key ID of the custom key that an object is material of.
pub(crate) fn key_id(session: &Session, object: ObjectHandle) -> Result<String, Failure> {
    let kind = AttributeType::VendorDefined(CKA_KEYSTEAD_KEY_ID);
    match session.get_attributes(object, &[kind])?.pop() {
        Some(Attribute::VendorDefined((_, id))) => String::from_utf8(id).map_err(Failure::new),
        _ => Err(Failure::new("the token does not say which custom key it was")
            .hint("`keystead list` shows them")),
    }
}

fn named(key: &ListedKey) -> Attribute {
    vendor(CKA_KEYSTEAD_KEY_ID, key.shown.key_id.as_bytes())
}

fn own_expiry_passed(at: Timestamp) -> Failure {
    Failure::refused(format_args!("the custom key's own expiry, {at}, has passed")).hint(
        "--expires gives this import another, or `never`; `keystead set-expiry` gives it to the key",
    )
}

fn other_material() -> Failure {
    Failure::refused("this is not the material that the custom key had before")
        .hint("only the same material can be imported again; other needs a key of its own")
}

fn awaits_deletion(shown: &Shown) -> bool {
    shown.status == "pending deletion"
}

fn check_size(target: Option<&ListedKey>, bits: u64) -> Result<(), Failure> {
    match target.map(|key| &key.shown) {
        Some(shown) if shown.key_bits != 0 && shown.key_bits != bits => {
            let Shown { key_bits, key_type, .. } = shown;
            let message = format_args!(
                "{shown}: it is for {key_type} material of {key_bits} bits, and this has {bits}"
            );
            Err(Failure::refused(message)
                .hint("material of another size needs a custom key of its own"))
        }
        _ => Ok(()),
    }
}
