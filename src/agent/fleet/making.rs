//! Batches of erase secrets are made ahead: with the row of a batch goes an envelope for every other host that belongs to
//! the fleet, in one commit, which compares the list of hosts and the row of each. Then they are kept here, and only then
//! may this host's commits claim them, each once. What another process of this host has made is given up.

use super::batch::{BATCHES_END, BatchNumber, SECRETS, batch_of, new_secrets};
use super::envelope::Way;
use super::fleet_key::FleetKey;
use super::host_row::HostRow;
use super::host_store::HostStore;
use super::hosts::HostsRow;
use super::keys;
use super::state::{Fleet, Work, again, key_of};
use crate::erasure::Tombstone;
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::store::cells::{CellNumber, CellSecret};
use crate::store::{self, Batch, Condition};
use std::collections::BTreeSet;

/// The number of secrets that are left when the next batch is made ahead.
const LOW: usize = SECRETS as usize / 4;

impl Fleet {
    /// Returns a cell whose secret is not claimed yet; the caller's commit claims it, and compares the list of hosts as it
    /// was read before this call.
    pub(crate) fn take(&self, host: &dyn HostStore) -> Result<CellNumber> {
        let mut work = self.work();
        let (list, _) = HostsRow::read(host.rows(), &key_of(host)?)?;
        work.ready.retain(|cell| batch_of(*cell) >= list.first_batch);
        if work.ready.is_empty() {
            make(host, &mut work)?;
        }
        if work.ready.len() <= LOW {
            self.stir();
        }
        work.ready.pop().ok_or_else(|| Reason::General.into())
    }

    /// Makes a batch ahead while no peer waits.
    pub(crate) fn fill_ahead(&self, host: &dyn HostStore) -> Result<()> {
        let mut work = self.work();
        if work.ready.len() < LOW { make(host, &mut work) } else { Ok(()) }
    }

    /// Closes the batches of this host that no commit claims from any more: every claim is decided. So they are not open
    /// after a start, and every host overwrites what of them no record has claimed.
    pub(super) fn close_batches(&self, host: &dyn HostStore, work: &Work) -> Result<()> {
        let used: BTreeSet<BatchNumber> = work.ready.iter().map(|cell| batch_of(*cell)).collect();
        let me = host.fleet_cells()?.host();
        let mut closed = Vec::new();
        store::each(host.rows(), keys::BATCH_PREFIX, |key, maker| {
            let batch = keys::batch_number(key).filter(|_| maker == me.bytes());
            closed.extend(batch.filter(|batch| !used.contains(batch)));
            Ok(true)
        })?;
        for some in closed.chunks(host.rows().limits().writes.max(1)) {
            let writes = some.iter().map(|batch| (keys::batch(*batch), None)).collect();
            host.commit(&Batch { conditions: Vec::new(), writes })?;
        }
        Ok(())
    }

    /// Overwrites the secrets of closed batches that no record has claimed.
    pub(super) fn drop_unclaimed(&self, host: &dyn HostStore) -> Result<()> {
        if !self.noted.take_closed() {
            return Ok(());
        }
        let dropped = self.drop_now(host);
        if dropped.is_err() {
            self.noted.note_closed();
        }
        dropped
    }

    fn drop_now(&self, host: &dyn HostStore) -> Result<()> {
        // Before the claims: a batch is closed once all of them are decided.
        let numbers = host.slots().erase.numbers();
        let mut open = BTreeSet::new();
        store::each(host.rows(), keys::BATCH_PREFIX, |key, _| {
            open.extend(keys::batch_number(key));
            Ok(true)
        })?;
        let claimed = host.claimed()?;
        let is_dropped =
            |cell: &CellNumber| !open.contains(&batch_of(*cell)) && !claimed.contains(cell);
        let end = Tombstone::Deleted(host.time());
        let dropped = numbers.into_iter().filter(is_dropped).map(|cell| (cell, end));
        host.slots().erase.erase(&dropped.collect::<Vec<_>>())
    }
}

/// Makes a batch, and readies its secrets.
fn make(host: &dyn HostStore, work: &mut Work) -> Result<()> {
    let (batch, secrets) = again(|| commit(host, work))?;
    host.slots().erase.keep(&secrets)?;
    work.own.insert(batch);
    let earlier = std::mem::take(&mut work.ready);
    work.ready.extend(secrets.iter().rev().map(|(cell, _)| *cell));
    // What was there before is claimed first.
    work.ready.extend(earlier);
    Ok(())
}

fn commit(
    host: &dyn HostStore,
    work: &mut Work,
) -> Result<(BatchNumber, Vec<(CellNumber, CellSecret)>)> {
    let (rows, me) = (host.rows(), host.fleet_cells()?.host());
    let key = key_of(host)?;
    let (list, same_list) = HostsRow::read(rows, &key)?;
    list.check_enrolled(me)?;
    let count = next_batch(host)?;
    let batch = count.number.max(list.first_batch);
    if batch >= BATCHES_END {
        return Err(Reason::StoreFull.detail("the fleet has used up the numbers of its secrets"));
    }
    let secrets = new_secrets(batch)?;
    let mut conditions = vec![same_list, count.same];
    let mut writes = vec![
        (keys::BATCH_COUNT.to_vec(), Some((batch + 1).to_be_bytes().to_vec())),
        (keys::batch(batch), Some(me.bytes().to_vec())),
    ];
    for receiver in list.belonging().map(|member| member.host).filter(|host| *host != me) {
        let (address, same) = Address::read(host, &key, work, receiver)?;
        let row = address.way.seal_secrets(batch, &secrets, &address.public)?;
        let at = keys::envelope(receiver, batch);
        conditions.push(same);
        writes.push((at.clone(), Some(key.sign(&at, &row)?)));
    }
    host.commit(&Batch { conditions, writes })?;
    Ok((batch, secrets))
}

/// The number that the next batch has.
pub(super) struct BatchCount {
    pub(super) number: BatchNumber,
    /// The condition that it is still so.
    pub(super) same: Condition,
}

/// Returns the number that the next batch has.
pub(super) fn next_batch(host: &dyn HostStore) -> Result<BatchCount> {
    let at = keys::BATCH_COUNT;
    let row = host.rows().get(at)?;
    match row.as_deref().and_then(keys::number) {
        Some(number) => Ok(BatchCount {
            number,
            same: Condition::Equals(at.to_vec(), number.to_be_bytes().to_vec()),
        }),
        None => Err(Reason::StoreDamaged.detail("the fleet's count of batches is gone")),
    }
}

/// The receiver of envelopes, and its key.
pub(super) struct Address {
    pub(super) way: Way,
    pub(super) public: Vec<u8>,
}

impl Address {
    /// Returns it with the condition that it is still so. Fails where the host's row is not its own, or an earlier one put
    /// back.
    pub(super) fn read(
        host: &dyn HostStore,
        key: &FleetKey,
        work: &mut Work,
        receiver: Id,
    ) -> Result<(Self, Condition)> {
        let (row, same) = HostRow::read(host.rows(), key, receiver)?;
        let seen = work.seen_keys.entry(receiver).or_default();
        if row.key_number < *seen {
            return Err(Reason::StoreDamaged.detail(format_args!(
                "the row of the fleet's host {receiver} has been put back: it names envelope key {}, and key {seen} \
                 was seen",
                row.key_number
            )));
        }
        *seen = row.key_number;
        let (fleet, sender) = (key.fleet(), host.fleet_cells()?.host());
        let way = Way { fleet, sender, receiver, key_number: row.key_number };
        Ok((Self { way, public: row.public_key }, same))
    }
}
