//! # Configuration
//!
//! One TOML file: the one `KEYSTEAD_CONF` names, else `~/.config/keystead/config.toml`, else `/etc/keystead/config.toml`.
//!
//! | key | meaning | default |
//! |---|---|---|
//! | `store` | the store's directory, or `sled:///directory`; or, for several hosts that share one store, `etcd://host:port,host:port/prefix`, with `agent_directory` | `/var/lib/keystead` for root, `~/.local/share/keystead` else |
//! | `agent_directory` | the agent's own directory, absolute, for the store that this file names: socket, lock, erase cells, PIN counts, audit log; it must be there where the store is an etcd | the store's directory |
//! | `etcd_ca`, `etcd_certificate`, `etcd_key` | the certificates, PEM, of the authorities of etcd's members, this host's certificate, and its key, absolute; an etcd on another machine is reached by TLS only | none |
//! | `offline_grace` | for how many seconds, 10 to 86400, keys can be used on a fleet's host that is cut off from etcd; for so long it may not know that a key was revoked elsewhere | 60 |
//! | `agent` | the agent's program, absolute | `keystead` beside the module, else where it is installed |
//! | `module` | the module that `keystead` loads, absolute | `libkeystead.so` beside the program, else where it is installed |
//! | `grace_hours` | how many hours, 0 to 24, erasing waits after an expiry, the key unusable meanwhile, in case the clock was wrong (`keystead clock --accept` mends it) | 0 |
//! | `linger` | whether an idle agent waits for the next expiry | `true` |
//! | `group` | a group whose members may use the store's tokens; they make none | none |
//! | `custody` | whether the keys of new tokens are custom keys | `true` |
//! | `pkcs1_unwrap` | whether PKCS#1 v1.5 unwraps keys | `false` |
//! | `mixed_wrapping` | whether keys that may decrypt wrap sensitive keys, and AES keys that may encrypt, decrypt or make a GMAC unwrap them; and whether `CKM_AES_CBC` wraps at all | `false` |
//! | `rsa_minimum` | the least size in bits, 1024 to 8192, of RSA keys that are made, imported and used; what wraps and unwraps has 2048 all the same | 2048 |
//! | `metrics` | where the agent keeps a Prometheus text file: keys by status, seconds until each expiry, wrong and locked PINs, the last backup, when each generated key got its newest version, versions, the audit log's length and what of it waits; written at least once a minute; no file of the store's own, nor another's | nowhere |
//! | `on_event` | a program, absolute, that the agent runs for each line of the audit log, with the line on standard input and no environment but `PATH`; only the store's owner and root may be able to write it, this file, and every directory and link on the way to either; ended after 10 s | none |
//! | `audit_syslog` | the socket that each line of the audit log is sent to, as `/dev/log`, where syslog and journald listen | none |
//! | `log`, `log_level` | a file (which becomes `….old` at 8 MiB) or `stderr`; `error` to `trace` | nowhere, `warn` |
//!
//! `KEYSTEAD_STORE`, an absolute path, takes the place of `store`, and `KEYSTEAD_LOG` that of `log` and `log_level`: `/a/file`
//! or `stderr`, with `:level` or without (`info`). It tells what is wrong with a configuration too. Set-uid programs mind none
//! of these variables.
//!
//! Only `keystead init`, `keystead restore` and `C_InitToken` make a store, in a directory that is empty or not there yet.
//! Everything else says that there is none and changes nothing, so that a volume that is not mounted is no lost token. So it is
//! with `agent_directory` where only one of the two directories has its files; `restore --records-are-lost` goes on without the
//! records.
