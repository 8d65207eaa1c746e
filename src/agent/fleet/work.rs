//! The work of a host in its fleet, each time that something has been followed: all of it can be cut short anywhere, and
//! is gone on with.

use super::batch::batch_of;
use super::erasure_row::ErasureRow;
use super::fleet_key::number_of;
use super::host_row::HostRow;
use super::host_store::HostStore;
use super::hosts::{HostsRow, MemberState};
use super::invitation::admit;
use super::joining::take_next_key;
use super::key_change::change_row;
use super::keys;
use super::state::{Fleet, key_of};
use super::status::ErasureProgress;
use crate::clock::Seconds;
use crate::error::Result;
use crate::store::{Batch, CommitNumber, Condition};

/// The time for which the end of a secret stays in the rows, in seconds, though all hosts have seen to it.
const KEPT: Seconds = 7 * 24 * 3600;

/// The number of rows that are removed at once.
const AT_ONCE: usize = 64;

impl Fleet {
    /// Does all that is to be done, and returns the commit up to which everything is erased on this host.
    pub(crate) fn work_off(&self, host: &dyn HostStore) -> Result<CommitNumber> {
        let mut work = self.work();
        self.renew_key(host, host.rows().get(keys::HOSTS)?.as_deref())?;
        self.take_envelopes(host)?;
        self.erase_ended(host, &mut work)?;
        let key = key_of(host)?;
        let (list, _) = HostsRow::read(host.rows(), &key)?;
        let me = host.fleet_cells()?.host();
        if list.member(me).map(|member| member.state) == Some(MemberState::Listed) {
            self.enrol(host)?;
        } else {
            list.check_enrolled(me)?;
        }
        work.ready.retain(|cell| batch_of(*cell) >= list.first_batch);
        self.close_batches(host, &work)?;
        self.drop_unclaimed(host)?;
        self.change_key(host, &mut work)?;
        let through = self.erased_through(host, &mut work)?;
        self.publish(host, through)?;
        self.remove_taken(host)?;
        let (list, _) = HostsRow::read(host.rows(), &key_of(host)?)?;
        admit(host)?;
        self.serve_joiners(host, &mut work, &list)?;
        self.clean(host)?;
        Ok(through)
    }

    /// Takes the fleet keys up to that under which the list of hosts is written, which is this row. Envelopes under each are
    /// taken before the next takes its place.
    pub(crate) fn renew_key(&self, host: &dyn HostStore, list: Option<&[u8]>) -> Result<()> {
        let listed = list.and_then(number_of).unwrap_or_default();
        while key_of(host)?.number() < listed {
            self.take_envelopes(host)?;
            take_next_key(host)?;
        }
        Ok(())
    }

    /// Has this host's row say how far it has erased, where that tells of an end that it did not tell of before.
    fn publish(&self, host: &dyn HostStore, through: CommitNumber) -> Result<()> {
        let ends = self.noted.ends();
        let last = ends.values().filter(|number| **number <= through).max().copied();
        change_row(host, |row| {
            let tells = last.is_some_and(|last| last > row.erased_through);
            tells.then_some(HostRow { erased_through: through, ..row })
        })
    }

    /// Removes the envelopes that have been taken, and the fleet keys.
    fn remove_taken(&self, host: &dyn HostStore) -> Result<()> {
        let mut rows: Vec<_> = self.taken().rows.drain().collect();
        let (key, me) = (key_of(host)?.number(), host.fleet_cells()?.host());
        let sent = host.rows().scan(&keys::new_keys(me), &[], AT_ONCE)?;
        rows.extend(sent.into_iter().filter(|(at, _)| *at <= keys::new_key(me, key)));
        let mut standing = Vec::new();
        for (at, row) in rows {
            // One that was sent again is another, which is taken first.
            if host.rows().get(&at)?.is_some_and(|stands| stands == row) {
                standing.push((at, row));
            }
        }
        for some in standing.chunks(AT_ONCE) {
            let conditions = some.iter().cloned().map(|(key, row)| Condition::Equals(key, row));
            let writes = some.iter().map(|(key, _)| (key.clone(), None)).collect();
            host.commit(&Batch { conditions: conditions.collect(), writes })?;
        }
        Ok(())
    }

    /// Removes the ends that all hosts have seen to, days later.
    fn clean(&self, host: &dyn HostStore) -> Result<()> {
        let seen_to = ErasureProgress::read(host.rows(), &key_of(host)?)?.by_all();
        let now = host.time();
        let mut old = Vec::new();
        for (cell, _) in self.noted.ends().into_iter().filter(|(_, number)| *number <= seen_to) {
            let end = ErasureRow::read(host.rows(), cell)?;
            old.extend(end.filter(|row| row.end.at().saturating_add(KEPT) < now).map(|_| cell));
        }
        for some in old.chunks(AT_ONCE) {
            let writes = some.iter().map(|cell| (keys::erasure(*cell), None)).collect();
            host.commit(&Batch { conditions: Vec::new(), writes })?;
        }
        Ok(())
    }
}
