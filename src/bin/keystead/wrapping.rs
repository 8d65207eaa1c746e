//! Import keys, and the way of material through one: wrapped here under the public half, unwrapped by
//! the token with the private half.

use crate::Failure;
use crate::keys::vendor;
use cryptoki::error::Error;
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource};
use cryptoki::mechanism::vendor_defined::VendorDefinedMechanism;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use keystead::clock::Seconds;
use keystead::lc::aes::AesKey;
use keystead::lc::digest::Hash;
use keystead::lc::rsa::{Oaep, PublicKey};
use keystead::lc::{kw, random};
use keystead::object::vendor::{CKA_KEYSTEAD_CUSTODY, CKA_KEYSTEAD_EXPIRES_AT};
use keystead::secret::Secret;

/// What an import key is called unless somebody says otherwise.
pub const LABEL: &str = "import key";

/// The size in bits of an import key for one import. What it wraps never leaves this process.
const PASSING_BITS: u64 = 2048;

/// What material goes through: OAEP with SHA-256, which the token takes for granted too.
const OAEP: Oaep<'_> = Oaep { hash: Hash::Sha256, mgf: Hash::Sha256, label: &[] };

/// How much shorter than the modulus the material must be, in bytes: RFC 8017, 7.1.1.
const OAEP_OVERHEAD: usize = 2 * 32 + 2;

/// A transport key: of this session, and good for one thing.
const CARRIER: [Attribute; 6] = [
    Attribute::Class(ObjectClass::SECRET_KEY),
    Attribute::KeyType(KeyType::AES),
    Attribute::Token(false),
    Attribute::Sensitive(true),
    Attribute::Extractable(false),
    Attribute::Unwrap(true),
];

/// The two halves of an import key.
pub struct ImportKey {
    public: ObjectHandle,
    private: ObjectHandle,
}

impl ImportKey {
    /// An import key on the token, until `ends` (seconds since 1970 UTC).
    pub fn make_lasting(
        session: &Session,
        bits: u64,
        label: &str,
        ends: Seconds,
    ) -> Result<Self, Failure> {
        let both = [
            Attribute::Token(true),
            Attribute::Label(label.as_bytes().to_vec()),
            Attribute::Id(random::bytes::<16>()?.to_vec()),
            vendor(CKA_KEYSTEAD_EXPIRES_AT, &ends.to_ne_bytes()),
        ];
        Self::make(session, bits, &both)
    }

    /// An import key that ends with the session.
    pub fn make_passing(session: &Session) -> Result<Self, Failure> {
        Self::make(session, PASSING_BITS, &[Attribute::Token(false)])
    }

    /// An import key that is on the token.
    pub fn named(session: &Session, label: &str) -> Result<Self, Failure> {
        let half = |class, may, also: &[Attribute]| {
            let of = [Attribute::Class(class), Attribute::KeyType(KeyType::RSA), may];
            session.find_objects(&[&of, also].concat())
        };
        let label_attribute = Attribute::Label(label.as_bytes().to_vec());
        let mut found = Vec::new();
        for public in half(ObjectClass::PUBLIC_KEY, Attribute::Wrap(true), &[label_attribute])? {
            let id = session.get_attributes(public, &[AttributeType::Id])?;
            let private = half(ObjectClass::PRIVATE_KEY, Attribute::Unwrap(true), &id)?;
            if let ([_], [private]) = (id.as_slice(), private.as_slice()) {
                found.push(Self { public, private: *private });
            }
        }
        match (found.pop(), found.len()) {
            (Some(one), 0) => Ok(one),
            (Some(_), others) => {
                let told = format_args!("{} import keys are called {label:?}", others + 1);
                Err(Failure::new(told).hint("`keystead import-key --label` gives each its own"))
            }
            (None, _) => Err(Failure::new(format_args!("there is no import key {label:?}"))
                .hint("`keystead import-key` makes one, for 24 hours")),
        }
    }

    /// Material under the public half: with OAEP, or, where it is too long for that, under a transport
    /// key behind it, as `CKM_RSA_AES_KEY_WRAP` has it.
    pub fn wrap(&self, session: &Session, material: &Secret) -> Result<Vec<u8>, Failure> {
        let public = self.public(session)?;
        if material.len() + OAEP_OVERHEAD <= public.size() {
            return Ok(public.encrypt_oaep(&OAEP, material.expose())?);
        }
        let transport = random::secret(32)?;
        let carrier = public.encrypt_oaep(&OAEP, transport.expose())?;
        let carried = kw::wrap_padded(&AesKey::new(transport.expose())?, material.expose())?;
        Ok([carrier, carried].concat())
    }

    /// Lets the token unwrap what [`Self::wrap`] made, here or elsewhere, into a key of that template.
    /// `explain` says what it means when the token refuses.
    pub fn unwrap(
        &self,
        session: &Session,
        wrapped: &[u8],
        template: &[Attribute],
        explain: impl Fn(Error) -> Failure,
    ) -> Result<ObjectHandle, Failure> {
        let size = self.public(session)?.size();
        match wrapped.split_at_checked(size) {
            Some((all, [])) => self.unwrap_oaep(session, all, template).map_err(explain),
            Some((carrier, carried)) => {
                let carrier = self.unwrap_oaep(session, carrier, &CARRIER).map_err(&explain)?;
                let padded =
                    VendorDefinedMechanism::new::<()>(MechanismType::AES_KEY_WRAP_PAD, None);
                let mechanism = Mechanism::VendorDefined(padded);
                session.unwrap_key(&mechanism, carrier, carried, template).map_err(explain)
            }
            None => {
                let length = wrapped.len();
                Err(Failure::new(format_args!(
                    "{length} bytes are not wrapped under this import key"
                ))
                .hint(format_args!("they would be {size}, or more")))
            }
        }
    }

    fn unwrap_oaep(
        &self,
        session: &Session,
        wrapped: &[u8],
        template: &[Attribute],
    ) -> Result<ObjectHandle, Error> {
        let oaep = PkcsOaepParams::new(
            MechanismType::SHA256,
            PkcsMgfType::MGF1_SHA256,
            PkcsOaepSource::empty(),
        );
        session.unwrap_key(&Mechanism::RsaPkcsOaep(oaep), self.private, wrapped, template)
    }

    fn public(&self, session: &Session) -> Result<PublicKey, Failure> {
        Ok(PublicKey::from_spki(&self.public_info(session)?)?)
    }

    fn make(session: &Session, bits: u64, both: &[Attribute]) -> Result<Self, Failure> {
        let public = [
            Attribute::ModulusBits(bits.into()),
            Attribute::PublicExponent(vec![1, 0, 1]),
            Attribute::Private(false),
            Attribute::Wrap(true),
        ];
        let private = [
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Unwrap(true),
            vendor(CKA_KEYSTEAD_CUSTODY, &[0]),
        ];
        let (public, private) = session.generate_key_pair(
            &Mechanism::RsaPkcsKeyPairGen,
            &[both, &public].concat(),
            &[both, &private].concat(),
        )?;
        Ok(Self { public, private })
    }

    /// The public half as a `SubjectPublicKeyInfo` (RFC 5280).
    pub fn public_info(&self, session: &Session) -> Result<Vec<u8>, Failure> {
        match session.get_attributes(self.public, &[AttributeType::PublicKeyInfo])?.pop() {
            Some(Attribute::PublicKeyInfo(info)) => Ok(info),
            _ => Err(Failure::new("the import key's public half cannot be read")),
        }
    }
}
