//! The events of keys, told to a program and to the system's log; the figures of a store; and the uses of a key
//! before its deletion.

use crate::rig::token::USER_PIN;
use crate::rig::world::eventually;
use crate::rig::{World, play};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::Attribute;
use keystead::internal::sys::{Way, home_of};
use rustix::fs::{CWD, Mode, mkfifoat};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[test]
fn a_program_and_the_systems_log_are_told_each_line_of_the_audit_log_in_order() {
    play(|world| {
        let (place, socket) = (Place::new(), world.path("syslog"));
        let (told, reader) = (place.path("told"), UnixDatagram::bind(&socket).unwrap());
        let hook = place.hook(&format!("cat >> {}", told.display()));
        world.configure(&format!("on_event = {hook:?}\naudit_syslog = {socket:?}"));
        let token = world.token();
        for label in ["a", "b \"quoted\"", "c"] {
            token.generate_aes(&[Attribute::Token(true), Attribute::Label(label.into())]);
        }
        let log = || fs::read_to_string(world.store().join("audit/audit.jsonl")).unwrap();
        let written = || fs::read_to_string(&told).unwrap_or_default();
        eventually("every line is told", || !log().is_empty() && written() == log());
        assert!(written().contains("\"event\":\"created\""));
        let mut said = [0; 4096];
        for line in log().lines() {
            let length = reader.recv(&mut said).unwrap();
            let said = std::str::from_utf8(&said[..length]).unwrap();
            let (head, told) = said.split_once(": ").unwrap();
            assert!(head.starts_with("<86>keystead["), "{head}");
            assert_eq!(told, line);
        }
    });
}

#[test]
fn a_program_that_hangs_delays_no_change_and_no_end_and_is_ended() {
    play(|world| {
        let place = Place::new();
        let hook = place.hook(&format!("echo $$ >> {}; sleep 1000", place.path("runs").display()));
        world.configure(&format!("on_event = {hook:?}"));
        let token = world.token();
        let began = Instant::now();
        for _ in 0..5 {
            token.generate_aes(&[Attribute::Token(true)]);
        }
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
        let runs = || fs::read_to_string(place.path("runs")).unwrap_or_default();
        eventually("it runs", || runs().ends_with('\n'));
        let first = runs().lines().next().unwrap().to_owned();
        world.end_agent();
        let is_there = || PathBuf::from("/proc").join(&first).exists();
        eventually("it is gone with the agent", || !is_there());
    });
}

#[test]
fn what_is_not_told_any_more_when_an_agent_ends_is_counted_and_the_next_one_counts_on() {
    play(|world| {
        let (place, figures) = (Place::new(), world.path("figures"));
        let hook = place.hook("sleep 1000");
        world.configure(&format!("on_event = {hook:?}\nmetrics = {figures:?}"));
        let token = world.token();
        for label in ["a", "b", "c", "payroll"] {
            token.generate_aes(&[Attribute::Token(true), Attribute::Label(label.into())]);
        }
        let lost = || -> u64 {
            world.end_agent();
            let said = fs::read_to_string(&figures).unwrap();
            let name = "keystead_events_lost_total{to=\"on_event\"} ";
            said.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap()
        };
        let lines = || {
            let log = fs::read_to_string(world.store().join("audit/audit.jsonl")).unwrap();
            log.lines().count() as u64
        };
        let first = lost();
        assert_eq!(first, lines());
        run(world, &["disable", "payroll"]);
        assert!(lines() > first);
        assert_eq!(lost(), lines());
    });
}

#[test]
fn a_restoration_is_told_by_the_one_who_restores() {
    play(|world| {
        let place = Place::new();
        let told = place.path("told");
        let hook = place.hook(&format!("cat >> {}", told.display()));
        world.token();
        with_backup(world, "backup");
        world.end_agent();
        fs::rename(world.store(), world.path("before")).unwrap();
        world.configure(&format!("on_event = {hook:?}"));
        with_backup(world, "restore");
        let log = fs::read_to_string(world.store().join("audit/audit.jsonl")).unwrap();
        assert!(log.contains("\"event\":\"restored\""), "{log}");
        assert_eq!(fs::read_to_string(&told).unwrap(), log, "no agent has run");
    });
}

#[test]
fn a_program_that_others_can_write_is_not_run_and_doctor_says_so() {
    play(|world| {
        let place = Place::new();
        let hook = place.hook(&format!("touch {}", place.path("ran").display()));
        fs::set_permissions(&hook, Permissions::from_mode(0o777)).unwrap();
        is_not_run(world, &place, &hook);
    });
}

#[test]
fn a_program_behind_a_link_that_others_can_exchange_is_not_run() {
    play(|world| {
        let (place, open) = (Place::new(), world.path("open"));
        let hook = place.hook(&format!("touch {}", place.path("ran").display()));
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
        symlink(&hook, open.join("between")).unwrap();
        symlink(open.join("between"), place.path("first")).unwrap();
        is_not_run(world, &place, &place.path("first"));
    });
}

/// A program that others can put in place is not run for events; doctor says so, and looks at what else there is.
#[track_caller]
fn is_not_run(world: &World, place: &Place, program: &Path) {
    world.configure(&format!("on_event = {program:?}"));
    world.token().generate_aes(&[Attribute::Token(true)]);
    let said = doctor(world);
    assert!(said.contains("on_event") && said.contains("can write"), "{said}");
    assert!(said.contains("ok       agent: it answers"), "it looks on: {said}");
    world.end_agent();
    assert!(!place.path("ran").exists());
}

#[test]
fn a_configuration_that_others_can_write_has_nothing_run_and_nothing_loaded() {
    play(|world| {
        let place = Place::new();
        let hook = place.hook(&format!("touch {}", place.path("ran").display()));
        let module = std::env::current_exe().unwrap().with_file_name("libkeystead.so");
        let configuration = world.path("config.toml");
        let write = |lines: &str| {
            fs::write(&configuration, format!("store = {:?}\n{lines}\n", world.store())).unwrap();
            fs::set_permissions(&configuration, Permissions::from_mode(0o666)).unwrap();
        };
        write(&format!("on_event = {hook:?}"));
        world.token().generate_aes(&[Attribute::Token(true)]);
        let said = doctor(world);
        let why = "on_event: what it names is not run: others than its user and root can write";
        assert!(said.contains(why), "{said}");
        world.end_agent();
        assert!(!place.path("ran").exists());
        for (key, path) in [("module", module), ("agent", env!("CARGO_BIN_EXE_keystead").into())] {
            write(&format!("{key} = {path:?}"));
            let refused = world.keystead(&["tokens"]);
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            let why = format!("{key}: what it names is not run: others than");
            assert!(!refused.status.success() && said.contains(&why), "{said}");
            fs::set_permissions(&configuration, Permissions::from_mode(0o644)).unwrap();
            let done = world.keystead(&["tokens"]);
            assert!(done.status.success(), "{done:?}");
            world.end_agent();
        }
    });
}

#[test]
fn no_file_of_a_store_is_written_for_metrics_or_the_log() {
    play(|world| {
        world.token();
        world.end_agent();
        let cells = world.store().join("slots");
        let (before, second) = (fs::read(&cells).unwrap(), world.path("second"));
        fs::hard_link(&cells, &second).unwrap();
        for (key, file) in
            [("metrics", &cells), ("log", &cells), ("metrics", &second), ("log", &second)]
        {
            world.configure(&format!("{key} = {file:?}\nlog_level = \"debug\""));
            for command in ["tokens", "doctor"] {
                let refused = world.keystead(&[command]);
                let said = [refused.stdout, refused.stderr].concat();
                let said = String::from_utf8_lossy(&said).into_owned();
                assert!(!refused.status.success(), "{said}");
                assert!(said.contains(&format!("{key}: ")), "{said}");
                assert!(said.contains("a store's own"), "{said}");
            }
        }
        world.configure("");
        let log = format!("{}:debug", cells.display());
        // Its error would be a line of the log.
        let mut refused = world.keystead_command(&["config", "--config", "/none"]);
        let refused = refused.env("KEYSTEAD_LOG", log).output().unwrap();
        assert!(!refused.status.success(), "{refused:?}");
        let (now, kept) = (fs::read(&cells).unwrap(), b"configuration is wrong");
        assert_eq!(now.len(), before.len());
        assert!(!now.windows(kept.len()).any(|part| part == kept), "no line stands in it");
        assert!(world.keystead(&["tokens"]).status.success());
    });
}

#[test]
fn doctor_tells_what_the_agent_cannot_write() {
    play(|world| {
        let (metrics, log) = (world.path("other"), world.path("pipe"));
        fs::write(&metrics, "root:x:0:0").unwrap();
        mkfifoat(CWD, &log, Mode::RWXU).unwrap();
        world.configure(&format!("metrics = {metrics:?}\nlog = {log:?}"));
        world.token();
        let said = doctor(world);
        let of = |key: &str, file: &Path, why: &str| {
            format!("problem  {key}: the agent cannot write it: {}: {why}", file.display())
        };
        for expected in
            [of("metrics", &metrics, "something else"), of("log", &log, "No such device")]
        {
            assert!(said.contains(&expected), "{expected} is not in\n{said}");
        }
        assert!(said.contains("keystead systemd --out"), "{said}");
        assert_eq!(fs::read_to_string(&metrics).unwrap(), "root:x:0:0");
        fs::write(&metrics, "").unwrap();
        world.end_agent();
        fs::remove_file(&log).unwrap();
        let said = doctor(world);
        assert!(!said.contains("cannot write"), "{said}");
        world.end_agent();
        assert!(fs::read_to_string(&metrics).unwrap().starts_with("# HELP keystead_"));
    });
}

#[test]
fn the_figures_tell_pins_backups_versions_and_the_audit_log() {
    play(|world| {
        let figures = world.path("figures");
        world.configure(&format!("metrics = {figures:?}"));
        let token = world.token();
        token.generate_aes(&[Attribute::Token(true), Attribute::Label("payroll".into())]);
        run(world, &["rotate", "payroll"]);
        fs::write(world.path("wrong"), "wrong-1234").unwrap();
        let wrong = world.path("wrong");
        let refused = world.keystead(&["list", "--pin-file", wrong.to_str().unwrap()]);
        assert!(!refused.status.success());
        with_backup(world, "backup");
        // The last figures are written when the agent ends.
        world.end_agent();
        let said = fs::read_to_string(&figures).unwrap();
        let value = |name: &str| -> u64 {
            let line = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("{name} is not in\n{said}")).parse().unwrap()
        };
        let serial = said.split("serial=\"").nth(1).unwrap().split('"').next().unwrap();
        let token = format!("token=\"a token\",serial=\"{serial}\"");
        let lines = fs::read_to_string(world.store().join("audit/audit.jsonl")).unwrap();
        assert_eq!(value("keystead_audit_lines_total"), lines.lines().count() as u64);
        assert_eq!(value("keystead_audit_lines_waiting"), 0);
        assert_eq!(value("keystead_store_writable"), 1);
        assert_eq!(value(&format!("keystead_material_versions{{{token}}}")), 2);
        assert_eq!(value(&format!("keystead_pin_wrong{{{token},pin=\"user\"}}")), 1);
        assert_eq!(value(&format!("keystead_pin_locked{{{token},pin=\"user\"}}")), 0);
        let backup = value("keystead_last_backup_timestamp_seconds");
        assert!(value("keystead_written_timestamp_seconds") - backup < 60);
        assert!(said.contains("keystead_info{version="), "{said}");
        // Another agent knows of the backup from the log.
        run(world, &["list"]);
        world.end_agent();
        let again = fs::read_to_string(&figures).unwrap();
        assert!(
            again.contains(&format!("keystead_last_backup_timestamp_seconds {backup}\n")),
            "{again}"
        );
        // And where the log stands, before anything is added to it.
        let lines = fs::read_to_string(world.store().join("audit/audit.jsonl")).unwrap();
        let stands = format!("keystead_audit_lines_total {}\n", lines.lines().count());
        assert!(again.contains(&stands), "{again}");
    });
}

#[test]
fn the_uses_of_a_key_are_told_before_and_when_its_deletion_is_scheduled() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Token(true), Attribute::Label("payroll".into())]);
        let shown = || run(world, &["show", "payroll"]);
        let said = shown();
        assert!(said.contains("deletion risk:") && said.contains("unused"), "{said}");
        assert!(said.contains("encrypt, decrypt"), "{said}");
        assert!(said.contains("check value:"), "{said}");
        for _ in 0..3 {
            token.encrypt(&Mechanism::AesCbcPad([0; 16]), key, b"text").unwrap();
        }
        token.logout().unwrap();
        let json: serde_json::Value =
            serde_json::from_str(&run(world, &["show", "payroll", "--json"])).unwrap();
        assert_eq!(json["uses_in_90_days"], 3);
        assert_eq!(json["deletion_risk"], "used");
        assert!(json["last_used"].as_str().unwrap().starts_with("20"));
        assert_eq!(json["sensitive"], true);
        assert_eq!(json["extractable"], false);
        let said = run(world, &["schedule-deletion", "payroll", "--days", "7"]);
        assert!(said.contains("used in the last 90 days: 3 times"), "{said}");
    });
}

// --- what the scenarios are made of ---

/// A directory on the way to which no other user can write, as `on_event` asks for; temporary ones are open to all.
struct Place(tempfile::TempDir);

impl Place {
    /// Makes one in the user's home as the system's database has it: `HOME` may be another user's. Where others can write
    /// there too, the scenario is skipped.
    fn new() -> Self {
        let own = rustix::process::geteuid().as_raw();
        let home = home_of(own).unwrap_or("/".into());
        match Way::to(&home).map(|way| way.open_to_others(own, false).cloned()) {
            Ok(None) => Self(tempfile::tempdir_in(home).unwrap()),
            Ok(Some(step)) => World::skip(&format!("others can write {}", step.path.display())),
            Err(error) => World::skip(&format!("{}: {error}", home.display())),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn hook(&self, text: &str) -> PathBuf {
        let file = self.path("hook");
        fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
        file
    }
}

/// Runs a command with a backup of the store's.
fn with_backup(world: &World, command: &str) {
    let (file, passphrase) = (world.path("backup"), world.path("passphrase"));
    fs::write(&passphrase, "correct horse battery").unwrap();
    let words =
        [command, file.to_str().unwrap(), "--passphrase-file", passphrase.to_str().unwrap()];
    let done = world.keystead(&words);
    assert!(done.status.success(), "{done:?}");
}

/// Returns the findings of `keystead doctor`.
fn doctor(world: &World) -> String {
    String::from_utf8(world.keystead(&["doctor"]).stdout).unwrap()
}

fn run(world: &World, arguments: &[&str]) -> String {
    let file = world.path("pin");
    fs::write(&file, USER_PIN).unwrap();
    let done = world.keystead(&[arguments, &["--pin-file", file.to_str().unwrap()]].concat());
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout).unwrap()
}
