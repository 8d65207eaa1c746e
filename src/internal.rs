//! The items of the library that the program and the tests use, and nothing else: the compiler finds what
//! is unused among all others. They are no public interface, and may change at any time.
#![allow(missing_docs)]

pub mod agent {
    pub use crate::agent::{
        Claim, How, Lock, Options, Recovered, Restored, await_lock, check_file_system,
        check_records, check_unclaimed, claim, claim_with_progress, join_fleet, listener, make,
        make_fleet, not_given, recover, restore, serve,
    };
    pub mod allowance {
        pub use crate::agent::allowance::{Allowance, lift_limits, shed};
    }
    pub mod audit {
        pub use crate::agent::audit::{
            AuditEntry, AuditEvent, ChainHead, Claimed, Fault, GONE, KEY, Kept, LogLine, Verified,
            entries, folder, is_in, kept, verify,
        };
    }
    pub mod backup {
        pub use crate::agent::backup::Backup;
    }
    pub mod outlets {
        pub use crate::agent::outlets::check;
    }
}
pub mod clock {
    pub use crate::clock::{
        Clock, Seconds, SystemClock, TOLERANCE, exact_timestamp, seconds_of_span, timestamp,
    };
}
pub mod config {
    pub use crate::config::{Config, Log, MAX_SIZE, STORE_VARIABLE};
    pub mod logging {
        pub use crate::config::logging::{begin, open, open_for_agent, refused, repeat};
    }
    pub mod trust {
        pub use crate::config::trust::{check, check_for};
    }
}
pub mod error {
    pub use crate::error::{Error, Reason, Result};
}
pub mod file_names {
    pub use crate::file_names::{
        AUDIT, BALLAST, CELLS, INDEX, LOCK, PAGE, RECORDS, SNAPSHOT, SNAPSHOT_CHANGES, SOCKET,
        STARTING,
    };
}
pub mod id {
    pub use crate::id::Id;
}
pub mod installed {
    pub use crate::installed::{MANUFACTURER, is_module_installed, module, program};
}
pub mod key {
    pub use crate::key::{
        Body, Event, ExpiryAction, Header, MaterialState, Metadata, Numbered, Role, Status,
    };
    pub mod backup {
        pub use crate::key::backup::{AROUND, BackupSealer, CHUNK, FRONT, PASSPHRASE_LENGTH};
    }
    pub mod pin {
        pub use crate::key::pin::{PIN_LENGTH, Stretched, TokenEntry};
    }
    pub mod policy {
        pub use crate::key::policy::WRAPPING_RSA;
    }
    pub mod seal {
        pub use crate::key::seal::{SealContext, TokenKey};
    }
    pub mod state {
        pub use crate::key::state::{DAY, DELETION_DAYS};
    }
}
pub mod lc {
    pub mod aes {
        pub use crate::lc::aes::{AesKey, Direction, Mode};
    }
    pub mod derivation_cost {
        pub use crate::lc::derivation_cost::check_cost;
    }
    pub mod digest {
        pub use crate::lc::digest::{Digest, Hash};
    }
    pub mod ec {
        pub use crate::lc::ec::{Curve, PrivateKey};
    }
    pub mod ed25519 {
        pub use crate::lc::ed25519::PrivateKey;
    }
    pub mod encrypted_key {
        pub use crate::lc::encrypted_key::{
            Pkcs12, Unread, encrypted_pem, encrypted_pkcs8, pkcs12,
        };
    }
    pub mod key_syntax {
        pub use crate::lc::key_syntax::{KeySyntax, ec_to_pkcs8, key_syntax, rsa_to_pkcs8};
    }
    pub mod kw {
        pub use crate::lc::kw::{unwrap_padded, wrap_padded};
    }
    pub mod lattice {
        pub use crate::lc::lattice::{Algorithm, PrivateKey, PublicKey, Set};
    }
    pub mod ml_kem {
        pub use crate::lc::ml_kem::{ciphertext_size, decapsulate, encapsulate};
    }
    pub mod pkcs8 {
        pub use crate::lc::pkcs8::curve;
    }
    pub mod random {
        pub use crate::lc::random::{bytes, secret};
    }
    pub mod rsa {
        pub use crate::lc::rsa::{Components, PrivateKey, PublicKey};
    }
    pub mod rsa_parts {
        pub use crate::lc::rsa_parts::RsaParts;
    }
    pub mod rsa_oaep {
        pub use crate::lc::rsa_oaep::{Oaep, max_oaep};
    }
    pub mod x25519 {
        pub use crate::lc::x25519::PrivateKey;
    }
    pub mod x509 {
        pub use crate::lc::x509::is_signed_by;
    }
}
pub mod mechanism {
    pub use crate::mechanism::{SEAL_AROUND, generating};
}
pub mod module {
    pub use crate::module::token_settings;
}
pub mod object {
    pub use crate::object::Attributes;
    pub mod import_only {
        pub use crate::object::import_only::usages_of;
    }
    pub mod kinds {
        pub use crate::object::kinds::{
            KINDS, Kind, ParameterSet, bits, named, named_in, size_named,
        };
    }
    pub mod properties {
        pub use crate::object::properties::{PROPERTIES, ROTATION_DAYS};
    }
    pub mod property {
        pub use crate::object::property::{MATERIAL, METADATA, Property, SetBy};
    }
    pub mod rule {
        pub use crate::object::rule::{Rule, ValueForm};
    }
    pub mod rules {
        pub use crate::object::rules::{
            CREATE, Changeable, DERIVE, GENERATE, RULES, UNWRAP, class_bit, rule,
        };
    }
    pub mod vendor {
        pub use crate::object::vendor::{
            ACTION_ERASE, ACTION_READ_ONLY, APPLICATION, CKA_KEYSTEAD_CREATED_AT,
            CKA_KEYSTEAD_CUSTODY, CKA_KEYSTEAD_DELETION_AT, CKA_KEYSTEAD_DESCRIPTION,
            CKA_KEYSTEAD_EXPIRES_AT, CKA_KEYSTEAD_EXPIRY_ACTION, CKA_KEYSTEAD_IMPORT_ONLY,
            CKA_KEYSTEAD_KEY_BITS, CKA_KEYSTEAD_KEY_ID, CKA_KEYSTEAD_MATERIAL_STATE,
            CKA_KEYSTEAD_MATERIAL_VERSION, CKA_KEYSTEAD_ORIGIN, CKA_KEYSTEAD_ROTATION_DAYS,
            CKA_KEYSTEAD_STATUS, CKM_KEYSTEAD_ROTATE, CKM_KEYSTEAD_SEAL, MATERIAL_DELETED,
            MATERIAL_EXPIRED, MATERIAL_NEVER, MATERIAL_PRESENT, MATERIAL_READABLE, ORIGIN_EXTERNAL,
            ORIGIN_GENERATED, STATUS_DISABLED, STATUS_ENABLED, STATUS_PENDING_DELETION,
            STATUS_PENDING_IMPORT,
        };
    }
    pub mod words {
        pub use crate::object::words::{action, material, status};
    }
}
pub mod presence {
    pub use crate::presence::{by_owner, check, check_place};
}
pub mod secret {
    pub use crate::secret::Secret;
}
pub mod plain_file {
    pub use crate::plain_file::{open, open_named, read_text};
}
pub mod store {
    pub use crate::store::check_snapshot;
    pub mod cells {
        pub use crate::store::cells::{Extent, NAME, PIN_CELLS, damage};
    }
}
pub mod sys {
    pub use crate::sys::{
        Way, close_inherited, group_named, home_of, ignore_size_signal, inherited, name_of,
        name_of_group, reset_signals, take_variable,
    };
}
pub mod text {
    pub use crate::text::{MAX_TEXT, escaped, harmless, unescaped, unhex};
}
pub mod token {
    pub use crate::token::{PIN_TRIES, Settings, Slots, TokenInfo};
}
pub mod v3_2 {
    pub use crate::v3_2::*;
}
pub mod wire {
    pub use crate::wire::{
        AgentLocation, Change, Deadline, Expect, FleetStatus, HeartbeatStatus, HostState,
        HostStatus, Link, Request, Response, SILENCE_TIMEOUT, Stored,
    };
    pub mod frame {
        pub use crate::wire::frame::{encode, receive, send};
    }
    pub mod message {
        pub use crate::wire::message::{MAX_FRAME, MAX_UNPROVED, PROTOCOL, STORE_FORMAT};
    }
    pub mod page {
        pub use crate::wire::page::starts;
    }
    pub mod process {
        pub use crate::wire::process::AgentProcess;
    }
    pub mod proof {
        pub use crate::wire::proof::{Credential, Nonce};
    }
    pub mod socket {
        pub use crate::wire::socket::{NAME, Socket};
    }
    pub mod start {
        pub use crate::wire::start::{READY, WORKING, detached};
    }
}
