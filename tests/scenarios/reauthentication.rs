//! Keys that ask for the PIN at each use (`CKA_ALWAYS_AUTHENTICATE`).

use crate::rig::token::{SO_PIN, Token, USER_PIN, pin};
use crate::rig::{play, refused};
use cryptoki::error::{Result, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectHandle};
use cryptoki::session::{Session, UserType};

const SIGN: Mechanism = Mechanism::Sha256RsaPkcs;

#[test]
fn a_signature_waits_for_the_pin_and_each_needs_it_anew() {
    play(|world| {
        let token = world.token();
        let (public, key) = asking(&token, &[]);
        for _ in 0..2 {
            token.sign_init(&SIGN, key).unwrap();
            prove(&token, USER_PIN).unwrap();
            token.sign_update(b"data").unwrap();
            let signature = token.sign_final().unwrap();
            token.verify(&SIGN, public, b"data", &signature).unwrap();
        }
        refused(token.sign(&SIGN, key, b"data"), RvError::UserNotLoggedIn);
        refused(token.sign_update(b"data"), RvError::OperationNotInitialized);
    });
}

#[test]
fn a_decryption_waits_for_the_pin() {
    play(|world| {
        let token = world.token();
        let (public, key) = asking(&token, &[Attribute::Token(true)]);
        let sealed = token.encrypt(&Mechanism::RsaPkcs, public, b"text").unwrap();
        refused(token.decrypt(&Mechanism::RsaPkcs, key, &sealed), RvError::UserNotLoggedIn);
        token.decrypt_init(&Mechanism::RsaPkcs, key).unwrap();
        prove(&token, USER_PIN).unwrap();
        token.decrypt_update(&sealed).unwrap();
        assert_eq!(token.decrypt_final().unwrap(), b"text");
    });
}

#[test]
fn a_wrong_pin_leaves_the_operation_waiting_and_is_counted() {
    play(|world| {
        let token = world.token();
        let (_, key) = asking(&token, &[]);
        token.sign_init(&SIGN, key).unwrap();
        refused(prove(&token, SO_PIN), RvError::PinIncorrect);
        assert!(token.module.get_token_info(token.slot).unwrap().user_pin_count_low());
        prove(&token, USER_PIN).unwrap();
        token.sign_update(b"data").unwrap();
        token.sign_final().unwrap();
        assert!(!token.module.get_token_info(token.slot).unwrap().user_pin_count_low());
    });
}

#[test]
fn the_pin_is_for_one_session_and_for_one_operation() {
    play(|world| {
        let token = world.token();
        let (public, key) = asking(&token, &[]);
        let other = token.another_session();
        token.sign_init(&SIGN, key).unwrap();
        refused(prove(&other, USER_PIN), RvError::OperationNotInitialized);
        let sealed = token.encrypt(&Mechanism::RsaPkcs, public, b"text").unwrap();
        token.decrypt_init(&Mechanism::RsaPkcs, key).unwrap();
        prove(&token, USER_PIN).unwrap();
        token.decrypt_update(&sealed).unwrap();
        refused(token.sign_update(b"data"), RvError::UserNotLoggedIn);
    });
}

#[test]
fn where_no_key_asks_there_is_nothing_to_prove() {
    play(|world| {
        let token = world.token();
        refused(prove(&token, USER_PIN), RvError::OperationNotInitialized);
        let aes = token.generate_aes(&[]);
        token.encrypt_init(&Mechanism::AesEcb, aes).unwrap();
        refused(prove(&token, USER_PIN), RvError::OperationNotInitialized);
        token.encrypt_update(&[0; 16]).unwrap();
    });
}

#[test]
fn a_key_that_asks_neither_unwraps_nor_is_public() {
    play(|world| {
        let token = world.token();
        let (public, key) = asking(&token, &[]);
        let aes = token.generate_aes(&[Attribute::Extractable(true), Attribute::Sensitive(false)]);
        let wrapped = token.wrap_key(&oaep(), public, aes).unwrap();
        let unwrapped =
            token.unwrap_key(&oaep(), key, &wrapped, &crate::rig::token::aes_material());
        refused(unwrapped, RvError::UserNotLoggedIn);
        let open = [Attribute::AlwaysAuthenticate(true), Attribute::Private(false)];
        let pair = token.generate_key_pair(
            &Mechanism::RsaPkcsKeyPairGen,
            &[Attribute::ModulusBits(2048.into())],
            &open,
        );
        refused(pair, RvError::TemplateInconsistent);
    });
}

#[test]
fn wrong_pins_that_lock_log_the_user_out() {
    play(|world| {
        let token = world.token();
        let (_, key) = asking(&token, &[]);
        token.sign_init(&SIGN, key).unwrap();
        let mut tries = 0;
        while !token.module.get_token_info(token.slot).unwrap().user_pin_locked() {
            assert!(prove(&token, "wrong-pin").is_err());
            tries += 1;
            assert!(tries <= 10);
        }
        refused(prove(&token, USER_PIN), RvError::PinLocked);
        refused(token.logout(), RvError::UserNotLoggedIn);
    });
}

/// An RSA pair whose private key asks for the PIN at each use.
fn asking(token: &Token, more: &[Attribute]) -> (ObjectHandle, ObjectHandle) {
    let private = [&[Attribute::AlwaysAuthenticate(true), Attribute::Private(true)], more].concat();
    token
        .generate_key_pair(
            &Mechanism::RsaPkcsKeyPairGen,
            &[Attribute::ModulusBits(2048.into())],
            &private,
        )
        .unwrap()
}

fn prove(session: &Session, text: &str) -> Result<()> {
    session.login(UserType::ContextSpecific, Some(&pin(text)))
}

fn oaep() -> Mechanism<'static> {
    use cryptoki::mechanism::MechanismType;
    use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource};
    Mechanism::RsaPkcsOaep(PkcsOaepParams::new(
        MechanismType::SHA256,
        PkcsMgfType::MGF1_SHA256,
        PkcsOaepSource::empty(),
    ))
}
