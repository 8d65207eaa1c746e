//! Keys derived of others: PKCS#11 3.1, 5.18.5. Some mechanisms give more than one handle, by way of their
//! parameter.

use super::buffer::OutPtr;
use super::params::kbkdf::AdditionalKey;
use super::params::tls::KeyPlaces;
use super::params::{MechanismPtr, RequestedMechanism};
use super::{entry, template};
use crate::error::Result;
use crate::mechanism::ParamsShape;
use crate::object::Template;
use crate::session::Session;
use pkcs11_sys::*;

/// Derives a key from another, or several.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_DeriveKey(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    base_key: CK_OBJECT_HANDLE,
    attributes: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
    key: CK_OBJECT_HANDLE_PTR,
) -> CK_RV {
    entry::on_session("C_DeriveKey", session, |session| {
        // SAFETY: `mechanism` is the one to derive by; what its parameter has room for is the caller's to fill.
        let asked = unsafe { MechanismPtr::new(mechanism) }.read(CKF_DERIVE)?;
        // SAFETY: `attributes` is NULL or has `count` attributes with their values.
        let template = unsafe { template::read(attributes, count) }?;
        let call = Call { session, asked: &asked, base_key, template: &template };
        if matches!(asked.row.params, ParamsShape::TlsKeys | ParamsShape::TlsKeysWithoutIvs) {
            return call.connection_keys(&asked.key_places()?);
        }
        // SAFETY: `key` is NULL or has room for the handle of the call's own key.
        let key = unsafe { OutPtr::new(key) }?;
        match asked.row.params {
            ParamsShape::Kbkdf | ParamsShape::KbkdfFeedback => {
                call.several(&asked.additional_keys()?, &key)
            }
            ParamsShape::TlsMaster | ParamsShape::TlsExtendedMaster => {
                call.master(asked.version_place()?, &key)
            }
            _ => call.one(&key),
        }
    })
}

/// A call of `C_DeriveKey`, read.
struct Call<'a> {
    session: &'a Session,
    asked: &'a RequestedMechanism,
    base_key: CK_OBJECT_HANDLE,
    template: &'a Template,
}

impl Call<'_> {
    fn derive(&self) -> Result<CK_OBJECT_HANDLE> {
        let (token, caller) = (self.session.token(), self.session.caller());
        token.derive(caller, &self.asked.mechanism, self.base_key, self.template)
    }

    /// Derives one key.
    fn one(&self, key: &OutPtr<CK_OBJECT_HANDLE>) -> Result<()> {
        key.write(self.derive()?);
        Ok(())
    }

    /// Derives a master secret, and tells the version in the secret that it comes from where there is a place
    /// for it.
    fn master(
        &self,
        version: Option<OutPtr<CK_VERSION>>,
        key: &OutPtr<CK_OBJECT_HANDLE>,
    ) -> Result<()> {
        let Some(version) = version else { return self.one(key) };
        let [major, minor] = self.session.token().premaster_version(self.base_key)?;
        self.one(key)?;
        version.write(CK_VERSION { major, minor });
        Ok(())
    }

    /// Derives the key of the call, and others behind it. Where the template of one of these is at fault, its
    /// handle says so (SP800-108, "Deriving Additional Keys").
    fn several(&self, others: &[AdditionalKey], key: &OutPtr<CK_OBJECT_HANDLE>) -> Result<()> {
        if others.is_empty() {
            return self.one(key);
        }
        let templates = others.iter().map(|other| &other.template);
        let templates: Vec<_> = std::iter::once(self.template).chain(templates).collect();
        let (token, caller) = (self.session.token(), self.session.caller());
        let mechanism = &self.asked.mechanism;
        let places = || std::iter::once(key).chain(others.iter().map(|other| &other.handle));
        match token.derive_several(caller, mechanism, self.base_key, &templates) {
            Ok(handles) => {
                places().zip(handles).for_each(|(place, handle)| place.write(handle));
                Ok(())
            }
            Err((at, error)) => {
                if let Some(at_fault) = at.and_then(|at| places().nth(at)) {
                    at_fault.write(CK_INVALID_HANDLE);
                }
                Err(error)
            }
        }
    }

    /// Derives the keys of a connection, whose handles have places of their own.
    fn connection_keys(&self, places: &KeyPlaces) -> Result<()> {
        let (token, caller) = (self.session.token(), self.session.caller());
        let mechanism = &self.asked.mechanism;
        let keys = token.derive_connection_keys(caller, mechanism, self.base_key, self.template)?;
        places.write(keys.handles, &keys.ivs);
        Ok(())
    }
}
