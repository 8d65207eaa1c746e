//! The frame of every entry point: it stops panics, refuses a process in which
//! `C_Initialize` has not been called (a forked child is one), turns errors into codes, and logs them,
//! once, here.

use super::params::{MechanismPtr, RequestedMechanism};
use crate::config::logging;
use crate::error::{Error, Reason, Result};
use crate::module::{self, Module};
use crate::session::{OperationKind, Session};
use log::Level;
use pkcs11_sys::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

/// Runs an entry point that works whether or not the module is initialised.
#[inline]
pub(crate) fn anywhere(function: &'static str, body: impl FnOnce() -> Result<()>) -> CK_RV {
    guard(function, CK_INVALID_HANDLE, body)
}

/// Runs an entry point that needs the module.
#[inline]
pub(crate) fn on_module(function: &'static str, body: impl FnOnce(&Module) -> Result<()>) -> CK_RV {
    guard(function, CK_INVALID_HANDLE, || module::running(body))
}

/// Runs an entry point that needs the module, on behalf of a session that must be there: what is wrong
/// with it comes before what is wrong with the arguments (PKCS#11 3.1, 5.1.7).
#[inline]
pub(crate) fn for_session(
    function: &'static str,
    session: CK_SESSION_HANDLE,
    body: impl FnOnce(&Module) -> Result<()>,
) -> CK_RV {
    guard(function, session, || {
        module::running(|module| {
            module.sessions.with(session, |_| Ok(()))?;
            body(module)
        })
    })
}

/// Runs an entry point on a session, which no other thread uses meanwhile.
#[inline]
pub(crate) fn on_session(
    function: &'static str,
    session: CK_SESSION_HANDLE,
    body: impl FnOnce(&mut Session) -> Result<()>,
) -> CK_RV {
    guard(function, session, || module::running(|module| module.sessions.with(session, body)))
}

/// Runs an Init: begins an operation with a mechanism that does what the `CKF_` flag says, or cancels the one
/// that is active where there is none (PKCS#11 3.1, 5.8.1).
#[inline]
pub(crate) fn init(
    function: &'static str,
    session: CK_SESSION_HANDLE,
    mechanism: MechanismPtr,
    (does, kind): (CK_FLAGS, OperationKind),
    begin: impl FnOnce(&mut Session, RequestedMechanism) -> Result<()>,
) -> CK_RV {
    on_session(function, session, |session| match mechanism.read_or_cancel(does)? {
        Some(asked) => begin(session, asked),
        None => session.cancel_by_init(kind),
    })
}

#[inline]
fn guard(
    function: &'static str,
    session: CK_SESSION_HANDLE,
    body: impl FnOnce() -> Result<()>,
) -> CK_RV {
    // A panic ends its operation (see `session::operation`), and no lock of ours minds being poisoned.
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => CKR_OK,
        Ok(Err(error)) => failed(function, session, &error),
        Err(payload) => {
            // Dropping it could panic again.
            std::mem::forget(payload);
            failed(function, session, &Reason::General.detail("a panic"))
        }
    }
}

/// Sends panics, which stop at the border, to the log instead of the host's standard error: only their
/// line in the code, as their message could hold data.
pub(crate) fn quieten_panics() {
    static QUIET: AtomicBool = AtomicBool::new(false);
    if !QUIET.swap(true, Ordering::Relaxed) {
        std::panic::set_hook(Box::new(|panic| match panic.location() {
            Some(line) => log::error!("a panic at {line}"),
            None => log::error!("a panic"),
        }));
    }
}

#[cold]
fn failed(function: &str, session: CK_SESSION_HANDLE, error: &Error) -> CK_RV {
    // The code counts, whatever becomes of the log.
    if let Err(payload) = catch_unwind(|| tell(function, session, error)) {
        std::mem::forget(payload);
    }
    error.rv()
}

/// Logs why something failed, and shows it at the terminal where no later call can succeed.
pub(crate) fn tell(function: &str, session: CK_SESSION_HANDLE, error: &Error) {
    logging::tell(error);
    let (level, code) = (level(error.reason()), error.rv());
    match session {
        CK_INVALID_HANDLE => log::log!(level, "{function}: {code:#x}, {error}"),
        session => log::log!(level, "{function} in session {session:#x}: {code:#x}, {error}"),
    }
}

/// Returns the level of a failure: a warning needs an administrator; callers' own mistakes, and questions
/// that they ask to find out, are no warnings.
fn level(reason: Reason) -> Level {
    if reason.is_of_store() || reason.is_refusal() { Level::Warn } else { Level::Debug }
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::anywhere;
    use crate::error::Reason;
    use pkcs11_sys::*;

    #[test]
    fn success_an_error_and_a_panic_each_have_their_code() {
        assert_eq!(anywhere("C_Test", || Ok(())), CKR_OK);
        assert_eq!(anywhere("C_Test", || Err(Reason::PinLocked.into())), CKR_PIN_LOCKED);
        assert_eq!(anywhere("C_Test", || panic!("on purpose")), CKR_GENERAL_ERROR);
    }

    #[test]
    fn a_payload_that_panics_when_it_is_dropped_stops_here_too() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        let code = anywhere("C_Test", || std::panic::panic_any(Bomb));
        assert_eq!(code, CKR_GENERAL_ERROR);
    }
}
