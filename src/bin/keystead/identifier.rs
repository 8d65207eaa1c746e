//! A `CKA_ID` on the command line, in hexadecimal.

/// The longest ID, in bytes.
const LONGEST: usize = 64;

/// A `CKA_ID`.
#[derive(Debug, Clone)]
pub(crate) struct Identifier(Vec<u8>);

impl Identifier {
    /// Parses hexadecimal digits.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let bytes = base16ct::mixed::decode_vec(text).unwrap_or_default();
        match (1..=LONGEST).contains(&bytes.len()) {
            true => Ok(Self(bytes)),
            false => Err(format!("an ID is 1 to {LONGEST} bytes, two hexadecimal digits each")),
        }
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
