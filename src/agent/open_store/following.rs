//! Commits, and all that follows them in one place: the index, the page that tells the modules, the logins that
//! connections have proved, and the thread that waits for what is due. A commit of another opening of the store is
//! followed as the next call notices its number, or a store that is told of it makes that call.

use super::OpenStore;
use crate::agent::fleet::Fleet;
use crate::agent::index::Index;
use crate::agent::keyspace;
use crate::error::Result;
use crate::store::{Batch, Changes, CommitNumber};
use std::sync::atomic::Ordering;
use std::sync::{PoisonError, RwLockReadGuard};

impl OpenStore {
    /// Applies a batch, and follows it before either is looked at.
    pub(crate) fn apply(&self, batch: &Batch) -> Result<CommitNumber> {
        if self.host.is_some() {
            // Others go on reading meanwhile, who follow commits before they look at either.
            let number = self.records.apply(batch)?;
            drop(self.index()?);
            return Ok(number);
        }
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        let number = self.records.apply(batch)?;
        let overtaken = number != index.number() + 1;
        self.follow(&mut index)?;
        if overtaken {
            self.waker.wake();
        }
        Ok(number)
    }

    /// Returns the index, which knows every commit that was made before the call, of any opening of the store. This
    /// opening makes none until it is dropped.
    pub(crate) fn index(&self) -> Result<RwLockReadGuard<'_, Index>> {
        let number = self.records.number()?;
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        if index.number() >= number {
            return Ok(index);
        }
        drop(index);
        self.follow_others(number)?;
        // Whatever has come meanwhile is not waited for: a busy opening would let no reader come to an end.
        Ok(self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Follows the commits of other openings up to that one, unless another call has done so meanwhile.
    fn follow_others(&self, number: CommitNumber) -> Result<()> {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        if index.number() < number {
            self.follow(&mut index)?;
            self.waker.wake();
        }
        Ok(())
    }

    /// Follows all commits that the index does not know yet: the index itself first, so that modules which notice
    /// find what has changed.
    fn follow(&self, index: &mut Index) -> Result<()> {
        let changes = if self.index.is_poisoned() {
            // A panic has left it in the midst.
            index.derive(&*self.records)?;
            self.index.clear_poison();
            Changes::Unknown
        } else {
            index.follow(&*self.records)?
        };
        match changes {
            Changes::Commits(commits) => {
                let keys = commits.iter().flat_map(|commit| &commit.rows).map(|(key, _)| key);
                keys.for_each(|key| self.tell(key));
                if let Some(fleet) = &self.fleet {
                    self.note(fleet, &commits).inspect_err(|_| fleet.note_gap())?;
                }
            }
            Changes::Unknown => {
                self.fleet.iter().for_each(Fleet::note_gap);
                self.page.all_moved();
                self.question_logins();
                if self.host.is_some() {
                    self.adopt_tokens()?;
                }
            }
        }
        Ok(())
    }

    /// Lets the modules and the connections notice that a row has changed.
    fn tell(&self, key: &[u8]) {
        let watched = keyspace::watched(key).into_iter();
        watched.for_each(|(token, watched)| self.page.moved(token, watched));
        if key.starts_with(keyspace::TOKEN_PREFIX) {
            self.question_logins();
        }
        if self.host.is_some()
            && let Some(token) = keyspace::counted_token(key)
            && let Err(error) = self.adopt_token(token)
        {
            log::error!("the wrong PINs of token {token} are not noted beside the store: {error}");
        }
    }

    /// Moves when a login that was proved before may have ended.
    pub(crate) fn logins(&self) -> Result<u64> {
        drop(self.index()?);
        Ok(self.logins.load(Ordering::Acquire))
    }

    /// Has what was proved looked at again: a token's entry has changed.
    fn question_logins(&self) {
        self.logins.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests;
