//! Recovery of a store whose records are damaged, or older than what was acknowledged: it goes on from
//! what they still have, or from their copy, as a new incarnation. Cells and counts of wrong PINs are never
//! rolled back, so recovery revives nothing that was erased.

use super::Lock;
use super::destroyed_tokens::DestroyedTokens;
use super::open_store::OpenStore;
use super::proposer;
use super::records_apart::check_records;
use super::transaction::Transaction;
use super::upgrade::{RecordsSource, upgrade_mended};
use crate::clock::SystemClock;
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use crate::key::pin::PIN_TRIES;
use crate::store::cells::{self, Damage};
use crate::store::{self, Acknowledged, Cells};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// The outcome of a recovery.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// True if an earlier build had written it, and it has this build's format now.
    pub upgraded: bool,
    /// The number of acknowledged commits that are lost.
    pub commits: u64,
    /// The number of records that have no material any more: it was erased after they were written.
    pub erased: usize,
    /// True if it goes on from the snapshot, because that has more than the records.
    pub from_snapshot: bool,
    /// The damage in `slots`, and whether it is mended or lost.
    pub mended: Vec<Damage>,
    /// True if that file's beginning was lost, and was written anew from the snapshot.
    pub head: bool,
    /// Custom keys whose material is lost with its erase cell.
    pub lost: Vec<Id>,
}

/// The tries that are taken from a token whose count was lost: one is left for its officer, none for its user.
const TRIES_TAKEN: (u8, u8) = (PIN_TRIES - 1, PIN_TRIES);

/// Mends what can be mended, and accepts what a store has lost. `None` when it is whole: then nothing is
/// changed.
pub fn recover(lock: &Lock) -> Result<Option<Recovered>> {
    let (directory, location) = (lock.directory(), lock.records());
    store::check_local(location)?;
    check_records(directory, location)?;
    let kept = store::snapshot_origin(location).unwrap_or_else(|error| {
        log::error!("{error}");
        None
    });
    let head = Cells::mend_head(directory, kept.map(|kept| kept.identity()))?;
    let (identity, _) = Cells::noted(directory)?;
    if kept.is_some_and(|kept| kept.store != identity.store) {
        return Err(of_another_store(directory));
    }
    let upgraded = upgrade_mended(lock)?;
    let cells = Cells::open(directory)?;
    let (records, rebuilt) = store::mend(location, &Acknowledged::of(&cells))?;
    let from_snapshot = rebuilt || upgraded == Some(RecordsSource::Snapshot);
    let upgraded = upgraded.is_some();
    let store = OpenStore::assemble(directory, cells, records, Arc::new(SystemClock))?;
    let tokens = store.slots_of_tokens()?;
    if store.cells.is_of_others(&tokens) {
        return Err(of_another_store(directory));
    }
    let (has, had) = (store.records.number()?, store.cells.commits.get());
    // Those whose count is lost are known from here on.
    for (token, slot) in &tokens {
        let _counts = store.cells.pins.counts(*token, *slot);
    }
    let claims: HashMap<u32, (Id, Id)> = store.claims()?.into_iter().collect();
    let claimed: Vec<u32> = claims.keys().copied().collect();
    let mended = store.cells.mend(&claimed, has, TRIES_TAKEN, store.now())?;
    let gone = mended.iter().filter(|damage| !damage.is_mendable()).map(|damage| damage.cell);
    let mut lost = lost_keys(&store, &claims, gone)?;
    let foreign = store.foreign_cells()?;
    if has >= had && !from_snapshot && !head {
        // A cell file that is not the records' own: what does not fit it is lost.
        store.cells.erase.delete(&foreign, store.now())?;
        lost.extend(lost_keys(&store, &claims, foreign.iter().copied())?);
        if !mended.is_empty() || !foreign.is_empty() {
            store.page.started()?;
        }
        let changed = upgraded || !mended.is_empty() || !foreign.is_empty();
        let recovered = Recovered { upgraded, mended, lost, ..Recovered::default() };
        return Ok(changed.then_some(recovered));
    }
    store.begin()?;
    // Their secrets belong to commits that are lost: nothing else is encrypted under them.
    store.cells.erase.delete(&foreign, store.now())?;
    let apply = |transaction: Transaction<'_>| transaction.apply().map(drop);
    let stay = proposer::drive(&store, &mut DestroyedTokens, apply)?;
    store.records.sync()?;
    store.cells.begin_again(has, &stay)?;
    let (commits, erased) = (had.saturating_sub(has), foreign.len());
    Ok(Some(Recovered { upgraded, commits, erased, from_snapshot, mended, head, lost }))
}

/// Refuses cells of another store: what they say would be taken for the word about this one's keys.
fn of_another_store(directory: &Path) -> Error {
    Reason::StoreDamaged.detail(format_args!(
        "{}: it is another store's; put this store's own file back, or restore the store's directory as a \
         whole from a backup",
        directory.join(cells::NAME).display()
    ))
}

/// The custom keys whose material was encrypted under cells that are lost.
fn lost_keys(
    store: &OpenStore,
    claims: &HashMap<u32, (Id, Id)>,
    gone: impl Iterator<Item = u32>,
) -> Result<Vec<Id>> {
    let mut lost = Vec::new();
    for (token, id) in gone.filter_map(|cell| claims.get(&cell)) {
        let found = store.find_readable(*token, *id)?;
        lost.extend(found.map(|found| found.known.header.watched(*id)));
    }
    Ok(lost)
}
