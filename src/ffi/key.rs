//! Keys made: PKCS#11 3.1, 5.18.

use super::buffer::OutPtr;
use super::params::MechanismPtr;
use super::{entry, template};
use pkcs11_sys::*;

/// Generates a secret key.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_GenerateKey(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    attributes: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
    key: CK_OBJECT_HANDLE_PTR,
) -> CK_RV {
    entry::on_session("C_GenerateKey", session, |session| {
        // SAFETY: `key` is NULL or has room for the handle that is made.
        let out = unsafe { OutPtr::new(key) }?;
        // SAFETY: `mechanism` is the one to generate by, and only read.
        let asked = unsafe { MechanismPtr::new(mechanism) }.read(CKF_GENERATE)?;
        // SAFETY: `attributes` is NULL or has `count` attributes with their values.
        let template = unsafe { template::read(attributes, count) }?;
        out.write(session.token().generate(session.caller(), &asked.mechanism, &template)?);
        Ok(())
    })
}

/// Generates a key pair.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_GenerateKeyPair(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    public_attributes: CK_ATTRIBUTE_PTR,
    public_count: CK_ULONG,
    private_attributes: CK_ATTRIBUTE_PTR,
    private_count: CK_ULONG,
    public_key: CK_OBJECT_HANDLE_PTR,
    private_key: CK_OBJECT_HANDLE_PTR,
) -> CK_RV {
    entry::on_session("C_GenerateKeyPair", session, |session| {
        // SAFETY: `public_key` and `private_key` are each NULL or room for one handle.
        let outs = unsafe { (OutPtr::new(public_key)?, OutPtr::new(private_key)?) };
        // SAFETY: `mechanism` is the one to generate a pair by, and only read.
        let asked = unsafe { MechanismPtr::new(mechanism) }.read(CKF_GENERATE_KEY_PAIR)?;
        // SAFETY: `public_attributes` is NULL or has `public_count` attributes with their values;
        // `private_attributes` is NULL or has `private_count` attributes with their values.
        let (public, private) = unsafe {
            (
                template::read(public_attributes, public_count)?,
                template::read(private_attributes, private_count)?,
            )
        };
        let (token, caller) = (session.token(), session.caller());
        let made = token.generate_pair(caller, &asked.mechanism, &public, &private)?;
        outs.0.write(made.0);
        outs.1.write(made.1);
        Ok(())
    })
}
