//! PINs, and the entry a token keeps for them: the private token key wrapped under each PIN.
//!
//! A PIN never leaves the process that was given it. Argon2id turns it into an *authenticator*, whose
//! hash the agent compares after counting the attempt, and a *wrapping key*, which opens the token key
//! that the agent then releases.
//!
//! # An entry, byte by byte
//!
//! One format byte (`0x01`), then in postcard's wire format: label (length, UTF-8), public token key
//! (32 bytes), SHA-256 of the key of proofs (32), custody by default (1), the security officer's PIN, the
//! user's PIN as an option. A PIN: salt (16), memory in KiB, passes, lanes (varints), then as an
//! option, left out in what is shown before a login: SHA-256 of the authenticator (32) and the
//! wrapped token key (length, sealed part with info `keystead v1 pin`).

use super::seal::{Salt, TokenKey, open_with, seal_with};
use super::stretch::{Cost, stretch};
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::secret::Secret;
use crate::wire::proof::{self, Challenge};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

const ENTRY_FORMAT: u8 = 1;

/// The most bytes that a label has.
const LABEL: usize = 32;

/// The most bytes that a wrapped token key has.
const WRAPPED: usize = 256;

/// The lengths a PIN may have, in bytes.
pub const PIN_LENGTH: std::ops::RangeInclusive<usize> = 4..=255;

/// The number of wrong PINs in a row that locks a PIN.
pub const PIN_TRIES: u8 = 10;

/// The cost of a guess at a new PIN, and the least at any PIN: an agent that is not honest would otherwise
/// name a cost at which an authenticator gives the PIN away.
const COST: Cost = Cost { memory_kib: 19 << 10, passes: 2, lanes: 1 };

/// The part of a token that is kept beside its records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenEntry {
    /// The token's label, at most 32 bytes.
    pub label: String,
    /// The public token key: it seals public objects, against mix-ups only.
    pub public_key: [u8; 32],
    /// SHA-256 of the key by which a process proves that it has the private token key.
    proof: [u8; 32],
    /// True where token keys are custom keys unless their template says otherwise.
    pub custody: bool,
    /// The security officer's PIN.
    pub officer: Pin,
    /// The user's PIN, once set.
    pub user: Option<Pin>,
}

/// One PIN, as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    salt: [u8; 16],
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    guarded: Option<Guarded>,
}

/// The part of a PIN that the agent releases only after counting an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Guarded {
    verifier: [u8; 32],
    wrapped: Vec<u8>,
}

/// PINs can be guessed against it.
impl Drop for Guarded {
    fn drop(&mut self) {
        self.verifier.zeroize();
        self.wrapped.zeroize();
    }
}

/// The two secrets that Argon2id makes of a PIN.
pub struct Stretched {
    /// Shown to the agent, 32 bytes.
    pub authenticator: Secret,
    /// Opens the token key.
    pub wrapping: Secret,
}

impl TokenEntry {
    /// Returns a new token's entry. `officer` is made by [`Pin::wrap`] over `private`.
    pub fn new(
        label: String,
        public_key: [u8; 32],
        private: &TokenKey,
        officer: Pin,
        custody: bool,
    ) -> Result<Self> {
        let proof = Sha256::digest(private.proof_key()?.expose()).into();
        Ok(Self { label, public_key, proof, custody, officer, user: None })
    }

    /// Returns the bytes that are stored.
    pub fn encode(&self) -> Result<Vec<u8>> {
        postcard::to_extend(self, vec![ENTRY_FORMAT]).map_err(|cause| Reason::General.detail(cause))
    }

    /// Reads [`Self::encode`]'s bytes back.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let damaged = || Reason::StoreDamaged.detail("a token's entry does not parse");
        match bytes.split_first() {
            Some((&ENTRY_FORMAT, rest)) => match postcard::take_from_bytes(rest) {
                Ok((entry, [])) => Ok(entry),
                _ => Err(damaged()),
            },
            _ => Err(damaged()),
        }
    }

    /// Returns the entry as all may see it: salts and costs, nothing to guess PINs against.
    pub fn redacted(&self) -> Self {
        let mut shown = self.released_to(true);
        shown.officer.guarded = None;
        shown
    }

    /// Returns the entry as the holder of one PIN may see it: nothing to guess the other one against.
    pub fn released_to(&self, officer: bool) -> Self {
        let mut shown = Self { proof: [0; 32], ..self.clone() };
        let other = if officer { shown.user.as_mut() } else { Some(&mut shown.officer) };
        if let Some(other) = other {
            other.guarded = None;
        }
        shown
    }

    /// Returns the entry with what was left out of it when it was shown.
    pub fn completed_by(mut self, whole: &Self) -> Self {
        if self.proof == [0; 32] {
            self.proof = whole.proof;
        }
        self.officer.complete(&whole.officer);
        if let (Some(own), Some(whole)) = (&mut self.user, &whole.user) {
            own.complete(whole);
        }
        self
    }

    /// Returns whether it is small enough to be kept, and nothing is left out of it.
    pub fn is_whole(&self) -> bool {
        let pins = [Some(&self.officer), self.user.as_ref()].into_iter().flatten();
        let wrapped =
            |pin: &Pin| pin.guarded.as_ref().is_some_and(|it| it.wrapped.len() <= WRAPPED);
        self.label.len() <= LABEL && pins.into_iter().all(wrapped)
    }

    /// Returns whether the holder of a PIN may put `new` in this entry's place. The user changes the user's
    /// PIN; the security officer both, and with a token that begins anew (`C_InitToken`) its label and
    /// whether there is a user. Keys and custody are for good.
    pub fn may_become(&self, new: &Self, officer: bool, anew: bool) -> bool {
        let same = self.public_key == new.public_key
            && self.proof == new.proof
            && self.custody == new.custody;
        let named = self.label == new.label || anew;
        let has_user = new.user.is_some() || self.user.is_none() || anew;
        let by_user = self.officer == new.officer && !anew;
        same && named && has_user && (officer || by_user)
    }

    /// Returns whether `proof` shows, for that challenge, knowledge of the private token key and of the
    /// ticket. A user's login ends with the user's PIN.
    pub fn proves(&self, challenge: &Challenge, ticket: &Secret, proof: &[u8]) -> bool {
        let someone = self.login_mark(challenge.officer).is_some();
        proof::holds(&self.proof, challenge, ticket, proof) && someone
    }

    /// Returns the mark with whose change a login ends: another for each PIN of the security officer, always the
    /// same for a user. None while no login is possible.
    pub fn login_mark(&self, officer: bool) -> Option<&[u8]> {
        match officer {
            true => Some(self.officer_mark()),
            false => self.user.as_ref().map(|_| &[][..]),
        }
    }

    fn officer_mark(&self) -> &[u8] {
        self.officer.guarded.as_ref().map_or(&[], |guarded| &guarded.verifier)
    }
}

impl Pin {
    /// Wraps the private token key under `pin`.
    pub fn wrap(
        token: Id,
        private: &TokenKey,
        pin: &[u8],
        salt: [u8; 16],
        seal_salt: &Salt,
    ) -> Result<Self> {
        let Cost { memory_kib, passes, lanes } = COST;
        let mut made = Self { salt, memory_kib, passes, lanes, guarded: None };
        let stretched = made.stretch(pin)?;
        let wrapped = seal_with(
            &stretched.wrapping,
            b"keystead v1 pin",
            token.bytes(),
            private.root().expose(),
            seal_salt,
        )?;
        let verifier = Sha256::digest(stretched.authenticator.expose()).into();
        made.guarded = Some(Guarded { verifier, wrapped });
        Ok(made)
    }

    /// Stretches `pin` with Argon2id: some tens of milliseconds and 19 MiB. Fails with
    /// [`Reason::StoreDamaged`] where it would take less.
    pub fn stretch(&self, pin: &[u8]) -> Result<Stretched> {
        let Self { memory_kib, passes, lanes, .. } = *self;
        if memory_kib < COST.memory_kib || passes < COST.passes {
            return Err(Reason::StoreDamaged.detail("a guess at the PIN would cost too little"));
        }
        let output = stretch(pin, &self.salt, Cost { memory_kib, passes, lanes }, 64)?;
        let (shown, kept) = output.expose().split_at(32);
        Ok(Stretched { authenticator: Secret::from(shown), wrapping: Secret::from(kept) })
    }

    /// Takes over what was left out of this PIN when it was shown; nothing where it is another one.
    fn complete(&mut self, whole: &Self) {
        let shown = Self { guarded: None, ..whole.clone() };
        if *self == shown {
            self.guarded.clone_from(&whole.guarded);
        }
    }

    /// Returns whether `authenticator` is this PIN's, compared in constant time.
    pub fn matches(&self, authenticator: &[u8]) -> bool {
        self.guarded
            .as_ref()
            .is_some_and(|guarded| Sha256::digest(authenticator).ct_eq(&guarded.verifier).into())
    }

    /// Returns the private token key, from an entry that the agent released.
    pub fn unwrap(&self, token: Id, wrapping: &Secret) -> Result<TokenKey> {
        let guarded = self.guarded.as_ref().ok_or(Reason::PinIncorrect)?;
        let root = open_with(wrapping, b"keystead v1 pin", token.bytes(), &guarded.wrapped)?;
        TokenKey::new(root)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn token_key() -> TokenKey {
        TokenKey::new(Secret::new(vec![5; 32])).unwrap()
    }

    fn entry() -> TokenEntry {
        let token = Id::new([2; 16]);
        let officer = Pin::wrap(token, &token_key(), b"87654321", [3; 16], &[4; 32]).unwrap();
        TokenEntry::new("payroll".into(), [6; 32], &token_key(), officer, true).unwrap()
    }

    #[test]
    fn the_right_pin_opens_the_token_key_and_a_wrong_one_does_not() {
        let entry = entry();
        let right = entry.officer.stretch(b"87654321").unwrap();
        let wrong = entry.officer.stretch(b"87654322").unwrap();
        assert!(entry.officer.matches(right.authenticator.expose()));
        assert!(!entry.officer.matches(wrong.authenticator.expose()));
        let opened = entry.officer.unwrap(Id::new([2; 16]), &right.wrapping).unwrap();
        assert_eq!(opened.root(), token_key().root());
        assert!(entry.officer.unwrap(Id::new([2; 16]), &wrong.wrapping).is_err());
        assert!(entry.officer.unwrap(Id::new([9; 16]), &right.wrapping).is_err());
    }

    #[test]
    fn each_changes_what_is_theirs_and_nobody_what_is_for_good() {
        let old = TokenEntry { user: Some(entry().officer), ..entry() };
        let pin =
            || Pin::wrap(Id::new([2; 16]), &token_key(), b"other", [7; 16], &[8; 32]).unwrap();
        let changed = |change: &dyn Fn(&mut TokenEntry)| {
            let mut new = old.clone();
            change(&mut new);
            let by = |officer, anew| old.may_become(&new, officer, anew);
            (by(false, false), by(true, false), by(true, true))
        };
        assert_eq!(changed(&|_| ()), (true, true, true));
        assert!(!old.may_become(&old, false, true), "a user begins nothing anew");
        assert_eq!(changed(&|it| it.user = Some(pin())), (true, true, true));
        assert_eq!(changed(&|it| it.officer = pin()), (false, true, true));
        assert_eq!(changed(&|it| it.label.push('!')), (false, false, true));
        assert_eq!(changed(&|it| it.user = None), (false, false, true));
        let for_good: [&dyn Fn(&mut TokenEntry); 3] =
            [&|it| it.custody = false, &|it| it.public_key[0] ^= 1, &|it| it.proof[0] ^= 1];
        for change in for_good {
            assert_eq!(changed(change), (false, false, false));
        }
    }

    #[test]
    fn what_anybody_may_see_gives_nothing_to_guess_against() {
        let shown = entry().redacted();
        let right = shown.officer.stretch(b"87654321").unwrap();
        assert!(!shown.officer.matches(right.authenticator.expose()));
        assert!(shown.officer.guarded.is_none() && shown.proof == [0; 32]);
    }

    #[test]
    fn a_pin_is_not_stretched_for_less_than_a_guess_has_to_cost() {
        let TokenEntry { officer, .. } = entry().redacted();
        let cheap = [
            Pin { memory_kib: COST.memory_kib - 1, ..officer.clone() },
            Pin { passes: COST.passes - 1, ..officer.clone() },
            Pin { memory_kib: 8, passes: 64, ..officer.clone() },
        ];
        for pin in cheap {
            let refused = pin.stretch(b"87654321").err().map(|error| error.reason());
            assert_eq!(refused, Some(Reason::StoreDamaged), "{pin:?}");
        }
        let dear = Pin { memory_kib: COST.memory_kib + 1, passes: COST.passes + 1, ..officer };
        assert!(dear.stretch(b"87654321").is_ok());
    }

    fn entry_with_user() -> TokenEntry {
        let user = Pin::wrap(Id::new([2; 16]), &token_key(), b"123456", [7; 16], &[8; 32]);
        TokenEntry { user: Some(user.unwrap()), ..entry() }
    }

    #[test]
    fn each_sees_nothing_of_the_others_pin_and_can_put_it_back_unseen() {
        let whole = entry_with_user();
        for officer in [true, false] {
            let released = whole.released_to(officer);
            let user = released.user.as_ref().unwrap();
            assert_eq!(released.officer.guarded.is_some(), officer);
            assert_eq!(user.guarded.is_some(), !officer);
            assert!(!released.is_whole());
            assert_eq!(released.completed_by(&whole), whole);
        }
        assert_eq!(whole.redacted().completed_by(&whole), whole);
        assert!(whole.is_whole());
        let mut other = whole.redacted();
        other.officer.salt[0] ^= 1;
        assert!(!other.completed_by(&whole).is_whole(), "another PIN is not completed");
        assert!(!TokenEntry { label: "x".repeat(33), ..whole }.is_whole());
    }

    #[test]
    fn a_login_is_proved_by_the_private_key_with_the_ticket_and_a_users_while_there_is_one() {
        let (nonce, store, token) = ([1; 32], Id::new([2; 16]), Id::new([3; 16]));
        let proves = |entry: &TokenEntry, officer, ticket: u8, key: Secret| {
            let made = proof::Credential { officer, key, ticket: Secret::new(vec![7; 32]) };
            let proof = made.proof(nonce, store, token);
            let challenge = Challenge { nonce, store, token, officer };
            entry.proves(&challenge, &Secret::new(vec![ticket; 32]), proof.expose())
        };
        let key = || token_key().proof_key().unwrap();
        for officer in [true, false] {
            assert!(proves(&entry_with_user(), officer, 7, key()));
            assert!(!proves(&entry_with_user(), officer, 8, key()));
            assert!(!proves(&entry_with_user(), officer, 7, Secret::new(vec![0; 32])));
            assert_eq!(proves(&entry(), officer, 7, key()), officer);
        }
    }

    #[test]
    fn an_entry_reads_back_and_a_cut_one_does_not() {
        let bytes = entry().encode().unwrap();
        assert_eq!(TokenEntry::decode(&bytes).unwrap(), entry());
        for cut in 0..bytes.len() {
            assert!(TokenEntry::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }
}
