//! Rules of single attributes that no table says alone: certificates, dates, check values, lengths, and
//! what older versions kept otherwise.

use crate::rig::raw::Raw;
use crate::rig::token::{SO_PIN, USER_PIN, aes_material, pin};
use crate::rig::world::now;
use crate::rig::wrap::Courier;
use crate::rig::{Token, expires_at, for_key, play, refused};
use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{
    Attribute, AttributeInfo, AttributeType, CertificateType, KeyType, ObjectClass,
};
use cryptoki::session::UserType;
use keystead::internal::key::{Body, Header};
use keystead::internal::wire::Stored;
use pkcs11_sys::*;

#[test]
fn a_certificate_needs_its_type_and_a_url_both_hashes() {
    play(|world| {
        let token = world.token();
        let make = |more: &[Attribute]| {
            let template = [
                &[Attribute::Class(ObjectClass::CERTIFICATE), Attribute::Subject(b"s".to_vec())],
                more,
            ];
            token.create_object(&template.concat())
        };
        let x509 = Attribute::CertificateType(CertificateType::X_509);
        let value = Attribute::Value(b"certificate".to_vec());
        refused(make(std::slice::from_ref(&value)), RvError::TemplateIncomplete);
        refused(make(std::slice::from_ref(&x509)), RvError::TemplateIncomplete);
        make(&[x509.clone(), value.clone()]).unwrap();
        let url = Attribute::Url(b"http://example.org/c".to_vec());
        let subject = raw(CKA_HASH_OF_SUBJECT_PUBLIC_KEY, b"one");
        let issuer = raw(CKA_HASH_OF_ISSUER_PUBLIC_KEY, b"other");
        for hashes in [&[][..], std::slice::from_ref(&subject), std::slice::from_ref(&issuer)] {
            for with in [&[][..], std::slice::from_ref(&value)] {
                let given = [&[x509.clone(), url.clone()], hashes, with].concat();
                refused(make(&given), RvError::TemplateIncomplete);
            }
        }
        let elsewhere = [x509.clone(), url, subject, issuer];
        make(&elsewhere).unwrap();
        for (category, fine) in [(0_u64, true), (3, true), (4, false), (u64::MAX, false)] {
            let category = raw(CKA_CERTIFICATE_CATEGORY, &category.to_ne_bytes());
            let made = make(&[x509.clone(), value.clone(), category]);
            match fine {
                true => drop(made.unwrap()),
                false => refused(made, RvError::AttributeValueInvalid),
            }
        }
    });
}

#[test]
fn a_certificate_that_lies_elsewhere_has_the_check_value_that_it_was_given() {
    play(|world| {
        let token = world.token();
        let make = |more: Option<&[u8]>| {
            let mut template = vec![
                Attribute::Class(ObjectClass::CERTIFICATE),
                Attribute::CertificateType(CertificateType::X_509),
                Attribute::Subject(b"s".to_vec()),
                Attribute::Url(b"http://example.org/c".to_vec()),
                raw(CKA_HASH_OF_SUBJECT_PUBLIC_KEY, b"one"),
                raw(CKA_HASH_OF_ISSUER_PUBLIC_KEY, b"other"),
            ];
            template.extend(more.map(|sum| Attribute::CheckValue(sum.to_vec())));
            token.create_object(&template)
        };
        let told = |object| token.get_attributes(object, &[AttributeType::CheckValue]).unwrap();
        for none in [None, Some(&[][..])] {
            assert_eq!(told(make(none).unwrap()), []);
        }
        let given = make(Some(&[1, 2, 3])).unwrap();
        assert_eq!(told(given), [Attribute::CheckValue(vec![1, 2, 3])]);
        refused(make(Some(&[1, 2])), RvError::AttributeValueInvalid);
    });
}

#[test]
fn a_trusted_certificate_is_changed_by_nobody_until_the_officer_ends_its_trust() {
    play(|world| {
        let token = world.token();
        let template = [
            Attribute::Class(ObjectClass::CERTIFICATE),
            Attribute::CertificateType(CertificateType::X_509),
            Attribute::Token(true),
            Attribute::Private(false),
            Attribute::Subject(b"s".to_vec()),
            Attribute::Value(b"certificate".to_vec()),
        ];
        let certificate = token.create_object(&template).unwrap();
        let named = [Attribute::Label(b"named".to_vec())];
        token.update_attributes(certificate, &named).unwrap();
        as_officer(&token, || {
            token.update_attributes(certificate, &[Attribute::Trusted(true)]).unwrap();
            refused(token.update_attributes(certificate, &named), RvError::ActionProhibited);
        });
        let user_may = |what: &[Attribute]| {
            refused(token.update_attributes(certificate, what), RvError::ActionProhibited);
        };
        user_may(&[Attribute::Label(b"other".to_vec())]);
        user_may(&[Attribute::Trusted(false)]);
        as_officer(&token, || {
            token.update_attributes(certificate, &[Attribute::Trusted(false)]).unwrap();
        });
        token.update_attributes(certificate, &named).unwrap();
    });
}

#[test]
fn the_end_date_of_imported_material_without_an_expiry_is_kept_and_empty_where_none_is_given() {
    play(|world| {
        let token = world.token();
        let courier = Courier::new(&token);
        let date = |date: &[u8]| raw(CKA_END_DATE, date);
        let ends = |object, date: &[u8]| token.has(object, CKA_END_DATE, date);
        let import = |more: &[Attribute]| {
            courier.import(&token, &[1; 32], &[&aes_material()[..], more].concat()).unwrap()
        };
        let key = import(&[date(b"20400131")]);
        assert!(ends(key, b"20400131"));
        assert_eq!(token.json(&token.key_of(key))["expires"], serde_json::Value::Null);
        refused(token.update_attributes(key, &[date(b"20410131")]), RvError::AttributeReadOnly);
        token.update_attributes(key, &[date(b"20400131")]).unwrap();
        // An expiry is shown in its place, and nothing once there is none any more.
        let id = token.key_of(key);
        import(&[for_key(&id), expires_at(now() + 86_400)]);
        assert!(!ends(key, b"20400131") && !ends(key, b""));
        import(&[for_key(&id), expires_at(0)]);
        assert!(ends(key, b""));
        let silent = courier.import(&token, &[2; 32], &aes_material()).unwrap();
        assert!(ends(silent, b""));
    });
}

#[test]
fn what_a_data_object_says_differs_in_a_copy_as_it_changes() {
    play(|world| {
        let token = world.token();
        let data = [
            Attribute::Class(ObjectClass::DATA),
            Attribute::Value(b"first".to_vec()),
            Attribute::Application(b"tests".to_vec()),
        ];
        for on_token in [false, true] {
            let data = [&data[..], &[Attribute::Token(on_token)]].concat();
            let original = token.create_object(&data).unwrap();
            let other = [
                Attribute::Value(b"second".to_vec()),
                Attribute::Application(b"others".to_vec()),
                Attribute::ObjectId(vec![6, 1, 42]),
            ];
            let copy = token.copy_object(original, &other).unwrap();
            for other in &other {
                let kind = other.attribute_type();
                let read = token.get_attributes(copy, &[kind]).unwrap();
                assert_eq!(read, std::slice::from_ref(other));
            }
            assert_eq!(token.bytes(original, AttributeType::Value), b"first");
            // Nothing becomes a custom key's metadata by a copy.
            let ours = [Attribute::Application(b"keystead".to_vec())];
            refused(token.copy_object(original, &ours), RvError::AttributeValueInvalid);
        }
    });
}

#[test]
fn an_object_that_cannot_be_destroyed_or_modified_can_in_a_copy_and_never_by_a_change() {
    play(|world| {
        let token = world.token();
        let data = token.create_object(&[Attribute::Class(ObjectClass::DATA)]).unwrap();
        for (flag, made) in [
            (Attribute::Destroyable as fn(bool) -> Attribute, AttributeType::Destroyable),
            (Attribute::Modifiable, AttributeType::Modifiable),
        ] {
            refused(token.update_attributes(data, &[flag(false)]), RvError::AttributeReadOnly);
            token.update_attributes(data, &[flag(true)]).unwrap();
            let fixed = token.copy_object(data, &[flag(false)]).unwrap();
            assert!(!token.flag(fixed, made));
            let free = token.copy_object(fixed, &[flag(true)]).unwrap();
            assert!(token.flag(free, made));
        }
    });
}

#[test]
fn a_check_value_can_be_taken_away_and_never_be_another() {
    play(|world| {
        let token = world.token();
        for template in [vec![], vec![Attribute::Token(true)]] {
            let key = token.generate_aes(&template);
            let own = token.bytes(key, AttributeType::CheckValue);
            let set = |value: &[u8]| {
                token.update_attributes(key, &[Attribute::CheckValue(value.to_vec())])
            };
            refused(set(b"abc"), RvError::AttributeReadOnly);
            set(&own).unwrap();
            set(b"").unwrap();
            let asked = [AttributeType::CheckValue];
            let info = token.get_attribute_info(key, &asked).unwrap();
            assert!(matches!(info[..], [AttributeInfo::TypeInvalid]), "{info:?}");
        }
    });
}

#[test]
fn an_empty_list_of_mechanisms_restricts_nothing_and_is_what_a_key_has_that_was_given_none() {
    play(|world| {
        let token = world.token();
        let none = raw(CKA_ALLOWED_MECHANISMS, b"");
        for template in [vec![], vec![none.clone()], vec![none, Attribute::Token(true)]] {
            let key = token.generate_aes(&template);
            token.encrypt_block(key).unwrap();
            assert!(token.has(key, CKA_ALLOWED_MECHANISMS, b""));
            for template in [CKA_WRAP_TEMPLATE, CKA_UNWRAP_TEMPLATE, CKA_DERIVE_TEMPLATE] {
                assert!(token.has(key, template, b""));
            }
        }
        let cbc = raw(CKA_ALLOWED_MECHANISMS, &CKM_AES_CBC.to_ne_bytes());
        let key = token.generate_aes(&[cbc]);
        refused(token.encrypt_block(key), RvError::MechanismInvalid);
    });
}

#[test]
fn no_secret_key_encapsulates_and_every_one_says_so() {
    const ENCAPSULATE: u64 = 0x633;
    const DECAPSULATE: u64 = 0x634;
    play(|world| {
        let token = world.token();
        for kind in [ENCAPSULATE, DECAPSULATE] {
            let generate = |value: u8| {
                let template = [Attribute::ValueLen(32.into()), raw(kind, &[value])];
                token.generate_key(&Mechanism::AesKeyGen, &template)
            };
            refused(generate(1), RvError::TemplateInconsistent);
            refused(generate(2), RvError::AttributeValueInvalid);
            let key = generate(0).unwrap();
            assert!(token.has(key, kind, &[0]));
            refused(
                token.update_attributes(key, &[raw(kind, &[1])]),
                RvError::TemplateInconsistent,
            );
        }
    });
}

#[test]
fn a_generated_secret_needs_a_length_that_its_type_has() {
    play(|world| {
        let token = world.token();
        for mechanism in [Mechanism::AesKeyGen, Mechanism::GenericSecretKeyGen] {
            refused(token.generate_key(&mechanism, &[]), RvError::TemplateIncomplete);
            let none = [Attribute::ValueLen(0.into())];
            refused(token.generate_key(&mechanism, &none), RvError::AttributeValueInvalid);
        }
        for length in [15, 17, 33, 1 << 40] {
            let template = [Attribute::ValueLen(length.into())];
            let made = token.generate_key(&Mechanism::AesKeyGen, &template);
            refused(made, RvError::AttributeValueInvalid);
        }
    });
}

#[test]
fn a_wrapped_key_is_told_by_its_length_alone_before_it_is_opened() {
    play(|world| {
        let token = world.token();
        let by = token.generate_aes(&[Attribute::Wrap(true), Attribute::Unwrap(true)]);
        let unwrap = |mechanism: &Mechanism, length: usize, more: &[Attribute]| {
            let [class, key_type, _] = aes_material();
            let template = [&[class, key_type], more].concat();
            token.unwrap_key(mechanism, by, &vec![7; length], &template)
        };
        let cbc = Mechanism::AesCbcPad([0; 16]);
        for (mechanism, possible, impossible) in [
            (&Mechanism::AesKeyWrap, 40, &[0_usize, 8, 16, 39, 41, 48, 56][..]),
            (&Mechanism::AesKeyWrapPad, 40, &[0, 8, 16, 39, 41, 48]),
            (&cbc, 48, &[0, 15, 16, 47, 49, 64]),
        ] {
            for length in impossible {
                let made = unwrap(mechanism, *length, &[]);
                refused(made, RvError::WrappedKeyLenRange);
            }
            refused(unwrap(mechanism, possible, &[]), RvError::WrappedKeyInvalid);
            let shorter = [Attribute::ValueLen(16.into())];
            refused(unwrap(mechanism, possible, &shorter), RvError::WrappedKeyLenRange);
        }
    });
}

#[test]
fn a_blob_of_rsa_is_as_long_as_its_modulus() {
    play(|world| {
        let token = world.token();
        let public = [Attribute::ModulusBits(2048.into())];
        let private = [Attribute::Unwrap(true)];
        let pair = token.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, &private);
        let (_, by) = pair.unwrap();
        let oaep = crate::rig::wrap::oaep_sha256();
        for (length, code) in [
            (255, RvError::WrappedKeyLenRange),
            (257, RvError::WrappedKeyLenRange),
            (256, RvError::WrappedKeyInvalid),
        ] {
            let [class, key_type, _] = aes_material();
            let made = token.unwrap_key(&oaep, by, &vec![1; length], &[class, key_type]);
            refused(made, code);
        }
    });
}

/// Older versions kept a public key's modulus as it was given, with the zero that DER puts before it, and
/// its index too.
#[test]
fn a_public_key_that_was_kept_with_a_zero_before_its_modulus_is_found_by_it() {
    play(|world| {
        let token = world.token();
        let open = [Attribute::Token(false), Attribute::Sensitive(false)];
        let bits = [Attribute::ModulusBits(2048.into())];
        let pair = token.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &bits, &open).unwrap();
        let read = token.get_attributes(pair.0, &[AttributeType::Modulus]).unwrap();
        let [Attribute::Modulus(modulus)] = &read[..] else { panic!("{read:?}") };
        let template = [
            Attribute::Class(ObjectClass::PUBLIC_KEY),
            Attribute::KeyType(KeyType::RSA),
            Attribute::Token(true),
            Attribute::Private(false),
            Attribute::Modulus(modulus.clone()),
            Attribute::PublicExponent(vec![1, 0, 1]),
        ];
        let key = token.create_object(&template).unwrap();
        let mut agent = Raw::connect(world);
        let login = agent.login(false, USER_PIN).unwrap();
        agent.ask(&agent.proof(&login)).unwrap();
        let id = agent.find(Some((CKA_MODULUS, modulus)))[0];
        let (stored, _) = agent.read(id).unwrap();
        let (before, body) = as_kept_before(&agent, &stored, modulus);
        agent.commit(vec![agent.forged(&before, &body)]).unwrap();
        assert!(agent.find(Some((CKA_MODULUS, modulus))).is_empty());
        for zeros in [0, 1] {
            let asked = [&vec![0; zeros], &modulus[..]].concat();
            let asked = [Attribute::Modulus(asked), Attribute::Token(true)];
            assert_eq!(token.find_objects(&asked).unwrap(), [key]);
            let looked_at = [&asked[..], &[Attribute::Verify(true)]].concat();
            assert_eq!(token.find_objects(&looked_at).unwrap(), [key]);
        }
    });
}

fn as_kept_before(agent: &Raw, stored: &Stored, modulus: &[u8]) -> (Stored, Vec<u8>) {
    let padded = [&[0], modulus].concat();
    let public = agent.public_key();
    let mut header = Header::decode(&stored.header).unwrap();
    let tag = public.tag(CKA_MODULUS, modulus).unwrap();
    header.tags.retain(|it| it.0 != tag.0);
    header.tags.push(public.tag(CKA_MODULUS, &padded).unwrap());
    let mut body = Body::decode(&agent.opened(stored)).unwrap();
    for (kind, value) in &mut body.attributes {
        if *kind == CKA_MODULUS {
            value.clone_from(&padded);
        }
    }
    let sealed = body.encode().unwrap().expose().to_vec();
    (Stored { header: header.encode().unwrap(), ..stored.clone() }, sealed)
}

fn as_officer(token: &Token, act: impl FnOnce()) {
    token.logout().unwrap();
    token.login(UserType::So, Some(&pin(SO_PIN))).unwrap();
    act();
    token.logout().unwrap();
    token.login(UserType::User, Some(&pin(USER_PIN))).unwrap();
}

fn raw(kind: u64, value: &[u8]) -> Attribute {
    Attribute::VendorDefined((AttributeType::VendorDefined(kind), value.to_vec()))
}
