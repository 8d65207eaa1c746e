//! The erase secrets of a store, as the cell file has them: which there were, and which there still are.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

/// The size of a cell, and the place of the first erase cell.
const CELL: usize = 64;
const FIRST: usize = 1024;

/// The bytes that are looked at together: most of a file may be zeros.
const BLOCK: usize = 4096;

/// A secret under which material is encrypted.
pub type Secret = [u8; 32];

/// All erase secrets that a store had at the moments at which they were noted.
#[derive(Clone)]
pub struct Secrets {
    store: PathBuf,
    noted: BTreeSet<Secret>,
}

impl Secrets {
    /// Notes none yet.
    pub fn of(store: &Path) -> Self {
        Self { store: store.to_owned(), noted: BTreeSet::new() }
    }

    /// Notes those that there are.
    pub fn note(&mut self) {
        self.noted.extend(live(&self.store));
    }

    /// That of all that were noted only so many are left: the others are in no file.
    pub fn only_remain(&self, count: usize) {
        let live = live(&self.store);
        let left = live.iter().filter(|secret| self.noted.contains(*secret)).count();
        assert_eq!(left, count, "erase secrets that were there before, and materials");
        let gone: Vec<Secret> =
            self.noted.iter().filter(|it| !live.contains(*it)).copied().collect();
        assert!(!gone.is_empty(), "there was nothing to erase");
        let found = found_in(&self.store, &gone);
        assert!(found.is_empty(), "of {} erased secrets some are in {found:?}", gone.len());
    }
}

/// Returns the live erase secrets of a store.
pub fn live(store: &Path) -> BTreeSet<Secret> {
    by_place(store).into_values().collect()
}

/// Returns the same, by the place of their cell.
pub fn by_place(store: &Path) -> BTreeMap<usize, Secret> {
    live_in(&fs::read(store.join("slots")).unwrap())
}

/// Returns the same of what is in a cell file.
pub fn live_in(file: &[u8]) -> BTreeMap<usize, Secret> {
    let cells = file.chunks_exact(CELL).enumerate().skip(FIRST);
    // Those of one machine, and of a fleet.
    let live = cells.filter(|(_, cell)| cell.starts_with(&[5, 1]) || cell.starts_with(&[7, 1]));
    live.map(|(place, cell)| (place, cell[16..48].try_into().unwrap())).collect()
}

/// Returns the files below a folder in which one of the secrets stands.
pub fn found_in(folder: &Path, secrets: &[Secret]) -> Vec<PathBuf> {
    let beginning = |bytes: &[u8]| u64::from_le_bytes(bytes[..8].try_into().unwrap());
    let known: HashMap<u64, &Secret> =
        secrets.iter().map(|secret| (beginning(secret), secret)).collect();
    let is_known =
        |part: &[u8]| known.get(&beginning(part)).is_some_and(|secret| secret[..] == *part);
    let holds = |file: &PathBuf| {
        let bytes = fs::read(file).unwrap();
        let blocks = (0..bytes.len()).step_by(BLOCK);
        let mut blocks = blocks.map(|at| &bytes[at..bytes.len().min(at + BLOCK + 31)]);
        blocks.any(|block| {
            *block != [0; BLOCK + 31][..block.len()] && block.windows(32).any(is_known)
        })
    };
    files(folder).into_iter().filter(holds).collect()
}

/// Returns all files below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.symlink_metadata().unwrap().file_type() {
            kind if kind.is_dir() => files(&path),
            kind if kind.is_file() => vec![path],
            _ => Vec::new(),
        })
        .collect()
}
