//! Keys that are put together of hidden ones, cut out of them, or encrypted by them: each attack that would read
//! a hidden key by way of what is derived of it fails, and what is left serves those who need it.

use crate::rig::token::Token;
use crate::rig::world::now;
use crate::rig::wrap::{Owner, oaep_sha256};
use crate::rig::{
    EXPIRES_AT, EXPIRY_ACTION, EXTERNAL, ORIGIN, expires_at, mechanism_type, number, play, refused,
    template_of, template_with, unhex, without_custody,
};
use cryptoki::error::{Result, RvError};
use cryptoki::mechanism::ekdf::AesCbcDeriveParams;
use cryptoki::mechanism::hkdf::{HkdfParams, HkdfSalt};
use cryptoki::mechanism::kbkdf::*;
use cryptoki::mechanism::misc::{ExtractParams, KeyDerivationStringData};
use cryptoki::mechanism::vendor_defined::VendorDefinedMechanism;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{
    Attribute, AttributeInfo, AttributeType, KeyType, ObjectClass, ObjectHandle,
};
use cryptoki_sys::*;
use std::num::NonZeroUsize;
use std::ptr::{from_mut, from_ref, null_mut};

const READABLE: [Attribute; 2] = [Attribute::Sensitive(false), Attribute::Extractable(true)];
const HIDDEN: [Attribute; 2] = [Attribute::Sensitive(true), Attribute::Extractable(false)];
const UNWRAP_TEMPLATE: u64 = 0x4000_0212;
const DERIVE_TEMPLATE: u64 = 0x4000_0213;

/// Actions at an expiry.
const ERASE: u64 = 1;
const READ_ONLY: u64 = 2;

fn data(bytes: &[u8]) -> KeyDerivationStringData<'_> {
    KeyDerivationStringData::new(bytes)
}

/// A session key of known bytes that derives.
fn secret(token: &Token, value: &[u8], more: &[Attribute]) -> ObjectHandle {
    let template = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::GENERIC_SECRET),
        Attribute::Value(value.to_vec()),
        Attribute::Derive(true),
    ];
    token.create_object(&[&template[..], more].concat()).unwrap()
}

fn derive(
    token: &Token,
    by: &Mechanism,
    base: ObjectHandle,
    more: &[Attribute],
) -> Result<ObjectHandle> {
    let class = [Attribute::Class(ObjectClass::SECRET_KEY)];
    token.derive_key(by, base, &[&class[..], more].concat())
}

fn hides_its_value(token: &Token, key: ObjectHandle) -> bool {
    let info = token.get_attribute_info(key, &[AttributeType::Value]).unwrap();
    matches!(info[..], [AttributeInfo::Sensitive])
}

/// The handle that a mechanism's parameter brought back.
#[allow(unsafe_code)]
fn handle(raw: CK_OBJECT_HANDLE) -> ObjectHandle {
    // SAFETY: it is a number that the module looks up, whatever it is.
    unsafe { ObjectHandle::new_from_raw(raw) }
}

fn len(size: u64) -> Attribute {
    Attribute::ValueLen(size.into())
}

// --- what readable keys give ---

/// A secret without a byte is none; that is told of the data, or of the key, and of no attribute.
#[test]
fn no_key_comes_of_no_data() {
    play(|world| {
        let token = world.token();
        let base = secret(&token, &[7; 16], &READABLE);
        let nothing = Mechanism::XorBaseAndData(data(&[]));
        refused(derive(&token, &nothing, base, &[]), RvError::MechanismParamInvalid);
        refused(derive(&token, &nothing, base, &[len(1)]), RvError::MechanismParamInvalid);
        for same in [
            Mechanism::ConcatenateBaseAndData(data(&[])),
            Mechanism::ConcatenateDataAndBase(data(&[])),
        ] {
            let copied = derive(&token, &same, base, &READABLE).unwrap();
            assert_eq!(token.bytes(copied, AttributeType::Value), [7; 16]);
        }
        let owner = Owner::of(&token, &[Attribute::Unwrap(true), without_custody()]);
        let generic = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::GENERIC_SECRET),
        ];
        let empty = owner.oaep(&[]);
        let unwrapped = token.unwrap_key(&oaep_sha256(), owner.private, &empty, &generic);
        refused(unwrapped, RvError::WrappedKeyInvalid);
    });
}

#[test]
fn keys_that_can_be_read_are_put_together_and_cut_as_one_likes() {
    play(|world| {
        let token = world.token();
        let base = secret(&token, &[1, 2, 3, 4], &READABLE);
        let other = secret(&token, &[5, 6], &READABLE);
        for (by, more, expected) in [
            (Mechanism::ConcatenateBaseAndKey(other), None, "010203040506"),
            (Mechanism::ConcatenateBaseAndKey(other), Some(len(5)), "0102030405"),
            (Mechanism::ConcatenateBaseAndData(data(&[9])), None, "0102030409"),
            (Mechanism::ConcatenateDataAndBase(data(&[9])), Some(len(2)), "0901"),
            (Mechanism::XorBaseAndData(data(&[1, 1])), None, "0003"),
            (Mechanism::ExtractKeyFromKey(ExtractParams::new(28)), Some(len(2)), "4010"),
        ] {
            let template = [&READABLE[..], more.as_slice()].concat();
            let made = derive(&token, &by, base, &template).unwrap();
            assert_eq!(token.bytes(made, AttributeType::Value), unhex(expected), "{by:?}");
        }
        let hidden = derive(&token, &Mechanism::ConcatenateBaseAndKey(other), base, &HIDDEN);
        assert!(hides_its_value(&token, hidden.unwrap()));
    });
}

// --- what hidden keys keep ---

/// Both keys count, whichever is the base.
#[test]
fn a_key_with_a_hidden_one_in_it_is_hidden() {
    play(|world| {
        let token = world.token();
        let (open, hidden) =
            (secret(&token, &[7; 16], &READABLE), secret(&token, &[8; 16], &HIDDEN));
        for (by, base) in [
            (Mechanism::ConcatenateBaseAndKey(open), hidden),
            (Mechanism::ConcatenateBaseAndKey(hidden), open),
            (Mechanism::ConcatenateBaseAndData(data(&[9])), hidden),
            (Mechanism::ConcatenateDataAndBase(data(&[9])), hidden),
            (Mechanism::XorBaseAndData(data(&[9; 16])), hidden),
        ] {
            for lower in [&READABLE[..1], &READABLE[1..], &READABLE[..]] {
                refused(derive(&token, &by, base, lower), RvError::TemplateInconsistent);
            }
            let made = derive(&token, &by, base, &[]).unwrap();
            assert!(hides_its_value(&token, made), "{by:?}");
            assert!(!token.flag(made, AttributeType::Extractable));
            assert!(!token.flag(made, AttributeType::AlwaysSensitive), "it was created");
        }
    });
}

/// Known bytes beside a part of a hidden key, or a part alone, could be guessed: one byte after the other, each
/// checked with what the key makes.
#[test]
fn no_part_of_a_hidden_key_is_derived() {
    play(|world| {
        let token = world.token();
        let (open, hidden) =
            (secret(&token, &[7; 16], &READABLE), secret(&token, &[8; 32], &HIDDEN));
        for (by, base, sizes) in [
            (Mechanism::ConcatenateBaseAndKey(open), hidden, [1, 31, 33, 47]),
            (Mechanism::ConcatenateBaseAndKey(hidden), open, [1, 16, 17, 47]),
            (Mechanism::ConcatenateBaseAndData(data(&[9; 2])), hidden, [1, 31, 32, 33]),
            (Mechanism::ConcatenateDataAndBase(data(&[9; 2])), hidden, [1, 3, 32, 33]),
            (Mechanism::XorBaseAndData(data(&[9; 40])), hidden, [1, 14, 30, 31]),
        ] {
            for size in sizes {
                refused(derive(&token, &by, base, &[len(size)]), RvError::KeySizeRange);
            }
            derive(&token, &by, base, &[]).unwrap();
        }
        let short = Mechanism::XorBaseAndData(data(&[9; 31]));
        refused(derive(&token, &short, hidden, &[]), RvError::KeySizeRange);
        for (bit, size) in [(0, 1), (0, 31), (8, 31), (0, 32), (8, 32)] {
            let piece = Mechanism::ExtractKeyFromKey(ExtractParams::new(bit));
            let made = derive(&token, &piece, hidden, &[len(size)]);
            refused(made, RvError::KeyFunctionNotPermitted);
        }
        // Nor by way of one that has it in it.
        let joined = Mechanism::ConcatenateDataAndBase(data(&[9; 15]));
        let joined = derive(&token, &joined, hidden, &[]).unwrap();
        let piece = Mechanism::ExtractKeyFromKey(ExtractParams::new(0));
        refused(derive(&token, &piece, joined, &[len(16)]), RvError::KeyFunctionNotPermitted);
        let aes = [Attribute::KeyType(KeyType::AES), len(16)];
        let masked = Mechanism::XorBaseAndData(data(&[0; 16]));
        refused(derive(&token, &masked, joined, &aes), RvError::KeySizeRange);
    });
}

/// A key with another in it is as good as a copy with other usages, and outlives it.
#[test]
fn a_hidden_key_that_may_not_be_copied_or_changed_is_in_no_other() {
    play(|world| {
        let token = world.token();
        let aes = |more: &[Attribute]| {
            token.generate_aes(&[&[Attribute::Derive(true)], &HIDDEN[..], more].concat())
        };
        let open = secret(&token, &[7; 16], &READABLE);
        for kept in [
            aes(&[Attribute::Token(true)]),
            aes(&[Attribute::Copyable(false)]),
            aes(&[Attribute::Modifiable(false)]),
            aes(&[template_of(0x4000_0212, 0x103, &[1])]),
            aes(&[template_of(DERIVE_TEMPLATE, 0x103, &[1])]),
        ] {
            for (by, base) in [
                (Mechanism::XorBaseAndData(data(&[0; 32])), kept),
                (Mechanism::ConcatenateBaseAndData(data(&[])), kept),
                (Mechanism::ConcatenateDataAndBase(data(&[])), kept),
                (Mechanism::ConcatenateBaseAndKey(open), kept),
                (Mechanism::ConcatenateBaseAndKey(kept), open),
            ] {
                refused(derive(&token, &by, base, &[]), RvError::KeyFunctionNotPermitted);
            }
        }
        let free = aes(&[]);
        derive(&token, &Mechanism::XorBaseAndData(data(&[0; 32])), free, &[]).unwrap();
    });
}

/// Two lengths of one key that a template hides would tell its last byte, to who can put known bytes behind the
/// shorter one.
#[test]
fn what_a_template_hides_is_not_put_together_with_known_bytes() {
    play(|world| {
        let token = world.token();
        let hiding = template_with(DERIVE_TEMPLATE, &[(0x103, &[1]), (0x162, &[0])]);
        let base = secret(&token, &[8; 32], &[hiding]);
        let hkdf = HkdfParams::new(MechanismType::SHA256, Some(HkdfSalt::Null), Some(b"info"));
        let made = derive(&token, &Mechanism::HkdfDerive(hkdf), base, &[len(14)]).unwrap();
        let guess = Mechanism::ConcatenateBaseAndData(data(&[9]));
        refused(derive(&token, &guess, made, &[]), RvError::KeyFunctionNotPermitted);
    });
}

#[test]
fn what_has_a_key_in_it_ends_with_it_and_does_no_more_by_mechanism() {
    play(|world| {
        let token = world.token();
        let end = now() + 1000;
        let mechanisms = [MechanismType::XOR_BASE_AND_DATA, MechanismType::SHA256_HMAC];
        let template = [Attribute::AllowedMechanisms(mechanisms.to_vec()), expires_at(end)];
        let base = secret(&token, &[8; 16], &[&HIDDEN[..], &template].concat());
        let masked = Mechanism::XorBaseAndData(data(&[3; 16]));
        let derive = |more: &[Attribute]| derive(&token, &masked, base, more);
        let made = derive(&[expires_at(end + 1)]).unwrap();
        assert_eq!(token.number(made, EXPIRES_AT), end);
        let sooner = derive(&[expires_at(end - 1)]).unwrap();
        assert_eq!(token.number(sooner, EXPIRES_AT), end - 1);
        let allowed = token.get_attributes(made, &[AttributeType::AllowedMechanisms]).unwrap();
        assert_eq!(allowed, [Attribute::AllowedMechanisms(mechanisms.to_vec())]);
        let fewer = Attribute::AllowedMechanisms(mechanisms[1..].to_vec());
        derive(&[fewer]).unwrap();
        let other = Attribute::AllowedMechanisms(vec![MechanismType::SHA512_HMAC]);
        refused(derive(&[other]), RvError::TemplateInconsistent);
        let kept = [Attribute::Token(true), without_custody()];
        let kept = derive(&kept).unwrap();
        assert_eq!(token.number(kept, EXPIRES_AT), end);
        // What only reads from a sooner end on would do so for good.
        for asked in [end - 1, end, end + 1, 0] {
            let made = derive(&[expires_at(asked), number(EXPIRY_ACTION, READ_ONLY)]);
            let Ok(made) = made else { continue };
            assert_eq!(token.number(made, EXPIRY_ACTION), ERASE, "{asked}");
            assert!(token.number(made, EXPIRES_AT) <= end, "{asked}");
        }
        let sooner = [expires_at(end - 1), number(EXPIRY_ACTION, READ_ONLY)];
        assert_eq!(token.number(derive(&sooner).unwrap(), EXPIRES_AT), end - 1);
    });
}

/// The first part of a blob of `CKM_RSA_AES_KEY_WRAP` opens the rest of it, whichever key has its bytes.
#[test]
fn a_transport_key_that_opens_nothing_is_in_no_key_that_would() {
    play(|world| {
        let token = world.token();
        let hides = template_with(UNWRAP_TEMPLATE, &[(0x103, &[1]), (0x162, &[0])]);
        let owner = Owner::of(&token, &[Attribute::Unwrap(true), hides, without_custody()]);
        let (transport, _) = owner.parts(&[7; 32]);
        let aes = [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::KeyType(KeyType::AES)];
        let derives = [&aes[..], &[Attribute::Derive(true)]].concat();
        let base = token.unwrap_key(&oaep_sha256(), owner.private, &transport, &derives).unwrap();
        let open = secret(&token, &[7; 16], &READABLE);
        let zeros = [0; 32];
        for (by, base) in [
            (Mechanism::XorBaseAndData(data(&zeros)), base),
            (Mechanism::ConcatenateBaseAndData(data(&[])), base),
            (Mechanism::ConcatenateDataAndBase(data(&[])), base),
            (Mechanism::ConcatenateBaseAndKey(open), base),
            (Mechanism::ConcatenateBaseAndKey(base), open),
        ] {
            refused(derive(&token, &by, base, &[]), RvError::KeyFunctionNotPermitted);
        }
    });
}

// --- encrypted data ---

#[test]
fn what_a_hidden_key_encrypts_is_never_read_and_never_cut() {
    play(|world| {
        let token = world.token();
        let ecb = data(&[5; 32]);
        let ecb = VendorDefinedMechanism::new(mechanism_type(CKM_AES_ECB_ENCRYPT_DATA), Some(&ecb));
        let cbc = AesCbcDeriveParams::new([3; 16], &[5; 32]);
        for by in [Mechanism::VendorDefined(ecb), Mechanism::AesCbcEncryptData(cbc)] {
            let free = token.generate_aes(&[&[Attribute::Derive(true)], &READABLE[..]].concat());
            let read = derive(&token, &by, free, &[&READABLE[..], &[len(20)]].concat()).unwrap();
            assert_eq!(token.bytes(read, AttributeType::Value).len(), 20);
            for place in [Attribute::Token(false), Attribute::Token(true)] {
                let base = [&[Attribute::Derive(true), place], &HIDDEN[..]].concat();
                let base = token.generate_aes(&base);
                let derive = |more: &[Attribute]| derive(&token, &by, base, more);
                refused(derive(&READABLE), RvError::TemplateInconsistent);
                assert!(hides_its_value(&token, derive(&[]).unwrap()));
                for size in [1, 15, 17, 24, 31] {
                    refused(derive(&[len(size)]), RvError::KeySizeRange);
                }
                let key = derive(&[Attribute::KeyType(KeyType::AES), len(16)]).unwrap();
                assert!(hides_its_value(&token, key));
            }
        }
    });
}

// --- SP 800-108 ---

fn counter() -> KbkdfCounterFormat {
    KbkdfCounterFormat::new(Endianness::Big, NonZeroUsize::new(32).unwrap())
}

#[test]
fn several_keys_come_all_together_or_not_at_all() {
    play(|world| {
        let token = world.token();
        let base = token.generate_aes(&[Attribute::Derive(true), Attribute::Token(true)]);
        let counter = counter();
        let fields = [
            PrfDataParam::new(PrfDataParamType::IterationVariable(Some(&counter))),
            PrfDataParam::new(PrfDataParamType::ByteArray(b"purpose")),
        ];
        let own =
            |more: &[Attribute]| [&[Attribute::Class(ObjectClass::SECRET_KEY)], more].concat();
        let mine = own(&[
            Attribute::KeyType(KeyType::AES),
            len(32),
            READABLE[0].clone(),
            READABLE[1].clone(),
        ]);
        let label = Attribute::Label(b"second".to_vec());
        let second = own(&[len(20), Attribute::Token(true), label.clone()]);
        let third = own(&[Attribute::KeyType(KeyType::AES), len(16), Attribute::Encrypt(true)]);
        let broken = own(&[Attribute::KeyType(KeyType::AES), len(17)]);
        let count =
            || token.find_objects(&[Attribute::Class(ObjectClass::SECRET_KEY)]).unwrap().len();
        let before = count();

        let mut keys = [DerivedKey::new(&second), DerivedKey::new(&broken)];
        let params = KbkdfParams::new(MechanismType::AES_CMAC, &fields, Some(&mut keys));
        let failed = token.derive_key(&Mechanism::KbkdfCounter(params), base, &mine);
        assert!(failed.is_err());
        assert_eq!((count(), keys[1].handle()), (before, None), "nothing was made");

        let mut keys = [DerivedKey::new(&second), DerivedKey::new(&third)];
        let params = KbkdfParams::new(MechanismType::AES_CMAC, &fields, Some(&mut keys));
        let first = token.derive_key(&Mechanism::KbkdfCounter(params), base, &mine).unwrap();
        assert_eq!(count(), before + 3);
        let [second, third] = keys.map(|key| key.handle().unwrap());
        assert_eq!(token.bytes(second, AttributeType::Label), b"second");
        assert_eq!(token.number(second, ORIGIN), EXTERNAL);
        assert!(hides_its_value(&token, second));
        assert!(hides_its_value(&token, third), "as its base, where nothing is said");
        token.encrypt_block(third).unwrap();
        let alone = KbkdfParams::new(MechanismType::AES_CMAC, &fields, None);
        let alone = token.derive_key(&Mechanism::KbkdfCounter(alone), base, &mine).unwrap();
        let value = |key| token.bytes(key, AttributeType::Value);
        assert_eq!(value(first), value(alone), "the first segments are the key's of the call");
    });
}

/// Each of the segments takes all of the fields.
#[test]
fn a_derivation_that_would_not_end_is_refused() {
    play(|world| {
        let token = world.token();
        let base = token.generate_aes(&[Attribute::Derive(true)]);
        let (counter, bytes) = (counter(), vec![7; 1 << 20]);
        let fields = [
            PrfDataParam::new(PrfDataParamType::IterationVariable(Some(&counter))),
            PrfDataParam::new(PrfDataParamType::ByteArray(&bytes)),
        ];
        let params = || KbkdfParams::new(MechanismType::SHA256_HMAC, &fields, None);
        let endless = derive(&token, &Mechanism::KbkdfCounter(params()), base, &[len(4096)]);
        refused(endless, RvError::MechanismParamInvalid);
        derive(&token, &Mechanism::KbkdfCounter(params()), base, &[len(32)]).unwrap();
    });
}

// --- TLS ---

fn random(bytes: &mut [u8; 32]) -> CK_SSL3_RANDOM_DATA {
    let start = bytes.as_mut_ptr();
    CK_SSL3_RANDOM_DATA {
        pClientRandom: start,
        ulClientRandomLen: 32,
        pServerRandom: start,
        ulServerRandomLen: 32,
    }
}

/// That a key without a value has no use, and stays in its session.
fn does_nothing(token: &Token, empty: ObjectHandle) {
    let hmac = Mechanism::Sha256Hmac;
    refused(token.sign(&hmac, empty, b"data"), RvError::KeyFunctionNotPermitted);
    refused(token.verify(&hmac, empty, b"data", &[0; 32]), RvError::KeyFunctionNotPermitted);
    for more in [&[][..], &[Attribute::Token(true)], &[Attribute::Sign(true)]] {
        refused(token.copy_object(empty, more), RvError::ActionProhibited);
    }
    let signs = [Attribute::Sign(true)];
    refused(token.update_attributes(empty, &signs), RvError::ActionProhibited);
    let joined = Mechanism::ConcatenateBaseAndData(data(b"data"));
    refused(derive(token, &joined, empty, &[]), RvError::KeyFunctionNotPermitted);
    token.digest_init(&Mechanism::Sha256).unwrap();
    refused(token.digest_key(empty), RvError::KeyIndigestible);
    let by = token.generate_aes(&[Attribute::Wrap(true)]);
    refused(token.wrap_key(&Mechanism::AesKeyWrap, by, empty), RvError::KeyNotWrappable);
}

/// The lengths of keys can be chosen so that the IVs, which are no secrets, are what keys are made of else.
#[test]
fn a_hidden_master_secret_gives_no_ivs_and_no_version() {
    play(|world| {
        let token = world.token();
        let mut bytes = [7; 32];
        let mut version = CK_VERSION { major: 0, minor: 0 };
        let params = CK_TLS12_MASTER_KEY_DERIVE_PARAMS {
            RandomInfo: random(&mut bytes),
            pVersion: from_mut(&mut version),
            prfHashMechanism: CKM_SHA256,
        };
        let number = mechanism_type(CKM_TLS12_MASTER_KEY_DERIVE);
        let by = Mechanism::VendorDefined(VendorDefinedMechanism::new(number, Some(&params)));
        let hidden = secret(&token, &[3; 48], &HIDDEN);
        refused(derive(&token, &by, hidden, &[]), RvError::KeyFunctionNotPermitted);
        assert_eq!(version.major, 0);
        let open = secret(&token, &[3; 48], &READABLE);
        let master = derive(&token, &by, open, &READABLE).unwrap();
        assert_eq!((version.major, version.minor), (3, 3));
        // A master secret makes keys, and MACs of Finished, and nothing else.
        let hkdf = HkdfParams::new(MechanismType::SHA256, Some(HkdfSalt::Null), Some(b"info"));
        let other = derive(&token, &Mechanism::HkdfDerive(hkdf), master, &[len(14)]);
        refused(other, RvError::MechanismInvalid);

        for (base, shown) in [(hidden, false), (open, true)] {
            for (id, iv_bits) in [
                (CKM_TLS12_KEY_AND_MAC_DERIVE, 32),
                (CKM_TLS12_KEY_AND_MAC_DERIVE, 0),
                (CKM_TLS12_KEY_SAFE_DERIVE, 32),
            ] {
                let mut ivs = [[0; 4]; 2];
                let [client, server] = &mut ivs;
                let mut out = CK_SSL3_KEY_MAT_OUT {
                    hClientMacSecret: 0,
                    hServerMacSecret: 0,
                    hClientKey: 0,
                    hServerKey: 0,
                    pIVClient: client.as_mut_ptr(),
                    pIVServer: server.as_mut_ptr(),
                };
                let params = CK_TLS12_KEY_MAT_PARAMS {
                    ulMacSizeInBits: 0,
                    ulKeySizeInBits: 128,
                    ulIVSizeInBits: iv_bits,
                    bIsExport: CK_FALSE,
                    RandomInfo: random(&mut bytes),
                    pReturnedKeyMaterial: from_mut(&mut out),
                    prfHashMechanism: CKM_SHA256,
                };
                let params = VendorDefinedMechanism::new(mechanism_type(id), Some(&params));
                let by = Mechanism::VendorDefined(params);
                let aes = Attribute::KeyType(KeyType::AES);
                let made = derive(&token, &by, base, std::slice::from_ref(&aes));
                let with_ivs = id == CKM_TLS12_KEY_AND_MAC_DERIVE && iv_bits > 0;
                if with_ivs && !shown {
                    refused(made, RvError::KeyFunctionNotPermitted);
                    assert_eq!((ivs, out.hClientKey), ([[0; 4]; 2], 0));
                    continue;
                }
                made.unwrap();
                assert_eq!(ivs != [[0; 4]; 2], with_ivs);
                let key = handle(out.hClientKey);
                assert_eq!(hides_its_value(&token, key), !shown);
                token.encrypt_block(key).unwrap();
                // SunPKCS11 destroys the keys that a cipher does without.
                for mac in [out.hClientMacSecret, out.hServerMacSecret].map(handle) {
                    does_nothing(&token, mac);
                    token.destroy_object(mac).unwrap();
                }
                let lower =
                    [&[aes][..], if shown { &HIDDEN[..1] } else { &READABLE[..1] }].concat();
                refused(derive(&token, &by, base, &lower), RvError::TemplateInconsistent);
            }
        }
    });
}

/// A key that is one byte longer than another could be guessed, a byte at a time.
#[test]
fn a_hidden_master_secret_gives_no_key_that_could_be_guessed() {
    play(|world| {
        let token = world.token();
        let mut bytes = [7; 32];
        let hidden = secret(&token, &[3; 48], &HIDDEN);
        let mut connection = |mac: u64, key: u64| {
            let mut out = CK_SSL3_KEY_MAT_OUT {
                hClientMacSecret: 0,
                hServerMacSecret: 0,
                hClientKey: 0,
                hServerKey: 0,
                pIVClient: null_mut(),
                pIVServer: null_mut(),
            };
            let params = CK_TLS12_KEY_MAT_PARAMS {
                ulMacSizeInBits: mac * 8,
                ulKeySizeInBits: key * 8,
                ulIVSizeInBits: 0,
                bIsExport: CK_FALSE,
                RandomInfo: random(&mut bytes),
                pReturnedKeyMaterial: from_mut(&mut out),
                prfHashMechanism: CKM_SHA256,
            };
            let number = mechanism_type(CKM_TLS12_KEY_SAFE_DERIVE);
            let by = Mechanism::VendorDefined(VendorDefinedMechanism::new(number, Some(&params)));
            let generic = Attribute::KeyType(KeyType::GENERIC_SECRET);
            let made = derive(&token, &by, hidden, &[generic, Attribute::Derive(true)]);
            made.map(|_| handle(out.hClientKey))
        };
        for (mac, key) in [(1, 0), (2, 16), (13, 0), (0, 1), (20, 13)] {
            refused(connection(mac, key), RvError::KeySizeRange);
        }
        connection(0, 32).unwrap();
        let key = connection(20, 14).unwrap();
        // Nor by a digest of the shorter one and a guess.
        let guess = Mechanism::ConcatenateBaseAndData(data(&[9]));
        refused(derive(&token, &guess, key, &[]), RvError::KeyFunctionNotPermitted);
        token.digest_init(&Mechanism::Sha256).unwrap();
        refused(token.digest_key(key), RvError::KeyIndigestible);
    });
}

/// The function takes label and seed as one, and so the border between them says nothing.
#[test]
fn no_exporter_makes_what_tls_itself_derives() {
    play(|world| {
        let token = world.token();
        let hidden = secret(&token, &[3; 48], &HIDDEN);
        let export = |label: &[u8], client: &[u8], size| {
            let (mut label, mut client) = (label.to_vec(), client.to_vec());
            let mut server = [7; 32];
            let params = CK_TLS_KDF_PARAMS {
                prfMechanism: CKM_SHA256,
                pLabel: label.as_mut_ptr(),
                ulLabelLength: label.len() as u64,
                RandomInfo: CK_SSL3_RANDOM_DATA {
                    pClientRandom: client.as_mut_ptr(),
                    ulClientRandomLen: client.len() as u64,
                    pServerRandom: server.as_mut_ptr(),
                    ulServerRandomLen: 32,
                },
                pContextData: null_mut(),
                ulContextDataLength: 0,
            };
            let number = mechanism_type(CKM_TLS_KDF);
            let by = Mechanism::VendorDefined(VendorDefinedMechanism::new(number, Some(&params)));
            derive(&token, &by, hidden, &[len(size)])
        };
        for (label, client) in [
            (&b"key expansion"[..], &[7; 32][..]),
            (b"key expan", b"sion and more"),
            (b"master secret", &[7; 32]),
            (b"client finished", &[7; 32]),
        ] {
            refused(export(label, client, 32), RvError::MechanismParamInvalid);
        }
        refused(export(b"EXPORTER-mine", &[7; 32], 13), RvError::KeySizeRange);
        export(b"EXPORTER-mine", &[7; 32], 32).unwrap();
    });
}

// --- passwords ---

/// A key that is made of a password is known to its owner, as if it had been created.
#[test]
fn a_key_of_a_password_is_the_callers_and_no_secret_of_the_token() {
    play(|world| {
        let token = world.token();
        let mut salt = *b"salt";
        let mut password = *b"password";
        let params = CK_PKCS5_PBKD2_PARAMS2 {
            saltSource: CKZ_SALT_SPECIFIED,
            pSaltSourceData: salt.as_mut_ptr().cast(),
            ulSaltSourceDataLen: 4,
            iterations: 2,
            prf: CKP_PKCS5_PBKD2_HMAC_SHA1,
            pPrfData: null_mut(),
            ulPrfDataLen: 0,
            pPassword: password.as_mut_ptr(),
            ulPasswordLen: 8,
        };
        let generate = |params: &CK_PKCS5_PBKD2_PARAMS2, template: &[Attribute]| {
            let number = mechanism_type(CKM_PKCS5_PBKD2);
            let by = VendorDefinedMechanism::new(number, Some(params));
            token.generate_key(&Mechanism::VendorDefined(by), template)
        };
        let generic = [Attribute::KeyType(KeyType::GENERIC_SECRET), len(20)];
        let read = generate(&params, &[&generic[..], &READABLE].concat()).unwrap();
        // RFC 6070.
        let expected = unhex("ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957");
        assert_eq!(token.bytes(read, AttributeType::Value), expected);
        let kept = [Attribute::KeyType(KeyType::AES), len(16), Attribute::Token(true)];
        let kept = generate(&params, &kept).unwrap();
        assert_eq!(token.number(kept, ORIGIN), EXTERNAL);
        for history in
            [AttributeType::Local, AttributeType::AlwaysSensitive, AttributeType::NeverExtractable]
        {
            assert!(!token.flag(kept, history), "{history:?}");
        }
        token.destroy_object(kept).unwrap();
        refused(generate(&params, &generic[..1]), RvError::TemplateIncomplete);
        refused(generate(&params, &generic[1..]), RvError::TemplateIncomplete);
        // NSS points to the length, as the structure of before version 2.40's errata does.
        let length: CK_ULONG = 8;
        let older = |length| CK_PKCS5_PBKD2_PARAMS2 { ulPasswordLen: length, ..params };
        let pointing = older(from_ref(&length).expose_provenance() as CK_ULONG);
        let read = generate(&pointing, &[&generic[..], &READABLE].concat()).unwrap();
        assert_eq!(token.bytes(read, AttributeType::Value), expected);
        for nowhere in [1 << 40, (1 << 40) + 1, CK_ULONG::MAX - 7] {
            refused(generate(&older(nowhere), &generic), RvError::MechanismParamInvalid);
        }
        let endless = CK_PKCS5_PBKD2_PARAMS2 { iterations: 1 << 40, ..params };
        refused(generate(&endless, &generic), RvError::MechanismParamInvalid);
    });
}
