//! The file `heartbeat` of a host's own directory: the heartbeats that it has sent. It is synced when an agent begins; a
//! loss of power may take back the count after that, which is only ever too low then.
//!
//! | bytes | field |
//! |---|---|
//! | 0–15 | `keystead beats`, zero, and the format: `0x01` |
//! | 16–31 | the agent that serves, or was to |
//! | 32–39 | the number of heartbeats that it was about to send (u64) |
//! | 40–55 | the agent whose heartbeat it found; zero: there was none |
//! | 56–63 | the number of that heartbeat (u64) |
//!
//! Integers are big endian.

use crate::error::{Reason, Result};
use crate::file_names::HEARTBEAT;
use crate::store::files;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 16] = b"keystead beats\0\x01";

const SIZE: usize = 64;

/// One heartbeat: the agent that sent it, and how many it had sent before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) agent: [u8; 16],
    pub(super) count: u64,
}

/// The file.
pub(super) struct SentFile {
    file: File,
    path: PathBuf,
    /// The agent that was to serve before, and how many heartbeats it was about to send.
    before: Option<Sent>,
    /// The heartbeat that it found.
    found: Option<Sent>,
}

impl SentFile {
    /// Opens the file in a host's directory, or makes an empty one.
    pub(super) fn open(directory: &Path) -> Result<Self> {
        let path = directory.join(HEARTBEAT);
        let file = files::open_private(&path, true)?;
        let mut bytes = [0; SIZE];
        let read = file.read_at(&mut bytes, 0).map_err(|cause| files::failed(&path, &cause))?;
        let (before, found) = match read {
            // Nothing was sent before the file was whole.
            0 => (None, None),
            SIZE => decode(&bytes).ok_or_else(|| {
                Reason::StoreDamaged
                    .detail(format_args!("{}: it is not a host's heartbeats", path.display()))
            })?,
            _ => (None, None),
        };
        Ok(Self { file, path, before, found })
    }

    /// Returns true where a row is one that this host has sent, or has found when it began last.
    pub(super) fn knows(&mut self, row: Option<Sent>) -> bool {
        let sent = |row: &Sent, by: &Sent| row.agent == by.agent && row.count + 1 >= by.count;
        let known = match (&row, &self.before) {
            (None, None) => true,
            (Some(row), Some(before)) if sent(row, before) => true,
            // It ended before its first one was there.
            (row, Some(before)) => before.count == 0 && *row == self.found,
            (Some(_), None) => false,
        };
        self.found = row;
        known
    }

    /// Notes durably that an agent begins.
    pub(super) fn begin(&mut self, agent: [u8; 16]) -> Result<()> {
        self.before = Some(Sent { agent, count: 0 });
        self.write()?;
        self.file.sync_all().map_err(|cause| files::failed(&self.path, &cause))?;
        self.path.parent().map_or(Ok(()), files::sync_directory)
    }

    /// Notes that a heartbeat is about to be sent, after so many.
    pub(super) fn note(&mut self, count: u64) -> Result<()> {
        self.before = self.before.map(|before| Sent { count, ..before });
        self.write()
    }

    fn write(&self) -> Result<()> {
        let part = |sent: Option<Sent>| match sent {
            Some(Sent { agent, count }) => [&agent[..], &count.to_be_bytes()].concat(),
            None => vec![0; 24],
        };
        let bytes = [&MAGIC[..], &part(self.before), &part(self.found)].concat();
        self.file.write_all_at(&bytes, 0).map_err(|cause| files::failed(&self.path, &cause))
    }
}

fn decode(bytes: &[u8; SIZE]) -> Option<(Option<Sent>, Option<Sent>)> {
    let (before, found) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<24>()?;
    let sent = |bytes: &[u8]| {
        let (agent, count) = bytes.split_first_chunk::<16>()?;
        let count = u64::from_be_bytes(count.try_into().ok()?);
        (*agent != [0; 16]).then_some(Sent { agent: *agent, count })
    };
    Some((sent(before), sent(found)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const fn sent(agent: u8, count: u64) -> Sent {
        Sent { agent: [agent; 16], count }
    }

    #[test]
    fn what_was_sent_and_what_was_found_are_known_after_a_start_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let open = || SentFile::open(directory.path()).unwrap();
        assert!(open().knows(None));
        assert!(!open().knows(Some(sent(1, 0))), "nothing was sent");
        let mut first = open();
        assert!(first.knows(None));
        first.begin([1; 16]).unwrap();
        assert!(open().knows(None), "its first heartbeat never came");
        first.note(0).unwrap();
        assert!(open().knows(None) && open().knows(Some(sent(1, 0))));
        (1..3).for_each(|count| first.note(count).unwrap());
        for (row, known) in [
            (Some(sent(1, 2)), true),
            (Some(sent(1, 1)), true),
            (Some(sent(1, 0)), false),
            (Some(sent(2, 2)), false),
            (None, false),
        ] {
            assert_eq!(open().knows(row), known, "{row:?}");
        }
        let mut second = open();
        assert!(second.knows(Some(sent(1, 2))));
        second.begin([2; 16]).unwrap();
        assert!(open().knows(Some(sent(1, 2))) && !open().knows(Some(sent(1, 1))));
        assert!(open().knows(Some(sent(2, 0))));
    }

    #[test]
    fn another_file_in_its_place_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(HEARTBEAT), [1; SIZE]).unwrap();
        assert_eq!(SentFile::open(directory.path()).err().unwrap().reason(), Reason::StoreDamaged);
    }
}
