//! The rows of format 1, as earlier builds wrote them, and what becomes of them in this build's format.
//!
//! The keys are those of [`second_format`], and a value's format byte is `0x01`. What is different:
//!
//! | key | value |
//! |---|---|
//! | `M` | the number of the last commit, the high-water mark of time |
//! | `T`, token | slot, revision, entry |
//! | `r`, token, record | revision, erase cell (option), header, sealed part |
//! | `c`, change (16) | the number of its commit, revisions |
//! | `f`, token, fingerprint (32), record | nothing; custom keys and live material, by fingerprint |
//! | `k`, token, record | what the audit log calls a key (text) |
//!
//! A record that had ended was told by its erase cell alone, and a slot that was taken by its token's row.

use super::audit::ChainHead;
use super::keyspace;
use super::rows::{self, Answered, Meta, RecordRow, TokenRow};
use super::second_format::{self, EarlierAnswers};
use crate::clock::Seconds;
use crate::erasure::Tombstone;
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::{Header, Role};
use crate::store::cells::{CellNumber, EraseCell};
use crate::store::{self, Put, Store};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

const FIRST_ROW_FORMAT: u8 = 1;

#[derive(Serialize, Deserialize)]
struct FirstMeta {
    commits: u64,
    mark: Seconds,
}

#[derive(Serialize, Deserialize)]
struct FirstToken {
    slot: u32,
    revision: u64,
    entry: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct FirstRow {
    revision: u64,
    cell: Option<CellNumber>,
    header: Vec<u8>,
    sealed: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct FirstAnswer {
    number: u64,
    revisions: Vec<u64>,
}

/// Puts the rows of this build's format that stand for those of `earlier`, a store of format 1. `cell` returns
/// what stands in an erase cell, unless it is lost; each keeps its number and what it says.
pub(crate) fn upgrade(
    earlier: &dyn Store,
    cell: &dyn Fn(CellNumber) -> Option<EraseCell>,
    put: &mut Put<'_>,
) -> Result<()> {
    let upgrade = RowUpgrade::survey(earlier, cell)?;
    let mut answers = EarlierAnswers::default();
    store::each(earlier, b"", |key, value| {
        match second_format::answered_change(key) {
            Some(change) => {
                answers.add(decode(value, "an answer").map(|FirstAnswer { number, revisions }| {
                    (number, Answered { change, revisions, ..Answered::default() })
                }));
            }
            None => upgrade.one(key, value, put)?,
        }
        Ok(true)
    })?;
    answers.put(put)
}

struct RowUpgrade<'a> {
    cell: &'a dyn Fn(CellNumber) -> Option<EraseCell>,
    aliases: HashMap<(Id, Id), String>,
    /// The end of the newest material of custom keys, by token and custom key.
    ended: HashMap<(Id, Id), (u32, Tombstone)>,
}

impl<'a> RowUpgrade<'a> {
    fn survey(
        earlier: &dyn Store,
        cell: &'a dyn Fn(CellNumber) -> Option<EraseCell>,
    ) -> Result<Self> {
        let (aliases, ended) = (HashMap::new(), HashMap::new());
        let mut upgrade = Self { cell, aliases, ended };
        store::each(earlier, b"", |key, value| {
            upgrade.look(key, value)?;
            Ok(true)
        })?;
        Ok(upgrade)
    }

    fn look(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let (Some(kind), Some(ids)) = (key.first(), key.get(1..).and_then(keyspace::id_pair))
        else {
            return Ok(());
        };
        match kind {
            b'k' => {
                let alias =
                    decode(value, "a key's name").inspect_err(|error| log::error!("{error}"));
                self.aliases.extend(alias.ok().map(|alias| (ids, alias)));
            }
            b'r' => {
                let Ok((row, header)) = read(value) else { return Ok(()) };
                if let (Role::Material { key, version, .. }, Some(tombstone)) =
                    (header.role, self.tombstone(&row))
                {
                    let newest = self.ended.entry((ids.0, key)).or_insert((version, tombstone));
                    if newest.0 <= version {
                        *newest = (version, tombstone);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns the end of a record's material, as its erase cell says. What is lost with a damaged cell is
    /// left to that.
    fn tombstone(&self, row: &FirstRow) -> Option<Tombstone> {
        match (self.cell)(row.cell?)? {
            EraseCell::Secret(_) => None,
            EraseCell::Erased(tombstone) => Some(tombstone),
        }
    }

    fn one(&self, key: &[u8], value: &[u8], put: &mut Put<'_>) -> Result<()> {
        let same = key.to_vec();
        match key.first() {
            Some(b'M') => {
                let FirstMeta { mark, .. } = decode(value, "the store's own row")?;
                put(same, rows::encode(&Meta { mark, extras: Vec::new() })?)
            }
            Some(b'T') => {
                let FirstToken { slot, revision, entry } = decode(value, "a token")?;
                put(keyspace::slot(slot), key.get(1..).unwrap_or_default().to_vec())?;
                put(same, rows::encode(&TokenRow { slot, revision, entry, ..TokenRow::default() })?)
            }
            Some(b'r') => match read(value) {
                Ok(record) => self.record(key, record, put),
                Err(error) => {
                    log::error!("a record is taken over that is not found any more: {error}");
                    put(same, rows::carried_unread(value))
                }
            },
            Some(b'L') => {
                put(same, rows::encode(&decode::<ChainHead>(value, "the audit log's head")?)?)
            }
            Some(b'l') => put(same, rows::encode(&decode::<String>(value, "a line")?)?),
            Some(b'g' | b'u') => put(same, value.to_vec()),
            // Indexes, which follow from the records.
            _ => Ok(()),
        }
    }

    fn record(
        &self,
        key: &[u8],
        (earlier, header): (FirstRow, Header),
        put: &mut Put<'_>,
    ) -> Result<()> {
        let ids = key.get(1..).and_then(keyspace::id_pair).ok_or(Reason::StoreDamaged)?;
        let (token, id) = ids;
        let tombstone = match &header.role {
            Role::CustomKey(state) => {
                let ended = self.ended.get(&ids).filter(|(version, _)| *version == state.version);
                ended.map(|(_, tombstone)| *tombstone)
            }
            Role::Material { .. } | Role::Object { .. } => self.tombstone(&earlier),
        };
        let FirstRow { revision, mut cell, header: header_bytes, mut sealed } = earlier;
        if tombstone.is_some() && header.holds_key() {
            (cell, sealed) = (None, Vec::new());
        }
        let alias = self.aliases.get(&ids).cloned();
        let extras = Vec::new();
        let row =
            RecordRow { revision, cell, tombstone, alias, header: header_bytes, sealed, extras };
        if let Some((fingerprint, owner)) = keyspace::ownership(id, &header) {
            put(keyspace::owner(token, &fingerprint), owner.bytes().to_vec())?;
        }
        put(key.to_vec(), rows::encode(&row)?)
    }
}

fn read(value: &[u8]) -> Result<(FirstRow, Header)> {
    let row: FirstRow = decode(value, "a record")?;
    let header = Header::decode(&row.header)?;
    Ok((row, header))
}

fn decode<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    rows::decode_as(FIRST_ROW_FORMAT, bytes, what)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::agent::keyspace::RowKey;
    use crate::key::{Expiry, ExpiryAction, Fingerprint, KeyState};
    use crate::store::{Batch, Memory};
    use std::collections::BTreeMap;
    use zeroize::Zeroizing;

    const TOKEN: Id = Id::new([1; 16]);
    const KEY: Id = Id::new([2; 16]);
    const ITS: Id = Id::new([3; 16]);
    const PRINT: Fingerprint = Fingerprint([4; 32]);

    fn encode(value: &impl Serialize) -> Vec<u8> {
        postcard::to_extend(value, vec![FIRST_ROW_FORMAT]).unwrap()
    }

    fn decoded<T: DeserializeOwned + Serialize>(golden: &[u8]) -> T {
        let value = decode(golden, "a row").unwrap();
        assert_eq!(encode(&value), golden);
        for cut in 0..golden.len() {
            assert!(decode::<T>(&golden[..cut], "a row").is_err(), "cut at {cut}");
        }
        value
    }

    /// Stores that exist hold these bytes: they never change.
    #[test]
    fn values_are_byte_for_byte_what_earlier_builds_wrote() {
        let row: FirstRow = decoded(&[1, 0xAC, 2, 1, 0x80, 4, 2, 1, 2, 1, 3]);
        assert_eq!((row.revision, row.cell), (300, Some(512)));
        assert_eq!((row.header, row.sealed), (vec![1, 2], vec![3]));
        let token: FirstToken = decoded(&[1, 5, 2, 1, 9]);
        assert_eq!((token.slot, token.revision, token.entry), (5, 2, vec![9]));
        let meta: FirstMeta = decoded(&[1, 7, 0xC8, 1]);
        assert_eq!((meta.commits, meta.mark), (7, 200));
        let answered: FirstAnswer = decoded(&[1, 7, 2, 1, 2]);
        assert_eq!((answered.number, answered.revisions), (7, vec![1, 2]));
        assert_eq!(decoded::<String>(&[1, 2, b'a', b'b']), "ab");
        let head: ChainHead = decoded(&[&[1, 0xAC, 2][..], &[7; 32]].concat());
        assert_eq!((head.seq, head.mac), (300, [7; 32]));
    }

    /// Upgrades rows that are told by their bytes alone.
    #[test]
    fn rows_are_found_under_the_keys_that_earlier_builds_wrote() {
        let key = |kind: &[u8], ids: &[[u8; 16]]| [kind, &ids.concat()].concat();
        let (one, two, three) = ([1; 16], [2; 16], [3; 16]);
        let [custom, material] = headers().map(|header| header.encode().unwrap());
        let stored = |cell: &[u8], header: &[u8]| {
            [&[1, 5][..], cell, &[header.len() as u8], header, &[1, 7]].concat()
        };
        let name = [&b"f"[..], &one, &[4; 32], &three].concat();
        let pairs = [
            (b"M".to_vec(), vec![1, 7, 80]),
            (key(b"T", &[one]), vec![1, 5, 2, 1, 9]),
            (key(b"r", &[one, two]), stored(&[0], &custom)),
            (key(b"r", &[one, three]), stored(&[1, 0x80, 4], &material)),
            (key(b"c", &[[9; 16]]), vec![1, 7, 1, 5]),
            (key(b"k", &[one, two]), vec![1, 2, b'a', b'b']),
            (name, Vec::new()),
            (b"L".to_vec(), [&[1, 3][..], &[7; 32]].concat()),
            (b"l\0\0\0\0\0\0\x01\x02".to_vec(), vec![1, 2, b'{', b'}']),
            ([&key(b"u", &[one, two])[..], b"\0\0\x01\x02"].concat(), vec![0; 8]),
            (b"s\0\0\x02\0".to_vec(), [one, three].concat()),
            (key(b"v", &[one, two, three]), Vec::new()),
        ];
        let rows =
            upgraded_from(pairs.into_iter().collect(), EraseCell::Erased(Tombstone::Expired(91)));
        let tombstone = Some(Tombstone::Expired(91));
        let [custom, material] = [KEY, ITS].map(|id| row(&rows, id));
        assert_eq!((custom.alias.as_deref(), custom.tombstone), (Some("ab"), tombstone));
        assert_eq!((material.revision, material.tombstone), (5, tombstone));
        let token = TokenRow { slot: 5, revision: 2, entry: vec![9], ..TokenRow::default() };
        assert_eq!(rows[&keyspace::token(TOKEN)], rows::encode(&token).unwrap());
        assert_eq!(rows[&keyspace::meta()], [2, 80, 0]);
        let answered = [&[2][..], &[9; 16], &[1, 5, 0]].concat();
        assert_eq!(rows[&keyspace::answer(0)], answered);
        assert_eq!(rows[&keyspace::slot(5)], TOKEN.bytes());
        assert_eq!(rows.len(), 10, "and no row of the index");
        assert_eq!(rows[&keyspace::audit_head()], [&[2, 3][..], &[7; 32]].concat());
        assert_eq!(rows[&keyspace::AuditRows::default().line(258)], [2, 2, b'{', b'}']);
        assert_eq!(rows[&keyspace::uses((TOKEN, KEY, 258))], [0; 8]);
        assert_eq!(rows[&keyspace::owner(TOKEN, &PRINT)], KEY.bytes());
    }

    fn record(id: Id, header: &Header, cell: Option<CellNumber>) -> (RowKey, Vec<u8>) {
        let (header, sealed) = (header.encode().unwrap(), vec![7]);
        let row = FirstRow { revision: 5, cell, header, sealed };
        (keyspace::record(TOKEN, id), encode(&row))
    }

    fn headers() -> [Header; 2] {
        let expiry = Some(Expiry { at: 90, action: ExpiryAction::Erase });
        let header = |role, expiry| Header { private: true, role, expiry, tags: Vec::new() };
        let state =
            KeyState { fingerprint: Some(PRINT), version: 1, ..KeyState::awaiting_import() };
        let material = Role::Material { key: KEY, version: 1, fingerprint: PRINT };
        [header(Role::CustomKey(state), None), header(material, expiry)]
    }

    /// Upgrades a custom key with its material, under a cell that says `cell`.
    fn upgraded(cell: EraseCell) -> BTreeMap<RowKey, Vec<u8>> {
        let [key, material] = headers();
        let pairs = [
            (keyspace::meta(), encode(&FirstMeta { commits: 7, mark: 80 })),
            (
                [&b"c"[..], &[9; 16]].concat(),
                encode(&FirstAnswer { number: 7, revisions: vec![5] }),
            ),
            record(KEY, &key, None),
            record(ITS, &material, Some(512)),
            ([b"k", &TOKEN.bytes()[..], KEY.bytes()].concat(), encode(&"payroll")),
            ([b"f", &TOKEN.bytes()[..], &PRINT.0, KEY.bytes()].concat(), Vec::new()),
        ];
        upgraded_from(pairs.into_iter().collect(), cell)
    }

    /// Upgrades the rows of a store whose erase cells all say `cell`.
    fn upgraded_from(pairs: Vec<(RowKey, Vec<u8>)>, cell: EraseCell) -> BTreeMap<RowKey, Vec<u8>> {
        let earlier = Memory::default();
        let writes = pairs.into_iter().map(|(key, value)| (key, Some(value))).collect();
        earlier.apply(&Batch { conditions: Vec::new(), writes }).unwrap();
        let mut rows = BTreeMap::new();
        let cell = std::cell::Cell::new(Some(cell));
        let read = |_| match cell.take()? {
            EraseCell::Secret(secret) => {
                cell.set(Some(EraseCell::Secret(secret.clone())));
                Some(EraseCell::Secret(secret))
            }
            EraseCell::Erased(tombstone) => {
                cell.set(Some(EraseCell::Erased(tombstone)));
                Some(EraseCell::Erased(tombstone))
            }
        };
        upgrade(&earlier, &read, &mut |key, value| {
            rows.insert(key, value);
            Ok(())
        })
        .unwrap();
        rows
    }

    fn row(rows: &BTreeMap<RowKey, Vec<u8>>, id: Id) -> RecordRow {
        rows::decode(&rows[&keyspace::record(TOKEN, id)], "a record").unwrap()
    }

    #[test]
    fn damaged_rows_of_single_records_and_answers_stand_in_no_others_way() {
        let [key, material] = headers();
        let cut = |(at, row): (RowKey, Vec<u8>)| (at, row[..row.len() / 2].to_vec());
        let pairs = vec![
            record(KEY, &key, None),
            cut(record(ITS, &material, Some(512))),
            ([&b"c"[..], &[9; 16]].concat(), b"damaged".to_vec()),
            ([b"k", &TOKEN.bytes()[..], KEY.bytes()].concat(), b"damaged".to_vec()),
        ];
        let rows = upgraded_from(pairs, EraseCell::Erased(Tombstone::Expired(91)));
        assert_eq!(rows.len(), 3, "two records and the custom key's fingerprint");
        assert_eq!(row(&rows, KEY).alias, None);
        let damaged = &rows[&keyspace::record(TOKEN, ITS)];
        assert!(rows::decode::<RecordRow>(damaged, "a record").is_err());
        assert_eq!(rows::claimed_cell(damaged), Some(512), "its cell is not given to another");
    }

    #[test]
    fn live_material_stays_under_its_cell_and_everything_finds_its_place() {
        let rows = upgraded(EraseCell::Secret(Box::new(Zeroizing::new([8; 32]))));
        let [key, its] = [KEY, ITS].map(|id| row(&rows, id));
        assert_eq!(
            (its.cell, its.sealed, its.tombstone, its.revision),
            (Some(512), vec![7], None, 5)
        );
        assert_eq!((key.alias.as_deref(), key.tombstone), (Some("payroll"), None));
        assert_eq!(rows[&keyspace::owner(TOKEN, &PRINT)], KEY.bytes());
        let Answered { change, revisions, .. } =
            rows::decode(&rows[&keyspace::answer(0)], "an answer").unwrap();
        assert_eq!((change, revisions), ([9; 16], vec![5]));
        assert!(!rows.keys().any(|key| key.starts_with(b"k") || key.starts_with(b"f")));
    }

    #[test]
    fn material_that_has_ended_gets_a_tombstone_and_so_does_its_custom_key() {
        let rows = upgraded(EraseCell::Erased(Tombstone::Expired(91)));
        let tombstone = Some(Tombstone::Expired(91));
        let [key, its] = [KEY, ITS].map(|id| row(&rows, id));
        assert_eq!((its.cell, its.sealed, its.tombstone), (None, Vec::new(), tombstone));
        assert_eq!((key.tombstone, key.sealed), (tombstone, vec![7]));
        assert_eq!(rows[&keyspace::owner(TOKEN, &PRINT)], KEY.bytes(), "it is still associated");
    }
}
