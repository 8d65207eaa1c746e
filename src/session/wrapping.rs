//! Keys wrapped through a session, where the token makes the IV.

use super::Session;
use super::message_iv::{IvGenerator, Ivs};
use crate::error::Result;
use crate::mechanism::{Mechanism, Params};
use crate::token::Handle;
use std::sync::Arc;

impl Session {
    /// Wraps a key (`C_WrapKey`, `C_WrapKeyAuthenticated`). GCM's IV is made here, over all of the room in the
    /// parameter: none that a user could choose, or repeat.
    pub(crate) fn wrap(
        &self,
        mechanism: &mut Mechanism,
        wrapping: Handle,
        key: Handle,
    ) -> Result<Vec<u8>> {
        if let Params::Gcm { iv, .. } = &mut mechanism.params {
            Ivs::new(Arc::clone(&self.ivs)).next(iv, 0, IvGenerator::Counter)?;
        }
        self.token.wrap(&self.caller, mechanism, wrapping, key)
    }
}
