//! Templates: `CK_ATTRIBUTE` arrays as owned, bounded [`Template`]s, and the answers to
//! `C_GetAttributeValue` written back into one.

use super::buffer;
use crate::error::{Error, Reason, Result};
use crate::object::rules::TEMPLATES;
use crate::object::template::{MAX_VALUE, check_count};
use crate::object::{Attribute, Template};
use crate::secret::Secret;
use crate::token::Answer;
use pkcs11_sys::*;

/// The greatest depth of templates in templates.
const MAX_DEPTH: usize = 2;

/// Reads a caller's template.
///
/// # Safety
/// `attributes` is NULL or valid for reads of `count` attributes, and each `pValue` in it NULL or
/// valid for reads of `ulValueLen` bytes.
pub(crate) unsafe fn read(attributes: *const CK_ATTRIBUTE, count: CK_ULONG) -> Result<Template> {
    // SAFETY: this function asks the same of `attributes`.
    Template::new(unsafe { read_attributes(attributes, count, MAX_DEPTH) }?)
}

/// Reads attributes, and templates in them down to `depth`.
///
/// # Safety
/// As [`read`].
unsafe fn read_attributes(
    attributes: *const CK_ATTRIBUTE,
    count: CK_ULONG,
    depth: usize,
) -> Result<Vec<Attribute>> {
    // SAFETY: `attributes` is NULL or has `count` elements.
    let attributes = unsafe { bounded(attributes, count) }?;
    let mut read = Vec::with_capacity(attributes.len());
    for attribute in attributes {
        // SAFETY: the attribute's `pValue` is NULL or has `ulValueLen` bytes.
        let value = unsafe { read_value(attribute, depth) }?;
        read.push(Attribute { kind: unsigned(attribute.type_), value });
    }
    Ok(read)
}

/// Undoes what Java does to Keystead's numbers: SunPKCS11's configuration has them as signed and of 32
/// bits, where they can only be written as negative ones (`0x-7FB4ACFA` for the expiry), and arrive with the sign
/// extended to all 64 bits. Numbers that are not Keystead's stay as they are.
fn unsigned(kind: CK_ATTRIBUTE_TYPE) -> CK_ATTRIBUTE_TYPE {
    const EXTENDED: CK_ATTRIBUTE_TYPE = 0xFFFF_FFFF_804B_5300;
    match kind & !0xFF {
        EXTENDED => kind & 0xFFFF_FFFF,
        _ => kind,
    }
}

/// Borrows the caller's attributes, as many as a template may have.
///
/// # Safety
/// `attributes` is NULL or valid for reads of `count` attributes during `'a`.
unsafe fn bounded<'a>(
    attributes: *const CK_ATTRIBUTE,
    count: CK_ULONG,
) -> Result<&'a [CK_ATTRIBUTE]> {
    check_count(count)?;
    // SAFETY: this function asks the same of `attributes`.
    unsafe { buffer::input(attributes, count) }
}

/// Copies one value; a template in it loses its pointers.
///
/// # Safety
/// `pValue` is NULL or valid for reads of `ulValueLen` bytes.
unsafe fn read_value(attribute: &CK_ATTRIBUTE, depth: usize) -> Result<Secret> {
    let (value, len) = (attribute.pValue, attribute.ulValueLen);
    if len > MAX_VALUE as CK_ULONG || (value.is_null() && len > 0) {
        let kind = attribute.type_;
        return Err(Reason::AttributeValue.detail(format_args!("the length of {kind:#x}")));
    }
    if holds_template(attribute.type_) {
        // SAFETY: an attribute of this type has an array of attributes as its value.
        return unsafe { read_nested(value.cast(), len, depth) };
    }
    // SAFETY: `pValue` has `ulValueLen` bytes.
    Ok(Secret::from(unsafe { buffer::input(value.cast::<u8>(), len) }?))
}

/// Reads a template in a template, as bytes without pointers.
///
/// # Safety
/// `attributes` is NULL or valid for reads of `len` bytes, and the values in it as in [`read`].
unsafe fn read_nested(
    attributes: *const CK_ATTRIBUTE,
    len: CK_ULONG,
    depth: usize,
) -> Result<Secret> {
    let size = size_of::<CK_ATTRIBUTE>() as CK_ULONG;
    let Some(depth) = depth.checked_sub(1).filter(|_| len.is_multiple_of(size)) else {
        return Err(Reason::AttributeValue.detail("a template in a template"));
    };
    // SAFETY: `attributes` has `len` bytes, a whole number of attributes, with values like the outer ones.
    let nested = Template::new(unsafe { read_attributes(attributes, len / size, depth) }?)?;
    Ok(nested.flatten())
}

/// Returns whether an attribute's value is itself an array of `CK_ATTRIBUTE`
/// (`CKA_ALLOWED_MECHANISMS` is an array too, but of numbers).
fn holds_template(kind: u64) -> bool {
    TEMPLATES.contains(&kind)
}

/// The attributes that `C_GetAttributeValue` asks for, with the room for their values.
pub(crate) struct Questions<'a>(&'a mut [CK_ATTRIBUTE]);

impl Questions<'_> {
    /// Borrows the caller's array.
    ///
    /// # Safety
    /// `attributes` is NULL or valid for reading and writing `count` attributes, and each `pValue` in
    /// it NULL or valid for writes of `ulValueLen` bytes, until this is dropped.
    pub(crate) unsafe fn new(attributes: *mut CK_ATTRIBUTE, count: CK_ULONG) -> Result<Self> {
        // SAFETY: `attributes` is NULL or has `count` elements; this checks their number only.
        unsafe { bounded(attributes, count) }?;
        // SAFETY: the caller lets `count` attributes be written until this is dropped.
        Ok(Self(unsafe { buffer::room(attributes, count) }?.unwrap_or_default()))
    }

    /// Returns the types asked for, in the caller's order.
    pub(crate) fn kinds(&self) -> Vec<u64> {
        self.0.iter().map(|attribute| attribute.type_).collect()
    }

    /// Writes every answer, whatever becomes of the others; then the first that could not be given is
    /// the error (PKCS#11 3.1, 5.7.5).
    pub(crate) fn answer(self, answers: &[Answer]) -> Result<()> {
        let mut done = Ok(());
        for (attribute, answer) in self.0.iter_mut().zip(answers) {
            // SAFETY: `new` asks that each `pValue` is NULL or has room for `ulValueLen` bytes.
            done = done.and(unsafe { answer_one(attribute, answer) });
        }
        done
    }
}

/// Answers for one attribute.
///
/// # Safety
/// `pValue` is NULL or valid for writes of `ulValueLen` bytes.
unsafe fn answer_one(attribute: &mut CK_ATTRIBUTE, answer: &Answer) -> Result<()> {
    let value = match answer {
        Answer::Value(value) => value.expose(),
        Answer::Sensitive => return unavailable(attribute, Reason::AttributeSensitive.into()),
        Answer::Unknown => return unavailable(attribute, Reason::AttributeUnknown.into()),
    };
    if holds_template(attribute.type_) {
        let inner = Template::unflatten(value)?;
        // SAFETY: an attribute of this type has room for an array of attributes.
        return unsafe { answer_nested(attribute, &inner) };
    }
    // SAFETY: `pValue` is NULL or has room for `ulValueLen` bytes.
    unsafe { put(attribute, value) }
}

/// Writes one attribute's value under the two-call rule.
///
/// # Safety
/// `pValue` is NULL or valid for writes of `ulValueLen` bytes.
unsafe fn put(attribute: &mut CK_ATTRIBUTE, value: &[u8]) -> Result<()> {
    let length = value.len() as CK_ULONG;
    if !attribute.pValue.is_null() {
        if attribute.ulValueLen < length {
            return unavailable(attribute, Reason::BufferTooSmall.into());
        }
        // SAFETY: there is room for `ulValueLen` bytes, no fewer than `value` has; `value` is the token's own, so
        // the two do not overlap.
        unsafe { attribute.pValue.cast::<u8>().copy_from(value.as_ptr(), value.len()) };
    }
    attribute.ulValueLen = length;
    Ok(())
}

/// Writes a template's attributes over those in the caller's array, each into the room that the
/// caller left for it, or its length alone where that is NULL (PKCS#11 3.1, 5.7.5).
///
/// # Safety
/// `pValue` is NULL or an array of `ulValueLen` bytes, whose own `pValue`s are as in [`Questions::new`].
unsafe fn answer_nested(attribute: &mut CK_ATTRIBUTE, inner: &Template) -> Result<()> {
    let size = size_of::<CK_ATTRIBUTE>() as CK_ULONG;
    let length = inner.iter().len() as CK_ULONG * size;
    if !attribute.pValue.is_null() && attribute.ulValueLen < length {
        return unavailable(attribute, Reason::BufferTooSmall.into());
    }
    // SAFETY: there is room for `ulValueLen` bytes, no fewer than `length`, or none where `pValue` is NULL.
    let room = unsafe { buffer::room(attribute.pValue.cast::<CK_ATTRIBUTE>(), length / size) }?;
    attribute.ulValueLen = length;
    let mut done = Ok(());
    for (to, given) in room.unwrap_or_default().iter_mut().zip(inner.iter()) {
        to.type_ = given.kind;
        let value = Answer::Value(given.value.duplicate());
        // SAFETY: each `pValue` in the caller's array is NULL or has room for its `ulValueLen` bytes.
        done = done.and(unsafe { answer_one(to, &value) });
    }
    done
}

fn unavailable(attribute: &mut CK_ATTRIBUTE, why: Error) -> Result<()> {
    attribute.ulValueLen = CK_UNAVAILABLE_INFORMATION;
    Err(why)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::undocumented_unsafe_blocks, clippy::indexing_slicing)]
mod tests {
    use super::{Questions, read};
    use crate::error::Reason;
    use crate::object::vendor::CKA_KEYSTEAD_EXPIRES_AT;
    use crate::secret::Secret;
    use crate::token::Answer;
    use pkcs11_sys::*;
    use std::ptr::{null, null_mut};

    fn attribute(kind: CK_ATTRIBUTE_TYPE, value: &[u8]) -> CK_ATTRIBUTE {
        CK_ATTRIBUTE {
            type_: kind,
            pValue: value.as_ptr().cast_mut().cast(),
            ulValueLen: value.len() as CK_ULONG,
        }
    }

    fn refused(attributes: &[CK_ATTRIBUTE]) -> Reason {
        unsafe { read(attributes.as_ptr(), attributes.len() as CK_ULONG) }.unwrap_err().reason()
    }

    #[test]
    fn values_are_copied_and_may_be_empty() {
        let empty = CK_ATTRIBUTE { type_: CKA_ID, pValue: null_mut(), ulValueLen: 0 };
        let given = [attribute(CKA_LABEL, b"name"), empty];
        let template = unsafe { read(given.as_ptr(), 2) }.unwrap();
        assert_eq!(template.bytes(CKA_LABEL), Some(&b"name"[..]));
        assert_eq!(template.bytes(CKA_ID), Some(&b""[..]));
        assert!(unsafe { read(null(), 0) }.unwrap().is_empty());
    }

    #[test]
    fn keysteads_numbers_are_known_with_their_sign_extended() {
        let extended = |kind: u64| kind as u32 as i32 as i64 as CK_ATTRIBUTE_TYPE;
        let foreign = extended(CKA_VENDOR_DEFINED | 1);
        let given =
            [attribute(extended(CKA_KEYSTEAD_EXPIRES_AT), b"then"), attribute(foreign, b"x")];
        let template = unsafe { read(given.as_ptr(), 2) }.unwrap();
        assert_eq!(template.bytes(CKA_KEYSTEAD_EXPIRES_AT), Some(&b"then"[..]));
        assert_eq!(template.bytes(foreign), Some(&b"x"[..]));
    }

    #[test]
    fn absurd_templates_are_refused() {
        let missing = CK_ATTRIBUTE { type_: CKA_ID, pValue: null_mut(), ulValueLen: 1 };
        let endless = CK_ATTRIBUTE { ulValueLen: CK_ULONG::MAX, ..attribute(CKA_ID, b"x") };
        assert_eq!(refused(&[missing]), Reason::AttributeValue);
        assert_eq!(refused(&[endless]), Reason::AttributeValue);
        assert_eq!(refused(&[attribute(CKA_ID, b""); 2]), Reason::TemplateInconsistent);
        assert_eq!(unsafe { read(null(), 1) }.unwrap_err().reason(), Reason::ArgumentsBad);
        let one = attribute(CKA_ID, b"x");
        let countless = unsafe { read(&one, CK_ULONG::MAX) }.unwrap_err();
        assert_eq!(countless.reason(), Reason::ArgumentsBad);
    }

    fn nest(inner: &[CK_ATTRIBUTE]) -> CK_ATTRIBUTE {
        CK_ATTRIBUTE {
            type_: CKA_WRAP_TEMPLATE,
            pValue: inner.as_ptr().cast_mut().cast(),
            ulValueLen: size_of_val(inner) as CK_ULONG,
        }
    }

    #[test]
    fn a_template_in_a_template_is_flattened_and_has_a_depth() {
        let level_0 = [attribute(CKA_ID, b"ab")];
        let level_1 = [nest(&level_0)];
        let template = unsafe { read(level_1.as_ptr(), 1) }.unwrap();
        let flat = [&CKA_ID.to_le_bytes()[..], &2_u64.to_le_bytes(), b"ab"].concat();
        assert_eq!(template.bytes(CKA_WRAP_TEMPLATE), Some(&flat[..]));
        let level_2 = [nest(&level_1)];
        let level_3 = [nest(&level_2)];
        assert!(unsafe { read(level_2.as_ptr(), 1) }.is_ok());
        assert_eq!(refused(&level_3), Reason::AttributeValue);
        let mut itself = nest(&[]);
        itself.pValue = (&raw mut itself).cast();
        itself.ulValueLen = size_of_val(&itself) as CK_ULONG;
        assert_eq!(refused(&[itself]), Reason::AttributeValue);
        let ragged = CK_ATTRIBUTE { ulValueLen: 5, ..nest(&level_0) };
        assert_eq!(refused(&[ragged]), Reason::AttributeValue);
    }

    /// Asks one attribute of the array type, of which the token says `inner`.
    fn ask_nested(asked: &mut CK_ATTRIBUTE, inner: &[CK_ATTRIBUTE]) -> Result<(), Reason> {
        let inner = unsafe { read(inner.as_ptr(), inner.len() as CK_ULONG) }.unwrap();
        let questions = unsafe { Questions::new(asked, 1) }.unwrap();
        questions.answer(&[Answer::Value(inner.flatten())]).map_err(|error| error.reason())
    }

    #[test]
    fn a_template_in_an_attribute_is_asked_for_in_three_steps() {
        let inner = [attribute(CKA_ID, b"ab"), attribute(CKA_LABEL, b"name")];
        let size = size_of_val(&inner) as CK_ULONG;
        let none = CK_ATTRIBUTE { type_: 0, pValue: null_mut(), ulValueLen: 0 };
        let (mut id, mut label, mut array) = ([0_u8; 2], [0_u8; 4], [none; 2]);
        let mut asked = CK_ATTRIBUTE { type_: CKA_WRAP_TEMPLATE, ..none };
        assert_eq!((ask_nested(&mut asked, &inner), asked.ulValueLen), (Ok(()), size));

        asked.pValue = array.as_mut_ptr().cast();
        assert_eq!((ask_nested(&mut asked, &inner), asked.ulValueLen), (Ok(()), size));
        let shown = array.map(|attribute| (attribute.type_, attribute.ulValueLen));
        assert_eq!(shown, [(CKA_ID, 2), (CKA_LABEL, 4)]);

        array[0].pValue = id.as_mut_ptr().cast();
        array[1].pValue = label.as_mut_ptr().cast();
        asked.pValue = array.as_mut_ptr().cast();
        assert_eq!(ask_nested(&mut asked, &inner), Ok(()));
        assert_eq!((&id, &label), (b"ab", b"name"));
    }

    #[test]
    fn a_template_that_does_not_fit_is_told_where() {
        let inner = [attribute(CKA_ID, b"ab"), attribute(CKA_LABEL, b"name")];
        let (mut id, mut label) = ([0_u8; 1], [0_u8; 5]);
        let room = |bytes: &mut [u8]| CK_ATTRIBUTE {
            type_: 0,
            pValue: bytes.as_mut_ptr().cast(),
            ulValueLen: bytes.len() as CK_ULONG,
        };
        let mut array = [room(&mut id), room(&mut label)];
        let mut asked = nest(&array);
        asked.pValue = array.as_mut_ptr().cast();
        assert_eq!(ask_nested(&mut asked, &inner), Err(Reason::BufferTooSmall));
        let told = array.map(|attribute| attribute.ulValueLen);
        assert_eq!((told, &label), ([CK_UNAVAILABLE_INFORMATION, 4], b"name\0"));

        asked.ulValueLen = size_of::<CK_ATTRIBUTE>() as CK_ULONG;
        assert_eq!(ask_nested(&mut asked, &inner), Err(Reason::BufferTooSmall));
        assert_eq!(asked.ulValueLen, CK_UNAVAILABLE_INFORMATION);
    }

    #[test]
    fn every_attribute_is_answered_even_where_one_cannot_be() {
        let (mut room, mut small) = ([0_u8; 4], [0_u8; 1]);
        let mut asked = [
            attribute(CKA_VALUE, b""),
            CK_ATTRIBUTE {
                type_: CKA_LABEL,
                pValue: room.as_mut_ptr().cast(),
                ulValueLen: room.len() as CK_ULONG,
            },
            CK_ATTRIBUTE { type_: CKA_ID, pValue: null_mut(), ulValueLen: 77 },
            attribute(CKA_MODULUS, b""),
            CK_ATTRIBUTE { type_: CKA_ID, pValue: small.as_mut_ptr().cast(), ulValueLen: 1 },
        ];
        let value = || Answer::Value(Secret::from(&b"abc"[..]));
        let answers = [Answer::Sensitive, value(), value(), Answer::Unknown, value()];
        let questions = unsafe { Questions::new(asked.as_mut_ptr(), 5) }.unwrap();
        assert_eq!(questions.kinds(), [CKA_VALUE, CKA_LABEL, CKA_ID, CKA_MODULUS, CKA_ID]);
        let error = questions.answer(&answers).unwrap_err();
        assert_eq!(error.reason(), Reason::AttributeSensitive);
        const NONE: CK_ULONG = CK_UNAVAILABLE_INFORMATION;
        assert_eq!(asked.map(|attribute| attribute.ulValueLen), [NONE, 3, 3, NONE, NONE]);
        assert_eq!((&room, &small), (b"abc\0", b"\0"));
    }
}
