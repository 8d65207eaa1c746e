//! The zeros behind a key that a wrapping takes in whole blocks only (PKCS#11 2.40, 2.14.3). Nothing but
//! the key itself tells them apart: a private key's DER has its length in it, a secret has not, and comes
//! back with them only where the template says how long it is.
//!
//! A key that is bound, because it is trusted or has templates, neither adds zeros to secrets nor takes
//! any away: whether they come off tells something of what is wrapped.

use crate::error::{Reason, Result};
use crate::key::Restrictions;
use crate::object::{Attributes, kinds};
use crate::secret::Secret;
use pkcs11_sys::*;

/// Returns the bytes that are wrapped of a key, in blocks of so many bytes.
pub(crate) fn pad(material: &Secret, key: &Attributes, by: Restrictions, block: usize) -> Secret {
    match key.number(CKA_CLASS) == Some(CKO_SECRET_KEY) && by.any() {
        true => material.duplicate(),
        false => material.with_zeros(block),
    }
}

/// Returns the key in what was unwrapped for a template.
pub(crate) fn unpad(
    mut unwrapped: Secret,
    template: &Attributes,
    by: Restrictions,
    block: usize,
) -> Result<Secret> {
    let private = private_length(&unwrapped, block);
    if template.number(CKA_CLASS) != Some(CKO_SECRET_KEY) {
        unwrapped.truncate(private.unwrap_or(unwrapped.len()));
        return Ok(unwrapped);
    }
    if private.is_some_and(|length| kinds::is_private_key(&shortened(&unwrapped, length))) {
        return Err(Reason::WrappedInvalid.detail("a private key, and not a secret one"));
    }
    if by.any() {
        return Ok(unwrapped);
    }
    let length = template.number(CKA_VALUE_LEN).and_then(|length| usize::try_from(length).ok());
    match length {
        Some(length) if length < unwrapped.len() && unwrapped.len() - length < block => {
            if !unwrapped.is_zero_from(length) {
                return Err(Reason::WrappedInvalid.detail("more than CKA_VALUE_LEN bytes"));
            }
            unwrapped.truncate(length);
            Ok(unwrapped)
        }
        None if may_be_padded(&unwrapped, template, block) => Err(Reason::TemplateIncomplete
            .detail("a secret that ends in zeros, which may be padding, needs CKA_VALUE_LEN")),
        _ => Ok(unwrapped),
    }
}

/// Returns whether the last block ends in zeros and is more than zeros, as padding would leave it behind a
/// key of the template's type.
fn may_be_padded(bytes: &Secret, template: &Attributes, block: usize) -> bool {
    let zero_from = |back: usize| bytes.is_zero_from(bytes.len().saturating_sub(back));
    let key_type = template.number(CKA_KEY_TYPE).unwrap_or(CKK_GENERIC_SECRET);
    let Ok(kind) = kinds::kind(CKO_SECRET_KEY, key_type) else { return false };
    let missing = kind.sizes.in_bytes().filter_map(|size| bytes.len().checked_sub(size));
    let least = missing.filter(|missing| (1..block).contains(missing)).min();
    least.is_some_and(|least| zero_from(least) & !zero_from(block))
}

fn shortened(bytes: &Secret, length: usize) -> Secret {
    let mut shortened = bytes.duplicate();
    shortened.truncate(length);
    shortened
}

/// Returns the length of a DER SEQUENCE behind which there are only zeros, fewer than a block.
fn private_length(bytes: &Secret, block: usize) -> Option<usize> {
    let length = sequence_length(bytes.expose())?;
    let zeros = bytes.len().checked_sub(length)?;
    (zeros < block && bytes.is_zero_from(length)).then_some(length)
}

/// Returns the length of the DER SEQUENCE that the bytes begin with, its head included (X.690, 8.1.3).
fn sequence_length(bytes: &[u8]) -> Option<usize> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (more, inner) = match first {
        0..=0x7F => (0, usize::from(*first)),
        0x81..=0x83 => {
            let more = usize::from(first - 0x80);
            let number = rest.get(..more)?;
            (more, number.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
        }
        _ => return None,
    };
    (*tag == 0x30).then_some(2 + more + inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::lc::ed25519;

    fn template(class: u64, key_type: u64, length: Option<u64>) -> Attributes {
        let mut template = Attributes::default();
        template.set_number(CKA_CLASS, class);
        template.set_number(CKA_KEY_TYPE, key_type);
        length.into_iter().for_each(|length| template.set_number(CKA_VALUE_LEN, length));
        template
    }

    fn secret(length: Option<u64>) -> Attributes {
        template(CKO_SECRET_KEY, CKK_GENERIC_SECRET, length)
    }

    const FREE: Restrictions = Restrictions {
        trusted: false,
        templates: false,
        unwrap_template: false,
        import_only: false,
    };
    const BOUND: Restrictions = Restrictions { templates: true, ..FREE };

    /// The size of a block of AES key wrap.
    const BLOCK: usize = 8;

    fn bytes(bytes: &[u8]) -> Secret {
        bytes.into()
    }

    #[test]
    fn a_secret_gets_its_zeros_and_loses_them_where_the_template_says_its_length() {
        let key = bytes(&[7; 20]);
        let padded = pad(&key, &secret(Some(20)), FREE, BLOCK);
        assert_eq!(padded, bytes(&[&[7; 20][..], &[0; 4]].concat()));
        assert_eq!(unpad(padded.duplicate(), &secret(Some(20)), FREE, BLOCK).unwrap(), key);
        for (length, reason) in [
            (Some(19), Reason::WrappedInvalid),
            (Some(17), Reason::WrappedInvalid),
            (None, Reason::TemplateIncomplete),
        ] {
            let refused = unpad(padded.duplicate(), &secret(length), FREE, BLOCK).unwrap_err();
            assert_eq!(refused.reason(), reason, "{length:?}");
        }
        for other in [Some(16), Some(24), Some(25)] {
            let whole = unpad(padded.duplicate(), &secret(other), FREE, BLOCK).unwrap();
            assert_eq!(whole, padded, "whose length is judged like any other's");
        }
        let zeros = bytes(&[0; 24]);
        assert_eq!(unpad(zeros.duplicate(), &secret(None), FREE, BLOCK).unwrap(), zeros);
        let aes = template(CKO_SECRET_KEY, CKK_AES, None);
        assert_eq!(unpad(padded.duplicate(), &aes, FREE, BLOCK).unwrap(), padded);
    }

    #[test]
    fn a_longer_block_leaves_an_aes_key_unsure_too() {
        let (key, aes) = (bytes(&[7; 24]), |length| template(CKO_SECRET_KEY, CKK_AES, length));
        let padded = pad(&key, &aes(Some(24)), FREE, 16);
        assert_eq!(padded.len(), 32);
        assert_eq!(unpad(padded.duplicate(), &aes(Some(24)), FREE, 16).unwrap(), key);
        let refused = unpad(padded, &aes(None), FREE, 16).unwrap_err();
        assert_eq!(refused.reason(), Reason::TemplateIncomplete);
        let one = bytes(&[&[7; 31][..], &[0]].concat());
        assert_eq!(unpad(one.duplicate(), &aes(None), FREE, 16).unwrap(), one);
    }

    #[test]
    fn a_bound_key_neither_adds_zeros_to_secrets_nor_takes_them_away() {
        let key = bytes(&[7; 20]);
        assert_eq!(pad(&key, &secret(Some(20)), BOUND, BLOCK), key);
        let padded = key.with_zeros(8);
        for length in [None, Some(20), Some(24)] {
            let whole = unpad(padded.duplicate(), &secret(length), BOUND, BLOCK).unwrap();
            assert_eq!(whole, padded);
        }
    }

    #[test]
    fn a_private_key_is_told_by_its_own_length_and_opens_as_no_secret() {
        let key = ed25519::PrivateKey::generate().unwrap().to_pkcs8().unwrap();
        for by in [FREE, BOUND] {
            for zeros in 0..BLOCK {
                let mut padded = key.expose().to_vec();
                padded.resize(key.len() + zeros, 0);
                let private = template(CKO_PRIVATE_KEY, CKK_EC_EDWARDS, None);
                assert_eq!(unpad(bytes(&padded), &private, by, BLOCK).unwrap(), key);
                for length in [None, Some(key.len() as u64), Some(padded.len() as u64 - 1)] {
                    let refused = unpad(bytes(&padded), &secret(length), by, BLOCK).unwrap_err();
                    assert_eq!(refused.reason(), Reason::WrappedInvalid, "{length:?}");
                }
            }
            let private = template(CKO_PRIVATE_KEY, CKK_EC_EDWARDS, None);
            let eight = key.with_zeros(key.len() + BLOCK);
            let behind = bytes(&[key.expose(), &[0, 1]].concat());
            for whole in [eight, behind] {
                assert_eq!(unpad(whole.duplicate(), &private, by, BLOCK).unwrap(), whole);
            }
        }
    }

    #[test]
    fn what_is_no_sequence_has_no_length() {
        for (der, length) in [
            (&[0x30, 0][..], Some(2)),
            (&[0x30, 0x82, 1, 0], Some(260)),
            (&[0x30, 0x83, 1, 0, 0], Some(0x1_0005)),
            (&[0x30, 0x80], None),
            (&[0x30, 0x84, 0, 0, 0, 1], None),
            (&[0x30, 0x82, 1], None),
            (&[0x31, 0], None),
            (&[0x30], None),
            (&[], None),
        ] {
            assert_eq!(sequence_length(der), length, "{der:x?}");
        }
    }
}
