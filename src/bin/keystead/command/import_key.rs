//! `keystead import-key`: makes the pair under whose public half key material is wrapped for import.

use crate::client::{Access, Token};
use crate::wrapping::{self, ImportKey};
use crate::{Failure, Global, output};
use jiff::Timestamp;
use keystead::clock::{Clock, SystemClock};
use pem_rfc7468::LineEnding;
use serde_json::json;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// How long an import key lives, in seconds: a day, as clouds' do.
const LIFE: u64 = 24 * 60 * 60;

/// Make a pair that key material is wrapped under, and print its public half
///
/// The private half stays in the token, can only unwrap, and ends with its public half after 24 hours.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    token: Token,
    /// The size of the pair in bits
    #[arg(long, default_value = "3072", value_parser = ["2048", "3072", "4096"])]
    bits: String,
    /// The label of both halves
    #[arg(long, default_value = wrapping::LABEL)]
    label: String,
    /// Write the public half to a new file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Arguments {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let bits: u64 = self.bits.parse().map_err(Failure::new)?;
        let session = self.token.log_in(global, Access::Change)?;
        // Before the pair is made: a pair that cannot be told of would be of no use.
        let mut file = self.out.as_deref().map(NewFile::make).transpose()?;
        let ends = SystemClock.now().saturating_add(LIFE);
        let made = ImportKey::make_lasting(&session, bits, &self.label, ends)?;
        let info = made.public_info(&session)?;
        let pem = pem_rfc7468::encode_string("PUBLIC KEY", LineEnding::LF, &info)
            .map_err(Failure::new)?;
        if let Some(file) = &mut file {
            file.keep(&pem)?;
        }
        if global.json {
            let expires = i64::try_from(ends).ok().and_then(|at| Timestamp::from_second(at).ok());
            return output::json(&json!({
                "label": self.label, "bits": bits, "expires": expires, "public_key": pem,
            }));
        }
        match file {
            Some(_) => Ok(()),
            None => output::text(pem),
        }
    }
}

/// A file that is taken away again unless something is written to it.
struct NewFile<'a> {
    path: &'a Path,
    file: File,
    kept: bool,
}

impl<'a> NewFile<'a> {
    fn make(path: &'a Path) -> Result<Self, Failure> {
        let made = File::options().write(true).create_new(true).mode(0o644).open(path);
        let file = made.map_err(|error| Failure::of_file(path, &error))?;
        Ok(Self { path, file, kept: false })
    }

    fn keep(&mut self, text: &str) -> Result<(), Failure> {
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_all());
        written.map_err(|error| Failure::of_file(self.path, &error))?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        if !self.kept {
            let _gone_already = fs::remove_file(self.path);
        }
    }
}
