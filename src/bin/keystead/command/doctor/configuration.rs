//! Checks of the configuration, and of what tells clients where the module is.

use super::super::agent;
use super::finding::{Finding, note, problem, well};
use crate::Failure;
use crate::explain::{MODULE_HINT, quoted_path};
use keystead::internal::agent::outlets;
use keystead::internal::config::{Config, Log, MAX_SIZE, logging, trust};
use keystead::internal::installed::{self, is_module_installed};
use keystead::internal::plain_file;
use keystead::internal::sys::home_of;
use rustix::fs::{Access as May, access};
use rustix::process::geteuid;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The directories where p11-kit looks for modules.
const P11_KIT: [&str; 2] = ["/usr/share/p11-kit/modules", "/etc/pkcs11/modules"];

/// The configuration of a package that dpkg has unpacked and not yet configured.
const UNPACKED: &str = "/etc/keystead/config.toml.dpkg-new";

pub(super) fn findings(config: &Config) -> Vec<Finding> {
    let mut findings = vec![well(
        "configuration",
        match &config.file {
            Some(file) => format!("{}", file.display()),
            None => "no file, the defaults hold".to_owned(),
        },
    )];
    if let Some(Err(failure)) = config.group.as_deref().map(agent::group) {
        findings.push(problem("configuration", failure));
    }
    if let Some(why) = logging::refused() {
        let mend = "set it to stderr or to a file of your own, by its absolute path";
        findings.push(problem("log", Failure::new(why).hint(mend)));
    }
    let owner = config.directory.metadata().map_or(geteuid().as_raw(), |about| about.uid());
    // Only the owner, as whom it is run, and root see whether it can be.
    let judges = [0, owner].contains(&geteuid().as_raw());
    let program = config.on_event.as_deref().filter(|_| judges);
    findings.extend(program.and_then(|program| hook(config, program, owner)));
    let log = match &config.log {
        Some(Log::File(path)) => Some(path),
        Some(Log::Stderr) | None => None,
    };
    if let Some(socket) = config.audit_syslog.as_ref().filter(|_| owner == geteuid().as_raw())
        && !socket.metadata().is_ok_and(|about| about.file_type().is_socket())
    {
        let message = format_args!("{}: there is no socket", socket.display());
        let mend =
            "correct `audit_syslog`: it is where syslog or journald listens, usually /dev/log";
        findings.push(problem("audit_syslog", Failure::new(message).hint(mend)));
    }
    // The agent writes both as the store's owner; what it cannot write it says itself.
    let written = [("log", log), ("metrics", config.metrics.as_ref())];
    for (about, file) in written.into_iter().filter(|_| owner == geteuid().as_raw()) {
        if let Some(file) = file.filter(|file| file.is_dir()) {
            let message = format_args!("{}: it is a directory", file.display());
            findings.push(problem(
                about,
                Failure::new(message).hint(format_args!("correct `{about}`")),
            ));
        }
        let folder = file.and_then(|file| file.parent());
        if let Some(Err(error)) = folder.map(|folder| access(folder, May::WRITE_OK)) {
            let failure = Failure::of_file(folder.unwrap_or(Path::new("")), &error.into());
            findings.push(problem(
                about,
                failure.hint(format_args!("make the directory, or correct `{about}`")),
            ));
        }
    }
    findings
}

/// Finds what keeps the agent from running the program for events.
fn hook(config: &Config, program: &Path, owner: u32) -> Option<Finding> {
    let mend = match program.exists() {
        true => {
            "it is run as the store's owner: give it, and each directory and link on the way to it, to that user or \
             root, and take away the right of others to write (`chmod go-w`)"
        }
        false => "correct `on_event`",
    };
    let failure = outlets::check(program, owner).err().map(|error| Failure::new(error).hint(mend));
    let distrusted = config.file.iter().try_for_each(|it| trust::check_for(owner, it, "on_event"));
    let distrusted = distrusted.err().map(Failure::from);
    failure.or(distrusted).map(|failure| problem("on_event", failure))
}

/// Looks for the module and the agent's program, which are where the configuration says or where they are
/// installed.
pub(super) fn installation(config: &Config) -> Vec<Finding> {
    let named = [("module", &config.module), ("agent", &config.agent)];
    let elsewhere = named.into_iter().filter_map(|(key, path)| {
        let path = path.as_ref().filter(|path| !path.is_file())?;
        let message = format_args!("{key} is {}, which is not there", path.display());
        Some(Failure::new(message).hint(format_args!("correct `{key}` in the configuration")))
    });
    let wrong: Vec<_> = elsewhere.chain(modes(config)).collect();
    let missing = installed::module().err().filter(|_| config.module.is_none());
    let missing = missing.map(|missing| Failure::new(missing).hint(MODULE_HINT));
    let unfinished = Path::new(UNPACKED).exists().then(|| {
        Failure::new(
            "the package is unpacked and not configured: user, group and store are missing",
        )
        .hint("as root, `dpkg --configure keystead` finishes its installation")
    });
    let failures = wrong.into_iter().chain(missing).chain(unfinished);
    failures.map(|failure| problem("installation", failure)).collect()
}

/// Finds a module that not all who may use the store can load, and a program that runs as another user than its own.
fn modes(config: &Config) -> Vec<Failure> {
    let module = config.module.clone().or_else(|| installed::module().ok());
    let program = config.agent.clone().or_else(|| installed::program().ok());
    let mode = |path: &PathBuf| path.metadata().ok().map(|about| about.permissions().mode());
    let closed =
        module.filter(|it| config.group.is_some() && mode(it).is_some_and(|it| it & 0o004 == 0));
    let closed = closed.map(|module| {
        Failure::new(format_args!("{}: not every user can load this module", module.display()))
            .hint(format_args!("`chmod 644 {}`", quoted_path(&module)))
    });
    let raised = program.filter(|it| mode(it).is_some_and(|it| it & 0o6000 != 0));
    let raised = raised.map(|program| {
        let message = format_args!(
            "{}: it runs with its owner's rights, whoever starts it",
            program.display()
        );
        Failure::new(message).hint(format_args!("`chmod ug-s {}`", quoted_path(&program)))
    });
    closed.into_iter().chain(raised).collect()
}

/// Looks for p11-kit's module file, by which most programs find the module.
pub(super) fn clients() -> Finding {
    let folders = P11_KIT.iter().map(PathBuf::from).chain(own_modules());
    let mut files = folders.map(|folder| folder.join("keystead.module"));
    let Some(file) = files.find(|file| file.exists()) else {
        return note(
            "clients",
            "p11-kit does not know the module",
            "`keystead.module` in /usr/share/p11-kit/modules tells it; others name the module's path",
        );
    };
    let text = plain_file::read_text(&file, MAX_SIZE).unwrap_or_default();
    let module = text.lines().find_map(|line| line.strip_prefix("module:")).map(str::trim);
    match module.map(PathBuf::from) {
        Some(module) if !is_there(&module) => problem(
            "clients",
            Failure::new(format_args!(
                "{} names {}, which is not there",
                file.display(),
                module.display()
            ))
            .hint("correct its line `module:`, or install the module there"),
        ),
        Some(_) => well("clients", format!("p11-kit knows the module by {}", file.display())),
        None => problem(
            "clients",
            Failure::new(format_args!("{} names no module", file.display()))
                .hint("give it a line `module: /path/to/libkeystead.so`"),
        ),
    }
}

/// Returns the directory where p11-kit looks for this user's own modules.
fn own_modules() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    let home = || variable("HOME").or_else(|| home_of(geteuid().as_raw()));
    let configuration = variable("XDG_CONFIG_HOME").or_else(|| Some(home()?.join(".config")));
    Some(configuration?.join("pkcs11/modules"))
}

/// Returns whether p11-kit finds a module of that name.
fn is_there(module: &Path) -> bool {
    if module.is_absolute() { module.exists() } else { is_module_installed(module) }
}
