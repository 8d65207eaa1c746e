//! `keystead public`: the public key of a pair.

use super::seal::OutputFile;
use crate::client::SessionMode;
use crate::key_choice::KeyChoice;
use crate::whole_file::is_standard;
use crate::{Failure, Global, openssh, output, public_key};
use pem_rfc7468::LineEnding;

/// Print the public key of a pair, as PEM or for OpenSSH
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    key: KeyChoice,
    /// The form in which it is written
    #[arg(long, value_enum, default_value = "pem")]
    format: Format,
    #[command(flatten)]
    to: OutputFile,
}

/// The forms of a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// SubjectPublicKeyInfo (RFC 5280) in PEM
    Pem,
    /// The same in DER
    Der,
    /// A line of `authorized_keys`
    Ssh,
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let (session, key) = self.key.find(global, SessionMode::ReadOnly)?;
        let info = public_key::info(&session, &key)?;
        if self.format == Format::Der && global.json && is_standard(&self.to.out) {
            return Err(Failure::usage("DER cannot stand in JSON")
                .hint("--out FILE writes it to a file, --format pem is text"));
        }
        let text = match self.format {
            Format::Pem => pem(&info)?.into_bytes(),
            Format::Der => info,
            Format::Ssh => {
                openssh::line(&info, &output::printable(key.shown.label()))?.into_bytes()
            }
        };
        self.to.deliver(global, &key, ("public_key", &text))
    }
}

/// Returns a `SubjectPublicKeyInfo` in PEM.
pub(super) fn pem(info: &[u8]) -> Result<String, Failure> {
    pem_rfc7468::encode_string("PUBLIC KEY", LineEnding::LF, info).map_err(Failure::new)
}
