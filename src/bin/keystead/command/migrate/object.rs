//! An object of another token, and the attributes of it that a copy has too. Which those are follows from
//! the rules of this token's own attributes.

use crate::Failure;
use crate::keys::vendor;
use cryptoki::object::{Attribute, KeyType, ObjectClass};
use keystead::internal::object::Attributes;
use keystead::internal::object::kinds::{KINDS, Kind};
use keystead::internal::object::rules::{CREATE, RULES, UNWRAP, class_bit, rule};
use pkcs11_sys::*;

/// An object of another token.
pub(super) struct SourceObject {
    /// Its number in the source.
    pub(super) number: usize,
    /// Its attributes, none of them secret.
    pub(super) attributes: Attributes,
    /// An attribute that restricts it and cannot be copied.
    pub(super) restriction: Option<&'static str>,
    /// The reason for which nothing of it can be read.
    pub(super) broken: Option<Failure>,
}

/// Attributes that restrict a key, and that no copy has: their values are templates, which no client
/// reads alike.
pub(super) const TEMPLATES: [(u64, &str); 3] = [
    (CKA_WRAP_TEMPLATE, "CKA_WRAP_TEMPLATE"),
    (CKA_UNWRAP_TEMPLATE, "CKA_UNWRAP_TEMPLATE"),
    (CKA_DERIVE_TEMPLATE, "CKA_DERIVE_TEMPLATE"),
];

/// Attributes that a copy gets otherwise, or has of itself.
const OWN: [u64; 6] = [
    CKA_CLASS,
    CKA_KEY_TYPE,
    CKA_TOKEN,
    // The security officer's word.
    CKA_TRUSTED,
    CKA_CHECK_VALUE,
    CKA_PUBLIC_KEY_INFO,
];

/// Further ones that a custom key has of itself; the end of its life is its expiry.
const OF_CUSTOM_KEYS: [u64; 4] = [CKA_PRIVATE, CKA_COPYABLE, CKA_DESTROYABLE, CKA_END_DATE];

/// Returns the attributes that are asked of an object of that class.
pub(super) fn asked(class: u64) -> impl Iterator<Item = u64> {
    let of_class = RULES.iter().filter(move |rule| rule.classes & class_bit(class) != 0);
    let copied = of_class.map(|rule| rule.kind).filter(move |kind| is_copied(*kind, class));
    copied.chain([CKA_KEY_TYPE, CKA_TRUSTED])
}

/// Returns whether a copy of an object of that class is given that attribute.
fn is_copied(kind: u64, class: u64) -> bool {
    let (given, own) = match is_hidden(class) {
        true => (UNWRAP, [&OWN[..], &OF_CUSTOM_KEYS].concat()),
        false => (CREATE, OWN.to_vec()),
    };
    let takes =
        |rule: &keystead::internal::object::rule::Rule| rule.given & given != 0 && !rule.secret;
    let is_template = TEMPLATES.iter().any(|(template, _)| *template == kind);
    rule(kind, class).is_some_and(takes) && !own.contains(&kind) && !is_template
}

/// Returns whether objects of that class hide their values.
fn is_hidden(class: u64) -> bool {
    matches!(class, CKO_SECRET_KEY | CKO_PRIVATE_KEY)
}

impl SourceObject {
    /// Its class.
    pub(super) fn class(&self) -> u64 {
        self.attributes.number(CKA_CLASS).unwrap_or(CK_UNAVAILABLE_INFORMATION)
    }

    /// Its type of key; none for other objects.
    pub(super) fn key_type(&self) -> Option<u64> {
        self.attributes.number(CKA_KEY_TYPE).filter(|_| self.is_key())
    }

    /// Returns whether it is a secret or private key.
    pub(super) fn is_hidden(&self) -> bool {
        is_hidden(self.class())
    }

    fn is_key(&self) -> bool {
        self.is_hidden() || self.class() == CKO_PUBLIC_KEY
    }

    /// The row of its class and type, where this token keeps such keys.
    pub(super) fn kind(&self) -> Option<&'static Kind> {
        let (class, key_type) = (self.class(), self.key_type()?);
        KINDS.iter().find(|kind| kind.class == class && kind.key_type == key_type)
    }

    /// Its label.
    pub(super) fn label(&self) -> &[u8] {
        self.attributes.bytes(CKA_LABEL).unwrap_or_default()
    }

    /// Its `CKA_ID`; empty where it has none.
    pub(super) fn id(&self) -> &[u8] {
        self.attributes.bytes(CKA_ID).unwrap_or_default()
    }

    /// The name of its class.
    pub(super) fn class_name(&self) -> String {
        if self.broken.is_some() {
            return "file".to_owned();
        }
        match self.class() {
            CKO_DATA => "data".to_owned(),
            CKO_CERTIFICATE => "certificate".to_owned(),
            CKO_PUBLIC_KEY => "public key".to_owned(),
            CKO_PRIVATE_KEY => "private key".to_owned(),
            CKO_SECRET_KEY => "secret key".to_owned(),
            other => ObjectClass::try_from(other)
                .map_or_else(|_| format!("class {other:#x}"), |class| class.to_string()),
        }
    }

    /// The name of its type of key; empty for other objects.
    pub(super) fn type_name(&self) -> String {
        match (self.kind(), self.key_type()) {
            (Some(kind), _) => kind.name.to_owned(),
            (None, None) => String::new(),
            (None, Some(other)) => KeyType::try_from(other).map_or_else(
                |_| format!("{other:#x}"),
                |name| name.to_string().trim_start_matches("CKK_").to_owned(),
            ),
        }
    }

    /// Its length in bytes, where it says that.
    pub(super) fn length(&self) -> Option<Attribute> {
        self.attributes.bytes(CKA_VALUE_LEN).map(|length| vendor(CKA_VALUE_LEN, length))
    }

    /// Returns the template of a copy, but for where it lies.
    pub(super) fn template(&self) -> Vec<Attribute> {
        let class = self.class();
        let numbers = [CKA_CLASS, CKA_KEY_TYPE];
        let kept =
            numbers.into_iter().filter_map(|kind| Some((kind, self.attributes.bytes(kind)?)));
        let copied = self
            .attributes
            .iter()
            // What is empty is so by default.
            .filter(|(kind, value)| !value.is_empty() && is_copied(*kind, class));
        kept.chain(copied).map(|(kind, value)| vendor(kind, value)).collect()
    }

    /// Returns the attributes by which a copy that is there is known; of a key that hides its value there are
    /// none.
    pub(super) fn identity(&self) -> Vec<Attribute> {
        let kinds: &[u64] = match self.class() {
            CKO_CERTIFICATE => &[CKA_CLASS, CKA_VALUE],
            CKO_DATA => &[CKA_CLASS, CKA_APPLICATION, CKA_LABEL, CKA_OBJECT_ID, CKA_VALUE],
            _ => &[
                CKA_CLASS,
                CKA_KEY_TYPE,
                CKA_ID,
                CKA_MODULUS,
                CKA_PUBLIC_EXPONENT,
                CKA_EC_POINT,
                CKA_VALUE,
            ],
        };
        let has = |kind: &u64| Some(vendor(*kind, self.attributes.bytes(*kind)?));
        kinds.iter().filter_map(has).collect()
    }
}
