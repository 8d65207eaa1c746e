//! `keystead agent`: becomes the one process that opens a store.
//!
//! `--detach` is what a module runs. It frees itself of whatever its starter left it and starts the
//! same program once more (`--detached`), in a session of its own; that one is the agent, and has
//! no parent but init once its starter has ended.

use super::directory;
use crate::{Failure, Global, serving};
use keystead::internal::agent::allowance;
use keystead::internal::agent::{
    Claim, Lock, Options, await_lock, check_unclaimed, claim_with_progress, listener, serve,
};
use keystead::internal::config::{Config, logging, trust};
use keystead::internal::error::Error;
use keystead::internal::presence;
use keystead::internal::sys;
use keystead::internal::wire::AgentLocation;
use keystead::internal::wire::start::{self, READY, WORKING};
use rustix::process::{DumpableBehavior, set_dumpable_behavior, setsid};
use rustix::stdio::{dup2_stderr, dup2_stdout};
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::net::UnixListener;
use std::time::Duration;

/// The time that an agent stays without a connection.
const IDLE: Duration = Duration::from_secs(30);

/// The time that a process may leave a connection idle that is not its last one.
const SPARE: Duration = Duration::from_secs(3);

/// The time that the disk may take over one sync before waiting callers are told.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Serve the store to this machine's programs
///
/// Programs start it by themselves when they need it, and it ends half a minute after the last of them, unless
/// an expiry lies ahead. It writes the line `ready` once it listens.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Leave the terminal, and return when the agent is ready
    #[arg(long)]
    detach: bool,
    /// Go on without connections, until a signal ends it: as a service, or in a container
    #[arg(long, conflicts_with = "detach")]
    stay: bool,
    /// Be the agent that `--detach` starts
    #[arg(long, hide = true, conflicts_with_all = ["detach", "stay"])]
    detached: bool,
    /// Make the store instead, where there is none, and end
    #[arg(long, hide = true, conflicts_with_all = ["detach", "detached", "stay"])]
    make: bool,
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        if self.detach || self.make {
            sys::close_inherited()?;
        }
        if self.in_background() {
            sys::reset_signals();
        }
        serving::make_files_private();
        let config = global.configuration()?;
        match self {
            Self { make: true, .. } => make(&config),
            Self { detach: true, .. } => detach(&config),
            _ => self.serve(&config),
        }
    }

    /// Returns whether another program started it, or it starts another.
    pub(crate) fn in_background(&self) -> bool {
        self.detach || self.detached || self.make
    }

    fn serve(&self, config: &Config) -> Result<(), Failure> {
        if self.detached {
            setsid().map_err(io::Error::from)?;
        }
        std::env::set_current_dir("/")?;
        allowance::lift_limits()?;
        // Before its files in /proc are root's.
        let kept = if self.detached { allowance::shed() } else { Vec::new() };
        sys::ignore_size_signal();
        set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(io::Error::from)?;
        logging::open_for_agent(config);
        kept.iter().for_each(|kept| log::warn!("{kept}"));
        presence::check(&config.directory)?;
        let group = config.group.as_deref().map(group).transpose()?;
        directory::prepare_all(config, group)?;
        if let Some(handed) = listener(&config.directory)? {
            let lock = await_lock(&config.directory)?;
            return self.be_agent(config, group, lock, Some(handed));
        }
        let working = self.working();
        match claim_with_progress(&config.directory, || working(None))? {
            Claim::Ours(lock) => self.be_agent(config, group, lock, None),
            Claim::Served if self.detached => Ok(announce()?),
            Claim::Served => Err(serving::in_use(&config.directory)),
        }
    }

    fn be_agent(
        &self,
        config: &Config,
        group: Option<u32>,
        lock: Lock,
        handed: Option<UnixListener>,
    ) -> Result<(), Failure> {
        let (lock, metrics) = (lock.with_records(config.store.clone()), config.metrics.clone());
        let grace = config.erase_grace();
        // Run otherwise, it has what it is meant to have.
        let (linger, makes_way) = (config.linger, self.detached);
        // Modules rely on a fleet's agent to learn what other hosts do.
        let ends = !self.stay && !config.store.is_shared();
        let (idle, spare, patience) = (ends.then_some(IDLE), SPARE, STALL_TIMEOUT);
        let on_event = config.on_event.clone().filter(|_| names_programs(config));
        let audit_syslog = config.audit_syslog.clone();
        let options = Options {
            linger,
            group,
            metrics,
            on_event,
            audit_syslog,
            grace,
            idle,
            spare,
            patience,
            offline_grace: Duration::from_secs(config.offline_grace),
            makes_way,
        };
        let working = self.working();
        Ok(serve(&lock, &options, handed, working, || {
            if let Err(error) = self.tell_starter() {
                log::warn!(
                    "the program that started the agent does not learn that it is ready: {error}"
                );
            }
        })?)
    }

    /// Tells the starter to wait, or why there is nothing to wait for.
    fn working(&self) -> impl Fn(Option<&Error>) + Send + use<> {
        let detached = self.detached;
        move |stalled| match stalled {
            _ if !detached => {}
            None => show_life(),
            Some(error) => {
                eprintln!("keystead: error: {error}");
                if let Err(error) = let_go_of_output() {
                    log::warn!("the program that started the agent still waits: {error}");
                }
            }
        }
    }

    fn tell_starter(&self) -> io::Result<()> {
        announce()?;
        if self.detached { let_go_of_output() } else { Ok(()) }
    }
}

/// Returns whether the configuration may name a program that is run as this user.
fn names_programs(config: &Config) -> bool {
    let checked = config.file.iter().try_for_each(|file| trust::check(file, "on_event"));
    if let Err(error) = &checked {
        log::error!("{error}");
    }
    checked.is_ok()
}

/// Makes the store, unless another process makes or serves it already.
fn make(config: &Config) -> Result<(), Failure> {
    presence::check_place(&config.directory)?;
    let group = config.group.as_deref().map(group).transpose()?;
    match presence::check(&config.directory).is_ok() {
        true => directory::prepare_all(config, group)?,
        false => {
            check_unclaimed(&config.directory, &config.store)?;
            directory::make_all(config, group)?;
        }
    }
    allowance::lift_limits()?;
    sys::ignore_size_signal();
    if let Claim::Ours(lock) = claim_with_progress(&config.directory, show_life)? {
        keystead::internal::agent::make(&lock.with_records(config.store.clone()))?;
    }
    Ok(announce()?)
}

fn detach(config: &Config) -> Result<(), Failure> {
    start::detached(&AgentLocation::of(config), &std::env::current_exe()?, show_life)?;
    Ok(announce()?)
}

fn show_life() {
    // A process that has gone meanwhile waits no more.
    let _unread = writeln!(io::stdout(), "{WORKING}");
}

fn announce() -> io::Result<()> {
    writeln!(io::stdout(), "{READY}")
}

/// The starter stops reading, and a terminal may go away.
fn let_go_of_output() -> io::Result<()> {
    let nothing = File::options().write(true).open("/dev/null")?;
    dup2_stdout(&nothing)?;
    Ok(dup2_stderr(&nothing)?)
}

/// A group by number or name.
pub(crate) fn group(name: &str) -> Result<u32, Failure> {
    let by_name = || sys::group_named(&CString::new(name).ok()?);
    let number = name.parse().ok().or_else(by_name);
    number.ok_or_else(|| {
        Failure::new(format_args!("group: there is no group {name:?}"))
            .hint("correct `group` in the configuration, or `groupadd` makes it")
    })
}
