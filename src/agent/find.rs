//! A search, answered page by page from the index, in the order of identities.

use super::access::Access;
use super::index::{self, IndexSearch};
use super::open_store::OpenStore;
use crate::clock::Seconds;
use crate::error::Result;
use crate::id::Id;

/// The most identities of one look into the index.
const LOOK: usize = 4096;

/// Identities that match, ascending, and whether there are more.
pub(crate) type Matches = (Vec<Id>, bool);

/// A search.
pub(crate) struct Query<'a> {
    /// The token.
    pub token: Id,
    /// A record matches that carries all tags of any one alternative.
    pub alternatives: &'a [Vec<[u8; 16]>],
    /// The login that the asking connection has proved.
    pub access: Access,
    /// The asker's time, which may be ahead of the agent's.
    pub now: Seconds,
    /// Continue behind this identity.
    pub after: Option<Id>,
    /// At most so many.
    pub limit: usize,
}

/// The records that match and whose material is neither erased nor due to be.
pub(crate) fn find(store: &OpenStore, query: &Query<'_>) -> Result<Matches> {
    let search = IndexSearch {
        token: query.token,
        private: query.access == Access::User,
        alternatives: query.alternatives,
        now: store.now().max(query.now),
    };
    let mut found = Vec::new();
    let mut from = query.after.map_or(Some(Id::new([0; 16])), index::next);
    while let Some(start) = from {
        let wanted = (query.limit - found.len()).saturating_add(1).min(LOOK);
        let (matches, next) = search.look(&*store.index()?, start, wanted);
        from = next;
        for id in matches {
            if !is_seen(store, query, id)? {
                continue;
            }
            if found.len() == query.limit {
                return Ok((found, true));
            }
            found.push(id);
        }
    }
    Ok((found, false))
}

/// Returns whether a record that the index shows is one to see. Who has logged in sees all that the index of
/// theirs has; a public key stands in it beside the certificates.
fn is_seen(store: &OpenStore, query: &Query<'_>, id: Id) -> Result<bool> {
    if query.access != Access::Public {
        return Ok(true);
    }
    let header = store.if_readable((query.token, id), store.header(query.token, id))?.flatten();
    Ok(header.is_some_and(|header| query.access.sees(&header)))
}
