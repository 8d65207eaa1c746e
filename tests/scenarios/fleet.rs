//! A fleet's store, in a real etcd: made, used, and gone on with where etcd or the agent was away.

mod hosts;

use crate::rig::process::ends_within;
use crate::rig::proxy::{Flow, Proxy};
use crate::rig::secrets::{found_in, live};
use crate::rig::token::{SO_PIN, USER_PIN, make_token, pin};
use crate::rig::vendor::without_custody;
use crate::rig::{Token, World, made_objects, play, refused};
use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use rustix::process::{Signal, kill_process};
use std::process::Output;
use std::time::{Duration, Instant};

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

fn note(label: &str) -> [Attribute; 4] {
    [
        Attribute::Class(ObjectClass::DATA),
        Attribute::Token(true),
        Attribute::Label(label.into()),
        Attribute::Value(label.into()),
    ]
}

#[test]
fn a_fleet_is_made_once_and_its_store_is_used_like_any_other() {
    play(|world| {
        let etcd = world.etcd();
        world.join_etcd(&etcd.address(), "prod", "");
        let said = text(&world.keystead(&["init", "first", "--so-pin-file", "/dev/null"]));
        assert!(said.contains("keystead fleet init"), "{said}");
        let module = world.module();
        let slot = module.get_all_slots().unwrap()[0];
        refused(module.init_token(slot, &pin(SO_PIN), "first"), RvError::DeviceError);
        assert_eq!(etcd.control(&["get", "--prefix", "/", "--keys-only"]).trim(), "");

        world.make_fleet();
        let again = world.keystead(&["fleet", "init"]);
        assert!(!again.status.success() && text(&again).contains("already"), "{again:?}");
        let late = world.beside("late");
        late.join_etcd(&etcd.address(), "prod", "");
        let taken = late.keystead(&["fleet", "init"]);
        assert!(!taken.status.success(), "{taken:?}");
        assert!(text(&taken).contains("has the records of a fleet"), "{taken:?}");
        late.found_fleet(&etcd.address(), "test", "");

        let token = make_token(&module, "a token");
        let key = token.generate_aes(&[Attribute::Token(true), Attribute::Id(b"k".to_vec())]);
        let block = token.encrypt(&Mechanism::AesEcb, key, &[7; 16]).unwrap();
        token.create_object(&note("kept")).unwrap();
        let lost = token.create_object(&note("deleted")).unwrap();
        token.destroy_object(lost).unwrap();
        world.kill_agent();
        assert_eq!(token.decrypt(&Mechanism::AesEcb, key, &block).unwrap(), [7; 16]);
        assert_eq!(token.find_objects(&[Attribute::Id(b"k".to_vec())]).unwrap().len(), 1);
        assert_eq!(token.find_objects(&note("kept")).unwrap().len(), 1);
        assert_eq!(token.find_objects(&note("deleted")).unwrap(), []);
        world.end_agent();
        assert_eq!(token.find_objects(&note("kept")).unwrap().len(), 1);
        world.end_agent();
        for (command, expected) in [
            (&["recover"][..], "several hosts share these records"),
            (&["list", "--pin-file", "pin"], "enabled"),
        ] {
            std::fs::write(world.path("pin"), USER_PIN).unwrap();
            let said =
                world.keystead_command(command).current_dir(world.path("")).output().unwrap();
            assert!(text(&said).contains(expected), "{command:?}: {}", text(&said));
        }
    });
}

#[test]
fn a_destroyed_key_leaves_its_secret_in_no_file_of_the_host() {
    play(|world| {
        let etcd = world.etcd();
        world.found_fleet(&etcd.address(), "prod", "");
        let token = world.token();
        let key = |id: &[u8]| {
            let id = Attribute::Id(id.to_vec());
            token.generate_aes(&[Attribute::Token(true), id, without_custody()])
        };
        let (kept, ended) = (key(b"kept"), key(b"ended"));
        let before = live(&world.store());
        token.destroy_object(ended).unwrap();
        let after = live(&world.store());
        let gone: Vec<_> = before.difference(&after).copied().collect();
        assert_eq!(gone.len(), 1);
        assert_eq!(found_in(&world.store(), &gone), Vec::<std::path::PathBuf>::new());
        let block = token.encrypt(&Mechanism::AesEcb, kept, &[7; 16]).unwrap();
        world.kill_agent();
        assert_eq!(token.decrypt(&Mechanism::AesEcb, kept, &block).unwrap(), [7; 16]);
    });
}

#[test]
fn changes_are_refused_in_time_while_etcd_is_away_and_go_on_when_it_is_back() {
    play(|world| {
        let etcd = world.etcd();
        let way = Proxy::to(&etcd.address());
        world.found_fleet(&way.address(), "prod", "");
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Token(true)]);
        let before = made_objects(&token).len();
        for (requests, answers) in [(Flow::Lost, Flow::Lost), (Flow::Passes, Flow::Lost)] {
            way.requests(requests);
            way.answers(answers);
            for _ in 0..2 {
                let began = Instant::now();
                refused(token.create_object(&note("refused")), RvError::DeviceError);
                assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
            }
            token.encrypt(&Mechanism::AesEcb, key, &[7; 16]).unwrap();
            way.requests(Flow::Passes);
            way.answers(Flow::Passes);
            way.cut();
        }
        let began = Instant::now();
        while let Err(error) = token.create_object(&note("made")) {
            assert!(began.elapsed() < Duration::from_secs(30), "{error}");
        }
        assert_eq!(token.find_objects(&note("made")).unwrap().len(), 1);
        let unknown = token.find_objects(&note("refused")).unwrap().len();
        assert!(unknown <= 4 && made_objects(&token).len() == before + 1 + unknown);
    });
}

#[test]
fn a_host_that_starts_without_etcd_serves_nothing_and_says_why() {
    play(|world| {
        let etcd = world.etcd();
        let way = Proxy::to(&etcd.address());
        world.found_fleet(&way.address(), "prod", "");
        let token = world.token();
        token.create_object(&note("kept")).unwrap();
        world.end_agent();
        way.requests(Flow::Lost);
        way.cut();
        let said = text(&world.keystead(&["tokens"]));
        assert!(said.contains("no answer in time") && said.contains("error"), "{said}");
        assert!(world.agent().is_none(), "no agent serves");
        way.requests(Flow::Passes);
        way.cut();
        let said = world.keystead(&["tokens"]);
        assert!(said.status.success() && text(&said).contains("a token"), "{said:?}");
    });
}

/// Asks until the answer is yes, for at most so long, and returns for how long it took.
fn within(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
    began.elapsed()
}

/// The least `offline_grace`.
const GRACE: Duration = Duration::from_secs(10);

/// Makes a fleet with this world as its only host, which reaches etcd at that address, and a key.
fn with_a_key(world: &World, address: &str) -> (Token, ObjectHandle) {
    world.found_fleet(address, "prod", "offline_grace = 10");
    let token = world.token();
    let key = token.generate_aes(&[Attribute::Token(true)]);
    (token, key)
}

/// The time that a call may take whose agent does not answer, and more.
const NO_LONG_WAIT: Duration = Duration::from_secs(8);

#[test]
fn a_host_that_is_cut_off_goes_on_for_the_grace_and_then_refuses_until_it_is_back() {
    play(|world| {
        let etcd = world.etcd();
        let way = Proxy::to(&etcd.address());
        let (token, key) = with_a_key(world, &way.address());
        let encrypt = || token.encrypt(&Mechanism::AesEcb, key, &[7; 16]);
        let block = encrypt().unwrap();
        way.requests(Flow::Lost);
        way.cut();
        let cut = Instant::now();
        encrypt().unwrap();
        let until = within(GRACE + NO_LONG_WAIT, "the key is refused", || {
            let began = Instant::now();
            let refused = encrypt().is_err();
            assert!(began.elapsed() < NO_LONG_WAIT, "{:?}", began.elapsed());
            refused
        });
        // The last heartbeat came at most five seconds before the cut.
        assert!(until > GRACE - Duration::from_secs(6), "{until:?}");
        refused(encrypt(), RvError::DeviceError);
        for call in [
            token.find_objects(&note("none")).map(drop),
            token.create_object(&note("none")).map(drop),
            token.another_session().login(cryptoki::session::UserType::User, Some(&pin(USER_PIN))),
        ] {
            assert!(call.is_err(), "{call:?}");
        }
        let said = text(&world.keystead(&["sweep"]));
        assert!(said.contains("cut off from its fleet"), "{said}");
        within(Duration::from_secs(20), "doctor tells of it", || {
            let told = "problem  fleet: the store cannot be read or written";
            text(&world.keystead(&["doctor"])).contains(told)
        });
        assert!(cut.elapsed() < Duration::from_secs(60));
        way.requests(Flow::Passes);
        way.cut();
        within(Duration::from_secs(15), "the key can be used", || encrypt().is_ok());
        assert_eq!(token.decrypt(&Mechanism::AesEcb, key, &block).unwrap(), [7; 16]);
        within(Duration::from_secs(15), "a note is made", || {
            token.create_object(&note("n")).is_ok()
        });
    });
}

#[test]
fn what_a_stopped_agent_knew_is_relied_on_for_the_grace_only() {
    play(|world| {
        let etcd = world.etcd();
        let (token, key) = with_a_key(world, &etcd.address());
        let encrypt = || token.encrypt(&Mechanism::AesEcb, key, &[7; 16]);
        encrypt().unwrap();
        let agent = world.agent().unwrap();
        kill_process(agent, Signal::STOP).unwrap();
        encrypt().unwrap();
        within(GRACE + NO_LONG_WAIT, "the key is refused", || encrypt().is_err());
        kill_process(agent, Signal::CONT).unwrap();
        within(Duration::from_secs(20), "the key can be used", || encrypt().is_ok());
    });
}

/// Sequence "the old page": what an agent knew that is gone is relied on no longer than it was, and the next one answers
/// nothing before it has heard from etcd.
#[test]
fn the_page_of_an_agent_that_is_gone_lapses_and_the_next_serves_only_with_etcd() {
    play(|world| {
        let etcd = world.etcd();
        let way = Proxy::to(&etcd.address());
        let (token, key) = with_a_key(world, &way.address());
        let encrypt = || token.encrypt(&Mechanism::AesEcb, key, &[7; 16]);
        encrypt().unwrap();
        way.requests(Flow::Lost);
        way.cut();
        world.kill_agent();
        encrypt().unwrap();
        within(GRACE + NO_LONG_WAIT, "the key is refused", || encrypt().is_err());
        assert!(world.agent().is_none(), "no agent serves without etcd");
        way.requests(Flow::Passes);
        way.cut();
        within(Duration::from_secs(30), "the key can be used", || encrypt().is_ok());
    });
}

/// Sequence "the idle agent": the one of a store of this machine ends half a minute after its last connection.
#[test]
fn a_fleets_agent_stays_though_nobody_asks_it_anything() {
    play(|world| {
        let etcd = world.etcd();
        world.found_fleet(&etcd.address(), "prod", "");
        assert!(world.keystead(&["tokens"]).status.success());
        let agent = world.agent().unwrap();
        assert!(!ends_within(agent, Duration::from_secs(33)), "it ends when it is idle");
        assert_eq!(world.agent(), Some(agent));
    });
}
