//! # A key's life
//!
//! | state | metadata object | material object | what works | what a client gets else |
//! |---|---|---|---|---|
//! | pending import (status 5): never imported, deleted, or expired | found, says why | not found; old handles invalid | importing (the first time anything, then only the same material), renaming, disabling for later | `CKR_KEY_HANDLE_INVALID`, `CKR_OBJECT_HANDLE_INVALID` or what the function has for it |
//! | enabled (2) | found | found | everything the usage flags allow | – |
//! | disabled (3) | found | found | reading attributes, enabling, deleting imported material | `CKR_KEY_FUNCTION_NOT_PERMITTED`; as the key to be wrapped `CKR_KEY_NOT_WRAPPABLE` |
//! | expired but readable (expiry action 2) | found | found | decrypting, verifying, unwrapping; deleting; importing again | `CKR_KEY_FUNCTION_NOT_PERMITTED` |
//! | pending deletion (4) | found | found | cancelling | `CKR_KEY_FUNCTION_NOT_PERMITTED`, `CKR_ACTION_PROHIBITED` |
//!
//! # What is refused, and how
//!
//! | refused | code |
//! |---|---|
//! | destroying metadata, or the material of a generated key; copying a custom key | `CKR_ACTION_PROHIBITED` (`0x1B`) |
//! | setting what is read-only | `CKR_ATTRIBUTE_READ_ONLY` (`0x10`) |
//! | importing other material, material that another custom key holds, or into a generated key; an expiry on a generated key | `CKR_TEMPLATE_INCONSISTENT` (`0xD1`) |
//! | an expiry that is not in the future | `CKR_ATTRIBUTE_VALUE_INVALID` (`0x13`) |
//! | a wrapped blob that is wrong in any way | `CKR_WRAPPED_KEY_INVALID` (`0x110`) |
//! | anything where the store's disk is full | `CKR_DEVICE_MEMORY` (`0x31`) |
//!
//! The log names the reason. An import that fails changes nothing.
//!
//! # Which custom key an import is for
//!
//! The one that `CKA_KEYSTEAD_KEY_ID`, or a `CKA_ID` of its UUID's bytes, names. Else the external one
//! of the same class and key type with that `CKA_ID`; else the one with that `CKA_LABEL`. None: if an
//! enabled external key has lost just this material, it is revived under the template's names. None at
//! all: a new one. More than one: `CKR_TEMPLATE_INCONSISTENT`.
//!
//! # The expiry
//!
//! `CKA_KEYSTEAD_EXPIRES_AT`; else, once, what the empty key's JSON says (`expires`, or `expires_in`
//! counted from the import); else, where the custom key was there before, the day after
//! `CKA_END_DATE`, 00:00 UTC. None: never. The material is unusable from that second in every process
//! and erased by the agent at that moment. The time is never earlier than the latest the store has seen.
