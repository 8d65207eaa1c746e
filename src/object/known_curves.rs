//! The curves that people have keys on, by their names in `CKA_EC_PARAMS`: one that the token does not
//! compute on is refused as such, and what names no curve as a wrong value.

use crate::error::{Error, Reason};
use std::ops::RangeInclusive;

/// Object identifiers of curves: the bytes before the last one, and that.
const IDENTIFIERS: &[(&[u8], RangeInclusive<u8>)] = &[
    // SEC 2: secp112r1 to sect571r1.
    (&[0x2B, 0x81, 0x04, 0], 1..=39),
    // ANSI X9.62, over binary and over prime fields.
    (&[0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 0], 1..=20),
    (&[0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1], 1..=7),
    // RFC 5639: Brainpool.
    (&[0x2B, 0x24, 3, 3, 2, 8, 1, 1], 1..=14),
    // RFC 8410: X25519, X448, Ed25519, Ed448.
    (&[0x2B, 0x65], 110..=113),
    // GnuPG's names of Ed25519 and X25519.
    (&[0x2B, 6, 1, 4, 1, 0xDA, 0x47, 0x0F], 1..=1),
    (&[0x2B, 6, 1, 4, 1, 0x97, 0x55, 1, 5], 1..=1),
    // GB/T 32918: SM2.
    (&[0x2A, 0x81, 0x1C, 0xCF, 0x55, 1, 0x82], 0x2D..=0x2D),
    // ANSSI: FRP256v1.
    (&[0x2A, 0x81, 0x7A, 1, 0x81, 0x5F, 0x65, 0x82, 0], 1..=1),
    // WAP: the curves of WTLS.
    (&[0x67, 0x2B, 1, 4], 1..=12),
];

/// The beginnings of curves' names, behind which there is a number.
const NAMES: &[&[u8]] = &[
    b"secp",
    b"sect",
    b"prime",
    b"c2pnb",
    b"c2tnb",
    b"brainpoolP",
    b"edwards",
    b"curve",
    b"Ed",
    b"X",
];

/// Returns the error for keys on a curve that is not taken, by its `CKA_EC_PARAMS`: `CurveUnknown` of a known curve,
/// which may be one of another key type, else `AttributeValue`.
pub(crate) fn refusal(params: &[u8]) -> Error {
    let known = match params {
        [6, length, identifier @ ..] if usize::from(*length) == identifier.len() => {
            is_identifier(identifier)
        }
        // OpenSC writes the length of some names one too high.
        [0x13, _, name @ ..] => is_name(name),
        _ => false,
    };
    match known {
        true => Reason::CurveUnknown.into(),
        false => Reason::AttributeValue.detail("CKA_EC_PARAMS names no known curve"),
    }
}

/// Returns whether the contents of an object identifier name a known curve.
pub(super) fn is_identifier(identifier: &[u8]) -> bool {
    identifier.split_last().is_some_and(|(last, arc)| {
        IDENTIFIERS.iter().any(|(known, range)| *known == arc && range.contains(last))
    })
}

fn is_name(name: &[u8]) -> bool {
    let numbered = |rest: &[u8]| rest.first().is_some_and(u8::is_ascii_digit);
    NAMES.iter().any(|known| name.strip_prefix(*known).is_some_and(numbered))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_curve_is_told_from_what_is_none() {
        let printable = |name: &str| [&[0x13, name.len() as u8], name.as_bytes()].concat();
        for known in [
            vec![6, 3, 0x2B, 0x65, 0x71],
            vec![6, 3, 0x2B, 0x65, 0x6F],
            vec![6, 5, 0x2B, 0x81, 4, 0, 39],
            vec![6, 9, 0x2B, 0x24, 3, 3, 2, 8, 1, 1, 7],
            vec![6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 1],
            printable("edwards448"),
            printable("curve448"),
            printable("brainpoolP256r1"),
            printable("secp192k1"),
        ] {
            assert_eq!(refusal(&known).reason(), Reason::CurveUnknown, "{known:x?}");
        }
        for none in [
            vec![],
            vec![6],
            vec![6, 0],
            vec![5, 0],
            vec![6, 5, 0x2B, 0x81, 4, 0],
            vec![6, 5, 0x2B, 0x81, 4, 0, 40],
            vec![6, 4, 0x2B, 0x81, 4, 0, 34],
            vec![0x30, 3, 2, 1, 1],
            printable("edwards"),
            printable("nosuchcurve"),
            printable(""),
        ] {
            assert_eq!(refusal(&none).reason(), Reason::AttributeValue, "{none:x?}");
        }
    }
}
