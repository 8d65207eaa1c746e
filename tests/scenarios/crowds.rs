//! Tens of thousands of sessions and session objects in one process: no call takes longer for what it has
//! nothing to do with.

use crate::rig::play;
use crate::rig::token::{Token, USER_PIN, pin};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use std::time::{Duration, Instant};

/// A few, and many.
const FEW: usize = 100;
const MANY: usize = 60_000;

/// The factor by which a call may take longer among many: it is to take as long, but memory has caches.
const ROOM: u32 = 8;

#[test]
fn no_call_takes_longer_among_sixty_thousand_sessions() {
    play(|world| {
        let token = world.token();
        let key = token.key_of(token.generate_aes(&[Attribute::Token(true)]));
        let mut crowd = sessions(&token, FEW);
        let among_few = measured(&token, &key);
        crowd.extend(sessions(&token, MANY - FEW));
        let among_many = measured(&token, &key);
        for ((call, few), (_, many)) in among_few.into_iter().zip(among_many) {
            assert!(many < few * ROOM, "{call}: {few:?} among few sessions, {many:?} among many");
        }
        // The quickest hundred among the first half, while there are still many.
        let half = crowd.split_off(MANY / 2);
        let hundreds = std::iter::from_fn({
            let mut crowd = half.into_iter();
            move || {
                let some: Vec<_> = crowd.by_ref().take(FEW).collect();
                (!some.is_empty()).then(|| {
                    let began = Instant::now();
                    drop(some);
                    began.elapsed() / FEW as u32
                })
            }
        });
        let each = hundreds.min().unwrap();
        let alone = best(|| drop(token.another_session()));
        assert!(each < alone * ROOM, "{each:?} for each that is closed, {alone:?} alone");
    });
}

#[test]
fn no_session_closes_slower_for_the_objects_of_others() {
    play(|world| {
        let token = world.token();
        let crowd = token.another_session();
        let close = || {
            let session = token.another_session();
            let object = note(&session, "own");
            session.destroy_object(object).unwrap();
            note(&session, "own");
        };
        for number in 0..FEW {
            note(&crowd, &number.to_string());
        }
        let few = best(close);
        for number in FEW..MANY / 3 {
            note(&crowd, &number.to_string());
        }
        let many = best(close);
        assert!(many < few * ROOM, "{few:?} beside few objects, {many:?} beside many");
        let label = Attribute::Label(b"77".to_vec());
        assert_eq!(token.find_objects(&[Attribute::Token(false), label]).unwrap().len(), 1);
    });
}

fn note(session: &Session, label: &str) -> ObjectHandle {
    let label = Attribute::Label(label.into());
    session.create_object(&[Attribute::Class(ObjectClass::DATA), label]).unwrap()
}

fn sessions(token: &Token, count: usize) -> Vec<Session> {
    (0..count).map(|_| token.another_session()).collect()
}

/// Returns the time that each of these calls takes at best.
fn measured(token: &Token, key: &str) -> Vec<(&'static str, Duration)> {
    let logout = (0..7).map(|_| {
        let began = Instant::now();
        token.logout().unwrap();
        let took = began.elapsed();
        token.login(UserType::User, Some(&pin(USER_PIN))).unwrap();
        took
    });
    let logout = logout.min().unwrap();
    let key = token.material(key).unwrap();
    let label = [Attribute::Token(false), Attribute::Label(b"none".to_vec())];
    vec![
        ("C_Logout", logout),
        ("C_OpenSession and C_CloseSession", best(|| drop(token.another_session()))),
        ("C_GetSessionInfo", best(|| assert!(token.get_session_info().is_ok()))),
        ("C_GetTokenInfo", best(|| drop(token.module.get_token_info(token.slot).unwrap()))),
        ("C_FindObjects", best(|| drop(token.find_objects(&label).unwrap()))),
        ("C_DestroyObject", best(|| token.destroy_object(note(token, "a")).unwrap())),
        ("C_GetAttributeValue", best(|| drop(token.bytes(key, AttributeType::Id)))),
        ("C_Encrypt", best(|| drop(token.encrypt_block(key).unwrap()))),
    ]
}

/// Returns the time that a call takes: the shortest of many, since others use the machine too.
fn best(mut call: impl FnMut()) -> Duration {
    let mut once = || {
        let began = Instant::now();
        (0..10).for_each(|_| call());
        began.elapsed() / 10
    };
    (0..50).map(|_| once()).min().unwrap()
}
