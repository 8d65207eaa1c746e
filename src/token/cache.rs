//! Opened objects, kept by identity.

use super::evictor::Evictor;
use super::loaded::Loaded;
use crate::clock::Seconds;
use crate::fast_map::FastMap;
use crate::id::Id;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

/// The most opened objects that are kept; beyond that the cache starts anew.
const KEPT: usize = 4_096;

/// The number of records that are opened in one round trip when a template needs more than the index.
pub(super) const OPENED: usize = 256;

/// Opened objects by identity.
pub(crate) struct Cache {
    kept: RwLock<FastMap<Id, Arc<Loaded>>>,
    evictor: Arc<Evictor>,
}

impl Cache {
    /// Makes an empty cache.
    pub(super) fn new(evictor: Arc<Evictor>) -> Self {
        Self { kept: RwLock::default(), evictor }
    }

    pub(super) fn kept(&self, id: Id) -> Option<Arc<Loaded>> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    fn keep(&self, loaded: &Arc<Loaded>) {
        self.evictor.expect(loaded.ends_after(0));
        let mut kept = self.write();
        if kept.len() >= KEPT {
            kept.clear();
            self.evictor.forget();
        }
        if let Some(earlier) = kept.insert(loaded.id, Arc::clone(loaded)) {
            self.evictor.evict(&earlier);
        }
    }

    /// Keeps only what still `holds`, and has not ended at `now`.
    pub(super) fn retain(&self, now: Seconds, holds: impl Fn(&Loaded) -> bool) {
        self.write().retain(|_, object| {
            let stays = object.is_there(now) && holds(object);
            match stays {
                true => self.evictor.expect(object.ends_after(now)),
                false => self.evictor.evict(object),
            }
            stays
        });
    }

    /// Keeps an object of one login. A logout moves the epoch before it clears the cache, so what is
    /// kept after that is noticed here and dropped.
    pub(super) fn keep_while(&self, loaded: &Arc<Loaded>, same_login: impl Fn() -> bool) {
        self.keep(loaded);
        if !same_login() {
            self.drop_one(loaded.id);
        }
    }

    pub(super) fn drop_one(&self, id: Id) {
        if let Some(dropped) = self.write().remove(&id) {
            self.evictor.evict(&dropped);
        }
    }

    /// Forgets everything, at a login or logout.
    pub(crate) fn clear(&self) {
        self.write().drain().for_each(|(_, dropped)| self.evictor.evict(&dropped));
    }

    fn write(&self) -> RwLockWriteGuard<'_, FastMap<Id, Arc<Loaded>>> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Attributes;
    use crate::secret::Secret;

    #[test]
    fn nothing_of_an_ended_login_is_kept_although_the_cache_was_cleared_before() {
        let (cache, id) = (Cache::new(Arc::default()), Id::new([1; 16]));
        let object = Loaded::session(id, Attributes::default(), Secret::from(&[7][..]), None);
        let object = Arc::new(object);
        cache.keep_while(&object, || true);
        assert!(cache.kept(id).is_some());
        cache.clear();
        cache.keep_while(&object, || false);
        assert!(cache.kept(id).is_none());
    }
}
