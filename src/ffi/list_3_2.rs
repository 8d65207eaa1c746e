//! The declarations of PKCS#11 3.2 that `pkcs11-sys`, which stops at 3.1, does not have: the functions that it
//! adds to the list of 3.0, in their order (pkcs11f.h of 3.2), and the structures and types they take.
#![allow(non_camel_case_types)] // the specification's names

use pkcs11_sys::*;

/// The kind of the validation flags that `C_GetSessionValidationFlags` is asked for (3.2, 4.15.3.1).
pub(crate) type CK_SESSION_VALIDATION_FLAGS_TYPE = CK_ULONG;
/// The flags of the last operation.
pub(crate) const CKS_LAST_VALIDATION_OK: CK_SESSION_VALIDATION_FLAGS_TYPE = 1;
/// The flag of `C_OpenSession` that asks for calls that end later (3.2, 5.6.1).
pub(crate) const CKF_ASYNC_SESSION: CK_FLAGS = 8;
/// A pointer to the result of a call that ended later. There is none here.
pub(crate) type CK_ASYNC_DATA_PTR = CK_VOID_PTR;

/// The parameter of AES-GCM in `C_WrapKey` and `C_UnwrapKey` (3.2, 6.13.7).
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct CK_GCM_WRAP_PARAMS {
    pub(crate) pIv: CK_BYTE_PTR,
    pub(crate) ulIvLen: CK_ULONG,
    pub(crate) ulIvFixedBits: CK_ULONG,
    pub(crate) ivGenerator: CK_GENERATOR_FUNCTION,
    pub(crate) pAAD: CK_BYTE_PTR,
    pub(crate) ulAADLen: CK_ULONG,
    pub(crate) ulTagBits: CK_ULONG,
}

macro_rules! list {
    ($($name:ident($($argument:ty),* $(,)?);)*) => {
        /// `CK_FUNCTION_LIST_3_2`: the functions of 3.0, then those that 3.2 adds.
        #[repr(C)]
        pub(crate) struct FunctionList32 {
            pub(crate) three: CK_FUNCTION_LIST_3_0,
            $(pub(crate) $name: unsafe extern "C" fn($($argument),*) -> CK_RV,)*
        }
    };
}

list! {
    C_EncapsulateKey(
        CK_SESSION_HANDLE, CK_MECHANISM_PTR, CK_OBJECT_HANDLE, CK_ATTRIBUTE_PTR, CK_ULONG,
        CK_BYTE_PTR, CK_ULONG_PTR, CK_OBJECT_HANDLE_PTR,
    );
    C_DecapsulateKey(
        CK_SESSION_HANDLE, CK_MECHANISM_PTR, CK_OBJECT_HANDLE, CK_ATTRIBUTE_PTR, CK_ULONG,
        CK_BYTE_PTR, CK_ULONG, CK_OBJECT_HANDLE_PTR,
    );
    C_VerifySignatureInit(
        CK_SESSION_HANDLE, CK_MECHANISM_PTR, CK_OBJECT_HANDLE, CK_BYTE_PTR, CK_ULONG,
    );
    C_VerifySignature(CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG);
    C_VerifySignatureUpdate(CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG);
    C_VerifySignatureFinal(CK_SESSION_HANDLE);
    C_GetSessionValidationFlags(
        CK_SESSION_HANDLE, CK_SESSION_VALIDATION_FLAGS_TYPE, *mut CK_FLAGS,
    );
    C_AsyncComplete(CK_SESSION_HANDLE, CK_UTF8CHAR_PTR, CK_ASYNC_DATA_PTR);
    C_AsyncGetID(CK_SESSION_HANDLE, CK_UTF8CHAR_PTR, CK_ULONG_PTR);
    C_AsyncJoin(CK_SESSION_HANDLE, CK_UTF8CHAR_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG);
    C_WrapKeyAuthenticated(
        CK_SESSION_HANDLE, CK_MECHANISM_PTR, CK_OBJECT_HANDLE, CK_OBJECT_HANDLE, CK_BYTE_PTR,
        CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR,
    );
    C_UnwrapKeyAuthenticated(
        CK_SESSION_HANDLE, CK_MECHANISM_PTR, CK_OBJECT_HANDLE, CK_BYTE_PTR, CK_ULONG,
        CK_ATTRIBUTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG, CK_OBJECT_HANDLE_PTR,
    );
}
