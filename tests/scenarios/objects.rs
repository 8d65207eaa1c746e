//! Objects: made, found, read, changed, copied, destroyed, hidden.

use crate::rig::token::{Token, USER_PIN, pin};
use crate::rig::{made_objects, play, refused, without_custody};
use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{
    Attribute, AttributeInfo, AttributeType, KeyType, ObjectClass, ObjectHandle,
};
use cryptoki::session::UserType;

#[test]
fn a_data_object_is_made_found_read_changed_and_destroyed() {
    play(|world| {
        let token = world.token();
        let note = data(&token, true, "note", b"first");
        assert_eq!(token.find_objects(&[label("note")]).unwrap(), [note]);
        assert_eq!(token.bytes(note, AttributeType::Value), b"first");
        assert_eq!(token.bytes(note, AttributeType::Application), b"tests");
        token.update_attributes(note, &[Attribute::Value(b"second".to_vec())]).unwrap();
        assert_eq!(token.bytes(note, AttributeType::Value), b"second");
        token.destroy_object(note).unwrap();
        assert!(token.find_objects(&[label("note")]).unwrap().is_empty());
        refused(token.get_attributes(note, &[AttributeType::Value]), RvError::ObjectHandleInvalid);
        refused(token.destroy_object(note), RvError::ObjectHandleInvalid);
    });
}

#[test]
fn a_large_value_comes_back_whole_in_another_process() {
    play(|world| match world.role() {
        "reader" => {
            let token = world.same_token();
            let found = token.find_objects(&[label("large")]).unwrap();
            assert_eq!(token.bytes(found[0], AttributeType::Value), large_value());
        }
        _ => {
            let token = world.token();
            data(&token, true, "large", &large_value());
            world.start("reader").ends_well();
        }
    });
}

#[test]
fn a_process_that_looks_at_all_that_it_found_waits_for_few_answers() {
    const MANY: usize = 200;
    play(|world| match world.role() {
        "reader" => {
            let token = world.same_token();
            let found = token.find_objects(&[Attribute::Application(b"tests".to_vec())]).unwrap();
            assert_eq!(found.len(), MANY);
            let before = waits();
            for (number, &object) in found.iter().enumerate() {
                let label = token.text(object, AttributeType::Label);
                assert_eq!(label, number.to_string(), "in the order of their creation");
            }
            let waited = waits() - before;
            assert!(waited < MANY / 4, "it waited {waited} times");
        }
        _ => {
            let token = world.token();
            (0..MANY).for_each(|number| {
                data(&token, true, &number.to_string(), b"x");
            });
            world.start("reader").ends_well();
        }
    });
}

/// The number of times that this thread has waited for something.
fn waits() -> usize {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.unwrap().trim().parse().unwrap()
}

fn large_value() -> Vec<u8> {
    (0..300_000_u32).map(|at| (at * 31 % 251) as u8).collect()
}

#[test]
fn private_objects_are_hidden_until_the_login_and_after_the_logout() {
    play(|world| {
        let token = world.token();
        let public = data(&token, true, "open", b"x");
        let private = token
            .create_object(
                &[&data_template(true, "closed", b"y")[..], &[Attribute::Private(true)]].concat(),
            )
            .unwrap();
        let key = token.generate_aes(&[Attribute::Token(true), label("key")]);
        token.logout().unwrap();
        assert_eq!(made_objects(&token), [public]);
        assert!(token.find_objects(&[label("closed")]).unwrap().is_empty());
        refused(
            token.get_attributes(private, &[AttributeType::Value]),
            RvError::ObjectHandleInvalid,
        );
        refused(token.encrypt_block(key), RvError::KeyHandleInvalid);
        refused(
            token.create_object(
                &[&data_template(true, "more", b"z")[..], &[Attribute::Private(true)]].concat(),
            ),
            RvError::UserNotLoggedIn,
        );
        token.login(UserType::User, Some(&pin(USER_PIN))).unwrap();
        assert_eq!(token.find_objects(&[label("closed")]).unwrap().len(), 1);
        let found =
            token.find_objects(&[Attribute::Class(ObjectClass::SECRET_KEY), label("key")]).unwrap();
        token.encrypt_block(found[0]).unwrap();
    });
}

#[test]
fn session_objects_end_with_their_session_and_are_seen_by_no_other_process() {
    play(|world| match world.role() {
        "stranger" => {
            let token = world.same_token();
            assert!(token.find_objects(&[label("fleeting")]).unwrap().is_empty());
        }
        _ => {
            let token = world.token();
            let session = token.another_session();
            let object = session.create_object(&data_template(false, "fleeting", b"x")).unwrap();
            assert_eq!(token.find_objects(&[label("fleeting")]).unwrap(), [object]);
            world.start("stranger").ends_well();
            session.close().unwrap();
            assert!(token.find_objects(&[label("fleeting")]).unwrap().is_empty());
            refused(
                token.get_attributes(object, &[AttributeType::Value]),
                RvError::ObjectHandleInvalid,
            );
        }
    });
}

#[test]
fn a_read_only_session_makes_no_token_objects() {
    play(|world| {
        let token = world.token();
        let kept = data(&token, true, "kept", b"x");
        let reader = token.module.open_ro_session(token.slot).unwrap();
        refused(reader.create_object(&data_template(true, "new", b"x")), RvError::SessionReadOnly);
        refused(reader.destroy_object(kept), RvError::SessionReadOnly);
        refused(reader.update_attributes(kept, &[label("x")]), RvError::SessionReadOnly);
        refused(
            reader.generate_key(
                &Mechanism::AesKeyGen,
                &[Attribute::ValueLen(32.into()), Attribute::Token(true)],
            ),
            RvError::SessionReadOnly,
        );
        reader.create_object(&data_template(false, "new", b"x")).unwrap();
    });
}

#[test]
fn a_search_takes_every_attribute_into_account() {
    play(|world| {
        let token = world.token();
        let one = keyed(&token, "one", &[1]);
        let two = keyed(&token, "two", &[2]);
        let class = Attribute::Class(ObjectClass::SECRET_KEY);
        let find = |template: &[Attribute]| {
            let mut found = token.find_objects(template).unwrap();
            found.sort_by_key(ObjectHandle::handle);
            found
        };
        let mut both = vec![one, two];
        both.sort_by_key(ObjectHandle::handle);
        assert_eq!(find(std::slice::from_ref(&class)), both);
        assert_eq!(find(&[class.clone(), Attribute::Id(vec![2])]), [two]);
        assert_eq!(find(&[class.clone(), label("one"), Attribute::Id(vec![1])]), [one]);
        assert!(find(&[class.clone(), label("one"), Attribute::Id(vec![2])]).is_empty());
        assert_eq!(find(&[class.clone(), Attribute::KeyType(KeyType::AES)]), both);
        assert!(find(&[class.clone(), Attribute::KeyType(KeyType::RSA)]).is_empty());
        assert!(find(&[class.clone(), Attribute::Token(false)]).is_empty());
        assert!(find(&[class, label("on")]).is_empty());
    });
}

#[test]
fn several_objects_may_have_the_same_names() {
    play(|world| {
        let token = world.token();
        let one = keyed(&token, "same", &[1]);
        let two = keyed(&token, "same", &[1]);
        assert_ne!(one, two);
        let class = Attribute::Class(ObjectClass::SECRET_KEY);
        assert_eq!(token.find_objects(&[class, label("same")]).unwrap().len(), 2);
    });
}

#[test]
fn more_objects_than_one_answer_holds_are_all_found() {
    play(|world| {
        let token = world.token();
        for number in 0..250 {
            data(&token, true, "many", format!("{number}").as_bytes());
        }
        assert_eq!(token.find_objects(&[label("many")]).unwrap().len(), 250);
    });
}

#[test]
fn every_object_has_a_unique_id_that_nobody_can_choose() {
    play(|world| {
        let token = world.token();
        let key = keyed(&token, "key", &[1]);
        let note = data(&token, false, "note", b"x");
        let ids = [key, note].map(|object| token.bytes(object, AttributeType::UniqueId));
        assert_ne!(ids[0], ids[1]);
        assert!(ids.iter().all(|id| !id.is_empty()));
        let chosen = Attribute::UniqueId(b"mine".to_vec());
        refused(
            token.create_object(&[&data_template(false, "x", b"x")[..], &[chosen]].concat()),
            RvError::AttributeTypeInvalid,
        );
        let found = token.find_objects(&[Attribute::UniqueId(ids[0].clone())]).unwrap();
        assert_eq!(found, [key]);
    });
}

#[test]
fn a_token_keys_value_is_kept_and_a_plain_session_keys_is_shown() {
    play(|world| {
        let token = world.token();
        let kept = keyed(&token, "kept", &[1]);
        let info = token.get_attribute_info(kept, &[AttributeType::Value]).unwrap();
        assert!(matches!(info[0], AttributeInfo::Sensitive));
        assert!(token.flag(kept, AttributeType::Sensitive));
        assert!(!token.flag(kept, AttributeType::Extractable));
        assert!(token.flag(kept, AttributeType::AlwaysSensitive));
        assert!(token.flag(kept, AttributeType::NeverExtractable));
        assert!(token.flag(kept, AttributeType::Local));
        let shown = token
            .generate_key(
                &Mechanism::AesKeyGen,
                &[Attribute::ValueLen(32.into()), Attribute::Sensitive(false)],
            )
            .unwrap();
        assert_eq!(token.bytes(shown, AttributeType::Value).len(), 32);
    });
}

#[test]
fn protections_can_be_raised_and_never_lowered() {
    play(|world| {
        let token = world.token();
        let template = [
            Attribute::ValueLen(16.into()),
            Attribute::Sensitive(false),
            Attribute::Extractable(true),
        ];
        let key = token.generate_key(&Mechanism::AesKeyGen, &template).unwrap();
        token.update_attributes(key, &[Attribute::Sensitive(true)]).unwrap();
        token.update_attributes(key, &[Attribute::Extractable(false)]).unwrap();
        for lowered in [Attribute::Sensitive(false), Attribute::Extractable(true)] {
            refused(token.update_attributes(key, &[lowered]), RvError::AttributeReadOnly);
        }
        let info = token.get_attribute_info(key, &[AttributeType::Value]).unwrap();
        assert!(matches!(info[0], AttributeInfo::Sensitive));
        assert!(!token.flag(key, AttributeType::AlwaysSensitive));
        assert!(!token.flag(key, AttributeType::NeverExtractable));
    });
}

#[test]
fn what_the_token_decides_cannot_be_written() {
    play(|world| {
        let token = world.token();
        let key = keyed(&token, "key", &[1]);
        for attribute in [
            Attribute::Class(ObjectClass::DATA),
            Attribute::KeyType(KeyType::GENERIC_SECRET),
            Attribute::Local(false),
            Attribute::AlwaysSensitive(false),
            Attribute::NeverExtractable(false),
            Attribute::Token(false),
            Attribute::Value(vec![0; 32]),
            Attribute::ValueLen(16.into()),
        ] {
            let kind = attribute.attribute_type();
            let result = token.update_attributes(key, &[attribute]);
            assert!(result.is_err(), "{kind:?} was changed");
        }
        token.encrypt_block(key).unwrap();
        assert!(token.flag(key, AttributeType::Local));
    });
}

#[test]
fn a_refused_change_of_several_attributes_changes_none() {
    play(|world| {
        let token = world.token();
        let note = data(&token, true, "before", b"x");
        let change = [label("after"), Attribute::Class(ObjectClass::SECRET_KEY)];
        assert!(token.update_attributes(note, &change).is_err());
        assert_eq!(token.bytes(note, AttributeType::Label), b"before");
    });
}

#[test]
fn objects_made_unmodifiable_or_undestroyable_stay_as_they_are() {
    play(|world| {
        let token = world.token();
        let fixed = token
            .create_object(
                &[&data_template(true, "fixed", b"x")[..], &[Attribute::Modifiable(false)]]
                    .concat(),
            )
            .unwrap();
        refused(token.update_attributes(fixed, &[label("y")]), RvError::ActionProhibited);
        let firm = token
            .create_object(
                &[&data_template(true, "firm", b"x")[..], &[Attribute::Destroyable(false)]]
                    .concat(),
            )
            .unwrap();
        refused(token.destroy_object(firm), RvError::ActionProhibited);
        assert_eq!(token.find_objects(&[label("firm")]).unwrap(), [firm]);
    });
}

#[test]
fn a_copy_is_an_object_of_its_own() {
    play(|world| {
        let token = world.token();
        let note = data(&token, false, "note", b"x");
        let plain = token.copy_object(note, &[]).unwrap();
        let copy = token.copy_object(note, &[label("copy"), Attribute::Token(true)]).unwrap();
        token.destroy_object(note).unwrap();
        assert_eq!(token.bytes(plain, AttributeType::Value), b"x");
        assert_eq!(token.bytes(copy, AttributeType::Label), b"copy");
        assert!(token.flag(copy, AttributeType::Token));
        let single =
            [&data_template(false, "single", b"x")[..], &[Attribute::Copyable(false)]].concat();
        let single = token.create_object(&single).unwrap();
        refused(token.copy_object(single, &[]), RvError::ActionProhibited);
    });
}

#[test]
fn usage_flags_that_a_template_leaves_out_are_false_when_it_names_one() {
    play(|world| {
        let token = world.token();
        let all = token.generate_aes(&[]);
        for kind in [AttributeType::Encrypt, AttributeType::Decrypt, AttributeType::Wrap] {
            assert!(token.flag(all, kind), "{kind:?}");
        }
        let one = token.generate_aes(&[Attribute::Encrypt(true)]);
        assert!(token.flag(one, AttributeType::Encrypt));
        for kind in [AttributeType::Decrypt, AttributeType::Wrap, AttributeType::Unwrap] {
            assert!(!token.flag(one, kind), "{kind:?}");
        }
        token.encrypt_block(one).unwrap();
        refused(token.decrypt(&Mechanism::AesEcb, one, &[0; 16]), RvError::KeyFunctionNotPermitted);
    });
}

/// miekg/pkcs11 encrypts with a public key whose template names only `CKA_VERIFY`.
#[test]
fn a_public_key_does_what_anybody_can_do_with_it_whatever_else_its_template_names() {
    play(|world| {
        let token = world.token();
        let pair = |more: &[Attribute]| {
            let public = [&[Attribute::ModulusBits(2048.into())], more].concat();
            let private = [Attribute::Sign(true)];
            token.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, &private).unwrap()
        };
        let (public, private) = pair(&[Attribute::Verify(true)]);
        for (usage, can) in [
            (AttributeType::Encrypt, true),
            (AttributeType::Wrap, false),
            (AttributeType::Derive, false),
        ] {
            assert_eq!(token.flag(public, usage), can, "{usage:?}");
        }
        let recovers = token.get_attributes(public, &[AttributeType::VerifyRecover]).unwrap();
        assert_eq!(recovers, [Attribute::VerifyRecover(true)]);
        assert!(!token.flag(private, AttributeType::Decrypt));
        token.encrypt(&Mechanism::RsaPkcs, public, b"text").unwrap();
        let (silent, _) = pair(&[Attribute::Verify(true), Attribute::Encrypt(false)]);
        assert!(!token.flag(silent, AttributeType::Encrypt), "what a template says stands");
    });
}

#[test]
fn an_object_of_no_sense_is_refused_and_none_is_made() {
    play(|world| {
        let token = world.token();
        let key = |rest: &[Attribute]| {
            let base =
                [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::KeyType(KeyType::AES)];
            [&base[..], rest].concat()
        };
        refused(token.create_object(&[label("no class")]), RvError::TemplateIncomplete);
        refused(token.create_object(&key(&[])), RvError::TemplateIncomplete);
        for length in [0, 15, 17, 33, 4096] {
            let value = Attribute::Value(vec![7; length]);
            refused(token.create_object(&key(&[value])), RvError::AttributeValueInvalid);
        }
        let twice = [label("a"), label("b"), Attribute::Class(ObjectClass::DATA)];
        refused(token.create_object(&twice), RvError::TemplateInconsistent);
        assert!(made_objects(&token).is_empty());
    });
}

fn label(text: &str) -> Attribute {
    Attribute::Label(text.as_bytes().to_vec())
}

fn data_template(token: bool, name: &str, value: &[u8]) -> Vec<Attribute> {
    vec![
        Attribute::Class(ObjectClass::DATA),
        Attribute::Token(token),
        label(name),
        Attribute::Application(b"tests".to_vec()),
        Attribute::Value(value.to_vec()),
    ]
}

fn data(token: &Token, kept: bool, name: &str, value: &[u8]) -> ObjectHandle {
    token.create_object(&data_template(kept, name, value)).unwrap()
}

/// An ordinary AES token key.
fn keyed(token: &Token, name: &str, id: &[u8]) -> ObjectHandle {
    token.generate_aes(&[
        Attribute::Token(true),
        without_custody(),
        label(name),
        Attribute::Id(id.to_vec()),
    ])
}
