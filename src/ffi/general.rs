//! The module itself: PKCS#11 3.1, 5.4; and what is left of parallel functions, 5.20.

use super::buffer::{self, OutPtr};
use super::entry;
use crate::error::{Reason, Result};
use crate::installed::MANUFACTURER;
use crate::module::{self, InitializeArguments};
use pkcs11_sys::*;

/// The newest version of PKCS#11 there is an interface for.
pub(crate) const NEWEST: CK_VERSION = CK_VERSION { major: 3, minor: 2 };

/// The module's version; slots and tokens have the same.
pub(crate) const VERSION: CK_VERSION = CK_VERSION {
    major: number(env!("CARGO_PKG_VERSION_MAJOR")),
    minor: number(env!("CARGO_PKG_VERSION_MINOR")),
};

const fn number(text: &str) -> u8 {
    match u8::from_str_radix(text, 10) {
        Ok(number) => number,
        Err(_) => u8::MAX,
    }
}

/// The longest path in the reserved string of `C_Initialize`, in bytes with its NUL (`PATH_MAX`).
const MAX_PATH: usize = 4096;

/// The smallest page of memory that Linux has.
const MEMORY_PAGE: usize = 4096;

/// Starts the module in this process.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_Initialize(arguments: CK_VOID_PTR) -> CK_RV {
    entry::anywhere("C_Initialize", || {
        // SAFETY: `arguments` is NULL or a `CK_C_INITIALIZE_ARGS`, as `C_Initialize` takes nothing else.
        let arguments = unsafe { read_arguments(arguments.cast()) }?;
        entry::quieten_panics();
        module::start(&arguments)
    })
}

/// Reads the arguments of `C_Initialize`. The module locks with the system's functions (5.4.1), which
/// callers without threads do not notice, and refuses only callers that insist on their own.
///
/// # Safety
/// `arguments` is NULL or valid for reads, and `pReserved` in it as [`read_path`] asks for.
unsafe fn read_arguments(arguments: *const CK_C_INITIALIZE_ARGS) -> Result<InitializeArguments> {
    if arguments.is_null() {
        return Ok(InitializeArguments::default());
    }
    // SAFETY: not NULL, so there is a structure; it need not be aligned.
    let CK_C_INITIALIZE_ARGS {
        CreateMutex,
        DestroyMutex,
        LockMutex,
        UnlockMutex,
        flags,
        pReserved,
    } = unsafe { arguments.read_unaligned() };
    let own =
        [CreateMutex.is_some(), DestroyMutex.is_some(), LockMutex.is_some(), UnlockMutex.is_some()];
    if own.contains(&true) && own.contains(&false) {
        return Err(Reason::ArgumentsBad.detail("some mutex functions without the others"));
    }
    if own.contains(&true) && flags & CKF_OS_LOCKING_OK == 0 {
        return Err(Reason::CantLock.into());
    }
    // SAFETY: the specification lets it be anything, and here it is a string if it can be read at all.
    Ok(InitializeArguments { configuration: unsafe { read_path(pReserved.cast_const().cast()) }? })
}

/// Reads the reserved string: NULL, empty, or the path of a configuration file. Anything else (some
/// callers pass a number) is refused: PKCS#11 3.1, 5.4.
///
/// # Safety
/// Where `start` can be read, it is a string with its NUL that nothing writes to meanwhile.
unsafe fn read_path(start: *const CK_BYTE) -> Result<Option<String>> {
    if start.is_null() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    for at in 0..MAX_PATH {
        let byte = start.wrapping_add(at);
        if (at == 0 || byte.addr() % MEMORY_PAGE == 0) && !buffer::is_readable(byte)? {
            return Err(Reason::ArgumentsBad.detail("the reserved argument is no string"));
        }
        // SAFETY: its page has just been found readable, and the string's NUL has not come yet.
        match unsafe { byte.read() } {
            0 => return path(bytes),
            byte => bytes.push(byte),
        }
    }
    Err(Reason::ArgumentsBad.detail("the reserved string is too long for a path"))
}

fn path(bytes: Vec<u8>) -> Result<Option<String>> {
    match String::from_utf8(bytes) {
        Ok(path) if path.is_empty() => Ok(None),
        Ok(path) => Ok(Some(path)),
        Err(_) => Err(Reason::ArgumentsBad.detail("the reserved string is not UTF-8")),
    }
}

/// Ends the module in this process.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_Finalize(reserved: CK_VOID_PTR) -> CK_RV {
    entry::anywhere("C_Finalize", || match reserved.is_null() {
        true => module::end(),
        false => Err(Reason::ArgumentsBad.detail("the reserved argument is not NULL")),
    })
}

/// Describes the module.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_GetInfo(info: CK_INFO_PTR) -> CK_RV {
    entry::on_module("C_GetInfo", |_| {
        // SAFETY: `info` is NULL or has room for its value.
        let out = unsafe { OutPtr::new(info) }?;
        out.write(CK_INFO {
            cryptokiVersion: NEWEST,
            manufacturerID: padded(MANUFACTURER),
            flags: 0,
            libraryDescription: padded("Keeps custom keys"),
            libraryVersion: VERSION,
        });
        Ok(())
    })
}

/// Returns text of PKCS#11's fixed length: padded with blanks, cut between characters.
pub(crate) fn padded<const N: usize>(text: &str) -> [CK_UTF8CHAR; N] {
    let mut field = [b' '; N];
    let mut rest = field.as_mut_slice();
    for character in text.chars() {
        let Some((room, after)) = rest.split_at_mut_checked(character.len_utf8()) else { break };
        character.encode_utf8(room);
        rest = after;
    }
    field
}

/// Answers that functions do not run in parallel (5.20), with a session or without.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_GetFunctionStatus(_session: CK_SESSION_HANDLE) -> CK_RV {
    entry::anywhere("C_GetFunctionStatus", || Err(Reason::NotParallel.into()))
}

/// Answers that functions do not run in parallel (5.20), with a session or without.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_CancelFunction(_session: CK_SESSION_HANDLE) -> CK_RV {
    entry::anywhere("C_CancelFunction", || Err(Reason::NotParallel.into()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::undocumented_unsafe_blocks)]
mod tests {
    use super::{padded, read_arguments};
    use crate::error::Reason;
    use crate::module::InitializeArguments;
    use pkcs11_sys::*;
    use std::ptr::{null, null_mut};

    unsafe extern "C" fn create(_: CK_VOID_PTR_PTR) -> CK_RV {
        CKR_OK
    }

    unsafe extern "C" fn mutex(_: CK_VOID_PTR) -> CK_RV {
        CKR_OK
    }

    const NONE: CK_C_INITIALIZE_ARGS = CK_C_INITIALIZE_ARGS {
        CreateMutex: None,
        DestroyMutex: None,
        LockMutex: None,
        UnlockMutex: None,
        flags: 0,
        pReserved: null_mut(),
    };

    const OWN: CK_C_INITIALIZE_ARGS = CK_C_INITIALIZE_ARGS {
        CreateMutex: Some(create),
        DestroyMutex: Some(mutex),
        LockMutex: Some(mutex),
        UnlockMutex: Some(mutex),
        ..NONE
    };

    fn read(arguments: CK_C_INITIALIZE_ARGS) -> Result<InitializeArguments, Reason> {
        unsafe { read_arguments(&arguments) }.map_err(|error| error.reason())
    }

    #[test]
    fn locking_is_the_systems_unless_the_caller_insists() {
        let threads = CKF_LIBRARY_CANT_CREATE_OS_THREADS | CKF_OS_LOCKING_OK;
        assert_eq!(unsafe { read_arguments(null()) }, Ok(InitializeArguments::default()));
        assert_eq!(read(NONE), Ok(InitializeArguments::default()));
        assert_eq!(
            read(CK_C_INITIALIZE_ARGS { flags: threads, ..NONE }),
            Ok(InitializeArguments::default())
        );
        assert_eq!(
            read(CK_C_INITIALIZE_ARGS { flags: threads, ..OWN }),
            Ok(InitializeArguments::default())
        );
        assert_eq!(read(OWN), Err(Reason::CantLock));
        let some = CK_C_INITIALIZE_ARGS { LockMutex: None, flags: threads, ..OWN };
        assert_eq!(read(some), Err(Reason::ArgumentsBad));
    }

    #[test]
    fn the_reserved_string_is_a_path_if_it_is_anything() {
        let with = |text: &std::ffi::CStr| {
            read(CK_C_INITIALIZE_ARGS { pReserved: text.as_ptr().cast_mut().cast(), ..NONE })
        };
        assert_eq!(with(c"").unwrap().configuration, None);
        assert_eq!(with(c"/etc/k.toml").unwrap().configuration, Some("/etc/k.toml".into()));
        let long = std::ffi::CString::new(vec![b'x'; 5000]).unwrap();
        assert_eq!(with(&long), Err(Reason::ArgumentsBad));
        assert_eq!(with(c"\xFF"), Err(Reason::ArgumentsBad));
    }

    #[test]
    fn a_reserved_argument_that_is_no_string_is_refused() {
        for number in [1, 4096, usize::MAX, isize::MAX as usize] {
            let reserved = std::ptr::without_provenance_mut(number);
            let arguments = CK_C_INITIALIZE_ARGS { pReserved: reserved, ..NONE };
            assert_eq!(read(arguments), Err(Reason::ArgumentsBad), "{number:#x}");
        }
    }

    #[test]
    fn text_is_padded_and_cut_between_characters() {
        assert_eq!(&padded::<4>("ab"), b"ab  ");
        assert_eq!(&padded::<4>("abcdef"), b"abcd");
        assert_eq!(&padded::<4>("abcé"), b"abc ");
    }
}
