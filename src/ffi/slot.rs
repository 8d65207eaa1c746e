//! Slots and tokens: PKCS#11 3.1, 5.5.

use super::buffer::{self, OutPtr};
use super::entry;
use super::general::{VERSION, padded};
use crate::error::{Reason, Result};
use crate::installed::MANUFACTURER;
use crate::key::pin::PIN_LENGTH;
use crate::mechanism::MECHANISMS;
use crate::module::Module;
use crate::session::Out;
use crate::session::table::Count;
use crate::token::{PIN_TRIES, TokenInfo};
use pkcs11_sys::*;

/// The length of a label, in bytes.
const LABEL: CK_ULONG = 32;

/// Lists the slots: one for each token, and a free one. All of them count as present, so that callers find
/// the free one and can initialise a token in it. The list stays the same until its length is asked for.
///
/// Where no agent answers, the slots are there all the same: p11-kit and others give up on all their
/// modules when one cannot list its slots. `C_GetTokenInfo` and `C_OpenSession` then fail, so that a
/// token without its agent is not taken for no token.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_GetSlotList(
    _token_present: CK_BBOOL,
    slots: CK_SLOT_ID_PTR,
    count: CK_ULONG_PTR,
) -> CK_RV {
    entry::on_module("C_GetSlotList", |module| {
        let listed = || module.slots.listed(slots.is_null(), || list(module));
        let list = |out: &mut Out<_>| out.copy(&listed()?).or_short();
        // SAFETY: `slots` is NULL or has room for `*count` elements.
        unsafe { buffer::output(slots, count, list) }
    })
}

fn list(module: &Module) -> Result<Vec<CK_SLOT_ID>> {
    if let Some(why) = module.slots.without_store() {
        entry::tell("C_GetSlotList", CK_INVALID_HANDLE, &why);
    }
    let list = unless_absent("C_GetSlotList", module.slots.list())?;
    Ok(list.unwrap_or_else(|| module.slots.without_agent()))
}

/// Describes a slot.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_GetSlotInfo(slot: CK_SLOT_ID, info: CK_SLOT_INFO_PTR) -> CK_RV {
    entry::on_module("C_GetSlotInfo", |module| {
        let description = match unless_absent("C_GetSlotInfo", module.slots.info(slot))? {
            Some(TokenInfo { label: Some(_), .. }) => "Keystead slot",
            Some(_) if module.slots.without_store().is_some() => {
                "Keystead slot, there is no store yet"
            }
            Some(_) => "Keystead slot, free for a token",
            None if module.slots.without_agent().contains(&slot) => {
                "Keystead slot, without its agent"
            }
            None => return Err(Reason::SlotUnknown.into()),
        };
        // SAFETY: `info` is NULL or has room for its value.
        unsafe { OutPtr::new(info) }?.write(CK_SLOT_INFO {
            slotDescription: padded(description),
            manufacturerID: padded(MANUFACTURER),
            flags: CKF_TOKEN_PRESENT,
            hardwareVersion: VERSION,
            firmwareVersion: VERSION,
        });
        Ok(())
    })
}

/// Returns none where no agent answers for the tokens, and logs why, as the call will not fail.
fn unless_absent<T>(function: &str, answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(why) if why.reason().is_no_agent() => {
            entry::tell(function, CK_INVALID_HANDLE, &why);
            Ok(None)
        }
        Err(why) => Err(why),
    }
}

/// Describes a token and its state.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_GetTokenInfo(slot: CK_SLOT_ID, info: CK_TOKEN_INFO_PTR) -> CK_RV {
    entry::on_module("C_GetTokenInfo", |module| {
        let described = describe(&module.slots.info(slot)?, module.sessions.count(slot));
        // SAFETY: `info` is NULL or has room for its value.
        unsafe { OutPtr::new(info) }?.write(described);
        Ok(())
    })
}

fn describe(token: &TokenInfo, sessions: Count) -> CK_TOKEN_INFO {
    CK_TOKEN_INFO {
        label: padded(token.label.as_deref().unwrap_or_default()),
        manufacturerID: padded(MANUFACTURER),
        model: padded("Keystead"),
        serialNumber: padded(&token.serial),
        flags: flags(token),
        ulMaxSessionCount: CK_EFFECTIVELY_INFINITE,
        ulSessionCount: sessions.all as CK_ULONG,
        ulMaxRwSessionCount: CK_EFFECTIVELY_INFINITE,
        ulRwSessionCount: sessions.read_write as CK_ULONG,
        ulMaxPinLen: *PIN_LENGTH.end() as CK_ULONG,
        ulMinPinLen: *PIN_LENGTH.start() as CK_ULONG,
        ulTotalPublicMemory: CK_UNAVAILABLE_INFORMATION,
        ulFreePublicMemory: CK_UNAVAILABLE_INFORMATION,
        ulTotalPrivateMemory: CK_UNAVAILABLE_INFORMATION,
        ulFreePrivateMemory: CK_UNAVAILABLE_INFORMATION,
        hardwareVersion: VERSION,
        firmwareVersion: VERSION,
        utcTime: padded(""),
    }
}

fn flags(token: &TokenInfo) -> CK_FLAGS {
    let (officer, user) = token.wrong;
    let set = [
        (token.label.is_some(), CKF_TOKEN_INITIALIZED),
        (token.read_only, CKF_WRITE_PROTECTED),
        (token.user_pin_set, CKF_USER_PIN_INITIALIZED),
        (user > 0, CKF_USER_PIN_COUNT_LOW),
        (user == PIN_TRIES - 1, CKF_USER_PIN_FINAL_TRY),
        (user >= PIN_TRIES, CKF_USER_PIN_LOCKED),
        (officer > 0, CKF_SO_PIN_COUNT_LOW),
        (officer == PIN_TRIES - 1, CKF_SO_PIN_FINAL_TRY),
        (officer >= PIN_TRIES, CKF_SO_PIN_LOCKED),
    ];
    let always =
        CKF_RNG | CKF_LOGIN_REQUIRED | CKF_DUAL_CRYPTO_OPERATIONS | CKF_RESTORE_KEY_NOT_NEEDED;
    set.into_iter().filter(|(set, _)| *set).fold(always, |flags, (_, flag)| flags | flag)
}

/// Answers that there is no event: slots neither come nor go by themselves, and waiting is not supported.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_WaitForSlotEvent(
    flags: CK_FLAGS,
    slot: CK_SLOT_ID_PTR,
    reserved: CK_VOID_PTR,
) -> CK_RV {
    entry::on_module("C_WaitForSlotEvent", |_| {
        if slot.is_null() || !reserved.is_null() {
            return Err(Reason::ArgumentsBad.into());
        }
        match flags & CKF_DONT_BLOCK {
            0 => Err(Reason::NotSupported.into()),
            _ => Err(Reason::NoEvent.into()),
        }
    })
}

/// Lists the mechanisms of a token; all tokens have the same.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_GetMechanismList(
    slot: CK_SLOT_ID,
    mechanisms: CK_MECHANISM_TYPE_PTR,
    count: CK_ULONG_PTR,
) -> CK_RV {
    entry::on_module("C_GetMechanismList", |module| {
        module.slots.info(slot)?;
        let known: Vec<CK_MECHANISM_TYPE> = MECHANISMS.iter().map(|row| row.id).collect();
        // SAFETY: `mechanisms` is NULL or has room for `*count` elements.
        unsafe { buffer::output(mechanisms, count, |out| out.copy(&known).or_short()) }
    })
}

/// Describes a mechanism: its flags and key sizes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_GetMechanismInfo(
    slot: CK_SLOT_ID,
    mechanism: CK_MECHANISM_TYPE,
    info: CK_MECHANISM_INFO_PTR,
) -> CK_RV {
    entry::on_module("C_GetMechanismInfo", |module| {
        module.slots.info(slot)?;
        // SAFETY: `info` is NULL or has room for its value.
        let out = unsafe { OutPtr::new(info) }?;
        let ((ulMinKeySize, ulMaxKeySize), flags) = module.slots.mechanism(slot, mechanism)?;
        out.write(CK_MECHANISM_INFO { ulMinKeySize, ulMaxKeySize, flags });
        Ok(())
    })
}

/// Initialises the token in a slot, for the first time or again.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_InitToken(
    slot: CK_SLOT_ID,
    pin: CK_UTF8CHAR_PTR,
    pin_len: CK_ULONG,
    label: CK_UTF8CHAR_PTR,
) -> CK_RV {
    entry::on_module("C_InitToken", |module| {
        module.slots.info(slot)?;
        // SAFETY: `pin` is NULL or has `pin_len` bytes; `label` is NULL or has 32 bytes (5.5.7), or fewer
        // and a NUL, behind which nothing is read.
        let (pin, label) = unsafe { (read_pin(pin, pin_len)?, buffer::text(label, LABEL)?) };
        init_token(module, slot, pin, label)
    })
}

fn init_token(module: &Module, slot: CK_SLOT_ID, pin: &[u8], label: &[u8]) -> Result<()> {
    let label = std::str::from_utf8(label)
        .map_err(|_| Reason::ArgumentsBad.detail("the label is not UTF-8"))?;
    module.sessions.while_closed(slot, || module.slots.init_token(slot, pin, label.trim_end()))
}

/// Sets the user's PIN; the security officer is logged in.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_InitPIN(
    session: CK_SESSION_HANDLE,
    pin: CK_UTF8CHAR_PTR,
    pin_len: CK_ULONG,
) -> CK_RV {
    entry::on_session("C_InitPIN", session, |session| {
        // SAFETY: `pin` is NULL or has `pin_len` bytes.
        session.token().init_pin(unsafe { read_pin(pin, pin_len) }?)
    })
}

/// Changes the PIN of the user or security officer who is logged in, else the user's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_SetPIN(
    session: CK_SESSION_HANDLE,
    old: CK_UTF8CHAR_PTR,
    old_len: CK_ULONG,
    new: CK_UTF8CHAR_PTR,
    new_len: CK_ULONG,
) -> CK_RV {
    entry::for_session("C_SetPIN", session, |module| {
        // SAFETY: `old` is NULL or has `old_len` bytes; `new` is NULL or has `new_len` bytes.
        let (old, new) = unsafe { (read_pin(old, old_len)?, read_pin(new, new_len)?) };
        module.sessions.set_pin(session, old, new)
    })
}

/// Reads a PIN. NULL would ask for one to be entered on the token (`CKF_PROTECTED_AUTHENTICATION_PATH`),
/// which has nothing to enter it on, and is refused.
///
/// # Safety
/// As [`buffer::input`].
pub(crate) unsafe fn read_pin<'a>(pin: *const CK_UTF8CHAR, len: CK_ULONG) -> Result<&'a [u8]> {
    if pin.is_null() {
        return Err(Reason::ArgumentsBad.detail("no PIN"));
    }
    // SAFETY: `pin` is not NULL, so it has `len` bytes.
    unsafe { buffer::input(pin, len) }
}

#[cfg(test)]
mod tests {
    use super::{describe, flags};
    use crate::session::table::Count;
    use crate::token::{PIN_TRIES, TokenInfo};
    use pkcs11_sys::*;

    fn token(wrong: (u8, u8)) -> TokenInfo {
        let (label, serial) = (Some("one".into()), "0123456789abcdef".into());
        TokenInfo { label, serial, user_pin_set: true, wrong, read_only: false }
    }

    const ALWAYS: CK_FLAGS =
        CKF_RNG | CKF_LOGIN_REQUIRED | CKF_DUAL_CRYPTO_OPERATIONS | CKF_RESTORE_KEY_NOT_NEEDED;
    const GOOD: CK_FLAGS = ALWAYS | CKF_TOKEN_INITIALIZED | CKF_USER_PIN_INITIALIZED;

    #[test]
    fn wrong_pins_show_from_the_first_to_the_last() {
        assert_eq!(flags(&token((0, 0))), GOOD);
        assert_eq!(flags(&token((0, 1))), GOOD | CKF_USER_PIN_COUNT_LOW);
        let last = CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY;
        assert_eq!(flags(&token((0, PIN_TRIES - 1))), GOOD | last);
        let locked = CKF_SO_PIN_COUNT_LOW | CKF_SO_PIN_LOCKED;
        assert_eq!(flags(&token((PIN_TRIES, 0))), GOOD | locked);
        let served = TokenInfo { read_only: true, ..token((0, 0)) };
        assert_eq!(flags(&served), GOOD | CKF_WRITE_PROTECTED);
    }

    #[test]
    fn a_free_slot_shows_a_token_that_waits_for_its_label() {
        let free =
            TokenInfo { label: None, serial: String::new(), user_pin_set: false, ..token((0, 0)) };
        let shown = describe(&free, Count::default());
        assert_eq!(shown.flags, ALWAYS);
        assert_eq!((shown.label, shown.serialNumber), ([b' '; 32], [b' '; 16]));
        // For those who may make none.
        let shown = flags(&TokenInfo { read_only: true, ..free });
        assert_eq!(shown, ALWAYS | CKF_WRITE_PROTECTED);
    }
}
