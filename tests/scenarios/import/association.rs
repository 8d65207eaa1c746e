//! The association of material and custom key: for good, and whether it is present or lost.

use super::{ONE, TWO, import, label, target};
use crate::rig::token::{aes_material, expected_block};
use crate::rig::wrap::Courier;
use crate::rig::{
    DISABLED, PENDING_IMPORT, STATUS, expires_at, for_key, number, play, refused, world,
};
use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType};
use cryptoki::types::Date;

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
