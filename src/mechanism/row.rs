//! The row of a mechanism: all that PKCS#11 says about it follows from its fields.

use super::{
    BeginDigest, BeginSign, BeginTransform, BeginVerify, CiphertextLength, Decapsulate, Derive,
    DeriveSeveral, Encapsulate, Generate, GeneratePair, Lengths, MessageRow, Params, ParamsShape,
    Protections, ResumeDigest, Tells, Unwrap, Wrap,
};
use crate::key::{Parsed, Usage};
use crate::lc::lattice::Algorithm;
use crate::v3_2::{CKF_DECAPSULATE, CKF_ENCAPSULATE, CKK_ML_DSA, CKK_ML_KEM};
use pkcs11_sys::*;

/// A mechanism: what it is called, what it takes, and what it does.
#[derive(Clone, Copy)]
pub(crate) struct MechanismRow {
    /// Its `CKM_` number.
    pub id: u64,
    /// Its name in the specification.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests name rows by it"))]
    pub name: &'static str,
    /// The `CKK_` number of the keys it uses or makes, if it does.
    pub key_type: Option<u64>,
    /// The smallest and the largest key, in the unit that the specification names for the
    /// mechanism (AES: bytes, RSA: bits); zeros without a key.
    pub key_sizes: (u64, u64),
    /// The C structure of its parameter.
    pub params: ParamsShape,
    /// Encrypts.
    pub encrypt: Option<BeginTransform>,
    /// Decrypts.
    pub decrypt: Option<BeginTransform>,
    /// Encrypts and decrypts messages, each with its own IV and its tag apart from its text: what the
    /// parameter of one is. The tag follows the text in what `encrypt` gives and `decrypt` takes.
    pub message: Option<MessageRow>,
    /// Digests.
    pub digest: Option<BeginDigest>,
    /// Goes on with a digest whose state was saved.
    pub resume: Option<ResumeDigest>,
    /// Signs, or makes a MAC.
    pub sign: Option<BeginSign>,
    /// Verifies.
    pub verify: Option<BeginVerify>,
    /// True where it signs and verifies one message after the other with the same parameter. One that
    /// holds an IV would repeat it.
    pub signs_messages: bool,
    /// Signs so that the data can be had back, in one step.
    pub sign_recover: Option<BeginSign>,
    /// Gets the data back from a signature, in one step.
    pub verify_recover: Option<BeginTransform>,
    /// Wraps a key.
    pub wrap: Option<Wrap>,
    /// Unwraps a key.
    pub unwrap: Option<Unwrap>,
    /// The possible lengths of the key in a wrapped key of a length; none where no wrapped key has that
    /// length.
    pub unwrapped: Lengths,
    /// The setting without which it does not wrap.
    pub wraps_by: Option<Setting>,
    /// The setting without which it does not unwrap: its answers tell an attacker who may try many wrapped
    /// keys what is in them.
    pub unwraps_by: Option<Setting>,
    /// Set where a forged or altered blob is told from an honest one as it is unwrapped (an authenticated
    /// or CCA-secure wrapping), so that a refusal may say what was unwrapped.
    pub authenticated: bool,
    /// The size of its blocks in bytes where it wraps whole blocks only, and other lengths with zeros behind
    /// them (PKCS#11 2.40, 2.14.3; 3.1, "AES-CBC").
    pub pads_with_zeros: Option<usize>,
    /// Set where it adds what it wraps to a keystream. Under the same key and IV all that encrypts, or makes
    /// a MAC, could give that stream again, so the key may do nothing but wrap and unwrap.
    pub is_keystream: bool,
    /// Set where a part of what it wraps opens by another mechanism: the key that the rest is wrapped
    /// under, which may then be used in any way.
    pub in_parts: bool,
    /// Tells of parameters whether decrypting and unwrapping with them tell the right key from a wrong
    /// one, surely enough that the versions of a rotated key can be tried in turn.
    pub tells_versions: fn(&Params) -> bool,
    /// Encapsulates a secret key.
    pub encapsulate: Option<Encapsulate>,
    /// The length of what it encapsulates to.
    pub ciphertext: Option<CiphertextLength>,
    /// Decapsulates a secret key.
    pub decapsulate: Option<Decapsulate>,
    /// Derives a secret key.
    pub derive: Option<Derive>,
    /// Derives several secret keys at once, where it can.
    pub derive_several: Option<DeriveSeveral>,
    /// The knowledge that a derived value gives of the keys that it comes from.
    pub tells: Tells,
    /// The protections that a derived key has from its base.
    pub protections: Protections,
    /// The mechanisms that a derived key is confined to; none where it is to none.
    pub confines_to: &'static [u64],
    /// Set where it derives from keys on Montgomery's curves as well.
    pub agrees_on_montgomery: bool,
    /// Set where it derives from a secret key of any type.
    pub any_secret: bool,
    /// Set where it derives a data object instead of a key.
    pub derives_data: bool,
    /// Generates a secret key.
    pub generate: Option<Generate>,
    /// Set where the key that it generates follows from its parameter, which the caller knows: it is the
    /// caller's key, of the type that the template names, and no secret of the token's own.
    pub generates_known: bool,
    /// Makes the next version of a custom key, as [`Self::generate`] makes a new one.
    pub rotates: bool,
    /// Generates a key pair.
    pub generate_pair: Option<GeneratePair>,
    /// The `CKF_` flags that follow from no function: the kinds of curves.
    pub more_flags: CK_FLAGS,
}

/// A setting of the configuration without which a mechanism is kept from something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    /// The setting `pkcs1_unwrap`.
    Pkcs1Unwrap,
    /// The setting `mixed_wrapping`.
    MixedWrapping,
}

impl Setting {
    /// Returns its name in the configuration.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pkcs1Unwrap => "pkcs1_unwrap",
            Self::MixedWrapping => "mixed_wrapping",
        }
    }
}

impl MechanismRow {
    /// A row that does nothing yet: the rest of a row's literal.
    pub(super) const fn new(id: u64, name: &'static str) -> Self {
        Self {
            id,
            name,
            key_type: None,
            key_sizes: (0, 0),
            params: ParamsShape::None,
            encrypt: None,
            decrypt: None,
            message: None,
            digest: None,
            resume: None,
            sign: None,
            verify: None,
            signs_messages: false,
            sign_recover: None,
            verify_recover: None,
            wrap: None,
            unwrap: None,
            unwrapped: |_, _| Some(0..=usize::MAX),
            wraps_by: None,
            unwraps_by: None,
            authenticated: false,
            pads_with_zeros: None,
            in_parts: false,
            is_keystream: false,
            tells_versions: |_| false,
            rotates: false,
            encapsulate: None,
            ciphertext: None,
            decapsulate: None,
            derive: None,
            derive_several: None,
            tells: Tells::Piece,
            protections: Protections::Kept,
            confines_to: &[],
            agrees_on_montgomery: false,
            any_secret: false,
            derives_data: false,
            generate: None,
            generates_known: false,
            generate_pair: None,
            more_flags: 0,
        }
    }

    /// The `CKF_` flags of `C_GetMechanismInfo`. All is software: never `CKF_HW`.
    pub(crate) const fn flags(&self) -> CK_FLAGS {
        let messages = self.message_flags();
        messages | flag(messages != 0, CKF_MULTI_MESSAGE) | self.other_flags()
    }

    const fn message_flags(&self) -> CK_FLAGS {
        flag(self.message.is_some() && self.encrypt.is_some(), CKF_MESSAGE_ENCRYPT)
            | flag(self.message.is_some() && self.decrypt.is_some(), CKF_MESSAGE_DECRYPT)
            | flag(self.signs_messages && self.sign.is_some(), CKF_MESSAGE_SIGN)
            | flag(self.signs_messages && self.verify.is_some(), CKF_MESSAGE_VERIFY)
    }

    const fn other_flags(&self) -> CK_FLAGS {
        flag(self.encrypt.is_some(), CKF_ENCRYPT)
            | flag(self.decrypt.is_some(), CKF_DECRYPT)
            | flag(self.digest.is_some(), CKF_DIGEST)
            | flag(self.sign.is_some(), CKF_SIGN)
            | flag(self.verify.is_some(), CKF_VERIFY)
            | flag(self.sign_recover.is_some(), CKF_SIGN_RECOVER)
            | flag(self.verify_recover.is_some(), CKF_VERIFY_RECOVER)
            | flag(self.wrap.is_some(), CKF_WRAP)
            | flag(self.unwrap.is_some(), CKF_UNWRAP)
            | flag(self.encapsulate.is_some(), CKF_ENCAPSULATE)
            | flag(self.decapsulate.is_some(), CKF_DECAPSULATE)
            | flag(self.derive.is_some() || self.derive_several.is_some(), CKF_DERIVE)
            | flag(self.generate.is_some() || self.rotates, CKF_GENERATE)
            | flag(self.generate_pair.is_some(), CKF_GENERATE_KEY_PAIR)
            | self.more_flags
    }

    /// Returns its `CKF_` flags where `set` says which settings are set.
    pub(crate) fn flags_with(&self, set: impl Fn(Setting) -> bool) -> CK_FLAGS {
        let without = |setting: Option<Setting>, flag| match setting {
            Some(setting) if !set(setting) => flag,
            _ => 0,
        };
        self.flags() & !without(self.wraps_by, CKF_WRAP) & !without(self.unwraps_by, CKF_UNWRAP)
    }

    /// Returns whether what it wraps comes back as a whole or not at all, and no answer tells anything of
    /// it.
    pub(crate) const fn keeps_what_it_wraps(&self) -> bool {
        self.authenticated && !self.in_parts
    }

    /// Returns whether its keys wrap and unwrap, and do nothing else.
    pub(crate) const fn only_wraps(&self) -> bool {
        self.flags() & !(CKF_WRAP | CKF_UNWRAP) == 0
    }

    /// Returns whether such a key is one of its where it is used for that.
    pub(crate) const fn suits(&self, usage: Usage, key: &Parsed) -> bool {
        let public = matches!(
            usage,
            Usage::Encrypt
                | Usage::Wrap
                | Usage::Verify
                | Usage::VerifyRecover
                | Usage::Encapsulate
        );
        match (self.key_type, key) {
            (Some(CKK_AES), Parsed::Aes(_))
            | (Some(CKK_AES_XTS), Parsed::Xts(_))
            | (Some(CKK_CHACHA20), Parsed::ChaCha(_))
            | (Some(CKK_GENERIC_SECRET | CKK_HKDF), Parsed::Generic(_)) => true,
            (Some(CKK_RSA), Parsed::RsaPublic(_))
            | (Some(CKK_EC), Parsed::EcPublic(_))
            | (Some(CKK_EC_EDWARDS), Parsed::EdwardsPublic(_)) => public,
            (Some(CKK_RSA), Parsed::RsaPrivate(_))
            | (Some(CKK_EC), Parsed::EcPrivate(_))
            | (Some(CKK_EC_EDWARDS), Parsed::EdwardsPrivate(_)) => !public,
            (Some(CKK_EC), Parsed::MontgomeryPrivate(_)) => self.agrees_on_montgomery,
            (Some(key_type), Parsed::LatticePublic(key)) => {
                public && of_algorithm(key_type, key.set().algorithm())
            }
            (Some(key_type), Parsed::LatticePrivate(key)) => {
                !public && of_algorithm(key_type, key.set().algorithm())
            }
            (_, Parsed::Aes(_) | Parsed::Generic(_)) => self.any_secret,
            _ => false,
        }
    }
}

const fn of_algorithm(key_type: u64, algorithm: Algorithm) -> bool {
    matches!((key_type, algorithm), (CKK_ML_KEM, Algorithm::MlKem) | (CKK_ML_DSA, Algorithm::MlDsa))
}

const fn flag(set: bool, flag: CK_FLAGS) -> CK_FLAGS {
    if set { flag } else { 0 }
}

/// Returns whether each row's number is larger than the one before it.
#[allow(clippy::indexing_slicing)] // evaluated by the compiler
pub(super) const fn sorted(rows: &[MechanismRow]) -> bool {
    let mut at = 1;
    while at < rows.len() {
        if rows[at - 1].id >= rows[at].id {
            return false;
        }
        at += 1;
    }
    true
}

/// Returns the index of the row, if any, of each number below `N`.
#[allow(clippy::indexing_slicing)] // evaluated by the compiler
pub(super) const fn places<const N: usize>(rows: &[MechanismRow]) -> [u8; N] {
    assert!(rows.len() <= u8::MAX as usize);
    let mut places = [u8::MAX; N];
    let mut at = 0;
    while at < rows.len() {
        if rows[at].id < N as u64 {
            places[rows[at].id as usize] = at as u8;
        }
        at += 1;
    }
    places
}

/// Makes a row with the constant's own name, the specification's; `3_2` before it where it has that since 3.2.
macro_rules! row {
    ($id:ident) => {
        $crate::mechanism::MechanismRow::new(pkcs11_sys::$id, stringify!($id))
    };
    (3_2 $id:ident) => {
        $crate::mechanism::MechanismRow::new($crate::v3_2::$id, stringify!($id))
    };
}
pub(super) use row;
