//! The commit number of a store of the first format, which has no entry for it: it stands in one of the rows that the
//! agent put there, which this folder knows for that reason alone.

use crate::store::CommitNumber;

/// The key of that row.
pub(super) const ROW: &[u8] = b"M";

/// Reads the number of the last commit from the row's value: a format byte (`0x01`), then the
/// number as postcard writes it.
pub(super) fn number(row: &[u8]) -> Option<CommitNumber> {
    let rest = row.strip_prefix(&[1])?;
    postcard::take_from_bytes(rest).ok().map(|(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn the_number_of_a_first_stores_last_commit_is_read() {
        assert_eq!(number(&[1, 0xAC, 0x02, 7]), Some(300));
        assert_eq!(number(&[1, 5, 0x80, 0x01]), Some(5));
        assert_eq!((number(&[]), number(&[2, 5, 1]), number(&[1, 0x80])), (None, None, None));
    }
}
