//! `keystead open`: opens a file that `keystead seal` made, in constant memory. The file names its key.

use super::seal::{OutputFile, progress, report};
use crate::client::{SessionMode, TokenArguments};
use crate::keys::ListedKey;
use crate::sealed_file::{Chunker, Pieces, SealedFileHeader};
use crate::whole_file::{Input, Output};
use crate::{Failure, Global};
use std::path::PathBuf;

/// Open a file that `keystead seal` made
///
/// A file named by --out appears when all of it has been verified. On standard output each part
/// appears when it has been verified by itself: where the exit status is not 0, the end is missing.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    token: TokenArguments,
    /// The file to open; - is standard input
    #[arg(default_value = "-", value_name = "FILE")]
    input: PathBuf,
    #[command(flatten)]
    to: OutputFile,
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        // Before any input is read: logging in may start this program once more.
        let session = self.token.log_in(global, SessionMode::ReadOnly)?;
        let input = Input::open(&self.input)?;
        let header =
            SealedFileHeader::read(&mut input.bytes()).map_err(|error| input.failed(&error))?;
        let header = header.ok_or_else(|| {
            let failure = Failure::new("this is no file that `keystead seal` made");
            input.wrong(&failure.hint("what other programs encrypted, they decrypt"))
        })?;
        let key = ListedKey::named(&session, &header.key().to_string())
            .map_err(|failure| failure.also("or the file was sealed in another token"))?;
        let mut chunks = Chunker::new(&session, &key, &header)?;
        let mut out = Output::begin(global, &self.to.out, 0o600, self.to.force)?;
        let bar = progress("opening", &input)?;
        let mut pieces = Pieces::of(input.bytes(), header.sealed_len());
        let mut bytes = 0;
        loop {
            let (piece, last) = pieces.next().map_err(|error| input.failed(&error))?;
            let text = chunks.open(piece, last).map_err(|failure| input.wrong(&failure))?;
            out.write(&text)?;
            bytes += text.len() as u64;
            bar.inc(piece.len() as u64);
            if last {
                break;
            }
        }
        out.finish()?;
        bar.finish_and_clear();
        report(global, "opened", &key, bytes, &self.to.out)
    }
}
