//! The server: the users that may connect, and the time that each request may take. Each connection has a
//! thread of its own, so that none waits for a peer that is stuck. Admission is decided in
//! [`connections`](super::connections).

use super::answer_size::longest_answer;
use super::audit::Asker;
use super::budget::{Budget, Portion, Share};
use super::connections::{ConnectionLimits, Connections, Moves, Peer};
use super::delivery::send;
use super::job::Job;
use super::keepalive::{AtWork, show_life};
use super::open_store::OpenStore;
use super::service::{Service, Silence, User};
use super::tickets::Tickets;
use crate::error::Error;
use crate::sys;
use crate::wire::{Request, frame};
use rustix::process::{Resource, getrlimit};
use std::cell::Cell;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// The number of connections that one user may hold.
const PER_USER: usize = 256;

/// The number of connections that there may be beside the owner's and root's.
const OTHERS: usize = 1024;

/// The number of peers that may wait for a connection.
const MOST_QUEUED: usize = 4096;

/// The most descriptors that the store and the agent itself need: no connection takes one of these.
const OWN_DESCRIPTORS: usize = 32;

/// The time that a peer may take for the first frame, for the rest of one, and to take its answer.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(10);

/// The time that a frame waits until there is room for it, while its sender is shown that the agent lives.
const BUDGET_TIMEOUT: Duration = Duration::from_secs(60);

/// The time that ending waits for requests that are being answered.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The users that may connect.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AllowedPeers {
    /// The store's owner.
    pub owner: u32,
    /// True if a group may connect too: then the socket's permissions have let its members in, and
    /// no other user.
    pub group: bool,
}

/// The connections of an agent.
pub(crate) struct Server {
    store: Arc<OpenStore>,
    tickets: Arc<Tickets>,
    access: AllowedPeers,
    /// The time for which a process may leave a connection idle that is not its last one.
    spare: Duration,
    /// The memory that frames may take.
    budget: Budget,
    connections: Mutex<Connections<Arc<Connection>>>,
    left: Condvar,
    /// Held by the one who admits those who wait.
    admission: Mutex<()>,
}

struct Connection {
    stream: Arc<UnixStream>,
    at_work: AtWork,
}

impl Server {
    /// Makes a server without connections. The store's waker is woken when one ends. A connection that is idle for as long
    /// as `spare`, and whose process has another, ends.
    pub(crate) fn new(
        (store, tickets): (Arc<OpenStore>, Tickets),
        access: AllowedPeers,
        spare: Duration,
    ) -> Self {
        let connections = Mutex::new(Connections::new(limits(), Instant::now()));
        let (tickets, left, admission) = (Arc::new(tickets), Condvar::new(), Mutex::new(()));
        let budget = Budget::default();
        Self { store, tickets, access, spare, budget, connections, left, admission }
    }

    /// Returns the number of connections.
    pub(crate) fn count(&self) -> usize {
        self.connections().count()
    }

    /// Returns the moment since which there has been no connection; none where there is one.
    pub(crate) fn alone_since(&self) -> Option<Instant> {
        self.connections().alone_since()
    }

    /// Returns true where a peer waits for a connection, so that [`Self::admit`] is to be called before long.
    pub(crate) fn is_crowded(&self) -> bool {
        self.connections().is_crowded()
    }

    /// Returns true where no more peers can wait for a connection.
    pub(crate) fn is_full(&self) -> bool {
        self.connections().is_full()
    }

    /// Shows those who have waited for an answer, or for a connection, for a while that it is worked on. Where the
    /// agent is stalled, they get the error, and are sent away.
    pub(crate) fn show_life(&self, stalled: Option<&Error>) {
        let mut connections = self.connections();
        for connection in connections.admitted() {
            connection.at_work.show_life(&connection.stream, stalled);
        }
        connections.keep_waiting(|connection| show_life(&connection.stream, stalled));
    }

    /// Hangs up on all peers and waits until their requests are through.
    pub(crate) fn close(&self) {
        let mut connections = self.connections();
        hang_up(connections.clear());
        let waited = self
            .left
            .wait_timeout_while(connections, DRAIN_TIMEOUT, |connections| !connections.is_empty());
        if waited.is_ok_and(|(_, timeout)| timeout.timed_out()) {
            log::warn!("some requests did not end in time");
        }
    }

    /// Serves a connection, if it may come in, as soon as there is room.
    pub(crate) fn welcome(self: &Arc<Self>, stream: UnixStream, writer: &Sender<Job>) {
        let refused = match self.allowed(&stream) {
            Ok(peer) => {
                let connection =
                    Connection { stream: Arc::new(stream), at_work: AtWork::default() };
                let arrived = self.connections().arrive(peer, Arc::new(connection), Instant::now());
                if arrived {
                    return self.admit(writer);
                }
                format!("too many of user {} wait already", peer.user)
            }
            Err(error) => error.to_string(),
        };
        log::warn!("a connection was refused: {refused}");
    }

    /// Admits those who wait, as far as there is room by now. Where another thread does already, what has
    /// changed meanwhile is seen the next time.
    pub(crate) fn admit(self: &Arc<Self>, writer: &Sender<Job>) {
        let _one = match self.admission.try_lock() {
            Err(TryLockError::WouldBlock) => return,
            Err(TryLockError::Poisoned(one)) => one.into_inner(),
            Ok(one) => one,
        };
        let Moves { admitted, leaving } = self.connections().admit(Instant::now());
        hang_up(leaving);
        for (number, peer, connection) in admitted {
            let (server, user) = (Arc::clone(self), peer.user);
            let guard = ConnectionGuard { server, writer: writer.clone(), number, user };
            if let Err(error) = self.serve(guard, peer, Arc::clone(&connection)) {
                log::warn!("there can be no more connections: {error}");
                self.connections().put_back(peer, connection, Instant::now());
            }
        }
    }

    /// Hangs up on an idle peer, because there are no descriptors for others. Returns true if there was one.
    pub(crate) fn make_room(&self) -> bool {
        let leaving = self.connections().make_room(Instant::now());
        let found = leaving.is_some();
        hang_up(leaving);
        found
    }

    fn serve(
        &self,
        guard: ConnectionGuard,
        peer: Peer,
        connection: Arc<Connection>,
    ) -> io::Result<()> {
        let asker = Asker::process(peer.user, peer.process);
        let user = User { asker, owner: peer.trusted, stream: Arc::clone(&connection.stream) };
        let mut nonce = [0; 32];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| io::Error::other("no random bytes"))?;
        let parts = (Arc::clone(&self.store), Arc::clone(&self.tickets));
        let service = Service::new(parts, guard.writer.clone(), user, nonce);
        std::thread::Builder::new().name("connection".into()).spawn(move || {
            if let Err(error) = converse(&connection, &guard, service) {
                log::debug!("a connection ended: {error}");
            }
            // Only now is the connection free, and the agent perhaps idle.
            drop((connection, guard));
        })?;
        Ok(())
    }

    fn allowed(&self, stream: &UnixStream) -> io::Result<Peer> {
        stream.set_nonblocking(false)?;
        let (user, _) = sys::peer(stream)?;
        let trusted = user == self.access.owner || user == 0;
        if self.access.group || trusted {
            Ok(Peer { user, process: sys::peer_process(stream).ok(), trusted })
        } else {
            Err(io::Error::other(format!("user {user} may not use this store")))
        }
    }

    fn connections(&self) -> MutexGuard<'_, Connections<Arc<Connection>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the bounds of connections, as far as this process may have descriptors.
fn limits() -> ConnectionLimits {
    let in_all = most_of_each().max(2);
    ConnectionLimits {
        per_user: PER_USER,
        others: OTHERS,
        in_all,
        waiting: MOST_QUEUED.min(in_all),
    }
}

/// Returns the number of connections that may be served; as many more may wait for that, and as many more for
/// the store to be open, so that all of them together leave the agent the descriptors that it needs itself.
pub(crate) fn most_of_each() -> usize {
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
    descriptors.saturating_sub(OWN_DESCRIPTORS) / 3
}

fn hang_up(on: impl IntoIterator<Item = Arc<Connection>>) {
    for connection in on {
        // A peer that has gone already is as good as one that is sent away.
        let _gone = connection.stream.shutdown(std::net::Shutdown::Both);
    }
}

/// A place among the connections; dropping it leaves, and lets another peer in.
struct ConnectionGuard {
    server: Arc<Server>,
    writer: Sender<Job>,
    number: u64,
    user: u32,
}

impl ConnectionGuard {
    fn begin(&self) -> bool {
        self.server.connections().begin(self.number)
    }

    fn rest(&self, answered: bool, proved: bool) -> bool {
        self.server.connections().rest(self.number, answered, proved, Instant::now())
    }

    fn is_spare(&self) -> bool {
        self.server.connections().is_spare(self.number)
    }

    /// Waits for the memory that a message and its frame take: the frame, and what is read from it, which
    /// grows by halves and lies there twice as it moves.
    fn room_for(&self, at_work: &AtWork, share: Share, frame: usize) -> io::Result<Portion<'_>> {
        let end = Instant::now() + BUDGET_TIMEOUT;
        at_work.during(|| self.server.budget.take((share, self.user), 3 * frame, end))
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.server.connections().leave(self.number, Instant::now());
        self.server.left.notify_all();
        self.server.store.waker.wake();
        self.server.admit(&self.writer);
    }
}

/// Answers one request after the other until the peer goes or makes room for others, breaks the rules, or
/// the store fails.
fn converse(
    connection: &Connection,
    guard: &ConnectionGuard,
    mut service: Service,
) -> io::Result<()> {
    let Connection { stream, at_work } = connection;
    let mut deadline = Some(Instant::now() + TRANSFER_TIMEOUT);
    loop {
        let deadline = Cell::new(deadline.take());
        let proved = service.has_proved();
        let mut from = Patient { stream, guard, deadline: &deadline, begun: !proved };
        let share = if proved { Share::Proved } else { Share::Unproved };
        let room_for = |frame| guard.room_for(at_work, share, frame);
        let most = service.longest_request();
        let admit = |frame| {
            let room = room_for(frame)?;
            // A peer sends nothing while it waits.
            deadline.set(Some(Instant::now() + TRANSFER_TIMEOUT));
            Ok(room)
        };
        let received = frame::receive_as_admitted::<Request, _>(&mut from, most, admit)?;
        let Some((request, mut portion)) = received else { return Ok(()) };
        // A peer that has proved nothing could begin frame after frame, and end none, to keep others out.
        if !proved && !guard.begin() {
            return Ok(());
        }
        let answered = !matches!(request, Request::Hello { .. } | Request::Prove { .. });
        if let Some(most) = longest_answer(&request) {
            // Such requests are short.
            drop(portion);
            portion = room_for(most)?;
        }
        let answer = at_work.during(|| service.answer(request));
        sys::heap::wipe_stack();
        match answer {
            Ok(response) => send(stream, service.hand_over(), response, portion, TRANSFER_TIMEOUT)?,
            Err(Silence) => return Ok(()),
        }
        // In the midst of a backup it is as busy as in the midst of a request.
        if !service.is_midway() && !guard.rest(answered, service.has_proved()) {
            return Ok(());
        }
    }
}

/// Reads with as long a wait before a frame as the peer may have its connection, and a deadline within it.
struct Patient<'a> {
    stream: &'a UnixStream,
    guard: &'a ConnectionGuard,
    deadline: &'a Cell<Option<Instant>>,
    begun: bool,
}

impl Read for Patient<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = match self.deadline.get() {
            Some(deadline) => match deadline.saturating_duration_since(Instant::now()) {
                Duration::ZERO => return Err(io::ErrorKind::TimedOut.into()),
                left => self.read_within(Some(left), into)?,
            },
            None => self.await_frame(into)?,
        };
        if !std::mem::replace(&mut self.begun, true) && !self.guard.begin() {
            return Err(io::Error::other("it makes room for others"));
        }
        self.deadline.set(self.deadline.get().or_else(|| Some(Instant::now() + TRANSFER_TIMEOUT)));
        Ok(read)
    }
}

impl Patient<'_> {
    /// The last connection of a process may be idle as long as it likes.
    fn await_frame(&self, into: &mut [u8]) -> io::Result<usize> {
        match self.read_within(Some(self.guard.server.spare), into) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if self.guard.is_spare() {
                    return Err(io::Error::other("its process has another"));
                }
                self.read_within(None, into)
            }
            read => read,
        }
    }

    fn read_within(&self, limit: Option<Duration>, into: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(limit)?;
        (&mut &*self.stream).read(into)
    }
}
