//! `keystead restore`: puts a backup into an empty store, or only says what is in it.

use super::directory;
use crate::pin::{EnteredPin, Passphrase, PinOptions};
use crate::sealed_file::Pieces;
use crate::whole_file::Input;
use crate::{Failure, Global, output, serving};
use keystead::internal::agent::backup::Backup;
use keystead::internal::agent::{Claim, Lock, check_records, check_unclaimed, claim};
use keystead::internal::agent::{How, Restored, restore};
use keystead::internal::clock::{SystemClock, exact_timestamp};
use keystead::internal::config::Config;
use keystead::internal::error::{Error, Reason};
use keystead::internal::file_names::{CELLS, RECORDS};
use keystead::internal::key::backup::{AROUND, BackupSealer, CHUNK, FRONT};
use keystead::internal::key::{Header, Role};
use keystead::internal::presence;
use serde_json::json;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Put a backup into an empty store, on this machine or another
///
/// The tokens come back with the PINs they had. Material that has expired since is not restored, nor
/// what the store is known to have erased since: where only the records are gone from its directory,
/// the file `slots` there knows; where the living store is in another directory, --erased-in names that.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The backup; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The directory of the store that was backed up: what it has erased since stays erased
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "check")]
    erased_in: Option<PathBuf>,
    /// Go on where the records' own directory (`store` beside `agent_directory`) has none: they are lost for
    /// good, and not on a volume that is not mounted
    #[arg(long, conflicts_with = "check")]
    records_are_lost: bool,
    /// Only read the backup to its end, and say what is in it
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    passphrase: Passphrase,
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let input = Input::open(&self.file)?;
        let content = read(&input, &self.passphrase.read()?)?;
        if self.check {
            return show(global, "good, of", &content, counts(&content)?);
        }
        let config = global.configuration()?;
        let (directory, grace) = (config.directory.clone(), config.erase_grace());
        presence::check_place(&directory).map_err(|error| {
            Failure::from(error).hint("restore into an empty directory (--store)")
        })?;
        self.check_records(&config)?;
        serving::make_files_private();
        directory::make_all(&config, None)?;
        let lock = lock(&directory)?.with_records(config.store);
        let living = self.erased_in.as_deref();
        let (on_event, audit_syslog) = (config.on_event, config.audit_syslog);
        let clock = Arc::new(SystemClock);
        let how = How { living, clock, grace, on_event, audit_syslog };
        let restored = restore(&lock, &content, how).map_err(explain)?;
        show(global, "restored, as it was at", &content, restored)
    }

    /// Fails where the records or the agent's files lie apart and are out of sight: the backup would take the place
    /// of a store that may only be on a volume that is not mounted, and everything since would be lost.
    fn check_records(&self, config: &Config) -> Result<(), Failure> {
        let (directory, records) = (&config.directory, &config.store);
        if presence::check(directory).is_err() {
            return Ok(check_unclaimed(directory, records)?);
        }
        match check_records(directory, records) {
            Err(error) if !self.records_are_lost => Err(Failure::from(error).with_hint(|mount| {
                format!("{mount}; only where they are lost for good, --records-are-lost")
            })),
            _ => Ok(()),
        }
    }
}

/// Opens all of it before any of it is believed.
fn read(input: &Input, passphrase: &EnteredPin) -> Result<Backup, Failure> {
    let wrong = |error: Error| input.wrong(&error.into());
    let mut front = Vec::with_capacity(FRONT);
    let mut bytes = input.bytes();
    bytes.by_ref().take(FRONT as u64).read_to_end(&mut front).map_err(|it| input.failed(&it))?;
    let mut sealer = BackupSealer::of(&front, passphrase.bytes()).map_err(wrong)?;
    let mut pieces = Pieces::of(bytes, CHUNK + AROUND);
    let mut chunks = Vec::new();
    loop {
        let (piece, last) = pieces.next().map_err(|error| input.failed(&error))?;
        let opened = sealer.open(piece, last);
        chunks.push(opened.map_err(|_| input.wrong(&damaged(sealer.chunks())))?);
        if last {
            break;
        }
    }
    let mut content = Zeroizing::new(Vec::with_capacity(chunks.len() * CHUNK));
    chunks.iter().for_each(|chunk| content.extend_from_slice(chunk.expose()));
    Backup::decode(&content).map_err(wrong)
}

fn damaged(chunk: u64) -> Failure {
    match chunk {
        0 => Failure::of_pin("the passphrase does not open it").hint(
            "if it is the right one, the file is damaged or cut off within its first megabyte",
        ),
        _ => Failure::new(format_args!(
            "it is not as it was written, from its byte {} on: damaged, cut off or altered",
            FRONT as u64 + chunk * (CHUNK + AROUND) as u64
        ))
        .hint("another copy of the backup, or an earlier one, may be whole"),
    }
}

fn lock(directory: &Path) -> Result<Lock, Failure> {
    match claim(directory)? {
        Claim::Ours(lock) => Ok(lock),
        Claim::Served => Err(serving::in_use(directory).with_hint(|end_it| {
            format!(
                "restore into an empty directory, which --store names; or, to put it in the place \
                 of records that are lost, {end_it}"
            )
        })),
    }
}

fn explain(error: Error) -> Failure {
    let not_empty = error.reason() == Reason::StoreNotEmpty;
    let failure = Failure::from(error);
    match not_empty {
        true => failure.or_hint(format_args!(
            "restore into an empty directory (--store), or move {RECORDS}/ away from this one and leave \
             `{CELLS}`, so that what it has erased stays erased"
        )),
        false => failure,
    }
}

fn counts(content: &Backup) -> Result<Restored, Failure> {
    let mut counts = Restored { tokens: content.tokens.len() as u64, ..Restored::default() };
    for record in &content.records {
        match Header::decode(&record.header)?.role {
            Role::CustomKey(_) => counts.custom_keys += 1,
            Role::Object { .. } => counts.others += 1,
            Role::Material { .. } => {}
        }
    }
    Ok(counts)
}

fn show(global: &Global, done: &str, content: &Backup, it: Restored) -> Result<(), Failure> {
    let taken = exact_timestamp(content.store.taken)?;
    let Restored { tokens, custom_keys, others, erased } = it;
    if global.json {
        return output::done_json(&json!({
            "taken": taken, "tokens": tokens, "custom_keys": custom_keys,
            "other_objects": others, "erased_since": erased,
        }));
    }
    output::done(format_args!(
        "{done} {taken}\ntokens: {tokens}\ncustom keys: {custom_keys}\nother objects: {others}"
    ))?;
    match erased {
        0 => Ok(()),
        _ => output::done(format_args!("without their material, erased since: {erased}")),
    }
}
