//! Starting the agent from inside another program's process: who may, which program, and how to learn
//! whether it worked without leaving the host a child, a descriptor or a signal handler.
//!
//! The module runs `keystead agent --detach`, which starts the real agent in a session of its own and
//! ends at once. Both write to one pipe: the agent the line [`READY`] once it serves, [`WORKING`] as long
//! as it opens the store, or else whatever a person should read.

use super::deadline::{Deadline, SILENCE_TIMEOUT};
use crate::config::{Config, Location, logging, trust};
use crate::error::{Error, Reason, Result};
use crate::installed;
use crate::presence::by_owner;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The line that the agent writes once it serves.
pub const READY: &str = "ready";

/// The line that it writes every now and then as a sign of life before that.
pub const WORKING: &str = "working";

/// The option by which an agent knows that it is to leave its starter's session.
pub(crate) const DETACHED: &str = "--detached";

/// The option by which the program makes a store instead of serving one.
pub(crate) const MAKE: &str = "--make";

/// The number of starts of an agent that ends without a word.
const STARTS: usize = 3;

/// The most that is read of what a failing agent says, in bytes.
const REPORT: usize = 4096;

/// The most that is repeated of it, in characters.
const MOST_SHOWN: usize = 600;

/// The time that a program may take to end after it has said that it is ready, or that it is not.
const EXIT_TIMEOUT: Duration = Duration::from_secs(1);

/// The directory of a store, and the program that serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentLocation {
    /// The agent's directory, absolute.
    pub directory: PathBuf,
    /// The place of the records, where it is another.
    pub records: Option<Location>,
    /// The program to run as agent, absolute; where none is given, the one that is installed.
    pub program: Option<PathBuf>,
    /// The configuration file the agent is to read, absolute; none: the defaults hold.
    pub configuration: Option<PathBuf>,
}

impl AgentLocation {
    /// The location that a configuration names.
    pub fn of(config: &Config) -> Self {
        let (directory, program) = (config.directory.clone(), config.agent.clone());
        let records = Some(config.store.clone()).filter(|it| it.local() != Some(&directory));
        Self { directory, records, program, configuration: config.file.clone() }
    }
}

/// Starts the agent and returns when it answers, or another does; `progress` is called at each sign
/// of life. Fails with what the agent said, as [`Reason::StoreFull`], [`Reason::StoreAbsent`],
/// [`Reason::StoreUnavailable`] or else [`Reason::AgentAbsent`].
pub(crate) fn agent(
    location: &AgentLocation,
    deadline: &mut Deadline,
    progress: impl FnMut(),
) -> Result<()> {
    run(location, "--detach", deadline, progress)
}

/// Makes a store where there is none. Fails like [`agent`].
pub(crate) fn make(
    location: &AgentLocation,
    deadline: &mut Deadline,
    progress: impl FnMut(),
) -> Result<()> {
    run(location, MAKE, deadline, progress)
}

fn run(
    location: &AgentLocation,
    mode: &str,
    deadline: &mut Deadline,
    progress: impl FnMut(),
) -> Result<()> {
    check_owner(&location.directory, mode)?;
    let program = program(location)?;
    let (mut child, said) = speaking(location, &program, mode, deadline, progress)?;
    let done = judge(said, &program);
    part(&mut child, done.is_ok());
    done
}

/// Starts the agent in a session of its own, which this process leaves behind, and returns when it
/// answers (`keystead agent --detach`).
pub fn detached(location: &AgentLocation, program: &Path, progress: impl FnMut()) -> Result<()> {
    let mut deadline = Deadline::new(SILENCE_TIMEOUT);
    let (_left_behind, said) = speaking(location, program, DETACHED, &mut deadline, progress)?;
    judge(said, program)
}

/// Runs the program, and again where it ends without a word, as one does that is killed.
fn speaking(
    location: &AgentLocation,
    program: &Path,
    mode: &str,
    deadline: &mut Deadline,
    mut progress: impl FnMut(),
) -> Result<(Child, io::Result<String>)> {
    for _ in 1..STARTS {
        let (mut child, said) = launch(location, program, mode, deadline, &mut progress)?;
        if !said.as_ref().is_ok_and(String::is_empty) {
            return Ok((child, said));
        }
        part(&mut child, false);
    }
    launch(location, program, mode, deadline, progress)
}

/// Runs the program and collects what it says until it is ready or has ended.
fn launch(
    location: &AgentLocation,
    program: &Path,
    mode: &str,
    deadline: &mut Deadline,
    progress: impl FnMut(),
) -> Result<(Child, io::Result<String>)> {
    let (report, sender) = io::pipe().map_err(absent)?;
    let child = command(location, program, mode, sender).and_then(|mut command| command.spawn());
    let child = child.map_err(|error| not_run(location, program, &error))?;
    Ok((child, read_report(report.into(), deadline, progress)))
}

/// Sees the end of the starting process, which comes as soon as the agent runs, so that the host keeps no
/// zombie. One that has said something else, or nothing, is ended. Where the host waits for all children,
/// or ignores their end, it is gone already, which is as good.
fn part(child: &mut Child, well: bool) {
    let process = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let process = process.and_then(|process| pidfd_open(process, PidfdFlags::empty()).ok());
    if let (Some(process), Ok(None)) = (process, child.try_wait()) {
        let ended = || wait_readable(&process, Instant::now() + EXIT_TIMEOUT).is_ok();
        if !well || !ended() {
            // It may have ended by itself meanwhile.
            let _gone = pidfd_send_signal(&process, Signal::KILL);
            let _ended = ended();
        }
    }
    let _reaped = child.try_wait();
}

fn judge(said: io::Result<String>, program: &Path) -> Result<()> {
    match said {
        Ok(said) if is_ready(&said) => Ok(()),
        Ok(said) => Err(refusal(&explain(&said, program))),
        Err(error) => Err(absent(format_args!("{}: {error}", program.display()))),
    }
}

/// Tells a full disk, one that does not answer, and a store that is not there from every other reason:
/// callers can do something about it.
fn refusal(said: &str) -> Error {
    let told = |reason: &Reason| Some((*reason, said.strip_prefix(reason.text())?));
    match [Reason::StoreFull, Reason::StoreAbsent, Reason::StoreUnavailable].iter().find_map(told) {
        Some((reason, detail)) => reason.detail(detail.trim_start_matches(": ")),
        None => absent(said),
    }
}

/// Fails where the store is another user's: that one's agent would make files that the owner cannot use.
fn check_owner(directory: &Path, mode: &str) -> Result<()> {
    let user = rustix::process::geteuid().as_raw();
    match std::fs::metadata(directory) {
        Ok(folder) if !folder.is_dir() => {
            Err(absent(format_args!("{} is not a directory", directory.display())))
        }
        Ok(folder) if folder.uid() != user => {
            let command =
                if mode == MAKE { "keystead init LABEL" } else { "keystead agent --stay" };
            Err(absent(format_args!(
                "no agent serves {}; only the store's owner can start it: `{}`, or systemd by its units, \
                 `systemctl enable --now keystead.socket`",
                directory.display(),
                by_owner(command, folder.uid())
            )))
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(absent(format_args!("{}: {error}", directory.display()))),
    }
}

/// Returns the program, an absolute path. One that the configuration names is run only where no other user has written
/// that.
fn program(location: &AgentLocation) -> Result<PathBuf> {
    if let (Some(_), Some(configuration)) = (&location.program, &location.configuration) {
        trust::check(configuration, "agent")?;
    }
    let found = || {
        installed::program().map_err(|missing| {
            absent(format_args!(
                "{missing}, and the configuration names none (agent = \"/…/keystead\")"
            ))
        })
    };
    location.program.clone().map_or_else(found, Ok)
}

fn command(
    location: &AgentLocation,
    program: &Path,
    mode: &str,
    report: io::PipeWriter,
) -> io::Result<Command> {
    // An empty file, so that the agent does not find another than its module did.
    let nothing = Path::new("/dev/null");
    let mut command = Command::new(program);
    command.arg("agent").arg(mode).arg("--store");
    match &location.records {
        Some(records) => command.arg(records.to_string()),
        None => command.arg(&location.directory),
    };
    command.arg("--config").arg(location.configuration.as_deref().unwrap_or(nothing));
    command.env_clear().envs(logging::for_agent()).current_dir("/");
    command.stdin(Stdio::null()).stdout(report.try_clone()?).stderr(report);
    Ok(command)
}

/// Everything up to the line that says ready, or to the end, without the signs of life.
fn read_report(
    pipe: OwnedFd,
    deadline: &mut Deadline,
    mut progress: impl FnMut(),
) -> io::Result<String> {
    let mut pipe = File::from(pipe);
    let (mut said, mut chunk) = (Vec::new(), [0; 512]);
    while said.len() < REPORT && !is_ready(&String::from_utf8_lossy(&said)) {
        wait_readable(&pipe, deadline.end())?;
        match pipe.read(&mut chunk)? {
            0 => break,
            read => said.extend_from_slice(chunk.get(..read).unwrap_or_default()),
        }
        if take_signs_of_life(&mut said) {
            deadline.renew();
            progress();
        }
    }
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// Takes whole lines out that only say that the agent works. Whether there were any.
fn take_signs_of_life(said: &mut Vec<u8>) -> bool {
    let sign = |line: &&[u8]| *line == format!("{WORKING}\n").as_bytes();
    let (signs, rest): (Vec<&[u8]>, Vec<&[u8]>) =
        said.split_inclusive(|byte| *byte == b'\n').partition(sign);
    let any = !signs.is_empty();
    if any {
        *said = rest.concat();
    }
    any
}

fn wait_readable(file: impl AsFd, deadline: Instant) -> io::Result<()> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&file, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Err(io::Error::new(ErrorKind::TimedOut, "it takes too long to start")),
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn is_ready(said: &str) -> bool {
    said.lines().any(|line| line == READY)
}

/// Repeats what an agent said, as the end of this sentence, its hint last: it repeats the beginning where
/// it was told by the one it started in turn. Where it has said what its error is, its log is left out.
fn explain(said: &str, program: &Path) -> String {
    const ERROR: &str = "keystead: error: ";
    let hint = |line| str::strip_prefix(line, "keystead: hint: ");
    let hints: String = said
        .lines()
        .filter_map(hint)
        // The last semicolon parts what failed from the hint.
        .map(|hint| format!("; {}", hint.replace("; ", ", ")))
        .collect();
    let is_error = |line: &&str| line.starts_with(ERROR);
    let told = said.lines().any(|line| is_error(&line));
    let lines = said.lines().filter(|line| hint(line).is_none() && (!told || is_error(line)));
    let plain = |line| {
        let error = str::trim_start_matches(line, ERROR);
        let detail = error.strip_prefix(Reason::AgentAbsent.text());
        detail.and_then(|detail| detail.strip_prefix(": ")).unwrap_or(error)
    };
    match lines.map(plain).collect::<Vec<_>>().join(", ") {
        said if said.is_empty() => format!("{} ended without saying why", program.display()),
        said => shown(&said) + &hints,
    }
}

/// Returns a program's words, which may be any program's, so that they can stand in a line of a log.
fn shown(said: &str) -> String {
    let plain = |it: char| if it.is_control() { '?' } else { it };
    let mut shown: String = said.chars().take(MOST_SHOWN).map(plain).collect();
    if shown.len() < said.len() {
        shown.push('…');
    }
    shown
}

/// The error of a program that does not run, with what helps where it is not the one that it should be.
fn not_run(location: &AgentLocation, program: &Path, error: &io::Error) -> Error {
    let cure = match (error.kind(), &location.program) {
        (ErrorKind::NotFound | ErrorKind::PermissionDenied, Some(_)) => {
            "; correct `agent` in the configuration, which names this program"
        }
        (ErrorKind::NotFound | ErrorKind::PermissionDenied, None) => {
            "; install the program as a package does, or name it by `agent` in the configuration"
        }
        _ => "",
    };
    absent(format_args!("{}: {error}{cure}", program.display()))
}

fn absent(why: impl std::fmt::Display) -> Error {
    Reason::AgentAbsent.detail(why)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
