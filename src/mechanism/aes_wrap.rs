//! `CKM_AES_KEY_WRAP`, `_KWP` and `_PAD`: PKCS#11 3.1, "AES Key Wrap". `_PAD` gives the same bytes as `_KWP`.
//!
//! They encrypt and decrypt data too. What decrypts so opens wrapped keys: the flags that part wrapping from
//! decrypting hold for it as for any other cipher, and a key that is bound does neither, since it may be
//! confined to these mechanisms so that nothing but keys comes out of it.

use super::aes::{aes, key};
use super::one_shot::{Accumulator, Compute};
use super::row::row;
use super::{MechanismRow, Params, ParamsShape, Transform, Unwrap, Wrap};
use crate::error::{Reason, Result};
use crate::key::UsableKey;
use crate::lc::aes::AesKey;
use crate::lc::kw;
use crate::secret::Secret;

pub(super) const KEY_WRAP: MechanismRow = MechanismRow {
    params: ParamsShape::Bytes,
    encrypt: Some(|key, params| {
        initial(key, params)?;
        encrypt(key, params, wrap)
    }),
    decrypt: Some(|key, params| {
        initial(key, params)?;
        decrypt(key, params, (unwrap, 3))
    }),
    wrap: Some(wrap),
    unwrap: Some(unwrap),
    unwrapped: |_, wrapped| kw::unwrapped(3, wrapped),
    authenticated: true,
    pads_with_zeros: Some(8),
    tells_versions: |_| true,
    ..aes(row!(CKM_AES_KEY_WRAP))
};

pub(super) const KEY_WRAP_PAD: MechanismRow = padded(row!(CKM_AES_KEY_WRAP_PAD));

pub(super) const KEY_WRAP_KWP: MechanismRow = padded(row!(CKM_AES_KEY_WRAP_KWP));

const fn padded(row: MechanismRow) -> MechanismRow {
    MechanismRow {
        params: ParamsShape::Bytes,
        encrypt: Some(|key, params| {
            first_half(key, params)?;
            encrypt(key, params, wrap_padded)
        }),
        decrypt: Some(|key, params| {
            first_half(key, params)?;
            decrypt(key, params, (unwrap_padded, 2))
        }),
        wrap: Some(wrap_padded),
        unwrap: Some(unwrap_padded),
        unwrapped: |_, wrapped| kw::unwrapped(2, wrapped),
        authenticated: true,
        tells_versions: |_| true,
        ..aes(row)
    }
}

fn wrap(usable: &UsableKey, params: &Params, material: &Secret) -> Result<Vec<u8>> {
    kw::wrap(by(usable, Reason::WrappingKeyType)?, initial(usable, params)?, material.expose())
}

fn unwrap(usable: &UsableKey, params: &Params, wrapped: &[u8]) -> Result<Secret> {
    kw::unwrap(by(usable, Reason::UnwrappingKeyType)?, initial(usable, params)?, wrapped)
}

fn wrap_padded(usable: &UsableKey, params: &Params, material: &Secret) -> Result<Vec<u8>> {
    let by = by(usable, Reason::WrappingKeyType)?;
    match first_half(usable, params)? {
        None => kw::wrap_padded(by, material.expose()),
        Some(first) => kw::wrap_padded_with(by, first, material),
    }
}

fn unwrap_padded(usable: &UsableKey, params: &Params, wrapped: &[u8]) -> Result<Secret> {
    let by = by(usable, Reason::UnwrappingKeyType)?;
    match first_half(usable, params)? {
        None => kw::unwrap_padded(by, wrapped),
        Some(first) => kw::unwrap_padded_with(by, first, wrapped),
    }
}

/// Begins an encryption of data, which gives what wrapping them gives.
fn encrypt(usable: &UsableKey, params: &Params, wrap: Wrap) -> Result<Box<dyn Transform>> {
    takes_data(usable)?;
    let (usable, params) = (usable.clone(), params.clone());
    let input = Accumulator::message(kw::MAX_KEY, Reason::DataLength);
    let size = |len: usize| len.next_multiple_of(8).saturating_add(8);
    Ok(Box::new(Compute::sized(input, size, move |data| {
        let wrapped = wrap(&usable, &params, &Secret::from(data)).map(Secret::new);
        wrapped.map_err(|failure| match failure.reason() {
            Reason::KeySizeRange => Reason::DataLength.into(),
            _ => failure,
        })
    })))
}

/// Begins a decryption of data, of at least so many blocks of 8 bytes. The length is judged by itself, like
/// that of a wrapped key.
fn decrypt(
    usable: &UsableKey,
    params: &Params,
    (unwrap, least): (Unwrap, usize),
) -> Result<Box<dyn Transform>> {
    takes_data(usable)?;
    let (usable, params) = (usable.clone(), params.clone());
    let input = Accumulator::message(kw::MAX_KEY + 16, Reason::EncryptedLength);
    let size = |len: usize| len.saturating_sub(8);
    Ok(Box::new(Compute::sized(input, size, move |wrapped| {
        unwrap(&usable, &params, wrapped).map_err(|failure| match failure.reason() {
            Reason::WrappedInvalid if kw::unwrapped(least, wrapped.len()).is_none() => {
                Reason::EncryptedLength.into()
            }
            Reason::WrappedInvalid => Reason::EncryptedInvalid.into(),
            _ => failure,
        })
    })))
}

fn takes_data(usable: &UsableKey) -> Result<()> {
    key(usable)?;
    match usable.restrictions.any() {
        true => Err(Reason::KeyNotPermitted.detail("a bound key wraps with it, and nothing else")),
        false => Ok(()),
    }
}

/// The initial value that RFC 3394 names (2.2.3.1).
const STANDARD: [u8; 8] = [0xA6; 8];

/// The beginning of RFC 5649's initial value (section 3); the material's length follows.
const PADDED: [u8; 4] = [0xA6, 0x59, 0x59, 0xA6];

/// The initial value of RFC 3394: none for the standard one, or 8 bytes. With one that begins as RFC
/// 5649's do, a blob of one kind would open as the other, and tell whether the material ends in zeros.
/// A key that is bound takes the standard one only.
fn initial<'a>(usable: &UsableKey, params: &'a Params) -> Result<Option<&'a [u8; 8]>> {
    let given: &[u8; 8] = match params {
        Params::None => return Ok(None),
        Params::Bytes(bytes) => bytes.as_slice().try_into().map_err(|_| Reason::MechanismParam)?,
        _ => return Err(Reason::MechanismParam.into()),
    };
    match given {
        &STANDARD => Ok(None),
        _ if usable.restrictions.any() => {
            Err(Reason::MechanismParam.detail("this key wraps with the standard IV only"))
        }
        given if given.starts_with(&PADDED) => {
            Err(Reason::MechanismParam.detail("an IV of AES key wrap with padding"))
        }
        given => Ok(Some(given)),
    }
}

/// The first half of the initial value with padding: none for RFC 5649's, or 4 bytes. With those of RFC
/// 3394, a blob of its kind would open as one with padding. A key that is bound takes the standard ones
/// only.
fn first_half(usable: &UsableKey, params: &Params) -> Result<Option<[u8; 4]>> {
    let given: [u8; 4] = match params {
        Params::None => return Ok(None),
        Params::Bytes(bytes) => bytes.as_slice().try_into().map_err(|_| Reason::MechanismParam)?,
        _ => return Err(Reason::MechanismParam.into()),
    };
    match given {
        PADDED => Ok(None),
        _ if usable.restrictions.any() => {
            Err(Reason::MechanismParam.detail("this key wraps with the standard IV only"))
        }
        given if STANDARD.starts_with(&given) => {
            Err(Reason::MechanismParam.detail("an IV of AES key wrap without padding"))
        }
        given => Ok(Some(given)),
    }
}

fn by(usable: &UsableKey, misfit: Reason) -> Result<&AesKey> {
    key(usable).map_err(|_| misfit.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::key::Usage;
    use crate::mechanism::tests::{aes, pieces, whole};

    fn encrypted(row: &MechanismRow, data: &[u8]) -> Result<Vec<u8>> {
        let key = aes(&[1; 16], Usage::Encrypt);
        whole(row.encrypt()?(&key, &Params::None)?.as_mut(), data)
    }

    fn decrypted(row: &MechanismRow, sealed: &[u8]) -> Result<Vec<u8>> {
        let key = aes(&[1; 16], Usage::Decrypt);
        whole(row.decrypt()?(&key, &Params::None)?.as_mut(), sealed)
    }

    #[test]
    fn data_are_encrypted_to_what_wrapping_them_gives() {
        let key = aes(&[1; 16], Usage::Wrap);
        for (row, lengths) in [(&KEY_WRAP, &[16, 24, 1024][..]), (&KEY_WRAP_KWP, &[1, 8, 9, 33])] {
            for length in lengths {
                let data = vec![7; *length];
                let wrapped = row.wrap().unwrap()(&key, &Params::None, &Secret::from(&data[..]));
                assert_eq!(encrypted(row, &data).unwrap(), wrapped.unwrap());
            }
        }
    }

    #[test]
    fn lengths_that_there_are_not_have_a_code_of_their_own() {
        for (row, text, sealed) in [
            (&KEY_WRAP, &[0, 8, 17, 23][..], &[0, 8, 16, 23][..]),
            (&KEY_WRAP_PAD, &[0], &[0, 8, 15, 17]),
        ] {
            for length in text {
                let refusal = encrypted(row, &vec![7; *length]).unwrap_err();
                assert_eq!(refusal.reason(), Reason::DataLength, "{length}");
            }
            for length in sealed {
                let refusal = decrypted(row, &vec![7; *length]).unwrap_err();
                assert_eq!(refusal.reason(), Reason::EncryptedLength, "{length}");
            }
            let refusal = decrypted(row, &[7; 24]).unwrap_err();
            assert_eq!(refusal.reason(), Reason::EncryptedInvalid);
        }
        let key = aes(&[1; 16], Usage::Encrypt);
        let mut long = KEY_WRAP.encrypt().unwrap()(&key, &Params::None).unwrap();
        let refusal = pieces(long.as_mut(), &[&[0; kw::MAX_KEY], &[0; 8]]).unwrap_err();
        assert_eq!(refusal.reason(), Reason::DataLength);
    }

    #[test]
    fn a_wrong_initial_value_is_told_as_the_operation_begins() {
        let key = aes(&[1; 16], Usage::Encrypt);
        for (row, params) in [(&KEY_WRAP, vec![0; 4]), (&KEY_WRAP_KWP, vec![0; 8])] {
            let refusal = row.encrypt().unwrap()(&key, &Params::Bytes(params)).err().unwrap();
            assert_eq!(refusal.reason(), Reason::MechanismParam);
        }
    }
}
