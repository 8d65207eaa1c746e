//! The place of a store's records, as people write it: a directory, or a URL whose scheme says which kind
//! of store it is.

use super::fleet::{self, FleetLocation};
use std::fmt;
use std::path::{Path, PathBuf};

/// The place of a store's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A directory of this machine, absolute.
    Directory(PathBuf),
    /// An etcd, which several hosts share.
    Fleet(FleetLocation),
}

impl Location {
    /// Parses `/directory`, `sled:///directory` or `etcd://host:port,host:port/prefix`. The error says what is wrong
    /// with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let path = match text.split_once("://") {
            None => text,
            Some(("sled", path)) if path.starts_with('/') => path,
            Some(("sled", _)) => return Err(format!("{text:?} should be sled:///directory")),
            Some((fleet::SCHEME, _)) => return FleetLocation::parse(text).map(Self::Fleet),
            Some((scheme, _)) => {
                return Err(format!(
                    "{scheme}:// stores are not supported by this version; a directory, \
                     sled:///directory and etcd://host:port/prefix are"
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
        match (self, other) {
            (Self::Fleet(one), Self::Fleet(other)) => one.is(other),
            _ => self == other || real(self).is_some_and(|place| real(other) == Some(place)),
        }
    }

    /// Returns the directory of this machine in which the records lie, if they do.
    pub fn local(&self) -> Option<&Path> {
        match self {
            Self::Directory(directory) => Some(directory),
            Self::Fleet(_) => None,
        }
    }

    /// Returns true where several hosts share the records.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Fleet(_))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(directory) => directory.display().fmt(f),
            Self::Fleet(fleet) => fleet.fmt(f),
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
    fn a_fleet_is_shown_as_it_was_written_and_lies_on_no_directory() {
        let url = "etcd://a:2379,b:2379/keystead";
        let fleet = Location::parse(url).unwrap();
        assert_eq!((fleet.to_string().as_str(), fleet.local()), (url, None));
        assert!(fleet.is_shared() && fleet.is(&Location::parse(url).unwrap()));
        assert!(!fleet.is(&Location::parse("etcd://a:2379,b:2379/other").unwrap()));
    }

    #[test]
    fn what_this_build_cannot_open_is_refused_with_what_it_can() {
        for (text, expected) in [
            ("etcd://a:2379", "should be etcd://host:port,host:port/prefix"),
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
