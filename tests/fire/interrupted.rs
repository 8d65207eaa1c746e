//! A run that is interrupted: its seed was said, and nothing of it stays.

use crate::rig::process::{PATIENCE, agent_of, ends_within};
use crate::rig::world::eventually;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The program that is interrupted: it has several agents and clients.
const PROGRAM: &str = "crash::what_was_acknowledged_survives_the_kill_of_any_process_at_any_moment";

#[test]
fn a_run_that_is_interrupted_has_said_its_seed_and_leaves_nothing() {
    for signal in [Signal::INT, Signal::TERM] {
        let folder = tempfile::tempdir().unwrap();
        // A job in the background would ignore the one.
        let mut run = Command::new("env")
            .args(["--default-signal=INT,TERM"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", PROGRAM])
            .env("TMPDIR", folder.path())
            .env("KEYSTEAD_SEED", "7")
            .env_remove("KEYSTEAD_FIRE")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(run.stderr.take().unwrap()).read_line(&mut said).unwrap();
        assert!(said.starts_with("again: KEYSTEAD_SEED=7 cargo test "), "{said}");
        assert!(said.trim_end().ends_with(PROGRAM), "{said}");
        let mut agents = Vec::new();
        eventually("there are agents", || {
            agents = stores(folder.path()).iter().filter_map(|store| agent_of(store)).collect();
            agents.len() > 1
        });
        kill_process(Pid::from_child(&run), signal).unwrap();
        assert!(ends_within(Pid::from_child(&run), PATIENCE), "{signal:?}: it goes on");
        assert!(!run.wait().unwrap().success(), "{signal:?}: it passes for a run");
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(Result::unwrap).collect();
        assert!(left.is_empty(), "{signal:?}: {left:?}");
        assert!(
            agents.into_iter().all(|agent| ends_within(agent, PATIENCE)),
            "{signal:?}: an agent"
        );
    }
}

/// Returns the stores of all worlds in a folder.
fn stores(folder: &Path) -> Vec<PathBuf> {
    let folders = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let worlds = folders(folder);
    let stores = worlds.iter().flat_map(|world| folders(world));
    stores.map(|world| world.join("store")).filter(|store| store.join("lock").exists()).collect()
}
