//! Templates of any attributes, and the objects that are made of them.

use super::input::Input;
use crate::error::Reason;
use crate::ffi::template;
use crate::object::build::{build, class};
use crate::object::kinds::{KINDS, kind};
use crate::object::rules::{RULES, TEMPLATES};
use crate::object::template::Template;
use crate::object::{Creation, VendorRequest};
use crate::secret::Secret;
use crate::token::create::take_material;
use pkcs11_sys::*;

/// The reasons for which a template is refused.
const LEGAL: &[Reason] = &[
    Reason::ArgumentsBad,
    Reason::AttributeReadOnly,
    Reason::AttributeUnknown,
    Reason::AttributeValue,
    Reason::TemplateIncomplete,
    Reason::TemplateInconsistent,
    Reason::CurveUnknown,
    Reason::ParameterSetUnknown,
    // Which the calls tell as a wrong value.
    Reason::DataInvalid,
    Reason::KeySizeRange,
];

/// A caller's attributes, with their values in allocations of their own.
struct Given {
    attributes: Vec<CK_ATTRIBUTE>,
    _values: Vec<Box<[u8]>>,
    _nested: Vec<Given>,
}

impl Given {
    fn take(input: &mut Input<'_>, depth: usize) -> Self {
        let count = usize::from(input.byte()) % 24;
        let (mut attributes, mut values, mut nested) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..count {
            let chosen = input.byte();
            let kind = match chosen {
                255 => input.number(),
                254 if depth > 0 => TEMPLATES[usize::from(input.byte()) % TEMPLATES.len()],
                _ => RULES[usize::from(chosen) % RULES.len()].kind,
            };
            if TEMPLATES.contains(&kind) {
                // Deeper ones are refused by their depth, unread.
                let inner = Given::take(input, depth.saturating_sub(1));
                let length = inner.attributes.len() * size_of::<CK_ATTRIBUTE>();
                attributes.push(attribute(kind, inner.attributes.as_ptr().cast(), length));
                nested.push(inner);
                continue;
            }
            let value: Box<[u8]> = match input.byte() {
                0 => [].into(),
                1 => [input.byte() % 2].into(),
                2 => input.number().to_ne_bytes().into(),
                3 => known(input).into(),
                _ => input.piece().into(),
            };
            attributes.push(attribute(kind, value.as_ptr(), value.len()));
            values.push(value);
        }
        Self { attributes, _values: values, _nested: nested }
    }
}

fn attribute(kind: u64, value: *const u8, length: usize) -> CK_ATTRIBUTE {
    CK_ATTRIBUTE {
        type_: kind,
        pValue: value.cast_mut().cast(),
        ulValueLen: CK_ULONG::try_from(length).unwrap(),
    }
}

/// Returns a value that a mutation would seldom find.
fn known(input: &mut Input<'_>) -> Vec<u8> {
    const P256: &[u8] = b"\x06\x08\x2A\x86\x48\xCE\x3D\x03\x01\x07";
    const ED25519: &[u8] = b"\x06\x03\x2B\x65\x70";
    let number = |number: u64| number.to_ne_bytes().to_vec();
    match input.byte() % 8 {
        0 => number(input.of(KINDS).class),
        1 => number(input.of(KINDS).key_type),
        2 => P256.to_vec(),
        3 => ED25519.to_vec(),
        4 => b"20300101".to_vec(),
        5 => vec![1, 0, 1],
        6 => vec![0x42; 8 << (input.byte() % 6)],
        _ => number(CKC_X_509),
    }
}

pub(super) fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let given = Given::take(&mut input, 2);
    let count = CK_ULONG::try_from(given.attributes.len()).unwrap();
    let read = match unsafe { template::read(given.attributes.as_ptr(), count) } {
        Ok(read) => read,
        Err(error) => return legal(error.reason()),
    };
    let flat = read.flatten();
    let again = Template::unflatten(flat.expose()).unwrap();
    assert_eq!(again.flatten().expose(), flat.expose(), "a template that is flattened twice");
    if let Ok(any) = Template::unflatten(input.0) {
        // Leading zeros of big numbers are not kept, so that the bytes may be fewer.
        let plain = any.flatten();
        let twice = Template::unflatten(plain.expose()).unwrap().flatten();
        assert_eq!(twice.expose(), plain.expose(), "a flattened template that is read twice");
    }
    for by in [Creation::Create, Creation::Generate, Creation::Unwrap, Creation::Derive] {
        let _legal = made(&read, by).map_err(legal);
    }
    let _legal = VendorRequest::read(&read).map_err(|error| legal(error.reason()));
}

/// Makes an object's attributes as the calls do, with the material that is in them.
fn made(template: &Template, by: Creation) -> Result<(), Reason> {
    let reason = |error: crate::error::Error| error.reason();
    let class = class(template).map_err(reason)?;
    let key_type = template.number(CKA_KEY_TYPE).map_err(reason)?;
    let kind = key_type.map(|key_type| kind(class, key_type)).transpose().map_err(reason)?;
    let attributes = build(template, by, class, kind).map_err(reason)?;
    assert_eq!(attributes.number(CKA_CLASS), Some(class));
    let Some(kind) = kind else { return Ok(()) };
    let (mut attributes, material) = match class {
        CKO_PUBLIC_KEY => (attributes, Secret::new(Vec::new())),
        _ => take_material(attributes, kind).map_err(reason)?,
    };
    let key = (kind.parse)(&material, &attributes).map_err(reason)?;
    (kind.describe)(&key, &mut attributes).map_err(reason)
}

#[track_caller]
fn legal(reason: Reason) {
    assert!(LEGAL.contains(&reason), "{reason:?}");
}
