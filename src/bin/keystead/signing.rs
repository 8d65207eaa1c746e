//! Signature schemes: the mechanism that each kind of key signs by, and the forms in which others expect its
//! signatures.

use crate::Failure;
use crate::keys::ListedKey;
use cryptoki::error::Error;
use cryptoki::mechanism::dsa::{HedgeType, SignAdditionalContext};
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::ObjectHandle;
use cryptoki::session::Session;
use keystead::internal::lc::digest::Hash;
use keystead::internal::object::kinds;
use keystead::internal::v3_2::CKK_ML_DSA;
use pkcs11_sys::{CKK_EC, CKK_EC_EDWARDS, CKK_RSA};
use std::io::{self, Read};
use x509_cert::der::asn1::{Null, ObjectIdentifier, Uint, UintRef};
use x509_cert::der::{Any, Decode, Encode};
use x509_cert::spki::AlgorithmIdentifierOwned;

/// The hashes that a signature is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum HashName {
    /// SHA-256
    Sha256,
    /// SHA-384
    Sha384,
    /// SHA-512
    Sha512,
}

/// The part of a hash in each scheme.
struct HashRow {
    name: HashName,
    hash: Hash,
    /// The DER before a digest in PKCS#1 v1.5 (RFC 8017, 9.2).
    digest_info: &'static [u8],
    plain: MechanismType,
    mgf: PkcsMgfType,
    rsa: fn() -> Mechanism<'static>,
    pss: fn(PkcsPssParams) -> Mechanism<'static>,
    ecdsa: fn() -> Mechanism<'static>,
    /// The last number of the signature algorithm's identifier, under RSA and under ECDSA.
    arcs: (&'static str, &'static str),
}

const HASHES: [HashRow; 3] = [
    HashRow {
        name: HashName::Sha256,
        hash: Hash::Sha256,
        digest_info:
            b"\x30\x31\x30\x0D\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
        plain: MechanismType::SHA256,
        mgf: PkcsMgfType::MGF1_SHA256,
        rsa: || Mechanism::Sha256RsaPkcs,
        pss: Mechanism::Sha256RsaPkcsPss,
        ecdsa: || Mechanism::EcdsaSha256,
        arcs: ("1.2.840.113549.1.1.11", "1.2.840.10045.4.3.2"),
    },
    HashRow {
        name: HashName::Sha384,
        hash: Hash::Sha384,
        digest_info:
            b"\x30\x41\x30\x0D\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
        plain: MechanismType::SHA384,
        mgf: PkcsMgfType::MGF1_SHA384,
        rsa: || Mechanism::Sha384RsaPkcs,
        pss: Mechanism::Sha384RsaPkcsPss,
        ecdsa: || Mechanism::EcdsaSha384,
        arcs: ("1.2.840.113549.1.1.12", "1.2.840.10045.4.3.3"),
    },
    HashRow {
        name: HashName::Sha512,
        hash: Hash::Sha512,
        digest_info:
            b"\x30\x51\x30\x0D\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
        plain: MechanismType::SHA512,
        mgf: PkcsMgfType::MGF1_SHA512,
        rsa: || Mechanism::Sha512RsaPkcs,
        pss: Mechanism::Sha512RsaPkcsPss,
        ecdsa: || Mechanism::EcdsaSha512,
        arcs: ("1.2.840.113549.1.1.13", "1.2.840.10045.4.3.4"),
    },
];

/// A key's signature scheme.
pub(crate) struct Scheme {
    algorithm: Algorithm,
    hash: &'static HashRow,
    /// Size of the key in bits.
    bits: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    RsaPkcs1,
    RsaPss,
    Ecdsa,
    Ed25519,
    MlDsa,
}

/// A message to sign.
pub(crate) enum Message<R> {
    /// The data themselves.
    Data(R),
    /// The digest of them.
    Digest(Vec<u8>),
}

/// The most that a scheme which hashes by itself is given at once, in bytes.
const WHOLE: u64 = 1 << 28;

/// The bytes that go into the token at a time.
const PIECE: usize = 1 << 16;

impl Scheme {
    /// The scheme of a key, with that hash or else the usual one.
    pub(crate) fn of(key: &ListedKey, hash: Option<HashName>, pss: bool) -> Result<Self, Failure> {
        let shown = &key.shown;
        let key_type = kinds::named(&shown.key_type).map(|kind| kind.key_type);
        let algorithm = match key_type {
            Some(CKK_RSA) if pss => Algorithm::RsaPss,
            Some(CKK_RSA) => Algorithm::RsaPkcs1,
            Some(CKK_EC) => Algorithm::Ecdsa,
            Some(CKK_EC_EDWARDS) => Algorithm::Ed25519,
            Some(CKK_ML_DSA) => Algorithm::MlDsa,
            _ => {
                return Err(Failure::refused(format_args!(
                    "{shown}: {} keys make no signatures",
                    shown.key_type
                ))
                .hint("RSA, EC, ED25519 and ML-DSA keys do"));
            }
        };
        let hashes_itself = matches!(algorithm, Algorithm::Ed25519 | Algorithm::MlDsa);
        if (hashes_itself && hash.is_some()) || (pss && algorithm != Algorithm::RsaPss) {
            return Err(Failure::usage(format_args!(
                "{shown}: {} keys have one way to sign",
                shown.key_type
            ))
            .hint("--pss is for RSA keys, --hash for RSA and EC keys"));
        }
        let usual = match shown.key_bits {
            384 => HashName::Sha384,
            521 => HashName::Sha512,
            _ => HashName::Sha256,
        };
        let usual = if algorithm == Algorithm::Ecdsa { usual } else { HashName::Sha256 };
        let wanted = hash.unwrap_or(usual);
        let hash = HASHES.iter().find(|row| row.name == wanted);
        let hash = hash.ok_or_else(|| Failure::usage("there is no such hash"))?;
        Ok(Self { algorithm, hash, bits: shown.key_bits })
    }

    /// Returns its name in certificates and requests.
    pub(crate) fn identifier(&self, key: &ListedKey) -> Result<AlgorithmIdentifierOwned, Failure> {
        let (oid, with_null) = match self.algorithm {
            Algorithm::RsaPss => return self.pss_identifier().map_err(Failure::new),
            Algorithm::RsaPkcs1 => (self.hash.arcs.0, true),
            Algorithm::Ecdsa => (self.hash.arcs.1, false),
            Algorithm::Ed25519 => ("1.3.101.112", false),
            Algorithm::MlDsa => match key.shown.key_type.as_str() {
                "ML-DSA-44" => ("2.16.840.1.101.3.4.3.17", false),
                "ML-DSA-65" => ("2.16.840.1.101.3.4.3.18", false),
                _ => ("2.16.840.1.101.3.4.3.19", false),
            },
        };
        let oid = ObjectIdentifier::new(oid).map_err(Failure::new)?;
        let parameters = with_null.then(|| Any::encode_from(&Null)).transpose();
        Ok(AlgorithmIdentifierOwned { oid, parameters: parameters.map_err(Failure::new)? })
    }

    /// Returns the name of RSA-PSS with its hash, MGF1 of the same, and a salt as long as that (RFC 4055, 3.1).
    fn pss_identifier(&self) -> x509_cert::der::Result<AlgorithmIdentifierOwned> {
        // The `AlgorithmIdentifier` behind the first bytes.
        let hash = self.hash.digest_info.get(2..17).unwrap_or_default();
        let salt = u8::try_from(self.digest_size().unwrap_or_default()).unwrap_or_default();
        let parameters = [
            b"\x30\x34\xA0\x0F",
            hash,
            b"\xA1\x1C\x30\x1A\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x01\x08",
            hash,
            b"\xA2\x03\x02\x01",
            &[salt],
        ];
        let oid = ObjectIdentifier::new("1.2.840.113549.1.1.10")?;
        let parameters = Any::from_der(&parameters.concat())?;
        Ok(AlgorithmIdentifierOwned { oid, parameters: Some(parameters) })
    }

    /// Signs, and returns the signature as other programs write it.
    pub(crate) fn sign(
        &self,
        session: &Session,
        private: ObjectHandle,
        message: Message<impl Read>,
    ) -> Result<Vec<u8>, Failure> {
        let signature = match message {
            Message::Data(data) if !self.hashes_itself() => {
                session.sign_init(&self.of_data(), private)?;
                in_pieces(data, |piece| session.sign_update(piece))?;
                session.sign_final()?
            }
            Message::Data(data) => session.sign(&self.of_data(), private, &whole(data)?)?,
            Message::Digest(digest) => {
                let (by, digest) = self.of_digest(&digest)?;
                session.sign(&by, private, &digest)?
            }
        };
        match self.algorithm {
            Algorithm::Ecdsa => to_der(&signature),
            _ => Ok(signature),
        }
    }

    /// Verifies a signature; the error is the token's where it does not fit.
    pub(crate) fn verify(
        &self,
        session: &Session,
        public: ObjectHandle,
        message: Message<impl Read>,
        signature: &[u8],
    ) -> Result<Result<(), Error>, Failure> {
        let signature = match self.algorithm {
            Algorithm::Ecdsa => from_der(signature, self.bits)?,
            _ => signature.to_vec(),
        };
        Ok(match message {
            Message::Data(data) if !self.hashes_itself() => {
                session.verify_init(&self.of_data(), public)?;
                in_pieces(data, |piece| session.verify_update(piece))?;
                session.verify_final(&signature)
            }
            Message::Data(data) => {
                session.verify(&self.of_data(), public, &whole(data)?, &signature)
            }
            Message::Digest(digest) => {
                let (by, digest) = self.of_digest(&digest)?;
                session.verify(&by, public, &digest, &signature)
            }
        })
    }

    fn hashes_itself(&self) -> bool {
        matches!(self.algorithm, Algorithm::Ed25519 | Algorithm::MlDsa)
    }

    fn of_data(&self) -> Mechanism<'static> {
        match self.algorithm {
            Algorithm::RsaPkcs1 => (self.hash.rsa)(),
            Algorithm::RsaPss => (self.hash.pss)(self.pss()),
            Algorithm::Ecdsa => (self.hash.ecdsa)(),
            Algorithm::Ed25519 => Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure)),
            Algorithm::MlDsa => {
                Mechanism::MlDsa(SignAdditionalContext::new(HedgeType::Preferred, None))
            }
        }
    }

    /// Returns the mechanism for a digest, and what it is given.
    fn of_digest(&self, digest: &[u8]) -> Result<(Mechanism<'static>, Vec<u8>), Failure> {
        let made = match self.algorithm {
            Algorithm::RsaPkcs1 => (Mechanism::RsaPkcs, [self.hash.digest_info, digest].concat()),
            Algorithm::RsaPss => (Mechanism::RsaPkcsPss(self.pss()), digest.to_vec()),
            Algorithm::Ecdsa => (Mechanism::Ecdsa, digest.to_vec()),
            Algorithm::Ed25519 | Algorithm::MlDsa => {
                return Err(Failure::usage("keys of this type sign data, and no digests")
                    .hint("leave --digest out, and name the file itself"));
            }
        };
        let size = self.digest_size()?;
        if digest.len() != size {
            let message = format_args!("the digest has {} bytes", digest.len());
            return Err(Failure::new(message).hint(format_args!(
                "one by this hash has {size}, raw or in hexadecimal; --hash names another"
            )));
        }
        Ok(made)
    }

    /// Returns the size of a digest in bytes.
    pub(crate) fn digest_size(&self) -> Result<usize, Failure> {
        Ok(keystead::internal::lc::digest::Digest::new(self.hash.hash)?.size())
    }

    fn pss(&self) -> PkcsPssParams {
        let s_len = self.digest_size().unwrap_or_default() as u64;
        PkcsPssParams { hash_alg: self.hash.plain, mgf: self.hash.mgf, s_len: s_len.into() }
    }
}

fn in_pieces(
    mut data: impl Read,
    mut take: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Failure> {
    let mut piece = vec![0; PIECE];
    loop {
        match data.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(length) => take(piece.get(..length).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn whole(data: impl Read) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    data.take(WHOLE + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 {
        0..=WHOLE => Ok(bytes),
        _ => Err(Failure::new("it is too long for a key that signs data as a whole")
            .hint("sign a digest of it with an RSA or EC key, or a file that holds its digest")),
    }
}

/// The two numbers of an ECDSA signature as DER has them (RFC 3279), from the two halves that PKCS#11 has.
fn to_der(halves: &[u8]) -> Result<Vec<u8>, Failure> {
    let (r, s) = halves.split_at(halves.len() / 2);
    let numbers = [r, s].map(UintRef::new);
    let numbers: Result<Vec<UintRef<'_>>, _> = numbers.into_iter().collect();
    numbers.and_then(|numbers| numbers.to_der()).map_err(Failure::new)
}

/// The same back, for a key of that size in bits.
fn from_der(signature: &[u8], bits: u64) -> Result<Vec<u8>, Failure> {
    let no_signature = || {
        Failure::new("the signature is no ECDSA signature in DER")
            .hint("`keystead sign` and `openssl dgst -sign` write such")
    };
    let numbers = Vec::<Uint>::from_der(signature).map_err(|_| no_signature())?;
    let size = usize::try_from(bits.div_ceil(8)).map_err(Failure::new)?;
    let padded = |number: &Uint| {
        let bytes = number.as_bytes();
        let zeros = size.checked_sub(bytes.len())?;
        Some([&vec![0; zeros], bytes].concat())
    };
    match numbers.as_slice() {
        [r, s] => Ok([padded(r), padded(s)]
            .into_iter()
            .collect::<Option<Vec<_>>>()
            .ok_or_else(no_signature)?
            .concat()),
        _ => Err(no_signature()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{from_der, to_der};
    use crate::tests::cases;
    use proptest::prelude::*;

    #[test]
    fn an_ecdsa_signature_is_two_numbers_in_der() {
        let halves = [&[0, 0x80][..], &[0, 1]].concat();
        assert_eq!(to_der(&halves).unwrap(), b"\x30\x07\x02\x02\x00\x80\x02\x01\x01");
        assert_eq!(from_der(b"\x30\x07\x02\x02\x00\x80\x02\x01\x01", 16).unwrap(), halves);
        for wrong in
            [&b"\x30\x03\x02\x01\x01"[..], b"", b"\x30\x08\x02\x03\x01\x00\x80\x02\x01\x01"]
        {
            assert!(from_der(wrong, 16).is_err());
        }
    }

    proptest! {
        #![proptest_config(cases(256))]

        #[test]
        fn der_gives_the_halves_back(halves in prop::collection::vec(any::<u8>(), 132)) {
            prop_assert_eq!(from_der(&to_der(&halves).unwrap(), 521).unwrap(), halves);
        }
    }
}
