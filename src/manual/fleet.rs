//! # A fleet: several hosts, one store
//!
//! Hosts of a fleet share the keys of one store, whose records lie in etcd. Each host runs an agent with a directory of its
//! own, and programs on it load the same module as on a single machine. The configuration of each names the store and the
//! directory:
//!
//! ```toml
//! store = "etcd://a:2379,b:2379,c:2379/keystead/prod"
//! agent_directory = "/var/lib/keystead"
//! ```
//!
//! # The commands
//!
//! | command | where | what it does |
//! |---|---|---|
//! | `keystead fleet init` | on the first host | makes the fleet, in a path of etcd below which nothing lies, with this host as its only one |
//! | `keystead fleet invite` | on a host that serves | prints a code, which counts once, for 15 minutes or as `--valid-for` says |
//! | `keystead fleet join` | on the host that is to join | asks for the code, or reads it as `--code-file` or `--code-fd` says; then the host is listed, given the fleet key, and sent every secret that there is |
//! | `keystead fleet status` | on any host that serves | shows the hosts, their last heartbeats, how far each has followed and erased, and the erasures |
//! | `keystead fleet expel HOST` | on another host that serves | ends the host's part in the fleet |
//!
//! The code is no argument: every user of a machine can read those. Within its time it makes a host of any machine that
//! reaches etcd, so it is carried like a PIN. A code that was used, has lapsed, or is another fleet's changes nothing; a
//! joining that was cut short goes on with the same code. Another host has to serve meanwhile: it lists the one that joins,
//! and the first enrolled host in the list sends it the secrets.
//!
//! # What is promised
//!
//! | what | within |
//! |---|---|
//! | a key made, changed or taken away on one host is so on every host in touch with etcd | a second |
//! | a host that is cut off from etcd uses the keys that it knows, and changes nothing | `offline_grace`, 60 seconds where nothing is configured; then it refuses |
//! | a host that starts without etcd serves nothing | – |
//! | a host that was expelled changes nothing any more | at once |
//! | a host that was expelled uses no key any more | `offline_grace` |
//!
//! Material that was deleted or has expired cannot be used from then on. It cannot be recovered, with the PIN, from etcd, its
//! log, its backups and any host whose erasing has passed it: the status says *erasing, 1 of 3*, then *erased*. The disk of
//! a host that was expelled keeps what it held before: *erased except on b, expelled*. After an expulsion end the host's
//! user in etcd, change the PINs, and rotate the keys. To come back it joins as a new host, with an empty directory.
//!
//! A host is trusted with what every host has: one whose files were stolen can guess PINs offline, and write what it likes
//! into etcd. The loss of all hosts is the loss of every key.
