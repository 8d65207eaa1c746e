//! The surroundings of a process: the part of the environment that counts, its user, its home.

use crate::sys;
use rustix::process::{Uid, geteuid};
use std::ffi::OsString;
use std::path::PathBuf;

/// An argument, so that tests can put a process anywhere.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    /// The variable `KEYSTEAD_CONF`.
    pub conf: Option<PathBuf>,
    /// The variable `KEYSTEAD_STORE`.
    pub store: Option<OsString>,
    /// The variable `XDG_CONFIG_HOME`, where it is absolute as its specification wants.
    pub config_home: Option<PathBuf>,
    /// The variable `XDG_DATA_HOME`, likewise.
    pub data_home: Option<PathBuf>,
    /// The variable `HOME`, else the home in the system's user database.
    pub home: Option<PathBuf>,
    /// Set where the user is root.
    pub root: bool,
    /// The system's configuration file.
    pub system_file: PathBuf,
}

impl Surroundings {
    pub(super) fn of_process() -> Self {
        let trusted = !sys::is_privileged();
        Self::of(geteuid(), |name| std::env::var_os(name).filter(|_| trusted))
    }

    /// Reads the surroundings of `user`; `variable` is the environment, as far as it can be trusted.
    fn of(user: Uid, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let variable = |name| variable(name).filter(|value| !value.is_empty());
        let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        Self {
            conf: variable("KEYSTEAD_CONF").map(PathBuf::from),
            store: variable(super::STORE_VARIABLE),
            config_home: absolute("XDG_CONFIG_HOME"),
            data_home: absolute("XDG_DATA_HOME"),
            home: absolute("HOME").or_else(|| sys::home_of(user.as_raw())),
            root: user.is_root(),
            system_file: "/etc/keystead/config.toml".into(),
        }
    }

    pub(super) fn user_file(&self) -> Option<PathBuf> {
        let folder = self.config_home.clone().or_else(|| Some(self.home.as_ref()?.join(".config")));
        Some(folder?.join("keystead/config.toml"))
    }

    pub(super) fn data_directory(&self) -> Option<PathBuf> {
        self.data_home.clone().or_else(|| Some(self.home.as_ref()?.join(".local/share")))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Surroundings;
    use rustix::process::Uid;
    use std::path::Path;

    #[test]
    fn what_is_empty_or_relative_where_it_may_not_be_does_not_count() {
        let of = |value: &'static str| Surroundings::of(Uid::ROOT, |_| Some(value.into()));
        let empty = of("");
        assert_eq!((empty.conf, empty.store, empty.config_home), (None, None, None));
        let relative = of("here");
        assert_eq!((relative.config_home, relative.data_home), (None, None));
        assert_eq!(relative.store.unwrap(), "here");
        assert_eq!(of("/there").user_file().unwrap(), Path::new("/there/keystead/config.toml"));
    }

    #[test]
    fn without_an_environment_there_is_a_home_all_the_same() {
        let bare = Surroundings::of(Uid::ROOT, |_| None);
        let home = crate::sys::home_of(0).unwrap();
        assert!(bare.root && bare.conf.is_none() && bare.store.is_none());
        assert_eq!(bare.user_file().unwrap(), home.join(".config/keystead/config.toml"));
        assert_eq!(bare.data_directory().unwrap(), home.join(".local/share"));
    }
}
