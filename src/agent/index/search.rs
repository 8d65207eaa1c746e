//! Search by tags: cursors over the index, intersected and united, in the order of identities.

use super::Index;
use super::postings::Cursor;
use super::records::RecordNumber;
use crate::clock::Seconds;
use crate::id::Id;
use crate::key::Tag;

/// The most moves of cursors in one look: others wait for the index meanwhile.
const MOVES: usize = 1 << 16;

/// A search in a token.
pub(crate) struct IndexSearch<'a> {
    /// The token.
    pub(crate) token: Id,
    /// True if private records are searched too.
    pub(crate) private: bool,
    /// A record matches that carries all tags of any one alternative.
    pub(crate) alternatives: &'a [Vec<[u8; 16]>],
    /// The time by which records that are due are not found.
    pub(crate) now: Seconds,
}

/// Cursors that must all agree.
type Branch<'a> = Vec<Cursor<'a>>;

/// A match; without its record the identity from which it is still to be looked for.
type Match = (Id, Option<RecordNumber>);

impl IndexSearch<'_> {
    /// Returns some of the matches that are not before `from`, ascending, at most `limit`, and where to go on;
    /// none where there are no more.
    pub(crate) fn look(&self, index: &Index, from: Id, limit: usize) -> (Vec<Id>, Option<Id>) {
        let mut branches = self.branches(index);
        let (mut found, mut from, mut moves) = (Vec::new(), Some(from), 0);
        while let Some(start) = from.filter(|_| found.len() < limit && moves < MOVES) {
            match first_of(&mut branches, start, &mut moves) {
                None => return (found, None),
                Some((id, None)) => from = Some(id),
                Some((id, Some(record))) => {
                    from = next(id);
                    found.extend((!self.is_hidden(index, record)).then_some(id));
                }
            }
        }
        (found, from)
    }

    /// Returns true for a record that is due and not erased yet: in the moment before the sweep, or while it waits
    /// its grace out.
    fn is_hidden(&self, index: &Index, record: RecordNumber) -> bool {
        index.hidden.get(&record).is_some_and(|at| *at <= self.now)
    }

    fn branches<'a>(&self, index: &'a Index) -> Vec<Branch<'a>> {
        let privacies = [false, true].into_iter().filter(|private| !private || self.private);
        let tag_lists = privacies.filter_map(|private| index.tags.get(&(self.token, private)));
        let cursor = |postings| Cursor::new(postings, &index.records);
        tag_lists
            .flat_map(|tags| {
                self.alternatives.iter().filter_map(move |wanted| match wanted.as_slice() {
                    [] => Some(vec![cursor(tags.postings(None)?)]),
                    wanted => {
                        let postings = wanted.iter().map(|tag| tags.postings(Some(&Tag(*tag))));
                        postings.map(|postings| postings.map(cursor)).collect()
                    }
                })
            })
            .collect()
    }
}

/// Returns the first record not before `from` that any branch has.
fn first_of(branches: &mut [Branch<'_>], from: Id, moves: &mut usize) -> Option<Match> {
    branches.iter_mut().filter_map(|branch| first_common(branch, from, moves)).min()
}

/// Returns the first record not before `from` that all cursors have.
fn first_common(cursors: &mut [Cursor<'_>], from: Id, moves: &mut usize) -> Option<Match> {
    let mut candidate = from;
    loop {
        let (start, mut last) = (candidate, None);
        for cursor in cursors.iter_mut() {
            let (id, record) = cursor.seek(candidate)?;
            (candidate, last) = (id, Some(record));
        }
        *moves += cursors.len();
        if candidate == start {
            return Some((candidate, last));
        }
        if *moves >= MOVES {
            return Some((candidate, None));
        }
    }
}

/// Returns the identity that follows in the order of identities, if there is one.
pub(crate) fn next(id: Id) -> Option<Id> {
    let next = u128::from_be_bytes(*id.bytes()).checked_add(1)?;
    Some(Id::new(next.to_be_bytes()))
}
