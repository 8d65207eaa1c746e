//! `CKM_AES_XTS` and `CKM_AES_XTS_KEY_GEN`: PKCS#11 3.1, "AES-XTS", with two keys of 256 bits. A message is
//! one data unit, whose tweak is the parameter. Its last blocks depend on where it ends, so that nothing
//! leaves before all of it has come.

use super::aes::iv;
use super::one_shot::Accumulator;
use super::random_key::random_key;
use super::row::row;
use super::{MechanismRow, Params, ParamsShape, Transform};
use crate::error::{Reason, Result};
use crate::key::{Parsed, UsableKey};
use crate::lc::aes::{BLOCK, Direction};
use crate::lc::xts::{KEY, MAX_UNIT, XtsKey};
use crate::secret::Secret;
use pkcs11_sys::CKK_AES_XTS;

pub(super) const KEY_GEN: MechanismRow =
    MechanismRow { generate: Some(generate), ..xts(row!(CKM_AES_XTS_KEY_GEN)) };

pub(super) const XTS: MechanismRow = MechanismRow {
    params: ParamsShape::Bytes,
    encrypt: Some(|key, params| Unit::begin(key, params, Direction::Encrypt)),
    decrypt: Some(|key, params| Unit::begin(key, params, Direction::Decrypt)),
    ..xts(row!(CKM_AES_XTS))
};

const fn xts(row: MechanismRow) -> MechanismRow {
    MechanismRow { key_type: Some(CKK_AES_XTS), key_sizes: (KEY as u64, KEY as u64), ..row }
}

fn generate(params: &Params, len: usize) -> Result<Secret> {
    random_key(params, len, len == KEY)
}

/// A data unit of which some has come.
struct Unit {
    key: UsableKey,
    direction: Direction,
    tweak: [u8; BLOCK],
    parts: Accumulator,
}

impl Unit {
    fn begin(
        usable: &UsableKey,
        params: &Params,
        direction: Direction,
    ) -> Result<Box<dyn Transform>> {
        key(usable)?;
        let tweak = iv(params)?.try_into().map_err(|_| Reason::MechanismParam)?;
        let parts = Accumulator::message(MAX_UNIT, misfit(direction));
        Ok(Box::new(Self { key: usable.clone(), direction, tweak, parts }))
    }
}

/// Returns the failure of a unit whose length there is not.
fn misfit(direction: Direction) -> Reason {
    match direction {
        Direction::Encrypt => Reason::DataLength,
        Direction::Decrypt => Reason::EncryptedLength,
    }
}

impl Transform for Unit {
    fn update_len(&self, _input: usize) -> usize {
        0
    }

    fn update(&mut self, input: &[u8], _output: &mut [u8]) -> Result<usize> {
        self.parts.add(input).map(|()| 0)
    }

    fn finish_len(&self) -> usize {
        self.parts.len()
    }

    fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        let Self { key, direction, tweak, parts } = self;
        parts.end(|unit| run(key, *direction, tweak, unit, output))
    }

    fn whole_len(&self, input: usize) -> usize {
        input
    }

    fn whole(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        run(&self.key, self.direction, &self.tweak, input, output)
    }
}

fn run(
    usable: &UsableKey,
    direction: Direction,
    tweak: &[u8; BLOCK],
    unit: &[u8],
    output: &mut [u8],
) -> Result<usize> {
    if !(BLOCK..=MAX_UNIT).contains(&unit.len()) {
        return Err(misfit(direction).into());
    }
    key(usable)?.unit(direction, tweak, unit, output)?;
    Ok(unit.len())
}

fn key(usable: &UsableKey) -> Result<&XtsKey> {
    match &usable.parsed {
        Parsed::Xts(key) => Ok(key),
        _ => Err(Reason::KeyTypeInconsistent.into()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::key::Usage;
    use crate::mechanism::tests::{pieces, usable, whole};

    fn xts(usage: Usage) -> UsableKey {
        let bytes: Vec<u8> = (0..KEY as u8).collect();
        usable(Parsed::Xts(XtsKey::new(&bytes).unwrap()), usage)
    }

    #[test]
    fn a_data_unit_has_a_block_or_more_and_a_mebibyte_of_blocks_at_the_most() {
        let tweak = Params::Bytes(vec![1; BLOCK]);
        let (encrypting, decrypting) = (xts(Usage::Encrypt), xts(Usage::Decrypt));
        let encrypt = || XTS.encrypt().unwrap()(&encrypting, &tweak).unwrap();
        let decrypt = || XTS.decrypt().unwrap()(&decrypting, &tweak).unwrap();
        for length in [0, 15, MAX_UNIT + 1] {
            let unit = vec![7; length];
            let refusals = [whole(encrypt().as_mut(), &unit), whole(decrypt().as_mut(), &unit)];
            let refusals = refusals.map(|refused| refused.unwrap_err().reason());
            assert_eq!(refusals, [Reason::DataLength, Reason::EncryptedLength], "{length}");
            let refusal = pieces(encrypt().as_mut(), &[&unit]).unwrap_err();
            assert_eq!(refusal.reason(), Reason::DataLength, "{length}");
        }
        for length in [16, 17, 31, 512, 4096] {
            let unit = vec![7; length];
            let sealed = whole(encrypt().as_mut(), &unit).unwrap();
            assert_eq!(sealed.len(), length);
            let (one, other) = sealed.split_at(9);
            assert_eq!(pieces(decrypt().as_mut(), &[one, other]).unwrap(), unit);
        }
    }

    #[test]
    fn two_equal_keys_and_other_tweaks_than_a_block_are_refused() {
        let refusal = XtsKey::new(&[7; KEY]).err().unwrap().reason();
        assert_eq!(refusal, Reason::AttributeValue);
        assert_eq!(XtsKey::new(&[7; 32]).err().unwrap().reason(), Reason::KeySizeRange);
        for params in [Params::None, Params::Bytes(vec![0; 8]), Params::Bytes(vec![0; 17])] {
            let refusal = XTS.encrypt().unwrap()(&xts(Usage::Encrypt), &params).err().unwrap();
            assert_eq!(refusal.reason(), Reason::MechanismParam);
        }
    }
}
