//! `keystead systemd`: the units that let systemd start the agent at a connection, and sweep
//! every hour.

use crate::whole_file::replace;
use crate::{Failure, Global, output};
use keystead::internal::config::{Config, Log};
use keystead::internal::file_names::CELLS;
use keystead::internal::wire::socket;
use serde_json::{Map, Value};
use std::fmt::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Print systemd units: the agent, started at the first connection, and an hourly sweep
///
/// With --out they are written to a directory: /etc/systemd/system, or ~/.config/systemd/user with
/// --user. Then: systemctl [--user] daemon-reload, and enable --now keystead.socket and
/// keystead-sweep.timer. The system's units run as the owner of the store, root where there is none.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Units for the user's own service manager
    #[arg(long)]
    user: bool,
    /// The user who owns the store, by name or number [default: its directory's owner, else root]
    #[arg(long, value_name = "USER", conflicts_with = "user")]
    owner: Option<String>,
    /// Write the units into that directory
    #[arg(long, short, alias = "output", value_name = "DIRECTORY")]
    out: Option<PathBuf>,
}

/// The confinement that holds in the user's service manager too: the kernel filters the process's own
/// calls.
const CONFINED: &str = "\
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
";

/// The confinement that takes the system's service manager.
const SYSTEM_CONFINED: &str = "\
PrivateDevices=yes
PrivateNetwork=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=read-only
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectSystem=strict
";

/// The user as whom a unit runs that names none.
const ROOT: [&str; 2] = ["root", "0"];

const TIMER: &str = "\
[Unit]
Description=Keystead: erase hourly what is due

[Timer]
OnCalendar=hourly
Persistent=yes

[Install]
WantedBy=timers.target
";

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let units = Units::of(&global.configuration()?, self.user, self.owner)?.all();
        match self.out {
            Some(directory) => write_all(global, &directory, &units)?,
            None if !global.json => {
                return units
                    .iter()
                    .try_for_each(|(name, text)| output::line(format_args!("# {name}\n{text}")));
            }
            None => {}
        }
        match global.json {
            true => {
                let report = units.into_iter().map(|(name, text)| (name.to_owned(), text.into()));
                output::done_json(&report.collect::<Map<String, Value>>())
            }
            false => {
                units.iter().try_for_each(|(name, _)| output::done(format_args!("wrote {name}")))
            }
        }
    }
}

fn write_all(global: &Global, directory: &Path, units: &[(&str, String)]) -> Result<(), Failure> {
    for (name, text) in units {
        replace(global, &directory.join(name), text.as_bytes())?;
    }
    Ok(())
}

/// The values that differ from one store to another; paths as a unit has them, unquoted.
struct Units {
    program: String,
    /// The agent's directory.
    directory: String,
    store: String,
    /// The directory of the records, where they lie on this machine.
    records: Option<String>,
    configuration: Option<String>,
    /// The store's owner, where the system's service manager is to run as another user than root.
    owner: Option<String>,
    group: Option<String>,
    /// The folders in which the agent writes files beside the store's.
    others: Vec<String>,
    user: bool,
}

impl Units {
    fn of(config: &Config, user: bool, owner: Option<String>) -> Result<Self, Failure> {
        let found = || config.directory.metadata().ok().map(|folder| folder.uid().to_string());
        let owner = owner.or_else(found);
        let log = match &config.log {
            Some(Log::File(file)) => Some(file),
            Some(Log::Stderr) | None => None,
        };
        let others = config.metrics.iter().chain(log).filter_map(|file| file.parent());
        Ok(Self {
            program: in_unit(&std::env::current_exe()?)?,
            directory: in_unit(&config.directory)?,
            store: in_unit(Path::new(&config.store.to_string()))?,
            records: config.store.local().map(in_unit).transpose()?,
            configuration: config.file.as_deref().map(in_unit).transpose()?,
            owner: owner.filter(|owner| !user && !ROOT.contains(&owner.as_str())),
            group: config.group.clone(),
            others: others.map(in_unit).collect::<Result<_, _>>()?,
            user,
        })
    }

    fn all(&self) -> [(&'static str, String); 4] {
        [
            ("keystead.socket", self.socket()),
            ("keystead.service", self.agent()),
            ("keystead-sweep.service", self.sweep()),
            ("keystead-sweep.timer", TIMER.to_owned()),
        ]
    }

    fn socket(&self) -> String {
        let (directory, name) = (&self.directory, socket::NAME);
        let mut text = format!(
            "[Unit]\nDescription=Keystead: socket of the agent\n\n[Socket]\n\
             ListenStream={directory}/{name}\nDirectoryMode=0700\n"
        );
        let owner = self.owner.as_ref().map(|owner| format!("SocketUser={owner}\n"));
        text.push_str(&owner.unwrap_or_default());
        match &self.group {
            Some(group) => {
                let _written = writeln!(text, "SocketGroup={group}\nSocketMode=0660");
            }
            None => text.push_str("SocketMode=0600\n"),
        }
        text + "\n[Install]\nWantedBy=sockets.target\n"
    }

    fn agent(&self) -> String {
        let unit = "[Unit]\nDescription=Keystead: agent\nRequires=keystead.socket\n\
            After=keystead.socket\n\n[Service]\nType=exec\n";
        format!("{unit}{}{}", self.command("agent"), self.confinement())
    }

    fn sweep(&self) -> String {
        // Before a store is made there is nothing to erase.
        let unit = format!(
            "[Unit]\nDescription=Keystead: erase what is due\nConditionPathExists={}/{CELLS}\n\
             Requires=keystead.socket\nAfter=keystead.socket\n\n[Service]\nType=oneshot\n",
            self.directory
        );
        format!("{unit}{}{}", self.command("sweep"), self.confinement())
    }

    fn command(&self, command: &str) -> String {
        let quoted = |path: &str| format!("\"{}\"", path.replace('$', "$$"));
        let (program, store) = (quoted(&self.program), quoted(&self.store));
        let configuration = self.configuration.as_deref().map(quoted);
        let configuration = configuration.map(|file| format!(" --config {file}"));
        format!(
            "ExecStart={program} {command} --store {store}{}\n",
            configuration.unwrap_or_default()
        )
    }

    fn confinement(&self) -> String {
        if self.user {
            return CONFINED.to_owned();
        }
        let owner = self.owner.as_ref().map(|owner| format!("User={owner}\n"));
        let owner = owner.unwrap_or_default();
        let records = self.records.as_ref().filter(|records| **records != self.directory);
        let own = std::iter::once(&self.directory).chain(records);
        let own = own.map(|folder| format!("\"{folder}\""));
        // One that is not there keeps no agent from its store.
        let others = self.others.iter().map(|folder| format!("\"-{folder}\""));
        let folders: Vec<_> = own.chain(others).collect();
        // Root gives the store's files to the group, which takes a capability without being a member.
        let gives = self.group.is_some() && self.owner.is_none();
        let capabilities = if gives { "CAP_CHOWN" } else { "" };
        format!(
            "{owner}{CONFINED}{SYSTEM_CONFINED}CapabilityBoundingSet={capabilities}\n\
             ReadWritePaths={}\n",
            folders.join(" ")
        )
    }
}

/// A path as it stands in a unit. What would take more than doubling a percent sign is refused.
fn in_unit(path: &Path) -> Result<String, Failure> {
    let plain =
        |text: &&str| !text.contains(|it: char| it.is_control() || matches!(it, '"' | '\\'));
    match path.to_str().filter(plain) {
        Some(text) => Ok(text.replace('%', "%%")),
        None => Err(Failure::new(format_args!("{path:?} cannot stand in a unit file"))
            .hint("choose a path without quotes, backslashes and control characters")),
    }
}
