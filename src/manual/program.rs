//! # The program
//!
//! `keystead` does everything through the module, like any client. `--json` is everywhere, also for errors, whose kinds have
//! exit statuses of their own. PINs come from a terminal, a file, a descriptor, `env:NAME` or systemd's `credential:NAME`,
//! never from an argument. Keys and tokens are named as they are called, by key IDs and serial numbers, or as PKCS#11 URIs.
//! `keystead help` and a manual page for each command have the rest; these are the commands and what they are for:
//!
//! | for | commands |
//! |---|---|
//! | tokens | `init`, `tokens`, `pin` (`change`, `change-so`, `unlock`: the security officer sets a locked or forgotten PIN anew), `destroy-token` |
//! | keys | `create`, `generate`, `list`, `show`, `describe`, `rename`, `set-expiry`, `enable`, `disable`, `rotate`, `schedule-deletion`, `cancel-deletion` |
//! | the import ceremony | `import-key` (a pair for one kind of form; what it unwraps becomes a custom key's material, and no readable key; `--type ml-kem-768` where no quantum computer is to open the files later), `import-keys` (lists them, and removes one), `wrap` (what clouds take: OAEP, `CKM_RSA_AES_KEY_WRAP`, two files, `.byok`; and ML-KEM; needs no token), `import` (raw material, or a private key in PEM, DER, PKCS#12 or OpenSSH's own format, encrypted or not, with its certificates; beside a private key it makes the public key object, by which `ssh-keygen -D` and `p11tool` see it; that shows public key and alias without a PIN, and `--no-public-key` makes none), `import --dry-run` (proves that a backup still is the key's material), `import-many` (a directory or a CSV manifest), `delete-material` |
//! | from elsewhere | `migrate`: another module's token, its keys wrapped where they may leave, or SoftHSM's files with its PIN; `--dry-run`, and again where it was stopped |
//! | key pairs | `public` (PEM, OpenSSH), `sign` and `verify` (files or digests, as `openssl` does), `csr` (a request for a certificate), `certificate` (`put`, `show`, `remove`: with those of its issuers) |
//! | data | `seal` and `open`: files of any size; the sealed file names its key, and no other key opens it, even with the same material (`CKM_KEYSTEAD_SEAL` for programs) |
//! | watching | `audit` (every event of a key's life, with token, alias, user, process and program, and how often it was used each day, each line chained to the one before; `--verify` finds what was changed, removed or cut off, of a copy by a `--head` kept elsewhere), `list --expiring 30d` (exit status 3 where any does); without a command, the log 30, 7 and 1 days before an expiry, and the file that `metrics` in the configuration names |
//! | the store | `backup` (while in use, sealed under a passphrase) and `restore` (to an empty store; what was erased stays erased), `agent`, `sweep`, `clock`, `systemd`, `fleet` (a store that several hosts share: `init` makes it, `invite` prints a code, `join` has this host join under one, `status` shows the hosts and the erasures, `expel` takes a host out), `config` (what holds, and where each value comes from), `doctor` (what is wrong, who else can read or write what, and how to mend it), `recover` |
