//! The parameters of TLS 1.2's mechanisms.

use super::{asked, parse, raw};
use crate::error::Reason;
use crate::ffi::params::tls::CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS;
use crate::mechanism::{Hash, KeySizes, Params};
use pkcs11_sys::*;
use std::ptr::null_mut;

/// PKCS#11 3.1's, which `pkcs11-sys` does not have yet.
const CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE: CK_MECHANISM_TYPE = 0x56;

const CLIENT: [u8; 32] = [1; 32];
const SERVER: [u8; 28] = [2; 28];

fn random() -> CK_SSL3_RANDOM_DATA {
    CK_SSL3_RANDOM_DATA {
        pClientRandom: CLIENT.as_ptr().cast_mut(),
        ulClientRandomLen: 32,
        pServerRandom: SERVER.as_ptr().cast_mut(),
        ulServerRandomLen: 28,
    }
}

/// Random data that a handshake does not have; `long` is longer than there may be.
fn no_random(long: &[u8]) -> [CK_SSL3_RANDOM_DATA; 7] {
    let good = random();
    [
        CK_SSL3_RANDOM_DATA { pClientRandom: null_mut(), ..good },
        CK_SSL3_RANDOM_DATA { pClientRandom: null_mut(), ulClientRandomLen: 0, ..good },
        CK_SSL3_RANDOM_DATA { ulClientRandomLen: 0, ..good },
        CK_SSL3_RANDOM_DATA { ulClientRandomLen: CK_ULONG::MAX, ..good },
        CK_SSL3_RANDOM_DATA { pServerRandom: null_mut(), ..good },
        CK_SSL3_RANDOM_DATA { ulServerRandomLen: 0, ..good },
        CK_SSL3_RANDOM_DATA {
            pServerRandom: long.as_ptr().cast_mut(),
            ulServerRandomLen: long.len() as CK_ULONG,
            ..good
        },
    ]
}

fn too_long() -> Vec<u8> {
    vec![3; (1 << 16) + 1]
}

#[test]
fn a_master_secret_is_seeded_by_the_client_and_then_the_server() {
    let mut version = CK_VERSION { major: 9, minor: 9 };
    let good = CK_TLS12_MASTER_KEY_DERIVE_PARAMS {
        RandomInfo: random(),
        pVersion: &mut version,
        prfHashMechanism: CKM_SHA384,
    };
    let expected = |tells_version| {
        let (hash, seed) = (Hash::Sha384, [&CLIENT[..], &SERVER].concat());
        Ok(Params::TlsMaster { hash, seed, extended: false, tells_version })
    };
    assert_eq!(parse(raw(CKM_TLS12_MASTER_KEY_DERIVE, &good)), expected(true));
    let silent = CK_TLS12_MASTER_KEY_DERIVE_PARAMS { pVersion: null_mut(), ..good };
    assert_eq!(parse(raw(CKM_TLS12_MASTER_KEY_DERIVE_DH, &silent)), expected(false));
    let long = too_long();
    let bad = no_random(&long)
        .map(|random| CK_TLS12_MASTER_KEY_DERIVE_PARAMS { RandomInfo: random, ..good });
    let unknown = CK_TLS12_MASTER_KEY_DERIVE_PARAMS { prfHashMechanism: CKM_AES_CBC, ..good };
    for bad in bad.into_iter().chain([unknown]) {
        let read = parse(raw(CKM_TLS12_MASTER_KEY_DERIVE, &bad));
        assert_eq!(read, Err(Reason::MechanismParam), "{bad:?}");
    }
    let wrong = raw(CKM_TLS12_MASTER_KEY_DERIVE, &random());
    assert_eq!(parse(wrong), Err(Reason::MechanismParam));
}

#[test]
fn an_extended_master_secret_is_seeded_by_the_hash_of_the_session() {
    let mut hash = [4; 48];
    let good = CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS {
        prfHashMechanism: CKM_SHA256,
        pSessionHash: hash.as_mut_ptr(),
        ulSessionHashLen: 48,
        pVersion: null_mut(),
    };
    let expected = Params::TlsMaster {
        hash: Hash::Sha256,
        seed: hash.to_vec(),
        extended: true,
        tells_version: false,
    };
    assert_eq!(parse(raw(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE, &good)), Ok(expected));
    let long = too_long();
    let (start, len) = (long.as_ptr().cast_mut(), long.len() as CK_ULONG);
    type Given = CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS;
    for bad in [
        Given { pSessionHash: null_mut(), ..good },
        Given { pSessionHash: null_mut(), ulSessionHashLen: 0, ..good },
        Given { pSessionHash: start, ulSessionHashLen: len, ..good },
        Given { ulSessionHashLen: CK_ULONG::MAX, ..good },
        Given { prfHashMechanism: 0, ..good },
    ] {
        let read = parse(raw(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE, &bad));
        assert_eq!(read, Err(Reason::MechanismParam), "{}", bad.ulSessionHashLen);
    }
}

#[test]
fn a_version_is_told_where_there_is_a_place_for_it() {
    let mut version = CK_VERSION { major: 9, minor: 9 };
    for place in [&raw mut version, null_mut()] {
        let master = CK_TLS12_MASTER_KEY_DERIVE_PARAMS {
            RandomInfo: random(),
            pVersion: place,
            prfHashMechanism: CKM_SHA256,
        };
        let extended = CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS {
            prfHashMechanism: CKM_SHA256,
            pSessionHash: CLIENT.as_ptr().cast_mut(),
            ulSessionHashLen: 32,
            pVersion: place,
        };
        let master = raw(CKM_TLS12_MASTER_KEY_DERIVE, &master);
        let extended = raw(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE, &extended);
        for (minor, mechanism) in [(3, master), (4, extended)] {
            let found = asked(&mechanism).unwrap().version_place().unwrap();
            assert_eq!(found.is_some(), !place.is_null());
            if let Some(found) = found {
                found.write(CK_VERSION { major: 3, minor });
                assert_eq!((version.major, version.minor), (3, minor));
            }
        }
    }
}

fn keys(out: *mut CK_SSL3_KEY_MAT_OUT) -> CK_TLS12_KEY_MAT_PARAMS {
    CK_TLS12_KEY_MAT_PARAMS {
        ulMacSizeInBits: 160,
        ulKeySizeInBits: 128,
        ulIVSizeInBits: 32,
        bIsExport: CK_FALSE,
        RandomInfo: random(),
        pReturnedKeyMaterial: out,
        prfHashMechanism: CKM_SHA256,
    }
}

#[test]
fn the_keys_of_a_connection_are_seeded_by_the_server_and_then_the_client() {
    let good = keys(null_mut());
    let expected = |iv| {
        let (hash, seed) = (Hash::Sha256, [&SERVER[..], &CLIENT].concat());
        Ok(Params::TlsKeys { hash, seed, sizes: KeySizes { mac: 20, key: 16, iv } })
    };
    assert_eq!(parse(raw(CKM_TLS12_KEY_AND_MAC_DERIVE, &good)), expected(4));
    assert_eq!(parse(raw(CKM_TLS12_KEY_SAFE_DERIVE, &good)), expected(0));
    let long = too_long();
    let sizes = [1, 7, 159, 4104, CK_ULONG::MAX - 7, CK_ULONG::MAX].into_iter();
    let bad = sizes
        .flat_map(|bits| {
            [
                CK_TLS12_KEY_MAT_PARAMS { ulMacSizeInBits: bits, ..good },
                CK_TLS12_KEY_MAT_PARAMS { ulKeySizeInBits: bits, ..good },
                CK_TLS12_KEY_MAT_PARAMS { ulIVSizeInBits: bits, ..good },
            ]
        })
        .chain(no_random(&long).map(|data| CK_TLS12_KEY_MAT_PARAMS { RandomInfo: data, ..good }))
        .chain([
            CK_TLS12_KEY_MAT_PARAMS { bIsExport: CK_TRUE, ..good },
            CK_TLS12_KEY_MAT_PARAMS { bIsExport: 2, ..good },
            CK_TLS12_KEY_MAT_PARAMS { prfHashMechanism: CKM_SHA256_HMAC, ..good },
        ]);
    for bad in bad {
        let read = parse(raw(CKM_TLS12_KEY_AND_MAC_DERIVE, &bad));
        assert_eq!(read, Err(Reason::MechanismParam), "{bad:?}");
    }
}

#[test]
fn keys_and_ivs_need_places() {
    let (mut client, mut server) = ([0_u8; 4], [0_u8; 4]);
    let mut out = CK_SSL3_KEY_MAT_OUT {
        hClientMacSecret: 0,
        hServerMacSecret: 0,
        hClientKey: 0,
        hServerKey: 0,
        pIVClient: client.as_mut_ptr(),
        pIVServer: server.as_mut_ptr(),
    };
    let given = keys(&mut out);
    let mechanism = raw(CKM_TLS12_KEY_AND_MAC_DERIVE, &given);
    let places = |mechanism: &CK_MECHANISM| {
        asked(mechanism).unwrap().key_places().map_err(|error| error.reason())
    };
    places(&mechanism).unwrap().write([1, 2, 3, 4], &[vec![5; 4], vec![6; 4]]);
    let handles = [out.hClientMacSecret, out.hServerMacSecret, out.hClientKey, out.hServerKey];
    assert_eq!((handles, client, server), ([1, 2, 3, 4], [5; 4], [6; 4]));
    assert_eq!(out.pIVClient, client.as_mut_ptr(), "the caller's pointers stay");
    for missing in [
        CK_SSL3_KEY_MAT_OUT { pIVClient: null_mut(), ..out },
        CK_SSL3_KEY_MAT_OUT { pIVServer: null_mut(), ..out },
    ] {
        let mut missing = missing;
        let given = keys(&mut missing);
        let with = raw(CKM_TLS12_KEY_AND_MAC_DERIVE, &given);
        assert_eq!(places(&with).err(), Some(Reason::MechanismParam));
        assert!(places(&raw(CKM_TLS12_KEY_SAFE_DERIVE, &given)).is_ok(), "that has no IVs");
        let none = CK_TLS12_KEY_MAT_PARAMS { ulIVSizeInBits: 0, ..given };
        assert!(places(&raw(CKM_TLS12_KEY_AND_MAC_DERIVE, &none)).is_ok());
    }
    let nowhere = keys(null_mut());
    let nowhere = raw(CKM_TLS12_KEY_AND_MAC_DERIVE, &nowhere);
    assert_eq!(places(&nowhere).err(), Some(Reason::MechanismParam));
}

#[test]
fn an_exporter_tells_an_empty_context_from_none() {
    let (mut label, mut context) = (*b"EXPORTER-label", too_long());
    let good = CK_TLS_KDF_PARAMS {
        prfMechanism: CKM_SHA256,
        pLabel: label.as_mut_ptr(),
        ulLabelLength: label.len() as CK_ULONG,
        RandomInfo: random(),
        pContextData: context.as_mut_ptr(),
        ulContextDataLength: 3,
    };
    let expected = |context: &[u8]| {
        let seed = [&CLIENT[..], &SERVER, context].concat();
        Ok(Params::TlsExport { hash: Hash::Sha256, label: label.to_vec(), seed })
    };
    let empty = CK_TLS_KDF_PARAMS { ulContextDataLength: 0, ..good };
    let none = CK_TLS_KDF_PARAMS { pContextData: null_mut(), ..empty };
    let longest = CK_TLS_KDF_PARAMS { ulContextDataLength: 0xFFFF, ..good };
    let all = [&[0xFF, 0xFF][..], &vec![3; 0xFFFF]].concat();
    for (given, context) in
        [(good, &[0, 3, 3, 3, 3][..]), (empty, &[0, 0]), (none, &[]), (longest, &all)]
    {
        for id in [CKM_TLS_KDF, CKM_TLS12_KDF] {
            assert_eq!(parse(raw(id, &given)), expected(context));
        }
    }
    let long = too_long();
    let bad = no_random(&long).map(|data| CK_TLS_KDF_PARAMS { RandomInfo: data, ..good });
    for bad in bad.into_iter().chain([
        CK_TLS_KDF_PARAMS { ulContextDataLength: 0x1_0000, ..good },
        CK_TLS_KDF_PARAMS { ulContextDataLength: CK_ULONG::MAX, ..good },
        CK_TLS_KDF_PARAMS { pContextData: null_mut(), ..good },
        CK_TLS_KDF_PARAMS { pLabel: null_mut(), ..good },
        CK_TLS_KDF_PARAMS { pLabel: null_mut(), ulLabelLength: 0, ..good },
        CK_TLS_KDF_PARAMS { prfMechanism: CKM_TLS_PRF, ..good },
    ]) {
        assert_eq!(parse(raw(CKM_TLS12_KDF, &bad)), Err(Reason::MechanismParam), "{bad:?}");
    }
}

#[test]
fn a_mac_is_the_servers_or_the_clients() {
    let good =
        CK_TLS_MAC_PARAMS { prfHashMechanism: CKM_SHA384, ulMacLength: 12, ulServerOrClient: 1 };
    for (side, of_server) in [(1, true), (2, false)] {
        let given = CK_TLS_MAC_PARAMS { ulServerOrClient: side, ..good };
        let expected = Params::TlsMac { hash: Hash::Sha384, len: 12, of_server };
        for id in [CKM_TLS_MAC, CKM_TLS12_MAC] {
            assert_eq!(parse(raw(id, &given)), Ok(expected.clone()));
        }
    }
    for bad in [
        CK_TLS_MAC_PARAMS { ulServerOrClient: 0, ..good },
        CK_TLS_MAC_PARAMS { ulServerOrClient: 3, ..good },
        CK_TLS_MAC_PARAMS { prfHashMechanism: 0, ..good },
    ] {
        assert_eq!(parse(raw(CKM_TLS12_MAC, &bad)), Err(Reason::MechanismParam), "{bad:?}");
    }
}
