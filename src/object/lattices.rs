//! Keys on module lattices as PKCS#11 3.2 has them: `CKA_PARAMETER_SET` says which, `CKA_VALUE` is the
//! public key or the expanded private one, and `CKA_SEED` what that is made of.

use super::attributes::Attributes;
use super::kind::{Kind, ParameterSet, Sizes, public_key_info};
use crate::error::{Error, Reason, Result};
use crate::key::{Parsed, Usage};
use crate::lc::lattice::{Algorithm, PrivateKey, PublicKey, Set};
use crate::secret::Secret;
use crate::v3_2::*;
use pkcs11_sys::*;

pub(super) const ML_KEM_PRIVATE: Kind = Kind {
    name: "ML-KEM",
    class: CKO_PRIVATE_KEY,
    key_type: CKK_ML_KEM,
    sizes: Sizes::Sets(&[
        set("ML-KEM-512", CKP_ML_KEM_512, Set::MlKem512),
        set("ML-KEM-768", CKP_ML_KEM_768, Set::MlKem768),
        set("ML-KEM-1024", CKP_ML_KEM_1024, Set::MlKem1024),
    ]),
    usages: &[Usage::Decapsulate],
    describe: describe_private,
    parse: |material, _| private(material, Algorithm::MlKem).map(Parsed::LatticePrivate),
};

pub(super) const ML_KEM_PUBLIC: Kind = Kind {
    class: CKO_PUBLIC_KEY,
    usages: &[Usage::Encapsulate],
    describe: describe_public,
    parse: |_, attributes| public(attributes).map(Parsed::LatticePublic),
    ..ML_KEM_PRIVATE
};

pub(super) const ML_DSA_PRIVATE: Kind = Kind {
    name: "ML-DSA",
    key_type: CKK_ML_DSA,
    sizes: Sizes::Sets(&[
        set("ML-DSA-44", CKP_ML_DSA_44, Set::MlDsa44),
        set("ML-DSA-65", CKP_ML_DSA_65, Set::MlDsa65),
        set("ML-DSA-87", CKP_ML_DSA_87, Set::MlDsa87),
    ]),
    usages: &[Usage::Sign],
    parse: |material, _| private(material, Algorithm::MlDsa).map(Parsed::LatticePrivate),
    ..ML_KEM_PRIVATE
};

pub(super) const ML_DSA_PUBLIC: Kind = Kind {
    class: CKO_PUBLIC_KEY,
    usages: &[Usage::Verify],
    describe: describe_public,
    parse: |_, attributes| public(attributes).map(Parsed::LatticePublic),
    ..ML_DSA_PRIVATE
};

/// The rows of private keys, by which a key type's algorithm and sets are known.
const PRIVATE: &[&Kind] = &[&ML_KEM_PRIVATE, &ML_DSA_PRIVATE];

const fn set(name: &'static str, number: u64, set: Set) -> ParameterSet {
    ParameterSet { name, number, set }
}

/// Returns whether keys of a type are on lattices.
pub(crate) fn are(key_type: u64) -> bool {
    PRIVATE.iter().any(|kind| kind.key_type == key_type)
}

/// Returns the parameter set of a number; `ParameterSetUnknown` where keys of that type have none such.
pub(crate) fn numbered(key_type: u64, number: u64) -> Result<&'static ParameterSet> {
    let mut sets = sets(key_type).iter();
    sets.find(|set| set.number == number).ok_or(Reason::ParameterSetUnknown.into())
}

/// Returns the size in bits of a key of that type whose `CKA_PARAMETER_SET` has that number; 0 for none.
pub(crate) fn bits(key_type: u64, number: u64) -> u64 {
    numbered(key_type, number).map_or(0, ParameterSet::bits)
}

/// Returns a private key as PKCS#8 from what `C_CreateObject` was given of it: `CKA_PARAMETER_SET`, and
/// `CKA_SEED`, `CKA_VALUE` or both. A part without bytes says nothing.
pub(crate) fn material(attributes: &mut Attributes) -> Result<Secret> {
    let mut part = |kind| attributes.remove(kind).filter(|part| !part.is_empty());
    let (seed, expanded) = (part(CKA_SEED), part(CKA_VALUE));
    let (seed, expanded) = (seed.as_ref(), expanded.as_ref());
    let set = set_of(attributes)?.set;
    let key = PrivateKey::from_parts(set, seed.map(Secret::expose), expanded.map(Secret::expose));
    key?.to_pkcs8()
}

/// Returns a part of a private key that may reveal it: `CKA_SEED`, empty where it is not known, or
/// `CKA_VALUE`.
pub(crate) fn private_part(key: &PrivateKey, kind: u64) -> Result<Option<Secret>> {
    match kind {
        CKA_SEED => Ok(Some(key.seed().unwrap_or_else(|| Secret::new(Vec::new())))),
        CKA_VALUE => key.expanded().map(Some),
        _ => Ok(None),
    }
}

fn describe_private(key: &Parsed, attributes: &mut Attributes) -> Result<()> {
    let Parsed::LatticePrivate(key) = key else { return Err(Reason::KeyTypeInconsistent.into()) };
    let key_type = attributes.number(CKA_KEY_TYPE).ok_or(Reason::KeyTypeInconsistent)?;
    let own = sets(key_type).iter().find(|own| own.set == key.set()).ok_or(Reason::DataInvalid)?;
    match attributes.number(CKA_PARAMETER_SET) {
        Some(given) if given != own.number => {
            return Err(
                Reason::TemplateInconsistent.detail("CKA_PARAMETER_SET is not the key's own")
            );
        }
        _ => attributes.set_number(CKA_PARAMETER_SET, own.number),
    }
    public_key_info(&key.to_spki()?, attributes)
}

fn describe_public(key: &Parsed, attributes: &mut Attributes) -> Result<()> {
    let Parsed::LatticePublic(key) = key else { return Err(Reason::KeyTypeInconsistent.into()) };
    if attributes.bytes(CKA_VALUE).is_none() {
        attributes.set(CKA_VALUE, &key.bytes()?);
    }
    public_key_info(&key.to_spki()?, attributes)
}

fn private(material: &Secret, algorithm: Algorithm) -> Result<PrivateKey> {
    let key = PrivateKey::from_pkcs8(material.expose())?;
    match key.set().algorithm() == algorithm {
        true => Ok(key),
        false => Err(Reason::DataInvalid.into()),
    }
}

/// Reads a public key. One without `CKA_VALUE` has it from its `CKA_PUBLIC_KEY_INFO`, as the public half of a
/// pair.
fn public(attributes: &Attributes) -> Result<PublicKey> {
    let info = attributes.bytes(CKA_PUBLIC_KEY_INFO).filter(|info| !info.is_empty());
    let told = match (attributes.bytes(CKA_VALUE), info) {
        (Some(value), _) => return PublicKey::from_bytes(set_of(attributes)?.set, value),
        (None, Some(info)) => PublicKey::from_spki(info).map_err(|_| Reason::AttributeValue)?,
        (None, None) => return Err(missing("CKA_VALUE")),
    };
    PublicKey::from_bytes(set_of(attributes)?.set, &told.bytes()?)
}

fn set_of(attributes: &Attributes) -> Result<&'static ParameterSet> {
    let key_type = attributes.number(CKA_KEY_TYPE).ok_or(Reason::KeyTypeInconsistent)?;
    let number = attributes.number(CKA_PARAMETER_SET);
    numbered(key_type, number.ok_or_else(|| missing("CKA_PARAMETER_SET"))?)
}

fn sets(key_type: u64) -> &'static [ParameterSet] {
    match PRIVATE.iter().find(|kind| kind.key_type == key_type).map(|kind| &kind.sizes) {
        Some(Sizes::Sets(sets)) => sets,
        _ => &[],
    }
}

fn missing(what: &str) -> Error {
    Reason::TemplateIncomplete.detail(format_args!("{what} is missing"))
}
