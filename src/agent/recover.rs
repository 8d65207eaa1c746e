//! Recovery of a store whose records are older than what was acknowledged, after a restored or damaged
//! `db/`: it goes on from there as a new incarnation. Cells and counts of wrong PINs are never rolled
//! back, so recovery revives nothing that was erased.

use super::Lock;
use super::cover;
use super::rows;
use super::shelf::Shelf;
use crate::clock::SystemClock;
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::store::slots::Content;
use crate::store::{Batch, Sled, Store};
use std::collections::HashSet;
use std::sync::Arc;

/// What recovery came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovered {
    /// How many acknowledged commits are lost.
    pub commits: u64,
    /// How many records have no material any more: it was erased after they were written.
    pub erased: usize,
}

/// Accepts what a store has lost. `None` when it has lost nothing: then nothing is changed.
pub fn recover(lock: &Lock) -> Result<Option<Recovered>> {
    let store: Box<dyn Store> = Box::new(Sled::open(&lock.directory().join("db"))?);
    let shelf = Shelf::assemble(lock.directory(), store, Arc::new(SystemClock))?;
    let (has, had) = (shelf.meta()?.commits, shelf.slots.commits());
    if has >= had {
        return Ok(None);
    }
    let foreign = foreign_cells(&shelf)?;
    // Their secrets belong to commits that are lost: nothing else is encrypted under them.
    shelf.slots.delete(&foreign, shelf.now())?;
    shelf.slots.begin_again(has, &without_destroyed_tokens(&shelf)?)?;
    Ok(Some(Recovered { commits: had - has, erased: foreign.len() }))
}

/// The tokens that stay. One whose wrong PINs are no longer counted was destroyed since, and stays so.
fn without_destroyed_tokens(shelf: &Shelf) -> Result<HashSet<Id>> {
    let (mut stay, mut writes) = (HashSet::new(), Vec::new());
    for (token, _) in shelf.tokens()? {
        if shelf.slots.counts(token)? {
            stay.insert(token);
        } else {
            writes.push((rows::token(token), None));
        }
    }
    shelf.store.apply(&Batch { conditions: Vec::new(), writes })?;
    shelf.store.sync()?;
    Ok(stay)
}

/// Cells whose secret is not the one that the record claiming them was covered under.
fn foreign_cells(shelf: &Shelf) -> Result<Vec<u32>> {
    let mut foreign = Vec::new();
    for (cell, (token, id)) in shelf.claims()? {
        let found = shelf.find(token, id)?.ok_or(Reason::StoreDamaged)?;
        let place = cover::Place { token, id, revision: found.row.revision };
        if let Content::Secret(secret) = shelf.slots.content(cell)?
            && cover::take_off(&secret, place, &found.row.sealed).is_err()
        {
            foreign.push(cell);
        }
    }
    Ok(foreign)
}
