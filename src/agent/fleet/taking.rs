//! Envelopes that wait for this host are taken: opened, and their secrets put into its cells, before anything needs
//! them. A secret that has ended meanwhile is not taken.

use super::batch::BatchNumber;
use super::envelope::EnvelopeRow;
use super::host_store::HostStore;
use super::keys;
use super::state::{Fleet, key_of};
use crate::error::{Reason, Result};
use crate::store;
use crate::store::cells::{CellNumber, CellSecret};

impl Fleet {
    /// Takes all envelopes that wait, durably. One that cannot be opened is left, with a line in the log: it is no host's.
    pub(crate) fn take_envelopes(&self, host: &dyn HostStore) -> Result<()> {
        let mut taken = self.taken();
        let (mut secrets, mut rows) = (Vec::new(), Vec::new());
        let waiting = keys::envelopes(host.fleet_cells()?.host());
        store::each(host.rows(), &waiting, |key, row| {
            if taken.rows.get(key).is_some_and(|taken| taken == row) {
                return Ok(true);
            }
            match open(host, key, row) {
                Ok(content) => {
                    if let Some((batch, key_number, content)) = content {
                        secrets.extend(content);
                        let carried = taken.carried.entry(batch).or_default();
                        *carried = key_number.max(*carried);
                    }
                    rows.push((key.to_vec(), row.to_vec()));
                }
                Err(error) if error.reason() == Reason::StoreDamaged => log::error!("{error}"),
                Err(error) => return Err(error),
            }
            Ok(true)
        })?;
        if rows.is_empty() {
            return Ok(());
        }
        host.slots().erase.keep(&secrets)?;
        taken.rows.extend(rows);
        drop(taken);
        self.noted.note_closed();
        Ok(())
    }
}

/// The secrets in an envelope, with their batch, and the number of the key that opens it.
type Content = (BatchNumber, u64, Vec<(CellNumber, CellSecret)>);

/// Returns those that have not ended; none where the key that opens it is overwritten: all that was sealed for that has been
/// taken before.
fn open(host: &dyn HostStore, at: &[u8], row: &[u8]) -> Result<Option<Content>> {
    let Some((receiver, batch)) = keys::envelope_of(at) else {
        return Err(Reason::StoreDamaged.detail("the key of an envelope does not parse"));
    };
    let key = key_of(host)?;
    let envelope: EnvelopeRow = key.verify(at, row, &format!("the envelope of batch {batch}"))?;
    let cells = host.fleet_cells()?;
    let Some(private) = cells.envelope_key(envelope.key_number) else {
        if cells.envelope_keys().first().is_some_and(|first| envelope.key_number < *first) {
            return Ok(None);
        }
        return Err(Reason::StoreDamaged.detail(format_args!(
            "the envelope of batch {batch} is sealed for envelope key {}, which this host has not",
            envelope.key_number
        )));
    };
    let way = envelope.way(key.fleet(), receiver);
    let mut secrets = Vec::new();
    for (cell, secret) in envelope.open_secrets(&way, batch, &private)? {
        if host.rows().get(&keys::erasure(cell))?.is_none() {
            secrets.push((cell, secret));
        }
    }
    Ok(Some((batch, envelope.key_number, secrets)))
}
