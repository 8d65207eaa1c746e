//! The key of messages. Each message is an operation of its own: what an Init asks of the key is asked
//! again whenever one begins, so that a key is unusable for messages from the second it is for all else.

use super::key_cache::KeyCache;
use crate::error::Result;
use crate::key::{UsableKey, Usage};
use crate::token::{Handle, Token};
use std::ops::Deref;

/// A key that messages are made or read with, as it was allowed for the last one.
pub(crate) struct MessageKey {
    handle: Handle,
    usage: Usage,
    mechanism: u64,
    allowed: UsableKey,
}

impl MessageKey {
    /// Takes the key that an Init was given.
    pub(crate) fn new(
        token: &Token,
        keys: &mut KeyCache,
        handle: Handle,
        usage: Usage,
        mechanism: u64,
    ) -> Result<Self> {
        let allowed = keys.key(token, handle, usage, mechanism)?.clone();
        Ok(Self { handle, usage, mechanism, allowed })
    }

    /// Asks for the key as an Init would now: keeps it as it is, or fails with the reason why it cannot
    /// be used any more. A few loads where nothing has changed.
    pub(crate) fn renew(&mut self, token: &Token, keys: &mut KeyCache) -> Result<()> {
        self.allowed = keys.key(token, self.handle, self.usage, self.mechanism)?.clone();
        Ok(())
    }
}

impl Deref for MessageKey {
    type Target = UsableKey;

    fn deref(&self) -> &UsableKey {
        &self.allowed
    }
}
