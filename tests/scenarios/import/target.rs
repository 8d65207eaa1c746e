//! The custom key that material goes to, by the names in the template.

use super::{ONE, import, label, target};
use crate::rig::token::{aes_material, expected_block};
use crate::rig::wrap::{Courier, ImportKey, oaep_sha1, oaep_sha256};
use crate::rig::{
    DISABLED, EXPIRES_AT, EXTERNAL, MATERIAL_STATE, ORIGIN, PENDING_IMPORT, PRESENT, STATUS,
    expires_at, number, play, refused, without_custody, world,
};
use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass};

#[test]
fn material_wrapped_outside_with_oaep_encrypts_as_it_does_outside() {
    play(|world| {
        let token = world.token();
        let import_key = ImportKey::new(&token);
        for (number, mechanism, wrapped) in [
            (1_u8, oaep_sha256(), import_key.wrap(&[1; 32])),
            (2, oaep_sha1(), import_key.wrap_sha1(&[2; 32])),
        ] {
            let id = token.empty_key(&[label(&format!("key {number}"))]);
            let key =
                token.unwrap_key(&mechanism, import_key.private, &wrapped, &target(&id)).unwrap();
            assert_eq!(token.encrypt_block(key).unwrap(), expected_block(&[number; 32]));
            assert_eq!(token.key_of(key), id);
            assert_eq!(token.number(key, ORIGIN), EXTERNAL);
            assert_eq!(token.number(key, MATERIAL_STATE), PRESENT);
        }
    });
}

#[test]
fn imported_material_never_claims_to_have_been_protected_always() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[]);
        let sensitive = [Attribute::Sensitive(true), Attribute::Extractable(false)];
        let key = import(&token, &ONE, &[&target(&id)[..], &sensitive].concat()).unwrap();
        assert!(token.flag(key, AttributeType::Sensitive));
        for kind in
            [AttributeType::Local, AttributeType::AlwaysSensitive, AttributeType::NeverExtractable]
        {
            assert!(!token.flag(key, kind), "{kind:?}");
        }
        refused(token.copy_object(key, &[]), RvError::ActionProhibited);
    });
}

#[test]
fn a_copied_session_key_is_imported_under_its_own_names_and_with_its_own_expiry() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[label("lease")]);
        let then = world::now() + 3_600;
        let fleeting = token
            .create_object(&[
                Attribute::Class(ObjectClass::SECRET_KEY),
                Attribute::KeyType(KeyType::AES),
                Attribute::Value(ONE.to_vec()),
                label("lease"),
                expires_at(then),
            ])
            .unwrap();
        let key = token.copy_object(fleeting, &[Attribute::Token(true)]).unwrap();
        assert_eq!(token.key_of(key), id);
        assert_eq!(token.number(key, EXPIRES_AT), then);
        let made = [without_custody(), expires_at(then)];
        let generated = token.generate_aes(&made);
        let kept = [Attribute::Token(true)];
        refused(token.copy_object(generated, &kept), RvError::TemplateInconsistent);
    });
}

#[test]
fn aes_key_wrap_with_and_without_padding_import_every_size() {
    play(|world| {
        let token = world.token();
        let courier = Courier::new(&token);
        for (number, size) in [16_usize, 24, 32].into_iter().enumerate() {
            let (plain, padded) = (vec![number as u8; size], vec![number as u8 + 100; size]);
            let made = courier.import(&token, &plain, &aes_material()).unwrap();
            token.encrypt_block(made).unwrap();
            let made = token
                .unwrap_key(
                    &Mechanism::AesKeyWrapPad,
                    courier.key,
                    &courier.wrap_padded(&padded),
                    &aes_material(),
                )
                .unwrap();
            token.encrypt_block(made).unwrap();
        }
    });
}

#[test]
fn an_import_that_names_nothing_makes_a_new_external_key() {
    play(|world| {
        let token = world.token();
        let key = import(&token, &ONE, &aes_material()).unwrap();
        let id = token.key_of(key);
        let metadata = token.metadata(&id);
        assert_eq!(token.number(metadata, ORIGIN), EXTERNAL);
        assert_eq!(token.text(metadata, AttributeType::Label), id);
    });
}

#[test]
fn the_key_id_names_the_target_before_the_id_and_the_label() {
    play(|world| {
        let token = world.token();
        let by_key_id = token.empty_key(&[label("a"), Attribute::Id(vec![1])]);
        let by_id = token.empty_key(&[label("b"), Attribute::Id(vec![2])]);
        let by_label = token.empty_key(&[label("c"), Attribute::Id(vec![3])]);
        let template = [&target(&by_key_id)[..], &[Attribute::Id(vec![2]), label("c")]].concat();
        let key = import(&token, &[1; 32], &template).unwrap();
        assert_eq!(token.key_of(key), by_key_id);
        let template = [&aes_material()[..], &[Attribute::Id(vec![2]), label("c")]].concat();
        // The first import took the target's new names with it: its ID is 2 as well now, or not.
        match import(&token, &[2; 32], &template) {
            Ok(key) => assert_eq!(token.key_of(key), by_id),
            refusal => refused(refusal, RvError::TemplateInconsistent),
        }
        assert_eq!(token.material(&by_label), None);
    });
}

#[test]
fn an_id_equal_to_the_uuids_bytes_names_the_target() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[label("a"), Attribute::Id(vec![9])]);
        let bytes = uuid::Uuid::parse_str(&id).unwrap().as_bytes().to_vec();
        let key = import(&token, &ONE, &[&aes_material()[..], &[Attribute::Id(bytes)]].concat());
        assert_eq!(token.key_of(key.unwrap()), id);
    });
}

#[test]
fn the_id_names_the_target_before_the_label() {
    play(|world| {
        let token = world.token();
        let by_id = token.empty_key(&[label("a"), Attribute::Id(vec![2])]);
        let by_label = token.empty_key(&[label("b"), Attribute::Id(vec![3])]);
        let template = [&aes_material()[..], &[Attribute::Id(vec![2]), label("b")]].concat();
        let key = import(&token, &ONE, &template).unwrap();
        assert_eq!(token.key_of(key), by_id);
        assert_eq!(token.material(&by_label), None);
    });
}

#[test]
fn the_label_names_the_target_and_an_id_that_names_no_key_becomes_its_own() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[label("payroll")]);
        let template = [&aes_material()[..], &[label("payroll"), Attribute::Id(vec![7])]].concat();
        let key = import(&token, &ONE, &template).unwrap();
        assert_eq!(token.key_of(key), id);
        assert_eq!(token.bytes(key, AttributeType::Id), [7]);
        assert_eq!(token.bytes(token.metadata(&id), AttributeType::Label), b"payroll");
    });
}

#[test]
fn another_id_of_a_uuids_length_is_another_attribute_and_not_passed_over() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[label("payroll"), Attribute::Id(vec![1])]);
        let again = |identifier: Vec<u8>| {
            let names = [label("payroll"), Attribute::Id(identifier)];
            import(&token, &ONE, &[&aes_material()[..], &names].concat())
        };
        let key = again(vec![1]).unwrap();
        let uuid = uuid::Uuid::parse_str(&id).unwrap().as_bytes().to_vec();
        assert_eq!(again(uuid).unwrap(), key);
        for other in [vec![7; 16], vec![7; 5]] {
            refused(again(other), RvError::TemplateInconsistent);
        }
        assert_eq!(token.bytes(key, AttributeType::Id), [1]);
    });
}

#[test]
fn an_empty_key_made_by_attributes_may_say_how_long_its_material_is() {
    play(|world| {
        let token = world.token();
        let length = |bytes: u64| Attribute::ValueLen(bytes.into());
        let id = token.empty_key(&[length(16)]);
        assert_eq!(token.json(&id)["key_bits"], 128);
        let template = [&aes_material()[..], &target(&id)].concat();
        refused(import(&token, &ONE, &template), RvError::TemplateInconsistent);
        assert_eq!(token.material(&id), None);
        let value = [&aes_material()[..], &[Attribute::Value(vec![7; 16]), length(16)]].concat();
        refused(token.create_object(&value), RvError::AttributeReadOnly);
    });
}

#[test]
fn imported_material_can_be_deleted_whatever_a_template_says() {
    play(|world| {
        let token = world.token();
        let kept = [&aes_material()[..], &[Attribute::Destroyable(false)]].concat();
        refused(import(&token, &ONE, &kept), RvError::TemplateInconsistent);
        // The template is refused before anything is unwrapped: what does not even open has the same code.
        let courier = Courier::new(&token);
        let unwrap = |template: &[Attribute]| {
            token.unwrap_key(&Mechanism::AesKeyWrap, courier.key, &[0; 40], template)
        };
        refused(unwrap(&kept), RvError::TemplateInconsistent);
        refused(unwrap(&aes_material()), RvError::WrappedKeyInvalid);
        let key = import(&token, &ONE, &aes_material()).unwrap();
        let change = token.update_attributes(key, &[Attribute::Destroyable(false)]);
        refused(change, RvError::AttributeReadOnly);
        assert!(token.flag(key, AttributeType::Destroyable));
        token.destroy_object(key).unwrap();
    });
}

#[test]
fn empty_names_name_nothing() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[label("payroll")]);
        let template = [&aes_material()[..], &[label(""), Attribute::Id(vec![])]].concat();
        let key = import(&token, &ONE, &template).unwrap();
        assert_ne!(token.key_of(key), id);
    });
}

#[test]
fn more_than_one_candidate_is_refused_and_neither_is_changed() {
    play(|world| {
        let token = world.token();
        let one = token.empty_key(&[label("same")]);
        let two = token.empty_key(&[label("same")]);
        let template = [&aes_material()[..], &[label("same")]].concat();
        refused(import(&token, &ONE, &template), RvError::TemplateInconsistent);
        for id in [one, two] {
            assert_eq!(token.number(token.metadata(&id), STATUS), PENDING_IMPORT);
        }
    });
}

#[test]
fn a_key_id_that_nobody_has_is_refused() {
    play(|world| {
        let token = world.token();
        for id in ["00000000-0000-4000-8000-000000000000", "", "no uuid at all"] {
            if id.is_empty() {
                continue; // Empty values name nothing.
            }
            assert!(import(&token, &ONE, &target(id)).is_err(), "{id:?}");
        }
        assert!(token.find_objects(&[Attribute::Class(ObjectClass::DATA)]).unwrap().is_empty());
    });
}

#[test]
fn a_disabled_key_stays_disabled_through_an_import() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[]);
        let metadata = token.metadata(&id);
        // Disabling a key that awaits its import is remembered.
        token.update_attributes(metadata, &[number(STATUS, DISABLED)]).unwrap();
        let key = import(&token, &ONE, &target(&id)).unwrap();
        assert_eq!(token.number(key, STATUS), DISABLED);
        refused(token.encrypt_block(key), RvError::KeyFunctionNotPermitted);
        import(&token, &ONE, &target(&id)).unwrap();
        refused(token.encrypt_block(key), RvError::KeyFunctionNotPermitted);
    });
}
