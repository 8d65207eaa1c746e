//! Rotation: the next version takes over, what the older ones made stays readable.

use crate::rig::elsewhen::faketime;
use crate::rig::token::{Token, aes_material};
use crate::rig::{
    DISABLED, ENABLED, MATERIAL_VERSION, ROTATION_DAYS, STATUS, World, for_key, number, play,
    refused, rotate,
};
use cryptoki::error::RvError;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};

const TEXT: &[u8] = b"what one version encrypted";

#[test]
fn the_object_stays_and_encrypts_with_the_new_version() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Token(true), label("payroll")]);
        let before = token.encrypt_block(key).unwrap();
        assert_eq!(rotated(&token, key).unwrap(), key, "the handle stays");
        assert_eq!(token.number(key, MATERIAL_VERSION), 2);
        assert_eq!(token.json(&token.key_of(key))["material_version"], 2);
        assert_ne!(token.encrypt_block(key).unwrap(), before, "the newest version encrypts");
        assert_eq!(token.find_objects(&[label("payroll"), secret()]).unwrap(), [key]);
        assert_eq!(token.find_objects(&[secret()]).unwrap(), [key], "nothing else is found");
        assert!(token.flag(key, AttributeType::Local));
    });
}

#[test]
fn what_authenticates_opens_with_whichever_version_fits() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Token(true)]);
        let mut made = Vec::new();
        for _ in 0..3 {
            let wrapped = wrapped(&token, key);
            made.push((gcm(&token, key, 128), wrapped));
            rotated(&token, key).unwrap();
        }
        for (sealed, wrapped) in &made {
            assert_eq!(opened(&token, key, sealed, 128).unwrap(), TEXT);
            assert_eq!(opened_in_parts(&token, key, sealed).unwrap(), TEXT);
            let template = [
                Attribute::Class(ObjectClass::SECRET_KEY),
                Attribute::KeyType(KeyType::AES),
                Attribute::Sensitive(false),
                Attribute::Extractable(true),
            ];
            let inner = token.unwrap_key(&Mechanism::AesKeyWrap, key, wrapped, &template).unwrap();
            assert_eq!(token.bytes(inner, AttributeType::Value), [7; 32]);
        }
        let mut forged = made[0].0.clone();
        forged[3] ^= 1;
        refused(opened(&token, key, &forged, 128), RvError::EncryptedDataInvalid);
        let other = token.generate_aes(&[Attribute::Token(true)]);
        refused(opened(&token, other, &made[0].0, 128), RvError::EncryptedDataInvalid);
    });
}

#[test]
fn what_cannot_tell_is_refused_through_the_plain_handle_and_works_through_the_version() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Token(true)]);
        let block = token.encrypt(&Mechanism::AesEcb, key, &[9; 16]).unwrap();
        let short = gcm(&token, key, 64);
        assert_eq!(token.decrypt(&Mechanism::AesEcb, key, &block).unwrap(), [9; 16]);
        rotated(&token, key).unwrap();
        for mechanism in
            [Mechanism::AesEcb, Mechanism::AesCbc([0; 16]), Mechanism::AesCbcPad([0; 16])]
        {
            refused(token.decrypt(&mechanism, key, &block), RvError::KeyFunctionNotPermitted);
        }
        refused(opened(&token, key, &short, 64), RvError::KeyFunctionNotPermitted);
        let older = version(&token, 1);
        assert_eq!(token.decrypt(&Mechanism::AesEcb, older, &block).unwrap(), [9; 16]);
        assert_eq!(opened(&token, older, &short, 64).unwrap(), TEXT);
        // The newest version has an object of its own too: the plain one.
        assert_eq!(version(&token, 2), key);
    });
}

#[test]
fn an_older_version_only_reads_and_neither_changes_nor_ends() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Token(true), Attribute::Extractable(true)]);
        rotated(&token, key).unwrap();
        let older = version(&token, 1);
        assert_eq!(token.number(older, MATERIAL_VERSION), 1);
        assert_eq!(token.key_of(older), token.key_of(key));
        for (usage, may) in [
            (AttributeType::Encrypt, false),
            (AttributeType::Decrypt, true),
            (AttributeType::Wrap, false),
            (AttributeType::Unwrap, true),
        ] {
            assert_eq!(token.flag(older, usage), may, "{usage}");
        }
        refused(token.encrypt_block(older), RvError::KeyFunctionNotPermitted);
        refused(token.destroy_object(older), RvError::ActionProhibited);
        refused(token.update_attributes(older, &[label("new")]), RvError::ActionProhibited);
        refused(token.copy_object(older, &[]), RvError::ActionProhibited);
        let by = token.generate_aes(&[Attribute::Wrap(true)]);
        refused(token.wrap_key(&Mechanism::AesKeyWrap, by, older), RvError::KeyNotWrappable);
        token.update_attributes(key, &[label("renamed")]).unwrap();
        assert_eq!(token.text(version(&token, 1), AttributeType::Label), "renamed");
        assert_eq!(token.find_objects(&[label("renamed"), secret()]).unwrap(), [key]);
    });
}

#[test]
fn a_mac_is_made_with_the_newest_version_and_verified_with_any() {
    play(|world| {
        let token = world.token();
        let template = [
            Attribute::Token(true),
            Attribute::ValueLen(32.into()),
            Attribute::Sign(true),
            Attribute::Verify(true),
        ];
        let key = token.generate_key(&Mechanism::GenericSecretKeyGen, &template).unwrap();
        let old = token.sign(&Mechanism::Sha256Hmac, key, TEXT).unwrap();
        rotated(&token, key).unwrap();
        let new = token.sign(&Mechanism::Sha256Hmac, key, TEXT).unwrap();
        assert_ne!(old, new);
        for mac in [&old, &new] {
            token.verify(&Mechanism::Sha256Hmac, key, TEXT, mac).unwrap();
        }
        refused(
            token.verify(&Mechanism::Sha256Hmac, key, b"else", &old),
            RvError::SignatureInvalid,
        );
    });
}

#[test]
fn only_enabled_generated_secret_keys_rotate_and_a_refusal_changes_nothing() {
    play(|world| {
        let token = world.token();
        let external = token
            .create_object(&[&aes_material()[..], &[Attribute::Value(vec![5; 32])]].concat())
            .unwrap();
        refused(rotated(&token, external), RvError::TemplateInconsistent);
        assert_eq!(token.number(external, MATERIAL_VERSION), 1);

        let (_, private) = token
            .generate_key_pair(
                &Mechanism::EccKeyPairGen,
                &[Attribute::Token(true), p256()],
                &[Attribute::Token(true)],
            )
            .unwrap();
        refused(rotated(&token, private), RvError::TemplateInconsistent);

        let key = token.generate_aes(&[Attribute::Token(true)]);
        token.update_attributes(key, &[number(STATUS, DISABLED)]).unwrap();
        refused(rotated(&token, key), RvError::KeyFunctionNotPermitted);
        token.update_attributes(key, &[number(STATUS, ENABLED)]).unwrap();
        let id = for_key(&token.key_of(key));
        let larger = [id.clone(), Attribute::ValueLen(16.into())];
        refused(token.generate_key(&rotate(), &larger), RvError::TemplateInconsistent);
        refused(token.generate_key(&rotate(), &[]), RvError::TemplateIncomplete);
        let unknown = [for_key("00000000-0000-4000-8000-000000000000")];
        refused(token.generate_key(&rotate(), &unknown), RvError::AttributeValueInvalid);
        assert_eq!(token.number(key, MATERIAL_VERSION), 1);
        let info = token.module.get_mechanism_info(token.slot, vendor_rotate()).unwrap();
        assert!(info.generate());
    });
}

#[test]
fn another_process_goes_on_with_the_new_version_at_its_next_init() {
    play(|world| match world.role() {
        "user" => {
            let token = world.same_token();
            let id = world.hear();
            let key = token.material(&id).unwrap();
            let sealed = gcm(&token, key, 128);
            let block = token.encrypt_block(key).unwrap();
            world.tell("used");
            assert_eq!(world.hear(), "rotated");
            assert_ne!(token.encrypt_block(key).unwrap(), block);
            assert_eq!(opened(&token, key, &sealed, 128).unwrap(), TEXT);
            assert_eq!(token.number(key, MATERIAL_VERSION), 2);
        }
        _ => {
            let token = world.token();
            let key = token.generate_aes(&[Attribute::Token(true)]);
            let mut user = world.start("user");
            user.tell(&token.key_of(key));
            user.says("used");
            rotated(&token, key).unwrap();
            user.tell("rotated");
            user.ends_well();
        }
    });
}

#[test]
fn two_processes_that_rotate_at_once_make_a_version_each() {
    play(|world| match world.role() {
        "" => {
            let token = world.token();
            let key = token.generate_aes(&[Attribute::Token(true)]);
            let mut others = [world.start("one"), world.start("two")];
            others.iter_mut().for_each(|other| other.tell(&token.key_of(key)));
            others.into_iter().for_each(|other| other.ends_well());
            assert_eq!(token.number(key, MATERIAL_VERSION), 21);
            let sealed = gcm(&token, version(&token, 21), 128);
            assert_eq!(opened(&token, key, &sealed, 128).unwrap(), TEXT);
        }
        _ => {
            let token = world.same_token();
            let key = token.material(&world.hear()).unwrap();
            for _ in 0..10 {
                let sealed = gcm(&token, key, 128);
                rotated(&token, key).unwrap();
                assert_eq!(opened(&token, key, &sealed, 128).unwrap(), TEXT);
            }
        }
    });
}

#[test]
fn a_schedule_is_kept_at_the_first_use_that_makes_something() {
    play(|world| match world.role() {
        "later" => {
            let token = world.same_token();
            let key = token.material(&world.hear()).unwrap();
            let sealed: Vec<u8> = serde_json::from_str(&world.hear()).unwrap();
            assert_eq!(opened(&token, key, &sealed, 128).unwrap(), TEXT);
            assert_eq!(token.number(key, MATERIAL_VERSION), 1, "reading needs no new version");
            let block = token.encrypt_block(key).unwrap();
            assert_eq!(token.number(key, MATERIAL_VERSION), 2);
            assert_eq!(token.encrypt_block(key).unwrap(), block, "once");
            assert_eq!(opened(&token, key, &sealed, 128).unwrap(), TEXT);
        }
        _ => {
            let token = world.token();
            let template = [Attribute::Token(true), number(ROTATION_DAYS, 30)];
            let key = token.generate_aes(&template);
            assert_eq!(token.number(key, ROTATION_DAYS), 30);
            assert!(token.json(&token.key_of(key))["next_rotation"].is_string());
            let sealed = gcm(&token, key, 128);
            later(world, "later", "+31d", &[token.key_of(key), json(&sealed)]);
        }
    });
}

#[test]
fn what_was_overdue_while_disabled_is_made_up_for_once_when_enabled() {
    play(|world| match world.role() {
        "later" => {
            let token = world.same_token();
            let key = token.material(&world.hear()).unwrap();
            refused(token.encrypt_block(key), RvError::KeyFunctionNotPermitted);
            assert_eq!(token.number(key, MATERIAL_VERSION), 1);
            token.update_attributes(key, &[number(STATUS, ENABLED)]).unwrap();
            assert_eq!(token.number(key, MATERIAL_VERSION), 2);
            token.encrypt_block(key).unwrap();
            assert_eq!(token.number(key, MATERIAL_VERSION), 2);
        }
        _ => {
            let token = world.token();
            let key = token.generate_aes(&[Attribute::Token(true)]);
            token.update_attributes(key, &[number(ROTATION_DAYS, 30)]).unwrap();
            token.update_attributes(key, &[number(STATUS, DISABLED)]).unwrap();
            later(world, "later", "+100d", &[token.key_of(key)]);
        }
    });
}

#[test]
fn a_schedule_is_for_generated_aes_keys_and_between_30_and_365_days() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Token(true)]);
        for wrong in [1, 29, 366, u64::MAX] {
            let wrong = [number(ROTATION_DAYS, wrong)];
            refused(token.update_attributes(key, &wrong), RvError::AttributeValueInvalid);
        }
        token.update_attributes(key, &[number(ROTATION_DAYS, 365)]).unwrap();
        token.update_attributes(key, &[number(ROTATION_DAYS, 0)]).unwrap();
        assert_eq!(token.number(key, ROTATION_DAYS), 0);
        let template =
            [Attribute::Token(true), Attribute::ValueLen(32.into()), number(ROTATION_DAYS, 30)];
        let generic = token.generate_key(&Mechanism::GenericSecretKeyGen, &template);
        refused(generic, RvError::TemplateInconsistent);
        let external = token
            .create_object(&[&aes_material()[..], &[Attribute::Value(vec![5; 32])]].concat())
            .unwrap();
        let schedule = [number(ROTATION_DAYS, 30)];
        refused(token.update_attributes(external, &schedule), RvError::ActionProhibited);
    });
}

fn rotated(token: &Token, key: ObjectHandle) -> cryptoki::error::Result<ObjectHandle> {
    token.generate_key(&rotate(), &[for_key(&token.key_of(key))])
}

fn vendor_rotate() -> MechanismType {
    MechanismType::new_vendor_defined(0x804B_5302).unwrap()
}

/// The object of a version: a search finds it only by its number.
fn version(token: &Token, version: u64) -> ObjectHandle {
    let found = token.find_objects(&[secret(), number(MATERIAL_VERSION, version)]).unwrap();
    let [found] = found[..] else { panic!("{} objects of version {version}", found.len()) };
    found
}

fn gcm(token: &Token, key: ObjectHandle, tag_bits: u64) -> Vec<u8> {
    let mut iv = [3; 12];
    let params = GcmParams::new(&mut iv, b"associated", tag_bits.into()).unwrap();
    token.encrypt(&Mechanism::AesGcm(params), key, TEXT).unwrap()
}

fn opened(
    token: &Token,
    key: ObjectHandle,
    sealed: &[u8],
    tag_bits: u64,
) -> cryptoki::error::Result<Vec<u8>> {
    let mut iv = [3; 12];
    let params = GcmParams::new(&mut iv, b"associated", tag_bits.into()).unwrap();
    token.decrypt(&Mechanism::AesGcm(params), key, sealed)
}

fn opened_in_parts(
    token: &Token,
    key: ObjectHandle,
    sealed: &[u8],
) -> cryptoki::error::Result<Vec<u8>> {
    let mut iv = [3; 12];
    let params = GcmParams::new(&mut iv, b"associated", 128.into()).unwrap();
    token.decrypt_init(&Mechanism::AesGcm(params), key)?;
    let mut text = Vec::new();
    for part in sealed.chunks(5) {
        text.extend(token.decrypt_update(part)?);
    }
    assert!(text.is_empty(), "nothing leaves before a version has authenticated it");
    text.extend(token.decrypt_final()?);
    Ok(text)
}

/// A known key, wrapped.
fn wrapped(token: &Token, by: ObjectHandle) -> Vec<u8> {
    let template = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::Value(vec![7; 32]),
        Attribute::Sensitive(false),
        Attribute::Extractable(true),
    ];
    let inner = token.create_object(&template).unwrap();
    token.wrap_key(&Mechanism::AesKeyWrap, by, inner).unwrap()
}

fn later(world: &World, role: &str, offset: &str, words: &[String]) {
    let mut other = world.start_with(role, &faketime(offset).borrowed());
    words.iter().for_each(|word| other.tell(word));
    other.ends_well();
}

fn json(bytes: &[u8]) -> String {
    serde_json::to_string(bytes).unwrap()
}

fn secret() -> Attribute {
    Attribute::Class(ObjectClass::SECRET_KEY)
}

fn label(text: &str) -> Attribute {
    Attribute::Label(text.as_bytes().to_vec())
}

/// The curve P-256, as DER.
fn p256() -> Attribute {
    Attribute::EcParams(vec![6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7])
}
