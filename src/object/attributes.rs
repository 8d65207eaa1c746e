//! The attributes of one object, and how their values are written.

use crate::clock::exact_timestamp;
use crate::error::Result;
use crate::secret::Secret;
use pkcs11_sys::{CK_BBOOL, CK_DATE, CK_FALSE, CK_TRUE, CK_ULONG};
use zeroize::Zeroizing;

/// Attributes, sorted by type.
#[derive(Debug, Default)]
pub struct Attributes(Vec<(u64, AttributeBytes)>);

impl Attributes {
    /// Makes an empty list with room for what an object usually has.
    pub fn with_room() -> Self {
        Self(Vec::with_capacity(USUAL))
    }

    /// Returns the value, if there is one.
    pub fn bytes(&self, kind: u64) -> Option<&[u8]> {
        let at = self.at(kind).ok()?;
        self.0.get(at).map(|(_, value)| value.expose())
    }

    /// Returns a flag; an absent one reads false.
    pub fn flag(&self, kind: u64) -> bool {
        self.bytes(kind) == Some(&[CK_TRUE])
    }

    /// Returns a number, if there is one of the right width.
    pub fn number(&self, kind: u64) -> Option<u64> {
        let bytes = self.bytes(kind)?.try_into().ok()?;
        Some(CK_ULONG::from_ne_bytes(bytes))
    }

    /// Returns whether there is a value.
    pub fn contains(&self, kind: u64) -> bool {
        self.at(kind).is_ok()
    }

    /// Sets a value.
    pub fn set(&mut self, kind: u64, value: &[u8]) {
        self.put(kind, AttributeBytes::from(value));
    }

    fn put(&mut self, kind: u64, value: AttributeBytes) {
        match self.at(kind) {
            Ok(at) => {
                if let Some(there) = self.0.get_mut(at) {
                    there.1 = value;
                }
            }
            Err(at) => self.0.insert(at, (kind, value)),
        }
    }

    /// Sets a flag.
    pub fn set_flag(&mut self, kind: u64, value: bool) {
        self.put(kind, AttributeBytes::short(flag(value)));
    }

    /// Sets a number.
    pub fn set_number(&mut self, kind: u64, value: u64) {
        self.put(kind, AttributeBytes::short(number(value)));
    }

    /// Removes a value.
    pub fn remove(&mut self, kind: u64) -> Option<Secret> {
        let (_, value) = self.0.remove(self.at(kind).ok()?);
        Some(value.into_secret())
    }

    /// Returns all of them, by type.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.0.iter().map(|(kind, value)| (*kind, value.expose()))
    }

    /// Returns a second copy, for an object that is changed or copied.
    pub fn duplicate(&self) -> Self {
        let duplicate = |(kind, value): &(u64, AttributeBytes)| (*kind, value.duplicate());
        let mut duplicates = Vec::with_capacity(self.0.len().max(USUAL));
        duplicates.extend(self.0.iter().map(duplicate));
        Self(duplicates)
    }

    /// Returns the place of an attribute, or where it would stand. A list is mostly made in the order of its types.
    fn at(&self, kind: u64) -> Result<usize, usize> {
        match self.0.last() {
            Some((last, _)) if *last < kind => Err(self.0.len()),
            _ => self.0.binary_search_by_key(&kind, |(kind, _)| *kind),
        }
    }
}

impl FromIterator<(u64, Secret)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (u64, Secret)>>(pairs: I) -> Self {
        let mut made = Self::default();
        for (kind, value) in pairs {
            made.set(kind, value.expose());
        }
        made
    }
}

/// The usual number of attributes of a key, with those that are only shown.
const USUAL: usize = 48;

/// The most bytes of a value that lies beside its type: flags, numbers and dates do.
const SHORT: usize = 14;

/// A value, wiped when it is dropped. Most are short, and an object has some thirty of them.
enum AttributeBytes {
    Short(Zeroizing<[u8; SHORT]>, u8),
    Long(Secret),
}

impl AttributeBytes {
    /// Keeps a value of at most [`SHORT`] bytes, whose length the compiler knows.
    fn short<const N: usize>(value: [u8; N]) -> Self {
        const { assert!(N <= SHORT) };
        let mut bytes = Zeroizing::new([0; SHORT]);
        bytes.split_at_mut(N).0.copy_from_slice(&value);
        Self::Short(bytes, N as u8)
    }

    fn expose(&self) -> &[u8] {
        match self {
            Self::Short(bytes, length) => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Self::Long(secret) => secret.expose(),
        }
    }

    fn duplicate(&self) -> Self {
        match self {
            Self::Short(bytes, length) => Self::Short(bytes.clone(), *length),
            Self::Long(secret) => Self::Long(secret.duplicate()),
        }
    }

    fn into_secret(self) -> Secret {
        match self {
            Self::Long(secret) => secret,
            short @ Self::Short(..) => Secret::from(short.expose()),
        }
    }
}

impl From<&[u8]> for AttributeBytes {
    fn from(value: &[u8]) -> Self {
        let mut bytes = Zeroizing::new([0; SHORT]);
        match (bytes.get_mut(..value.len()), u8::try_from(value.len())) {
            (Some(room), Ok(length)) => {
                room.copy_from_slice(value);
                Self::Short(bytes, length)
            }
            _ => Self::Long(Secret::from(value)),
        }
    }
}

impl std::fmt::Debug for AttributeBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Value({} bytes)", self.expose().len())
    }
}

/// Returns a `CK_BBOOL`.
pub(crate) fn flag(value: bool) -> [CK_BBOOL; 1] {
    [if value { CK_TRUE } else { CK_FALSE }]
}

/// Returns a `CK_ULONG`.
pub(crate) fn number(value: u64) -> [u8; size_of::<CK_ULONG>()] {
    CK_ULONG::to_ne_bytes(value)
}

/// Returns a list of mechanism numbers, as `CKA_ALLOWED_MECHANISMS` holds it.
pub(crate) fn mechanisms(value: &[u8]) -> Vec<u64> {
    let (whole, _) = value.as_chunks::<{ size_of::<CK_ULONG>() }>();
    whole.iter().map(|bytes| CK_ULONG::from_ne_bytes(*bytes)).collect()
}

/// Returns the day of a `CK_DATE`: eight ASCII digits.
pub(crate) fn date(value: &[u8]) -> Option<jiff::civil::Date> {
    if value.len() != size_of::<CK_DATE>() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits =
        |at: std::ops::Range<usize>| std::str::from_utf8(value.get(at)?).ok()?.parse().ok();
    let (year, month, day): (i16, i16, i16) = (digits(0..4)?, digits(4..6)?, digits(6..8)?);
    jiff::civil::Date::new(year, month.try_into().ok()?, day.try_into().ok()?).ok()
}

/// Returns a `CK_DATE` of the day in UTC that a second falls on.
pub(crate) fn date_of(second: u64) -> Result<Vec<u8>> {
    let day = exact_timestamp(second)?.to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
    Ok(format!("{:04}{:02}{:02}", day.year(), day.month(), day.day()).into_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_eight_digits_of_a_real_day() {
        assert_eq!(date(b"20270131"), Some(jiff::civil::date(2027, 1, 31)));
        for wrong in [&b"20270230"[..], b"2027013", b"+2270131", b"", b"00000000x"] {
            assert_eq!(date(wrong), None, "{wrong:?}");
        }
        assert_eq!(date_of(1_801_353_600).unwrap(), b"20270131");
    }
}
