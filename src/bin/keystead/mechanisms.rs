//! Mechanisms for which the client crate has no name.
#![allow(unsafe_code)]

use cryptoki::mechanism::vendor_defined::VendorDefinedMechanism;
use cryptoki::mechanism::{Mechanism, MechanismType};
use pkcs11_sys::CK_MECHANISM_TYPE;
use std::mem::transmute;

/// A mechanism's number, as the client crate writes numbers.
pub(crate) fn numbered(mechanism: CK_MECHANISM_TYPE) -> MechanismType {
    // SAFETY: a `MechanismType` is a `repr(transparent)` `CK_MECHANISM_TYPE`, which any number is.
    unsafe { transmute::<CK_MECHANISM_TYPE, MechanismType>(mechanism) }
}

/// A mechanism that takes no parameter.
pub(crate) fn bare(mechanism: CK_MECHANISM_TYPE) -> Mechanism<'static> {
    Mechanism::VendorDefined(VendorDefinedMechanism::new::<()>(numbered(mechanism), None))
}
