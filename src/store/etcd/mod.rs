//! A store in etcd, which the agents of several hosts share. Each reads from a mirror of its own, and writes by
//! transactions that compare every row they were judged by.
//!
//! | hazard | what contains it |
//! |---|---|
//! | a transaction that timed out may still arrive | [`lane`]: the outcome is settled before anything is answered |
//! | a watch loses events (etcd#18089, #17529) | [`revisions`]: each transaction moves `tick` by one |
//! | a watch hangs, or its member is cut off | what has been carried out and is not seen in time has another watch begin |
//! | revisions are compacted before they are seen | [`reading`]: all is read at one revision |
//! | etcd is restored from a snapshot, or is another | [`opening`]: what this host has seen must be there |
//! | etcd says that it is full of what it has carried out | [`lane`] looks |

mod access;
mod call_failure;
mod connection;
mod ended;
mod etcd_store;
mod following;
mod lane;
mod layout;
mod members;
mod mirror;
mod opened;
mod opening;
mod reading;
mod revisions;

pub(crate) use opening::{has_rows, identity, open};

#[cfg(test)]
pub(crate) mod tests;
