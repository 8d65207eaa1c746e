//! AES as a stream cipher: `CKM_AES_CTR` (PKCS#11 3.1, "AES with Counter"), `CKM_AES_OFB` and
//! `CKM_AES_CFB128` ("Additional AES Mechanisms"). What comes out is as long as what goes in.

use super::aes::{aes, iv, key};
use super::row::row;
use super::{MechanismRow, Params, ParamsShape, Transform};
use crate::error::{Reason, Result};
use crate::key::UsableKey;
use crate::lc::aes::{BLOCK, Cipher, Direction, Mode};

pub(super) const CTR: MechanismRow = MechanismRow {
    params: ParamsShape::Ctr,
    encrypt: Some(count),
    decrypt: Some(count),
    ..aes(row!(CKM_AES_CTR))
};

pub(super) const OFB: MechanismRow = MechanismRow {
    params: ParamsShape::Bytes,
    encrypt: Some(|key, params| feed_back(key, params, Mode::Ofb, Direction::Encrypt)),
    decrypt: Some(|key, params| feed_back(key, params, Mode::Ofb, Direction::Encrypt)),
    ..aes(row!(CKM_AES_OFB))
};

pub(super) const CFB128: MechanismRow = MechanismRow {
    params: ParamsShape::Bytes,
    encrypt: Some(|key, params| feed_back(key, params, Mode::Cfb, Direction::Encrypt)),
    decrypt: Some(|key, params| feed_back(key, params, Mode::Cfb, Direction::Decrypt)),
    ..aes(row!(CKM_AES_CFB128))
};

/// A message under way, with as many bytes as it may still have.
struct Stream {
    cipher: Cipher,
    bytes_left: u128,
}

/// Begins a message in counter mode. How far the counter bits go is counted here, because AWS-LC carries
/// into the bits above them. "Any overflow of the counter bits" is `CKR_DATA_LEN_RANGE`, the increment
/// after the last block excepted.
fn count(usable: &UsableKey, params: &Params) -> Result<Box<dyn Transform>> {
    let Params::Ctr { bits, block } = params else {
        return Err(Reason::MechanismParam.into());
    };
    let mask = match u32::try_from(*bits) {
        Ok(bits @ 1..=128) => u128::MAX >> (128 - bits),
        _ => return Err(Reason::MechanismParam.into()),
    };
    let blocks_after_first = mask - (u128::from_be_bytes(*block) & mask);
    let cipher = key(usable)?.cipher(Mode::Ctr, Direction::Encrypt, block)?;
    let bytes_left = blocks_after_first.saturating_add(1).saturating_mul(BLOCK as u128);
    Ok(Box::new(Stream { cipher, bytes_left }))
}

/// Begins a message in a mode that feeds its output back, and so has no end.
fn feed_back(
    usable: &UsableKey,
    params: &Params,
    mode: Mode,
    direction: Direction,
) -> Result<Box<dyn Transform>> {
    let cipher = key(usable)?.cipher(mode, direction, iv(params)?)?;
    Ok(Box::new(Stream { cipher, bytes_left: u128::MAX }))
}

impl Transform for Stream {
    fn update_len(&self, input: usize) -> usize {
        input
    }

    fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        let left = self.bytes_left.checked_sub(input.len() as u128);
        self.bytes_left = left.ok_or(Reason::DataLength)?;
        self.cipher.update(input, output)?;
        Ok(input.len())
    }

    fn finish_len(&self) -> usize {
        0
    }

    fn finish(&mut self, _output: &mut [u8]) -> Result<usize> {
        Ok(0)
    }

    fn whole_len(&self, input: usize) -> usize {
        input
    }

    fn whole(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        self.update(input, output)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::key::Usage;
    use crate::mechanism::tests::{aes, pieces, whole};

    fn counted(bits: u64, low: u8, len: usize) -> Result<Vec<u8>> {
        let mut block = [0; 16];
        block[15] = low;
        let key = aes(&[1; 16], Usage::Encrypt);
        whole(count(&key, &Params::Ctr { bits, block })?.as_mut(), &vec![0; len])
    }

    #[test]
    fn the_specifications_example_takes_three_blocks() {
        assert!(counted(2, 1, 48).is_ok());
        assert_eq!(counted(2, 1, 49).unwrap_err().reason(), Reason::DataLength);
    }

    #[test]
    fn an_overflow_between_parts_is_refused_too() {
        let key = aes(&[1; 16], Usage::Encrypt);
        let params = Params::Ctr { bits: 1, block: [0; 16] };
        let mut counter = count(&key, &params).unwrap();
        let refusal = pieces(counter.as_mut(), &[&[0; 17], &[0; 15], &[0; 1]]).unwrap_err();
        assert_eq!(refusal.reason(), Reason::DataLength);
    }

    #[test]
    fn all_128_bits_may_count_to_their_end_but_not_further() {
        let key = aes(&[1; 16], Usage::Encrypt);
        let params = Params::Ctr { bits: 128, block: [0xFF; 16] };
        assert!(whole(count(&key, &params).unwrap().as_mut(), &[0; 16]).is_ok());
        assert!(whole(count(&key, &params).unwrap().as_mut(), &[0; 17]).is_err());
    }

    #[test]
    fn other_numbers_of_bits_are_refused() {
        for bits in [0, 129, u64::MAX] {
            assert_eq!(counted(bits, 0, 1).unwrap_err().reason(), Reason::MechanismParam);
        }
    }

    #[test]
    fn a_message_begins_with_its_iv_whatever_was_left_of_the_one_before() {
        let key = aes(&[1; 16], Usage::Encrypt);
        for row in [&OFB, &CFB128] {
            let begin = || row.encrypt().unwrap()(&key, &Params::Bytes(vec![5; BLOCK])).unwrap();
            let mut unfinished = begin();
            unfinished.update(&[1; 23], &mut [0; 23]).unwrap();
            drop(unfinished);
            let first = whole(begin().as_mut(), &[2; 33]).unwrap();
            assert_eq!(whole(begin().as_mut(), &[2; 33]).unwrap(), first);
            let decrypt = row.decrypt().unwrap()(&key, &Params::Bytes(vec![5; BLOCK]));
            assert_eq!(whole(decrypt.unwrap().as_mut(), &first).unwrap(), [2; 33]);
            for params in [Params::None, Params::Bytes(vec![0; 15]), Params::Bytes(vec![0; 17])] {
                let refusal = row.encrypt().unwrap()(&key, &params).err().unwrap();
                assert_eq!(refusal.reason(), Reason::MechanismParam);
            }
        }
    }
}
