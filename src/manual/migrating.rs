//! # From another token
//!
//! ```sh
//! # what would be copied; changes nothing
//! keystead migrate --from /usr/lib/…/other.so --dry-run
//! # through PKCS#11
//! keystead migrate --from /usr/lib/…/other.so
//! # out of SoftHSM's files
//! keystead migrate --from /var/lib/softhsm/tokens
//! ```
//!
//! The other token is only read. It is chosen by `--from-token`, where there are several; its user's PIN comes
//! from the terminal, `--from-pin-file` or `--from-pin-fd`, after that of the token here.
//!
//! | there | here |
//! |---|---|
//! | certificate, public key, data object | the same, with all attributes that the program can read |
//! | secret or private key that may leave | the material of a custom key, imported, with the same `CKA_LABEL`, `CKA_ID`, usages, `CKA_SENSITIVE`, `CKA_EXTRACTABLE`, `CKA_WRAP_WITH_TRUSTED`, `CKA_ALWAYS_AUTHENTICATE`, `CKA_ALLOWED_MECHANISMS` |
//! | one that may not | named, with the reason; out of SoftHSM's files the same as one that may |
//! | a key of a type, size or curve that is not kept here (DES, DSA, RSA of 1024 bits, Brainpool), or with a template (`CKA_WRAP_TEMPLATE`, …) | named |
//!
//! What differs: `CKA_PRIVATE` is true of every secret and private key, since without it their records are not
//! protected by the PIN; `CKA_LOCAL`, `CKA_ALWAYS_SENSITIVE` and `CKA_NEVER_EXTRACTABLE` are false, as of all imported
//! material; `CKA_TRUSTED` is the security officer's word and is not copied; `CKA_END_DATE` is not either, as it
//! would be an expiry here. Through PKCS#11 `CKA_CERTIFICATE_CATEGORY` is not read.
//!
//! # The way of a key
//!
//! The other token makes an AES key for this one run and wraps it under the public half of a pair that this
//! token made for it, by OAEP, with SHA-256 where it can. Under that key it wraps each key by `CKM_AES_KEY_WRAP`,
//! or by `_KWP` or `_PAD`, and this token unwraps it. So nothing that opens a key passes through the program, and no
//! key leaves either token in the clear. All that was made for it ends with the two sessions. A module that
//! has none of these mechanisms keeps its keys.
//!
//! SoftHSM's files are read by the program itself: the PIN opens the token's key, and that the objects. Keys are
//! in the program's memory for as long as it runs, and go into the token under a transport key as above. Do
//! it where the files lie, and remove them when the keys have been tried out here: who has files and PIN has
//! the keys, whatever `CKA_EXTRACTABLE` says.
//!
//! # Running it again
//!
//! Every object is copied by itself, and durable when the next one is begun. A run that was stopped is gone on
//! with by running it again: a certificate is known by its contents, a public key by itself and its
//! `CKA_ID`, a data object by application, label and contents, and a secret or private key by its material, whatever
//! alias it has here meanwhile. Material that was deleted here, or has expired, is not brought back. A
//! key whose label or `CKA_ID` another custom key of the same type has is refused, and goes under its own once that
//! one is renamed.
//!
//! The exit status is 0 where everything is here, and 1 where something is not; the report says what and why.
