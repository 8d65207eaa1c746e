//! The life of an agent: open, serve, sweep when something is due, end when nobody needs it, when it
//! is told to, when its store is gone or has failed.

use super::audit::Asker;
use super::bell::Bell;
use super::commit::{Job, Work, Writer};
use super::outlook::Outlook;
use super::place::{self, Watch};
use super::recover::{self, open_or_rescue};
use super::server::{Access, Server};
use super::shelf::Shelf;
use super::sweep::next_due;
use super::tickets::Tickets;
use super::{Lock, Options};
use crate::clock::{Clock, Seconds, SystemClock};
use crate::error::{Error, Reason, Result};
use crate::wire::message::STORE_FORMAT;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long to wait before a sweep that could not be done is tried again.
const AGAIN: Duration = Duration::from_secs(60);

/// How often an agent that serves a snapshot for want of room looks whether there is some.
const ROOM: Duration = Duration::from_secs(5);

/// How often a snapshot is made while the store changes.
const SNAPSHOTS: Duration = Duration::from_secs(60);

/// Opens the store, calls `ready` when the socket listens, and serves until it is idle for long enough,
/// a signal (`SIGTERM`, `SIGINT`) ends it or the directory is gone. Fails where the store cannot be
/// opened, and at once after the first failure of the store. A socket that was `handed` over is used,
/// and left to whoever made it.
pub fn serve(
    lock: &Lock,
    options: &Options,
    handed: Option<UnixListener>,
    ready: impl FnOnce(),
) -> Result<()> {
    let stop = on_signals().map_err(|error| Reason::General.detail(error))?;
    run(lock, options, (Arc::new(SystemClock), handed), stop.as_fd(), ready)
}

/// The same by any clock, until `stop` is readable.
pub fn serve_until(
    lock: &Lock,
    options: &Options,
    clock: Arc<dyn Clock>,
    stop: impl AsFd,
    ready: impl FnOnce(),
) -> Result<()> {
    run(lock, options, (clock, None), stop.as_fd(), ready)
}

fn run(
    lock: &Lock,
    options: &Options,
    (clock, handed): (Arc<dyn Clock>, Option<UnixListener>),
    stop: BorrowedFd<'_>,
    ready: impl FnOnce(),
) -> Result<()> {
    let (directory, mut handed) = (lock.directory(), handed);
    let keeps_socket = handed.is_some();
    let open = |listener: &mut Option<UnixListener>| {
        let mut open = || Agent::open(directory, options, Arc::clone(&clock), listener);
        match open() {
            Err(error)
                if error.reason() == Reason::StoreDamaged && !recover::is_doubted(directory) =>
            {
                log::error!("{error}");
                recover::doubt(directory);
                open()
            }
            opened => opened,
        }
    };
    let mut agent = open(&mut handed)?;
    log_start(&agent, directory, options);
    ready();
    let mut ended = agent.serve(options, stop);
    while ended == Ended::RoomAgain {
        log::info!("{}: there may be room again: it is opened anew", directory.display());
        // Whoever calls meanwhile waits at the same socket.
        let mut listener = Some(agent.listener.try_clone().map_err(absent)?);
        agent.close()?;
        agent = open(&mut listener)?;
        ended = agent.serve(options, stop);
    }
    let level = if ended == Ended::StoreFailed { log::Level::Error } else { log::Level::Info };
    log::log!(level, "the agent of {} ends: {}", directory.display(), ended.why());
    if ended == Ended::StoreGone {
        agent.abandon();
        return Ok(());
    }
    if ended != Ended::StoreFailed {
        agent.outlook.look_back(&agent.shelf);
    }
    // Whoever comes now starts the next agent, which waits for the lock.
    if !keeps_socket {
        place::unlink(directory).map_err(absent)?;
    }
    let closed = agent.close();
    if ended != Ended::StoreFailed {
        return closed;
    }
    recover::doubt(directory);
    closed.and_then(|()| {
        let told = format_args!("{}: the log says what failed", directory.display());
        Err(Reason::StoreDamaged.detail(told))
    })
}

fn log_start(agent: &Agent, directory: &Path, options: &Options) {
    let (store, incarnation) = agent.shelf.slots.identity();
    log::info!(
        "the agent starts: keystead {}, store {store} (format {STORE_FORMAT}, incarnation {incarnation}) \
         in {}, process {}, {}{}",
        env!("CARGO_PKG_VERSION"),
        directory.display(),
        std::process::id(),
        if agent.shelf.writable { "writable" } else { "its snapshot, which can only be read" },
        options.group.map(|group| format!(", for group {group}")).unwrap_or_default(),
    );
}

fn on_signals() -> std::io::Result<UnixStream> {
    let (stop, sender) = UnixStream::pair()?;
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::low_level::pipe::register(signal, sender.try_clone()?)?;
    }
    Ok(stop)
}

/// Why an agent stops serving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Idle,
    Told,
    StoreGone,
    StoreFailed,
    /// What could not be opened for want of room can perhaps be opened now.
    RoomAgain,
}

impl Ended {
    fn why(self) -> &'static str {
        match self {
            Self::Idle => "nobody needs it",
            Self::Told => "a signal told it to",
            Self::StoreGone => "its directory is gone",
            Self::StoreFailed => "the store failed",
            Self::RoomAgain => "there may be room again",
        }
    }
}

struct Agent {
    shelf: Arc<Shelf>,
    server: Server,
    listener: UnixListener,
    jobs: Sender<Job>,
    writer: JoinHandle<Result<()>>,
    bell: Arc<Bell>,
    watch: Watch,
    timer: Timer,
    outlook: Outlook,
    grace: Seconds,
    /// Whether the file system had no room when the agent began, and when that was.
    lacked_room: bool,
    began: Instant,
    /// When a snapshot was asked for.
    kept: Instant,
    /// Since when nobody has been connected and nothing was due.
    alone: Option<Instant>,
}

impl Agent {
    fn open(
        directory: &Path,
        options: &Options,
        clock: Arc<dyn Clock>,
        handed: &mut Option<UnixListener>,
    ) -> Result<Self> {
        let owner = directory.metadata().map_err(absent)?.uid();
        let shelf = Arc::new(open_or_rescue(directory, clock)?);
        let seen = shelf.seen_before();
        let bell = Arc::new(Bell::new().map_err(absent)?);
        let (jobs, writer) = start_writer(&shelf, &bell, options.grace)?;
        if let Some(group) = options.group {
            shelf.page.share(group).map_err(absent)?;
        }
        let access = Access { owner, group: options.group.is_some() };
        let tickets = Tickets::open(directory)?;
        let server = Server::new(Arc::clone(&shelf), tickets, access, Arc::clone(&bell));
        let timer = Timer::new().map_err(absent)?;
        let listener = match handed.take() {
            Some(listener) => listener,
            None => place::listen(directory, options.group)?,
        };
        let watch = Watch::new(directory)?;
        let alone = Some(Instant::now());
        let outlook = Outlook::new(options.metrics.clone(), seen);
        let (grace, kept, lacked_room) = (options.grace, Instant::now(), !shelf.has_room());
        Ok(Self {
            shelf,
            server,
            listener,
            jobs,
            writer,
            bell,
            watch,
            timer,
            outlook,
            grace,
            lacked_room,
            began: kept,
            kept,
            alone,
        })
    }

    fn serve(&mut self, options: &Options, stop: BorrowedFd<'_>) -> Ended {
        loop {
            let swept = self.sweep();
            self.outlook.watch_clock(&self.shelf);
            let look = self.outlook.look(&self.shelf);
            if !self.shelf.alive() || self.writer.is_finished() {
                return Ended::StoreFailed;
            }
            let left = match (&swept, self.alone) {
                (Err(error), _) => {
                    log::error!("what is due is not erased: {error}");
                    Some(AGAIN)
                }
                (Ok(due), Some(since)) if !(options.linger && due.is_some()) => {
                    match options.idle.checked_sub(since.elapsed()) {
                        Some(left) => Some(left),
                        None => return Ended::Idle,
                    }
                }
                _ => None,
            };
            self.keep_snapshot();
            let mut left = left.map_or(look, |left| left.min(look));
            if self.shelf.is_full() {
                left = left.min(ROOM);
            }
            match self.wait(stop, left) {
                Ok(Some(ended)) => return ended,
                Ok(None) if self.could_be_whole() => return Ended::RoomAgain,
                Ok(None) => {}
                Err(error) => {
                    log::error!("cannot wait for connections: {error}");
                    return Ended::Told;
                }
            }
        }
    }

    /// Whether it is worth another try to open a store that is served from its snapshot for want of
    /// room: there is some now, or a quota may have been raised in the last minute.
    fn could_be_whole(&self) -> bool {
        let some_time = || self.lacked_room || self.began.elapsed() >= SNAPSHOTS;
        self.shelf.is_full() && self.shelf.has_room() && some_time()
    }

    /// Has a snapshot made from time to time. A writer that has ended is noticed elsewhere.
    fn keep_snapshot(&mut self) {
        if self.kept.elapsed() >= SNAPSHOTS {
            self.kept = Instant::now();
            let _ended =
                self.jobs.send(Job { work: Work::Keep, answer: None, asker: Asker::agent() });
        }
    }

    /// Sweeps if something is due, and sets the timer for what comes next. After a failure it is not
    /// set: what is due already would have it ring for ever.
    fn sweep(&mut self) -> Result<Option<Seconds>> {
        let swept = self.sweep_what_is_due();
        let due = swept.as_ref().map_or(None, |due| *due);
        let ahead = |due| Duration::from_secs(due).saturating_sub(self.shelf.precise());
        self.timer.arm(due.map(ahead)).map_err(absent)?;
        swept
    }

    fn sweep_what_is_due(&mut self) -> Result<Option<Seconds>> {
        let mut due = next_due(&self.shelf, self.grace)?;
        if due.is_some_and(|at| at <= self.shelf.now()) {
            let (answer, done) = sync_channel(1);
            let job = Job { work: Work::Sweep, answer: Some(answer), asker: Asker::agent() };
            let gone = |_| Error::from(Reason::StoreDamaged);
            self.jobs.send(job).map_err(|_| gone(()))?;
            done.recv().map_err(|_| gone(()))??;
            self.alone = self.alone.map(|_| Instant::now());
            due = next_due(&self.shelf, self.grace)?;
        }
        Ok(due)
    }

    /// Waits until something happens, at most `left`, and sees to it.
    fn wait(&mut self, stop: BorrowedFd<'_>, left: Duration) -> rustix::io::Result<Option<Ended>> {
        let left = Timespec::try_from(left).map_err(|_| Errno::INVAL)?;
        let mut descriptors = [
            PollFd::new(&self.listener, PollFlags::IN),
            PollFd::from_borrowed_fd(stop, PollFlags::IN),
            PollFd::new(&self.watch, PollFlags::IN),
            PollFd::new(&self.bell, PollFlags::IN),
            PollFd::new(&self.timer.due, PollFlags::IN),
            PollFd::new(&self.timer.set, PollFlags::IN),
        ];
        match poll(&mut descriptors, Some(&left)) {
            Err(Errno::INTR) => return Ok(None),
            done => done?,
        };
        let [called, told, gone, rung, ..] = descriptors.map(|each| !each.revents().is_empty());
        if told {
            return Ok(Some(Ended::Told));
        }
        if gone && self.watch.is_gone() {
            return Ok(Some(Ended::StoreGone));
        }
        if rung {
            self.bell.silence();
        }
        if called {
            self.server.accept(&self.listener, &self.jobs);
        }
        self.alone = match self.server.count() {
            0 => self.alone.or_else(|| Some(Instant::now())),
            _ => None,
        };
        Ok(None)
    }

    /// Lets nobody in any more, finishes what is under way, and makes the end durable.
    fn close(self) -> Result<()> {
        self.end(Work::Stop)
    }

    fn end(self, how: Work) -> Result<()> {
        let Self { server, listener, jobs, writer, .. } = self;
        drop(listener);
        server.close();
        // The writer may have ended already, with the store.
        let _ended = jobs.send(Job { work: how, answer: None, asker: Asker::agent() });
        writer.join().unwrap_or_else(|_| Err(Reason::General.detail("the writer panicked")))
    }
}

impl Agent {
    /// Leaves a store that somebody is removing as it is: what sled writes when it is closed would
    /// stand in the way of that.
    fn abandon(self) {
        std::mem::forget(Arc::clone(&self.shelf));
        if let Err(error) = self.end(Work::Abandon) {
            log::debug!("{error}");
        }
    }
}

fn start_writer(
    shelf: &Arc<Shelf>,
    bell: &Arc<Bell>,
    grace: Seconds,
) -> Result<(Sender<Job>, JoinHandle<Result<()>>)> {
    let (jobs, receiver) = channel();
    let writer = Writer::open(Arc::clone(shelf), Arc::clone(bell))?.with_grace(grace);
    let bell = Arc::clone(bell);
    let run = move || {
        let ended = writer.run(&receiver);
        bell.ring();
        ended
    };
    let writer = std::thread::Builder::new().name("writer".into()).spawn(run).map_err(absent)?;
    Ok((jobs, writer))
}

/// Readable when something is due, and when somebody sets the system's clock.
struct Timer {
    due: OwnedFd,
    set: OwnedFd,
}

impl Timer {
    fn new() -> rustix::io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let due = timerfd_create(TimerfdClockId::Boottime, flags)?;
        Ok(Self { due, set: timerfd_create(TimerfdClockId::Realtime, flags)? })
    }

    /// Arms it for the moment that lies so far ahead, a suspended machine's time included, or for none.
    fn arm(&self, ahead: Option<Duration>) -> rustix::io::Result<()> {
        let ahead = ahead.map_or(Duration::ZERO, |ahead| ahead.max(Duration::from_millis(1)));
        let ahead = Timespec::try_from(ahead).unwrap_or(NEVER);
        timerfd_settime(&self.due, TimerfdTimerFlags::empty(), &once(ahead))?;
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        timerfd_settime(&self.set, flags, &once(NEVER)).map(drop)
    }
}

const NEVER: Timespec = Timespec { tv_sec: i64::MAX, tv_nsec: 0 };

fn once(it_value: Timespec) -> Itimerspec {
    Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value }
}

fn absent(error: impl std::fmt::Display) -> Error {
    Reason::AgentAbsent.detail(error)
}
