//! The shred layer: what a module has sealed is encrypted once more under an erase cell's secret, so that
//! overwriting the cell ends it wherever old bytes still lie.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | format, `0x01` |
//! | 32 | salt, random at every encryption |
//! | n | ciphertext |
//! | 16 | tag |
//!
//! Key: HKDF-SHA-256(secret, salt, info = `keystead v1 cover`, token, record, revision (u64, little
//! endian)); AES-256-GCM with twelve zero bytes as nonce, for the key is never used twice.

use crate::error::{Error, Reason, Result};
use crate::file_names::CELLS;
use crate::id::Id;
use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

const SHRED_FORMAT: u8 = 1;
const SALT: usize = 32;
/// It keeps the word that the layer had first: records on disks were encrypted under it.
const LABEL: &[u8] = b"keystead v1 cover";

/// The record that a layer belongs to; it is decrypted nowhere else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Binding {
    /// The token.
    pub token: Id,
    /// The record.
    pub id: Id,
    /// The record's own counter.
    pub revision: u64,
}

/// Encrypts `plain` under a cell's secret.
pub(crate) fn encrypt(secret: &[u8; 32], binding: Binding, plain: &[u8]) -> Result<Vec<u8>> {
    let mut salt = [0; SALT];
    aws_lc_rs::rand::fill(&mut salt).map_err(|_| Reason::General)?;
    let ciphertext = cipher(secret, binding, &salt)?
        .encrypt(&Nonce::default(), plain)
        .map_err(|_| Reason::General)?;
    Ok([&[SHRED_FORMAT], &salt[..], &ciphertext].concat())
}

/// Decrypts what [`encrypt`] made. Fails with [`Reason::StoreDamaged`] where it is not of that record.
pub(crate) fn decrypt(secret: &[u8; 32], binding: Binding, encrypted: &[u8]) -> Result<Vec<u8>> {
    let Some((&SHRED_FORMAT, rest)) = encrypted.split_first() else { return Err(damaged(binding)) };
    let (salt, ciphertext) = rest.split_first_chunk::<SALT>().ok_or_else(|| damaged(binding))?;
    cipher(secret, binding, salt)?
        .decrypt(&Nonce::default(), ciphertext)
        .map_err(|_| damaged(binding))
}

fn cipher(secret: &[u8; 32], binding: Binding, salt: &[u8; SALT]) -> Result<Aes256Gcm> {
    let mut key = Zeroizing::new([0; 32]);
    let info = [LABEL, binding.token.bytes(), binding.id.bytes(), &binding.revision.to_le_bytes()]
        .concat();
    Hkdf::<Sha256>::new(Some(salt), secret)
        .expand(&info, &mut *key)
        .map_err(|_| Reason::General)?;
    Ok(Aes256Gcm::new((&*key).into()))
}

fn damaged(binding: Binding) -> Error {
    Reason::StoreDamaged.detail(format_args!(
        "record {} does not fit its cell in the cell file, {CELLS}; restore the store's directory as a \
         whole from a backup",
        binding.id
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    const BINDING: Binding = Binding { token: Id::new([1; 16]), id: Id::new([2; 16]), revision: 3 };

    /// Made elsewhere, from RFC 5869 and NIST SP 800-38D.
    #[test]
    fn a_layer_is_byte_for_byte_what_the_format_says() {
        let ciphertext = [
            0xD3, 0xA5, 0x1C, 0x25, 0xA3, 0xF4, 0x84, 0x9F, 0xB1, 0x03, 0xAD, 0x6B, 0x56, 0x03,
            0xDE, 0x6C, 0x04, 0x2E, 0xC0, 0xDD, 0x95, 0x67,
        ];
        let encrypted = [&[1][..], &[9; 32], &ciphertext].concat();
        assert_eq!(decrypt(&[7; 32], BINDING, &encrypted).unwrap(), b"sealed");
    }

    #[test]
    fn a_layer_is_decrypted_for_its_own_record_only() {
        let encrypted = encrypt(&[7; 32], BINDING, b"sealed").unwrap();
        assert_eq!(decrypt(&[7; 32], BINDING, &encrypted).unwrap(), b"sealed");
        assert!(decrypt(&[8; 32], BINDING, &encrypted).is_err());
        assert!(decrypt(&[7; 32], Binding { revision: 4, ..BINDING }, &encrypted).is_err());
        assert!(decrypt(&[7; 32], Binding { id: BINDING.token, ..BINDING }, &encrypted).is_err());
        assert!(decrypt(&[7; 32], Binding { token: BINDING.id, ..BINDING }, &encrypted).is_err());
    }

    #[test]
    fn any_flipped_bit_and_any_cut_is_damage() {
        let encrypted = encrypt(&[7; 32], BINDING, b"sealed").unwrap();
        for bit in 0..encrypted.len() * 8 {
            let mut flipped = encrypted.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decrypt(&[7; 32], BINDING, &flipped).is_err(), "bit {bit}");
        }
        for cut in 0..encrypted.len() {
            assert!(decrypt(&[7; 32], BINDING, &encrypted[..cut]).is_err(), "cut at {cut}");
        }
    }
}
