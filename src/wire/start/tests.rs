//! Starting scripts in place of agents.

use super::{AgentLocation, Deadline, Duration, SILENCE_TIMEOUT};
use crate::error::Reason;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A store directory and a program that does what `script` says. A process of its own writes the
/// program: a descriptor for writing that a child of another test held would keep it from running.
fn location(script: &str) -> (tempfile::TempDir, AgentLocation) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("agent");
    let write = "printf '#!/bin/sh\n%s\n' \"$2\" > \"$1\" && chmod 700 \"$1\"";
    let mut shell = std::process::Command::new("sh");
    let written = shell.args(["-c", write, "sh"]).arg(&program).arg(script).status().unwrap();
    assert!(written.success());
    let directory = folder.path().join("store");
    (
        folder,
        AgentLocation { directory, program: Some(program), configuration: None, records: None },
    )
}

fn agent(location: &AgentLocation) -> crate::error::Result<()> {
    super::agent(location, &mut Deadline::new(SILENCE_TIMEOUT), || ())
}

fn failure(location: &AgentLocation) -> String {
    let error = agent(location).unwrap_err();
    assert_eq!(error.reason(), Reason::AgentAbsent);
    error.to_string()
}

#[test]
fn an_agent_that_says_ready_has_started() {
    let (_folder, location) = location("echo warming up; echo ready");
    agent(&location).unwrap();
}

#[test]
fn what_a_failing_agent_says_is_the_error() {
    let said = format!("keystead: error: {}: the disk is full", Reason::AgentAbsent.text());
    let (_folder, location) = location(&format!("echo \"{said}\" >&2; exit 1"));
    let text = failure(&location);
    assert_eq!(text, format!("{}: the disk is full", Reason::AgentAbsent.text()));
}

#[test]
fn the_hint_of_a_failing_agent_follows_what_failed() {
    let script = "echo 'keystead: error: others write' >&2; echo 'keystead: hint: chmod; now' >&2";
    let (_folder, location) = location(script);
    let text = failure(&location);
    assert_eq!(text, format!("{}: others write; chmod, now", Reason::AgentAbsent.text()));
}

#[test]
fn a_full_disk_is_told_from_other_reasons() {
    let said = Reason::StoreFull.detail("/store/db: No space left on device").to_string();
    let (_folder, location) = location(&format!("echo \"keystead: error: {said}\" >&2; exit 1"));
    let error = agent(&location).unwrap_err();
    assert_eq!((error.reason(), error.to_string()), (Reason::StoreFull, said));
}

#[test]
fn the_error_of_a_failing_agent_is_told_without_its_log() {
    let script = "echo 'WARN it is late' >&2; echo 'keystead: error: too late' >&2; exit 1";
    let (_folder, location) = location(script);
    assert_eq!(failure(&location), format!("{}: too late", Reason::AgentAbsent.text()));
}

#[test]
fn an_agent_that_is_killed_as_it_starts_is_started_again() {
    let script = "echo x >> $4.starts; test -s $4.there && echo ready; echo x > $4.there";
    let (folder, location) = location(script);
    agent(&location).unwrap();
    let starts = std::fs::read_to_string(folder.path().join("store.starts")).unwrap();
    assert_eq!(starts.lines().count(), 2);
}

#[test]
fn an_agent_that_says_nothing_is_named() {
    let (_folder, location) = location("exit 3");
    assert!(failure(&location).contains("agent ended without saying why"));
}

/// Runs a program with half a second's patience; returns its failure and the number of its signs of
/// life.
fn within_half_a_second(script: &str) -> (Option<String>, usize) {
    let (_folder, location) = location(script);
    let mut progress = 0;
    let mut deadline = Deadline::new(Duration::from_millis(500));
    let started = super::agent(&location, &mut deadline, || progress += 1);
    (started.err().map(|error| error.to_string()), progress)
}

#[test]
fn a_program_that_says_nothing_is_given_up_and_ended() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("process");
    let script = format!("echo $$ > {}; exec sleep 60", file.display());
    let (failed, progress) = within_half_a_second(&script);
    let failed = failed.unwrap();
    assert!(failed.ends_with("agent: it takes too long to start") && progress == 0, "{failed}");
    let process = std::fs::read_to_string(file).unwrap();
    assert!(!Path::new("/proc").join(process.trim()).exists(), "it is gone, no zombie either");
}

#[test]
fn a_program_that_works_is_waited_for() {
    let works = "for i in 1 2 3 4; do sleep 0.3; echo working; done; echo ready";
    assert_eq!(within_half_a_second(works), (None, 4));
    let (failed, progress) = within_half_a_second(&works.replace("ready", "no; exit 1"));
    assert!(failed.unwrap().ends_with(": no") && progress == 4);
}

#[test]
fn a_program_that_prints_rubbish_is_given_up_and_ended() {
    let (failed, progress) = within_half_a_second("trap '' PIPE; while :; do echo y; done");
    let failed = failed.unwrap();
    assert!(failed.contains(": y, y, y") && failed.ends_with('…') && progress == 0);
    let dribbles = "while :; do printf w; sleep 0.1; done";
    let (failed, _) = within_half_a_second(dribbles);
    assert!(failed.unwrap().contains("too long"));
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let (folder, mut location) = location("");
    location.program = Some(folder.path().join("nowhere"));
    assert!(failure(&location).contains("nowhere"));
}

#[test]
fn the_agent_gets_a_clean_environment_and_absolute_arguments() {
    let (folder, mut location) = location("{ env; pwd; echo \"$@\"; } > \"$4.out\"; echo ready");
    let file = folder.path().join("file.toml");
    std::fs::write(&file, "").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    location.configuration = Some(file.clone());
    agent(&location).unwrap();
    let seen = std::fs::read_to_string(folder.path().join("store.out")).unwrap();
    let store = location.directory.display();
    let arguments = format!("agent --detach --store {store} --config {}", file.display());
    assert!(seen.lines().any(|line| line == arguments), "{seen}");
    assert!(seen.lines().any(|line| line == "/"), "{seen}");
    assert!(!seen.contains("CARGO"), "{seen}");
}

#[test]
fn a_file_in_the_stores_place_is_refused() {
    let (folder, mut location) = location("echo ready");
    location.directory = folder.path().join("agent");
    assert!(failure(&location).contains("is not a directory"));
}
