//! The messages between the module and the agent. Encoded with postcard; variants are only ever
//! appended, so that a newer agent understands older modules.

use super::Confidential;
use super::bounded::{bytes, list, lists};
use super::fleet::FleetStatus;
use super::proof::Nonce;
use crate::clock::Seconds;
use crate::erasure::Erasure;
use crate::error::{Error, Reason};
use crate::id::Id;
use crate::text::MAX_TEXT;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

/// The oldest and newest protocol this build speaks.
pub const PROTOCOL: (u16, u16) = (5, 8);

/// The format of the store that this build writes; it reads the earlier ones. Since 2 a custom key's
/// metadata has room for properties that a build does not know.
pub const STORE_FORMAT: u16 = 2;

/// The longest frame, in bytes: a module or agent that announces more is cut off.
pub const MAX_FRAME: u32 = 4 << 20;

/// The longest frame on a connection that has proved nothing, in bytes.
pub const MAX_UNPROVED: u32 = 64 << 10;

/// The longest first frame on a connection, in bytes: a greeting takes less.
pub(crate) const MAX_GREETING: u32 = 64;

/// The most identities in one answer to [`Request::Find`].
pub(crate) const MAX_FOUND: u32 = 16_384;

/// The most alternatives in one [`Request::Find`].
pub(crate) const MAX_ALTERNATIVES: usize = 16;

/// The most tags in one alternative of a [`Request::Find`], and in all of them.
pub(crate) const MAX_TAGS: usize = 64;

/// The most records in one [`Request::Read`].
pub(crate) const MAX_READ: usize = 1024;

/// The most records in one [`Request::Commit`].
pub(crate) const MAX_CHANGES: usize = 1024;

/// The most days in an answer to [`Request::OpenUses`]: usually there is one.
pub(crate) const MAX_OPEN_DAYS: usize = 64;

/// The most keys in an answer to [`Request::Troubles`].
pub(crate) const MAX_TROUBLES: usize = 64;

/// The most counts in one [`Request::Used`].
pub(crate) const MAX_USES: usize = 4096;

/// The most records in an answer to [`Request::Versions`] or [`Request::Associated`].
const MAX_SEVERAL: usize = 65_536;

/// The most tokens of a store, and so the number of slots.
pub(crate) const MOST_TOKENS: u32 = 504;

/// The longest name that the audit log has of a key, in bytes.
pub(crate) const MAX_ALIAS: usize = MAX_TEXT;

/// The requests of a module.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// The first request on a connection.
    Hello {
        /// Oldest and newest protocol the module speaks.
        protocol: (u16, u16),
        /// The newest store format the module reads.
        store_format: u16,
    },
    /// All tokens in the store, in the order of their slots.
    Tokens,
    /// Writes a token's entry: a new one, or a changed one (PIN, label) under its revision. Wrong PINs
    /// are counted anew for each PIN that changes.
    PutToken {
        /// The token.
        token: Id,
        /// The token's present state, which is compared.
        expect: Expect,
        /// The entry (see `key::pin`). What is left out of it, as in what [`Request::Tokens`] shows,
        /// stays as it is.
        #[serde(deserialize_with = "bytes")]
        entry: Vec<u8>,
        /// The slot that a new token is meant for, if any: a conflict where another has it by now.
        slot: Option<u32>,
        /// The authority to change a token there is. It counts as a login. Without one, a connection that
        /// has proved the security officer's login may set the user's PIN, and that alone.
        by: Option<Authority>,
        /// Set where ordinary objects are destroyed with the change (`C_InitToken`).
        wipe: bool,
        /// Names this change, so that a retry after a lost answer happens once.
        change: [u8; 16],
    },
    /// Counts a login attempt, then compares the authenticator's hash. Proves the connection.
    Login {
        /// The token.
        token: Id,
        /// Security officer rather than user.
        officer: bool,
        /// The PIN after Argon2id.
        authenticator: Confidential,
    },
    /// Proves the connection again that a process which has logged in takes up.
    Prove {
        /// The token.
        token: Id,
        /// Set for a login of the security officer rather than the user.
        officer: bool,
        /// See [`proof`](super::proof).
        proof: Confidential,
    },
    /// Ends what [`Request::Login`] or [`Request::Prove`] allowed on this connection.
    Forget {
        /// The token.
        token: Id,
    },
    /// The identities of records that carry the tags and whose material, if they are material,
    /// is neither erased nor expired. Records of private objects are found only on a proved connection.
    Find {
        /// The token.
        token: Id,
        /// Alternatives: a record is found that carries all tags of any one of them. A process that
        /// is logged in asks for private and public objects at once. An empty alternative means
        /// every record. At most [`MAX_ALTERNATIVES`], with [`MAX_TAGS`] in all.
        #[serde(deserialize_with = "lists::<_, _, MAX_ALTERNATIVES, MAX_TAGS>")]
        alternatives: Vec<Vec<[u8; 16]>>,
        /// The module's present time: what has expired for it is not found, even where the agent's clock
        /// is behind.
        now: Seconds,
        /// Continue after this identity.
        after: Option<Id>,
        /// The most records in the answer (and at most [`MAX_FOUND`]).
        limit: u32,
    },
    /// Records by identity. Material is followed by its custom key's record.
    Read {
        /// The token.
        token: Id,
        /// The records asked for, at most [`MAX_READ`].
        #[serde(deserialize_with = "list::<_, _, MAX_READ>")]
        ids: Vec<Id>,
    },
    /// The records of all versions of a custom key's material, newest first, without their sealed parts.
    Versions {
        /// The token.
        token: Id,
        /// The custom key.
        key: Id,
    },
    /// Records of custom keys that are associated with this fingerprint, or whose material has it.
    Associated {
        /// The token.
        token: Id,
        /// The fingerprint.
        fingerprint: [u8; 32],
    },
    /// Changes records, all or none.
    Commit {
        /// The token.
        token: Id,
        /// The changes, at most [`MAX_CHANGES`].
        #[serde(deserialize_with = "list::<_, _, MAX_CHANGES>")]
        changes: Vec<Change>,
        /// Names this commit, so that a retry after a lost answer happens once.
        change: [u8; 16],
    },
    /// Erases everything that is due, now.
    Sweep,
    /// Ends a token with everything in it, for good. Only the security officer may: the request carries
    /// what a login would, and counts as one.
    DestroyToken {
        /// The token.
        token: Id,
        /// Its label, so that a mistake about the token is noticed here too.
        label: String,
        /// The security officer's PIN after Argon2id.
        authenticator: Confidential,
        /// Names the change, so that a retry after a lost answer happens once.
        change: [u8; 16],
    },
    /// Asks for the agent's clock, and the latest time the store has seen.
    Clock,
    /// Lowers the store's high-water mark of time to the agent's clock, after a wrong one. Only the
    /// security officer of a token in it may: the request carries what a login would, and counts as one.
    AcceptClock {
        /// The token.
        token: Id,
        /// The security officer's PIN after Argon2id.
        authenticator: Confidential,
    },
    /// The head of the audit log.
    AuditHead,
    /// Writes an import that the module refused into the audit log. Needs a connection that has proved
    /// itself.
    ImportRefused {
        /// The token.
        token: Id,
        /// The custom key it was for, where that is known.
        key: Option<Id>,
        /// The reason that the caller was given.
        reason: Reason,
    },
    /// Makes the agent gather the contents of the store at this moment, for a backup. For the store's
    /// owner and root.
    Backup,
    /// A part of what [`Request::Backup`] gathered on this connection; each is given once, in order.
    BackupPart,
    /// Reports the uses of custom keys: key, day (since 1970 UTC), times. Needs a connection that has
    /// proved itself.
    Used {
        /// The token.
        token: Id,
        /// Key, day and times, at most [`MAX_USES`].
        #[serde(deserialize_with = "list::<_, _, MAX_USES>")]
        uses: Vec<(Id, u32, u64)>,
    },
    /// Asks for the uses of a custom key on the days that are not over, which have no line in the audit log yet. For
    /// the store's owner and root. Since protocol 6.
    OpenUses {
        /// The custom key.
        key: Id,
    },
    /// Asks for what the agent cannot do at the moment, though its configuration asks for it. For the store's owner and
    /// root. Since protocol 7.
    Troubles,
    /// Asks for the status of the fleet. For the owner of the agent's directory and root. Since protocol 8.
    FleetStatus,
    /// Invites a host to the fleet. For the owner of the agent's directory and root. Since protocol 8.
    Invite {
        /// The time for which the code of the invitation counts, in seconds.
        seconds: Seconds,
    },
    /// Expels a host from the fleet. For the owner of the agent's directory and root. Since protocol 8.
    Expel {
        /// Its name or its identity.
        host: String,
    },
}

/// The answers of an agent.
#[derive(Debug, Serialize, Deserialize)]
pub enum Response {
    /// Answers `Hello`: the protocol to speak. The first on a connection comes with a descriptor of the
    /// agent's page (see [`page`](super::page)).
    Welcome {
        /// The newest protocol both speak.
        protocol: u16,
        /// The store's identity, part of what every record is sealed under.
        store: Id,
        /// Grows with every recovery.
        incarnation: u64,
        /// The number for which a login is proved on this connection.
        nonce: Nonce,
        /// The identity of the agent's page.
        page: u64,
    },
    /// Answers `Tokens`.
    Tokens(#[serde(deserialize_with = "list::<_, _, { MOST_TOKENS as usize }>")] Vec<StoredToken>),
    /// Answers `PutToken`, `DestroyToken`, `Forget`, `Prove`, `ImportRefused`: done. For `PutToken` the
    /// new revision, for `DestroyToken` the number of records that went with the token, else 0.
    Done(u64),
    /// Answers `Login`.
    LoggedIn {
        /// The token's entry, from which the module unwraps the token key. What belongs to the other PIN
        /// is left out.
        entry: StoredToken,
        /// The ticket that proves further connections, see [`proof`](super::proof).
        ticket: Confidential,
    },
    /// Answers `Find`.
    Found {
        /// Ascending.
        ids: Vec<Id>,
        /// Set where the limit cut the answer short.
        more: bool,
    },
    /// Answers `Read`: an entry for each identity asked for, in order, none where there is no such
    /// record; material comes with its owner. Fewer, and at least one, where more do not fit into a
    /// frame: the rest is to be asked for again.
    Records(
        #[serde(deserialize_with = "list::<_, _, MAX_READ>")]
        Vec<Option<(Stored, Option<Box<Stored>>)>>,
    ),
    /// Answers `Versions` and `Associated`.
    Several(#[serde(deserialize_with = "list::<_, _, MAX_SEVERAL>")] Vec<Stored>),
    /// Answers `Commit`: the new revision of each changed record, 0 for a removed one.
    Committed(#[serde(deserialize_with = "list::<_, _, MAX_CHANGES>")] Vec<u64>),
    /// Answers `Sweep`: the number of records that lost their material, and of ordinary keys that ended.
    Swept {
        /// Custom keys whose material was erased.
        erased: u64,
        /// Ordinary keys that ended.
        ended: u64,
    },
    /// Refuses any request, with the error.
    Refused(Error),
    /// Answers `Clock`, and `AcceptClock` once it is done.
    Clock {
        /// The agent's clock.
        clock: Seconds,
        /// The store's high-water mark of time.
        mark: Seconds,
    },
    /// Answers `AuditHead`: the end of the log.
    AuditHead {
        /// The number of its last line; 0 before the first.
        seq: u64,
        /// The mac of that line.
        mac: [u8; 32],
        /// The number of lines up to it that are in no file yet, for want of room on the disk.
        waiting: u64,
    },
    /// Answers `Backup`: it is gathered.
    BackupReady {
        /// The length of all its parts in bytes.
        bytes: u64,
        /// The number of tokens.
        tokens: u64,
        /// The number of custom keys.
        custom_keys: u64,
        /// The number of other objects.
        others: u64,
        /// Records whose material cannot be read, because their erase cell is damaged; and damaged records, which
        /// are not in the backup.
        damaged: Vec<Id>,
    },
    /// Answers `BackupPart`: the next bytes, none behind the last.
    BackupPart(BackupPart),
    /// A sign of life, as often as need be before the answer to anything: the agent works on it, or is
    /// opening the store.
    Working,
    /// Answers `OpenUses`: day (since 1970 UTC) and times.
    OpenUses(#[serde(deserialize_with = "list::<_, _, MAX_OPEN_DAYS>")] Vec<(u32, u64)>),
    /// Answers `Troubles`: the configuration keys that cannot be met, and why.
    Troubles(#[serde(deserialize_with = "list::<_, _, MAX_TROUBLES>")] Vec<(String, String)>),
    /// Answers `FleetStatus`.
    FleetStatus(FleetStatus),
    /// Answers `Invite`.
    Invitation {
        /// The code, as it is shown.
        code: Confidential,
        /// The second from which on it does not count any more.
        expires: Seconds,
    },
    /// Answers `Expel`: the host that was expelled.
    Expelled(Id),
}

/// Bytes of a backup: records without the shred layer that erasing takes away.
#[derive(Serialize, Deserialize)]
pub struct BackupPart(#[serde(deserialize_with = "bytes")] pub Vec<u8>);

impl std::fmt::Debug for BackupPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BackupPart({} bytes)", self.0.len())
    }
}

impl Drop for BackupPart {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// A token as the agent keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredToken {
    /// The token.
    pub id: Id,
    /// Its slot number, for good.
    pub slot: u32,
    /// Its entry's revision.
    pub revision: u64,
    /// The entry, as the module wrote it.
    #[serde(deserialize_with = "bytes")]
    pub entry: Vec<u8>,
    /// The wrong PINs in a row: security officer's, user's.
    pub wrong: (u8, u8),
    /// Set where changes are refused, because a snapshot is served.
    pub read_only: bool,
}

/// A record as the agent hands it out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// The record's identity.
    pub id: Id,
    /// Its own counter.
    pub revision: u64,
    /// Its public header's bytes.
    #[serde(deserialize_with = "bytes")]
    pub header: Vec<u8>,
    /// Its sealed part, empty once its secret is erased.
    #[serde(deserialize_with = "bytes")]
    pub sealed: Vec<u8>,
    /// The state of its material's erase cell (the newest's, for a custom key).
    pub erasure: Erasure,
}

/// The login whose PIN allows something.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authority {
    /// Security officer rather than user.
    pub officer: bool,
    /// The PIN after Argon2id.
    pub authenticator: Confidential,
}

/// The state that a change expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expect {
    /// No such record.
    Absent,
    /// The record at this revision.
    Revision(u64),
}

/// One record's change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The record's identity.
    pub id: Id,
    /// The record's present state. A write makes `expect + 1` its revision (1 when absent): the sealed
    /// part is bound to it.
    pub expect: Expect,
    /// The event, for a custom key's record (see `key::state::Event`); else empty.
    #[serde(deserialize_with = "bytes")]
    pub event: Vec<u8>,
    /// Header and sealed part, or none to remove the record.
    pub put: Option<(Vec<u8>, Vec<u8>)>,
    /// The key's name in the audit log, at most [`MAX_ALIAS`] bytes; none leaves it as it is.
    pub alias: Option<String>,
}
