//! What a process finds around itself: the part of the environment that counts, its user, its home.

use crate::sys;
use std::ffi::OsString;
use std::path::PathBuf;

/// An argument, so that tests can put a process anywhere.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    /// `KEYSTEAD_CONF`.
    pub conf: Option<PathBuf>,
    /// `KEYSTEAD_STORE`.
    pub store: Option<OsString>,
    /// `XDG_CONFIG_HOME`, where it is absolute as its specification wants.
    pub config_home: Option<PathBuf>,
    /// `XDG_DATA_HOME`, likewise.
    pub data_home: Option<PathBuf>,
    /// `HOME`, else what the system's user database says.
    pub home: Option<PathBuf>,
    /// Whether the user is root.
    pub root: bool,
    /// The system's configuration file.
    pub system_file: PathBuf,
}

impl Surroundings {
    pub(super) fn of_process() -> Self {
        let privileged = sys::is_privileged();
        let variable =
            |name| std::env::var_os(name).filter(|value| !privileged && !value.is_empty());
        let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let user = rustix::process::geteuid();
        Self {
            conf: variable("KEYSTEAD_CONF").map(PathBuf::from),
            store: variable("KEYSTEAD_STORE"),
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
