//! Connecting to the agent, and starting it: of several threads that find none one starts it, and the
//! others share what comes of it.

use super::state::Connection;
use super::{LINK_TRIES, Link, is_broken};
use crate::error::{Error, Reason, Result};
use crate::wire::deadline::Deadline;
use crate::wire::socket::{Socket, silent};
use crate::wire::start;
use std::io::{self, ErrorKind};
use std::time::Instant;

impl Link {
    /// Connects to the agent, which is started where none answers, and greets it.
    pub(super) fn connect(&self, deadline: &mut Deadline) -> Result<Connection> {
        let mut failure = io::Error::other("it ends before it can be asked anything");
        for _ in 0..LINK_TRIES {
            let Some(mut socket) = self.reach(deadline)? else { continue };
            match self.greet(&mut socket, deadline) {
                Ok(greeted) => {
                    return greeted.map(|epoch| Connection { socket, epoch, used: Instant::now() });
                }
                Err(error) if is_broken(&error) => failure = error,
                Err(error) => return Err(self.lost(&error, &socket)),
            }
        }
        Err(Reason::AgentLost.detail(failure))
    }

    pub(super) fn lost(&self, failure: &io::Error, socket: &Socket) -> Error {
        match failure.kind() {
            ErrorKind::TimedOut => silent(&self.location.directory, Some(socket)),
            _ => Reason::AgentLost.detail(failure),
        }
    }

    /// Connects to the agent that serves the store; none where the agent started here has ended already.
    fn reach(&self, deadline: &mut Deadline) -> Result<Option<Socket>> {
        self.check_there()?;
        let connect =
            |deadline: &Deadline| Socket::connect(&self.location.directory, deadline.end());
        if let Some(socket) = connect(deadline)? {
            return Ok(Some(socket));
        }
        match self.turn() {
            Some(turn) => {
                // Another process's agent may have come meanwhile.
                if let Some(socket) = connect(deadline)? {
                    return Ok(Some(socket));
                }
                let started = self.start(deadline);
                turn.ends(started)?;
            }
            None => self.await_start(deadline)?,
        }
        connect(deadline)
    }

    fn start(&self, deadline: &mut Deadline) -> Result<()> {
        start::agent(&self.location, deadline, || self.heard())
    }

    /// Chooses one of several threads that find no agent to start it.
    fn turn(&self) -> Option<Turn<'_>> {
        let mut state = self.state();
        if state.starting {
            return None;
        }
        (state.starting, state.not_started) = (true, None);
        Some(Turn(self))
    }

    /// The others share what comes of it.
    fn await_start(&self, deadline: &mut Deadline) -> Result<()> {
        let mut state = self.state();
        while state.starting {
            state = self.wait(&self.started, state, deadline)?;
        }
        state.not_started.clone().map_or(Ok(()), Err)
    }
}

/// A thread's turn to start the agent.
struct Turn<'a>(&'a Link);

impl Turn<'_> {
    fn ends(self, started: Result<()>) -> Result<()> {
        self.0.state().not_started = started.as_ref().err().cloned();
        started
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.state().starting = false;
        self.0.started.notify_all();
    }
}
