//! The states of digests under way that can leave them, and be taken up by another: of SHA-1 and SHA-2, whose
//! contexts AWS-LC declares. SHA-3's stay where they are.
//!
//! A state is the chaining value and the number of bits so far, words with their highest byte first, and
//! the bytes that wait for the rest of their block.

use super::digest::{Digest, Hash};
use crate::error::{Reason, Result};
use crate::secret::Secret;
use aws_lc_sys::{EVP_MD_CTX, SHA_CTX, SHA256_CTX, SHA512_CTX};

/// A context whose state can leave it.
trait SavableState {
    /// Returns the state.
    fn save(&self) -> Secret;
    /// Takes a state up; none where it is none of such a context.
    fn load(&mut self, saved: &[u8]) -> Option<()>;
}

macro_rules! state {
    ($context:ty, $word:ty, $waiting:ident) => {
        impl SavableState for $context {
            fn save(&self) -> Secret {
                let words = self.h.iter().chain([&self.Nh, &self.Nl]);
                let mut saved: Vec<u8> = words.flat_map(|word| word.to_be_bytes()).collect();
                saved.extend(self.$waiting.iter().take(self.num as usize));
                Secret::new(saved)
            }

            fn load(&mut self, saved: &[u8]) -> Option<()> {
                let words = (self.h.len() + 2) * size_of::<$word>();
                let (words, waiting) = saved.split_at_checked(words)?;
                let (words, _) = words.as_chunks::<{ size_of::<$word>() }>();
                let places = self.h.iter_mut().chain([&mut self.Nh, &mut self.Nl]);
                for (place, word) in places.zip(words) {
                    *place = <$word>::from_be_bytes(*word);
                }
                // How many wait is what the number of bits leaves of a block, and less than one.
                let counted = usize::try_from(self.Nl / 8).ok()? % self.$waiting.len();
                if waiting.len() != counted {
                    return None;
                }
                self.$waiting.get_mut(..counted)?.copy_from_slice(waiting);
                self.num = u32::try_from(counted).ok()?;
                Some(())
            }
        }
    };
}

state!(SHA_CTX, u32, data);
state!(SHA256_CTX, u32, data);
state!(SHA512_CTX, u64, p);

impl Digest {
    /// Returns the state, of the hash functions that can be taken up again.
    pub fn state(&self) -> Option<Secret> {
        let context = self.context().ok()?;
        // SAFETY: `self` owns the context, which `new` initialised for this hash, and lends it to the call.
        unsafe { state_of(context, self.hash()) }.map(|state| state.save())
    }

    /// Goes on from a state that [`Self::state`] returned for the same hash; `SavedStateInvalid` for anything
    /// else.
    pub fn resumed(hash: Hash, saved: &[u8]) -> Result<Self> {
        let digest = Self::new(hash)?;
        let context = digest.context()?;
        // SAFETY: `digest` owns the context, which `new` initialised for this hash; nothing else has it yet.
        let state = unsafe { state_of(context, hash) };
        match state.and_then(|state| state.load(saved)) {
            Some(()) => Ok(digest),
            None => Err(Reason::SavedStateInvalid.into()),
        }
    }
}

/// Returns the state in a context; none of a hash function that keeps it to itself.
///
/// # Safety
/// `context` was initialised for `hash`, and nothing else uses it during `'a`.
unsafe fn state_of<'a>(context: *mut EVP_MD_CTX, hash: Hash) -> Option<&'a mut dyn SavableState> {
    // SAFETY: `context` is valid, and nothing writes to it.
    let at = unsafe { (*context).md_data };
    // SAFETY: AWS-LC keeps what it declares for these hash functions behind `md_data`, in memory that it has
    // allocated for it (crypto/fipsmodule/digest/digests.c), from the initialisation to the end of the
    // context; a test compares what comes of each.
    unsafe {
        match hash {
            Hash::Sha1 => Some(at.cast::<SHA_CTX>().as_mut()?),
            Hash::Sha224 | Hash::Sha256 => Some(at.cast::<SHA256_CTX>().as_mut()?),
            Hash::Sha384 | Hash::Sha512 | Hash::Sha512_224 | Hash::Sha512_256 => {
                Some(at.cast::<SHA512_CTX>().as_mut()?)
            }
            Hash::Sha3_224 | Hash::Sha3_256 | Hash::Sha3_384 | Hash::Sha3_512 => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::{Digest, Hash};
    use crate::error::Reason;

    fn of(mut digest: Digest, parts: &[&[u8]]) -> Vec<u8> {
        parts.iter().for_each(|part| digest.update(part).unwrap());
        let mut output = vec![0; 64];
        let len = digest.finish(&mut output).unwrap();
        output.truncate(len);
        output
    }

    #[test]
    fn a_digest_goes_on_from_each_of_its_states_to_the_same_end() {
        let text: Vec<u8> = (0..=255).cycle().take(300).collect();
        for &hash in Hash::ALL {
            let whole = of(Digest::new(hash).unwrap(), &[&text]);
            for at in [0, 1, 63, 64, 65, 127, 128, 129, 300] {
                let mut digest = Digest::new(hash).unwrap();
                digest.update(&text[..at]).unwrap();
                let Some(state) = digest.state() else {
                    assert!(format!("{hash:?}").starts_with("Sha3"));
                    continue;
                };
                let resumed = Digest::resumed(hash, state.expose()).unwrap();
                assert_eq!(of(resumed, &[&text[at..]]), whole, "{hash:?} at {at}");
                assert_eq!(of(digest, &[&text[at..]]), whole, "{hash:?} at {at}");
            }
        }
    }

    #[test]
    fn a_state_that_cannot_be_is_refused() {
        for &hash in Hash::ALL {
            let refused = |saved: &[u8]| {
                assert_eq!(
                    Digest::resumed(hash, saved).err().unwrap().reason(),
                    Reason::SavedStateInvalid
                );
            };
            let mut digest = Digest::new(hash).unwrap();
            digest.update(b"twelve bytes").unwrap();
            let state = digest.state().map(|state| state.expose().to_vec()).unwrap_or_default();
            for length in 0..state.len() {
                refused(&state[..length]);
            }
            refused(&[&state[..], &[0]].concat());
            refused(&[0xFF; 400]);
        }
    }
}
