//! `CKM_AES_KEY_WRAP`, `_KWP` and `_PAD`: PKCS#11 3.1, "AES Key Wrap". `_PAD` gives the same bytes as `_KWP`.

use super::aes::{aes, key};
use super::row::row;
use super::{MechanismRow, Params, ParamsShape};
use crate::error::{Reason, Result};
use crate::key::UsableKey;
use crate::lc::aes::AesKey;
use crate::lc::kw;
use crate::secret::Secret;

pub(super) const KEY_WRAP: MechanismRow = MechanismRow {
    params: ParamsShape::Bytes,
    wrap: Some(wrap),
    unwrap: Some(unwrap),
    unwrapped: |_, wrapped| kw::unwrapped(3, wrapped),
    authenticated: true,
    pads_with_zeros: true,
    tells_versions: |_| true,
    ..aes(row!(CKM_AES_KEY_WRAP))
};

pub(super) const KEY_WRAP_PAD: MechanismRow = padded(row!(CKM_AES_KEY_WRAP_PAD));

pub(super) const KEY_WRAP_KWP: MechanismRow = padded(row!(CKM_AES_KEY_WRAP_KWP));

const fn padded(row: MechanismRow) -> MechanismRow {
    MechanismRow {
        params: ParamsShape::Bytes,
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
