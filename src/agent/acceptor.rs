//! The acceptor of an agent: a thread of its own takes in those who connect, from before the store is open
//! until it is closed, and shows those who wait that the agent lives.

use super::allowance::Short;
use super::job::Job;
use super::keepalive::{TICK, send_short, show_life};
use super::server::{Server, most_of_each};
use super::stall::Watchdog;
use super::waker::Waker;
use crate::error::Error;
use crate::wire::Response;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The interval of looking again while a peer waits for a connection.
const SOON: Duration = Duration::from_millis(20);

/// The pause after a peer could neither be taken in nor sent away.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The most peers that may wait until the store is open; others wait at the listener.
const MOST_WAITING: usize = 1024;

/// Accepts connections.
pub(crate) struct Acceptor {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    waker: Waker,
    state: Mutex<AcceptorState>,
}

struct AcceptorState {
    watchdog: Watchdog,
    /// None once no more peers are taken in.
    listener: Option<Arc<UnixListener>>,
    inside: Inside,
    /// The shortage that the agent makes way for, if any; and whether a better starter has come.
    short: Option<Short>,
    superseded: bool,
    /// Given up where there are no descriptors left, to send a peer away with.
    spare: Option<File>,
    over: bool,
}

enum Inside {
    /// No peer is served at the moment.
    Waiting(Vec<UnixStream>),
    /// Connections are served. The waker is woken when the agent is to make way.
    Serving(Arc<Server>, Sender<Job>, Arc<Waker>),
}

impl Acceptor {
    /// Takes in those who connect to the listener, and lets them wait. Meanwhile `working` is called every
    /// [`TICK`], with an error where nothing is worked on because the disk does not answer. An agent that is `short` of something is outdone by some who connect.
    pub(crate) fn new(
        listener: UnixListener,
        short: Option<Short>,
        watchdog: Watchdog,
        working: impl Fn(Option<&Error>) + Send + 'static,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let state = AcceptorState {
            watchdog,
            listener: Some(Arc::new(listener)),
            inside: Inside::Waiting(Vec::new()),
            short,
            superseded: false,
            spare: Some(spare()?),
            over: false,
        };
        let shared = Arc::new(Shared { waker: Waker::new()?, state: Mutex::new(state) });
        let keeper = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("acceptor".into());
        let thread = Some(thread.spawn(move || keeper.keep(&working))?);
        Ok(Self { shared, thread })
    }

    /// Has the connections that wait, and those that come, served.
    pub(crate) fn open(&self, server: &Arc<Server>, jobs: &Sender<Job>, waker: &Arc<Waker>) {
        let mut state = self.shared.lock();
        let serving = Inside::Serving(Arc::clone(server), jobs.clone(), Arc::clone(waker));
        if let Inside::Waiting(waiting) = std::mem::replace(&mut state.inside, serving) {
            waiting.into_iter().for_each(|stream| server.welcome(stream, jobs));
        }
        drop(state);
        self.shared.waker.wake();
    }

    /// Returns whether a peer has come that starts a better agent once this one has ended. It waits.
    pub(crate) fn is_superseded(&self) -> bool {
        self.shared.lock().superseded
    }

    /// Lets the connections that come wait again.
    pub(crate) fn shut(&self) {
        self.shared.lock().inside = Inside::Waiting(Vec::new());
        self.shared.waker.wake();
    }

    /// Takes no more peers in. Those who have come and are not served are sent away, with the error that
    /// kept the store from being opened, or else without a word: they ask the next agent.
    pub(crate) fn leave(&self, why: Option<&Error>) {
        let mut state = self.shared.lock();
        if matches!(state.inside, Inside::Serving(..)) {
            state.inside = Inside::Waiting(Vec::new());
        }
        state.accept_pending();
        state.listener = None;
        let none = Inside::Waiting(Vec::new());
        let Inside::Waiting(waiting) = std::mem::replace(&mut state.inside, none) else { return };
        for stream in waiting {
            // One that has gone need not be told.
            let _told = why.map(|why| send_short(&stream, &Response::Refused(why.clone())));
        }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.waker.wake();
        // An acceptor that panicked has ended with that.
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, AcceptorState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, working: &impl Fn(Option<&Error>)) {
        let mut last = Instant::now();
        loop {
            let (listener, next) = {
                let state = self.lock();
                if state.over {
                    return;
                }
                let listener = state.listener.clone().filter(|_| !state.is_full());
                (listener, state.next_look(last))
            };
            if let Err(error) = self.wait(listener.as_deref(), next) {
                log::error!("cannot wait for connections: {error}");
                std::thread::sleep(TICK);
            }
            self.waker.reset();
            let mut state = self.lock();
            state.admit_those_who_wait();
            if !state.accept_pending() {
                drop(state);
                std::thread::sleep(ACCEPT_PAUSE);
                continue;
            }
            if last.elapsed() >= TICK {
                last = Instant::now();
                let stalled = state.watchdog.stalled();
                if state.show_life(stalled.as_ref()) {
                    drop(state);
                    working(stalled.as_ref());
                }
            }
        }
    }

    /// Waits until a peer connects or it is woken, at most until that moment.
    fn wait(&self, listener: Option<&UnixListener>, until: Option<Instant>) -> io::Result<()> {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let left = left.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
        let waker = PollFd::new(&self.waker, PollFlags::IN);
        let done = match listener {
            Some(listener) => {
                poll(&mut [waker, PollFd::new(listener, PollFlags::IN)], left.as_ref())
            }
            None => poll(&mut [waker], left.as_ref()),
        };
        match done {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl AcceptorState {
    /// Returns the latest moment of the next look at those who wait; the last look was at `last`.
    fn next_look(&self, last: Instant) -> Option<Instant> {
        match &self.inside {
            Inside::Serving(server, ..) if server.is_crowded() => Some(Instant::now() + SOON),
            Inside::Serving(server, ..) if server.count() == 0 => None,
            Inside::Waiting(_) | Inside::Serving(..) => Some(last + TICK),
        }
    }

    /// Returns whether those who connect have to wait at the listener.
    fn is_full(&self) -> bool {
        match &self.inside {
            Inside::Waiting(waiting) => waiting.len() >= MOST_WAITING.min(most_of_each()),
            Inside::Serving(server, ..) => server.is_full(),
        }
    }

    /// Lets peers in that wait: others may have had a connection for long enough by now.
    fn admit_those_who_wait(&self) {
        if let Inside::Serving(server, jobs, _) = &self.inside
            && server.is_crowded()
        {
            server.admit(jobs);
        }
    }

    /// Shows those who wait that the agent lives, or sends them away with what it waits for itself. Whether
    /// no peer is served at the moment.
    fn show_life(&mut self, stalled: Option<&Error>) -> bool {
        match &mut self.inside {
            Inside::Waiting(waiting) => {
                waiting.retain(|stream| show_life(stream, stalled));
                true
            }
            Inside::Serving(server, ..) => {
                server.show_life(stalled);
                false
            }
        }
    }

    /// Takes in all who have connected. Returns true where none is left.
    fn accept_pending(&mut self) -> bool {
        let Some(listener) = self.listener.clone() else { return true };
        while !self.is_full() {
            match listener.accept() {
                Ok((stream, _)) => self.admit(stream),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) => {
                    log::warn!("a connection was not accepted: {error}");
                    if self.make_room() || !self.send_one_away(&listener) {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// Sends an idle connection away where there are no descriptors left. Returns true if there was one.
    fn make_room(&self) -> bool {
        matches!(&self.inside, Inside::Serving(server, ..) if server.make_room())
    }

    fn admit(&mut self, stream: UnixStream) {
        let outdoes = self.outdoes(&stream);
        match &mut self.inside {
            Inside::Serving(_, _, waker) if outdoes => {
                let waker = Arc::clone(waker);
                self.outdone_by(stream, &waker);
            }
            Inside::Serving(server, jobs, _) => server.welcome(stream, jobs),
            Inside::Waiting(waiting) => waiting.push(stream),
        }
    }

    /// Accepts a connection, where no idle one could be sent away, by the spare descriptor: it would be announced
    /// for ever. Returns true if it was sent away, or the agent makes way for it.
    fn send_one_away(&mut self, listener: &UnixListener) -> bool {
        self.spare = None;
        let Ok((stream, _)) = listener.accept() else { return false };
        match &self.inside {
            Inside::Serving(_, _, waker) if self.outdoes(&stream) => {
                let waker = Arc::clone(waker);
                self.outdone_by(stream, &waker);
            }
            _ => drop(stream),
        }
        self.spare = spare().ok();
        true
    }

    /// Returns whether the peer would start an agent that is short of less.
    fn outdoes(&self, stream: &UnixStream) -> bool {
        self.short.as_ref().is_some_and(|short| short.is_outdone_by(stream))
    }

    /// Keeps a connection until the end of this agent, which makes way for its peer's.
    fn outdone_by(&mut self, stream: UnixStream, waker: &Waker) {
        self.superseded = true;
        self.inside = Inside::Waiting(vec![stream]);
        waker.wake();
    }
}

fn spare() -> io::Result<File> {
    File::open("/dev/null")
}
