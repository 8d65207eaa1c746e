//! Searches that were answered before, remembered while nothing in the token has changed.

use crate::fast_map::FastMap;
use crate::id::Id;
use std::sync::{Mutex, PoisonError};

/// The moment of a search's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CacheStamp {
    pub(super) generation: u64,
    pub(super) epoch: u64,
}

/// Searches that were answered before.
#[derive(Default)]
pub(crate) struct Searches(Mutex<FastMap<SearchTerms, (CacheStamp, Vec<Id>)>>);

pub(super) type SearchTerms = Vec<(u64, Vec<u8>)>;

/// The most searches that are remembered, and below the most results of one: more are quicker asked for
/// again.
const REMEMBERED: usize = 1_024;
const RESULTS: usize = 16;

impl Searches {
    pub(super) fn known(&self, terms: &[(u64, Vec<u8>)], moment: CacheStamp) -> Option<Vec<Id>> {
        let searches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        searches.get(terms).filter(|(then, _)| *then == moment).map(|(_, found)| found.clone())
    }

    pub(super) fn keep(&self, terms: &[(u64, Vec<u8>)], moment: CacheStamp, found: &[Id]) {
        if found.len() > RESULTS {
            return;
        }
        let mut searches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if searches.len() >= REMEMBERED {
            searches.clear();
        }
        searches.insert(terms.to_vec(), (moment, found.to_vec()));
    }
}
