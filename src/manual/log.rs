//! The log: what module, program and agent tell of what they do, and where.
//!
//! It is no proof of anything: that is the [audit log](crate::agent::audit), which is chained and always
//! kept. The log is for a person who wants to know why something does not work.
//!
//! # Where it goes
//!
//! `log` in the configuration names a file or `stderr`, `log_level` the least that is told (`warn`). Without
//! them module and program log nothing, and an agent logs to standard error until it leaves its starter.
//!
//! `KEYSTEAD_LOG` in the environment of one process takes the place of both, before there is a
//! configuration, so that it tells what is wrong with that too:
//!
//! | value | the log goes |
//! |---|---|
//! | `/a/file` | to the end of that file, from `info` on |
//! | `/a/file:debug` | the same, from that level on: `error`, `warn`, `info`, `debug`, `trace`; `off` for nothing |
//! | `stderr`, `stderr:debug` | to standard error |
//! | `debug` | the same as `stderr:debug` |
//!
//! The file is made with mode 0600, and none that has a second name is written: it may be a store's. One that the variable
//! names and that is there already must be a regular file of the user's own, that no other user can write; no link to it
//! is followed. An agent that the process starts logs
//! there too, unless the configuration says where. A log that cannot be written fails no call: a terminal
//! and `keystead doctor` say why. A set-uid program minds no variable.
//!
//! A configuration that cannot be used, and an agent that cannot be started, are told on standard error
//! where that is a terminal, whatever is logged.
//!
//! The file is opened for each line, so it can be moved away at any time. One of 8 MiB makes way for a new one
//! and is called `….old` then, in the place of the one before. No line waits longer than a second
//! for a reader, raises a signal in a program that is not ours, or goes to a descriptor that has become
//! something else since `C_Initialize`.
//!
//! # A line
//!
//! ```text
//! 2027-01-15T08:00:00Z WARN  pkcs11-tool[4242] C_Login in session
//!     0x10000: 0xa0, the PIN is wrong: the user of token
//!     46dad7c3729b4858
//! ```
//!
//! It is one line. Time (UTC), level, program and process (`keystead-agent` for an agent), and what happened, in at most
//! 4096 bytes. What would break the line or steer a terminal is escaped. A token is called by its serial
//! number, with which the identity begins that the agent uses; a key by its key ID and alias.
//!
//! # Events
//!
//! Each line of the audit log can be told elsewhere too, as the same JSON. `on_event` in the configuration names a
//! program: the agent runs it for each line, as the store's owner, in the directory `/`, with the line on standard
//! input, no environment but a `PATH` of system directories, no descriptor but the three standard ones and one of its own
//! file, and its output thrown away. It is not run unless its path is absolute and it, what a link leads to, and every
//! directory on the way to either, of each link too, can be written by the store's owner and root alone; `keystead doctor`
//! says what is in the way. The very file that was looked at is run: a script finds itself as `/proc/self/fd/…`, so let it
//! name its own files by absolute paths. The same is asked of a configuration that names a program or a module (`on_event`,
//! `agent`, `module`), but that directories may be open to all that keep each user's files to that user, as `/tmp` does.
//! One that runs for 10 s is ended. What it leaves in its process group is ended with it, and it ends with the agent. Of an
//! agent that is killed (SIGKILL, the kernel where memory ends) it ends too, but what it has started goes on: the kernel
//! ties a process to its parent alone. systemd ends that too, as all of a unit. Under systemd it is confined as the
//! agent is: it has no network.
//!
//! `audit_syslog` names a socket, usually `/dev/log`: each line is sent there as one datagram with priority
//! `authpriv.info` and the name `keystead`, for syslog and journald.
//!
//! Each has a queue of 4096 lines and a thread of its own, which begins once a line is durable: no commit and no erasure
//! waits for them, nor one for the other. What a full queue cannot take, and what fails, is counted
//! (`keystead_events_lost_total` in the metrics) and has a warning in the log, the first and every thousandth; it is not
//! told again. The count goes on from the metrics file that an earlier agent left. An agent does not end for idleness
//! before all is told; one that is told to end gives what waits half a second, for which the next one waits, and counts the
//! rest. `keystead restore` tells what it writes into the log itself, and gives it ten seconds; what is not told by then is in
//! no count. An agent that is killed tells nothing of what waited, and does not count it. So the audit log stays the record; what is told is for a person who is to know soon.
//!
//! # Metrics
//!
//! `metrics` names a text file that the agent writes when it begins, every minute and when it ends, as Prometheus's node
//! exporter collects them. It replaces nothing but an empty file or an earlier one of its own. Each token has its label and
//! its serial number there, since several may have one label. `keystead doctor` says why it cannot be written.
//!
//! When a key is due to be rotated the agent cannot know: the interval is a property of the key, sealed like its alias. So
//! `keystead_newest_version_timestamp_seconds` has the time of each generated key's newest version, 0 where no line of the
//! audit log tells it, and the alarm has the interval, here 30 days and a day more, and the key IDs of those that have it:
//!
//! ```text
//! time() -
//!     keystead_newest_version_timestamp_seconds{key_id=~"0190…|0191…"}
//!     > 31 * 86400
//! ```
//!
//! `keystead show` says which interval a key has, and when it is due.
//!
//! # What is told
//!
//! | level | module and program | agent |
//! |---|---|---|
//! | `error` | what the program says when it fails; records that are damaged | what fails in the store |
//! | `warn` | what the agent or the store fails at; wrong PINs; what the rules of custody refuse, and disabled, expired or ending keys | wrong and locked PINs, refused imports and changes, peers that have proved nothing, refused connections |
//! | `info` | `C_Initialize` and `C_Finalize`, logins, logouts, PINs that are set or changed; keys created, imported, enabled, disabled, rotated, deleted, found expired | its start (version, store, process) and its end (why); logins and logouts; everything that has a line in the audit log, with user, process and program |
//! | `debug` | every other call that fails, with its code and reason | every other request that is refused |
//!
//! Never told: PINs, key material, data that is encrypted or signed.
