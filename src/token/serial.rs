//! Serial numbers of tokens.

use crate::id::Id;

/// Returns a token's serial number: sixteen characters.
pub fn serial(token: Id) -> String {
    token.bytes().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
