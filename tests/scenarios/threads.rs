//! Many threads in one process: each with its session, while one logs in and out.

use crate::rig::play;
use crate::rig::token::{Token, USER_PIN, pin};
use cryptoki::error::{Error, Result, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::Attribute;
use cryptoki::session::{Session, UserType};
use std::sync::atomic::{AtomicBool, Ordering};

const THREADS: usize = 16;
const ROUNDS: usize = 100;

/// The answers that a call may get while the login comes and goes.
const EXPECTED: &[RvError] = &[
    RvError::UserNotLoggedIn,
    RvError::KeyHandleInvalid,
    RvError::ObjectHandleInvalid,
    RvError::OperationNotInitialized,
];

#[test]
fn sixteen_threads_work_on_while_another_logs_in_and_out() {
    play(|world| {
        let token = world.token();
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let working: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let session = token.another_session();
                    scope.spawn(move || (0..ROUNDS).for_each(|_| work(&session, thread)))
                })
                .collect();
            let login = token.another_session();
            let ended = &ended;
            let switching = scope.spawn(move || {
                while !ended.load(Ordering::Acquire) {
                    login.logout().unwrap();
                    login.login(UserType::User, Some(&pin(USER_PIN))).unwrap();
                }
            });
            let results: Vec<_> = working.into_iter().map(|thread| thread.join()).collect();
            ended.store(true, Ordering::Release);
            switching.join().unwrap();
            assert!(results.iter().all(std::result::Result::is_ok));
        });
        still_works(&token);
    });
}

/// One round: make a session key, find it, use it, destroy it.
fn work(session: &Session, thread: usize) {
    let label = Attribute::Label(format!("thread {thread}").into_bytes());
    let round = || -> Result<()> {
        let template = [Attribute::ValueLen(32.into()), Attribute::Token(false), label.clone()];
        let key = session.generate_key(&Mechanism::AesKeyGen, &template)?;
        session.find_objects(std::slice::from_ref(&label))?;
        let sealed = session.encrypt(&Mechanism::AesEcb, key, &[7; 16])?;
        assert_eq!(session.decrypt(&Mechanism::AesEcb, key, &sealed)?, [7; 16]);
        session.destroy_object(key)
    };
    match round() {
        Ok(()) => {}
        Err(Error::Pkcs11(code, _)) if EXPECTED.contains(&code) => {}
        Err(other) => panic!("{other:?}"),
    }
}

fn still_works(token: &Token) {
    let key = token.generate_aes(&[]);
    token.encrypt_block(key).unwrap();
}
