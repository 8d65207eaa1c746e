//! The ends of secrets. A commit that takes material away writes one for each cell that it gives up, and by it every host
//! learns what it has to overwrite, one that was away too: the row stays until all hosts have. A record's tombstone says
//! what became of the material; records that make way leave none.

use super::keys;
use crate::agent::rows::{self, Extras};
use crate::clock::Seconds;
use crate::erasure::Tombstone;
use crate::error::Result;
use crate::store::Store;
use crate::store::cells::CellNumber;
use serde::{Deserialize, Serialize};

/// The end of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ErasureRow {
    /// The end of the material.
    pub(crate) end: Tombstone,
    /// The fields that later builds add.
    pub(crate) extras: Extras,
}

impl ErasureRow {
    /// Returns the row of an end.
    pub(crate) fn of(end: Tombstone) -> Self {
        Self { end, extras: Vec::new() }
    }

    /// Returns the end of a cell's secret; none where it has not ended. One that cannot be read is an end all the same.
    pub(crate) fn read(store: &dyn Store, cell: CellNumber) -> Result<Option<Self>> {
        Ok(store.get(&keys::erasure(cell))?.map(|row| Self::decode(&row)))
    }

    /// Reads a row. One that cannot be read is an end at an unknown time.
    pub(crate) fn decode(row: &[u8]) -> Self {
        rows::decode(row, "the end of a secret").unwrap_or_else(|error| {
            log::error!("{error}");
            Self::of(Tombstone::Deleted(Seconds::default()))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Fleets that exist are read with these: they never change.
    #[test]
    fn a_row_is_byte_for_byte_what_the_format_says() {
        let row = ErasureRow { end: Tombstone::Expired(300), extras: vec![(7, vec![8])] };
        let bytes = rows::encode(&row).unwrap();
        assert_eq!(bytes, [2, 1, 0xAC, 2, 1, 7, 1, 8]);
        assert_eq!(ErasureRow::decode(&bytes), row);
        assert_eq!(ErasureRow::decode(b"?").end, Tombstone::Deleted(0));
    }
}
