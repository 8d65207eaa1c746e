//! The system's log: a datagram for each line, in the form that syslog and journald read on `/dev/log`.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

/// Facility `authpriv` (10) with severity `info` (6), RFC 3164, 4.1.1.
const PRIORITY: u8 = 10 * 8 + 6;

/// The time for which a reader may keep a line waiting.
const PATIENCE: Duration = Duration::from_secs(1);

/// Sends a line.
pub(super) fn send(socket: &Path, line: &str) -> io::Result<()> {
    let failed = |error: io::Error| io::Error::other(format!("{}: {error}", socket.display()));
    let sender = UnixDatagram::unbound().map_err(failed)?;
    sender.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
    let said = format!("<{PRIORITY}>keystead[{}]: {line}", std::process::id());
    sender.send_to(said.as_bytes(), socket).map(drop).map_err(failed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_line_arrives_with_priority_and_name_and_a_reader_that_is_gone_is_an_error() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("log");
        assert!(send(&path, "{}").is_err());
        let reader = UnixDatagram::bind(&path).unwrap();
        send(&path, "{\"seq\":1}").unwrap();
        let mut said = [0; 100];
        let length = reader.recv(&mut said).unwrap();
        let expected = format!("<86>keystead[{}]: {{\"seq\":1}}", std::process::id());
        assert_eq!(said.get(..length).unwrap(), expected.as_bytes());
    }
}
