//! PEM (RFC 7468, and RFC 1421 for OpenSSL's headers) as people have it: several blocks in a file, notes between
//! them, lines of any length.

use base64ct::{Base64, Encoding};
use keystead::internal::secret::Secret;
use zeroize::Zeroizing;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// One block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PemBlock<'a> {
    /// The words between the dashes.
    pub label: &'a str,
    /// The whole block, from its first dash to its last.
    pub text: &'a str,
    /// The lines between the first and the last.
    body: &'a str,
}

/// The blocks of a text, in their order, and what stands behind the last.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PemBlocks<'a> {
    /// The blocks; none where one does not end.
    pub blocks: Option<Vec<PemBlock<'a>>>,
    /// The text behind the last, without the space around it.
    pub rest: &'a str,
}

/// Returns the blocks of what is PEM; none where it has no line that begins a block.
pub(crate) fn blocks(text: &[u8]) -> Option<PemBlocks<'_>> {
    let mut rest = std::str::from_utf8(text).ok()?;
    let mut blocks = Vec::new();
    next(rest)?;
    while let Some(at) = next(rest) {
        let Some((block, behind)) = at_start(at) else {
            return Some(PemBlocks { blocks: None, rest: "" });
        };
        blocks.push(block);
        rest = behind;
    }
    Some(PemBlocks { blocks: Some(blocks), rest: rest.trim() })
}

/// Returns the text from the next line on that begins a block.
fn next(text: &str) -> Option<&str> {
    let mut lines = text.match_indices(BEGIN);
    // The mark that some editors put before a text.
    let begins = |before: &str| before.is_empty() || before == "\u{FEFF}" || before.ends_with('\n');
    let (at, _) = lines.find(|(at, _)| text.get(..*at).is_some_and(begins))?;
    text.get(at..)
}

/// Returns the block that a text begins with, and what is behind it.
fn at_start(text: &str) -> Option<(PemBlock<'_>, &str)> {
    let (label, body) = text.strip_prefix(BEGIN)?.split_once(DASHES)?;
    let last = format!("{END}{label}{DASHES}");
    let (body, behind) = body.split_once(&last)?;
    let text = text.get(..text.len() - behind.len())?;
    let fits = !label.contains('\n') && !body.contains(DASHES);
    fits.then_some((PemBlock { label, text, body }, behind))
}

impl PemBlock<'_> {
    /// Returns whether it is encrypted as OpenSSL did before PKCS#8 (RFC 1421, 4.6.1.1).
    pub(crate) fn is_encrypted(&self) -> bool {
        self.headers().any(|line| line.starts_with("Proc-Type:") && line.ends_with("ENCRYPTED"))
    }

    /// Returns the bytes in it; none where it is no base64.
    pub(crate) fn bytes(&self) -> Option<Secret> {
        let headers: usize = self.headers().count();
        let lines = self.body.trim().lines().skip(headers);
        let mut packed = Zeroizing::new(Vec::with_capacity(self.body.len()));
        for line in lines {
            packed.extend(line.bytes().filter(|byte| !byte.is_ascii_whitespace()));
        }
        let mut bytes = Secret::new(vec![0; packed.len()]);
        let length = Base64::decode(packed.as_slice(), bytes.expose_mut()).ok()?.len();
        bytes.truncate(length);
        Some(bytes)
    }

    fn headers(&self) -> impl Iterator<Item = &str> {
        self.body.trim().lines().map(str::trim).take_while(|line| line.contains(": "))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_between_notes_and_lines_of_any_length() {
        let text = "Bag Attributes\n  localKeyID: 01\n-----BEGIN A B-----\nAQI\nD\n-----END A B-----\n\
            note\n-----BEGIN C-----\r\nProc-Type: 4,ENCRYPTED\r\nDEK-Info: X,00\r\n\r\nBA==\r\n-----END C-----\r\n";
        let found = blocks(text.as_bytes()).unwrap();
        let list = found.blocks.unwrap();
        assert_eq!(list.iter().map(|it| it.label).collect::<Vec<_>>(), ["A B", "C"]);
        assert_eq!(list[0].bytes().unwrap().expose(), [1, 2, 3]);
        assert_eq!(list[0].text, "-----BEGIN A B-----\nAQI\nD\n-----END A B-----");
        assert_eq!(list[1].bytes().unwrap().expose(), [4]);
        assert!(list[1].is_encrypted() && !list[0].is_encrypted());
        assert_eq!(found.rest, "");
    }

    #[test]
    fn what_is_cut_or_no_pem_is_told() {
        for none in [&b""[..], b"AAAA", b"x -----BEGIN A-----\n-----END A-----", b"\xFF-----BEGIN "]
        {
            assert!(blocks(none).is_none(), "{none:?}");
        }
        for cut in ["-----BEGIN A-----\nAA", "-----BEGIN A-----\n-----END B-----", "-----BEGIN A"] {
            assert!(blocks(cut.as_bytes()).unwrap().blocks.is_none(), "{cut}");
        }
        let odd = b"-----BEGIN A-----\n%\n-----END A-----\nrest\n";
        let found = blocks(odd).unwrap();
        assert!(found.blocks.unwrap()[0].bytes().is_none());
        assert_eq!(found.rest, "rest");
    }
}
