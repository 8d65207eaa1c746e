//! The content of a backup, and how its bytes are read back: all of it, or an error that names the place.

use super::READ;
use crate::clock::Seconds;
use crate::erasure::Erasure;
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use crate::key::Header;
use crate::store::cells::CellNumber;
use serde::{Deserialize, Serialize};

/// One piece of a backup.
#[derive(Serialize, Deserialize)]
pub(super) enum Item {
    Store(BackedUpStore),
    Token(BackedUpToken),
    Record(BackedUpRecord),
    End { tokens: u64, records: u64 },
}

/// The store that was backed up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackedUpStore {
    /// The content's format.
    pub format: u16,
    /// Its identity, which every record is sealed to.
    pub id: Id,
    /// Its incarnation.
    pub incarnation: u64,
    /// The number of its last commit.
    pub commits: u64,
    /// Its high-water mark of time.
    pub mark: Seconds,
    /// The clock's time at the backup.
    pub taken: Seconds,
}

/// A token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackedUpToken {
    /// Its identity.
    pub id: Id,
    /// Its slot number.
    pub slot: u32,
    /// Its entry's revision.
    pub revision: u64,
    /// Its entry (see `key::pin`).
    pub entry: Vec<u8>,
    /// Wrong PINs in a row: security officer's, user's.
    pub wrong: (u8, u8),
}

/// A record.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackedUpRecord {
    /// Its token.
    pub token: Id,
    /// Its identity.
    pub id: Id,
    /// Its own counter.
    pub revision: u64,
    /// Its public header.
    pub header: Vec<u8>,
    /// Its sealed part, without the shred layer; empty where its material was erased.
    pub sealed: Vec<u8>,
    /// The erase cell that its material had.
    pub cell: Option<BackedUpCell>,
}

/// An erase cell at the moment of the backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackedUpCell {
    /// Its number; 0 where the material has ended.
    pub number: CellNumber,
    /// A hash that tells its secret from another.
    pub check: [u8; 32],
    /// Its content.
    pub erasure: Erasure,
}

/// A whole backup.
pub struct Backup {
    /// The store.
    pub store: BackedUpStore,
    /// Its tokens.
    pub tokens: Vec<BackedUpToken>,
    /// Their records.
    pub records: Vec<BackedUpRecord>,
}

impl Item {
    pub(super) fn encode(&self, to: Vec<u8>) -> Result<Vec<u8>> {
        postcard::to_extend(self, to).map_err(|cause| Reason::General.detail(cause))
    }
}

impl Backup {
    /// Reads all items.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let (first, mut rest) = item(bytes, bytes.len())?;
        let Item::Store(store) = first else {
            return Err(damaged(0, "it does not begin with a store"));
        };
        if !READ.contains(&store.format) {
            return Err(Reason::BackupDamaged.detail(format_args!(
                "its content has format {}, and this build reads {} to {}",
                store.format,
                READ.start(),
                READ.end()
            )));
        }
        let mut content = Self { store, tokens: Vec::new(), records: Vec::new() };
        loop {
            let at = bytes.len() - rest.len();
            let (next, behind) = item(rest, bytes.len())?;
            rest = behind;
            match next {
                Item::Store(_) => return Err(damaged(at, "a second store")),
                Item::Token(token) => content.tokens.push(token),
                Item::Record(record) => {
                    Header::decode(&record.header)
                        .map_err(|_| damaged(at, "a record's header does not parse"))?;
                    content.records.push(record);
                }
                Item::End { tokens, records } => {
                    let counted = (content.tokens.len() as u64, content.records.len() as u64);
                    return match rest {
                        [] if counted == (tokens, records) => Ok(content),
                        [] => Err(damaged(at, "something is missing")),
                        _ => Err(damaged(at, "something stands behind its end")),
                    };
                }
            }
        }
    }
}

fn item(bytes: &[u8], whole: usize) -> Result<(Item, &[u8])> {
    postcard::take_from_bytes(bytes)
        .map_err(|_| damaged(whole - bytes.len(), "what stands there does not parse"))
}

fn damaged(at: usize, what: &str) -> Error {
    Reason::BackupDamaged.detail(format_args!("{what}, at byte {at} of its content"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::BACKUP_FORMAT;
    use super::*;
    use crate::key::{Fingerprint, Role};

    fn items() -> Vec<Item> {
        let (token, id) = (Id::new([2; 16]), Id::new([3; 16]));
        let role =
            Role::Material { key: Id::new([4; 16]), version: 1, fingerprint: Fingerprint([5; 32]) };
        let header = Header { private: true, role, expiry: None, tags: Vec::new() };
        let store = BackedUpStore {
            format: BACKUP_FORMAT,
            id: Id::new([1; 16]),
            incarnation: 1,
            commits: 300,
            mark: 1_800_000_000,
            taken: 1_800_000_001,
        };
        let cell = BackedUpCell { number: 512, check: [6; 32], erasure: Erasure::Live };
        let record = BackedUpRecord {
            token,
            id,
            revision: 2,
            header: header.encode().unwrap(),
            sealed: vec![0xAB; 3],
            cell: Some(cell),
        };
        vec![
            Item::Store(store),
            Item::Token(BackedUpToken {
                id: token,
                slot: 0,
                revision: 1,
                entry: vec![9],
                wrong: (0, 3),
            }),
            Item::Record(record),
            Item::End { tokens: 1, records: 1 },
        ]
    }

    fn bytes(items: &[Item]) -> Vec<u8> {
        items.iter().fold(Vec::new(), |bytes, item| item.encode(bytes).unwrap())
    }

    fn refusal(bytes: &[u8]) -> String {
        let error = Backup::decode(bytes).map(drop).unwrap_err();
        assert_eq!(error.reason(), Reason::BackupDamaged);
        error.to_string()
    }

    /// Backups are kept for years: these bytes never change.
    #[test]
    fn items_equal_the_golden_bytes() {
        let header = [&[1, 1, 2][..], &[4; 16], &[1], &[5; 32], &[0, 0]].concat();
        let golden = [
            &[0, 2][..],
            &[1; 16],
            &[1, 0xAC, 2, 0x80, 0xA4, 0xA7, 0xDA, 6, 0x81, 0xA4, 0xA7, 0xDA, 6],
            &[1],
            &[2; 16],
            &[0, 1, 1, 9, 0, 3],
            &[2],
            &[2; 16],
            &[3; 16],
            &[2, header.len() as u8],
            &header,
            &[3, 0xAB, 0xAB, 0xAB, 1, 0x80, 4],
            &[6; 32],
            &[0],
            &[3, 1, 1],
        ]
        .concat();
        assert_eq!(bytes(&items()), golden);
        let earlier = [&[0, 1], &golden[2..]].concat();
        for (golden, format) in [(golden, 2), (earlier, 1)] {
            let content = Backup::decode(&golden).unwrap();
            assert_eq!((content.tokens.len(), content.records.len()), (1, 1));
            assert_eq!((content.store.format, content.store.commits), (format, 300));
        }
    }

    #[test]
    fn a_backup_cut_anywhere_is_refused() {
        let whole = bytes(&items());
        for end in 0..whole.len() {
            refusal(&whole[..end]);
        }
    }

    #[test]
    fn what_is_missing_doubled_or_of_another_format_is_refused_by_its_place() {
        let without_record =
            items().into_iter().filter(|item| !matches!(item, Item::Record(_))).collect::<Vec<_>>();
        assert!(refusal(&bytes(&without_record)).contains("missing"));
        assert!(refusal(&[bytes(&items()), vec![0]].concat()).contains("behind its end"));
        let mut two = items();
        two.insert(1, items().remove(0));
        assert!(refusal(&bytes(&two)).contains("a second store, at byte 31"));
        let mut other = items();
        if let Item::Store(store) = &mut other[0] {
            store.format = BACKUP_FORMAT + 1;
        }
        assert!(refusal(&bytes(&other)).contains("format 3, and this build reads 1 to 2"));
    }
}
