//! Asking the person at the terminal, whatever standard input and output are.

use crate::Failure;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use zeroize::Zeroizing;

/// The terminal of this process's session.
const TERMINAL: &str = "/dev/tty";

/// Whether there is anybody to ask.
pub fn there_is_one() -> bool {
    File::options().read(true).write(true).open(TERMINAL).is_ok()
}

/// Asks for a line that is not shown.
pub fn hidden(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    Ok(Zeroizing::new(rpassword::prompt_password(format_args!("{prompt}: "))?))
}

/// Asks for a line.
pub fn shown(prompt: &str) -> Result<String, Failure> {
    let mut terminal = File::options().read(true).write(true).open(TERMINAL)?;
    write!(terminal, "{prompt}: ")?;
    let mut line = String::new();
    BufReader::new(terminal).read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
