//! AES and digests: published vectors, one shot and in parts.

use crate::rig::token::Token;
use crate::rig::{play, refused, unhex};
use cryptoki::error::RvError;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::mechanism::vendor_defined::VendorDefinedMechanism;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, KeyType, ObjectClass, ObjectHandle};

/// `CK_AES_CTR_PARAMS`.
#[repr(C)]
struct Counter {
    bits: u64,
    block: [u8; 16],
}

// NIST SP 800-38A, appendix F: AES-128, the four blocks of every mode.
const KEY: &str = "2b7e151628aed2a6abf7158809cf4f3c";
const PLAIN: &str = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
                     30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";
const ECB: &str = "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf\
                   43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4";
const CBC: &str = "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2\
                   73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7";
const CTR: &str = "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff\
                   5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee";
const IV: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const COUNTER: Counter = Counter {
    bits: 128,
    block: [
        0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe,
        0xff,
    ],
};

// The GCM specification (McGrew, Viega), test case 4: AES-128 with additional data.
const GCM_KEY: &str = "feffe9928665731c6d6a8f9467308308";
const GCM_IV: &str = "cafebabefacedbaddecaf888";
const GCM_AAD: &str = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
const GCM_PLAIN: &str = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                         1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
const GCM_CIPHER: &str = "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e\
                          21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091\
                          5bc94fbc3221a5db94fae95ae7121a47";

#[test]
fn ecb_cbc_and_ctr_give_the_published_ciphertexts() {
    play(|world| {
        let token = world.token();
        let key = known_key(&token, &unhex(KEY));
        for (mechanism, cipher) in
            [(Mechanism::AesEcb, ECB), (Mechanism::AesCbc(IV), CBC), (ctr(&COUNTER), CTR)]
        {
            let encrypted = token.encrypt(&mechanism, key, &unhex(PLAIN)).unwrap();
            assert_eq!(encrypted, unhex(cipher), "{mechanism:?}");
            assert_eq!(token.decrypt(&mechanism, key, &encrypted).unwrap(), unhex(PLAIN));
        }
    });
}

#[test]
fn gcm_gives_the_published_ciphertext_and_refuses_every_flipped_bit() {
    play(|world| {
        let token = world.token();
        let key = known_key(&token, &unhex(GCM_KEY));
        let encrypted = with_gcm(&unhex(GCM_AAD), 128, |mechanism| {
            token.encrypt(mechanism, key, &unhex(GCM_PLAIN)).unwrap()
        });
        assert_eq!(encrypted, unhex(GCM_CIPHER));
        let open = |cipher: &[u8], aad: &[u8]| {
            with_gcm(aad, 128, |mechanism| token.decrypt(mechanism, key, cipher))
        };
        assert_eq!(open(&encrypted, &unhex(GCM_AAD)).unwrap(), unhex(GCM_PLAIN));
        refused(open(&encrypted, b"other data"), RvError::EncryptedDataInvalid);
        for at in 0..encrypted.len() {
            let mut flipped = encrypted.clone();
            flipped[at] ^= 1 << (at % 8);
            refused(open(&flipped, &unhex(GCM_AAD)), RvError::EncryptedDataInvalid);
        }
        assert!(open(&encrypted[..15], &unhex(GCM_AAD)).is_err());
    });
}

#[test]
fn any_split_into_parts_equals_one_shot() {
    play(|world| {
        let token = world.token();
        let key = known_key(&token, &[9; 32]);
        let plain: Vec<u8> = (0..1024_u32).map(|at| at as u8).collect();
        let aad = b"aad".to_vec();
        for padded in [Mechanism::AesEcb, Mechanism::AesCbc(IV), ctr(&COUNTER)] {
            every_split(&token, key, &padded, &plain);
        }
        for length in [0, 1, 15, 16, 17, 511, 1024] {
            every_split(&token, key, &Mechanism::AesCbcPad(IV), &plain[..length]);
            every_split(&token, key, &ctr(&COUNTER), &plain[..length]);
            with_gcm(&aad, 96, |mechanism| every_split(&token, key, mechanism, &plain[..length]));
        }
    });
}

fn every_split(token: &Token, key: ObjectHandle, mechanism: &Mechanism, plain: &[u8]) {
    let whole = token.encrypt(mechanism, key, plain).unwrap();
    for size in [1, 7, 16, 33, 500] {
        token.encrypt_init(mechanism, key).unwrap();
        let mut out = Vec::new();
        for part in plain.chunks(size) {
            out.extend(token.encrypt_update(part).unwrap());
        }
        out.extend(token.encrypt_final().unwrap());
        assert_eq!(out, whole, "{mechanism:?} in parts of {size}");

        token.decrypt_init(mechanism, key).unwrap();
        let mut back = Vec::new();
        for part in whole.chunks(size) {
            back.extend(token.decrypt_update(part).unwrap());
        }
        back.extend(token.decrypt_final().unwrap());
        assert_eq!(back, plain, "{mechanism:?} back in parts of {size}");
    }
}

#[test]
fn lengths_that_a_mode_cannot_take_are_refused() {
    play(|world| {
        let token = world.token();
        let key = known_key(&token, &[9; 32]);
        for mechanism in [Mechanism::AesEcb, Mechanism::AesCbc(IV)] {
            refused(token.encrypt(&mechanism, key, &[0; 17]), RvError::DataLenRange);
            refused(token.decrypt(&mechanism, key, &[0; 17]), RvError::EncryptedDataLenRange);
        }
        for length in [0, 17] {
            refused(
                token.decrypt(&Mechanism::AesCbcPad(IV), key, &vec![0; length]),
                RvError::EncryptedDataLenRange,
            );
        }
        let mut wrong = token.encrypt(&Mechanism::AesCbcPad(IV), key, b"padded").unwrap();
        wrong[0] ^= 1;
        let last = wrong.len() - 1;
        wrong[last] ^= 1;
        refused(
            token.decrypt(&Mechanism::AesCbcPad(IV), key, &wrong),
            RvError::EncryptedDataInvalid,
        );
    });
}

#[test]
fn an_operation_lives_from_its_init_to_its_end() {
    play(|world| {
        let token = world.token();
        let key = known_key(&token, &[9; 32]);
        refused(token.encrypt_update(b"x"), RvError::OperationNotInitialized);
        token.encrypt_init(&Mechanism::AesEcb, key).unwrap();
        refused(token.encrypt_init(&Mechanism::AesEcb, key), RvError::OperationActive);
        token.encrypt_update(&[0; 16]).unwrap();
        token.encrypt_final().unwrap();
        refused(token.encrypt_final(), RvError::OperationNotInitialized);
        token.encrypt_init(&Mechanism::AesEcb, key).unwrap();
        token.encrypt_update(&[0; 15]).unwrap();
        refused(token.encrypt_final(), RvError::DataLenRange);
        token.encrypt_init(&Mechanism::AesEcb, key).unwrap();
        token.digest_init(&Mechanism::Sha256).unwrap();
        token.encrypt_update(&[0; 16]).unwrap();
        token.digest_update(b"abc").unwrap();
        token.encrypt_final().unwrap();
        assert_eq!(token.digest_final().unwrap().len(), 32);
    });
}

#[test]
fn digests_are_the_published_ones() {
    play(|world| {
        let token = world.token();
        for (mechanism, digest) in [
            (Mechanism::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (Mechanism::Sha224, "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"),
            (Mechanism::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                Mechanism::Sha384,
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed\
                 8086072ba1e7cc2358baeca134c825a7",
            ),
            (
                Mechanism::Sha512,
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
        ] {
            assert_eq!(token.digest(&mechanism, b"abc").unwrap(), unhex(digest), "{mechanism:?}");
            token.digest_init(&mechanism).unwrap();
            for part in [&b"a"[..], b"", b"bc"] {
                token.digest_update(part).unwrap();
            }
            assert_eq!(token.digest_final().unwrap(), unhex(digest), "{mechanism:?} in parts");
        }
    });
}

#[test]
fn random_numbers_differ_and_need_no_login() {
    play(|world| {
        let token = world.token();
        token.logout().unwrap();
        let one = token.generate_random_vec(64).unwrap();
        assert_ne!(one, token.generate_random_vec(64).unwrap());
        assert_eq!(token.generate_random_vec(100_000).unwrap().len(), 100_000);
    });
}

#[test]
fn every_listed_mechanism_can_be_asked_about() {
    play(|world| {
        let token = world.token();
        let listed = token.module.get_mechanism_list(token.slot).unwrap();
        for wanted in [
            MechanismType::AES_KEY_GEN,
            MechanismType::AES_ECB,
            MechanismType::AES_CBC,
            MechanismType::AES_CBC_PAD,
            MechanismType::AES_CTR,
            MechanismType::AES_GCM,
            MechanismType::AES_KEY_WRAP,
            MechanismType::SHA256,
            MechanismType::RSA_PKCS_KEY_PAIR_GEN,
            MechanismType::RSA_PKCS_OAEP,
        ] {
            assert!(listed.contains(&wanted), "{wanted:?} is not listed");
        }
        for kind in listed {
            token.module.get_mechanism_info(token.slot, kind).unwrap();
        }
    });
}

/// An AES session key of that value.
fn known_key(token: &Token, value: &[u8]) -> ObjectHandle {
    token
        .create_object(&[
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Value(value.to_vec()),
        ])
        .unwrap()
}

fn ctr(counter: &Counter) -> Mechanism<'_> {
    Mechanism::VendorDefined(VendorDefinedMechanism::new(MechanismType::AES_CTR, Some(counter)))
}

fn with_gcm<T>(aad: &[u8], tag_bits: u64, then: impl FnOnce(&Mechanism) -> T) -> T {
    let mut iv = unhex(GCM_IV);
    then(&Mechanism::AesGcm(GcmParams::new(&mut iv, aad, tag_bits.into()).unwrap()))
}
