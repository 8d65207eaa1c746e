//! The envelope key of this host is changed, in the one order in which no secret is lost and none comes back:
//!
//! 1. the next key is made, and kept beside the present one, durably;
//! 2. its public half is published, and has come back: from there on no host seals for the present one, as every sender
//!    compares this host's row;
//! 3. what was sealed for the present one is taken;
//! 4. the present one is overwritten.
//!
//! A crash between any two of them is gone on from: the cells tell which keys there are, the row which is published.

use super::fleet_key::{FleetKey, random_secret};
use super::host_row::HostRow;
use super::host_store::HostStore;
use super::hosts::HostsRow;
use super::state::{Fleet, Work, again, key_of};
use crate::error::{Reason, Result};
use crate::lc::hpke;
use crate::store::Batch;

impl Fleet {
    /// Changes the key where there is an end that the present one could still tell, or where a change was cut short.
    pub(super) fn change_key(&self, host: &dyn HostStore, work: &mut Work) -> Result<()> {
        let cells = host.fleet_cells()?;
        let (present, next) = match cells.envelope_keys()[..] {
            [_] if work.tainted.is_empty() => return Ok(()),
            [present] => {
                cells.keep_envelope_key(present + 1, &random_secret()?)?;
                (present, present + 1)
            }
            [present, next] => (present, next),
            _ => return Err(Reason::StoreDamaged.detail("this host's envelope key is lost")),
        };
        publish(host, next)?;
        self.take_envelopes(host)?;
        cells.overwrite_envelope_key(present)?;
        work.tainted.retain(|key, _| *key > present);
        Ok(())
    }
}

/// Has the row of this host name an envelope key.
fn publish(host: &dyn HostStore, number: u64) -> Result<()> {
    let cells = host.fleet_cells()?;
    let Some(private) = cells.envelope_key(number) else { return Err(Reason::General.into()) };
    let public_key = hpke::public_key(&**private)?;
    change_row(host, |row| {
        (row.key_number < number).then(|| HostRow {
            key_number: number,
            public_key: public_key.clone(),
            ..row
        })
    })
}

/// Changes this host's own row; where `change` returns none it stays.
pub(super) fn change_row(
    host: &dyn HostStore,
    mut change: impl FnMut(HostRow) -> Option<HostRow>,
) -> Result<()> {
    let me = host.fleet_cells()?.host();
    again(|| {
        let key: FleetKey = key_of(host)?;
        let (_, same_list) = HostsRow::read(host.rows(), &key)?;
        let (row, same) = HostRow::read(host.rows(), &key, me)?;
        let Some(row) = change(row) else { return Ok(()) };
        let writes = vec![row.write(&key, me)?];
        host.commit(&Batch { conditions: vec![same_list, same], writes }).map(drop)
    })
}
