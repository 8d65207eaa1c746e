//! `keystead import-key`: makes the pair under whose public half key material is wrapped for import.

use crate::client::{SessionMode, TokenArguments};
use crate::new_file::NewFile;
use crate::output::{self, printable};
use crate::whole_file::is_standard;
use crate::wrapping::{self, ImportKey, Takes};
use crate::{Failure, Global};
use cryptoki::session::Session;
use jiff::Timestamp;
use keystead::internal::clock::Seconds;
use pem_rfc7468::LineEnding;
use serde_json::json;
use std::path::PathBuf;

/// The life of an import key in seconds: a day, as clouds' do.
const LIFE: u64 = 24 * 60 * 60;

/// The longest ID, in bytes.
const LONGEST_ID: usize = 64;

/// Make a pair that key material is wrapped under, and print its public half
///
/// The private half stays in the token, can only unwrap, and ends with its public half after 24 hours.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    token: TokenArguments,
    /// The size of the pair in bits
    #[arg(long, default_value = "3072", value_parser = ["2048", "3072", "4096"])]
    bits: String,
    /// Which forms the pair takes. Wrap for it in no other: a pair for oaep opens the transport key of a
    /// file by itself, for a program that has that file and the PIN
    #[arg(long, alias = "only", value_enum, value_name = "KIND", default_value = "oaep")]
    form: Takes,
    /// The label of both halves
    #[arg(long, default_value = wrapping::LABEL)]
    label: String,
    /// The ID of both halves, in hexadecimal, by which pkcs11-tool finds the private one; no other private
    /// key may have it [default: a random one]
    #[arg(long, value_name = "HEX", value_parser = identifier)]
    id: Option<Identifier>,
    /// Write the public half to a new file; - is standard output, as without it
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A `CKA_ID`.
#[derive(Debug, Clone)]
struct Identifier(Vec<u8>);

fn identifier(text: &str) -> Result<Identifier, String> {
    let bytes = base16ct::mixed::decode_vec(text).unwrap_or_default();
    match (1..=LONGEST_ID).contains(&bytes.len()) {
        true => Ok(Identifier(bytes)),
        false => Err(format!("an ID is 1 to {LONGEST_ID} bytes, two hexadecimal digits each")),
    }
}

/// The description of a pair.
struct Report {
    pem: String,
    json: String,
    expires: Timestamp,
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let bits: u64 = self.bits.parse().map_err(Failure::new)?;
        let session = self.token.log_in(global, SessionMode::ReadWrite)?;
        let id = self.id.as_ref().map_or_else(ImportKey::random_id, |id| Ok(id.0.clone()))?;
        ImportKey::check_names(&session, &self.label, &id)?;
        // Before the pair is made: a pair that cannot be told of would be of no use.
        let mut file = match self.out.as_deref().filter(|path| !is_standard(path)) {
            Some(path) => Some(NewFile::make(global, path, 0o644)?),
            None => output::for_data().map(|_open| None)?,
        };
        let ends = global.store_time()?.now().saturating_add(LIFE);
        let made = ImportKey::make_lasting(&session, bits, (&self.label, &id), ends, self.form)?;
        let only = ImportKey::check_only(&session, &self.label, &id);
        let report = only.and_then(|()| self.report(&session, &made, &id, ends));
        let delivered = report.and_then(|report| {
            match &mut file {
                Some(file) => file.keep(report.pem.as_bytes())?,
                None if global.json => output::data(report.json.as_bytes())?,
                None => output::data(report.pem.as_bytes())?,
            }
            Ok(report)
        });
        if delivered.is_err() {
            // Its label is free for the next attempt. Where even this fails, it ends by itself.
            let _until_then = made.destroy(&session);
        }
        let Report { json, expires, .. } = delivered?;
        match file {
            Some(_) if global.json => output::text(json),
            Some(file) => output::line(format_args!(
                "made, RSA-{bits}, expires {expires}: {}, ID {} ({})",
                printable(&self.label),
                hexadecimal(&id),
                file.path().display()
            )),
            None => Ok(()),
        }
    }

    fn report(
        &self,
        session: &Session,
        made: &ImportKey,
        id: &[u8],
        ends: Seconds,
    ) -> Result<Report, Failure> {
        let info = made.public_info(session)?;
        let pem = pem_rfc7468::encode_string("PUBLIC KEY", LineEnding::LF, &info)
            .map_err(Failure::new)?;
        let expires = i64::try_from(ends).map_err(Failure::new)?;
        let expires = Timestamp::from_second(expires).map_err(Failure::new)?;
        let bits: u64 = self.bits.parse().map_err(Failure::new)?;
        let json = output::pretty(&json!({
            "label": self.label, "id": hexadecimal(id), "bits": bits, "expires": expires,
            "public_key": pem,
        }))?;
        Ok(Report { pem, json, expires })
    }
}

fn hexadecimal(id: &[u8]) -> String {
    base16ct::lower::encode_string(id)
}
