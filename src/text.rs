//! Text from outside (names, paths, what another program said), made harmless for those who read it.

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
