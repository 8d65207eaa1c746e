//! Keys on curves as PKCS#8 and as `SubjectPublicKeyInfo`, of a number and a point that are known. AWS-LC would
//! compute the point's coordinates anew for each.

use super::curve::Curve;
use super::der::{
    BIT_STRING, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, constructed, element,
};
use crate::secret::Secret;

/// The contents of `id-ecPublicKey` (RFC 5480, 2.1.1).
const ALGORITHM: &[u8] = b"\x2A\x86\x48\xCE\x3D\x02\x01";

/// Returns the PKCS#8 `PrivateKeyInfo` of a number as long as a coordinate, with its point and without a second
/// name of the curve (RFC 5915).
pub(super) fn private(curve: Curve, scalar: &Secret, point: &[u8]) -> Secret {
    let version = element(INTEGER, &[&[1]]);
    let scalar = element(OCTET_STRING, &[scalar.expose()]);
    let public = element(constructed(1), &[bits(point).expose()]);
    let key = element(SEQUENCE, &[version.expose(), scalar.expose(), public.expose()]);
    let (version, key) = (element(INTEGER, &[&[0]]), element(OCTET_STRING, &[key.expose()]));
    element(SEQUENCE, &[version.expose(), algorithm(curve).expose(), key.expose()])
}

/// Returns the `SubjectPublicKeyInfo` of a point (RFC 5480, 2).
pub(super) fn public(curve: Curve, point: &[u8]) -> Vec<u8> {
    element(SEQUENCE, &[algorithm(curve).expose(), bits(point).expose()]).expose().to_vec()
}

fn algorithm(curve: Curve) -> Secret {
    element(SEQUENCE, &[element(OBJECT_IDENTIFIER, &[ALGORITHM]).expose(), curve.oid()])
}

/// Returns a point as a BIT STRING of whole bytes.
fn bits(point: &[u8]) -> Secret {
    element(BIT_STRING, &[&[0], point])
}
