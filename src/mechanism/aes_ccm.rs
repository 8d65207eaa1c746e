//! `CKM_AES_CCM`: PKCS#11 3.1, "Additional AES Mechanisms". The parameter says beforehand how long the
//! text is, and nothing leaves before all of it has come.

use super::aes::{aes, key};
use super::one_shot::{Accumulator, Compute};
use super::row::row;
use super::{MechanismRow, Params, ParamsShape, Transform};
use crate::error::{Reason, Result};
use crate::key::UsableKey;
use crate::lc::ccm::{self, CcmParams, MAX_PLAINTEXT};
use crate::secret::Secret;

pub(super) const CCM: MechanismRow = MechanismRow {
    params: ParamsShape::Ccm,
    encrypt: Some(encrypt),
    decrypt: Some(decrypt),
    // A shorter tag would let an attacker try as many forgeries at once as there are versions.
    tells_versions: |params| matches!(params, Params::Ccm { tag_len: 12.., .. }),
    ..aes(row!(CKM_AES_CCM))
};

/// The parameter, checked against NIST SP 800-38C, A.1.
#[derive(Clone)]
struct Message {
    text_len: usize,
    nonce: Vec<u8>,
    aad: Vec<u8>,
    tag_len: usize,
}

impl Message {
    fn of(params: &Params) -> Result<Self> {
        let Params::Ccm { data_len, nonce, aad, tag_len } = params else {
            return Err(Reason::MechanismParam.into());
        };
        let wrong = |what| Reason::MechanismParam.detail(what);
        if !(7..=13).contains(&nonce.len()) {
            return Err(wrong("the nonce's length"));
        }
        if !matches!(tag_len, 4 | 6 | 8 | 10 | 12 | 14 | 16) {
            return Err(wrong("the MAC's length"));
        }
        // The text's length stands in what the nonce leaves of a block.
        let most = 1_u64.checked_shl(8 * (15 - nonce.len() as u32)).unwrap_or(u64::MAX);
        if *data_len >= most.min(MAX_PLAINTEXT as u64) {
            return Err(wrong("the data's length"));
        }
        let (nonce, aad) = (nonce.clone(), aad.clone());
        Ok(Self { text_len: *data_len as usize, nonce, aad, tag_len: *tag_len as usize })
    }

    fn ccm_params(&self) -> CcmParams<'_> {
        CcmParams { nonce: &self.nonce, aad: &self.aad, tag_len: self.tag_len }
    }
}

fn encrypt(usable: &UsableKey, params: &Params) -> Result<Box<dyn Transform>> {
    let (message, usable) = (Message::of(params)?, usable.clone());
    key(&usable)?;
    let size = message.text_len + message.tag_len;
    let input = Accumulator::message(message.text_len, Reason::DataLength);
    Ok(Box::new(Compute::new(input, size, move |text| {
        if text.len() != message.text_len {
            return Err(Reason::DataLength.into());
        }
        let mut sealed = Secret::new(vec![0; size]);
        ccm::seal(key(&usable)?, &message.ccm_params(), text, sealed.expose_mut())?;
        Ok(sealed)
    })))
}

fn decrypt(usable: &UsableKey, params: &Params) -> Result<Box<dyn Transform>> {
    let (message, usable) = (Message::of(params)?, usable.clone());
    key(&usable)?;
    let whole = message.text_len + message.tag_len;
    let input = Accumulator::message(whole, Reason::EncryptedLength);
    Ok(Box::new(Compute::new(input, message.text_len, move |sealed| {
        if sealed.len() != whole {
            return Err(Reason::EncryptedLength.into());
        }
        let mut text = Secret::new(vec![0; message.text_len]);
        ccm::open(key(&usable)?, &message.ccm_params(), sealed, text.expose_mut())?;
        Ok(text)
    })))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::key::Usage;
    use crate::mechanism::tests::{aes, whole};

    fn params(data_len: u64, nonce: usize, tag_len: u64) -> Params {
        Params::Ccm { data_len, nonce: vec![1; nonce], aad: b"header".to_vec(), tag_len }
    }

    fn refusal(params: &Params, text: &[u8]) -> Reason {
        let begun = encrypt(&aes(&[1; 16], Usage::Encrypt), params);
        let sealed = begun.and_then(|mut begun| whole(begun.as_mut(), text));
        sealed.unwrap_err().reason()
    }

    #[test]
    fn what_ccm_does_not_have_is_refused() {
        for (data_len, nonce, tag_len) in [
            (5, 6, 16),
            (5, 14, 16),
            (5, 12, 5),
            (5, 12, 2),
            (5, 12, 18),
            (1 << 16, 13, 16),
            (u64::MAX, 7, 8),
        ] {
            let refusal = refusal(&params(data_len, nonce, tag_len), b"hello");
            assert_eq!(refusal, Reason::MechanismParam, "{data_len} {nonce} {tag_len}");
        }
    }

    #[test]
    fn an_older_version_opens_what_it_sealed_if_the_tag_is_long_enough_to_tell() {
        let older = |usage| aes(&[2; 16], usage);
        let rotated = aes(&[1; 16], Usage::Decrypt).with_older(vec![older(Usage::Decrypt)]);
        for tag_len in [12, 16] {
            let params = params(5, 12, tag_len);
            let mut sealing = encrypt(&older(Usage::Encrypt), &params).unwrap();
            let sealed = whole(sealing.as_mut(), b"hello").unwrap();
            let mut opening = CCM.begin_decrypt(&rotated, &params).unwrap();
            assert_eq!(whole(opening.as_mut(), &sealed).unwrap(), b"hello");
        }
        let short = CCM.begin_decrypt(&rotated, &params(5, 12, 10)).err().unwrap();
        assert_eq!(short.reason(), Reason::KeyNotPermitted);
    }

    #[test]
    fn a_text_of_another_length_than_announced_is_refused() {
        for announced in [4, 6] {
            assert_eq!(refusal(&params(announced, 12, 16), b"hello"), Reason::DataLength);
        }
        let open = |sealed: &[u8]| {
            let begun = decrypt(&aes(&[1; 16], Usage::Decrypt), &params(5, 12, 16));
            whole(begun.unwrap().as_mut(), sealed).unwrap_err().reason()
        };
        assert_eq!(
            (open(&[0; 20]), open(&[0; 22])),
            (Reason::EncryptedLength, Reason::EncryptedLength)
        );
        assert_eq!(open(&[0; 21]), Reason::EncryptedInvalid);
    }
}
