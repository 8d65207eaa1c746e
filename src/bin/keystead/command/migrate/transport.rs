//! The way of keys into this token: a transport key that another token has made and encrypted under a passing
//! public key, and with it every key that was wrapped under it.

use crate::Failure;
use crate::mechanisms::bare;
use crate::public_half::PublicHalf;
use crate::wrapping::oaep;
use cryptoki::error::Error;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use keystead::internal::lc::digest::Hash;
use keystead::internal::lc::rsa::PublicKey;

/// The size of the passing pair, in bits: what it encrypts may go over a network to the other token.
const BITS: u64 = 3072;

/// A pair that lasts as long as the session and takes in the transport key.
pub(super) struct Passing {
    private: ObjectHandle,
    /// The public half.
    pub(super) public: PublicKey,
}

/// The transport key, which ends with the session.
pub(super) struct Transport(ObjectHandle);

impl Passing {
    /// Makes the pair.
    pub(super) fn make(session: &Session) -> Result<Self, Failure> {
        let public = [
            Attribute::Token(false),
            Attribute::Private(false),
            Attribute::ModulusBits(BITS.into()),
            Attribute::PublicExponent(vec![1, 0, 1]),
            Attribute::Wrap(true),
        ];
        let private = [
            Attribute::Token(false),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Unwrap(true),
        ];
        let (public, private) =
            session.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, &private)?;
        let info = session.get_attributes(public, &[AttributeType::PublicKeyInfo])?.pop();
        match info {
            Some(Attribute::PublicKeyInfo(info)) => match PublicHalf::from_spki(&info) {
                Some(PublicHalf::Rsa(public)) => Ok(Self { private, public }),
                _ => Err(Failure::new("the passing pair's public half is no RSA key")),
            },
            _ => Err(Failure::new("the passing pair's public half cannot be read")),
        }
    }

    /// Takes in the transport key that was encrypted under the public half by OAEP with that hash.
    pub(super) fn transport(
        &self,
        session: &Session,
        hash: Hash,
        sealed: &[u8],
    ) -> Result<Transport, Failure> {
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Token(false),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Unwrap(true),
        ];
        let by = Mechanism::RsaPkcsOaep(oaep(hash)?);
        Ok(Transport(session.unwrap_key(&by, self.private, sealed, &template)?))
    }
}

impl Transport {
    /// Makes a key of that template from what was wrapped under the transport key.
    pub(super) fn unwrap(
        &self,
        session: &Session,
        (mechanism, wrapped): (u64, &[u8]),
        template: &[Attribute],
    ) -> Result<ObjectHandle, Error> {
        session.unwrap_key(&bare(mechanism), self.0, wrapped, template)
    }
}
