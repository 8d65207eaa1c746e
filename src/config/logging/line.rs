//! A record as one line of the log: time, level, who says it, and what.

use crate::clock::{Clock, SystemClock};
use crate::text::harmless;
use jiff::Timestamp;
use log::Record;
use std::fmt::Write;

/// The longest line, in bytes: what a pipe takes at once.
const MAX_LOG_LINE: usize = 4096;

/// A record as a line. `who` is the program; its process's number follows.
pub(super) fn of(record: &Record<'_>, who: &str) -> String {
    let second = i64::try_from(SystemClock.now()).unwrap_or(i64::MAX);
    let time = Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
    // Writing to a string fails only where what is written does.
    let mut said = String::new();
    let _whole = write!(said, "{}", record.args());
    let process = std::process::id();
    cut(format!("{time} {:<5} {}[{process}] {}", record.level(), harmless(who), harmless(&said)))
}

fn cut(mut line: String) -> String {
    const END: &str = "…\n";
    if line.len() < MAX_LOG_LINE {
        return line + "\n";
    }
    let whole = (0..=MAX_LOG_LINE - END.len()).rev().find(|at| line.is_char_boundary(*at));
    line.truncate(whole.unwrap_or(0));
    line + END
}

#[cfg(test)]
mod tests {
    use super::{MAX_LOG_LINE, of};
    use log::{Level, Record};

    fn line(said: &str) -> String {
        of(&Record::builder().level(Level::Warn).args(format_args!("{said}")).build(), "p11\n")
    }

    #[test]
    fn a_line_says_when_how_bad_and_which_process() {
        let line = line("the key");
        let rest = format!("Z WARN  p11\\n[{}] the key\n", std::process::id());
        assert!(line.starts_with("20") && line.ends_with(&rest), "{line}");
    }

    #[test]
    fn what_is_logged_stays_on_its_line_and_steers_no_terminal() {
        let line = line("a\nb\u{1b}[2J\u{202e}\r\u{9b}\u{2028}'ü' \"q\" \\");
        let rest = "a\\nb\\u{1b}[2J\\u{202e}\\r\\u{9b}\\u{2028}'ü' \"q\" \\\n";
        assert!(line.ends_with(rest), "{line}");
    }

    #[test]
    fn a_line_is_cut_where_a_pipe_would_tear_it() {
        let long = line(&"ü".repeat(MAX_LOG_LINE));
        assert!(long.len() <= MAX_LOG_LINE && long.ends_with("ü…\n"), "{}", long.len());
    }
}
