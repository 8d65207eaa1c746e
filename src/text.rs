//! Text from outside (names, paths, what another program said), made harmless for those who read it.

/// The most bytes that a label, a description and what the audit log calls a key have.
pub const MAX_TEXT: usize = 255;

/// Returns text that steers no terminal and stays on its line. Its backslashes stay as they are: they may
/// be escapes already.
pub fn harmless(text: &str) -> String {
    text.chars().map(shown).collect()
}

/// The standard library knows which characters cannot be seen, and takes an accent behind a letter for
/// one that can be.
fn shown(it: char) -> String {
    match it {
        '\\' | '"' | '\'' => it.to_string(),
        _ => format!("a{it}").escape_debug().skip(1).collect(),
    }
}

/// Returns a name or value from a store so that no two look the same and none steers a terminal: what
/// steers, cannot be seen, stands at an end unseen or is no UTF-8 is escaped, and so is the backslash.
pub fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let whole = bytes.trim_ascii().len();
    let begins = bytes.len() - bytes.trim_ascii_start().len();
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        for it in chunk.valid().chars() {
            let inside = (begins..begins + whole).contains(&at);
            text.push_str(&escape(it, inside));
            at += it.len_utf8();
        }
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
        at += chunk.invalid().len();
    }
    text
}

fn escape(it: char, inside: bool) -> String {
    match it {
        '\\' => "\\\\".to_owned(),
        it if it.is_whitespace() && !inside => it.escape_unicode().to_string(),
        it => shown(it),
    }
}

/// Reads back what [`escaped`] wrote, or what nothing needed to be escaped in; none of other text.
pub fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        rest = read_escape(escape, &mut bytes)?;
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(bytes)
}

/// Reads the escape that begins behind a backslash, and returns what stands behind it.
fn read_escape<'a>(escape: &'a str, bytes: &mut Vec<u8>) -> Option<&'a str> {
    let rest = escape.get(escape.chars().next()?.len_utf8()..)?;
    match escape.chars().next()? {
        '\\' => bytes.push(b'\\'),
        'n' => bytes.push(b'\n'),
        'r' => bytes.push(b'\r'),
        't' => bytes.push(b'\t'),
        '0' => bytes.push(0),
        'x' => {
            bytes.push(u8::from_str_radix(rest.get(..2)?, 16).ok()?);
            return rest.get(2..);
        }
        'u' => {
            let (digits, rest) = rest.strip_prefix('{')?.split_once('}')?;
            let it = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
            bytes.extend_from_slice(it.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(rest);
        }
        _ => return None,
    }
    Some(rest)
}

/// Returns bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads hexadecimal digits; none of other text.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| {
        let digits = pair.iter().all(u8::is_ascii_hexdigit).then_some(pair)?;
        u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    rest.is_empty().then(|| pairs.iter().map(byte).collect())?
}

#[cfg(test)]
mod tests {
    use super::{escaped, hex, unescaped, unhex};

    const NAMES: [&[u8]; 12] = [
        b"payroll",
        "ünï 🔑 'k' \"q\" e\u{301}".as_bytes(),
        b"a\\b",
        b"a\\\\b",
        b"a\nb",
        b"a\\nb",
        b"\xff\x00 \x80x",
        b"\\xff",
        "a\u{202e}b\u{200b}c\u{7f}".as_bytes(),
        b"x  ",
        b" x",
        b"",
    ];

    #[test]
    fn every_name_is_read_back_and_no_two_look_the_same() {
        for name in NAMES {
            assert_eq!(unescaped(&escaped(name)).as_deref(), Some(name), "{name:?}");
            assert_eq!(unhex(&hex(name)).as_deref(), Some(name));
            for other in NAMES.iter().filter(|other| **other != name) {
                assert_ne!(escaped(name), escaped(other));
            }
        }
        assert_eq!(escaped(b"\xff\x00\\"), r"\xff\0\\");
        assert_eq!(escaped("a\u{202e}b ".as_bytes()), r"a\u{202e}b\u{20}");
    }

    #[test]
    fn an_escape_that_is_none_is_not_read() {
        for text in [r"\", r"\q", r"\x1", r"\xzz", r"\u{d800}", r"\u{20", r"\u20"] {
            assert_eq!(unescaped(text), None, "{text}");
        }
        for text in ["0", "0g", "+1", "ä"] {
            assert_eq!(unhex(text), None, "{text}");
        }
    }
}
