//! RSA: key pairs and OAEP, PKCS#11 3.1, "RSA".

use super::one_shot::{Accumulator, Compute};
use super::row::row;
use super::{Domain, MechanismRow, Params, ParamsShape, Transform};
use crate::error::{Reason, Result};
use crate::key::{Parsed, UsableKey};
use crate::lc::digest::Hash;
use crate::lc::rsa::{BITS, PrivateKey, PublicKey};
use crate::lc::rsa_oaep::{Oaep, max_oaep};
use crate::secret::Secret;
use pkcs11_sys::CKK_RSA;
use std::ops::RangeInclusive;

pub(super) const KEY_PAIR_GEN: MechanismRow =
    MechanismRow { generate_pair: Some(generate), ..rsa(row!(CKM_RSA_PKCS_KEY_PAIR_GEN)) };

pub(super) const OAEP: MechanismRow = MechanismRow {
    params: ParamsShape::Oaep,
    encrypt: Some(seal),
    decrypt: Some(open),
    wrap: Some(wrap),
    unwrap: Some(unwrap),
    unwrapped: whole,
    authenticated: true,
    ..rsa(row!(CKM_RSA_PKCS_OAEP))
};

/// A row for RSA keys, whose sizes the specification counts in bits.
pub(super) const fn rsa(row: MechanismRow) -> MechanismRow {
    MechanismRow { key_type: Some(CKK_RSA), key_sizes: (*BITS.start(), *BITS.end()), ..row }
}

fn generate(params: &Params, domain: &Domain) -> Result<Parsed> {
    let (Params::None, Domain::Rsa { bits, exponent }) = (params, domain) else {
        return Err(Reason::MechanismParam.into());
    };
    PrivateKey::generate(*bits, exponent).map(Parsed::RsaPrivate)
}

fn wrap(usable: &UsableKey, params: &Params, material: &Secret) -> Result<Vec<u8>> {
    let key = public(usable).map_err(|_| Reason::WrappingKeyType)?;
    key.encrypt_oaep(&Padding::given(params)?.oaep(), material.expose()).map_err(|cause| {
        if cause.reason() == Reason::DataLength { Reason::KeySizeRange.into() } else { cause }
    })
}

fn unwrap(usable: &UsableKey, params: &Params, wrapped: &[u8]) -> Result<Secret> {
    let key = private(usable).map_err(|_| Reason::UnwrappingKeyType)?;
    let padding = match params {
        // pkcs11-tool 0.23 sends none, whatever its options say.
        Params::None => Padding::default(),
        params => Padding::given(params)?,
    };
    match key.decrypt_oaep(&padding.oaep(), wrapped) {
        Ok(material) if !material.is_empty() => Ok(material),
        _ => Err(Reason::WrappedInvalid.into()),
    }
}

/// Returns the possible lengths of what one RSA operation unwraps: a blob as long as the modulus.
pub(super) fn whole(usable: &UsableKey, wrapped: usize) -> Option<RangeInclusive<usize>> {
    match private(usable) {
        Ok(key) => (wrapped == key.size()).then_some(0..=wrapped),
        // The key's type is another matter.
        Err(_) => Some(0..=wrapped),
    }
}

pub(super) fn public(usable: &UsableKey) -> Result<&PublicKey> {
    match &usable.parsed {
        Parsed::RsaPublic(key) => Ok(key),
        _ => Err(Reason::KeyTypeInconsistent.into()),
    }
}

pub(super) fn private(usable: &UsableKey) -> Result<&PrivateKey> {
    match &usable.parsed {
        Parsed::RsaPrivate(key) => Ok(key),
        _ => Err(Reason::KeyTypeInconsistent.into()),
    }
}

/// OAEP's parameters, owned.
struct Padding {
    hash: Hash,
    mgf: Hash,
    label: Vec<u8>,
}

impl Default for Padding {
    fn default() -> Self {
        Self { hash: Hash::Sha256, mgf: Hash::Sha256, label: Vec::new() }
    }
}

impl Padding {
    fn given(params: &Params) -> Result<Self> {
        match params {
            Params::Oaep { hash, mgf, label } => {
                Ok(Self { hash: *hash, mgf: *mgf, label: label.clone() })
            }
            _ => Err(Reason::MechanismParam.into()),
        }
    }

    fn oaep(&self) -> Oaep<'_> {
        Oaep { hash: self.hash, mgf: self.mgf, label: &self.label }
    }
}

fn seal(usable: &UsableKey, params: &Params) -> Result<Box<dyn Transform>> {
    let padding = Padding::given(params)?;
    let size = public(usable)?.size();
    let input = Accumulator::message(max_oaep(size, padding.hash), Reason::DataLength);
    let key = usable.clone();
    Ok(Box::new(Compute::new(input, size, move |text| {
        public(&key)?.encrypt_oaep(&padding.oaep(), text).map(Secret::new)
    })))
}

fn open(usable: &UsableKey, params: &Params) -> Result<Box<dyn Transform>> {
    let padding = Padding::given(params)?;
    let size = private(usable)?.size();
    let input = Accumulator::message(size, Reason::EncryptedLength);
    let key = usable.clone();
    Ok(Box::new(Compute::new(input, max_oaep(size, padding.hash), move |sealed| {
        if sealed.len() != size {
            return Err(Reason::EncryptedLength.into());
        }
        private(&key)?.decrypt_oaep(&padding.oaep(), sealed)
    })))
}
