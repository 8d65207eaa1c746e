//! Scheduled deletions: time to think better of it, and then everything is gone.

use crate::rig::elsewhen::faketime;
use crate::rig::token::{Token, aes_material};
use crate::rig::world::{eventually, now};
use crate::rig::{
    DELETION_AT, PENDING_DELETION, PENDING_IMPORT, STATUS, expires_at, for_key, made_objects,
    number, play, refused, rotate,
};
use cryptoki::error::RvError;
use cryptoki::object::{Attribute, ObjectHandle};
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;

const DAY: u64 = 86_400;

#[test]
fn when_it_is_due_all_of_it_ends_and_its_material_is_free_again() {
    play(|world| match world.role() {
        "after" => {
            let token = world.same_token();
            assert_eq!(made_objects(&token), [], "nothing is left of either key");
            let again = imported(&token);
            assert_ne!(token.key_of(again), world.hear(), "its material is another key's now");
            token.encrypt_block(again).unwrap();
        }
        _ => {
            let external = {
                let token = world.token();
                let generated = token.generate_aes(&[Attribute::Token(true)]);
                let named = [for_key(&token.key_of(generated))];
                token.generate_key(&rotate(), &named).unwrap();
                let external = imported(&token);
                for key in [generated, external] {
                    let metadata = token.metadata(&token.key_of(key));
                    token.update_attributes(metadata, &[in_days(7)]).unwrap();
                    refused(token.encrypt_block(key), RvError::KeyFunctionNotPermitted);
                }
                token.key_of(external)
            };
            let later = faketime("+8d");
            world.kill_agent();
            let mut agent = world.agent_at(&later);
            let mut after = world.start_with("after", &later.borrowed());
            after.tell(&external);
            after.ends_well();
            world.kill_agent();
            agent.wait().unwrap();
        }
    });
}

#[test]
fn before_it_is_due_nothing_ends_and_a_cancelled_one_never_does() {
    play(|world| match world.role() {
        "after" => {
            let token = world.same_token();
            let (kept, pending) = (world.hear(), world.hear());
            assert!(token.material(&kept).is_some());
            assert!(token.material(&pending).is_some());
            assert_eq!(token.number(token.metadata(&pending), STATUS), PENDING_DELETION);
        }
        _ => {
            let (kept, pending) = {
                let token = world.token();
                let kept = token.generate_aes(&[Attribute::Token(true)]);
                token.update_attributes(kept, &[in_days(7)]).unwrap();
                token.update_attributes(kept, &[number(DELETION_AT, 0)]).unwrap();
                let pending = token.generate_aes(&[Attribute::Token(true)]);
                token.update_attributes(pending, &[in_days(20)]).unwrap();
                (token.key_of(kept), token.key_of(pending))
            };
            let later = faketime("+19d");
            world.kill_agent();
            let mut agent = world.agent_at(&later);
            let mut after = world.start_with("after", &later.borrowed());
            after.tell(&kept);
            after.tell(&pending);
            after.ends_well();
            world.kill_agent();
            agent.wait().unwrap();
        }
    });
}

#[test]
fn nothing_of_a_pending_key_can_be_changed_or_used() {
    play(|world| {
        let token = world.token();
        let key = imported(&token);
        let id = token.key_of(key);
        let metadata = token.metadata(&id);
        token.update_attributes(metadata, &[in_days(1096)]).unwrap();
        for object in [key, metadata] {
            let name = [Attribute::Label(b"new".to_vec())];
            refused(token.update_attributes(object, &name), RvError::ActionProhibited);
            refused(token.destroy_object(object), RvError::ActionProhibited);
        }
        let again = [&aes_material()[..], &[Attribute::Value(vec![5; 32]), for_key(&id)]].concat();
        refused(token.create_object(&again), RvError::TemplateInconsistent);
        refused(token.update_attributes(metadata, &[in_days(30)]), RvError::ActionProhibited);
        assert_eq!(token.text(metadata, cryptoki::object::AttributeType::Label), id);
        assert_eq!(token.text(key, cryptoki::object::AttributeType::Label), "");
    });
}

#[test]
fn a_cancelled_deletion_of_a_key_without_material_awaits_its_import() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[]);
        let metadata = token.metadata(&id);
        token.update_attributes(metadata, &[in_days(30)]).unwrap();
        token.update_attributes(metadata, &[number(DELETION_AT, 0)]).unwrap();
        assert_eq!(token.number(metadata, STATUS), PENDING_IMPORT);
    });
}

fn imported(token: &Token) -> ObjectHandle {
    token.create_object(&[&aes_material()[..], &[Attribute::Value(vec![5; 32])]].concat()).unwrap()
}

fn in_days(days: u64) -> Attribute {
    // A little more than the days: the clock moves on before the token looks at it.
    let slack = if days == 1096 { 0 } else { 100 };
    number(DELETION_AT, now() + days * DAY + slack)
}

#[test]
fn an_agent_that_ends_soon_leaves_the_figures_of_its_end() {
    play(|world| {
        let metrics = world.path("keystead.prom");
        world.configure(&format!("metrics = {metrics:?}"));
        let token = world.token();
        token.generate_aes(&[Attribute::Token(true)]);
        world.end_agent();
        let text = figures(&metrics);
        let line = "keystead_custom_keys{token=\"a token\",serial=\"SERIAL\",status=\"enabled\"} 1";
        assert!(text.contains(line), "{text}");
    });
}

#[test]
fn figures_say_when_a_key_got_its_newest_version_and_are_there_before_the_first_event() {
    play(|world| {
        let metrics = world.path("keystead.prom");
        world.configure(&format!("metrics = {metrics:?}"));
        let token = world.token();
        world.end_agent();
        let text = figures(&metrics);
        for line in [
            "keystead_custom_keys{token=\"a token\",serial=\"SERIAL\",status=\"enabled\"} 0",
            "keystead_custom_keys{token=\"a token\",serial=\"SERIAL\",status=\"pending import\"} 0",
            "keystead_material_versions{token=\"a token\",serial=\"SERIAL\"} 0",
            "keystead_pin_wrong{token=\"a token\",serial=\"SERIAL\",pin=\"user\"} 0",
            "keystead_pin_locked{token=\"a token\",serial=\"SERIAL\",pin=\"so\"} 0",
            "keystead_last_backup_timestamp_seconds 0",
            "keystead_events_lost_total{to=\"on_event\"} 0",
            "keystead_events_lost_total{to=\"audit_syslog\"} 0",
            "keystead_store_writable 1",
        ] {
            assert!(text.contains(&format!("\n{line}\n")), "{line} is not in\n{text}");
        }
        let before = now();
        token.generate_aes(&[Attribute::Token(true)]);
        for _ in 0..2 {
            // By the agent that saw it, and by one that reads of it in the audit log.
            world.end_agent();
            let text = figures(&metrics);
            let name = "\nkeystead_newest_version_timestamp_seconds{token=\"a token\",serial=\"SERIAL\",key_id=";
            let (_, rest) = text.split_once(name).unwrap_or_else(|| panic!("{text}"));
            let (_, at) = rest.split_once("\"} ").unwrap();
            let at: u64 = at.lines().next().unwrap().parse().unwrap();
            assert!((before..=now()).contains(&at), "{before} {at}");
            assert!(world.keystead(&["sweep"]).status.success());
        }
    });
}

#[test]
fn the_agent_tells_what_lies_ahead_in_metrics_and_log() {
    play(|world| match world.role() {
        "maker" => {
            let token = world.token();
            let template = [&aes_material()[..], &[Attribute::Value(vec![5; 32])]].concat();
            let expiry = now() + 40 * DAY;
            let key =
                token.create_object(&[&template[..], &[expires_at(expiry)]].concat()).unwrap();
            world.tell(&token.key_of(key));
            world.tell(&expiry.to_string());
        }
        _ => {
            let (metrics, log) = (world.path("keystead.prom"), world.path("log"));
            world.configure(&format!("metrics = {metrics:?}\nlog = {log:?}"));
            let mut maker = world.start("maker");
            let (id, expiry) = (maker.hear(), maker.hear());
            maker.ends_well();
            world.kill_agent();
            for (time, notice) in [("+11d", 30), ("+12d", 30), ("+34d", 7), ("+39d", 1)] {
                let mut agent = world.agent_at(&faketime(time));
                let said = format!("{id} of token \"a token\" expires within {notice} days");
                eventually("the log says so, once", || {
                    std::fs::read_to_string(&log).unwrap_or_default().matches(&said).count() == 1
                });
                eventually("the metrics say when", || {
                    let text = figures(&metrics);
                    text.contains(&format!("key_id=\"{id}\"}} {expiry}\n"))
                        && text.contains(
                            "{token=\"a token\",serial=\"SERIAL\",status=\"enabled\"} 1\n",
                        )
                });
                // Ended in order, it keeps how far it has looked.
                kill_process(Pid::from_child(&agent), Signal::TERM).unwrap();
                agent.wait().unwrap();
                std::fs::remove_file(&metrics).unwrap();
            }
        }
    });
}

/// Returns the figures in a file, with one word for every serial number; nothing where the file is not there.
fn figures(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut parts = text.split("serial=\"");
    let first = parts.next().unwrap().to_owned();
    let rest = parts.map(|part| {
        format!("serial=\"SERIAL{}", part.trim_start_matches(|it: char| it.is_ascii_hexdigit()))
    });
    first + &rest.collect::<String>()
}
