//! The proof of an earlier login on each further connection of a process, without the PIN:
//! SCRAM's client proof (RFC 5802, section 3) over the connection's nonce, with HMAC-SHA-256.
//!
//! | | derived from | who knows it |
//! |---|---|---|
//! | key | the private token key | who has logged in |
//! | stored key | SHA-256 of the key | the agent, in the token's entry |
//! | ticket | a secret of the store, the token, whose login it was | the agent, and who has logged in as that |
//!
//! signature = HMAC(stored key, `keystead v1 proof`, nonce, store, token, officer (1 byte), ticket);
//! proof = key XOR signature. The agent takes its own signature off the proof and compares the hash of
//! what is left with the stored key. So a reader of the store's files proves nothing by that, a
//! proof is of no use on another connection, and a user's login does not prove the security officer's.

use super::Confidential;
use crate::id::Id;
use crate::secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const LABEL: &[u8] = b"keystead v1 proof";

/// Random bytes by which an agent tells one connection from another.
pub type Nonce = [u8; 32];

/// The circumstances for which alone a proof holds.
#[derive(Debug, Clone, Copy)]
pub struct Challenge {
    /// The connection's.
    pub nonce: Nonce,
    /// The store.
    pub store: Id,
    /// The token.
    pub token: Id,
    /// Set for a login of the security officer rather than the user.
    pub officer: bool,
}

/// The proof that a process keeps of a login to one token.
#[derive(Debug, PartialEq, Eq)]
pub struct Credential {
    /// Set for a login of the security officer rather than the user.
    pub officer: bool,
    /// The key, 32 bytes.
    pub key: Secret,
    /// The ticket that the agent gave with the login.
    pub ticket: Secret,
}

impl Credential {
    /// Proves the login.
    pub fn proof(&self, nonce: Nonce, store: Id, token: Id) -> Confidential {
        let challenge = Challenge { nonce, store, token, officer: self.officer };
        let stored: Zeroizing<[u8; 32]> = Zeroizing::new(Sha256::digest(self.key.expose()).into());
        let signature = signature(&stored, &challenge, self.ticket.expose());
        combined(self.key.expose(), &signature).into()
    }
}

/// Returns whether `proof` was made with the key whose hash is `stored`, with that ticket and for that
/// challenge.
pub(crate) fn holds(
    stored: &[u8; 32],
    challenge: &Challenge,
    ticket: &Secret,
    proof: &[u8],
) -> bool {
    let signature = signature(stored, challenge, ticket.expose());
    let key = combined(proof, &signature);
    proof.len() == stored.len() && bool::from(Sha256::digest(key.expose()).ct_eq(stored))
}

fn signature(stored: &[u8; 32], challenge: &Challenge, ticket: &[u8]) -> Zeroizing<[u8; 32]> {
    // HMAC fills a key up with zeros to its block.
    let mut block = Zeroizing::new([0; 64]);
    block.split_at_mut(stored.len()).0.copy_from_slice(stored);
    let mac = Hmac::<Sha256>::new((&*block).into());
    let Challenge { nonce, store, token, officer } = challenge;
    let mac = mac.chain_update(LABEL).chain_update(nonce).chain_update(store.bytes());
    let mac = mac.chain_update(token.bytes()).chain_update([u8::from(*officer)]);
    Zeroizing::new(mac.chain_update(ticket).finalize().into_bytes().into())
}

fn combined(bytes: &[u8], signature: &[u8; 32]) -> Secret {
    Secret::new(bytes.iter().zip(signature).map(|(byte, with)| byte ^ with).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge() -> Challenge {
        let (store, token) = (Id::new([2; 16]), Id::new([3; 16]));
        Challenge { nonce: [1; 32], store, token, officer: false }
    }

    fn credential() -> Credential {
        let (key, ticket) = (Secret::new(vec![4; 32]), Secret::new(vec![5; 32]));
        Credential { officer: false, key, ticket }
    }

    fn stored() -> [u8; 32] {
        Sha256::digest([4; 32]).into()
    }

    fn proof() -> Confidential {
        credential().proof([1; 32], challenge().store, challenge().token)
    }

    /// Computed elsewhere from RFC 2104 and RFC 5802.
    #[test]
    fn a_proof_is_byte_for_byte_what_the_protocol_says() {
        let hex: String = proof().expose().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "14e6cad73d20fe36718b1d5502f674c6f55aded9491bbe29401ea06b87de3010");
    }

    #[test]
    fn a_proof_holds_for_its_challenge_its_key_and_its_ticket_only() {
        let (ticket, other) = (credential().ticket, Secret::new(vec![6; 32]));
        let (good, proof) = (challenge(), proof());
        let proves = |challenge, ticket| holds(&stored(), &challenge, ticket, proof.expose());
        assert!(proves(good, &ticket) && !proves(good, &other));
        assert!(!holds(&Sha256::digest([9; 32]).into(), &good, &ticket, proof.expose()));
        for wrong in [
            Challenge { nonce: [9; 32], ..good },
            Challenge { store: Id::new([9; 16]), ..good },
            Challenge { token: Id::new([9; 16]), ..good },
            Challenge { officer: true, ..good },
        ] {
            assert!(!proves(wrong, &ticket), "{wrong:?}");
        }
        assert!(!holds(&stored(), &good, &ticket, &[]));
        assert!(!holds(&stored(), &good, &ticket, &[proof.expose(), &[0]].concat()));
    }

    #[test]
    fn who_has_read_the_stored_key_proves_nothing() {
        let thief = Credential { key: Secret::from(&stored()[..]), ..credential() };
        let forged = thief.proof([1; 32], challenge().store, challenge().token);
        assert!(!holds(&stored(), &challenge(), &credential().ticket, forged.expose()));
    }
}
