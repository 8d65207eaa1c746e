//! A key ready for use, and the one place that decides whether it may be used.

use super::expiry::Expiry;
use super::parsed::Parsed;
use super::restrictions::Restrictions;
use super::state::{KeyState, Status};
use crate::clock::Seconds;
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use crate::secret::Secret;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The least size of an RSA key that wraps or unwraps, in bits, whatever is configured: it keeps more
/// than itself.
pub const WRAPPING_RSA: u64 = 2048;

impl Parsed {
    /// Returns the size of an RSA key in bits.
    fn rsa_bits(&self) -> Option<u64> {
        match self {
            Self::RsaPrivate(key) => Some(key.bits()),
            Self::RsaPublic(key) => Some(key.bits()),
            _ => None,
        }
    }

    /// Refuses a use that an RSA key is too short for, where keys have at least `minimum` bits.
    /// Verifying tells what was signed once, and asks for no size.
    pub fn check_size(&self, usage: Usage, minimum: u64) -> Result<()> {
        let (least, reason) = match usage {
            Usage::Verify | Usage::VerifyRecover => return Ok(()),
            Usage::Wrap => (minimum.max(WRAPPING_RSA), Reason::WrappingKeySize),
            Usage::Unwrap => (minimum.max(WRAPPING_RSA), Reason::UnwrappingKeySize),
            _ => (minimum, Reason::KeySizeRange),
        };
        match self.rsa_bits() {
            Some(bits) if bits < least => Err(reason.detail(format_args!("RSA of {bits} bits"))),
            _ => Ok(()),
        }
    }
}

/// A use of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// Encrypting data.
    Encrypt,
    /// Decrypting data.
    Decrypt,
    /// Signing, or making a MAC.
    Sign,
    /// Verifying a signature or a MAC.
    Verify,
    /// Wrapping another key.
    Wrap,
    /// Unwrapping another key.
    Unwrap,
    /// Deriving another key.
    Derive,
    /// Signing so that the signature gives the data back.
    SignRecover,
    /// Getting the data back from a signature.
    VerifyRecover,
    /// Encapsulating another key.
    Encapsulate,
    /// Decapsulating another key.
    Decapsulate,
}

impl Usage {
    /// Every usage there is.
    pub const ALL: &[Self] = &[
        Self::Encrypt,
        Self::Decrypt,
        Self::Sign,
        Self::Verify,
        Self::Wrap,
        Self::Unwrap,
        Self::Derive,
        Self::SignRecover,
        Self::VerifyRecover,
        Self::Encapsulate,
        Self::Decapsulate,
    ];

    /// Returns whether expired material that is kept for reading may still do it.
    pub const fn only_reads(self) -> bool {
        matches!(
            self,
            Self::Decrypt | Self::Verify | Self::VerifyRecover | Self::Unwrap | Self::Decapsulate
        )
    }

    /// Returns whether the key is used within one call, which leaves no moment for a PIN in between.
    pub const fn is_one_call(self) -> bool {
        matches!(
            self,
            Self::Wrap | Self::Unwrap | Self::Derive | Self::Encapsulate | Self::Decapsulate
        )
    }

    /// Returns whether a session keeps the key for the next operation, and so counts its uses.
    pub const fn is_begun_in_a_session(self) -> bool {
        matches!(self, Self::Encrypt | Self::Decrypt | Self::Sign | Self::Verify)
    }

    const fn bit(self) -> u16 {
        1 << self as u8
    }
}

/// The set of usages that a key's flags allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usages(u16);

impl Usages {
    /// Returns the usages of the set that only read.
    pub fn only_reading(self) -> Self {
        let reading = Usage::ALL.iter().copied().filter(|usage| usage.only_reads());
        let kept = reading.filter(|usage| self.contains(*usage));
        kept.fold(Self::default(), Self::with)
    }

    /// Returns the set with `usage` in it.
    pub const fn with(self, usage: Usage) -> Self {
        Self(self.0 | usage.bit())
    }

    /// Returns whether there is nothing in it but wrapping and unwrapping.
    const fn only_wraps(self) -> bool {
        self.0 & !(Usage::Wrap.bit() | Usage::Unwrap.bit()) == 0
    }

    /// Returns whether `usage` is in it.
    pub const fn contains(self, usage: Usage) -> bool {
        self.0 & usage.bit() != 0
    }
}

/// A loaded key with everything that decides about its use.
pub struct Key {
    /// The object it is the key of.
    pub id: Id,
    /// The material.
    pub parsed: Parsed,
    /// The usages that its flags allow.
    pub usages: Usages,
    /// The restrictions beside them.
    pub restrictions: Restrictions,
    /// The mechanisms it is confined to, if any.
    pub mechanisms: Option<Vec<u64>>,
    /// True where it is hidden without a login.
    pub private: bool,
    /// True where its value must not be revealed.
    pub sensitive: bool,
    /// True where it may be wrapped.
    pub extractable: bool,
    /// True where each use of it asks for the PIN anew.
    pub always_authenticate: bool,
    /// The custom key's state, if it is one.
    pub state: Option<KeyState>,
    /// Its end, of a custom key or an ordinary one.
    pub expiry: Option<Expiry>,
    /// The second from which its next version is made before it makes anything, if it rotates on schedule.
    pub rotation_due: Option<Seconds>,
    /// The part that binds sealed blobs to it, if it is AES material of a custom key.
    pub sealing: Option<Sealing>,
    /// The watch on its changes.
    pub watch: Watch,
    /// True once an operation was begun with it.
    pub begun: AtomicBool,
}

/// The custom key, version and material that `CKM_KEYSTEAD_SEAL` binds its blobs to.
pub struct Sealing {
    /// The custom key.
    pub key: Id,
    /// The version of its material.
    pub version: u32,
    /// The material, from which each blob's own key is derived.
    pub material: Secret,
}

/// A watch on the changes of a loaded key.
#[derive(Debug, Clone)]
pub enum Watch {
    /// A token object: the record's generation counter and the login it was opened under.
    Record {
        /// The object whose counter it is.
        watched: Id,
        /// The counter's value before the record was loaded.
        generation: u64,
        /// The login epoch it was loaded in.
        epoch: u64,
    },
    /// A session object: true while it exists.
    Session(Arc<AtomicBool>),
}

/// Proof that a key may be used for what it was asked for. Only [`allow`] makes one.
#[derive(Clone)]
pub struct UsableKey {
    key: Arc<Key>,
    usage: Usage,
    mechanism: u64,
    /// The older versions of a rotated key, newest first, for what only reads.
    older: Option<Arc<[UsableKey]>>,
}

impl UsableKey {
    /// Returns the same key with its older versions, newest first, each allowed for the same.
    pub fn with_older(self, older: Vec<Self>) -> Self {
        Self { older: (!older.is_empty()).then(|| older.into()), ..self }
    }

    /// Returns the older versions that may be tried where this one does not fit, newest first.
    pub fn older(&self) -> &[Self] {
        self.older.as_deref().unwrap_or_default()
    }

    /// Returns the part of the key that an operation remembers from its beginning.
    pub fn in_use(&self) -> InUse {
        self.begin();
        let reads = self.usage.only_reads();
        let ends = |expiry: &Expiry| expiry.erases_at().is_some() || !reads;
        InUse {
            object: self.id,
            purpose: Purpose::Use { usage: self.usage, mechanism: self.mechanism },
            watch: self.watch.clone(),
            until: self.expiry.filter(ends).map(Expiry::ends_operations_at),
        }
    }
}

/// The key of an operation under way, as it was when it was looked at last. It holds no material.
#[derive(Debug, Clone)]
pub struct InUse {
    /// The object that the operation began with.
    pub object: Id,
    /// The operation's use of it.
    pub purpose: Purpose,
    /// The watch on its changes.
    pub watch: Watch,
    /// The first second in which the operation may not go on, if the key expires.
    pub until: Option<Seconds>,
}

/// The use of a key by an operation under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It uses it with a mechanism.
    Use {
        /// The usage.
        usage: Usage,
        /// With which mechanism.
        mechanism: u64,
    },
    /// It has taken its value into a digest.
    Digest,
}

impl InUse {
    /// Returns whether the minute that an operation has after its key's expiry is over at `now`.
    pub fn is_overdue(&self, now: impl FnOnce() -> Seconds) -> bool {
        self.until.is_some_and(|until| until <= now())
    }

    /// Returns the error for which the operation may not go on: that of an Init with the key.
    pub fn gone(&self) -> Error {
        match self.purpose {
            Purpose::Use { usage, .. } => gone(usage),
            Purpose::Digest => Reason::KeyUnknown.into(),
        }
    }
}

impl Key {
    /// Returns whether neither its expiry nor its rotation has come by `now`.
    pub fn holds_at(&self, now: Seconds) -> bool {
        let ahead = |at: Option<Seconds>| at.is_none_or(|at| at > now);
        ahead(self.expiry.map(|expiry| expiry.at)) && ahead(self.rotation_due)
    }

    /// Returns whether its material has been taken away or erased by `now`.
    fn is_gone_at(&self, now: Seconds) -> bool {
        let pending = |state: &KeyState| state.status() == Status::PendingImport;
        let erased = |expiry: Expiry| expiry.erases_by(now);
        self.state.as_ref().is_some_and(pending) || self.expiry.is_some_and(erased)
    }

    /// Returns whether it is confined to no mechanisms, or to some with this one among them.
    pub fn serves(&self, mechanism: u64) -> bool {
        self.mechanisms.as_ref().is_none_or(|allowed| allowed.contains(&mechanism))
    }

    /// Notes that an operation begins with it.
    pub fn begin(&self) {
        if !self.begun.load(Ordering::Relaxed) {
            self.begun.store(true, Ordering::Release);
        }
    }

    /// Returns whether it may be held elsewhere than by the owner of this reference, or what an operation has made
    /// of it.
    pub fn is_in_use(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 1 || self.begun.load(Ordering::Acquire)
    }

    /// Returns whether a digest of its value tells no more than its usages do. HKDF begins with a
    /// digest of known bytes and the key (RFC 5869, 2.2; RFC 2104): what is derived from a key, and what
    /// opens the blobs that it seals, follows from that.
    pub const fn may_be_digested(&self) -> bool {
        !self.restrictions.any() && (self.sealing.is_none() || self.may(Usage::Decrypt))
    }

    /// Returns whether its flags allow nothing but wrapping and unwrapping.
    pub const fn only_wraps(&self) -> bool {
        self.usages.only_wraps()
    }

    /// Returns whether its flags also allow `usage`.
    pub const fn may(&self, usage: Usage) -> bool {
        self.usages.contains(usage)
    }
}

impl std::ops::Deref for UsableKey {
    type Target = Key;

    fn deref(&self) -> &Key {
        &self.key
    }
}

/// Decides whether `key` may be used for `usage` with `mechanism` at `now` (never before the
/// store's high-water mark) by a caller who is `logged_in` as it needs, or not. Whether it `suits` the
/// mechanism is asked before whether it may be used (PKCS#11 3.1, 5.1.6).
pub(crate) fn allow(
    key: &Arc<Key>,
    usage: Usage,
    mechanism: u64,
    suits: bool,
    logged_in: bool,
    now: Seconds,
) -> Result<UsableKey> {
    if key.private && !logged_in {
        return Err(Reason::NotLoggedIn.into());
    }
    if key.is_gone_at(now) {
        return Err(gone(usage));
    }
    if !suits {
        return Err(misfit(usage));
    }
    if let Some(state) = &key.state {
        match state.status() {
            Status::Enabled | Status::PendingImport => {}
            Status::Disabled => return Err(Reason::KeyDisabled.into()),
            Status::PendingDeletion => return Err(Reason::KeyPendingDeletion.into()),
        }
    }
    if key.expiry.is_some_and(|expiry| expiry.has_come(now)) && !usage.only_reads() {
        return Err(Reason::KeyExpired.into());
    }
    if !key.usages.contains(usage) {
        return Err(Reason::KeyNotPermitted.into());
    }
    if key.always_authenticate && usage.is_one_call() {
        return Err(Reason::NotLoggedIn.detail("the key asks for the PIN at each use"));
    }
    if !key.serves(mechanism) {
        return Err(Reason::MechanismInvalid.into());
    }
    Ok(UsableKey { key: Arc::clone(key), usage, mechanism, older: None })
}

/// Returns the error for a key of another type.
fn misfit(usage: Usage) -> Error {
    match usage {
        Usage::Wrap => Reason::WrappingKeyType.into(),
        Usage::Unwrap | Usage::Decapsulate => Reason::UnwrappingKeyType.into(),
        _ => Reason::KeyTypeInconsistent.into(),
    }
}

/// Returns the error for a key without material: to the caller, its handle names nothing any more.
pub(crate) fn gone(usage: Usage) -> Error {
    match usage {
        Usage::Wrap => Reason::WrappingKeyUnknown.into(),
        Usage::Unwrap | Usage::Decapsulate => Reason::UnwrappingKeyUnknown.into(),
        _ => Reason::KeyUnknown.into(),
    }
}
