//! Proposers, of which every change of the store consists: one gives one transaction after another, and the
//! one loop has them applied, or asks for the same one again where another writer was faster.

use super::audit::Fact;
use super::open_store::OpenStore;
use super::transaction::Transaction;
use crate::error::{Reason, Result};

/// The most records that one transaction changes when many end at once, where the store's limits permit it.
pub(super) const MOST_AT_ONCE: usize = 256;

/// The number of times in a row that a change is judged again because another writer was faster.
const MOST_CONFLICTS: usize = 16;

/// The next step of a proposer.
#[allow(clippy::large_enum_variant)] // it is taken apart where it is returned
pub(crate) enum NextStep<'a, T> {
    /// This transaction is to be applied, and the next step asked for.
    Apply(Transaction<'a>),
    /// Nothing remains to be done.
    Done(T),
}

/// A change of the store in one or more transactions.
///
/// A proposer changes no row itself: it is asked as often as it takes, and what it has proposed may never come to be.
/// From the agent's own directory it may take what a further attempt finds as it left it, or what is given back:
///
/// | taken | given back |
/// |---|---|
/// | an erase cell with its secret, a slot with its PIN cell | by the [`Transaction`] that does not happen; after a crash, by the next opening |
/// | the clock's time, in place of a later one that the store has seen | never, as its owner asked for it: a change that fails has accepted it all the same |
/// | the ballast, so that there is room to delete | by the next growth that there is room for |
///
/// It may write to the log what it has found, each time that it finds it.
pub(crate) trait Proposer {
    /// The answer of a change that is made.
    type Answer;

    /// Returns the next step, judged by the records as they are now. The same step is asked for again where
    /// its transaction was in conflict with another writer's. Errors end the change; what has been applied
    /// stands.
    fn propose<'a>(&mut self, store: &'a OpenStore) -> Result<NextStep<'a, Self::Answer>>;

    /// Notes that the last transaction was applied.
    fn applied(&mut self) {}
}

/// Has `apply` apply what a proposer proposes until it is done, and returns its answer. Where another writer was
/// faster, it is asked again, by the records as they are then.
pub(super) fn drive<P: Proposer>(
    store: &OpenStore,
    proposer: &mut P,
    mut apply: impl FnMut(Transaction<'_>) -> Result<()>,
) -> Result<P::Answer> {
    let mut conflicts = 0;
    loop {
        let transaction = match proposer.propose(store)? {
            NextStep::Done(answer) => return Ok(answer),
            NextStep::Apply(transaction) => transaction,
        };
        match apply(transaction) {
            Err(error) if error.reason() == Reason::Conflict && conflicts < MOST_CONFLICTS => {
                conflicts += 1;
            }
            applied => {
                applied?;
                proposer.applied();
                conflicts = 0;
            }
        }
    }
}

/// Has `add` add one item after the other to a transaction, as long as it has room, and returns their number.
pub(super) fn fill<'a, T>(
    transaction: &mut Transaction<'a>,
    items: &[T],
    mut add: impl FnMut(&mut Transaction<'a>, &T) -> Result<()>,
) -> Result<usize> {
    let mut added = 0;
    for item in items.iter().take(MOST_AT_ONCE) {
        if !transaction.has_room() {
            break;
        }
        match transaction.add_piece(|transaction| add(transaction, item))? {
            Some(()) => added += 1,
            None => break,
        }
    }
    Ok(added)
}

/// Has a line in the audit log that goes with no change.
pub(crate) struct Note(Option<Fact>);

impl Note {
    /// Proposes the line of this fact.
    pub(crate) fn of(fact: Fact) -> Self {
        Self(Some(fact))
    }
}

impl Proposer for Note {
    type Answer = ();

    fn propose<'a>(&mut self, store: &'a OpenStore) -> Result<NextStep<'a, ()>> {
        let Some(fact) = self.0.clone() else { return Ok(NextStep::Done(())) };
        let mut transaction = Transaction::new(store);
        transaction.note(fact);
        Ok(NextStep::Apply(transaction))
    }

    fn applied(&mut self) {
        self.0 = None;
    }
}

/// Lowers the high-water mark of time in each of its places to what the clock shows.
#[derive(Default)]
pub(crate) struct AcceptClock {
    accepted: bool,
}

impl Proposer for AcceptClock {
    type Answer = ();

    /// The cell file first, so that a crash in between leaves the later of the two; a commit that changes
    /// nothing else has the time in it.
    fn propose<'a>(&mut self, store: &'a OpenStore) -> Result<NextStep<'a, ()>> {
        if self.accepted {
            return Ok(NextStep::Done(()));
        }
        store.accept_clock();
        store.cells.time.lower(store.clock())?;
        let mut transaction = Transaction::new(store);
        transaction.lower_time_mark()?;
        Ok(NextStep::Apply(transaction))
    }

    fn applied(&mut self) {
        self.accepted = true;
    }
}
