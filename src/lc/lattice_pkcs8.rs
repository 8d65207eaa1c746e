//! Private keys on module lattices as PKCS#8: the seed, the expanded key, or both (RFC 9881 for ML-DSA, RFC
//! 9935 for ML-KEM). AWS-LC reads and writes some of the three only.

use super::der::{
    Elements, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, constructed, context, element,
};
use super::lattice_sets::Set;
use crate::error::{Reason, Result};
use crate::secret::Secret;

/// The parts of a private key as they stand in PKCS#8: one of them at least.
#[derive(Default)]
pub(super) struct LatticeParts<'a> {
    pub(super) seed: Option<&'a [u8]>,
    pub(super) expanded: Option<&'a [u8]>,
    pub(super) public: Option<&'a [u8]>,
}

/// Returns the PKCS#8 `PrivateKeyInfo` of a key known by its seed.
pub(super) fn of_seed(set: Set, seed: &[u8]) -> Secret {
    info(set, &element(context(0), &[seed]))
}

/// Returns the PKCS#8 `PrivateKeyInfo` of a key that is only known expanded.
pub(super) fn of_expanded(set: Set, expanded: &[u8]) -> Secret {
    info(set, &element(OCTET_STRING, &[expanded]))
}

fn info(set: Set, key: &Secret) -> Secret {
    let version = element(INTEGER, &[&[0]]);
    let algorithm = element(OBJECT_IDENTIFIER, &[set.oid()]);
    let algorithm = element(SEQUENCE, &[algorithm.expose()]);
    let key = element(OCTET_STRING, &[key.expose()]);
    element(SEQUENCE, &[version.expose(), algorithm.expose(), key.expose()])
}

/// Reads a PKCS#8 `PrivateKeyInfo` or `OneAsymmetricKey` (RFC 5958) of one of these keys; anything else,
/// trailing bytes included, is `DataInvalid`. Attributes say nothing.
pub(super) fn read(der: &[u8]) -> Result<(Set, LatticeParts<'_>)> {
    parse(der).ok_or(Reason::DataInvalid.into())
}

fn parse(der: &[u8]) -> Option<(Set, LatticeParts<'_>)> {
    let mut whole = Elements(der);
    let mut info = Elements(whole.take(SEQUENCE)?);
    let second = match info.take(INTEGER)? {
        [0] => false,
        [1] => true,
        _ => return None,
    };
    let mut algorithm = Elements(info.take(SEQUENCE)?);
    let set = Set::named(algorithm.take(OBJECT_IDENTIFIER)?)?;
    let parts = key(info.take(OCTET_STRING)?)?;
    info.take(constructed(0));
    let public = if second { info.take(context(1)) } else { None };
    let public = public.map(|bits| bits.strip_prefix(&[0]).unwrap_or_default());
    let done = whole.is_empty() && info.is_empty() && algorithm.is_empty();
    done.then_some((set, LatticeParts { public, ..parts }))
}

fn key(choice: &[u8]) -> Option<LatticeParts<'_>> {
    let mut choice = Elements(choice);
    let parts = if let Some(seed) = choice.take(context(0)) {
        LatticeParts { seed: Some(seed), ..LatticeParts::default() }
    } else if let Some(expanded) = choice.take(OCTET_STRING) {
        LatticeParts { expanded: Some(expanded), ..LatticeParts::default() }
    } else {
        let mut both = Elements(choice.take(SEQUENCE)?);
        let (seed, expanded) = (both.take(OCTET_STRING)?, both.take(OCTET_STRING)?);
        let parts = LatticeParts { seed: Some(seed), expanded: Some(expanded), public: None };
        both.is_empty().then_some(parts)?
    };
    choice.is_empty().then_some(parts)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::*;

    /// A key with its seed and expanded.
    pub(in super::super) fn of_both(set: Set, seed: &Secret, expanded: &Secret) -> Secret {
        let parts = [seed, expanded].map(|part| element(OCTET_STRING, &[part.expose()]));
        info(set, &element(SEQUENCE, &[parts[0].expose(), parts[1].expose()]))
    }

    #[test]
    fn a_public_key_beside_the_private_one_is_read_and_trailing_bytes_are_none() {
        let set = Set::MlKem512;
        let whole = of_seed(set, &[7; 64]);
        let inner = Elements(whole.expose()).take(SEQUENCE).unwrap();
        let (_, rest) = inner.split_at(3);
        let with = |version: u8, more: &[u8]| {
            element(SEQUENCE, &[&[INTEGER, 1, version], rest, more]).expose().to_vec()
        };
        let public = element(context(1), &[&[0], &[9; 5]]);
        let attributes = element(constructed(0), &[]);
        assert_eq!(read(&with(1, public.expose())).unwrap().1.public, Some(&[9; 5][..]));
        assert!(read(&with(0, attributes.expose())).is_ok());
        for wrong in [with(0, public.expose()), with(2, &[]), with(0, &[5, 0])] {
            assert!(read(&wrong).is_err(), "{wrong:?}");
        }
        assert!(read(&[whole.expose(), &[0]].concat()).is_err());
    }
}
