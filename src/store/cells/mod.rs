//! The cell file, `slots` on disk: what a store keeps in fixed places, written in place and synced.
//!
//! The file only takes away, and is never rolled back. Key material is encrypted under the
//! secret of an erase cell; overwriting the cell is what "deleted" means. Cells are filled ahead with
//! fresh secrets, in batches, so that a commit claims one without a sync of its own.
//!
//! | part | what it keeps |
//! |---|---|
//! | [`StoreIdentity`] | which store this is |
//! | [`TimeMark`](time_mark::TimeMark) | the latest time it has seen |
//! | [`CommitCount`](commit_count::CommitCount) | the number of its last commit |
//! | [`PinCounts`](pin_counts::PinCounts) | the wrong PINs of each token |
//! | [`EraseCells`](erase::EraseCells) | the secrets under which material is encrypted |
//! | [`FleetCells`] | this host's identity and keys, if the store is a fleet's |

mod anew;
mod cell;
mod commit_count;
mod damage;
mod earlier;
mod erase;
mod file;
mod fixed;
mod fleet;
mod identity;
mod layout;
mod mend;
mod open;
mod pin_counts;
mod time_mark;

pub(crate) use anew::NewContent;
pub use cell::PIN_CELLS;
pub(crate) use cell::{CellNumber, CellSecret};
pub(crate) use damage::Damage;
pub use damage::Extent;
pub(crate) use earlier::{
    EarlierFile, discard_upgrade, is_upgrade_unfinished, keep_earlier, take_upgraded, wipe_earlier,
};
pub(crate) use erase::EraseCell;
pub(crate) use fleet::FleetCells;
pub(crate) use identity::StoreIdentity;
pub use layout::NAME;
pub use mend::damage;
pub(crate) use open::Cells;
pub(crate) use pin_counts::TOKENS;

#[cfg(test)]
mod tests;
