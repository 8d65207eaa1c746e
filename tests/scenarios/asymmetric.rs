//! Custody of asymmetric keys, and what stands beside them: public halves, certificates, copies,
//! check values and dates.

use crate::rig::token::{SO_PIN, Token, USER_PIN, aes_material, pin};
use crate::rig::wrap::import_padded;
use crate::rig::{
    DELETED, EXPIRED, EXTERNAL, GENERATED, MATERIAL_STATE, ORIGIN, PENDING_IMPORT, STATUS,
    expires_at, for_key, made_objects, number, play, refused, unhex, without_custody, world,
};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey,
    VerificationAlgorithm,
};
use cryptoki::error::{Result, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::UserType;
use cryptoki::types::Date;

const P256: [u8; 10] = [6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7];
const EDWARDS: [u8; 5] = [6, 3, 0x2B, 0x65, 0x70];
const MESSAGE: &[u8] = b"what is signed";

/// One type of private key: how the token makes it, signs with it and names it.
struct Type {
    name: &'static str,
    bits: u64,
    key_type: KeyType,
    generate: Mechanism<'static>,
    domain: Attribute,
    sign: Mechanism<'static>,
    verified_by: &'static dyn VerificationAlgorithm,
    outside: fn() -> Outside,
}

/// A key pair that was made outside: its PKCS#8, once more in another encoding where there is one,
/// and its public half.
struct Outside {
    pkcs8: Vec<u8>,
    otherwise: Option<Vec<u8>>,
    public: Vec<u8>,
}

fn types() -> [Type; 3] {
    [
        Type {
            name: "RSA",
            bits: 2048,
            key_type: KeyType::RSA,
            generate: Mechanism::RsaPkcsKeyPairGen,
            domain: Attribute::ModulusBits(2048.into()),
            sign: Mechanism::Sha256RsaPkcs,
            verified_by: &RSA_PKCS1_2048_8192_SHA256,
            outside: rsa,
        },
        Type {
            name: "EC",
            bits: 256,
            key_type: KeyType::EC,
            generate: Mechanism::EccKeyPairGen,
            domain: Attribute::EcParams(P256.to_vec()),
            sign: Mechanism::EcdsaSha256,
            verified_by: &ECDSA_P256_SHA256_FIXED,
            outside: ec,
        },
        Type {
            name: "ED25519",
            bits: 256,
            key_type: KeyType::EC_EDWARDS,
            generate: Mechanism::EccEdwardsKeyPairGen,
            domain: Attribute::EcParams(EDWARDS.to_vec()),
            sign: Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure)),
            verified_by: &ED25519,
            outside: edwards,
        },
    ]
}

// --- generated pairs ---

#[test]
fn a_generated_pair_is_a_custom_key_with_an_ordinary_public_half() {
    play(|world| {
        let token = world.token();
        for kind in types() {
            let (public, private) = kind.generate(&token, &label(kind.name));
            let id = token.key_of(private);
            let json = token.json(&id);
            assert_eq!(json["key_type"], kind.name);
            assert_eq!(json["key_bits"], kind.bits);
            assert_eq!(json["origin"], "generated");
            assert_eq!(json["alias"], kind.name);
            assert_eq!(token.number(private, ORIGIN), GENERATED);
            assert_eq!(token.key_of(public), id);
            for name in [AttributeType::Label, AttributeType::Id] {
                assert_eq!(token.bytes(public, name), token.bytes(private, name), "{name:?}");
            }
            assert!(!token.flag(private, AttributeType::Destroyable));
            assert!(token.flag(public, AttributeType::Destroyable));
            refused(token.destroy_object(private), RvError::ActionProhibited);
            refused(token.copy_object(private, &[]), RvError::ActionProhibited);
            let signature = token.sign(&kind.sign, private, MESSAGE).unwrap();
            token.verify(&kind.sign, public, MESSAGE, &signature).unwrap();
            token.destroy_object(public).unwrap();
            assert_eq!(kind.private(&token, &id), Some(private));
            token.sign(&kind.sign, private, MESSAGE).unwrap();
        }
    });
}

#[test]
fn an_expiry_on_a_generated_private_key_is_refused_and_no_half_is_made() {
    play(|world| {
        let token = world.token();
        for kind in types() {
            let public = [kind.domain.clone(), Attribute::Token(true)];
            let private = [Attribute::Token(true), expires_at(world::now() + 1000)];
            let pair = token.generate_key_pair(&kind.generate, &public, &private);
            refused(pair, RvError::TemplateInconsistent);
        }
        assert!(made_objects(&token).is_empty());
    });
}

#[test]
fn initialising_the_token_again_leaves_the_private_halves() {
    play(|world| {
        let token = world.token();
        let ids = types().map(|kind| token.key_of(kind.generate(&token, &label(kind.name)).1));
        let (module, slot) = (token.module.clone(), token.slot);
        drop(token);
        module.init_token(slot, &pin(SO_PIN), "again").unwrap();
        let session = module.open_rw_session(slot).unwrap();
        session.login(UserType::So, Some(&pin(SO_PIN))).unwrap();
        session.init_pin(&pin(USER_PIN)).unwrap();
        drop(session);
        let token = Token::login(&module, slot);
        let public = Attribute::Class(ObjectClass::PUBLIC_KEY);
        assert!(token.find_objects(&[public]).unwrap().is_empty());
        for (kind, id) in types().iter().zip(&ids) {
            let private = kind.private(&token, id).unwrap();
            token.sign(&kind.sign, private, MESSAGE).unwrap();
            assert_eq!(token.json(id)["alias"], kind.name);
        }
    });
}

#[test]
fn each_half_of_a_pair_is_renamed_by_itself() {
    play(|world| {
        let token = world.token();
        for kind in types() {
            let (public, private) = kind.generate(&token, &label("before"));
            let id = token.key_of(private);
            let identifier = token.bytes(private, AttributeType::Id);
            let name = format!("{} after", kind.name);
            // One attribute a call, then both at once: as NSS and EJBCA do it, and as Java does.
            token.update_attributes(private, &[label(&name)]).unwrap();
            token.update_attributes(private, &[Attribute::Id(b"\x01".to_vec())]).unwrap();
            assert_eq!(token.bytes(public, AttributeType::Label), b"before");
            assert_eq!(token.bytes(public, AttributeType::Id), identifier);
            let both = [label(&name), Attribute::Id(b"\x02".to_vec())];
            token.update_attributes(public, &both).unwrap();
            assert_eq!(token.bytes(private, AttributeType::Id), b"\x01");
            token.update_attributes(private, &both).unwrap();
            let mut found = token.find_objects(&[label(&name), both[1].clone()]).unwrap();
            found.sort_by_key(ObjectHandle::handle);
            let mut halves = [public, private];
            halves.sort_by_key(ObjectHandle::handle);
            assert_eq!(found, halves);
            assert!(token.find_objects(&[label("before")]).unwrap().is_empty());
            assert_eq!(token.json(&id)["alias"], name.as_str());
            assert_eq!([token.key_of(public), token.key_of(private)], [id.clone(), id]);
            token.destroy_object(public).unwrap();
        }
    });
}

// --- imported private keys ---

#[test]
fn an_empty_private_key_made_either_way_takes_its_material_in() {
    play(|world| {
        let token = world.token();
        for kind in types() {
            for (way, id) in
                [kind.empty(&token), kind.empty_by_json(&token)].into_iter().enumerate()
            {
                let metadata = token.metadata(&id);
                assert_eq!(token.number(metadata, ORIGIN), EXTERNAL);
                assert_eq!(token.number(metadata, STATUS), PENDING_IMPORT);
                assert_eq!(token.json(&id)["key_type"], kind.name, "way {way}");
                assert_eq!(kind.private(&token, &id), None);
                let outside = (kind.outside)();
                let key = kind.import(&token, &outside.pkcs8, &[for_key(&id)]).unwrap();
                assert_eq!(token.key_of(key), id);
                assert_eq!(token.json(&id)["key_bits"], kind.bits);
                kind.signs_for(&token, key, &outside);
            }
        }
    });
}

#[test]
fn an_imported_private_key_is_deleted_and_only_the_same_comes_back() {
    play(|world| {
        let token = world.token();
        for kind in types() {
            let (one, two) = ((kind.outside)(), (kind.outside)());
            let key = kind.import(&token, &one.pkcs8, &[label(kind.name)]).unwrap();
            let id = token.key_of(key);
            assert!(!token.flag(key, AttributeType::Local));
            assert!(!token.flag(key, AttributeType::NeverExtractable));
            refused(token.copy_object(key, &[]), RvError::ActionProhibited);
            let target = [for_key(&id)];
            refused(kind.import(&token, &two.pkcs8, &target), RvError::TemplateInconsistent);
            assert_eq!(kind.import(&token, &one.pkcs8, &target).unwrap(), key);
            token.destroy_object(key).unwrap();
            refused(token.sign(&kind.sign, key, MESSAGE), RvError::KeyHandleInvalid);
            assert_eq!(kind.private(&token, &id), None);
            assert_eq!(token.number(token.metadata(&id), MATERIAL_STATE), DELETED);
            refused(kind.import(&token, &two.pkcs8, &target), RvError::TemplateInconsistent);
            let again = kind.import(&token, &one.pkcs8, &target).unwrap();
            assert_eq!(token.key_of(again), id);
            kind.signs_for(&token, again, &one);
        }
    });
}

#[test]
fn the_same_private_key_in_another_encoding_is_the_same_material() {
    play(|world| {
        let token = world.token();
        for kind in types() {
            let outside = (kind.outside)();
            let Some(otherwise) = &outside.otherwise else { continue };
            assert_ne!(outside.pkcs8, *otherwise);
            let key = kind.import(&token, &outside.pkcs8, &[]).unwrap();
            let target = [for_key(&token.key_of(key))];
            assert_eq!(kind.import(&token, otherwise, &target).unwrap(), key, "{}", kind.name);
            token.destroy_object(key).unwrap();
            let again = kind.import(&token, otherwise, &target).unwrap();
            kind.signs_for(&token, again, &outside);
            let elsewhere = kind.empty(&token);
            let stolen = kind.import(&token, &outside.pkcs8, &[for_key(&elsewhere)]);
            refused(stolen, RvError::TemplateInconsistent);
        }
    });
}

/// Each of them opens what the others do, so they are one custom key's: never two, and never refused.
#[test]
fn an_rsa_key_is_the_same_material_whatever_its_encoding_says_of_primes_and_exponent() {
    let encodings: std::collections::BTreeMap<String, String> =
        serde_json::from_str(include_str!("../vectors/rsa_encodings.json")).unwrap();
    let of = |name: &str| unhex(&encodings[name]);
    play(|world| {
        let token = world.token();
        let [rsa, ..] = types();
        let key = rsa.import(&token, &of("key"), &[]).unwrap();
        let id = token.key_of(key);
        let elsewhere = [for_key(&rsa.empty(&token))];
        for other in ["swapped", "exponent"] {
            refused(rsa.import(&token, &of(other), &elsewhere), RvError::TemplateInconsistent);
            assert_eq!(rsa.import(&token, &of(other), &[for_key(&id)]).unwrap(), key, "{other}");
        }
        token.destroy_object(key).unwrap();
        let again = rsa.import(&token, &of("exponent"), &[for_key(&id)]).unwrap();
        token.sign(&rsa.sign, again, MESSAGE).unwrap();
    });
}

#[test]
fn the_parts_of_a_private_key_are_the_same_material_as_its_pkcs8() {
    play(|world| {
        let token = world.token();
        let scalar = [0x11; 32];
        let create = |more: &[Attribute]| {
            let parts = [
                Attribute::Class(ObjectClass::PRIVATE_KEY),
                Attribute::KeyType(KeyType::EC),
                Attribute::Token(true),
                Attribute::EcParams(P256.to_vec()),
                Attribute::Value(scalar.to_vec()),
            ];
            token.create_object(&[&parts[..], more].concat())
        };
        let [_, ec, _] = types();
        let key = create(&[]).unwrap();
        let target = [for_key(&token.key_of(key))];
        assert_eq!(ec.import(&token, &bare_ec(&scalar), &target).unwrap(), key);
        assert_eq!(create(&target).unwrap(), key);
    });
}

#[test]
fn an_imported_private_key_expires_and_its_public_half_stays() {
    play(|world| {
        let token = world.token();
        let [_, kind, _] = types();
        let outside = (kind.outside)();
        let ends = world::now() + 5;
        let key = kind.import(&token, &outside.pkcs8, &[expires_at(ends)]).unwrap();
        let id = token.key_of(key);
        let public = token.create_object(&ec_public(&outside.public, &id)).unwrap();
        kind.signs_for(&token, key, &outside);
        token.sign_init(&kind.sign, key).unwrap();
        world::until(ends);
        token.sign_update(MESSAGE).unwrap();
        token.sign_final().unwrap();
        refused(token.sign(&kind.sign, key, MESSAGE), RvError::KeyHandleInvalid);
        assert_eq!(kind.private(&token, &id), None);
        assert_eq!(token.number(token.metadata(&id), MATERIAL_STATE), EXPIRED);
        token.get_attributes(public, &[AttributeType::Label]).unwrap();
        let again = kind.import(&token, &outside.pkcs8, &[for_key(&id)]).unwrap();
        kind.signs_for(&token, again, &outside);
    });
}

#[test]
fn a_private_key_of_another_type_or_size_does_not_fit() {
    play(|world| {
        let token = world.token();
        let [rsa, ec, edwards] = types();
        let blob = (ec.outside)().pkcs8;
        for kind in [&rsa, &edwards] {
            refused(kind.import(&token, &blob, &[]), RvError::WrappedKeyInvalid);
        }
        let id = rsa.empty(&token);
        refused(ec.import(&token, &blob, &[for_key(&id)]), RvError::TemplateInconsistent);
        let longer = [&blob[..], &[0]].concat();
        refused(ec.import(&token, &longer, &[]), RvError::WrappedKeyInvalid);
        refused(ec.import(&token, &blob[..blob.len() - 1], &[]), RvError::WrappedKeyInvalid);
        let large = json(&token, r#"{"alias":"large","key_type":"RSA","key_bits":3072}"#);
        let small = rsa.import(&token, &(rsa.outside)().pkcs8, &[for_key(&large)]);
        refused(small, RvError::TemplateInconsistent);
        assert_eq!(token.find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY)]).unwrap(), []);
    });
}

// --- certificates, copies, check values, dates ---

#[test]
fn a_certificate_is_stored_found_and_destroyed() {
    play(|world| {
        let token = world.token();
        let value = [0x30, 3, 2, 1, 5].to_vec();
        let certificate = |more: &[Attribute]| {
            let base = [
                Attribute::Class(ObjectClass::CERTIFICATE),
                Attribute::CertificateType(cryptoki::object::CertificateType::X_509),
                Attribute::Token(true),
                Attribute::Value(value.clone()),
            ];
            token.create_object(&[&base[..], more].concat())
        };
        let subject = Attribute::Subject(b"0\x00".to_vec());
        refused(certificate(&[]), RvError::TemplateIncomplete);
        let made =
            certificate(&[subject.clone(), label("server"), Attribute::Id(vec![9])]).unwrap();
        for wanted in [
            vec![Attribute::Class(ObjectClass::CERTIFICATE)],
            vec![subject],
            vec![Attribute::Value(value.clone())],
            vec![label("server"), Attribute::Id(vec![9])],
        ] {
            assert_eq!(token.find_objects(&wanted).unwrap(), [made], "{wanted:?}");
        }
        assert_eq!(token.bytes(made, AttributeType::CheckValue).len(), 3);
        assert!(!token.flag(made, AttributeType::Private));
        let other = Attribute::Value(vec![0x30, 0]);
        refused(token.update_attributes(made, &[other]), RvError::AttributeReadOnly);
        token.update_attributes(made, &[label("renamed")]).unwrap();
        token.logout().unwrap();
        assert_eq!(token.find_objects(&[label("renamed")]).unwrap(), [made]);
        refused(token.destroy_object(made), RvError::UserNotLoggedIn);
        token.login(UserType::User, Some(&pin(USER_PIN))).unwrap();
        token.destroy_object(made).unwrap();
        assert!(token.find_objects(&[label("renamed")]).unwrap().is_empty());
    });
}

#[test]
fn a_generated_session_pair_copied_to_the_token_is_a_generated_custom_key() {
    play(|world| {
        let token = world.token();
        for kind in types() {
            let (public, private) = token
                .generate_key_pair(&kind.generate, std::slice::from_ref(&kind.domain), &[])
                .unwrap();
            let to_token = [Attribute::Token(true), label(kind.name)];
            let kept = token.copy_object(private, &to_token).unwrap();
            assert_eq!(token.number(kept, ORIGIN), GENERATED);
            refused(token.destroy_object(kept), RvError::ActionProhibited);
            let shown = token.copy_object(public, &to_token).unwrap();
            token.destroy_object(public).unwrap();
            token.destroy_object(private).unwrap();
            let signature = token.sign(&kind.sign, kept, MESSAGE).unwrap();
            token.verify(&kind.sign, shown, MESSAGE, &signature).unwrap();
            token.destroy_object(shown).unwrap();
        }
    });
}

#[test]
fn a_check_value_tells_keys_apart_and_must_be_right() {
    play(|world| {
        let token = world.token();
        let value = Attribute::Value(vec![0; 16]);
        let create = |more: &[Attribute]| {
            let ordinary = [value.clone(), without_custody()];
            token.create_object(&[&aes_material()[..], &ordinary, more].concat())
        };
        // FIPS-197's block of zeros under a key of zeros.
        let right = [0x66, 0xE9, 0x4B];
        let key = create(&[]).unwrap();
        assert_eq!(token.bytes(key, AttributeType::CheckValue), right);
        create(&[Attribute::CheckValue(right.to_vec())]).unwrap();
        let wrong = create(&[Attribute::CheckValue(vec![1, 2, 3])]);
        refused(wrong, RvError::AttributeValueInvalid);
        let without = create(&[Attribute::CheckValue(Vec::new())]).unwrap();
        assert!(token.get_attributes(without, &[AttributeType::CheckValue]).unwrap().is_empty());
        let changed = [Attribute::CheckValue(right.to_vec())];
        assert!(token.update_attributes(without, &changed).is_err());
    });
}

#[test]
fn dates_are_kept_as_they_are_given_and_end_nothing() {
    play(|world| {
        let token = world.token();
        let long_ago = Date::new_from_str_slice("2001", "02", "28").unwrap();
        let dates = [Attribute::StartDate(long_ago), Attribute::EndDate(long_ago)];
        let kinds = [AttributeType::StartDate, AttributeType::EndDate];
        let key = token.generate_aes(&[&[Attribute::Token(true)][..], &dates].concat());
        assert_eq!(token.get_attributes(key, &kinds).unwrap(), dates);
        token.encrypt_block(key).unwrap();
        let [_, kind, _] = types();
        let (public, private) = kind.generate(&token, &label("dated"));
        for half in [public, private] {
            token.update_attributes(half, &dates).unwrap();
            assert_eq!(token.get_attributes(half, &kinds).unwrap(), dates);
        }
        token.sign(&kind.sign, private, MESSAGE).unwrap();
        let impossible = Date::new_from_str_slice("2001", "02", "30").unwrap();
        let impossible = [Attribute::EndDate(impossible)];
        refused(token.update_attributes(public, &impossible), RvError::AttributeValueInvalid);
    });
}

// --- what the scenarios are made of ---

impl Type {
    /// A token pair whose private half has that name.
    fn generate(&self, token: &Token, name: &Attribute) -> (ObjectHandle, ObjectHandle) {
        let public = [self.domain.clone(), Attribute::Token(true)];
        let private = [Attribute::Token(true), name.clone()];
        token.generate_key_pair(&self.generate, &public, &private).unwrap()
    }

    fn material(&self) -> [Attribute; 3] {
        [
            Attribute::Class(ObjectClass::PRIVATE_KEY),
            Attribute::KeyType(self.key_type),
            Attribute::Token(true),
        ]
    }

    /// The key ID of an empty custom key, made by the attributes of a key without a value.
    fn empty(&self, token: &Token) -> String {
        let native = [&self.material()[..], &[number(ORIGIN, EXTERNAL)]].concat();
        token.key_of(token.create_object(&native).unwrap())
    }

    fn empty_by_json(&self, token: &Token) -> String {
        let Self { name, bits, .. } = self;
        json(token, &format!(r#"{{"alias":"by JSON","key_type":"{name}","key_bits":{bits}}}"#))
    }

    /// Unwraps a PKCS#8 under AES-KWP.
    fn import(&self, token: &Token, pkcs8: &[u8], more: &[Attribute]) -> Result<ObjectHandle> {
        import_padded(token, pkcs8, &[&self.material()[..], more].concat())
    }

    /// The material object of a custom key, if there is one.
    fn private(&self, token: &Token, id: &str) -> Option<ObjectHandle> {
        let class = Attribute::Class(ObjectClass::PRIVATE_KEY);
        let found = token.find_objects(&[class, for_key(id)]).unwrap();
        assert!(found.len() <= 1, "material objects of one custom key: {found:?}");
        found.first().copied()
    }

    /// Signs in the token, and verifies outside.
    fn signs_for(&self, token: &Token, key: ObjectHandle, outside: &Outside) {
        let signature = token.sign(&self.sign, key, MESSAGE).unwrap();
        let public = UnparsedPublicKey::new(self.verified_by, &outside.public);
        public.verify(MESSAGE, &signature).unwrap();
    }
}

/// The key ID of an empty custom key asked for in JSON.
fn json(token: &Token, text: &str) -> String {
    let template = [
        Attribute::Class(ObjectClass::DATA),
        Attribute::Token(true),
        Attribute::Application(b"keystead".to_vec()),
        Attribute::Value(text.as_bytes().to_vec()),
    ];
    token.key_of(token.create_object(&template).unwrap())
}

fn rsa() -> Outside {
    let pair = RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let pkcs8 = AsDer::<Pkcs8V1Der>::as_der(&pair).unwrap().as_ref().to_vec();
    Outside { pkcs8, otherwise: None, public: pair.public_key().as_ref().to_vec() }
}

fn ec() -> Outside {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let scalar =
        aws_lc_rs::encoding::AsBigEndian::<aws_lc_rs::encoding::EcPrivateKeyBin>::as_be_bytes(
            &pair.private_key(),
        );
    Outside {
        pkcs8: pair.to_pkcs8v1().unwrap().as_ref().to_vec(),
        otherwise: Some(bare_ec(scalar.unwrap().as_ref())),
        public: pair.public_key().as_ref().to_vec(),
    }
}

fn edwards() -> Outside {
    let pair = Ed25519KeyPair::generate().unwrap();
    Outside {
        pkcs8: pair.to_pkcs8v1().unwrap().as_ref().to_vec(),
        otherwise: Some(pair.to_pkcs8().unwrap().as_ref().to_vec()),
        public: pair.public_key().as_ref().to_vec(),
    }
}

/// A P-256 key as PKCS#8 without its public half (RFC 5915 leaves it optional).
fn bare_ec(scalar: &[u8]) -> Vec<u8> {
    let key = der(0x30, &[&[2, 1, 1], &der(4, &[scalar])[..]]);
    let ec_public_key = [6, 7, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 2, 1];
    let algorithm = der(0x30, &[&ec_public_key, &P256]);
    der(0x30, &[&[2, 1, 0], &algorithm, &der(4, &[&key])])
}

/// A DER value of less than 128 bytes.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    [&[tag, u8::try_from(content.len()).unwrap()], &content[..]].concat()
}

/// The public half of a key pair made outside.
fn ec_public(point: &[u8], id: &str) -> Vec<Attribute> {
    vec![
        Attribute::Class(ObjectClass::PUBLIC_KEY),
        Attribute::KeyType(KeyType::EC),
        Attribute::Token(true),
        Attribute::EcParams(P256.to_vec()),
        Attribute::EcPoint(der(4, &[point])),
        for_key(id),
    ]
}

fn label(text: &str) -> Attribute {
    Attribute::Label(text.as_bytes().to_vec())
}
