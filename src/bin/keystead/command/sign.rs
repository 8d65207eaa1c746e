//! `keystead sign` and `keystead verify`: signatures of files and digests, by the keys of a token.

use super::seal::OutputFile;
use crate::client::SessionMode;
use crate::key_choice::KeyChoice;
use crate::keys::ListedKey;
use crate::signing::{HashName, Message, Scheme};
use crate::whole_file::{Input, Output, is_standard};
use crate::{Failure, Global, explain, material, output, public_key};
use cryptoki::error::RvError;
use serde_json::json;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

/// Sign a file, or a digest of one, with a private key
///
/// RSA keys sign by PKCS#1 v1.5 or, with --pss, by PSS with a salt as long as the digest; EC keys by ECDSA, written
/// in DER; ED25519 and ML-DSA keys sign the data as a whole, at most 256 MiB. `openssl` verifies all of them.
#[derive(Debug, clap::Args)]
pub(crate) struct Sign {
    #[command(flatten)]
    key: KeyChoice,
    /// The file to sign; - is standard input
    #[arg(default_value = "-", value_name = "FILE")]
    input: PathBuf,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    to: OutputFile,
}

/// Verify a signature of a file, or of a digest of one
///
/// The exit status is 0 where it is the key's, and 1 where it is not.
#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    key: KeyChoice,
    /// The file with the signature
    #[arg(value_name = "SIGNATURE")]
    signature: PathBuf,
    /// The file that was signed; - is standard input
    #[arg(default_value = "-", value_name = "FILE")]
    input: PathBuf,
    #[command(flatten)]
    how: How,
}

/// The way to sign, where a key has several.
#[derive(Debug, clap::Args)]
struct How {
    /// The hash, for RSA and EC keys [default: sha256, of P-384 and P-521 the one of their size]
    #[arg(long, value_enum, value_name = "HASH")]
    hash: Option<HashName>,
    /// Sign by RSA-PSS
    #[arg(long)]
    pss: bool,
    /// The file holds the digest of the data, raw or in hexadecimal as `sha256sum` prints it
    #[arg(long)]
    digest: bool,
}

impl Sign {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let (session, key) = self.key.find(global, SessionMode::ReadOnly)?;
        if is_standard(&self.to.out) && io::stdout().is_terminal() {
            return Err(Failure::usage("a signature is nothing for a terminal")
                .hint("--out FILE writes it to a file"));
        }
        let scheme = self.how.scheme(&key)?;
        let private = public_key::private(&session, &key)?;
        let input = Input::open(&self.input)?;
        let message = self.how.message(&scheme, &self.input, &input)?;
        let signature = scheme.sign(&session, private, message)?;
        let mut out = Output::begin(global, &self.to.out, 0o666, self.to.force)?;
        out.write(&signature)?;
        out.finish()?;
        match is_standard(&self.to.out) {
            true => Ok(()),
            false => report(global, "signed", &key, &self.to.out),
        }
    }
}

impl Verify {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let (session, key) = self.key.find(global, SessionMode::ReadOnly)?;
        let scheme = self.how.scheme(&key)?;
        let public = public_key::verifying(&session, &key)?;
        let signature = material::contents(&self.signature)?;
        let input = Input::open(&self.input)?;
        let message = self.how.message(&scheme, &self.input, &input)?;
        match scheme.verify(&session, public, message, &signature)? {
            Ok(()) => report(global, "the signature is the key's", &key, &self.signature),
            Err(error) if is_wrong(&error) => {
                Err(Failure::new(format_args!("the signature is not this key's: {}", key.shown))
                    .hint("other data, another key, or another --hash, --pss or --digest"))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl How {
    fn scheme(&self, key: &ListedKey) -> Result<Scheme, Failure> {
        Scheme::of(key, self.hash, self.pss)
    }

    fn message<'a>(
        &self,
        scheme: &Scheme,
        name: &Path,
        input: &'a Input,
    ) -> Result<Message<impl io::Read + use<'a>>, Failure> {
        if !self.digest {
            return Ok(Message::Data(input.bytes()));
        }
        let text = match is_standard(name) {
            true => material::contents("-".as_ref())?,
            false => material::contents(name)?,
        };
        let digits = || text.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        let digest = match text.len() == scheme.digest_size()? {
            true => text.to_vec(),
            false => base16ct::mixed::decode_vec(digits()).unwrap_or_else(|_| text.to_vec()),
        };
        Ok(Message::Digest(digest))
    }
}

fn is_wrong(error: &cryptoki::error::Error) -> bool {
    matches!(explain::code(error), Some(RvError::SignatureInvalid | RvError::SignatureLenRange))
}

fn report(global: &Global, done: &str, key: &ListedKey, file: &Path) -> Result<(), Failure> {
    let (shown, file) = (&key.shown, file.display());
    match global.json {
        true => output::done_json(&json!({
            "alias": shown.alias, "key_id": shown.key_id, "done": done, "file": file.to_string(),
        })),
        false => output::done(format_args!("{done}: {shown}: {file}")),
    }
}
