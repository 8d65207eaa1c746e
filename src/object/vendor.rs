//! Keystead's own numbers, fixed for good. `include/keystead.h` carries the same for C, and a test
//! proves it.

/// UUID text (36 bytes), on metadata and material; in a template the custom key the material is for.
pub const CKA_KEYSTEAD_KEY_ID: u64 = 0x804B_5301;
/// 1 generated, 2 external.
pub const CKA_KEYSTEAD_ORIGIN: u64 = 0x804B_5302;
/// 2 enabled, 3 disabled, 4 pending deletion, 5 pending import; 2 and 3 can be set.
pub const CKA_KEYSTEAD_STATUS: u64 = 0x804B_5303;
/// UTF-8, at most 255 bytes; can be set.
pub const CKA_KEYSTEAD_DESCRIPTION: u64 = 0x804B_5304;
/// Seconds since 1970 UTC.
pub const CKA_KEYSTEAD_CREATED_AT: u64 = 0x804B_5305;
/// The material's expiry: seconds since 1970 UTC, 0 never.
pub const CKA_KEYSTEAD_EXPIRES_AT: u64 = 0x804B_5306;
/// 1 present, 2 never imported, 3 deleted, 4 expired, 5 expired but readable.
pub const CKA_KEYSTEAD_MATERIAL_STATE: u64 = 0x804B_5307;
/// 1, 2, … after rotation.
pub const CKA_KEYSTEAD_MATERIAL_VERSION: u64 = 0x804B_5308;
/// 0 off, 30 to 365 days between rotations.
pub const CKA_KEYSTEAD_ROTATION_DAYS: u64 = 0x804B_5309;
/// Seconds since 1970 UTC; 7 to 1096 days ahead schedules deletion, 0 cancels it.
pub const CKA_KEYSTEAD_DELETION_AT: u64 = 0x804B_530A;
/// Flag in a template: false asks for an ordinary PKCS#11 key.
pub const CKA_KEYSTEAD_CUSTODY: u64 = 0x804B_530B;
/// 1 erase at expiry (default), 2 only decrypt, verify, unwrap and decapsulate from then on.
pub const CKA_KEYSTEAD_EXPIRY_ACTION: u64 = 0x804B_530C;
/// On both halves of a pair that only takes in material of custom keys.
pub const CKA_KEYSTEAD_IMPORT_ONLY: u64 = 0x804B_530D;
/// The size in bits that unwrapped material must have, in a template only.
pub const CKA_KEYSTEAD_KEY_BITS: u64 = 0x804B_530E;

/// Self-describing authenticated encryption bound to the custom key.
pub const CKM_KEYSTEAD_SEAL: u64 = 0x804B_5301;
/// `C_GenerateKey` with `CKA_KEYSTEAD_KEY_ID` makes the next version.
pub const CKM_KEYSTEAD_ROTATE: u64 = 0x804B_5302;

/// `CKA_KEYSTEAD_ORIGIN`: the token made the material.
pub const ORIGIN_GENERATED: u64 = 1;
/// `CKA_KEYSTEAD_ORIGIN`: the user brings the material.
pub const ORIGIN_EXTERNAL: u64 = 2;

/// `CKA_KEYSTEAD_STATUS`: usable.
pub const STATUS_ENABLED: u64 = 2;
/// `CKA_KEYSTEAD_STATUS`: disabled by hand.
pub const STATUS_DISABLED: u64 = 3;
/// `CKA_KEYSTEAD_STATUS`: the whole key ends at `CKA_KEYSTEAD_DELETION_AT`.
pub const STATUS_PENDING_DELETION: u64 = 4;
/// `CKA_KEYSTEAD_STATUS`: there is no material.
pub const STATUS_PENDING_IMPORT: u64 = 5;

/// `CKA_KEYSTEAD_MATERIAL_STATE`: present.
pub const MATERIAL_PRESENT: u64 = 1;
/// `CKA_KEYSTEAD_MATERIAL_STATE`: never imported.
pub const MATERIAL_NEVER: u64 = 2;
/// `CKA_KEYSTEAD_MATERIAL_STATE`: deleted by hand.
pub const MATERIAL_DELETED: u64 = 3;
/// `CKA_KEYSTEAD_MATERIAL_STATE`: expired and erased.
pub const MATERIAL_EXPIRED: u64 = 4;
/// `CKA_KEYSTEAD_MATERIAL_STATE`: expired, kept for reading.
pub const MATERIAL_READABLE: u64 = 5;

/// `CKA_KEYSTEAD_EXPIRY_ACTION`: erase.
pub const ACTION_ERASE: u64 = 1;
/// `CKA_KEYSTEAD_EXPIRY_ACTION`: only decrypt, verify, unwrap and decapsulate.
pub const ACTION_READ_ONLY: u64 = 2;

/// `CKA_APPLICATION` of the metadata objects, and of the JSON that makes an empty custom key.
pub const APPLICATION: &[u8] = b"keystead";
