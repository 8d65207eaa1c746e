//! Import keys, and the way of material through one: wrapped here under the public half, unwrapped by
//! the token with the private half.

use crate::keys::vendor;
use crate::name::Name;
use crate::public_half::PublicHalf;
use crate::transfer::{Form, Scheme, Transfer};
use crate::{Failure, mechanisms, rsa_aes};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use keystead::internal::clock::Seconds;
use keystead::internal::lc::digest::Hash;
use keystead::internal::lc::random;
use keystead::internal::object::kinds::ParameterSet;
use keystead::internal::object::vendor::{
    CKA_KEYSTEAD_CUSTODY, CKA_KEYSTEAD_EXPIRES_AT, CKA_KEYSTEAD_IMPORT_ONLY,
};
use keystead::internal::secret::Secret;
use keystead::internal::text::MAX_TEXT;
use keystead::internal::v3_2::CKA_PARAMETER_SET;
use pkcs11_sys::CKM_AES_KEY_WRAP_KWP;

/// The default label of an import key.
pub(crate) const LABEL: &str = "import key";

/// The size in bits of an import key for one import. What it wraps never leaves this process.
const PASSING_BITS: u64 = 2048;

/// The forms that an RSA import key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Takes {
    /// Material that is wrapped by OAEP alone: the forms oaep-sha256 and oaep-sha1
    Oaep,
    /// Material behind a transport key: all other forms for RSA
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

/// The type of an import key, with all that is chosen in it.
#[derive(Clone, Copy)]
pub(crate) enum PairType {
    /// RSA of a size in bits, for some of the forms.
    Rsa(u64, Takes),
    /// ML-KEM of a parameter set.
    MlKem(&'static ParameterSet),
}

impl PairType {
    /// Returns the form in which material is wrapped here for such a pair.
    const fn form(self) -> Form {
        match self {
            Self::Rsa(_, Takes::Oaep) => Form::OaepSha256,
            Self::Rsa(_, Takes::RsaAes) => Form::RsaAesSha256,
            Self::MlKem(_) => Form::MlKem,
        }
    }

    const fn mechanism(self) -> Mechanism<'static> {
        match self {
            Self::Rsa(..) => Mechanism::RsaPkcsKeyPairGen,
            Self::MlKem(_) => Mechanism::MlKemKeyPairGen,
        }
    }

    fn public_template(self) -> Vec<Attribute> {
        match self {
            Self::Rsa(bits, _) => vec![
                Attribute::ModulusBits(bits.into()),
                Attribute::PublicExponent(vec![1, 0, 1]),
                Attribute::Wrap(true),
            ],
            Self::MlKem(set) => vec![
                vendor(CKA_PARAMETER_SET, &set.number.to_ne_bytes()),
                Attribute::Encapsulate(true),
            ],
        }
    }

    fn private_template(self) -> Vec<Attribute> {
        match self {
            Self::Rsa(_, takes) => vec![takes.mechanism()],
            Self::MlKem(_) => Vec::new(),
        }
    }
}

/// The two halves of an import key.
pub(crate) struct ImportKey {
    public: ObjectHandle,
    private: ObjectHandle,
    /// The form in which material is wrapped for it here.
    form: Form,
}

impl ImportKey {
    /// An import key on the token, until `ends` (seconds since 1970 UTC).
    pub(crate) fn make_lasting(
        session: &Session,
        pair: PairType,
        (label, id): (&str, &[u8]),
        ends: Seconds,
    ) -> Result<Self, Failure> {
        let both = [
            Attribute::Token(true),
            Attribute::Label(label.as_bytes().to_vec()),
            Attribute::Id(id.to_vec()),
            vendor(CKA_KEYSTEAD_EXPIRES_AT, &ends.to_ne_bytes()),
        ];
        Self::make(session, pair, &both)
    }

    /// An ID that no other pair has.
    pub(crate) fn random_id() -> Result<Vec<u8>, Failure> {
        Ok(random::bytes::<16>()?.to_vec())
    }

    /// Returns the name of the kind of form that it takes, as `import-key --form` has it.
    pub(crate) const fn takes(&self) -> &'static str {
        match self.form {
            Form::OaepSha256 | Form::OaepSha1 => "oaep",
            Form::MlKem | Form::MlKemJoined => "ml-kem",
            _ => "rsa-aes",
        }
    }

    /// Ends it.
    pub(crate) fn destroy(&self, session: &Session) -> Result<(), Failure> {
        session.destroy_object(self.public)?;
        Ok(session.destroy_object(self.private)?)
    }

    /// An import key that ends with the session.
    pub(crate) fn make_passing(session: &Session) -> Result<Self, Failure> {
        let pair = PairType::Rsa(PASSING_BITS, Takes::RsaAes);
        Self::make(session, pair, &[Attribute::Token(false)])
    }

    /// An import key that is on the token; any pair that unwraps is one.
    pub(crate) fn named(session: &Session, name: &Name) -> Result<Self, Failure> {
        Self::one(Self::all_with(session, &name.attributes())?, name)
    }

    /// An import key that is on the token and does nothing else, so that no custom key's material goes with it.
    pub(crate) fn named_only(session: &Session, name: &Name) -> Result<Self, Failure> {
        Self::one(Self::marked_with(session, &name.attributes())?, name)
    }

    fn one(mut found: Vec<Self>, name: &Name) -> Result<Self, Failure> {
        match (found.pop(), found.len()) {
            (Some(one), 0) => Ok(one),
            (Some(_), others) => {
                let message = format_args!("{} import keys are called {name}", others + 1);
                Err(Failure::new(message)
                    .hint("`keystead import-key --label` gives another its own"))
            }
            (None, _) => Err(Failure::not_found(format_args!("there is no import key {name}"))
                .hint(
                    "`keystead import-key` makes one, for 24 hours; what was wrapped for one that has \
                     expired or was deleted is to be wrapped again for the new one",
                )),
        }
    }

    /// Every import key that is on the token and does nothing else.
    pub(crate) fn all(session: &Session) -> Result<Vec<Self>, Failure> {
        Self::marked_with(session, &[Attribute::Token(true)])
    }

    /// The label and `CKA_ID` of both halves.
    pub(crate) fn names(&self, session: &Session) -> Result<(Vec<u8>, Vec<u8>), Failure> {
        let read = session
            .get_attributes(self.public, &[AttributeType::Label, AttributeType::Id])?
            .into_iter();
        let names: Vec<Vec<u8>> = read
            .filter_map(|it| match it {
                Attribute::Label(bytes) | Attribute::Id(bytes) => Some(bytes),
                _ => None,
            })
            .collect();
        let [label, id] = names.try_into().unwrap_or_default();
        Ok((label, id))
    }

    /// The private half.
    pub(crate) fn private(&self) -> ObjectHandle {
        self.private
    }

    /// PKCS#11 lets two pairs have one label and one ID; this program makes no second one. A program that
    /// looks for a private key by its ID takes the first.
    pub(crate) fn check_names(session: &Session, label: &str, id: &[u8]) -> Result<(), Failure> {
        if label.is_empty() || label.len() > MAX_TEXT {
            return Err(Failure::usage(format_args!("a label has 1 to {MAX_TEXT} bytes"))
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
        Self::all_with(session, &[Attribute::Label(label.as_bytes().to_vec())])
    }

    /// The import keys whose public halves have these attributes.
    fn all_with(session: &Session, names: &[Attribute]) -> Result<Vec<Self>, Failure> {
        Self::pairs(session, names, Attribute::Unwrap(true))
    }

    /// The same, of those that only take in material.
    fn marked_with(session: &Session, names: &[Attribute]) -> Result<Vec<Self>, Failure> {
        Self::pairs(session, names, vendor(CKA_KEYSTEAD_IMPORT_ONLY, &[1]))
    }

    fn pairs(
        session: &Session,
        names: &[Attribute],
        of_rsa: Attribute,
    ) -> Result<Vec<Self>, Failure> {
        let rsa = (KeyType::RSA, Attribute::Wrap(true), of_rsa);
        let marked = vendor(CKA_KEYSTEAD_IMPORT_ONLY, &[1]);
        let ml_kem = (KeyType::ML_KEM, Attribute::Encapsulate(true), marked);
        let mut found = Vec::new();
        for (key_type, of_public, of_private) in [rsa, ml_kem] {
            let of_public = [names, &[of_public]].concat();
            for public in half(session, ObjectClass::PUBLIC_KEY, key_type, &of_public)? {
                let id = match session.get_attributes(public, &[AttributeType::Id]) {
                    // Its maker has taken it away meanwhile.
                    Err(Error::Pkcs11(RvError::ObjectHandleInvalid, _)) => continue,
                    id => id?,
                };
                let of_private = [&id[..], std::slice::from_ref(&of_private)].concat();
                let private = half(session, ObjectClass::PRIVATE_KEY, key_type, &of_private)?;
                if let ([_], [private]) = (id.as_slice(), private.as_slice()) {
                    let form = form(session, key_type, *private, &id)?;
                    found.push(Self { public, private: *private, form });
                }
            }
        }
        Ok(found)
    }

    /// Material under the public half, for this token, in a form that the pair takes.
    pub(crate) fn wrap(&self, session: &Session, material: &Secret) -> Result<Transfer, Failure> {
        self.form.wrap(&self.public(session)?, material)
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
        match (transfer.scheme, &transfer.carried) {
            (Scheme::Oaep(hash), None) => {
                unwrap(&Mechanism::RsaPkcsOaep(oaep(hash)?), &transfer.sealed)
            }
            (Scheme::Oaep(hash), Some(carried)) => {
                let blob = [transfer.sealed.as_slice(), carried].concat();
                rsa_aes::with(hash, |by| unwrap(by, &blob))?
            }
            (Scheme::MlKem, carried) => {
                let carried = carried.as_deref().unwrap_or_default();
                self.unwrap_in_two(session, &transfer.sealed, carried, template).map_err(explain)
            }
        }
    }

    /// Makes the token decapsulate the transport key, and unwrap the material with that.
    fn unwrap_in_two(
        &self,
        session: &Session,
        sealed: &[u8],
        carried: &[u8],
        template: &[Attribute],
    ) -> Result<ObjectHandle, Error> {
        // All else follows from the import key.
        let transport = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Token(false),
            Attribute::Unwrap(true),
        ];
        let transport =
            session.decapsulate_key(&Mechanism::MlKem, self.private, &transport, sealed)?;
        let by = mechanisms::bare(CKM_AES_KEY_WRAP_KWP);
        let made = session.unwrap_key(&by, transport, carried, template);
        // Where this fails it ends with the session.
        let _until_then = session.destroy_object(transport);
        made
    }

    /// The public half, with which material is wrapped.
    pub(crate) fn public(&self, session: &Session) -> Result<PublicHalf, Failure> {
        PublicHalf::from_spki(&self.public_info(session)?)
            .ok_or_else(|| Failure::new("the import key is too short").hint(ANOTHER))
    }

    fn make(session: &Session, pair: PairType, both: &[Attribute]) -> Result<Self, Failure> {
        let public = [pair.public_template(), vec![Attribute::Private(false)]].concat();
        let private = [
            // All else follows: it is hidden, only takes in material, and never changes.
            vendor(CKA_KEYSTEAD_IMPORT_ONLY, &[1]),
            vendor(CKA_KEYSTEAD_CUSTODY, &[0]),
        ];
        let (public, private) = session.generate_key_pair(
            &pair.mechanism(),
            &[both, &public].concat(),
            &[both, &private, &pair.private_template()].concat(),
        )?;
        Ok(Self { public, private, form: pair.form() })
    }

    /// The public half as a `SubjectPublicKeyInfo` (RFC 5280).
    pub(crate) fn public_info(&self, session: &Session) -> Result<Vec<u8>, Failure> {
        match session.get_attributes(self.public, &[AttributeType::PublicKeyInfo])?.pop() {
            Some(Attribute::PublicKeyInfo(info)) => Ok(info),
            _ => Err(Failure::new("the import key's public half cannot be read").hint(ANOTHER)),
        }
    }
}

/// The hint where an import key is of no use.
const ANOTHER: &str = "`keystead import-key` makes another";

/// The halves of that type with these attributes.
fn half(
    session: &Session,
    class: ObjectClass,
    key_type: KeyType,
    also: &[Attribute],
) -> Result<Vec<ObjectHandle>, Error> {
    let of = [Attribute::Class(class), Attribute::KeyType(key_type)];
    session.find_objects(&[&of, also].concat())
}

/// The form in which material is wrapped here for the pair with that private half and `CKA_ID`.
fn form(
    session: &Session,
    key_type: KeyType,
    private: ObjectHandle,
    id: &[Attribute],
) -> Result<Form, Error> {
    if key_type == KeyType::ML_KEM {
        return Ok(Form::MlKem);
    }
    let alone = [id, &[Takes::Oaep.mechanism()]].concat();
    let alone = half(session, ObjectClass::PRIVATE_KEY, key_type, &alone)?.contains(&private);
    Ok(if alone { Form::OaepSha256 } else { Form::RsaAesSha256 })
}

fn private_keys(session: &Session, id: &[u8]) -> Result<Vec<ObjectHandle>, Failure> {
    let of = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Id(id.to_vec())];
    Ok(session.find_objects(&of)?)
}

/// Returns the parameters of OAEP with that hash and no label.
pub(crate) fn oaep(hash: Hash) -> Result<PkcsOaepParams<'static>, Failure> {
    let (hash, mgf) = match hash {
        Hash::Sha1 => (MechanismType::SHA1, PkcsMgfType::MGF1_SHA1),
        Hash::Sha256 => (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256),
        other => {
            return Err(Failure::new(format_args!("no form has OAEP with {other:?}")));
        }
    };
    Ok(PkcsOaepParams::new(hash, mgf, PkcsOaepSource::empty()))
}
