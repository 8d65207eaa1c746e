//! The paths that code names, and the files that they lead to.

use crate::sources::Source;
use std::collections::{BTreeMap, BTreeSet};

/// A path such as `["super", "buffer", "OutPtr"]`.
pub type Name = Vec<String>;

/// The files of the library and the program, by module, with the names that each brings in.
pub struct Modules<'a> {
    files: BTreeMap<&'a [String], &'a Source>,
    passed_on: BTreeMap<&'a [String], Vec<Name>>,
    imported: BTreeMap<&'a [String], Vec<Name>>,
}

impl<'a> Modules<'a> {
    /// Reads what each file brings in.
    pub fn new(sources: &'a [Source]) -> Self {
        let by_module = |names: fn(&str) -> Vec<Name>| {
            sources.iter().map(|source| (&source.module[..], names(&source.code))).collect()
        };
        Self {
            files: sources.iter().map(|source| (&source.module[..], source)).collect(),
            passed_on: by_module(|code| uses(code, true)),
            imported: by_module(|code| uses(code, false)),
        }
    }

    /// Returns the files that a file uses, by what it names. A module that only passes on what a file
    /// below it makes does not use that file.
    pub fn used_by(&self, source: &Source) -> BTreeSet<&'a str> {
        let below = |name: &Name| {
            self.resolve(&source.module, name).is_some_and(|at| at.starts_with(&source.module))
        };
        let mut named = uses(&source.code, false);
        named.extend(uses(&source.code, true).into_iter().filter(|name| !below(name)));
        named.extend(paths(&source.code));
        let modules = named.iter().filter_map(|name| self.resolve(&source.module, name));
        let files = modules.filter_map(|module| Some(&self.files.get(&module[..])?.path[..]));
        files.filter(|path| *path != source.path).collect()
    }

    /// Returns the module that makes what `name` means in `module`; none for what others than we make.
    fn resolve(&self, module: &[String], name: &[String]) -> Option<Name> {
        let (mut at, rest) = self.start(module, name)?;
        for (step, word) in rest.iter().enumerate() {
            let below = [&at[..], std::slice::from_ref(word)].concat();
            if self.files.contains_key(&below[..]) {
                at = below;
            } else if let Some(brought) = self.brought_in_as(&at, word) {
                return self.resolve(&at, &[brought, &rest[step + 1..]].concat());
            } else {
                break;
            }
        }
        Some(at)
    }

    /// Resolves the first word of a name, and any `super`s behind it.
    fn start<'n>(&self, module: &[String], name: &'n [String]) -> Option<(Name, &'n [String])> {
        let (first, mut rest) = name.split_first()?;
        let program = module.first().is_some_and(|part| part == "bin");
        let mut at = match first.as_str() {
            "crate" if program => vec!["bin".to_owned()],
            "crate" => Vec::new(),
            "keystead" if program => Vec::new(),
            "self" => module.to_vec(),
            "super" => module.split_last()?.1.to_vec(),
            _ => return self.brought_in(module, first).map(|at| (at, rest)),
        };
        while rest.first().is_some_and(|word| word == "super") {
            at.pop()?;
            rest = &rest[1..];
        }
        // The program reaches the library's parts by way of this one.
        if first == "keystead" && rest.first().is_some_and(|word| word == "internal") {
            rest = &rest[1..];
        }
        Some((at, rest))
    }

    /// Returns the module that a first word means: one below, or one that is imported.
    fn brought_in(&self, module: &[String], word: &str) -> Option<Name> {
        let below = [module, &[word.to_owned()]].concat();
        if self.files.contains_key(&below[..]) {
            return Some(below);
        }
        self.resolve(module, self.brought_in_as(module, word)?)
    }

    /// Returns the path by which a module brings a word in, for itself, for those below it or for all.
    fn brought_in_as(&self, module: &[String], word: &str) -> Option<&[String]> {
        let mut all = [&self.passed_on, &self.imported].into_iter();
        all.find_map(|names| find(names, module, word)).filter(|name| name[0] != word)
    }
}

/// Finds the name of several words that ends in `word` among those of a module.
fn find<'n>(
    names: &'n BTreeMap<&[String], Vec<Name>>,
    module: &[String],
    word: &str,
) -> Option<&'n [String]> {
    let mut names = names.get(module)?.iter().filter(|name| name.len() > 1);
    names.find(|name| name.last().is_some_and(|last| last == word)).map(Vec::as_slice)
}

/// Returns the parts of the library that a file names: after `keystead::` in the program, else `crate::`.
pub fn parts_named_in(source: &Source) -> BTreeSet<String> {
    let root = if source.part() == "bin" { "keystead" } else { "crate" };
    let mut names = uses(&source.code, false);
    names.extend(uses(&source.code, true));
    names.extend(paths(&source.code));
    names.retain(|name| name[0] == root);
    let parts =
        names.into_iter().map(|name| name.into_iter().skip(1).find(|step| step != "internal"));
    parts.flatten().collect()
}

/// Returns the paths in `use`s: in those that pass on, or in the others.
fn uses(code: &str, passed_on: bool) -> Vec<Name> {
    let mut names = Vec::new();
    for (before, tree) in code.split(';').filter_map(split_use) {
        if before.contains("pub") == passed_on {
            expand(tree, &[], &mut names);
        }
    }
    names
}

/// Splits `… pub use a::b` into the words before its `use`, and the path.
fn split_use(statement: &str) -> Option<(&str, &str)> {
    let (before, tree) = statement.rsplit_once("use ")?;
    let line = before.rsplit('\n').next().unwrap_or_default().trim();
    (line.is_empty() || line.starts_with("pub")).then_some((line, tree))
}

/// Expands `a::{b, c::{d, e as f}}` into its paths.
fn expand(tree: &str, before: &[String], names: &mut Vec<Name>) {
    let (path, group) = match tree.split_once('{') {
        Some((path, group)) => (path, Some(group)),
        None => (tree.split(" as ").next().unwrap_or(tree), None),
    };
    let steps = path.split("::").map(str::trim).filter(|step| !["", "*"].contains(step));
    let mut name: Name = before.iter().cloned().chain(steps.map(str::to_owned)).collect();
    match group {
        Some(group) => items_of(group).iter().for_each(|item| expand(item, &name, names)),
        None => {
            name.pop_if(|last| *last == "self");
            names.push(name);
        }
    }
}

/// Returns the items of a group whose opening brace is gone.
fn items_of(group: &str) -> Vec<String> {
    let (mut depth, mut parts, mut part) = (0, Vec::new(), String::new());
    for letter in group.chars() {
        match letter {
            '}' if depth == 0 => break,
            ',' if depth == 0 => parts.push(std::mem::take(&mut part)),
            _ => {
                depth += i32::from(letter == '{') - i32::from(letter == '}');
                part.push(letter);
            }
        }
    }
    parts.push(part);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// Returns the paths of two words or more that stand in code outside of `use`s.
fn paths(code: &str) -> Vec<Name> {
    let statements = code.split(';').map(|statement| match split_use(statement) {
        Some(_) => statement.rsplit_once("use ").map_or("", |(before, _)| before),
        None => statement,
    });
    let code = statements.collect::<Vec<_>>().join(";");
    let mut names = Vec::new();
    let mut name: Name = Vec::new();
    let mut rest = &code[..];
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    while let Some(start) = rest.find(is_word) {
        rest = &rest[start..];
        let (word, after) = rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len()));
        name.push(word.to_owned());
        rest = after;
        match rest.strip_prefix("::").filter(|after| after.starts_with(is_word)) {
            Some(after) => rest = after,
            None if name.len() > 1 => names.push(std::mem::take(&mut name)),
            None => name.clear(),
        }
    }
    names
}
