//! A user who may not connect to an agent: whom the store is for, and how one becomes one of these.

use crate::error::{Error, Reason};
use crate::file_names::SOCKET;
use crate::sys;
use rustix::io::Errno;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The permission of a directory's group to pass, and that of a socket's to connect.
const PASS: u32 = 0o010;
const CONNECT: u32 = 0o020;

/// Returns the error of a process that may not reach the socket in `directory`.
pub(super) fn denied(directory: &Path) -> Error {
    let error = Errno::ACCESS;
    Reason::AgentAbsent.detail(format_args!(
        "{}: {error}; {}",
        directory.display(),
        cure(directory)
    ))
}

fn cure(directory: &Path) -> String {
    let Ok(place) = directory.metadata() else {
        return format!("`namei -l {}` shows where this user may not pass", directory.display());
    };
    let owner = sys::name_of(place.uid());
    match group(&place, directory.join(SOCKET).metadata().ok().as_ref()) {
        Some(group) => {
            let group = sys::name_of_group(group);
            format!(
                "it is for user {owner} and the members of group {group}: as root, `usermod -aG {group} USER` \
                 adds one, from the next login on"
            )
        }
        None => format!(
            "it is for user {owner} alone: `group` in the configuration lets others in, once its agent \
             was ended and started anew"
        ),
    }
}

/// Returns the group whose members reach the socket, as far as this process can see it.
fn group(place: &Metadata, socket: Option<&Metadata>) -> Option<u32> {
    let passes = place.mode() & PASS != 0;
    let connects = socket.is_none_or(|socket| socket.mode() & CONNECT != 0);
    (passes && connects).then(|| socket.unwrap_or(place).gid())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{cure, denied};
    use crate::file_names::SOCKET;
    use std::fs::{self, Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn who_may_not_is_told_who_may() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join(SOCKET);
        let is_for_a_group = |place: u32, its: Option<u32>| {
            set_permissions(folder.path(), Permissions::from_mode(place)).unwrap();
            if let Some(its) = its {
                fs::write(&socket, "").unwrap();
                set_permissions(&socket, Permissions::from_mode(its)).unwrap();
            }
            cure(folder.path()).contains("members of group")
        };
        assert!(!is_for_a_group(0o700, None));
        assert!(is_for_a_group(0o710, None), "as one sees it who may not pass");
        assert!(is_for_a_group(0o750, Some(0o660)));
        assert!(
            !is_for_a_group(0o750, Some(0o600)),
            "the agent was started before `group` was set"
        );
        let beyond = denied(&folder.path().join("none")).to_string();
        assert!(beyond.contains("Permission denied") && beyond.contains("; `namei -l"), "{beyond}");
    }
}
