//! The rows of format 2, which kept its index in rows too, and what becomes of them in this build's format.
//!
//! Keys and values are those of [`keyspace`] and [`rows`], beside these:
//!
//! | key | value |
//! |---|---|
//! | `c`, change (16) | the number of its commit, revisions, extras |
//! | `a`, token, private, record | nothing; every record that can be found |
//! | `t`, token, private, tag (16), record | nothing; the same, by tag |
//! | `v`, token, custom key, version (u32), record | nothing; a custom key's material |
//! | `d`, second (u64), token, record | nothing; what is due, and when |
//! | `n`, second (u64), token, record | nothing; what can only be read from then on |
//! | `s`, cell (u32) | token, record: who claims the erase cell |
//!
//! Those of the index are left behind. No row named the token of a slot. Answers get numbers, in the order of their commits.

use super::keyspace;
use super::rows::{self, Answered, Extras, TokenRow};
use crate::error::Result;
use crate::store::cells::CellNumber;
use crate::store::{self, Put, Store};
use serde::{Deserialize, Serialize};

/// The first bytes of the keys of the index.
const INDEX: &[u8] = b"atvdns";

/// The first byte of the keys of claims.
pub(crate) const CLAIMS: &[u8] = b"s";

#[derive(Serialize, Deserialize)]
struct SecondAnswer {
    number: u64,
    revisions: Vec<u64>,
    extras: Extras,
}

/// Puts the rows of this build's format that stand for those of `earlier`, a store of format 2.
pub(crate) fn upgrade(earlier: &dyn Store, put: &mut Put<'_>) -> Result<()> {
    let mut answers = EarlierAnswers::default();
    store::each(earlier, b"", |key, value| {
        if let Some(change) = answered_change(key) {
            let answer = rows::decode(value, "an answer");
            answers.add(answer.map(|SecondAnswer { number, revisions, extras }| {
                (number, Answered { change, revisions, extras })
            }));
        } else if !key.first().is_some_and(|first| INDEX.contains(first)) {
            if let Some(token) = key.strip_prefix(keyspace::TOKEN_PREFIX) {
                let TokenRow { slot, .. } = rows::decode(value, "a token")?;
                put(keyspace::slot(slot), token.to_vec())?;
            }
            put(key.to_vec(), value.to_vec())?;
        }
        Ok(true)
    })?;
    answers.put(put)
}

/// Returns the change whose answer stands at a key.
pub(crate) fn answered_change(key: &[u8]) -> Option<[u8; 16]> {
    key.strip_prefix(keyspace::ANSWER_PREFIX)?.try_into().ok()
}

/// Returns the erase cell that is claimed at a key.
pub(crate) fn claimed_cell(key: &[u8]) -> Option<CellNumber> {
    key.strip_prefix(CLAIMS)?.try_into().ok().map(CellNumber::from_be_bytes)
}

/// The answers of an earlier format, by the numbers of their commits.
#[derive(Default)]
pub(crate) struct EarlierAnswers(Vec<(u64, Answered)>);

impl EarlierAnswers {
    /// Adds the answer of the commit of a number. One that cannot be read is left behind.
    pub(crate) fn add(&mut self, answer: Result<(u64, Answered)>) {
        self.0.extend(answer.inspect_err(|error| log::error!("{error}")));
    }

    /// Puts them in their order.
    pub(crate) fn put(mut self, put: &mut Put<'_>) -> Result<()> {
        self.0.sort_by_key(|(number, _)| *number);
        for (number, (_, answer)) in (0..).zip(&self.0) {
            put(keyspace::answer(number), rows::encode(answer)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::id::Id;
    use crate::store::{Batch, Memory};
    use std::collections::BTreeMap;

    const TOKEN: Id = Id::new([1; 16]);

    #[test]
    fn answers_are_numbered_by_their_commits_and_damaged_ones_and_the_index_are_left_behind() {
        let answer = |number, revision| {
            let (revisions, extras) = (vec![revision], Vec::new());
            rows::encode(&SecondAnswer { number, revisions, extras }).unwrap()
        };
        let mut pairs = vec![
            (keyspace::meta(), vec![2, 80, 0]),
            ([b"c", &[1; 16][..]].concat(), answer(9, 5)),
            ([b"c", &[3; 16][..]].concat(), answer(7, 6)),
            ([b"c", &[4; 16][..]].concat(), b"damaged".to_vec()),
            (keyspace::AuditRows::default().line(3), vec![2, 0]),
            (keyspace::token(TOKEN), vec![2, 5, 2, 1, 9, 0, 0]),
        ];
        let index = INDEX.iter().map(|first| (vec![*first, 0, 0, 0, 1], Vec::new()));
        pairs.extend(index);
        let earlier = Memory::default();
        let writes = pairs.iter().cloned().map(|(key, value)| (key, Some(value))).collect();
        earlier.apply(&Batch { conditions: Vec::new(), writes }).unwrap();
        let mut rows = BTreeMap::new();
        upgrade(&earlier, &mut |key, value| {
            rows.insert(key, value);
            Ok(())
        })
        .unwrap();
        let answered = |change, revision| [&[2][..], &[change; 16], &[1, revision, 0]].concat();
        let expected = [
            (keyspace::meta(), vec![2, 80, 0]),
            (keyspace::answer(0), answered(3, 6)),
            (keyspace::answer(1), answered(1, 5)),
            (keyspace::AuditRows::default().line(3), vec![2, 0]),
            (keyspace::token(TOKEN), vec![2, 5, 2, 1, 9, 0, 0]),
            (keyspace::slot(5), TOKEN.bytes().to_vec()),
        ];
        assert_eq!(rows, BTreeMap::from(expected));
    }
}
