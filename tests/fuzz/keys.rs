//! Keys as others encode, wrap and encrypt them.

use super::input::Input;
use crate::error::Reason;
use crate::lc::aes::AesKey;
use crate::lc::encrypted_key::{Unread, encrypted_pem, encrypted_pkcs8, pkcs12};
use crate::lc::key_syntax::{ec_to_pkcs8, key_syntax, rsa_to_pkcs8};
use crate::lc::rsa::PrivateKey as RsaKey;
use crate::lc::rsa_oaep::Oaep;
use crate::lc::{kw, spki};
use crate::mechanism::Hash;
use crate::object::Attributes;
use crate::object::kinds::{KINDS, named_in};
use crate::secret::Secret;
use pkcs11_sys::{CKA_KEY_TYPE, CKO_PRIVATE_KEY};
use std::sync::LazyLock;

/// The reasons for which bytes are no key.
const LEGAL: &[Reason] = &[
    Reason::DataInvalid,
    Reason::KeySizeRange,
    Reason::CurveUnknown,
    Reason::ParameterSetUnknown,
    Reason::AttributeValue,
];

/// Private keys in any DER, and public ones: a key that is read is written in one form, in which it is read again
/// as the same key.
pub(super) fn encoded(bytes: &[u8]) {
    let material = Secret::from(bytes);
    for kind in KINDS.iter().filter(|kind| kind.class == CKO_PRIVATE_KEY) {
        match (kind.parse)(&material, &Attributes::default()) {
            Ok(key) => {
                let one = kind.canonical(material.duplicate(), &key).unwrap();
                let kept = (kind.parse)(&one, &Attributes::default()).unwrap();
                let again = kind.canonical(one.duplicate(), &kept).unwrap();
                assert_eq!(one.expose(), again.expose(), "{}", kind.name);
                let (known, _) = kind.identity(&material).unwrap();
                assert_eq!(
                    known.expose(),
                    kind.identity(&one).unwrap().0.expose(),
                    "{}",
                    kind.name
                );
                assert_eq!(named_in(one.expose()), Some(kind.name));
                let mut described = Attributes::default();
                described.set_number(CKA_KEY_TYPE, kind.key_type);
                (kind.describe)(&kept, &mut described).unwrap();
            }
            Err(error) => assert!(LEGAL.contains(&error.reason()), "{}: {error}", kind.name),
        }
    }
    match spki::canonical(bytes) {
        Ok(one) => assert_eq!(spki::canonical(&one).unwrap(), one),
        Err(error) => assert!(LEGAL.contains(&error.reason()), "{error}"),
    }
    if let Some((_, rest)) = key_syntax(bytes) {
        assert!(bytes.ends_with(rest));
        let _made = rsa_to_pkcs8(bytes);
        if let Some(made) = ec_to_pkcs8(bytes, None) {
            assert!(key_syntax(made.expose()).is_some());
        }
    }
}

/// An RSA key that only these tests have.
static UNWRAPPING: LazyLock<RsaKey> = LazyLock::new(|| RsaKey::generate(2048, &[1, 0, 1]).unwrap());

/// Wrapped keys: what unwraps, wraps to the same bytes; everything else has one error.
pub(super) fn wrapped(bytes: &[u8]) {
    let mut input = Input(bytes);
    let way = input.byte();
    let bytes = input.0;
    let by = AesKey::new(&[7; 32]).unwrap();
    let refused = |reason| {
        let legal = [Reason::WrappedInvalid, Reason::WrappedLength, Reason::EncryptedInvalid];
        assert!(legal.contains(&reason) || reason == Reason::EncryptedLength, "{reason:?}");
    };
    // Bytes seldom unwrap by chance: what they wrap to does.
    match way % 4 {
        0 => match kw::unwrap(&by, None, bytes) {
            Ok(key) => assert_eq!(kw::wrap(&by, None, key.expose()).unwrap(), bytes),
            Err(error) => refused(error.reason()),
        },
        1 => match kw::unwrap_padded(&by, bytes) {
            Ok(key) => assert_eq!(kw::wrap_padded(&by, key.expose()).unwrap(), bytes),
            Err(error) => refused(error.reason()),
        },
        2 => match kw::wrap_padded(&by, bytes) {
            Ok(wrapped) => {
                assert_eq!(kw::unwrap_padded(&by, &wrapped).unwrap().expose(), bytes);
                let mut other = wrapped;
                let at = usize::from(way) % other.len();
                other[at] ^= 1 << (way % 8);
                refused(kw::unwrap_padded(&by, &other).unwrap_err().reason());
            }
            Err(error) => assert_eq!(error.reason(), Reason::KeySizeRange, "{error}"),
        },
        _ => {
            let padding = Oaep { hash: Hash::Sha256, mgf: Hash::Sha256, label: &[] };
            if let Err(error) = UNWRAPPING.decrypt_oaep(&padding, bytes) {
                refused(error.reason());
            }
            if let Err(error) = UNWRAPPING.decrypt_pkcs1(bytes) {
                refused(error.reason());
            }
        }
    }
}

/// PKCS#12, PKCS#8 and PEM under a passphrase.
pub(super) fn encrypted(bytes: &[u8]) {
    let known = |why: Unread| assert!(!format!("{why:?}").is_empty());
    match pkcs12(bytes, "passphrase") {
        Ok(read) => assert!(read.key.is_none_or(|key| key_syntax(key.expose()).is_some())),
        Err(why) => known(why),
    }
    match encrypted_pkcs8(bytes, "passphrase") {
        Ok(key) => assert!(key_syntax(key.expose()).is_some()),
        Err(why) => known(why),
    }
    if let Err(why) = encrypted_pem(bytes, "passphrase") {
        known(why);
    }
}
