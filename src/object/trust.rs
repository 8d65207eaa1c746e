//! Trust objects: what a certificate, named by its issuer and serial number and told by its hash, is trusted
//! for (PKCS#11 3.2, 4.7). They are ordinary objects.

use super::Attributes;
use crate::error::{Reason, Result};
use pkcs11_sys::*;

/// The class of trust objects.
pub(crate) const CKO_TRUST: u64 = 0x0B;

/// The trust for authenticating a server.
pub(crate) const CKA_TRUST_SERVER_AUTH: u64 = 0x62C;
/// The trust for authenticating a client.
pub(crate) const CKA_TRUST_CLIENT_AUTH: u64 = 0x62D;
/// The trust for code.
pub(crate) const CKA_TRUST_CODE_SIGNING: u64 = 0x62E;
/// The trust for email.
pub(crate) const CKA_TRUST_EMAIL_PROTECTION: u64 = 0x62F;
/// The trust for IPSEC.
pub(crate) const CKA_TRUST_IPSEC_IKE: u64 = 0x630;
/// The trust for timestamps.
pub(crate) const CKA_TRUST_TIME_STAMPING: u64 = 0x631;
/// The trust for OCSP's answers.
pub(crate) const CKA_TRUST_OCSP_SIGNING: u64 = 0x632;
/// The hash of the certificate.
pub(crate) const CKA_HASH_OF_CERTIFICATE: u64 = 0x635;

/// Neither trusted nor distrusted (`CKT_TRUST_UNKNOWN`).
pub(super) const UNKNOWN: u64 = 0;
/// Distrusted (`CKT_NOT_TRUSTED`).
const NOT_TRUSTED: u64 = 3;
/// The greatest `CKT_` number (`CKT_TRUST_MUST_VERIFY_TRUST`).
pub(super) const MOST: u64 = 4;

/// The purposes that a certificate is trusted for.
const PURPOSES: [u64; 7] = [
    CKA_TRUST_SERVER_AUTH,
    CKA_TRUST_CLIENT_AUTH,
    CKA_TRUST_CODE_SIGNING,
    CKA_TRUST_EMAIL_PROTECTION,
    CKA_TRUST_IPSEC_IKE,
    CKA_TRUST_TIME_STAMPING,
    CKA_TRUST_OCSP_SIGNING,
];

/// The hash functions by which a certificate is told, and the lengths of their hashes in bytes.
const HASHES: [(u64, usize); 9] = [
    (CKM_SHA_1, 20),
    (CKM_SHA224, 28),
    (CKM_SHA256, 32),
    (CKM_SHA384, 48),
    (CKM_SHA512, 64),
    (CKM_SHA3_224, 28),
    (CKM_SHA3_256, 32),
    (CKM_SHA3_384, 48),
    (CKM_SHA3_512, 64),
];

/// Checks that a trust object says which certificate it is about: by issuer and serial number always, and
/// by a hash where it trusts it. What is missing is `missing`; a hash that cannot be one is `AttributeValue`.
pub(crate) fn check(object: &Attributes, missing: Reason) -> Result<()> {
    if object.number(CKA_CLASS) != Some(CKO_TRUST) {
        return Ok(());
    }
    let filled = |kind| object.bytes(kind).is_some_and(|value| !value.is_empty());
    if !filled(CKA_ISSUER) || !filled(CKA_SERIAL_NUMBER) {
        return Err(missing.detail("trust needs CKA_ISSUER and CKA_SERIAL_NUMBER"));
    }
    let trusts = |kind| !matches!(object.number(kind), None | Some(UNKNOWN | NOT_TRUSTED));
    match filled(CKA_HASH_OF_CERTIFICATE) {
        false if PURPOSES.into_iter().any(trusts) => {
            Err(missing.detail("trust needs CKA_HASH_OF_CERTIFICATE"))
        }
        false => Ok(()),
        true => check_hash(object),
    }
}

/// Checks that the hash of a certificate is as long as those of its hash function.
fn check_hash(object: &Attributes) -> Result<()> {
    let length = object.bytes(CKA_HASH_OF_CERTIFICATE).map(<[u8]>::len);
    let by = object.number(CKA_NAME_HASH_ALGORITHM);
    let fits = |(hash, size): (u64, usize)| by == Some(hash) && length == Some(size);
    match HASHES.into_iter().any(fits) {
        true => Ok(()),
        false => Err(Reason::AttributeValue
            .detail("CKA_HASH_OF_CERTIFICATE is no hash by CKA_NAME_HASH_ALGORITHM")),
    }
}
