//! Checks that an operation under way may go on with its key, at each update and each part of a message.
//!
//! One that was begun before its key's expiry may finish within a minute of it; one whose key has been
//! deleted, switched off or taken a usage from may not.

use super::Token;
use super::loaded::Loaded;
use super::records::unexpected;
use crate::erasure::{Erasure, Tombstone};
use crate::error::{Reason, Result};
use crate::key::expiry::FINISH;
use crate::key::policy::{InUse, Purpose, Watch};
use crate::key::{Header, Role};
use crate::wire::{Request, Response, Stored};

impl Token {
    /// Fails where an operation that has begun with a key may not go on with it, as an Init with the key
    /// would fail. A few loads where nothing has changed, and a look at the clock where the key expires.
    pub fn recheck(&self, key: &mut InUse) -> Result<()> {
        if !self.is_unchanged(&key.watch) {
            self.look_again(key)?;
        }
        match key.is_overdue(|| self.now()) {
            true => Err(key.gone()),
            false => Ok(()),
        }
    }

    fn look_again(&self, key: &mut InUse) -> Result<()> {
        let loaded = match &key.watch {
            Watch::Session(_) => self.handles.session_object(key.object),
            Watch::Record { .. } => self.load(key.object)?,
        };
        *key = match (loaded, &key.watch) {
            (Some(loaded), _) => self.still_allowed(&loaded, key)?,
            (None, Watch::Session(_)) => return Err(key.gone()),
            (None, Watch::Record { .. }) => self.expired_in_use(key)?,
        };
        Ok(())
    }

    /// Returns the key as it is now, by the rules of an Init but for the minute that it may be late.
    fn still_allowed(&self, loaded: &Loaded, key: &InUse) -> Result<InUse> {
        let late = self.now().saturating_sub(FINISH);
        if !loaded.is_there(late) {
            return Err(key.gone());
        }
        match key.purpose {
            Purpose::Use { usage, mechanism } => {
                Ok(self.allowed_at(loaded, usage, mechanism, late)?.in_use())
            }
            Purpose::Digest if loaded.is_whole(late) => loaded.digested(),
            Purpose::Digest => Err(Reason::KeyIndigestible.into()),
        }
    }

    /// Returns the same for a key whose record holds nothing any more: that is no end at once if it is
    /// because of the expiry.
    fn expired_in_use(&self, key: &InUse) -> Result<InUse> {
        let page = self.page()?;
        let Watch::Record { watched, .. } = key.watch else { return Err(key.gone()) };
        // Read before the record, so that a change in between is noticed at the next step.
        let generation = page.record(watched);
        let request = Request::Read { token: self.id, ids: vec![key.object] };
        let Response::Records(records) = self.link.ask(&request)? else { return Err(unexpected()) };
        let Some((stored, owner)) = records.into_iter().flatten().next() else {
            return Err(key.gone());
        };
        if !matches!(stored.erasure, Erasure::Ended(Tombstone::Expired(_)))
            || is_off(owner.as_deref())?
        {
            return Err(key.gone());
        }
        let expiry = Header::decode(&stored.header)?.expiry.ok_or_else(|| key.gone())?;
        let watch = Watch::Record { watched, generation, epoch: self.login_epoch() };
        Ok(InUse { watch, until: Some(expiry.ends_operations_at()), ..key.clone() })
    }
}

/// Returns whether a custom key is switched off, or is to end.
fn is_off(owner: Option<&Stored>) -> Result<bool> {
    let Some(owner) = owner else { return Ok(false) };
    match Header::decode(&owner.header)?.role {
        Role::CustomKey(state) => Ok(!state.enabled || state.deletion_at.is_some()),
        Role::Object { .. } | Role::Material { .. } => Ok(true),
    }
}
