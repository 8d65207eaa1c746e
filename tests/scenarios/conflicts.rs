//! Many who change one thing at once: each change is made in the end, and no caller is told of the others.

use crate::rig::token::{SO_PIN, Token, USER_PIN, aes_material, pin};
use crate::rig::{DESCRIPTION, MATERIAL_VERSION, World, expires_at, play, rotate, text};
use crate::rig::{for_key, world::now};
use cryptoki::object::{Attribute, AttributeType};
use cryptoki::session::{Session, UserType};
use std::sync::Barrier;

/// The number of processes, and of changes that each makes to the key.
const PROCESSES: usize = 6;
const CHANGES: usize = 12;

#[test]
fn processes_that_rotate_and_rename_one_key_at_once_all_succeed() {
    play(|world| match world.role() {
        "" => {
            let token = world.token();
            let key = token.generate_aes(&[Attribute::Token(true)]);
            all_at_once(world, &token.key_of(key));
            let rotations = PROCESSES / 2 * CHANGES;
            assert_eq!(token.number(key, MATERIAL_VERSION), 1 + rotations as u64);
        }
        role => {
            let (token, key) = joined(world);
            let material = token.material(&key).unwrap();
            let rotates = role.ends_with(['0', '2', '4']);
            for change in 0..CHANGES {
                let name = format!("{role}, {change}").into_bytes();
                match rotates {
                    true => drop(token.generate_key(&rotate(), &[for_key(&key)]).unwrap()),
                    false => token.update_attributes(material, &[Attribute::Label(name)]).unwrap(),
                }
            }
        }
    });
}

#[test]
fn processes_that_import_delete_and_describe_one_key_at_once_are_told_what_is_so() {
    play(|world| match world.role() {
        "" => {
            let token = world.token();
            let key = token.key_of(token.create_object(&material("")).unwrap());
            all_at_once(world, &key);
            token.create_object(&material(&key)).unwrap();
            assert!(token.material(&key).is_some());
        }
        role => {
            let (token, id) = joined(world);
            for change in 0..CHANGES {
                let metadata = token.metadata(&id);
                match role.as_bytes()[0] % 3 {
                    0 => drop(token.create_object(&material(&id)).unwrap()),
                    1 => deleted(&token, &id),
                    _ => token
                        .update_attributes(metadata, &[text(DESCRIPTION, &change.to_string())])
                        .unwrap(),
                }
            }
        }
    });
}

/// Deletes the material, if no other was faster.
fn deleted(token: &Token, key: &str) {
    use cryptoki::error::{Error, RvError};
    let Some(material) = token.material(key) else { return };
    match token.destroy_object(material) {
        Ok(()) | Err(Error::Pkcs11(RvError::ObjectHandleInvalid, _)) => {}
        Err(other) => panic!("{other:?}"),
    }
}

/// Always the same material, for the custom key of that ID or a new one, for another hour.
fn material(key: &str) -> Vec<Attribute> {
    let mut template = aes_material().to_vec();
    template.extend([Attribute::Value(vec![7; 32]), expires_at(now() + 3600)]);
    template.extend((!key.is_empty()).then(|| for_key(key)));
    template
}

#[test]
fn threads_that_set_the_id_of_one_key_at_once_all_succeed() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Token(true)]);
        let start = Barrier::new(PROCESSES);
        std::thread::scope(|scope| {
            for thread in 0..PROCESSES {
                let (session, start) = (token.another_session(), &start);
                scope.spawn(move || {
                    start.wait();
                    for change in 0..CHANGES {
                        let id = Attribute::Id(vec![thread as u8, change as u8]);
                        session.update_attributes(key, &[id]).unwrap();
                    }
                });
            }
        });
        let last = token.bytes(key, AttributeType::Id);
        assert_eq!(last[1] as usize, CHANGES - 1);
    });
}

#[test]
fn processes_that_set_attributes_of_one_key_at_once_are_told_what_is_so() {
    play(|world| match world.role() {
        "" => {
            let token = world.token();
            let open =
                [Attribute::Token(true), Attribute::Sensitive(false), Attribute::Extractable(true)];
            let key = token.generate_aes(&open);
            all_at_once(world, &token.key_of(key));
            assert!(token.flag(key, AttributeType::Sensitive));
            assert!(!token.flag(key, AttributeType::Extractable), "it has fallen with that");
            let described = token.json(&token.key_of(key))["description"].to_string();
            assert!(described.contains(&format!(", {}", CHANGES - 1)), "{described}");
        }
        role => {
            use cryptoki::error::{Error, RvError};
            let (token, key) = joined(world);
            let material = token.material(&key).unwrap();
            let metadata = token.metadata(&key);
            for change in 0..CHANGES {
                let described = text(DESCRIPTION, &format!("{role}, {change}"));
                token.update_attributes(metadata, &[described]).unwrap();
                // A process that raises it after another has set what is set; none lowers it any more.
                token.update_attributes(material, &[Attribute::Sensitive(true)]).unwrap();
                match token.update_attributes(material, &[Attribute::Extractable(true)]) {
                    Err(Error::Pkcs11(RvError::AttributeReadOnly, _)) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    });
}

#[test]
fn both_pins_change_at_once() {
    play(|world| match world.role() {
        "" => {
            world.token();
            let mut others = [world.start("officer"), world.start("user")];
            others.iter_mut().for_each(|other| other.says("ready"));
            others.iter_mut().for_each(|other| other.tell("go"));
            others.into_iter().for_each(|other| other.ends_well());
        }
        role => {
            let (user, first) = match role {
                "officer" => (UserType::So, SO_PIN),
                _ => (UserType::User, USER_PIN),
            };
            let session = logged_in(world, user, first);
            world.tell("ready");
            world.hear();
            (0..6).fold(first.to_owned(), |old, change| {
                let new = format!("{role} {change}");
                session.set_pin(&pin(&old), &pin(&new)).unwrap();
                new
            });
        }
    });
}

#[test]
fn an_officer_sets_a_pin_that_was_changed_since_the_login() {
    play(|world| match world.role() {
        "" => {
            let token = world.token();
            token.logout().unwrap();
            token.login(UserType::So, Some(&pin(SO_PIN))).unwrap();
            world.start("user").ends_well();
            token.init_pin(&pin("set by the officer")).unwrap();
            token.logout().unwrap();
            token.login(UserType::User, Some(&pin("set by the officer"))).unwrap();
        }
        _ => logged_in(world, UserType::User, USER_PIN)
            .set_pin(&pin(USER_PIN), &pin("another"))
            .unwrap(),
    });
}

fn logged_in(world: &World, user: UserType, with: &str) -> Session {
    let module = world.module();
    let slot = module.get_slots_with_initialized_token().unwrap()[0];
    let session = module.open_rw_session(slot).unwrap();
    session.login(user, Some(&pin(with))).unwrap();
    session
}

/// Plays as many other processes, lets them change the key all at once, and sees them succeed.
fn all_at_once(world: &World, key: &str) {
    let mut others: Vec<_> =
        (0..PROCESSES).map(|number| world.start(&number.to_string())).collect();
    others.iter_mut().for_each(|other| other.tell(key));
    others.iter_mut().for_each(|other| other.says("ready"));
    others.iter_mut().for_each(|other| other.tell("go"));
    others.into_iter().for_each(|other| other.ends_well());
}

/// One of those processes: its token and the key's ID, once all are ready.
fn joined(world: &World) -> (Token, String) {
    let (token, key) = (world.same_token(), world.hear());
    world.tell("ready");
    world.hear();
    (token, key)
}
