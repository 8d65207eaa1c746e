//! The function lists and interfaces that callers find the functions by, 2.40, 3.0, 3.1 and 3.2, and the
//! functions that hand them out (PKCS#11 3.1, 5.4).

use super::buffer::{self, OutPtr};
use super::entry;
use super::list_3_2::FunctionList32;
use super::{
    decrypt::*, derive::*, digest::*, dual::*, encapsulate::*, encrypt::*, general::*, key::*,
    message_cipher::*, message_sign::*, object::*, random::*, session::*, sign::*, slot::*,
    unsupported::*, verify::*, verify_signature::*, wrap::*,
};
use crate::error::{Reason, Result};
use pkcs11_sys::{
    CK_FLAGS, CK_FUNCTION_LIST, CK_FUNCTION_LIST_3_0, CK_FUNCTION_LIST_PTR_PTR, CK_INTERFACE,
    CK_INTERFACE_PTR, CK_INTERFACE_PTR_PTR, CK_RV, CK_ULONG_PTR, CK_UTF8CHAR_PTR, CK_VERSION,
    CK_VERSION_PTR,
};
use std::cell::UnsafeCell;
use std::ffi::CStr;

/// The name of every interface that the specification defines.
const STANDARD: &CStr = c"PKCS 11";

const fn version(major: u8, minor: u8) -> CK_VERSION {
    CK_VERSION { major, minor }
}

/// Makes a list of the functions of 2.40, and after them those named.
macro_rules! list {
    ($list:ident, $version:expr, $($later:ident)*) => {
        $list {
            version: $version,
            C_Initialize: Some(C_Initialize),
            C_Finalize: Some(C_Finalize),
            C_GetInfo: Some(C_GetInfo),
            C_GetFunctionList: Some(C_GetFunctionList),
            C_GetSlotList: Some(C_GetSlotList),
            C_GetSlotInfo: Some(C_GetSlotInfo),
            C_GetTokenInfo: Some(C_GetTokenInfo),
            C_GetMechanismList: Some(C_GetMechanismList),
            C_GetMechanismInfo: Some(C_GetMechanismInfo),
            C_InitToken: Some(C_InitToken),
            C_InitPIN: Some(C_InitPIN),
            C_SetPIN: Some(C_SetPIN),
            C_OpenSession: Some(C_OpenSession),
            C_CloseSession: Some(C_CloseSession),
            C_CloseAllSessions: Some(C_CloseAllSessions),
            C_GetSessionInfo: Some(C_GetSessionInfo),
            C_GetOperationState: Some(C_GetOperationState),
            C_SetOperationState: Some(C_SetOperationState),
            C_Login: Some(C_Login),
            C_Logout: Some(C_Logout),
            C_CreateObject: Some(C_CreateObject),
            C_CopyObject: Some(C_CopyObject),
            C_DestroyObject: Some(C_DestroyObject),
            C_GetObjectSize: Some(C_GetObjectSize),
            C_GetAttributeValue: Some(C_GetAttributeValue),
            C_SetAttributeValue: Some(C_SetAttributeValue),
            C_FindObjectsInit: Some(C_FindObjectsInit),
            C_FindObjects: Some(C_FindObjects),
            C_FindObjectsFinal: Some(C_FindObjectsFinal),
            C_EncryptInit: Some(C_EncryptInit),
            C_Encrypt: Some(C_Encrypt),
            C_EncryptUpdate: Some(C_EncryptUpdate),
            C_EncryptFinal: Some(C_EncryptFinal),
            C_DecryptInit: Some(C_DecryptInit),
            C_Decrypt: Some(C_Decrypt),
            C_DecryptUpdate: Some(C_DecryptUpdate),
            C_DecryptFinal: Some(C_DecryptFinal),
            C_DigestInit: Some(C_DigestInit),
            C_Digest: Some(C_Digest),
            C_DigestUpdate: Some(C_DigestUpdate),
            C_DigestKey: Some(C_DigestKey),
            C_DigestFinal: Some(C_DigestFinal),
            C_SignInit: Some(C_SignInit),
            C_Sign: Some(C_Sign),
            C_SignUpdate: Some(C_SignUpdate),
            C_SignFinal: Some(C_SignFinal),
            C_SignRecoverInit: Some(C_SignRecoverInit),
            C_SignRecover: Some(C_SignRecover),
            C_VerifyInit: Some(C_VerifyInit),
            C_Verify: Some(C_Verify),
            C_VerifyUpdate: Some(C_VerifyUpdate),
            C_VerifyFinal: Some(C_VerifyFinal),
            C_VerifyRecoverInit: Some(C_VerifyRecoverInit),
            C_VerifyRecover: Some(C_VerifyRecover),
            C_DigestEncryptUpdate: Some(C_DigestEncryptUpdate),
            C_DecryptDigestUpdate: Some(C_DecryptDigestUpdate),
            C_SignEncryptUpdate: Some(C_SignEncryptUpdate),
            C_DecryptVerifyUpdate: Some(C_DecryptVerifyUpdate),
            C_GenerateKey: Some(C_GenerateKey),
            C_GenerateKeyPair: Some(C_GenerateKeyPair),
            C_WrapKey: Some(C_WrapKey),
            C_UnwrapKey: Some(C_UnwrapKey),
            C_DeriveKey: Some(C_DeriveKey),
            C_SeedRandom: Some(C_SeedRandom),
            C_GenerateRandom: Some(C_GenerateRandom),
            C_GetFunctionStatus: Some(C_GetFunctionStatus),
            C_CancelFunction: Some(C_CancelFunction),
            C_WaitForSlotEvent: Some(C_WaitForSlotEvent),
            $($later: Some($later),)*
        }
    };
}

/// The functions of 2.40.
pub(crate) static V2_40: CK_FUNCTION_LIST = list!(CK_FUNCTION_LIST, version(2, 40),);

/// Returns the functions of 3.0, which are those of 3.1 too.
const fn three(version: CK_VERSION) -> CK_FUNCTION_LIST_3_0 {
    list!(CK_FUNCTION_LIST_3_0, version,
        C_GetInterfaceList C_GetInterface C_LoginUser C_SessionCancel
        C_MessageEncryptInit C_EncryptMessage C_EncryptMessageBegin C_EncryptMessageNext
        C_MessageEncryptFinal
        C_MessageDecryptInit C_DecryptMessage C_DecryptMessageBegin C_DecryptMessageNext
        C_MessageDecryptFinal
        C_MessageSignInit C_SignMessage C_SignMessageBegin C_SignMessageNext C_MessageSignFinal
        C_MessageVerifyInit C_VerifyMessage C_VerifyMessageBegin C_VerifyMessageNext
        C_MessageVerifyFinal
    )
}

static V3_0: CK_FUNCTION_LIST_3_0 = three(version(3, 0));
static V3_1: CK_FUNCTION_LIST_3_0 = three(version(3, 1));

static V3_2: FunctionList32 = FunctionList32 {
    three: three(NEWEST),
    C_EncapsulateKey,
    C_DecapsulateKey,
    C_VerifySignatureInit,
    C_VerifySignature,
    C_VerifySignatureUpdate,
    C_VerifySignatureFinal,
    C_GetSessionValidationFlags,
    C_AsyncComplete,
    C_AsyncGetID,
    C_AsyncJoin,
    C_WrapKeyAuthenticated,
    C_UnwrapKeyAuthenticated,
};

/// The interfaces, the default one first: 3.2, for a caller that asks without a version wants all there is.
/// Its list begins as that of 3.0 does, which is what an older caller takes it for. None has a flag: a
/// forked child initialises anew, as 2.40 has it, and `CKF_INTERFACE_FORK_SAFE` would promise that its
/// sessions go on.
static INTERFACES: Interfaces = Interfaces(ALL);

const ALL: [CK_INTERFACE; 4] = [
    interface(&raw const V3_2),
    interface(&raw const V3_1),
    interface(&raw const V3_0),
    interface(&raw const V2_40),
];

struct Interfaces([CK_INTERFACE; 4]);

// SAFETY: the pointers lead to statics, and nothing is ever written through them.
unsafe impl Sync for Interfaces {}

/// The interfaces that `C_GetInterface` hands out: in memory that can be written, because OpenSC's `pkcs11-spy` puts
/// its own list into the interface that it gets. The module itself never reads it.
static HANDED_OUT: Writable = Writable(UnsafeCell::new(ALL));

struct Writable(UnsafeCell<[CK_INTERFACE; 4]>);

// SAFETY: this side only takes addresses in it; callers that write answer for doing so.
unsafe impl Sync for Writable {}

const fn interface<T>(functions: *const T) -> CK_INTERFACE {
    CK_INTERFACE {
        pInterfaceName: STANDARD.as_ptr().cast_mut().cast(),
        pFunctionList: functions.cast_mut().cast(),
        flags: 0,
    }
}

/// Hands out the functions of version 2.40.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_GetFunctionList(list: CK_FUNCTION_LIST_PTR_PTR) -> CK_RV {
    entry::anywhere("C_GetFunctionList", || {
        // SAFETY: `list` is NULL or has room for its value.
        unsafe { OutPtr::new(list) }?.write((&raw const V2_40).cast_mut());
        Ok(())
    })
}

/// Lists the interfaces.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_GetInterfaceList(
    interfaces: CK_INTERFACE_PTR,
    count: CK_ULONG_PTR,
) -> CK_RV {
    entry::anywhere("C_GetInterfaceList", || {
        // SAFETY: `interfaces` is NULL or has room for `*count` elements.
        unsafe { buffer::output(interfaces, count, |out| out.copy(&INTERFACES.0).or_short()) }
    })
}

/// Hands out the interface of that name and version with at least those flags; no name or no version
/// stands for the default one.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_GetInterface(
    name: CK_UTF8CHAR_PTR,
    version: CK_VERSION_PTR,
    interface: CK_INTERFACE_PTR_PTR,
    flags: CK_FLAGS,
) -> CK_RV {
    entry::anywhere("C_GetInterface", || {
        // SAFETY: `interface` is NULL or has room for its value.
        let out = unsafe { OutPtr::new(interface) }?;
        // SAFETY: `name` is not NULL, so it is a string with its NUL (5.4.6).
        let name = (!name.is_null()).then(|| unsafe { CStr::from_ptr(name.cast()) });
        // SAFETY: `version` is NULL or a version that nothing writes to during the call.
        let version = unsafe { version.as_ref() };
        out.write(find(name, version, flags)?);
        Ok(())
    })
}

/// Returns all interfaces, the default one first.
pub(crate) fn interfaces() -> &'static [CK_INTERFACE] {
    &INTERFACES.0
}

/// Finds the first interface of that name and version with at least those flags; `ArgumentsBad` for none.
pub(crate) fn find(
    name: Option<&CStr>,
    version: Option<&CK_VERSION>,
    flags: CK_FLAGS,
) -> Result<CK_INTERFACE_PTR> {
    let named = name.is_none_or(|name| name == STANDARD);
    let fits = |interface: &CK_INTERFACE| {
        named
            && interface.flags & flags == flags
            && version.is_none_or(|version| same(version, version_of(interface)))
    };
    match interfaces().iter().position(fits) {
        Some(at) => Ok(HANDED_OUT.0.get().cast::<CK_INTERFACE>().wrapping_add(at)),
        None => Err(Reason::ArgumentsBad.detail("there is no such interface")),
    }
}

fn version_of(interface: &CK_INTERFACE) -> CK_VERSION {
    // SAFETY: `pFunctionList` leads to one of the statics above, and each of them begins with its version.
    unsafe { interface.pFunctionList.cast::<CK_VERSION>().read() }
}

fn same(one: &CK_VERSION, other: CK_VERSION) -> bool {
    (one.major, one.minor) == (other.major, other.minor)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::undocumented_unsafe_blocks, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use cryptoki_sys as oasis;
    use pkcs11_sys::CKF_INTERFACE_FORK_SAFE;
    use std::collections::HashSet;
    use std::mem::{offset_of, size_of};

    /// The pointers of a list, after its version.
    fn pointers<T>(list: &T) -> &[usize] {
        let words = size_of::<T>() / size_of::<usize>();
        let words = unsafe { std::slice::from_raw_parts((&raw const *list).cast(), words) };
        &words[1..]
    }

    #[test]
    fn every_function_of_every_list_is_there_and_stands_once() {
        for (list, count) in [
            (pointers(&V2_40), 68),
            (pointers(&V3_0), 92),
            (pointers(&V3_1), 92),
            (pointers(&V3_2), 104),
        ] {
            assert_eq!(list.len(), count);
            assert!(!list.contains(&0));
            assert_eq!(list.iter().collect::<HashSet<_>>().len(), count);
        }
        assert_eq!(&pointers(&V3_0)[..68], pointers(&V2_40));
        assert_eq!(&pointers(&V3_2)[..92], pointers(&V3_0));
    }

    /// Compares what stands in each of our lists where an independent list has a function with the
    /// function of that name.
    macro_rules! all_in_their_places {
        ($list:ident of $oasis:ident: $($field:ident)*) => {
            let ours = pointers(&$list);
            assert_eq!(size_of_val(&$list), size_of::<oasis::$oasis>());
            assert_eq!(ours.len(), [$(stringify!($field)),*].len());
            $(
                let at = offset_of!(oasis::$oasis, $field) / size_of::<usize>() - 1;
                assert_eq!(ours[at], $field as *const () as usize, stringify!($field));
            )*
        };
    }

    macro_rules! with_those_of_2_40 {
        ($list:ident of $oasis:ident: $($later:ident)*) => {
            all_in_their_places!($list of $oasis:
                C_Initialize C_Finalize C_GetInfo C_GetFunctionList C_GetSlotList C_GetSlotInfo
                C_GetTokenInfo C_GetMechanismList C_GetMechanismInfo C_InitToken C_InitPIN
                C_SetPIN C_OpenSession C_CloseSession C_CloseAllSessions C_GetSessionInfo
                C_GetOperationState C_SetOperationState C_Login C_Logout C_CreateObject
                C_CopyObject C_DestroyObject C_GetObjectSize C_GetAttributeValue
                C_SetAttributeValue C_FindObjectsInit C_FindObjects C_FindObjectsFinal
                C_EncryptInit C_Encrypt C_EncryptUpdate C_EncryptFinal C_DecryptInit C_Decrypt
                C_DecryptUpdate C_DecryptFinal C_DigestInit C_Digest C_DigestUpdate C_DigestKey
                C_DigestFinal C_SignInit C_Sign C_SignUpdate C_SignFinal C_SignRecoverInit
                C_SignRecover C_VerifyInit C_Verify C_VerifyUpdate C_VerifyFinal
                C_VerifyRecoverInit C_VerifyRecover C_DigestEncryptUpdate C_DecryptDigestUpdate
                C_SignEncryptUpdate C_DecryptVerifyUpdate C_GenerateKey C_GenerateKeyPair
                C_WrapKey C_UnwrapKey C_DeriveKey C_SeedRandom C_GenerateRandom
                C_GetFunctionStatus C_CancelFunction C_WaitForSlotEvent
                $($later)*
            );
        };
    }

    macro_rules! with_those_of_3_0 {
        ($list:ident of $oasis:ident: $($later:ident)*) => {
            with_those_of_2_40!($list of $oasis:
                C_GetInterfaceList C_GetInterface C_LoginUser C_SessionCancel
                C_MessageEncryptInit C_EncryptMessage C_EncryptMessageBegin C_EncryptMessageNext
                C_MessageEncryptFinal C_MessageDecryptInit C_DecryptMessage C_DecryptMessageBegin
                C_DecryptMessageNext C_MessageDecryptFinal C_MessageSignInit C_SignMessage
                C_SignMessageBegin C_SignMessageNext C_MessageSignFinal C_MessageVerifyInit
                C_VerifyMessage C_VerifyMessageBegin C_VerifyMessageNext C_MessageVerifyFinal
                $($later)*
            );
        };
    }

    #[test]
    fn every_function_stands_where_the_specification_has_it() {
        with_those_of_2_40!(V2_40 of CK_FUNCTION_LIST:);
        with_those_of_3_0!(V3_0 of CK_FUNCTION_LIST_3_0:);
        with_those_of_3_0!(V3_1 of CK_FUNCTION_LIST_3_0:);
        with_those_of_3_0!(V3_2 of CK_FUNCTION_LIST_3_2:
            C_EncapsulateKey C_DecapsulateKey C_VerifySignatureInit C_VerifySignature
            C_VerifySignatureUpdate C_VerifySignatureFinal C_GetSessionValidationFlags
            C_AsyncComplete C_AsyncGetID C_AsyncJoin C_WrapKeyAuthenticated
            C_UnwrapKeyAuthenticated
        );
    }

    fn found(
        name: Option<&std::ffi::CStr>,
        asked: Option<CK_VERSION>,
        flags: u64,
    ) -> Option<(u8, u8)> {
        let interface = find(name, asked.as_ref(), flags).ok()?;
        let CK_VERSION { major, minor } = version_of(unsafe { &*interface });
        Some((major, minor))
    }

    #[test]
    fn interfaces_are_found_by_name_version_and_flags() {
        let standard = Some(c"PKCS 11");
        assert_eq!(found(None, None, 0), Some((3, 2)));
        for known in [(2, 40), (3, 0), (3, 1), (3, 2)] {
            let asked = Some(version(known.0, known.1));
            assert_eq!(found(standard, asked, 0), Some(known));
            assert_eq!(found(standard, asked, CKF_INTERFACE_FORK_SAFE), None);
        }
        assert_eq!(found(standard, Some(version(3, 3)), 0), None);
        assert_eq!(found(Some(c"Vendor"), None, 0), None);
        assert_eq!(found(None, None, 1 << 9), None);
        assert_eq!(interfaces().len(), 4);
        a_spy_may_put_its_own_list_into_the_interface_it_got();
    }

    fn a_spy_may_put_its_own_list_into_the_interface_it_got() {
        let handed_out = find(None, Some(&version(3, 1)), 0).unwrap();
        assert_eq!(unsafe { (*handed_out).pFunctionList }.cast_const(), (&raw const V3_1).cast());
        unsafe { (*handed_out).pFunctionList = (&raw const V2_40).cast_mut().cast() };
        assert_eq!(version_of(unsafe { &*handed_out }).major, 2);
        assert_eq!(find(None, Some(&version(3, 1)), 0), Ok(handed_out));
    }
}
