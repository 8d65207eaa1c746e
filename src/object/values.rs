//! Values that clients write in more than one way, and how they are told to be the same.

use super::curves;
use crate::secret::Secret;
use pkcs11_sys::*;

/// The numbers of RSA keys, which alone are big numbers whatever the class (PKCS#11 3.1, 6.1).
pub(super) const RSA_NUMBERS: &[u64] = &[
    CKA_MODULUS,
    CKA_PUBLIC_EXPONENT,
    CKA_PRIVATE_EXPONENT,
    CKA_PRIME_1,
    CKA_PRIME_2,
    CKA_EXPONENT_1,
    CKA_EXPONENT_2,
    CKA_COEFFICIENT,
];

/// Returns a big-endian number without the zeros that DER and others put before it.
pub(crate) fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// Returns a value as it is kept and compared: a big number without leading zeros, anything else as it is.
pub(crate) fn plain(kind: u64, mut value: Secret) -> Secret {
    make_plain(kind, &mut value);
    value
}

/// Makes a value one as it is kept and compared.
pub(super) fn make_plain(kind: u64, value: &mut Secret) {
    if value.expose().first() == Some(&0) && RSA_NUMBERS.contains(&kind) {
        *value = Secret::from(without_zeros(value.expose()));
    }
}

/// Returns whether two values of an attribute are the same: two names of a curve are, and a point with and
/// without what encloses it.
pub(crate) fn same(kind: u64, one: &Secret, other: &Secret) -> bool {
    one == other
        || match kind {
            CKA_EC_PARAMS => curves::same_curve(one.expose(), other.expose()),
            CKA_EC_POINT => curves::same_point(one.expose(), other.expose()),
            _ => false,
        }
}

/// Returns whether two values are one big number, with or without zeros before it.
pub(crate) fn same_number(_: u64, one: &Secret, other: &Secret) -> bool {
    without_zeros(one.expose()) == without_zeros(other.expose())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_big_numbers_lose_their_leading_zeros() {
        let plain = |kind, value: &[u8]| plain(kind, value.into()).expose().to_vec();
        for kind in RSA_NUMBERS {
            assert_eq!(plain(*kind, &[0, 0, 1, 0]), [1, 0]);
            assert_eq!(plain(*kind, &[1, 0]), [1, 0]);
            assert!(plain(*kind, &[0]).is_empty());
        }
        assert_eq!(plain(CKA_VALUE, &[0, 1]), [0, 1]);
    }

    #[test]
    fn a_curve_has_two_names_and_a_point_two_covers() {
        let same = |kind, one: &[u8], other: &[u8]| same(kind, &one.into(), &other.into());
        let (name, oid) = (b"\x13\x0Cedwards25519", &[6, 3, 0x2B, 0x65, 0x70]);
        assert!(same(CKA_EC_PARAMS, name, oid) && !same(CKA_EC_PARAMS, b"\x13\x00", oid));
        assert!(!same(CKA_ID, name, oid));
        for length in [32, 33, 49, 65, 67, 97] {
            let point = vec![7; length];
            let covered = [&[4, length as u8][..], &point].concat();
            let in_bits = [&[3, length as u8 + 1, 0][..], &point].concat();
            let forms = [&point, &covered, &in_bits];
            for one in forms {
                assert!(forms.iter().all(|other| same(CKA_EC_POINT, one, other)), "{length}");
                assert!(!same(CKA_EC_POINT, one, &vec![8; length]));
            }
        }
    }
}
