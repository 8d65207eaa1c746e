//! The reach of sessions, by their state.

use super::workshop::{Faults, code};
use crate::rig::play;
use crate::rig::token::{SO_PIN, USER_PIN, pin};
use cryptoki::error::RvError;
use cryptoki::object::{Attribute, AttributeType, ObjectClass};
use cryptoki::session::{Session, UserType};

/// The rights of a session to objects (PKCS#11 3.1, "Access to different types of objects by different types
/// of sessions").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    No,
    /// Reads, and changes nothing: the code says why.
    Reads(RvError),
    Full,
}

/// A state of a session: whether it is read-write, and who is logged in; then its access to public and
/// private session objects, and to public and private token objects.
type State = (&'static str, bool, Option<UserType>, [Access; 4]);

const STATES: [State; 5] = {
    use Access::{Full, No, Reads};
    let read_only = Reads(RvError::SessionReadOnly);
    // The specification gives a public read-write session public token objects too. Here nothing on the
    // token changes without a login: else all who reach the store could plant objects.
    let logged_out = Reads(RvError::UserNotLoggedIn);
    [
        ("R/O public", false, None, [Full, No, read_only, No]),
        ("R/W public", true, None, [Full, No, logged_out, No]),
        ("R/O user", false, Some(UserType::User), [Full, Full, read_only, read_only]),
        ("R/W user", true, Some(UserType::User), [Full, Full, Full, Full]),
        ("R/W SO", true, Some(UserType::So), [Full, No, Full, No]),
    ]
};

/// The objects in the order of [`STATES`]' accesses: whether they are the token's, and private.
const PLACES: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];

#[test]
fn a_session_reaches_what_its_state_lets_it_reach() {
    play(|world| {
        let token = world.token();
        let (module, slot) = (token.module.clone(), token.slot);
        for (_, private) in &PLACES[2..] {
            token.create_object(&placed(true, *private, "kept")).unwrap();
        }
        token.logout().unwrap();
        drop(token);
        let mut faults = Faults::default();
        for (name, writes, login, accesses) in STATES {
            let session = match writes {
                true => module.open_rw_session(slot).unwrap(),
                false => module.open_ro_session(slot).unwrap(),
            };
            if let Some(user) = login {
                let known = if matches!(user, UserType::So) { SO_PIN } else { USER_PIN };
                session.login(user, Some(&pin(known))).unwrap();
            }
            for ((on_token, private), access) in PLACES.into_iter().zip(accesses) {
                let seen = reach(&session, on_token, private);
                let told = || format!("{name}, token {on_token}, private {private}: {seen:?}");
                faults.note(seen == Ok(access), told);
            }
        }
    });
}

/// Returns the rights of a session to objects in this place, found out by making one, and by reading, changing,
/// copying and destroying the one that is kept there or was made.
fn reach(session: &Session, on_token: bool, private: bool) -> std::result::Result<Access, String> {
    let made = session.create_object(&placed(on_token, private, "made"));
    let kept = match (on_token, &made) {
        (true, _) => {
            let named = Attribute::Label(b"kept".to_vec());
            let kept = [named, Attribute::Token(true), Attribute::Private(private)];
            session.find_objects(&kept).unwrap().first().copied()
        }
        (false, made) => made.as_ref().ok().copied(),
    };
    let Some(object) = kept else {
        return match code(&made) {
            Some(RvError::UserNotLoggedIn) => Ok(Access::No),
            // A read-only session makes nothing on the token, under any login.
            Some(RvError::SessionReadOnly) if on_token => Ok(Access::No),
            other => Err(format!("made {other:?}, and nothing is there")),
        };
    };
    session.get_attributes(object, &[AttributeType::Value]).map_err(|error| error.to_string())?;
    let change = [Attribute::Value(b"changed".to_vec())];
    let copy = placed(on_token, private, "copy");
    let answers = [
        code(&made),
        code(&session.update_attributes(object, &change)),
        code(&session.copy_object(object, &copy[2..])),
    ];
    let destroyed = made.map(|made| session.destroy_object(made));
    match answers {
        [None, None, None] if matches!(destroyed, Ok(Ok(()))) => Ok(Access::Full),
        [Some(one), Some(other), Some(third)] if one == other && one == third => {
            let destroyed = code(&session.destroy_object(object));
            match destroyed == Some(one) {
                true => Ok(Access::Reads(one)),
                false => Err(format!("destroying: {destroyed:?}")),
            }
        }
        other => Err(format!("making, changing, copying: {other:?}")),
    }
}

/// The template of a data object.
fn placed(on_token: bool, private: bool, label: &str) -> [Attribute; 6] {
    [
        Attribute::Class(ObjectClass::DATA),
        Attribute::Value(b"value".to_vec()),
        Attribute::Application(b"tests".to_vec()),
        Attribute::Token(on_token),
        Attribute::Private(private),
        Attribute::Label(label.as_bytes().to_vec()),
    ]
}
