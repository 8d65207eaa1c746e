//! Checks of the files of a store, and of the file systems that hold them.

use super::super::directory::check_writers;
use super::super::{agent, rights};
use super::finding::{Finding, note, problem, well};
use crate::{Failure, serving};
use keystead::internal::agent::{check_file_system, check_records};
use keystead::internal::config::Config;
use keystead::internal::installed;
use keystead::internal::presence::by_owner;
use keystead::internal::store::cells::{self, Extent};
use keystead::internal::store::check_snapshot;
use keystead::internal::sys::{name_of, name_of_group};
use keystead::internal::wire::socket;
use rustix::process::geteuid;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A store with less room than this, in bytes, soon refuses new keys.
const LEAST_ROOM: u64 = 64 << 20;

/// File systems that write copies, so that overwriting erases nothing, by their magic numbers.
const COPYING: [(u64, &str); 4] = [
    (0x9123_683E, "btrfs"),
    (0x2FC1_2FC1, "zfs"),
    (0xCA45_1A4E, "bcachefs"),
    (0x794C_7630, "overlayfs"),
];

pub(super) fn findings(config: &Config) -> Vec<Finding> {
    let directory = &config.directory;
    let metadata = match fs::metadata(directory) {
        Ok(metadata) => metadata,
        Err(error) => return vec![problem("store", Failure::of_file(directory, &error))],
    };
    if let Err(failure) = check_writers(directory, &metadata) {
        return vec![problem("store", failure)];
    }
    if !may_look(&metadata) {
        let owner = name_of(metadata.uid());
        let said = format!("{} is the user {owner}'s", directory.display());
        let command = by_owner("keystead doctor", metadata.uid());
        let mend = format!("`{command}` looks into it too");
        return vec![note("store", said, mend)];
    }
    if let Err(error) = check_file_system(directory) {
        return vec![problem("store", error.into())];
    }
    if let Err(error) = check_records(directory, &config.store) {
        return vec![problem("store", error.into())];
    }
    let mut findings = vec![well("store", directory.display().to_string())];
    findings.extend(rights(config).into_iter().map(|failure| problem("rights", failure)));
    findings.extend(shut_out(config));
    findings.extend(damaged(config));
    findings.extend(directories(config).flat_map(file_system));
    findings
}

/// Returns whether this user can look at the files of a store: its owner's or root.
pub(super) fn may_look(directory: &Metadata) -> bool {
    [0, directory.uid()].contains(&geteuid().as_raw())
}

/// Returns the directories of this machine in which the store has files.
fn directories(config: &Config) -> impl Iterator<Item = &Path> {
    let apart = config.store.local().filter(|records| *records != config.directory);
    std::iter::once(config.directory.as_path()).chain(apart)
}

/// Finds damage in the files that the agent reads.
fn damaged(config: &Config) -> Vec<Finding> {
    let (directory, mut findings) = (config.directory.as_path(), Vec::new());
    match cells::damage(directory) {
        Ok(damages) => findings.extend(damages.into_iter().map(|damage| {
            let path = directory.join(cells::NAME);
            let failure = Failure::new(format_args!("{}: {damage}", path.display()));
            let end = serving::end_it(directory);
            let mend = match damage.extent {
                Extent::Unequal | Extent::Copy => {
                    format!("{end}, then the next agent mends it, or `keystead recover`")
                }
                Extent::Byte => format!("{end}, then `keystead recover` mends it"),
                Extent::Lost => format!(
                    "{end}, then `keystead recover` goes on without it, or restore the store's directory \
                     as a whole from a backup"
                ),
            };
            problem("cells", failure.hint(mend))
        })),
        Err(error) => findings.push(problem("store", error.into())),
    }
    if let Err(error) = check_snapshot(&config.store) {
        findings.push(problem("snapshot", error.into()));
    }
    findings
}

/// Finds an agent that does not let the configured group in, as one does that began before `group` was set.
fn shut_out(config: &Config) -> Option<Finding> {
    let group = agent::group(config.group.as_deref()?).ok()?;
    let socket = fs::metadata(config.directory.join(socket::NAME)).ok()?;
    let serves = socket.gid() == group && socket.mode() & 0o020 != 0;
    (!serves).then(|| {
        let group = name_of_group(group);
        let failure = Failure::new(format_args!(
            "the agent lets no member of group {group} in: it was started before `group` was set"
        ));
        let end = serving::end_it(&config.directory);
        problem("group", failure.hint(format_args!("{end}, and the next one lets them in")))
    })
}

/// Finds others who can reach what belongs to the store.
fn rights(config: &Config) -> Vec<Failure> {
    let group = config.group.as_deref().map(agent::group);
    let of_one = |directory| {
        // Of a group that is not there it cannot be said what its members may.
        let of_store = match &group {
            Some(Err(_)) => Vec::new(),
            Some(Ok(group)) => rights::of_store(directory, Some(*group)),
            None => rights::of_store(directory, None),
        };
        [of_store, rights::above(directory)].into_iter().flatten()
    };
    let mut problems: Vec<_> = directories(config).flat_map(of_one).collect();
    let file = config
        .file
        .iter()
        .map(|file| rights::of_deciding(file, "decides which store and agent are used"));
    let agent = config.agent.clone().or_else(|| installed::program().ok());
    let agent =
        agent.iter().map(|agent| rights::of_deciding(agent, "decides what opens the store"));
    let module = config.module.clone().or_else(|| installed::module().ok());
    let module = module.iter().map(|module| rights::of_deciding(module, "decides what reads PINs"));
    problems.extend(file.chain(agent).chain(module).flatten());
    problems
}

fn file_system(directory: &Path) -> Vec<Finding> {
    let Ok(stat) = rustix::fs::statfs(directory) else { return Vec::new() };
    let kind = u64::from(stat.f_type as u32);
    let mut findings = Vec::new();
    if let Some((_, name)) = COPYING.iter().find(|(magic, _)| *magic == kind) {
        findings.push(note(
            "erasure",
            format!("the store is on {name}, which writes copies and keeps what was overwritten"),
            "keep the store on ext4 or xfs where what is deleted must be gone",
        ));
    }
    let room = stat.f_bavail.saturating_mul(u64::try_from(stat.f_bsize).unwrap_or(0));
    if room < LEAST_ROOM {
        let said = format!("{} MiB are left on its file system", room >> 20);
        findings
            .push(problem("store", Failure::new(said).hint("make room, or new keys are refused")));
    }
    findings
}
