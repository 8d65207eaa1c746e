//! `keystead certificate`: the X.509 certificate of a key pair, as an object of the token beside it.

use super::seal::OutputFile;
use crate::client::SessionMode;
use crate::key_choice::KeyChoice;
use crate::keys::ListedKey;
use crate::whole_file::Output;
use crate::{Failure, Global, material, output, public_key};
use cryptoki::object::{Attribute, AttributeType, CertificateType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use jiff::Timestamp;
use keystead::internal::text::harmless;
use pem_rfc7468::LineEnding;
use serde_json::json;
use std::path::PathBuf;
use x509_cert::certificate::Certificate;
use x509_cert::der::{Decode, Encode};
use x509_cert::spki::SubjectPublicKeyInfoOwned;
use x509_cert::time::Time;

/// Put the certificate of a key pair into the token, show it, or remove it
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Put(Put),
    Show(Show),
    Remove(Remove),
}

/// Put the certificate of a key pair into the token, in the place of the one there was
///
/// Other programs find it by the key's alias and CKA_ID, and everyone who can use the store can read it.
#[derive(Debug, clap::Args)]
struct Put {
    #[command(flatten)]
    key: KeyChoice,
    /// The certificate, in PEM or DER; - is standard input
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,
}

/// Show the certificate of a key pair
#[derive(Debug, clap::Args)]
struct Show {
    #[command(flatten)]
    key: KeyChoice,
    #[command(flatten)]
    to: OutputFile,
}

/// Remove the certificate of a key pair from the token
#[derive(Debug, clap::Args)]
struct Remove {
    #[command(flatten)]
    key: KeyChoice,
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        match self.what {
            What::Put(it) => it.run(global),
            What::Show(it) => it.run(global),
            What::Remove(it) => it.run(global),
        }
    }
}

impl Put {
    fn run(self, global: &Global) -> Result<(), Failure> {
        let (session, key) = self.key.find(global, SessionMode::ReadWrite)?;
        let der = read(&self.file)?;
        let certificate = parsed(&der)?;
        check_key(&certificate, &public_key::info(&session, &key)?, &key)?;
        let before = found(&session, &key)?;
        session.create_object(&template(&certificate, der, &key)?)?;
        for old in before {
            session.destroy_object(old)?;
        }
        report(global, "put", &key)
    }
}

impl Show {
    fn run(self, global: &Global) -> Result<(), Failure> {
        let (session, key) = self.key.find(global, SessionMode::ReadOnly)?;
        let object = found(&session, &key)?.first().copied().ok_or_else(|| none(&key))?;
        let der = match session.get_attributes(object, &[AttributeType::Value])?.pop() {
            Some(Attribute::Value(der)) => der,
            _ => return Err(none(&key)),
        };
        let text = match global.json {
            true => output::pretty(&told(&parsed(&der)?, &der)?)?,
            false => described(&parsed(&der)?)? + &pem(&der)?,
        };
        let mut out = Output::begin(global, &self.to.out, 0o666, self.to.force)?;
        out.write(text.as_bytes())?;
        out.finish()
    }
}

impl Remove {
    fn run(self, global: &Global) -> Result<(), Failure> {
        let (session, key) = self.key.find(global, SessionMode::ReadWrite)?;
        let there = found(&session, &key)?;
        if there.is_empty() {
            return Err(none(&key));
        }
        for object in there {
            session.destroy_object(object)?;
        }
        report(global, "removed", &key)
    }
}

/// The certificates with the alias and `CKA_ID` of a key.
fn found(session: &Session, key: &ListedKey) -> Result<Vec<ObjectHandle>, Failure> {
    Ok(session.find_objects(&names(key))?)
}

fn names(key: &ListedKey) -> Vec<Attribute> {
    vec![
        Attribute::Class(ObjectClass::CERTIFICATE),
        Attribute::CertificateType(CertificateType::X_509),
        Attribute::Label(key.shown.label()),
        Attribute::Id(key.shown.id_bytes()),
    ]
}

fn template(
    certificate: &Certificate,
    der: Vec<u8>,
    key: &ListedKey,
) -> Result<Vec<Attribute>, Failure> {
    let told = certificate.tbs_certificate();
    let parts = [told.subject().to_der(), told.issuer().to_der(), told.serial_number().to_der()];
    let [subject, issuer, serial] = parts.map(|part| part.map_err(Failure::new));
    let own = [
        Attribute::Token(true),
        Attribute::Private(false),
        Attribute::Subject(subject?),
        Attribute::Issuer(issuer?),
        Attribute::SerialNumber(serial?),
        Attribute::Value(der),
    ];
    Ok(names(key).into_iter().chain(own).collect())
}

/// Reads one certificate, in PEM or DER.
fn read(file: &std::path::Path) -> Result<Vec<u8>, Failure> {
    let text = material::contents(file)?;
    if !text.starts_with(b"-----BEGIN ") {
        return Ok(text.to_vec());
    }
    let several = || {
        Failure::new("this is not one certificate in PEM")
            .hint("a chain is put apart: `openssl x509` prints the first of a file")
    };
    match pem_rfc7468::decode_vec(&text) {
        Ok(("CERTIFICATE", der)) => Ok(der),
        _ => Err(several()),
    }
}

fn parsed(der: &[u8]) -> Result<Certificate, Failure> {
    Certificate::from_der(der).map_err(|_| {
        Failure::new("this is no X.509 certificate")
            .hint("it is PEM or DER: `openssl x509 -in FILE -text` shows one")
    })
}

/// Refuses a certificate of another key.
fn check_key(certificate: &Certificate, info: &[u8], key: &ListedKey) -> Result<(), Failure> {
    let own = SubjectPublicKeyInfoOwned::from_der(info).map_err(Failure::new)?;
    let told = certificate.tbs_certificate().subject_public_key_info();
    let same = told.algorithm.oid == own.algorithm.oid
        && told.subject_public_key == own.subject_public_key;
    match same {
        true => Ok(()),
        false => {
            Err(Failure::refused(format_args!("the certificate is another key's: {}", key.shown))
                .hint("`keystead public` prints the public key that it has to be of"))
        }
    }
}

/// Returns a certificate's contents for people.
fn described(certificate: &Certificate) -> Result<String, Failure> {
    let told = certificate.tbs_certificate();
    let [from, to] = validity(certificate)?;
    Ok(format!(
        "subject:     {}\nissuer:      {}\nserial:      {}\nvalid from:  {from}\nvalid until: {to}\n",
        harmless(&told.subject().to_string()),
        harmless(&told.issuer().to_string()),
        base16ct::lower::encode_string(told.serial_number().as_bytes()),
    ))
}

/// Returns the same for programs.
fn told(certificate: &Certificate, der: &[u8]) -> Result<serde_json::Value, Failure> {
    let told = certificate.tbs_certificate();
    let [from, to] = validity(certificate)?;
    Ok(json!({
        "subject": told.subject().to_string(), "issuer": told.issuer().to_string(),
        "serial": base16ct::lower::encode_string(told.serial_number().as_bytes()),
        "not_before": from, "not_after": to, "certificate": pem(der)?,
    }))
}

fn validity(certificate: &Certificate) -> Result<[Timestamp; 2], Failure> {
    let validity = certificate.tbs_certificate().validity();
    Ok([moment(validity.not_before)?, moment(validity.not_after)?])
}

fn moment(time: Time) -> Result<Timestamp, Failure> {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).map_err(Failure::new)?;
    Timestamp::from_second(seconds).map_err(Failure::new)
}

fn pem(der: &[u8]) -> Result<String, Failure> {
    pem_rfc7468::encode_string("CERTIFICATE", LineEnding::LF, der).map_err(Failure::new)
}

fn none(key: &ListedKey) -> Failure {
    Failure::not_found(format_args!("{} has no certificate in the token", key.shown))
        .hint("`keystead csr` makes a request for one, `keystead certificate put` takes it in")
}

fn report(global: &Global, done: &str, key: &ListedKey) -> Result<(), Failure> {
    let shown = &key.shown;
    match global.json {
        true => output::json(&json!({
            "alias": shown.alias, "key_id": shown.key_id, "certificate": done,
        })),
        false => output::done(format_args!("{done}: the certificate of {shown}")),
    }
}
