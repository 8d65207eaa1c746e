//! `CKM_AES_GCM`: PKCS#11 3.1, "Additional AES Mechanisms".

use super::aead::{Opening, Opens};
use super::aes::{aes, key};
use super::row::row;
use super::{MechanismRow, MessageRow, MessageShape, Params, ParamsShape, Transform};
use crate::error::{Reason, Result};
use crate::key::UsableKey;
use crate::lc::aes::{Cipher, Direction, Mode};
use crate::secret::Secret;
use zeroize::Zeroize;

pub(super) const GCM: MechanismRow = MechanismRow {
    params: ParamsShape::Gcm,
    encrypt: Some(|key, params| Ok(Box::new(Seal(begin(key, params, Direction::Encrypt)?)))),
    decrypt: Some(|key, params| {
        Ok(Box::new(Opening::new(begin(key, params, Direction::Decrypt)?, MAX_PLAINTEXT)))
    }),
    message: Some(MessageRow {
        shape: MessageShape::Gcm,
        params: |iv, aad, tag_bits| Params::Gcm { iv, aad, tag_bits },
    }),
    wrap: Some(wrap),
    unwrap: Some(unwrap),
    unwrapped: |_, wrapped| {
        let tags = SHORTEST_TAG_OF_KEYS..=LONGEST_TAG;
        Some(wrapped.saturating_sub(*tags.end())..=wrapped.checked_sub(*tags.start())?)
    },
    authenticated: true,
    is_keystream: true,
    // A shorter tag would let an attacker try as many forgeries at once as there are versions.
    tells_versions: |params| matches!(params, Params::Gcm { tag_bits: 96.., .. }),
    ..aes(row!(CKM_AES_GCM))
};

/// NIST SP 800-38D, 5.2.1.1: the plaintext's bound, in bytes.
pub(super) const MAX_PLAINTEXT: u64 = (1 << 36) - 32;

/// The shortest tag of a wrapped key, in bytes: who may try as often as they like finds a shorter one.
const SHORTEST_TAG_OF_KEYS: usize = 12;

/// The longest tag, in bytes.
const LONGEST_TAG: usize = 16;

struct Message {
    cipher: Cipher,
    tag_len: usize,
}

/// The length in bytes of a tag of so many bits (NIST SP 800-38D, 5.2.1.2), or `MechanismParam`.
pub(super) fn tag_len(bits: u64) -> Result<usize> {
    match bits {
        32 => Ok(4),
        64 => Ok(8),
        96 => Ok(12),
        104 => Ok(13),
        112 => Ok(14),
        120 => Ok(15),
        128 => Ok(16),
        _ => Err(Reason::MechanismParam.into()),
    }
}

fn begin(usable: &UsableKey, params: &Params, direction: Direction) -> Result<Message> {
    let Params::Gcm { iv, aad, tag_bits } = params else {
        return Err(Reason::MechanismParam.into());
    };
    let tag_len = tag_len(*tag_bits)?;
    let mut cipher = key(usable)?.cipher(Mode::Gcm, direction, iv)?;
    cipher.associate(aad)?;
    Ok(Message { cipher, tag_len })
}

/// Begins to wrap or to unwrap a key.
fn begin_key(usable: &UsableKey, params: &Params, direction: Direction) -> Result<Message> {
    key(usable).map_err(|_| match direction {
        Direction::Encrypt => Reason::WrappingKeyType,
        Direction::Decrypt => Reason::UnwrappingKeyType,
    })?;
    let message = begin(usable, params, direction)?;
    match message.tag_len < SHORTEST_TAG_OF_KEYS {
        true => Err(Reason::MechanismParam.detail("a wrapped key's tag has 96 bits or more")),
        false => Ok(message),
    }
}

/// Wraps key bytes; the tag stands behind them.
fn wrap(usable: &UsableKey, params: &Params, material: &Secret) -> Result<Vec<u8>> {
    let message = begin_key(usable, params, Direction::Encrypt)?;
    let mut wrapped = vec![0; material.len() + message.tag_len];
    Seal(message).whole(material.expose(), &mut wrapped)?;
    Ok(wrapped)
}

fn unwrap(usable: &UsableKey, params: &Params, wrapped: &[u8]) -> Result<Secret> {
    let mut message = begin_key(usable, params, Direction::Decrypt)?;
    let mut material = Secret::new(vec![0; wrapped.len().saturating_sub(message.tag_len)]);
    message.open(wrapped, material.expose_mut()).map_err(|_| Reason::WrappedInvalid)?;
    Ok(material)
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

impl Opens for Message {
    fn overhead(&self) -> usize {
        self.tag_len
    }

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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::key::Usage;
    use crate::mechanism::tests::{aes, whole};

    fn params(iv: &[u8], tag_bits: u64) -> Params {
        Params::Gcm { iv: iv.to_vec(), aad: b"header".to_vec(), tag_bits }
    }

    fn seal(params: &Params) -> Vec<u8> {
        let key = aes(&[1; 32], Usage::Encrypt);
        let begin = GCM.encrypt().unwrap();
        whole(begin(&key, params).unwrap().as_mut(), &[7; 40]).unwrap()
    }

    fn open(params: &Params) -> Box<dyn Transform> {
        GCM.decrypt().unwrap()(&aes(&[1; 32], Usage::Decrypt), params).unwrap()
    }

    #[test]
    fn a_forgery_leaves_nothing_in_the_output() {
        let params = params(&[2; 12], 128);
        let mut sealed = seal(&params);
        sealed[3] ^= 1;
        let mut output = [0xEE; 40];
        let refusal = open(&params).whole(&sealed, &mut output).unwrap_err();
        assert_eq!((refusal.reason(), output), (Reason::EncryptedInvalid, [0; 40]));
    }

    #[test]
    fn parts_release_nothing_before_the_end() {
        let params = params(&[2; 12], 128);
        let sealed = seal(&params);
        let mut opening = open(&params);
        assert_eq!(opening.update_len(30), 0);
        assert_eq!(opening.update(&sealed[..30], &mut []).unwrap(), 0);
        assert_eq!(opening.update(&sealed[30..], &mut []).unwrap(), 0);
        let mut output = [0; 40];
        assert_eq!(opening.finish(&mut output).unwrap(), 40);
        assert_eq!(output, [7; 40]);
    }

    #[test]
    fn every_tag_length_of_nist_opens_and_no_other_begins() {
        let key = aes(&[1; 32], Usage::Encrypt);
        for tag_bits in 0..=136 {
            let params = params(&[2; 12], tag_bits);
            if [32, 64, 96, 104, 112, 120, 128].contains(&tag_bits) {
                let sealed = seal(&params);
                assert_eq!(sealed.len() as u64, 40 + tag_bits / 8);
                assert_eq!(whole(open(&params).as_mut(), &sealed).unwrap(), [7; 40]);
            } else {
                let refusal = GCM.encrypt().unwrap()(&key, &params).err().unwrap();
                assert_eq!(refusal.reason(), Reason::MechanismParam, "{tag_bits}");
            }
        }
    }

    #[test]
    fn keys_are_wrapped_with_long_tags_only() {
        let material = Secret::from(&[7; 24][..]);
        for tag_bits in [32, 64, 96, 104, 112, 120, 128] {
            let params = params(&[2; 12], tag_bits);
            let wrapped = wrap(&aes(&[1; 32], Usage::Wrap), &params, &material);
            let by = aes(&[1; 32], Usage::Unwrap);
            if tag_bits < 96 {
                assert_eq!(wrapped.unwrap_err().reason(), Reason::MechanismParam);
                let refusal = unwrap(&by, &params, &[0; 40]).unwrap_err();
                assert_eq!(refusal.reason(), Reason::MechanismParam);
                continue;
            }
            let wrapped = wrapped.unwrap();
            assert_eq!(unwrap(&by, &params, &wrapped).unwrap(), material);
            assert!((GCM.unwrapped)(&by, wrapped.len()).unwrap().contains(&24));
        }
        let by = aes(&[1; 32], Usage::Unwrap);
        assert_eq!((GCM.unwrapped)(&by, 11), None);
    }

    #[test]
    fn one_context_serves_ivs_of_changing_lengths() {
        let key = aes(&[1; 32], Usage::Encrypt);
        for len in [12, 300, 1, 16, 17, 12] {
            let params = params(&vec![4; len], 128);
            let begin = GCM.encrypt().unwrap();
            let sealed = whole(begin(&key, &params).unwrap().as_mut(), &[7; 40]).unwrap();
            assert_eq!(sealed, seal(&params), "{len}");
        }
        assert!(GCM.encrypt().unwrap()(&key, &params(&[], 128)).is_err());
    }

    #[test]
    fn a_message_shorter_than_its_tag_is_refused() {
        let refusal = whole(open(&params(&[2; 12], 128)).as_mut(), &[0; 15]).unwrap_err();
        assert_eq!(refusal.reason(), Reason::EncryptedLength);
    }
}
