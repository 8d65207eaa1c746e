//! # Backups
//!
//! ```sh
//! # while the store is in use; asks for a passphrase
//! keystead backup FILE
//! # reads it to its end, and says what is in it
//! keystead restore FILE --check
//! # into an empty store, on this machine or another
//! keystead restore FILE --store DIRECTORY
//! ```
//!
//! A backup is one moment of a whole store, between two commits: its tokens, with their PINs and how
//! often each was wrong, and all their objects. A key that was written before the backup began is
//! there. It is sealed twice: as in the store, where private objects need their token's PIN, and the whole
//! under the passphrase. A holder of file and passphrase has what a reader of the store's files has, and
//! no more: both can guess PINs uncounted. The store's owner and root may make one; that needs no PIN,
//! so a timer can.
//!
//! The bytes of the file are drawn in [`key::backup`](crate::key::backup), what they seal in
//! [`agent::backup`](crate::agent::backup). The agent holds the content in memory until it has been
//! fetched, about a kilobyte for each key, and answers no other process while it gathers.
//!
//! # What a backup does not bring back
//!
//! | material | |
//! |---|---|
//! | deleted or expired before the backup | is not in it |
//! | expired since | is not restored |
//! | deleted or erased since, and the store's `slots` is there | is not restored: the erase cell says so |
//! | deleted since, and nothing is left of the store it was deleted in | **comes back**: delete it again |
//!
//! The store's `slots` is there when only its records are lost: move `db/` away, leave the rest of the
//! directory, and restore into it. It is also there when a copy is made beside a living store:
//! `--erased-in` names that store's directory. A token that was destroyed since is not restored
//! there either, and wrong PINs stay counted. A custom key without its material is restored as such: its
//! metadata says that it was deleted, or expired.
//!
//! Where the records lie apart from the agent's own directory (`agent_directory`) and are not in their place, their
//! volume may only not be mounted, and `keystead restore` refuses: put in their place, the backup would lose all
//! that came after it. Only where they are lost for good, `--records-are-lost` has it go on; do not mount the old
//! ones again then.
//!
//! So keep backups as safe as the store, and no longer than the material in them may live. What two
//! stores that came from one backup do afterwards is no longer of one piece: blobs open in both, but
//! rotations, deletions and imports happen in each alone.
//!
//! A restored store is the same store to its objects (they are sealed to its identity), under a new
//! incarnation number. Its audit log begins anew with a line `restored`, or goes on where the folder
//! `audit/` is still there; the log of the first store is not in the backup.
