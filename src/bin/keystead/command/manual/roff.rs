//! Manual pages from the text of the crate's manual: the Markdown that its doc comments use, as the macros of
//! man(7) (groff and mandoc read both).

/// The program of the pages, and their collection, as their feet and heads have it.
pub(super) const SOURCE: &str = concat!("keystead ", env!("CARGO_PKG_VERSION"));
pub(super) const MANUAL: &str = "Keystead";

/// Returns the day of this version, as the packages have it.
pub(super) fn date() -> String {
    let changes = include_str!("../../../../../.packaging/debian/changelog");
    let signed = changes.lines().find_map(|line| line.strip_prefix(" -- "));
    let at = signed.and_then(|line| line.split_once("  ")).map_or("", |(_, at)| at);
    jiff::fmt::rfc2822::parse(at).map_or_else(|_| at.to_owned(), |at| at.date().to_string())
}

/// Returns a page that `clap_mangen` made without its doubled line breaks, of which mandoc warns.
pub(super) fn tidied(page: &str) -> String {
    page.replace(".br\n\n.br\n", ".sp\n")
}

/// Returns a page of chapters, each with its text; the first heading of a chapter names its section.
pub(super) fn page(name: &str, section: u8, about: &str, chapters: &[String]) -> String {
    let mut page = format!(
        ".TH {} {section} {} \"{SOURCE}\" \"{MANUAL}\"\n.SH NAME\n{name} \\- {about}\n",
        name.to_uppercase(),
        date(),
    );
    chapters.iter().for_each(|chapter| page.push_str(&sections(chapter)));
    page
}

/// Returns Markdown as sections of a page: its first heading begins a section, the others parts of it.
pub(super) fn sections(markdown: &str) -> String {
    let mut writer = PageWriter::default();
    let mut lines = markdown.lines().peekable();
    while let Some(line) = lines.next() {
        match line.trim_start() {
            "" => writer.end_paragraph(),
            text if text.starts_with("```") => {
                let code = lines.by_ref().take_while(|line| !line.trim_start().starts_with("```"));
                writer.code(code);
            }
            text if text.starts_with('|') => {
                let mut rows = vec![cells(text)];
                while let Some(row) = lines.next_if(|line| line.trim_start().starts_with('|')) {
                    rows.push(cells(row));
                }
                writer.table(&rows);
            }
            text => match text.split_once(' ') {
                Some((mark, heading)) if mark.chars().all(|it| it == '#') => {
                    writer.heading(mark.len(), heading);
                }
                Some(("*", item)) => writer.item("\\(bu", item),
                Some((number, item)) if is_number(number) => writer.item(number, item),
                _ => writer.text(text),
            },
        }
    }
    writer.end_paragraph();
    writer.page
}

/// Returns the text of a module's own doc comment.
pub(super) fn chapter(source: &str) -> String {
    let lines = source.lines().take_while(|line| line.starts_with("//!"));
    lines
        .map(|line| line.trim_start_matches("//!").strip_prefix(' ').unwrap_or_default())
        // Which say where a table is to be written.
        .filter(|line| !line.starts_with("<!--"))
        .map(|line| format!("{line}\n"))
        .collect()
}

fn is_number(mark: &str) -> bool {
    mark.strip_suffix('.')
        .is_some_and(|it| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit()))
}

#[derive(Default)]
struct PageWriter {
    page: String,
    /// The lines of the paragraph that goes on: what is marked in it may begin on one and end on another.
    paragraph: Vec<String>,
    within: bool,
    began: bool,
    /// Set behind a heading, where a paragraph begins by itself.
    headed: bool,
}

impl PageWriter {
    fn line(&mut self, line: &str) {
        self.page.push_str(line);
        self.page.push('\n');
    }

    fn end_paragraph(&mut self) {
        self.write_paragraph();
        self.within = false;
    }

    fn write_paragraph(&mut self) {
        let text = inline(&std::mem::take(&mut self.paragraph).join("\n"));
        text.lines().for_each(|line| self.line(&guarded(line)));
    }

    fn heading(&mut self, level: usize, heading: &str) {
        self.end_paragraph();
        match (level, std::mem::replace(&mut self.began, true)) {
            (1, false) => {
                self.line(&format!(".SH \"{}\"", quoted(&plain(&heading.to_uppercase()))));
            }
            (1 | 2, _) => self.line(&format!(".SS \"{}\"", quoted(&plain(heading)))),
            _ => return self.line(&format!(".PP\n\\fB{}\\fR", plain(heading))),
        }
        self.headed = true;
    }

    fn begin_paragraph(&mut self) {
        if !std::mem::take(&mut self.headed) {
            self.line(".PP");
        }
    }

    fn text(&mut self, text: &str) {
        if !std::mem::replace(&mut self.within, true) {
            self.begin_paragraph();
        }
        self.paragraph.push(text.to_owned());
    }

    fn item(&mut self, mark: &str, text: &str) {
        self.write_paragraph();
        (self.within, self.headed) = (true, false);
        self.line(&format!(".IP {mark} 3"));
        self.paragraph.push(text.to_owned());
    }

    fn code<'a>(&mut self, lines: impl Iterator<Item = &'a str>) {
        self.end_paragraph();
        self.begin_paragraph();
        self.line(".RS 4\n.nf");
        lines.for_each(|line| self.line(&guarded(&escaped(line))));
        self.line(".fi\n.RE");
    }

    /// Writes each row as a term, its first cell, and the others under the names of their columns.
    fn table(&mut self, rows: &[Vec<String>]) {
        self.end_paragraph();
        self.headed = false;
        let (Some(header), Some(rows)) = (rows.first(), rows.get(2..)) else { return };
        for row in rows {
            let mut row = row.iter().zip(header);
            let Some((term, _)) = row.next() else { continue };
            self.line(&format!(".TP\n{}", guarded(&format!("\\fB{}\\fR", plain(term)))));
            let several = header.len() > 2;
            let mut first = true;
            for (cell, name) in row.filter(|(cell, _)| !cell.is_empty()) {
                if !std::mem::take(&mut first) {
                    self.line(".br");
                }
                match several && !name.is_empty() {
                    true => self.line(&format!("\\fI{}:\\fR {}", plain(name), inline(cell))),
                    false => self.line(&guarded(&inline(cell))),
                }
            }
            if first {
                self.line("\\&");
            }
        }
    }
}

/// Returns the cells of a table's row.
fn cells(row: &str) -> Vec<String> {
    let row = row.trim().trim_start_matches('|');
    let row = row.strip_suffix('|').unwrap_or(row);
    let mut cells = vec![String::new()];
    let mut before = ' ';
    for letter in row.chars() {
        match (letter, before, cells.last_mut()) {
            ('|', '\\', Some(cell)) => {
                cell.pop();
                cell.push('|');
            }
            ('|', ..) => cells.push(String::new()),
            (_, _, Some(cell)) => cell.push(letter),
            (_, _, None) => {}
        }
        before = letter;
    }
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}

/// Returns a line of Markdown with its marks as fonts, and links as their text.
fn inline(text: &str) -> String {
    formatted(text, "\\fB", "\\fR")
}

/// Returns a line without fonts of its own.
fn plain(text: &str) -> String {
    formatted(text, "", "")
}

fn formatted(text: &str, bold: &str, roman: &str) -> String {
    let mut said = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['`', '[', '*']) {
        let (before, marked) = rest.split_at(at);
        said.push_str(&escaped(before));
        let taken = code(marked, bold, roman)
            .or_else(|| link(marked, bold, roman))
            .or_else(|| strong(marked, bold, roman))
            .or_else(|| emphasis(marked, bold, roman));
        rest = match taken {
            Some((text, after)) => {
                said.push_str(&text);
                after
            }
            None => {
                let (mark, after) = marked.split_at(1);
                said.push_str(mark);
                after
            }
        };
    }
    said + &escaped(rest)
}

fn code<'a>(marked: &'a str, bold: &str, roman: &str) -> Option<(String, &'a str)> {
    let ticks = marked.len() - marked.trim_start_matches('`').len();
    let (fence, inside) = marked.split_at(ticks);
    let (text, after) = inside.split_once(fence).filter(|_| ticks > 0)?;
    Some((format!("{bold}{}{roman}", escaped(text.trim())), after))
}

fn strong<'a>(marked: &'a str, bold: &str, roman: &str) -> Option<(String, &'a str)> {
    let (text, after) = marked.strip_prefix("**")?.split_once("**")?;
    Some((format!("{bold}{}{roman}", escaped(text)), after))
}

/// Returns a word or a few between single stars; one star alone, as of a product, is itself.
fn emphasis<'a>(marked: &'a str, bold: &str, roman: &str) -> Option<(String, &'a str)> {
    let (text, after) = marked.strip_prefix('*')?.split_once('*')?;
    let is_text = text.starts_with(char::is_alphanumeric) && text.ends_with(char::is_alphanumeric);
    let italic = if bold.is_empty() { "" } else { "\\fI" };
    is_text.then(|| (format!("{italic}{}{roman}", escaped(text)), after))
}

/// Returns the text of a link, whose target is a page of the crate's documentation.
fn link<'a>(marked: &'a str, bold: &str, roman: &str) -> Option<(String, &'a str)> {
    let (text, after) = marked.strip_prefix('[')?.split_once(']')?;
    let target = after.strip_prefix('(').and_then(|target| target.split_once(')'));
    match target {
        Some((_, after)) => Some((formatted(text, bold, roman), after)),
        None if text.starts_with('`') => Some((formatted(text, bold, roman), after)),
        None => None,
    }
}

/// Returns text in which nothing means anything to roff.
fn escaped(text: &str) -> String {
    let mut said = String::new();
    for letter in text.chars() {
        match letter {
            '\\' => said.push_str("\\e"),
            '-' => said.push_str("\\-"),
            '\'' => said.push_str("\\(aq"),
            '`' => said.push_str("\\(ga"),
            '^' => said.push_str("\\(ha"),
            '~' => said.push_str("\\(ti"),
            letter if letter.is_ascii() => said.push(letter),
            letter => said.push_str(&format!("\\[u{:04X}]", u32::from(letter))),
        }
    }
    said
}

/// Returns a line that roff takes for text, however it begins.
fn guarded(line: &str) -> String {
    match line.starts_with(['.', '\'']) {
        true => format!("\\&{line}"),
        false => line.to_owned(),
    }
}

fn quoted(text: &str) -> String {
    text.replace('"', "\\(dq")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_the_manual_has_its_macros() {
        let source = "//! # A life\n//!\n//! It *ends*; see [`key`](crate::key), `a-b` and **this**.\n//! .dot `a\n//! b`.\n\
             //!\n//! * one\n//!   goes on\n//! 2. two\n//!\n//! ```text\n//! .code \\n\n//! ```\n//!\n//! # Later\n\
             pub mod none;\n";
        assert_eq!(
            sections(&chapter(source)),
            ".SH \"A LIFE\"\nIt \\fIends\\fR; see \\fBkey\\fR, \\fBa\\-b\\fR and \\fBthis\\fR.\n\\&.dot \\fBa\nb\\fR.\n\
             .IP \\(bu 3\none\ngoes on\n.IP 2. 3\ntwo\n.PP\n.RS 4\n.nf\n\\&.code \\en\n.fi\n.RE\n.SS \"Later\"\n"
        );
    }

    #[test]
    fn a_row_is_a_term_with_the_names_of_its_other_columns() {
        let two = "| key | meaning |\n|---|---|\n| `a\\|b` | it's – |\n";
        assert_eq!(sections(two), ".TP\n\\fBa|b\\fR\nit\\(aqs \\[u2013]\n");
        let three = "| key | meaning | |\n|---|---|---|\n| a | b | c |\n| d | | |\n";
        assert_eq!(
            sections(three),
            ".TP\n\\fBa\\fR\n\\fImeaning:\\fR b\n.br\nc\n.TP\n\\fBd\\fR\n\\&\n"
        );
    }
}
