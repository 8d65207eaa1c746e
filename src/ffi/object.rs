//! Objects and searches: PKCS#11 3.1, 5.7.

use super::buffer::{self, OutPtr};
use super::entry;
use super::template::{self, Questions};
use crate::error::{Error, Reason};
use crate::session::operation::StepOutcome;
use pkcs11_sys::*;

/// Makes an object from a template.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_CreateObject(
    session: CK_SESSION_HANDLE,
    attributes: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
    object: CK_OBJECT_HANDLE_PTR,
) -> CK_RV {
    entry::on_session("C_CreateObject", session, |session| {
        // SAFETY: `object` is NULL or has room for its value; `attributes` is NULL or has `count`
        // attributes with their values.
        let (out, template) = unsafe { (OutPtr::new(object)?, template::read(attributes, count)?) };
        out.write(session.token().create(session.caller(), &template)?);
        Ok(())
    })
}

/// Copies an object, with the changes in a template.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_CopyObject(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    attributes: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
    copy: CK_OBJECT_HANDLE_PTR,
) -> CK_RV {
    entry::on_session("C_CopyObject", session, |session| {
        // SAFETY: `copy` is NULL or has room for its value; `attributes` is NULL or has `count`
        // attributes with their values.
        let (out, template) = unsafe { (OutPtr::new(copy)?, template::read(attributes, count)?) };
        out.write(session.token().copy(session.caller(), object, &template)?);
        Ok(())
    })
}

/// Destroys an object.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_DestroyObject(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
) -> CK_RV {
    entry::on_session("C_DestroyObject", session, |session| {
        session.token().destroy(session.caller(), object)
    })
}

/// Tells the size of an object in bytes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_GetObjectSize(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    size: CK_ULONG_PTR,
) -> CK_RV {
    entry::on_session("C_GetObjectSize", session, |session| {
        // SAFETY: `size` is NULL or has room for its value.
        let out = unsafe { OutPtr::new(size) }?;
        out.write(session.token().size(session.caller(), object)?);
        Ok(())
    })
}

/// Reads attributes: all that can be, even where others cannot.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_GetAttributeValue(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    attributes: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
) -> CK_RV {
    entry::on_session("C_GetAttributeValue", session, |session| {
        // SAFETY: `attributes` is NULL or has `count` attributes with their values.
        let questions = unsafe { Questions::new(attributes, count) }?;
        let kinds = questions.kinds();
        questions.answer(&session.token().attributes(session.caller(), object, &kinds)?)
    })
}

/// Changes attributes, all or none.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_SetAttributeValue(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    attributes: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
) -> CK_RV {
    entry::on_session("C_SetAttributeValue", session, |session| {
        // SAFETY: `attributes` is NULL or has `count` attributes with their values.
        let template = unsafe { template::read(attributes, count) }?;
        session.token().set_attributes(session.caller(), object, &template)
    })
}

/// Returns the error of a search's template: one type twice is a wrong value, for the function has no code for
/// templates that contradict themselves (PKCS#11 3.1, 5.7.6).
fn unsearchable(error: Error) -> Error {
    match error.reason() {
        Reason::TemplateInconsistent => Reason::AttributeValue.detail("an attribute twice"),
        _ => error,
    }
}

/// Starts a search for the objects that fit a template.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_FindObjectsInit(
    session: CK_SESSION_HANDLE,
    attributes: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
) -> CK_RV {
    entry::on_session("C_FindObjectsInit", session, |session| {
        // SAFETY: `attributes` is NULL or has `count` attributes with their values.
        let template = unsafe { template::read(attributes, count) }.map_err(unsearchable)?;
        session.begin_search(|token, caller| token.find(caller, &template))
    })
}

/// Hands out what a search found, as much as there is room for.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_FindObjects(
    session: CK_SESSION_HANDLE,
    objects: CK_OBJECT_HANDLE_PTR,
    most: CK_ULONG,
    count: CK_ULONG_PTR,
) -> CK_RV {
    entry::on_session("C_FindObjects", session, |session| {
        session.hand_out(|search| {
            // SAFETY: `objects` has room for `most` handles and `count` for one number, or they are NULL.
            let (room, count) = unsafe { (buffer::room(objects, most)?, OutPtr::new(count)?) };
            if room.is_none() && most > 0 {
                return Err(Reason::ArgumentsBad.detail("no room for handles"));
            }
            count.write(search.next(room.unwrap_or_default()) as CK_ULONG);
            Ok(())
        })
    })
}

/// Ends a search.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_FindObjectsFinal(session: CK_SESSION_HANDLE) -> CK_RV {
    entry::on_session("C_FindObjectsFinal", session, |session| {
        session.search(|_| Ok(StepOutcome::Over))
    })
}
