//! An open store that is served: swept when something is due, until a reason to end comes.

use super::Options;
use super::acceptor::Acceptor;
use super::directory::DirectoryWatch;
use super::expiry_report::ExpiryReport;
use super::figures::lost_before;
use super::heartbeat::Keeper;
use super::job::{Job, Work};
use super::open_store::OpenStore;
use super::outlets::Outlets;
use super::server::{AllowedPeers, Server};
use super::sweep::next_due;
use super::tickets::Tickets;
use super::timer::Timer;
use super::writer::Writer;
use crate::clock::{Clock, Seconds};
use crate::error::{Error, Reason, Result};
use crate::store::Location;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt;
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

/// The time between two looks at whether those who are told of events have been told of all.
const TELLING: Duration = Duration::from_secs(1);

/// The reason for which an agent stops serving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Idle,
    Signalled,
    StoreGone,
    StoreFailed,
    /// The store could not be opened for want of room, and can perhaps be opened now.
    RoomAgain,
    /// A program has come that starts an agent which may use more.
    Superseded,
}

impl Ended {
    /// Returns the reason as the end of a sentence.
    pub(super) fn why(self) -> &'static str {
        match self {
            Self::Idle => "it is idle",
            Self::Signalled => "a signal ends it",
            Self::StoreGone => "its directory is gone",
            Self::StoreFailed => "the store failed",
            Self::RoomAgain => "there may be room again",
            Self::Superseded => "a program has come that starts one that may use more",
        }
    }
}

/// The events that end or interrupt the wait of an agent.
#[derive(Clone, Copy)]
pub(super) struct Events<'a> {
    /// Readable once a signal has come.
    pub(super) stop: BorrowedFd<'a>,
    pub(super) watch: &'a DirectoryWatch,
    pub(super) acceptor: &'a Acceptor,
}

/// A store that is open and served.
pub(super) struct ServedStore {
    pub(super) store: Arc<OpenStore>,
    pub(super) server: Arc<Server>,
    pub(super) jobs: Sender<Job>,
    writer: JoinHandle<Result<()>>,
    timer: Timer,
    pub(super) expiry_report: ExpiryReport,
    outlets: Arc<Outlets>,
    /// The heartbeat of a fleet's host.
    heart: Option<Keeper>,
    grace: Seconds,
    /// True if the file system had no room when the agent began, and when that was.
    lacked_room: bool,
    began: Instant,
    /// The moment at which a snapshot was asked for.
    kept: Instant,
    /// The moment at which it last did something of its own accord.
    stirred: Instant,
}

impl ServedStore {
    pub(super) fn open(
        (directory, records): (&Path, &Location),
        options: &Options,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let owner = directory.metadata().map_err(absent)?.uid();
        let store = Arc::new(OpenStore::open_at(directory, records, clock)?);
        let heart = Keeper::begin(&store, options.offline_grace)?;
        let seen = store.seen_before();
        let (hook, syslog) = (options.on_event.clone(), options.audit_syslog.clone());
        let metrics = options.metrics.as_deref();
        let lost = |place: &str| metrics.map_or(0, |file| lost_before(file, place));
        let outlets = Arc::new(Outlets::begin(hook, syslog, lost));
        let (jobs, writer) = start_writer(&store, &outlets, options.grace)?;
        if let Some(group) = options.group {
            store.page.share(group).map_err(absent)?;
        }
        let access = AllowedPeers { owner, group: options.group.is_some() };
        let tickets = Tickets::open(directory)?;
        let parts = (Arc::clone(&store), tickets);
        let server = Arc::new(Server::new(parts, access, options.spare));
        let timer = Timer::new().map_err(absent)?;
        let expiry_report =
            ExpiryReport::new(options.metrics.clone(), seen).with_outlets(Arc::clone(&outlets));
        expiry_report.look_at_place(&store);
        let (grace, kept, lacked_room) = (options.grace, Instant::now(), !store.has_room());
        Ok(Self {
            store,
            server,
            jobs,
            writer,
            timer,
            expiry_report,
            outlets,
            heart,
            grace,
            lacked_room,
            began: kept,
            kept,
            stirred: kept,
        })
    }

    /// Serves the store until there is a reason to end.
    pub(super) fn serve(&mut self, options: &Options, events: Events<'_>) -> Ended {
        loop {
            let swept = self.sweep();
            self.expiry_report.watch_clock(&self.store);
            let look = self.expiry_report.report_if_due(&self.store);
            let stopped = self.heart.as_ref().is_some_and(Keeper::has_failed);
            if !self.store.alive() || self.writer.is_finished() || stopped {
                return Ended::StoreFailed;
            }
            let left = match (&swept, self.alone_since()) {
                (Err(error), _) => {
                    log::error!("what is due is not erased: {error}");
                    Some(SWEEP_RETRY)
                }
                (Ok(due), Some(since)) if !(options.linger && due.is_some()) => {
                    match options.idle.map(|idle| idle.checked_sub(since.elapsed())) {
                        Some(None) if self.outlets.are_busy() => Some(TELLING),
                        Some(None) => return Ended::Idle,
                        left => left.flatten(),
                    }
                }
                _ => None,
            };
            self.keep_snapshot();
            let mut left = left.map_or(look, |left| left.min(look));
            if self.store.is_full() {
                left = left.min(ROOM_INTERVAL);
            }
            match self.wait(events, left) {
                Ok(Some(ended)) => return ended,
                Ok(None) if events.acceptor.is_superseded() => return Ended::Superseded,
                Ok(None) if self.could_be_whole() => return Ended::RoomAgain,
                Ok(None) => {}
                Err(error) => {
                    log::error!("cannot wait for connections: {error}");
                    return Ended::Signalled;
                }
            }
        }
    }

    /// Returns the moment since which there has been no connection and nothing was due.
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
    pub(super) fn sweep(&mut self) -> Result<Option<Seconds>> {
        let swept = self.sweep_what_is_due();
        let due = swept.as_ref().map_or(None, |due| *due);
        let ahead = due.map(|due| self.ahead(due)).transpose()?;
        self.timer.arm(ahead).map_err(absent)?;
        swept
    }

    /// Returns the time after which something due is to be looked at. Where other hosts have a word in that, their
    /// heartbeats have it looked at, too.
    fn ahead(&self, due: Seconds) -> Result<Duration> {
        if self.store.host().is_none() {
            return Ok(Duration::from_secs(due).saturating_sub(self.store.precise()));
        }
        let left = due.saturating_sub(self.store.turn_time()?);
        Ok(Duration::from_secs(left.max(1)))
    }

    fn sweep_what_is_due(&mut self) -> Result<Option<Seconds>> {
        let mut due = next_due(&self.store, self.grace)?;
        let now = self.store.turn_time()?;
        if due.is_some_and(|at| at <= now) || self.store.is_asked_by_fleet() {
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
    fn wait(&mut self, events: Events<'_>, left: Duration) -> rustix::io::Result<Option<Ended>> {
        let Events { stop, watch, .. } = events;
        let left = Timespec::try_from(left).map_err(|_| Errno::INVAL)?;
        let mut descriptors = [
            PollFd::from_borrowed_fd(stop, PollFlags::IN),
            PollFd::new(watch, PollFlags::IN),
            PollFd::new(&self.store.waker, PollFlags::IN),
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
            self.store.waker.reset();
        }
        Ok(None)
    }

    /// Finishes what is under way, and makes the end durable. The acceptor is shut.
    pub(super) fn close(self) -> Result<()> {
        self.end(Work::Stop)
    }

    fn end(self, how: Work) -> Result<()> {
        let Self { store, server, jobs, writer, outlets, heart, mut expiry_report, .. } = self;
        server.close();
        drop(heart);
        let leaves_figures = matches!(how, Work::Stop) && store.alive();
        // The writer may have ended already, with the store.
        let _ended = jobs.send(Job::own(how));
        let ended = writer.join();
        store.page.ended();
        outlets.end();
        // With what the outlets have not told.
        if leaves_figures && store.alive() {
            expiry_report.report_once_more(&store);
        }
        ended.unwrap_or_else(|_| Err(Reason::General.detail("the writer panicked")))
    }

    /// Leaves a store that is being removed as it is: what it writes when it is closed would stand in the
    /// way of that.
    pub(super) fn abandon(self) {
        std::mem::forget(Arc::clone(&self.store));
        if let Err(error) = self.end(Work::Abandon) {
            log::debug!("{error}");
        }
    }
}

fn start_writer(
    store: &Arc<OpenStore>,
    outlets: &Arc<Outlets>,
    grace: Seconds,
) -> Result<(Sender<Job>, JoinHandle<Result<()>>)> {
    let (jobs, receiver) = channel();
    let writer = Writer::open(Arc::clone(store), Arc::clone(outlets))?.with_grace(grace);
    let waker = Arc::clone(&store.waker);
    let run = move || {
        let ended = writer.run(&receiver);
        waker.wake();
        ended
    };
    let writer = std::thread::Builder::new().name("writer".into()).spawn(run).map_err(absent)?;
    Ok((jobs, writer))
}

fn absent(error: impl std::fmt::Display) -> Error {
    Reason::AgentAbsent.detail(error)
}
