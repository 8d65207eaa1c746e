//! The rules that keep keys in, each played as the attack it stops: what is protected stays so, and
//! no key tells another's value.

mod other_uses;
mod protections;
mod wrapping;

use crate::rig::token::{Token, aes_material, pin};
use crate::rig::{kind, refused};
use cryptoki::error::{Result, RvError};
use cryptoki::mechanism::hkdf::{HkdfParams, HkdfSalt};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{
    Attribute, AttributeInfo, AttributeType, KeyType, ObjectClass, ObjectHandle,
};
use cryptoki::session::UserType;

/// A secret that an attacker knows.
const KNOWN: [u8; 32] = [7; 32];
/// A value of `CKA_KEYSTEAD_EXPIRY_ACTION`.
const READ_ONLY: u64 = 2;
const IV: [u8; 16] = [3; 16];
const P256: [u8; 10] = [6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7];

fn session_aes() -> [Attribute; 3] {
    let [class, key_type, _] = aes_material();
    [class, key_type, Attribute::Token(false)]
}

fn generic(token: &Token, more: &[Attribute]) -> ObjectHandle {
    let template = [&[Attribute::ValueLen(32.into())], more].concat();
    token.generate_key(&Mechanism::GenericSecretKeyGen, &template).unwrap()
}

fn ec_pair(token: &Token, private: &[Attribute]) -> (ObjectHandle, ObjectHandle) {
    let on_token = private.contains(&Attribute::Token(true));
    let public = [Attribute::EcParams(P256.to_vec()), Attribute::Token(on_token)];
    token.generate_key_pair(&Mechanism::EccKeyPairGen, &public, private).unwrap()
}

fn rsa_pair(token: &Token, private: &[Attribute]) -> (ObjectHandle, ObjectHandle) {
    let public = [Attribute::ModulusBits(2048.into())];
    token.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, private).unwrap()
}

fn hkdf(token: &Token, base: ObjectHandle, more: &[Attribute]) -> Result<ObjectHandle> {
    let params = HkdfParams::new(MechanismType::SHA256, Some(HkdfSalt::Null), Some(b"info"));
    token.derive_key(&Mechanism::HkdfDerive(params), base, &derived(more))
}

fn derived(more: &[Attribute]) -> Vec<Attribute> {
    let base =
        [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::KeyType(KeyType::GENERIC_SECRET)];
    let sized = more.iter().any(|more| matches!(more, Attribute::ValueLen(_)));
    let size = (!sized).then(|| Attribute::ValueLen(32.into()));
    base.into_iter().chain(size).chain(more.iter().cloned()).collect()
}

/// An attribute whose value is a template with one attribute: a `CK_ATTRIBUTE` as it lies in memory.
fn template_of(of: u64, inner: u64, value: &'static [u8]) -> Attribute {
    let address = value.as_ptr().expose_provenance();
    let bytes = [inner.to_ne_bytes(), address.to_ne_bytes(), value.len().to_ne_bytes()].concat();
    Attribute::VendorDefined((kind(of), bytes))
}

/// That neither a change nor a copy gives a key that only wraps another usage.
fn gains_nothing(token: &Token, wrapping: ObjectHandle) {
    for usage in [
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
        Attribute::Sign(true),
        Attribute::Unwrap(true),
        Attribute::Derive(true),
    ] {
        let among = [Attribute::Wrap(false), usage];
        refused(token.update_attributes(wrapping, &among), RvError::AttributeReadOnly);
        let kept = token.flag(wrapping, AttributeType::Wrap);
        assert!(kept, "a refused change changes none");
        let copyable = token.flag(wrapping, AttributeType::Copyable);
        let refusal = if copyable { RvError::AttributeReadOnly } else { RvError::ActionProhibited };
        refused(token.copy_object(wrapping, &among), refusal);
    }
}

fn hides_its_value(token: &Token, key: ObjectHandle) -> bool {
    let info = token.get_attribute_info(key, &[AttributeType::Value]).unwrap();
    matches!(info[..], [AttributeInfo::Sensitive])
}

fn log_in_again(token: &Token, who: UserType, text: &str) {
    token.logout().unwrap();
    token.login(who, Some(&pin(text))).unwrap();
}
