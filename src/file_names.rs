//! The names of a store's files, as all parts that meet them know them.

// The agent's own files, in its directory.

/// The cell file, which makes a directory a store: it is there from the store's first moment to its last.
pub const CELLS: &str = "slots";

/// The cell file of a store in the making.
pub(crate) const CELLS_MADE: &str = "slots.new";

/// The cell file of a store that is being restored.
pub(crate) const CELLS_RESTORED: &str = "slots.restoring";

/// The socket on which the agent answers.
pub const SOCKET: &str = "agent.sock";

/// The file that is locked as long as an agent lives.
pub const LOCK: &str = "lock";

/// The file that is locked until an agent listens.
pub const STARTING: &str = "starting";

/// The file that says which page of generations counts.
pub const PAGE: &str = "generations";

/// The folder of the audit log.
pub const AUDIT: &str = "audit";

// The files of records in a directory: the agent's, unless they lie apart.

/// The folder of the records.
pub const RECORDS: &str = "db";

/// The folder of records that are being restored.
pub(crate) const RECORDS_RESTORED: &str = "db.restoring";

/// The copy of the records at one commit.
pub const SNAPSHOT: &str = "snapshot";

/// The file that is given up on a full disk.
pub const BALLAST: &str = "ballast";
