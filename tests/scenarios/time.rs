//! Time: expiry to the second, in every session of every process; erasure.

use crate::rig::process::{PATIENCE, ends_within};
use crate::rig::token::{Token, aes_material, expected_block};
use crate::rig::world::{eventually, now, until};
use crate::rig::wrap::Courier;
use crate::rig::{
    DELETED, EXPIRED, EXPIRES_AT, EXPIRY_ACTION, MATERIAL_STATE, PENDING_IMPORT, PRESENT, STATUS,
    expires_at, for_key, made_objects, number, play, refused, without_custody,
};
use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::types::Date;

const ONE: [u8; 32] = [1; 32];

#[test]
fn material_ends_at_its_second_in_every_open_session_of_every_process() {
    play(|world| match world.role() {
        "user" => {
            let token = world.same_token();
            let further = token.another_session();
            let id = world.hear();
            let key = token.material(&id).unwrap();
            let expiry = token.number(key, EXPIRES_AT);
            further.encrypt(&Mechanism::AesEcb, key, &[0; 16]).unwrap();
            world.tell("used");
            until(expiry);
            refused(further.encrypt(&Mechanism::AesEcb, key, &[0; 16]), RvError::KeyHandleInvalid);
            refused(token.encrypt_block(key), RvError::KeyHandleInvalid);
            refused(
                token.get_attributes(key, &[AttributeType::Label]),
                RvError::ObjectHandleInvalid,
            );
            assert_eq!(token.material(&id), None);
        }
        _ => {
            let token = world.token();
            let further = token.another_session();
            let expiry = now() + 4;
            let (id, key) = imported(&token, expiry);
            let mut user = world.start("user");
            user.tell(&id);
            user.says("used");
            while now() < expiry {
                let result = further.encrypt(&Mechanism::AesEcb, key, &[0; 16]);
                // The second may have turned between the two looks at the clock.
                assert!(result.is_ok() || now() >= expiry, "{result:?} before its expiry");
            }
            refused(further.encrypt(&Mechanism::AesEcb, key, &[0; 16]), RvError::KeyHandleInvalid);
            let metadata = token.metadata(&id);
            assert_eq!(token.number(metadata, MATERIAL_STATE), EXPIRED);
            assert_eq!(token.number(metadata, STATUS), PENDING_IMPORT);
            assert_eq!(token.json(&id)["material"], "expired");
            user.ends_well();
        }
    });
}

#[test]
fn an_operation_begun_before_the_expiry_may_finish() {
    play(|world| {
        let token = world.token();
        let expiry = now() + 2;
        let (_, key) = imported(&token, expiry);
        token.encrypt_init(&Mechanism::AesEcb, key).unwrap();
        until(expiry);
        let block = token.encrypt_update(b"sixteen bytes ok").unwrap();
        token.encrypt_final().unwrap();
        assert_eq!(block, expected_block(&ONE));
        refused(token.encrypt_init(&Mechanism::AesEcb, key), RvError::KeyHandleInvalid);
    });
}

#[test]
fn expired_material_can_be_imported_again_and_opens_what_it_closed() {
    play(|world| {
        let token = world.token();
        let expiry = now() + 2;
        let (id, key) = imported(&token, expiry);
        let closed = token.encrypt_block(key).unwrap();
        until(expiry);
        assert!(import(&token, &id, &[2; 32], &[]).is_err(), "other material");
        let again = import(&token, &id, &ONE, &[]).unwrap();
        let opened = token.decrypt(&Mechanism::AesEcb, again, &closed).unwrap();
        assert_eq!(opened, b"sixteen bytes ok");
        assert_eq!(token.number(again, EXPIRES_AT), 0);
        assert_eq!(token.number(again, MATERIAL_STATE), PRESENT);
    });
}

#[test]
fn an_expiry_that_does_not_lie_ahead_is_refused_and_nothing_is_imported() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[]);
        for past in [1, now() - 100, now()] {
            refused(import(&token, &id, &ONE, &[expires_at(past)]), RvError::AttributeValueInvalid);
        }
        assert_eq!(token.number(token.metadata(&id), STATUS), PENDING_IMPORT);
        // Zero is never.
        let key = import(&token, &id, &ONE, &[expires_at(0)]).unwrap();
        assert_eq!(token.number(key, EXPIRES_AT), 0);
    });
}

#[test]
fn a_shorter_expiry_in_a_later_import_takes_the_place_of_the_longer() {
    play(|world| {
        let token = world.token();
        let (id, key) = imported(&token, now() + 5000);
        let soon = now() + 2;
        assert_eq!(import(&token, &id, &ONE, &[expires_at(soon)]).unwrap(), key);
        until(soon);
        refused(token.encrypt_block(key), RvError::KeyHandleInvalid);
    });
}

#[test]
fn a_longer_expiry_in_a_later_import_takes_the_place_of_the_shorter() {
    play(|world| {
        let token = world.token();
        let soon = now() + 3;
        let (id, key) = imported(&token, soon);
        import(&token, &id, &ONE, &[expires_at(soon + 5000)]).unwrap();
        until(soon + 1);
        token.encrypt_block(key).unwrap();
    });
}

#[test]
fn an_expiry_in_the_template_goes_before_the_jsons() {
    play(|world| {
        let token = world.token();
        let id = empty_by_json(&token, r#"{"alias":"payroll","expires":"2099-01-31T00:00:00Z"}"#);
        let chosen = now() + 777;
        let key = import(&token, &id, &ONE, &[expires_at(chosen)]).unwrap();
        assert_eq!(token.number(key, EXPIRES_AT), chosen);
    });
}

#[test]
fn the_jsons_moment_is_the_imports_expiry() {
    play(|world| {
        let token = world.token();
        let id = empty_by_json(&token, r#"{"alias":"payroll","expires":"2099-01-31T00:00:00Z"}"#);
        let key = import(&token, &id, &ONE, &[]).unwrap();
        assert_eq!(token.number(key, EXPIRES_AT), 4_073_500_800);
        // The end date shows the expiry's day.
        let shown = token.get_attributes(key, &[AttributeType::EndDate]).unwrap();
        let day = Date::new_from_str_slice("2099", "01", "31").unwrap();
        let day_before = Date::new_from_str_slice("2099", "01", "30").unwrap();
        assert!(
            shown == [Attribute::EndDate(day)] || shown == [Attribute::EndDate(day_before)],
            "{shown:?}"
        );
    });
}

#[test]
fn an_end_date_is_an_expiry_only_for_a_target_that_existed() {
    play(|world| {
        let token = world.token();
        let end = || Attribute::EndDate(Date::new_from_str_slice("2099", "01", "30").unwrap());
        let id = token.empty_key(&[]);
        let key = import(&token, &id, &ONE, &[end()]).unwrap();
        assert_eq!(token.number(key, EXPIRES_AT), 4_073_500_800, "00:00 UTC of the day after");
        let courier = Courier::new(&token);
        let fresh = [&aes_material()[..], &[end()]].concat();
        let key = courier.import(&token, &[2; 32], &fresh).unwrap();
        assert_eq!(token.number(key, EXPIRES_AT), 0);
    });
}

#[test]
fn an_ordinary_key_with_an_expiry_ends_at_it() {
    play(|world| {
        let token = world.token();
        let expiry = now() + 2;
        let key =
            token.generate_aes(&[Attribute::Token(true), without_custody(), expires_at(expiry)]);
        token.encrypt_block(key).unwrap();
        until(expiry);
        refused(token.encrypt_block(key), RvError::KeyHandleInvalid);
        assert!(made_objects(&token).is_empty());
    });
}

#[test]
fn material_that_stays_readable_only_reads_after_its_expiry_until_it_is_deleted_or_renewed() {
    play(|world| match world.role() {
        "reader" => {
            let token = world.same_token();
            let id = world.hear();
            only_reads(&token, &id, &serde_json::from_str::<Vec<u8>>(&world.hear()).unwrap());
        }
        _ => {
            let token = world.token();
            let expiry = now() + 2;
            let id = token.empty_key(&[]);
            let read_only = [expires_at(expiry), number(EXPIRY_ACTION, 2)];
            let key = import(&token, &id, &ONE, &read_only).unwrap();
            let closed = token.encrypt_block(key).unwrap();
            until(expiry);
            only_reads(&token, &id, &closed);
            world.kill_agent();
            let mut reader = world.start("reader");
            reader.tell(&id);
            reader.tell(&serde_json::to_string(&closed).unwrap());
            reader.ends_well();

            // The same material with another expiry makes it whole again.
            import(&token, &id, &ONE, &[expires_at(0)]).unwrap();
            assert_eq!(token.encrypt_block(key).unwrap(), closed);
            assert_eq!(token.number(key, MATERIAL_STATE), PRESENT);

            let soon = now() + 1;
            let read_only = [expires_at(soon), number(EXPIRY_ACTION, 2)];
            import(&token, &id, &ONE, &read_only).unwrap();
            until(soon);
            only_reads(&token, &id, &closed);
            token.destroy_object(key).unwrap();
            assert_eq!(token.number(token.metadata(&id), MATERIAL_STATE), DELETED);
            assert_eq!(token.material(&id), None);
        }
    });
}

/// Everything that makes something is refused, and what it made is read.
fn only_reads(token: &Token, id: &str, closed: &[u8]) {
    let key = token.material(id).unwrap();
    refused(token.encrypt_block(key), RvError::KeyFunctionNotPermitted);
    let other = token.generate_aes(&[Attribute::Extractable(true)]);
    let wrapped = token.wrap_key(&Mechanism::AesKeyWrap, key, other);
    refused(wrapped, RvError::KeyFunctionNotPermitted);
    assert_eq!(token.decrypt(&Mechanism::AesEcb, key, closed).unwrap(), b"sixteen bytes ok");
    assert_eq!(token.number(token.metadata(id), MATERIAL_STATE), 5);
    assert_eq!(token.json(id)["material"], "expired but readable");
}

#[test]
fn the_agent_erases_at_the_moment_of_expiry_by_itself() {
    play(|world| {
        let token = world.token();
        let expiry = now() + 3;
        let (id, _) = imported(&token, expiry);
        until(expiry);
        eventually("nothing is left for a sweep to erase", || {
            let swept = world.keystead(&["sweep"]);
            assert!(swept.status.success(), "{swept:?}");
            token.number(token.metadata(&id), MATERIAL_STATE) == EXPIRED
        });
    });
}

#[test]
fn a_sweep_erases_what_expired_while_no_agent_ran() {
    play(|world| match world.role() {
        "guest" => {
            let token = world.token();
            let (id, _) = imported(&token, now() + 2);
            world.tell(&id);
        }
        _ => {
            world.configure("linger = false");
            let mut guest = world.start("guest");
            let id = guest.hear();
            guest.ends_well();
            world.kill_agent();
            until(now() + 3);
            let swept = world.keystead(&["sweep"]);
            assert!(swept.status.success(), "{swept:?}");
            let token = world.same_token();
            assert_eq!(token.material(&id), None);
            assert_eq!(token.number(token.metadata(&id), MATERIAL_STATE), EXPIRED);
        }
    });
}

#[test]
fn an_expiry_passes_while_the_agent_is_dead() {
    play(|world| {
        let token = world.token();
        let expiry = now() + 3;
        let (id, key) = imported(&token, expiry);
        world.kill_agent();
        until(expiry);
        refused(token.encrypt_block(key), RvError::KeyHandleInvalid);
        assert_eq!(token.number(token.metadata(&id), MATERIAL_STATE), EXPIRED);
    });
}

#[test]
fn the_agent_leaves_once_the_last_expiry_has_passed() {
    play(|world| match world.role() {
        "guest" => {
            let token = world.token();
            imported(&token, now() + 2);
        }
        _ => {
            world.start("guest").ends_well();
            if let Some(agent) = world.agent() {
                assert!(ends_within(agent, PATIENCE), "the agent stays without a reason");
            }
        }
    });
}

/// A custom key with material that expires at that second.
fn imported(token: &Token, expiry: u64) -> (String, ObjectHandle) {
    let id = token.empty_key(&[]);
    let key = import(token, &id, &ONE, &[expires_at(expiry)]).unwrap();
    (id, key)
}

fn import(
    token: &Token,
    id: &str,
    material: &[u8],
    more: &[Attribute],
) -> cryptoki::error::Result<ObjectHandle> {
    let courier = Courier::new(token);
    let template = [&aes_material()[..], &[for_key(id)], more].concat();
    courier.import(token, material, &template)
}

fn empty_by_json(token: &Token, json: &str) -> String {
    let metadata = token
        .create_object(&[
            Attribute::Class(ObjectClass::DATA),
            Attribute::Token(true),
            Attribute::Application(b"keystead".to_vec()),
            Attribute::Value(json.as_bytes().to_vec()),
        ])
        .unwrap();
    token.key_of(metadata)
}
