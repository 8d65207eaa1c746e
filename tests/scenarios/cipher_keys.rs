//! Ciphers beside those that AES keys have always had: keys of ChaCha20 and AES-XTS as custom keys, and what
//! AES key wrap and AES-CBC do with data and with keys.

use crate::rig::vendor::mechanism_type;
use crate::rig::wrap::import_padded;
use crate::rig::{
    MATERIAL_VERSION, ROTATION_DAYS, Token, for_key, number, play, refused, rotate, template_of,
};
use cryptoki::error::{Result, RvError};
use cryptoki::mechanism::vendor_defined::VendorDefinedMechanism;
use cryptoki::mechanism::{Mechanism, MechanismInfo};
use cryptoki::object::{Attribute, KeyType, ObjectClass, ObjectHandle};
use pkcs11_sys::*;

const TEXT: &[u8] = b"twice sixteen bytes, for a sector";
const IV: [u8; 16] = [9; 16];

#[test]
fn a_chacha20_custom_key_goes_on_opening_what_it_sealed_before_its_rotation() {
    play(|world| {
        let token = world.token();
        let template = [Attribute::Token(true), number(ROTATION_DAYS, 30)];
        let key = token.generate_key(&bare(CKM_CHACHA20_KEY_GEN), &template).unwrap();
        let json = token.json(&token.key_of(key));
        assert_eq!((&json["key_type"], &json["key_bits"]), (&"CHACHA20".into(), &256.into()));
        let (mut nonce, params) = ([3; 12], chacha);
        let before = token.encrypt(&chacha20(&params(&mut nonce)), key, TEXT).unwrap();
        token.generate_key(&rotate(), &[for_key(&token.key_of(key))]).unwrap();
        assert_eq!(token.number(key, MATERIAL_VERSION), 2);
        let after = token.encrypt(&chacha20(&params(&mut nonce)), key, TEXT).unwrap();
        assert_ne!(before, after);
        for sealed in [before, after] {
            let opened = token.decrypt(&chacha20(&params(&mut nonce)), key, &sealed).unwrap();
            assert_eq!(opened, TEXT);
        }
    });
}

#[test]
fn an_aes_xts_key_is_two_different_keys_and_its_versions_cannot_be_told_apart() {
    play(|world| {
        let token = world.token();
        let key =
            token.generate_key(&bare(CKM_AES_XTS_KEY_GEN), &[Attribute::Token(true)]).unwrap();
        assert_eq!(token.json(&token.key_of(key))["key_bits"], 512);
        let sector = token.encrypt(&with_iv(CKM_AES_XTS), key, TEXT).unwrap();
        assert_eq!(token.decrypt(&with_iv(CKM_AES_XTS), key, &sector).unwrap(), TEXT);
        refused(token.encrypt(&with_iv(CKM_AES_XTS), key, &[0; 15]), RvError::DataLenRange);
        token.generate_key(&rotate(), &[for_key(&token.key_of(key))]).unwrap();
        let opened = token.decrypt(&with_iv(CKM_AES_XTS), key, &sector);
        refused(opened, RvError::KeyFunctionNotPermitted);

        let scheduled = [Attribute::Token(true), number(ROTATION_DAYS, 30)];
        let scheduled = token.generate_key(&bare(CKM_AES_XTS_KEY_GEN), &scheduled);
        refused(scheduled, RvError::TemplateInconsistent);
        for value in [vec![7; 64], (0..32).collect(), (0..63).collect()] {
            refused(created(&token, CKK_AES_XTS, &value), RvError::AttributeValueInvalid);
        }
        created(&token, CKK_AES_XTS, &(0..64).collect::<Vec<u8>>()).unwrap();
    });
}

#[test]
fn cbc_wraps_and_unwraps_only_where_that_is_configured() {
    play(|world| {
        let token = world.token();
        let (by, key) = wrapping(&token);
        refused(token.wrap_key(&Mechanism::AesCbc(IV), by, key), RvError::MechanismInvalid);
        let unwrapped = token.unwrap_key(&Mechanism::AesCbc(IV), by, &[0; 32], &aes(24));
        refused(unwrapped, RvError::MechanismInvalid);
        assert!(!wraps(&token, CKM_AES_CBC) && wraps(&token, CKM_AES_CBC_PAD));
    });
}

#[test]
fn where_it_is_configured_cbc_wraps_a_key_with_zeros_up_to_a_block() {
    play(|world| {
        world.configure("mixed_wrapping = true");
        let token = world.token();
        assert!(wraps(&token, CKM_AES_CBC));
        let (by, key) = wrapping(&token);
        let wrapped = token.wrap_key(&Mechanism::AesCbc(IV), by, key).unwrap();
        assert_eq!(wrapped.len(), 32);
        let unwrap = |blob: &[u8], template: &[Attribute]| {
            token.unwrap_key(&Mechanism::AesCbc(IV), by, blob, template)
        };
        let back = unwrap(&wrapped, &aes(24)).unwrap();
        assert_eq!(token.encrypt_block(back).unwrap(), token.encrypt_block(key).unwrap());
        refused(unwrap(&wrapped, &aes(16)), RvError::WrappedKeyLenRange);
        refused(unwrap(&wrapped[..31], &aes(24)), RvError::WrappedKeyLenRange);

        let hidden = [Attribute::Wrap(true), template_of(CKA_WRAP_TEMPLATE, CKA_EXTRACTABLE, &[1])];
        let bound = token.generate_aes(&hidden);
        assert!(
            token.wrap_key(&Mechanism::AesCbc(IV), bound, key).is_err(),
            "nor does a bound key"
        );
        let hiding =
            [Attribute::Unwrap(true), template_of(CKA_UNWRAP_TEMPLATE, CKA_SENSITIVE, &[1])];
        let hiding = token.generate_aes(&hiding);
        let opened = token.unwrap_key(&Mechanism::AesCbc(IV), hiding, &wrapped, &aes(24));
        refused(opened, RvError::KeyFunctionNotPermitted);
    });
}

#[test]
fn what_key_wrap_decrypts_obeys_the_rules_that_part_wrapping_from_decrypting() {
    play(|world| {
        let token = world.token();
        let both = token.generate_aes(&[Attribute::Wrap(true), Attribute::Decrypt(true)]);
        let sensitive = [Attribute::Sensitive(true), Attribute::Extractable(true)];
        let key = token.generate_aes(&sensitive);
        refused(token.wrap_key(&Mechanism::AesKeyWrap, both, key), RvError::KeyNotWrappable);

        let (data, kwp) = ([7; 24], Mechanism::AesKeyWrapPad);
        let all = token.generate_aes(&[]);
        let sealed = token.encrypt(&kwp, all, &data[..23]).unwrap();
        assert_eq!(token.decrypt(&kwp, all, &sealed).unwrap(), data[..23]);
        refused(token.decrypt(&kwp, all, &[0; 32]), RvError::EncryptedDataInvalid);
        refused(token.encrypt(&Mechanism::AesKeyWrap, all, &data[..23]), RvError::DataLenRange);

        let bound = [
            Attribute::Unwrap(true),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
            template_of(CKA_UNWRAP_TEMPLATE, CKA_EXTRACTABLE, &[0]),
        ];
        let bound = token.generate_aes(&bound);
        refused(token.encrypt(&kwp, bound, &data), RvError::KeyFunctionNotPermitted);
        refused(token.decrypt(&kwp, bound, &sealed), RvError::KeyFunctionNotPermitted);
    });
}

#[test]
fn the_data_that_key_wrap_has_encrypted_are_opened_by_an_older_version() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Token(true)]);
        let sealed = token.encrypt(&Mechanism::AesKeyWrap, key, &[7; 24]).unwrap();
        token.generate_key(&rotate(), &[for_key(&token.key_of(key))]).unwrap();
        assert_eq!(token.decrypt(&Mechanism::AesKeyWrap, key, &sealed).unwrap(), [7; 24]);
    });
}

#[test]
fn gmac_signs_one_message_with_one_iv() {
    play(|world| {
        let token = world.token();
        let info = info(&token, CKM_AES_GMAC);
        assert!(info.sign() && info.verify() && !info.multi_message());
        let (key, iv) = (token.generate_aes(&[]), [4_u8; 12]);
        let gmac = Mechanism::VendorDefined(VendorDefinedMechanism::new(
            mechanism_type(CKM_AES_GMAC),
            Some(&iv),
        ));
        let tag = token.sign(&gmac, key, TEXT).unwrap();
        token.verify(&gmac, key, TEXT, &tag).unwrap();
        refused(token.verify(&gmac, key, b"another", &tag), RvError::SignatureInvalid);
        let short = Mechanism::VendorDefined(VendorDefinedMechanism::new(
            mechanism_type(CKM_AES_GMAC),
            Some(&[4_u8; 11]),
        ));
        refused(token.sign(&short, key, TEXT), RvError::MechanismParamInvalid);
    });
}

#[test]
fn a_secret_that_names_its_hash_is_generated_in_the_length_asked_for() {
    play(|world| {
        let token = world.token();
        for (mechanism, key_type) in [
            (CKM_SHA_1_KEY_GEN, CKK_SHA_1_HMAC),
            (CKM_SHA256_KEY_GEN, CKK_SHA256_HMAC),
            (CKM_SHA512_256_KEY_GEN, CKK_SHA512_256_HMAC),
            (CKM_SHA3_512_KEY_GEN, CKK_SHA3_512_HMAC),
        ] {
            let template = [Attribute::ValueLen(20.into())];
            let key = token.generate_key(&bare(mechanism), &template).unwrap();
            assert!(token.has(key, CKA_KEY_TYPE, &key_type.to_ne_bytes()), "{mechanism:#x}");
            let tag = token.sign(&Mechanism::Sha256Hmac, key, TEXT).unwrap();
            assert_eq!(tag.len(), 32);
            refused(token.generate_key(&bare(mechanism), &[]), RvError::TemplateIncomplete);
        }
    });
}

#[test]
fn a_known_curve_that_the_token_does_not_compute_on_is_told_from_a_wrong_value() {
    play(|world| {
        let token = world.token();
        let printable = |name: &str| [&[0x13, name.len() as u8], name.as_bytes()].concat();
        let generate = |mechanism: &Mechanism, curve: &[u8]| {
            token.generate_key_pair(mechanism, &[Attribute::EcParams(curve.to_vec())], &[])
        };
        let (ec, edwards, montgomery) = (
            Mechanism::EccKeyPairGen,
            Mechanism::EccEdwardsKeyPairGen,
            Mechanism::EccMontgomeryKeyPairGen,
        );
        for (mechanism, curve) in [
            (&ec, vec![6, 9, 0x2B, 0x24, 3, 3, 2, 8, 1, 1, 7]),
            (&ec, vec![6, 5, 0x2B, 0x81, 4, 0, 38]),
            (&ec, printable("brainpoolP384r1")),
            (&edwards, vec![6, 3, 0x2B, 0x65, 0x71]),
            (&edwards, printable("edwards448")),
            (&montgomery, vec![6, 3, 0x2B, 0x65, 0x6F]),
            (&montgomery, printable("curve448")),
        ] {
            refused(generate(mechanism, &curve), RvError::CurveNotSupported);
        }
        for (mechanism, curve) in [
            (&ec, vec![6, 5, 0x2B, 0x81, 4, 0, 99]),
            (&ec, printable("nosuchcurve")),
            (&ec, vec![0x30, 0]),
            (&edwards, vec![1, 2, 3]),
            (&montgomery, vec![]),
        ] {
            refused(generate(mechanism, &curve), RvError::AttributeValueInvalid);
        }
        for oid in [vec![6, 5, 0x2B, 0x81, 4, 0, 33], vec![6, 5, 0x2B, 0x81, 4, 0, 10]] {
            let (public, private) = generate(&ec, &oid).unwrap();
            let signature = token.sign(&Mechanism::EcdsaSha256, private, TEXT).unwrap();
            token.verify(&Mechanism::EcdsaSha256, public, TEXT, &signature).unwrap();
        }
    });
}

/// Keys that `openssl genpkey` made, as PKCS#8: Ed448, X448, P-192 and brainpoolP256r1.
const ELSEWHERE: [(KeyType, &str, &str); 4] = [
    (
        KeyType::EC_EDWARDS,
        "06032b6571",
        "3047020100300506032b6571043b0439cb2a03f27401c0bbdb167f18e42bc4beb9abfac8ce83fea83c9e5a13\
         534ffbffa355132e945f49696230d7fc87c367f3f444e586d82eb10f37",
    ),
    (
        KeyType::EC_MONTGOMERY,
        "06032b656f",
        "3046020100300506032b656f043a0438242122d9e968fa04bf551dd5b768774dac8fc1517e0295334546e8e2\
         fac960250300a4789401be51888839ecc08dd0a52fdfa73757ac0aff",
    ),
    (
        KeyType::EC,
        "06082a8648ce3d030101",
        "306f020100301306072a8648ce3d020106082a8648ce3d030101045530530201010418a37a90963e22aba97c\
         10749c6a64fbe446595c457af9aa64a13403320004e14ebd3aad674d3aade93155ce6702f294e175635d582a\
         648f6fa6a79f251727544d2feb28eca36c90a4e7d12c6fde5a",
    ),
    (
        KeyType::EC,
        "06092b2403030208010107",
        "308188020100301406072a8648ce3d020106092b2403030208010107046d306b02010104201aa5f9791d387e\
         5e0e876845790f286b6dc0bae112f6cdb6bc7f4d121237d322a14403420004729cc581dd984a1b0856ad6471\
         b6a482ffb97db4b6a407ba7815d5e91009e10a5fdd33540c1726f3f6f79209aae68c04e432abe9eb87914fd8\
         481936d38a0678",
    ),
];

#[test]
fn a_key_on_such_a_curve_is_told_where_nothing_but_an_honest_blob_gets_an_answer() {
    play(|world| {
        let token = world.token();
        let hex = |text: &str| base16ct::lower::decode_vec(text).unwrap();
        for (key_type, curve, pkcs8) in ELSEWHERE {
            let private =
                [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::KeyType(key_type)];
            let value = [Attribute::EcParams(hex(curve)), Attribute::Value(vec![7; 56])];
            let created = token.create_object(&[&private[..], &value].concat());
            refused(created, RvError::CurveNotSupported);
            refused(import_padded(&token, &hex(pkcs8), &private), RvError::CurveNotSupported);

            let by = token.create_object(&[
                Attribute::Class(ObjectClass::SECRET_KEY),
                Attribute::KeyType(KeyType::AES),
                Attribute::Encrypt(true),
                Attribute::Unwrap(true),
                Attribute::Value(vec![7; 32]),
            ]);
            let (by, readable) = (by.unwrap(), [Attribute::Sensitive(false)]);
            let cbc = Mechanism::AesCbcPad(IV);
            let blob = token.encrypt(&cbc, by, &hex(pkcs8)).unwrap();
            let unwrapped = token.unwrap_key(&cbc, by, &blob, &[&private[..], &readable].concat());
            refused(unwrapped, RvError::WrappedKeyInvalid);
        }
        let damaged = hex("302e020100300506032b657004220420").repeat(3);
        let edwards =
            [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::KeyType(KeyType::EC_EDWARDS)];
        refused(import_padded(&token, &damaged[..47], &edwards), RvError::WrappedKeyInvalid);
    });
}

// --- what the scenarios are made of ---

/// The parameter `CK_SALSA20_CHACHA20_POLY1305_PARAMS`, without associated data.
fn chacha(nonce: &mut [u8; 12]) -> CK_SALSA20_CHACHA20_POLY1305_PARAMS {
    CK_SALSA20_CHACHA20_POLY1305_PARAMS {
        pNonce: nonce.as_mut_ptr(),
        ulNonceLen: 12,
        pAAD: std::ptr::null_mut(),
        ulAADLen: 0,
    }
}

fn chacha20(params: &CK_SALSA20_CHACHA20_POLY1305_PARAMS) -> Mechanism<'_> {
    let number = mechanism_type(CKM_CHACHA20_POLY1305);
    Mechanism::VendorDefined(VendorDefinedMechanism::new(number, Some(params)))
}

fn bare(number: CK_MECHANISM_TYPE) -> Mechanism<'static> {
    Mechanism::VendorDefined(VendorDefinedMechanism::new::<()>(mechanism_type(number), None))
}

fn with_iv(number: CK_MECHANISM_TYPE) -> Mechanism<'static> {
    Mechanism::VendorDefined(VendorDefinedMechanism::new(mechanism_type(number), Some(&IV)))
}

fn created(token: &Token, key_type: CK_KEY_TYPE, value: &[u8]) -> Result<ObjectHandle> {
    token.create_object(&[
        Attribute::Class(ObjectClass::SECRET_KEY),
        number(CKA_KEY_TYPE, key_type),
        Attribute::Value(value.to_vec()),
    ])
}

/// A key that wraps and unwraps, and one of 24 bytes that it may wrap.
fn wrapping(token: &Token) -> (ObjectHandle, ObjectHandle) {
    let by = token.generate_aes(&[Attribute::Wrap(true), Attribute::Unwrap(true)]);
    let template = [Attribute::ValueLen(24.into()), Attribute::Extractable(true)];
    (by, token.generate_key(&Mechanism::AesKeyGen, &template).unwrap())
}

/// The template of an AES key of so many bytes that is unwrapped.
fn aes(length: u64) -> [Attribute; 3] {
    [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::ValueLen(length.into()),
    ]
}

fn info(token: &Token, mechanism: CK_MECHANISM_TYPE) -> MechanismInfo {
    token.module.get_mechanism_info(token.slot, mechanism_type(mechanism)).unwrap()
}

fn wraps(token: &Token, mechanism: CK_MECHANISM_TYPE) -> bool {
    let info = info(token, mechanism);
    info.wrap() && info.unwrap()
}
