//! Keys on curves as PKCS#11 has them (3.1, 6.3): `CKA_EC_PARAMS` names the curve, `CKA_EC_POINT` is the
//! public key in an OCTET STRING.
//!
//! Clients disagree about Ed25519 and X25519: OpenSC names the curve by a PrintableString, GnuTLS by
//! an object identifier, and some send the point without its OCTET STRING, or in a BIT STRING. All are
//! taken; points are shown in an OCTET STRING, which every client reads.

use super::attributes::Attributes;
use super::kind::{Kind, Sizes, public_key_info};
use super::{known_curves, points};
use crate::error::{Reason, Result};
use crate::key::{Parsed, Usage};
use crate::lc::ec::{self, Curve};
use crate::lc::{ed25519, pkcs8, x25519};
use crate::secret::Secret;
use pkcs11_sys::*;

/// `edwards25519` as a PrintableString, and id-Ed25519 (RFC 8410).
const EDWARDS: [&[u8]; 2] = [b"\x13\x0Cedwards25519", &[6, 3, 0x2B, 0x65, 0x70]];
/// `curve25519` as a PrintableString, id-X25519 (RFC 8410), and the string with the wrong length that
/// OpenSC 0.23 sends.
const MONTGOMERY: [&[u8]; 3] =
    [b"\x13\x0Acurve25519", &[6, 3, 0x2B, 0x65, 0x6E], b"\x13\x0Bcurve25519"];

pub(super) const EC_PRIVATE: Kind = Kind {
    name: "EC",
    class: CKO_PRIVATE_KEY,
    key_type: CKK_EC,
    sizes: Sizes::These(&[224, 256, 384, 521]),
    usages: &[Usage::Sign, Usage::Derive],
    describe: describe_private,
    parse: |material, _| read(material, ec::PrivateKey::from_pkcs8).map(Parsed::EcPrivate),
};

pub(super) const EC_PUBLIC: Kind = Kind {
    class: CKO_PUBLIC_KEY,
    usages: &[Usage::Verify],
    describe: describe_public,
    parse: |_, attributes| {
        let curve = nist(params(attributes)?)?;
        let point = point(attributes, &points::lengths(curve.size()))?;
        Ok(Parsed::EcPublic(ec::PublicKey::from_point(curve, point)?))
    },
    ..EC_PRIVATE
};

pub(super) const EDWARDS_PRIVATE: Kind = Kind {
    name: "ED25519",
    key_type: CKK_EC_EDWARDS,
    sizes: Sizes::These(&[256]),
    usages: &[Usage::Sign],
    parse: |material, _| {
        read(material, ed25519::PrivateKey::from_pkcs8).map(Parsed::EdwardsPrivate)
    },
    ..EC_PRIVATE
};

pub(super) const EDWARDS_PUBLIC: Kind = Kind {
    class: CKO_PUBLIC_KEY,
    usages: &[Usage::Verify],
    describe: describe_public,
    parse: |_, attributes| {
        named(&EDWARDS, params(attributes)?)?;
        let point = point(attributes, &[ed25519::SIZE])?;
        Ok(Parsed::EdwardsPublic(ed25519::PublicKey::from_bytes(point)?))
    },
    ..EDWARDS_PRIVATE
};

pub(super) const MONTGOMERY_PRIVATE: Kind = Kind {
    name: "X25519",
    key_type: CKK_EC_MONTGOMERY,
    sizes: Sizes::These(&[256]),
    usages: &[Usage::Derive],
    parse: |material, _| {
        read(material, x25519::PrivateKey::from_pkcs8).map(Parsed::MontgomeryPrivate)
    },
    ..EC_PRIVATE
};

pub(super) const MONTGOMERY_PUBLIC: Kind = Kind {
    class: CKO_PUBLIC_KEY,
    usages: &[],
    describe: describe_public,
    parse: |_, attributes| {
        named(&MONTGOMERY, params(attributes)?)?;
        let point = point(attributes, &[x25519::SIZE])?;
        Ok(Parsed::MontgomeryPublic(point.try_into().map_err(|_| wrong_point())?))
    },
    ..MONTGOMERY_PRIVATE
};

/// Returns a private key as PKCS#8 from what `C_CreateObject` was given of it: the curve and `CKA_VALUE`.
pub(crate) fn material(attributes: &mut Attributes, key_type: u64) -> Result<Secret> {
    let value = attributes
        .remove(CKA_VALUE)
        .ok_or_else(|| Reason::TemplateIncomplete.detail("CKA_VALUE is missing"))?;
    let params = params(attributes)?;
    match key_type {
        CKK_EC => ec::PrivateKey::from_scalar(nist(params)?, value.expose())?.to_pkcs8(),
        CKK_EC_EDWARDS => {
            named(&EDWARDS, params)?;
            ed25519::PrivateKey::from_seed(value.expose())?.to_pkcs8()
        }
        _ => {
            named(&MONTGOMERY, params)?;
            x25519::PrivateKey::from_scalar(value.expose())?.to_pkcs8()
        }
    }
}

/// Returns the private value of a key on a curve, for a key that may reveal it.
pub(crate) fn private_value(key: &Parsed) -> Result<Option<Secret>> {
    match key {
        Parsed::EcPrivate(key) => key.scalar().map(Some),
        Parsed::EdwardsPrivate(key) => Ok(Some(key.seed())),
        Parsed::MontgomeryPrivate(key) => Ok(Some(key.scalar())),
        _ => Ok(None),
    }
}

/// Returns the size in bits of a curve named by `CKA_EC_PARAMS`; 0 for one that is not known.
pub(crate) fn bits(params: &[u8]) -> u64 {
    match Curve::named(params) {
        Some(curve) => curve.bits(),
        None if EDWARDS.contains(&params) || MONTGOMERY.contains(&params) => 256,
        None => 0,
    }
}

/// Reads a private key's PKCS#8: `CurveUnknown` where it is of a known curve that no key of the token is on.
fn read<T>(material: &Secret, from_pkcs8: fn(&[u8]) -> Result<T>) -> Result<T> {
    from_pkcs8(material.expose()).map_err(|failure| match pkcs8::curve(material.expose()) {
        Some(curve) if known_curves::is_identifier(curve) && !is_taken(curve) => {
            Reason::CurveUnknown.into()
        }
        _ => failure,
    })
}

/// Returns whether the token has keys on the curve of an object identifier.
fn is_taken(identifier: &[u8]) -> bool {
    let length = u8::try_from(identifier.len()).unwrap_or(u8::MAX);
    bits(&[&[6, length], identifier].concat()) != 0
}

fn describe_private(key: &Parsed, attributes: &mut Attributes) -> Result<()> {
    let mut curve = None;
    let (names, point, info): (&[&[u8]], _, _) = match key {
        Parsed::EcPrivate(key) => {
            curve = Some(key.curve());
            (&[key.curve().oid()], key.point().to_vec(), key.to_spki())
        }
        Parsed::EdwardsPrivate(key) => {
            let public = key.public()?;
            (&EDWARDS, public.bytes().to_vec(), public.to_spki()?)
        }
        Parsed::MontgomeryPrivate(key) => (&MONTGOMERY, key.public().to_vec(), key.to_spki()?),
        _ => return Err(Reason::KeyTypeInconsistent.into()),
    };
    match attributes.bytes(CKA_EC_PARAMS) {
        Some(given) => named(names, given)?,
        None => attributes.set(CKA_EC_PARAMS, names.first().copied().unwrap_or_default()),
    }
    if let Some(given) = attributes.bytes(CKA_EC_POINT).filter(|given| !given.is_empty()) {
        own_point(curve, given, &point)?;
    }
    attributes.set(CKA_EC_POINT, &octet_string(&point)?);
    public_key_info(&info, attributes)
}

/// Checks that a `CKA_EC_POINT` that a private key comes with is its own.
fn own_point(curve: Option<Curve>, given: &[u8], own: &[u8]) -> Result<()> {
    let own_again = match curve {
        Some(curve) => points::bare(given, &points::lengths(curve.size()))
            .and_then(|point| ec::PublicKey::from_point(curve, point).ok())
            .is_some_and(|key| key.point() == own),
        None => points::bare(given, &[own.len()]) == Some(own),
    };
    let wrong = || Reason::AttributeValue.detail("CKA_EC_POINT is another key's");
    own_again.then_some(()).ok_or_else(wrong)
}

fn describe_public(key: &Parsed, attributes: &mut Attributes) -> Result<()> {
    let (point, info) = match key {
        Parsed::EcPublic(key) => (key.point().to_vec(), key.to_spki()),
        Parsed::EdwardsPublic(key) => (key.bytes().to_vec(), key.to_spki()?),
        Parsed::MontgomeryPublic(bytes) => (bytes.to_vec(), x25519::public_spki(bytes)?),
        _ => return Err(Reason::KeyTypeInconsistent.into()),
    };
    attributes.set(CKA_EC_POINT, &octet_string(&point)?);
    public_key_info(&info, attributes)
}

fn params(attributes: &Attributes) -> Result<&[u8]> {
    attributes
        .bytes(CKA_EC_PARAMS)
        .ok_or_else(|| Reason::TemplateIncomplete.detail("CKA_EC_PARAMS is missing"))
}

fn nist(params: &[u8]) -> Result<Curve> {
    Curve::named(params).ok_or_else(|| known_curves::refusal(params))
}

fn named(names: &[&[u8]], given: &[u8]) -> Result<()> {
    if names.contains(&given) { Ok(()) } else { Err(known_curves::refusal(given)) }
}

/// Returns the public key inside `CKA_EC_POINT`.
fn point<'a>(attributes: &'a Attributes, lengths: &[usize]) -> Result<&'a [u8]> {
    let given = attributes
        .bytes(CKA_EC_POINT)
        .ok_or_else(|| Reason::TemplateIncomplete.detail("CKA_EC_POINT is missing"))?;
    points::bare(given, lengths).ok_or_else(wrong_point)
}

/// Returns whether two values of `CKA_EC_PARAMS` name one curve.
pub(crate) fn same_curve(one: &[u8], other: &[u8]) -> bool {
    [&EDWARDS[..], &MONTGOMERY].iter().any(|names| names.contains(&one) && names.contains(&other))
}

/// Returns whether two values of `CKA_EC_POINT` are one point, whatever encloses them.
pub(crate) fn same_point(one: &[u8], other: &[u8]) -> bool {
    points::same(one, other, &points::any_length())
}

/// Returns the DER of an OCTET STRING of at most 255 bytes.
fn octet_string(inner: &[u8]) -> Result<Vec<u8>> {
    let length = u8::try_from(inner.len()).map_err(|_| Reason::General)?;
    let head: &[u8] = if length < 0x80 { &[4, length] } else { &[4, 0x81, length] };
    Ok([head, inner].concat())
}

fn wrong_point() -> crate::error::Error {
    Reason::AttributeValue.detail("CKA_EC_POINT is no point of the curve")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_read_with_and_without_its_octet_string() {
        let key = ec::PrivateKey::generate(Curve::P521).unwrap();
        let bare = key.public().unwrap().point().to_vec();
        let in_bits = [&[3, 0x81, 134, 0], &bare[..]].concat();
        for given in [bare.clone(), octet_string(&bare).unwrap(), in_bits] {
            let mut attributes = Attributes::default();
            attributes.set(CKA_EC_PARAMS, Curve::P521.oid());
            attributes.set(CKA_EC_POINT, &given);
            EC_PUBLIC.read_public(&mut attributes).unwrap();
            assert_eq!(attributes.bytes(CKA_EC_POINT), Some(&octet_string(&bare).unwrap()[..]));
        }
    }

    #[test]
    fn a_curve_of_another_kind_is_refused() {
        let key = ed25519::PrivateKey::generate().unwrap().to_pkcs8().unwrap();
        let mut attributes = Attributes::default();
        attributes.set(CKA_EC_PARAMS, Curve::P256.oid());
        assert!(EDWARDS_PRIVATE.read(&key, &mut attributes).is_err());
        for name in EDWARDS {
            attributes.set(CKA_EC_PARAMS, name);
            assert!(EDWARDS_PRIVATE.read(&key, &mut attributes).is_ok());
            assert_eq!(attributes.bytes(CKA_EC_PARAMS), Some(name));
        }
    }
}
