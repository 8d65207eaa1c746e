//! Sessions and logins: PKCS#11 3.1, 5.6.

use super::buffer::{self, OutPtr};
use super::entry;
use super::list_3_2::*;
use super::slot::read_pin;
use crate::error::{Reason, Result};
use crate::module::Module;
use crate::session::{OperationKind, SessionState};
use crate::token::Login;
use pkcs11_sys::*;

/// Opens a session.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_OpenSession(
    slot: CK_SLOT_ID,
    flags: CK_FLAGS,
    _application: CK_VOID_PTR,
    _notify: CK_NOTIFY,
    session: CK_SESSION_HANDLE_PTR,
) -> CK_RV {
    entry::on_module("C_OpenSession", |module| {
        let (token, read_write) = (module.slots.token(slot)?, flags & CKF_RW_SESSION != 0);
        // SAFETY: `session` is NULL or has room for its value.
        let out = unsafe { OutPtr::new(session) }?;
        if flags & CKF_SERIAL_SESSION == 0 {
            return Err(Reason::SessionNotSerial.into());
        }
        if flags & CKF_ASYNC_SESSION != 0 {
            return Err(Reason::SessionNotAsync.into());
        }
        out.write(module.sessions.open(slot, token, read_write)?);
        Ok(())
    })
}

/// Closes a session.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_CloseSession(session: CK_SESSION_HANDLE) -> CK_RV {
    entry::for_session("C_CloseSession", session, |module| module.sessions.close(session))
}

/// Closes all sessions on a slot.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_CloseAllSessions(slot: CK_SLOT_ID) -> CK_RV {
    entry::on_module("C_CloseAllSessions", |module| match module.sessions.count(slot).all {
        0 => module.slots.info(slot).map(|_| ()),
        _ => module.sessions.close_all(slot),
    })
}

/// Describes the state of a session.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_GetSessionInfo(
    session: CK_SESSION_HANDLE,
    info: CK_SESSION_INFO_PTR,
) -> CK_RV {
    entry::on_session("C_GetSessionInfo", session, |session| {
        // SAFETY: `info` is NULL or has room for its value.
        let out = unsafe { OutPtr::new(info) }?;
        let state = session.state();
        out.write(CK_SESSION_INFO {
            slotID: session.slot(),
            state: number(state),
            flags: CKF_SERIAL_SESSION | if state.read_write { CKF_RW_SESSION } else { 0 },
            ulDeviceError: 0,
        });
        Ok(())
    })
}

fn number(state: SessionState) -> CK_STATE {
    match (state.login, state.read_write) {
        (Login::Public, false) => CKS_RO_PUBLIC_SESSION,
        (Login::Public, true) => CKS_RW_PUBLIC_SESSION,
        (Login::User, false) => CKS_RO_USER_FUNCTIONS,
        (Login::User, true) => CKS_RW_USER_FUNCTIONS,
        (Login::Officer, _) => CKS_RW_SO_FUNCTIONS,
    }
}

/// Returns no flags: no validation stands behind any operation (PKCS#11 3.2, 5.6.12 and 4.15.3).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_GetSessionValidationFlags(
    session: CK_SESSION_HANDLE,
    kind: CK_SESSION_VALIDATION_FLAGS_TYPE,
    flags: *mut CK_FLAGS,
) -> CK_RV {
    entry::on_session("C_GetSessionValidationFlags", session, |_| {
        // SAFETY: `flags` is NULL or has room for its value.
        let out = unsafe { OutPtr::new(flags) }?;
        if kind != CKS_LAST_VALIDATION_OK {
            return Err(Reason::ArgumentsBad.detail("no such kind of validation flags"));
        }
        out.write(0);
        Ok(())
    })
}

/// Saves the state of a digest.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_GetOperationState(
    session: CK_SESSION_HANDLE,
    state: CK_BYTE_PTR,
    state_len: CK_ULONG_PTR,
) -> CK_RV {
    entry::on_session("C_GetOperationState", session, |session| {
        let saved = session.save_state()?;
        // SAFETY: `state` is NULL or has room for `*state_len` bytes.
        unsafe { buffer::output(state, state_len, |out| out.copy(saved.expose()).or_short()) }
    })
}

/// Goes on from the saved state of a digest.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_SetOperationState(
    session: CK_SESSION_HANDLE,
    state: CK_BYTE_PTR,
    state_len: CK_ULONG,
    encryption_key: CK_OBJECT_HANDLE,
    authentication_key: CK_OBJECT_HANDLE,
) -> CK_RV {
    entry::on_session("C_SetOperationState", session, |session| {
        if state.is_null() {
            return Err(Reason::ArgumentsBad.detail("no state"));
        }
        // SAFETY: `state` has `state_len` bytes.
        let state = unsafe { buffer::input(state, state_len) }?;
        session.set_state(state, [encryption_key, authentication_key])
    })
}

/// Logs in.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_Login(
    session: CK_SESSION_HANDLE,
    user: CK_USER_TYPE,
    pin: CK_UTF8CHAR_PTR,
    pin_len: CK_ULONG,
) -> CK_RV {
    entry::for_session("C_Login", session, |module| {
        // SAFETY: `pin` is NULL or has `pin_len` bytes.
        login(module, session, user, unsafe { read_pin(pin, pin_len) }?)
    })
}

fn login(
    module: &Module,
    session: CK_SESSION_HANDLE,
    user: CK_USER_TYPE,
    pin: &[u8],
) -> Result<()> {
    let sessions = &module.sessions;
    match user {
        CKU_USER => sessions.login(session, Login::User, pin),
        CKU_SO => sessions.login(session, Login::Officer, pin),
        CKU_CONTEXT_SPECIFIC => sessions.reauthenticate(session, pin),
        _ => Err(Reason::UserTypeInvalid.into()),
    }
}

/// Logs in by name. Tokens have one user each, without a name.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_LoginUser(
    session: CK_SESSION_HANDLE,
    user: CK_USER_TYPE,
    pin: CK_UTF8CHAR_PTR,
    pin_len: CK_ULONG,
    name: CK_UTF8CHAR_PTR,
    name_len: CK_ULONG,
) -> CK_RV {
    entry::for_session("C_LoginUser", session, |module| {
        // SAFETY: `name` is NULL or has `name_len` bytes; `pin` is NULL or has `pin_len` bytes.
        let (name, pin) = unsafe { (buffer::input(name, name_len)?, read_pin(pin, pin_len)?) };
        match name.is_empty() {
            true => login(module, session, user, pin),
            false => Err(Reason::ArgumentsBad.detail("users have no names")),
        }
    })
}

/// Logs out.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_Logout(session: CK_SESSION_HANDLE) -> CK_RV {
    entry::for_session("C_Logout", session, |module| module.sessions.logout(session))
}

/// The flags of `C_SessionCancel` and the operations that they end; other flags name kinds that are never
/// active.
const CANCELS: &[(CK_FLAGS, OperationKind)] = &[
    (CKF_ENCRYPT, OperationKind::Encrypt),
    (CKF_DECRYPT, OperationKind::Decrypt),
    (CKF_DIGEST, OperationKind::Digest),
    (CKF_SIGN, OperationKind::Sign),
    (CKF_VERIFY, OperationKind::Verify),
    (CKF_VERIFY, OperationKind::VerifySignature),
    (CKF_SIGN_RECOVER, OperationKind::SignRecover),
    (CKF_VERIFY_RECOVER, OperationKind::VerifyRecover),
    (CKF_MESSAGE_ENCRYPT, OperationKind::MessageEncrypt),
    (CKF_MESSAGE_DECRYPT, OperationKind::MessageDecrypt),
    (CKF_MESSAGE_SIGN, OperationKind::MessageSign),
    (CKF_MESSAGE_VERIFY, OperationKind::MessageVerify),
    (CKF_FIND_OBJECTS, OperationKind::Search),
];

/// Ends the operations of the kinds that the flags name.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_SessionCancel(
    session: CK_SESSION_HANDLE,
    flags: CK_FLAGS,
) -> CK_RV {
    entry::on_session("C_SessionCancel", session, |session| {
        for (flag, kind) in CANCELS {
            if flags & flag != 0 {
                session.cancel(*kind);
            }
        }
        Ok(())
    })
}
