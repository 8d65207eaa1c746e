//! The subject of a request, for the log of those that are refused.

use super::audit::Asker;
use crate::error::{Error, Reason};
use crate::id::Id;
use crate::wire::Request;
use log::Level;
use std::fmt;

/// The subject of a request: its kind, its token, and its object where it names one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subject {
    what: &'static str,
    token: Option<Id>,
    object: Option<Id>,
}

impl Subject {
    /// Of a request that is about to be answered.
    pub(crate) fn of(request: &Request) -> Self {
        let (what, token, object) = match request {
            Request::Hello { .. } => ("a greeting", None, None),
            Request::Tokens => ("the tokens", None, None),
            Request::PutToken { token, .. } => ("a change of the token", Some(token), None),
            Request::Login { token, officer: true, .. } => {
                ("a login as officer", Some(token), None)
            }
            Request::Login { token, .. } => ("a login as user", Some(token), None),
            Request::Prove { token, .. } => ("a connection's proof", Some(token), None),
            Request::Forget { token } => ("a logout", Some(token), None),
            Request::Find { token, .. } => ("a search", Some(token), None),
            Request::Read { token, ids } => ("a read", Some(token), ids.first()),
            Request::Versions { token, key } => ("a key's versions", Some(token), Some(key)),
            Request::Associated { token, .. } => ("an association", Some(token), None),
            Request::Commit { token, changes, .. } => {
                // The custom key that it is about, rather than its material.
                let key = changes.iter().find(|change| !change.event.is_empty());
                ("a change", Some(token), key.or(changes.first()).map(|change| &change.id))
            }
            Request::Sweep => ("a sweep", None, None),
            Request::DestroyToken { token, .. } => ("the token's end", Some(token), None),
            Request::Clock => ("the clock", None, None),
            Request::AcceptClock { token, .. } => ("the clock's acceptance", Some(token), None),
            Request::AuditHead => ("the audit log's head", None, None),
            Request::ImportRefused { token, key, .. } => {
                ("a refused import's line", Some(token), key.as_ref())
            }
            Request::Backup | Request::BackupPart => ("a backup", None, None),
            Request::Used { token, .. } => ("a count of uses", Some(token), None),
            Request::OpenUses { key } => ("a key's uses", None, Some(key)),
            Request::Troubles => ("the agent's troubles", None, None),
            Request::FleetStatus => ("the fleet's status", None, None),
            Request::Invite { .. } => ("an invitation", None, None),
            Request::Expel { .. } => ("an expulsion", None, None),
        };
        Self { what, token: token.copied(), object: object.copied() }
    }

    /// Logs that it was refused.
    pub(crate) fn refused(self, error: &Error, asker: &Asker) {
        log::log!(level(error.reason()), "refused: {self}: {error}, to {asker}");
    }
}

/// Returns the level at which a refusal is logged. A missing login, and a rule of custody, are warnings: no
/// module of ours asks for such a thing.
fn level(reason: Reason) -> Level {
    match reason {
        // It has its line in the audit log, and so here.
        Reason::PinIncorrect => Level::Debug,
        Reason::NotLoggedIn => Level::Warn,
        reason if reason.is_of_store() || reason.is_refusal() => Level::Warn,
        _ => Level::Debug,
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)?;
        if let Some(object) = self.object {
            write!(f, ", key {object}")?;
        }
        match self.token {
            Some(token) => write!(f, ", token {token}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Change, Expect};

    #[test]
    fn a_change_is_about_its_custom_key() {
        let change =
            |id, event| Change { id, expect: Expect::Absent, event, put: None, alias: None };
        let (material, key, token) = (Id::new([1; 16]), Id::new([2; 16]), Id::new([3; 16]));
        let changes = vec![change(material, Vec::new()), change(key, vec![1])];
        let subject = Subject::of(&Request::Commit { token, changes, change: [0; 16] });
        assert_eq!(subject.to_string(), format!("a change, key {key}, token {token}"));
        assert_eq!(Subject::of(&Request::Backup).to_string(), "a backup");
    }
}
