//! # Sealing
//!
//! `CKM_KEYSTEAD_SEAL` (`0x804B5301`) encrypts, decrypts, wraps and unwraps with an AES custom key. Its
//! parameter is associated data, or none. What it makes, the blob, says which key and version made it,
//! and has a key of its own, so callers keep no nonces, and one key seals without a limit on messages.
//! Two custom keys never open each other's blobs, even with equal material; a key whose material was
//! deleted or has expired opens its blobs again once the same material has been imported again, and a
//! rotated key opens what each of its versions sealed. All that can be wrong with a blob has one code:
//! `CKR_ENCRYPTED_DATA_INVALID`, or `CKR_WRAPPED_KEY_INVALID`. Nothing leaves before the tag is checked:
//! `C_DecryptUpdate` gives no bytes, `C_DecryptFinal` gives all. Ordinary and session keys have no
//! identity to bind blobs to: `CKR_KEY_FUNCTION_NOT_PERMITTED`.
//!
//! # A blob
//!
//! | from byte | bytes | what |
//! |---|---|---|
//! | 0 | 1 | format version: 1 |
//! | 1 | 16 | key ID: the UUID's bytes |
//! | 17 | 4 | material version, big-endian |
//! | 21 | 32 | salt: random |
//! | 53 | *n* | ciphertext, as long as what was sealed |
//! | 53 + *n* | 16 | tag |
//!
//! With *header* for bytes 0 to 20:
//!
//! ```text
//! key                = HKDF-SHA-256(secret: material, salt: salt,
//!                          info: "keystead seal" || header), 32 bytes
//! ciphertext and tag = AES-256-GCM(key, nonce: 12 zero bytes,
//!                          associated data: header || caller's)
//! ```
//!
//! A holder of a blob sees the key's ID, the version and how long the text is, and nothing else. The
//! nonce repeats and the key never does: it comes from 32 random bytes. The header's length is fixed,
//! so header and caller's data cannot be taken for one another. A wrapped key is its value, a private key
//! its PKCS#8 in DER, sealed in the same way. `tests/vectors/seal.json` has blobs that another
//! implementation made, `tests/vectors/seal.py`, which opens and makes sealed files too.
//!
//! # A sealed file
//!
//! `keystead seal` cuts a file into chunks of 1 MiB and seals each, so that files of any size are sealed
//! and opened in constant memory. It is one header and one or more chunks:
//!
//! | from byte | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `keystead` in ASCII |
//! | 8 | 1 | format version: 1 |
//! | 9 | 4 | chunk size *c*, big-endian: 1 to 16 777 216; 1 048 576 is written |
//! | 13 | 16 | stream ID: random |
//! | 29 | 16 | key ID |
//! | 45 + *i* · (*c* + 69) | *c* + 69, the last at least 69 | chunk *i*: the blob of the file's next *c* bytes |
//!
//! A chunk's associated data is the header's 45 bytes, the chunk's index from 0 (8 bytes, big-endian),
//! and one byte that is 1 in the last chunk and 0 in the others. So a chunk opens only at its place in
//! its own file, and a file that was cut off, or has more behind it, does not open. An empty file has
//! one chunk of 69 bytes, and where the length is a multiple of the chunk size the last one is full.
