//! The audit log's names: which token, which key, whose PIN, which process and program.

use crate::rig::token::{SO_PIN, Token, USER_PIN, aes_material, pin};
use crate::rig::wrap::Courier;
use crate::rig::{World, expires_at, for_key, play, without_custody, world};
use cryptoki::object::{Attribute, ObjectClass};
use cryptoki::session::{Session, UserType};
use serde_json::{Value, json};
use std::env::current_exe;

fn told(world: &World, arguments: &[&str]) -> Vec<Value> {
    let output = world.keystead(&[&["audit", "--json"], arguments].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn label(text: &str) -> Attribute {
    Attribute::Label(text.as_bytes().to_vec())
}

/// Event, alias and whether the agent did it by itself, line by line.
fn named(lines: &[Value]) -> Vec<(&str, Option<&str>, bool)> {
    let of = |line: &'_ Value| line.get("user").is_none();
    lines
        .iter()
        .map(|line| (line["event"].as_str().unwrap(), line["alias"].as_str(), of(line)))
        .collect()
}

#[test]
fn every_line_names_token_alias_process_and_program() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[label("pay\nroll")]);
        let courier = Courier::new(&token);
        let import = |at: u64| {
            let template = [&aes_material()[..], &[for_key(&id), expires_at(at)]].concat();
            courier.import(&token, &[7; 32], &template).unwrap()
        };
        import(world::now() + 86_400);
        token.update_attributes(token.metadata(&id), &[label("wages")]).unwrap();
        let soon = world::now() + 2;
        import(soon);
        world::until(soon);
        world::eventually("it is told", || !told(world, &["--event", "expired"]).is_empty());
        let unnamed = token.empty_key(&[]);

        // By whichever name it had, and by its ID.
        for name in [&id, "pay\nroll", "wages"] {
            let lines = told(world, &["--key", name]);
            assert_eq!(
                named(&lines),
                [
                    ("created", Some("pay\nroll"), false),
                    ("imported", Some("pay\nroll"), false),
                    ("described", Some("wages"), false),
                    ("imported", Some("wages"), false),
                    ("expired", Some("wages"), true),
                ]
            );
            assert_eq!((&lines[1]["again"], &lines[3]["again"]), (&Value::Null, &json!(true)));
        }
        let agent = world.agent().unwrap().as_raw_nonzero().get();
        let mine = current_exe().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        for line in told(world, &[]) {
            assert_eq!(line["label"], "a token", "{line}");
            let (process, program) = match line.get("user") {
                Some(_) => (json!(std::process::id()), json!(mine)),
                None => (json!(agent), json!("keystead")),
            };
            assert_eq!((&line["process"], &line["program"]), (&process, &program), "{line}");
        }
        // A key that was given no name has none.
        assert!(told(world, &["--key", &unnamed])[0].get("alias").is_none());
        let table = world.keystead(&["audit", "--key", "wages"]).stdout;
        let table = String::from_utf8(table).unwrap();
        assert!(table.contains(r"pay\nroll") && table.contains("a token"), "{table}");
        assert!(world.keystead(&["audit", "--verify"]).status.success());
    });
}

#[test]
fn what_is_older_than_asked_for_is_left_out() {
    play(|world| {
        world.token().empty_key(&[label("payroll")]);
        let lines = told(world, &[]);
        let at = lines[0]["time"].as_str().unwrap();
        assert_eq!(told(world, &["--since", at]), lines);
        assert_eq!(told(world, &["--since", "1d", "--key", "payroll"]).len(), 1);
        world::until(world::now() + 2);
        assert_eq!(told(world, &["--since", "1s"]), [] as [Value; 0]);
    });
}

#[test]
fn an_ordinary_key_is_called_by_its_label_until_after_its_end() {
    play(|world| {
        let token = world.token();
        let ordinary = [Attribute::Token(true), without_custody(), label("passing")];
        let key = token.generate_aes(&ordinary);
        token.destroy_object(key).unwrap();
        let data = Attribute::Class(ObjectClass::DATA);
        token.create_object(&[data, Attribute::Token(true), label("a secret")]).unwrap();
        let lines = told(world, &["--key", "passing"]);
        assert_eq!(
            named(&lines),
            [("created", Some("passing"), false), ("deleted", Some("passing"), false)]
        );
        assert!(!told(world, &[]).iter().any(|line| line["alias"] == "a secret"));
    });
}

fn officer(token: &Token) -> Session {
    let session = token.another_session();
    session.login(UserType::So, Some(&pin(SO_PIN))).unwrap();
    session
}

#[test]
fn each_kind_of_pin_event_has_a_name_and_says_whose_pin_it_is() {
    play(|world| {
        let token = world.token();
        token.set_pin(&pin(USER_PIN), &pin("second-1234")).unwrap();
        token.logout().unwrap();
        let session = officer(&token);
        session.set_pin(&pin(SO_PIN), &pin("officer-5678")).unwrap();
        session.set_pin(&pin("officer-5678"), &pin(SO_PIN)).unwrap();
        session.init_pin(&pin("third-1234")).unwrap();
        session.logout().unwrap();
        for _ in 0..10 {
            session.login(UserType::User, Some(&pin("wrong"))).unwrap_err();
        }
        session.login(UserType::So, Some(&pin("wrong"))).unwrap_err();
        session.login(UserType::So, Some(&pin(SO_PIN))).unwrap();
        session.init_pin(&pin(USER_PIN)).unwrap();
        let lines = told(world, &[]);
        let events: Vec<_> = lines
            .iter()
            .map(|line| (line["event"].as_str().unwrap(), line["pin"].as_str().unwrap_or("")))
            .collect();
        let mut expected = vec![
            ("token-initialised", ""),
            ("pin-set", "user"),
            ("pin-changed", "user"),
            ("pin-changed", "so"),
            ("pin-changed", "so"),
            ("pin-set", "user"),
        ];
        expected.extend([("pin-wrong", "user"); 10]);
        expected.extend([("pin-locked", "user"), ("pin-wrong", "so"), ("pin-unlocked", "user")]);
        assert_eq!(events, expected);
    });
}
