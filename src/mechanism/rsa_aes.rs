//! `CKM_RSA_AES_KEY_WRAP`: PKCS#11 3.1, "RSA AES KEY WRAP". An AES key made for the occasion goes
//! through OAEP, and the key through AES-KWP under it; the two stand behind each other.

use super::row::row;
use super::rsa::{private, public, rsa};
use super::{MechanismRow, Params, ParamsShape};
use crate::error::{Reason, Result};
use crate::key::UsableKey;
use crate::lc::aes::AesKey;
use crate::lc::rsa_oaep::Oaep;
use crate::lc::{kw, random};
use crate::secret::Secret;
use std::ops::RangeInclusive;

pub(super) const RSA_AES_KEY_WRAP: MechanismRow = MechanismRow {
    params: ParamsShape::RsaAes,
    wrap: Some(wrap),
    unwrap: Some(unwrap),
    unwrapped,
    authenticated: true,
    in_parts: true,
    ..rsa(row!(CKM_RSA_AES_KEY_WRAP))
};

fn wrap(usable: &UsableKey, params: &Params, material: &Secret) -> Result<Vec<u8>> {
    let key = public(usable).map_err(|_| Reason::WrappingKeyType)?;
    let (size, oaep) = read(params)?;
    let transport = random::secret(size)?;
    let mut wrapped = key.encrypt_oaep(&oaep, transport.expose())?;
    let by = AesKey::new(transport.expose())?;
    wrapped.extend_from_slice(&kw::wrap_padded(&by, material.expose())?);
    Ok(wrapped)
}

fn unwrapped(usable: &UsableKey, wrapped: usize) -> Option<RangeInclusive<usize>> {
    match private(usable) {
        Ok(key) => kw::unwrapped(2, wrapped.checked_sub(key.size())?),
        Err(_) => Some(0..=wrapped),
    }
}

/// The transport key may have any size that AES has: the blob does not say which, and those who receive
/// it need not know. Where the first half is wrong, the second is tried with a random key all the same:
/// both failures look alike, in time too.
fn unwrap(usable: &UsableKey, params: &Params, wrapped: &[u8]) -> Result<Secret> {
    let key = private(usable).map_err(|_| Reason::UnwrappingKeyType)?;
    let (size, oaep) = read(params)?;
    let (transport, wrapped) =
        wrapped.split_at_checked(key.size()).ok_or(Reason::WrappedInvalid)?;
    let decoy = random::secret(size)?;
    let opened = key.decrypt_oaep(&oaep, transport);
    let transport = opened.ok().filter(|transport| [16, 24, 32].contains(&transport.len()));
    let by = AesKey::new(transport.as_ref().unwrap_or(&decoy).expose())?;
    match (kw::unwrap_padded(&by, wrapped), transport) {
        (Ok(material), Some(_)) => Ok(material),
        _ => Err(Reason::WrappedInvalid.into()),
    }
}

/// The transport key's size in bytes, and its padding.
fn read(params: &Params) -> Result<(usize, Oaep<'_>)> {
    let Params::RsaAes { aes_bits, hash, mgf, label } = params else {
        return Err(Reason::MechanismParam.into());
    };
    let size = match aes_bits {
        128 => 16,
        192 => 24,
        256 => 32,
        _ => return Err(Reason::MechanismParam.detail("the AES key's size")),
    };
    Ok((size, Oaep { hash: *hash, mgf: *mgf, label }))
}
