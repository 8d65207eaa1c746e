//! `CKM_AES_GCM`: PKCS#11 3.1, "Additional AES Mechanisms".
//!
//! A decryption releases nothing before the tag has been checked: it keeps the ciphertext.

use super::aes::{aes, key};
use super::row::row;
use super::{Params, ParamsShape, Row, Transform};
use crate::error::{Reason, Result};
use crate::key::UsableKey;
use crate::lc::aes::{Cipher, Direction, Mode};
use zeroize::Zeroize;

pub(super) const GCM: Row = Row {
    params: ParamsShape::Gcm,
    encrypt: Some(|key, params| Ok(Box::new(Seal(begin(key, params, Direction::Encrypt)?)))),
    decrypt: Some(|key, params| {
        Ok(Box::new(Open { message: begin(key, params, Direction::Decrypt)?, held: Vec::new() }))
    }),
    ..aes(row!(CKM_AES_GCM))
};

/// NIST SP 800-38D, 5.2.1.1: the plaintext's bound, in bytes.
const MAX_MESSAGE: u64 = (1 << 36) - 32;

struct Message {
    cipher: Cipher,
    tag_len: usize,
}

fn begin(usable: &UsableKey, params: &Params, direction: Direction) -> Result<Message> {
    let Params::Gcm { iv, aad, tag_bits } = params else {
        return Err(Reason::MechanismParam.into());
    };
    let tag_len = match tag_bits {
        32 => 4,
        64 => 8,
        96 => 12,
        104 => 13,
        112 => 14,
        120 => 15,
        128 => 16,
        _ => return Err(Reason::MechanismParam.into()),
    };
    let mut cipher = key(usable)?.cipher(Mode::Gcm, direction, iv)?;
    cipher.associate(aad)?;
    Ok(Message { cipher, tag_len })
}

struct Seal(Message);

impl Transform for Seal {
    fn update_len(&self, input: usize) -> usize {
        input
    }

    fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        self.0.cipher.update(input, output)?;
        Ok(input.len())
    }

    fn finish_len(&self) -> usize {
        self.0.tag_len
    }

    fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        let tag_len = self.0.tag_len;
        self.0.cipher.tag(output.get_mut(..tag_len).ok_or(Reason::BufferTooSmall)?)?;
        Ok(tag_len)
    }

    fn whole_len(&self, input: usize) -> usize {
        input.saturating_add(self.0.tag_len)
    }

    fn whole(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        let (text, tag) = output.split_at_mut_checked(input.len()).ok_or(Reason::BufferTooSmall)?;
        self.update(input, text)?;
        Ok(input.len() + self.finish(tag)?)
    }
}

struct Open {
    message: Message,
    held: Vec<u8>,
}

impl Message {
    fn open(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        let len = input.len().checked_sub(self.tag_len).ok_or(Reason::EncryptedLength)?;
        let (text, tag) = input.split_at_checked(len).ok_or(Reason::EncryptedLength)?;
        let output = output.get_mut(..len).ok_or(Reason::BufferTooSmall)?;
        let opened = self.cipher.update(text, output).and_then(|()| self.cipher.check(tag));
        if let Err(cause) = opened {
            output.zeroize();
            return Err(cause);
        }
        Ok(len)
    }
}

impl Transform for Open {
    fn update_len(&self, _input: usize) -> usize {
        0
    }

    fn update(&mut self, input: &[u8], _output: &mut [u8]) -> Result<usize> {
        if (self.held.len() as u64).saturating_add(input.len() as u64) > MAX_MESSAGE + 16 {
            return Err(Reason::EncryptedLength.into());
        }
        self.held.try_reserve(input.len()).map_err(|_| Reason::HostMemory)?;
        self.held.extend_from_slice(input);
        Ok(0)
    }

    fn finish_len(&self) -> usize {
        self.held.len().saturating_sub(self.message.tag_len)
    }

    fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        self.message.open(&self.held, output)
    }

    fn whole_len(&self, input: usize) -> usize {
        input.saturating_sub(self.message.tag_len)
    }

    fn whole(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        self.message.open(input, output)
    }
}
