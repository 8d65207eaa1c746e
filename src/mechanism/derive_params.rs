//! The parts of parameters that only mechanisms which derive keys have.

use crate::lc::digest::Hash;

/// The derivation function of a key agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EcKdf {
    /// None: the bare secret.
    Null,
    /// ANSI X9.63's: the counter behind the secret.
    X963(Hash),
    /// NIST SP 800-56A's, with one step: the counter before the secret.
    OneStep(Hash),
}

/// A key derivation by NIST SP 800-108: `CK_SP800_108_KDF_PARAMS`, without the keys to derive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kbkdf {
    /// The pseudorandom function.
    pub prf: Prf,
    /// Its input, field by field.
    pub fields: Vec<Field>,
    /// The first iteration variable of the feedback mode; may be empty.
    pub iv: Vec<u8>,
}

/// A pseudorandom function under the base key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prf {
    /// HMAC with a hash.
    Hmac(Hash),
    /// AES-CMAC.
    Cmac,
}

/// A field of the input of a pseudorandom function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// The iteration variable, which is the counter in the mode of that name, and has a form there.
    Iteration(Option<NumberForm>),
    /// The counter, in the other modes.
    Counter(NumberForm),
    /// The length of all that is derived, in bits.
    Length {
        /// Counts whole outputs of the function; else the keys alone.
        of_segments: bool,
        /// Its form.
        form: NumberForm,
    },
    /// These bytes.
    Bytes(Vec<u8>),
}

/// The form of a number in the input of a pseudorandom function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberForm {
    /// True where its lowest byte comes first.
    pub little_endian: bool,
    /// Its length in bytes, 1 to 8.
    pub width: usize,
}

/// The sizes of what TLS 1.2 derives of a master secret for each side, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySizes {
    /// The key of the MAC; 0 for ciphers that authenticate.
    pub mac: usize,
    /// The cipher's key.
    pub key: usize,
    /// The IV.
    pub iv: usize,
}
