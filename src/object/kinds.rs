//! The key types the token keeps: one row each, with what they can do and how their material is read.

use super::attributes::Attributes;
use super::curves;
use super::lattices;
use super::values::without_zeros;
use crate::error::{Reason, Result};
use crate::key::{Metadata, Origin, Parsed, Usage};
use crate::lc;
use crate::lc::aes::BLOCK;
use crate::lc::mac::HmacKey;
use crate::lc::pkcs8::KeyAlgorithm;
use crate::secret::Secret;
use crate::v3_2::{CKA_DECAPSULATE, CKA_ENCAPSULATE, CKA_PARAMETER_SET};
use pkcs11_sys::*;

pub use super::kind::{Kind, ParameterSet};
pub(crate) use super::kind::{Sizes, public_key_info};

/// The least that a private key takes as PKCS#8, in bytes: Ed25519 (RFC 8410, 10.3). No AES key is as
/// long, so that unwrapping one costs no look.
const SHORTEST_PKCS8: usize = 48;

/// Returns whether these bytes are some private key as the token wraps it.
pub(crate) fn is_private_key(bytes: &Secret) -> bool {
    let mut private = KINDS.iter().filter(|kind| kind.class == CKO_PRIVATE_KEY);
    bytes.len() >= SHORTEST_PKCS8
        && private.any(|kind| (kind.parse)(bytes, &Attributes::default()).is_ok())
}

/// The longest secret of no particular algorithm, in bits.
const LONGEST_SECRET: u64 = 4096 * 8;

/// Every key type with material. A public key's is in its attributes.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "AES",
        class: CKO_SECRET_KEY,
        key_type: CKK_AES,
        sizes: Sizes::These(&[128, 192, 256]),
        usages: &[
            Usage::Encrypt,
            Usage::Decrypt,
            Usage::Sign,
            Usage::Verify,
            Usage::Wrap,
            Usage::Unwrap,
            Usage::Derive,
        ],
        describe: describe_aes,
        parse: |material, _| Ok(Parsed::Aes(lc::aes::AesKey::new(material.expose())?)),
    },
    Kind {
        name: "AES-XTS",
        class: CKO_SECRET_KEY,
        key_type: CKK_AES_XTS,
        sizes: Sizes::These(&[512]),
        usages: &[Usage::Encrypt, Usage::Decrypt],
        describe: describe_secret,
        parse: |material, _| Ok(Parsed::Xts(lc::xts::XtsKey::new(material.expose())?)),
    },
    Kind {
        name: "CHACHA20",
        class: CKO_SECRET_KEY,
        key_type: CKK_CHACHA20,
        sizes: Sizes::These(&[256]),
        usages: &[Usage::Encrypt, Usage::Decrypt],
        describe: describe_secret,
        parse: |material, _| Ok(Parsed::ChaCha(lc::chacha::ChaChaKey::new(material.expose())?)),
    },
    Kind {
        name: "GENERIC",
        class: CKO_SECRET_KEY,
        key_type: CKK_GENERIC_SECRET,
        sizes: Sizes::Bytes(8, LONGEST_SECRET),
        usages: &[Usage::Sign, Usage::Verify, Usage::Derive],
        describe: describe_secret,
        parse: |material, _| Ok(Parsed::Generic(HmacKey::new(material.duplicate()))),
    },
    hmac("SHA1-HMAC", CKK_SHA_1_HMAC),
    hmac("SHA224-HMAC", CKK_SHA224_HMAC),
    hmac("SHA256-HMAC", CKK_SHA256_HMAC),
    hmac("SHA384-HMAC", CKK_SHA384_HMAC),
    hmac("SHA512-HMAC", CKK_SHA512_HMAC),
    hmac("SHA512-224-HMAC", CKK_SHA512_224_HMAC),
    hmac("SHA512-256-HMAC", CKK_SHA512_256_HMAC),
    hmac("SHA3-224-HMAC", CKK_SHA3_224_HMAC),
    hmac("SHA3-256-HMAC", CKK_SHA3_256_HMAC),
    hmac("SHA3-384-HMAC", CKK_SHA3_384_HMAC),
    hmac("SHA3-512-HMAC", CKK_SHA3_512_HMAC),
    Kind { usages: &[Usage::Derive], ..hmac("HKDF", CKK_HKDF) },
    Kind {
        name: "RSA",
        class: CKO_PRIVATE_KEY,
        key_type: CKK_RSA,
        sizes: Sizes::Bits(*lc::rsa::BITS.start(), *lc::rsa::BITS.end()),
        usages: &[Usage::Decrypt, Usage::Sign, Usage::SignRecover, Usage::Unwrap],
        describe: describe_rsa_private,
        parse: |material, _| {
            Ok(Parsed::RsaPrivate(lc::rsa::PrivateKey::from_pkcs8(material.expose())?))
        },
    },
    Kind {
        name: "RSA",
        class: CKO_PUBLIC_KEY,
        key_type: CKK_RSA,
        sizes: Sizes::Bits(*lc::rsa::BITS.start(), *lc::rsa::BITS.end()),
        usages: &[Usage::Encrypt, Usage::Verify, Usage::VerifyRecover, Usage::Wrap],
        describe: describe_rsa_public,
        parse: |_, attributes| rsa_public(attributes).map(Parsed::RsaPublic),
    },
    curves::EC_PRIVATE,
    curves::EC_PUBLIC,
    curves::EDWARDS_PRIVATE,
    curves::EDWARDS_PUBLIC,
    curves::MONTGOMERY_PRIVATE,
    curves::MONTGOMERY_PUBLIC,
    lattices::ML_KEM_PRIVATE,
    lattices::ML_KEM_PUBLIC,
    lattices::ML_DSA_PRIVATE,
    lattices::ML_DSA_PUBLIC,
];

/// Returns a secret that names its hash; it serves the same mechanisms as a generic one.
const fn hmac(name: &'static str, key_type: u64) -> Kind {
    Kind {
        name,
        class: CKO_SECRET_KEY,
        key_type,
        sizes: Sizes::Bytes(8, LONGEST_SECRET),
        usages: &[Usage::Sign, Usage::Verify],
        describe: describe_secret,
        parse: |material, _| Ok(Parsed::Generic(HmacKey::new(material.duplicate()))),
    }
}

/// The flag attribute of each usage.
pub(crate) const USAGE_FLAGS: &[(Usage, u64)] = &[
    (Usage::Encrypt, CKA_ENCRYPT),
    (Usage::Decrypt, CKA_DECRYPT),
    (Usage::Sign, CKA_SIGN),
    (Usage::Verify, CKA_VERIFY),
    (Usage::Wrap, CKA_WRAP),
    (Usage::Unwrap, CKA_UNWRAP),
    (Usage::Derive, CKA_DERIVE),
    (Usage::SignRecover, CKA_SIGN_RECOVER),
    (Usage::VerifyRecover, CKA_VERIFY_RECOVER),
    (Usage::Encapsulate, CKA_ENCAPSULATE),
    (Usage::Decapsulate, CKA_DECAPSULATE),
];

/// Returns the row of a class and key type.
pub(crate) fn kind(class: u64, key_type: u64) -> Result<&'static Kind> {
    KINDS
        .iter()
        .find(|kind| kind.class == class && kind.key_type == key_type)
        .ok_or_else(|| Reason::AttributeValue.detail("a key type the token does not keep"))
}

/// Returns the row of a secret or private key named in JSON, in any case of letters; also by a parameter set
/// of it.
pub fn named(name: &str) -> Option<&'static Kind> {
    let is = |other: &str| other.eq_ignore_ascii_case(name);
    KINDS
        .iter()
        .filter(|kind| kind.class != CKO_PUBLIC_KEY)
        .find(|kind| is(kind.name) || kind.sets().iter().any(|set| is(set.name)))
}

/// Returns the name of the type of private key that PKCS#8 says it holds, or of its parameter set; none where it
/// names no type that the token keeps.
pub fn named_in(pkcs8: &[u8]) -> Option<&'static str> {
    let key_type = match lc::pkcs8::algorithm(pkcs8)? {
        KeyAlgorithm::Rsa => CKK_RSA,
        KeyAlgorithm::Ec => CKK_EC,
        KeyAlgorithm::Ed25519 => CKK_EC_EDWARDS,
        KeyAlgorithm::X25519 => CKK_EC_MONTGOMERY,
        KeyAlgorithm::Lattice(set) => {
            let mut sets = KINDS.iter().flat_map(Kind::sets);
            return sets.find(|own| own.set == set).map(|own| own.name);
        }
    };
    kind(CKO_PRIVATE_KEY, key_type).ok().map(|kind| kind.name)
}

/// Returns the size in bits that a name says, which is a parameter set's.
pub fn size_named(name: &str) -> Option<u64> {
    let sets = KINDS.iter().flat_map(|kind| kind.sets());
    sets.filter(|set| set.name.eq_ignore_ascii_case(name)).map(ParameterSet::bits).next()
}

/// Returns whether keys like this may rotate on schedule. Callers compare MACs with their own, and what
/// AES-XTS has encrypted does not tell its version: with others than AES and ChaCha20 keys a new version would
/// surprise them, and they rotate by hand only.
pub(crate) fn rotates_on_schedule(metadata: &Metadata, origin: Origin) -> bool {
    metadata.class == CKO_SECRET_KEY
        && matches!(metadata.key_type, CKK_AES | CKK_CHACHA20)
        && origin == Origin::Generated
}

/// Returns the size in bits of a key with these attributes.
pub fn bits(attributes: &Attributes) -> u64 {
    if let Some(params) = attributes.bytes(CKA_EC_PARAMS) {
        return curves::bits(params);
    }
    if let (Some(key_type), Some(set)) =
        (attributes.number(CKA_KEY_TYPE), attributes.number(CKA_PARAMETER_SET))
    {
        return lattices::bits(key_type, set);
    }
    let length = attributes.number(CKA_VALUE_LEN).map(|bytes| bytes * 8);
    length
        .or_else(|| attributes.number(CKA_MODULUS_BITS))
        .unwrap_or_else(|| attributes.bytes(CKA_MODULUS).map_or(0, bits_of))
}

/// Returns the size in bits of a big-endian number.
fn bits_of(number: &[u8]) -> u64 {
    let number = without_zeros(number);
    let first = number.first().map_or(0, |byte| u64::from(byte.leading_zeros()));
    number.len() as u64 * 8 - first
}

fn describe_aes(key: &Parsed, attributes: &mut Attributes) -> Result<()> {
    let Parsed::Aes(key) = key else { return Err(Reason::KeyTypeInconsistent.into()) };
    value_len(key.len(), attributes)?;
    // The check value is the first three bytes of an encrypted block of zeros (PKCS#11 3.1, 4.10.2).
    let [a, b, c, ..] = key.encrypted(&[0; BLOCK])?;
    check_value(&[a, b, c], attributes)
}

/// Describes a key that is no block cipher's.
fn describe_secret(key: &Parsed, attributes: &mut Attributes) -> Result<()> {
    let bytes = key.secret()?;
    if bytes.is_empty() {
        return Err(Reason::KeySizeRange.detail("a secret of no bytes"));
    }
    value_len(bytes.len(), attributes)?;
    check_value(&sha1_check_value(bytes)?, attributes)
}

/// Returns the first three bytes of a SHA-1 digest: the check value of what is no block cipher's key.
pub(crate) fn sha1_check_value(of: &[u8]) -> Result<[u8; 3]> {
    let mut digest = [0; 20];
    let mut sha1 = lc::digest::Digest::new(lc::digest::Hash::Sha1)?;
    sha1.update(of)?;
    sha1.finish(&mut digest)?;
    let [a, b, c, ..] = digest;
    Ok([a, b, c])
}

fn describe_rsa_private(key: &Parsed, attributes: &mut Attributes) -> Result<()> {
    let Parsed::RsaPrivate(key) = key else { return Err(Reason::KeyTypeInconsistent.into()) };
    let public = key.public()?;
    attributes.set(CKA_MODULUS, &public.modulus()?);
    attributes.set(CKA_PUBLIC_EXPONENT, &public.public_exponent()?);
    public_key_info(&public.to_spki()?, attributes)
}

fn describe_rsa_public(key: &Parsed, attributes: &mut Attributes) -> Result<()> {
    let Parsed::RsaPublic(key) = key else { return Err(Reason::KeyTypeInconsistent.into()) };
    attributes.set_number(CKA_MODULUS_BITS, key.bits());
    public_key_info(&key.to_spki()?, attributes)
}

fn rsa_public(attributes: &Attributes) -> Result<lc::rsa::PublicKey> {
    let part = |kind| attributes.bytes(kind).ok_or(Reason::TemplateIncomplete);
    lc::rsa::PublicKey::from_components(part(CKA_MODULUS)?, part(CKA_PUBLIC_EXPONENT)?)
}

/// Checks that a length the template gave is the material's, and sets it.
fn value_len(length: usize, attributes: &mut Attributes) -> Result<()> {
    let length = length as u64;
    match attributes.number(CKA_VALUE_LEN) {
        Some(given) if given != length => {
            Err(Reason::TemplateInconsistent.detail("CKA_VALUE_LEN is not the key's length"))
        }
        _ => {
            attributes.set_number(CKA_VALUE_LEN, length);
            Ok(())
        }
    }
}

/// Checks that a check value the template gave is the material's, and sets it; an empty one asks for none
/// (PKCS#11 3.1, 4.10.2).
pub(crate) fn check_value(computed: &[u8], attributes: &mut Attributes) -> Result<()> {
    match attributes.bytes(CKA_CHECK_VALUE) {
        Some([]) => {
            attributes.remove(CKA_CHECK_VALUE);
            Ok(())
        }
        Some(given) if given != computed => {
            Err(Reason::AttributeValue.detail("CKA_CHECK_VALUE is not the key's"))
        }
        _ => {
            attributes.set(CKA_CHECK_VALUE, computed);
            Ok(())
        }
    }
}
