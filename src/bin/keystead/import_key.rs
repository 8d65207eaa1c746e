//! `keystead import-key`: makes the pair under whose public half key material is wrapped for import.

use crate::client::{Access, Token, vendor};
use crate::{Failure, Global};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType};
use keystead::clock::{Clock, SystemClock};
use keystead::object::vendor::{CKA_KEYSTEAD_CUSTODY, CKA_KEYSTEAD_EXPIRES_AT};
use pem::{EncodeConfig, LineEnding, Pem};
use std::fs::File;
use std::io::{self, Write};
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
    #[arg(long, default_value = "import key")]
    label: String,
    /// Write the public half to a new file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Arguments {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let bits: u64 = self.bits.parse().map_err(|_| Failure::new("the size is not a number"))?;
        let session = self.token.log_in(global, Access::Change)?;
        let ends = SystemClock.now().saturating_add(LIFE);
        let identifier = keystead::lc::random::bytes::<16>()?;
        let both = [
            Attribute::Token(true),
            Attribute::Label(self.label.as_bytes().to_vec()),
            Attribute::Id(identifier.to_vec()),
            vendor(CKA_KEYSTEAD_EXPIRES_AT, &ends.to_ne_bytes()),
        ];
        let public = [
            &both[..],
            &[
                Attribute::ModulusBits(bits.into()),
                Attribute::PublicExponent(vec![1, 0, 1]),
                Attribute::Private(false),
                Attribute::Wrap(true),
            ],
        ]
        .concat();
        let private = [
            &both[..],
            &[
                Attribute::Private(true),
                Attribute::Sensitive(true),
                Attribute::Extractable(false),
                Attribute::Unwrap(true),
                vendor(CKA_KEYSTEAD_CUSTODY, &[0]),
            ],
        ]
        .concat();
        let (public, _) =
            session.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, &private)?;
        match session.get_attributes(public, &[AttributeType::PublicKeyInfo])?.pop() {
            Some(Attribute::PublicKeyInfo(info)) => show(&info, self.out.as_deref()),
            _ => Err(Failure::new("the public half cannot be read")),
        }
    }
}

fn show(info: &[u8], out: Option<&Path>) -> Result<(), Failure> {
    let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
    let text = pem::encode_config(&Pem::new("PUBLIC KEY", info), config);
    let Some(file) = out else { return Ok(io::stdout().write_all(text.as_bytes())?) };
    let failed = |error: io::Error| Failure::new(format_args!("{}: {error}", file.display()));
    let mut made =
        File::options().write(true).create_new(true).mode(0o644).open(file).map_err(failed)?;
    made.write_all(text.as_bytes()).map_err(failed)
}
