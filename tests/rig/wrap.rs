//! The work of the owner of some material outside the token: wrapping it for the token's import key.

use super::vendor::{expires_at, for_key, import_only, mechanism_type, without_custody};
use super::world::now;
use super::{Token, refused};
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap, KeyWrapPadded};
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPublicEncryptingKey,
    PublicKeyComponents,
};
use cryptoki::error::RvError;
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource};
use cryptoki::mechanism::vendor_defined::VendorDefinedMechanism;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use pkcs11_sys::{
    CK_RSA_AES_KEY_WRAP_PARAMS, CK_RSA_PKCS_OAEP_PARAMS, CKG_MGF1_SHA256, CKM_RSA_AES_KEY_WRAP,
    CKM_SHA256, CKZ_DATA_SPECIFIED,
};
use std::ptr::null_mut;

/// A secret that the token holds as a session key which can unwrap, and that is known outside too:
/// the quickest way to bring material in.
#[derive(Debug)]
pub struct Courier {
    /// The token's side.
    pub key: ObjectHandle,
    secret: [u8; 32],
}

impl Courier {
    /// Puts a fresh secret on both sides.
    pub fn new(token: &Token) -> Self {
        let mut secret = [0; 32];
        token.generate_random_slice(&mut secret).unwrap();
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Token(false),
            Attribute::Unwrap(true),
            Attribute::Wrap(true),
            Attribute::Value(secret.to_vec()),
        ];
        Self { key: token.create_object(&template).unwrap(), secret }
    }

    /// The material by AES-KW (RFC 3394).
    pub fn wrap(&self, material: &[u8]) -> Vec<u8> {
        let kek = AesKek::new(&AES_256, &self.secret).unwrap();
        let mut wrapped = vec![0; material.len() + 8];
        kek.wrap(material, &mut wrapped).unwrap();
        wrapped
    }

    /// The material by AES-KWP (RFC 5649).
    pub fn wrap_padded(&self, material: &[u8]) -> Vec<u8> {
        padded(&self.secret, material)
    }

    /// Imports material with a template.
    pub fn import(
        &self,
        token: &Token,
        material: &[u8],
        template: &[Attribute],
    ) -> cryptoki::error::Result<ObjectHandle> {
        token.unwrap_key(&Mechanism::AesKeyWrap, self.key, &self.wrap(material), template)
    }
}

/// Unwraps material under AES-KWP with a template.
pub fn import_padded(
    token: &Token,
    material: &[u8],
    template: &[Attribute],
) -> cryptoki::error::Result<ObjectHandle> {
    let courier = Courier::new(token);
    let blob = courier.wrap_padded(material);
    let made = token.unwrap_key(&Mechanism::AesKeyWrapPad, courier.key, &blob, template);
    token.destroy_object(courier.key).unwrap();
    made
}

/// Imports a private key, and sees that no other of the same public half is material of its custom key, or of another,
/// or passes for a backup of it; not while it is there, and not when it is gone.
pub fn is_of_one_key(token: &Token, key_type: KeyType, key: &[u8], others: &[&Vec<u8>]) {
    let import = |pkcs8: &[u8], more: &[Attribute]| {
        let class = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::KeyType(key_type)];
        import_padded(token, pkcs8, &[&class[..], more].concat())
    };
    let made = import(key, &[Attribute::Token(true)]).unwrap();
    let id = token.key_of(made);
    let target = [Attribute::Token(true), for_key(&id)];
    let compared = [Attribute::Token(false), for_key(&id)];
    let others_are_refused = || {
        for other in others {
            for template in [&target[..], &[Attribute::Token(true)], &compared] {
                refused(import(other, template), RvError::TemplateInconsistent);
            }
        }
        import(key, &compared).unwrap();
    };
    others_are_refused();
    token.destroy_object(made).unwrap();
    others_are_refused();
    import(key, &target).unwrap();
    others_are_refused();
}

/// An RSA pair that unwraps, without the mark of an import key, and its public half.
#[derive(Debug)]
pub struct ImportKey {
    /// The private half: it can only unwrap.
    pub private: ObjectHandle,
    public: OaepPublicEncryptingKey,
}

impl ImportKey {
    /// Makes one, 2048 bits to be quick.
    pub fn new(token: &Token) -> Self {
        let (public, private) = token
            .generate_key_pair(
                &Mechanism::RsaPkcsKeyPairGen,
                &[
                    Attribute::Token(false),
                    Attribute::ModulusBits(2048.into()),
                    Attribute::PublicExponent(vec![1, 0, 1]),
                    Attribute::Wrap(true),
                ],
                &[
                    Attribute::Token(true),
                    Attribute::Private(true),
                    Attribute::Sensitive(true),
                    Attribute::Unwrap(true),
                    without_custody(),
                    expires_at(now() + 86_400),
                ],
            )
            .unwrap();
        Self { private, public: public_half(token, public) }
    }

    /// The material as `openssl pkeyutl` with OAEP and SHA-256 wraps it.
    pub fn wrap(&self, material: &[u8]) -> Vec<u8> {
        self.wrap_with(&OAEP_SHA256_MGF1SHA256, material)
    }

    /// The same with SHA-1.
    pub fn wrap_sha1(&self, material: &[u8]) -> Vec<u8> {
        self.wrap_with(&OAEP_SHA1_MGF1SHA1, material)
    }

    fn wrap_with(&self, algorithm: &'static OaepAlgorithm, material: &[u8]) -> Vec<u8> {
        let mut wrapped = vec![0; self.public.ciphertext_size()];
        self.public.encrypt(algorithm, material, &mut wrapped, None).unwrap().to_vec()
    }
}

/// The owner of some material, and the pair of the token that it is wrapped for.
#[derive(Debug)]
pub struct Owner {
    /// The half that the owner has as well.
    pub public: ObjectHandle,
    /// The token's half.
    pub private: ObjectHandle,
    key: OaepPublicEncryptingKey,
}

impl Owner {
    /// With a pair that only takes in material of custom keys.
    pub fn of_import_key(token: &Token) -> Self {
        Self::of(token, &[import_only()])
    }

    /// With a pair whose private half has that template.
    pub fn of(token: &Token, private: &[Attribute]) -> Self {
        let public = [Attribute::ModulusBits(2048.into())];
        let made = token.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, private);
        let (public, private) = made.unwrap();
        Self { public, private, key: public_half(token, public) }
    }

    /// The material by OAEP with SHA-256.
    pub fn oaep(&self, material: &[u8]) -> Vec<u8> {
        let mut wrapped = vec![0; self.key.ciphertext_size()];
        self.key.encrypt(&OAEP_SHA256_MGF1SHA256, material, &mut wrapped, None).unwrap().to_vec()
    }

    /// The two parts of `CKM_RSA_AES_KEY_WRAP`: a transport key by OAEP, the material by AES-KWP.
    pub fn parts(&self, material: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let transport = [0xA5; 32];
        (self.oaep(&transport), padded(&transport, material))
    }

    /// Has the token unwrap the material as a whole transfer.
    pub fn import(
        &self,
        token: &Token,
        material: &[u8],
        template: &[Attribute],
    ) -> cryptoki::error::Result<ObjectHandle> {
        let (transport, carried) = self.parts(material);
        let blob = [transport, carried].concat();
        with_rsa_aes(|by| token.unwrap_key(by, self.private, &blob, template))
    }
}

/// Material by AES-KWP (RFC 5649) under that key.
fn padded(by: &[u8; 32], material: &[u8]) -> Vec<u8> {
    let kek = AesKek::new(&AES_256, by).unwrap();
    let mut wrapped = vec![0; material.len() + 15];
    kek.wrap_with_padding(material, &mut wrapped).unwrap().to_vec()
}

fn public_half(token: &Token, public: ObjectHandle) -> OaepPublicEncryptingKey {
    let found =
        token.get_attributes(public, &[AttributeType::Modulus, AttributeType::PublicExponent]);
    let [Attribute::Modulus(n), Attribute::PublicExponent(e)] = &found.unwrap()[..] else {
        panic!("the public half has no modulus and exponent");
    };
    let key = PublicKeyComponents { n, e }.try_into().unwrap();
    OaepPublicEncryptingKey::new(key).unwrap()
}

/// OAEP with SHA-256, as a parameter.
pub fn oaep_sha256() -> Mechanism<'static> {
    oaep(MechanismType::SHA256, PkcsMgfType::MGF1_SHA256)
}

/// OAEP with SHA-1, as a parameter.
pub fn oaep_sha1() -> Mechanism<'static> {
    oaep(MechanismType::SHA1, PkcsMgfType::MGF1_SHA1)
}

fn oaep(hash: MechanismType, mgf: PkcsMgfType) -> Mechanism<'static> {
    PkcsOaepParams::new(hash, mgf, PkcsOaepSource::empty()).into()
}

/// `CKM_RSA_AES_KEY_WRAP` with an AES key of 256 bits and OAEP with SHA-256, for which the client crate
/// has no name.
pub fn with_rsa_aes<R>(act: impl FnOnce(&Mechanism) -> R) -> R {
    let mut oaep = CK_RSA_PKCS_OAEP_PARAMS {
        hashAlg: CKM_SHA256,
        mgf: CKG_MGF1_SHA256,
        source: CKZ_DATA_SPECIFIED,
        pSourceData: null_mut(),
        ulSourceDataLen: 0,
    };
    let params = CK_RSA_AES_KEY_WRAP_PARAMS { ulAESKeyBits: 256, pOAEPParams: &raw mut oaep };
    let mechanism =
        VendorDefinedMechanism::new(mechanism_type(CKM_RSA_AES_KEY_WRAP), Some(&params));
    act(&Mechanism::VendorDefined(mechanism))
}

/// RFC 5649's unwrapping, with a key that decrypts single blocks.
pub fn unwrapped_by_hand(token: &Token, key: ObjectHandle, wrapped: &[u8]) -> Vec<u8> {
    let (head, mut rest) = opened_by_hand(token, key, wrapped);
    assert_eq!(head[..4], [0xA6, 0x59, 0x59, 0xA6]);
    rest.truncate(u32::from_be_bytes(head[4..].try_into().unwrap()) as usize);
    rest
}

/// The initial value and the rest that AES key wrap (RFC 3394) finds in a blob, whatever it is, with a key that
/// decrypts single blocks.
pub fn opened_by_hand(token: &Token, key: ObjectHandle, wrapped: &[u8]) -> ([u8; 8], Vec<u8>) {
    let (mut head, mut rest) = (wrapped[..8].to_vec(), wrapped[8..].to_vec());
    let parts = rest.len() / 8;
    for round in (0..6 * parts).rev() {
        let place = 8 * (round % parts)..8 * (round % parts) + 8;
        let counter = (round as u64 + 1).to_be_bytes();
        head.iter_mut().zip(counter).for_each(|(byte, counter)| *byte ^= counter);
        let block = [&head[..], &rest[place.clone()]].concat();
        let block = token.decrypt(&Mechanism::AesEcb, key, &block).unwrap();
        head.copy_from_slice(&block[..8]);
        rest[place].copy_from_slice(&block[8..]);
    }
    (head.try_into().unwrap(), rest)
}
