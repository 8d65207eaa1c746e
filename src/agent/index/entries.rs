//! The entries of the index: what leads to a record. They follow from its row, and from whether its erasure waits.

use crate::agent::rows::RecordRow;
use crate::clock::Seconds;
use crate::erasure::Tombstone;
use crate::id::Id;
use crate::key::expiry::FINISH;
use crate::key::{Expiry, Header, Role, Tag};
use crate::store::cells::CellNumber;

/// The time that an ordinary key that has expired stays to say so, in seconds: an operation under way asks.
const EXPIRED_STAYS: Seconds = FINISH;

/// The time that an ordinary key stays whose removal was interrupted, in seconds: its client may ask again.
const DELETED_STAYS: Seconds = 3600;

/// An entry that leads to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum IndexEntry {
    /// It claims an erase cell.
    Claim(CellNumber),
    /// It is a version of a custom key's material.
    Version(Id, u32),
    /// It can be found, among private or public records; by a tag, or with all others.
    Found(bool, Option<Tag>),
    /// It is due at that second.
    Due(Seconds),
    /// It is not found any more from that second on, though nothing has been erased.
    Hidden(Seconds),
    /// It can only be read from that second on.
    Narrowing(Seconds),
}

/// Returns the entries that lead to a record. Material that has ended is found by its custom key only, as is
/// material without tags: an older version. An erasure that waits is not due a second time; the removal of what
/// is erased waits for nothing.
pub(crate) fn entries(header: &Header, row: &RecordRow, waits: bool) -> Vec<IndexEntry> {
    let tombstone = row.tombstone.as_ref();
    let mut entries = Vec::with_capacity(header.tags.len() + 4);
    entries.extend(row.cell.map(IndexEntry::Claim));
    if let Role::Material { key, version, .. } = &header.role {
        entries.push(IndexEntry::Version(*key, *version));
    }
    let is_removal = tombstone.is_some() && matches!(header.role, Role::Object { .. });
    let due = due_at(header, tombstone).filter(|_| is_removal || !waits);
    entries.extend(due.map(IndexEntry::Due));
    if tombstone.is_some() && !matches!(header.role, Role::CustomKey(_)) {
        return entries;
    }
    let older = header.tags.is_empty() && matches!(header.role, Role::Material { .. });
    if !older {
        entries.push(IndexEntry::Found(header.private, None));
    }
    entries.extend(header.tags.iter().map(|tag| IndexEntry::Found(header.private, Some(*tag))));
    let hidden = if waits { erased_at(header) } else { due };
    entries.extend(hidden.map(IndexEntry::Hidden));
    entries.extend(narrows_at(header).map(IndexEntry::Narrowing));
    entries
}

/// Returns the second at which something must happen to a record by itself, if any.
pub(crate) fn due_at(header: &Header, tombstone: Option<&Tombstone>) -> Option<Seconds> {
    match (&header.role, tombstone) {
        (Role::CustomKey(state), _) => state.deletion_at,
        (Role::Material { .. }, Some(_)) => None,
        (Role::Object { .. }, Some(tombstone)) => {
            let stays = match tombstone {
                Tombstone::Expired(_) => EXPIRED_STAYS,
                Tombstone::Deleted(_) => DELETED_STAYS,
            };
            Some(tombstone.at().saturating_add(stays))
        }
        (_, None) => erased_at(header),
    }
}

/// Returns the second at which a record's material is to be erased, if ever.
fn erased_at(header: &Header) -> Option<Seconds> {
    expiry_of(header).and_then(Expiry::erases_at)
}

/// Returns the second from which a record can only be read, if ever.
fn narrows_at(header: &Header) -> Option<Seconds> {
    expiry_of(header).and_then(Expiry::narrows_at)
}

/// Returns the expiry of what a record holds; a custom key itself has none.
fn expiry_of(header: &Header) -> Option<Expiry> {
    match &header.role {
        Role::CustomKey(_) => None,
        Role::Material { .. } | Role::Object { .. } => header.expiry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{ExpiryAction, Fingerprint, KeyState};

    const KEY: Id = Id::new([3; 16]);

    fn material() -> Header {
        Header {
            private: true,
            role: Role::Material { key: KEY, version: 1, fingerprint: Fingerprint([4; 32]) },
            expiry: Some(Expiry { at: 9, action: ExpiryAction::Erase }),
            tags: vec![Tag([5; 16]), Tag([6; 16])],
        }
    }

    fn ended(tombstone: Tombstone) -> RecordRow {
        RecordRow { tombstone: Some(tombstone), ..RecordRow::default() }
    }

    #[test]
    fn material_that_has_ended_is_found_by_its_custom_key_only() {
        let live = RecordRow { cell: Some(512), ..RecordRow::default() };
        assert_eq!(entries(&material(), &live, false).len(), 7);
        let left = entries(&material(), &ended(Tombstone::Expired(9)), false);
        assert_eq!(left, vec![IndexEntry::Version(KEY, 1)]);
    }

    #[test]
    fn an_ordinary_key_that_has_ended_is_only_due_for_removal() {
        for (end, stays) in
            [(Tombstone::Expired(9), EXPIRED_STAYS), (Tombstone::Deleted(9), DELETED_STAYS)]
        {
            let header = Header { role: Role::Object { holds_key: true }, ..material() };
            for waits in [false, true] {
                assert_eq!(entries(&header, &ended(end), waits), vec![IndexEntry::Due(9 + stays)]);
            }
        }
    }

    #[test]
    fn an_erasure_that_waits_is_not_due() {
        let due = |waits| {
            entries(&material(), &RecordRow::default(), waits).contains(&IndexEntry::Due(9))
        };
        assert_eq!((due(false), due(true)), (true, false));
    }

    #[test]
    fn a_record_that_is_due_is_hidden_and_so_is_one_whose_erasure_waits() {
        let custom = |at| Header {
            role: Role::CustomKey(KeyState { deletion_at: at, ..KeyState::awaiting_import() }),
            expiry: None,
            ..material()
        };
        // A custom key whose end waits is there to have it cancelled.
        for (header, while_due, while_waiting) in
            [(material(), true, true), (custom(Some(9)), true, false), (custom(None), false, false)]
        {
            let hidden = |waits| {
                entries(&header, &RecordRow::default(), waits).contains(&IndexEntry::Hidden(9))
            };
            assert_eq!((hidden(false), hidden(true)), (while_due, while_waiting));
        }
    }

    #[test]
    fn the_end_of_a_custom_key_that_waits_is_not_due_whatever_became_of_its_material() {
        let state = KeyState { deletion_at: Some(9), ..KeyState::awaiting_import() };
        let header = Header { role: Role::CustomKey(state), expiry: None, ..material() };
        for row in [RecordRow::default(), ended(Tombstone::Expired(9))] {
            let due = |waits| entries(&header, &row, waits).contains(&IndexEntry::Due(9));
            assert_eq!((due(false), due(true)), (true, false));
        }
    }
}
