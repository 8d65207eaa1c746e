//! The agent's answers: one function for each request of a connection.

mod backup;
mod login;
mod proved_login;
mod reads;

use super::access::Access;
use super::audit::{Asker, AuditEvent, Fact};
use super::backup::BackupParts;
use super::commit::Commit;
use super::job::{Done, Job, Work};
use super::open_store::OpenStore;
use super::rows::TokenRow;
use super::subject::Subject;
use super::tickets::Tickets;
use super::token_entry::PutToken;
use crate::config::logging;
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use crate::key::Fingerprint;
use crate::key::pin::TokenEntry;
use crate::store::cells::{StoreIdentity, TOKENS};
use crate::wire::message::{
    MAX_FRAME, MAX_GREETING, MAX_UNPROVED, MOST_TOKENS, PROTOCOL, STORE_FORMAT,
};
use crate::wire::proof::Nonce;
use crate::wire::{Request, Response, StoredToken};
use proved_login::ProvedLogin;
use std::collections::HashMap;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Sender, sync_channel};

// The modules show as many slots as there is room for tokens.
const _: () = assert!(MOST_TOKENS == TOKENS);

/// The number of refusals of one connection that are logged.
const MOST_REFUSALS: u16 = 100;

/// A user whose process is connected.
#[derive(Debug, Clone)]
pub(crate) struct User {
    /// The process, and whose it is.
    pub asker: Asker,
    /// True if this is the store's owner, or root.
    pub owner: bool,
    /// By what it is connected.
    pub stream: Arc<UnixStream>,
}

/// One connection's side of the service.
pub(crate) struct Service {
    store: Arc<OpenStore>,
    writer: Sender<Job>,
    /// The process that is connected, and its user.
    user: User,
    /// The parts of a backup that are still to be given out.
    backup: Option<BackupParts>,
    /// True as long as the last of them was not asked for.
    midway: bool,
    tickets: Arc<Tickets>,
    /// The nonce that a login is proved for here.
    nonce: Nonce,
    greeted: bool,
    /// True if the page is to be handed over with the next answer.
    hands_over: bool,
    /// The logins that this connection has proved, by token.
    proved: HashMap<Id, ProvedLogin>,
    /// The count of changes at which these were looked at last, see [`OpenStore::logins`].
    looked: u64,
    /// The number of requests that were refused.
    refusals: u16,
}
/// The store has failed: nothing more is said.
pub(crate) struct Silence;

impl Service {
    /// A connection that has said nothing yet. Its nonce is random.
    pub(crate) fn new(
        (store, tickets): (Arc<OpenStore>, Arc<Tickets>),
        writer: Sender<Job>,
        user: User,
        nonce: Nonce,
    ) -> Self {
        let (backup, midway, greeted, hands_over) = (None, false, false, false);
        let (proved, looked, refusals) = (HashMap::new(), 0, 0);
        Self {
            store,
            writer,
            user,
            backup,
            midway,
            tickets,
            nonce,
            greeted,
            hands_over,
            proved,
            looked,
            refusals,
        }
    }

    /// Returns whether more is to be asked on this connection, and on no other: parts of a backup.
    pub(crate) fn is_midway(&self) -> bool {
        self.midway
    }

    /// Returns the size in bytes that the next request may have: little before a greeting, and before a proof no more
    /// than public objects are searched and read with.
    pub(crate) fn longest_request(&self) -> u32 {
        match (self.greeted, self.has_proved()) {
            (false, _) => MAX_GREETING,
            (true, false) => MAX_UNPROVED,
            (true, true) => MAX_FRAME,
        }
    }

    /// Returns the page that goes with the answer to the first greeting. With that alone: what has been
    /// handed over and is not received counts against this process.
    pub(crate) fn hand_over(&mut self) -> Option<BorrowedFd<'_>> {
        std::mem::take(&mut self.hands_over).then(|| self.store.page.handed())
    }

    /// Answers a request, or falls silent where the store has failed.
    pub(crate) fn answer(&mut self, request: Request) -> Result<Response, Silence> {
        let subject = Subject::of(&request);
        self.end_logins();
        let response = self.respond(request)?;
        if !self.store.alive() {
            return Err(Silence);
        }
        Ok(response.unwrap_or_else(|error| {
            self.log_refusal(subject, &error);
            Response::Refused(error)
        }))
    }

    /// Logs a refusal, up to a number for each connection: repeated ones fill no disk.
    fn log_refusal(&mut self, subject: Subject, error: &Error) {
        self.refusals = self.refusals.saturating_add(1);
        if self.refusals <= MOST_REFUSALS {
            subject.refused(error, &self.user.asker);
        }
        if self.refusals == MOST_REFUSALS {
            log::warn!("refusals: no more of them are logged for this connection");
        }
    }

    fn respond(&mut self, request: Request) -> Result<Result<Response>, Silence> {
        if !self.greeted && !matches!(request, Request::Hello { .. }) {
            return Ok(Err(Reason::AgentRefuses.detail("the first request is a greeting")));
        }
        let needs_nothing = matches!(
            request,
            Request::Hello { .. }
                | Request::Clock
                | Request::Troubles
                | Request::Forget { .. }
                | Request::FleetStatus
        );
        if !needs_nothing && let Err(error) = self.store.check_known() {
            return Ok(Err(error));
        }
        Ok(match request {
            Request::PutToken { token, expect, entry, slot, by, wipe, change } => {
                match self.may_put(token, expect, by.as_ref(), &change) {
                    Ok(by) => {
                        let put = PutToken { token, expect, entry, slot, by, wipe, change };
                        self.write(Work::PutToken(put))?
                    }
                    Err(refusal) => Err(refusal),
                }
            }
            Request::Commit { token, changes, change } => {
                let access = self.access(token);
                self.write(Work::Commit(Commit { token, changes, change, access }))?
            }
            Request::DestroyToken { token, label, authenticator, change } => {
                match self.may_destroy(token, &label, authenticator.expose()) {
                    Ok(()) => self.write(Work::DestroyToken { token, change })?,
                    Err(refusal) => Err(refusal),
                }
            }
            Request::Sweep
            | Request::AuditHead
            | Request::OpenUses { .. }
            | Request::Troubles
            | Request::FleetStatus
            | Request::Invite { .. }
            | Request::Expel { .. }
                if !self.user.owner =>
            {
                Err(Reason::OwnerOnly.into())
            }
            Request::Sweep => self.write(Work::Sweep)?,
            Request::AcceptClock { token, authenticator } => {
                match self.count_and_compare_pin(token, true, authenticator.expose()) {
                    Ok(_) => {
                        self.note(Fact::of_token(AuditEvent::ClockAccepted, token));
                        self.write(Work::AcceptClock)?.map(|_| self.clock())
                    }
                    Err(refusal) => Err(refusal),
                }
            }
            Request::AuditHead => self.write(Work::AuditHead)?,
            Request::OpenUses { key } => self.write(Work::OpenUses(key))?,
            Request::ImportRefused { token, .. } | Request::Used { token, .. }
                if self.access(token) == Access::Public =>
            {
                Err(Reason::NotLoggedIn.into())
            }
            Request::ImportRefused { token, key, reason } => {
                self.write(Work::Note(Fact::of_refusal(token, key, reason)))?
            }
            Request::Used { token, uses } => self.write(Work::Used(token, uses))?,
            Request::Invite { seconds } => self.write(Work::Invite(seconds))?,
            Request::Expel { host } => self.write(Work::Expel(host))?,
            Request::Backup => self.backup()?,
            Request::BackupPart => self.backup_part(),
            request => self.look(request),
        })
    }

    /// Requests that change no record.
    fn look(&mut self, request: Request) -> Result<Response> {
        match request {
            Request::Hello { protocol, store_format } => self.greet(protocol, store_format),
            Request::Tokens => self.tokens(),
            Request::Clock => Ok(self.clock()),
            Request::Troubles => Ok(self.troubles()),
            Request::FleetStatus => self.store.fleet_status().map(Response::FleetStatus),
            Request::Login { token, officer, authenticator } => {
                self.login(token, officer, authenticator.expose())
            }
            Request::Prove { token, officer, proof } => self.prove(token, officer, proof.expose()),
            Request::Forget { token } => {
                if self.proved.remove(&token).is_some() {
                    log::info!("logout: token {token}, by {}", self.user.asker);
                }
                Ok(Response::Done(0))
            }
            Request::Find { token, alternatives, now, after, limit } => {
                self.find(token, &alternatives, now, after, limit)
            }
            Request::Read { token, ids } => self.read(token, &ids),
            Request::Versions { token, key } => self.versions(token, key),
            Request::Associated { token, fingerprint } => {
                self.associated(token, &Fingerprint(fingerprint))
            }
            Request::PutToken { .. }
            | Request::DestroyToken { .. }
            | Request::Commit { .. }
            | Request::AcceptClock { .. }
            | Request::Sweep
            | Request::AuditHead
            | Request::OpenUses { .. }
            | Request::ImportRefused { .. }
            | Request::Used { .. }
            | Request::Invite { .. }
            | Request::Expel { .. }
            | Request::Backup
            | Request::BackupPart => Err(Reason::General.into()),
        }
    }

    fn write(&self, work: Work) -> Result<Result<Response>, Silence> {
        let token = matches!(work, Work::PutToken(_) | Work::DestroyToken { .. });
        Ok(self.done(work)?.map(|done| match done {
            Done::Revisions(revisions) if token => {
                Response::Done(revisions.first().copied().unwrap_or(0))
            }
            Done::Revisions(revisions) => Response::Committed(revisions),
            Done::Swept(swept) => Response::Swept { erased: swept.erased, ended: swept.ended },
            Done::Noted => Response::Done(0),
            Done::AuditHead(head, waiting) => {
                Response::AuditHead { seq: head.seq, mac: head.mac, waiting }
            }
            Done::OpenUses(days) => Response::OpenUses(days),
            Done::Invitation(code, expires) => Response::Invitation { code: code.into(), expires },
            Done::Expelled(host) => Response::Expelled(host),
            Done::Backup(_) => Response::Refused(Reason::General.into()),
        }))
    }

    fn done(&self, work: Work) -> Result<Result<Done>, Silence> {
        let (answer, done) = sync_channel(1);
        let (asker, caller) = (self.user.asker.clone(), Some(Arc::clone(&self.user.stream)));
        let job = Job { work, answer: Some(answer), asker, caller };
        self.writer.send(job).map_err(|_| Silence)?;
        done.recv().map_err(|_| Silence)
    }

    fn greet(&mut self, module: (u16, u16), store_format: u16) -> Result<Response> {
        let protocol = module.1.min(PROTOCOL.1);
        if protocol < module.0.max(PROTOCOL.0) {
            return Err(Reason::AgentRefuses.detail(format_args!(
                "it speaks protocols {} to {}, the module {} to {}",
                PROTOCOL.0, PROTOCOL.1, module.0, module.1
            )));
        }
        if store_format < STORE_FORMAT {
            return Err(Reason::AgentRefuses.detail(format_args!(
                "its records have format {STORE_FORMAT}, and the module knows {store_format}"
            )));
        }
        self.hands_over = !self.greeted;
        self.greeted = true;
        let StoreIdentity { store, incarnation } = self.store.cells.identity;
        let page = self.store.page.identity();
        Ok(Response::Welcome { protocol, store, incarnation, nonce: self.nonce, page })
    }

    /// Tells what fails now. The log is looked at for it: a line that is lost is no error anywhere.
    fn troubles(&self) -> Response {
        self.store.troubles.note("log", logging::unwritable());
        Response::Troubles(self.store.troubles.all())
    }

    fn clock(&self) -> Response {
        Response::Clock { clock: self.store.clock(), mark: self.store.now() }
    }

    fn tokens(&self) -> Result<Response> {
        let mut shown = Vec::new();
        for (id, row) in self.store.tokens()? {
            let entry = TokenEntry::decode(&row.entry)?.redacted().encode()?;
            match self.entry(id, TokenRow { entry, ..row }) {
                // The token may be destroyed at this moment.
                Err(_) if self.store.token(id)?.is_none() => {}
                entry => shown.push(entry?),
            }
        }
        Ok(Response::Tokens(shown))
    }

    fn entry(&self, id: Id, row: TokenRow) -> Result<StoredToken> {
        let wrong = self.store.wrong_pins(id)?;
        let TokenRow { slot, revision, entry, .. } = row;
        let read_only = !self.store.is_writable();
        Ok(StoredToken { id, slot, revision, entry, wrong, read_only })
    }
}
