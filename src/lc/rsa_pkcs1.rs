//! RSA PKCS#1 v1.5 encryption, and a decryption that never tells whether the padding was right.
//!
//! AWS-LC's own decryption reports bad padding, which is an oracle (Bleichenbacher's). Here a
//! ciphertext whose padding is wrong decrypts to a message that depends only on it and the key,
//! of a length that does too, in constant time: `draft-irtf-cfrg-rsa-guidance`, "implicit
//! rejection".

use super::digest::{Digest, Hash};
use super::done;
use super::mac::{HmacKey, Mac};
use super::rsa::{PrivateKey, PublicKey};
use super::rsa_sign::{PKCS1_OVERHEAD, block};
use crate::error::{Reason, Result};
use crate::secret::Secret;
use aws_lc_sys::*;
use std::ffi::c_int;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq, ConstantTimeLess};

impl PublicKey {
    /// Encrypts with PKCS#1 v1.5. More than the modulus less 11 bytes is `DataLength`.
    pub fn encrypt_pkcs1(&self, input: &[u8]) -> Result<Vec<u8>> {
        if input.len() > self.size().saturating_sub(PKCS1_OVERHEAD) {
            return Err(Reason::DataLength.into());
        }
        self.encrypt(RSA_PKCS1_PADDING, input)
    }

    /// The bare public operation on a number as long as the modulus or shorter: `DataLength` for a
    /// longer one, `DataInvalid` for one that is not smaller.
    pub fn encrypt_bare(&self, input: &[u8]) -> Result<Vec<u8>> {
        self.encrypt(RSA_NO_PADDING, &block(self.size(), input)?)
    }

    fn encrypt(&self, padding: c_int, input: &[u8]) -> Result<Vec<u8>> {
        let (rsa, size) = (self.rsa()?.cast_mut(), self.size());
        let (mut output, mut len) = (vec![0; size], 0);
        // SAFETY: `self.0` owns the RSA key; `output` has the size of the modulus, the most that is written,
        // which the call is told too.
        let code = unsafe {
            let (to, from) = (output.as_mut_ptr(), input.as_ptr());
            RSA_encrypt(rsa, &mut len, to, size, from, input.len(), padding)
        };
        done(code, Reason::DataInvalid)?;
        output.truncate(len);
        Ok(output)
    }
}

impl PrivateKey {
    /// Decrypts PKCS#1 v1.5; wrong padding gives another message, not a failure. A ciphertext that
    /// has not the size of the modulus is `EncryptedLength`, one that AWS-LC refuses (0, 1,
    /// one less than the modulus, or more) `EncryptedInvalid`: all plain to see without the key.
    pub fn decrypt_pkcs1(&self, input: &[u8]) -> Result<Secret> {
        let block = self.decrypt_bare(input)?;
        let substitute = Substitute::of(self, input)?;
        Ok(unpad(block.expose(), &substitute))
    }

    /// The bare private operation.
    pub fn decrypt_bare(&self, input: &[u8]) -> Result<Secret> {
        let (rsa, size) = (self.rsa()?.cast_mut(), self.size());
        if input.len() != size {
            return Err(Reason::EncryptedLength.into());
        }
        let (mut output, mut len) = (Secret::new(vec![0; size]), 0);
        // SAFETY: `self.key` owns the RSA key; `output` has the size of the modulus, which is what is
        // written; `input` was checked above to have it too.
        let code = self.using(|| unsafe {
            let to = output.expose_mut().as_mut_ptr();
            RSA_decrypt(rsa, &mut len, to, size, input.as_ptr(), input.len(), RSA_NO_PADDING)
        });
        done(code, Reason::EncryptedInvalid)?;
        Ok(output)
    }
}

/// The message that a ciphertext with wrong padding decrypts to.
struct Substitute {
    /// A block as long as the modulus; the message is its end.
    block: Secret,
    /// The message's length in bytes.
    len: u16,
}

impl Substitute {
    fn of(key: &PrivateKey, ciphertext: &[u8]) -> Result<Self> {
        let size = key.size();
        let exponent = key.components()?.private_exponent;
        let mut padded = Secret::new(vec![0; size]);
        let start = size.checked_sub(exponent.len()).ok_or(Reason::General)?;
        let end = padded.expose_mut().get_mut(start..).ok_or(Reason::General)?;
        end.copy_from_slice(exponent.expose());
        let seed = stretch_key(padded.expose(), ciphertext)?;
        let block = stretch(&seed, b"message", size)?;
        Ok(Self { block, len: length(stretch(&seed, b"length", 256)?.expose(), size) })
    }
}

fn stretch_key(exponent: &[u8], ciphertext: &[u8]) -> Result<HmacKey> {
    let mut hashed = Secret::new(vec![0; Hash::Sha256.size()]);
    let mut digest = Digest::new(Hash::Sha256)?;
    digest.update(exponent)?;
    digest.finish(hashed.expose_mut())?;
    let mut mac = Mac::hmac(Hash::Sha256, &HmacKey::new(hashed))?;
    mac.update(ciphertext)?;
    let mut seed = Secret::new(mac.finish()?.to_vec());
    seed.truncate(Hash::Sha256.size());
    Ok(HmacKey::new(seed))
}

/// The draft's PRF: counter, label and length in bits, HMAC by HMAC.
fn stretch(seed: &HmacKey, label: &[u8], len: usize) -> Result<Secret> {
    let bits = u16::try_from(len * 8).or(Err(Reason::KeySizeRange))?.to_be_bytes();
    let mut stretched = Secret::new(vec![0; len]);
    for (count, part) in (0_u16..).zip(stretched.expose_mut().chunks_mut(Hash::Sha256.size())) {
        let mut mac = Mac::hmac(Hash::Sha256, seed)?;
        mac.update(&count.to_be_bytes())?;
        mac.update(label)?;
        mac.update(&bits)?;
        let made = mac.finish()?;
        part.copy_from_slice(made.get(..part.len()).ok_or(Reason::General)?);
    }
    Ok(stretched)
}

/// The last of the candidates that is a possible length of a message.
fn length(candidates: &[u8], size: usize) -> u16 {
    let longest = u16::try_from(size.saturating_sub(PKCS1_OVERHEAD - 1)).unwrap_or(u16::MAX);
    let mask = u16::MAX.checked_shr(longest.leading_zeros()).unwrap_or(0);
    candidates.chunks_exact(2).fold(0, |found, pair| {
        let candidate = pair.iter().fold(0, |high, low| high << 8 | u16::from(*low)) & mask;
        u16::conditional_select(&found, &candidate, candidate.ct_lt(&longest))
    })
}

/// Takes the message out of a block, or the substitute one, in constant time but for its length.
fn unpad(block: &[u8], substitute: &Substitute) -> Secret {
    let size = u16::try_from(block.len()).unwrap_or(u16::MAX);
    let (mut right, mut found, mut start) = (Choice::from(1), Choice::from(0), 0_u16);
    for (at, byte) in (0_u16..).zip(block) {
        match at {
            0 => right &= byte.ct_eq(&0),
            1 => right &= byte.ct_eq(&2),
            2..10 => right &= !byte.ct_eq(&0),
            _ => {
                start.conditional_assign(&(at + 1), byte.ct_eq(&0) & !found);
                found |= byte.ct_eq(&0);
            }
        }
    }
    right &= found;
    start = u16::conditional_select(&(size - substitute.len), &start, right);
    let both = block.iter().zip(substitute.block.expose());
    let chosen = both.map(|(real, other)| u8::conditional_select(other, real, right));
    // Each byte is chosen, whatever the length: only the copy depends on it, as does what the caller does with it.
    let chosen = Secret::new(chosen.collect());
    Secret::new(chosen.expose().get(usize::from(start)..).unwrap_or_default().to_vec())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encrypted_comes_back_at_every_length() {
        let key = PrivateKey::generate(2048, &[1, 0, 1]).unwrap();
        let public = key.public().unwrap();
        for len in [0, 1, 100, 245] {
            let text = vec![0x5A; len];
            let sealed = public.encrypt_pkcs1(&text).unwrap();
            assert_eq!(key.decrypt_pkcs1(&sealed).unwrap().expose(), text);
        }
        let refusal = public.encrypt_pkcs1(&[0; 246]).unwrap_err();
        assert_eq!(refusal.reason(), Reason::DataLength);
    }

    #[test]
    fn every_wrong_padding_decrypts_to_a_steady_other_message() {
        let key = PrivateKey::generate(2048, &[3]).unwrap();
        let public = key.public().unwrap();
        let good = [[0, 2].as_slice(), &[9; 8], &[0], b"secret", &[7; 239]].concat();
        let opened = key.decrypt_pkcs1(&public.encrypt_bare(&good).unwrap()).unwrap();
        assert_eq!(opened.expose(), [b"secret".as_slice(), &[7; 239]].concat());
        let mut wrong: Vec<Vec<u8>> = [(0, 1), (1, 1), (5, 0), (9, 0)]
            .iter()
            .map(|(at, byte)| {
                let mut block = good.clone();
                block[*at] = *byte;
                block
            })
            .collect();
        wrong.push([[0, 2].as_slice(), &[9; 254]].concat());
        for block in wrong {
            let ciphertext = public.encrypt_bare(&block).unwrap();
            let first = key.decrypt_pkcs1(&ciphertext).unwrap();
            assert_eq!(first, key.decrypt_pkcs1(&ciphertext).unwrap());
            assert!(first.len() <= 245);
            assert!(!block.ends_with(first.expose()) || first.is_empty());
        }
    }

    #[test]
    fn lengths_and_numbers_out_of_range_are_refused() {
        let key = PrivateKey::generate(2048, &[1, 0, 1]).unwrap();
        let refusal = key.decrypt_pkcs1(&[1; 255]).unwrap_err().reason();
        assert_eq!(refusal, Reason::EncryptedLength);
        let refusal = key.decrypt_pkcs1(&[0xFF; 256]).unwrap_err().reason();
        assert_eq!(refusal, Reason::EncryptedInvalid);
    }
}
