//! Colours on terminals, unless `NO_COLOR` is set (no-color.org).

use std::env::var_os;
use std::io::IsTerminal;

/// Returns whether text for this stream may have colours.
pub(crate) fn are_wanted(stream: &impl IsTerminal) -> bool {
    let unset = |name: &str| var_os(name).is_none_or(|value| value.is_empty());
    let dumb = var_os("TERM").is_none_or(|kind| kind == "dumb" || kind.is_empty());
    stream.is_terminal() && unset("NO_COLOR") && !dumb
}
