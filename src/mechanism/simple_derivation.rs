//! Keys that are put together of others and of data, or cut out of one: PKCS#11 3.1, "Miscellaneous simple
//! key derivation mechanisms".

use super::mac::MAX_SECRET;
use super::row::row;
use super::{MechanismRow, Params, ParamsShape, Tells};
use crate::error::{Reason, Result};
use crate::key::{Parsed, UsableKey};
use crate::secret::Secret;
use pkcs11_sys::CKK_GENERIC_SECRET;

pub(super) const BASE_AND_KEY: MechanismRow = MechanismRow {
    params: ParamsShape::Key,
    derive: Some(base_and_key),
    ..of_secret(row!(CKM_CONCATENATE_BASE_AND_KEY))
};

pub(super) const BASE_AND_DATA: MechanismRow = MechanismRow {
    derive: Some(|key, _, params, len| joined(&[value(key)?, data(params)?], len)),
    ..of_secret(row!(CKM_CONCATENATE_BASE_AND_DATA))
};

pub(super) const DATA_AND_BASE: MechanismRow = MechanismRow {
    derive: Some(|key, _, params, len| joined(&[data(params)?, value(key)?], len)),
    ..of_secret(row!(CKM_CONCATENATE_DATA_AND_BASE))
};

pub(super) const XOR: MechanismRow =
    MechanismRow { derive: Some(xor), ..of_secret(row!(CKM_XOR_BASE_AND_DATA)) };

pub(super) const EXTRACT: MechanismRow = MechanismRow {
    params: ParamsShape::FirstBit,
    derive: Some(extract),
    tells: Tells::Piece,
    ..of_secret(row!(CKM_EXTRACT_KEY_FROM_KEY))
};

const fn of_secret(row: MechanismRow) -> MechanismRow {
    MechanismRow {
        key_type: Some(CKK_GENERIC_SECRET),
        key_sizes: (1, MAX_SECRET),
        params: ParamsShape::Data,
        any_secret: true,
        tells: Tells::Whole,
        ..row
    }
}

/// Returns the bytes of a secret key of any type.
pub(super) fn value(usable: &UsableKey) -> Result<&[u8]> {
    match &usable.parsed {
        Parsed::Aes(key) => Ok(key.bytes()),
        Parsed::Generic(key) => Ok(key.expose()),
        _ => Err(Reason::KeyTypeInconsistent.into()),
    }
}

fn data(params: &Params) -> Result<&[u8]> {
    match params {
        Params::Data(data) => Ok(data),
        _ => Err(Reason::MechanismParam.into()),
    }
}

fn base_and_key(
    usable: &UsableKey,
    other: Option<&Secret>,
    _: &Params,
    len: usize,
) -> Result<Secret> {
    let value = value(usable)?;
    let other = other.ok_or_else(|| Reason::MechanismParam.detail("no second key"))?;
    joined(&[value, other.expose()], len)
}

/// Returns the first `len` bytes of both parts, or all.
fn joined(parts: &[&[u8]; 2], len: usize) -> Result<Secret> {
    let total = parts.iter().map(|part| part.len()).sum();
    let len = length(len, total)?;
    let mut all = Secret::new(parts.concat());
    all.truncate(len);
    Ok(all)
}

/// Returns the XOR of the base and the data, as long as the shorter of the two, or `len` bytes of it.
fn xor(usable: &UsableKey, _: Option<&Secret>, params: &Params, len: usize) -> Result<Secret> {
    let (value, data) = (value(usable)?, data(params)?);
    if data.is_empty() {
        return Err(Reason::MechanismParam.detail("no data"));
    }
    let len = length(len, value.len().min(data.len()))?;
    let mut made = Secret::from(value.get(..len).ok_or(Reason::General)?);
    made.expose_mut().iter_mut().zip(data).for_each(|(byte, other)| *byte ^= other);
    Ok(made)
}

/// Returns `len` bytes of the base from a bit on, from its beginning again where it ends.
fn extract(usable: &UsableKey, _: Option<&Secret>, params: &Params, len: usize) -> Result<Secret> {
    let value = value(usable)?;
    let &Params::FirstBit(first) = params else { return Err(Reason::MechanismParam.into()) };
    if first >= value.len() as u64 * 8 {
        return Err(Reason::MechanismParam.detail("the key has no such bit"));
    }
    if len == 0 {
        return Err(Reason::TemplateIncomplete.detail("CKA_VALUE_LEN is missing"));
    }
    let len = length(len, value.len())?;
    let (byte, bit) = ((first / 8) as usize, (first % 8) as u32);
    let mut made = Secret::new(vec![0; len]);
    let turned = value.iter().cycle().skip(byte);
    let next = turned.clone().skip(1);
    for ((made, high), low) in made.expose_mut().iter_mut().zip(turned).zip(next) {
        *made = (u16::from_be_bytes([*high, *low]) << bit).to_be_bytes()[0];
    }
    Ok(made)
}

/// Returns the length of a key that is made of so many bytes: the one asked for, or all.
fn length(asked: usize, there: usize) -> Result<usize> {
    match asked {
        _ if there as u64 > MAX_SECRET => Err(Reason::KeySizeRange.into()),
        0 => Ok(there),
        asked if asked <= there => Ok(asked),
        _ => Err(Reason::KeySizeRange.detail("more bytes than there are")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::mechanism::tests::secret;

    /// The examples of the specification.
    #[test]
    fn the_examples_of_the_specification_come_out() {
        let base = secret(&[0x01, 0x23, 0x45, 0x67]);
        let data = Params::Data(vec![0x89, 0xAB, 0xCD, 0xEF]);
        let made = |row: MechanismRow| row.derive.unwrap()(&base, None, &data, 0).unwrap();
        let whole = [0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF];
        assert_eq!(made(BASE_AND_DATA).expose(), whole);
        let turned = [0x89, 0xAB, 0xCD, 0xEF, 0x01, 0x23, 0x45, 0x67];
        assert_eq!(made(DATA_AND_BASE).expose(), turned);
        assert_eq!(made(XOR).expose(), [0x88; 4]);
        let other = Secret::from(&[0x89, 0xAB, 0xCD, 0xEF][..]);
        let both = base_and_key(&base, Some(&other), &Params::Key(7), 0).unwrap();
        assert_eq!(both.expose(), whole);
        let base = secret(&[0x32, 0x9F, 0x84, 0xA9]);
        let piece = extract(&base, None, &Params::FirstBit(21), 2).unwrap();
        assert_eq!(piece.expose(), [0x95, 0x26]);
    }

    #[test]
    fn lengths_that_are_not_there_are_refused() {
        let (base, data) = (secret(&[1; 4]), Params::Data(vec![2; 3]));
        for (row, params, len, reason) in [
            (XOR, &Params::Data(vec![]), 0, Reason::MechanismParam),
            (BASE_AND_DATA, &data, 8, Reason::KeySizeRange),
            (XOR, &data, 4, Reason::KeySizeRange),
            (EXTRACT, &Params::FirstBit(31), 5, Reason::KeySizeRange),
            (EXTRACT, &Params::FirstBit(31), 0, Reason::TemplateIncomplete),
            (EXTRACT, &Params::FirstBit(32), 1, Reason::MechanismParam),
        ] {
            let refusal = row.derive.unwrap()(&base, None, params, len).unwrap_err();
            assert_eq!(refusal.reason(), reason, "{} {len}", row.name);
        }
        assert_eq!(
            base_and_key(&base, None, &data, 0).unwrap_err().reason(),
            Reason::MechanismParam
        );
    }
}
