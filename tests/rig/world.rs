//! The world of one scenario: a directory with a store, a configuration and a log.

use super::elsewhen::Elsewhen;
use super::ending::AtASignal;
use super::process::{Line, Other, PATIENCE, ends_within, kill_9};
use super::skip;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use keystead::internal::wire::AgentLocation;
use rustix::net::sockopt::socket_peercred;
use rustix::process::{Pid, Signal, kill_process};
use std::cell::RefCell;
use std::fs::{self, DirBuilder, File, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const DIRECTORY: &str = "KEYSTEAD_RIG_DIRECTORY";
const SCENARIO: &str = "KEYSTEAD_RIG_SCENARIO";
const ROLE: &str = "KEYSTEAD_RIG_ROLE";

/// The bytes of a disk below which what fails is likely to fail for want of room: a store asks for more.
const LOW: u64 = 16 << 20;

/// One scenario's world, as one of its processes sees it.
#[derive(Debug)]
pub struct World {
    directory: PathBuf,
    scenario: String,
    role: String,
    line: RefCell<Option<Line>>,
}

impl World {
    /// The world that the process which started this one has made, if it did.
    pub(super) fn inherited() -> Option<Self> {
        let read = |name| std::env::var(name).ok();
        let world = Self {
            directory: read(DIRECTORY)?.into(),
            scenario: read(SCENARIO)?,
            role: read(ROLE)?,
            line: RefCell::new(None),
        };
        if !world.role.is_empty() {
            let stream = UnixStream::connect(world.path(&world.role)).expect("the first process");
            *world.line.borrow_mut() = Some(Line::new(stream));
        }
        Some(world)
    }

    pub(super) fn new(scenario: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("keystead-rig.").tempdir().unwrap();
        Self::at(directory.keep(), scenario)
    }

    /// A world beside this one in its directory: the same scenario on another store.
    pub fn beside(&self, name: &str) -> Self {
        DirBuilder::new().mode(0o700).create(self.path(name)).unwrap();
        Self::at(self.path(name), &self.scenario)
    }

    fn at(directory: PathBuf, scenario: &str) -> Self {
        let world = Self {
            directory,
            scenario: scenario.to_owned(),
            role: String::new(),
            line: RefCell::new(None),
        };
        DirBuilder::new().mode(0o700).create(world.store()).unwrap();
        world.configure("");
        world
    }

    /// Ends the scenario that this process plays, as one that cannot be played here.
    pub fn skip(why: &str) -> ! {
        skip::skip(&std::env::var(SCENARIO).unwrap_or_default(), why);
        std::process::exit(0)
    }

    /// Goes on where a command is there. Where it is not, the scenario ends, and so can its agent, which the
    /// scenario may have stopped.
    pub fn needs(&self, command: &str) {
        if !skip::has_all(&self.scenario, &[command]) {
            if let Some(agent) = self.agent() {
                let _ended = kill_process(agent, Signal::CONT);
            }
            std::process::exit(0);
        }
    }

    /// A command of the system, if it is there; where it is not, the scenario is skipped.
    pub fn tool(&self, command: &str) -> Command {
        self.needs(command);
        Command::new(command)
    }

    /// Plays the scenario in a child, takes its world away and sees its agent end. A signal that ends this process
    /// ends all of it.
    pub(super) fn host(self, limit: Duration, environment: Vec<(&str, String)>) {
        let log = self.path("output");
        let output = File::create(&log).unwrap();
        let mut child = self
            .command("")
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let pid = Pid::from_child(&child);
        let directory = self.directory.clone();
        let at_a_signal = AtASignal::then(move || {
            let _ended_meanwhile = kill_process(pid, Signal::KILL);
            // Clients end with it, and agents with their store.
            take_away(&directory);
        })
        .unwrap();
        let ended = ends_within(pid, limit);
        if !ended {
            child.kill().unwrap();
        }
        let status = child.wait().unwrap();
        let said = indented(&fs::read_to_string(&log).unwrap_or_default());
        let agent = self.agent();
        let room = rustix::fs::statvfs(&self.directory).map(|disk| disk.f_bavail * disk.f_frsize);
        let full = match room {
            Ok(..LOW) => format!("\n{} is on a disk that is full", self.directory.display()),
            _ => String::new(),
        };
        take_away(&self.directory);
        drop(at_a_signal);
        assert!(ended, "the scenario hangs{full}\n{said}");
        assert!(status.success(), "{status}{full}\n{said}");
        print!("{said}");
        assert!(!said.contains("running 0 tests"), "there is no scenario {}", self.scenario);
        if let Some(agent) = agent {
            assert!(ends_within(agent, PATIENCE), "the agent outlives its store");
        }
    }

    /// This scenario again, as a process in that role.
    fn command(&self, role: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", &self.scenario, "--nocapture", "--test-threads=1", "--quiet"])
            .env(DIRECTORY, &self.directory)
            .env(SCENARIO, &self.scenario)
            .env(ROLE, role)
            .env("KEYSTEAD_CONF", self.path("config.toml"))
            .env_remove("KEYSTEAD_STORE");
        command
    }

    /// Replaces the configuration: where things are, then these lines.
    pub fn configure(&self, lines: &str) {
        let text = format!(
            "store = {:?}\nagent = {:?}\n{lines}\n",
            self.store(),
            env!("CARGO_BIN_EXE_keystead")
        );
        fs::write(self.path("config.toml"), text).unwrap();
        // A program that it names is run only where no other user can write it, whatever the umask is.
        fs::set_permissions(self.path("config.toml"), Permissions::from_mode(0o644)).unwrap();
    }

    /// A path in the scenario's directory.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.join(name)
    }

    /// Writes a file that only its owner can read, as a PIN's.
    pub fn secret(&self, name: impl AsRef<Path>, text: impl AsRef<[u8]>) -> PathBuf {
        let file = self.path(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        file
    }

    /// The store's directory.
    pub fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// Returns the store's place, and the command that starts an agent for it.
    pub fn location(&self) -> AgentLocation {
        AgentLocation {
            directory: self.store(),
            program: Some(env!("CARGO_BIN_EXE_keystead").into()),
            configuration: Some(self.path("config.toml")),
            records: None,
        }
    }

    /// Makes the store, which has no token then.
    pub fn make_store(&self) {
        let made = self.keystead(&["agent", "--make"]);
        assert!(made.status.success(), "{made:?}");
    }

    /// Returns the scenario's name, as libtest knows it.
    pub fn scenario(&self) -> &str {
        &self.scenario
    }

    /// Returns this process's role in the scenario; empty for the first.
    pub fn role(&self) -> &str {
        &self.role
    }

    /// The module, initialised. It is built beside the test program: `cargo test` renews that copy.
    pub fn module(&self) -> Pkcs11 {
        let module = self.loaded();
        module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
        module
    }

    /// The module, loaded only.
    pub fn loaded(&self) -> Pkcs11 {
        Pkcs11::new(std::env::current_exe().unwrap().with_file_name("libkeystead.so")).unwrap()
    }

    /// Starts this scenario once more, as another process in that role.
    pub fn start(&self, role: &str) -> Other {
        self.start_with(role, &[])
    }

    /// The same, under more of an environment.
    pub fn start_with(&self, role: &str, environment: &[(&str, &str)]) -> Other {
        let listener = UnixListener::bind(self.path(role)).unwrap();
        let child = self.command(role).envs(environment.iter().copied()).spawn().unwrap();
        let (stream, _) = listener.accept().unwrap();
        fs::remove_file(self.path(role)).unwrap();
        Other::new(role, child, stream)
    }

    /// Says one line to the process that started this one.
    pub fn tell(&self, text: &str) {
        self.line.borrow_mut().as_mut().expect("a role").tell(text);
    }

    /// Waits for a line from the process that started this one.
    pub fn hear(&self) -> String {
        self.line.borrow_mut().as_mut().expect("a role").hear()
    }

    /// The process that answers on the store's socket, if one does.
    pub fn agent(&self) -> Option<Pid> {
        let stream = UnixStream::connect(self.store().join("agent.sock")).ok()?;
        Some(socket_peercred(stream).ok()?.pid)
    }

    /// Kills the agent that answers at the moment.
    pub fn kill_agent(&self) {
        kill_9(self.agent().expect("an agent answers"));
    }

    /// Tells the agent to end, as a service manager does, and waits until it has.
    pub fn end_agent(&self) {
        let agent = self.agent().expect("an agent answers");
        kill_process(agent, Signal::TERM).unwrap();
        assert!(ends_within(agent, PATIENCE), "the agent stays");
    }

    /// An agent that lives at another time, of a new store where there is none. It is to be waited for
    /// once it has ended.
    pub fn agent_at(&self, time: &Elsewhen) -> Child {
        let store = self.store();
        if !store.join("slots").exists() {
            self.make_store();
        }
        let agent = self
            .keystead_command(&["agent", "--store", store.to_str().unwrap()])
            .envs(time.borrowed())
            .spawn()
            .unwrap();
        eventually("the agent answers", || self.agent().is_some());
        agent
    }

    /// The `keystead` program on this world's store.
    pub fn keystead(&self, arguments: &[&str]) -> std::process::Output {
        self.keystead_command(arguments).output().unwrap()
    }

    /// The same, not yet started.
    pub fn keystead_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keystead"));
        command
            .args(arguments)
            .env("KEYSTEAD_CONF", self.path("config.toml"))
            .env_remove("KEYSTEAD_STORE")
            .stdin(Stdio::null());
        command
    }
}

/// Takes a world away, in which an agent may still be writing.
fn take_away(directory: &Path) {
    eventually("the world ends", || {
        let _not_yet = fs::remove_dir_all(directory);
        !directory.exists()
    });
}

/// The child's output as part of the parent's: its own counts of tests must not look like the
/// parent's.
fn indented(text: &str) -> String {
    text.lines().filter(|line| !line.is_empty()).map(|line| format!("  | {line}\n")).collect()
}

/// Seconds since 1970 UTC.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Lets the clock reach that second.
pub fn until(second: u64) {
    let moment = UNIX_EPOCH + Duration::from_secs(second);
    while let Ok(left) = moment.duration_since(SystemTime::now()) {
        // The clock may be slewed: look again.
        std::thread::sleep(left.max(Duration::from_millis(1)));
    }
}

/// Asks until the answer is yes, for what another process does in its own time.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
