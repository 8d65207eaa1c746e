//! The failures of calls to etcd, and whether what was asked for may have been done all the same.

use crate::error::{Error, Reason};
use std::error::Error as StdError;
use std::fmt;

/// The failure of one call.
#[derive(Debug, Clone)]
pub(super) struct CallFailure {
    pub(super) kind: FailureKind,
    /// The part of the cause that it tells: of several failures in a row, the most telling one is shown.
    pub(super) detail: FailureDetail,
    text: String,
}

/// The knowledge that a failure leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// No answer came. The request may have been carried out, or may be later.
    Silent,
    /// etcd has no space. It says so of what it has carried out, too, where that took the last of it.
    Full,
    /// The revision that was asked for has been compacted.
    Compacted,
    /// The host may not do this.
    Denied,
    /// etcd refuses the request for another reason: nothing was done.
    Refused,
}

/// The part of a failure's cause that is known, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FailureDetail {
    /// Time has passed.
    Timeout,
    /// The connection has ended.
    Ended,
    /// Another cause.
    Told,
    /// A certificate.
    Certificate,
}

/// The signs of a certificate in an error, and those of a connection that the other side has ended.
const OF_CERTIFICATES: [&str; 2] = ["certificate", "fatal alert"];
const OF_ENDED: [&str; 3] = ["broken pipe", "reset by peer", "unexpected end"];

/// The codes of gRPC by which etcd's refusals are told apart.
const INVALID_ARGUMENT: i32 = 3;
const PERMISSION_DENIED: i32 = 7;
const RESOURCE_EXHAUSTED: i32 = 8;
const OUT_OF_RANGE: i32 = 11;
const UNAUTHENTICATED: i32 = 16;

impl CallFailure {
    /// Returns the meaning of a client's error in a call to a member.
    pub(super) fn of(member: &str, error: &etcd_client::Error) -> Self {
        let kind = match error {
            etcd_client::Error::GRpcStatus(status) => {
                kind_of(i32::from(status.code()), status.message())
            }
            _ => FailureKind::Silent,
        };
        Self { kind, ..Self::silent(format_args!("{member}: {}", told(error))) }
    }

    /// Returns the failure of a member that has not answered in time.
    pub(super) fn timeout(member: &str) -> Self {
        let failure = Self::silent(format_args!("{member}: no answer in time"));
        Self { detail: FailureDetail::Timeout, ..failure }
    }

    /// Returns the failure of a call that no answer came to.
    pub(super) fn silent(text: impl fmt::Display) -> Self {
        let text = text.to_string();
        Self { kind: FailureKind::Silent, detail: detail_of(&text), text }
    }

    /// Returns the error that this is to a caller.
    pub(super) fn error(&self) -> Error {
        self.error_of("")
    }

    /// Returns the same error, with what it leaves open before its cause.
    pub(super) fn error_of(&self, open: &str) -> Error {
        let reason = match self.kind {
            FailureKind::Silent | FailureKind::Compacted | FailureKind::Refused => {
                Reason::StoreUnavailable
            }
            FailureKind::Full => Reason::StoreFull,
            FailureKind::Denied => Reason::StoreReadOnly,
        };
        let cure = match self.kind {
            FailureKind::Full => {
                "; raise etcd's quota, or compact and defragment it, and disarm its alarm"
            }
            FailureKind::Denied => {
                "; etcd must let this host read and write below the fleet's prefix"
            }
            FailureKind::Silent if self.detail == FailureDetail::Ended => {
                "; a member that does not accept this host's certificate ends the connection, too"
            }
            _ => "",
        };
        reason.detail(format_args!("{open}{}{cure}", self.text))
    }
}

fn kind_of(code: i32, message: &str) -> FailureKind {
    match code {
        RESOURCE_EXHAUSTED if message.contains("database space exceeded") => FailureKind::Full,
        OUT_OF_RANGE if message.contains("compacted") => FailureKind::Compacted,
        PERMISSION_DENIED | UNAUTHENTICATED => FailureKind::Denied,
        INVALID_ARGUMENT if message.contains("user name is empty") => FailureKind::Denied,
        INVALID_ARGUMENT => FailureKind::Refused,
        _ => FailureKind::Silent,
    }
}

fn detail_of(text: &str) -> FailureDetail {
    let has = |signs: &[&str]| signs.iter().any(|sign| text.contains(sign));
    match text {
        _ if has(&OF_CERTIFICATES) => FailureDetail::Certificate,
        _ if has(&OF_ENDED) => FailureDetail::Ended,
        _ => FailureDetail::Told,
    }
}

/// Returns an error's text with its causes, of which the client names the outermost only.
fn told(error: &etcd_client::Error) -> String {
    let (mut text, mut cause) = match error {
        etcd_client::Error::GRpcStatus(status) => (status.message().to_owned(), status.source()),
        etcd_client::Error::TransportError(error) => (error.to_string(), error.source()),
        other => (other.to_string(), None),
    };
    while let Some(error) = cause {
        let deeper = error.to_string();
        if !text.contains(&deeper) {
            text = format!("{text}: {deeper}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_is_refused_is_seen_behind_connections_that_end() {
        let detail = |text| CallFailure::silent(text).detail;
        let alert = detail("transport error: received fatal alert: BadCertificate");
        let ended = CallFailure::silent("transport error: stream closed because of a broken pipe");
        assert!(CallFailure::timeout("a:1").detail < ended.detail && ended.detail < alert);
        assert_eq!(alert, detail("invalid peer certificate: UnknownIssuer"));
        assert!(ended.error().to_string().contains("does not accept this host's certificate"));
    }

    #[test]
    fn only_what_etcd_refuses_is_known_not_to_be_done() {
        let of = |code, message| kind_of(code, message);
        let full = "etcdserver: mvcc: database space exceeded";
        assert_eq!(of(RESOURCE_EXHAUSTED, full), FailureKind::Full);
        assert_eq!(of(RESOURCE_EXHAUSTED, "etcdserver: too many requests"), FailureKind::Silent);
        assert_eq!(of(INVALID_ARGUMENT, "etcdserver: request is too large"), FailureKind::Refused);
        let compacted = "etcdserver: mvcc: required revision has been compacted";
        assert_eq!(of(OUT_OF_RANGE, compacted), FailureKind::Compacted);
        assert_eq!(of(PERMISSION_DENIED, "etcdserver: permission denied"), FailureKind::Denied);
        assert_eq!(of(14, "etcdserver: request timed out"), FailureKind::Silent);
        assert_eq!(of(4, "context deadline exceeded"), FailureKind::Silent);
    }
}
