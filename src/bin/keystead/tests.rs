//! The items that the tests of several modules share.

#[path = "../../../tests/fuzz/program.rs"]
mod fuzz;

use proptest::prelude::ProptestConfig;

/// Returns the configuration of a property that is tried in so many cases. One that fails prints its input, and
/// writes no file into the tree.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}
