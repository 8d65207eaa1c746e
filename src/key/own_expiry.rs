//! The expiry that a custom key keeps for its imports.

use super::expiry::{Expiry, ExpiryAction};
use crate::clock::Seconds;
use serde::{Deserialize, Serialize};

/// An expiry that a custom key keeps for its imports, until it is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredExpiry", into = "StoredExpiry")]
pub struct OwnExpiry {
    /// Its moment.
    pub due: Due,
    /// The fate of the material then.
    pub action: ExpiryAction,
}

/// The expiry of material that is yet to be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// A second.
    At(Seconds),
    /// The seconds after the import.
    After(Seconds),
}

impl OwnExpiry {
    /// Returns the expiry of an import at `now`.
    pub fn of_import(self, now: Seconds) -> Expiry {
        let at = match self.due {
            Due::At(at) => at,
            Due::After(seconds) => now.saturating_add(seconds),
        };
        Expiry { at, action: self.action }
    }
}

/// An own expiry as it is stored.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum StoredExpiry {
    At(Seconds),
    After(Seconds),
    ReadOnlyAt(Seconds),
    ReadOnlyAfter(Seconds),
}

impl From<StoredExpiry> for OwnExpiry {
    fn from(form: StoredExpiry) -> Self {
        let (due, action) = match form {
            StoredExpiry::At(at) => (Due::At(at), ExpiryAction::Erase),
            StoredExpiry::After(seconds) => (Due::After(seconds), ExpiryAction::Erase),
            StoredExpiry::ReadOnlyAt(at) => (Due::At(at), ExpiryAction::ReadOnly),
            StoredExpiry::ReadOnlyAfter(seconds) => (Due::After(seconds), ExpiryAction::ReadOnly),
        };
        Self { due, action }
    }
}

impl From<OwnExpiry> for StoredExpiry {
    fn from(own: OwnExpiry) -> Self {
        match (own.due, own.action) {
            (Due::At(at), ExpiryAction::Erase) => Self::At(at),
            (Due::After(seconds), ExpiryAction::Erase) => Self::After(seconds),
            (Due::At(at), ExpiryAction::ReadOnly) => Self::ReadOnlyAt(at),
            (Due::After(seconds), ExpiryAction::ReadOnly) => Self::ReadOnlyAfter(seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_expiry_counts_from_each_import() {
        let at = |due, clock| OwnExpiry { due, action: ExpiryAction::Erase }.of_import(clock).at;
        assert_eq!(at(Due::At(50), 1000), 50);
        assert_eq!((at(Due::After(50), 1000), at(Due::After(50), 2000)), (1050, 2050));
        assert_eq!(at(Due::After(u64::MAX), 1000), u64::MAX);
    }
}
