//! # What lies in a store's directory
//!
//! | file | what | written by |
//! |---|---|---|
//! | `db/` | sled: records | the agent |
//! | `slots` | the cell file: erase cells, PIN counts, the high-water mark of time; it keeps its first name because it lies on disks, and has nothing to do with PKCS#11's slots | the agent, in place |
//! | `generations` | whose counters count, and the time that the next agent goes on from; it is never mapped | the agent, in place |
//! | `db.doubted` | empty; `db/` has failed under an agent, and the next one reads it through first | the agent |
//! | `snapshot` | all of `db/` as it was at one commit, for the day on which that cannot be opened | the agent |
//! | `snapshot.changes` | what has changed since, until it is much and `snapshot` is written anew | the agent |
//! | `index` | what leads to the records, for the next agent; it may be removed at any time | the agent, at its end |
//! | `agent.sock` | where modules connect | the agent |
//! | `audit/` | the audit log, and its key | the agent |
//! | `lock` | held while an agent runs | the agent |
//!
//! The formats are drawn byte by byte where they are written: a record's public header in
//! [`key::record`](crate::key::record), its sealed part in [`key::seal`](crate::key::seal), what is
//! inside in [`key::body`](crate::key::body), a token's entry in [`key::pin`](crate::key::pin), the
//! cell file in [`store::cells`](crate::store::cells), the snapshot in `store::sled::snapshot` and
//! `store::sled::snapshot::changes`, the image of the index in `agent::index::image`, the
//! page and `generations` in [`wire::page`](crate::wire::page), a line of the audit log in
//! [`agent::audit`](crate::agent::audit).
//! Golden bytes in the tests hold them.
//!
//! # What leads to records
//!
//! `db/` holds records and no index of them: their bytes are what a key takes on disk, and nothing in it can disagree
//! with them. Tags, versions, what is due and which erase cells are claimed stand in the agent's memory, some 400 bytes
//! for a custom key. They are derived from the records when the agent starts, and from every commit
//! (`src/agent/index`). An agent that ends keeps an image of them: the next one reads that in place of all records where
//! it is whole and of the store's last commit, as after any end but a crash. A record that cannot be read is not found,
//! has a line in the log of the agent that first meets it, and stands in no other's way: it goes with its token, a backup
//! names it and has all others, an upgrade takes it over as it is.
//!
//! # Where there is no store
//!
//! `slots` makes a directory a store, from its first moment to its last. Only `keystead init`,
//! `keystead restore` and `C_InitToken` make one, in a directory that is empty or not there yet. A
//! directory that holds something else is left alone; `lost+found`, the socket that systemd has made and
//! what an earlier attempt has left do not count.
//!
//! | who asks | what happens without a store |
//! |---|---|
//! | the module | shows one slot with a token that is not initialised, so that `C_InitToken` can be called; its description, and the log, say that there is no store yet |
//! | the module in a process that has used the store | keeps its slots, and every call fails with `CKR_DEVICE_ERROR` until the store is there again |
//! | `keystead` | names the directory and what is there instead, and fails |
//! | an agent | does not start |
//!
//! Nothing is written in any of these cases. A store that has lost its `slots`, or its `db/` after a
//! first commit, is damaged, and nothing is made in its place.
//!
//! The store's place is an absolute path: in the environment, where it would depend on the directory in
//! which a program runs, a relative one is refused. On the command line (`--store`) it is seen from the
//! working directory.
//!
//! # In which order material ends
//!
//! A deletion, an expiry and everything else that takes material away happens in this order, and no other:
//!
//! 1. The counters of what changes move: no module relies on what it has read.
//! 2. The commit decides. It compares every row that it was judged by, removes the record's row or gives it a
//!    tombstone, and takes the sealed part away, and the claim on the erase cell with it. Where another
//!    writer was faster it changes nothing, and the change is judged again.
//! 3. The commit is made durable, with all that wait for the same sync.
//! 4. The erase cells are overwritten and synced, once for all of them.
//! 5. The counters move again, for a module may have read in between.
//! 6. The answer goes out.
//!
//! So a change that loses a race, and a commit that a power loss undoes, have erased nothing. After a crash
//! between 3 and 4 no record claims the cell any more: every such cell is filled with a fresh secret at the next
//! opening, before anything is answered, an answer that is found by its request ID included.
//!
//! Where a token begins again or ends, it is marked first, so that nothing is created in it meanwhile; its
//! records go some at a time, and the next opening goes on with what a crash has interrupted.
//!
//! # Erasing in a fleet
//!
//! The records of a fleet lie in etcd, where old bytes stay: in its log and in its backups. So each host keeps a secret of
//! every key's material in its own `slots`, and a commit that takes material away writes a row for each secret that ends,
//! by which every host overwrites its own:
//!
//! | step | by |
//! |---|---|
//! | 256 secrets are made, and sent to every other host of the fleet in envelopes | the host whose commits claim them, each once |
//! | an envelope is opened, and its secrets are synced | each host, before it needs one of them |
//! | a key's material is encrypted under a secret, in a commit that claims it | its maker |
//! | the material is taken away, in a commit that says which secret ends | any host |
//! | the host's own cell is overwritten and synced | each host; one that was away when it is back |
//! | the envelope key is changed and the earlier one overwritten, so that nothing opens the envelope any more | each host that was sent the secret |
//! | the host's row says up to which commit all this is done | each host |
//!
//! Secrets that no record has claimed are given up where the host that made them starts anew, and all of them where a host
//! is expelled. The rows are drawn byte by byte in `src/agent/fleet`.
//!
//! # When `db/` is damaged
//!
//! The agent keeps a snapshot beside it, at most a minute or two old while the store changes, and brings it up to date
//! when it ends. What has changed is added to `snapshot.changes`; once that is a quarter of the snapshot, when more has
//! changed at once than the agent remembers, and after an agent that was killed, the snapshot is written anew, of a large
//! store not more often than a minute for each 16 MiB allows. It is read back before it takes the place of the one
//! before. Where `db/` cannot be opened, or has fewer commits than
//! were acknowledged and than the snapshot has, the agent serves the snapshot: keys work, expiries
//! happen, and every change is refused with `CKR_TOKEN_WRITE_PROTECTED`. `keystead doctor` and the log
//! say so. `keystead recover` builds `db/` anew from it and leaves what was there as `db.damaged-1`; what
//! was committed after the snapshot is lost. Erase cells and counts of wrong PINs are never rolled back,
//! so neither serving nor recovering revives anything.
//!
//! A page of `db/` that turns out to be damaged while an agent runs ends that agent; the next one reads
//! all of `db/` first, and serves the snapshot where it must.
//!
//! # When `slots` is damaged
//!
//! Each cell of the file has a checksum. All but the erase cells stand in the file twice: where one copy is
//! damaged the agent reads the other, the log and `keystead doctor` say so, and the next agent that opens the
//! store, or `keystead recover`, writes the damaged one anew. The checksum also tells what a cell was when one
//! byte of it has changed: the agent reads it as it was, and `keystead recover`, or the next write of the cell,
//! puts it right. Where more is damaged, both copies of a cell that has two:
//!
//! | lost | what follows, until and after `keystead recover` |
//! |---|---|
//! | format, or whose store it is | no agent starts; recovery writes them anew as the snapshot has them |
//! | the mark of time | the one in `db/` counts |
//! | the count of commits | a `db/` put back to an earlier day is not noticed |
//! | a token's counts of wrong PINs | the token is locked; recovery leaves its officer one try, who sets a new user PIN |
//! | an erase cell | its material counts as deleted; recovery names the key. Imported material is imported again, generated material is in a backup or lost |
//! | the end of the file | no agent starts; recovery gives up the material whose cells are gone |
//! | the whole file, or it is another store's | no agent starts, and nothing is recovered: put the file back, or restore the directory, or a backup |
//!
//! Nothing that was erased is revived, and no count is lowered without that command.
//!
//! # A store of an earlier build
//!
//! The first agent of this build that opens it, `keystead recover` or `keystead restore` upgrades it, once and
//! for good: an earlier build refuses it from then on. Keys, counts of wrong PINs, marks and the audit log
//! stay as they are; backups of before the upgrade can be restored as ever. The records are built anew beside
//! `db/`, which takes about three times the room of `db/` for a moment. Where that is not there, or the store
//! is damaged, nothing is changed, no agent starts, and the log says why; `keystead recover` mends and upgrades.
//! An upgrade may be interrupted at any moment: the next opening begins it again, or finishes it. The earlier
//! `slots` is overwritten before it is removed. Let it be finished before an earlier build is used again: what
//! that deletes stays readable in the files of the interrupted upgrade, for a user with a PIN, until this build
//! removes them. On a full disk (less than 16 MiB beyond what the upgrade needs) a store of the earlier format
//! is not served at all, not even for deletions, until there is room.
//!
//! A copy of the whole directory, made before as below, is the way back to the earlier build. It holds what is
//! deleted after it.
//!
//! # When the disk is full
//!
//! Nothing grows where less than 16 MiB would remain free (`CKR_DEVICE_MEMORY`); material is still
//! deleted and still expires, for which the `ballast` is given up at need. An agent that finds no room
//! even to open `db/` serves the snapshot to be read, if that has every commit, until there is room. If
//! it has not, nothing is served: `CKR_DEVICE_MEMORY` again.
//!
//! # Copying a store
//!
//! [`keystead backup`](super::backup) copies a store that is in use. Without it, a store is copied as a
//! whole directory while no agent has it open, under its lock, which waits for the agent to end and
//! keeps the next one out:
//!
//! ```text
//! flock STORE/lock cp -a STORE COPY
//! ```
//!
//! The agent ends by itself when it is idle, but stays while material has an expiry ahead: `SIGTERM`
//! ends it. Programs that ask meanwhile wait, or fail if the copy takes longer than they wait. A copy
//! made while an agent runs, without the lock, is not a store: records and cells are from different
//! moments.
//!
//! The copy opens wherever `KEYSTEAD_STORE` or the configuration names it, with the same PINs; a
//! locked PIN is locked there too.
//!
//! | material | in the copy |
//! |---|---|
//! | deleted or expired and erased before it | not there: its secret was overwritten before the answer |
//! | deleted or erased after it | **still there**, for a holder of the copy and the PIN |
//!
//! So a copy is kept as safe as the store, and no longer than the material in it may live: it is not
//! encrypted beyond what the store itself is, and carries the erase secrets. Putting a copy in the
//! place of a store brings back what was deleted in between, older counts of wrong PINs, and an audit
//! log that knows nothing of that time: delete again what was deleted, before it is used.
//! What has expired stays unusable by the clock.
