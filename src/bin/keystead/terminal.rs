//! Asking the person at the terminal, whatever standard input and output are.

use crate::Failure;
use std::fs::File;
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
