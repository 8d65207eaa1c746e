//! `keystead migrate`: copies another token into this one. Keys travel wrapped under a transport key; what
//! is there already is left alone, so that it can be run again after whatever stopped it.

mod module;
mod object;
mod reader;
mod report;
mod softhsm;
pub(crate) mod softhsm_file;
mod source;
mod transport;
mod writer;

use crate::client::{SessionMode, TokenArguments};
use crate::pin::OtherTokenPin;
use crate::{Failure, Global, output};
use module::ModuleToken;
use report::{left, report};
use softhsm::SoftHsmToken;
use source::{Source, SourceArguments};
use std::path::PathBuf;
use writer::Writer;

/// Copy another token into this one: of any PKCS#11 module, or out of SoftHSM's files
///
/// Certificates, public keys and data are copied as they are. Secret and private keys that may leave the
/// other token are wrapped there, under a transport key that only the two tokens have, and become the
/// material of custom keys here, with the same label, CKA_ID and usages. They are private here, whatever
/// they were there, and no expiry is set. Keys that may not leave are named with the reason.
///
/// Where --from is a directory, it is SoftHSM's: its keys are read from its files with its PIN, also
/// those that may not leave through PKCS#11.
///
/// The other token is only read. Running it again copies what is not there yet. The exit status is 1 where
/// something could not be copied.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    token: TokenArguments,
    /// The other token's PKCS#11 module, or SoftHSM's directory of tokens (directories.tokendir)
    #[arg(long, value_name = "MODULE")]
    from: PathBuf,
    /// The other token's label or serial number; it may be left out where there is one
    #[arg(long, value_name = "TOKEN")]
    from_token: Option<String>,
    #[command(flatten)]
    from_pin: OtherTokenPin,
    /// Only say what would be copied; nothing changes
    #[arg(long)]
    dry_run: bool,
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let access = if self.dry_run { SessionMode::ReadOnly } else { SessionMode::ReadWrite };
        let session = self.token.log_in(global, access)?;
        let mut source = self.source(global)?;
        let objects = source.objects()?;
        let mut writer = Writer::new(&session, self.dry_run)?;
        let rows: Vec<_> =
            objects.iter().map(|object| writer.row(source.as_mut(), object)).collect();
        report(global, &rows).map_err(|failure| match self.dry_run {
            true => failure,
            false => output::though_done(failure),
        })?;
        match left(&rows) {
            0 => Ok(()),
            many => Err(Failure::new(format_args!("{many} of {} are not copied", rows.len()))
                .hint("the last column says why; running it again copies what is not there yet")),
        }
    }

    /// Opens the token that is copied from, and logs in.
    fn source(&self, global: &Global) -> Result<Box<dyn Source>, Failure> {
        let failed = |error| Failure::of_file(&self.from, &error);
        let place = self.from.canonicalize().map_err(failed)?;
        let own = self.token.module(&global.configuration()?)?;
        if own.canonicalize().is_ok_and(|own| own == place) {
            return Err(Failure::usage("the other module is this one")
                .hint("`keystead backup` and `keystead restore` bring a token to another store"));
        }
        let (token, pin) = (self.from_token.as_deref(), &self.from_pin);
        let wanted = SourceArguments { place: &self.from, token, pin };
        Ok(match place.is_dir() {
            true => Box::new(SoftHsmToken::open(&place, &wanted)?),
            false => Box::new(ModuleToken::open(&place, &wanted)?),
        })
    }
}
