//! A thief's own reading of a store's files, by their documented formats alone: no agent judges for the thief, and
//! records from one copy are opened with cells from another.

use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use keystead::internal::id::Id;
use keystead::internal::key::pin::TokenEntry;
use keystead::internal::key::seal::{SealContext, TokenKey};
use serde::Deserialize;
use sha2::Sha256;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The size of a cell.
const CELL: usize = 64;

/// The fields that later builds add to a row.
type Extras = Vec<(u32, Vec<u8>)>;

/// The end of material, as a row has it.
#[derive(Deserialize)]
enum Tombstone {
    Deleted { _at: u64 },
    Expired { _at: u64 },
}

#[derive(Deserialize)]
struct RecordRow {
    revision: u64,
    cell: Option<u32>,
    _tombstone: Option<Tombstone>,
    _alias: Option<String>,
    header: Vec<u8>,
    sealed: Vec<u8>,
    _extras: Extras,
}

#[derive(Deserialize)]
struct TokenRow {
    _slot: u32,
    _revision: u64,
    entry: Vec<u8>,
}

/// A record that was opened, and the erase secret that opened it.
pub struct Stolen {
    pub secret: [u8; 32],
    pub body: Vec<u8>,
}

/// The records of one copy of a store, and the keys that a PIN gives.
pub struct Theft {
    store: Id,
    records: Vec<(Id, Id, RecordRow)>,
    keys: BTreeMap<Id, Vec<TokenKey>>,
}

impl Theft {
    /// Reads the snapshot of a store, of which the PIN is known.
    pub fn new(store: &Path, pin: &str) -> Self {
        let snapshot = fs::read(store.join("snapshot")).unwrap();
        let mut theft =
            Self { store: id(&snapshot[16..32]), records: Vec::new(), keys: BTreeMap::new() };
        for (key, value) in pairs(&snapshot[48..]) {
            match (key[0], key.len()) {
                (b'r', 33) => {
                    let (row, _): (RecordRow, _) = postcard::take_from_bytes(&value[1..]).unwrap();
                    theft.records.push((id(&key[1..17]), id(&key[17..]), row));
                }
                (b'T', 17) => {
                    let (row, _): (TokenRow, _) = postcard::take_from_bytes(&value[1..]).unwrap();
                    theft.keys.insert(id(&key[1..]), token_keys(id(&key[1..]), &row.entry, pin));
                }
                _ => {}
            }
        }
        assert!(!theft.keys.is_empty(), "no token in the snapshot");
        theft
    }

    /// Opens what opens with the bytes of any cell of a store, whatever the cell says of itself.
    pub fn with_cells_of(&self, store: &Path) -> Vec<Stolen> {
        let file = fs::read(store.join("slots")).unwrap();
        let bodies = file.chunks_exact(CELL).map(|cell| cell[16..48].try_into().unwrap());
        let secrets: BTreeSet<[u8; 32]> = bodies.filter(|body| *body != [0; 32]).collect();
        let of_keys = self.records.iter().filter(|(.., row)| row.cell.is_some());
        of_keys
            .flat_map(|record| secrets.iter().filter_map(|secret| self.opened(record, secret)))
            .collect()
    }

    fn opened(
        &self,
        (token, record, row): &(Id, Id, RecordRow),
        secret: &[u8; 32],
    ) -> Option<Stolen> {
        let sealed = uncovered(secret, (*token, *record, row.revision), &row.sealed)?;
        let context = SealContext {
            store: self.store,
            token: *token,
            record: *record,
            revision: row.revision,
        };
        let keys = self.keys[token].iter();
        let body = keys.filter_map(|key| key.open(&context, &row.header, &sealed).ok()).next();
        let body = body.expect("the PIN opens what the cell opens").expose().to_vec();
        Some(Stolen { secret: *secret, body })
    }
}

/// Returns the token's public key, and the private one that the user's PIN gives.
fn token_keys(token: Id, entry: &[u8], pin: &str) -> Vec<TokenKey> {
    let entry = TokenEntry::decode(entry).unwrap();
    let user = entry.user.expect("a user");
    let stretched = user.stretch(pin.as_bytes()).unwrap();
    let public = keystead::internal::secret::Secret::from(&entry.public_key[..]);
    vec![user.unwrap(token, &stretched.wrapping).unwrap(), TokenKey::new(public).unwrap()]
}

/// Takes the layer off that an erase secret puts on.
fn uncovered(
    secret: &[u8; 32],
    (token, record, revision): (Id, Id, u64),
    covered: &[u8],
) -> Option<Vec<u8>> {
    let (salt, ciphertext) = covered.strip_prefix(&[1])?.split_first_chunk::<32>()?;
    let info = [&b"keystead v1 cover"[..], token.bytes(), record.bytes(), &revision.to_le_bytes()]
        .concat();
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(Some(salt), secret).expand(&info, &mut key).unwrap();
    Aes256Gcm::new((&key).into()).decrypt(&Nonce::default(), ciphertext).ok()
}

/// The pairs of a snapshot behind its head.
fn pairs(mut bytes: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut pairs = Vec::new();
    loop {
        let (length, rest) = bytes.split_first_chunk().unwrap();
        let (key, rest) = rest.split_at(u16::from_be_bytes(*length).into());
        if key.is_empty() {
            return pairs;
        }
        let (length, rest) = rest.split_first_chunk().unwrap();
        let (value, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        pairs.push((key, value));
        bytes = rest;
    }
}

fn id(bytes: &[u8]) -> Id {
    Id::new(bytes.try_into().unwrap())
}
