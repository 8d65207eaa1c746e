//! Expulsion is one commit: the list says so, and from there on every commit and heartbeat of that host fails; all secrets
//! that are not claimed yet are given up, as its disk has them; its batches are closed; and the list and all rows of hosts
//! are under a new fleet key, which the others are sent.

use super::batch::BatchNumber;
use super::host_row::HostRow;
use super::host_store::HostStore;
use super::hosts::{HostsRow, MemberState};
use super::keys;
use super::making::{Address, next_batch};
use super::state::{Fleet, again, key_of};
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::store::{self, Batch};

impl Fleet {
    /// Expels a host. What it was sent before stays on its disk: end its etcd user, change the PIN, rotate.
    pub(crate) fn expel(&self, host: &dyn HostStore, expelled: Id) -> Result<()> {
        let mut work = self.work();
        again(|| {
            let (rows, me) = (host.rows(), host.fleet_cells()?.host());
            let key = key_of(host)?;
            let (list, same_list) = HostsRow::read(rows, &key)?;
            list.check_enrolled(me)?;
            check(&list, me, expelled)?;
            let (next, count) = (key.next()?, next_batch(host)?);
            let list = list.changed(|list| {
                list.first_batch = count.number;
                let its = list.members.iter_mut().filter(|member| member.host == expelled);
                its.for_each(|it| it.state = MemberState::Expelled { before: count.number });
            });
            let mut conditions = vec![same_list, count.same];
            let mut writes = vec![(keys::HOSTS.to_vec(), Some(next.sign(keys::HOSTS, &list)?))];
            for member in &list.members {
                let (row, same) = HostRow::read(rows, &key, member.host)?;
                conditions.push(same);
                writes.push(row.write(&next, member.host)?);
                if member.belongs() {
                    // This host too, so that it finds the key again where it ends before it keeps it.
                    let (address, _) = Address::read(host, &key, &mut work, member.host)?;
                    let at = keys::new_key(member.host, next.number());
                    let sealed = address.way.seal_key(&next, &address.public)?;
                    writes.push((at.clone(), Some(key.sign(&at, &sealed)?)));
                }
            }
            writes.extend(batches_of(host, expelled)?.iter().map(|it| (keys::batch(*it), None)));
            writes.push((keys::sent(expelled), None));
            host.commit(&Batch { conditions, writes })?;
            // From here on none comes any more under the earlier key.
            self.take_envelopes(host)?;
            host.fleet_cells()?.keep_fleet_key(next.number(), next.secret())
        })?;
        remove_envelopes(host, expelled)
    }
}

/// Removes what waits for a host that was expelled.
fn remove_envelopes(host: &dyn HostStore, expelled: Id) -> Result<()> {
    let most = host.rows().limits().writes.max(1);
    loop {
        let waiting = host.rows().scan(&keys::envelopes(expelled), &[], most)?;
        if waiting.is_empty() {
            return Ok(());
        }
        let writes = waiting.into_iter().map(|(key, _)| (key, None)).collect();
        host.commit(&Batch { conditions: Vec::new(), writes })?;
    }
}

fn check(list: &HostsRow, me: Id, expelled: Id) -> Result<()> {
    let what = match list.member(expelled) {
        Some(member) if !member.belongs() => "was expelled before",
        Some(_) if expelled == me => "is this host: another one expels it",
        Some(_) => return Ok(()),
        None => "is not in the fleet's list of hosts",
    };
    Err(Reason::ArgumentsBad.detail(format_args!("host {expelled} {what}")))
}

/// Returns the open batches of a host.
fn batches_of(host: &dyn HostStore, maker: Id) -> Result<Vec<BatchNumber>> {
    let mut batches = Vec::new();
    store::each(host.rows(), keys::BATCH_PREFIX, |key, its| {
        batches.extend(keys::batch_number(key).filter(|_| its == maker.bytes()));
        Ok(true)
    })?;
    Ok(batches)
}
