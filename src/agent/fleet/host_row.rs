//! A host's own row: the public half of its envelope key, and the commit up to which it has erased. A host writes its own
//! row only, but where it lists another, and where an expulsion puts all rows under a new fleet key.
//!
//! What changes with time, and not with what happens, is in the heartbeat.

use super::fleet_key::FleetKey;
use super::keys;
use crate::agent::rows::Extras;
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::store::{CommitNumber, Condition, Store};
use serde::{Deserialize, Serialize};

/// A host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostRow {
    /// The number of its envelope key: 1, 2, …
    pub(crate) key_number: u64,
    /// The public half of that key, see [`hpke`](crate::lc::hpke).
    pub(crate) public_key: Vec<u8>,
    /// The commit up to which nothing that was erased can be had from this host any more.
    pub(crate) erased_through: CommitNumber,
    /// The formats of records that it reads: from, to.
    pub(crate) formats: (u32, u32),
    /// The fields that later builds add.
    pub(crate) extras: Extras,
}

impl HostRow {
    /// Reads a host's row, and returns with it the condition that it is still the same. Fails where there is none, and
    /// where it is not under the fleet key.
    pub(crate) fn read(store: &dyn Store, key: &FleetKey, host: Id) -> Result<(Self, Condition)> {
        let at = keys::host(host);
        let Some(row) = store.get(&at)? else {
            return Err(Reason::StoreDamaged
                .detail(format_args!("the row of the fleet's host {host} is gone")));
        };
        let read = key.verify(&at, &row, &format!("the row of the fleet's host {host}"))?;
        Ok((read, Condition::Equals(at, row)))
    }

    /// Returns the write of a host's row.
    pub(crate) fn write(&self, key: &FleetKey, host: Id) -> Result<(Vec<u8>, Option<Vec<u8>>)> {
        let at = keys::host(host);
        let row = key.sign(&at, self)?;
        Ok((at, Some(row)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::agent::fleet::fleet_key::tests::key;
    use crate::store::{Batch, Memory};

    const HOST: Id = Id::new([3; 16]);

    fn row() -> HostRow {
        let (erased_through, formats) = (77, (3, 3));
        let (key_number, public_key, extras) = (300, vec![9; 32], vec![(7, vec![8])]);
        HostRow { key_number, public_key, erased_through, formats, extras }
    }

    /// Fleets that exist are read with these: they never change.
    #[test]
    fn a_row_is_byte_for_byte_what_the_format_says() {
        let (at, bytes) = row().write(&key(), HOST).unwrap();
        assert_eq!(at, keys::host(HOST));
        let golden =
            [&[1, 0, 0, 0, 2, 0xAC, 2, 32][..], &[9; 32], &[77, 3, 3, 1, 7, 1, 8]].concat();
        assert_eq!(bytes.unwrap().split_last_chunk::<32>().unwrap().0, golden);
    }

    #[test]
    fn a_row_is_read_in_its_own_hosts_place_only() {
        let store = Memory::default();
        let other = Id::new([4; 16]);
        let (at, bytes) = row().write(&key(), HOST).unwrap();
        let writes = vec![(at.clone(), bytes.clone()), (keys::host(other), bytes.clone())];
        store.apply(&Batch { conditions: Vec::new(), writes }).unwrap();
        let (read, condition) = HostRow::read(&store, &key(), HOST).unwrap();
        assert_eq!(read, row());
        assert_eq!(condition, Condition::Equals(at, bytes.unwrap()));
        for host in [other, Id::new([5; 16])] {
            let error = HostRow::read(&store, &key(), host).unwrap_err();
            assert_eq!(error.reason(), Reason::StoreDamaged);
            assert!(error.to_string().contains(&host.to_string()), "{error}");
        }
    }
}
