//! The sizes of answers: every one fits into one frame.

use crate::error::{Error, Reason};
use crate::id::Id;
use crate::wire::message::{MAX_FOUND, MAX_FRAME};
use crate::wire::{Request, Stored};

/// The most bytes that an answer's records have: a frame less what else is in the answer.
pub(crate) const ANSWER_ROOM: usize = MAX_FRAME as usize - 256;

/// The most bytes that a record takes in an answer beside its header and sealed part.
pub(crate) const RECORD_OVERHEAD: usize = 64;

/// Returns the bytes that a record takes in an answer.
pub(crate) fn size_of_stored(stored: &Stored) -> usize {
    stored.header.len() + stored.sealed.len() + RECORD_OVERHEAD
}

/// Returns the size in bytes that the answer to a request can reach, where that is large; such requests are short.
pub(crate) fn longest_answer(request: &Request) -> Option<usize> {
    match request {
        Request::Find { limit, .. } => Some((*limit).min(MAX_FOUND) as usize * size_of::<Id>()),
        Request::Read { .. }
        | Request::Versions { .. }
        | Request::Associated { .. }
        | Request::BackupPart => Some(MAX_FRAME as usize),
        _ => None,
    }
}

/// Returns the error that takes the place of an answer that does not fit into a frame.
pub(crate) fn too_long() -> Error {
    Reason::ArgumentsBad.detail("the answer does not fit into one frame: ask for less at once")
}
