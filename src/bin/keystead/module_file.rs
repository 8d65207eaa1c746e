//! The file of a module, before it is loaded: one that was cut off would end this program with a signal.

use crate::Failure;
use keystead::internal::plain_file;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// The size of the header of an ELF file of 64 bits, in bytes, and what it begins with where its numbers begin with
/// their least byte.
const HEADER: usize = 64;
const MAGIC: &[u8] = b"\x7fELF\x02\x01";

/// The places in it of the table of sections, the last thing in such a file: offset, size of an entry, their number.
const TABLE: usize = 0x28;
const ENTRY: usize = 0x3A;
const COUNT: usize = 0x3C;

/// Fails where the module is shorter than it says of itself. What is no such file, or cannot be read, is left to the
/// loader.
pub(crate) fn check(module: &Path) -> Result<(), Failure> {
    let mut file = match plain_file::open(module) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            return Err(Failure::of_file(module, &error));
        }
        Err(_) => return Ok(()),
    };
    let has = file.metadata().map_err(|error| Failure::of_file(module, &error))?.len();
    let mut header = [0; HEADER];
    if file.read_exact(&mut header).is_err() {
        return Ok(());
    }
    match whole(&header) {
        Some(wants) if has < wants => Err(Failure::new(format_args!(
            "the module {} is cut off: it has {has} of its {wants} bytes",
            module.display()
        ))
        .hint("install it anew")),
        _ => Ok(()),
    }
}

/// Returns the size that a file with such a header has at least.
fn whole(header: &[u8; HEADER]) -> Option<u64> {
    let number = |at: usize| header.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes);
    let table = header.get(TABLE..TABLE + 8)?.try_into().ok().map(u64::from_le_bytes)?;
    let sections = u64::from(number(ENTRY)?) * u64::from(number(COUNT)?);
    header.starts_with(MAGIC).then(|| table.saturating_add(sections))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::check;
    use std::fs;

    #[test]
    fn a_library_that_was_cut_off_is_told_from_a_whole_one_and_from_what_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let cut = folder.path().join("cut.so");
        let own = std::env::current_exe().unwrap();
        check(&own).unwrap();
        let bytes = fs::read(&own).unwrap();
        for length in [64, 1000, bytes.len() - 1] {
            fs::write(&cut, &bytes[..length]).unwrap();
            let said = check(&cut).unwrap_err();
            assert!(said.message().contains(&format!("it has {length} of its ")), "{said:?}");
        }
        for other in [&bytes[..63], b"", &[b'x'; 100]] {
            fs::write(&cut, other).unwrap();
            check(&cut).unwrap();
        }
        check(&folder.path().join("none")).unwrap();
    }
}
