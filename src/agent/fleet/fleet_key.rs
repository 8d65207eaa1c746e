//! The fleet key, and the rows that carry a MAC under it: the list of hosts, each host's own row, envelopes,
//! invitations. A writer of etcd that has no fleet key puts no row of its own in their place.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | format, `0x01` |
//! | 4 | number of the fleet key (u32, big endian) |
//! | n | the fields, in postcard's wire format, in the order of the struct |
//! | 32 | HMAC-SHA-256 |
//!
//! The MAC's key is HKDF-SHA-256(fleet key, no salt, info = `keystead v1 fleet row`, fleet); it covers the length of the
//! row's key (u32, big endian), that key, and all bytes before the MAC. So a row counts in its own place only. An earlier
//! row of the same place is not told from the present one: a reader of rows whose numbers grow remembers the highest.

use crate::error::{Error, Reason, Result};
use crate::id::Id;
use crate::store::cells::CellSecret;
use aes_gcm::aead::Aead;
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::Sha256;
use zeroize::Zeroizing;

const FORMAT: u8 = 1;
/// The bytes before the fields.
const HEAD: usize = 5;
/// The bytes of a MAC.
const MAC: usize = 32;
const LABEL: &[u8] = b"keystead v1 fleet row";
const SECRET_LABEL: &[u8] = b"keystead v1 fleet secret";

/// The key that all hosts of a fleet have.
#[derive(Clone)]
pub(crate) struct FleetKey {
    fleet: Id,
    number: u32,
    secret: CellSecret,
}

impl FleetKey {
    /// Takes the key with that number, of a fleet.
    pub(crate) fn new(fleet: Id, number: u32, secret: CellSecret) -> Self {
        Self { fleet, number, secret }
    }

    /// Returns a random key, the first of a new fleet.
    pub(crate) fn first(fleet: Id) -> Result<Self> {
        Ok(Self::new(fleet, 1, random_secret()?))
    }

    /// Returns a random key that takes this one's place.
    pub(crate) fn next(&self) -> Result<Self> {
        Ok(Self::new(self.fleet, self.number.saturating_add(1), random_secret()?))
    }

    /// Returns its number: 1, 2, … with each expulsion.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Returns the fleet.
    pub(crate) fn fleet(&self) -> Id {
        self.fleet
    }

    /// Returns the key itself.
    pub(crate) fn secret(&self) -> &CellSecret {
        &self.secret
    }

    /// Writes a row with its MAC for the place `at`.
    pub(crate) fn sign(&self, at: &[u8], fields: &impl Serialize) -> Result<Vec<u8>> {
        let head = [&[FORMAT][..], &self.number.to_be_bytes()].concat();
        let mut row =
            postcard::to_extend(fields, head).map_err(|cause| Reason::General.detail(cause))?;
        let mac = self.mac(at, &row)?.finalize().into_bytes();
        row.extend_from_slice(&mac);
        Ok(row)
    }

    /// Reads a row at the place `at` whose MAC is right; `what` names it in the error.
    pub(crate) fn verify<T: DeserializeOwned>(
        &self,
        at: &[u8],
        row: &[u8],
        what: &str,
    ) -> Result<T> {
        let (signed, mac) = row.split_last_chunk::<MAC>().ok_or_else(|| forged(what))?;
        if let Some(number) = number_of(row)
            && number != self.number
        {
            return Err(Reason::StoreDamaged.detail(format_args!(
                "{what} is written under fleet key {number}, and this host has key {}",
                self.number
            )));
        }
        self.mac(at, signed)?.verify_slice(mac).map_err(|_| forged(what))?;
        match postcard::take_from_bytes(signed.get(HEAD..).unwrap_or_default()) {
            Ok((fields, [])) => Ok(fields),
            _ => Err(Reason::StoreDamaged.detail(format_args!("{what} does not parse"))),
        }
    }

    /// Encrypts a secret for the place `at`, which is used once: AES-256-GCM, twelve zero bytes as nonce, under
    /// HKDF-SHA-256(fleet key, no salt, info = `keystead v1 fleet secret`, fleet, `at`).
    pub(crate) fn encrypt(&self, at: &[u8], secret: &CellSecret) -> Result<Vec<u8>> {
        let encrypted = self.cipher(at)?.encrypt(&Nonce::default(), &secret[..]);
        encrypted.map_err(|_| Reason::General.into())
    }

    /// Decrypts what [`Self::encrypt`] made.
    pub(crate) fn decrypt(&self, at: &[u8], encrypted: &[u8]) -> Result<CellSecret> {
        let plain = self.cipher(at)?.decrypt(&Nonce::default(), encrypted).map(Zeroizing::new);
        let mut secret = CellSecret::default();
        match plain {
            Ok(plain) if plain.len() == secret.len() => secret.copy_from_slice(&plain),
            _ => return Err(forged("a secret of the fleet")),
        }
        Ok(secret)
    }

    fn cipher(&self, at: &[u8]) -> Result<Aes256Gcm> {
        let key = self.derived(&[SECRET_LABEL, self.fleet.bytes(), at].concat())?;
        Ok(Aes256Gcm::new((&*key).into()))
    }

    fn derived(&self, info: &[u8]) -> Result<Zeroizing<[u8; 32]>> {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, &**self.secret)
            .expand(info, &mut *key)
            .map_err(|_| Reason::General)?;
        Ok(key)
    }

    fn mac(&self, at: &[u8], row: &[u8]) -> Result<Hmac<Sha256>> {
        let key = self.derived(&[LABEL, &self.fleet.bytes()[..]].concat())?;
        let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&*key).map_err(|_| Reason::General)?;
        let length = u32::try_from(at.len()).map_err(|_| Reason::ArgumentsBad)?;
        Ok([&length.to_be_bytes(), at, row].into_iter().fold(mac, Mac::chain_update))
    }
}

/// Returns the number of the fleet key that a row was written under, if it has this format.
pub(crate) fn number_of(row: &[u8]) -> Option<u32> {
    match row.split_first()? {
        (&FORMAT, rest) => rest.first_chunk().map(|number| u32::from_be_bytes(*number)),
        _ => None,
    }
}

/// Returns 32 random bytes.
pub(crate) fn random_secret() -> Result<CellSecret> {
    let mut secret = CellSecret::default();
    aws_lc_rs::rand::fill(&mut **secret).map_err(|_| Reason::General)?;
    Ok(secret)
}

fn forged(what: &str) -> Error {
    Reason::StoreDamaged.detail(format_args!(
        "{what} was not written by a host of this fleet: its MAC is wrong; whoever can write to etcd may have \
         put it there"
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn key() -> FleetKey {
        FleetKey::new(Id::new([5; 16]), 2, CellSecret::new(Zeroizing::new([7; 32])))
    }

    /// Fleets that exist are read with these bytes: they never change. The MAC was made elsewhere, from RFC 5869 and
    /// RFC 2104.
    #[test]
    fn a_row_is_byte_for_byte_what_the_format_says() {
        let row = key().sign(b"H", &(300u64, "ab")).unwrap();
        let (signed, mac) = row.split_last_chunk::<MAC>().unwrap();
        assert_eq!(signed, [1, 0, 0, 0, 2, 0xAC, 2, 2, b'a', b'b']);
        assert_eq!(*mac, GOLDEN_MAC);
    }

    const GOLDEN_MAC: [u8; MAC] = [
        0x8B, 0x77, 0x1E, 0xA0, 0x29, 0x9D, 0x16, 0x6F, 0x49, 0x8B, 0x32, 0x07, 0xB9, 0x20, 0xBB,
        0x4E, 0x5C, 0xE1, 0xD2, 0x7C, 0x3C, 0x7E, 0xB4, 0xEE, 0x25, 0x9F, 0xBE, 0xED, 0xF8, 0x3A,
        0x77, 0x9F,
    ];

    #[test]
    fn a_row_counts_in_its_own_place_under_its_own_key_only() {
        let row = key().sign(b"H", &7u64).unwrap();
        assert_eq!(key().verify::<u64>(b"H", &row, "it").unwrap(), 7);
        let other = FleetKey::new(Id::new([5; 16]), 2, CellSecret::new(Zeroizing::new([8; 32])));
        let fleet = FleetKey::new(Id::new([6; 16]), 2, CellSecret::new(Zeroizing::new([7; 32])));
        assert!(key().verify::<u64>(b"h", &row, "it").is_err());
        assert!(other.verify::<u64>(b"H", &row, "it").is_err());
        assert!(fleet.verify::<u64>(b"H", &row, "it").is_err());
        let said = key().next().unwrap().verify::<u64>(b"H", &row, "it").unwrap_err().to_string();
        assert!(said.contains("fleet key 2") && said.contains("key 3"), "{said}");
    }

    #[test]
    fn any_flipped_bit_and_any_cut_is_refused() {
        let row = key().sign(b"H", &7u64).unwrap();
        for bit in 0..row.len() * 8 {
            let mut flipped = row.clone();
            *flipped.get_mut(bit / 8).unwrap() ^= 1 << (bit % 8);
            let error = key().verify::<u64>(b"H", &flipped, "it").unwrap_err();
            assert_eq!(error.reason(), Reason::StoreDamaged, "bit {bit}");
        }
        for cut in 0..row.len() {
            assert!(key().verify::<u64>(b"H", row.get(..cut).unwrap(), "it").is_err());
        }
    }
}
