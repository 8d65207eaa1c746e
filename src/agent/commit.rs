//! A client's commit: read, judged, and put into one transaction.

use super::access::Access;
use super::answer_size::{ANSWER_ROOM, RECORD_OVERHEAD};
use super::audit;
use super::open_store::{Found, OpenStore};
use super::proposer::{NextStep, Proposer};
use super::rows::UnderWay;
use super::rules::{self, CommitContext, Proposal};
use super::transaction::{TokenView, Transaction, check_expected};
use crate::erasure::Tombstone;
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use crate::key::{Event, Header, Role};
use crate::store::Need;
use crate::wire::Change;
use crate::wire::message::MAX_ALIAS;

/// The most tags by which one record can be found.
pub(super) const MOST_TAGS: usize = 256;

/// A client's change of records.
pub(crate) struct Commit {
    /// The token.
    pub(crate) token: Id,
    /// The changes.
    pub(crate) changes: Vec<Change>,
    /// Names the commit.
    pub(crate) change: [u8; 16],
    /// The login that the connection has proved.
    pub(crate) access: Access,
}

impl Proposer for Commit {
    /// The new revisions.
    type Answer = Vec<u64>;

    fn propose<'a>(&mut self, store: &'a OpenStore) -> Result<NextStep<'a, Vec<u64>>> {
        let mut transaction = Transaction::new(store);
        if let Some(revisions) = transaction.answered(&self.change)? {
            return Ok(NextStep::Done(revisions));
        }
        // Before anything is told of what stands there.
        if self.access == Access::Public {
            return Err(Reason::NotLoggedIn.into());
        }
        match transaction.token(self.token)?.map(|token| token.under_way) {
            None | Some(Some(UnderWay::Destroy { .. })) => return Err(Reason::TokenAbsent.into()),
            Some(Some(UnderWay::Wipe { .. })) => return Err(Reason::Conflict.into()),
            Some(None) => {}
        }
        self.fill(store, &mut transaction)?;
        Ok(NextStep::Apply(transaction))
    }
}

impl Commit {
    fn fill(&self, store: &OpenStore, transaction: &mut Transaction<'_>) -> Result<()> {
        let token = self.token;
        let found = expected(transaction, token, &self.changes)?;
        let proposals = self.changes.iter().map(proposal).collect::<Result<Vec<_>>>()?;
        let moment = CommitContext { now: store.now(), clock: store.clock(), access: self.access };
        let ended = rules::judge(&TokenView { transaction, token }, &proposals, moment)?;
        store.records.room(need(&proposals, &self.changes))?;

        for tombstone in ended {
            transaction.remove(token, tombstone, Tombstone::Expired)?;
        }
        for (proposal, old) in proposals.iter().zip(&found) {
            let old = old.as_ref().map(|old| &old.known.header);
            let facts = audit::of_change(token, proposal, old);
            facts.into_iter().for_each(|fact| transaction.note(fact));
        }
        let revisions = self.changes.iter().zip(proposals);
        let revisions = revisions.map(|(change, proposal)| match (&change.put, proposal.put) {
            (Some(put), Some(header)) => {
                let alias = change.alias.as_deref();
                transaction.put(token, change.id, &header, put.clone(), alias)
            }
            _ => transaction.remove(token, change.id, Tombstone::Deleted).map(|()| 0),
        });
        let revisions = revisions.collect::<Result<Vec<_>>>()?;
        transaction.answer(self.change, revisions);
        Ok(())
    }
}

/// The records that a commit names, each at the revision it expects.
fn expected(
    transaction: &Transaction<'_>,
    token: Id,
    changes: &[Change],
) -> Result<Vec<Option<Found>>> {
    let find = |change: &Change| {
        let found = transaction.find(token, change.id)?;
        check_expected(change.expect, found.as_ref().map(|found| found.row.revision))?;
        Ok(found)
    };
    changes.iter().map(find).collect()
}

fn proposal(change: &Change) -> Result<Proposal> {
    let event = match change.event.as_slice() {
        [] => None,
        bytes => Some(Event::decode(bytes)?),
    };
    let put = change.put.as_ref().map(|(header, _)| Header::decode(header)).transpose();
    let put = put.map_err(|_| malformed())?;
    if change.alias.as_ref().is_some_and(|alias| alias.len() > MAX_ALIAS) {
        return Err(Reason::ArgumentsBad.detail("an alias is too long"));
    }
    if put.as_ref().is_some_and(|header| header.tags.len() > MOST_TAGS) {
        return Err(Reason::ArgumentsBad.detail("a record has too many tags"));
    }
    if let (Some(header), Some((head, sealed))) = (&put, &change.put) {
        check_readable(header, head.len() + sealed.len())?;
    }
    Ok(Proposal { id: change.id, event, put })
}

/// A record fits into an answer: material with its custom key beside it.
fn check_readable(header: &Header, size: usize) -> Result<()> {
    let most = match header.role {
        Role::Object { .. } => ANSWER_ROOM - RECORD_OVERHEAD,
        Role::CustomKey(_) | Role::Material { .. } => ANSWER_ROOM / 2 - RECORD_OVERHEAD,
    };
    match size > most {
        true => Err(Reason::ArgumentsBad.detail(format_args!("a record has at most {most} bytes"))),
        false => Ok(()),
    }
}

fn malformed() -> Error {
    Reason::ArgumentsBad.detail("a change does not parse")
}

/// A commit in which something ends may use the room that is kept for that.
fn need(proposals: &[Proposal], changes: &[Change]) -> Need {
    let ends = |proposal: &Proposal| {
        proposal.put.is_none() || proposal.event == Some(Event::DeleteMaterial)
    };
    if proposals.iter().any(ends) {
        return Need::Shrink;
    }
    let sizes = changes.iter().filter_map(|change| change.put.as_ref());
    Need::Grow(sizes.map(|(header, sealed)| (header.len() + sealed.len()) as u64).sum())
}
