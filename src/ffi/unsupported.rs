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

type Session = CK_SESSION_HANDLE;
type Mechanism = CK_MECHANISM_PTR;
type Object = CK_OBJECT_HANDLE;
type Objects = CK_OBJECT_HANDLE_PTR;
type Attributes = CK_ATTRIBUTE_PTR;
type Bytes = CK_BYTE_PTR;
type Length = CK_ULONG;
type Lengths = CK_ULONG_PTR;
type Name = CK_UTF8CHAR_PTR;

// What 3.2 adds: encapsulation, verification with the signature first, validation flags, calls that
// end later, authenticated wrapping.
unsupported! {
    C_EncapsulateKey(Session, Mechanism, Object, Attributes, Length, Bytes, Lengths, Objects);
    C_DecapsulateKey(Session, Mechanism, Object, Attributes, Length, Bytes, Length, Objects);
    C_VerifySignatureInit(Session, Mechanism, Object, Bytes, Length);
    C_VerifySignature(Session, Bytes, Length);
    C_VerifySignatureUpdate(Session, Bytes, Length);
    C_VerifySignatureFinal(Session);
    C_GetSessionValidationFlags(Session, CK_ULONG, *mut CK_FLAGS);
    C_AsyncComplete(Session, Name, CK_VOID_PTR);
    C_AsyncGetID(Session, Name, Lengths);
    C_AsyncJoin(Session, Name, CK_ULONG, Bytes, Length);
    C_WrapKeyAuthenticated(Session, Mechanism, Object, Object, Bytes, Length, Bytes, Lengths);
    C_UnwrapKeyAuthenticated(
        Session, Mechanism, Object, Bytes, Length, Attributes, Length, Bytes, Length, Objects
    );
}
