//! The life of an agent: open, serve, sweep when something is due, end when nobody needs it, when it
//! is told to, when its store is gone or has failed.

use super::acceptor::Acceptor;
use super::allowance::Short;
use super::directory::{self, DirectoryWatch};
use super::expiry_report::ExpiryReport;
use super::job::{Job, Work};
use super::open_store::OpenStore;
use super::server::{AllowedPeers, Server};
use super::stall::Watchdog;
use super::sweep::next_due;
use super::tickets::Tickets;
use super::upgrade::upgrade;
use super::waker::Waker;
use super::writer::Writer;
use super::{Lock, Options};
use crate::clock::{Clock, Seconds, SystemClock};
use crate::error::{Error, Reason, Result};
use crate::store::cells::StoreIdentity;
use crate::store::{self, Location, check_growth};
use crate::sys;
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

/// The pause before a sweep that could not be done is tried again.
const SWEEP_RETRY: Duration = Duration::from_secs(60);

/// The interval at which an agent that serves a snapshot for want of room looks whether there is some.
const ROOM_INTERVAL: Duration = Duration::from_secs(5);

/// The interval of snapshots while the store changes.
const SNAPSHOT_INTERVAL: Duration = Duration::from_secs(60);

/// Opens the store and serves it until it is idle for long enough, a signal (`SIGTERM`, `SIGINT`) ends it
/// or the directory is gone. Whoever connects is taken in from the beginning, and waits; meanwhile
/// `working` is called now and then, with an error where the agent only waits for the disk, and `ready` once they are served. Fails where the store cannot be
/// opened, and at once after the first failure of the store. A socket that was `handed` over is used, and
/// left to whoever made it.
pub fn serve(
    lock: &Lock,
    options: &Options,
    handed: Option<UnixListener>,
    working: impl Fn(Option<&Error>) + Send + 'static,
    ready: impl FnOnce(),
) -> Result<()> {
    sys::heap::give_long_blocks_back();
    let stop = on_signals().map_err(|error| Reason::General.detail(error))?;
    let main_loop = MainLoop::begin(lock, options, Arc::new(SystemClock), handed, working)?;
    main_loop.run(stop.as_fd(), ready)
}

/// The same by any clock, until `stop` is readable.
#[cfg(test)]
pub(crate) fn serve_until(
    lock: &Lock,
    options: &Options,
    clock: Arc<dyn Clock>,
    stop: impl AsFd,
    ready: impl FnOnce(),
) -> Result<()> {
    MainLoop::begin(lock, options, clock, None, |_| ())?.run(stop.as_fd(), ready)
}

/// The parts that last as long as the agent, however often the store is opened.
struct MainLoop<'a> {
    directory: &'a Path,
    records: &'a Location,
    options: &'a Options,
    clock: Arc<dyn Clock>,
    watch: DirectoryWatch,
    acceptor: Acceptor,
    /// True if the socket is somebody else's.
    keeps_socket: bool,
}

impl<'a> MainLoop<'a> {
    /// From now on whoever connects waits for the store.
    fn begin(
        lock: &'a Lock,
        options: &'a Options,
        clock: Arc<dyn Clock>,
        handed: Option<UnixListener>,
        working: impl Fn(Option<&Error>) + Send + 'static,
    ) -> Result<Self> {
        let directory = lock.directory();
        lock.directories().iter().try_for_each(|directory| check_growth(directory))?;
        let keeps_socket = handed.is_some();
        let owner = directory.metadata().map_err(absent)?.uid();
        let short = Short::of_agent(owner)?.filter(|_| options.makes_way);
        let listener = match handed {
            Some(listener) => listener,
            None => directory::listen(directory, options.group)?,
        };
        // From here on: the socket may be taken from it before the store is open.
        let watch = DirectoryWatch::new(directory)?;
        let touch = lock.toucher().map_err(absent)?;
        let show_life = move |stalled: Option<&Error>| {
            if stalled.is_none() {
                touch();
            }
            working(stalled);
        };
        let watchdog = Watchdog::new(lock.directories(), options.patience);
        let acceptor = Acceptor::new(listener, short, watchdog, show_life).map_err(absent)?;
        lock.listening().map_err(absent)?;
        let records = lock.records();
        let mut main_loop =
            Self { directory, records, options, clock, watch, acceptor, keeps_socket };
        main_loop.upgrade(lock)?;
        Ok(main_loop)
    }

    /// Upgrades a store that an earlier build has written. That its files change their places is no loss of
    /// the store.
    fn upgrade(&mut self, lock: &Lock) -> Result<()> {
        match upgrade(lock) {
            Ok(true) => self.watch = DirectoryWatch::new(self.directory)?,
            Ok(false) => {}
            Err(error) => {
                self.withdraw(Some(&error));
                return Err(error);
            }
        }
        Ok(())
    }

    fn run(&self, stop: BorrowedFd<'_>, ready: impl FnOnce()) -> Result<()> {
        let mut agent = self.open()?;
        log_start(&agent, self.directory, self.options);
        ready();
        let mut ended = agent.serve(self, stop);
        while ended == Ended::RoomAgain {
            let place = self.directory.display();
            log::info!("{place}: there may be room again: it is opened anew");
            self.acceptor.shut();
            agent.close().inspect_err(|error| self.withdraw(Some(error)))?;
            agent = self.open()?;
            ended = agent.serve(self, stop);
        }
        let level = if ended == Ended::StoreFailed { log::Level::Error } else { log::Level::Info };
        log::log!(level, "the agent of {} ends: {}", self.directory.display(), ended.why());
        self.end(agent, ended)
    }

    /// Opens the store and has it served. Where that fails nobody is taken in any more, and those who
    /// wait are told.
    fn open(&self) -> Result<Agent> {
        let places = (self.directory, self.records);
        let open = || Agent::open(places, self.options, Arc::clone(&self.clock));
        let opened = match open() {
            Err(error)
                if error.reason() == Reason::StoreDamaged && !store::is_suspect(self.records) =>
            {
                log::error!("{error}");
                store::suspect(self.records);
                open()
            }
            opened => opened,
        };
        match opened {
            Ok(mut agent) => {
                // What fell due without an agent goes before the first answer. What cannot be erased
                // is tried again at once, and told, by who serves.
                if let Err(error) = agent.sweep() {
                    log::debug!("what is due is not erased yet: {error}");
                }
                self.acceptor.open(&agent.server, &agent.jobs, &agent.waker);
                Ok(agent)
            }
            Err(error) => {
                self.withdraw(Some(&error));
                Err(error)
            }
        }
    }

    /// Takes the socket away: the next client starts the next agent, which waits for the lock.
    fn withdraw(&self, why: Option<&Error>) {
        if !self.keeps_socket
            && let Err(error) = directory::unlink(self.directory)
        {
            log::error!("the socket stays: {error}");
        }
        self.acceptor.leave(why);
    }

    fn end(&self, mut agent: Agent, ended: Ended) -> Result<()> {
        if ended == Ended::StoreGone {
            self.acceptor.leave(None);
            agent.abandon();
            return Ok(());
        }
        if ended != Ended::StoreFailed {
            agent.expiry_report.report_once_more(&agent.store);
        }
        match self.keeps_socket {
            // Whoever comes now waits until this agent is through, and asks the next one.
            true => self.acceptor.shut(),
            false => self.withdraw(None),
        }
        let closed = agent.close();
        if ended != Ended::StoreFailed {
            return closed;
        }
        store::suspect(self.records);
        closed.and_then(|()| {
            let detail = format_args!("{}: the log says what failed", self.directory.display());
            Err(Reason::StoreDamaged.detail(detail))
        })
    }
}

fn log_start(agent: &Agent, directory: &Path, options: &Options) {
    let StoreIdentity { store, incarnation } = agent.store.cells.identity;
    log::info!(
        "the agent starts: keystead {}, store {store} (format {STORE_FORMAT}, incarnation {incarnation}) \
         in {}, process {}, {}{}",
        env!("CARGO_PKG_VERSION"),
        directory.display(),
        std::process::id(),
        if agent.store.is_writable() { "writable" } else { "its snapshot, which can only be read" },
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
    Signalled,
    StoreGone,
    StoreFailed,
    /// The store could not be opened for want of room, and can perhaps be opened now.
    RoomAgain,
    /// Somebody has come who starts an agent that may use more.
    Superseded,
}

impl Ended {
    fn why(self) -> &'static str {
        match self {
            Self::Idle => "nobody needs it",
            Self::Signalled => "a signal told it to",
            Self::StoreGone => "its directory is gone",
            Self::StoreFailed => "the store failed",
            Self::RoomAgain => "there may be room again",
            Self::Superseded => "a program has come that starts one that may use more",
        }
    }
}

struct Agent {
    store: Arc<OpenStore>,
    server: Arc<Server>,
    jobs: Sender<Job>,
    writer: JoinHandle<Result<()>>,
    waker: Arc<Waker>,
    timer: Timer,
    expiry_report: ExpiryReport,
    grace: Seconds,
    /// True if the file system had no room when the agent began, and when that was.
    lacked_room: bool,
    began: Instant,
    /// The moment at which a snapshot was asked for.
    kept: Instant,
    /// The moment at which it did something last that nobody asked for.
    stirred: Instant,
}

impl Agent {
    fn open(
        (directory, records): (&Path, &Location),
        options: &Options,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let owner = directory.metadata().map_err(absent)?.uid();
        let store = Arc::new(OpenStore::open_at(directory, records, clock)?);
        let seen = store.seen_before();
        let waker = Arc::new(Waker::new().map_err(absent)?);
        let (jobs, writer) = start_writer(&store, &waker, options.grace)?;
        if let Some(group) = options.group {
            store.page.share(group).map_err(absent)?;
        }
        let access = AllowedPeers { owner, group: options.group.is_some() };
        let tickets = Tickets::open(directory)?;
        let parts = (Arc::clone(&store), tickets);
        let server = Arc::new(Server::new(parts, access, options.spare, Arc::clone(&waker)));
        let timer = Timer::new().map_err(absent)?;
        let expiry_report = ExpiryReport::new(options.metrics.clone(), seen);
        let (grace, kept, lacked_room) = (options.grace, Instant::now(), !store.has_room());
        Ok(Self {
            store,
            server,
            jobs,
            writer,
            waker,
            timer,
            expiry_report,
            grace,
            lacked_room,
            began: kept,
            kept,
            stirred: kept,
        })
    }

    fn serve(&mut self, main_loop: &MainLoop<'_>, stop: BorrowedFd<'_>) -> Ended {
        let options = main_loop.options;
        loop {
            let swept = self.sweep();
            self.expiry_report.watch_clock(&self.store);
            let look = self.expiry_report.report_if_due(&self.store);
            if !self.store.alive() || self.writer.is_finished() {
                return Ended::StoreFailed;
            }
            let left = match (&swept, self.alone_since()) {
                (Err(error), _) => {
                    log::error!("what is due is not erased: {error}");
                    Some(SWEEP_RETRY)
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
            if self.store.is_full() {
                left = left.min(ROOM_INTERVAL);
            }
            match self.wait((stop, &main_loop.watch), left) {
                Ok(Some(ended)) => return ended,
                Ok(None) if main_loop.acceptor.is_superseded() => return Ended::Superseded,
                Ok(None) if self.could_be_whole() => return Ended::RoomAgain,
                Ok(None) => {}
                Err(error) => {
                    log::error!("cannot wait for connections: {error}");
                    return Ended::Signalled;
                }
            }
        }
    }

    /// Returns since when nobody has been connected and nothing was due.
    fn alone_since(&self) -> Option<Instant> {
        self.server.alone_since().map(|since| since.max(self.stirred))
    }

    /// Returns whether it is worth another try to open a store that is served from its snapshot for want of
    /// room: there is some now, or a quota may have been raised in the last minute.
    fn could_be_whole(&self) -> bool {
        let some_time = || self.lacked_room || self.began.elapsed() >= SNAPSHOT_INTERVAL;
        self.store.is_full() && self.store.has_room() && some_time()
    }

    /// Has a snapshot made from time to time. A writer that has ended is noticed elsewhere.
    fn keep_snapshot(&mut self) {
        if self.kept.elapsed() >= SNAPSHOT_INTERVAL {
            self.kept = Instant::now();
            let _ended = self.jobs.send(Job::own(Work::Keep));
        }
    }

    /// Sweeps if something is due, and sets the timer for what comes next. After a failure it is not
    /// set: what is due already would have it ring for ever.
    fn sweep(&mut self) -> Result<Option<Seconds>> {
        let swept = self.sweep_what_is_due();
        let due = swept.as_ref().map_or(None, |due| *due);
        let ahead = |due| Duration::from_secs(due).saturating_sub(self.store.precise());
        self.timer.arm(due.map(ahead)).map_err(absent)?;
        swept
    }

    fn sweep_what_is_due(&mut self) -> Result<Option<Seconds>> {
        let mut due = next_due(&self.store, self.grace)?;
        if due.is_some_and(|at| at <= self.store.now()) {
            let (answer, done) = sync_channel(1);
            let job = Job { answer: Some(answer), ..Job::own(Work::Sweep) };
            let gone = |_| Error::from(Reason::StoreDamaged);
            self.jobs.send(job).map_err(|_| gone(()))?;
            done.recv().map_err(|_| gone(()))??;
            self.stirred = Instant::now();
            due = next_due(&self.store, self.grace)?;
        }
        Ok(due)
    }

    /// Waits until something happens, at most `left`, and sees to it.
    fn wait(
        &mut self,
        (stop, watch): (BorrowedFd<'_>, &DirectoryWatch),
        left: Duration,
    ) -> rustix::io::Result<Option<Ended>> {
        let left = Timespec::try_from(left).map_err(|_| Errno::INVAL)?;
        let mut descriptors = [
            PollFd::from_borrowed_fd(stop, PollFlags::IN),
            PollFd::new(watch, PollFlags::IN),
            PollFd::new(&self.waker, PollFlags::IN),
            PollFd::new(&self.timer.due, PollFlags::IN),
            PollFd::new(&self.timer.set, PollFlags::IN),
        ];
        match poll(&mut descriptors, Some(&left)) {
            Err(Errno::INTR) => return Ok(None),
            done => done?,
        };
        let [signalled, gone, woken, ..] = descriptors.map(|each| !each.revents().is_empty());
        if signalled {
            return Ok(Some(Ended::Signalled));
        }
        if gone && watch.is_gone() {
            return Ok(Some(Ended::StoreGone));
        }
        if woken {
            self.waker.reset();
        }
        Ok(None)
    }

    /// Finishes what is under way, and makes the end durable. The acceptor is shut.
    fn close(self) -> Result<()> {
        self.end(Work::Stop)
    }

    fn end(self, how: Work) -> Result<()> {
        let Self { store, server, jobs, writer, .. } = self;
        server.close();
        // The writer may have ended already, with the store.
        let _ended = jobs.send(Job::own(how));
        let ended = writer.join();
        store.page.ended();
        ended.unwrap_or_else(|_| Err(Reason::General.detail("the writer panicked")))
    }
}

impl Agent {
    /// Leaves a store that somebody is removing as it is: what sled writes when it is closed would
    /// stand in the way of that.
    fn abandon(self) {
        std::mem::forget(Arc::clone(&self.store));
        if let Err(error) = self.end(Work::Abandon) {
            log::debug!("{error}");
        }
    }
}

fn start_writer(
    store: &Arc<OpenStore>,
    waker: &Arc<Waker>,
    grace: Seconds,
) -> Result<(Sender<Job>, JoinHandle<Result<()>>)> {
    let (jobs, receiver) = channel();
    let writer = Writer::open(Arc::clone(store), Arc::clone(waker))?.with_grace(grace);
    let waker = Arc::clone(waker);
    let run = move || {
        let ended = writer.run(&receiver);
        waker.wake();
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
