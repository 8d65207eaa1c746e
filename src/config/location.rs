//! The place of a store's records, as people write it: a directory, or a URL whose scheme says which kind
//! of store it is.

use std::fmt;
use std::path::{Path, PathBuf};

/// The place of a store's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A directory of this machine, absolute.
    Directory(PathBuf),
}

impl Location {
    /// Parses `/directory` or `sled:///directory`. The error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let path = match text.split_once("://") {
            None => text,
            Some(("sled", path)) if path.starts_with('/') => path,
            Some(("sled", _)) => return Err(format!("{text:?} should be sled:///directory")),
            Some((scheme, _)) => {
                return Err(format!(
                    "{scheme}:// stores are not supported by this version; a directory or \
                     sled:///directory is"
                ));
            }
        };
        Self::of_directory(PathBuf::from(path)).map_err(|_| relative(Path::new(text)))
    }

    /// Returns the place of records in `directory`, which must be absolute: a relative one would name
    /// another place in every program.
    pub fn of_directory(directory: PathBuf) -> Result<Self, String> {
        match directory.is_absolute() {
            true => Ok(Self::Directory(directory)),
            false => Err(relative(&directory)),
        }
    }

    /// Returns whether both are one place, also where a link leads to it.
    pub(super) fn is(&self, other: &Self) -> bool {
        let real = |it: &Self| it.local().and_then(|directory| directory.canonicalize().ok());
        self == other || real(self).is_some_and(|place| real(other) == Some(place))
    }

    /// Returns the directory of this machine in which the records lie, if they do.
    pub fn local(&self) -> Option<&Path> {
        match self {
            Self::Directory(directory) => Some(directory),
        }
    }

    /// Returns the directory of the agent that serves these records: records of this machine lie in it.
    pub fn agent_directory(&self) -> &Path {
        match self {
            Self::Directory(directory) => directory,
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(directory) => directory.display().fmt(f),
        }
    }
}

/// Says that a path should be absolute.
pub(super) fn relative(path: &Path) -> String {
    format!("{path:?} is not an absolute path")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Location;
    use std::path::PathBuf;

    #[test]
    fn a_directory_is_a_location_with_and_without_its_scheme() {
        let there = Location::Directory(PathBuf::from("/there"));
        assert_eq!(Location::parse("/there").unwrap(), there);
        assert_eq!(Location::parse("sled:///there").unwrap(), there);
    }

    #[test]
    fn what_this_build_cannot_open_is_refused_with_what_it_can() {
        for (text, expected) in [
            ("etcd://a:2379,b:2379/keystead", "etcd:// stores are not supported"),
            ("redis:///there", "redis:// stores are not supported"),
            ("sled://there", "should be sled:///directory"),
            ("there", "\"there\" is not an absolute path"),
            ("", "\"\" is not an absolute path"),
        ] {
            let error = Location::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text:?} gives {error:?}");
        }
    }
}
