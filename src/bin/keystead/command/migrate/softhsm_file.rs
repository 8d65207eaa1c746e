//! A file of SoftHSM 2's object store, as SoftHSM 2.6 writes it. All numbers are big-endian and have 8
//! bytes:
//!
//! ```text
//! generation
//! then for each attribute:  type   form   value
//!                                  1      one byte, 0 or not
//!                                  2      a number
//!                                  3      a length, and so many bytes
//!                                  4      a length, and so many bytes: a template
//!                                  5      a count, and so many numbers: mechanisms
//! ```
//!
//! The bytes of form 3 in a private object are encrypted, where there are any.

use keystead::internal::object::Attributes;

/// The contents of a file: attributes in PKCS#11's form, and those with templates that are not empty.
#[derive(Default)]
pub(crate) struct ObjectFile {
    /// The attributes; bytes of a private object are encrypted.
    pub(crate) attributes: Attributes,
    /// The attributes of those that are bytes.
    pub(crate) bytes: Vec<u64>,
    /// The attributes whose values are templates, but for empty ones.
    pub(crate) templates: Vec<u64>,
}

impl ObjectFile {
    /// Reads a file; none where it is not whole, or of another kind.
    pub(crate) fn read(contents: &[u8]) -> Option<Self> {
        let mut rest = contents;
        let _generation = number(&mut rest)?;
        let mut file = Self::default();
        while !rest.is_empty() {
            let kind = number(&mut rest)?;
            file.read_value(kind, &mut rest)?;
        }
        Some(file)
    }

    fn read_value(&mut self, kind: u64, rest: &mut &[u8]) -> Option<()> {
        match number(rest)? {
            1 => self.attributes.set_flag(kind, *taken(rest, 1)?.first()? != 0),
            2 => self.attributes.set_number(kind, number(rest)?),
            3 => {
                let length = number(rest)?;
                self.attributes.set(kind, taken(rest, length)?);
                self.bytes.push(kind);
            }
            4 => {
                let length = number(rest)?;
                if !taken(rest, length)?.is_empty() {
                    self.templates.push(kind);
                }
            }
            5 => {
                let count = number(rest)?;
                let mut list = taken(rest, count.checked_mul(8)?)?;
                let mut native = Vec::with_capacity(list.len());
                while !list.is_empty() {
                    native.extend(number(&mut list)?.to_ne_bytes());
                }
                self.attributes.set(kind, &native);
            }
            _ => return None,
        }
        Some(())
    }
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    taken(rest, 8)?.try_into().ok().map(u64::from_be_bytes)
}

fn taken<'a>(rest: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = after;
    Some(taken)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::ObjectFile;

    /// A file with an attribute of each form.
    fn written() -> Vec<u8> {
        let mut file = Vec::new();
        let mut numbers = |numbers: &[u64]| {
            file.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
        };
        numbers(&[7, 0, 2, 4, 3, 3, 0, 0x4000_0211, 4, 0, 0x4000_0600, 5, 2, 0x1080, 0x1082]);
        numbers(&[0x4000_0212, 4, 17, 1, 1]);
        file.push(255);
        file.extend([1_u64, 1].iter().flat_map(|number| number.to_be_bytes()));
        file.push(255);
        file
    }

    #[test]
    fn every_form_of_attribute_is_read() {
        let file = ObjectFile::read(&written()).unwrap();
        assert_eq!(file.attributes.number(0), Some(4));
        assert!(file.attributes.flag(1));
        assert_eq!(file.attributes.bytes(3), Some(&[][..]));
        let mechanisms: Vec<u8> =
            [0x1080_u64, 0x1082].iter().flat_map(|it| it.to_ne_bytes()).collect();
        assert_eq!(file.attributes.bytes(0x4000_0600), Some(&mechanisms[..]));
        assert_eq!((file.bytes, file.templates), (vec![3], vec![0x4000_0212]));
    }

    #[test]
    fn a_file_that_is_cut_off_anywhere_within_an_attribute_is_none() {
        let file = written();
        let whole = |length| file.get(..length).and_then(ObjectFile::read).is_some();
        let between: Vec<usize> = (0..=file.len()).filter(|length| whole(*length)).collect();
        assert_eq!(
            between.len(),
            7,
            "the generation, and after each of six attributes: {between:?}"
        );
        assert!(ObjectFile::read(b"not such a file at all").is_none());
        let long = [0_u64, 3, 3, u64::MAX].map(u64::to_be_bytes).concat();
        assert!(ObjectFile::read(&long).is_none());
        let many = [0_u64, 3, 5, u64::MAX].map(u64::to_be_bytes).concat();
        assert!(ObjectFile::read(&many).is_none());
    }
}
