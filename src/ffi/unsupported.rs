//! Every function that is not served. Each is in the lists and answers `CKR_FUNCTION_NOT_SUPPORTED`.

use super::entry;
use super::list_3_2::CK_ASYNC_DATA_PTR;
use crate::error::Reason;
use pkcs11_sys::*;

macro_rules! unsupported {
    ($($name:ident($($argument:ty),*);)*) => {
        $(
            /// Answers `CKR_FUNCTION_NOT_SUPPORTED`.
            #[unsafe(no_mangle)]
            pub(crate) unsafe extern "C" fn $name($(_: $argument),*) -> CK_RV {
                entry::on_module(stringify!($name), |_| Err(Reason::NotSupported.into()))
            }
        )*
    };
}

// Of what 3.2 adds: calls that end later.
unsupported! {
    C_AsyncComplete(CK_SESSION_HANDLE, CK_UTF8CHAR_PTR, CK_ASYNC_DATA_PTR);
    C_AsyncGetID(CK_SESSION_HANDLE, CK_UTF8CHAR_PTR, CK_ULONG_PTR);
    C_AsyncJoin(CK_SESSION_HANDLE, CK_UTF8CHAR_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG);
}
