//! Operations under way when their key expires, is deleted or switched off. One begun before the expiry
//! may finish within a minute of it, one whose key was deleted or switched off may not.

use crate::rig::elsewhen::faketime_in;
use crate::rig::token::{Token, aes_material, refused};
use crate::rig::world::{World, now};
use crate::rig::{
    DISABLED, EXPIRY_ACTION, STATUS, expires_at, for_key, number, play, without_custody,
};
use cryptoki::error::{Result, RvError};
use cryptoki::mechanism::aead::{GcmMessageParams, GcmParams, GeneratorFunction};
use cryptoki::mechanism::vendor_defined::VendorDefinedMechanism;
use cryptoki::mechanism::{Mechanism, MechanismType, MessageParam};
use cryptoki::object::{Attribute, ObjectHandle};
use cryptoki::session::Session;
use std::path::PathBuf;

const BLOCK: &[u8; 16] = b"sixteen bytes ok";
/// A value of `CKA_KEYSTEAD_EXPIRY_ACTION`.
const READ_ONLY: u64 = 2;

/// A kind of operation in parts: how it begins, and one part of it.
struct Kind {
    name: &'static str,
    begin: fn(&Session, ObjectHandle) -> Result<()>,
    part: fn(&Session) -> Result<()>,
}

const KINDS: &[Kind] = &[
    Kind {
        name: "ECB encryption",
        begin: |session, key| session.encrypt_init(&Mechanism::AesEcb, key),
        part: encrypt,
    },
    Kind {
        name: "CBC encryption",
        begin: |session, key| session.encrypt_init(&Mechanism::AesCbc([0; 16]), key),
        part: encrypt,
    },
    Kind {
        name: "CBC encryption with padding",
        begin: |session, key| session.encrypt_init(&Mechanism::AesCbcPad([0; 16]), key),
        part: encrypt,
    },
    Kind {
        name: "CTR encryption",
        begin: |session, key| ctr(|ctr| session.encrypt_init(ctr, key)),
        part: encrypt,
    },
    Kind {
        name: "GCM encryption",
        begin: |session, key| gcm(|gcm| session.encrypt_init(gcm, key)),
        part: encrypt,
    },
    Kind {
        name: "CTR decryption",
        begin: |session, key| ctr(|ctr| session.decrypt_init(ctr, key)),
        part: decrypt,
    },
    Kind {
        name: "GCM decryption",
        begin: |session, key| gcm(|gcm| session.decrypt_init(gcm, key)),
        part: decrypt,
    },
    Kind {
        name: "MAC",
        begin: |session, key| session.sign_init(&Mechanism::AesCMac, key),
        part: |session| session.sign_update(BLOCK),
    },
    Kind {
        name: "verification of a MAC",
        begin: |session, key| session.verify_init(&Mechanism::AesCMac, key),
        part: |session| session.verify_update(BLOCK),
    },
    Kind {
        name: "digest of a key",
        begin: |session, key| {
            session.digest_init(&Mechanism::Sha256)?;
            session.digest_key(key)
        },
        part: |session| session.digest_update(BLOCK),
    },
    Kind { name: "message being encrypted", begin: begin_message, part: next_of_message },
];

fn encrypt(session: &Session) -> Result<()> {
    session.encrypt_update(BLOCK).map(drop)
}

fn decrypt(session: &Session) -> Result<()> {
    session.decrypt_update(BLOCK).map(drop)
}

/// `CK_AES_CTR_PARAMS`.
#[repr(C)]
struct Counter {
    bits: u64,
    block: [u8; 16],
}

fn ctr<R>(with: impl FnOnce(&Mechanism) -> R) -> R {
    let counter = Counter { bits: 128, block: [0; 16] };
    let kind = MechanismType::AES_CTR;
    with(&Mechanism::VendorDefined(VendorDefinedMechanism::new(kind, Some(&counter))))
}

fn gcm<R>(with: impl FnOnce(&Mechanism) -> R) -> R {
    let mut iv = [7; 12];
    with(&Mechanism::AesGcm(GcmParams::new(&mut iv, &[], 128.into()).unwrap()))
}

fn parameter<'a>(iv: &'a mut [u8; 12], tag: &'a mut [u8; 16]) -> GcmMessageParams<'a> {
    GcmMessageParams::new(iv, 0.into(), GeneratorFunction::NoGenerate, tag).unwrap()
}

fn begin_message(session: &Session, key: ObjectHandle) -> Result<()> {
    let (mut iv, mut tag) = ([1; 12], [0; 16]);
    let gcm = Mechanism::AesGcmMessage(parameter(&mut iv, &mut tag));
    session.message_encrypt_init(&gcm, key)?;
    let message = MessageParam::AesGcmMessage(parameter(&mut iv, &mut tag));
    session.encrypt_message_begin(message, b"")
}

fn next_of_message(session: &Session) -> Result<()> {
    let (mut iv, mut tag) = ([1; 12], [0; 16]);
    let message = MessageParam::AesGcmMessage(parameter(&mut iv, &mut tag));
    session.encrypt_message_next(message, BLOCK, false).map(drop)
}

/// One operation of each kind, begun with a part made, each in a session of its own.
fn all_begun(token: &Token, key: ObjectHandle) -> Vec<(&'static Kind, Session)> {
    let begin = |kind: &'static Kind| {
        let session = token.another_session();
        (kind.begin)(&session, key).unwrap_or_else(|error| panic!("{}: {error}", kind.name));
        (kind.part)(&session).unwrap_or_else(|error| panic!("{}: {error}", kind.name));
        (kind, session)
    };
    KINDS.iter().map(begin).collect()
}

fn all_go_on(begun: &[(&'static Kind, Session)]) {
    for (kind, session) in begun {
        (kind.part)(session).unwrap_or_else(|error| panic!("{}: {error}", kind.name));
    }
}

/// The next part says why there is none, and that is the end.
fn all_end(begun: &[(&'static Kind, Session)], with: RvError) {
    for (kind, session) in begun {
        println!("{}", kind.name);
        refused((kind.part)(session), with);
        refused((kind.part)(session), RvError::OperationNotInitialized);
    }
}

/// Plays `user` and its agent in a time that the user moves.
fn in_time(world: &World, user: impl Fn(&Token, &Time)) {
    if world.role() == "user" {
        user(&world.token(), &Time { file: world.path("time"), zero: now() });
        return;
    }
    std::fs::write(world.path("time"), "+0").unwrap();
    let time = faketime_in(&world.path("time"));
    let mut agent = world.agent_at(&time);
    world.start_with("user", &time.borrowed()).ends_well();
    world.kill_agent();
    agent.wait().unwrap();
}

/// The time in which user and agent live.
struct Time {
    file: PathBuf,
    /// When it began.
    zero: u64,
}

impl Time {
    /// Lets so many seconds have passed since it began.
    fn is(&self, seconds: u64) {
        std::fs::write(&self.file, format!("+{seconds}")).unwrap();
    }
}

fn import(token: &Token, more: &[Attribute]) -> ObjectHandle {
    let value = [Attribute::Value(vec![1; 32])];
    token.create_object(&[&aes_material()[..], &value, more].concat()).unwrap()
}

/// The steps of every operation on a key that is made with an expiry.
fn they_end_a_minute_after(world: &World, make: impl Fn(&Token, Attribute) -> ObjectHandle) {
    in_time(world, |token, time| {
        let key = make(token, expires_at(time.zero + 1000));
        time.is(990);
        let begun = all_begun(token, key);
        time.is(1010);
        // The first that asks has the agent erase it.
        refused(token.encrypt_block(key), RvError::KeyHandleInvalid);
        all_go_on(&begun);
        time.is(1050);
        all_go_on(&begun);
        time.is(1061);
        all_end(&begun, RvError::KeyHandleInvalid);
    });
}

#[test]
fn every_operation_on_a_custom_key_ends_a_minute_after_its_expiry() {
    play(|world| they_end_a_minute_after(world, |token, expiry| import(token, &[expiry])));
}

#[test]
fn every_operation_on_an_ordinary_key_ends_a_minute_after_its_expiry() {
    play(|world| {
        they_end_a_minute_after(world, |token, expiry| {
            token.generate_aes(&[Attribute::Token(true), without_custody(), expiry])
        });
    });
}

#[test]
fn every_operation_on_a_session_key_ends_a_minute_after_its_expiry() {
    play(|world| {
        they_end_a_minute_after(world, |token, expiry| {
            token.generate_aes(&[Attribute::Token(false), expiry])
        });
    });
}

#[test]
fn an_operation_that_is_whole_ends_a_minute_after_the_expiry_too() {
    play(|world| {
        in_time(world, |token, time| {
            let key = import(token, &[expires_at(time.zero + 1000)]);
            time.is(990);
            token.encrypt_init(&Mechanism::AesEcb, key).unwrap();
            time.is(1061);
            refused(token.encrypt_final(), RvError::KeyHandleInvalid);
        });
    });
}

#[test]
fn what_stays_readable_goes_on_reading_and_stops_making() {
    play(|world| {
        in_time(world, |token, time| {
            let expiry = [expires_at(time.zero + 1000), number(EXPIRY_ACTION, READ_ONLY)];
            let key = import(token, &expiry);
            time.is(990);
            let (reads, makes): (Vec<_>, Vec<_>) =
                all_begun(token, key).into_iter().partition(|it| {
                    it.0.name.contains("decryption") || it.0.name.contains("verification")
                });
            time.is(1010);
            all_go_on(&makes);
            time.is(5000);
            all_go_on(&reads);
            all_end(&makes, RvError::KeyHandleInvalid);
        });
    });
}

#[test]
fn an_expiry_that_moves_moves_the_end_of_what_is_under_way() {
    play(|world| {
        in_time(world, |token, time| {
            let key = import(token, &[expires_at(time.zero + 1000)]);
            let id = token.key_of(key);
            let begun = all_begun(token, key);
            let again = |at| import(token, &[for_key(&id), expires_at(time.zero + at)]);
            assert_eq!(again(3000), key);
            time.is(2000);
            all_go_on(&begun);
            assert_eq!(again(2100), key);
            time.is(2161);
            all_end(&begun, RvError::KeyHandleInvalid);
        });
    });
}

#[test]
fn no_operation_goes_on_once_another_process_has_deleted_the_material() {
    play(|world| {
        let begun = changed_by_owner(world, |owner, key| owner.destroy_object(key).unwrap());
        all_end(&begun, RvError::KeyHandleInvalid);
    });
}

#[test]
fn no_operation_goes_on_once_another_process_has_switched_the_key_off() {
    play(|world| {
        let (digests, others): (Vec<_>, Vec<_>) = changed_by_owner(world, |owner, key| {
            owner.update_attributes(key, &[number(STATUS, DISABLED)]).unwrap();
        })
        .into_iter()
        .partition(|it| it.0.name.starts_with("digest"));
        all_end(&digests, RvError::KeyIndigestible);
        all_end(&others, RvError::KeyFunctionNotPermitted);
    });
}

#[test]
fn every_operation_goes_on_when_another_process_has_renamed_the_key() {
    play(|world| {
        all_go_on(&changed_by_owner(world, |owner, key| {
            owner.update_attributes(key, &[Attribute::Label(b"renamed".to_vec())]).unwrap();
        }));
    });
}

#[test]
fn an_operation_goes_on_when_the_agent_was_killed() {
    play(|world| {
        let token = world.token();
        let key = import(&token, &[]);
        let begun = all_begun(&token, key);
        world.kill_agent();
        token.generate_aes(&[Attribute::Token(true)]);
        all_go_on(&begun);
        world.kill_agent();
        all_go_on(&begun);
    });
}

#[test]
fn an_operation_goes_on_with_the_version_it_began_with_when_its_key_is_rotated() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Token(true)]);
        let first = token.encrypt_block(key).unwrap();
        token.encrypt_init(&Mechanism::AesEcb, key).unwrap();
        let further = token.another_session();
        let rotate = MechanismType::new_vendor_defined(0x804B_5302).unwrap();
        let rotate = VendorDefinedMechanism::new::<()>(rotate, None);
        let own = [for_key(&token.key_of(key))];
        further.generate_key(&Mechanism::VendorDefined(rotate), &own).unwrap();
        assert_eq!(token.encrypt_update(BLOCK).unwrap(), first);
        token.encrypt_final().unwrap();
        assert_ne!(token.encrypt_block(key).unwrap(), first);
    });
}

#[test]
fn no_operation_goes_on_once_the_session_key_is_destroyed_or_may_not_do_it_any_more() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Token(false)]);
        let begun = all_begun(&token, key);
        token.update_attributes(key, &[Attribute::Label(b"renamed".to_vec())]).unwrap();
        all_go_on(&begun);
        token.destroy_object(key).unwrap();
        all_end(&begun, RvError::KeyHandleInvalid);

        let key = token.generate_aes(&[Attribute::Token(false)]);
        token.encrypt_init(&Mechanism::AesEcb, key).unwrap();
        token.update_attributes(key, &[Attribute::Encrypt(false)]).unwrap();
        refused(token.encrypt_update(BLOCK), RvError::KeyFunctionNotPermitted);
    });
}

/// Operations under way whose key another process has changed meanwhile; none in that process.
fn changed_by_owner(
    world: &World,
    change: fn(&Token, ObjectHandle),
) -> Vec<(&'static Kind, Session)> {
    if world.role() == "owner" {
        let token = world.same_token();
        change(&token, token.material(&world.hear()).unwrap());
        return Vec::new();
    }
    let token = world.token();
    let key = import(&token, &[]);
    let begun = all_begun(&token, key);
    let mut owner = world.start("owner");
    owner.tell(&token.key_of(key));
    owner.ends_well();
    begun
}
