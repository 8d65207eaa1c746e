//! What happens by itself: material is erased at its expiry, ordinary keys end at theirs, custom keys
//! end when their scheduled deletion comes; and after a crash, what had begun is finished.

use super::commit::{STEP, Swept, Writer};
use super::draft::{Draft, Ending};
use super::rows::{self, Key};
use super::shelf::Shelf;
use crate::clock::Seconds;
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::Role;
use crate::key::state::Erasure;
use crate::store::Need;
use std::sync::Arc;

/// When the next thing is due, if ever.
pub fn next_due(shelf: &Shelf) -> Result<Option<Seconds>> {
    let first = shelf.store.scan(b"d", b"", 1)?;
    Ok(first.first().and_then(|(key, _)| rows::due_parts(key)).map(|(at, _, _)| at))
}

impl Writer {
    /// Erases and ends everything that is due.
    pub(super) fn sweep(&mut self) -> Result<Swept> {
        let shelf = Arc::clone(&self.shelf);
        let mut swept = Swept::default();
        loop {
            let due = due_entries(&shelf)?;
            if due.is_empty() {
                return Ok(swept);
            }
            shelf.room.check(Need::Shrink)?;
            let mut draft = Draft::new(&shelf);
            for (entry, token, id) in due {
                end(&mut draft, &shelf, entry, (token, id), &mut swept)?;
            }
            self.apply(draft)?;
        }
    }

    /// Finishes deletions and erasures that a crash interrupted after their cell was overwritten.
    pub(super) fn mend(&mut self) -> Result<()> {
        let shelf = Arc::clone(&self.shelf);
        let mut erased = Vec::new();
        shelf.each(b"s", |key, owner| {
            let cell = rows::claimed_cell(key).ok_or(Reason::StoreDamaged)?;
            match shelf.slots.erasure(cell) {
                Ok(Erasure::Live) => {}
                Ok(_) => erased.extend(rows::id_pair(owner)),
                Err(error) => log::error!("{error}"),
            }
            Ok(true)
        })?;
        for step in erased.chunks(STEP) {
            let mut draft = Draft::new(&shelf);
            for (token, id) in step {
                mend_one(&mut draft, &shelf, *token, *id)?;
            }
            if !draft.is_empty() {
                self.apply(draft)?;
            }
        }
        Ok(())
    }
}

fn due_entries(shelf: &Shelf) -> Result<Vec<(Key, Id, Id)>> {
    let now = shelf.now();
    let mut due = Vec::new();
    shelf.each(b"d", |key, _| match rows::due_parts(key) {
        Some((at, token, id)) if at <= now && due.len() < STEP => {
            due.push((key.to_vec(), token, id));
            Ok(true)
        }
        _ => Ok(false),
    })?;
    Ok(due)
}

/// Ends one due thing. Whatever the entry led to, the entry itself is gone afterwards.
fn end(
    draft: &mut Draft<'_>,
    shelf: &Shelf,
    entry: Key,
    (token, id): (Id, Id),
    swept: &mut Swept,
) -> Result<()> {
    match shelf.find(token, id)? {
        None => {}
        Some(_) if draft.ends(token, id) => {}
        Some(found) => match found.known.header.role {
            Role::Material { .. } => {
                draft.bury(token, &found);
                swept.erased += 1;
            }
            Role::Object { .. } => {
                draft.remove(token, &found, Ending::Expired)?;
                swept.ended += 1;
            }
            Role::CustomKey(_) => {
                for material in shelf.versions(token, id)? {
                    draft.remove(token, &material, Ending::Deleted)?;
                }
                draft.remove(token, &found, Ending::Deleted)?;
                swept.erased += 1;
            }
        },
    }
    draft.forget(entry);
    Ok(())
}

fn mend_one(draft: &mut Draft<'_>, shelf: &Shelf, token: Id, id: Id) -> Result<()> {
    let Some(found) = shelf.find(token, id)? else { return Ok(()) };
    let header = &found.known.header;
    if !matches!(header.role, Role::Material { .. }) {
        return draft.remove(token, &found, Ending::Deleted);
    }
    let listed = [&rows::tagged(token, header.private, None)[..], id.bytes()].concat();
    if shelf.store.get(&listed)?.is_some() {
        draft.bury(token, &found);
    }
    Ok(())
}
