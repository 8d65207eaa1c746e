//! The traces of lost commits in the cells: the secrets that they filled in.

use super::OpenStore;
use crate::agent::shred_layer;
use crate::error::Result;
use crate::store::cells::EraseCell;
use std::collections::HashSet;

impl OpenStore {
    /// Returns the cells whose secret is not the one under which the record that claims them was encrypted, nor, where
    /// damage has two of them claim it, the other.
    pub(crate) fn foreign_cells(&self) -> Result<Vec<u32>> {
        let (mut foreign, mut fitting) = (Vec::new(), HashSet::new());
        for (cell, (token, id)) in self.claims()? {
            let Some(found) = self.find_readable(token, id)? else { continue };
            let binding = shred_layer::Binding { token, id, revision: found.row.revision };
            match self.cells.erase.read_cell(cell) {
                Ok(EraseCell::Secret(secret)) => {
                    let mine = shred_layer::decrypt(&secret, binding, &found.row.sealed).is_ok();
                    foreign.extend((!mine).then_some(cell));
                    fitting.extend(mine.then_some(cell));
                }
                Ok(EraseCell::Erased(_)) => {}
                // Its secret is lost: no record can be decrypted with it.
                Err(error) => log::error!("{error}"),
            }
        }
        foreign.retain(|cell| !fitting.contains(cell));
        Ok(foreign)
    }
}
