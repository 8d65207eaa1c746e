//! Keys for operations: found, allowed or refused, and whether that still holds.

use super::loaded::Loaded;
use super::{Handle, Token};
use crate::clock::Seconds;
use crate::error::{Reason, Result};
use crate::key::policy::{self, Watch, gone};
use crate::key::{InUse, UsableKey, Usage};
use crate::mechanism;
use crate::object::marks;
use crate::secret::Secret;
use pkcs11_sys::{CKA_CLASS, CKO_SECRET_KEY};
use std::sync::atomic::Ordering;

impl Token {
    /// Returns a key for an operation's Init: the newest state of the object, allowed or refused. What is
    /// overdue for a rotation is rotated before it is used to make anything; what only reads brings the older
    /// versions with it.
    pub fn usable(&self, key: Handle, usage: Usage, mechanism: u64) -> Result<UsableKey> {
        self.usable_now(key, usage, mechanism).map_err(|failure| self.with_name_of(key, failure))
    }

    fn usable_now(&self, key: Handle, usage: Usage, mechanism: u64) -> Result<UsableKey> {
        let find = || {
            self.object(key).map_err(|failure| match failure.reason() {
                Reason::ObjectUnknown => failure.under(gone(usage).reason()),
                _ => failure,
            })
        };
        let mut loaded = find()?;
        let allowed = self.allowed(&loaded, usage, mechanism)?;
        if !usage.is_begun_in_a_session() {
            self.count_uses(&allowed, self.minute(), 1);
        }
        if !usage.only_reads() && self.rotate_overdue(&loaded) {
            loaded = find()?;
            return self.allowed(&loaded, usage, mechanism);
        }
        if !usage.only_reads() {
            return Ok(allowed);
        }
        let older = self.older(&loaded)?.iter();
        let older = older.map(|version| self.allowed(version, usage, mechanism));
        Ok(allowed.with_older(older.collect::<Result<_>>()?))
    }

    fn allowed(&self, loaded: &Loaded, usage: Usage, mechanism: u64) -> Result<UsableKey> {
        self.allowed_at(loaded, usage, mechanism, self.now())
    }

    pub(super) fn allowed_at(
        &self,
        loaded: &Loaded,
        usage: Usage,
        mechanism: u64,
        now: Seconds,
    ) -> Result<UsableKey> {
        let key = loaded.key().map_err(|failure| match failure.reason() {
            Reason::KeyUnknown => gone(usage),
            _ => failure,
        })?;
        let suits = mechanism::find(mechanism)?.suits(usage, &key.parsed);
        let allowed = policy::allow(key, usage, mechanism, suits, self.is_visible(loaded), now)?;
        allowed.parsed.check_size(usage, self.settings.rsa_minimum)?;
        Ok(allowed)
    }

    /// Returns whether what [`Self::usable`] answered before still holds: generation, login and expiry
    /// unchanged. A few loads and no lock, so that a session can keep its last key.
    pub fn still_usable(&self, key: &UsableKey) -> bool {
        self.is_unchanged(&key.watch)
            && (key.expiry.is_none() && key.rotation_due.is_none() || key.holds_at(self.now()))
    }

    /// Returns whether nothing has happened to what was loaded under this watch.
    pub(super) fn is_unchanged(&self, watch: &Watch) -> bool {
        match watch {
            Watch::Session(alive) => alive.load(Ordering::Acquire),
            Watch::Record { watched, generation, epoch } => {
                *epoch == self.login_epoch()
                    && self.page.get().is_some_and(|page| page.record(*watched) == *generation)
            }
        }
    }

    /// Returns the value of a secret key, for `C_DigestKey` into a digest by `mechanism`, and what the digest
    /// remembers of the key.
    pub fn digestible(&self, key: Handle, mechanism: u64) -> Result<(Secret, InUse)> {
        let unknown = |_| Reason::KeyUnknown;
        let loaded = self.object(key).map_err(unknown)?;
        let body = loaded.body().ok_or(Reason::KeyUnknown)?;
        let class = body.attributes.number(CKA_CLASS);
        if class != Some(CKO_SECRET_KEY) || !loaded.is_whole(self.now()) {
            return Err(Reason::KeyIndigestible.into());
        }
        let key = loaded.key()?;
        if !key.serves(mechanism) {
            return Err(Reason::KeyIndigestible.detail("CKA_ALLOWED_MECHANISMS"));
        }
        if !key.may_be_digested() || marks::forbids_digests(&body.attributes) {
            return Err(Reason::KeyIndigestible
                .detail("a digest of the value would do what the key is not there for"));
        }
        self.count_uses(key, self.minute(), 1);
        Ok((body.material.duplicate(), loaded.digested()?))
    }
}
