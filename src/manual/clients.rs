//! # Clients
//!
//! These were run, unpatched, as Debian 12 has them, and Debian 13 where its name or OpenSSL 3.5 says so; `tests/clients`
//! plays each.
//!
//! <!-- clients: the test run writes this table -->
//! | client | version | what was run | result |
//! |---|---|---|---|
//! | Apache | 2.4.71 | RSA and EC keys, TLS 1.2 and 1.3, workers of another user, a reload | 14 checks pass |
//! | BIND | 9.20.30 | `dnssec-keyfromlabel`, `dnssec-signzone` with RSA and EC keys; a `named` that generates its key on the token, signs with it and answers | 20 checks pass |
//! | curl | 7.88.1 | client certificates, RSA and EC, TLS 1.2 and 1.3 | 12 checks pass |
//! | GnuTLS | 3.7.9 | `p11tool`, an authority of `certtool`, `gnutls-serv` and `gnutls-cli` with client certificates | 64 checks pass |
//! | Go 1.19: `miekg/pkcs11`, `crypto11` | 1.0.3, 1.2.5 | find, generate, RSA, ECDSA, AES-GCM and CBC, HMAC, an import with the expiry attribute, TLS servers, a hundred goroutines; both libraries' own tests | 88 checks pass |
//! | Java SunPKCS11 | 17 | `keytool` (generate, list, import, rename, delete), `jarsigner`, `KeyStore`, AES-GCM, CBC and CTR, `Mac`, RSA and EC signatures, ECDH, TLS 1.2 on the token, TLS both ways, certificate chains, an expiry through `attributes` | 91 checks pass |
//! | nginx | 1.22.1 | RSA and EC keys, TLS 1.2 and 1.3, four workers of another user, reloads | 17 checks pass |
//! | NSS | 3.87.1 | `modutil`, `certutil`, `pk12util`, `cmsutil`, `selfserv` and `tstclnt` | 60 checks pass |
//! | OpenSSH | 9.2 | `ssh-keygen -D`, `-s` (hosts, users), `-Y sign`, `ssh-agent`, `sshd` with `HostKeyAgent` | 30 checks pass |
//! | OpenSSL, engine `pkcs11` | 3.0, 0.4.12 | `dgst`, `req`, `x509`, `cms`, `pkeyutl`, `s_server` and `s_client` with RSA and EC keys | 56 checks pass |
//! | OpenSSL, keys of its own | 3.5 | ML-KEM and ML-DSA keys as seed, expanded key and both, imported: encapsulated and signed here, decapsulated and verified there, and the other way round; HashML-DSA; material wrapped by plain commands for an import key of ML-KEM; keys wrapped by AES-GCM, with Python's `cryptography` | 156 checks pass |
//! | OpenSSL, `pkcs11-provider` | 3.5, 1.2.0 | `genpkey`, `pkeyutl`, `req`, `s_server` and `s_client` with RSA, EC, Ed25519 and ML-DSA keys; a forking server, `cms`, X25519, ML-KEM, AES, digests and HKDF; software keys used in a session of the token | 155 checks pass |
//! | OpenVPN | 2.6.14 | `--show-pkcs11-ids`, a server and a client whose keys are on the token | 10 checks pass |
//! | osslsigncode | 2.9 | a program signed with RSA and EC keys | 10 checks pass |
//! | p11-kit | 0.24.1 | `keystead.module`, the proxy, `p11-kit server` with eight clients at once | 39 checks pass |
//! | Python: `PyKCS11`, `python-pkcs11` | 1.5.12, 0.10.1 | their own tests | 149 checks pass |
//! | Rust: `cryptoki` | 0.12.1 | its own tests | 102 checks pass |
//! | strongSwan | 5.9.8 | `pki`: RSA and EC authorities, requests, revocation lists; `charon` and `swanctl`: a tunnel whose ends have an imported RSA key and a generated EC key | 32 checks pass |
//! | stunnel | 5.68 | RSA and EC keys for the server and the client, `engineId` | 8 checks pass |
//! | `pkcs11-check` | 0.2.3 | its quick tests of attributes, objects, sessions, return codes and mechanisms | 1366 checks pass |
//! | `pkcs11-tool` (OpenSC) of Debian 13 | 0.26.1 | all that Debian 12's is asked; ML-KEM and ML-DSA keys found and deleted | 160 checks pass |
//! | `pkcs11-tool` (OpenSC) | 0.23.0 | every option that touches keys; `--test`, `--test-ec`, `--test-threads`, `--test-fork` | 146 checks pass |
//! | `python-pkcs11` | 0.10.1 | RSA, AES, ML-DSA and ML-KEM pairs, signatures, encapsulated AES keys; what `openssl pkeyutl -encap` and `openssl enc -id-aes256-wrap-pad` wrapped | 16 checks pass |
//! <!-- end of clients -->
//!
//! This is what each needs to know, and where it stumbles here and not elsewhere. `$MODULE` is the module's file.
//!
//! # All
//!
//! * What a client lists without a PIN, it lists here: certificates and public keys. A private key that has no
//!   public key object beside it is not found by OpenSSH, GnuTLS and others; `keystead import` makes it.
//! * A server goes on with a key as long as that has its material: when that expires or is deleted, the next
//!   handshake fails. When the same material was imported again, reload the server: it looks for its keys when it
//!   starts and knows them by handles, which end with the material. `keystead disable` and `enable` leave them.
//! * Clients that delete what they generate (`pkcs11-tool --test-ec`, the own tests of most libraries) need a token
//!   without custody (`custody = false`).
//!
//! # OpenSSL's engine `pkcs11` (libp11)
//!
//! Behind `openssl -engine pkcs11`, nginx, Apache, curl, stunnel, and osslsigncode. Debian 12's BIND is built without
//! engines; Debian 13's goes by `pkcs11-provider`.
//!
//! * One Ed25519 private key on the token makes version 0.4.12, Debian 12's, refuse all keys of the token: it gives
//!   up its list at a key type that it does not know. Keep Ed25519 keys in a token of their own.
//! * osslsigncode finds the engine by itself. Its version 2.5, Debian 12's, refuses the option `-pkcs11engine` with
//!   *bad engine id*.
//! * The PIN: `pin-source=file:/a/file` in the key's URI, or `PIN = …` in `openssl.cnf`.
//! * `init = 1` in `openssl.cnf` for nginx, which takes the engine to be ready; `init = 0` otherwise, or every
//!   program that reads the file opens the token. Where `OPENSSL_CONF` names the file, `nginx -t`, `-s reload` and
//!   `-s stop` need it as the start does.
//! * nginx takes all variables from its workers: where Keystead is configured by variables, say `env
//!   KEYSTEAD_CONF;` and `env KEYSTEAD_STORE;` in `nginx.conf`, or each handshake hangs.
//! * The file that `pin-source` names has the PIN and nothing else, no newline either.
//! * A server whose workers are another user (nginx, Apache; `www-data` on Debian) needs `group = …` in Keystead's
//!   configuration with a group of theirs, and a configuration that they can read. Without it the worker finds no
//!   token, the engine waits for ever, and the handshake hangs; `KEYSTEAD_LOG=stderr` in the server's
//!   environment shows the reason.
//!
//! # `pkcs11-provider`
//!
//! * Version 1.2 signs by ML-DSA without the context that it is given: it tells no module of it.
//! * OAEP needs both hashes named (`rsa_oaep_md`, `rsa_mgf1_md`).
//! * Its ciphers need `pkcs11-module-load-behavior = early`.
//! * It logs in no more where one try of the PIN is left. Any login with the right PIN starts the count again.
//! * BIND of Debian 13 takes keys by `dnssec-keyfromlabel -l 'pkcs11:token=…;object=…;pin-source=file:/a/file'`, with
//!   the provider in the `openssl.cnf` that `OPENSSL_CONF` names; `named` makes its keys on the token where a
//!   `key-store` has a `pkcs11-uri` and the `dnssec-policy` names it. Keys that it makes are generated ones, which
//!   custody keeps; bring your own by `dnssec-keyfromlabel`.
//!
//! # `pkcs11-tool`
//!
//! * `--unwrap`, `--sign`, `--decrypt` and `--encrypt` pass over `--label` and take the first key there is: name
//!   the key by `--id`.
//! * `--test-ec` destroys the pair that it has generated, which needs a token without custody.
//! * It asks for the value of a key that it has unwrapped, and warns of `CKR_ATTRIBUTE_SENSITIVE`: nothing is
//!   wrong.
//!
//! # p11-kit, GnuTLS
//!
//! * `keystead.module`, which the packages install (`.packaging` has it), in `/usr/share/p11-kit/modules` makes the
//!   module known to every program that uses p11-kit; `--provider $MODULE` does for one.
//! * `p11tool --list-all` shows three objects of unknown type first: the token's profiles, for which it has no name.
//! * The protocol of `p11-kit server` before 2026-09 hides EdDSA, SHA-3, AES key wrap, HKDF and everything
//!   post-quantum.
//! * The PIN: `GNUTLS_PIN`, or `pin-source` in the URI.
//!
//! # NSS
//!
//! * `modutil -add keystead -libfile $MODULE -mechanisms FRIENDLY`: without the last, `certutil` wants the PIN from the
//!   terminal where it looks for a certificate by name, whatever `-f` says.
//! * `certutil -F` deletes the certificate and the public key and passes over the refusal to delete a generated
//!   private key: the key stays, and the certificate can be kept again.
//! * `certutil -K` shows the private key's alias where it has one, else the certificate's nickname.
//!
//! # OpenSSH
//!
//! * `ssh-agent` loads modules from below `/usr/lib` and `/usr/local/lib`; `-P` names other folders, and `ssh-add -s` fails
//!   for the rest.
//! * `ssh-keygen -D $MODULE` lists public keys without a PIN; certificates for users and hosts are signed with
//!   `ssh-keygen -s authority.pub -D $MODULE`, or `-Us authority.pub` by the agent.
//!
//! # OpenVPN, strongSwan
//!
//! * OpenVPN finds a key by its certificate: keep that on the token with the key's `CKA_ID` (`pkcs11-tool
//!   --write-object www.der --type cert --id …`), then `openvpn --show-pkcs11-ids $MODULE` shows it.
//! * strongSwan names a key by its `CKA_ID` in hexadecimal (`--keyid`, `handle`), and the module in
//!   `libstrongswan.plugins.pkcs11.modules`, or `charon.plugins…` for the daemon. In `swanctl.conf` a key is a `token`
//!   of `secrets` with `handle`, `module` and `pin`, a certificate on the token a `cert` with `handle` and `module`.
//!   When material was imported again, `swanctl --load-all --clear` finds it.
//!
//! # Java (SunPKCS11)
//!
//! * An expiry is one line in the configuration, `attributes(import, CKO_SECRET_KEY, CKK_AES) = { 0x-7FB4ACFA =
//!   1830000000 }`: Java reads numbers as signed and of 32 bits, and that is `CKA_KEYSTEAD_EXPIRES_AT`.
//!   `CKA_END_DATE` does it too where the custom key is there already.
//! * Keep out of `attributes`: an expiry under `generate` (generated keys have none); `CKA_ID`, `CKA_LABEL` and
//!   `CKA_KEYSTEAD_KEY_ID` (every key would claim to be the same one); `CKA_TOKEN = true` for all keys (Java's
//!   passing keys would stay for good).
//! * After a refused `deleteEntry` load the `KeyStore` again: Java drops the alias before it asks.
//! * `keytool -changealias` of a secret key makes a copy under the new alias, which custody refuses. `keystead rename`
//!   renames it.
//! * An alias disappears when another key is stored with its certificate, as on other tokens.
//!
//! # Go, Python, Rust
//!
//! * crypto11 wants the same `CKA_ID` and `CKA_LABEL` on both halves of a pair, as it makes them itself. It makes
//!   HMAC keys by a mechanism of nShield's, which other tokens do not have: make them with another program.
//! * `cryptoki`'s own tests read what they derive from token keys, which are sensitive here where nothing is said.
//! * `python-pkcs11` and PyKCS11 use RSA keys of 1024 bits in their own tests (`rsa_minimum = 1024`).
