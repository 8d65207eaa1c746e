//! `keystead certificate`: the X.509 certificate of a key pair, as an object of the token beside it.

use super::seal::OutputFile;
use crate::certificates::{Chain, KeptCertificate};
use crate::client::SessionMode;
use crate::key_choice::KeyChoice;
use crate::keys::ListedKey;
use crate::whole_file::Output;
use crate::{Failure, Global, certificates, material, output};
use jiff::Timestamp;
use keystead::internal::text::harmless;
use pem_rfc7468::LineEnding;
use serde_json::json;
use std::path::PathBuf;
use x509_cert::certificate::Certificate;
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
/// Other programs find it by the key's alias and CKA_ID, and everyone who can use the store can read it. The
/// certificates of its issuers may be in the file too, in any order: each is put under its own name, once.
#[derive(Debug, clap::Args)]
struct Put {
    #[command(flatten)]
    key: KeyChoice,
    /// The certificate, in PEM or DER, in PEM with those of its issuers; - is standard input
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,
}

/// Show the certificate of a key pair, and those of its issuers that are in the token
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
    /// Remove the certificates of its issuers too, unless one issued another that is in the token
    #[arg(long)]
    issuers: bool,
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
        let certificates = KeptCertificate::all_in(&material::contents(&self.file)?)?;
        let chain = Chain::only(&session, &key, certificates)?;
        chain.put(&session, &key)?;
        report(global, "put", &key, chain.certificates.len() - 1)?;
        let ended = chain.certificates.iter().map(|it| Ok((it, validity(&it.parsed)?[1])));
        for (certificate, end) in ended.collect::<Result<Vec<_>, Failure>>()? {
            if end <= Timestamp::now() && !global.json {
                let subject = harmless(&certificate.subject().to_string());
                output::done(format_args!(
                    "no client takes it any more: {subject} was valid until {end}"
                ))?;
            }
        }
        Ok(())
    }
}

impl Show {
    fn run(self, global: &Global) -> Result<(), Failure> {
        let (session, key) = self.key.find(global, SessionMode::ReadOnly)?;
        let chain = Chain::kept(&session, &key)?.ok_or_else(|| none(&key))?.certificates;
        let text = match global.json {
            true => output::pretty(&all_told(&chain)?)?,
            false => {
                let said = chain.iter().map(|it| Ok(described(&it.parsed)? + &pem(&it.der)?));
                said.collect::<Result<Vec<_>, Failure>>()?.join("\n")
            }
        };
        let mut out = Output::begin(global, &self.to.out, 0o666, self.to.force)?;
        out.write(text.as_bytes())?;
        out.finish()
    }
}

impl Remove {
    fn run(self, global: &Global) -> Result<(), Failure> {
        let (session, key) = self.key.find(global, SessionMode::ReadWrite)?;
        let there = certificates::own(&session, &key)?;
        if there.is_empty() {
            return Err(none(&key));
        }
        let issuers = match self.issuers {
            true => certificates::issuers_of_no_other(&session, &key)?,
            false => Vec::new(),
        };
        for object in there.iter().chain(&issuers) {
            session.destroy_object(*object)?;
        }
        report(global, "removed", &key, issuers.len())
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
fn all_told(chain: &[KeptCertificate]) -> Result<serde_json::Value, Failure> {
    let told = chain.iter().map(|it| told(&it.parsed, &it.der));
    let mut told = told.collect::<Result<Vec<_>, _>>()?.into_iter();
    let mut own = told.next().unwrap_or_default();
    if let Some(members) = own.as_object_mut() {
        members.insert("issuers".to_owned(), told.collect());
    }
    Ok(own)
}

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

fn report(global: &Global, done: &str, key: &ListedKey, issuers: usize) -> Result<(), Failure> {
    let shown = &key.shown;
    if global.json {
        return output::done_json(&json!({
            "alias": shown.alias, "key_id": shown.key_id, "certificate": done, "issuers": issuers,
        }));
    }
    let with = match issuers {
        0 => String::new(),
        1 => ", and its issuer's".to_owned(),
        several => format!(", and those of {several} issuers"),
    };
    output::done(format_args!("{done}: the certificate of {shown}{with}"))
}
