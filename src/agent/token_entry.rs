//! Changes of a token's entry: its label, its PINs, and its beginning anew.

use super::audit::{self, Fact};
use super::commit::check_expected;
use super::job::{By, PutToken};
use super::keyspace::{self, TokenRow};
use super::service::TRIES;
use super::transaction::{Ending, Transaction};
use super::writer::{STEP, Writer};
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::Role;
use crate::key::pin::Entry;
use crate::store::Need;
use std::sync::Arc;

impl Writer {
    pub(super) fn put_token(&mut self, put: PutToken) -> Result<u64> {
        if let Some(revisions) = self.answered(&put.change)? {
            return Ok(revisions.first().copied().unwrap_or(0));
        }
        let mut new = Entry::decode(&put.entry).map_err(|_| Reason::ArgumentsBad)?;
        let store = Arc::clone(&self.store);
        let old = store.token(put.token)?;
        check_expected(put.expect, old.as_ref().map(|old| old.revision))?;
        let mut anew = (true, true);
        let mut facts = vec![Fact::of_token(audit::Event::TokenInitialised, put.token)];
        if let Some(old) = &old {
            let by = put.by.ok_or(Reason::NotLoggedIn)?;
            let old = Entry::decode(&old.entry)?;
            new = new.completed_by(&old);
            if !may_become(&old, &new, by, put.wipe) {
                return Err(Reason::Unlawful.detail("a token's entry may not change like this"));
            }
            anew = (old.officer != new.officer, old.user != new.user);
            if !put.wipe {
                let (_, (_, wrong)) = store.cells.pins.of(put.token)?;
                facts = audit::of_entry(put.token, anew, by != By::User, wrong >= TRIES);
            }
        }
        if !new.is_whole() {
            return Err(Reason::ArgumentsBad.detail("a token's entry is not whole, or too long"));
        }
        let entry = new.encode()?;
        store.records.room(if put.wipe { Need::Shrink } else { Need::Grow(entry.len() as u64) })?;
        let slot = store.cells.pins.reserve(put.token, put.slot)?;
        store.cells.pins.reset(put.token, anew)?;
        if let Some(old) = old.as_ref().filter(|_| put.wipe) {
            self.wipe(put.token, old)?;
        }
        let mut transaction = Transaction::new(&store);
        facts.into_iter().for_each(|fact| transaction.note(fact));
        let revision = old.map_or(0, |old| old.revision) + 1;
        transaction.put_token(put.token, &TokenRow { slot, revision, entry })?;
        self.finish(transaction, &put.change, vec![revision])?;
        store.question_logins();
        self.sync_and_publish()?;
        store.cells.pins.confirm(put.token)?;
        Ok(revision)
    }

    /// Ends a token's ordinary objects; on a token without custody, everything.
    fn wipe(&mut self, token: Id, old: &TokenRow) -> Result<()> {
        let custody = Entry::decode(&old.entry)?.custody;
        let store = Arc::clone(&self.store);
        let mut ending = Vec::new();
        store.each(&keyspace::records(token), |key, value| {
            let id = keyspace::last_id(key).ok_or(Reason::StoreDamaged)?;
            let found = store.found(id, value)?;
            if !custody || matches!(found.known.header.role, Role::Object { .. }) {
                ending.push(found);
            }
            Ok(true)
        })?;
        for step in ending.chunks(STEP) {
            let mut transaction = Transaction::new(&store);
            for found in step {
                transaction.remove(token, found, Ending::Deleted)?;
            }
            self.apply(transaction)?;
        }
        Ok(())
    }
}

fn may_become(old: &Entry, new: &Entry, by: By, wipe: bool) -> bool {
    match by {
        By::User => old.may_become(new, false, wipe),
        By::Officer => old.may_become(new, true, wipe),
        By::OfficersLogin => old.officer == new.officer && !wipe && old.may_become(new, true, wipe),
    }
}
