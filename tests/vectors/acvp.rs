//! The vectors of NIST's Automated Cryptographic Validation Protocol that `acvp.py` has picked.

use serde::de::DeserializeOwned;

/// Returns the vectors of one kind.
pub fn vectors<T: DeserializeOwned>(kind: &str) -> Vec<T> {
    let mut all: serde_json::Value = serde_json::from_str(include_str!("acvp.json")).unwrap();
    serde_json::from_value(all[kind].take()).unwrap()
}
