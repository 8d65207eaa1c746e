//! The module's line to the agent: ask and get an answer, whatever became of the agent, the connection
//! or the descriptor in the meantime.
//!
//! Each concurrent caller has a connection of its own, at most [`MOST`] at once; nobody waits for
//! another caller's answer. A connection is used only while it knows what this process has proved, so
//! a login or logout lets go of all of them, and what has carried a PIN's authenticator is not used
//! again. A request whose connection broke is asked again: changes
//! carry an identity, so the agent does them once.

use super::frame;
use super::message::{MAX_FRAME, PROTOCOL, Request, Response, STORE_FORMAT};
use super::page::Page;
use super::proof::{Credential, Nonce};
use super::socket::{PATIENCE, Socket};
use super::start::{self, Place};
use crate::error::{Reason, Result};
use crate::id::Id;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// The most connections one process has at once; callers beyond them wait for one to come back.
pub const MOST: usize = 16;

/// How long an agent may take where its answer does not matter.
const HASTE: Duration = Duration::from_secs(1);

/// How often a request is sent at most: on a kept connection, on a new one, and once more where an
/// agent that was about to end still took the new one.
const TRIES: usize = 3;

/// The module's line to the agent of one store.
pub struct Link {
    place: Place,
    patience: Duration,
    state: Mutex<State>,
    returned: Condvar,
    starting: Mutex<()>,
    store: OnceLock<Id>,
    page: OnceLock<Arc<Page>>,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    taken: usize,
    /// Moves with `proofs`; a connection from an earlier epoch is of no use.
    epoch: u64,
    proofs: BTreeMap<Id, Arc<Credential>>,
    incarnation: u64,
}

struct Connection {
    socket: Socket,
    epoch: u64,
}

impl Link {
    /// A line to the agent of the store at `place`. Nothing is connected before the first question.
    pub fn new(place: Place) -> Self {
        Self::with_patience(place, PATIENCE)
    }

    fn with_patience(place: Place, patience: Duration) -> Self {
        Self {
            place,
            patience,
            state: Mutex::default(),
            returned: Condvar::new(),
            starting: Mutex::default(),
            store: OnceLock::new(),
            page: OnceLock::new(),
        }
    }

    /// Whether this process's user owns the store, or is root: others make no tokens. Where there is no
    /// store, whoever makes it will be its owner.
    pub fn is_owners(&self) -> bool {
        let user = rustix::process::geteuid();
        let owner = std::fs::metadata(&self.place.directory).map(|folder| folder.uid());
        user.is_root() || owner.map_or(true, |owner| owner == user.as_raw())
    }

    /// Asks the agent, after connecting and starting it as needed. A refusal is the error it names.
    pub fn ask(&self, request: &Request) -> Result<Response> {
        let mut failure = io::Error::from(ErrorKind::NotConnected);
        for _ in 0..TRIES {
            let mut seat = self.seat()?;
            let answer = exchange(&mut seat.connection()?.socket, request);
            if matches!(request, Request::Login { .. }) {
                // It has proved more than other connections, whatever becomes of the login here.
                seat.connection = None;
            }
            match answer {
                Ok(Response::Refused(error)) => return Err(error),
                Ok(response) => return Ok(response),
                Err(error) => failure = error,
            }
            if failure.kind() == ErrorKind::InvalidInput {
                return Err(Reason::FunctionFailed.detail(failure));
            }
            seat.abandon();
            if !is_broken(&failure) {
                break;
            }
        }
        Err(Reason::AgentLost.detail(failure))
    }

    /// Tells the agent something that can be left unsaid: only if it runs, on a connection for this alone,
    /// and without waiting long. Whether it was told.
    pub fn tell_running(&self, request: &Request) -> Result<bool> {
        let Some(socket) = Socket::connect(&self.place.directory, HASTE)? else { return Ok(false) };
        let lost = |error| Reason::AgentLost.detail(error);
        let mut connection = self.greet(socket).map_err(lost)??;
        match exchange(&mut connection.socket, request).map_err(lost)? {
            Response::Refused(error) => Err(error),
            _ => Ok(true),
        }
    }

    /// The store's generation page, there for good once an agent has answered.
    pub fn page(&self) -> Result<Arc<Page>> {
        if self.page.get().is_none() {
            self.store()?;
            let page = Arc::new(Page::open(&self.place.directory)?);
            return Ok(self.page.get_or_init(|| page).clone());
        }
        self.page.get().cloned().ok_or_else(|| Reason::General.into())
    }

    /// The store's identity and its incarnation, as the agent last told.
    pub fn store(&self) -> Result<(Id, u64)> {
        if self.store.get().is_none() {
            self.seat()?.connection()?;
        }
        let store = self.store.get().copied().ok_or(Reason::General)?;
        Ok((store, self.state().incarnation))
    }

    /// Proves a login to the token on every connection from now on.
    pub fn remember(&self, token: Id, credential: Credential) {
        self.prove(|proofs| proofs.insert(token, Arc::new(credential)));
    }

    /// Proves no login to the token any more; what the agent allowed on account of it ends.
    pub fn forget(&self, token: Id) {
        self.prove(|proofs| proofs.remove(&token));
    }

    fn prove<T>(&self, change: impl FnOnce(&mut BTreeMap<Id, Arc<Credential>>) -> T) {
        let mut state = self.state();
        change(&mut state.proofs);
        state.epoch += 1;
        let outdated = std::mem::take(&mut state.idle);
        drop(state);
        drop(outdated);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place among the connections, with an end to the wait.
    fn seat(&self) -> Result<Seat<'_>> {
        let full = |state: &mut State| state.taken >= MOST;
        let waited = self.returned.wait_timeout_while(self.state(), self.patience, full);
        let (mut state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            return Err(Reason::AgentLost.detail("all connections are busy"));
        }
        state.taken += 1;
        Ok(Seat { link: self, connection: state.idle.pop() })
    }

    fn connect(&self) -> Result<Connection> {
        let mut failure = io::Error::other("it ends before it can be asked anything");
        for _ in 0..TRIES {
            let Some(socket) = self.reach()? else { continue };
            match self.greet(socket) {
                Ok(connection) => return connection,
                Err(error) if is_broken(&error) => failure = error,
                Err(error) => return Err(Reason::AgentLost.detail(error)),
            }
        }
        Err(Reason::AgentLost.detail(failure))
    }

    /// A connection to whoever serves the store; none where the agent started here has ended already.
    /// Several threads that find nobody start one agent.
    fn reach(&self) -> Result<Option<Socket>> {
        let connect = || Socket::connect(&self.place.directory, self.patience);
        if let Some(socket) = connect()? {
            return Ok(Some(socket));
        }
        let _one = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(socket) = connect()? {
            return Ok(Some(socket));
        }
        self.check_not_gone()?;
        start::agent(&self.place)?;
        connect()
    }

    /// An agent would make an empty store in the place of the one this process has been using.
    fn check_not_gone(&self) -> Result<()> {
        let directory = &self.place.directory;
        if self.store.get().is_none() || directory.is_dir() {
            return Ok(());
        }
        Err(Reason::AgentAbsent.detail(format_args!("the store {} is gone", directory.display())))
    }

    /// Says hello and proves the logins of this process. The outer error is the connection's.
    fn greet(&self, mut socket: Socket) -> io::Result<Result<Connection>> {
        let hello = Request::Hello { protocol: PROTOCOL, store_format: STORE_FORMAT };
        let (store, nonce) = match exchange(&mut socket, &hello).map(|answer| self.meet(answer))? {
            Ok(met) => met,
            Err(error) => return Ok(Err(error)),
        };
        let (epoch, proofs) = {
            let state = self.state();
            (state.epoch, state.proofs.clone())
        };
        for (token, credential) in proofs {
            let proof = credential.proof(nonce, store, token);
            let prove = Request::Prove { token, officer: credential.officer, proof };
            if let Response::Refused(error) = exchange(&mut socket, &prove)? {
                log::debug!(
                    "the proof for token {token} is refused ({error}), and so will be what needs it"
                );
            }
        }
        Ok(Ok(Connection { socket, epoch }))
    }

    fn meet(&self, answer: Response) -> Result<(Id, Nonce)> {
        let (store, incarnation, nonce) = match answer {
            Response::Welcome { store, incarnation, nonce, .. } => (store, incarnation, nonce),
            Response::Refused(error) => return Err(error),
            _ => {
                return Err(
                    Reason::AgentRefuses.detail("it answers a greeting with something else")
                );
            }
        };
        if *self.store.get_or_init(|| store) != store {
            return Err(Reason::AgentRefuses.detail(format_args!(
                "{} holds another store than when this process began to use it",
                self.place.directory.display()
            )));
        }
        self.state().incarnation = incarnation;
        Ok((store, nonce))
    }
}

/// A caller's right to one connection. Given up with it; the connection goes back if it is still good.
struct Seat<'a> {
    link: &'a Link,
    connection: Option<Connection>,
}

impl Seat<'_> {
    fn connection(&mut self) -> Result<&mut Connection> {
        match &mut self.connection {
            Some(connection) => Ok(connection),
            none => Ok(none.insert(self.link.connect()?)),
        }
    }

    /// Drops the connection, and the idle ones: they led to the same agent.
    fn abandon(mut self) {
        self.connection = None;
        let idle = std::mem::take(&mut self.link.state().idle);
        drop(idle);
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut state = self.link.state();
        state.taken -= 1;
        let current = state.epoch;
        let outdated = self.connection.take_if(|connection| connection.epoch != current);
        state.idle.extend(self.connection.take());
        drop(state);
        drop(outdated);
        self.link.returned.notify_one();
    }
}

fn exchange(socket: &mut Socket, request: &Request) -> io::Result<Response> {
    socket.begin()?;
    frame::send(socket, request)?;
    frame::receive(socket, MAX_FRAME)?.ok_or_else(|| ErrorKind::UnexpectedEof.into())
}

/// Whether the agent may be gone, so that asking again can help.
fn is_broken(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnexpectedEof
            | ErrorKind::BrokenPipe
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::NotConnected
    ) || error.raw_os_error() == Some(libc::EBADF)
        || error.raw_os_error() == Some(libc::ENOTSOCK)
}

#[cfg(test)]
mod tests;
