//! # A key's life
//!
//! | state | metadata object | material object | what works | what a client gets else |
//! |---|---|---|---|---|
//! | pending import (status 5): never imported, deleted, or expired | found, says why | not found; old handles invalid | importing (the first time anything, then only the same material), renaming, disabling for later | `CKR_KEY_HANDLE_INVALID`, `CKR_OBJECT_HANDLE_INVALID` or what the function has for it |
//! | enabled (2) | found | found | everything the usage flags allow | – |
//! | disabled (3) | found | found | reading attributes but secret ones, enabling, deleting imported material | `CKR_KEY_FUNCTION_NOT_PERMITTED`; as the key to be wrapped `CKR_KEY_NOT_WRAPPABLE` |
//! | expired but readable (expiry action 2) | found | found | decrypting, verifying, unwrapping, decapsulating; deleting; importing again | `CKR_KEY_FUNCTION_NOT_PERMITTED` |
//! | pending deletion (4) | found | found | cancelling | `CKR_KEY_FUNCTION_NOT_PERMITTED`, `CKR_ACTION_PROHIBITED` |
//!
//! # What is refused, and how
//!
//! | refused | code |
//! |---|---|
//! | destroying metadata, or the material of a generated key; copying a custom key | `CKR_ACTION_PROHIBITED` (`0x1B`) |
//! | changing or destroying an older version; a schedule of rotations on a key that cannot have one | `CKR_ACTION_PROHIBITED` (`0x1B`) |
//! | rotating an external or private key | `CKR_TEMPLATE_INCONSISTENT` (`0xD1`) |
//! | setting what is read-only | `CKR_ATTRIBUTE_READ_ONLY` (`0x10`) |
//! | importing other material, material that another custom key is associated with (though it may have lost it), or into a generated key; an expiry on a generated key | `CKR_TEMPLATE_INCONSISTENT` (`0xD1`) |
//! | anything but the material of a custom key, where an import key unwraps; more than an import key is, where one is made | `CKR_TEMPLATE_INCONSISTENT` (`0xD1`) |
//! | more usages than it had, for material that was trusted and comes again | `CKR_TEMPLATE_INCONSISTENT` (`0xD1`) |
//! | changing or copying the private half of an import key | `CKR_ACTION_PROHIBITED` (`0x1B`) |
//! | an expiry that is not in the future | `CKR_ATTRIBUTE_VALUE_INVALID` (`0x13`) |
//! | a wrapped blob whose length alone tells that it holds no such key, before it is opened | `CKR_WRAPPED_KEY_LEN_RANGE` (`0x112`) |
//! | a wrapped blob that is wrong in any other way | `CKR_WRAPPED_KEY_INVALID` (`0x110`) |
//! | anything where the store's disk is full | `CKR_DEVICE_MEMORY` (`0x31`) |
//!
//! The log names the reason. An import that fails changes nothing.
//!
//! # What is the same material
//!
//! Of a secret key the same bytes, in a class; of a private key the same public half, since one key has
//! several encodings. An ML-KEM or ML-DSA key has secrets besides that its public half does not tell (the one by
//! which it rejects, the one with which it draws): with another one of these it is other material, and with the same
//! public half it is no other custom key's either. Two secrets of different bytes are two materials, also where a mechanism takes
//! them for one: HMAC fills a short secret up with zeros, and ECDH agrees on the same secret with a
//! scalar and its negative.
//!
//! # Which custom key an import is for
//!
//! The one that `CKA_KEYSTEAD_KEY_ID`, or a `CKA_ID` of its UUID's bytes, names. Else the external one
//! of the same class and key type with that `CKA_ID`; else the one with that `CKA_LABEL`. None: if an
//! enabled external key has lost just this material, it is revived under the template's names. None at
//! all: a new one. More than one: `CKR_TEMPLATE_INCONSISTENT`.
//!
//! # Its names
//!
//! A label is at most 255 bytes, UTF-8 or not. `alias` in the metadata's JSON shows it so that no two look the
//! same: a backslash is doubled; control and direction characters, and others that cannot be seen, are
//! `\u{202e}` and the like; bytes that are no UTF-8 are `\xff`. Where that differs from the label, `alias_hex`
//! has its bytes. The program takes a key by its key ID, else by the label itself, else by either of the two.
//! JSON that makes a key gives the label itself as `alias`, or its bytes as `alias_hex`.
//!
//! A key without a name is called by its key ID: the metadata's `CKA_LABEL` and `alias` show that. The
//! `CKA_LABEL` of its material, and of the public half of its pair, is empty, because programs show a label in
//! the place of a certificate's name; a search for the key ID as a label finds them all the same. Setting an
//! empty label takes the name away.
//!
//! # The expiry
//!
//! Of an import: `CKA_KEYSTEAD_EXPIRES_AT`, 0 for never; else the custom key's own; else, where the
//! custom key was there before, the day after `CKA_END_DATE`, 00:00 UTC. None: never; a `CKA_END_DATE` is then
//! kept as it was given, and means nothing here. What happens then:
//! `CKA_KEYSTEAD_EXPIRY_ACTION`, else the custom key's own, else erasing.
//!
//! A custom key's own expiry is what the JSON of the empty key says (`expires`, a moment; or `expires_in`,
//! a time that is counted from each import; and `expiry_action`, `erase` or `read-only`), or the two
//! attributes in the template of an empty key. It holds for every import until it is changed: by
//! `C_SetAttributeValue` with such JSON as the metadata object's `CKA_VALUE` (`{"expires_in":"30d"}`,
//! `{"expires":null}` for none), or by `keystead set-expiry`. Neither that nor what one import is given
//! touches the other, or material that is present. An own `expires` that has passed refuses imports until
//! they, or the key, are given another.
//!
//! The material is unusable from that second in every process and erased by the agent at that moment.
//! The time is the store's (see [`threats`](super::threats)); an expiry that it has seen already is
//! refused.
//!
//! # Operations under way
//!
//! A key is asked for at an operation's Init, and again at each update, at the last step and at each part
//! of a message. One call of `C_Encrypt` and the like after its Init is a last step too.
//!
//! | since the Init, the key has | the operation |
//! |---|---|
//! | expired | may finish within 60 s of the expiry; after that its next step is refused |
//! | expired, but stays readable | the same; decryptions, verifications and unwrappings go on |
//! | been deleted, disabled, or scheduled for deletion, or lost the usage | does not go on |
//! | been rotated | goes on with the version it began with |
//! | been renamed, described, or imported again with another expiry | goes on, until 60 s after that expiry |
//!
//! An operation that does not go on loses its key at the process's next call, whichever call that is; see
//! [`threats`](super::threats). A step that is refused gets the code that an Init would get now, and ends the operation. A digest that has
//! taken a key in by `C_DigestKey` keeps to this too. A new message is a new use of the key: from the second of
//! the expiry on none begins, though messages that were begun before it may finish.
//!
//! # Rotation
//!
//! `C_GenerateKey` with `CKM_KEYSTEAD_ROTATE` and `CKA_KEYSTEAD_KEY_ID` (`keystead rotate`) makes the
//! next version of a generated symmetric key. The material object stays the same one, with its
//! handles; the version that stood there goes on in an object of its own, which a search returns only
//! if its template names `CKA_KEYSTEAD_MATERIAL_VERSION`.
//!
//! | through the plain handle | which version |
//! |---|---|
//! | encrypt, wrap, sign, derive, digest the key | the newest |
//! | decrypt with GCM or CCM (tags of at least 96 bits), ChaCha20-Poly1305, KW, KWP or SEAL; unwrap with KW, KWP, GCM or SEAL; verify a MAC | whichever fits: the newest first, then the older ones |
//! | decrypt or unwrap with ECB, CBC, CBC-PAD, CTR, OFB, CFB128, XTS, or GCM and CCM with a shorter tag | none once there are several: `CKR_KEY_FUNCTION_NOT_PERMITTED`, because these cannot tell a wrong key; name the version |
//!
//! An older version only decrypts, verifies and unwraps; it is neither changed, copied, wrapped nor
//! destroyed.
//!
//! A schedule (`CKA_KEYSTEAD_ROTATION_DAYS`, 30 to 365; AES and ChaCha20 keys) is counted from the latest rotation,
//! or from its setting. New material needs the private token key, which the agent does not have: so the
//! first use that makes something after the moment rotates first, in whichever process that is, and a
//! key that is not used has nothing encrypted with an overdue version. `keystead rotate --due` rotates
//! what is overdue without waiting. A key that is overdue while disabled rotates once, when it is
//! enabled. Where a rotation fails (a full disk), the use goes on with the version there is, and the
//! log says so.
//!
//! # Scheduled deletion
//!
//! `CKA_KEYSTEAD_DELETION_AT`, 7 to 1096 days ahead, is the only way in which one custom key ends. Until
//! then it can only be cancelled (0), which leaves the key disabled, or waiting for its import where it
//! has no material. Then the agent, or `keystead sweep`, erases the material of every version and the
//! metadata, and the material is free to be imported into another key.
//!
//! `keystead destroy-token` ends a whole token with all its keys, by the security officer. `C_InitToken` on a token
//! that is there (`pkcs11-tool --init-token`) wants its security officer's PIN too, gives it a label and ends its user's PIN, until
//! the officer sets a new one: the custom keys stay, ordinary objects go, and on a token without custody everything.
