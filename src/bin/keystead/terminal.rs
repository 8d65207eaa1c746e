//! Asking the person at the terminal, whatever standard input and output are.

use crate::Failure;
use crate::ending::{AtASignal, end_by};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use signal_hook::consts::SIGINT;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use zeroize::Zeroizing;

/// The terminal of this process's session.
const TERMINAL: &str = "/dev/tty";

/// Returns whether there is a person to ask.
pub(crate) fn there_is_one() -> bool {
    File::options().read(true).write(true).open(TERMINAL).is_ok()
}

/// Asks for a line that is not shown. However this ends, the terminal shows what is typed again.
pub(crate) fn hidden(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    let terminal = File::open(TERMINAL)?;
    let before = tcgetattr(&terminal).map_err(io::Error::from)?;
    let _until_read = AtASignal::then(move || {
        let _gone = tcsetattr(&terminal, OptionalActions::Now, &before);
    })?;
    match rpassword::prompt_password(format_args!("{prompt}: ")) {
        // ^C, which ends the program like everywhere.
        Err(error) if error.kind() == ErrorKind::Interrupted => {
            end_by(SIGINT);
            Err(error.into())
        }
        line => Ok(Zeroizing::new(line?)),
    }
}

/// Asks for a line.
pub(crate) fn shown(prompt: &str) -> Result<String, Failure> {
    let mut terminal = File::options().read(true).write(true).open(TERMINAL)?;
    write!(terminal, "{prompt}: ")?;
    let mut line = String::new();
    BufReader::new(terminal).read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
