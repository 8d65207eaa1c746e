//! Who serves a store, for somebody who wants it to end.

use keystead::wire::socket::Socket;
use std::path::Path;
use std::time::Duration;

/// How long the agent may take to let somebody in.
const PATIENCE: Duration = Duration::from_secs(5);

/// The command that ends the agent of the store in `directory`, to be pasted.
pub fn end_it(directory: &Path) -> String {
    let socket = Socket::connect(directory, PATIENCE).ok().flatten();
    let process = socket.and_then(|socket| socket.process());
    let name = |number| std::fs::read_to_string(format!("/proc/{number}/comm")).ok();
    command(process.and_then(|number| Some((number, name(number)?))))
}

/// Of the process that listens. That is the service manager, where it opened the socket.
fn command(listener: Option<(u32, String)>) -> String {
    let stop = "stop keystead.socket keystead.service` ends it";
    match listener {
        Some((1, _)) => format!("`systemctl {stop}"),
        Some((_, name)) if name.trim_end() == "systemd" => format!("`systemctl --user {stop}"),
        Some((number, name)) if name.starts_with("keystead") => {
            format!("`kill {number}` ends it")
        }
        _ => "SIGTERM ends it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::command;

    #[test]
    fn only_an_agent_is_killed_and_a_service_manager_asked() {
        let of = |number, name: &str| command(Some((number, format!("{name}\n"))));
        assert_eq!(of(77, "keystead"), "`kill 77` ends it");
        assert!(of(1, "systemd").starts_with("`systemctl stop keystead.socket"));
        assert!(of(900, "systemd").starts_with("`systemctl --user stop keystead.socket"));
        assert!(!of(77, "sh").contains("77"));
    }
}
