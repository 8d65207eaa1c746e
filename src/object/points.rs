//! Points as clients send them: as they are (SEC 1, RFC 8032, RFC 7748), in an OCTET STRING as PKCS#11 3.1 has
//! them, or in a BIT STRING as 3.0 had those of Edwards and Montgomery keys.

/// Returns the lengths of a compressed and an uncompressed point whose coordinates have `size` bytes.
pub(crate) const fn lengths(size: usize) -> [usize; 2] {
    [1 + size, 1 + 2 * size]
}

/// Returns the point itself, of one of these lengths. Of bytes that can be read in two ways, as those of a
/// bare point that begins like DER, only one has such a length.
pub(crate) fn bare<'a>(given: &'a [u8], lengths: &[usize]) -> Option<&'a [u8]> {
    readings(given, lengths).next()
}

/// Returns whether two values can be read as one point, of any of these lengths. A point on one curve in a
/// string is as long as a bare one on another.
pub(crate) fn same(one: &[u8], other: &[u8], lengths: &[usize]) -> bool {
    readings(one, lengths).any(|point| readings(other, lengths).any(|it| it == point))
}

fn readings<'a>(given: &'a [u8], lengths: &[usize]) -> impl Iterator<Item = &'a [u8]> {
    let all = [Some(given), octet_string(given), bit_string(given)];
    all.into_iter().flatten().filter(|reading| lengths.contains(&reading.len()))
}

/// Returns every length that a point of some curve has.
pub(crate) fn any_length() -> Vec<usize> {
    let nist = crate::lc::ec::Curve::ALL.iter().flat_map(|curve| lengths(curve.size()));
    nist.chain([crate::lc::x25519::SIZE]).collect()
}

fn octet_string(der: &[u8]) -> Option<&[u8]> {
    inside(4, der)
}

fn bit_string(der: &[u8]) -> Option<&[u8]> {
    // No bit of the last byte is unused.
    inside(3, der)?.split_first().and_then(|(unused, bytes)| (*unused == 0).then_some(bytes))
}

/// Returns the content behind a tag and a length of one or two bytes, if there is nothing else.
fn inside(tag: u8, der: &[u8]) -> Option<&[u8]> {
    let (length, inner) = match der {
        [found, 0x81, length, inner @ ..] if *found == tag => (length, inner),
        [found, length @ 0..=0x7F, inner @ ..] if *found == tag => (length, inner),
        _ => return None,
    };
    (usize::from(*length) == inner.len()).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_readings_the_one_with_the_curves_length_counts() {
        // A bare point on P-256 that could be an OCTET STRING of 63 bytes.
        let mut point = [9; 65];
        point[..2].copy_from_slice(&[4, 63]);
        assert_eq!(bare(&point, &lengths(32)), Some(&point[..]));
        let covered = [&[4, 65][..], &point].concat();
        assert_eq!(bare(&covered, &lengths(32)), Some(&point[..]));
        let in_bits = [&[3, 66, 0][..], &point].concat();
        assert_eq!(bare(&in_bits, &lengths(32)), Some(&point[..]));
        assert_eq!(bare(&[3, 34, 1], &[32]), None);
    }

    #[test]
    fn covers_that_do_not_fit_are_none() {
        for given in [&[4, 31][..], &[4, 0x82, 0, 32], &[5, 32], &[3, 33, 7], &[4], &[4, 0x81]] {
            let given = [given, &[1; 32]].concat();
            assert_eq!(bare(&given, &[32]), None, "{given:?}");
        }
        let long = [&[4, 0x81, 133][..], &[4; 133]].concat();
        assert_eq!(bare(&long, &lengths(66)), Some(&[4; 133][..]));
    }

    #[test]
    fn no_bytes_are_two_points_of_one_curve() {
        for lengths in [&lengths(32)[..], &lengths(48), &lengths(66), &[32]] {
            for length in lengths {
                assert!(!lengths.contains(&(length + 2)) && !lengths.contains(&(length + 3)));
            }
        }
    }
}
