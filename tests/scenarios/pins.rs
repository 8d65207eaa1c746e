//! PINs: counted, locked, changed, set again; and several tokens in one store.

use crate::rig::token::{SO_PIN, Token, USER_PIN, free_slot, make_token, pin};
use crate::rig::world::World;
use crate::rig::{made_objects, play, refused, without_custody};
use cryptoki::context::Pkcs11;
use cryptoki::error::RvError;
use cryptoki::object::{Attribute, ObjectClass};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;

#[test]
fn wrong_pins_are_counted_across_processes_and_agents_until_the_tenth_locks() {
    play(|world| match world.role() {
        "guesser" => {
            let (module, slot) = only_token(world);
            let session = module.open_ro_session(slot).unwrap();
            for _ in 0..6 {
                refused(log_in(&session, UserType::User, "wrong-pin"), RvError::PinIncorrect);
            }
        }
        _ => {
            let (module, slot, session) = logged_out(world.token());
            for _ in 0..3 {
                refused(log_in(&session, UserType::User, "wrong-pin"), RvError::PinIncorrect);
            }
            assert!(module.get_token_info(slot).unwrap().user_pin_count_low());
            world.kill_agent();
            world.start("guesser").ends_well();
            assert!(module.get_token_info(slot).unwrap().user_pin_final_try());
            world.kill_agent();
            let tenth = log_in(&session, UserType::User, "wrong-pin");
            assert!(tenth.is_err());
            assert!(module.get_token_info(slot).unwrap().user_pin_locked());
            refused(log_in(&session, UserType::User, USER_PIN), RvError::PinLocked);
            world.kill_agent();
            refused(log_in(&session, UserType::User, USER_PIN), RvError::PinLocked);
        }
    });
}

#[test]
fn a_pin_of_a_length_that_none_has_is_counted_as_any_wrong_one() {
    play(|world| {
        let (module, slot, session) = logged_out(world.token());
        let too_long = "x".repeat(256);
        for wrong in ["bad", &too_long].repeat(4).into_iter().chain(["bad"]) {
            refused(log_in(&session, UserType::User, wrong), RvError::PinIncorrect);
            assert!(module.get_token_info(slot).unwrap().user_pin_count_low());
        }
        assert!(module.get_token_info(slot).unwrap().user_pin_final_try());
        assert!(log_in(&session, UserType::User, "bad").is_err());
        assert!(module.get_token_info(slot).unwrap().user_pin_locked());
    });
}

#[test]
fn the_right_pin_starts_the_count_again() {
    play(|world| {
        let (module, slot, session) = logged_out(world.token());
        for _ in 0..3 {
            for _ in 0..9 {
                refused(log_in(&session, UserType::User, "wrong-pin"), RvError::PinIncorrect);
            }
            log_in(&session, UserType::User, USER_PIN).unwrap();
            session.logout().unwrap();
            assert!(!module.get_token_info(slot).unwrap().user_pin_count_low());
        }
    });
}

#[test]
fn the_officer_unlocks_by_setting_a_new_pin_and_the_keys_stay() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&labelled("key"));
        let block = token.encrypt_block(key).unwrap();
        let (_, _, session) = logged_out(token);
        for _ in 0..10 {
            let _ = log_in(&session, UserType::User, "wrong-pin");
        }
        refused(log_in(&session, UserType::User, USER_PIN), RvError::PinLocked);
        log_in(&session, UserType::So, SO_PIN).unwrap();
        session.init_pin(&pin("another-1234")).unwrap();
        session.logout().unwrap();
        refused(log_in(&session, UserType::User, USER_PIN), RvError::PinIncorrect);
        log_in(&session, UserType::User, "another-1234").unwrap();
        let found = session.find_objects(&key_labelled("key")).unwrap();
        let again =
            session.encrypt(&cryptoki::mechanism::Mechanism::AesEcb, found[0], b"sixteen bytes ok");
        assert_eq!(again.unwrap(), block);
    });
}

#[test]
fn ten_wrong_pins_lock_the_officer_too() {
    play(|world| {
        let (module, slot, session) = logged_out(world.token());
        for _ in 0..10 {
            assert!(log_in(&session, UserType::So, "wrong-pin").is_err());
        }
        assert!(module.get_token_info(slot).unwrap().so_pin_locked());
        refused(log_in(&session, UserType::So, SO_PIN), RvError::PinLocked);
        log_in(&session, UserType::User, USER_PIN).unwrap();
    });
}

#[test]
fn a_changed_pin_holds_in_every_process_and_the_old_one_nowhere() {
    play(|world| match world.role() {
        "other" => {
            let (module, slot) = only_token(world);
            let session = module.open_rw_session(slot).unwrap();
            refused(log_in(&session, UserType::User, USER_PIN), RvError::PinIncorrect);
            log_in(&session, UserType::User, "changed-1234").unwrap();
            assert_eq!(session.find_objects(&key_labelled("key")).unwrap().len(), 1);
        }
        _ => {
            let token = world.token();
            token.generate_aes(&labelled("key"));
            refused(token.set_pin(&pin("wrong-pin"), &pin("changed-1234")), RvError::PinIncorrect);
            token.set_pin(&pin(USER_PIN), &pin("changed-1234")).unwrap();
            assert_eq!(token.find_objects(&key_labelled("key")).unwrap().len(), 1);
            world.start("other").ends_well();
        }
    });
}

#[test]
fn the_officer_changes_the_officers_pin() {
    play(|world| {
        let (_, _, session) = logged_out(world.token());
        log_in(&session, UserType::So, SO_PIN).unwrap();
        session.set_pin(&pin(SO_PIN), &pin("new-officer")).unwrap();
        session.logout().unwrap();
        refused(log_in(&session, UserType::So, SO_PIN), RvError::PinIncorrect);
        log_in(&session, UserType::So, "new-officer").unwrap();
        session.init_pin(&pin("reset-1234")).unwrap();
        session.logout().unwrap();
        log_in(&session, UserType::User, "reset-1234").unwrap();
    });
}

#[test]
fn pins_too_short_or_too_long_are_refused_and_change_nothing() {
    play(|world| {
        let token = world.token();
        let info = token.module.get_token_info(token.slot).unwrap();
        let short = "1".repeat(info.min_pin_length() - 1);
        let long = "1".repeat(info.max_pin_length() + 1);
        for wrong in [&short, &long] {
            refused(token.set_pin(&pin(USER_PIN), &pin(wrong)), RvError::PinLenRange);
        }
        let (module, _, session) = logged_out(token);
        log_in(&session, UserType::User, USER_PIN).unwrap();
        refused(session.init_pin(&pin(&short)), RvError::UserNotLoggedIn);
        session.logout().unwrap();
        for wrong in [&short, &long] {
            refused(module.init_token(free_slot(&module), &pin(wrong), "x"), RvError::PinIncorrect);
        }
        assert_eq!(module.get_slots_with_initialized_token().unwrap().len(), 1);
    });
}

#[test]
fn logging_in_and_out_follows_the_specification() {
    play(|world| {
        let (module, slot, session) = logged_out(world.token());
        refused(session.logout(), RvError::UserNotLoggedIn);
        log_in(&session, UserType::User, USER_PIN).unwrap();
        refused(log_in(&session, UserType::User, USER_PIN), RvError::UserAlreadyLoggedIn);
        refused(log_in(&session, UserType::So, SO_PIN), RvError::UserAnotherAlreadyLoggedIn);
        refused(session.init_pin(&pin("another-1234")), RvError::UserNotLoggedIn);
        session.logout().unwrap();
        let reader = module.open_ro_session(slot).unwrap();
        refused(log_in(&session, UserType::So, SO_PIN), RvError::SessionReadOnlyExists);
        reader.close().unwrap();
        log_in(&session, UserType::So, SO_PIN).unwrap();
        refused(module.open_ro_session(slot), RvError::SessionReadWriteSoExists);
    });
}

#[test]
fn the_login_ends_with_the_last_session() {
    play(|world| {
        let token = world.token();
        let (module, slot) = (token.module.clone(), token.slot);
        let further = token.another_session();
        drop(token);
        further.generate_random_vec(1).unwrap();
        refused(log_in(&further, UserType::User, USER_PIN), RvError::UserAlreadyLoggedIn);
        further.close().unwrap();
        let session = module.open_rw_session(slot).unwrap();
        log_in(&session, UserType::User, USER_PIN).unwrap();
    });
}

#[test]
fn a_token_without_a_user_pin_says_so() {
    play(|world| {
        let module = world.module();
        let slot = free_slot(&module);
        module.init_token(slot, &pin(SO_PIN), "bare").unwrap();
        assert!(!module.get_token_info(slot).unwrap().user_pin_initialized());
        let session = module.open_rw_session(slot).unwrap();
        refused(log_in(&session, UserType::User, USER_PIN), RvError::UserPinNotInitialized);
    });
}

#[test]
fn several_tokens_in_one_store_keep_their_own_keys_and_pins() {
    play(|world| match world.role() {
        "other" => {
            let module = world.module();
            let slots = module.get_slots_with_initialized_token().unwrap();
            let labels: Vec<String> = slots
                .iter()
                .map(|&slot| module.get_token_info(slot).unwrap().label().to_owned())
                .collect();
            assert_eq!(labels, ["one", "two", "three"]);
            let second = Token::login(&module, slots[1]);
            assert!(second.find_objects(&key_labelled("one's")).unwrap().is_empty());
            assert_eq!(second.find_objects(&key_labelled("two's")).unwrap().len(), 1);
        }
        _ => {
            let module = world.module();
            let one = make_token(&module, "one");
            let two = make_token(&module, "two");
            let three = make_token(&module, "three");
            one.generate_aes(&labelled("one's"));
            two.generate_aes(&labelled("two's"));
            assert!(three.find_objects(&key_labelled("one's")).unwrap().is_empty());
            for _ in 0..3 {
                one.logout().unwrap();
                let _ = log_in(&one, UserType::User, "wrong-pin");
                log_in(&one, UserType::User, USER_PIN).unwrap();
            }
            two.logout().unwrap();
            assert_eq!(one.find_objects(&key_labelled("one's")).unwrap().len(), 1);
            refused(two.init_pin(&pin("x-1234")), RvError::UserNotLoggedIn);
            world.start("other").ends_well();
            assert_eq!(module.get_all_slots().unwrap().len(), 4, "three tokens and a free slot");
            let serials: std::collections::BTreeSet<String> = [&one, &two, &three]
                .iter()
                .map(|t| module.get_token_info(t.slot).unwrap().serial_number().to_owned())
                .collect();
            assert_eq!(serials.len(), 3);
        }
    });
}

#[test]
fn initialising_again_keeps_custom_keys_and_destroys_ordinary_objects() {
    play(|world| {
        let token = world.token();
        let custom = token.generate_aes(&labelled("custom"));
        let block = token.encrypt_block(custom).unwrap();
        token.generate_aes(&[&labelled("ordinary")[..], &[without_custody()]].concat());
        token
            .create_object(&[
                Attribute::Class(ObjectClass::DATA),
                Attribute::Token(true),
                Attribute::Label(b"note".to_vec()),
            ])
            .unwrap();
        refused(token.module.init_token(token.slot, &pin(SO_PIN), "again"), RvError::SessionExists);
        let (module, slot) = (token.module.clone(), token.slot);
        token.logout().unwrap();
        drop(token);
        refused(module.init_token(slot, &pin("wrong-pin"), "again"), RvError::PinIncorrect);
        module.init_token(slot, &pin(SO_PIN), "again").unwrap();
        assert_eq!(module.get_token_info(slot).unwrap().label(), "again");

        let session = module.open_rw_session(slot).unwrap();
        refused(log_in(&session, UserType::User, USER_PIN), RvError::UserPinNotInitialized);
        log_in(&session, UserType::So, SO_PIN).unwrap();
        session.init_pin(&pin(USER_PIN)).unwrap();
        session.logout().unwrap();
        drop(session);
        let token = Token::login(&module, slot);
        let kept = token.find_objects(&key_labelled("custom")).unwrap();
        assert_eq!(token.encrypt_block(kept[0]).unwrap(), block);
        assert!(token.find_objects(&key_labelled("ordinary")).unwrap().is_empty());
        assert!(token.find_objects(&[Attribute::Label(b"note".to_vec())]).unwrap().is_empty());
    });
}

#[test]
fn a_token_without_custody_is_wiped_when_initialised_again() {
    play(|world| {
        world.configure("custody = false");
        let token = world.token();
        let key = token.generate_aes(&labelled("key"));
        token.encrypt_block(key).unwrap();
        assert!(
            token.find_objects(&[Attribute::Class(ObjectClass::DATA)]).unwrap().is_empty(),
            "an ordinary key has no metadata object"
        );
        let (module, slot) = (token.module.clone(), token.slot);
        drop(token);
        module.init_token(slot, &pin(SO_PIN), "again").unwrap();
        let session = module.open_rw_session(slot).unwrap();
        log_in(&session, UserType::So, SO_PIN).unwrap();
        session.init_pin(&pin(USER_PIN)).unwrap();
        session.logout().unwrap();
        log_in(&session, UserType::User, USER_PIN).unwrap();
        assert!(made_objects(&session).is_empty());
    });
}

fn logged_out(token: Token) -> (Pkcs11, Slot, Session) {
    let (module, slot) = (token.module.clone(), token.slot);
    let session = token.another_session();
    token.logout().unwrap();
    (module, slot, session)
}

fn only_token(world: &World) -> (Pkcs11, Slot) {
    let module = world.module();
    let slot = module.get_slots_with_initialized_token().unwrap()[0];
    (module, slot)
}

fn log_in(session: &Session, who: UserType, text: &str) -> cryptoki::error::Result<()> {
    session.login(who, Some(&pin(text)))
}

fn labelled(label: &str) -> [Attribute; 2] {
    [Attribute::Token(true), Attribute::Label(label.as_bytes().to_vec())]
}

fn key_labelled(label: &str) -> [Attribute; 2] {
    [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::Label(label.as_bytes().to_vec())]
}

#[test]
fn of_several_who_initialise_the_free_slot_at_once_one_has_it() {
    play(|world| match world.role() {
        "" => {
            let module = world.module();
            let mut others: Vec<_> = (0..4).map(|n| world.start(&format!("other {n}"))).collect();
            others.iter_mut().for_each(|other| other.says("ready"));
            others.iter_mut().for_each(|other| other.tell("now"));
            let said: Vec<String> = others.iter_mut().map(|other| other.hear()).collect();
            let made = said.iter().filter(|said| *said == "made").count();
            others.into_iter().for_each(crate::rig::process::Other::ends_well);
            assert_eq!(made, 1, "each slot is somebody's own");
            assert_eq!(module.get_slots_with_initialized_token().unwrap().len(), 1);
        }
        who => {
            let module = world.module();
            let slot = free_slot(&module);
            world.tell("ready");
            assert_eq!(world.hear(), "now");
            // Each with a PIN of its own: a late one meets another's token, or its making.
            let made = module.init_token(slot, &pin(&format!("officer of {who}")), who);
            world.tell(if made.is_ok() { "made" } else { "late" });
        }
    });
}
