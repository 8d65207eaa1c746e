//! `keystead backup`: writes what the store holds at this moment into a sealed file.

use crate::pin::{Passphrase, PinOptions};
use crate::sealed_file::Pieces;
use crate::whole_file::{Output, is_standard};
use crate::{Failure, Global, output};
use keystead::internal::error::Reason;
use keystead::internal::id::Id;
use keystead::internal::key::backup::{BackupSealer, CHUNK};
use keystead::internal::lc::random;
use keystead::internal::wire::{AgentLocation, Link, Request, Response};
use serde_json::json;
use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Back the whole store up, while it is in use, into a file that a passphrase opens
///
/// The file holds one moment of the store: all tokens with their keys, sealed under their PINs as in
/// the store, and everything sealed once more under the passphrase. Material that was deleted or has
/// expired is not in it. The store's owner and root may do this; no PIN is needed. A passphrase has 12 to
/// 1000 bytes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The file, which appears when it is complete; - is standard output
    #[arg(value_name = "FILE")]
    out: PathBuf,
    /// Replace that file where there is one
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    passphrase: Passphrase,
}

/// The contents of a backup, in numbers.
struct Totals {
    tokens: u64,
    custom_keys: u64,
    others: u64,
    damaged: Vec<Id>,
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let config = global.store()?;
        if is_standard(&self.out) && io::stdout().is_terminal() {
            return Err(Failure::usage("a backup is nothing for a terminal")
                .hint("name a file to write it to"));
        }
        // Before anything else: what cannot be written needs no passphrase.
        let mut out = Output::begin(global, &self.out, 0o600, self.force)?;
        let passphrase = self.passphrase.read_new()?;
        let mut sealer = BackupSealer::new(passphrase.bytes(), random::bytes()?)?;
        let link = Link::new(AgentLocation::of(&config));
        let totals = collect(&link)?;
        out.write(sealer.front())?;
        let mut pieces =
            Pieces::of(PartReader { link: &link, part: Zeroizing::default(), at: 0 }, CHUNK);
        loop {
            let (piece, last) = pieces.next()?;
            out.write(&sealer.seal(piece, last, &random::bytes()?)?)?;
            if last {
                break;
            }
        }
        out.finish()?;
        self.report(global, &totals)
    }

    fn report(&self, global: &Global, totals: &Totals) -> Result<(), Failure> {
        let Totals { tokens, custom_keys, others, damaged } = totals;
        let file = self.out.display().to_string();
        match (is_standard(&self.out), global.json) {
            (true, _) => {}
            (false, true) => output::done_json(&json!({
                "file": file, "tokens": tokens, "custom_keys": custom_keys, "other_objects": others,
                "damaged": damaged.iter().map(Id::to_string).collect::<Vec<_>>(),
            }))?,
            (false, false) => output::done(format_args!(
                "backed up: {file}\ntokens: {tokens}\ncustom keys: {custom_keys}\nother objects: \
                 {others}"
            ))?,
        }
        match damaged.len() {
            0 => Ok(()),
            count => Err(Failure::new(format_args!(
                "the store is damaged: {count} records are not in the backup, or without their material"
            ))
            .hint("`keystead doctor` and the agent's log say more; keep the backups made before")),
        }
    }
}

fn collect(link: &Link) -> Result<Totals, Failure> {
    match link.ask(&Request::Backup)? {
        Response::BackupReady { tokens, custom_keys, others, damaged, .. } => {
            Ok(Totals { tokens, custom_keys, others, damaged })
        }
        _ => Err(unexpected().into()),
    }
}

fn unexpected() -> keystead::internal::error::Error {
    Reason::AgentRefuses.detail("it answers a backup with something else")
}

/// The bytes of the backup, as the agent gives them out.
struct PartReader<'a> {
    link: &'a Link,
    part: Zeroizing<Vec<u8>>,
    at: usize,
}

impl Read for PartReader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at == self.part.len() {
            self.at = 0;
            self.part = match self.link.ask(&Request::BackupPart) {
                Ok(Response::BackupPart(mut part)) => Zeroizing::new(std::mem::take(&mut part.0)),
                Ok(_) => return Err(io::Error::other(unexpected())),
                Err(error) => return Err(io::Error::other(error)),
            };
        }
        let rest = self.part.get(self.at..).unwrap_or_default();
        let count = rest.len().min(into.len());
        into.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        self.at += count;
        Ok(count)
    }
}
