//! The contact of a fleet's host to the store: whether it has it at the moment, and why not.

use crate::error::{Error, Result};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The contact to a store that several hosts write.
#[derive(Debug, Default)]
pub(crate) struct Contact(Mutex<Option<Error>>);

impl Contact {
    /// Notes that it is there, or what keeps it from being there. Returns true where that is news.
    pub(crate) fn note(&self, failure: Option<Error>) -> bool {
        let mut noted = self.noted();
        let is_news = noted.is_some() != failure.is_some();
        *noted = failure;
        is_news
    }

    /// Fails with what keeps it from being there.
    pub(crate) fn check(&self) -> Result<()> {
        self.noted().clone().map_or(Ok(()), Err)
    }

    fn noted(&self) -> MutexGuard<'_, Option<Error>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
