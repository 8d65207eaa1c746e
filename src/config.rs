//! The configuration: one TOML file, found by fixed rules, in which an unknown key is an error.
//!
//! The file is the one a program names (the reserved string of `C_Initialize`, `--config`), else
//! `KEYSTEAD_CONF`, else `keystead/config.toml` in the user's configuration directory, else
//! `/etc/keystead/config.toml`. `KEYSTEAD_STORE` takes the place of its `store`. Both variables hold
//! absolute paths: a relative one would name another place in every program. A set-uid program takes
//! nothing from its environment.

mod file;
mod fleet;
mod location;
pub(crate) mod logging;
mod surroundings;
pub(crate) mod trust;

pub(crate) use file::LogLevel;
pub use file::MAX_SIZE;
pub(crate) use fleet::{FleetLocation, TlsFiles};
pub(crate) use location::Location;

use crate::clock::Seconds;
use crate::error::{Error, Reason, Result};
use crate::file_names;
use file::File;
use location::relative;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use surroundings::Surroundings;

/// The configuration, with defaults for what the file leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The place of the store's records (`store`).
    pub store: Location,
    /// The agent's own directory, absolute: its socket, page, lock, cell file and audit log
    /// (`agent_directory`). Default: the directory of the records; a fleet has none.
    pub directory: PathBuf,
    /// The files by which this host shows etcd who it is (`etcd_ca`, `etcd_certificate`, `etcd_key`). Default: none.
    pub etcd_tls: Option<TlsFiles>,
    /// The seconds for which a fleet's host that is cut off goes on (`offline_grace`, 10 to 86,400). Default: 60.
    pub offline_grace: u64,
    /// The file this was read from; none where there is no file.
    pub file: Option<PathBuf>,
    /// The program to run as agent, absolute (`agent`); none: the one that is installed.
    pub agent: Option<PathBuf>,
    /// The module that the program loads, absolute (`module`); none: the one that is installed.
    pub module: Option<PathBuf>,
    /// Lets an idle agent stay as long as an expiry lies ahead (`linger`). Default: yes.
    pub linger: bool,
    /// The group, by name or number, whose members may use the store (`group`). Default: none.
    pub group: Option<String>,
    /// Makes the keys of new tokens custom keys (`custody`). Default: yes.
    pub custody: bool,
    /// The hours that erasing waits after an expiry, while the key is unusable already, in case the clock
    /// was wrong (`grace_hours`, 0 to 24). Default: none.
    pub grace_hours: u64,
    /// The Prometheus text file that the agent writes, absolute (`metrics`). Default: none.
    pub metrics: Option<PathBuf>,
    /// The program that the agent runs for each line of the audit log, absolute (`on_event`). Default: none.
    pub on_event: Option<PathBuf>,
    /// The socket of the system's log, which is sent each line of the audit log, absolute (`audit_syslog`). Default:
    /// none.
    pub audit_syslog: Option<PathBuf>,
    /// The destination of the log (`log`). Default: none in the module, standard error in the program.
    pub log: Option<Log>,
    /// The least that is logged (`log_level`). Default: warnings.
    pub log_level: LogLevel,
    /// Lets PKCS#1 v1.5 unwrap keys (`pkcs1_unwrap`). Default: no.
    pub pkcs1_unwrap: bool,
    /// Lets a key that may decrypt also wrap sensitive keys, and an AES key that may encrypt, decrypt or make a
    /// GMAC unwrap them (`mixed_wrapping`). Default: no.
    pub mixed_wrapping: bool,
    /// The least size of RSA keys that are made, imported and used, in bits (`rsa_minimum`, 1024 to
    /// 8192). Default: 2048.
    pub rsa_minimum: u64,
}

/// The environment variable that names the store.
pub const STORE_VARIABLE: &str = "KEYSTEAD_STORE";

/// The possible values of `rsa_minimum`: the sizes of RSA keys that the token computes with at all.
pub(crate) const RSA_MINIMUM: RangeInclusive<u64> = 1024..=8192;

/// The possible values of `offline_grace`, in seconds: from twice the time between two heartbeats to a day.
const OFFLINE_GRACE: RangeInclusive<u64> = 10..=86_400;

/// Erasing happens within 24 hours of an expiry, in any case.
const MOST_GRACE_HOURS: u64 = 24;

/// The destinations of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Log {
    /// Standard error.
    Stderr,
    /// The end of a file, absolute.
    File(PathBuf),
}

impl Log {
    /// Returns the file, where it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(file) => Some(file),
            Self::Stderr => None,
        }
    }
}

impl Config {
    /// The configuration of this process. `named` is a file that the caller names by an absolute path, as
    /// the reserved string of `C_Initialize` does; empty names nothing. Fails with [`Reason::BadConfiguration`].
    pub fn load(named: Option<&str>) -> Result<Self> {
        Self::load_in(&Surroundings::of_process(), named)
    }

    /// Loads the configuration like [`Self::load`], with the store in `directory` instead of the
    /// configured one, as the program's `--store` has it.
    pub fn load_with_store(named: Option<&str>, directory: &str) -> Result<Self> {
        Location::parse(directory).map_err(|why| bad(format_args!("--store: {why}")))?;
        let surroundings =
            Surroundings { store: Some(directory.into()), ..Surroundings::of_process() };
        Self::load_in(&surroundings, named)
    }

    fn load_in(surroundings: &Surroundings, named: Option<&str>) -> Result<Self> {
        let path = find(surroundings, named)?;
        let file = path.as_deref().map(File::read).transpose()?.unwrap_or_default();
        Self::resolve(surroundings, path, file)
    }

    fn resolve(around: &Surroundings, path: Option<PathBuf>, file: File) -> Result<Self> {
        let wrong = |key: &str, why: String| {
            let path = path.as_deref().unwrap_or(Path::new("")).display();
            bad(format_args!("{path}: {key}: {why}"))
        };
        let in_file = |key: &str, value: String| absolute(value).map_err(|why| wrong(key, why));
        let configured = match &file.store {
            Some(store) => Location::parse(store).map_err(|why| wrong("store", why)),
            None => default_store(around).map(Location::Directory),
        };
        let names_store = file.store.is_some();
        let (store, is_configured) = match &around.store {
            Some(named) => {
                let store = from_environment(named)?;
                let is_configured = configured.is_ok_and(|configured| configured.is(&store));
                (store, is_configured)
            }
            None => (configured?, true),
        };
        let agent_directory = file.agent_directory;
        let directory = agent_directory.map(|it| in_file("agent_directory", it)).transpose()?;
        let log = match file.log {
            Some(log) if log == "stderr" => Some(Log::Stderr),
            log => log.map(|log| in_file("log", log)).transpose()?.map(Log::File),
        };
        let within = |key: &str, value: u64, bounds: RangeInclusive<u64>| match value {
            value if bounds.contains(&value) => Ok(value),
            value => {
                let (path, (least, most)) =
                    (path.as_deref().unwrap_or(Path::new("")).display(), bounds.into_inner());
                Err(bad(format_args!("{path}: {key}: {value} is not between {least} and {most}")))
            }
        };
        // Where the file names a store they are told of no other: of one that is restored for practice, say.
        let of_this = |key: &str, value: Option<String>| {
            value
                .map(|it| in_file(key, it))
                .transpose()
                .map(|it| it.filter(|_| is_configured || !names_store))
        };
        let (metrics, on_event, audit_syslog) = (
            of_this("metrics", file.metrics)?,
            of_this("on_event", file.on_event)?,
            of_this("audit_syslog", file.audit_syslog)?,
        );
        let files = [file.etcd_ca, file.etcd_certificate, file.etcd_key];
        let etcd_tls = tls_files(files, &in_file)?;
        let own = directory.filter(|_| is_configured).or_else(|| store.local().map(Path::to_owned));
        let directory = own.ok_or_else(|| wrong("agent_directory", no_directory(&store)))?;
        let store = match store {
            Location::Fleet(fleet) => {
                let fleet = fleet.on_host(directory.clone(), etcd_tls.clone());
                Location::Fleet(fleet.map_err(|why| wrong("store", why))?)
            }
            local @ Location::Directory(_) => local,
        };
        for (key, path) in
            [("metrics", metrics.as_deref()), ("log", log.as_ref().and_then(Log::file))]
        {
            let own = [Some(directory.as_path()), store.local()];
            if let Some(path) = path.filter(|path| {
                own.into_iter().flatten().any(|own| file_names::is_of_store(path, own))
                    || file_names::is_of_any_store(path)
            }) {
                return Err(wrong(key, format!("{} is a store's own", path.display())));
            }
        }
        Ok(Self {
            offline_grace: within("offline_grace", file.offline_grace, OFFLINE_GRACE)?,
            etcd_tls,
            grace_hours: within("grace_hours", file.grace_hours, 0..=MOST_GRACE_HOURS)?,
            rsa_minimum: within("rsa_minimum", file.rsa_minimum, RSA_MINIMUM)?,
            directory,
            store,
            agent: file.agent.map(|agent| in_file("agent", agent)).transpose()?,
            module: file.module.map(|module| in_file("module", module)).transpose()?,
            metrics,
            on_event,
            audit_syslog,
            linger: file.linger,
            group: file.group,
            custody: file.custody,
            log,
            log_level: file.log_level,
            pkcs1_unwrap: file.pkcs1_unwrap,
            mixed_wrapping: file.mixed_wrapping,
            file: path,
        })
    }
}

impl Config {
    /// The time that erasing waits, in seconds.
    pub fn erase_grace(&self) -> Seconds {
        self.grace_hours * 3600
    }
}

/// Returns the files of a TLS client, of which all or none must be named.
fn tls_files(
    files: [Option<String>; 3],
    in_file: &impl Fn(&str, String) -> Result<PathBuf>,
) -> Result<Option<TlsFiles>> {
    match files {
        [None, None, None] => Ok(None),
        [Some(authorities), Some(certificate), Some(key)] => Ok(Some(TlsFiles {
            authorities: in_file("etcd_ca", authorities)?,
            certificate: in_file("etcd_certificate", certificate)?,
            key: in_file("etcd_key", key)?,
        })),
        _ => Err(bad("etcd_ca, etcd_certificate and etcd_key are set together")),
    }
}

/// Says that a fleet's store needs a directory of this machine beside it.
fn no_directory(store: &Location) -> String {
    format!(
        "{store} needs one: a fleet's host keeps socket, lock, erase cells and audit log in a directory of its own, \
         which is set beside this `store`"
    )
}

/// The first file that is named, absolute, or else exists. One that is named and missing is an error when
/// read.
fn find(around: &Surroundings, named: Option<&str>) -> Result<Option<PathBuf>> {
    let named = named.filter(|named| !named.is_empty()).map(PathBuf::from);
    if let Some(file) = named.or_else(|| around.conf.clone()) {
        return match file.is_absolute() {
            true => Ok(Some(file)),
            false => Err(bad(format_args!("the configuration file {}", relative(&file)))),
        };
    }
    let candidates = [around.user_file(), Some(around.system_file.clone())];
    for file in candidates.into_iter().flatten() {
        match file.try_exists() {
            Ok(true) => return Ok(Some(file)),
            Ok(false) => {}
            // A process that has become another user may still have the first one's HOME.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
            Err(error) => return Err(bad(format_args!("{}: {error}", file.display()))),
        }
    }
    Ok(None)
}

/// Parses a path as written in a file.
fn absolute(text: String) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_absolute() { Ok(path) } else { Err(relative(&path)) }
}

/// Parses a store's place as given in the environment. Like one in a file it names the same place for
/// every program, wherever that runs.
fn from_environment(text: &OsStr) -> Result<Location> {
    let location = match text.to_str() {
        Some(text) => Location::parse(text),
        None => Location::of_directory(PathBuf::from(text)),
    };
    location.map_err(|why| bad(format_args!("{STORE_VARIABLE}: {why}")))
}

fn default_store(around: &Surroundings) -> Result<PathBuf> {
    if around.root {
        return Ok("/var/lib/keystead".into());
    }
    around.data_directory().map(|data| data.join("keystead")).ok_or_else(|| {
        bad("no store is configured, and this user has no home directory to keep one in")
    })
}

fn bad(why: impl std::fmt::Display) -> Error {
    Reason::BadConfiguration.detail(why)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::{Config, Location, Log, LogLevel, Surroundings};
    use crate::error::Reason;
    use std::path::{Path, PathBuf};

    /// A user's surroundings in an empty directory of its own.
    struct Home(tempfile::TempDir);

    impl Home {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.path(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            path
        }

        fn surroundings(&self) -> Surroundings {
            Surroundings {
                home: Some(self.path("home")),
                system_file: self.path("etc/keystead/config.toml"),
                ..Surroundings::default()
            }
        }

        fn store(&self, around: &Surroundings, named: Option<&str>) -> PathBuf {
            Config::load_in(around, named).unwrap().directory
        }
    }

    fn load(text: &str) -> Result<Config, String> {
        let home = Home::new();
        let file = home.write("config.toml", text);
        Config::load_in(&home.surroundings(), file.to_str()).map_err(|error| {
            assert_eq!(error.reason(), Reason::BadConfiguration);
            error.to_string()
        })
    }

    #[test]
    fn the_first_of_the_files_wins() {
        let home = Home::new();
        let mut around = home.surroundings();
        home.write("etc/keystead/config.toml", "store = '/system'");
        assert_eq!(home.store(&around, None), Path::new("/system"));
        home.write("home/.config/keystead/config.toml", "store = '/user'");
        assert_eq!(home.store(&around, None), Path::new("/user"));
        home.write("xdg/keystead/config.toml", "store = '/xdg'");
        around.config_home = Some(home.path("xdg"));
        assert_eq!(home.store(&around, None), Path::new("/xdg"));
        around.conf = Some(home.write("conf", "store = '/conf'"));
        assert_eq!(home.store(&around, None), Path::new("/conf"));
        let named = home.write("named", "store = '/named'");
        assert_eq!(home.store(&around, named.to_str()), Path::new("/named"));
        assert_eq!(home.store(&around, Some("")), Path::new("/conf"));
        around.store = Some("/variable".into());
        assert_eq!(home.store(&around, named.to_str()), Path::new("/variable"));
    }

    #[test]
    fn a_fleets_host_has_a_directory_of_its_own_and_shows_etcd_who_it_is() {
        let fleet = "store = 'etcd://a:1,b:1/k/prod'\nagent_directory = '/own'\n";
        let tls = "etcd_ca = '/ca'\netcd_certificate = '/c'\netcd_key = '/k'\n";
        let config = load(&format!("{fleet}{tls}offline_grace = 90")).unwrap();
        assert_eq!((config.directory.as_path(), config.offline_grace), (Path::new("/own"), 90));
        let Location::Fleet(store) = &config.store else { panic!("{config:?}") };
        assert_eq!((store.directory(), store.tls()), (Path::new("/own"), config.etcd_tls.as_ref()));
        for (text, expected) in [
            (fleet.to_owned(), "reached by TLS only; set etcd_ca, etcd_certificate and etcd_key"),
            (
                format!("{fleet}etcd_ca = '/ca'"),
                "etcd_ca, etcd_certificate and etcd_key are set together",
            ),
            (
                format!("{fleet}{}", tls.replace("'/k'", "'k'")),
                "etcd_key: \"k\" is not an absolute path",
            ),
            (
                format!("store = 'etcd://localhost:1/k'\n{tls}"),
                "agent_directory: etcd://localhost:1/k needs one",
            ),
            (
                "store = 'etcd://localhost/k'".to_owned(),
                "should be etcd://host:port,host:port/prefix",
            ),
            (
                format!("{fleet}{tls}offline_grace = 9"),
                "offline_grace: 9 is not between 10 and 86400",
            ),
        ] {
            let error = load(&text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let home = Home::new();
        let file = home.write("named", &format!("{fleet}{tls}"));
        let around = |url: &str| Surroundings { store: Some(url.into()), ..home.surroundings() };
        let load = |url| Config::load_in(&around(url), file.to_str());
        assert_eq!(load("etcd://a:1,b:1/k/prod").unwrap().directory, Path::new("/own"));
        let other = load("etcd://a:1,b:1/k/test").unwrap_err().to_string();
        assert!(other.contains("agent_directory"), "the directory is of another fleet: {other}");
    }

    #[test]
    fn who_is_told_of_events_is_told_of_the_store_that_the_file_names_alone() {
        let told = "metrics = '/m'\non_event = '/e'\naudit_syslog = '/s'\n";
        let of = |store: &str, named: Option<&str>| {
            let home = Home::new();
            let file = home.write("config.toml", &format!("{store}{told}"));
            let store = named.map(Into::into);
            let around = Surroundings { store, ..home.surroundings() };
            let config = Config::load_in(&around, file.to_str()).unwrap();
            [config.metrics, config.on_event, config.audit_syslog].map(|path| path.is_some())
        };
        for (store, named, expected) in [
            ("store = '/own'\n", None, true),
            ("store = '/own'\n", Some("/own"), true),
            ("store = '/own'\n", Some("/restored"), false),
            ("", Some("/any"), true),
        ] {
            assert_eq!(of(store, named), [expected; 3], "{store} {named:?}");
        }
    }

    #[test]
    fn neither_figures_nor_the_log_are_written_over_a_stores_own_files() {
        for text in [
            "store = '/s'\nmetrics = '/s/slots'",
            "store = '/s'\nmetrics = '/s/audit/m.prom'",
            "store = '/s'\nlog = '/s/db/db'",
            "store = '/s'\nagent_directory = '/a'\nmetrics = '/a/generations'",
        ] {
            assert!(load(text).unwrap_err().contains("a store's own"), "{text}");
        }
        load("store = '/s'\nmetrics = '/s/figures.prom'\nlog = '/s/log'").unwrap();
    }

    #[test]
    fn a_named_file_that_is_missing_is_an_error_that_names_it() {
        let home = Home::new();
        let mut around = home.surroundings();
        let missing = home.path("missing.toml");
        around.conf = Some(missing.clone());
        let by_variable = Config::load_in(&around, None).unwrap_err();
        let by_caller = Config::load_in(&home.surroundings(), missing.to_str()).unwrap_err();
        for error in [by_variable, by_caller] {
            assert_eq!(error.reason(), Reason::BadConfiguration);
            assert!(error.to_string().contains("missing.toml"), "{error}");
        }
    }

    #[test]
    fn without_a_file_the_defaults_hold() {
        let home = Home::new();
        let config = Config::load_in(&home.surroundings(), None).unwrap();
        assert_eq!(config.directory, home.path("home/.local/share/keystead"));
        assert_eq!((config.file, config.agent, config.group, config.log), (None, None, None, None));
        assert_eq!(
            (config.linger, config.custody, config.pkcs1_unwrap, config.log_level),
            (true, true, false, LogLevel::Warn)
        );
        let data = Surroundings { data_home: Some("/data".into()), ..home.surroundings() };
        assert_eq!(home.store(&data, None), Path::new("/data/keystead"));
        let root = Surroundings { root: true, ..home.surroundings() };
        assert_eq!(home.store(&root, None), Path::new("/var/lib/keystead"));
        let homeless = Surroundings { home: None, ..home.surroundings() };
        assert!(Config::load_in(&homeless, None).is_err());
    }

    #[test]
    fn every_key_is_read() {
        let config = load(
            "store = 'sled:///s'\nagent = '/bin/k'\nmodule = '/lib/k'\nlinger = false\ngroup = 'keys'\ncustody = false\n\
             log = 'stderr'\nlog_level = 'debug'\npkcs1_unwrap = true\ngrace_hours = 24\n\
             rsa_minimum = 1024\non_event = '/bin/hook'\naudit_syslog = '/dev/log'",
        )
        .unwrap();
        assert_eq!(config.on_event.as_deref(), Some(Path::new("/bin/hook")));
        assert_eq!(config.audit_syslog.as_deref(), Some(Path::new("/dev/log")));
        assert_eq!(config.directory, Path::new("/s"));
        assert_eq!(config.store, Location::Directory("/s".into()));
        assert_eq!(config.erase_grace(), 86_400);
        assert_eq!(config.agent.as_deref(), Some(Path::new("/bin/k")));
        assert_eq!(config.module.as_deref(), Some(Path::new("/lib/k")));
        assert_eq!(config.group.as_deref(), Some("keys"));
        assert_eq!((config.log, config.log_level), (Some(Log::Stderr), LogLevel::Debug));
        assert_eq!((config.linger, config.custody, config.pkcs1_unwrap), (false, false, true));
        assert_eq!((config.rsa_minimum, load("").unwrap().rsa_minimum), (1024, 2048));
        assert_eq!(load("log = '/l'").unwrap().log, Some(Log::File("/l".into())));
    }

    #[test]
    fn the_agents_directory_is_that_of_the_store_that_the_file_names_and_of_no_other() {
        let home = Home::new();
        home.write("etc/keystead/config.toml", "store = '/records'\nagent_directory = '/agent'");
        let directory = |store: Option<&str>| {
            let around = Surroundings { store: store.map(Into::into), ..home.surroundings() };
            let config = Config::load_in(&around, None).unwrap();
            (config.store.to_string(), config.directory)
        };
        assert_eq!(directory(None), ("/records".to_owned(), "/agent".into()));
        assert_eq!(directory(Some("sled:///records")), ("/records".to_owned(), "/agent".into()));
        assert_eq!(directory(Some("/other")), ("/other".to_owned(), "/other".into()));
    }

    #[test]
    fn a_wrong_file_is_refused_with_key_file_and_line() {
        for (text, expected) in [
            ("linger = true\n\nstorre = '/s'", "config.toml, line 3: unknown field `storre`"),
            ("\nlinger = 'yes'", "config.toml, line 2: invalid type: string \"yes\""),
            ("grace_hours = 25", "config.toml: grace_hours: 25 is not between 0 and 24"),
            ("rsa_minimum = 1023", "config.toml: rsa_minimum: 1023 is not between 1024 and 8192"),
            ("rsa_minimum = 8193", "config.toml: rsa_minimum: 8193 is not between 1024 and 8192"),
            ("linger =", "config.toml, line 1: "),
            ("log_level = 'loud'", "config.toml, line 1: unknown variant `loud`"),
            ("store = 'relative'", "config.toml: store: \"relative\" is not an absolute path"),
            (
                "agent_directory = 'a'",
                "config.toml: agent_directory: \"a\" is not an absolute path",
            ),
            ("agent = 'keystead'", "config.toml: agent: \"keystead\" is not an absolute path"),
            ("store = 'redis://host'", "config.toml: store: redis:// stores are not supported"),
            ("store = 'sled://s'", "config.toml: store: \"sled://s\" should be sled:///directory"),
        ] {
            let error = load(text).unwrap_err();
            assert!(error.contains(expected), "{text:?} gives {error:?}");
        }
    }

    #[test]
    fn a_relative_path_in_the_environment_names_nothing() {
        let home = Home::new();
        let store = |text: &str| {
            let around = Surroundings { store: Some(text.into()), ..home.surroundings() };
            Config::load_in(&around, None).map(|config| config.directory)
        };
        assert_eq!(store("/here").unwrap(), Path::new("/here"));
        assert_eq!(store("sled:///there").unwrap(), Path::new("/there"));
        for wrong in ["here", "./here", "~/here", ".", "sled://here", "etcd://host", "sled:here"] {
            let error = store(wrong).unwrap_err();
            assert_eq!(error.reason(), Reason::BadConfiguration);
            assert!(error.to_string().contains(wrong.split("://").next().unwrap()), "{error}");
        }
        let conf = Surroundings { conf: Some("conf.toml".into()), ..home.surroundings() };
        for refused in [Config::load_in(&conf, None), Config::load_in(&conf, Some("named.toml"))] {
            assert!(refused.unwrap_err().to_string().ends_with("is not an absolute path"));
        }
    }
}
