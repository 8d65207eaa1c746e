//! Events as the agent's log tells them.

use super::entry::{Asker, AuditEvent, Fact};
use log::Level;
use std::fmt;

/// Logs what has its line in the audit log.
pub(crate) fn log(fact: &Fact, asker: &Asker) {
    log::log!(level(fact.event), "{fact}, by {asker}");
}

/// Refusals are warnings, the life of keys is information.
fn level(event: AuditEvent) -> Level {
    match event {
        AuditEvent::PinWrong | AuditEvent::PinLocked | AuditEvent::ImportRefused => Level::Warn,
        AuditEvent::Used => Level::Debug,
        _ => Level::Info,
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.event.name())?;
        if let Some(pin) = &self.pin {
            write!(f, " (PIN: {pin})")?;
        }
        if let Some(key) = &self.key {
            write!(f, ": key {key}")?;
        }
        if let Some(alias) = &self.alias {
            write!(f, " {alias:?}")?;
        }
        if let Some(version) = self.version {
            write!(f, ", version {version}")?;
        }
        if self.again {
            f.write_str(", again")?;
        }
        if let Some(times) = self.times {
            write!(f, ", {times} times")?;
        }
        if let Some(at) = self.at {
            write!(f, ", {}{at}", of_time(self.event))?;
        }
        if let Some(reason) = &self.reason {
            write!(f, ": {reason}")?;
        }
        write!(f, ", token {}", self.token)?;
        match &self.label {
            Some(label) => write!(f, " {label:?}"),
            None => Ok(()),
        }
    }
}

/// Returns the meaning of a fact's time.
fn of_time(event: AuditEvent) -> &'static str {
    match event {
        AuditEvent::Imported => "expires ",
        AuditEvent::Expired => "expired ",
        AuditEvent::DeletionScheduled => "ends ",
        _ => "",
    }
}

impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.user {
            None => return f.write_str("the agent itself"),
            Some(user) => write!(f, "user {user}")?,
        }
        if let Some(process) = self.process {
            write!(f, ", process {process}")?;
        }
        match &self.program {
            Some(program) => write!(f, " ({program})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::timestamp;
    use super::*;
    use crate::id::Id;

    #[test]
    fn a_fact_is_told_in_one_sentence() {
        let (token, key) = (Id::new([1; 16]), Id::new([2; 16]));
        let imported = Fact {
            label: Some("demo".into()),
            alias: Some("pay\nroll".into()),
            version: Some(1),
            at: Some(timestamp(1_800_000_000)),
            again: true,
            ..Fact::of_key(AuditEvent::Imported, token, key)
        };
        assert_eq!(
            imported.to_string(),
            format!(
                "imported: key {key} \"pay\\nroll\", version 1, again, expires 2027-01-15T08:00:00Z, \
                 token {token} \"demo\""
            )
        );
        let wrong = Fact::of_pin(AuditEvent::PinWrong, token, true);
        assert_eq!(wrong.to_string(), format!("pin-wrong (PIN: so), token {token}"));
        let asker = Asker { user: Some(7), process: Some(8), program: Some("p11".into()) };
        assert_eq!(asker.to_string(), "user 7, process 8 (p11)");
        assert_eq!(Asker::agent().to_string(), "the agent itself");
    }
}
