//! # What lies in a store's directory
//!
//! | file | what | written by |
//! |---|---|---|
//! | `db/` | sled: records, indexes | the agent |
//! | `slots` | erase slots, PIN counters, the high-water mark of time | the agent, in place |
//! | `generations` | counters that modules map | the agent, in place |
//! | `agent.sock` | where modules connect | the agent |
//! | `audit/` | the audit log, and its key | the agent |
//! | `lock` | held while an agent runs | the agent |
//!
//! The formats are drawn byte by byte where they are written: a record's public header in
//! [`key::record`](crate::key::record), its sealed part in [`key::seal`](crate::key::seal), what is
//! inside in [`key::body`](crate::key::body), a token's entry in [`key::pin`](crate::key::pin), the
//! slots in [`store::slots`](crate::store::slots), the page in [`wire::page`](crate::wire::page),
//! a line of the audit log in [`agent::audit`](crate::agent::audit).
//! Golden bytes in the tests hold them.
