//! Import keys, and the way of material through one: wrapped here under the public half, unwrapped by
//! the token with the private half.

use crate::keys::vendor;
use crate::transfer::{Form, Transfer};
use crate::{Failure, rsa_aes};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use keystead::internal::clock::Seconds;
use keystead::internal::lc::digest::Hash;
use keystead::internal::lc::random;
use keystead::internal::lc::rsa::PublicKey;
use keystead::internal::object::vendor::{
    CKA_KEYSTEAD_CUSTODY, CKA_KEYSTEAD_EXPIRES_AT, CKA_KEYSTEAD_IMPORT_ONLY,
};
use keystead::internal::secret::Secret;
use keystead::internal::text::MAX_TEXT;

/// The default label of an import key.
pub(crate) const LABEL: &str = "import key";

/// The size in bits of an import key for one import. What it wraps never leaves this process.
const PASSING_BITS: u64 = 2048;

/// The forms that an import key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Takes {
    /// Material that is wrapped by OAEP alone: the forms oaep-sha256 and oaep-sha1
    Oaep,
    /// Material behind a transport key: all other forms
    RsaAes,
}

impl Takes {
    fn mechanism(self) -> Attribute {
        Attribute::AllowedMechanisms(vec![match self {
            Self::Oaep => MechanismType::RSA_PKCS_OAEP,
            Self::RsaAes => rsa_aes::number(),
        }])
    }
}

/// The two halves of an import key.
pub(crate) struct ImportKey {
    public: ObjectHandle,
    private: ObjectHandle,
    /// The forms it takes, as far as they matter for wrapping.
    takes: Takes,
}

impl ImportKey {
    /// An import key on the token, until `ends` (seconds since 1970 UTC).
    pub(crate) fn make_lasting(
        session: &Session,
        bits: u64,
        (label, id): (&str, &[u8]),
        ends: Seconds,
        takes: Takes,
    ) -> Result<Self, Failure> {
        let both = [
            Attribute::Token(true),
            Attribute::Label(label.as_bytes().to_vec()),
            Attribute::Id(id.to_vec()),
            vendor(CKA_KEYSTEAD_EXPIRES_AT, &ends.to_ne_bytes()),
        ];
        Self::make(session, bits, &both, takes)
    }

    /// An ID that no other pair has.
    pub(crate) fn random_id() -> Result<Vec<u8>, Failure> {
        Ok(random::bytes::<16>()?.to_vec())
    }

    /// Ends it.
    pub(crate) fn destroy(&self, session: &Session) -> Result<(), Failure> {
        session.destroy_object(self.public)?;
        Ok(session.destroy_object(self.private)?)
    }

    /// An import key that ends with the session.
    pub(crate) fn make_passing(session: &Session) -> Result<Self, Failure> {
        Self::make(session, PASSING_BITS, &[Attribute::Token(false)], Takes::RsaAes)
    }

    /// An import key that is on the token.
    pub(crate) fn named(session: &Session, label: &str) -> Result<Self, Failure> {
        let mut found = Self::all_named(session, label)?;
        match (found.pop(), found.len()) {
            (Some(one), 0) => Ok(one),
            (Some(_), others) => {
                let message = format_args!("{} import keys are called {label:?}", others + 1);
                Err(Failure::new(message)
                    .hint("`keystead import-key --label` gives another its own"))
            }
            (None, _) => Err(Failure::new(format_args!("there is no import key {label:?}"))
                .hint("`keystead import-key` makes one, for 24 hours")),
        }
    }

    /// PKCS#11 lets two pairs have one label and one ID; this program makes no second one. A program that
    /// looks for a private key by its ID takes the first.
    pub(crate) fn check_names(session: &Session, label: &str, id: &[u8]) -> Result<(), Failure> {
        if label.is_empty() || label.len() > MAX_TEXT {
            return Err(Failure::new(format_args!("a label has 1 to {MAX_TEXT} bytes"))
                .hint("choose another"));
        }
        if !Self::all_named(session, label)?.is_empty() {
            return Err(Failure::new(format_args!("there is an import key {label:?} already"))
                .hint("--label gives this one its own"));
        }
        match private_keys(session, id)?.is_empty() {
            true => Ok(()),
            false => Err(Failure::new("another private key has that ID already")
                .hint("--id gives this one its own; without it the ID is a random one")),
        }
    }

    /// Fails where another pair has the label or ID: of pairs that are made at once, none that sees another
    /// is to be kept.
    pub(crate) fn check_only(session: &Session, label: &str, id: &[u8]) -> Result<(), Failure> {
        if Self::all_named(session, label)?.len() < 2 && private_keys(session, id)?.len() < 2 {
            return Ok(());
        }
        let message = format_args!("another import key {label:?} was made at the same time");
        Err(Failure::new(message).hint("run it again, with a --label and an --id of its own"))
    }

    fn all_named(session: &Session, label: &str) -> Result<Vec<Self>, Failure> {
        let half = |class, may, also: &[Attribute]| {
            let of = [Attribute::Class(class), Attribute::KeyType(KeyType::RSA), may];
            session.find_objects(&[&of, also].concat())
        };
        let label_attribute = Attribute::Label(label.as_bytes().to_vec());
        let mut found = Vec::new();
        for public in half(ObjectClass::PUBLIC_KEY, Attribute::Wrap(true), &[label_attribute])? {
            let id = match session.get_attributes(public, &[AttributeType::Id]) {
                // Its maker has taken it away meanwhile.
                Err(Error::Pkcs11(RvError::ObjectHandleInvalid, _)) => continue,
                id => id?,
            };
            let private = half(ObjectClass::PRIVATE_KEY, Attribute::Unwrap(true), &id)?;
            if let ([_], [private]) = (id.as_slice(), private.as_slice()) {
                let alone = Takes::Oaep.mechanism();
                let alone = half(ObjectClass::PRIVATE_KEY, alone, &id)?.contains(private);
                let takes = if alone { Takes::Oaep } else { Takes::RsaAes };
                found.push(Self { public, private: *private, takes });
            }
        }
        Ok(found)
    }

    /// Material under the public half, for this token, in a form that the pair takes.
    pub(crate) fn wrap(&self, session: &Session, material: &Secret) -> Result<Transfer, Failure> {
        let form = match self.takes {
            Takes::Oaep => Form::OaepSha256,
            Takes::RsaAes => Form::RsaAesSha256,
        };
        form.wrap(&self.public(session)?, material)
    }

    /// Makes the token unwrap what was wrapped under the public half, here or elsewhere, into a key of
    /// that template. `explain` says what it means when the token refuses.
    pub(crate) fn unwrap(
        &self,
        session: &Session,
        transfer: &Transfer,
        template: &[Attribute],
        explain: impl Fn(Error) -> Failure,
    ) -> Result<ObjectHandle, Failure> {
        let unwrap = |by: &Mechanism, blob: &[u8]| {
            session.unwrap_key(by, self.private, blob, template).map_err(&explain)
        };
        match &transfer.carried {
            None => unwrap(&Mechanism::RsaPkcsOaep(oaep(transfer.hash)?), &transfer.sealed),
            Some(carried) => {
                let blob = [transfer.sealed.as_slice(), carried].concat();
                rsa_aes::with(transfer.hash, |by| unwrap(by, &blob))?
            }
        }
    }

    /// The size of what it wraps by OAEP, in bytes.
    pub(crate) fn size(&self, session: &Session) -> Result<usize, Failure> {
        Ok(self.public(session)?.size())
    }

    fn public(&self, session: &Session) -> Result<PublicKey, Failure> {
        Ok(PublicKey::from_spki(&self.public_info(session)?)?)
    }

    fn make(
        session: &Session,
        bits: u64,
        both: &[Attribute],
        takes: Takes,
    ) -> Result<Self, Failure> {
        let public = [
            Attribute::ModulusBits(bits.into()),
            Attribute::PublicExponent(vec![1, 0, 1]),
            Attribute::Private(false),
            Attribute::Wrap(true),
        ];
        let private = [
            // All else follows: it is hidden, does nothing but unwrap, and never changes.
            vendor(CKA_KEYSTEAD_IMPORT_ONLY, &[1]),
            vendor(CKA_KEYSTEAD_CUSTODY, &[0]),
            takes.mechanism(),
        ];
        let (public, private) = session.generate_key_pair(
            &Mechanism::RsaPkcsKeyPairGen,
            &[both, &public].concat(),
            &[both, &private].concat(),
        )?;
        Ok(Self { public, private, takes })
    }

    /// The public half as a `SubjectPublicKeyInfo` (RFC 5280).
    pub(crate) fn public_info(&self, session: &Session) -> Result<Vec<u8>, Failure> {
        match session.get_attributes(self.public, &[AttributeType::PublicKeyInfo])?.pop() {
            Some(Attribute::PublicKeyInfo(info)) => Ok(info),
            _ => Err(Failure::new("the import key's public half cannot be read")
                .hint("`keystead import-key` makes another")),
        }
    }
}

fn private_keys(session: &Session, id: &[u8]) -> Result<Vec<ObjectHandle>, Failure> {
    let of = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Id(id.to_vec())];
    Ok(session.find_objects(&of)?)
}

fn oaep(hash: Hash) -> Result<PkcsOaepParams<'static>, Failure> {
    let (hash, mgf) = match hash {
        Hash::Sha1 => (MechanismType::SHA1, PkcsMgfType::MGF1_SHA1),
        Hash::Sha256 => (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256),
        other => {
            return Err(Failure::new(format_args!("no form has OAEP with {other:?}")));
        }
    };
    Ok(PkcsOaepParams::new(hash, mgf, PkcsOaepSource::empty()))
}
