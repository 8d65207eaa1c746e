//! Templates and mechanisms as the C interface takes them, and the keys that the benchmark makes.

use cryptoki_sys::*;
use std::marker::PhantomData;
use std::ptr::null_mut;

/// The OID of P-256, in DER.
pub const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// The OID of Ed25519, in DER.
pub const ED25519: [u8; 5] = [0x06, 0x03, 0x2b, 0x65, 0x70];

/// Attributes with their values.
#[derive(Clone, Default)]
pub struct Template(Vec<(CK_ATTRIBUTE_TYPE, Vec<u8>)>);

impl Template {
    pub fn number(self, kind: CK_ATTRIBUTE_TYPE, value: CK_ULONG) -> Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    pub fn flag(self, kind: CK_ATTRIBUTE_TYPE, value: bool) -> Self {
        self.bytes(kind, &[u8::from(value)])
    }

    pub fn flags(self, kinds: &[CK_ATTRIBUTE_TYPE]) -> Self {
        kinds.iter().fold(self, |template, kind| template.flag(*kind, true))
    }

    pub fn bytes(mut self, kind: CK_ATTRIBUTE_TYPE, value: &[u8]) -> Self {
        self.0.push((kind, value.to_vec()));
        self
    }

    /// Returns the attributes, whose pointers lead into this template.
    pub fn attributes(&self) -> Vec<CK_ATTRIBUTE> {
        let attribute = |(kind, value): &(CK_ATTRIBUTE_TYPE, Vec<u8>)| CK_ATTRIBUTE {
            type_: *kind,
            pValue: value.as_ptr().cast_mut().cast(),
            ulValueLen: value.len() as CK_ULONG,
        };
        self.0.iter().map(attribute).collect()
    }
}

/// Describes an object by its class and `CKA_ID`.
pub fn by_id(class: CK_OBJECT_CLASS, id: &[u8]) -> Template {
    Template::default().number(CKA_CLASS, class).bytes(CKA_ID, id)
}

fn sensitive(on_token: bool, id: &[u8]) -> Template {
    Template::default()
        .flag(CKA_TOKEN, on_token)
        .flags(&[CKA_PRIVATE, CKA_SENSITIVE])
        .flag(CKA_EXTRACTABLE, false)
        .bytes(CKA_ID, id)
}

/// An AES key that encrypts, and has no value yet.
fn aes(on_token: bool, id: &[u8]) -> Template {
    sensitive(on_token, id).flags(&[CKA_ENCRYPT, CKA_DECRYPT])
}

/// An AES-256 key to be generated.
pub fn new_aes(on_token: bool, id: &[u8]) -> Template {
    aes(on_token, id).number(CKA_VALUE_LEN, 32)
}

/// An AES-256 key that is given.
pub fn given_aes(on_token: bool, id: &[u8], value: &[u8; 32]) -> Template {
    aes(on_token, id)
        .number(CKA_CLASS, CKO_SECRET_KEY)
        .number(CKA_KEY_TYPE, CKK_AES)
        .bytes(CKA_VALUE, value)
}

/// An AES-256 key that wraps and unwraps others, to be generated.
pub fn new_wrapping_key() -> Template {
    sensitive(false, b"wrapping").flags(&[CKA_WRAP, CKA_UNWRAP]).number(CKA_VALUE_LEN, 32)
}

/// An AES-256 key that may leave wrapped.
pub fn given_extractable() -> Template {
    Template::default()
        .number(CKA_CLASS, CKO_SECRET_KEY)
        .number(CKA_KEY_TYPE, CKK_AES)
        .flag(CKA_TOKEN, false)
        .flags(&[CKA_EXTRACTABLE, CKA_ENCRYPT])
        .bytes(CKA_VALUE, &[7; 32])
}

/// The key of that one when it comes back.
pub fn unwrapped_aes() -> Template {
    aes(false, b"unwrapped").number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_AES)
}

/// A key of 32 bytes for HMAC.
pub fn given_hmac(on_token: bool, id: &[u8], value: &[u8; 32]) -> Template {
    sensitive(on_token, id)
        .number(CKA_CLASS, CKO_SECRET_KEY)
        .number(CKA_KEY_TYPE, CKK_GENERIC_SECRET)
        .flags(&[CKA_SIGN, CKA_VERIFY])
        .bytes(CKA_VALUE, value)
}

/// The private half of a pair that signs.
pub fn private(on_token: bool, id: &[u8]) -> Template {
    sensitive(on_token, id).flags(&[CKA_SIGN])
}

/// The public half of a pair on a curve.
pub fn public_ec(on_token: bool, id: &[u8], curve: &[u8]) -> Template {
    public(on_token, id).bytes(CKA_EC_PARAMS, curve)
}

/// The public half of an RSA pair.
pub fn public_rsa(on_token: bool, id: &[u8], bits: CK_ULONG) -> Template {
    public(on_token, id).number(CKA_MODULUS_BITS, bits).bytes(CKA_PUBLIC_EXPONENT, &[1, 0, 1])
}

fn public(on_token: bool, id: &[u8]) -> Template {
    Template::default().flag(CKA_TOKEN, on_token).bytes(CKA_ID, id).flags(&[CKA_VERIFY])
}

/// A mechanism and the parameter that it points to.
pub struct Mechanism<'a> {
    raw: CK_MECHANISM,
    parameter: PhantomData<&'a ()>,
}

impl<'a> Mechanism<'a> {
    pub fn plain(mechanism: CK_MECHANISM_TYPE) -> Self {
        let raw = CK_MECHANISM { mechanism, pParameter: null_mut(), ulParameterLen: 0 };
        Self { raw, parameter: PhantomData }
    }

    /// A mechanism whose parameter is bytes or a structure, whose own pointers must still be good.
    pub fn with<T>(mechanism: CK_MECHANISM_TYPE, parameter: &'a T) -> Self {
        let raw = CK_MECHANISM {
            mechanism,
            pParameter: (&raw const *parameter).cast_mut().cast(),
            ulParameterLen: size_of::<T>() as CK_ULONG,
        };
        Self { raw, parameter: PhantomData }
    }

    pub fn raw(&mut self) -> *mut CK_MECHANISM {
        &raw mut self.raw
    }
}

/// The parameter of AES-GCM: 12 bytes of IV, no additional data, a tag of 16 bytes.
pub fn gcm(iv: &[u8; 12]) -> CK_GCM_PARAMS {
    CK_GCM_PARAMS {
        pIv: iv.as_ptr().cast_mut(),
        ulIvLen: 12,
        ulIvBits: 96,
        pAAD: null_mut(),
        ulAADLen: 0,
        ulTagBits: 128,
    }
}
