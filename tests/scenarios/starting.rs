//! An agent is there when it is needed: once for all who ask, whatever became of the last one.

use crate::rig::process::{PATIENCE, ends_within, kill_9};
use crate::rig::{World, play};
use keystead::internal::wire::{AgentLocation, Link, Request, Response, page};
use rustix::process::{Signal, getsid};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

#[test]
fn programs_that_ask_at_once_start_one_agent() {
    play(|world| {
        world.make_store();
        let ask = || world.keystead_command(&["sweep"]).stderr(Stdio::piped()).spawn().unwrap();
        let asking: Vec<_> = (0..8).map(|_| ask()).collect();
        for program in asking {
            succeeds(&program.wait_with_output().unwrap());
        }
        assert_eq!(starts(world), 1);
    });
}

#[test]
fn threads_that_ask_at_once_start_one_agent() {
    play(|world| {
        let link = link(world);
        std::thread::scope(|scope| {
            (0..8).for_each(|_| drop(scope.spawn(|| sweep(&link))));
        });
        assert_eq!(starts(world), 1);
    });
}

#[test]
fn a_killed_agent_is_replaced_within_the_next_question() {
    play(|world| {
        let link = link(world);
        sweep(&link);
        let store = link.store().unwrap();
        let page = link.page().unwrap();
        for before in 1..4 {
            let seen = page.record(store.0);
            world.kill_agent();
            sweep(&link);
            assert_eq!(starts(world), before + 1);
            assert_ne!(page.record(store.0), seen, "nothing kept from before holds");
        }
        assert_eq!(link.store().unwrap(), store, "it is the same store");
    });
}

/// Of several the quickest, so that what else the machine does counts little: a start that waits for a
/// clock (a second for a starter to end, four for a lock) is never this quick.
#[test]
fn the_next_call_after_a_kill_waits_for_no_clock() {
    play(|world| {
        let link = link(world);
        sweep(&link);
        let replaced = || {
            world.kill_agent();
            let began = Instant::now();
            sweep(&link);
            began.elapsed()
        };
        let quickest = (0..6).map(|_| replaced()).min().unwrap();
        assert!(quickest < Duration::from_millis(900), "{quickest:?}");
    });
}

#[test]
fn an_agent_killed_under_many_callers_costs_none_of_them_an_answer() {
    play(|world| {
        let link = link(world);
        sweep(&link);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..200).for_each(|_| sweep(&link)));
            }
            (0..2).for_each(|_| world.agent().into_iter().for_each(kill_9));
        });
    });
}

#[test]
fn the_agent_is_nobodys_child_and_has_a_session_of_its_own() {
    play(|world| {
        let link = link(world);
        sweep(&link);
        assert_eq!(children(), "", "while it runs");
        let agent = world.agent().unwrap();
        assert_eq!(getsid(Some(agent)).unwrap(), agent);
        kill_9(agent);
        assert_eq!(children(), "", "after it ended");
    });
}

#[test]
fn the_agent_keeps_nothing_of_its_starters_open() {
    play(|world| {
        // Unlike the standard library's, these are inherited.
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        sweep(&link(world));
        drop(writer);
        let mut rest = Vec::new();
        File::from(reader).read_to_end(&mut rest).unwrap();
        assert!(world.agent().is_some(), "it runs, and the pipe is closed all the same");
    });
}

#[test]
fn a_program_that_ignores_its_children_gets_its_agent() {
    play(|world| {
        world.make_store();
        let ignoring = |program: &[&str]| {
            let mut env = world.tool("env");
            env.arg("--ignore-signal=CHLD").args(program);
            env.env("KEYSTEAD_CONF", world.path("config.toml")).output().unwrap()
        };
        let status = ignoring(&["cat", "/proc/self/status"]).stdout;
        assert!(ignored(&String::from_utf8(status).unwrap()).contains(&Signal::CHILD.as_raw()));
        succeeds(&ignoring(&[env!("CARGO_BIN_EXE_keystead"), "sweep"]));
        let agent = world.agent().unwrap().as_raw_nonzero();
        let status = fs::read_to_string(format!("/proc/{agent}/status")).unwrap();
        // As in every Rust program, and so that a limit of files' size is an error rather than an end.
        assert_eq!(ignored(&status), [Signal::PIPE, Signal::XFSZ].map(Signal::as_raw));
    });
}

/// The signals that a process ignores, as its status has them; not those that the C library keeps.
fn ignored(status: &str) -> Vec<i32> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
    let mask = u64::from_str_radix(mask, 16).unwrap();
    (1..32).filter(|signal| mask & 1 << (signal - 1) != 0).collect()
}

/// Has a world's records lie apart from the agent's own directory, and returns where.
pub(crate) fn records_apart(world: &World) -> PathBuf {
    let (records, program) = (world.path("records"), env!("CARGO_BIN_EXE_keystead"));
    let text = format!(
        "store = {records:?}\nagent_directory = {:?}\nagent = {program:?}\n",
        world.store()
    );
    fs::write(world.path("config.toml"), text).unwrap();
    records
}

#[test]
fn records_lie_apart_from_the_agents_files_where_the_configuration_says_so() {
    play(|world| {
        let records = records_apart(world);
        let token = world.token();
        world.end_agent();
        assert_eq!(token.module.get_token_info(token.slot).unwrap().label(), "a token");
        for (name, is_a_record) in [("db", true), ("slots", false), ("audit", false)] {
            assert_eq!(records.join(name).exists(), is_a_record, "{name}");
            assert_eq!(world.store().join(name).exists(), !is_a_record, "{name}");
        }
        succeeds(&world.keystead(&["sweep", "--store", records.to_str().unwrap()]));
        // Another agent's directory does not make these records a new store's.
        world.end_agent();
        let text = format!("store = {records:?}\nagent_directory = {:?}\n", world.path("other"));
        fs::write(world.path("other.toml"), text).unwrap();
        let other = world.path("other.toml");
        let made = world.keystead(&["agent", "--make", "--config", other.to_str().unwrap()]);
        let said = String::from_utf8(made.stderr).unwrap();
        assert!(!made.status.success() && said.contains("has the records of a store"), "{said}");
    });
}

#[test]
fn an_agent_ends_when_the_records_that_lie_apart_are_removed() {
    play(|world| {
        let records = records_apart(world);
        let token = world.token();
        let agent = world.agent().unwrap();
        fs::remove_dir_all(&records).unwrap();
        assert!(ends_within(agent, PATIENCE), "the agent serves records that are gone");
        assert!(token.module.get_token_info(token.slot).is_err());
        assert!(!records.join("db").exists(), "an empty store has taken its place");
    });
}

#[test]
fn a_store_under_a_very_long_path_is_served() {
    play(|world| {
        let deep = world.path("d".repeat(200));
        let location = AgentLocation { directory: deep, ..world.location() };
        Link::new(location.clone()).make_store().unwrap();
        sweep(&Link::new(location.clone()));
        sweep(&Link::new(location.clone()));
        assert_eq!(page::starts(&location.directory).unwrap(), 1);
    });
}

#[test]
fn a_store_that_disappears_under_its_users_is_not_made_anew() {
    play(|world| {
        let link = link(world);
        sweep(&link);
        let agent = world.agent().unwrap();
        fs::rename(world.store(), world.path("elsewhere")).unwrap();
        assert!(ends_within(agent, PATIENCE), "the agent stays without a store");
        let error = link.ask(&Request::Sweep).unwrap_err();
        assert!(
            error.to_string().contains("held one when this process began to use it"),
            "{error}"
        );
        assert!(!world.store().exists());
    });
}

#[test]
fn an_agent_that_cannot_start_says_why() {
    play(|world| {
        world.make_store();
        fs::set_permissions(world.store(), fs::Permissions::from_mode(0o777)).unwrap();
        let said = fails(&world.keystead(&["sweep"]));
        assert!(said.starts_with("keystead: error: the agent cannot be reached or started: "));
        assert!(said.contains("others than its owner can write in"), "{said}");
        assert_eq!(said.matches("cannot be reached").count(), 1, "{said}");
    });
}

#[test]
fn a_damaged_page_is_named_and_replaced_only_by_hand() {
    play(|world| {
        sweep(&link(world));
        world.kill_agent();
        let file = world.store().join("generations");
        File::options().write(true).open(&file).unwrap().set_len(10).unwrap();
        let said = fails(&world.keystead(&["sweep"]));
        assert!(said.contains("generations: it has 10 bytes instead of 36864"), "{said}");
        assert_eq!(file.metadata().unwrap().len(), 10);
        assert!(said.contains("remove this file, which the next agent makes anew"), "{said}");
        fs::remove_file(&file).unwrap();
        succeeds(&world.keystead(&["sweep"]));
    });
}

#[test]
fn a_lock_that_is_a_link_is_not_followed() {
    play(|world| {
        let elsewhere = world.path("elsewhere");
        world.make_store();
        fs::remove_file(world.store().join("lock")).unwrap();
        symlink(&elsewhere, world.store().join("lock")).unwrap();
        fails(&world.keystead(&["sweep"]));
        assert!(!elsewhere.exists());
    });
}

#[test]
fn a_second_agent_in_the_foreground_leaves() {
    play(|world| {
        sweep(&link(world));
        let said = fails(&world.keystead(&["agent"]));
        assert!(said.contains("an agent serves"), "{said}");
        succeeds(&world.keystead(&["agent", "--detach"]));
        assert_eq!(starts(world), 1);
    });
}

#[test]
fn an_unknown_key_in_the_configuration_is_named() {
    play(|world| {
        world.configure("lingre = true");
        let said = fails(&world.keystead(&["sweep"]));
        assert!(said.contains("config.toml, line 3: unknown field `lingre`"), "{said}");
        assert!(said.contains("keystead: hint: "), "{said}");
    });
}

/// To the agent of a new store.
fn link(world: &World) -> Link {
    let link = Link::new(world.location());
    link.make_store().unwrap();
    link
}

fn starts(world: &World) -> u64 {
    page::starts(&world.store()).unwrap()
}

fn sweep(link: &Link) {
    assert!(matches!(link.ask(&Request::Sweep).unwrap(), Response::Swept { .. }));
}

fn succeeds(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
}

/// Returns the message of a program that must fail.
fn fails(output: &Output) -> String {
    assert!(matches!(output.status.code(), Some(1 | 7)), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// This process's children, zombies among them.
fn children() -> String {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    threads
        .map(|thread| fs::read_to_string(thread.unwrap().path().join("children")).unwrap())
        .collect()
}
