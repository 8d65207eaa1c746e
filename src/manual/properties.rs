//! # Its properties
//!
//! | attribute of Keystead's or of PKCS#11's | in the metadata's JSON | what it tells |
//! |---|---|---|
//! | `CKA_KEYSTEAD_KEY_ID` | `key_id` | the key ID; in a template the custom key that is meant; objects are found by it |
//! | `CKA_LABEL` | `alias`, `alias_hex` | the name; can be set and searched |
//! | `CKA_KEYSTEAD_DESCRIPTION` | `description` | a text of at most 255 bytes; can be set |
//! | `CKA_ID`, of the material | `id` | what programs find the key by; can be set and searched |
//! | `CKA_KEY_TYPE`, of the material | `key_type` | AES, RSA, EC … |
//! | `CKA_KEYSTEAD_KEY_BITS`, only in a template of `C_UnwrapKey` | `key_bits` | the size, of an ML-KEM or ML-DSA key its public key's; 0 while it is not known; in the template the one that the key must have |
//! | `CKA_KEYSTEAD_ORIGIN` | `origin` | 1 generated, 2 external |
//! | `CKA_KEYSTEAD_STATUS` | `status` | 2 enabled, 3 disabled, 4 pending deletion, 5 pending import; 2 and 3 can be set |
//! | | `enabled` | false for a key that is disabled, or will be once it has material |
//! | `CKA_KEYSTEAD_MATERIAL_STATE` | `material` | 1 present, 2 never imported, 3 deleted, 4 expired, 5 expired but readable |
//! | `CKA_KEYSTEAD_MATERIAL_VERSION` | `material_version` | 1, and one more with each rotation |
//! | `CKA_KEYSTEAD_CREATED_AT` | `created` | the second in which the key was made |
//! | `CKA_KEYSTEAD_EXPIRES_AT` | `expires` | the expiry of the material, 0 for never; set by an import |
//! | `CKA_KEYSTEAD_EXPIRY_ACTION` | `expiry_action` | 1 erase, 2 only decrypt, verify, unwrap and decapsulate from then on; set by an import |
//! | | `next_import_expires`, `next_import_expires_in_seconds`, `next_import_expiry_action` | the key's own expiry (see [`life`](super::life)) |
//! | `CKA_KEYSTEAD_ROTATION_DAYS` | `rotation_days`, `next_rotation` | the schedule of rotations, 0 for none; can be set |
//! | `CKA_KEYSTEAD_DELETION_AT` | `deletion` | the second in which the whole key ends, 0 for none; can be set |
//! | `CKA_PRIVATE` | `private` | whether the metadata is hidden without a login |
//! | `CKA_KEYSTEAD_CUSTODY` | | only in a template: false asks for an ordinary key |
//! | `CKA_KEYSTEAD_IMPORT_ONLY` | | on a pair that only takes in material of custom keys |
//!
//! What can be set is set through the metadata object or the material, as one likes. Times are seconds since
//! 1970 UTC in attributes, and RFC 3339 in JSON.
