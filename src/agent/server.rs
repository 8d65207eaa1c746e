//! Connections: who may come in, how many, how long each may take. Each has a thread of its own, so
//! that nobody waits for a peer that is stuck.

use super::audit::Asker;
use super::bell::Bell;
use super::commit::Job;
use super::door::{TICK, show_life};
use super::service::{Service, Silence, User, too_long};
use super::shelf::Shelf;
use super::tickets::Tickets;
use crate::sys;
use crate::wire::{Request, Response, frame};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many connections one user may hold. Owner and root are not counted among all.
const PER_USER: usize = 256;

/// How many connections there may be.
const IN_ALL: usize = 1024;

/// How long a peer may take for the first frame, for the rest of one, and to take its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long ending waits for requests that are being answered.
const FAREWELL: Duration = Duration::from_secs(5);

/// Who may connect.
#[derive(Debug, Clone, Copy)]
pub struct Access {
    /// The store's owner.
    pub owner: u32,
    /// Whether a group may connect too: then the socket's permissions have let its members in, and
    /// nobody else.
    pub group: bool,
}

/// The connections of an agent.
pub struct Server {
    shelf: Arc<Shelf>,
    tickets: Arc<Tickets>,
    access: Access,
    guests: Arc<Guests>,
}

impl Server {
    /// Nobody is connected yet. The bell rings when somebody leaves.
    pub fn new(shelf: Arc<Shelf>, tickets: Tickets, access: Access, bell: Arc<Bell>) -> Self {
        let inner = Inner { next: 0, connected: BTreeMap::new(), left: Instant::now() };
        let guests = Guests { bell, inner: Mutex::new(inner), left: Condvar::new() };
        Self { shelf, tickets: Arc::new(tickets), access, guests: Arc::new(guests) }
    }

    /// How many are connected.
    pub fn count(&self) -> usize {
        self.guests.lock().connected.len()
    }

    /// Since when nobody has been connected; none where somebody is.
    pub fn alone_since(&self) -> Option<Instant> {
        let guests = self.guests.lock();
        guests.connected.is_empty().then_some(guests.left)
    }

    /// Shows those who have waited for an answer for a while that it is worked on.
    pub fn show_life(&self) {
        for guest in self.guests.lock().connected.values() {
            guest.at_work.show_life(&guest.stream);
        }
    }

    /// Hangs up on everybody and waits until their requests are through.
    pub fn close(&self) {
        let guests = self.guests.lock();
        for guest in guests.connected.values() {
            // A peer that has gone already is as good as one that is sent away.
            let _gone = guest.stream.shutdown(std::net::Shutdown::Both);
        }
        let waited = self
            .guests
            .left
            .wait_timeout_while(guests, FAREWELL, |guests| !guests.connected.is_empty());
        if waited.is_ok_and(|(_, timeout)| timeout.timed_out()) {
            log::warn!("some requests did not end in time");
        }
    }

    /// Serves a connection, if it may come in.
    pub fn welcome(&self, stream: UnixStream, writer: Sender<Job>) {
        let user = match self.allowed(&stream) {
            Ok(user) => user,
            Err(error) => return log::warn!("a connection was refused: {error}"),
        };
        let stream = Arc::new(stream);
        let (seat, at_work) = Guests::seat(&self.guests, user, &stream);
        let owner = user == self.access.owner || user == 0;
        let asker = Asker::process(user, sys::peer_process(&stream).ok());
        let user = User { asker, owner, stream: Arc::clone(&stream) };
        let mut nonce = [0; 32];
        if aws_lc_rs::rand::fill(&mut nonce).is_err() {
            return log::error!("a connection was refused: no random bytes");
        }
        let parts = (Arc::clone(&self.shelf), Arc::clone(&self.tickets));
        let service = Service::new(parts, writer, user, nonce);
        let spawned = std::thread::Builder::new().name("connection".into()).spawn(move || {
            if let Err(error) = converse(&stream, service, &at_work) {
                log::debug!("a connection ended: {error}");
            }
            // Only now is the seat free, and the agent perhaps idle.
            drop((stream, seat));
        });
        if let Err(error) = spawned {
            log::warn!("a connection was refused: {error}");
        }
    }

    fn allowed(&self, stream: &UnixStream) -> io::Result<u32> {
        stream.set_nonblocking(false)?;
        let (user, _) = sys::peer(stream)?;
        if self.access.group || user == self.access.owner || user == 0 {
            self.guests.room_for(user, self.access.owner)?;
            Ok(user)
        } else {
            Err(io::Error::other(format!("user {user} may not use this store")))
        }
    }
}

/// Who is connected.
struct Guests {
    bell: Arc<Bell>,
    inner: Mutex<Inner>,
    left: Condvar,
}

struct Inner {
    next: u64,
    connected: BTreeMap<u64, Guest>,
    /// When somebody left last.
    left: Instant,
}

struct Guest {
    user: u32,
    stream: Arc<UnixStream>,
    at_work: Arc<AtWork>,
}

/// Since when a connection has been waiting for an answer, if it is.
#[derive(Default)]
struct AtWork(Mutex<Option<Instant>>);

impl AtWork {
    fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        *self.lock() = Some(Instant::now());
        let done = work();
        *self.lock() = None;
        done
    }

    /// Under the lock, so that no sign of life comes between the pieces of the answer.
    fn show_life(&self, stream: &UnixStream) {
        if self.lock().is_some_and(|since| since.elapsed() >= TICK) {
            // Whoever has gone waits no more.
            let _gone = show_life(stream);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the guests; dropping it leaves.
struct Seat {
    guests: Arc<Guests>,
    number: u64,
}

impl Guests {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn room_for(&self, user: u32, owner: u32) -> io::Result<()> {
        let guests = self.lock();
        let own = guests.connected.values().filter(|other| other.user == user).count();
        let trusted = user == owner || user == 0;
        if own >= PER_USER || (!trusted && guests.connected.len() >= IN_ALL) {
            return Err(io::Error::other(format!("user {user} holds {own} connections already")));
        }
        Ok(())
    }

    fn seat(guests: &Arc<Self>, user: u32, stream: &Arc<UnixStream>) -> (Seat, Arc<AtWork>) {
        let at_work = Arc::<AtWork>::default();
        let guest = Guest { user, stream: Arc::clone(stream), at_work: Arc::clone(&at_work) };
        let mut inner = guests.lock();
        let number = inner.next;
        inner.next += 1;
        inner.connected.insert(number, guest);
        (Seat { guests: Arc::clone(guests), number }, at_work)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inner = self.guests.lock();
        inner.connected.remove(&self.number);
        inner.left = Instant::now();
        drop(inner);
        self.guests.left.notify_all();
        self.guests.bell.ring();
    }
}

/// Answers one request after the other until the peer goes, breaks the rules, or the store fails.
fn converse(stream: &UnixStream, mut service: Service, at_work: &AtWork) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut deadline = Some(Instant::now() + PATIENCE);
    loop {
        let mut from = Patient { stream, deadline: deadline.take() };
        let most = service.longest_request();
        let Some(request) = frame::receive::<Request>(&mut from, most)? else { return Ok(()) };
        match at_work.during(|| service.answer(request)) {
            Ok(response) => send(stream, &response)?,
            Err(Silence) => return Ok(()),
        }
    }
}

fn send(mut stream: &UnixStream, response: &Response) -> io::Result<()> {
    match frame::send(&mut stream, response) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            frame::send(&mut stream, &Response::Refused(too_long()))
        }
        done => done,
    }
}

/// Reads with as long a wait as a peer likes before a frame, and a deadline within it.
struct Patient<'a> {
    stream: &'a UnixStream,
    deadline: Option<Instant>,
}

impl Read for Patient<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = match self.deadline {
            None => None,
            Some(deadline) => match deadline.saturating_duration_since(Instant::now()) {
                Duration::ZERO => return Err(io::ErrorKind::TimedOut.into()),
                left => Some(left),
            },
        };
        self.stream.set_read_timeout(left)?;
        let read = (&mut &*self.stream).read(into)?;
        self.deadline.get_or_insert_with(|| Instant::now() + PATIENCE);
        Ok(read)
    }
}
