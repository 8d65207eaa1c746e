//! The end of a token through the agent: who may ask for it, and what is left.

use super::*;

impl Client {
    fn destroy(&mut self, label: &str, officer: bool, pin: &[u8], change: [u8; 16]) -> Result<u64> {
        let Authority { authenticator, .. } = authority(officer, pin);
        let label = label.to_owned();
        match self.ask(Request::DestroyToken { token: TOKEN, label, authenticator, change }) {
            Response::Done(records) => Ok(records),
            Response::Refused(error) => Err(error),
            other => panic!("{other:?}"),
        }
    }
}

fn furnish(world: &World) {
    let role = Role::Object { holds_key: true };
    let header = Header { private: true, role, expiry: None, tags: vec![] };
    let put = Some((header.encode().unwrap(), SEALED.to_vec()));
    let key =
        Change { id: Id::new([8; 16]), expect: Expect::Absent, event: vec![], put, alias: None };
    let plain = object(Id::new([7; 16]), Expect::Absent, &[], b"plain object");
    world.user().commit(vec![key, plain]).unwrap();
}

#[test]
fn only_the_security_officer_who_names_the_token_ends_it() {
    let world = World::new();
    furnish(&world);
    let mut peer = world.user();
    let refused = |result: Result<u64>| result.unwrap_err().reason();
    assert_eq!(refused(peer.destroy("test", false, b"123456", random())), Reason::PinIncorrect);
    assert_eq!(refused(peer.destroy("test", true, b"wrong!", random())), Reason::PinIncorrect);
    assert_eq!(refused(peer.destroy("tset", true, b"87654321", random())), Reason::ArgumentsBad);
    assert_eq!(peer.find(&[]).len(), 2);
    assert_eq!(world.connect().login(false, b"123456").unwrap().wrong, (2, 0));
    assert_eq!(peer.destroy("test", true, b"87654321", random()), Ok(2));
    assert_eq!(peer.find(&[]), vec![]);
}

#[test]
fn wrong_pins_are_counted_and_the_tenth_locks_the_token_in() {
    let world = World::new();
    for _ in 0..10 {
        let refused = world.connect().destroy("test", true, b"wrong!", random());
        assert_eq!(reason(refused), Reason::PinIncorrect);
    }
    let refused = world.connect().destroy("test", true, b"87654321", random());
    assert_eq!(reason(refused), Reason::PinLocked);
}

#[test]
fn a_destroyed_token_stays_gone_and_its_slot_is_the_next_tokens() {
    let mut world = World::new();
    furnish(&world);
    let mut nobody = world.connect();
    assert_eq!(nobody.destroy("test", true, b"87654321", [9; 16]), Ok(2));
    let Response::Tokens(tokens) = nobody.ask(Request::Tokens) else { panic!() };
    assert_eq!(tokens, vec![]);
    assert_eq!(reason(nobody.login(false, b"123456")), Reason::TokenAbsent);

    world.restart();
    let mut peer = world.connect();
    assert_eq!(peer.destroy("test", true, b"87654321", [9; 16]), Ok(2), "a retry is answered");
    assert_eq!(reason(peer.destroy("test", true, b"87654321", random())), Reason::TokenAbsent);
    assert_eq!(peer.put_token(Expect::Absent, &entry(true)), Ok(1));
    let Response::Tokens(tokens) = peer.ask(Request::Tokens) else { panic!() };
    assert_eq!((tokens[0].slot, tokens[0].wrong), (0, (0, 0)));
    assert_eq!(world.user().find(&[]), vec![]);
}
