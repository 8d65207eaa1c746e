//! A client that does not use the module: it speaks the agent's protocol itself, and knows what the
//! store tells all who ask.

use super::world::World;
use keystead::internal::error::{Error, Reason};
use keystead::internal::id::Id;
use keystead::internal::key::Header;
use keystead::internal::key::pin::{Stretched, TokenEntry};
use keystead::internal::key::seal::{SealContext, TokenKey};
use keystead::internal::secret::Secret;
use keystead::internal::wire::message::{MAX_FRAME, PROTOCOL, STORE_FORMAT};
use keystead::internal::wire::proof::{Credential, Nonce};
use keystead::internal::wire::{Change, Expect, Request, Response, Stored, frame};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// A connection to the agent, which is about one token.
#[derive(Debug)]
pub struct Raw {
    stream: UnixStream,
    nonce: Nonce,
    store: Id,
    pub token: Id,
    /// The token's entry as all are shown it.
    pub entry: TokenEntry,
}

impl Raw {
    /// Connects, about the store's first token.
    pub fn connect(world: &World) -> Self {
        Self::to(&world.store(), 0)
    }

    /// The same, to the store in that directory, about the token with that number among its tokens.
    pub fn to(store: &Path, number: usize) -> Self {
        let mut stream = UnixStream::connect(store.join("agent.sock")).unwrap();
        let hello = Request::Hello { protocol: PROTOCOL, store_format: STORE_FORMAT };
        let Some(Response::Welcome { nonce, store, .. }) = exchange(&mut stream, &hello) else {
            panic!("unwelcome")
        };
        let Some(Response::Tokens(tokens)) = exchange(&mut stream, &Request::Tokens) else {
            panic!("no tokens")
        };
        let entry = TokenEntry::decode(&tokens[number].entry).unwrap();
        Self { stream, nonce, store, token: tokens[number].id, entry }
    }

    /// Asks; none when the agent hangs up.
    pub fn try_ask(&mut self, request: &Request) -> Option<Response> {
        exchange(&mut self.stream, request)
    }

    /// Gives the connection up to a caller who says the rest.
    pub fn into_stream(self) -> UnixStream {
        self.stream
    }

    /// Asks, and does not wait for the answer; whether that could be sent.
    pub fn ask_and_leave(&mut self) -> bool {
        frame::send(&mut self.stream, &Request::Tokens).is_ok()
    }

    /// Asks; a refusal is the error it names.
    pub fn ask(&mut self, request: &Request) -> Result<Response, Error> {
        match self.try_ask(request).expect("an answer") {
            Response::Refused(error) => Err(error),
            response => Ok(response),
        }
    }

    /// Logs in; returns what proves it on other connections.
    pub fn login(&mut self, officer: bool, pin: &str) -> Result<Credential, Error> {
        let Stretched { authenticator, wrapping } = stretched(&self.entry, officer, pin);
        let (token, authenticator) = (self.token, authenticator.into());
        match self.ask(&Request::Login { token, officer, authenticator })? {
            Response::LoggedIn { entry, ticket } => {
                let entry = TokenEntry::decode(&entry.entry).unwrap();
                let pin = if officer { &entry.officer } else { entry.user.as_ref().unwrap() };
                let key = pin.unwrap(token, &wrapping).unwrap().proof_key().unwrap();
                Ok(Credential { officer, key, ticket: ticket.into_secret() })
            }
            other => panic!("{other:?}"),
        }
    }

    /// The user's key of everything private, which the agent releases to who shows the PIN.
    pub fn private_key(&mut self, pin: &str) -> TokenKey {
        let Stretched { wrapping, .. } = stretched(&self.entry, false, pin);
        self.released(pin).user.unwrap().unwrap(self.token, &wrapping).unwrap()
    }

    /// The token's entry as the agent releases it to who shows the user's PIN.
    pub fn released(&mut self, pin: &str) -> TokenEntry {
        let authenticator = stretched(&self.entry, false, pin).authenticator.into();
        let request = Request::Login { token: self.token, officer: false, authenticator };
        let Ok(Response::LoggedIn { entry, .. }) = self.ask(&request) else { panic!("no login") };
        TokenEntry::decode(&entry.entry).unwrap()
    }

    /// Returns the request that proves that login here.
    pub fn proof(&self, credential: &Credential) -> Request {
        let (token, officer) = (self.token, credential.officer);
        Request::Prove { token, officer, proof: credential.proof(self.nonce, self.store, token) }
    }

    /// The key that seals public objects: all are told it.
    pub fn public_key(&self) -> TokenKey {
        TokenKey::new(Secret::from(&self.entry.public_key[..])).unwrap()
    }

    /// The records of public objects with this attribute; of all where there is none.
    pub fn find(&mut self, attribute: Option<(u64, &[u8])>) -> Vec<Id> {
        let key = self.public_key();
        let tags =
            attribute.map(|(kind, value)| key.tag(kind, value).unwrap().0).into_iter().collect();
        let (token, alternatives) = (self.token, vec![tags]);
        let request = Request::Find { token, alternatives, now: 0, after: None, limit: 1000 };
        match self.ask(&request).unwrap() {
            Response::Found { ids, more: false } => ids,
            other => panic!("{other:?}"),
        }
    }

    /// One record, and its custom key's.
    pub fn read(&mut self, id: Id) -> Option<(Stored, Option<Box<Stored>>)> {
        match self.ask(&Request::Read { token: self.token, ids: vec![id] }).unwrap() {
            Response::Records(mut records) => records.pop().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Opens the sealed part of a public record.
    pub fn opened(&self, stored: &Stored) -> Secret {
        let context = self.context(stored.id, stored.revision);
        self.public_key().open(&context, &stored.header, &stored.sealed).unwrap()
    }

    /// The change that puts something else into a public record, lawfully sealed.
    pub fn forged(&self, stored: &Stored, body: &[u8]) -> Change {
        let context = self.context(stored.id, stored.revision + 1);
        let sealed = self.public_key().seal(&context, &stored.header, body, &[7; 32]).unwrap();
        let (expect, put) =
            (Expect::Revision(stored.revision), Some((stored.header.clone(), sealed)));
        Change { id: stored.id, expect, event: Vec::new(), put, alias: None }
    }

    /// The change that makes a public record.
    pub fn made(&self, id: Id, header: &Header, body: &[u8]) -> Change {
        let header = header.encode().unwrap();
        let sealed = self.public_key().seal(&self.context(id, 1), &header, body, &[7; 32]).unwrap();
        let put = Some((header, sealed));
        Change { id, expect: Expect::Absent, event: Vec::new(), put, alias: None }
    }

    pub fn commit(&mut self, changes: Vec<Change>) -> Result<Response, Error> {
        let mut change = [0; 16];
        aws_lc_rs::rand::fill(&mut change).unwrap();
        self.ask(&Request::Commit { token: self.token, changes, change })
    }

    fn context(&self, record: Id, revision: u64) -> SealContext {
        SealContext { store: self.store, token: self.token, record, revision }
    }
}

/// That the agent refuses for want of a login.
#[track_caller]
pub fn needs_login<T: std::fmt::Debug>(asked: Result<T, Error>) {
    assert_eq!(asked.unwrap_err().reason(), Reason::NotLoggedIn);
}

fn stretched(entry: &TokenEntry, officer: bool, pin: &str) -> Stretched {
    let of = if officer { Some(&entry.officer) } else { entry.user.as_ref() };
    of.unwrap().stretch(pin.as_bytes()).unwrap()
}

fn exchange(stream: &mut UnixStream, request: &Request) -> Option<Response> {
    frame::send(stream, request).ok()?;
    frame::receive(stream, MAX_FRAME).ok()?
}
