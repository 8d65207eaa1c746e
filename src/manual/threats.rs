//! # What is protected from whom
//!
//! | who | can | cannot |
//! |---|---|---|
//! | another user of the machine | nothing: directory, socket and files are the owner's | |
//! | a member of the configured group, or another process of the owner, that speaks to the agent without a PIN | see labels and salts of tokens, public objects but no secret or private key; try PINs, counted, ten in a row | read a key, also one with `CKA_PRIVATE` false; read private objects; change anything (the owner's process can read the files, and so make a backup: next row) |
//! | who has read the store's files | read keys with `CKA_PRIVATE` false; guess PINs offline against Argon2id (19 MiB, 2 passes) | open anything private without a PIN; open erased material even with it |
//! | who can write the store's files | forge public objects; destroy; put back an older complete store | forge or swap private records: each is sealed to its place and revision |
//! | the user, with the PIN | use keys as their flags allow, delete imported material | destroy custom keys or generated material, exchange associated material, read sensitive values |
//! | the security officer | set a new user PIN (and so, become the user, which the audit log has); use public keys and change public objects | read or change private objects as security officer |
//! | who has the process's memory | everything that process can | |
//!
//! # What a login opens
//!
//! | | without a login | the security officer | the user |
//! |---|---|---|---|
//! | certificates, public keys, data, what is said of custom keys; all with `CKA_PRIVATE` false | found, read | changed, of custom keys only `CKA_TRUSTED` | changed |
//! | secret and private keys on the token with `CKA_PRIVATE` false | not there | found, used, changed if ordinary | the same |
//! | everything with `CKA_PRIVATE` true | not there | not there | found, used, changed |
//! | session objects with `CKA_PRIVATE` false | found, used, changed | the same | the same |
//!
//! What is not there is not found, and its handle is invalid: a public key's is valid again after the
//! next login. Whatever is made, changed or destroyed on the token takes a login
//! (`CKR_USER_NOT_LOGGED_IN`); only `C_InitToken` on a free slot takes none. The agent holds every client
//! to this, whether it uses the module or not. What PKCS#11 calls public is still not secret from a user who can
//! read the store's files: the key that seals it lies beside it. Leave `CKA_PRIVATE` true.
//!
//! A module stretches a PIN for no less than the 19 MiB and 2 passes, whatever the agent says it takes, and
//! keeps neither the PIN nor what it made of it. Each further connection proves the login by a
//! MAC over the agent's nonce ([`wire::proof`](crate::wire::proof)), under a key derived from the token
//! key and with a ticket that the agent gave with the login: a user's proves no security officer's. The
//! user's login holds until the logout, whatever becomes of the PIN meanwhile, or until `C_InitToken` leaves
//! no user; the security officer's ends with their PIN. Both end on the connections there are, too.
//!
//! *Erased* means: once the deletion is durable, and before it is answered, the secret under which the
//! material was encrypted is overwritten in place and synced. File systems that copy on write, snapshots, disk backups and the inside
//! of flash memory may keep old bytes; that cannot be promised.
//!
//! # What memory holds
//!
//! A user with access to a process's memory has what the process may use. So a process keeps a secret no longer than
//! it may use it:
//!
//! | a key is in the memory of a process that has used it | until |
//! |---|---|
//! | the process itself destroys it | the end of that call |
//! | another process deletes it, or it expires | the process's next call of any kind |
//! | the user logs out, the last session is closed, `C_Finalize` | the end of that call |
//! | an operation with it is under way when it expires | the operation's end, or the first call a minute after the expiry |
//! | an operation with it is under way when it is deleted | the next call: the operation does not go on |
//!
//! A module has no thread, so that one that makes no calls cannot act: an idle process keeps what it has
//! until its next call, or its end. Where another thread is in a call with the key, it is let go of when
//! that call is over. Blocks of memory are wiped as they are freed, in the module, in `keystead` and in the
//! agent, and in the agent the stack after each request; of an erased cell's secret the agent keeps nothing,
//! and of a PIN neither side does.
//!
//! What is kept for long lies in pages of its own, the vault ([`sys::vault`](crate::sys::vault)): the
//! token's key, what proves the login, key material, and keys as AWS-LC has parsed and expanded them. A
//! forked child finds these pages wiped, and a dump of the process's memory leaves them out. Where the
//! kernel cannot do that (before Linux 4.14, some sandboxes), and beyond 64 MiB, they lie on the heap.
//!
//! Not promised: that memory is never swapped to a disk (encrypt the swap, or have none); anything about a
//! process while it is in a call, where parts of keys pass through stack and registers, or that crashes in
//! one; the buffers in which a program itself has a PIN or a key's value; and memory of the kernel and of
//! the machine's owner.
//!
//! `keystead` takes no PIN from its arguments, which every user of the machine can read, and refuses a
//! PKCS#11 URI that holds one (`pin-value`) without repeating it; nor does it run a program for a PIN. A file with a PIN or passphrase that others than its
//! owner and group can read, or others than its owner write, is taken with a warning, which `--quiet` leaves out: the
//! secrets of containers are so by default (`defaultMode: 0400` makes them one's own). A variable
//! that `env:NAME` names is overwritten where `/proc` shows it, and removed, while the command line is
//! read; until then, and in the program that set it, its user and root can read it. The agent inherits no
//! variable of its starter's but those of the log.
//!
//! # What a clock can do
//!
//! A store has a time of its own, and everything that begins or ends by itself goes by it: expiries,
//! scheduled deletions, rotations, what counts from an import. It never runs back. From the latest clock
//! that an agent has seen it goes on as the machine runs (`CLOCK_BOOTTIME`, suspended or not), in every
//! process, whatever the clock of that process shows; a clock that is ahead counts at once. An agent that
//! starts goes on from the one before, or, when the machine has been started since, from its clock or the
//! latest time that the store has kept, whichever is later. The store keeps it with each change, each
//! minute while an agent runs, and at the agent's end.
//!
//! | the clock | what follows |
//! |---|---|
//! | is set back | nothing lives longer; log, `doctor` and `keystead clock` tell it beyond a minute |
//! | was ahead, and is right again | what expired by it is gone; what expires before the store's time is not imported (`CKR_ATTRIBUTE_VALUE_INVALID`), and keys end as early as the store is ahead, until `keystead clock --accept` |
//! | is set back while the machine is off | is believed from the latest time that the store has kept |
//!
//! `keystead clock --accept`, the security officer's, takes the clock's time for the store's. It has a line
//! in the audit log, and what has been erased stays erased.
//!
//! A clock that is far ahead by mistake erases what has not expired yet, and nothing brings it back but
//! another import. Where that weighs more than a prompt end, `grace_hours` in the configuration lets
//! erasing wait, 24 hours at the most: the key is not usable meanwhile, the log says so, and `keystead
//! clock --accept` after mending the clock takes everything back. The hours are the store's; a machine that
//! is off meanwhile erases when an agent, or `keystead sweep`, runs again.
//!
//! # What the audit log proves
//!
//! Every line's mac covers the line before, under a key in `audit/key` that only the store's owner can
//! read, and the store knows the last line. So `keystead audit --verify` finds what was changed,
//! removed, moved or cut off by a user who can write the files and not read that key: a careless hand, a
//! log rotation gone wrong, a member of another group, a damaged disk, a thief who has only a copy. It
//! proves nothing against the store's owner and root: they can read the key and write the whole chain
//! anew. Against them, send the lines to another machine as they are written; the last mac, kept
//! elsewhere, pins all lines before it.
//!
//! `--verify` prints that head (`NUMBER:MAC`), and `--head` checks a log, or a copy of `audit/` alone,
//! against one that was noted before. It writes nothing and starts no agent. Where a log ends it learns from
//! an agent that runs, or from the snapshot of a store that has not changed since; where neither tells and
//! no head is given, it cannot know whether lines behind the last are missing, says so, and fails.
//!
//! The line of a change is committed with the change; that of a wrong PIN follows the count of it, and
//! is missing where the agent is killed in between. Lines for which the disk has no room wait in the
//! store. A store that was put back to an earlier day goes on after the last line of the file.
//!
//! A line names what it is about: the token's label, the key's alias at that time, user, process and program
//! of the caller. These names stand in the log in the clear, for every reader of the store's files, though
//! the objects are sealed: an alias is no place for a secret. The program is the file that the process runs
//! when it connects; of another user's process the agent sees only the name that it has given itself. An
//! alias is known to the agent from the key's next change on where the key is older than this, or came
//! from a backup.
//!
//! How often each custom key was used has a line (`used`) for each day, UTC, five minutes after its
//! end or when the next agent starts. An operation that was begun is a use, and so is each call that
//! begins a message, whatever came of it. Modules count, and tell the agent at most once a minute, at a
//! logout and at `C_Finalize`, if it runs: what a process that is killed has not told yet is missing. A
//! program that has the PIN can tell less than it did; the count is for operators, not for proof.
//!
//! The agent begins a new file at 16 MiB (`audit-`, the number of its first line, `.jsonl`), and when
//! the one it writes is renamed. All files whose names begin with `audit` and contain `.jsonl`
//! belong to the log, in the order of their lines; one that is moved out of the folder is missing.
//!
//! # What keeps a key in
//!
//! A key that may decrypt does not wrap sensitive keys, and an AES key that may encrypt or decrypt, or sign or
//! verify by `CKM_AES_GMAC`, does not unwrap them: with any of these a user makes a blob of a known key
//! (`mixed_wrapping` in the configuration lifts both). Where `CKA_ALLOWED_MECHANISMS` leaves `CKM_AES_GMAC` out, the
//! key may make CMACs and unwrap. All that is judged by the flags at the moment of use,
//! and stops accidents and single mistakes. It does not stop a user with the PIN who changes the flags
//! in between, who wraps a known key with the key that unwraps it, or who wraps under an RSA public key whose
//! private half decrypts. What does: keys that are not extractable, `CKA_WRAP_WITH_TRUSTED` with wrapping keys that the security officer trusts,
//! and `CKA_UNWRAP_TEMPLATE`. From a key that is trusted, or that has a template of its own, the user
//! can take usages away; only the officer gives it one more. The user can also take the trust away, and
//! only the officer gives it. A key that was ever trusted stays bound, and so do its copies and its
//! versions. Imported material that was trusted, or has a template of its own, and is imported again has
//! the templates, the `CKA_ALLOWED_MECHANISMS` and at most the usages that it had, and no trust.
//!
//! A key that is trusted, or has a template of its own, wraps by AES key wrap (with padding or without) and AES-GCM
//! alone, whatever `mixed_wrapping` says, or by OAEP and `CKM_RSA_AES_KEY_WRAP` if it is RSA's: where nothing authenticates what
//! is wrapped, answers to forged blobs tell it. By AES-GCM a key wraps only if its usages
//! let it do nothing but wrap and unwrap: what it encrypts or signs under the IV of a wrapped key gives that key
//! away. The token makes that IV, and all of it, so `CKG_NO_GENERATE` and
//! `ulIvFixedBits` are refused; its tag has 96 bits or more. Keys that are not bound can do this and wrap by
//! `CKM_AES_CBC_PAD` too, or be given more usages later: bind what is to keep other keys. `CKM_AES_CCM` wraps
//! no keys.
//!
//! `CKM_AES_GMAC` takes its IV from those of AES-GCM: under one key, one IV is for one message or one MAC. A
//! second one lets all who see both forge any. So it signs no series of messages (`C_MessageSignInit` is
//! `CKR_MECHANISM_INVALID`); that its callers do not give an IV twice, the module cannot see.
//!
//! A template gets at least what it asks for. One that names no usage makes a key that does everything
//! its type can, and one that names some a key that does these and nothing else; but a public key whose
//! template does not forbid it encrypts and verifies, as can be done with it without the token. A session
//! key's value can be read, and a token key's cannot. One that says
//! `CKA_SENSITIVE` true and nothing of `CKA_EXTRACTABLE` makes a key that does not leave, and so does
//! one that says `CKA_WRAP_WITH_TRUSTED` true, `CKA_EXTRACTABLE` false or `CKA_ALWAYS_AUTHENTICATE` true
//! and nothing of `CKA_SENSITIVE`. A key that is trusted, or has a template of its own, hides its value
//! too, and where its template names no usage it only wraps, unwraps or derives, as the one it has says.
//! This holds for every call that makes a key, copies and repeated imports included.
//!
//! A user who may wrap and unwrap with one key can wrap a key that is sensitive and extractable, and unwrap
//! it as one that is not sensitive: PKCS#11 allows it. What prevents it is `CKA_WRAP_WITH_TRUSTED` on
//! the key, without which the user makes a wrapping key for the purpose, and a trusted AES key that
//! lacks `CKA_UNWRAP`, or whose `CKA_UNWRAP_TEMPLATE` says `CKA_SENSITIVE` true and `CKA_EXTRACTABLE`
//! false. An RSA key with such a template keeps what travels with a transport key only where it opens that
//! in one call: what it opens by OAEP alone neither unwraps nor decrypts, unless `CKA_ALLOWED_MECHANISMS`
//! confines it to OAEP, and then nothing with a transport key should be wrapped for it. What is kept from a use for
//! good is not wrapped (`CKR_KEY_NOT_WRAPPABLE`), for it would come back without that: such a key that came by OAEP
//! alone, one that was trusted, and one that goes into no digest (below) and asks for `CKA_WRAP_WITH_TRUSTED`. What an AES key
//! unwraps may be one that unwraps, under which the template holds no more, unless it asks for
//! `CKA_UNWRAP` and `CKA_DECRYPT` false. No secret key is trusted but a sensitive one
//! that is not extractable (`CKR_TEMPLATE_INCONSISTENT`). Let the officer generate trusted keys: what the
//! user made may have a twin.
//! The officer sees no private objects, so that a trusted key is a public one: a PIN protects it from
//! other processes and users, and not from a user who can read the store's files.
//!
//! What ECDH, HKDF, NIST SP 800-108 and the functions of TLS 1.2 derive tells nothing about the key it comes
//! from, and is a key of its own: its template says whether it can be read, as TLS and most clients need it,
//! and where the template says nothing a session key can be, a token key cannot (a key by SP 800-108 not
//! either where its base cannot). Who wants it otherwise gives the base key a `CKA_DERIVE_TEMPLATE`, which
//! holds as well where the key is the salt of HKDF. What it hides has at least 112 bits: shorter keys could
//! be guessed one byte after the other. It may derive and sign in its turn, under which the template holds no
//! more, unless it asks for `CKA_DERIVE` and `CKA_SIGN` false.
//!
//! Other mechanisms pass on the base key, or a part of it. Of a key that can be read they give whatever is
//! asked for. Of one that hides its value, be it the base or the second key:
//!
//! | mechanism | gives |
//! |---|---|
//! | `CKM_CONCATENATE_*`, `CKM_XOR_BASE_AND_DATA` | a key with the whole base in it and all of its protections, which ends when it ends or sooner, is erased where it is erased, and is confined to its `CKA_ALLOWED_MECHANISMS`: it is as good as a copy with other usages. So it takes a base that may be copied and modified, and none that is or was trusted, has a template of its own, comes of such a template, came as what may be a transport key, or is a custom key's (`CKR_KEY_FUNCTION_NOT_PERMITTED`; HKDF with the second key for a salt joins those) |
//! | `CKM_EXTRACT_KEY_FROM_KEY`, and the others where they would leave a part out | nothing: a part beside known bytes could be guessed, and each guess checked with what the key makes (`CKR_KEY_FUNCTION_NOT_PERMITTED`, `CKR_KEY_SIZE_RANGE`) |
//! | `CKM_AES_ECB_ENCRYPT_DATA`, `CKM_AES_CBC_ENCRYPT_DATA` | a key of whole blocks with all protections of the base: what it encrypts is only for who may encrypt |
//! | `CKM_TLS_KDF` | a key with all protections of the base, as PKCS#11 has it, of 14 bytes or more. No label begins with one that TLS itself derives by, wherever the label ends and the seed begins |
//! | `CKM_TLS12_KEY_AND_MAC_DERIVE` | keys as hidden as the base, of 14 bytes or more, or without a value, which do nothing and are not copied; and no IVs: the sizes can be chosen so that these are what keys are made of else. `CKM_TLS12_KEY_SAFE_DERIVE` asks for none. A base with a `CKA_DERIVE_TEMPLATE` gives neither |
//! | `CKM_TLS12_MASTER_KEY_DERIVE` | a master secret, and not the version in the base's first bytes. A master secret is confined to the mechanisms that TLS has for it |
//!
//! A key that `CKM_PKCS5_PBKD2` makes of a password is its owner's and no secret of the token: it counts as
//! imported. More than 2²⁴ iterations, for all blocks of a key together, are refused.
//!
//! A digest of known bytes and a key is the first step of HKDF, which needs no usage for it. So these go into
//! no digest (`C_DigestKey`: `CKR_KEY_INDIGESTIBLE`): a key that is or was trusted, or has a template of its
//! own; what a `CKA_DERIVE_TEMPLATE` hides; and a custom AES key that does not decrypt, since a digest would
//! open what it sealed.
//!
//! # What an answer tells
//!
//! Of a blob that is not what it should be, `C_UnwrapKey` says nothing but `CKR_WRAPPED_KEY_INVALID`, or by its
//! length alone and before it is opened `CKR_WRAPPED_KEY_LEN_RANGE`, which is no news to who sent it. Where
//! a mechanism does not authenticate what it wraps, that alone is too much: a padding that is right for
//! one forged blob in 256 gives the key, byte by byte, to a user who may only unwrap it. So:
//!
//! | mechanism | as a wrapping |
//! |---|---|
//! | `CKM_AES_CBC_PAD`, `CKM_RSA_PKCS` | no key unwraps by it that is trusted, or was, or has a `CKA_UNWRAP_TEMPLATE` (`CKR_KEY_FUNCTION_NOT_PERMITTED`), and no key that is or was trusted wraps by it; a key with `CKA_WRAP_WITH_TRUSTED` does not leave by it (`CKR_KEY_NOT_WRAPPABLE`) |
//! | `CKM_AES_CBC` | wraps and unwraps only where `mixed_wrapping` is set (`CKR_MECHANISM_INVALID`), and then as `CKM_AES_CBC_PAD`; a key whose length is no multiple of 16 gets zeros as by `CKM_AES_KEY_WRAP` |
//! | `CKM_RSA_AES_KEY_WRAP` | a key with `CKA_WRAP_WITH_TRUSTED` does not leave by it: its first half is a key of its own by `CKM_RSA_PKCS_OAEP`, and decrypts the second |
//! | `CKM_AES_KEY_WRAP` | takes any initial value but those of `CKM_AES_KEY_WRAP_KWP`, which begin with `A65959A6`: otherwise a blob of one would open as the other. A key that is or was trusted, or has a template of its own, takes the standard one only (`CKR_MECHANISM_PARAM_INVALID`) |
//! | `CKM_AES_KEY_WRAP` of a length that is no multiple of 8 | zeros are added behind it (PKCS#11 2.40, 2.14.3), as SoftHSM does. A private key's own length takes them away again; a secret's only `CKA_VALUE_LEN`, and what it takes away are zeros. Without it a secret of variable length that ends in a zero is `CKR_TEMPLATE_INCOMPLETE`: it could be longer than what was wrapped. A user who may unwrap a secret so learns whether it ends in zeros; a key that is or was trusted, or has a template of its own, therefore neither adds zeros to secrets nor takes them away. `CKM_AES_KEY_WRAP_KWP` needs none of this |
//! | `CKM_AES_KEY_WRAP_KWP`, `_PAD` | take a first half of the initial value, 4 bytes, but that of `CKM_AES_KEY_WRAP`, `A6A6A6A6`; a key that is or was trusted, or has a template of its own, takes the standard one only (`CKR_MECHANISM_PARAM_INVALID`) |
//! | `CKM_RSA_PKCS_OAEP`, `CKM_KEYSTEAD_SEAL` | as they are |
//!
//! `CKM_AES_KEY_WRAP`, `_KWP` and `_PAD` encrypt and decrypt data too, with keys that may, and then a wrapped
//! key is such data: the rule that a key which may decrypt wraps no sensitive key holds for them as for every
//! cipher. A key that is or was trusted, or has a template of its own, does neither by them
//! (`CKR_KEY_FUNCTION_NOT_PERMITTED`), since `CKA_ALLOWED_MECHANISMS` may confine it to them.
//!
//! A template of its own protects nothing where the key does more than wrap and unwrap: a user who decrypts
//! with it, or with an RSA key signs by `CKM_RSA_X_509`, opens by hand what was wrapped. Where no usage is
//! named it has none of these; name none.
//!
//! # What is shipped
//!
//! Beside the licences in `/usr/share/doc/keystead` the packages have `keystead.cdx.json`, which lists every crate
//! with its release and checksum in CycloneDX's form. Program and module carry the same list in themselves, so that
//! `cargo audit bin /usr/bin/keystead` names what has become known of one of them since. Both are built of one
//! package of cargo's, and so the module's list has the agent's crates too, sled among them, of which it has no code.
//! `.cargo/deny.toml` says which licences, sources and crates may be there at all, and why an advisory or an
//! unmaintained crate that is known can be borne; `tests/run` holds it, and `tests/run advisories` looks for
//! advisories that are newer.
//!
//! The same sources, Rust, C compiler and system libraries give the same bytes, whichever directory they are built
//! in: `tests/run reproducible` builds the packages in two places and compares them, and a package from elsewhere
//! can be compared with what `tests/package` makes of its commit.
//!
//! # What is left
//!
//! All this binds programs that use the module. One that has the PIN and talks to the agent itself can
//! open whatever the module can. The agent holds it to the rules of custody, but judges headers, and has
//! no key to what is sealed: under a lawful header such a program can store a sealed part that cannot
//! be opened, or that holds something else, and only a backup brings the key back. It learns nothing
//! by that, of this token or another: a sealed part opens in its own place only.
