//! # The import ceremony
//!
//! ```text
//!  the token's side             the owner's side, without a token
//!  keystead import-key      ──▶ keystead wrap key --for import.pem
//!      --out import.pem             --out key.wrapped
//!  keystead import payroll  ◀──
//!      key.wrapped --wrapped oaep-sha256 --with "import key"
//! ```
//!
//! The import key is an RSA pair of 2048, 3072 or 4096 bits, or with `--type` an ML-KEM pair (below). Its
//! private half can unwrap or decapsulate and nothing else, cannot be changed, copied or exported, asks for no
//! PIN at each use, and ends with its public half 24 hours after it was made. Material that is wrapped for it
//! by then and not imported has to be wrapped again, for another. `keystead import-keys` lists the pairs, and
//! removes one before its time.
//!
//! `pkcs11-tool --unwrap` finds the private half by its `CKA_ID` only: it passes over `--label` and takes
//! the first private key there is. So both halves have an ID that no other private key has when it is given,
//! a random one or that of `--id`, and the program prints it.
//!
//! # The public key beside a private key
//!
//! `keystead import` and `import-many` make the public key object of a private key, for clients that find a
//! pair by it before they log in (OpenSSH, GnuTLS): `CKA_PRIVATE` false, the alias as its label, the same
//! `CKA_ID`. Public key and alias can then be read without a PIN, as the program says. An import that finds
//! the object makes no second; `keystead rename` renames it; it stays when the material goes, until it is
//! destroyed. `--no-public-key` makes none. A client that unwraps the material itself makes it itself, too.
//!
//! # What no quantum computer opens later
//!
//! Files that are copied on their way can be kept for years. A quantum computer that comes then opens what was
//! wrapped for an RSA pair; of ML-KEM (FIPS 203) no such way is known.
//!
//! ```text
//!  keystead import-key      ──▶ keystead wrap key --for import.pem
//!      --type ml-kem-768            --out key
//!      --out import.pem
//!  keystead import payroll  ◀── key.transport, the KEM ciphertext
//!      key.transport            key.wrapped, the material
//!      key.wrapped --wrapped ml-kem --with "import key"
//! ```
//!
//! The owner encapsulates a secret of 32 bytes under the public half, which is the transport key, and wraps the
//! material with it. OpenSSL 3.5 does that too:
//!
//! ```text
//!  openssl pkeyutl -encap -pubin -inkey import.pem \
//!      -out key.transport -secret transport
//!  openssl enc -id-aes256-wrap-pad -iv A65959A6 \
//!      -in key -out key.wrapped \
//!      -K "$(od -An -v -tx1 transport | tr -d ' \n')"
//! ```
//!
//! The private half unwraps nothing itself. The token's side is two calls of PKCS#11 3.2:
//!
//! | call | gives |
//! |---|---|
//! | `C_DecapsulateKey` by `CKM_ML_KEM` | the transport key: an AES key of the session, sensitive, neither extractable nor copyable nor modifiable, that only unwraps and only by `CKM_AES_KEY_WRAP_KWP`; it has the mark of the import key, and ends when that expires, or sooner where its template says so, and with its session; destroying the pair does not end it |
//! | `C_UnwrapKey` with that | the material of a custom key, under the rules that follow |
//!
//! The template may leave all of that out. One that says something else, `CKA_TOKEN` true or another usage, is
//! `CKR_TEMPLATE_INCONSISTENT`, makes nothing, and is in the audit log; only `CKA_SENSITIVE` false and
//! `CKA_EXTRACTABLE` true are passed over, which clients send unasked. A ciphertext of another
//! length is `CKR_WRAPPED_KEY_LEN_RANGE`. One that was made for another key, or damaged, gives a transport key
//! that only the token has: what then fails is `C_UnwrapKey`, with `CKR_WRAPPED_KEY_INVALID`.
//!
//! # What an import key lets in
//!
//! Both halves carry `CKA_KEYSTEAD_IMPORT_ONLY`, which `C_GenerateKeyPair` takes in a template, of either
//! half, and no other call. What contradicts it there is `CKR_TEMPLATE_INCONSISTENT`: another usage of
//! the private half, `CKA_EXTRACTABLE` true, `CKA_MODIFIABLE` true, custody, a PIN at each use.
//!
//! What the private half unwraps, or the transport key that it decapsulates, becomes the material of a custom key. It is sensitive and does not
//! leave, whatever the template says of that, also where the same material was there already and could be
//! read. A session key, `CKA_KEYSTEAD_CUSTODY` false and a token without custody (unless the template asks
//! for it) are `CKR_TEMPLATE_INCONSISTENT`, and the audit log says so. So a holder of the PIN and a wrapped
//! file can import it, and not read it, if it is in a form that the pair takes (below). PKCS#1 v1.5 never opens anything under an import key.
//!
//! Any other key with `CKA_UNWRAP` imports too, and protects nothing by itself: its user may unwrap
//! a wrapped file into a session key and read it. A pair of `pkcs11-tool --keypairgen` is
//! one, and so are import keys that a store has from before this mark, for the rest of their 24 hours.
//!
//! # In one call, not in two
//!
//! That a transport key is one, the token knows of what an ML-KEM pair decapsulates. Of what an RSA pair
//! decrypts it does not. A transport key that is opened by itself opens the material behind it into anything. So `keystead
//! import` joins the two parts of a file, or two files, and the token opens both in one call of
//! `CKM_RSA_AES_KEY_WRAP`. The standard's two calls, of which the first makes the transport key a key of
//! its own, need another unwrapping key.
//!
//! An AES key that came by OAEP alone and a transport key look the same. So `keystead import-key` makes a
//! pair for one kind of form, as clouds make theirs (by `CKA_ALLOWED_MECHANISMS` on the private half): for
//! `oaep`, unless told otherwise, or `--form rsa-aes`, for all forms with a transport key, of which it opens
//! none by itself. Wrap for a pair what it takes: of a file with a transport key that was made for a pair
//! of the kind `oaep`, a holder of file and PIN can open the transport key as an AES key of its
//! own, and the rest with that. The token cannot see the difference; nothing that was wrapped by OAEP alone
//! is concerned, and no file for a pair of the kind `rsa-aes`. The pair that `keystead import` makes on the
//! fly is of that kind.
//!
//! A pair that a program makes without `CKA_ALLOWED_MECHANISMS` takes both. What it opens by OAEP alone
//! neither unwraps nor decrypts, for good: a template that asks for it, or names no usage of an AES key, is
//! `CKR_TEMPLATE_INCONSISTENT`. The same holds for any RSA key that hides what it unwraps, because it is
//! trusted or has a `CKA_UNWRAP_TEMPLATE`.
//!
//! # What travels
//!
//! *n* is the size of an RSA import key's modulus in bytes. OAEP's mask generation hashes with the same
//! function as OAEP itself, and its label is empty (RFC 8017, 7.1). The transport key is a random AES
//! key made for one transfer: 32 bytes where `keystead wrap` makes it, 16, 24 or 32 where it is read.
//! KWP is AES key wrap with padding (RFC 5649).
//!
//! | form | files | bytes | takes | also made and read by |
//! |---|---|---|---|---|
//! | `oaep-sha256`, `oaep-sha1` | 1 | OAEP(material): *n* | material of at most *n* − 66 bytes, with SHA-1 *n* − 42 | AWS `RSAES_OAEP_SHA_256`, `RSAES_OAEP_SHA_1` |
//! | `rsa-aes-sha256`, `rsa-aes-sha1` | 1 | OAEP(transport key): *n*, then KWP(material): a multiple of 8, 8 to 15 more than the material | any | `CKM_RSA_AES_KEY_WRAP` of PKCS#11 3.1; AWS `RSA_AES_KEY_WRAP_SHA_256`, `_SHA_1`; Google `RSA_OAEP_3072_SHA256_AES_256` and its like |
//! | `two-file`, `two-file-sha1` | `.transport`, `.wrapped` | the same two parts, one in each | any | two calls of `openssl`, or, under another unwrapping key, of `pkcs11-tool --unwrap` |
//! | `byok` | 1 | JSON, below; its ciphertext is `rsa-aes-sha1` | any | Azure Key Vault |
//! | `ml-kem` | `.transport`, `.wrapped` | the KEM ciphertext: 768, 1088 or 1568 for ML-KEM-512, -768, -1024; KWP(material), in a file of its own | any | OpenSSL 3.5; two calls of PKCS#11 3.2 |
//! | `ml-kem-joined` | 1 | the same two parts, one behind the other | any | |
//!
//! The material is the secret's bytes; of a private key it is PKCS#8 in DER (RFC 5958).
//! Of the private keys, RSA keys and ML-KEM and ML-DSA keys without their seed are too long for OAEP alone;
//! EC, Ed25519 and X25519 keys fit, and so does a seed.
//!
//! `keystead import`, `import-many` and `wrap` make that of what other programs write, in PEM or DER: PKCS#8, PKCS#1 (RFC
//! 8017), SEC1 (RFC 5915) and PKCS#12 (RFC 7292), and OpenSSH's own format of RSA, ECDSA and Ed25519 keys. Where the file is
//! encrypted they ask for its passphrase (`--passphrase-file`): PBES2 with PBKDF2 or scrypt, AES or 3DES; the schemes of
//! PKCS#12 before that; PEM with `DEK-Info`; `ssh-keygen`'s with AES or ChaCha20-Poly1305. A file is refused
//! that asks for more than 10 000 000 iterations of PBKDF2 and its like, all in all, 1 GiB of scrypt's memory, 4 GiB for
//! scrypt to go through, or 4096 rounds of bcrypt. What
//! is decrypted stays in memory that is wiped. A file has one private key; certificates beside it go into the token
//! where they are of the key or of its issuers.
//!
//! A raw seed, of 64 bytes of an ML-KEM key and of 32 of an ML-DSA key, becomes PKCS#8 (RFC 9935, RFC 9881) where
//! 22 bytes stand before it: here of ML-KEM-768, and of ML-DSA-65.
//!
//! ```sh
//! (printf '\x30\x54\x02\x01\x00\x30\x0b\x06\x09'
//!  printf '\x60\x86\x48\x01\x65\x03\x04\x04\x02'
//!  printf '\x04\x42\x80\x40'; cat seed) > key.der
//! (printf '\x30\x34\x02\x01\x00\x30\x0b\x06\x09'
//!  printf '\x60\x86\x48\x01\x65\x03\x04\x03\x12'
//!  printf '\x04\x22\x80\x20'; cat seed) > key.der
//! ```
//!
//! The last byte of the second line is `\x01` of ML-KEM-512, `\x03` of ML-KEM-1024, `\x11` of ML-DSA-44 and `\x13` of
//! ML-DSA-87.
//!
//! # The transfer file of Azure Key Vault
//!
//! ```json
//! {
//!   "schema_version": "1.0.0",
//!   "header": {
//!     "kid": "…",
//!     "alg": "dir",
//!     "enc": "CKM_RSA_AES_KEY_WRAP"
//!   },
//!   "ciphertext": "base64url, padding left out",
//!   "generator": "keystead 0.1.0"
//! }
//! ```
//!
//! `kid` is how the key vault calls the import key (`--kid`; otherwise the SHA-256 of its
//! `SubjectPublicKeyInfo` in hexadecimal). It is not compared at an import: `--with` says which import
//! key it is. Another `schema_version`, `alg` or `enc` is refused; members that are not named here are
//! passed over.
//!
//! # Whether a backup is good
//!
//! A session key (`CKA_TOKEN` false) that is unwrapped or created with `CKA_KEYSTEAD_KEY_ID` in its
//! template is made only of the material that the named custom key was imported with, whether that is
//! present, disabled, deleted or expired. `keystead import --dry-run` asks so. Nothing is written. Under an
//! import key its template says of every usage that the class has that it is false: the session key can
//! do nothing, and is neither modified nor copied.
//!
//! | | code |
//! |---|---|
//! | it is the same | `CKR_OK`, and a session key that the caller throws away |
//! | it is other material, or the key was generated, or is for another key type | `CKR_TEMPLATE_INCONSISTENT`; other material in a wrapping that authenticates nothing (CBC, PKCS#1 v1.5) `CKR_WRAPPED_KEY_INVALID` |
//! | nothing has ever been imported, or there is no such key | `CKR_ATTRIBUTE_VALUE_INVALID` |
//! | no user is logged in | `CKR_USER_NOT_LOGGED_IN` |
//!
//! # Many at once
//!
//! `keystead import-many` takes a directory, where each file is one key and its name the alias (without
//! `.hex`, `.b64`, `.base64`, `.pem` and `.byok`, which say how the material is written), or a CSV
//! manifest (RFC 4180, UTF-8). The manifest's first line names its columns, in any order; only `file` must
//! be there, and a column that is not known is refused.
//!
//! | column | says |
//! |---|---|
//! | `file` | where the material is, seen from the manifest; of two files what their names have in common |
//! | `alias` or `id` | the custom key, by alias (a new one, if there is none) or by key ID; neither: the file's name |
//! | `type` | of a new key; an existing one must have it |
//! | `form` | `raw`, `hex`, `base64` or `pem`, or a form of the table above (then `--with` is needed) |
//! | `expires`, `expiry_action` | as `--expires` has it; `erase` or `read-only` |
//! | `description` | of a new key |
//!
//! Every line is judged before the first import: wrong lines, files that cannot be read, material that is
//! not the key's, two lines for one key or with one material. Then each import is one commit. That
//! another custom key holds a line's material, the token says only when it is that line's turn. A key
//! that has the same material already is skipped, so that a run that was stopped by anything is run
//! again.
