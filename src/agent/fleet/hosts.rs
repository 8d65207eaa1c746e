//! The list of hosts: who belongs to the fleet, and what all of them write. Every commit and every heartbeat compares
//! it, so that one of a host that was expelled meanwhile fails.
//!
//! A host is *listed* first: from there on every new batch of erase secrets has an envelope for it, and it counts for
//! every erasure. It is *enrolled* once it has everything. One that was *expelled* stays in the list, since its disk
//! keeps what it held; to come back it joins as a new host.

use super::fleet_key::FleetKey;
use super::keys::{self, BatchNumber};
use crate::agent::rows::Extras;
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use crate::store::{Condition, Store};
use serde::{Deserialize, Serialize};

/// The list of hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostsRow {
    /// Grows by one with each change of the list.
    pub(crate) revision: u64,
    /// Grows with each acceptance of an etcd that was set back.
    pub(crate) incarnation: u64,
    /// The format of records that is written: all enrolled hosts read it.
    pub(crate) format: u32,
    /// The first batch of erase secrets that may still be claimed. An expulsion ends all that there are.
    pub(crate) first_batch: BatchNumber,
    /// The hosts, in the order in which they were listed.
    pub(crate) members: Vec<Member>,
    /// The fields that later builds add.
    pub(crate) extras: Extras,
}

/// A host in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    /// The host, for good.
    pub(crate) host: Id,
    /// Its name, for people.
    pub(crate) name: String,
    /// Its place in the fleet.
    pub(crate) state: MemberState,
}

/// A host's place in the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MemberState {
    /// It gets every new secret, and is being sent those that there were before.
    Listed,
    /// It has everything, and serves.
    Enrolled,
    /// It belongs to the fleet no longer, and keeps what it held.
    Expelled {
        /// The first batch of erase secrets that it was not sent.
        before: BatchNumber,
    },
}

impl Member {
    /// Returns true unless it was expelled.
    pub(crate) fn belongs(&self) -> bool {
        !matches!(self.state, MemberState::Expelled { .. })
    }
}

impl HostsRow {
    /// Reads the list, and returns with it the condition that it is still the same. Fails where there is none, and where
    /// it is not under the fleet key.
    pub(crate) fn read(store: &dyn Store, key: &FleetKey) -> Result<(Self, Condition)> {
        let row = store.get(keys::HOSTS)?;
        let list = Self::verified(key, row.as_deref())?;
        Ok((list, Condition::Equals(keys::HOSTS.to_vec(), row.unwrap_or_default())))
    }

    /// Returns the list that is this row.
    pub(crate) fn verified(key: &FleetKey, row: Option<&[u8]>) -> Result<Self> {
        let Some(row) = row else {
            return Err(Reason::StoreDamaged.detail("the fleet's list of hosts is gone"));
        };
        key.verify(keys::HOSTS, row, "the fleet's list of hosts")
    }

    /// Returns a host in the list.
    pub(crate) fn member(&self, host: Id) -> Option<&Member> {
        self.members.iter().find(|member| member.host == host)
    }

    /// Returns the host of that name or identity. Of hosts with one name it is the one that belongs to the fleet.
    pub(crate) fn named(&self, named: &str) -> Result<Id> {
        let is_it = |member: &&Member| member.name == named || member.host.to_string() == named;
        let mut members = self.members.iter().filter(is_it);
        let found = members.clone().find(|member| member.belongs()).or_else(|| members.next());
        found.map(|member| member.host).ok_or_else(|| {
            Reason::ArgumentsBad.detail(format_args!("the fleet has no host {named:?}"))
        })
    }

    /// Returns the hosts that belong to the fleet: those that count for every erasure.
    pub(crate) fn belonging(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.belongs())
    }

    /// Fails unless a host serves: it has everything, and was not expelled.
    pub(crate) fn check_enrolled(&self, host: Id) -> Result<()> {
        match self.member(host).map(|member| member.state) {
            Some(MemberState::Listed) => {
                Err(refused(host, "has joined the fleet, and is still being sent its secrets"))
            }
            _ => self.check_belongs(host),
        }
    }

    /// Fails unless a host belongs to the fleet.
    pub(crate) fn check_belongs(&self, host: Id) -> Result<()> {
        match self.member(host) {
            Some(member) if member.belongs() => Ok(()),
            Some(_) => Err(refused(
                host,
                "was expelled from the fleet; to come back it joins as a new host",
            )),
            None => Err(refused(host, "is not in the fleet's list of hosts")),
        }
    }

    /// Returns the list after a change of it.
    pub(crate) fn changed(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut list = self.clone();
        list.revision += 1;
        change(&mut list);
        list
    }
}

fn refused(host: Id, what: &str) -> Error {
    Reason::StoreUnavailable.detail(format_args!("this host, {host}, {what}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::agent::fleet::fleet_key::tests::key;

    fn list() -> HostsRow {
        let states =
            [MemberState::Enrolled, MemberState::Listed, MemberState::Expelled { before: 300 }];
        let member = |(number, state)| Member {
            host: Id::new([number; 16]),
            name: format!("h{number}"),
            state,
        };
        let members = (1..).zip(states).map(member).collect();
        let (format, extras) = (3, vec![(7, vec![8])]);
        HostsRow { revision: 300, incarnation: 1, format, first_batch: 2, members, extras }
    }

    /// Fleets that exist are read with these: they never change.
    #[test]
    fn a_list_is_byte_for_byte_what_the_format_says() {
        let row = key().sign(keys::HOSTS, &list()).unwrap();
        let member = |number: u8, state: &[u8]| {
            [&[number; 16][..], &[2, b'h', b'0' + number], state].concat()
        };
        let golden = [
            &[1, 0, 0, 0, 2, 0xAC, 2, 1, 3, 2, 3][..],
            &member(1, &[1]),
            &member(2, &[0]),
            &member(3, &[2, 0xAC, 2]),
            &[1, 7, 1, 8],
        ]
        .concat();
        assert_eq!(row.split_last_chunk::<32>().unwrap().0, golden);
        assert_eq!(key().verify::<HostsRow>(keys::HOSTS, &row, "it").unwrap(), list());
    }

    #[test]
    fn one_that_was_expelled_belongs_no_longer_and_serves_nothing() {
        let list = list();
        let belonging: Vec<Id> = list.belonging().map(|member| member.host).collect();
        assert_eq!(belonging, [Id::new([1; 16]), Id::new([2; 16])]);
        list.check_enrolled(Id::new([1; 16])).unwrap();
        list.check_belongs(Id::new([2; 16])).unwrap();
        assert!(list.check_belongs(Id::new([3; 16])).is_err());
        for (host, said) in [(2, "still being sent"), (3, "expelled"), (4, "not in")] {
            let error = list.check_enrolled(Id::new([host; 16])).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
        }
        assert_eq!(list.changed(|list| list.members.clear()).revision, 301);
    }
}
