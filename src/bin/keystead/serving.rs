//! The process that serves a store, and the command that ends it.

use crate::Failure;
use crate::outcome::Outcome;
use keystead::internal::wire::process::AgentProcess;
use keystead::internal::wire::socket::Socket;
use keystead::internal::wire::{Deadline, SILENCE_TIMEOUT};
use rustix::fs::Mode;
use rustix::process::umask;
use std::path::Path;

/// Makes this process create files for their owner alone, as every process that writes in a store does.
pub(crate) fn make_files_private() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// The failure of a command that is to have the store to itself, where an agent serves it.
pub(crate) fn in_use(directory: &Path) -> Failure {
    Failure::new(format_args!("an agent serves {} already", directory.display()))
        .hint(end_it(directory))
        .with_outcome(Outcome::Agent)
}

/// The command that ends the agent of the store in `directory`, to be pasted.
pub(crate) fn end_it(directory: &Path) -> String {
    let socket = Socket::connect(directory, Deadline::new(SILENCE_TIMEOUT).end()).ok().flatten();
    let listener = socket.and_then(|socket| socket.process()).and_then(AgentProcess::numbered);
    let Some(process) = listener else { return command(None, false) };
    command(Some((process.number(), process.name())), process.is_stopped())
}

/// Returns the command that ends the process that listens. That is the service manager, where it opened
/// the socket. One that is stopped would take no other signal before it goes on.
fn command(listener: Option<(u32, &str)>, stopped: bool) -> String {
    let stop = "stop keystead.socket keystead.service` ends it";
    match listener {
        // In a container the agent may be process 1 itself.
        Some((number, name)) if name.starts_with("keystead") => match stopped {
            true => format!("`kill -KILL {number}` ends it"),
            false => format!("`kill {number}` ends it"),
        },
        Some((1, _)) => format!("`systemctl {stop}"),
        Some((_, "systemd")) => format!("`systemctl --user {stop}"),
        _ => "SIGTERM ends it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::command;

    #[test]
    fn only_an_agent_is_killed_and_a_service_manager_asked() {
        let of = |number, name| command(Some((number, name)), false);
        assert_eq!(of(77, "keystead"), "`kill 77` ends it");
        assert_eq!(command(Some((77, "keystead")), true), "`kill -KILL 77` ends it");
        assert!(of(1, "systemd").starts_with("`systemctl stop keystead.socket"));
        assert!(of(900, "systemd").starts_with("`systemctl --user stop keystead.socket"));
        assert_eq!(of(1, "keystead"), "`kill 1` ends it");
        assert!(!of(77, "sh").contains("77"));
    }
}
