//! # Architecture
//!
//! ```text
//!  any program ── libkeystead.so ──unix socket── keystead agent ── sled
//!    C ABI, sessions, crypto                       one per store
//!                                                  commits, sweeps
//!  keystead (command line) ── cryptoki ── libkeystead.so
//! ```
//!
//! The module is small on purpose: no thread and no database of its own, so that it can be forked,
//! unloaded and loaded again. sled wants one process for itself and does not survive a fork; it lives
//! in the agent, which the module starts when none answers at the store's socket.
//!
//! In a forked child every call is `CKR_CRYPTOKI_NOT_INITIALIZED` until it calls `C_Initialize`, which
//! starts afresh: sessions and logins stay with the parent, as in PKCS#11 2.40. So no interface has
//! `CKF_INTERFACE_FORK_SAFE`, which promises that a child goes on with what it inherited. Suites disagree
//! about the flag (OpenSC's wants none, others look for it on the interface of 3.0), and no client needs
//! it: those that call `C_GetInterface` (OpenSC, p11-kit, NSS, OpenSSL's provider) ask for no flags, and
//! those that fork (`pkcs11-tool --test-fork`, the provider, libp11, p11-kit) call `C_Initialize` in the
//! child whether it is set or not. A caller that asks for the flag is told that there is no such interface.
//!
//! The module runs the program that `agent` in the configuration names, else the `keystead` beside it, else
//! the one where an installation has it; in the same way the program finds the module by `module`. The places
//! of an installation are fixed when module and program are built: `KEYSTEAD_INSTALLED_PROGRAM` and
//! `KEYSTEAD_INSTALLED_MODULE`, absolute paths with `:` between several, of which the first that is there
//! counts. Without them they are those of Debian's and Fedora's packages. Nothing is looked for in `PATH`, and
//! where nothing is found the error says where it was sought.
//!
//! Where systemd is to start it instead, `keystead systemd` prints the units. The socket
//! unit listens in the store's directory, and the agent takes over what `LISTEN_FDS` announces if it is
//! that socket. It leaves it there when it ends, so that the next caller waits for the next agent and
//! no module starts one. An agent that a module has started ends as soon as systemd takes the socket's
//! name, and its successor waits for the store's lock.
//!
//! A call waits for the agent as long as that shows that it lives, and five seconds more, whatever steps
//! the call takes; then all calls of the process are told the same for three seconds, and one tries again.
//! Meanwhile the slots are those the process has seen, `C_GetTokenInfo` and `C_OpenSession` answer
//! `CKR_DEVICE_ERROR`, and the log names the process that does not answer, and what helps. Keys that a
//! process has used go on working for it.
//!
//! Any number of processes and threads share a store. A process has at most 16 connections, a user 256 at
//! once, and none is refused for that: a process that comes when there is no room waits until an idle one
//! has made some ([`agent`](crate::agent), `connections`). A process gives back what it has left idle for three
//! seconds, but for its last connection, and looks whether a connection is still open before it uses it again. A request
//! under way is never cut short for others.
//!
//! What connections cost an agent is bounded: they never take the 32 descriptors that the agent and its
//! store need, and long frames and answers take at most 64 MiB of memory at once, those of peers that have proved
//! no login 16 MiB beside; who finds no room waits for it. A call waits as long as the agent says that it
//! works on it. An agent that waits for the disk itself, for more than 30 s in one sync, says so instead,
//! with the file and the process, and lets no call wait.
//!
//! An agent that a module starts sheds what its starter left it: session, directory, environment, signals,
//! descriptors, processors, scheduling, niceness, and limits as far as the system lets it (hard limits
//! only root raises). What it cannot shed is in its log and in `keystead doctor`, and it makes way as soon
//! as a program of the store's owner connects that would start an agent with more. Where it could not
//! serve at all (fewer than 48 open files, files that may not grow, no threads), it says so and ends.
//!
//! # The way of a call
//!
//! `C_EncryptInit` goes [`ffi`](crate::ffi) (guard, arguments) → [`session`](crate::session) (the
//! operation slot) → [`token`](crate::token) (handle to key) → [`key::policy::allow`](crate::key::policy::allow),
//! the only maker of a [`UsableKey`](crate::key::UsableKey) → [`mechanism`](crate::mechanism) (the
//! row) → [`lc`](crate::lc). A session keeps its last key, so that the next `Init` with the same one
//! costs a few loads: the agent's sign of life, the key's generation counter, the login epoch, the time. `C_Encrypt` then
//! touches the session alone: no store, agent or token lock.
//!
//! `C_UnwrapKey` as an import: allow the unwrapping key, check the template and the target, unwrap,
//! let [`KeyState::apply`](crate::key::KeyState::apply) say what the custom key becomes, seal, and commit
//! metadata and material together. The agent applies the same function to the header it has before it
//! commits: a client that breaks the rules of custody gets nowhere.
//!
//! # Where to find it
//!
//! | rule | file | function |
//! |---|---|---|
//! | a key expires | `src/key/expiry.rs` | [`Expiry`](crate::key::expiry::Expiry) |
//! | … and is refused | `src/key/policy.rs` | [`allow`](crate::key::policy::allow), and for an operation under way [`recheck`](crate::token::Token::recheck) |
//! | … and is erased, without a client | `src/agent/sweep.rs` | `Sweep`, when `due_at` says so |
//! | a wrong PIN is counted | `src/store/cells/pin_counts.rs` | `count_attempt`, of [`PIN_TRIES`](crate::key::pin::PIN_TRIES) |
//! | material is erased | `src/store/cells/erase.rs` | `erase`, which ends what the `shred_layer` has encrypted |
//! | the store is synced | `src/agent/writer.rs` | `sync_and_publish` |
//! | a commit is judged | `src/agent/rules.rs` | `judge`, by [`KeyState::apply`](crate::key::KeyState::apply) |
//! | a template is checked | `src/object/template_check.rs` | [`check`](crate::object::template_check::check), by the rows of `src/object/rules.rs` |
//! | an import is decided | `src/token/destination.rs` | [`decide_import`](crate::token::Token::decide_import) |
//! | a mechanism has its row | `src/mechanism/mod.rs` | [`MECHANISMS`](crate::mechanism::MECHANISMS) |
//! | a property of custom keys has its row | `src/object/properties.rs` | [`PROPERTIES`](crate::object::properties::PROPERTIES) |
//! | an error has its return value | `src/error.rs` | [`Reason`](crate::error::Reason) |
//!
//! # Who knows what
//!
//! Records are sealed in the module, under keys that the agent never has. The agent sees of each
//! record its public header ([`key::record`](crate::key::record)): whether it is custody's, when it
//! expires, a keyed fingerprint, and opaque search tags. A change by any process moves counters in a page that all
//! modules map ([`wire::page`](crate::wire::page)), and is seen at their next `Init`.
//!
//! Each agent makes that page in memory, sealed so that it cannot be cut short, and hands it to each
//! process that connects. A word in it is a robust futex of the agent's: when the agent dies, for whatever reason, the
//! kernel marks it. Then a module reads at each `Init` from the file `generations` whose counters count
//! (some microseconds instead of a load): as long as no other agent has started, nothing can have changed, and what
//! it has kept holds. Where another has, or the file is damaged or gone, it asks the agent, and gets that
//! one's page. So neither a killed agent, nor a damaged file, nor a copy of the store that was put in its
//! place hides what was taken away, and none of them ends a program.
