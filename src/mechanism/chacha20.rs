//! `CKM_CHACHA20_POLY1305` and `CKM_CHACHA20_KEY_GEN`: PKCS#11 3.1, "ChaCha20" and "ChaCha20/Poly1305 and
//! Salsa20/Poly1305 Authenticated Encryption", with nonces of 96 bits (RFC 8439).

use super::aead::{Opening, Opens};
use super::random_key::random_key;
use super::row::row;
use super::{MechanismRow, MessageRow, MessageShape, Params, ParamsShape, Transform};
use crate::error::{Reason, Result};
use crate::key::{Parsed, UsableKey};
use crate::lc::chacha::{
    ChaChaEncryption, ChaChaKey, ChaChaParams, KEY, MAX_PLAINTEXT, NONCE, TAG,
};
use crate::secret::Secret;
use pkcs11_sys::CKK_CHACHA20;

pub(super) const KEY_GEN: MechanismRow =
    MechanismRow { generate: Some(generate), ..chacha20(row!(CKM_CHACHA20_KEY_GEN)) };

pub(super) const POLY1305: MechanismRow = MechanismRow {
    params: ParamsShape::ChaCha,
    encrypt: Some(|key, params| {
        Ok(Box::new(Seal { message: Message::of(key, params)?, parts: None }))
    }),
    decrypt: Some(|key, params| {
        Ok(Box::new(Opening::new(Message::of(key, params)?, MAX_PLAINTEXT)))
    }),
    message: Some(MessageRow {
        shape: MessageShape::ChaCha,
        params: |nonce, aad, _| Params::ChaCha { nonce, aad },
    }),
    tells_versions: |_| true,
    ..chacha20(row!(CKM_CHACHA20_POLY1305))
};

const fn chacha20(row: MechanismRow) -> MechanismRow {
    MechanismRow { key_type: Some(CKK_CHACHA20), key_sizes: (KEY as u64, KEY as u64), ..row }
}

fn generate(params: &Params, len: usize) -> Result<Secret> {
    random_key(params, len, len == KEY)
}

/// A key, and what there is of a message beside its text.
struct Message {
    key: UsableKey,
    nonce: [u8; NONCE],
    aad: Vec<u8>,
}

impl Message {
    fn of(usable: &UsableKey, params: &Params) -> Result<Self> {
        key(usable)?;
        match params {
            Params::ChaCha { nonce, aad } => Ok(Self {
                key: usable.clone(),
                nonce: nonce.as_slice().try_into().map_err(|_| Reason::MechanismParam)?,
                aad: aad.clone(),
            }),
            _ => Err(Reason::MechanismParam.into()),
        }
    }

    fn chacha_params(&self) -> ChaChaParams<'_> {
        ChaChaParams { nonce: &self.nonce, aad: &self.aad }
    }
}

fn key(usable: &UsableKey) -> Result<&ChaChaKey> {
    match &usable.parsed {
        Parsed::ChaCha(key) => Ok(key),
        _ => Err(Reason::KeyTypeInconsistent.into()),
    }
}

/// An encryption. In one step AWS-LC is faster than in parts.
struct Seal {
    message: Message,
    /// The parts so far, once there is one.
    parts: Option<ChaChaEncryption>,
}

impl Seal {
    fn parts(&mut self) -> Result<&mut ChaChaEncryption> {
        if self.parts.is_none() {
            self.parts = Some(key(&self.message.key)?.begin(&self.message.chacha_params())?);
        }
        self.parts.as_mut().ok_or_else(|| Reason::General.into())
    }
}

impl Transform for Seal {
    fn update_len(&self, input: usize) -> usize {
        input
    }

    fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        self.parts()?.update(input, output)?;
        Ok(input.len())
    }

    fn finish_len(&self) -> usize {
        TAG
    }

    fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        self.parts()?.tag(output)?;
        Ok(TAG)
    }

    fn whole_len(&self, input: usize) -> usize {
        input.saturating_add(TAG)
    }

    fn whole(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        let (text, tag) = output.split_at_mut_checked(input.len()).ok_or(Reason::BufferTooSmall)?;
        Ok(self.whole_apart(input, text, tag)? + TAG)
    }

    fn whole_apart(&mut self, input: &[u8], output: &mut [u8], tag: &mut [u8]) -> Result<usize> {
        key(&self.message.key)?.seal(&self.message.chacha_params(), input, output, tag)?;
        Ok(input.len())
    }
}

impl Opens for Message {
    fn overhead(&self) -> usize {
        TAG
    }

    fn open(&mut self, sealed: &[u8], output: &mut [u8]) -> Result<usize> {
        let len = sealed.len().checked_sub(TAG).ok_or(Reason::EncryptedLength)?;
        let (text, tag) = sealed.split_at_checked(len).ok_or(Reason::EncryptedLength)?;
        key(&self.key)?.open(&self.chacha_params(), text, tag, output)?;
        Ok(len)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::key::Usage;
    use crate::mechanism::tests::{pieces, usable, whole};

    fn chacha(byte: u8, usage: Usage) -> UsableKey {
        usable(Parsed::ChaCha(ChaChaKey::new(&[byte; KEY]).unwrap()), usage)
    }

    fn params(nonce: usize) -> Params {
        Params::ChaCha { nonce: vec![2; nonce], aad: b"header".to_vec() }
    }

    fn seal(byte: u8) -> Box<dyn Transform> {
        POLY1305.encrypt().unwrap()(&chacha(byte, Usage::Encrypt), &params(NONCE)).unwrap()
    }

    fn open(byte: u8) -> Box<dyn Transform> {
        POLY1305.decrypt().unwrap()(&chacha(byte, Usage::Decrypt), &params(NONCE)).unwrap()
    }

    #[test]
    fn parts_and_a_whole_have_one_result_and_a_context_begins_anew() {
        for len in [0, 1, 63, 64, 65, 1000] {
            let text = vec![7; len];
            let sealed = whole(seal(1).as_mut(), &text).unwrap();
            let mut unfinished = seal(1);
            unfinished.update(&[9; 70], &mut [0; 70]).unwrap();
            drop(unfinished);
            let (one, other) = text.split_at(len / 3);
            assert_eq!(pieces(seal(1).as_mut(), &[one, other]).unwrap(), sealed);
            assert_eq!(whole(open(1).as_mut(), &sealed).unwrap(), text);
        }
    }

    #[test]
    fn a_forgery_leaves_nothing_in_the_output() {
        let mut sealed = whole(seal(1).as_mut(), &[7; 40]).unwrap();
        sealed[3] ^= 1;
        let mut output = [0xEE; 40];
        let refusal = open(1).whole(&sealed, &mut output).unwrap_err();
        assert_eq!((refusal.reason(), output), (Reason::EncryptedInvalid, [0; 40]));
        let refusal = whole(open(1).as_mut(), &[0; 15]).unwrap_err();
        assert_eq!(refusal.reason(), Reason::EncryptedLength);
    }

    #[test]
    fn a_nonce_has_twelve_bytes() {
        let key = chacha(1, Usage::Encrypt);
        for params in [params(0), params(8), params(11), params(13), params(24), Params::None] {
            let refusal = POLY1305.encrypt().unwrap()(&key, &params).err().unwrap();
            assert_eq!(refusal.reason(), Reason::MechanismParam);
        }
    }

    #[test]
    fn an_older_version_opens_what_it_sealed() {
        let sealed = whole(seal(2).as_mut(), &[7; 40]).unwrap();
        let rotated = chacha(1, Usage::Decrypt).with_older(vec![chacha(2, Usage::Decrypt)]);
        let mut opening = POLY1305.begin_decrypt(&rotated, &params(NONCE)).unwrap();
        assert_eq!(whole(opening.as_mut(), &sealed).unwrap(), [7; 40]);
    }
}
