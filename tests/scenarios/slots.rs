//! Slots: which one is free, and that each stays what it is for those who know it.

use crate::rig::token::{SO_PIN, make_token, pin};
use crate::rig::{World, play, refused};
use cryptoki::context::Pkcs11;
use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::Attribute;
use std::fs;

#[test]
fn a_token_is_made_in_the_slot_that_is_shown_as_free_whichever_token_was_destroyed() {
    play(|world| {
        if world.role() == "other" {
            let module = world.module();
            for _ in 0..4 {
                world.tell(&shown(&module));
                assert_eq!(world.hear(), "look again");
            }
            return;
        }
        let module = world.module();
        let labels = ["a", "b", "c"];
        let mut tokens = labels.map(|label| Some(make_token(&module, label)));
        assert_eq!(shown(&module), "0:a 1:b 2:c 3:-");
        let mut other = world.start("other");
        other.says("0:a 1:b 2:c 3:-");
        // The last, the first, the one in between: a process that comes later is shown one free slot.
        for (destroyed, listed, fresh, other_lists) in [
            (2, "0:a 1:b 2:- 3:-", "0:a 1:b 2:-", "0:a 1:b 2:C 3:-"),
            (0, "1:b 2:C 0:- 3:-", "1:b 2:C 0:-", "1:b 2:C 0:A 3:-"),
            (1, "2:C 0:A 1:- 3:-", "2:C 0:A 1:-", "2:C 0:A 1:B 3:-"),
        ] {
            let (label, token) = (labels[destroyed], tokens[destroyed].take().unwrap());
            destroy(world, label);
            assert_eq!(sorted(&shown(&module)), sorted(listed));
            assert_eq!(sorted(&listed_by_program(world)), sorted(fresh));
            let template = [Attribute::Token(true), Attribute::ValueLen(32.into())];
            let made = token.generate_key(&Mechanism::AesKeyGen, &template);
            refused(made, RvError::TokenNotPresent);
            let slot = token.slot;
            drop(token);
            module.init_token(slot, &pin(SO_PIN), &label.to_uppercase()).unwrap();
            other.tell("look again");
            assert_eq!(sorted(&other.hear()), sorted(other_lists));
        }
        other.tell("look again");
        other.ends_well();
    });
}

#[test]
fn a_slot_that_was_shown_as_free_stays_so_though_one_before_it_falls_free() {
    play(|world| {
        if world.role() == "waiting" {
            let module = world.module();
            world.tell(&shown(&module));
            assert_eq!(world.hear(), "a is gone");
            let free = module.get_all_slots().unwrap().into_iter().find(|slot| slot.id() == 2);
            module.init_token(free.unwrap(), &pin(SO_PIN), "waited").unwrap();
            return world.tell(&shown(&module));
        }
        let module = world.module();
        drop(["a", "b"].map(|label| make_token(&module, label)));
        let mut waiting = world.start("waiting");
        waiting.says("0:a 1:b 2:-");
        destroy(world, "a");
        assert_eq!(listed_by_program(world), "1:b 0:-");
        waiting.tell("a is gone");
        waiting.says("1:b 2:waited 0:-");
        waiting.ends_well();
        make_token(&module, "last");
        assert_eq!(listed_by_program(world), "0:last 1:b 2:waited 3:-");
    });
}

/// Slots with the labels of their tokens, in the order of the list.
fn shown(module: &Pkcs11) -> String {
    let show = |slot: &cryptoki::slot::Slot| {
        let info = module.get_token_info(*slot).unwrap();
        assert!(module.get_slot_info(*slot).unwrap().token_present());
        format!("{}:{}", slot.id(), if info.token_initialized() { info.label() } else { "-" })
    };
    module.get_all_slots().unwrap().iter().map(show).collect::<Vec<_>>().join(" ")
}

/// Returns the slots that a process lists which comes now.
fn listed_by_program(world: &World) -> String {
    let module = std::env::current_exe().unwrap().with_file_name("libkeystead.so");
    let listed = world
        .tool("pkcs11-tool")
        .args(["--module", module.to_str().unwrap(), "--list-slots"])
        .env("KEYSTEAD_CONF", world.path("config.toml"))
        .output()
        .unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    let mut slots: Vec<String> = Vec::new();
    for line in text.lines() {
        if let Some((_, number)) = line.split_once("(0x") {
            let number = number.split(')').next().unwrap();
            slots.push(format!("{}:-", u64::from_str_radix(number, 16).unwrap()));
        }
        if let Some((_, label)) = line.split_once("token label        : ") {
            let slot = slots.last_mut().unwrap();
            *slot = slot.replace('-', label.trim());
        }
    }
    slots.join(" ")
}

fn sorted(shown: &str) -> Vec<&str> {
    let mut slots: Vec<&str> = shown.split(' ').collect();
    slots.sort_unstable();
    slots
}

fn destroy(world: &World, label: &str) {
    let file = world.path("so-pin");
    fs::write(&file, SO_PIN).unwrap();
    let officer = file.to_str().unwrap();
    let said = world.keystead(&["destroy-token", label, "--yes", "--so-pin-file", officer]);
    assert!(said.status.success(), "{said:?}");
}
