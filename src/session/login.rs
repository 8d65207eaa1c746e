//! Logging in and out: what the sessions of a token allow of it (PKCS#11 3.1, 5.6.7 to 5.6.9).

use super::Session;
use super::table::{SessionTable, unless_closed};
use crate::error::{Reason, Result};
use crate::token::{Login, Token};
use std::sync::Arc;

impl SessionTable {
    /// Logs in all sessions of a token, through one of them.
    ///
    /// The registry stays locked meanwhile: no session opens or closes while a login is under way, so the
    /// rules about read-only sessions and about the last session hold.
    pub(crate) fn login(&self, handle: u64, login: Login, pin: &[u8]) -> Result<()> {
        let (slot, token) = self.place_of(handle)?;
        let registry = self.registry();
        if !registry.holds(slot, handle) {
            return Err(Reason::SessionUnknown.into());
        }
        let sessions = registry.count(slot);
        if login == Login::Officer && sessions.read_write < sessions.all {
            return Err(Reason::SessionReadOnlyExists.into());
        }
        token.login(login, pin).map_err(|failure| token.with_name_of_login(login, failure))
    }

    /// Logs out all sessions of a token, through one of them. Their operations end, and the keys they
    /// kept are dropped.
    pub(crate) fn logout(&self, handle: u64) -> Result<()> {
        let (slot, token) = self.place_of(handle)?;
        self.report_uses(slot, &token);
        let done = {
            let _book = self.registry();
            token.logout()
        };
        for session in self.holders(slot) {
            unless_closed(self.with(session, |session| {
                session.forget();
                Ok(())
            }))?;
        }
        done
    }

    /// Tells the agent how often keys were used, while the login still lets it. A session that is busy
    /// counts for itself when it is done.
    fn report_uses(&self, slot: u64, token: &Token) {
        for session in self.holders(slot) {
            self.try_with(session, Session::count);
        }
        token.report_uses();
    }

    /// Proves the PIN for the operation of a session that waits for it (`CKU_CONTEXT_SPECIFIC`;
    /// PKCS#11 3.1, 4.9). A PIN that locks logs the user out.
    pub(crate) fn reauthenticate(&self, handle: u64, pin: &[u8]) -> Result<()> {
        let proved = self.with(handle, |session| session.reauthenticate(pin));
        if proved.as_ref().is_err_and(|error| error.reason() == Reason::PinLocked) {
            // It fails where another thread has logged out first.
            drop(self.logout(handle));
        }
        proved
    }

    /// Changes the PIN of the user or security officer who is logged in, else the user's;
    /// `SessionReadOnly` in a read-only session (5.5.9).
    ///
    /// The registry stays locked meanwhile: no login happens while the change is proved to the agent,
    /// so that it does not take another login's proof away when it is done.
    pub(crate) fn set_pin(&self, handle: u64, old: &[u8], new: &[u8]) -> Result<()> {
        let read_write = self.with(handle, |session| Ok(session.caller.read_write))?;
        let (slot, token) = self.place_of(handle)?;
        let registry = self.registry();
        match (registry.holds(slot, handle), read_write) {
            (false, _) => Err(Reason::SessionUnknown.into()),
            (true, false) => Err(Reason::SessionReadOnly.into()),
            (true, true) => token.set_pin(old, new).map_err(|failure| failure.of(&*token)),
        }
    }

    fn place_of(&self, handle: u64) -> Result<(u64, Arc<Token>)> {
        self.with(handle, |session| Ok((session.slot, Arc::clone(&session.token))))
    }
}

impl Session {
    /// Proves the PIN once more, for one operation whose key asks for it. A wrong PIN leaves the
    /// operation as it was.
    fn reauthenticate(&mut self, pin: &[u8]) -> Result<()> {
        let token = Arc::clone(&self.token);
        let operation = self.waiting().ok_or(Reason::OperationMissing)?;
        token
            .reauthenticate(pin)
            .map_err(|failure| token.with_name_of_login(token.logged_in_as(), failure))?;
        operation.prove();
        Ok(())
    }
}
