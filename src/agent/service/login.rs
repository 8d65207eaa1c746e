//! The logins of a connection: a PIN is counted before it is compared, and a login ends when it would not be
//! proved any more.

use super::super::access::Access;
use super::super::audit::{AuditEvent, Fact};
use super::super::job::Work;
use super::super::rows::TokenRow;
use super::super::token_entry::By;
use super::super::transaction::check_expected;
use super::proved_login::ProvedLogin;
use super::{Service, Silence};
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::pin::{PIN_TRIES, TokenEntry};
use crate::wire::proof::Challenge;
use crate::wire::{Authority, Expect, Response};
use std::sync::Arc;

impl Service {
    /// Returns true where this connection has proved a login.
    pub(crate) fn has_proved(&self) -> bool {
        !self.proved.is_empty()
    }

    pub(super) fn access(&self, token: Id) -> Access {
        self.proved.get(&token).map_or(Access::Public, ProvedLogin::access)
    }

    /// Ends the logins that would not be proved any more: what has happened to a token's PINs holds for
    /// the connections there are, too.
    pub(super) fn end_logins(&mut self) {
        // Where the store has failed, nothing is answered at all.
        let Ok(logins) = self.store.logins() else { return self.proved.clear() };
        if std::mem::replace(&mut self.looked, logins) == logins {
            return;
        }
        let store = Arc::clone(&self.store);
        self.proved.retain(|token, proof| proof.holds(&store, *token).unwrap_or(false));
    }

    /// Notes a login that has been proved here.
    fn note_login(&mut self, token: Id, entry: &TokenEntry, officer: bool) {
        self.proved.insert(token, ProvedLogin::new(entry, officer));
    }

    pub(super) fn login(
        &mut self,
        token: Id,
        officer: bool,
        authenticator: &[u8],
    ) -> Result<Response> {
        let row = self.count_and_compare_pin(token, officer, authenticator)?;
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
    pub(super) fn may_put(
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
        if self.store.is_answered(change)? {
            // No PIN was shown now: should the answer be forgotten meanwhile, nothing is changed.
            return Ok(None);
        }
        check_expected(expect, self.store.token(token)?.map(|row| row.revision))?;
        self.count_and_compare_pin(token, *officer, authenticator.expose())?;
        Ok(Some(if *officer { By::Officer } else { By::User }))
    }

    /// Fails unless the token has the label that is meant, and the security officer asks. A token
    /// that is gone is for the writer to speak of: the answer may only have been lost.
    pub(super) fn may_destroy(
        &mut self,
        token: Id,
        label: &str,
        authenticator: &[u8],
    ) -> Result<()> {
        let Some(row) = self.store.token(token)? else { return Ok(()) };
        if TokenEntry::decode(&row.entry)?.label != label {
            return Err(Reason::ArgumentsBad.detail("the token has another label"));
        }
        self.count_and_compare_pin(token, true, authenticator)?;
        self.proved.remove(&token);
        Ok(())
    }

    /// Compares a PIN, after it has counted the try: one that ends the agent in between is counted too.
    pub(super) fn count_and_compare_pin(
        &self,
        token: Id,
        officer: bool,
        authenticator: &[u8],
    ) -> Result<TokenRow> {
        let row = self.store.token(token)?.ok_or(Reason::TokenAbsent)?;
        let entry = TokenEntry::decode(&row.entry)?;
        let pin = if officer { Some(&entry.officer) } else { entry.user.as_ref() };
        let pin = pin.ok_or(Reason::PinMissing)?;
        let wrong = self.store.wrong_pins(token)?;
        if (if officer { wrong.0 } else { wrong.1 }) >= PIN_TRIES {
            return Err(Reason::PinLocked.into());
        }
        let tries = self.store.count_try(token, officer)?;
        if tries > PIN_TRIES {
            return Err(Reason::PinLocked.into());
        }
        if !pin.matches(authenticator) {
            self.note(Fact::of_pin(AuditEvent::PinWrong, token, officer));
            if tries == PIN_TRIES {
                self.note(Fact::of_pin(AuditEvent::PinLocked, token, officer));
            }
            return Err(Reason::PinIncorrect.into());
        }
        self.store.reset_tries(token, officer)?;
        Ok(row)
    }

    /// Has a line in the audit log before the answer goes out. Where there is no room for it, the log
    /// of the agent has it.
    pub(super) fn note(&self, fact: Fact) {
        let line = format!("{fact}, by {}", self.user.asker);
        match self.write(Work::Note(fact)) {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => log::error!("not in the audit log: {line}: {error}"),
            // The store has failed, and the connection ends.
            Err(Silence) => log::error!("not in the audit log: {line}"),
        }
    }

    pub(super) fn prove(&mut self, token: Id, officer: bool, proof: &[u8]) -> Result<Response> {
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
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::super::audit::Asker;
    use super::super::super::keyspace;
    use super::super::super::open_store::OpenStore;
    use super::super::super::rows;
    use super::super::super::tests::{entry, token_key};
    use super::super::super::tickets::Tickets;
    use super::super::super::transaction::Transaction;
    use super::super::super::writer::Writer;
    use super::super::User;
    use super::*;
    use crate::clock::FixedClock;
    use crate::key::pin::Pin;
    use crate::secret::Secret;
    use crate::store::{Batch, Cells, Memory, Store};
    use crate::wire::Request;
    use std::os::unix::net::UnixStream;

    const TOKEN: Id = Id::new([1; 16]);

    /// A connection of a user, who is the store's owner or another that may connect.
    fn connected(directory: &std::path::Path, owner: bool) -> Service {
        connected_to(Memory::default(), directory, owner)
    }

    fn connected_to(memory: Memory, directory: &std::path::Path, owner: bool) -> Service {
        let clock = Arc::new(FixedClock::at(5));
        let store = Arc::new(OpenStore::open(directory, Box::new(memory), clock).unwrap());
        // The writer makes the key of the tickets.
        drop(Writer::open(Arc::clone(&store), Arc::default()).unwrap());
        let tickets = Arc::new(Tickets::open(directory).unwrap());
        let stream = Arc::new(UnixStream::pair().unwrap().0);
        let user = User { asker: Asker::process(65_534, None), owner, stream };
        // There is no writer: what is not refused before would end the service.
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
        // What is there already changes as its PINs say, for any user.
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
        transaction.keep_answer(1).unwrap();
        transaction.apply().unwrap();
        for officer in [true, false] {
            let authenticator = Secret::from(&[0; 32][..]).into();
            let by = Authority { officer, authenticator };
            let put = member.may_put(TOKEN, Expect::Revision(1), Some(&by), &[2; 16]);
            assert_eq!(put.unwrap(), None);
        }
    }

    #[test]
    fn a_pin_that_another_opening_of_the_store_changes_ends_the_logins_here() {
        let directory = tempfile::tempdir().unwrap();
        Cells::make(directory.path()).unwrap();
        let memory = Memory::default();
        let mut service = connected_to(memory.clone(), directory.path(), true);
        let write = |entry: &TokenEntry| {
            let row = TokenRow { entry: entry.encode().unwrap(), ..TokenRow::default() };
            let writes = vec![(keyspace::token(TOKEN), Some(rows::encode(&row).unwrap()))];
            memory.apply(&Batch { conditions: Vec::new(), writes }).unwrap();
        };
        let mut token = entry(true);
        write(&token);
        service.note_login(TOKEN, &token, true);
        service.end_logins();
        assert_eq!(service.access(TOKEN), Access::Officer);
        token.officer = Pin::wrap(TOKEN, &token_key(), b"654321", [3; 16], &[4; 32]).unwrap();
        write(&token);
        service.end_logins();
        assert_eq!(service.access(TOKEN), Access::Public);
    }
}
