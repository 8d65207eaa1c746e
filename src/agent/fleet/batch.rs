//! Batches of erase secrets, and the numbers of their cells, which are the same on every host: batch × 256 + index. Each
//! host keeps a secret in a cell of its own file, wherever there is room; the cell says which number it has.

use super::fleet_key::random_secret;
use crate::error::Result;
use crate::store::cells::{CellNumber, CellSecret};

pub(crate) use super::keys::BatchNumber;

/// The number of secrets in a batch.
pub(crate) const SECRETS: u32 = 256;

/// The first batch of a fleet: no number of its cells is one of a file's fixed cells.
pub(crate) const FIRST_BATCH: BatchNumber = 2;

/// The first number that no batch has.
pub(crate) const BATCHES_END: BatchNumber = CellNumber::MAX / SECRETS;

/// Returns the number of a cell.
pub(crate) fn cell(batch: BatchNumber, index: u8) -> CellNumber {
    batch * SECRETS + u32::from(index)
}

/// Returns the batch of a cell.
pub(crate) fn batch_of(cell: CellNumber) -> BatchNumber {
    cell / SECRETS
}

/// Returns the index of a cell in its batch.
pub(crate) fn index_of(cell: CellNumber) -> u8 {
    (cell % SECRETS) as u8
}

/// Returns random secrets for a whole batch.
pub(crate) fn new_secrets(batch: BatchNumber) -> Result<Vec<(CellNumber, CellSecret)>> {
    (0..=u8::MAX).map(|index| Ok((cell(batch, index), random_secret()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_batch_and_index() {
        assert_eq!(cell(2, 0), 512);
        assert_eq!((batch_of(cell(300, 255)), index_of(cell(300, 255))), (300, 255));
        assert!(cell(BATCHES_END - 1, 255) < CellNumber::MAX);
    }
}
