//! The module's line to the agent: ask and get an answer, whatever became of the agent, the connection
//! or the descriptor in the meantime.
//!
//! Each concurrent caller has a connection of its own, at most [`MAX_CONNECTIONS`] at once; no caller
//! waits for another caller's answer. A connection is used only while it knows what this process
//! has proved, so a login or logout lets go of all of them, but for the one on which a login was
//! proved; what has carried a PIN's authenticator for anything else is not used again. A request
//! whose connection broke is asked again: changes carry an identity, so the agent does them once.
//!
//! One deadline holds for a call, whatever steps it takes. After an agent that gave no sign of life
//! until then, every call is told the same for a while.

mod connecting;
mod greeting;
mod state;

use super::deadline::{Deadline, SILENCE_TIMEOUT};
use super::frame;
use super::message::{MAX_FRAME, Request, Response};
use super::page::Page;
use super::proof::Credential;
use super::socket::{Socket, silent};
use super::start::{self, AgentLocation};
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use crate::presence;
use state::{Connection, LinkState};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// The most connections one process has at once; callers beyond them wait for one to come back.
pub(crate) const MAX_CONNECTIONS: usize = 16;

/// The longest wait for an agent whose answer does not matter.
const BRIEF_TIMEOUT: Duration = Duration::from_secs(1);

/// The most new connections on which a request is sent: one, a second where an agent that was about to end
/// still took the first, and further ones where agents are killed one after the other.
const LINK_TRIES: usize = 4;

/// The module's line to the agent of one store.
pub struct Link {
    location: AgentLocation,
    patience: Duration,
    state: Mutex<LinkState>,
    returned: Condvar,
    started: Condvar,
    store: OnceLock<Id>,
    page: OnceLock<Arc<Page>>,
}

impl Link {
    /// A line to the agent of the store at `location`. Nothing is connected before the first question.
    pub fn new(location: AgentLocation) -> Self {
        Self::with_patience(location, SILENCE_TIMEOUT)
    }

    fn with_patience(location: AgentLocation, patience: Duration) -> Self {
        Self {
            location,
            patience,
            state: Mutex::new(LinkState::new()),
            returned: Condvar::new(),
            started: Condvar::new(),
            store: OnceLock::new(),
            page: OnceLock::new(),
        }
    }

    /// Returns whether this process's user owns the store, or is root: others make no tokens. Where there
    /// is no store, the user who makes it will be its owner.
    pub fn is_owners(&self) -> bool {
        let user = rustix::process::geteuid();
        let owner = std::fs::metadata(&self.location.directory).map(|folder| folder.uid());
        user.is_root() || owner.map_or(true, |owner| owner == user.as_raw())
    }

    /// Asks the agent, after connecting and starting it as needed. A refusal is the error it names.
    pub fn ask(&self, request: &Request) -> Result<Response> {
        self.ask_apart(request).map(|(answer, _closed)| answer)
    }

    /// Asks for a login. Returns the answer, and the connection that has proved it.
    pub fn log_in(&self, request: &Request) -> Result<(Response, Option<ProvedConnection>)> {
        let (answer, apart) = self.ask_apart(request)?;
        Ok((answer, apart.map(ProvedConnection)))
    }

    /// Asks the agent; a connection that has proved a login comes apart from the others.
    fn ask_apart(&self, request: &Request) -> Result<(Response, Option<Connection>)> {
        match self.in_time(|deadline| self.try_to_ask(request, deadline))? {
            (Response::Refused(error), _) => Err(error),
            answered => Ok(answered),
        }
    }

    /// Runs a call under one deadline, unless the agent did not answer a moment ago.
    fn in_time<T>(&self, call: impl FnOnce(&mut Deadline) -> Result<T>) -> Result<T> {
        let began = Instant::now();
        if let Some(error) = self.state().outage.tell(began) {
            return Err(error);
        }
        let done = call(&mut Deadline::new(self.patience));
        let (mut state, now) = (self.state(), Instant::now());
        match &done {
            Ok(_) => state.hear(now),
            // Another thread hears from it: only this connection was lost.
            Err(error)
                if error.reason() == Reason::AgentLost && now < state.heard + self.patience => {}
            // It was never asked.
            Err(error) if error.reason() == Reason::FunctionFailed => {}
            Err(error) => state.outage.begin(error, began, now),
        }
        done
    }

    fn try_to_ask(
        &self,
        request: &Request,
        deadline: &mut Deadline,
    ) -> Result<(Response, Option<Connection>)> {
        let mut failure = io::Error::from(ErrorKind::NotConnected);
        let mut fresh = 0;
        // An agent that is gone leaves at most so many kept connections, which count as no try.
        for _ in 0..MAX_CONNECTIONS + LINK_TRIES {
            let mut lease = self.lease(deadline)?;
            fresh += usize::from(lease.connection.is_none());
            if fresh > LINK_TRIES {
                break;
            }
            let connection = lease.connection(deadline)?;
            let answer = self.exchange(&mut connection.socket, request, deadline);
            let told = answer.as_ref().err().map(|failure| self.lost(failure, &connection.socket));
            // It has proved more than other connections, whatever becomes of the login here.
            let is_login = matches!(request, Request::Login { .. });
            let apart = if is_login { lease.connection.take() } else { None };
            match answer {
                Ok(response) => return Ok((response, apart)),
                Err(error) => failure = error,
            }
            if failure.kind() == ErrorKind::InvalidInput {
                return Err(Reason::FunctionFailed.detail(failure));
            }
            lease.abandon();
            if let Some(told) = told.filter(|_| !is_broken(&failure)) {
                return Err(told);
            }
        }
        Err(Reason::AgentLost.detail(failure))
    }

    /// Makes a store where there is none.
    pub fn make_store(&self) -> Result<()> {
        match presence::check(&self.location.directory) {
            Ok(()) => Ok(()),
            Err(_) if self.store.get().is_none() => {
                start::make(&self.location, &mut Deadline::new(self.patience), || self.heard())
            }
            // It may only be out of sight: another in its place would pass for it.
            Err(error) => Err(self.explain_absence(error)),
        }
    }

    /// Returns the error of a store that is not there and that this process has never seen there.
    pub fn without_store(&self) -> Option<Error> {
        let unseen = self.store.get().is_none();
        presence::check(&self.location.directory).err().filter(|_| unseen)
    }

    /// Tells the agent something that can be left unsaid: only if it runs, on a connection for this alone,
    /// and without waiting long; where it did not answer, without waiting again for a while. Whether it was
    /// told.
    pub fn tell_running(&self, request: &Request) -> Result<bool> {
        let began = Instant::now();
        let known = |state: &LinkState| [&state.outage, &state.unheard].map(|it| it.found(began));
        if known(&self.state()).iter().any(Option::is_some) {
            return Ok(false);
        }
        let asked = self.ask_running(request);
        if let Err(error) = &asked {
            self.state().unheard.begin(error, began, Instant::now());
        }
        asked.map(|answer| answer.is_some())
    }

    /// Asks the agent only if it runs, on a connection for this alone and without waiting long; none where
    /// no agent answers. Starts nothing, and so changes nothing in the store's directory.
    pub fn ask_running(&self, request: &Request) -> Result<Option<Response>> {
        let mut deadline = Deadline::new(BRIEF_TIMEOUT);
        let socket = Socket::connect(&self.location.directory, deadline.end())?;
        let Some(mut socket) = socket else { return Ok(None) };
        let greeted = self.greet(&mut socket, &mut deadline);
        greeted.map_err(|failure| self.lost(&failure, &socket))??;
        let answer = self.exchange(&mut socket, request, &mut deadline);
        match answer.map_err(|failure| self.lost(&failure, &socket))? {
            Response::Refused(error) => Err(error),
            answer => Ok(Some(answer)),
        }
    }

    /// The generation page of the agent that answered last, in one place for good once one has.
    pub fn page(&self) -> Result<Arc<Page>> {
        if self.page.get().is_none() {
            self.store()?;
        }
        self.page.get().cloned().ok_or_else(|| Reason::General.into())
    }

    /// Connects to the agent, so that the page is that of the one which serves now.
    pub fn renew_page(&self) -> Result<()> {
        self.in_time(|deadline| self.lease(deadline)?.connection(deadline).map(drop))
    }

    /// The store's identity and its incarnation, as the agent last told.
    pub fn store(&self) -> Result<(Id, u64)> {
        if self.store.get().is_none() {
            self.renew_page()?;
        }
        let store = self.store.get().copied().ok_or(Reason::General)?;
        Ok((store, self.state().incarnation))
    }

    /// Proves a login to the token on every connection from now on. The one on which it was proved is used again, where
    /// it knows every other login too.
    pub fn remember(&self, token: Id, credential: Credential, on: Option<ProvedConnection>) {
        let mut known = 0;
        let _outdated = self.prove(|state| {
            known = state.epoch;
            state.proofs.insert(token, Arc::new(credential))
        });
        let Some(ProvedConnection(mut connection)) = on else { return };
        let mut state = self.state();
        if (connection.epoch, known + 1) == (known, state.epoch) {
            (connection.epoch, connection.used) = (state.epoch, Instant::now());
            state.idle.push(connection);
        }
    }

    /// Proves no login to the token any more; what the agent allowed on account of it ends.
    pub fn forget(&self, token: Id) {
        let mut outdated = self.prove(|state| state.proofs.remove(&token));
        // The agent's log is to have it; where that fails, the connection ends all the same.
        if let Some(Connection { socket, .. }) = outdated.first_mut() {
            let _told =
                socket.begin().and_then(|()| frame::send(socket, &Request::Forget { token }));
        }
    }

    /// The connections that knew less, or more.
    fn prove<T>(&self, change: impl FnOnce(&mut LinkState) -> T) -> Vec<Connection> {
        let mut state = self.state();
        change(&mut state);
        state.epoch += 1;
        std::mem::take(&mut state.idle)
    }

    fn state(&self) -> MutexGuard<'_, LinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the right to a connection.
    fn lease(&self, deadline: &mut Deadline) -> Result<Lease<'_>> {
        let mut state = self.state();
        while state.taken >= MAX_CONNECTIONS {
            state = self.wait(&self.returned, state, deadline)?;
        }
        state.taken += 1;
        let connection = state.idle();
        Ok(Lease { link: self, connection })
    }

    /// Waits for another thread, as long as it hears from the agent.
    fn wait<'a>(
        &self,
        signal: &Condvar,
        state: MutexGuard<'a, LinkState>,
        deadline: &mut Deadline,
    ) -> Result<MutexGuard<'a, LinkState>> {
        deadline.heard(state.heard);
        let Some(left) = deadline.left() else {
            drop(state);
            return Err(silent(&self.location.directory, None));
        };
        let (state, _) = signal.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        match state.outage.found(Instant::now()) {
            Some(error) => Err(error),
            None => Ok(state),
        }
    }

    /// Notes a sign of life.
    fn heard(&self) {
        self.state().hear(Instant::now());
    }

    /// Asks on a connection, and waits as long as the agent says that it works.
    fn exchange(
        &self,
        socket: &mut Socket,
        request: &Request,
        deadline: &mut Deadline,
    ) -> io::Result<Response> {
        socket.wait_until(deadline.end());
        socket.begin()?;
        frame::send(socket, request)?;
        loop {
            let answer = frame::receive(socket, MAX_FRAME)?.ok_or(ErrorKind::UnexpectedEof)?;
            deadline.renew();
            if !matches!(answer, Response::Working) {
                return Ok(answer);
            }
            self.heard();
            socket.wait_until(deadline.end());
        }
    }

    fn check_there(&self) -> Result<()> {
        presence::check(&self.location.directory).map_err(|error| self.explain_absence(error))
    }

    fn explain_absence(&self, error: Error) -> Error {
        match self.store.get() {
            Some(_) => Reason::StoreAbsent.detail(format_args!(
                "{} held one when this process began to use it; mount its volume again",
                self.location.directory.display()
            )),
            None => error,
        }
    }
}

/// A connection on which a login was proved that the others do not know. It is closed where it is dropped.
pub struct ProvedConnection(Connection);

/// A caller's right to one connection. Given up with it; the connection goes back if it is still good.
struct Lease<'a> {
    link: &'a Link,
    connection: Option<Connection>,
}

impl Lease<'_> {
    fn connection(&mut self, deadline: &mut Deadline) -> Result<&mut Connection> {
        match &mut self.connection {
            Some(connection) => Ok(connection),
            none => Ok(none.insert(self.link.connect(deadline)?)),
        }
    }

    /// Drops the connection, and the idle ones: they led to the same agent.
    fn abandon(mut self) {
        self.connection = None;
        let idle = std::mem::take(&mut self.link.state().idle);
        drop(idle);
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut state = self.link.state();
        state.taken -= 1;
        let current = state.epoch;
        let outdated = self.connection.take_if(|connection| connection.epoch != current);
        if let Some(connection) = &mut self.connection {
            connection.used = Instant::now();
        }
        state.idle.extend(self.connection.take());
        drop(state);
        drop(outdated);
        self.link.returned.notify_one();
    }
}

/// Returns whether the agent may be gone, so that asking again can help.
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
