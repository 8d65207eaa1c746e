//! The reasons for which the following of etcd ends or begins anew.

use super::call_failure::{CallFailure, FailureKind};
use super::revisions::Gap;
use crate::error::Error;

/// The reason for which a watch has ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// This opening ends.
    Stopped,
    /// Another member is to be asked.
    Silent(CallFailure),
    /// Everything must be read anew.
    Gap(String),
    /// This opening has failed.
    Failed(Error),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Gap> for Ended {
    fn from(Gap(why): Gap) -> Self {
        Self::Gap(why)
    }
}

impl From<CallFailure> for Ended {
    fn from(failure: CallFailure) -> Self {
        match failure.kind {
            FailureKind::Compacted => Self::Gap("revisions have been compacted".to_owned()),
            _ => Self::Silent(failure),
        }
    }
}
