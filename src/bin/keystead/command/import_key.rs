//! `keystead import-key`: makes the pair under whose public half key material is wrapped for import.

use crate::client::{SessionMode, TokenArguments};
use crate::identifier::Identifier;
use crate::new_file::NewFile;
use crate::output::{self, printable};
use crate::whole_file::is_standard;
use crate::wrapping::{self, ImportKey, PairType, Takes};
use crate::{Failure, Global};
use clap::builder::PossibleValuesParser;
use cryptoki::session::Session;
use jiff::Timestamp;
use keystead::internal::clock::Seconds;
use keystead::internal::object::kinds::{self, Kind, ParameterSet};
use pem_rfc7468::LineEnding;
use serde_json::json;
use std::iter;
use std::path::PathBuf;

/// The life of an import key in seconds: a day, as clouds' do.
const LIFE: u64 = 24 * 60 * 60;

/// The size of an RSA pair, in bits, unless another is asked for.
const RSA_BITS: &str = "3072";

/// The name of the type of RSA pairs.
const RSA: &str = "RSA";

/// Make a pair that key material is wrapped under, and print its public half
///
/// The private half stays in the token, only takes in material, and ends with its public half after 24
/// hours.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    token: TokenArguments,
    /// The type of the pair. ML-KEM keeps what is wrapped for the pair from quantum computers that come
    /// later; RSA does not
    #[arg(long = "type", value_name = "TYPE", default_value = RSA, ignore_case = true,
          value_parser = types())]
    pair_type: String,
    /// The size of an RSA pair in bits [default: 3072]
    #[arg(long, value_parser = ["2048", "3072", "4096"])]
    bits: Option<String>,
    /// Which forms an RSA pair takes [default: oaep]. Wrap for it in no other: a pair for oaep opens the
    /// transport key of a file by itself, for a program that has that file and the PIN
    #[arg(long, alias = "only", value_enum, value_name = "KIND")]
    form: Option<Takes>,
    /// The label of both halves
    #[arg(long, default_value = wrapping::LABEL)]
    label: String,
    /// The ID of both halves, in hexadecimal, by which pkcs11-tool finds the private one; no other private
    /// key may have it [default: a random one]
    #[arg(long, value_name = "HEX", value_parser = Identifier::parse)]
    id: Option<Identifier>,
    /// Write the public half to a new file; - is standard output, as without it
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The description of a pair.
struct Report {
    name: String,
    pem: String,
    json: String,
    expires: Timestamp,
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let pair = self.pair()?;
        let session = self.token.log_in(global, SessionMode::ReadWrite)?;
        let id =
            self.id.as_ref().map_or_else(ImportKey::random_id, |id| Ok(id.bytes().to_vec()))?;
        ImportKey::check_names(&session, &self.label, &id)?;
        // Before the pair is made: a pair that cannot be told of would be of no use.
        let mut file = match self.out.as_deref().filter(|path| !is_standard(path)) {
            Some(path) => Some(NewFile::make(global, path, 0o644)?),
            None => output::for_data().map(|_open| None)?,
        };
        let ends = global.store_time()?.now().saturating_add(LIFE);
        let made = ImportKey::make_lasting(&session, pair, (&self.label, &id), ends)?;
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
        let Report { json, expires, name, .. } = delivered?;
        match file {
            Some(_) if global.json => output::text(json).map_err(output::though_done),
            Some(file) => output::done(format_args!(
                "made, {name}, expires {expires}: {}, ID {} ({})",
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
        let public = made.public(session)?;
        let form = made.takes();
        let json = output::pretty(&json!({
            "label": self.label, "id": hexadecimal(id), "type": self.pair_type.to_uppercase(),
            "bits": public.bits(), "form": form, "expires": expires, "public_key": pem,
        }))?;
        Ok(Report { name: format!("{} for {form}", public.name()), pem, json, expires })
    }

    fn pair(&self) -> Result<PairType, Failure> {
        let set = sets().iter().find(|set| set.name.eq_ignore_ascii_case(&self.pair_type));
        match set {
            None => {
                let bits =
                    self.bits.as_deref().unwrap_or(RSA_BITS).parse().map_err(Failure::new)?;
                Ok(PairType::Rsa(bits, self.form.unwrap_or(Takes::Oaep)))
            }
            Some(_) if self.bits.is_some() || self.form.is_some() => {
                Err(Failure::usage("--bits and --form are for RSA pairs").hint(
                    "an ML-KEM pair has its size by its type, and takes the forms ml-kem and \
                     ml-kem-joined",
                ))
            }
            Some(set) => Ok(PairType::MlKem(set)),
        }
    }
}

/// Returns the parameter sets of ML-KEM.
fn sets() -> &'static [ParameterSet] {
    kinds::named("ML-KEM").map_or(&[], Kind::sets)
}

fn types() -> PossibleValuesParser {
    let names = iter::once(RSA).chain(sets().iter().map(|set| set.name));
    PossibleValuesParser::new(names)
}

fn hexadecimal(id: &[u8]) -> String {
    base16ct::lower::encode_string(id)
}
