//! The X.509 certificates of key pairs as objects of the token: each key's own, and those of its issuers.

use crate::keys::{ListedKey, vendor};
use crate::pem;
use crate::public_key;
use crate::{Failure, key_file::CERTIFICATE};
use cryptoki::object::{Attribute, AttributeType, CertificateType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use keystead::internal::lc::digest::{Digest, Hash};
use keystead::internal::lc::x509;
use keystead::internal::text::harmless;
use pkcs11_sys::CKA_CERTIFICATE_CATEGORY;
use x509_cert::certificate::{Certificate, Version};
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};
use x509_cert::name::Name;
use x509_cert::spki::{SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef};

/// The certificate categories (PKCS#11 3.1, 4.6.3): the token's user, and an authority.
const TOKEN_USER: u64 = 1;
const AUTHORITY: u64 = 2;

/// The longest chain that is followed in a token: a longer one is a circle.
const LONGEST: usize = 16;

/// A certificate, with the DER that it was read from.
#[derive(Clone)]
pub(crate) struct KeptCertificate {
    /// The DER.
    pub der: Vec<u8>,
    /// The contents.
    pub parsed: Certificate,
}

/// The chain of a key: its own certificate, then the issuer of each.
pub(crate) struct Chain {
    /// The certificates, the key's own first.
    pub certificates: Vec<KeptCertificate>,
    /// Those that are not in it.
    pub others: Vec<KeptCertificate>,
}

impl KeptCertificate {
    /// Reads one from DER.
    pub(crate) fn from_der(der: Vec<u8>) -> Result<Self, Failure> {
        match Certificate::from_der(&der) {
            Ok(parsed) => Ok(Self { der, parsed }),
            Err(_) => Err(Failure::new("this is no X.509 certificate")
                .hint("it is PEM or DER: `openssl x509 -in FILE -text` shows one")),
        }
    }

    /// Reads all that a file has, in PEM or DER: one at least.
    pub(crate) fn all_in(text: &[u8]) -> Result<Vec<Self>, Failure> {
        let Some(found) = pem::blocks(text) else {
            return Ok(vec![Self::from_der(text.to_vec())?]);
        };
        let blocks = found.blocks.ok_or_else(damaged)?;
        if let Some(other) = blocks.iter().find(|block| block.label != CERTIFICATE) {
            let what = harmless(other.label);
            return Err(Failure::new(format_args!("there is PEM of {what} in it"))
                .hint("a chain is certificates only: `openssl x509` prints the first of a file"));
        }
        let read = |block: &pem::PemBlock| {
            Self::from_der(block.bytes().ok_or_else(damaged)?.expose().to_vec())
        };
        blocks.iter().map(read).collect()
    }

    /// Returns its subject.
    pub(crate) fn subject(&self) -> &Name {
        self.parsed.tbs_certificate().subject()
    }

    /// Returns its issuer.
    pub(crate) fn issuer(&self) -> &Name {
        self.parsed.tbs_certificate().issuer()
    }

    /// Returns whether it names that one as its issuer, and not itself.
    fn names_issuer(&self, other: &Self) -> bool {
        self.issuer() != self.subject() && self.issuer() == other.subject()
    }

    /// Returns whether it is of the key with that `SubjectPublicKeyInfo`.
    fn is_of(&self, info: &SubjectPublicKeyInfoOwned) -> bool {
        let told = self.parsed.tbs_certificate().subject_public_key_info();
        told.algorithm.oid == info.algorithm.oid
            && told.subject_public_key == info.subject_public_key
    }

    /// Returns whether another one has its issuer's name, which is not its own, and the key by which it is signed.
    fn is_signed_by(&self, other: &Self) -> bool {
        self.names_issuer(other)
            && x509::is_signed_by(&self.der, &other.der).is_ok_and(|is_signed| is_signed)
    }

    /// The same, where that one is an authority's.
    fn is_issued_by(&self, other: &Self) -> bool {
        other.is_authority() && self.is_signed_by(other)
    }

    /// Returns whether its key may sign certificates (RFC 5280, 4.2.1.9 and 4.2.1.3). One of a version before the third
    /// cannot say.
    fn is_authority(&self) -> bool {
        let told = self.parsed.tbs_certificate();
        let constraints = told.get_extension::<BasicConstraints>();
        let usage = told.get_extension::<KeyUsage>();
        let is_ca = match constraints {
            Ok(Some((_, constraints))) => constraints.ca,
            Ok(None) => told.version() != Version::V3,
            Err(_) => false,
        };
        is_ca && usage.is_ok_and(|usage| usage.is_none_or(|(_, usage)| usage.key_cert_sign()))
    }

    /// The attributes of its object, but those by which its key is found.
    fn template(&self, category: u64) -> Result<Vec<Attribute>, Failure> {
        let told = self.parsed.tbs_certificate();
        let serial = told.serial_number().to_der();
        Ok(vec![
            Attribute::Class(ObjectClass::CERTIFICATE),
            Attribute::CertificateType(CertificateType::X_509),
            Attribute::Token(true),
            Attribute::Private(false),
            Attribute::Subject(told.subject().to_der().map_err(Failure::new)?),
            Attribute::Issuer(told.issuer().to_der().map_err(Failure::new)?),
            Attribute::SerialNumber(serial.map_err(Failure::new)?),
            vendor(CKA_CERTIFICATE_CATEGORY, &category.to_ne_bytes()),
            Attribute::Value(self.der.clone()),
        ])
    }

    /// The names of an issuer's object: its common name, and the identifier of its key (RFC 5280, 4.2.1.2), by which
    /// no private key of the token is found.
    fn issuer_names(&self) -> Result<[Attribute; 2], Failure> {
        let told = self.parsed.tbs_certificate();
        let info = told.subject_public_key_info().to_der().map_err(Failure::new)?;
        let info = SubjectPublicKeyInfoRef::from_der(&info).map_err(Failure::new)?;
        let mut identifier = [0; 20];
        let mut digest = Digest::new(Hash::Sha1)?;
        digest.update(info.subject_public_key.raw_bytes())?;
        digest.finish(&mut identifier)?;
        let name = common_name(told.subject()).unwrap_or_else(|| told.subject().to_string());
        Ok([Attribute::Label(name.into_bytes()), Attribute::Id(identifier.to_vec())])
    }
}

/// Returns the common name in a name.
fn common_name(name: &Name) -> Option<String> {
    let text = name.to_string();
    let part = text.split(',').find_map(|part| part.trim().strip_prefix("CN="));
    part.filter(|part| !part.is_empty() && !part.contains('\\')).map(str::to_owned)
}

impl Chain {
    /// Finds the chain of a key among certificates in any order; none where none of them is the key's.
    fn of(info: &[u8], mut certificates: Vec<KeptCertificate>) -> Result<Option<Self>, Failure> {
        let info = SubjectPublicKeyInfoOwned::from_der(info).map_err(Failure::new)?;
        let mut chain = Vec::new();
        let Some(own) = certificates.iter().position(|it| it.is_of(&info)) else {
            return Ok(None);
        };
        let mut last = certificates.remove(own);
        while let Some(at) = certificates.iter().position(|it| last.is_issued_by(it)) {
            chain.push(std::mem::replace(&mut last, certificates.remove(at)));
        }
        chain.push(last);
        certificates.retain(|it| !chain.iter().any(|kept| kept.der == it.der));
        Ok(Some(Self { certificates: chain, others: certificates }))
    }

    /// Returns the chain of a key that a file has, with nothing else in it.
    pub(crate) fn only(
        session: &Session,
        key: &ListedKey,
        certificates: Vec<KeptCertificate>,
    ) -> Result<Self, Failure> {
        let count = certificates.len();
        let Some(chain) = Self::of(&public_key::info(session, key)?, certificates)? else {
            let message = match count {
                1 => format!("the certificate is another key's: {}", key.shown),
                _ => format!("none of the {count} certificates is this key's: {}", key.shown),
            };
            return Err(Failure::refused(message)
                .hint("`keystead public` prints the public key that it has to be of"));
        };
        match chain.others.first() {
            Some(other) => {
                let (subject, key) = (harmless(&other.subject().to_string()), &key.shown);
                let above = |is_it: fn(&KeptCertificate, &KeptCertificate) -> bool| {
                    chain.certificates.iter().any(|it| is_it(it, other))
                };
                let (signed, named) =
                    (above(KeptCertificate::is_signed_by), above(KeptCertificate::names_issuer));
                Err(match named {
                    true if signed => Failure::refused(format_args!(
                        "{subject} has signed for {key}, and is no authority's certificate (CA:FALSE)"
                    ))
                    .hint("no client takes such a chain: ask who issued it"),
                    true => Failure::refused(format_args!(
                        "{subject} has the name of an issuer of {key}, and did not sign for it"
                    ))
                    .hint("`openssl verify -CAfile ISSUER FILE` says so too: ask who issued it"),
                    false => Failure::refused(format_args!("{subject} is no issuer of {key}")).hint(
                        "a chain is the key's own certificate, its issuer's, and so on: leave out the others",
                    ),
                })
            }
            None => Ok(chain),
        }
    }

    /// Returns the chain of a key that is in the token; none where the key has no certificate.
    pub(crate) fn kept(session: &Session, key: &ListedKey) -> Result<Option<Self>, Failure> {
        let Some(own) = own(session, key)?.first().copied() else { return Ok(None) };
        let mut certificates = vec![read(session, own)?];
        while let Some(issuer) =
            certificates.last().map(|last| issuer(session, last)).transpose()?
        {
            match issuer {
                Some(issuer) if certificates.len() < LONGEST => certificates.push(issuer),
                _ => break,
            }
        }
        Ok(Some(Self { certificates, others: Vec::new() }))
    }

    /// Puts it into the token, in the place of the certificate that the key had. Returns how many issuers it has.
    pub(crate) fn put(&self, session: &Session, key: &ListedKey) -> Result<usize, Failure> {
        let [leaf, issuers @ ..] = self.certificates.as_slice() else { return Ok(0) };
        for issuer in issuers {
            let same =
                [Attribute::Class(ObjectClass::CERTIFICATE), Attribute::Value(issuer.der.clone())];
            if session.find_objects(&same)?.is_empty() {
                let names = issuer.issuer_names()?;
                session.create_object(&[&issuer.template(AUTHORITY)?[..], &names].concat())?;
            }
        }
        let before = own(session, key)?;
        session.create_object(&[leaf.template(TOKEN_USER)?, names(key)].concat())?;
        for old in before {
            session.destroy_object(old)?;
        }
        Ok(issuers.len())
    }
}

/// Puts the certificates that came with a key beside it, and says what became of them.
pub(crate) fn bring(
    session: &Session,
    key: &ListedKey,
    came: &[Vec<u8>],
) -> Result<String, Failure> {
    let certificates = came.iter().cloned().map(KeptCertificate::from_der);
    let certificates = certificates.collect::<Result<Vec<_>, _>>()?;
    let count = certificates.len();
    let Some(chain) = Chain::of(&public_key::info(session, key)?, certificates)? else {
        return Ok(format!("none of the {count} certificates in the file is this key's: left out"));
    };
    let issuers = chain.put(session, key)?;
    let left_out = match chain.others.len() {
        0 => String::new(),
        others => format!("; {others} in the file that belong to others are left out"),
    };
    let with = match issuers {
        0 => "its certificate is".to_owned(),
        1 => "its certificate and its issuer's are".to_owned(),
        several => format!("its certificate and those of {several} issuers are"),
    };
    Ok(format!("{with} in the token{left_out}"))
}

/// Returns the objects of a key's issuers that issued nothing else in the token.
pub(crate) fn issuers_of_no_other(
    session: &Session,
    key: &ListedKey,
) -> Result<Vec<ObjectHandle>, Failure> {
    let Some(chain) = Chain::kept(session, key)? else { return Ok(Vec::new()) };
    let mut removed = Vec::new();
    let mut below = own(session, key)?;
    for issuer in chain.certificates.iter().skip(1) {
        let name = issuer.subject().to_der().map_err(Failure::new)?;
        let class = Attribute::Class(ObjectClass::CERTIFICATE);
        let issued = session.find_objects(&[class.clone(), Attribute::Issuer(name)])?;
        let itself = session.find_objects(&[class, Attribute::Value(issuer.der.clone())])?;
        if issued.iter().any(|other| !below.contains(other) && !itself.contains(other)) {
            break;
        }
        below.extend(&itself);
        removed.extend(itself);
    }
    Ok(removed)
}

/// The certificates with the alias and `CKA_ID` of a key.
pub(crate) fn own(session: &Session, key: &ListedKey) -> Result<Vec<ObjectHandle>, Failure> {
    let class = [
        Attribute::Class(ObjectClass::CERTIFICATE),
        Attribute::CertificateType(CertificateType::X_509),
    ];
    Ok(session.find_objects(&[&class[..], &names(key)].concat())?)
}

/// The attributes by which the certificate of a key is found.
fn names(key: &ListedKey) -> Vec<Attribute> {
    vec![Attribute::Label(key.shown.label()), Attribute::Id(key.shown.id_bytes())]
}

/// Returns the certificate of the issuer of another, where the token has it; none of one that issued itself.
fn issuer(session: &Session, of: &KeptCertificate) -> Result<Option<KeptCertificate>, Failure> {
    let wanted = [
        Attribute::Class(ObjectClass::CERTIFICATE),
        Attribute::Subject(of.issuer().to_der().map_err(Failure::new)?),
    ];
    for object in session.find_objects(&wanted)? {
        let named = read(session, object)?;
        if of.is_issued_by(&named) {
            return Ok(Some(named));
        }
    }
    Ok(None)
}

fn read(session: &Session, object: ObjectHandle) -> Result<KeptCertificate, Failure> {
    match session.get_attributes(object, &[AttributeType::Value])?.pop() {
        Some(Attribute::Value(der)) => KeptCertificate::from_der(der),
        _ => Err(Failure::new("a certificate in the token cannot be read")),
    }
}

fn damaged() -> Failure {
    Failure::new("the PEM is damaged").hint("is it all there, from its first dashes to its last?")
}
