//! An agent that is killed at any moment has kept what it acknowledged, and finishes what it began.
//!
//! The agent is this test program once more, in a process that can be killed.

use super::*;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

const DIRECTORY: &str = "KEYSTEAD_TEST_CRASH";
const ROUNDS: u64 = 12;
const CLIENTS: u8 = 4;

/// Not a test of its own: what the killed process runs.
#[test]
#[ignore = "run by the tests beside it"]
fn the_agent_that_is_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let Claim::Ours(lock) = claim(Path::new(&directory)).unwrap() else { panic!("served") };
    let options = Options { idle: Some(Duration::from_secs(60)), ..options() };
    let (_stop, stopped) = UnixStream::pair().unwrap();
    let clock = Arc::new(FixedClock::at(START));
    serve_until(&lock, &options, clock, &stopped, || {
        lock.listening().unwrap();
        println!("\nlistening");
    })
    .unwrap();
}

fn start(directory: &Path) -> Child {
    Cells::make(directory).unwrap();
    let this = "agent::tests::crash::the_agent_that_is_killed";
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", this, "--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "listening"), "the agent did not start");
    child
}

/// The last thing that a client did with a record, as far as it knows that it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Last {
    Put(u64),
    Removed,
    /// The answer was lost: this change, expected at that revision.
    Lost([u8; 16], Change),
}

type KnownKeys = Mutex<BTreeMap<Id, Last>>;

fn key_object(id: Id, expect: Expect) -> Change {
    let role = Role::Object { holds_key: true };
    let header = Header { private: true, role, expiry: None, tags: vec![Tag(META)] };
    let put = Some((header.encode().unwrap(), [SEALED, id.bytes()].concat()));
    Change { id, expect, event: Vec::new(), put, alias: None }
}

/// Creates records and removes every third of them until the agent is gone.
fn work(mut peer: Client, round: u64, client: u8, known: &KnownKeys, acknowledged: &dyn Fn()) {
    for number in 0u64.. {
        let id = Id::new(
            (u128::from(client) << 96 | u128::from(round) << 64 | u128::from(number)).to_be_bytes(),
        );
        let mut steps = vec![key_object(id, Expect::Absent)];
        if number % 3 == 0 {
            steps.push(removal(id, 1));
        }
        for change in steps {
            let name = random();
            let request =
                Request::Commit { token: TOKEN, changes: vec![change.clone()], change: name };
            let last = match peer.try_ask(&request) {
                Some(Response::Committed(revisions)) if revisions == [0] => Last::Removed,
                Some(Response::Committed(revisions)) => Last::Put(revisions[0]),
                Some(other) => panic!("{other:?}"),
                None => Last::Lost(name, change),
            };
            let lost = matches!(last, Last::Lost(..));
            known.lock().unwrap().insert(id, last);
            if lost {
                return;
            }
            acknowledged();
        }
    }
}

/// Sends what was lost again, and then looks whether everything is as the clients know it.
fn check(directory: &Path, known: &KnownKeys) {
    let mut peer = Client::user(directory);
    let mut known = known.lock().unwrap();
    for last in known.values_mut() {
        if let Last::Lost(name, change) = last.clone() {
            let revisions = peer.commit_as(name, vec![change]).unwrap();
            *last = if revisions == [0] { Last::Removed } else { Last::Put(revisions[0]) };
        }
    }
    let mut expected = Vec::new();
    for (id, last) in known.iter() {
        match (last, peer.read(*id)) {
            (Last::Put(revision), Some((stored, _))) => {
                assert_eq!(stored.revision, *revision);
                assert_eq!(stored.sealed, [SEALED, id.bytes()].concat());
                expected.push(*id);
            }
            (Last::Removed, None) => {}
            (last, found) => panic!("{id}: {last:?}, but {found:?}"),
        }
    }
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let request = Request::Find {
            token: TOKEN,
            alternatives: vec![vec![META]],
            now: 0,
            after,
            limit: 1000,
        };
        let Response::Found { ids, more } = peer.ask(request) else { panic!() };
        after = ids.last().copied();
        found.extend(ids);
        if !more {
            break;
        }
    }
    assert_eq!(found, expected, "the index knows what the records know");
}

#[test]
fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let known = KnownKeys::default();
    let mut agent = start(path);
    Client::connect(path).put_token(Expect::Absent, &entry(true)).unwrap();
    for round in 0..ROUNDS {
        let acknowledgements = u64::from(random()[0]) % 150;
        let (acknowledged, counted) = channel();
        std::thread::scope(|scope| {
            for client in 1..=CLIENTS {
                let (acknowledged, known) = (acknowledged.clone(), &known);
                let tell = move || {
                    let _counted_enough = acknowledged.send(());
                };
                let peer = Client::user(path);
                scope.spawn(move || work(peer, round, client, known, &tell));
            }
            for _ in 0..=acknowledgements {
                counted.recv().unwrap();
            }
            // Anywhere in the commits that are under way now.
            std::thread::sleep(Duration::from_micros(u64::from(random()[0]) * 8));
            agent.kill().unwrap();
            agent.wait().unwrap();
        });
        agent = start(path);
        check(path, &known);
    }
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert!(known.lock().unwrap().len() > 100);
}

#[test]
fn a_wrong_pin_is_counted_though_the_agent_is_killed_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut agent = start(directory.path());
    Client::connect(directory.path()).put_token(Expect::Absent, &entry(true)).unwrap();
    for count in 1..=3 {
        let wrong = Client::connect(directory.path()).login(false, b"wrong!");
        assert_eq!(reason(wrong), Reason::PinIncorrect);
        agent.kill().unwrap();
        agent.wait().unwrap();
        agent = start(directory.path());
        let Response::Tokens(tokens) = Client::connect(directory.path()).ask(Request::Tokens)
        else {
            panic!()
        };
        assert_eq!(tokens[0].wrong, (0, count));
    }
    agent.kill().unwrap();
    agent.wait().unwrap();
}
