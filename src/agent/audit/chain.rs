//! The chain: how a line is bound to all lines before it.

use super::FOLDER;
use super::entry::AuditEntry;
use super::files::files as log_files;
use super::line::{AFTER_MAC, BEFORE_MAC, ChainHead, split};
use crate::error::{Reason, Result};
use crate::store::files;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The cost of a lost key.
pub const GONE: &str = "it is gone, and without it no change of a line of the log can be found";

/// The remedy where the key is lost: a log that has lost lines is not taken for whole again.
const LOST: &str = "put it back from a backup, or move the folder that it lies in away: events are recorded \
                    again then, but `keystead audit --verify` finds the log broken for good";

/// The key of a store's chain.
pub(crate) struct ChainKey(Hmac<Sha256>);

impl ChainKey {
    /// The key of the store in `directory`.
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(64));
        files::open_to_read(&Self::path(directory))?.read_to_end(&mut bytes)?;
        match bytes.len() {
            32 => Self::new(&bytes),
            length => Err(io::Error::other(format!("{length} bytes, not 32; {LOST}"))),
        }
    }

    /// The same; a key is made where there is none, and no lines that were written under another. The
    /// folder is there.
    pub(crate) fn open_or_make(directory: &Path) -> io::Result<Self> {
        match Self::open(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => return done,
        }
        if !log_files(&directory.join(FOLDER))?.is_empty() {
            return Err(io::Error::other(format!("{GONE}; {LOST}")));
        }
        let mut bytes = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(&mut *bytes).map_err(|_| io::Error::other("no random bytes"))?;
        let path = Self::path(directory);
        let temporary = path.with_extension("new");
        let mut file =
            File::options().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(&*bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, &path)?;
        File::open(directory.join(FOLDER))?.sync_all()?;
        Self::new(&*bytes)
    }

    /// A key derived from this one, for another purpose. What is authenticated with this key begins with
    /// 32 bytes of a mac: a shorter `label` is never taken for it.
    pub(crate) fn derive(&self, label: &[u8]) -> io::Result<Hmac<Sha256>> {
        let derived: [u8; 32] = self.0.clone().chain_update(label).finalize().into_bytes().into();
        Hmac::new_from_slice(&*Zeroizing::new(derived)).map_err(io::Error::other)
    }

    /// Returns the path of the key.
    pub(crate) fn path(directory: &Path) -> PathBuf {
        directory.join(FOLDER).join(super::KEY)
    }

    fn new(bytes: &[u8]) -> io::Result<Self> {
        Hmac::new_from_slice(bytes).map(Self).map_err(io::Error::other)
    }

    /// An entry as the line after `head`, without its line feed, and the head from then on.
    pub(crate) fn seal(&self, head: ChainHead, entry: &AuditEntry) -> Result<(String, ChainHead)> {
        let text = serde_json::to_string(entry).map_err(|cause| Reason::General.detail(cause))?;
        let text = text.strip_suffix('}').unwrap_or(&text);
        let mac = self.mac(head, text);
        let mut hex = [0; 64];
        let hex = base16ct::lower::encode_str(&mac, &mut hex)
            .map_err(|cause| Reason::General.detail(cause))?;
        Ok((format!("{text}{BEFORE_MAC}{hex}{AFTER_MAC}"), ChainHead { seq: entry.seq, mac }))
    }

    /// Returns whether a line with that head is what follows `before`, unchanged.
    pub(crate) fn continues(&self, before: ChainHead, line: &str, head: ChainHead) -> bool {
        split(line).is_some_and(|(text, mac)| mac == head.mac && self.mac(before, text) == mac)
    }

    fn mac(&self, head: ChainHead, text: &str) -> [u8; 32] {
        self.0.clone().chain_update(head.mac).chain_update(text).finalize().into_bytes().into()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::entry::{AuditEvent, Fact, timestamp};
    use super::super::line::parse;
    use super::*;
    use crate::id::Id;

    fn entry(seq: u64) -> AuditEntry {
        let fact = Fact::of_key(AuditEvent::Created, Id::new([1; 16]), Id::new([2; 16]));
        AuditEntry {
            seq,
            time: timestamp(1_800_000_000),
            fact,
            user: Some(7),
            process: None,
            program: None,
        }
    }

    #[test]
    fn a_line_is_byte_for_byte_what_the_format_says() {
        let key = ChainKey::new(&[9; 32]).unwrap();
        let (line, head) = key.seal(ChainHead::default(), &entry(1)).unwrap();
        // The mac is Python's: hmac.new(b'\x09' * 32, bytes(32) + text, 'sha256').
        assert_eq!(
            line,
            "{\"seq\":1,\"time\":\"2027-01-15T08:00:00Z\",\"event\":\"created\",\
             \"token\":\"01010101-0101-0101-0101-010101010101\",\
             \"key\":\"02020202-0202-0202-0202-020202020202\",\"user\":7,\
             \"mac\":\"594de7f3c46c3369cf4be71da7d252fe1e619b36ac6c1eed0a8b1ff1a1f376e5\"}"
        );
        assert_eq!(parse(&line), Some((entry(1), head)));
        assert!(key.continues(ChainHead::default(), &line, head));
    }

    #[test]
    fn a_changed_byte_another_key_or_another_place_does_not_continue() {
        let key = ChainKey::new(&[9; 32]).unwrap();
        let (first, one) = key.seal(ChainHead::default(), &entry(1)).unwrap();
        let (second, two) = key.seal(one, &entry(2)).unwrap();
        assert!(key.continues(one, &second, two));
        assert!(!key.continues(ChainHead::default(), &second, two));
        assert!(!ChainKey::new(&[8; 32]).unwrap().continues(ChainHead::default(), &first, one));
        for at in 0..first.len() {
            let mut bytes = first.clone().into_bytes();
            *bytes.get_mut(at).unwrap() ^= 1;
            let line = String::from_utf8(bytes).unwrap();
            let head = parse(&line).map_or(one, |(_, head)| head);
            assert!(!key.continues(ChainHead::default(), &line, head), "byte {at}");
        }
    }
}
