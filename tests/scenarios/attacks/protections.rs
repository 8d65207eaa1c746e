//! Attacks on the attributes that protect a key: protections only rise.

use super::{KNOWN, ec_pair, hides_its_value, rsa_pair, session_aes};
use crate::rig::token::aes_material;
use crate::rig::wrap::Courier;
use crate::rig::{play, refused};
use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeInfo, AttributeType};

#[test]
fn no_change_and_no_copy_lowers_a_protection() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::WrapWithTrusted(true),
        ]);
        for lower in [
            Attribute::Sensitive(false),
            Attribute::Extractable(true),
            Attribute::WrapWithTrusted(false),
        ] {
            let harmless = Attribute::Label(b"harmless".to_vec());
            let both = [harmless, lower.clone()];
            refused(token.update_attributes(key, &both), RvError::AttributeReadOnly);
            refused(token.copy_object(key, &both), RvError::AttributeReadOnly);
            refused(
                token.copy_object(key, &[Attribute::Token(true), lower]),
                RvError::AttributeReadOnly,
            );
        }
        let public = [Attribute::Private(false)];
        refused(token.copy_object(key, &public), RvError::TemplateInconsistent);
        assert!(hides_its_value(&token, key));
        assert!(token.bytes(key, AttributeType::Label).is_empty(), "a refused change changes none");
        let copy = token.copy_object(key, &[]).unwrap();
        assert!(hides_its_value(&token, copy));
    });
}

#[test]
fn a_key_that_cannot_be_modified_is_not_by_way_of_a_copy() {
    play(|world| {
        let token = world.token();
        let fixed = [Attribute::Modifiable(false), Attribute::Encrypt(true)];
        let secret = token.generate_aes(&fixed);
        let (public, private) = ec_pair(&token, &[Attribute::Modifiable(false)]);
        let more = Attribute::Decrypt(true);
        refused(
            token.update_attributes(secret, std::slice::from_ref(&more)),
            RvError::ActionProhibited,
        );
        let modifiable = Attribute::Modifiable(true);
        for lifted in [
            vec![modifiable.clone()],
            vec![more.clone()],
            vec![modifiable.clone(), more],
            vec![Attribute::Token(true), modifiable.clone()],
            vec![Attribute::Encrypt(false)],
            vec![Attribute::Destroyable(false)],
        ] {
            refused(token.copy_object(secret, &lifted), RvError::AttributeReadOnly);
        }
        refused(token.copy_object(private, &[modifiable]), RvError::AttributeReadOnly);
        token.copy_object(public, &[Attribute::Modifiable(false)]).unwrap();

        let names = [Attribute::Label(b"copy".to_vec()), Attribute::Id(vec![7])];
        for (key, place) in [
            (secret, Attribute::Token(false)),
            (private, Attribute::Token(false)),
            (secret, Attribute::Token(true)),
            (private, Attribute::Token(true)),
        ] {
            let copy = token.copy_object(key, &[&names[..], &[place]].concat()).unwrap();
            assert_eq!(token.bytes(copy, AttributeType::Label), b"copy");
            assert!(!token.flag(copy, AttributeType::Modifiable));
            let changed = token.update_attributes(copy, &[Attribute::Derive(true)]);
            refused(changed, RvError::ActionProhibited);
        }
    });
}

#[test]
fn a_key_that_could_once_leave_never_claims_otherwise() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Sensitive(false), Attribute::Extractable(true)]);
        let raised = [Attribute::Sensitive(true), Attribute::Extractable(false)];
        let copy = token.copy_object(key, &raised).unwrap();
        token.update_attributes(key, &raised).unwrap();
        for object in [key, copy] {
            assert!(!token.flag(object, AttributeType::AlwaysSensitive));
            assert!(!token.flag(object, AttributeType::NeverExtractable));
        }
        let courier = Courier::new(&token);
        for claim in [Attribute::AlwaysSensitive(true), Attribute::NeverExtractable(true)] {
            let claim = [claim];
            refused(token.update_attributes(key, &claim), RvError::AttributeReadOnly);
            refused(token.copy_object(key, &claim), RvError::AttributeReadOnly);
            let template = [&session_aes()[..], &claim].concat();
            refused(courier.import(&token, &KNOWN, &template), RvError::AttributeReadOnly);
            let created = [&template[..], &[Attribute::Value(KNOWN.to_vec())]].concat();
            refused(token.create_object(&created), RvError::AttributeReadOnly);
            let generated = [&[Attribute::ValueLen(32.into())], &claim[..]].concat();
            let generated = token.generate_key(&Mechanism::AesKeyGen, &generated);
            refused(generated, RvError::AttributeReadOnly);
        }
        let claim = [&session_aes()[..], &[Attribute::Local(true)]].concat();
        refused(courier.import(&token, &KNOWN, &claim), RvError::AttributeReadOnly);
    });
}

#[test]
fn a_guessed_value_finds_no_key_that_hides_it() {
    play(|world| {
        let token = world.token();
        let guess = [Attribute::Value(KNOWN.to_vec())];
        for hiding in [
            [Attribute::Sensitive(true), Attribute::Extractable(true)],
            [Attribute::Sensitive(false), Attribute::Extractable(false)],
        ] {
            for class in [session_aes(), aes_material()] {
                let key = token.create_object(&[&class[..], &guess, &hiding].concat()).unwrap();
                assert!(token.find_objects(&guess).unwrap().is_empty(), "{class:?} {hiding:?}");
                token.destroy_object(key).unwrap();
            }
        }
        let (_, key) = rsa_pair(&token, &[Attribute::Sensitive(false)]);
        let secrets = [
            AttributeType::PrivateExponent,
            AttributeType::Prime1,
            AttributeType::Prime2,
            AttributeType::Exponent1,
            AttributeType::Exponent2,
            AttributeType::Coefficient,
        ];
        let guesses = token.get_attributes(key, &secrets).unwrap();
        assert_eq!(guesses.len(), secrets.len(), "a key that may show them shows them");
        token.update_attributes(key, &[Attribute::Sensitive(true)]).unwrap();
        for guess in guesses {
            let found = token.find_objects(std::slice::from_ref(&guess)).unwrap();
            assert!(found.is_empty(), "{:?}", guess.attribute_type());
        }
        let shown = token.get_attribute_info(key, &secrets).unwrap();
        assert!(shown.iter().all(|info| matches!(info, AttributeInfo::Sensitive)), "{shown:?}");
    });
}
