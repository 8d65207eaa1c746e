//! The files of a folder, held in memory to be changed and put into a folder.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The bytes of each file by its path, and none for a folder.
pub type Image = BTreeMap<String, Option<Vec<u8>>>;

/// Returns the files of a folder, but for sockets.
pub fn read(folder: &Path) -> Image {
    let mut image = Image::new();
    gather(folder, "", &mut image);
    image
}

fn gather(folder: &Path, prefix: &str, image: &mut Image) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            gather(&entry.path(), &format!("{name}/"), image);
            image.insert(name, None);
        } else if kind.is_file() {
            image.insert(name, Some(fs::read(entry.path()).unwrap()));
        }
    }
}

/// Returns the bytes of a file that is there.
pub fn bytes<'a>(image: &'a mut Image, file: &str) -> &'a mut Vec<u8> {
    image.get_mut(file).and_then(Option::as_mut).expect("a file")
}

/// Puts the files into a folder, in place of what is there.
pub fn write(folder: &Path, image: &Image) {
    let _not_there = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).unwrap();
    // A folder's name sorts before those of its files.
    for (name, bytes) in image {
        let (path, mode) = (folder.join(name), if bytes.is_some() { 0o600 } else { 0o700 });
        match bytes {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::create_dir(&path).unwrap(),
        }
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }
    fs::set_permissions(folder, Permissions::from_mode(0o700)).unwrap();
}
