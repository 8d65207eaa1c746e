//! Keys encapsulated and decapsulated: PKCS#11 3.2, 5.18.

use super::buffer::{self, OutPtr};
use super::params::MechanismPtr;
use super::{entry, template};
use crate::v3_2::{CKF_DECAPSULATE, CKF_ENCAPSULATE};
use pkcs11_sys::*;

/// Makes a secret key, and the ciphertext from which the owner of the private key has it too. A question for
/// the length makes none.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_EncapsulateKey(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    public_key: CK_OBJECT_HANDLE,
    attributes: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
    ciphertext: CK_BYTE_PTR,
    ciphertext_len: CK_ULONG_PTR,
    key: CK_OBJECT_HANDLE_PTR,
) -> CK_RV {
    entry::on_session("C_EncapsulateKey", session, |session| {
        // SAFETY: `mechanism` is the one to encapsulate by, and only read.
        let asked = unsafe { MechanismPtr::new(mechanism) }.read(CKF_ENCAPSULATE)?;
        // SAFETY: `attributes` is NULL or has `count` attributes with their values.
        let template = unsafe { template::read(attributes, count) }?;
        let (token, caller) = (session.token(), session.caller());
        // SAFETY: `ciphertext` is NULL or has room for `*ciphertext_len` bytes.
        unsafe {
            buffer::output(ciphertext, ciphertext_len, |out| {
                let (usable, length) = token.encapsulating(&asked.mechanism, public_key)?;
                let by = (public_key, &usable);
                let filled = out.fill(length, |room| {
                    // SAFETY: `key` is NULL or has room for its value.
                    let out = OutPtr::new(key)?;
                    let (made, handle) =
                        token.encapsulate(caller, &asked.mechanism, by, &template)?;
                    room.copy_from_slice(&made);
                    out.write(handle);
                    Ok(made.len())
                });
                filled?.or_short()
            })
        }
    })
}

/// Makes the secret key that was encapsulated.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_DecapsulateKey(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    private_key: CK_OBJECT_HANDLE,
    attributes: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
    ciphertext: CK_BYTE_PTR,
    ciphertext_len: CK_ULONG,
    key: CK_OBJECT_HANDLE_PTR,
) -> CK_RV {
    entry::on_session("C_DecapsulateKey", session, |session| {
        // SAFETY: `key` is NULL or has room for the handle that is made.
        let out = unsafe { OutPtr::new(key) }?;
        // SAFETY: `mechanism` is the one to decapsulate by, and only read.
        let asked = unsafe { MechanismPtr::new(mechanism) }.read(CKF_DECAPSULATE)?;
        // SAFETY: `attributes` is NULL or has `count` attributes with their values.
        let template = unsafe { template::read(attributes, count) }?;
        // SAFETY: `ciphertext` is NULL or has `ciphertext_len` bytes.
        let ciphertext = unsafe { buffer::input(ciphertext, ciphertext_len) }?;
        let (token, caller) = (session.token(), session.caller());
        let made =
            token.decapsulate(caller, &asked.mechanism, private_key, ciphertext, &template)?;
        out.write(made);
        Ok(())
    })
}
