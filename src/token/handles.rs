//! Handles: numbers for the objects of one token, the same for the life of the process.

use super::evictor::Evictor;
use super::loaded::Loaded;
use crate::clock::Seconds;
use crate::error::{Reason, Result};
use crate::fast_map::FastMap;
use crate::id::Id;
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

/// An object as the caller names it; the same object keeps its handle for the life of the process.
pub(crate) type Handle = u64;

/// The target of a handle.
#[derive(Clone)]
pub(crate) enum HandleTarget {
    /// A token object, to be looked up under its identity, and the login epoch in which the handle
    /// was given out or last seen to be a public object's: a private object's handle ends with it.
    Record(Id, u64),
    /// A session object, which lives here alone, the session it ends with, and the login epoch in
    /// which it was begun: a private one belongs to no other.
    Session(u64, Arc<Loaded>, u64),
    /// An object that every token has, and no store.
    BuiltIn(Arc<Loaded>),
}

/// The handles that have been given out.
pub(crate) struct Handles {
    table: RwLock<Table>,
    evictor: Arc<Evictor>,
}

#[derive(Default)]
struct Table {
    last: Handle,
    named: FastMap<Handle, HandleTarget>,
    records: FastMap<Id, Handle>,
    /// The session objects, each behind the session it ends with: what a session that closes has to do
    /// grows with its own objects, and with no others.
    of_sessions: BTreeSet<(u64, Handle)>,
    /// The objects that every token has.
    built_in: BTreeSet<Handle>,
    /// The session objects that expire, each behind the second in which it does.
    expiring: BTreeSet<(Seconds, Handle)>,
}

impl Handles {
    /// Makes an empty table.
    pub(crate) fn new(evictor: Arc<Evictor>) -> Self {
        Self { table: RwLock::default(), evictor }
    }

    /// Returns the target of a handle.
    pub(crate) fn named(&self, handle: Handle) -> Option<HandleTarget> {
        self.read(|table| table.named.get(&handle).cloned())
    }

    /// Returns the handles of token objects, in the order of `ids`.
    pub(crate) fn of_records(&self, ids: &[Id], epoch: u64) -> Vec<Handle> {
        self.write(|table| {
            // So many at least are new, and the tables grow once for all of them.
            let new = ids.len().saturating_sub(table.records.len());
            table.records.reserve(new);
            table.named.reserve(new);
            ids.iter().map(|&id| table.of_record(id, epoch)).collect()
        })
    }

    /// Returns those of the objects whose handles are from another login epoch.
    pub(crate) fn given_before(&self, ids: &[Id], epoch: u64) -> Vec<Id> {
        self.read(|table| {
            let before =
                |id: &&Id| match table.records.get(id).map(|handle| table.named.get(handle)) {
                    Some(Some(HandleTarget::Record(_, given))) => *given != epoch,
                    _ => false,
                };
            ids.iter().filter(before).copied().collect()
        })
    }

    /// A handle outlives the login if it is a public object's.
    pub(crate) fn outlives(&self, id: Id, public: bool, epoch: u64) {
        self.write(|table| {
            let Some(&handle) = table.records.get(&id) else { return };
            if public {
                table.named.insert(handle, HandleTarget::Record(id, epoch));
            } else {
                table.named.remove(&handle);
                table.records.remove(&id);
            }
        });
    }

    /// Returns a handle for a new session object.
    pub(crate) fn of_session(&self, session: u64, object: Arc<Loaded>, epoch: u64) -> Handle {
        let expiry = object.header.expiry.map(|expiry| expiry.at);
        self.evictor.expect(expiry);
        self.write(|table| {
            let handle = table.insert(HandleTarget::Session(session, object, epoch));
            table.expiring.extend(expiry.map(|at| (at, handle)));
            handle
        })
    }

    /// Returns the objects that every token has, by handle; `make` makes them where they are not there yet.
    pub(crate) fn built_in(
        &self,
        make: impl FnOnce() -> Vec<Arc<Loaded>>,
    ) -> Vec<(Handle, Arc<Loaded>)> {
        let known = self.read(Table::built_in);
        if !known.is_empty() {
            return known;
        }
        self.write(|table| {
            if table.built_in.is_empty() {
                for object in make() {
                    let handle = table.insert(HandleTarget::BuiltIn(object));
                    table.built_in.insert(handle);
                }
            }
            table.built_in()
        })
    }

    /// Lets go of session objects that have expired by `now`.
    pub(crate) fn evict_expired(&self, now: Seconds) {
        let next = |table: &Table| table.expiring.first().map(|(at, _)| *at);
        if self.read(next).is_some_and(|at| at <= now) {
            self.write(|table| {
                let later = table.expiring.split_off(&(now.saturating_add(1), 0));
                let expired = std::mem::replace(&mut table.expiring, later);
                for (_, handle) in expired {
                    let ended = match table.named.get(&handle) {
                        Some(HandleTarget::Session(_, object, _)) => !object.is_there(now),
                        _ => false,
                    };
                    let object = ended.then(|| table.remove(handle)).flatten();
                    object.into_iter().for_each(|object| self.evictor.evict(&object));
                }
            });
        }
        self.evictor.expect(self.read(next));
    }

    /// Returns the session object with that identity, while it exists.
    pub(crate) fn session_object(&self, id: Id) -> Option<Arc<Loaded>> {
        self.read(|table| {
            table.named.values().find_map(|named| match named {
                HandleTarget::Session(_, object, _) if object.id == id => Some(Arc::clone(object)),
                HandleTarget::Session(..) | HandleTarget::Record(..) | HandleTarget::BuiltIn(_) => {
                    None
                }
            })
        })
    }

    /// Puts a changed session object in the place of the one that was changed. Fails with `Conflict` where
    /// another thread has changed it meanwhile: what that has raised would fall again.
    pub(crate) fn replace(
        &self,
        handle: Handle,
        before: &Loaded,
        object: Arc<Loaded>,
    ) -> Result<()> {
        self.write(|table| match table.named.get_mut(&handle) {
            Some(HandleTarget::Session(_, old, _)) if std::ptr::eq(&**old, before) => {
                old.end();
                self.evictor.evict(old);
                *old = object;
                Ok(())
            }
            Some(HandleTarget::Session(..)) => Err(Reason::Conflict.into()),
            _ => Err(Reason::ObjectUnknown.into()),
        })
    }

    /// Ends all handles for good: their numbers are never given out again.
    pub(crate) fn end_all(&self) {
        self.write(|table| {
            let handles: Vec<Handle> = table.named.keys().copied().collect();
            handles.into_iter().for_each(|handle| self.end(table, handle));
        });
    }

    /// Ends the objects of a session.
    pub(crate) fn end_session(&self, session: u64) {
        self.write(|table| {
            let its = table.of_sessions.range((session, 0)..=(session, Handle::MAX));
            let its: Vec<Handle> = its.map(|(_, handle)| *handle).collect();
            its.into_iter().for_each(|handle| self.end(table, handle));
        });
    }

    /// Ends the private objects of all sessions.
    pub(crate) fn end_private(&self) {
        self.write(|table| {
            let private = |handle: &Handle| match table.named.get(handle) {
                Some(HandleTarget::Session(_, object, _)) => object.header.private,
                _ => false,
            };
            let all = table.of_sessions.iter().map(|(_, handle)| *handle);
            let private: Vec<Handle> = all.filter(private).collect();
            private.into_iter().for_each(|handle| self.end(table, handle));
        });
    }

    /// The handle of one ended object is given up.
    pub(crate) fn forget(&self, handle: Handle) {
        self.write(|table| self.end(table, handle));
    }

    /// The same for an object that has ended by itself: an operation under way may have a minute left.
    pub(crate) fn evict(&self, handle: Handle) {
        if let Some(object) = self.write(|table| table.remove(handle)) {
            self.evictor.evict(&object);
        }
    }

    fn end(&self, table: &mut Table, handle: Handle) {
        if let Some(object) = table.remove(handle) {
            object.end();
            self.evictor.evict(&object);
        }
    }

    /// Returns all session objects of this login epoch, and the public ones of others, by handle.
    pub(crate) fn session_objects(&self, epoch: u64) -> Vec<(Handle, Arc<Loaded>)> {
        let mut found: Vec<_> = self.read(|table| {
            let named = |(_, handle): &(u64, Handle)| match table.named.get(handle)? {
                HandleTarget::Session(_, object, begun)
                    if !object.header.private || *begun == epoch =>
                {
                    Some((*handle, Arc::clone(object)))
                }
                HandleTarget::Session(..) | HandleTarget::Record(..) | HandleTarget::BuiltIn(_) => {
                    None
                }
            };
            let objects = table.of_sessions.iter().filter_map(named);
            objects.collect()
        });
        found.sort_unstable_by_key(|&(handle, _)| handle);
        found
    }

    fn read<R>(&self, look: impl FnOnce(&Table) -> R) -> R {
        look(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<R>(&self, change: impl FnOnce(&mut Table) -> R) -> R {
        change(&mut self.table.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Table {
    fn of_record(&mut self, id: Id, epoch: u64) -> Handle {
        match self.records.get(&id) {
            Some(&handle) => handle,
            None => {
                let handle = self.insert(HandleTarget::Record(id, epoch));
                self.records.insert(id, handle);
                handle
            }
        }
    }

    fn built_in(&self) -> Vec<(Handle, Arc<Loaded>)> {
        let object = |handle: &Handle| match self.named.get(handle)? {
            HandleTarget::BuiltIn(object) => Some((*handle, Arc::clone(object))),
            HandleTarget::Session(..) | HandleTarget::Record(..) => None,
        };
        self.built_in.iter().filter_map(object).collect()
    }

    fn insert(&mut self, named: HandleTarget) -> Handle {
        self.last += 1;
        if let HandleTarget::Session(session, ..) = &named {
            self.of_sessions.insert((*session, self.last));
        }
        self.named.insert(self.last, named);
        self.last
    }

    /// Gives a handle up; the session object that it named.
    fn remove(&mut self, handle: Handle) -> Option<Arc<Loaded>> {
        match self.named.remove(&handle)? {
            HandleTarget::Record(id, _) => {
                self.records.remove(&id);
                None
            }
            HandleTarget::BuiltIn(_) => {
                self.built_in.remove(&handle);
                None
            }
            HandleTarget::Session(session, object, _) => {
                self.of_sessions.remove(&(session, handle));
                if let Some(expiry) = object.header.expiry {
                    self.expiring.remove(&(expiry.at, handle));
                }
                Some(object)
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::object::{Attributes, attributes};
    use crate::secret::Secret;
    use pkcs11_sys::CKA_PRIVATE;

    fn object(private: bool) -> Arc<Loaded> {
        let mut made = Attributes::default();
        made.set(CKA_PRIVATE, &attributes::flag(private));
        Arc::new(Loaded::session(Id::new([1; 16]), made, Secret::from(&[7][..]), None))
    }

    #[test]
    fn a_private_session_object_is_found_in_the_login_it_was_begun_in_and_a_public_one_always() {
        let handles = Handles::new(Arc::default());
        let private = handles.of_session(1, object(true), 5);
        let public = handles.of_session(1, object(false), 5);
        let found = |epoch| -> Vec<Handle> {
            handles.session_objects(epoch).into_iter().map(|(handle, _)| handle).collect()
        };
        assert_eq!(found(5), [private, public]);
        assert_eq!(found(6), [public]);
    }

    #[test]
    fn what_another_thread_has_changed_meanwhile_is_not_put_back() {
        let handles = Handles::new(Arc::default());
        let before = object(false);
        let handle = handles.of_session(1, Arc::clone(&before), 5);
        handles.replace(handle, &before, object(true)).unwrap();
        let late = handles.replace(handle, &before, object(false)).unwrap_err();
        assert_eq!(late.reason(), Reason::Conflict);
        assert_eq!(handles.session_objects(5).len(), 1);
        assert!(handles.session_objects(6).is_empty(), "it is the private one still");
        handles.forget(handle);
        let gone = handles.replace(handle, &before, object(false)).unwrap_err();
        assert_eq!(gone.reason(), Reason::ObjectUnknown);
    }

    #[test]
    fn an_object_ends_with_its_session_or_its_login_and_no_other_does() {
        let handles = Handles::new(Arc::default());
        let made = [(1, true), (2, true), (2, false), (3, true)]
            .map(|(session, private)| handles.of_session(session, object(private), 5));
        let record = handles.of_records(&[Id::new([2; 16])], 5);
        let left = || made.map(|handle| handles.named(handle).is_some());
        handles.end_session(1);
        assert_eq!(left(), [false, true, true, true]);
        handles.forget(made[3]);
        assert_eq!(left(), [false, true, true, false]);
        handles.end_private();
        assert_eq!(left(), [false, false, true, false]);
        handles.end_session(2);
        assert_eq!(left(), [false; 4]);
        assert!(handles.session_objects(5).is_empty());
        assert_eq!(handles.of_records(&[Id::new([2; 16])], 5), record, "of no session");
    }
}
