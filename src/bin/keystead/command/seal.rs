//! `keystead seal`: seals a file of any size with a custom key, in constant memory.

use crate::client::SessionMode;
use crate::key_choice::KeyChoice;
use crate::keys::ListedKey;
use crate::sealed_file::{Chunker, Pieces, SealedFileHeader};
use crate::whole_file::{Input, Output, is_standard};
use crate::{Failure, Global, output};
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use keystead::internal::id::Id;
use keystead::internal::lc::random;
use serde_json::json;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

/// Seal a file with a custom key; `keystead open` opens it
///
/// The key is an AES key, generated or imported. The sealed file names it, and no other key opens it,
/// even with the same material.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    key: KeyChoice,
    /// The file to seal; - is standard input
    #[arg(default_value = "-", value_name = "FILE")]
    input: PathBuf,
    #[command(flatten)]
    to: OutputFile,
}

/// The place of a result.
#[derive(Debug, clap::Args)]
pub(crate) struct OutputFile {
    /// Write to that file, which appears when all is done; - is standard output
    #[arg(long, short, default_value = "-", value_name = "FILE")]
    pub out: PathBuf,
    /// Replace that file where there is one
    #[arg(long)]
    pub force: bool,
}

impl OutputFile {
    /// Writes a text about a key. For programs it is, under that name, a member of an object, or the object says in which
    /// file it is.
    pub(crate) fn deliver(
        &self,
        global: &Global,
        key: &ListedKey,
        (name, text): (&str, &[u8]),
    ) -> Result<(), Failure> {
        let (alias, key_id) = (&key.shown.alias, &key.shown.key_id);
        let told = |name: &str, value: &str| {
            output::json(&json!({ "alias": alias, "key_id": key_id, (name): value }))
        };
        if global.json && is_standard(&self.out) {
            return told(name, std::str::from_utf8(text).map_err(Failure::usage)?);
        }
        let mut out = Output::begin(global, &self.out, 0o666, self.force)?;
        out.write(text)?;
        out.finish()?;
        if global.json { told("file", &self.out.to_string_lossy()) } else { Ok(()) }
    }
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let (session, key) = self.key.find(global, SessionMode::ReadOnly)?;
        if is_standard(&self.to.out) && io::stdout().is_terminal() {
            return Err(Failure::usage("a sealed file is nothing for a terminal")
                .hint("--out FILE writes it to a file"));
        }
        let id = Id::parse(key.shown.key_id.as_bytes());
        let id = id.ok_or_else(|| Failure::new("the key ID is no UUID"))?;
        let header = SealedFileHeader::new(id, random::bytes()?)?;
        let mut chunks = Chunker::new(&session, &key, &header)?;
        let input = Input::open(&self.input)?;
        let mut out = Output::begin(global, &self.to.out, 0o666, self.to.force)?;
        let bar = progress("sealing", &input)?;
        let mut pieces = Pieces::of(input.bytes(), header.plain_len());
        let mut front = Some(header.bytes());
        let mut bytes = 0;
        loop {
            let (piece, last) = pieces.next().map_err(|error| input.failed(&error))?;
            let sealed = chunks.seal(piece, last)?;
            // With the first chunk: where there is none to be had, nothing is written.
            if let Some(header) = front.take() {
                out.write(header)?;
            }
            out.write(&sealed)?;
            bytes += piece.len() as u64;
            bar.set_position(bytes);
            if last {
                break;
            }
        }
        out.finish()?;
        bar.finish_and_clear();
        report(global, "sealed", &key, bytes, &self.to.out)
    }
}

/// Shows the progress on a terminal.
pub(crate) fn progress(what: &'static str, input: &Input) -> Result<ProgressBar, Failure> {
    let template = "{msg:>10} {bar:30} {bytes}/{total_bytes} {eta}";
    let bar = match input.len() {
        Some(len) => ProgressBar::new(len)
            .with_style(ProgressStyle::with_template(template).map_err(Failure::new)?),
        None => ProgressBar::new_spinner()
            .with_style(ProgressStyle::with_template("{msg:>10} {bytes}").map_err(Failure::new)?),
    };
    Ok(bar.with_message(what).with_finish(ProgressFinish::AndClear))
}

/// Says what was done, unless the result itself went to standard output.
pub(crate) fn report(
    global: &Global,
    done: &str,
    key: &ListedKey,
    bytes: u64,
    out: &Path,
) -> Result<(), Failure> {
    let (shown, file) = (&key.shown, out.display());
    match (is_standard(out), global.json) {
        (true, _) => Ok(()),
        (false, true) => output::done_json(&json!({
            "alias": shown.alias, "key_id": shown.key_id, "bytes": bytes, "file": file.to_string(),
        })),
        (false, false) => output::done(format_args!("{done}, {bytes} bytes, {shown}: {file}")),
    }
}
