//! The search terms of records: the attributes that they are found by without being opened.

use super::loaded::ObjectBody;
use crate::id::Id;
use crate::key::Metadata;
use crate::object::Attributes;
use crate::object::properties::{is_searched, searched_on_material, searched_unknown};
use crate::object::vendor::CKA_KEYSTEAD_KEY_ID;
use pkcs11_sys::*;

/// A custom key's identifier on its metadata record: the metadata object has no `CKA_ID` of its own,
/// but an import finds its target by it.
pub(crate) const TARGET_ID: u64 = u64::MAX;

/// The attributes that objects are found by without being opened, beside the properties of custom keys
/// that are searched.
const INDEXED: &[u64] = &[
    CKA_CLASS,
    CKA_KEY_TYPE,
    CKA_ID,
    CKA_LABEL,
    CKA_APPLICATION,
    CKA_UNIQUE_ID,
    CKA_SUBJECT,
    CKA_MODULUS,
    TARGET_ID,
];

/// Returns whether an attribute with this value has a tag.
pub(crate) fn is_indexed(kind: u64, value: &[u8]) -> bool {
    !value.is_empty() && (INDEXED.contains(&kind) || is_searched(kind))
}

/// Returns the terms that find an object with these attributes: one of a custom key that has no label by the key
/// ID as a label too.
pub(crate) fn terms(attributes: &Attributes) -> Vec<(u64, Vec<u8>)> {
    let indexed = attributes.iter().filter(|&(kind, value)| is_indexed(kind, value));
    let mut terms: Vec<_> = indexed.map(|(kind, value)| (kind, value.to_vec())).collect();
    let unnamed = attributes.bytes(CKA_LABEL).is_none_or(<[u8]>::is_empty);
    if let Some(key) = attributes.bytes(CKA_KEYSTEAD_KEY_ID).filter(|_| unnamed) {
        terms.push((CKA_LABEL, key.to_vec()));
    }
    terms
}

/// Returns the terms that find a material record: its own attributes under the names of its custom key.
pub(super) fn material_terms(
    id: Id,
    body: &ObjectBody,
    key: Id,
    metadata: &Metadata,
) -> Vec<(u64, Vec<u8>)> {
    let mut shown = body.attributes.duplicate();
    shown.set(CKA_UNIQUE_ID, id.to_string().as_bytes());
    for (kind, value) in searched_on_material(metadata, key) {
        shown.set(kind, &value);
    }
    let mut terms = terms(&shown);
    terms.extend(searched_unknown(metadata));
    terms
}

/// Returns the terms that find the metadata object of a custom key.
pub(super) fn metadata_terms(shown: &Attributes, metadata: &Metadata) -> Vec<(u64, Vec<u8>)> {
    let mut terms = terms(shown);
    if !metadata.identifier.is_empty() {
        terms.push((TARGET_ID, metadata.identifier.clone()));
    }
    terms.extend(searched_unknown(metadata));
    terms
}
