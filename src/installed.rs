//! Finding the program from the module, and the module from the program: beside each other, as they are
//! built, else where an installation has them, which is fixed when they are built
//! (`KEYSTEAD_INSTALLED_PROGRAM` and `KEYSTEAD_INSTALLED_MODULE`, see `build.rs`). Neither `PATH` nor
//! anything else of the environment is asked.

use std::fmt;
use std::path::{Path, PathBuf};

/// The manufacturer that the module names as its own, its slots' and its tokens'.
pub const MANUFACTURER: &str = "Keystead";

/// The program, and where it is installed.
const PROGRAM: Part = Part { name: "keystead", installed: env!("KEYSTEAD_INSTALLED_PROGRAM") };

/// The module, and where it is installed.
const MODULE: Part = Part { name: "libkeystead.so", installed: env!("KEYSTEAD_INSTALLED_MODULE") };

/// A file of the installation.
struct Part {
    name: &'static str,
    /// Absolute paths, `:` between them; the first that is there counts.
    installed: &'static str,
}

/// A file that is at none of the places where it may be.
#[derive(Debug, PartialEq, Eq)]
pub struct Missing {
    name: &'static str,
    tried: Vec<PathBuf>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tried: Vec<_> = self.tried.iter().map(|path| path.display().to_string()).collect();
        write!(f, "there is no {} in any of its places: {}", self.name, tried.join(", "))
    }
}

/// Returns the program that is run as agent.
pub fn program() -> Result<PathBuf, Missing> {
    PROGRAM.find(own_file().as_deref())
}

/// Returns the PKCS#11 module.
pub fn module() -> Result<PathBuf, Missing> {
    MODULE.find(own_file().as_deref())
}

/// Returns whether one of the directories in which the module is installed, where p11-kit looks for relative
/// names, has a file of that name.
pub fn is_module_installed(name: &Path) -> bool {
    let mut folders = MODULE.installed.split(':').filter_map(|path| Path::new(path).parent());
    folders.any(|folder| folder.join(name).is_file())
}

impl Part {
    fn find(&self, own: Option<&Path>) -> Result<PathBuf, Missing> {
        let tried = self.places(own);
        match tried.iter().find(|path| path.is_file()) {
            Some(path) => Ok(path.clone()),
            None => Err(Missing { name: self.name, tried }),
        }
    }

    /// Returns its places, as seen from the file `own`, the best first.
    fn places(&self, own: Option<&Path>) -> Vec<PathBuf> {
        let beside = own.and_then(folder).map(|folder| folder.join(self.name));
        let mut places: Vec<_> =
            beside.into_iter().chain(self.installed.split(':').map(PathBuf::from)).collect();
        places.dedup();
        places
    }
}

/// Returns the folder of a file that was built. Cargo puts test programs one folder below the program
/// they belong to.
fn folder(file: &Path) -> Option<&Path> {
    let folder = file.parent()?;
    if folder.ends_with("deps") { folder.parent() } else { Some(folder) }
}

/// Finds the file this code was loaded from: the module, or the program it is part of. The kernel's list
/// of mappings has it absolute, even where the host gave another path to `dlopen`.
fn own_file() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    file_at(&maps, own_file as fn() -> Option<PathBuf> as usize)
}

fn file_at(maps: &str, address: usize) -> Option<PathBuf> {
    let line = maps.lines().find(|line| {
        let range = line.split(' ').next().and_then(|range| range.split_once('-'));
        range.is_some_and(|(start, end)| {
            let bound = |text| usize::from_str_radix(text, 16);
            bound(start).is_ok_and(|start| start <= address)
                && bound(end).is_ok_and(|end| address < end)
        })
    })?;
    let path = line.get(line.find('/')?..)?;
    Some(path.strip_suffix(" (deleted)").unwrap_or(path).into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{MODULE, Missing, PROGRAM, Part, file_at, own_file};
    use std::path::{Path, PathBuf};

    const OF_TEST: Part = Part { name: "part", installed: "/none/part:/proc/self/maps" };

    #[test]
    fn a_part_is_looked_for_beside_the_code_and_then_where_it_is_installed() {
        let of = |own: &str| OF_TEST.places(Some(Path::new(own)));
        let installed = ["/none/part", "/proc/self/maps"].map(PathBuf::from);
        assert_eq!(
            of("/usr/lib/libkeystead.so"),
            [&["/usr/lib/part".into()], &installed[..]].concat()
        );
        assert_eq!(of("/t/debug/deps/test-1").first(), Some(&"/t/debug/part".into()));
        assert_eq!(OF_TEST.places(None), installed);
        assert_eq!(of("/none/other"), installed, "none is tried twice");
    }

    #[test]
    fn the_first_that_is_there_counts() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("own");
        assert_eq!(OF_TEST.find(Some(&own)).unwrap(), Path::new("/proc/self/maps"));
        std::fs::write(folder.path().join("part"), "").unwrap();
        assert_eq!(OF_TEST.find(Some(&own)).unwrap(), folder.path().join("part"));
    }

    #[test]
    fn a_missing_part_says_where_it_was_sought() {
        let part = Part { name: "part", installed: "/none/part:/none/2/part" };
        let missing = part.find(Some(Path::new("/own/file"))).unwrap_err();
        let said = "there is no part in any of its places: /own/part, /none/part, /none/2/part";
        assert_eq!(missing.to_string(), said);
        assert_eq!(part.find(None), Err(Missing { name: "part", tried: part.places(None) }));
    }

    #[test]
    fn installed_paths_are_absolute_and_end_in_the_names() {
        for part in [PROGRAM, MODULE] {
            let fits = |path: &str| Path::new(path).is_absolute() && path.ends_with(part.name);
            assert!(part.installed.split(':').all(fits), "{}", part.installed);
        }
        assert_eq!(own_file(), std::env::current_exe().ok());
    }

    #[test]
    fn mappings_name_the_file_at_an_address() {
        let maps = "1000-2000 r-xp 00000000 fe:00 12    /usr/lib/a b.so (deleted)\n\
                    2000-3000 rw-p 00000000 00:00 0 \n";
        assert_eq!(file_at(maps, 0x1FFF), Some("/usr/lib/a b.so".into()));
        assert_eq!(file_at(maps, 0x2000), None);
        assert_eq!(file_at(maps, 0x0FFF), None);
    }
}
