//! Standard output: text or JSON, or data, and what happens when it is not read.

use crate::failure::is_quiet;
use crate::{Failure, standard};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use keystead::internal::sys;
use keystead::internal::text::escaped;
use rustix::termios::tcgetwinsize;
use serde::Serialize;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};

/// Writes text as it is.
pub(crate) fn text(text: impl Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    write!(out, "{text}").and_then(|()| out.flush()).map_err(failed)
}

/// Writes a line.
pub(crate) fn line(said: impl Display) -> Result<(), Failure> {
    text(format_args!("{said}\n"))
}

/// Writes a line about what was done, unless that is not wanted.
pub(crate) fn done(said: impl Display) -> Result<(), Failure> {
    if is_quiet() { Ok(()) } else { line(said).map_err(though_done) }
}

/// Writes what was done as JSON.
pub(crate) fn done_json(value: &impl Serialize) -> Result<(), Failure> {
    json(value).map_err(though_done)
}

/// The failure of a report that is lost: what it tells of stands, and is not to be done again.
pub(crate) fn though_done(failure: Failure) -> Failure {
    failure.within_unless_silent("it is done, but that could not be told")
}

/// Writes a value as JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    text(pretty(value)?)
}

/// A value as JSON, and the end of its last line.
pub(crate) fn pretty(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(Failure::new)
}

/// A name or value from a store, made harmless for a terminal and told apart from every other.
pub(crate) fn printable(text: impl AsRef<[u8]>) -> String {
    escaped(text.as_ref())
}

/// Returns rows as a table. Where there is less room than it takes, on a terminal, long cells are cut, then spare
/// columns are left out, the first of them first, then the longest cells are cut again, until it fits.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: &[[String; N]],
    spare: &[usize],
) -> String {
    fitted(header, rows, &[], spare, room())
}

/// The same, without the columns in which nothing stands but in the header, the first `always` excepted.
pub(crate) fn table_of_filled<const N: usize>(
    header: [&str; N],
    rows: &[[String; N]],
    always: usize,
    spare: &[usize],
) -> String {
    let is_empty =
        |column: &usize| rows.iter().all(|row| row.get(*column).is_none_or(String::is_empty));
    let empty: Vec<usize> = (always..N).filter(is_empty).collect();
    fitted(header, rows, &empty, spare, room())
}

/// The most characters of a cell in a table that is too wide, and the fewest to which one is cut.
const CELL: usize = 40;
const FEWEST: usize = 8;

fn fitted<const N: usize>(
    header: [&str; N],
    rows: &[[String; N]],
    empty: &[usize],
    spare: &[usize],
    room: Option<usize>,
) -> String {
    let mut left_out = empty.to_vec();
    let mut spare = spare.iter().filter(|column| !empty.contains(column));
    let (mut most, mut cut) = (CELL, None);
    loop {
        let text = rendered(header, cut.as_deref().unwrap_or(rows), &left_out);
        let width = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        let over = room.map_or(0, |room| width.saturating_sub(room));
        match (over, cut.is_some().then(|| spare.next()).flatten()) {
            (1.., Some(next)) => left_out.push(*next),
            (1.., None) if cut.is_none() || most > FEWEST => {
                if cut.is_some() {
                    most = most.saturating_sub(over.div_ceil(N)).max(FEWEST);
                }
                let short = |row: &[String; N]| row.each_ref().map(|cell| within(cell, most));
                cut = Some(rows.iter().map(short).collect::<Vec<_>>());
            }
            _ => {
                let left_out = left_out.get(empty.len()..).unwrap_or_default();
                let missing = missing(header, left_out, cut.is_some_and(|cut| cut != rows));
                return text + &wrapped(&missing, room);
            }
        }
    }
}

/// Returns a text of at most so many characters, cut where it is longer.
fn within(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
        None => text.to_owned(),
    }
}

fn rendered<const N: usize>(header: [&str; N], rows: &[[String; N]], left_out: &[usize]) -> String {
    let kept = |(place, _): &(usize, &str)| !left_out.contains(place);
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(header.into_iter().enumerate().filter(kept).map(|(_, name)| name));
    for row in rows {
        let cells = row.iter().map(String::as_str).enumerate().filter(kept);
        table.add_row(cells.map(|(_, cell)| cell));
    }
    let line = |line: String| format!("{}\n", line.strip_prefix(' ').unwrap_or(&line).trim_end());
    table.lines().map(line).collect()
}

/// Returns the line that says what does not stand in a table, if anything, and how to see it.
fn missing<const N: usize>(header: [&str; N], left_out: &[usize], is_cut: bool) -> String {
    let names: Vec<&str> = left_out.iter().filter_map(|it| header.get(*it).copied()).collect();
    let without = (!names.is_empty()).then(|| format!("without {}", names.join(", ")));
    let cut = is_cut.then(|| "cut at each …".to_owned());
    match without.into_iter().chain(cut).collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => none,
        what => format!("({what}; `| cat` shows all)\n"),
    }
}

/// Returns a line as several, none of them longer than there is room, as far as what stands between its commas and
/// semicolons allows.
fn wrapped(line: &str, room: Option<usize>) -> String {
    let Some(room) = room else { return line.to_owned() };
    let mut lines: Vec<String> = Vec::new();
    for part in line.trim_end().split_inclusive([',', ';']).map(str::trim) {
        match lines.last_mut() {
            Some(last) if last.chars().count() + 1 + part.chars().count() <= room => {
                last.push(' ');
                last.push_str(part);
            }
            _ => lines.push(part.to_owned()),
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Returns the width of the terminal that standard output is, in characters; of another output, what the variable
/// `COLUMNS` says, as a reader of pages sets it, if anything.
fn room() -> Option<usize> {
    let width = io::stdout().is_terminal().then(|| tcgetwinsize(io::stdout()).ok()).flatten();
    let columns = || std::env::var("COLUMNS").ok()?.parse().ok();
    let width = width.map(|width| usize::from(width.ws_col)).filter(|width| *width > 0);
    width.or_else(columns).filter(|width| *width > 0)
}

fn failed(error: io::Error) -> Failure {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::unread(),
        _ => lost(&error),
    }
}

/// Standard output for data, which is lost where it is not taken. The standard library's own would
/// keep silent about a descriptor that cannot be written.
pub(crate) fn for_data() -> Result<File, Failure> {
    match standard::output_is_closed() {
        true => Err(Failure::new("standard output is closed")
            .hint("name a file, or start the program with its output open")),
        false => sys::inherited(1).map_err(|error| lost(&error)),
    }
}

/// Writes data as it is.
pub(crate) fn data(bytes: &[u8]) -> Result<(), Failure> {
    for_data()?.write_all(bytes).map_err(|error| lost(&error))
}

/// The failure of data that cannot be written to standard output.
pub(crate) fn lost(error: &io::Error) -> Failure {
    Failure::of_file("standard output".as_ref(), error)
}

#[cfg(test)]
mod tests {
    use super::{fitted, printable};

    #[test]
    fn a_table_is_as_wide_as_the_terminal_at_most_where_columns_can_be_spared() {
        let rows = [["alias", "a long key ID", "AES"].map(str::to_owned)];
        let shown = |room| fitted(["ALIAS", "KEY ID", "TYPE"], &rows, &[], &[1, 2], room);
        assert!(shown(None).contains("a long key ID") && shown(Some(80)) == shown(None));
        let narrow = shown(Some(20));
        assert!(narrow.contains("AES") && !narrow.contains("a long key ID"), "{narrow}");
        assert!(narrow.contains("(without KEY ID;"), "{narrow}");
        assert!(shown(Some(2)).starts_with("ALIAS\nalias\n"));
    }

    #[test]
    fn the_line_that_says_what_is_left_out_fits_too() {
        let line = "(without A, B, C; `| cat` shows all)\n";
        assert_eq!(super::wrapped(line, None), line);
        assert_eq!(super::wrapped(line, Some(80)), line);
        assert_eq!(super::wrapped(line, Some(19)), "(without A, B, C;\n`| cat` shows all)\n");
        assert_eq!(super::wrapped("", Some(20)), "");
    }

    #[test]
    fn text_cannot_steer_the_terminal() {
        assert_eq!(printable("plain, ünï"), "plain, ünï");
        assert_eq!(printable("a\u{1b}[2Jb\nc"), "a\\u{1b}[2Jb\\nc");
        assert_eq!(printable("a\u{202e}b\u{200b}c"), "a\\u{202e}b\\u{200b}c");
        assert_eq!(printable("e\u{301} 🔑 'k' \"q\""), "e\u{301} 🔑 'k' \"q\"");
    }

    #[test]
    fn no_two_names_look_the_same() {
        assert_ne!(printable("a\nb"), printable("a\\nb"));
        assert_eq!(printable("x  "), "x\\u{20}\\u{20}");
        assert_eq!(printable(" "), "\\u{20}");
        assert_eq!(printable(" a b"), "\\u{20}a b");
        assert_eq!(printable(""), "");
    }

    #[test]
    fn a_long_name_is_whole_where_there_is_room_and_cut_where_there_is_none() {
        let rows = [["x".repeat(60), "AES".to_owned()], ["ü".repeat(20), String::new()]];
        let shown = |room| fitted(["ALIAS", "TYPE"], &rows, &[], &[], room);
        assert!(shown(None).contains(&"x".repeat(60)) && !shown(None).contains('('));
        let narrow = shown(Some(60));
        assert!(narrow.contains(&format!("{}…  AES", "x".repeat(39))), "{narrow}");
        assert!(narrow.ends_with("(cut at each …; `| cat` shows all)\n"));
        for room in [60, 40, 20] {
            let table = shown(Some(room));
            let widest = table
                .lines()
                .filter(|line| !line.starts_with('('))
                .map(|it| it.chars().count())
                .max();
            assert!(widest.is_some_and(|widest| widest <= room), "{table}");
        }
    }
}
