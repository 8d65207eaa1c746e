//! The words of comments: doc comments begin with a noun, or with a verb in the third person.

/// The words with which a question begins, which a doc comment does not.
const QUESTIONS: [&str; 9] =
    ["What", "Whatever", "Whether", "How", "Where", "Why", "Who", "Whoever", "Whose"];

/// The same behind `Returns`; `whether` is a plain word there.
const RETURNED: [&str; 5] = ["what", "how", "where", "why", "who"];

/// The words that leave open who or what is meant.
pub const RIDDLES: [&str; 5] = ["nobody", "anybody", "somebody", "everybody", "whoever"];

/// Returns the first line of each doc comment, with its number.
pub fn doc_comments(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut goes_on = false;
    (1..).zip(text.lines()).filter_map(move |(number, line)| {
        let begun = goes_on;
        let line = line.trim_start();
        let doc = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
        goes_on = doc.is_some();
        doc.filter(|_| !begun).map(|doc| (number, doc.trim()))
    })
}

/// Returns the lines of comments of any kind, with their numbers: a line from its first `// ` on, or such.
pub fn comments(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines()).filter_map(|(number, line)| {
        let starts = ["// ", "/// ", "//! "].iter().filter_map(|start| line.find(start)).min()?;
        Some((number, line.get(starts..)?))
    })
}

/// Returns whether a doc comment begins with a question.
pub fn is_question(text: &str) -> bool {
    let mut words = text.split(|letter: char| !letter.is_alphanumeric());
    match words.next() {
        Some("Returns") => words.next().is_some_and(|word| RETURNED.contains(&word)),
        Some(first) => QUESTIONS.contains(&first),
        None => false,
    }
}

/// Returns whether a comment leaves open who or what is meant.
pub fn is_riddle(text: &str) -> bool {
    let mut words = text.split(|letter: char| !letter.is_alphanumeric());
    words.any(|word| RIDDLES.contains(&word.to_lowercase().as_str()))
}
