//! The erase cells of a fleet's host. A secret has the same number on all hosts, and lies in whichever cell of this file
//! was free as it came. The cell has the number with the secret, so that the file alone tells where each is.

use super::{BATCH, CellPage, EraseCells, Pool, ended_cell};
use crate::erasure::Tombstone;
use crate::error::{Error, Reason, Result};
use crate::store::cells::cell::{Cell, CellNumber, CellSecret, FIRST_ERASE};
use std::collections::HashMap;

/// The cells of a fleet's secrets.
#[derive(Default)]
pub(super) struct SharedCells {
    /// The cell of each secret, by the number that it has on all hosts.
    local: HashMap<CellNumber, CellNumber>,
    /// The cells of the file that hold no secret.
    free: Vec<CellNumber>,
}

impl SharedCells {
    pub(super) fn has(&self, number: CellNumber) -> bool {
        self.local.contains_key(&number)
    }
}

impl Pool {
    /// Returns the cell of this file for the number of a cell. Fails where a fleet's secret is not here.
    pub(super) fn local(&self, number: CellNumber) -> Result<CellNumber> {
        let Some(shared) = &self.shared else { return Ok(number) };
        shared.local.get(&number).copied().ok_or_else(|| not_here(number))
    }

    /// Fails in a fleet, whose secrets are made for all hosts.
    pub(super) fn of_one_machine(&self) -> Result<()> {
        if self.shared.is_none() { Ok(()) } else { Err(Reason::General.into()) }
    }
}

impl EraseCells {
    /// Returns true where the secrets are a fleet's.
    pub(crate) fn is_shared(&self) -> bool {
        self.lock().shared.is_some()
    }

    /// Finds the secrets of a fleet in the file. A cell that is lost is left alone: what it was is not told.
    pub(in crate::store::cells) fn read_shared(&self) -> Result<()> {
        let mut pool = self.lock();
        let (mut page, mut shared) = (CellPage::default(), SharedCells::default());
        for number in FIRST_ERASE..pool.end {
            let cell = match page.cell(&self.file, number) {
                Some(cell) => cell,
                None => match self.file.read(number) {
                    Ok(cell) => cell,
                    Err(error) => {
                        log::error!("{error}");
                        continue;
                    }
                },
            };
            match cell {
                Cell::Shared(has, _) => drop(shared.local.insert(has, number)),
                _ => shared.free.push(number),
            }
        }
        pool.shared = Some(shared);
        Ok(())
    }

    /// Keeps secrets of a fleet, durably, with one sync for all. Those that are here already stay as they are.
    pub(crate) fn keep(&self, secrets: &[(CellNumber, CellSecret)]) -> Result<()> {
        let mut pool = self.lock();
        let Pool { shared: Some(shared), end, .. } = &mut *pool else {
            return Err(Reason::General.into());
        };
        let new = secrets.iter().filter(|(number, _)| !shared.has(*number));
        let new: Vec<&(CellNumber, CellSecret)> = new.collect();
        while shared.free.len() < new.len() {
            self.file.extend(*end, BATCH)?;
            shared.free.extend(*end..*end + BATCH);
            *end += BATCH;
        }
        let places = shared.free.split_off(shared.free.len() - new.len());
        let kept: Vec<_> = new.into_iter().zip(places).collect();
        for ((number, secret), place) in &kept {
            self.file.write(*place, &Cell::Shared(*number, secret.clone()))?;
        }
        self.file.sync()?;
        shared.local.extend(kept.into_iter().map(|((number, _), place)| (*number, place)));
        Ok(())
    }

    /// Returns the numbers of all secrets of a fleet that are here, ascending.
    pub(crate) fn numbers(&self) -> Vec<CellNumber> {
        let pool = self.lock();
        let numbers = pool.shared.iter().flat_map(|shared| shared.local.keys());
        let mut numbers: Vec<CellNumber> = numbers.copied().collect();
        numbers.sort_unstable();
        numbers
    }

    /// Erases those of these secrets that are here. After `Ok` they are gone from the file, and their cells are free.
    pub(super) fn erase_shared(
        &self,
        pool: &mut Pool,
        ended: &[(CellNumber, Tombstone)],
    ) -> Result<()> {
        let Some(shared) = &mut pool.shared else { return Err(Reason::General.into()) };
        let here = |(number, end): &(CellNumber, Tombstone)| {
            Some((*number, *shared.local.get(number)?, *end))
        };
        let here: Vec<_> = ended.iter().filter_map(here).collect();
        if here.is_empty() {
            return Ok(());
        }
        for (_, place, end) in &here {
            self.file.write(*place, &ended_cell(*end))?;
        }
        self.file.sync()?;
        for (number, place, _) in here {
            shared.local.remove(&number);
            shared.free.push(place);
        }
        Ok(())
    }
}

fn not_here(number: CellNumber) -> Error {
    Reason::StoreUnavailable.detail(format_args!(
        "the secret of erase cell {number} has not come to this host yet; the host that made it sends it"
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use crate::erasure::Tombstone;
    use crate::error::Reason;
    use crate::id::Id;
    use crate::store::StoreIdentity;
    use crate::store::cells::{CellSecret, Cells, EraseCell};
    use std::path::Path;
    use zeroize::Zeroizing;

    fn secret(byte: u8) -> CellSecret {
        CellSecret::new(Zeroizing::new([byte; 32]))
    }

    fn made(directory: &Path) -> Cells {
        let identity = StoreIdentity { store: Id::new([5; 16]), incarnation: 1 };
        Cells::make_for_fleet(directory, identity, Id::new([1; 16]), (1, secret(1))).unwrap();
        Cells::open(directory).unwrap()
    }

    fn read(cells: &Cells, number: u32) -> u8 {
        match cells.erase.read_cell(number).unwrap() {
            EraseCell::Secret(secret) => secret[0],
            EraseCell::Erased(_) => panic!("it is erased"),
        }
    }

    #[test]
    fn a_secret_is_found_by_its_number_also_after_opening_again() {
        let directory = tempfile::tempdir().unwrap();
        let cells = made(directory.path());
        cells.erase.keep(&[(70_000, secret(7)), (512, secret(8))]).unwrap();
        cells.erase.keep(&[(512, secret(9)), (513, secret(9))]).unwrap();
        for cells in [cells, Cells::open(directory.path()).unwrap()] {
            let read = [70_000, 512, 513].map(|number| read(&cells, number));
            assert_eq!(read, [7, 8, 9], "one that was here stays as it is");
            assert_eq!(cells.erase.numbers(), [512, 513, 70_000]);
            let error = cells.erase.read_cell(514).err().unwrap();
            assert_eq!(error.reason(), Reason::StoreUnavailable);
            assert!(!cells.erase.has(514) && cells.erase.has(512));
        }
    }

    #[test]
    fn an_erased_secret_is_gone_from_the_file_and_its_cell_serves_another() {
        let directory = tempfile::tempdir().unwrap();
        let cells = made(directory.path());
        let numbers: Vec<_> = (600..664).map(|number| (number, secret(7))).collect();
        cells.erase.keep(&numbers).unwrap();
        let path = directory.path().join("slots");
        let size = std::fs::metadata(&path).unwrap().len();
        cells.erase.keep(&[]).unwrap();
        cells.erase.erase(&[(600, Tombstone::Deleted(5)), (9999, Tombstone::Deleted(5))]).unwrap();
        assert!(!cells.erase.has(600));
        cells.erase.keep(&[(700, secret(9))]).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), size);
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.chunks(64).filter(|cell| cell[16..48] == [7; 32]).count(), 63);
        assert_eq!(read(&Cells::open(directory.path()).unwrap(), 700), 9);
    }

    #[test]
    fn keys_are_kept_and_overwritten_in_place() {
        let directory = tempfile::tempdir().unwrap();
        let cells = made(directory.path());
        let fleet = cells.fleet.as_ref().unwrap();
        fleet.keep_fleet_key(3, &secret(3)).unwrap();
        fleet.keep_envelope_key(2, &secret(2)).unwrap();
        assert_eq!(fleet.envelope_keys(), [1, 2]);
        fleet.overwrite_envelope_key(1).unwrap();
        let again = Cells::open(directory.path()).unwrap();
        for fleet in [fleet, again.fleet.as_ref().unwrap()] {
            assert_eq!((fleet.host(), fleet.envelope_keys()), (Id::new([1; 16]), vec![2]));
            assert!(fleet.fleet_key() == Some((3, secret(3))));
            assert!(fleet.envelope_key(2) == Some(secret(2)) && fleet.envelope_key(1).is_none());
        }
        let bytes = std::fs::read(directory.path().join("slots")).unwrap();
        assert!(!bytes.windows(32).any(|part| part == [1; 32]));
    }

    #[test]
    fn a_store_of_one_machine_keeps_its_format() {
        let directory = tempfile::tempdir().unwrap();
        Cells::make(directory.path()).unwrap();
        let cells = Cells::open(directory.path()).unwrap();
        assert!(cells.fleet.is_none() && !cells.erase.is_shared());
        assert_eq!(std::fs::read(directory.path().join("slots")).unwrap()[8], 3);
        assert!(cells.erase.keep(&[(512, secret(7))]).is_err());
    }
}
