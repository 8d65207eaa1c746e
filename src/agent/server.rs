//! Connections: who may come in, how many, how long each may take. Each has a thread of its own, so
//! that nobody waits for a peer that is stuck.

use super::audit::Asker;
use super::bell::Bell;
use super::commit::Job;
use super::service::{Service, Silence, User, too_long};
use super::shelf::Shelf;
use super::tickets::Tickets;
use crate::sys;
use crate::wire::{Request, Response, frame};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::unix::net::{UnixListener, UnixStream};
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
        let guests = Guests { bell, inner: Mutex::default(), left: Condvar::new() };
        Self { shelf, tickets: Arc::new(tickets), access, guests: Arc::new(guests) }
    }

    /// Lets everybody in who waits at the listener, which does not block.
    pub fn accept(&self, listener: &UnixListener, writer: &Sender<Job>) {
        loop {
            match listener.accept() {
                Ok((stream, _)) => self.welcome(stream, writer.clone()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    log::warn!("a connection was not accepted: {error}");
                    return;
                }
            }
        }
    }

    /// How many are connected.
    pub fn count(&self) -> usize {
        self.guests.lock().streams.len()
    }

    /// Hangs up on everybody and waits until their requests are through.
    pub fn close(&self) {
        let guests = self.guests.lock();
        for (_, stream) in guests.streams.values() {
            // A peer that has gone already is as good as one that is sent away.
            let _gone = stream.shutdown(std::net::Shutdown::Both);
        }
        let waited = self
            .guests
            .left
            .wait_timeout_while(guests, FAREWELL, |guests| !guests.streams.is_empty());
        if waited.is_ok_and(|(_, timeout)| timeout.timed_out()) {
            log::warn!("some requests did not end in time");
        }
    }

    fn welcome(&self, stream: UnixStream, writer: Sender<Job>) {
        let seat = self
            .allowed(&stream)
            .and_then(|user| Ok((user, Guests::seat(&self.guests, user, &stream)?)));
        let (user, seat) = match seat {
            Ok(seated) => seated,
            Err(error) => return log::warn!("a connection was refused: {error}"),
        };
        let owner = user == self.access.owner || user == 0;
        let asker = Asker::process(user, sys::peer_process(&stream).ok());
        let user = User { asker, owner };
        let mut nonce = [0; 32];
        if aws_lc_rs::rand::fill(&mut nonce).is_err() {
            return log::error!("a connection was refused: no random bytes");
        }
        let parts = (Arc::clone(&self.shelf), Arc::clone(&self.tickets));
        let service = Service::new(parts, writer, user, nonce);
        let spawned = std::thread::Builder::new().name("connection".into()).spawn(move || {
            if let Err(error) = converse(&stream, service) {
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

#[derive(Default)]
struct Inner {
    next: u64,
    streams: BTreeMap<u64, (u32, UnixStream)>,
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
        let own = guests.streams.values().filter(|(other, _)| *other == user).count();
        let trusted = user == owner || user == 0;
        if own >= PER_USER || (!trusted && guests.streams.len() >= IN_ALL) {
            return Err(io::Error::other(format!("user {user} holds {own} connections already")));
        }
        Ok(())
    }

    fn seat(guests: &Arc<Self>, user: u32, stream: &UnixStream) -> io::Result<Seat> {
        let stream = stream.try_clone()?;
        let mut inner = guests.lock();
        let number = inner.next;
        inner.next += 1;
        inner.streams.insert(number, (user, stream));
        Ok(Seat { guests: Arc::clone(guests), number })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.guests.lock().streams.remove(&self.number);
        self.guests.left.notify_all();
        self.guests.bell.ring();
    }
}

/// Answers one request after the other until the peer goes, breaks the rules, or the store fails.
fn converse(stream: &UnixStream, mut service: Service) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut deadline = Some(Instant::now() + PATIENCE);
    loop {
        let mut from = Patient { stream, deadline: deadline.take() };
        let most = service.longest_request();
        let Some(request) = frame::receive::<Request>(&mut from, most)? else { return Ok(()) };
        match service.answer(request) {
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
