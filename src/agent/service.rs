//! The agent's answers: one function for each request, and the logins that a connection has proved so far.

use super::access::Access;
use super::answer_size::{ANSWER_ROOM, size_of_stored, too_long};
use super::audit::{Asker, AuditEvent, Fact};
use super::backup::BackupParts;
use super::commit::Commit;
use super::find::{Query, find};
use super::job::{Done, Job, Work};
use super::open_store::{Found, OpenStore};
use super::rows::TokenRow;
use super::subject::Subject;
use super::tickets::Tickets;
use super::token_entry::{By, PutToken};
use super::transaction::check_expected;
use crate::clock::Seconds;
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use crate::key::pin::{TRIES, TokenEntry};
use crate::key::{Fingerprint, Role};
use crate::store::cells::{StoreIdentity, TOKENS};
use crate::wire::message::{
    BackupPart, MAX_FOUND, MAX_FRAME, MAX_GREETING, MAX_TAGS, MAX_UNPROVED, MOST_TOKENS, PROTOCOL,
    STORE_FORMAT,
};
use crate::wire::proof::{Challenge, Nonce};
use crate::wire::{Authority, Expect, Request, Response, Stored, StoredToken};
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
    /// True if that has not been told to be all.
    midway: bool,
    tickets: Arc<Tickets>,
    /// The nonce that a login is proved for here.
    nonce: Nonce,
    greeted: bool,
    /// True if the page is to be handed over with the next answer.
    hands_over: bool,
    /// The logins that this connection has proved, by token.
    proved: HashMap<Id, Proof>,
    /// The count of changes at which these were looked at last, see [`OpenStore::logins`].
    looked: u64,
    /// The number of requests that were refused.
    refusals: u16,
}

/// A login that a connection has proved, and what it ends with (see [`TokenEntry::login_mark`]).
struct Proof {
    officer: bool,
    mark: Vec<u8>,
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
        let (proved, looked, refusals) = (HashMap::new(), store.logins(), 0);
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

    /// Returns whether this connection has proved a login.
    pub(crate) fn has_proved(&self) -> bool {
        !self.proved.is_empty()
    }

    /// Returns whether more is to be asked on this connection, and on no other: parts of a backup.
    pub(crate) fn is_midway(&self) -> bool {
        self.midway
    }

    /// Returns how many bytes the next request may have: little before a greeting, and before a proof no more
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
            log::warn!("refusals: no more of them are told on this connection");
        }
    }

    fn respond(&mut self, request: Request) -> Result<Result<Response>, Silence> {
        if !self.greeted && !matches!(request, Request::Hello { .. }) {
            return Ok(Err(Reason::AgentRefuses.detail("the first request is a greeting")));
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
            Request::Sweep | Request::AuditHead if !self.user.owner => {
                Err(Reason::OwnerOnly.into())
            }
            Request::Sweep => self.write(Work::Sweep)?,
            Request::AcceptClock { token, authenticator } => {
                match self.authenticate(token, true, authenticator.expose()) {
                    Ok(_) => {
                        self.note(Fact::of_token(AuditEvent::ClockAccepted, token));
                        self.write(Work::AcceptClock)?.map(|_| self.clock())
                    }
                    Err(refusal) => Err(refusal),
                }
            }
            Request::AuditHead => self.write(Work::AuditHead)?,
            Request::ImportRefused { token, .. } | Request::Used { token, .. }
                if self.access(token) == Access::Public =>
            {
                Err(Reason::NotLoggedIn.into())
            }
            Request::ImportRefused { token, key, reason } => {
                self.write(Work::Note(Fact::of_refusal(token, key, reason)))?
            }
            Request::Used { token, uses } => self.write(Work::Used(token, uses))?,
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
            Request::Versions { token, key } => self.several(
                token,
                self.store.versions(token, key)?.into_iter().rev(),
                without_sealed,
            ),
            Request::Associated { token, fingerprint } => {
                let found = self.store.associated(token, &Fingerprint(fingerprint))?;
                self.several(token, found.into_iter(), |stored| stored)
            }
            Request::PutToken { .. }
            | Request::DestroyToken { .. }
            | Request::Commit { .. }
            | Request::AcceptClock { .. }
            | Request::Sweep
            | Request::AuditHead
            | Request::ImportRefused { .. }
            | Request::Used { .. }
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

    /// For those who could read the files anyway.
    fn backup(&mut self) -> Result<Result<Response>, Silence> {
        if !self.user.owner {
            return Ok(Err(Reason::OwnerOnly.into()));
        }
        Ok(match self.done(Work::Backup)? {
            Ok(Done::Backup(parts)) => {
                let response = parts.summary();
                (self.backup, self.midway) = (Some(*parts), true);
                Ok(response)
            }
            Ok(_) => Err(Reason::General.into()),
            Err(error) => Err(error),
        })
    }

    fn backup_part(&mut self) -> Result<Response> {
        let part = match &mut self.backup {
            Some(parts) => parts.next_part(),
            None => return Err(Reason::AgentRefuses.detail("nothing was gathered here")),
        };
        self.midway &= !part.is_empty();
        Ok(Response::BackupPart(BackupPart(part.to_vec())))
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
                "the store has format {STORE_FORMAT}, and the module knows {store_format}"
            )));
        }
        self.hands_over = !self.greeted;
        self.greeted = true;
        let StoreIdentity { store, incarnation } = self.store.cells.identity;
        let page = self.store.page.identity();
        Ok(Response::Welcome { protocol, store, incarnation, nonce: self.nonce, page })
    }

    fn access(&self, token: Id) -> Access {
        self.proved.get(&token).map_or(Access::Public, |proof| access_of(proof.officer))
    }

    /// Ends the logins that would not be proved any more: what has happened to a token's PINs holds for
    /// the connections there are, too.
    fn end_logins(&mut self) {
        let logins = self.store.logins();
        if std::mem::replace(&mut self.looked, logins) == logins {
            return;
        }
        let store = Arc::clone(&self.store);
        self.proved.retain(|token, proof| proof.holds(&store, *token).unwrap_or(false));
    }

    /// Notes a login that has been proved here.
    fn note_login(&mut self, token: Id, entry: &TokenEntry, officer: bool) {
        let mark = entry.login_mark(officer).unwrap_or_default().to_vec();
        self.proved.insert(token, Proof { officer, mark });
    }

    fn clock(&self) -> Response {
        Response::Clock { clock: self.store.clock(), mark: self.store.now() }
    }

    fn tokens(&self) -> Result<Response> {
        let mut shown = Vec::new();
        for (id, row) in self.store.tokens()? {
            let entry = TokenEntry::decode(&row.entry)?.redacted().encode()?;
            match self.entry(id, TokenRow { entry, ..row }) {
                // Somebody may be destroying the token at this moment.
                Err(_) if self.store.token(id)?.is_none() => {}
                entry => shown.push(entry?),
            }
        }
        Ok(Response::Tokens(shown))
    }

    fn entry(&self, id: Id, row: TokenRow) -> Result<StoredToken> {
        let (_, wrong) = self.store.cells.pins.of(id)?;
        let TokenRow { slot, revision, entry, .. } = row;
        let read_only = !self.store.is_writable();
        Ok(StoredToken { id, slot, revision, entry, wrong, read_only })
    }

    fn login(&mut self, token: Id, officer: bool, authenticator: &[u8]) -> Result<Response> {
        let row = self.authenticate(token, officer, authenticator)?;
        let entry = TokenEntry::decode(&row.entry)?;
        let ticket = self.tickets.ticket(token, &entry, officer).into();
        self.note_login(token, &entry, officer);
        let who = if officer { "the security officer" } else { "the user" };
        log::info!("login: {who} of token {token} {:?}, by {}", entry.label, self.user.asker);
        let row = TokenRow { entry: entry.released_to(officer).encode()?, ..row };
        Ok(Response::LoggedIn { entry: self.entry(token, row)?, ticket })
    }

    /// Returns the login that changes a token's entry; none for a new one, which only the store's owner and root
    /// make. A change that was made already is for the writer to
    /// speak of, since it may have ended the PIN that was shown.
    fn may_put(
        &self,
        token: Id,
        expect: Expect,
        by: Option<&Authority>,
        change: &[u8; 16],
    ) -> Result<Option<By>> {
        if expect == Expect::Absent && !self.user.owner {
            return Err(Reason::TokenByOwner.into());
        }
        let Some(Authority { officer, authenticator }) = by else {
            let officer = self.access(token) == Access::Officer;
            return Ok(officer.then_some(By::OfficersLogin));
        };
        if self.store.answered(change)?.is_some() {
            // Nobody has shown a PIN now: should the answer be forgotten meanwhile, nothing is changed.
            return Ok(None);
        }
        check_expected(expect, self.store.token(token)?.map(|row| row.revision))?;
        self.authenticate(token, *officer, authenticator.expose())?;
        Ok(Some(if *officer { By::Officer } else { By::User }))
    }

    /// Fails unless the token has the label that is meant, and the security officer asks. A token
    /// that is gone is for the writer to speak of: the answer may only have been lost.
    fn may_destroy(&mut self, token: Id, label: &str, authenticator: &[u8]) -> Result<()> {
        let Some(row) = self.store.token(token)? else { return Ok(()) };
        if TokenEntry::decode(&row.entry)?.label != label {
            return Err(Reason::ArgumentsBad.detail("the token has another label"));
        }
        self.authenticate(token, true, authenticator)?;
        self.proved.remove(&token);
        Ok(())
    }

    /// Counts first, compares then: whoever ends the agent in between has still used a try.
    fn authenticate(&self, token: Id, officer: bool, authenticator: &[u8]) -> Result<TokenRow> {
        let row = self.store.token(token)?.ok_or(Reason::TokenAbsent)?;
        let entry = TokenEntry::decode(&row.entry)?;
        let pin = if officer { Some(&entry.officer) } else { entry.user.as_ref() };
        let pin = pin.ok_or(Reason::PinMissing)?;
        let (_, wrong) = self.store.cells.pins.of(token)?;
        if (if officer { wrong.0 } else { wrong.1 }) >= TRIES {
            return Err(Reason::PinLocked.into());
        }
        let tries = self.store.cells.pins.count_attempt(token, officer)?;
        if tries > TRIES {
            return Err(Reason::PinLocked.into());
        }
        if !pin.matches(authenticator) {
            self.note(Fact::of_pin(AuditEvent::PinWrong, token, officer));
            if tries == TRIES {
                self.note(Fact::of_pin(AuditEvent::PinLocked, token, officer));
            }
            return Err(Reason::PinIncorrect.into());
        }
        self.store.cells.pins.reset(token, (officer, !officer))?;
        Ok(row)
    }

    /// Has a line in the audit log before the answer goes out. Where there is no room for it, the log
    /// of the agent has it.
    fn note(&self, fact: Fact) {
        let line = format!("{fact}, by {}", self.user.asker);
        match self.write(Work::Note(fact)) {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => log::error!("not in the audit log: {line}: {error}"),
            // The store has failed, and the connection ends.
            Err(Silence) => log::error!("not in the audit log: {line}"),
        }
    }

    fn prove(&mut self, token: Id, officer: bool, proof: &[u8]) -> Result<Response> {
        let row = self.store.token(token)?.ok_or(Reason::TokenAbsent)?;
        let entry = TokenEntry::decode(&row.entry)?;
        let store = self.store.cells.identity.store;
        let challenge = Challenge { nonce: self.nonce, store, token, officer };
        if entry.proves(&challenge, &self.tickets.ticket(token, &entry, officer), proof) {
            self.note_login(token, &entry, officer);
            Ok(Response::Done(0))
        } else {
            Err(Reason::NotLoggedIn.into())
        }
    }

    fn find(
        &self,
        token: Id,
        alternatives: &[Vec<[u8; 16]>],
        now: Seconds,
        after: Option<Id>,
        limit: u32,
    ) -> Result<Response> {
        if alternatives.iter().map(Vec::len).sum::<usize>() > MAX_TAGS {
            return Err(Reason::ArgumentsBad.detail("a search has too many terms"));
        }
        let access = self.access(token);
        let limit = limit.min(MAX_FOUND) as usize;
        let (ids, more) =
            find(&self.store, &Query { token, alternatives, access, now, after, limit })?;
        Ok(Response::Found { ids, more })
    }

    /// As many records as fit into a frame; one that does not alone is refused.
    fn read(&self, token: Id, ids: &[Id]) -> Result<Response> {
        let (mut records, mut size) = (Vec::new(), 0);
        for id in ids {
            let read = self.read_one(token, *id);
            let record = if ids.len() == 1 { read? } else { self.tolerated(read)? };
            size += record.as_ref().map_or(1, |(own, owner)| {
                size_of_stored(own) + owner.as_ref().map_or(0, |owner| size_of_stored(owner))
            });
            if size > ANSWER_ROOM && !records.is_empty() {
                break;
            }
            records.push(record);
        }
        Ok(Response::Records(records))
    }

    fn read_one(&self, token: Id, id: Id) -> Result<Option<(Stored, Option<Box<Stored>>)>> {
        let (found, owner) = self.found_with_owner(token, id)?;
        // What has ended is handed out empty: an operation under way asks why.
        let Some(found) = found.filter(|found| self.may_see(token, found)) else {
            return Ok(None);
        };
        let owner = match self.visible(token, owner) {
            Some(owner) => Some(Box::new(self.store.hand_out(token, owner)?)),
            None => None,
        };
        Ok(Some((self.store.hand_out(token, found)?, owner)))
    }

    /// A record, and for material its custom key as it was at the same moment: a commit between two reads
    /// would show a state that never was.
    fn found_with_owner(&self, token: Id, id: Id) -> Result<(Option<Found>, Option<Found>)> {
        let mut found = self.store.find(token, id)?;
        loop {
            let key = match found.as_ref().map(|found| &found.known.header.role) {
                Some(Role::Material { key, .. }) => *key,
                _ => return Ok((found, None)),
            };
            let owner = self.store.find(token, key)?;
            let still = self.store.find(token, id)?;
            let revision = |found: &Option<Found>| found.as_ref().map(|found| found.row.revision);
            if revision(&still) == revision(&found) {
                return Ok((found, owner));
            }
            found = still;
        }
    }

    /// Among several, one that is damaged is left out.
    fn tolerated<T>(&self, read: Result<Option<T>>) -> Result<Option<T>> {
        match read {
            Err(error) if error.reason() == Reason::StoreDamaged && self.store.alive() => {
                log::error!("{error}");
                Ok(None)
            }
            read => read,
        }
    }

    fn several(
        &self,
        token: Id,
        found: impl Iterator<Item = Found>,
        shown: fn(Stored) -> Stored,
    ) -> Result<Response> {
        let (mut several, mut size) = (Vec::new(), 0);
        for found in found.filter_map(|found| self.visible(token, Some(found))) {
            let stored = self.tolerated(self.store.hand_out(token, found).map(Some))?.map(shown);
            size += stored.as_ref().map_or(0, size_of_stored);
            if size > ANSWER_ROOM {
                return Err(too_long());
            }
            several.extend(stored);
        }
        Ok(Response::Several(several))
    }

    /// Records are for those who have proved what they need, and an ordinary key that has ended is gone
    /// though it may not have been swept yet.
    fn visible(&self, token: Id, found: Option<Found>) -> Option<Found> {
        found.filter(|found| self.may_see(token, found)).filter(|Found { known, .. }| {
            !(matches!(known.header.role, Role::Object { .. }) && known.is_dead(self.store.now()))
        })
    }

    fn may_see(&self, token: Id, found: &Found) -> bool {
        self.access(token).sees(&found.known.header)
    }
}

impl Proof {
    /// Returns whether it holds still. Of a token that is gone there is nothing to be seen, and whoever has logged
    /// in is told so.
    fn holds(&self, store: &OpenStore, token: Id) -> Result<bool> {
        let Some(row) = store.token(token)? else { return Ok(true) };
        Ok(TokenEntry::decode(&row.entry)?.login_mark(self.officer) == Some(&self.mark))
    }
}

fn access_of(officer: bool) -> Access {
    if officer { Access::Officer } else { Access::User }
}

/// As many versions as a key can have fit into a frame without these.
fn without_sealed(stored: Stored) -> Stored {
    Stored { sealed: Vec::new(), ..stored }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::transaction::Transaction;
    use super::super::waker::Waker;
    use super::super::writer::Writer;
    use super::*;
    use crate::clock::FixedClock;
    use crate::secret::Secret;
    use crate::store::{Cells, Memory};

    const TOKEN: Id = Id::new([1; 16]);

    /// A connection of a user, who is the store's owner or another that may connect.
    fn connected(directory: &std::path::Path, owner: bool) -> Service {
        let clock = Arc::new(FixedClock::at(5));
        let store = Arc::new(OpenStore::open(directory, Box::<Memory>::default(), clock).unwrap());
        // The writer makes the key of the tickets.
        drop(Writer::open(Arc::clone(&store), Arc::new(Waker::new().unwrap())).unwrap());
        let tickets = Arc::new(Tickets::open(directory).unwrap());
        let stream = Arc::new(UnixStream::pair().unwrap().0);
        let user = User { asker: Asker::process(65_534, None), owner, stream };
        // Nobody writes: what is not refused before would end the service.
        let (writer, _) = std::sync::mpsc::channel();
        let mut service = Service::new((store, tickets), writer, user, [7; 32]);
        service.greeted = true;
        service
    }

    #[test]
    fn whoever_else_may_connect_makes_no_token() {
        let directory = tempfile::tempdir().unwrap();
        Cells::make(directory.path()).unwrap();
        let put = || Request::PutToken {
            token: TOKEN,
            expect: Expect::Absent,
            entry: vec![],
            slot: None,
            by: None,
            wipe: false,
            change: [2; 16],
        };
        let mut member = connected(directory.path(), false);
        let Ok(Response::Refused(refusal)) = member.answer(put()) else { unreachable!() };
        assert_eq!(refusal.reason(), Reason::TokenByOwner);
        let refused = member.may_put(TOKEN, Expect::Absent, None, &[2; 16]);
        assert_eq!(refused.unwrap_err().reason(), Reason::TokenByOwner);
        // What is there already changes as its PINs say, whoever it is.
        assert_eq!(member.may_put(TOKEN, Expect::Revision(1), None, &[2; 16]).unwrap(), None);
        drop(member);
        let owner = connected(directory.path(), true);
        assert_eq!(owner.may_put(TOKEN, Expect::Absent, None, &[2; 16]).unwrap(), None);
    }

    /// Names the case in which the answer is forgotten before the writer looks for it.
    #[test]
    fn whoever_names_a_change_that_was_answered_has_shown_no_pin() {
        let directory = tempfile::tempdir().unwrap();
        Cells::make(directory.path()).unwrap();
        let member = connected(directory.path(), false);
        let mut transaction = Transaction::new(&member.store);
        transaction.answer([2; 16], vec![1]);
        transaction.keep_answer(1, [].iter()).unwrap();
        transaction.apply().unwrap();
        for officer in [true, false] {
            let authenticator = Secret::from(&[0; 32][..]).into();
            let by = Authority { officer, authenticator };
            let put = member.may_put(TOKEN, Expect::Revision(1), Some(&by), &[2; 16]);
            assert_eq!(put.unwrap(), None);
        }
    }
}
