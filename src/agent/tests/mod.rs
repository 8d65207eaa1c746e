//! An agent in this process, on a real socket and a real store, and a peer that talks to it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::expect_used)]

mod backup;
mod connections;
mod crash;
mod custody;
mod destroy;
mod fleet;
mod recovery;
mod service;
mod telling;
mod upgrade;
mod usage_counts;

use super::tickets::Tickets;
use super::{Claim, Options, claim, serve_until};
use crate::clock::{FixedClock, Seconds};
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::pin::{Pin, TokenEntry};
use crate::key::seal::TokenKey;
use crate::key::{Event, Expiry, Fingerprint, Header, KeyState, Role, Tag};
use crate::secret::Secret;
use crate::store::{Cells, Location};
use crate::wire::message::{MAX_FRAME, PROTOCOL, STORE_FORMAT};
use crate::wire::proof::{Credential, Nonce};
use crate::wire::{
    Authority, Change, Confidential, Expect, Request, Response, Stored, StoredToken, frame, socket,
};
use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

pub(crate) const TOKEN: Id = Id::new([1; 16]);
pub(crate) const START: Seconds = 1_800_000_000;

/// A store and the agent that serves it.
pub(crate) struct World {
    directory: tempfile::TempDir,
    pub clock: Arc<FixedClock>,
    /// The time that the next agent lets erasures wait, in seconds.
    pub grace: Seconds,
    /// The time that the next agent lets a spare connection idle.
    spare: Duration,
    /// The place of the records, if it is not the directory.
    elsewhere: Option<PathBuf>,
    running: Option<(UnixStream, JoinHandle<Result<()>>)>,
}

impl World {
    /// A new store with one token.
    pub(crate) fn new() -> Self {
        Self::of(Self::bare(START))
    }

    /// The same, whose agent ends no connection for being idle.
    pub(crate) fn patient() -> Self {
        let mut world = Self::bare(START);
        world.spare = Duration::from_secs(3600);
        Self::of(world)
    }

    fn of(mut world: Self) -> Self {
        world.start();
        world.connect().put_token(Expect::Absent, &entry(true)).unwrap();
        world
    }

    /// A new store without a token, in which no agent runs.
    pub(crate) fn bare(now: Seconds) -> Self {
        let world = Self::empty(now);
        Cells::make(&world.path()).unwrap();
        world
    }

    /// An empty directory.
    pub(crate) fn empty(now: Seconds) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            directory,
            clock: Arc::new(FixedClock::at(now)),
            grace: 0,
            spare: options().spare,
            elsewhere: None,
            running: None,
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    /// Returns the place of the records.
    pub(crate) fn records(&self) -> Location {
        Location::Directory(self.elsewhere.clone().unwrap_or_else(|| self.path()))
    }

    pub(crate) fn start(&mut self) {
        let Claim::Ours(lock) = claim(self.directory.path()).unwrap() else { panic!("served") };
        let lock = lock.with_records(self.records());
        let (stop, stopped) = UnixStream::pair().unwrap();
        let (ready, listening) = channel();
        let clock = Arc::clone(&self.clock);
        let options = Options { grace: self.grace, spare: self.spare, ..options() };
        let agent = std::thread::spawn(move || {
            serve_until(&lock, &options, clock, &stopped, || {
                lock.listening().unwrap();
                ready.send(()).unwrap();
            })
        });
        if listening.recv().is_err() {
            panic!("the agent did not start: {:?}", agent.join().unwrap());
        }
        self.running = Some((stop, agent));
    }

    /// Ends the agent as a signal does; what it ended with.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let (stop, agent) = self.running.take().unwrap();
        drop(stop);
        agent.join().unwrap()
    }

    /// Waits for the agent to end by itself.
    pub(crate) fn wait(&mut self) -> Result<()> {
        let (_stop, agent) = self.running.take().unwrap();
        agent.join().unwrap()
    }

    /// Returns whether the agent has ended by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.running.as_ref().is_none_or(|(_, agent)| agent.is_finished())
    }

    pub(crate) fn restart(&mut self) {
        self.stop().unwrap();
        self.start();
    }

    /// A connection that has proved nothing.
    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.directory.path())
    }

    /// A connection that has proved the user's login.
    pub(crate) fn user(&self) -> Client {
        Client::user(self.directory.path())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if self.running.is_some() {
            let ended = self.stop();
            assert!(std::thread::panicking() || ended.is_ok(), "{ended:?}");
        }
    }
}

/// An agent that stays until it is told.
pub(crate) fn options() -> Options {
    let (idle, spare) = (None, Duration::from_secs(10));
    let (linger, patience, makes_way) = (true, Duration::from_secs(60), false);
    Options {
        linger,
        group: None,
        metrics: None,
        on_event: None,
        audit_syslog: None,
        grace: 0,
        idle,
        spare,
        patience,
        offline_grace: Duration::from_secs(60),
        makes_way,
    }
}

/// One connection to an agent, its nonce, and the store.
pub(crate) struct Client(pub UnixStream, pub Nonce, pub Id);

impl Client {
    /// A connection that has said nothing.
    pub(crate) fn silent(directory: &Path) -> Self {
        Self(UnixStream::connect(directory.join(socket::NAME)).unwrap(), [0; 32], TOKEN)
    }

    pub(crate) fn connect(directory: &Path) -> Self {
        Self::try_connect(directory).expect("a welcome")
    }

    fn try_connect(directory: &Path) -> Option<Self> {
        let mut peer = Self::silent(directory);
        let hello = Request::Hello { protocol: PROTOCOL, store_format: STORE_FORMAT };
        match peer.try_ask(&hello)? {
            Response::Welcome { nonce, store, .. } => Some(Self(peer.0, nonce, store)),
            other => panic!("{other:?}"),
        }
    }

    /// A connection that has proved the user's login, which was an earlier one.
    pub(crate) fn user(directory: &Path) -> Self {
        Self::try_user(directory).expect("a proof that holds")
    }

    /// The same; none where it has to make room for others before that.
    pub(crate) fn try_user(directory: &Path) -> Option<Self> {
        let mut peer = Self::try_connect(directory)?;
        let ticket = Tickets::open(directory).unwrap().ticket(TOKEN, &entry(true), false);
        let proof = peer.proof(false, &ticket.into());
        matches!(peer.try_ask(&proof)?, Response::Done(0)).then_some(peer)
    }

    /// Returns the request that proves a login here.
    pub(crate) fn proof(&self, officer: bool, ticket: &Confidential) -> Request {
        let key = token_key().proof_key().unwrap();
        let credential = Credential { officer, key, ticket: ticket.duplicate().into_secret() };
        Request::Prove { token: TOKEN, officer, proof: credential.proof(self.1, self.2, TOKEN) }
    }

    pub(crate) fn try_ask(&mut self, request: &Request) -> Option<Response> {
        frame::send(&mut self.0, request).ok()?;
        loop {
            match frame::receive(&mut self.0, MAX_FRAME).ok()?? {
                Response::Working => {}
                answer => return Some(answer),
            }
        }
    }

    pub(crate) fn ask(&mut self, request: Request) -> Response {
        self.try_ask(&request).expect("an answer")
    }

    /// Writes the token's entry without a PIN, which only makes new ones.
    pub(crate) fn put_token(&mut self, expect: Expect, entry: &TokenEntry) -> Result<u64> {
        self.put_token_by(None, expect, entry, false)
    }

    /// The same as the security officer or the user of [`entry`], of which the token began anew or not.
    pub(crate) fn put_token_by(
        &mut self,
        by: Option<Authority>,
        expect: Expect,
        entry: &TokenEntry,
        wipe: bool,
    ) -> Result<u64> {
        let (entry, change) = (entry.encode().unwrap(), random());
        let request =
            Request::PutToken { token: TOKEN, expect, entry, slot: None, by, wipe, change };
        match self.ask(request) {
            Response::Done(revision) => Ok(revision),
            Response::Refused(error) => Err(error),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn login(&mut self, officer: bool, pin: &[u8]) -> Result<StoredToken> {
        self.log_in(officer, pin).map(|(entry, _)| entry)
    }

    /// The entry, and the ticket for other connections.
    pub(crate) fn log_in(
        &mut self,
        officer: bool,
        pin: &[u8],
    ) -> Result<(StoredToken, Confidential)> {
        let Authority { authenticator, .. } = authority(officer, pin);
        match self.ask(Request::Login { token: TOKEN, officer, authenticator }) {
            Response::LoggedIn { entry, ticket } => Ok((entry, ticket)),
            Response::Refused(error) => Err(error),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn commit(&mut self, changes: Vec<Change>) -> Result<Vec<u64>> {
        self.commit_as(random(), changes)
    }

    pub(crate) fn commit_as(&mut self, change: [u8; 16], changes: Vec<Change>) -> Result<Vec<u64>> {
        match self.ask(Request::Commit { token: TOKEN, changes, change }) {
            Response::Committed(revisions) => Ok(revisions),
            Response::Refused(error) => Err(error),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn read(&mut self, id: Id) -> Option<(Stored, Option<Box<Stored>>)> {
        match self.ask(Request::Read { token: TOKEN, ids: vec![id] }) {
            Response::Records(mut records) => records.pop().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn find(&mut self, tags: &[&[u8; 16]]) -> Vec<Id> {
        let alternatives = vec![tags.iter().map(|tag| **tag).collect()];
        match self.ask(Request::Find {
            token: TOKEN,
            alternatives,
            now: 0,
            after: None,
            limit: 1000,
        }) {
            Response::Found { ids, more: false } => ids,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn sweep(&mut self) -> (u64, u64) {
        match self.ask(Request::Sweep) {
            Response::Swept { erased, ended } => (erased, ended),
            other => panic!("{other:?}"),
        }
    }
}

/// The entry of [`entry`] with something changed.
pub(crate) fn changed(change: impl FnOnce(&mut TokenEntry)) -> TokenEntry {
    let mut changed = entry(true);
    change(&mut changed);
    changed
}

/// Returns the authority of a PIN of [`entry`].
pub(crate) fn authority(officer: bool, pin: &[u8]) -> Authority {
    // Argon2id is slow on purpose.
    static KNOWN: Mutex<BTreeMap<(bool, Vec<u8>), Secret>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap();
    let authenticator = known.entry((officer, pin.to_vec())).or_insert_with(|| {
        let entry = entry(true);
        let stretched = if officer { entry.officer } else { entry.user.unwrap() }.stretch(pin);
        stretched.unwrap().authenticator
    });
    Authority { officer, authenticator: authenticator.duplicate().into() }
}

/// The security officer.
pub(crate) fn officer() -> Option<Authority> {
    Some(authority(true, b"87654321"))
}

pub(crate) fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    bytes
}

pub(crate) fn token_key() -> TokenKey {
    TokenKey::new(Secret::new(vec![5; 32])).unwrap()
}

/// An entry with security officer's PIN `87654321` and user's PIN `123456`.
pub(crate) fn entry(custody: bool) -> TokenEntry {
    static ENTRY: OnceLock<TokenEntry> = OnceLock::new();
    let mut entry = ENTRY.get_or_init(make_entry).clone();
    entry.custody = custody;
    entry
}

fn make_entry() -> TokenEntry {
    let pin = |pin: &[u8]| Pin::wrap(TOKEN, &token_key(), pin, [3; 16], &[4; 32]).unwrap();
    let officer = pin(b"87654321");
    let mut entry = TokenEntry::new("test".into(), [6; 32], &token_key(), officer, true).unwrap();
    entry.user = Some(pin(b"123456"));
    entry
}

/// An ordinary public object.
pub(crate) fn object(id: Id, expect: Expect, tags: &[[u8; 16]], sealed: &[u8]) -> Change {
    let tags = tags.iter().map(|tag| Tag(*tag)).collect();
    let role = Role::Object { holds_key: false };
    let header = Header { private: false, role, expiry: None, tags };
    Change {
        id,
        expect,
        event: Vec::new(),
        put: Some((header.encode().unwrap(), sealed.to_vec())),
        alias: None,
    }
}

pub(crate) fn removal(id: Id, revision: u64) -> Change {
    Change { id, expect: Expect::Revision(revision), event: Vec::new(), put: None, alias: None }
}

/// A custom key's metadata under an event.
pub(crate) fn metadata(id: Id, expect: Expect, event: &Event, state: KeyState) -> Change {
    let header =
        Header { private: true, role: Role::CustomKey(state), expiry: None, tags: vec![Tag(META)] };
    let put = Some((header.encode().unwrap(), b"metadata".to_vec()));
    Change { id, expect, event: postcard::to_stdvec(event).unwrap(), put, alias: None }
}

pub(crate) fn material(
    id: Id,
    expect: Expect,
    (key, version): (Id, u32),
    fingerprint: Fingerprint,
    expiry: Option<Expiry>,
) -> Change {
    let role = Role::Material { key, version, fingerprint };
    let header = Header { private: true, role, expiry, tags: vec![Tag(MATERIAL)] };
    let put = Some((header.encode().unwrap(), SEALED.to_vec()));
    Change { id, expect, event: Vec::new(), put, alias: None }
}

pub(crate) const META: [u8; 16] = [0xAA; 16];
pub(crate) const MATERIAL: [u8; 16] = [0xBB; 16];
pub(crate) const SEALED: &[u8] = b"sealed material of a custom key, never to be seen after its end";

/// Returns whether `needle` stands anywhere in the files of a store.
pub(crate) fn on_disk(directory: &Path, needle: &[u8]) -> bool {
    std::fs::read_dir(directory).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return on_disk(&path, needle);
        }
        path.is_file()
            && std::fs::read(&path).unwrap().windows(needle.len()).any(|window| window == needle)
    })
}

pub(crate) fn reason<T: std::fmt::Debug>(result: Result<T>) -> Reason {
    result.unwrap_err().reason()
}
