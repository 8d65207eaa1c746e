//! A template as the caller gave it: owned, bounded, wiped when dropped.

use super::values::make_plain;
use crate::error::{Reason, Result};
use crate::secret::Secret;
use pkcs11_sys::CK_ULONG;

/// The most attributes in one template.
pub(crate) const MAX_ATTRIBUTES: usize = 256;

/// The longest value, in bytes.
pub(crate) const MAX_VALUE: usize = 1 << 20;

/// One attribute: its type and its value.
#[derive(Debug)]
pub struct Attribute {
    /// The `CKA_` number.
    pub kind: u64,
    /// The value.
    pub value: Secret,
}

impl Attribute {
    fn duplicate(&self) -> Self {
        Self { kind: self.kind, value: self.value.duplicate() }
    }
}

/// Fails where a template has more than [`MAX_ATTRIBUTES`].
pub(crate) fn check_count(attributes: u64) -> Result<()> {
    match attributes > MAX_ATTRIBUTES as u64 {
        true => Err(Reason::ArgumentsBad.detail("a template with too many attributes")),
        false => Ok(()),
    }
}

/// The attributes that a caller names.
#[derive(Debug, Default)]
pub struct Template(Vec<Attribute>);

impl Template {
    /// Takes attributes over, big numbers without leading zeros. One type twice is `TemplateInconsistent` (PKCS#11 3.1, 4.1.1).
    pub fn new(mut attributes: Vec<Attribute>) -> Result<Self> {
        check_count(attributes.len() as u64)?;
        for (at, attribute) in attributes.iter().enumerate() {
            if attribute.value.len() > MAX_VALUE {
                return Err(Reason::AttributeValue.detail("a value longer than 1 MiB"));
            }
            if attributes.iter().take(at).any(|earlier| earlier.kind == attribute.kind) {
                return Err(Reason::TemplateInconsistent
                    .detail(format_args!("attribute {:#x} twice", attribute.kind)));
            }
        }
        attributes.iter_mut().for_each(|Attribute { kind, value }| make_plain(*kind, value));
        Ok(Self(attributes))
    }

    /// Returns the template as the value of an attribute (`CKA_WRAP_TEMPLATE` and its like): for each
    /// attribute its type and its length (u64, little endian), then its value.
    pub fn flatten(&self) -> Secret {
        let mut flat = Vec::with_capacity(self.iter().map(|inner| 16 + inner.value.len()).sum());
        for inner in self.iter() {
            flat.extend_from_slice(&inner.kind.to_le_bytes());
            flat.extend_from_slice(&(inner.value.len() as u64).to_le_bytes());
            flat.extend_from_slice(inner.value.expose());
        }
        Secret::new(flat)
    }

    /// Reads [`Self::flatten`]'s bytes back.
    pub fn unflatten(mut flat: &[u8]) -> Result<Self> {
        let mut attributes = Vec::new();
        while !flat.is_empty() {
            let inner = Self::first(flat);
            let (kind, value, rest) =
                inner.ok_or_else(|| Reason::AttributeValue.detail("a template in a template"))?;
            attributes.push(Attribute { kind, value: Secret::from(value) });
            flat = rest;
        }
        Self::new(attributes)
    }

    /// This template with what a flattened one adds; a contradiction is `TemplateInconsistent`.
    pub fn joined(&self, flat: &[u8]) -> Result<Self> {
        self.joined_with(Self::unflatten(flat)?)
    }

    /// This template without some of its attributes.
    pub fn without(&self, kinds: &[u64]) -> Self {
        let kept = self.iter().filter(|attribute| !kinds.contains(&attribute.kind));
        Self(kept.map(Attribute::duplicate).collect())
    }

    /// This template with what another adds; a contradiction is `TemplateInconsistent`.
    pub fn joined_with(&self, more: Self) -> Result<Self> {
        let mut joined: Vec<Attribute> = self.iter().map(Attribute::duplicate).collect();
        for added in more.0 {
            match self.bytes(added.kind) {
                Some(given) if given != added.value.expose() => {
                    return Err(Reason::TemplateInconsistent.detail(format_args!(
                        "{:#x} contradicts what the key is bound to",
                        added.kind
                    )));
                }
                Some(_) => {}
                None => joined.push(added),
            }
        }
        Self::new(joined)
    }

    fn first(flat: &[u8]) -> Option<(u64, &[u8], &[u8])> {
        let (kind, rest) = flat.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (value, rest) = rest.split_at_checked(length)?;
        Some((u64::from_le_bytes(*kind), value, rest))
    }

    /// Returns the attributes, in the caller's order.
    pub fn iter(&self) -> std::slice::Iter<'_, Attribute> {
        self.0.iter()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the value of an attribute, if it is there.
    pub fn bytes(&self, kind: u64) -> Option<&[u8]> {
        self.0.iter().find(|attribute| attribute.kind == kind).map(|found| found.value.expose())
    }

    /// Returns a `CK_BBOOL` value: one byte, 0 or 1.
    pub fn flag(&self, kind: u64) -> Result<Option<bool>> {
        match self.bytes(kind) {
            None => Ok(None),
            Some([0]) => Ok(Some(false)),
            Some([1]) => Ok(Some(true)),
            Some(_) => {
                Err(Reason::AttributeValue.detail(format_args!("{kind:#x} is not a CK_BBOOL")))
            }
        }
    }

    /// Returns a `CK_ULONG` value.
    pub fn number(&self, kind: u64) -> Result<Option<u64>> {
        match self.bytes(kind).map(<[u8; size_of::<CK_ULONG>()]>::try_from) {
            None => Ok(None),
            Some(Ok(bytes)) => Ok(Some(CK_ULONG::from_ne_bytes(bytes))),
            Some(Err(_)) => {
                Err(Reason::AttributeValue.detail(format_args!("{kind:#x} is not a CK_ULONG")))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_template_in_a_template_reads_back_and_a_cut_one_does_not() {
        let inner = |kind, value: &[u8]| Attribute { kind, value: Secret::from(value) };
        let template = Template::new(vec![inner(1, b"abc"), inner(2, b"")]).unwrap();
        let flat = template.flatten();
        let read = Template::unflatten(flat.expose()).unwrap();
        assert_eq!((read.bytes(1), read.bytes(2)), (Some(&b"abc"[..]), Some(&b""[..])));
        for cut in 1..flat.len() {
            let whole = cut == 19;
            assert_eq!(Template::unflatten(flat.expose().split_at(cut).0).is_ok(), whole, "{cut}");
        }
    }
}
