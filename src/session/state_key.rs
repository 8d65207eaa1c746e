//! The key of saved operation states: what a process has saved, it alone takes up again, and unchanged.

use crate::error::{Reason, Result};
use crate::lc::digest::Hash;
use crate::lc::mac::{HmacKey, Mac};
use crate::lc::random;
use crate::secret::Secret;
use once_cell::sync::OnceCell;
use subtle::ConstantTimeEq;

/// The length of the HMAC, and of its key, in bytes.
const MAC: usize = 32;

/// The key under which the states that a process saves are authentic. It is made when the first is saved.
#[derive(Default)]
pub(crate) struct StateKey(OnceCell<HmacKey>);

impl StateKey {
    fn mac(&self, state: &[u8]) -> Result<[u8; MAC]> {
        let key = self.0.get_or_try_init(|| random::secret(MAC).map(HmacKey::new))?;
        let mut mac = Mac::hmac(Hash::Sha256, key)?;
        mac.update(state)?;
        mac.finish()?.first_chunk().copied().ok_or_else(|| Reason::General.into())
    }

    /// Returns the state with its HMAC behind it.
    pub(super) fn sealed(&self, mut state: Vec<u8>) -> Result<Secret> {
        let mac = self.mac(&state)?;
        state.extend_from_slice(&mac);
        Ok(Secret::new(state))
    }

    /// Returns the state in front of its HMAC; `SavedStateInvalid` where that is another.
    pub(super) fn opened<'s>(&self, saved: &'s [u8]) -> Result<&'s [u8]> {
        let (state, mac) = saved.split_last_chunk::<MAC>().ok_or(Reason::SavedStateInvalid)?;
        match self.mac(state)?.ct_eq(mac).into() {
            true => Ok(state),
            false => Err(Reason::SavedStateInvalid.into()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::StateKey;
    use crate::error::Reason;

    #[test]
    fn a_state_of_another_process_or_with_another_bit_is_none() {
        let (key, other) = (StateKey::default(), StateKey::default());
        let saved = key.sealed(b"a state".to_vec()).unwrap();
        assert_eq!(key.opened(saved.expose()), Ok(&b"a state"[..]));
        let refused = |key: &StateKey, saved: &[u8]| {
            assert_eq!(key.opened(saved).unwrap_err().reason(), Reason::SavedStateInvalid);
        };
        refused(&other, saved.expose());
        for at in 0..saved.len() {
            let mut changed = saved.expose().to_vec();
            *changed.get_mut(at).unwrap() ^= 1;
            refused(&key, &changed);
            refused(&key, changed.get(..at).unwrap());
        }
    }
}
