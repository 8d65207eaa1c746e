//! Messages: each is an operation of its own, for which the key must be usable when it begins.

use crate::rig::token::{Token, aes_material};
use crate::rig::{
    DISABLED, ENABLED, EXPIRY_ACTION, STATUS, expires_at, number, play, refused, world,
};
use cryptoki::error::{Result, RvError};
use cryptoki::mechanism::aead::{GcmMessageParams, GeneratorFunction};
use cryptoki::mechanism::{Mechanism, MessageParam};
use cryptoki::object::{Attribute, ObjectHandle};
use cryptoki::session::Session;

const TEXT: &[u8] = b"a message";
/// A value of `CKA_KEYSTEAD_EXPIRY_ACTION`.
const READ_ONLY: u64 = 2;

#[test]
fn no_message_begins_with_a_key_that_another_process_has_disabled() {
    play(|world| match world.role() {
        "owner" => {
            let token = world.same_token();
            let id = world.hear();
            for status in [DISABLED, ENABLED] {
                let key = token.material(&id).unwrap();
                token.update_attributes(key, &[number(STATUS, status)]).unwrap();
                world.tell("changed");
                world.hear();
            }
        }
        _ => {
            let token = world.token();
            let key = token.generate_aes(&[Attribute::Token(true)]);
            let both = begun(&token, key);
            let (sealed, tag) = both.encrypt().unwrap();
            both.decrypt(&sealed, tag).unwrap();
            let mut owner = world.start("owner");
            owner.tell(&token.key_of(key));
            owner.says("changed");
            refused(both.encrypt(), RvError::KeyFunctionNotPermitted);
            refused(both.decrypt(&sealed, tag), RvError::KeyFunctionNotPermitted);
            owner.tell("on");
            owner.says("changed");
            refused(both.encrypt(), RvError::OperationNotInitialized);
            refused(both.decrypt(&sealed, tag), RvError::OperationNotInitialized);
            begun(&token, key).decrypt(&sealed, tag).unwrap();
            owner.tell("on");
            owner.ends_well();
        }
    });
}

#[test]
fn a_message_in_parts_does_not_go_on_once_the_key_is_disabled() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Token(true)]);
        let session = begun(&token, key).session;
        let (mut iv, mut tag) = ([1; 12], [0; 16]);
        session.encrypt_message_begin(parameter(&mut iv, &mut tag), b"").unwrap();
        token.update_attributes(key, &[number(STATUS, DISABLED)]).unwrap();
        let part = session.encrypt_message_next(parameter(&mut iv, &mut tag), TEXT, true);
        refused(part, RvError::KeyFunctionNotPermitted);
        token.update_attributes(key, &[number(STATUS, ENABLED)]).unwrap();
        let next = session.encrypt_message_begin(parameter(&mut iv, &mut tag), b"");
        refused(next, RvError::OperationNotInitialized);
    });
}

#[test]
fn no_message_begins_once_the_material_has_been_deleted() {
    play(|world| {
        let token = world.token();
        let key = imported(&token, &[]);
        let both = begun(&token, key);
        let (sealed, tag) = both.encrypt().unwrap();
        token.destroy_object(key).unwrap();
        refused(both.encrypt(), RvError::KeyHandleInvalid);
        refused(both.decrypt(&sealed, tag), RvError::KeyHandleInvalid);
    });
}

#[test]
fn no_message_begins_once_the_material_has_expired() {
    play(|world| {
        let token = world.token();
        let end = world::now() + 4;
        let erased = begun(&token, imported(&token, &[expires_at(end)]));
        let read = [expires_at(end), number(EXPIRY_ACTION, READ_ONLY)];
        let read = begun(&token, token.create_object(&material([2; 32], &read)).unwrap());
        let (sealed, tag) = erased.encrypt().unwrap();
        let (kept, kept_tag) = read.encrypt().unwrap();
        world::until(end);
        refused(erased.encrypt(), RvError::KeyHandleInvalid);
        refused(erased.decrypt(&sealed, tag), RvError::KeyHandleInvalid);
        refused(read.encrypt(), RvError::KeyFunctionNotPermitted);
        assert_eq!(read.decrypt(&kept, kept_tag).unwrap(), TEXT);
    });
}

// --- what the scenarios are made of ---

/// A session in which messages are being encrypted and decrypted.
struct Both {
    session: Session,
}

fn begun(token: &Token, key: ObjectHandle) -> Both {
    let session = token.another_session();
    let (mut iv, mut tag) = ([1; 12], [0; 16]);
    let MessageParam::AesGcmMessage(params) = parameter(&mut iv, &mut tag);
    let gcm = Mechanism::AesGcmMessage(params);
    session.message_encrypt_init(&gcm, key).unwrap();
    session.message_decrypt_init(&gcm, key).unwrap();
    Both { session }
}

impl Both {
    fn encrypt(&self) -> Result<(Vec<u8>, [u8; 16])> {
        let (mut iv, mut tag) = ([1; 12], [0; 16]);
        let sealed = self.session.encrypt_message(&parameter(&mut iv, &mut tag), b"", TEXT)?;
        Ok((sealed, tag))
    }

    fn decrypt(&self, sealed: &[u8], mut tag: [u8; 16]) -> Result<Vec<u8>> {
        let mut iv = [1; 12];
        self.session.decrypt_message(&parameter(&mut iv, &mut tag), b"", sealed)
    }
}

fn parameter<'a>(iv: &'a mut [u8; 12], tag: &'a mut [u8; 16]) -> MessageParam<'a> {
    let given = GeneratorFunction::NoGenerate;
    MessageParam::AesGcmMessage(GcmMessageParams::new(iv, 0.into(), given, tag).unwrap())
}

fn imported(token: &Token, more: &[Attribute]) -> ObjectHandle {
    token.create_object(&material([1; 32], more)).unwrap()
}

fn material(value: [u8; 32], more: &[Attribute]) -> Vec<Attribute> {
    [&aes_material()[..], &[Attribute::Value(value.to_vec())], more].concat()
}
