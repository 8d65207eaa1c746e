//! The places of cells in the file.

use super::cell::{Cell, CellNumber, FIRST_ERASE, FIRST_FORMAT, FORMAT_CELL, SIZE};

/// The file's name in a store's directory.
pub const NAME: &str = crate::file_names::CELLS;

/// The bytes of one copy of all fixed cells.
pub(super) const COPY: usize = FIRST_ERASE as usize * SIZE;

/// Returns the offset of a fixed cell's first copy, in bytes; an erase cell has one copy only.
pub(super) fn first_copy(number: CellNumber) -> Option<u64> {
    (number < FIRST_ERASE).then_some(u64::from(number) * SIZE as u64)
}

/// Returns the offset of an erase cell, or of a fixed one's second copy, in bytes.
pub(super) const fn offset(number: CellNumber) -> u64 {
    COPY as u64 + number as u64 * SIZE as u64
}

/// Returns true for the first bytes of a file of format 1. Where no copy of the first cell is left, the
/// erase cells tell: in format 1 they begin where the second copies stand in later ones.
pub(super) fn has_one_copy(bytes: &[u8]) -> bool {
    let place = |at: usize| bytes.get(at..)?.first_chunk();
    let format = [0, COPY].into_iter().filter_map(place).find_map(|bytes| {
        let cell = Cell::decode(FORMAT_CELL, bytes).or_else(|| Cell::corrected(FORMAT_CELL, bytes));
        cell.filter(|cell| matches!(cell, Cell::Format(_)))
    });
    match format {
        Some(format) => format == Cell::Format(FIRST_FORMAT),
        None => (FIRST_ERASE..2 * FIRST_ERASE).any(|number| {
            let cell = place(number as usize * SIZE).and_then(|bytes| Cell::decode(number, bytes));
            cell.is_some_and(|cell| cell.is_erase())
        }),
    }
}
