//! The greeting on a new connection: which store the agent serves, its page, and the logins of this process.

use super::Link;
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::wire::deadline::Deadline;
use crate::wire::message::{PROTOCOL, Request, Response, STORE_FORMAT};
use crate::wire::page::Page;
use crate::wire::proof::Nonce;
use crate::wire::socket::Socket;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::sync::Arc;

impl Link {
    /// Says hello and proves the logins of this process; as of which epoch. The outer error is the
    /// connection's.
    pub(super) fn greet(
        &self,
        socket: &mut Socket,
        deadline: &mut Deadline,
    ) -> io::Result<Result<u64>> {
        let hello = Request::Hello { protocol: PROTOCOL, store_format: STORE_FORMAT };
        let answer = self.exchange(socket, &hello, deadline)?;
        let (store, nonce) = match self.read_welcome(answer, socket.take_handed()) {
            Ok(met) => met,
            Err(error) if error.reason() == Reason::AgentLost => {
                return Err(io::Error::new(ErrorKind::ConnectionAborted, error));
            }
            Err(error) => return Ok(Err(error)),
        };
        let (epoch, proofs) = {
            let state = self.state();
            (state.epoch, state.proofs.clone())
        };
        for (token, credential) in proofs {
            let proof = credential.proof(nonce, store, token);
            let prove = Request::Prove { token, officer: credential.officer, proof };
            if let Response::Refused(error) = self.exchange(socket, &prove, deadline)? {
                log::debug!(
                    "the proof for token {token} is refused ({error}), and so will be what needs it"
                );
            }
        }
        Ok(Ok(epoch))
    }

    /// Takes note of the store, and of the page where it is another agent's. Fails with
    /// [`Reason::AgentLost`] where the agent is gone already and another has come.
    fn read_welcome(&self, answer: Response, handed: Option<OwnedFd>) -> Result<(Id, Nonce)> {
        let (store, incarnation, nonce, page) = match answer {
            Response::Welcome { store, incarnation, nonce, page, .. } => {
                (store, incarnation, nonce, page)
            }
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
                self.location.directory.display()
            )));
        }
        self.take_page(page, handed)?;
        self.state().incarnation = incarnation;
        Ok((store, nonce))
    }

    fn take_page(&self, identity: u64, handed: Option<OwnedFd>) -> Result<()> {
        if self.page.get().is_some_and(|page| page.identity() == identity) {
            return Ok(());
        }
        let handed = handed.ok_or_else(|| {
            let short = io::Error::from_raw_os_error(libc::EMFILE);
            let place = self.location.directory.display();
            Reason::AgentAbsent.detail(format_args!("{place}: its page was not received: {short}"))
        })?;
        match self.page.get() {
            Some(page) => page.replace(&handed),
            None => {
                let page = Arc::new(Page::new(&self.location.directory, &handed)?);
                // Another thread may have been first, with the page of another agent.
                let first = self.page.get_or_init(|| page);
                if first.identity() == identity { Ok(()) } else { first.replace(&handed) }
            }
        }
    }
}
