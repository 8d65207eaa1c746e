//! Tickets: what a process shows, beside knowledge of the token key, on each further connection, so that
//! a login of the user is not taken for one of the security officer. They are derived from a secret of
//! the store, so that they hold after the agent has ended too.
//!
//! ticket = HMAC(secret, token, officer (1 byte), and for the security officer the mark of their PIN);
//! secret = HMAC(key of the audit log, `keystead v1 tickets`); both HMAC-SHA-256.

use super::audit::ChainKey;
use crate::error::Result;
use crate::id::Id;
use crate::key::pin::TokenEntry;
use crate::secret::Secret;
use crate::store::files;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::path::Path;

const LABEL: &[u8] = b"keystead v1 tickets";

/// Gives a store's tickets.
pub(crate) struct Tickets(Hmac<Sha256>);

impl Tickets {
    /// Of the store in `directory`, whose audit log has been opened.
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        let failed = |cause| files::failed(&ChainKey::path(directory), &cause);
        ChainKey::open(directory).and_then(|key| key.derive(LABEL)).map(Self).map_err(failed)
    }

    /// The ticket of a login to a token with that entry. One of the security officer ends with the PIN.
    pub(crate) fn ticket(&self, token: Id, entry: &TokenEntry, officer: bool) -> Secret {
        let mark = entry.login_mark(officer).unwrap_or_default();
        let mac = self.0.clone().chain_update(token.bytes()).chain_update([u8::from(officer)]);
        Secret::from(&mac.chain_update(mark).finalize().into_bytes()[..])
    }
}
