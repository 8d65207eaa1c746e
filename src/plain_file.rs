//! The opening of files by their names. What lies there may be no file: a pipe is waited for without end, and a
//! device may have none.

use rustix::fs::{OFlags, fcntl_setfl, fstatfs};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// The file system of the pipes without a name (`PIPEFS_MAGIC`).
const PIPES: u64 = 0x5049_5045;

/// Opens a file to be read. Anything else but a directory is refused, and not waited for.
pub fn open(path: &Path) -> io::Result<File> {
    let file = open_at_once(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() || kind.is_dir() { Ok(file) } else { Err(no_file()) }
}

/// Opens a file to be read that a user has named, which may also be a device, or a pipe that the shell has made
/// (`<(command)`, `/dev/stdin`). A pipe that has a name of its own is refused, and not waited for.
pub fn open_named(path: &Path) -> io::Result<File> {
    let file = open_at_once(path)?;
    let is_pipe = file.metadata()?.file_type().is_fifo();
    // The type of the number differs from machine to machine.
    #[allow(clippy::unnecessary_cast)]
    if is_pipe && fstatfs(&file)?.f_type as u64 != PIPES {
        return Err(no_file());
    }
    // Its contents are waited for.
    fcntl_setfl(&file, OFlags::empty())?;
    Ok(file)
}

/// Reads a text of so many bytes at most, of a file that a user has named.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    let mut text = String::new();
    open_named(path)?.take(most + 1).read_to_string(&mut text)?;
    match text.len() as u64 <= most {
        true => Ok(text),
        false => {
            let said = format!("it is too long: {most} bytes are the most");
            Err(io::Error::new(ErrorKind::FileTooLarge, said))
        }
    }
}

fn open_at_once(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)
}

fn no_file() -> io::Error {
    io::Error::new(ErrorKind::Unsupported, "it is no ordinary file")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, Mode, mkfifoat};
    use std::io::Write;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_pipe_with_a_name_is_refused_at_once_and_one_of_the_shells_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let named = directory.path().join("pipe");
        mkfifoat(CWD, &named, Mode::RUSR | Mode::WUSR).unwrap();
        for opened in [open(&named), open_named(&named)] {
            assert_eq!(opened.unwrap_err().kind(), ErrorKind::Unsupported);
        }
        let (reader, mut writer) = io::pipe().unwrap();
        let shells = format!("/dev/fd/{}", reader.as_raw_fd());
        let mut opened = open_named(shells.as_ref()).unwrap();
        assert_eq!(open(shells.as_ref()).unwrap_err().kind(), ErrorKind::Unsupported);
        drop(reader);
        let later = std::thread::spawn(move || writer.write_all(b"text"));
        let mut text = String::new();
        opened.read_to_string(&mut text).unwrap();
        later.join().unwrap().unwrap();
        assert_eq!(text, "text");
    }

    #[test]
    fn a_device_is_no_file_and_a_long_text_is_not_read_to_its_end() {
        assert_eq!(open("/dev/zero".as_ref()).unwrap_err().kind(), ErrorKind::Unsupported);
        assert!(open_named("/dev/null".as_ref()).is_ok());
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"text").unwrap();
        assert_eq!(read_text(file.path(), 4).unwrap(), "text");
        assert_eq!(read_text(file.path(), 3).unwrap_err().kind(), ErrorKind::FileTooLarge);
    }
}
