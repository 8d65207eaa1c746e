//! Operation states: of digests under way, and of nothing else (PKCS#11 3.1, 5.6.5 and 5.6.6). No key's state
//! leaves the process, and neither does that of a digest which a key's value has gone into.
//!
//! | part of a saved state | bytes |
//! |---|---|
//! | format, 1 | 1 |
//! | the token | 16 |
//! | who is logged in (0 neither, 1 the user, 2 the officer), times 2, plus 1 in a read-write session | 1 |
//! | 1 where parts have been absorbed | 1 |
//! | the mechanism, lowest byte first | 8 |
//! | the digest's own state | any |
//! | HMAC-SHA-256 of all that | 32 |
//!
//! The HMAC's key is the process's: a state that another process has saved, or that was changed, is none.

use super::operation::Begun;
use super::step::Absorption;
use super::{OperationKind, Session};
use crate::error::{Reason, Result};
use crate::mechanism;
use crate::secret::Secret;
use crate::token::Handle;

/// The format of saved states.
const STATE_FORMAT: u8 = 1;

/// The length of a mechanism's number, in bytes.
const NUMBER: usize = 8;

impl Session {
    /// Saves the state of the digest that is under way, if nothing else is; else `StateUnsaveable`. With no
    /// operation at all it is `OperationMissing`.
    pub(crate) fn save_state(&mut self) -> Result<Secret> {
        let login = self.token.login_epoch();
        let computing = self.operation_slots().into_iter();
        let active: Vec<OperationKind> = computing
            .filter(|(kind, slot)| *kind != OperationKind::Search && slot.is_active(login))
            .map(|(kind, _)| kind)
            .collect();
        match active[..] {
            [] => return Err(Reason::OperationMissing.into()),
            [OperationKind::Digest] if !self.digest.has_digested() => {}
            _ => return Err(Reason::StateUnsaveable.into()),
        }
        let (mut head, mut saved) = (self.state_head(), None);
        self.digest.consult(&*self.token, |digest| {
            saved = digest.state();
            Ok(())
        })?;
        let (state, parts) = saved.ok_or(Reason::StateUnsaveable)?;
        head.push(parts.into());
        head.extend(self.digesting.to_le_bytes());
        head.extend(state.expose());
        self.state_key.sealed(head)
    }

    /// Goes on from a saved state, in the place of all operations that are active. A state that is none, or
    /// another token's or another state's of the session, is `SavedStateInvalid` and ends nothing.
    pub(crate) fn set_state(&mut self, saved: &[u8], keys: [Handle; 2]) -> Result<()> {
        let state = self.state_key.opened(saved)?;
        let state = state.strip_prefix(&self.state_head()[..]).ok_or(Reason::SavedStateInvalid)?;
        let (parts, state) = state.split_first().ok_or(Reason::SavedStateInvalid)?;
        let (number, state) =
            state.split_first_chunk::<NUMBER>().ok_or(Reason::SavedStateInvalid)?;
        let mechanism = u64::from_le_bytes(*number);
        let absorb = mechanism::find(mechanism)?.resume()?(state)?;
        if keys != [0, 0] {
            return Err(Reason::KeyNotNeeded.into());
        }
        for (_, slot) in self.operation_slots() {
            slot.cancel();
        }
        self.digesting = mechanism;
        let resumed = Absorption::resumed(absorb, *parts != 0);
        self.digest.begin(self.token.login_epoch(), || Ok(Begun::keyless(resumed)))
    }

    /// Returns the beginning of a saved state of this session.
    fn state_head(&self) -> Vec<u8> {
        let mut head = vec![STATE_FORMAT];
        head.extend(self.token.id().bytes());
        let state = self.state();
        head.push(state.login as u8 * 2 + u8::from(state.read_write));
        head
    }
}
