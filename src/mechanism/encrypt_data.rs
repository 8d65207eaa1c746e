//! Keys that are encrypted data: PKCS#11 3.1, "Key derivation by data encryption - DES & AES".

use super::row::row;
use super::{MechanismRow, Params, ParamsShape, Tells, aes};
use crate::error::{Reason, Result};
use crate::key::UsableKey;
use crate::lc::aes::{BLOCK, Direction, Mode};
use crate::secret::Secret;

pub(super) const ECB: MechanismRow = MechanismRow {
    params: ParamsShape::Data,
    derive: Some(derive),
    tells: Tells::Ciphertext,
    ..aes::aes(row!(CKM_AES_ECB_ENCRYPT_DATA))
};

pub(super) const CBC: MechanismRow = MechanismRow {
    params: ParamsShape::CbcData,
    derive: Some(derive),
    tells: Tells::Ciphertext,
    ..aes::aes(row!(CKM_AES_CBC_ENCRYPT_DATA))
};

/// Encrypts whole blocks, of which a shorter key is the beginning.
fn derive(usable: &UsableKey, _: Option<&Secret>, params: &Params, len: usize) -> Result<Secret> {
    let key = aes::key(usable)?;
    let (mode, iv, data) = match params {
        Params::Data(data) => (Mode::Ecb, &[][..], data),
        Params::CbcData { iv, data } => (Mode::Cbc, &iv[..], data),
        _ => return Err(Reason::MechanismParam.into()),
    };
    if data.is_empty() || !data.len().is_multiple_of(BLOCK) {
        return Err(Reason::MechanismParam.detail("the data is no whole number of blocks"));
    }
    if len > data.len() {
        return Err(Reason::KeySizeRange.detail("more bytes than are encrypted"));
    }
    let mut made = Secret::new(vec![0; data.len()]);
    key.cipher(mode, Direction::Encrypt, iv)?.update(data, made.expose_mut())?;
    if len != 0 {
        made.truncate(len);
    }
    Ok(made)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::key::Usage;
    use crate::mechanism::tests::aes;

    #[test]
    fn data_that_is_no_whole_number_of_blocks_and_lengths_beyond_it_are_refused() {
        let key = aes(&[1; 16], Usage::Derive);
        for (data, len, reason) in [
            (0, 0, Reason::MechanismParam),
            (15, 0, Reason::MechanismParam),
            (33, 0, Reason::MechanismParam),
            (16, 17, Reason::KeySizeRange),
        ] {
            let refusal = derive(&key, None, &Params::Data(vec![2; data]), len).unwrap_err();
            assert_eq!(refusal.reason(), reason, "{data} {len}");
        }
        let whole = derive(&key, None, &Params::Data(vec![2; 32]), 0).unwrap();
        let short = derive(&key, None, &Params::Data(vec![2; 32]), 24).unwrap();
        assert_eq!(whole.len(), 32);
        assert!(whole.expose().starts_with(short.expose()) && short.len() == 24);
    }
}
