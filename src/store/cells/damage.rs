//! The damage of a cell file, and its meaning.

use super::cell::{
    CLOCK_CELL, COMMITS_CELL, Cell, CellNumber, FIRST_ERASE, FIRST_PIN, FLEET_KEY_CELL,
    FORMAT_CELL, HOST_CELL, IDENTITY_CELL, SIZE,
};

/// A cell that is not as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// The cell's number.
    pub cell: CellNumber,
    /// The extent of the damage.
    pub extent: Extent,
}

/// The extent of a cell's damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Both copies are whole and differ: a crash came between them, or a write is under way.
    Unequal,
    /// One of its two copies is damaged, and the other is whole.
    Copy,
    /// One byte is damaged, and the checksum tells what it was.
    Byte,
    /// Nothing tells what it was.
    Lost,
}

impl Damage {
    /// Returns true if it is known what the cell was.
    pub fn is_mendable(&self) -> bool {
        self.extent != Extent::Lost
    }
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&describe(self.cell, self.extent))
    }
}

/// The largest number of cells that are corrected: it takes some milliseconds each, and a file with more of them
/// has lost more than a byte here and there.
pub(super) const MOST_CORRECTED: usize = 16;

/// Returns the damaged ones of these cells, how far each is, and what it was, where that can be told.
pub(super) fn damaged_of<'a>(
    cells: impl Iterator<Item = (CellNumber, &'a [u8; SIZE])> + Clone,
) -> Vec<(CellNumber, Extent, Option<Cell>)> {
    let damaged = cells.filter(|(number, cell)| Cell::decode(*number, cell).is_none());
    let few = damaged.clone().count() <= MOST_CORRECTED;
    let description = |(number, cell)| match few.then(|| Cell::corrected(number, cell)).flatten() {
        Some(was) => (number, Extent::Byte, Some(was)),
        None => (number, Extent::Lost, None),
    };
    damaged.map(description).collect()
}

/// Describes a damaged cell.
pub(super) fn describe(cell: CellNumber, extent: Extent) -> String {
    let (what, lost) = match cell {
        FORMAT_CELL => ("the file's format", "the file cannot be read"),
        IDENTITY_CELL => ("whose store this is", "no record can be opened"),
        CLOCK_CELL => ("the clock's mark", "the one among the records counts"),
        COMMITS_CELL => {
            ("the count of commits", "records put back to an earlier day are not noticed")
        }
        FLEET_KEY_CELL => ("the fleet key", "this host joins its fleet again as a new one"),
        5..=6 => ("an envelope key", "what other hosts send is not read until they send it again"),
        HOST_CELL => {
            ("this host's identity in its fleet", "this host joins its fleet again as a new one")
        }
        FIRST_PIN..FIRST_ERASE => ("a token's wrong PINs", "its PINs count as locked"),
        FIRST_ERASE.. => ("an erase secret", "the key's material counts as deleted"),
    };
    match extent {
        Extent::Unequal => format!("cell {cell} ({what}) has two copies that differ"),
        Extent::Copy => format!("cell {cell} ({what}) is damaged in one of its two copies"),
        Extent::Byte => format!("cell {cell} ({what}) has a damaged byte, and is read as it was"),
        Extent::Lost => format!("cell {cell} ({what}) is not as it was written: {lost}"),
    }
}
