//! The files of the log: `audit*.jsonl*` in its folder, rotated ones too.

use super::line;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Returns the files of the log, under any name that they have in the folder, in the order of their lines.
pub(super) fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let listed = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed?,
    };
    for entry in listed {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("audit")
            && name.contains(".jsonl")
            && path.is_file()
            && let Some(seq) = first(&path)?
        {
            found.push((seq, path));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// Returns the number of the first line in a file that has one, else 0; none where the file is empty.
fn first(path: &Path) -> io::Result<Option<u64>> {
    let lines = BufReader::new(File::open(path)?).split(b'\n');
    let mut empty = true;
    for line in lines {
        if let Some((entry, _)) = line::parse(&String::from_utf8_lossy(&line?)) {
            return Ok(Some(entry.seq));
        }
        empty = false;
    }
    Ok((!empty).then_some(0))
}
