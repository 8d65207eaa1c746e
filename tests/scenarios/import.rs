//! Imports: which custom key material goes to, and what it must be.

use crate::rig::token::{Token, aes_material, expected_block};
use crate::rig::wrap::{Courier, ImportKey, oaep_sha1, oaep_sha256};
use crate::rig::{
    DISABLED, EXPIRES_AT, EXTERNAL, MATERIAL_STATE, ORIGIN, PENDING_IMPORT, PRESENT, STATUS,
    expires_at, for_key, number, play, refused, without_custody, world,
};
use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::types::Date;

const ONE: [u8; 32] = [1; 32];
const TWO: [u8; 32] = [2; 32];

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
fn other_material_for_the_same_key_is_refused_whether_it_holds_some_or_has_lost_it() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[]);
        let key = import(&token, &ONE, &target(&id)).unwrap();
        refused(import(&token, &TWO, &target(&id)), RvError::TemplateInconsistent);
        assert_eq!(token.encrypt_block(key).unwrap(), expected_block(&ONE));
        token.destroy_object(key).unwrap();
        refused(import(&token, &TWO, &target(&id)), RvError::TemplateInconsistent);
        assert_eq!(token.material(&id), None);
        let again = import(&token, &ONE, &target(&id)).unwrap();
        assert_eq!(token.encrypt_block(again).unwrap(), expected_block(&ONE));
    });
}

#[test]
fn material_of_one_key_is_refused_for_every_other_even_while_that_one_has_lost_it() {
    play(|world| {
        let token = world.token();
        let holder = token.empty_key(&[label("holder")]);
        let other = token.empty_key(&[label("other")]);
        let held = import(&token, &ONE, &target(&holder)).unwrap();
        refused(import(&token, &ONE, &target(&other)), RvError::TemplateInconsistent);
        assert_eq!(token.number(token.metadata(&other), STATUS), PENDING_IMPORT);
        // Or else one key would open what the other encrypted.
        token.destroy_object(held).unwrap();
        refused(import(&token, &ONE, &target(&other)), RvError::TemplateInconsistent);
        assert_eq!(token.number(token.metadata(&other), STATUS), PENDING_IMPORT);
        import(&token, &ONE, &target(&holder)).unwrap();
    });
}

#[test]
fn material_of_a_generated_key_cannot_be_imported_nor_replaced() {
    play(|world| {
        let token = world.token();
        let generated = token.generate_aes(&[Attribute::Token(true), label("made here")]);
        let block = token.encrypt_block(generated).unwrap();
        let id = token.key_of(generated);
        refused(import(&token, &ONE, &target(&id)), RvError::TemplateInconsistent);
        let bytes = uuid::Uuid::parse_str(&id).unwrap().as_bytes().to_vec();
        let by_id = [&aes_material()[..], &[Attribute::Id(bytes)]].concat();
        refused(import(&token, &ONE, &by_id), RvError::TemplateInconsistent);
        assert_eq!(token.encrypt_block(generated).unwrap(), block);
        // Its label does not make it a target: only external keys are looked for by label.
        let by_label = [&aes_material()[..], &[label("made here")]].concat();
        let key = import(&token, &ONE, &by_label).unwrap();
        assert_ne!(token.key_of(key), id);
    });
}

#[test]
fn material_revives_the_key_that_lost_it_under_the_new_names() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[label("old"), Attribute::Id(vec![1])]);
        let key = import(&token, &ONE, &target(&id)).unwrap();
        token.destroy_object(key).unwrap();
        let template = [&aes_material()[..], &[label("new"), Attribute::Id(vec![2])]].concat();
        let revived = import(&token, &ONE, &template).unwrap();
        assert_eq!(token.key_of(revived), id);
        assert_eq!(token.text(token.metadata(&id), AttributeType::Label), "new");
        assert_eq!(token.bytes(revived, AttributeType::Id), [2]);
        assert_eq!(token.encrypt_block(revived).unwrap(), expected_block(&ONE));
    });
}

#[test]
fn a_disabled_key_is_not_revived_by_chance() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[label("old")]);
        let key = import(&token, &ONE, &target(&id)).unwrap();
        let metadata = token.metadata(&id);
        token.update_attributes(metadata, &[number(STATUS, DISABLED)]).unwrap();
        token.destroy_object(key).unwrap();
        if let Ok(made) = import(&token, &ONE, &aes_material()) {
            assert_ne!(token.key_of(made), id);
        }
        assert_eq!(token.material(&id), None);
    });
}

#[test]
fn a_second_import_while_the_material_is_present_keeps_object_and_handle() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[label("payroll")]);
        let later = world::now() + 5000;
        let first = import(&token, &ONE, &target(&id)).unwrap();
        let other_session = token.another_session();
        let unique = token.bytes(first, AttributeType::UniqueId);
        let again = [&target(&id)[..], &[expires_at(later)]].concat();
        let second = import(&token, &ONE, &again).unwrap();
        assert_eq!(second, first);
        assert_eq!(token.bytes(second, AttributeType::UniqueId), unique);
        assert_eq!(token.number(first, crate::rig::EXPIRES_AT), later);
        other_session.encrypt(&Mechanism::AesEcb, first, &[0; 16]).unwrap();
        // Without an expiry the next import takes it away again.
        import(&token, &ONE, &target(&id)).unwrap();
        assert_eq!(token.number(first, crate::rig::EXPIRES_AT), 0);
    });
}

#[test]
fn a_second_import_that_would_change_other_attributes_is_refused() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[label("payroll")]);
        let usage = [Attribute::Encrypt(true), Attribute::Decrypt(true)];
        let key = import(&token, &ONE, &[&target(&id)[..], &usage].concat()).unwrap();
        let more = [Attribute::Encrypt(true), Attribute::Wrap(true)];
        assert!(import(&token, &ONE, &[&target(&id)[..], &more].concat()).is_err());
        assert!(!token.flag(key, AttributeType::Wrap));
        import(&token, &ONE, &[&target(&id)[..], &usage].concat()).unwrap();
    });
}

#[test]
fn of_two_protections_the_stronger_stays() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[]);
        let strong = [Attribute::Sensitive(true), Attribute::Extractable(false)];
        let weak = [Attribute::Sensitive(false), Attribute::Extractable(true)];
        let key = import(&token, &ONE, &[&target(&id)[..], &strong].concat()).unwrap();
        import(&token, &ONE, &[&target(&id)[..], &weak].concat()).unwrap();
        assert!(token.flag(key, AttributeType::Sensitive));
        assert!(!token.flag(key, AttributeType::Extractable));
        token.destroy_object(key).unwrap();
        let open = token.empty_key(&[]);
        let key = import(&token, &TWO, &[&target(&open)[..], &weak].concat()).unwrap();
        assert!(!token.flag(key, AttributeType::Sensitive));
        import(&token, &TWO, &[&target(&open)[..], &strong].concat()).unwrap();
        assert!(token.flag(key, AttributeType::Sensitive));
        assert!(!token.flag(key, AttributeType::Extractable));
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

#[test]
fn created_material_obeys_the_same_rules_as_unwrapped() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[]);
        let create = |value: [u8; 32]| {
            let value = Attribute::Value(value.to_vec());
            token.create_object(&[&target(&id)[..], &[value]].concat())
        };
        let key = create(ONE).unwrap();
        assert_eq!(token.key_of(key), id);
        refused(create(TWO), RvError::TemplateInconsistent);
        assert_eq!(create(ONE).unwrap(), key);
        token.destroy_object(key).unwrap();
        refused(create(TWO), RvError::TemplateInconsistent);
        assert_eq!(token.encrypt_block(create(ONE).unwrap()).unwrap(), expected_block(&ONE));
    });
}

#[test]
fn every_malformed_blob_of_a_possible_length_gets_one_code_and_changes_nothing() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[]);
        let import_key = ImportKey::new(&token);
        let courier = Courier::new(&token);
        let good = import_key.wrap(&ONE);
        let mut blobs = vec![
            (oaep_sha256(), vec![0; good.len()]),
            (oaep_sha256(), vec![255; good.len()]),
            (oaep_sha256(), import_key.wrap(&[7; 5])),
            (oaep_sha256(), import_key.wrap(&[7; 33])),
            (oaep_sha256(), import_key.wrap(b"")),
            (oaep_sha256(), import_key.wrap_sha1(&ONE)),
            (oaep_sha1(), good.clone()),
            (oaep_sha256(), ImportKey::new(&token).wrap(&ONE)),
        ];
        for at in [0, 1, 100, good.len() - 1] {
            let mut flipped = good.clone();
            flipped[at] ^= 1;
            blobs.push((oaep_sha256(), flipped));
        }
        for blob in [good[1..].to_vec(), [&good[..], &[0]].concat()] {
            let result = token.unwrap_key(&oaep_sha256(), import_key.private, &blob, &target(&id));
            refused(result, RvError::WrappedKeyLenRange);
        }
        for (mechanism, blob) in blobs {
            let result = token.unwrap_key(&mechanism, import_key.private, &blob, &target(&id));
            refused(result, RvError::WrappedKeyInvalid);
        }
        let good = courier.wrap(&ONE);
        for at in 0..good.len() {
            let mut flipped = good.clone();
            flipped[at] ^= 0x80;
            for mechanism in [Mechanism::AesKeyWrap, Mechanism::AesKeyWrapPad] {
                let result = token.unwrap_key(&mechanism, courier.key, &flipped, &target(&id));
                refused(result, RvError::WrappedKeyInvalid);
            }
        }
        for length in [8, 16, 23, 25, 31, 41] {
            let blob = vec![7; length];
            let result = token.unwrap_key(&Mechanism::AesKeyWrap, courier.key, &blob, &target(&id));
            refused(result, RvError::WrappedKeyLenRange);
        }
        assert_eq!(token.number(token.metadata(&id), STATUS), PENDING_IMPORT);
        assert_eq!(token.material(&id), None);
        import(&token, &ONE, &target(&id)).unwrap();
    });
}

#[test]
fn through_unauthenticated_wraps_every_refusal_looks_alike() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[]);
        import(&token, &ONE, &target(&id)).unwrap();
        let secret = [8_u8; 32];
        // The sender's key and the token's: one that may do both would unwrap nothing sensitive.
        let key = |usage| {
            let template = [
                Attribute::Class(ObjectClass::SECRET_KEY),
                Attribute::KeyType(KeyType::AES),
                usage,
                Attribute::Value(secret.to_vec()),
            ];
            token.create_object(&template).unwrap()
        };
        let (sender, kek) = (key(Attribute::Encrypt(true)), key(Attribute::Unwrap(true)));
        let cbc = Mechanism::AesCbcPad([3; 16]);
        let other = token.encrypt(&cbc, sender, &TWO).unwrap();
        refused(token.unwrap_key(&cbc, kek, &other, &target(&id)), RvError::WrappedKeyInvalid);
        let mut broken = other;
        broken[40] ^= 1;
        refused(token.unwrap_key(&cbc, kek, &broken, &target(&id)), RvError::WrappedKeyInvalid);
        let right = token.encrypt(&cbc, sender, &ONE).unwrap();
        token.unwrap_key(&cbc, kek, &right, &target(&id)).unwrap();
    });
}

#[test]
fn an_import_key_can_do_nothing_but_unwrap() {
    play(|world| {
        let token = world.token();
        let import_key = ImportKey::new(&token);
        for flag in [AttributeType::Decrypt, AttributeType::Sign, AttributeType::Derive] {
            assert!(!token.flag(import_key.private, flag), "{flag:?}");
        }
        refused(
            token.decrypt(&oaep_sha256(), import_key.private, &import_key.wrap(&ONE)),
            RvError::KeyFunctionNotPermitted,
        );
        token.destroy_object(import_key.private).unwrap();
        let wrapped = import_key.wrap(&ONE);
        refused(
            token.unwrap_key(&oaep_sha256(), import_key.private, &wrapped, &aes_material()),
            RvError::UnwrappingKeyHandleInvalid,
        );
    });
}

#[test]
fn pkcs1_v15_unwraps_only_where_it_is_configured() {
    play(|world| {
        let token = world.token();
        let import_key = ImportKey::new(&token);
        let blob = vec![5; 256];
        let result =
            token.unwrap_key(&Mechanism::RsaPkcs, import_key.private, &blob, &aes_material());
        refused(result, RvError::MechanismInvalid);
    });
}

#[test]
fn material_unwrapped_to_a_session_key_is_nobodys_custom_key() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[]);
        let fleeting =
            [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::KeyType(KeyType::AES)];
        let key = import(&token, &ONE, &fleeting).unwrap();
        assert_eq!(token.encrypt_block(key).unwrap(), expected_block(&ONE));
        assert!(!token.flag(key, AttributeType::Token));
        assert_eq!(token.number(token.metadata(&id), STATUS), PENDING_IMPORT);
        import(&token, &ONE, &target(&id)).unwrap();
    });
}

#[test]
fn an_ordinary_key_can_be_imported_beside_the_custom_ones() {
    play(|world| {
        let token = world.token();
        let ordinary = [&aes_material()[..], &[without_custody()]].concat();
        let key = import(&token, &ONE, &ordinary).unwrap();
        token.destroy_object(key).unwrap();
        assert!(token.find_objects(&[Attribute::Class(ObjectClass::DATA)]).unwrap().is_empty());
    });
}

#[test]
fn what_one_process_imports_deletes_and_imports_again_the_other_sees_at_once() {
    play(|world| match world.role() {
        "user" => {
            let token = world.same_token();
            let id = world.hear();
            let first = token.material(&id).unwrap();
            assert_eq!(token.encrypt_block(first).unwrap(), expected_block(&ONE));
            world.tell("used");
            world.hear();
            refused(token.encrypt_block(first), RvError::KeyHandleInvalid);
            assert_eq!(token.material(&id), None);
            world.tell("gone");
            world.hear();
            let again = token.material(&id).unwrap();
            assert_eq!(token.encrypt_block(again).unwrap(), expected_block(&ONE));
        }
        _ => {
            let token = world.token();
            let id = token.empty_key(&[]);
            let key = import(&token, &ONE, &target(&id)).unwrap();
            let mut user = world.start("user");
            user.tell(&id);
            user.says("used");
            token.destroy_object(key).unwrap();
            user.tell("deleted");
            user.says("gone");
            import(&token, &ONE, &target(&id)).unwrap();
            user.tell("imported");
            user.ends_well();
        }
    });
}

fn import(
    token: &Token,
    material: &[u8],
    template: &[Attribute],
) -> cryptoki::error::Result<ObjectHandle> {
    let courier = Courier::new(token);
    let result = courier.import(token, material, template);
    token.destroy_object(courier.key).unwrap();
    result
}

/// Material for that custom key.
fn target(id: &str) -> Vec<Attribute> {
    [&aes_material()[..], &[for_key(id)]].concat()
}

fn label(text: &str) -> Attribute {
    Attribute::Label(text.as_bytes().to_vec())
}

#[test]
fn an_import_never_lowers_what_hides_a_private_custom_key() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[]);
        let public = [&aes_material()[..], &[for_key(&id), Attribute::Private(false)]].concat();
        let value = [Attribute::Value(vec![0x4B; 32])];
        let key = token.create_object(&[&public[..], &value].concat()).unwrap();
        assert!(token.flag(key, AttributeType::Private));
        let block = token.encrypt_block(key).unwrap();
        token.destroy_object(key).unwrap();
        let key = Courier::new(&token).import(&token, &[0x4B; 32], &public).unwrap();
        assert!(token.flag(key, AttributeType::Private));
        assert_eq!(token.encrypt_block(key).unwrap(), block);
        token.logout().unwrap();
        assert_eq!(token.find_objects(&[for_key(&id)]).unwrap(), []);
    });
}

#[test]
fn the_day_that_shows_an_expiry_cannot_be_set() {
    play(|world| {
        let token = world.token();
        let value = [Attribute::Value(vec![0x4C; 32])];
        let key = token.create_object(&[&aes_material()[..], &value].concat()).unwrap();
        let day = Date::new_from_str_slice("2031", "01", "01").unwrap();
        let day = Attribute::EndDate(day);
        refused(token.update_attributes(key, &[day]), RvError::AttributeReadOnly);
    });
}
