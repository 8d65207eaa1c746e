//! Every function that is not served. Each is in the lists and answers `CKR_FUNCTION_NOT_SUPPORTED`.
#![allow(non_camel_case_types)] // each function's type has its function's name

use super::entry;
use crate::error::Reason;
use pkcs11_sys::*;

macro_rules! unsupported {
    ($($name:ident($($argument:ty),*);)*) => {
        $(
            #[doc = concat!("The type of [`", stringify!($name), "`](fn@", stringify!($name), ").")]
            pub(crate) type $name = unsafe extern "C" fn($($argument),*) -> CK_RV;

            /// Answers `CKR_FUNCTION_NOT_SUPPORTED`.
            #[unsafe(no_mangle)]
            pub(crate) unsafe extern "C" fn $name($(_: $argument),*) -> CK_RV {
                entry::on_module(stringify!($name), |_| Err(Reason::NotSupported.into()))
            }
        )*
    };
}

// What 3.2 adds: encapsulation, verification with the signature first, validation flags, calls that
// end later, authenticated wrapping.
unsupported! {
    C_EncapsulateKey(
        CK_SESSION_HANDLE, CK_MECHANISM_PTR, CK_OBJECT_HANDLE, CK_ATTRIBUTE_PTR, CK_ULONG,
        CK_BYTE_PTR, CK_ULONG_PTR, CK_OBJECT_HANDLE_PTR
    );
    C_DecapsulateKey(
        CK_SESSION_HANDLE, CK_MECHANISM_PTR, CK_OBJECT_HANDLE, CK_ATTRIBUTE_PTR, CK_ULONG,
        CK_BYTE_PTR, CK_ULONG, CK_OBJECT_HANDLE_PTR
    );
    C_VerifySignatureInit(
        CK_SESSION_HANDLE, CK_MECHANISM_PTR, CK_OBJECT_HANDLE, CK_BYTE_PTR, CK_ULONG
    );
    C_VerifySignature(CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG);
    C_VerifySignatureUpdate(CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG);
    C_VerifySignatureFinal(CK_SESSION_HANDLE);
    C_GetSessionValidationFlags(CK_SESSION_HANDLE, CK_ULONG, *mut CK_FLAGS);
    C_AsyncComplete(CK_SESSION_HANDLE, CK_UTF8CHAR_PTR, CK_VOID_PTR);
    C_AsyncGetID(CK_SESSION_HANDLE, CK_UTF8CHAR_PTR, CK_ULONG_PTR);
    C_AsyncJoin(CK_SESSION_HANDLE, CK_UTF8CHAR_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG);
    C_WrapKeyAuthenticated(
        CK_SESSION_HANDLE, CK_MECHANISM_PTR, CK_OBJECT_HANDLE, CK_OBJECT_HANDLE, CK_BYTE_PTR,
        CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR
    );
    C_UnwrapKeyAuthenticated(
        CK_SESSION_HANDLE, CK_MECHANISM_PTR, CK_OBJECT_HANDLE, CK_BYTE_PTR, CK_ULONG,
        CK_ATTRIBUTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG, CK_OBJECT_HANDLE_PTR
    );
}
