//! Hosts that join a fleet by a code, use its keys and take them away, and are expelled: each with its own agent and its own
//! directory, on one real etcd.

use super::{GRACE, NO_LONG_WAIT, note, text, within};
use crate::rig::etcd::Etcd;
use crate::rig::process::Other;
use crate::rig::token::USER_PIN;
use crate::rig::vendor::without_custody;
use crate::rig::world::{now, until};
use crate::rig::{Token, World, play};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectHandle};
use std::process::Output;
use std::time::Duration;

/// The time in which every host sees what another has committed.
const SEEN: Duration = Duration::from_secs(1);

/// The time in which what hosts have to do for each other is done.
const DONE: Duration = Duration::from_secs(30);

/// Returns a new code of this host's fleet.
fn code(host: &World, options: &[&str]) -> String {
    let invited = host.keystead(&[&["fleet", "invite"], options].concat());
    assert!(invited.status.success(), "{invited:?}");
    String::from_utf8(invited.stdout).unwrap().trim().to_owned()
}

/// Has a host join under a code.
fn join(host: &World, code: &str, name: &str) -> Output {
    let code = host.secret("code", code);
    host.keystead(&["fleet", "join", "--code-file", code.to_str().unwrap(), "--name", name])
}

/// Returns a further host of the fleet of `first`, which has joined it.
fn joined(first: &World, etcd: &Etcd, name: &str) -> World {
    let host = first.beside(name);
    host.join_etcd(&etcd.address(), "prod", "offline_grace = 10");
    let done = join(&host, &code(first, &[]), name);
    assert!(done.status.success() && text(&done) == format!("joined: {name}\n"), "{done:?}");
    host
}

/// Returns the text of `keystead fleet status` on a host.
fn status(host: &World) -> String {
    let said = host.keystead(&["fleet", "status"]);
    assert!(said.status.success(), "{said:?}");
    text(&said)
}

/// Starts a client of another host, in a process of its own.
fn client(first: &World, of: &World, role: &str) -> Other {
    let configuration = of.path("config.toml");
    first.start_with(role, &[("KEYSTEAD_CONF", configuration.to_str().unwrap())])
}

fn found(token: &Token, id: &[u8]) -> Option<ObjectHandle> {
    token.find_objects(&[Attribute::Id(id.to_vec())]).unwrap().first().copied()
}

fn make(token: &Token, id: &[u8]) -> ObjectHandle {
    let id = Attribute::Id(id.to_vec());
    token.generate_aes(&[Attribute::Token(true), id, without_custody()])
}

fn block(token: &Token, key: ObjectHandle) -> cryptoki::error::Result<Vec<u8>> {
    token.encrypt(&Mechanism::AesEcb, key, &[7; 16])
}

/// The client of another host: encrypts under the key `first`, then does as it is told.
fn other_client(world: &World) {
    let token = world.same_token();
    let key = found(&token, b"first").unwrap();
    world.tell(&format!("{:?}", block(&token, key).unwrap()));
    loop {
        match world.hear().as_str() {
            "make" => drop(make(&token, b"second")),
            "delete" => token.destroy_object(key).unwrap(),
            "use" => {
                world.tell(if block(&token, key).is_ok() { "used" } else { "refused" });
                continue;
            }
            "change" => {
                let changed = token.create_object(&note("late")).is_ok();
                world.tell(if changed { "changed" } else { "refused" });
                continue;
            }
            _ => return,
        }
        world.tell("done");
    }
}

#[test]
fn a_key_of_one_host_is_used_and_deleted_on_another_and_refused_on_the_first_within_a_second() {
    play(|world| {
        if !world.role().is_empty() {
            return other_client(world);
        }
        let etcd = world.etcd();
        world.found_fleet(&etcd.address(), "prod", "");
        let token = world.token();
        let key = make(&token, b"first");
        let second = joined(world, &etcd, "second");
        let said = status(world);
        assert!(said.matches("enrolled").count() == 2 && said.contains("(this host)"), "{said}");
        let mut client = client(world, &second, "client");
        client.says(&format!("{:?}", block(&token, key).unwrap()));

        client.tell("make");
        client.says("done");
        within(SEEN, "a key of the other host is there", || found(&token, b"second").is_some());
        block(&token, found(&token, b"second").unwrap()).unwrap();

        client.tell("delete");
        client.says("done");
        within(SEEN, "a deleted key is refused", || block(&token, key).is_err());
        assert_eq!(found(&token, b"first"), None);
        client.tell("end");
        client.ends_well();
        for host in [world, &second] {
            within(DONE, "it is erased", || status(host).contains(": 1 erased\n"));
        }
        let told = world.keystead(&["fleet", "status", "--json"]);
        let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
        assert_eq!(told["hosts"].as_array().unwrap().len(), 2);
        assert_eq!(
            (&told["hosts"][1]["name"], &told["hosts"][1]["own"]),
            (&"second".into(), &false.into())
        );
        assert!(told["hosts"][1]["heartbeat"].is_string() && told["hosts"][1]["behind"].is_u64());
        assert_eq!(told["erasures"][0]["status"], "erased");
        assert!(told["offline_grace_left_seconds"].as_u64().unwrap() > 50);
    });
}

#[test]
fn a_code_that_does_not_count_changes_nothing_and_the_right_one_still_counts() {
    play(|world| {
        let etcd = world.etcd();
        world.found_fleet(&etcd.address(), "prod", "");
        let other = world.beside("other");
        other.found_fleet(&etcd.address(), "test", "");
        let used = code(world, &[]);
        let member = world.beside("member");
        member.join_etcd(&etcd.address(), "prod", "");
        let done = join(&member, &used, "member");
        assert!(done.status.success(), "{done:?}");
        let late = code(world, &["--valid-for", "1s"]);
        until(now() + 2);

        let third = world.beside("third");
        let cases = [
            ("prod", "once more", "is no code of an invitation", "third"),
            ("prod", &used[..], "it has been used, or is another fleet's", "third"),
            ("prod", &code(&other, &[]), "it has been used, or is another fleet's", "third"),
            ("none", &used, "has no fleet", "third"),
            ("prod", &late, "the code's time is over", "third"),
            ("prod", &code(world, &[]), "another host has the name \"member\"", "member"),
        ];
        for (fleet, code, expected, name) in cases {
            third.join_etcd(&etcd.address(), fleet, "");
            let said = join(&third, code, name);
            assert!(!said.status.success(), "{expected}: {said:?}");
            assert!(text(&said).contains(expected), "{expected}: {}", text(&said));
            assert!(!text(&said).contains(code), "the code is told");
            assert!(!third.store().join("slots").exists(), "{expected}");
            assert_eq!(status(world).matches("enrolled").count(), 2, "{expected}");
        }
        third.join_etcd(&etcd.address(), "prod", "");
        let done = join(&third, &code(world, &[]), "third");
        assert!(done.status.success(), "{done:?}");
        let again = join(&third, &code(world, &[]), "fourth");
        assert!(!again.status.success() && text(&again).contains("already"), "{again:?}");
        assert_eq!(status(world).matches("enrolled").count(), 3);
    });
}

#[test]
fn an_expelled_host_refuses_the_others_go_on_and_what_it_kept_is_told() {
    play(|world| {
        if !world.role().is_empty() {
            return other_client(world);
        }
        let etcd = world.etcd();
        world.found_fleet(&etcd.address(), "prod", "");
        let token = world.token();
        let key = make(&token, b"first");
        token.generate_aes(&[Attribute::Token(true), Attribute::Label("kept".into())]);
        let (second, third) = (joined(world, &etcd, "second"), joined(world, &etcd, "third"));
        let mut client = client(world, &second, "client");
        client.says(&format!("{:?}", block(&token, key).unwrap()));
        for (host, expected) in
            [("fourth", "has no host \"fourth\""), (own(world).as_str(), "is this host")]
        {
            let said = world.keystead(&["fleet", "expel", host]);
            assert!(!said.status.success() && text(&said).contains(expected), "{said:?}");
        }
        let said = world.keystead(&["fleet", "expel", "second"]);
        assert!(said.status.success() && text(&said).starts_with("expelled: second\n"), "{said:?}");
        let again = world.keystead(&["fleet", "expel", "second"]);
        assert!(!again.status.success() && text(&again).contains("expelled before"), "{again:?}");

        client.tell("change");
        client.says("refused");
        within(GRACE + NO_LONG_WAIT, "the expelled host refuses", || {
            client.tell("use");
            client.hear() == "refused"
        });
        client.tell("end");
        client.ends_well();
        let said = second.keystead(&["sweep"]);
        assert!(text(&said).contains("expelled"), "{said:?}");

        token.destroy_object(key).unwrap();
        for host in [world, &third] {
            within(DONE, "the erasure's end is told", || {
                status(host).contains(": 1 erased except on second, expelled\n")
            });
            token.create_object(&note("made")).unwrap();
        }
        let pin = third.secret("pin", USER_PIN);
        let said = third.keystead(&["list", "--pin-file", pin.to_str().unwrap()]);
        assert!(said.status.success() && text(&said).contains("enabled"), "{said:?}");

        // It comes back as a new host, and may have its name.
        let back = world.beside("back");
        back.join_etcd(&etcd.address(), "prod", "offline_grace = 10");
        let done = join(&back, &code(world, &[]), "second");
        assert!(done.status.success() && text(&done) == "joined: second\n", "{done:?}");
    });
}

/// Returns the identity of a host.
fn own(host: &World) -> String {
    let told = host.keystead(&["fleet", "status", "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    let hosts = told["hosts"].as_array().unwrap();
    let own = hosts.iter().find(|host| host["own"] == true).unwrap();
    own["host"].as_str().unwrap().to_owned()
}
