//! `CKM_AES_ECB`, `CKM_AES_CBC` and `CKM_AES_CBC_PAD`: PKCS#11 3.1, "AES".
//!
//! One [`Blocks`] does all three in both directions: it passes whole blocks on and keeps the rest;
//! a padded decryption also keeps the last whole block, which may be padding.

use super::aes::{aes, iv, key};
use super::row::row;
use super::{MechanismRow, Params, ParamsShape, Setting, Transform};
use crate::error::{Reason, Result};
use crate::key::UsableKey;
use crate::lc::aes::{AesKey, BLOCK, Cipher, Direction, Mode};
use crate::secret::Secret;
use subtle::{ConditionallySelectable, ConstantTimeEq, ConstantTimeLess};
use zeroize::{Zeroize, Zeroizing};

pub(super) const ECB: MechanismRow = MechanismRow {
    encrypt: Some(|key, params| Blocks::begin(ecb(key, params, Direction::Encrypt)?, false)),
    decrypt: Some(|key, params| Blocks::begin(ecb(key, params, Direction::Decrypt)?, false)),
    ..aes(row!(CKM_AES_ECB))
};

pub(super) const CBC: MechanismRow = MechanismRow {
    params: ParamsShape::Bytes,
    encrypt: Some(|key, params| Blocks::begin(cbc(key, params, Direction::Encrypt)?, false)),
    decrypt: Some(|key, params| Blocks::begin(cbc(key, params, Direction::Decrypt)?, false)),
    wrap: Some(|key, params, material| wrap(key, params, material, false)),
    unwrap: Some(|key, params, wrapped| unwrap(key, params, wrapped, false)),
    unwrapped: |_, wrapped| {
        let whole = wrapped > 0 && wrapped.is_multiple_of(BLOCK);
        whole.then(|| wrapped - BLOCK + 1..=wrapped)
    },
    // A caller who may unwrap a blob may change it first, so that what is in it comes out as another key.
    wraps_by: Some(Setting::MixedWrapping),
    unwraps_by: Some(Setting::MixedWrapping),
    pads_with_zeros: Some(BLOCK),
    ..aes(row!(CKM_AES_CBC))
};

pub(super) const CBC_PAD: MechanismRow = MechanismRow {
    params: ParamsShape::Bytes,
    encrypt: Some(|key, params| Blocks::begin(cbc(key, params, Direction::Encrypt)?, true)),
    decrypt: Some(|key, params| Blocks::begin(cbc(key, params, Direction::Decrypt)?, true)),
    wrap: Some(|key, params, material| wrap(key, params, material, true)),
    unwrap: Some(|key, params, wrapped| unwrap(key, params, wrapped, true)),
    unwrapped: |_, wrapped| {
        let whole = wrapped > 0 && wrapped.is_multiple_of(BLOCK);
        whole.then(|| wrapped - BLOCK..=wrapped - 1)
    },
    ..aes(row!(CKM_AES_CBC_PAD))
};

fn ecb(usable: &UsableKey, params: &Params, direction: Direction) -> Result<(Cipher, Direction)> {
    match params {
        Params::None => Ok((key(usable)?.cipher(Mode::Ecb, direction, &[])?, direction)),
        _ => Err(Reason::MechanismParam.into()),
    }
}

fn cbc(usable: &UsableKey, params: &Params, direction: Direction) -> Result<(Cipher, Direction)> {
    Ok((key(usable)?.cipher(Mode::Cbc, direction, iv(params)?)?, direction))
}

struct Blocks {
    cipher: Cipher,
    direction: Direction,
    padded: bool,
    /// Input that waits for the rest of its block, or for what follows it.
    kept: Zeroizing<[u8; BLOCK]>,
    kept_len: usize,
}

impl Blocks {
    fn begin((cipher, direction): (Cipher, Direction), padded: bool) -> Result<Box<dyn Transform>> {
        let kept = Zeroizing::new([0; BLOCK]);
        Ok(Box::new(Self { cipher, direction, padded, kept, kept_len: 0 }))
    }

    fn unpads(&self) -> bool {
        self.padded && self.direction == Direction::Decrypt
    }

    /// The failure of a message whose length does not fit.
    fn misfit(&self) -> Reason {
        match self.direction {
            Direction::Encrypt => Reason::DataLength,
            Direction::Decrypt => Reason::EncryptedLength,
        }
    }

    fn keep(&mut self, input: &[u8]) -> Result<()> {
        let end = self.kept_len + input.len();
        let room = self.kept.get_mut(self.kept_len..end).ok_or(Reason::General)?;
        room.copy_from_slice(input);
        self.kept_len = end;
        Ok(())
    }

    /// Decrypts the last block, which is kept, and writes it without its padding.
    fn unpad(&mut self, output: &mut [u8]) -> Result<usize> {
        if self.kept_len != BLOCK {
            return Err(Reason::EncryptedLength.into());
        }
        let mut last = Zeroizing::new([0; BLOCK]);
        self.cipher.update(self.kept.as_slice(), last.as_mut_slice())?;
        let len = unpadded(&last).ok_or(Reason::EncryptedInvalid)?;
        let text = last.get(..len).ok_or(Reason::General)?;
        output.get_mut(..len).ok_or(Reason::BufferTooSmall)?.copy_from_slice(text);
        Ok(len)
    }
}

impl Transform for Blocks {
    fn update_len(&self, input: usize) -> usize {
        let all = self.kept_len.saturating_add(input);
        let holdable = if self.unpads() { all.saturating_sub(1) } else { all };
        holdable - holdable % BLOCK
    }

    fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        let ready = self.update_len(input.len());
        if ready == 0 {
            self.keep(input)?;
            return Ok(0);
        }
        let output = output.get_mut(..ready).ok_or(Reason::BufferTooSmall)?;
        let mut input = input;
        let mut rest = output;
        if self.kept_len > 0 {
            let (head, tail) =
                input.split_at_checked(BLOCK - self.kept_len).ok_or(Reason::General)?;
            let (first, others) = rest.split_at_mut_checked(BLOCK).ok_or(Reason::General)?;
            self.keep(head)?;
            self.cipher.update(self.kept.as_slice(), first)?;
            self.kept_len = 0;
            (input, rest) = (tail, others);
        }
        let (whole, tail) = input.split_at_checked(rest.len()).ok_or(Reason::General)?;
        self.cipher.update(whole, rest)?;
        self.keep(tail)?;
        Ok(ready)
    }

    fn finish_len(&self) -> usize {
        match (self.padded, self.direction) {
            (false, _) => 0,
            (true, Direction::Encrypt) => BLOCK,
            (true, Direction::Decrypt) => BLOCK - 1,
        }
    }

    fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        if self.unpads() {
            return self.unpad(output);
        }
        if !self.padded {
            return if self.kept_len == 0 { Ok(0) } else { Err(self.misfit().into()) };
        }
        let missing = BLOCK - self.kept_len;
        self.kept.iter_mut().skip(self.kept_len).for_each(|byte| *byte = missing as u8);
        self.cipher.update(self.kept.as_slice(), output)?;
        Ok(BLOCK)
    }

    fn whole_len(&self, input: usize) -> usize {
        match (self.padded, self.direction) {
            (false, _) => input,
            (true, Direction::Encrypt) => (input - input % BLOCK).saturating_add(BLOCK),
            (true, Direction::Decrypt) => input.saturating_sub(1),
        }
    }

    fn whole(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        let padding_fits = !self.unpads() || !input.is_empty();
        let blocks_fit = self.padded && self.direction == Direction::Encrypt
            || input.len().is_multiple_of(BLOCK);
        if !padding_fits || !blocks_fit {
            return Err(self.misfit().into());
        }
        let ready = self.update(input, output)?;
        let finished = self.finish(output.get_mut(ready..).ok_or(Reason::BufferTooSmall)?);
        if finished.is_err() {
            output.zeroize();
        }
        Ok(ready + finished?)
    }
}

/// Returns the number of bytes of a last block without its PKCS#7 padding (RFC 5652, 6.3), in
/// constant time.
fn unpadded(block: &[u8; BLOCK]) -> Option<usize> {
    let [.., padding] = *block;
    let mut fits = !padding.ct_eq(&0) & padding.ct_lt(&(BLOCK as u8 + 1));
    for (from_end, byte) in (0_u8..).zip(block.iter().rev()) {
        fits &= byte.ct_eq(&padding) | !from_end.ct_lt(&padding);
    }
    let len = u8::conditional_select(&0, &(BLOCK as u8).wrapping_sub(padding), fits);
    bool::from(fits).then_some(usize::from(len))
}

fn wrap(usable: &UsableKey, params: &Params, material: &Secret, padded: bool) -> Result<Vec<u8>> {
    let by = wrapping(usable, Reason::WrappingKeyType)?;
    let cipher = by.cipher(Mode::Cbc, Direction::Encrypt, iv(params)?)?;
    let mut blocks = Blocks::begin((cipher, Direction::Encrypt), padded)?;
    let mut wrapped = vec![0; blocks.whole_len(material.len())];
    // Of a bound key no zeros are added.
    let len = blocks.whole(material.expose(), &mut wrapped).map_err(|_| Reason::KeySizeRange)?;
    wrapped.truncate(len);
    Ok(wrapped)
}

fn unwrap(usable: &UsableKey, params: &Params, wrapped: &[u8], padded: bool) -> Result<Secret> {
    let by = wrapping(usable, Reason::UnwrappingKeyType)?;
    let cipher = by.cipher(Mode::Cbc, Direction::Decrypt, iv(params)?)?;
    if wrapped.is_empty() || !wrapped.len().is_multiple_of(BLOCK) {
        return Err(Reason::WrappedInvalid.into());
    }
    let mut blocks = Blocks::begin((cipher, Direction::Decrypt), padded)?;
    let mut material = Secret::new(vec![0; wrapped.len()]);
    match blocks.whole(wrapped, material.expose_mut()) {
        Ok(0) | Err(_) => Err(Reason::WrappedInvalid.into()),
        Ok(len) => {
            material.truncate(len);
            Ok(material)
        }
    }
}

fn wrapping(usable: &UsableKey, misfit: Reason) -> Result<&AesKey> {
    key(usable).map_err(|_| misfit.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::key::Usage;
    use crate::mechanism::tests::{aes, pieces, whole};

    fn run(row: &MechanismRow, usage: Usage, text: &[u8]) -> Result<Vec<u8>> {
        let begin = if usage == Usage::Encrypt { row.encrypt()? } else { row.decrypt()? };
        let params = match row.params {
            ParamsShape::None => Params::None,
            _ => Params::Bytes(vec![0; BLOCK]),
        };
        let one = whole(begin(&aes(&[1; 32], usage), &params)?.as_mut(), text);
        let many = pieces(begin(&aes(&[1; 32], usage), &params)?.as_mut(), &[text]);
        assert_eq!(one, many);
        one
    }

    #[test]
    fn a_part_of_a_block_is_refused_by_its_own_code() {
        for row in [&ECB, &CBC] {
            let refusal = run(row, Usage::Encrypt, &[0; 17]).unwrap_err().reason();
            assert_eq!(refusal, Reason::DataLength);
            let refusal = run(row, Usage::Decrypt, &[0; 17]).unwrap_err().reason();
            assert_eq!(refusal, Reason::EncryptedLength);
        }
        for len in [0, 15, 17] {
            let refusal = run(&CBC_PAD, Usage::Decrypt, &vec![0; len]).unwrap_err().reason();
            assert_eq!(refusal, Reason::EncryptedLength);
        }
    }

    #[test]
    fn padding_is_right_only_as_a_whole() {
        let mut block = [9; BLOCK];
        for len in 1..=16_u8 {
            block[BLOCK - usize::from(len)..].fill(len);
            assert_eq!(unpadded(&block), Some(BLOCK - usize::from(len)));
            if len > 1 {
                let mut broken = block;
                broken[BLOCK - usize::from(len)] ^= 0x80;
                assert_eq!(unpadded(&broken), None);
            }
        }
        for last in [0, 17, 255] {
            assert_eq!(unpadded(&[last; BLOCK]), None);
        }
    }

    #[test]
    fn the_iv_is_one_block() {
        let key = aes(&[1; 16], Usage::Encrypt);
        for params in [Params::None, Params::Bytes(vec![0; 15]), Params::Bytes(vec![0; 17])] {
            let refusal = CBC.encrypt().unwrap()(&key, &params).err().unwrap();
            assert_eq!(refusal.reason(), Reason::MechanismParam);
        }
    }

    #[test]
    fn a_message_of_another_key_begins_afresh_with_a_kept_context() {
        let key = aes(&[1; 16], Usage::Encrypt);
        let begin = || CBC.encrypt().unwrap()(&key, &Params::Bytes(vec![5; BLOCK])).unwrap();
        let mut unfinished = begin();
        unfinished.update(&[1; 23], &mut [0; 16]).unwrap();
        drop(unfinished);
        let first = whole(begin().as_mut(), &[2; 32]).unwrap();
        assert_eq!(whole(begin().as_mut(), &[2; 32]).unwrap(), first);
    }
}
