//! Changes of a token's entry: its label, its PINs, and its beginning anew.

use super::audit::{self, Fact};
use super::open_store::OpenStore;
use super::proposer::{NextStep, Proposer};
use super::removals::Removals;
use super::rows::{TokenRow, UnderWay};
use super::transaction::{Transaction, check_expected};
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::Role;
use crate::key::pin::{PIN_TRIES, TokenEntry};
use crate::store::Need;
use crate::wire::Expect;

/// A change of a token's entry, see [`crate::wire::Request::PutToken`].
pub(crate) struct PutToken {
    /// The token.
    pub(crate) token: Id,
    /// The revision that must be there now, or none.
    pub(crate) expect: Expect,
    /// The entry.
    pub(crate) entry: Vec<u8>,
    /// The slot that a new one is meant for, if any.
    pub(crate) slot: Option<u32>,
    /// The authenticated login; none for a new token.
    pub(crate) by: Option<By>,
    /// True if ordinary objects end.
    pub(crate) wipe: bool,
    /// Names the change.
    pub(crate) change: [u8; 16],
}

/// A login that changes a token's entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// The user, by their PIN.
    User,
    /// The security officer, by their PIN.
    Officer,
    /// The security officer, by a login: they set the user's PIN, and nothing else.
    OfficersLogin,
}

/// Proposes the change, and before it the end of the objects that end with it.
pub(crate) struct EntryChange {
    put: PutToken,
    wiped: Option<Removals>,
}

impl EntryChange {
    /// Proposes `put`.
    pub(crate) fn new(put: PutToken) -> Self {
        Self { put, wiped: None }
    }

    /// Goes on with a token's new beginning that was interrupted.
    pub(crate) fn resumed(token: Id, row: &TokenRow, change: [u8; 16], entry: Vec<u8>) -> Self {
        let (expect, by) = (Expect::Revision(row.revision), Some(By::Officer));
        Self::new(PutToken { token, expect, entry, slot: None, by, wipe: true, change })
    }
}

impl Proposer for EntryChange {
    /// The entry's new revision.
    type Answer = u64;

    fn propose<'a>(&mut self, store: &'a OpenStore) -> Result<NextStep<'a, u64>> {
        let mut transaction = Transaction::new(store);
        if let Some(revisions) = transaction.answered(&self.put.change)? {
            return Ok(NextStep::Done(revisions.first().copied().unwrap_or(0)));
        }
        let old = transaction.token(self.put.token)?;
        check_expected(self.put.expect, old.as_ref().map(|old| old.revision))?;
        let old_entry = old.as_ref().map(|old| TokenEntry::decode(&old.entry)).transpose()?;
        let new = self.put.judge(old_entry.as_ref())?;
        let entry = new.encode()?;
        let need = Need::Grow(entry.len() as u64);
        store.records.room(if self.put.wipe { Need::Shrink } else { need })?;
        if self.begins_or_wipes(store, (&old, &old_entry), &entry, &mut transaction)? {
            return Ok(NextStep::Apply(transaction));
        }
        let facts = self.put.facts(store, old_entry.as_ref(), &new)?;
        facts.into_iter().for_each(|fact| transaction.note(fact));
        let slot = match &old {
            Some(old) => old.slot,
            None => transaction.take_slot(self.put.token, self.put.slot)?,
        };
        let old = old.unwrap_or_default();
        let revision = old.revision + 1;
        let reset = changed_pins(old_entry.as_ref(), &new);
        let row = TokenRow { slot, revision, entry, under_way: None, ..old };
        transaction.put_token(self.put.token, &row, reset)?;
        transaction.answer(self.put.change, vec![revision]);
        Ok(NextStep::Apply(transaction))
    }

    fn applied(&mut self) {
        if let Some(wiped) = &mut self.wiped {
            wiped.applied();
        }
    }
}

impl EntryChange {
    /// Marks a token that begins again, so that nothing is created meanwhile, and then ends its objects.
    /// Returns false where the entry can be written.
    fn begins_or_wipes(
        &mut self,
        store: &OpenStore,
        (row, old): (&Option<TokenRow>, &Option<TokenEntry>),
        entry: &[u8],
        transaction: &mut Transaction<'_>,
    ) -> Result<bool> {
        let (Some(row), Some(old)) = (row, old) else { return Ok(false) };
        let change = self.put.change;
        match (&row.under_way, self.put.wipe) {
            (None, false) => Ok(false),
            (None, true) => {
                let begins = UnderWay::Wipe { change, entry: entry.to_vec() };
                transaction.begin(self.put.token, row.clone(), begins)?;
                Ok(true)
            }
            (Some(UnderWay::Wipe { change: its, .. }), true) if *its == change => {
                self.wipe(store, old, transaction)
            }
            (Some(_), _) => Err(Reason::Conflict.into()),
        }
    }

    /// Ends a token's ordinary objects; on a token without custody, everything. Returns false where nothing
    /// is left to end.
    fn wipe(
        &mut self,
        store: &OpenStore,
        old: &TokenEntry,
        transaction: &mut Transaction<'_>,
    ) -> Result<bool> {
        let wiped = match &mut self.wiped {
            Some(wiped) => wiped,
            none => none.insert(Removals::of(store, self.put.token, |header| {
                !old.custody || matches!(header.role, Role::Object { .. })
            })?),
        };
        wiped.step(transaction)
    }
}

impl PutToken {
    /// Returns the entry as it will be, if it may become that.
    fn judge(&self, old: Option<&TokenEntry>) -> Result<TokenEntry> {
        let mut new = TokenEntry::decode(&self.entry).map_err(|_| Reason::ArgumentsBad)?;
        if let Some(old) = old {
            let by = self.by.ok_or(Reason::NotLoggedIn)?;
            new = new.completed_by(old);
            if !may_become(old, &new, by, self.wipe) {
                return Err(Reason::Unlawful.detail("a token's entry may not change like this"));
            }
        }
        match new.is_whole() {
            true => Ok(new),
            false => Err(Reason::ArgumentsBad.detail("a token's entry is not whole, or too long")),
        }
    }

    fn facts(
        &self,
        store: &OpenStore,
        old: Option<&TokenEntry>,
        new: &TokenEntry,
    ) -> Result<Vec<Fact>> {
        if old.is_none() || self.wipe {
            return Ok(vec![Fact::of_token(audit::AuditEvent::TokenInitialised, self.token)]);
        }
        let (_, wrong) = store.wrong_pins(self.token)?;
        let (changed, by_officer) = (changed_pins(old, new), self.by != Some(By::User));
        Ok(audit::of_entry(self.token, changed, by_officer, wrong >= PIN_TRIES))
    }
}

/// Returns which PINs change: the security officer's, the user's.
fn changed_pins(old: Option<&TokenEntry>, new: &TokenEntry) -> (bool, bool) {
    old.map_or((true, true), |old| (old.officer != new.officer, old.user != new.user))
}

fn may_become(old: &TokenEntry, new: &TokenEntry, by: By, wipe: bool) -> bool {
    match by {
        By::User => old.may_become(new, false, wipe),
        By::Officer => old.may_become(new, true, wipe),
        By::OfficersLogin => old.officer == new.officer && !wipe && old.may_become(new, true, wipe),
    }
}
