//! The layers of the code: dependencies point down, `unsafe` stays at its borders, and the domain
//! knows no PKCS#11.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What each part may use besides itself, and besides the leaves that everybody may use.
const MAY_USE: &[(&str, &[&str])] = &[
    (
        "bin",
        &[
            "ffi",
            "agent",
            "module",
            "session",
            "token",
            "object",
            "mechanism",
            "key",
            "store",
            "wire",
            "lc",
        ],
    ),
    ("ffi", &["module", "session", "token", "object", "mechanism", "key", "wire", "lc"]),
    ("module", &["session", "token", "object", "mechanism", "key", "wire", "lc"]),
    ("session", &["token", "object", "mechanism", "key", "wire", "lc"]),
    ("token", &["object", "mechanism", "key", "wire", "lc"]),
    ("object", &["mechanism", "key", "wire", "lc"]),
    ("mechanism", &["object", "key", "wire", "lc"]),
    ("key", &["wire", "lc"]),
    ("agent", &["key", "store", "wire"]),
    ("store", &[]),
    ("wire", &[]),
    ("lc", &[]),
    ("manual", &[]),
];

/// What everybody may use; leaves use only each other.
const LEAVES: &[&str] = &["clock", "config", "error", "id", "presence", "secret", "sys", "text"];

/// Where `unsafe` may stand.
const UNSAFE: &[&str] = &[
    "src/ffi/",
    "src/lc/",
    "src/sys.rs",
    "src/sys/",
    "src/bin/keystead/standard.rs",
    "src/bin/keystead/rsa_aes.rs",
];

/// Where no PKCS#11 name may stand.
const DOMAIN: &[&str] = &["src/key/", "src/store/", "src/lc/"];

#[test]
fn every_part_uses_only_what_stands_below_it() {
    let mut wrong = Vec::new();
    for file in sources() {
        for used in parts_used(&file) {
            if !may_use(&file.part, &used) {
                wrong.push(format!("{} uses {used}", file.path));
            }
        }
    }
    assert!(wrong.is_empty(), "dependencies that point up or sideways:\n{}", wrong.join("\n"));
}

#[test]
fn every_part_of_the_library_has_its_place() {
    let map = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    for line in map.lines() {
        let Some(part) = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';'))
        else {
            continue;
        };
        let placed = LEAVES.contains(&part) || MAY_USE.iter().any(|(name, _)| *name == part);
        assert!(placed, "tests/direction.rs does not say where {part} stands");
    }
}

#[test]
fn unsafe_code_stands_at_its_borders_only() {
    for file in sources() {
        if !UNSAFE.iter().any(|place| file.path.starts_with(place)) {
            let words = words(&file.code);
            assert!(!words.contains("unsafe"), "{} has unsafe code", file.path);
        }
        let allows = file.code.contains("allow(unsafe_code)");
        let place = file.path == "src/lib.rs" || UNSAFE.iter().any(|at| file.path.starts_with(at));
        assert!(!allows || place, "{} allows unsafe code", file.path);
    }
}

#[test]
fn the_domain_names_nothing_of_pkcs11() {
    for file in sources() {
        if DOMAIN.iter().any(|place| file.path.starts_with(place)) {
            let named: Vec<&str> =
                words(&file.code).into_iter().filter(|word| is_pkcs11_name(word)).collect();
            assert!(named.is_empty(), "{} names {named:?}", file.path);
        }
    }
}

#[test]
fn every_file_says_first_what_it_decides() {
    for path in rust_files(&root().join("src")) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! "), "{} opens without a //! line", path.display());
    }
}

#[test]
fn the_scanner_sees_every_way_to_name_a_part() {
    let source = |path: &str, code: &str| Source {
        path: path.into(),
        part: path.split('/').nth(1).unwrap().into(),
        code: code_of(code),
    };
    let library = source(
        "src/token/x.rs",
        "use crate::store::Store;\nuse crate::{id::Id, error::{Reason, Result}};\n\
         // crate::agent\nfn x() -> crate::wire::Link {}\nmod tests {\nuse crate::agent;",
    );
    assert_eq!(
        parts_used(&library).into_iter().collect::<Vec<_>>(),
        ["error", "id", "store", "wire"]
    );
    let program = source("src/bin/x.rs", "use crate::Failure; use keystead::agent::serve;");
    assert_eq!(parts_used(&program).into_iter().collect::<Vec<_>>(), ["agent"]);
    assert!(is_pkcs11_name("CKR_OK") && is_pkcs11_name("CK_RV") && !is_pkcs11_name("CKECK"));
    assert_eq!(test_modules("mod a;\n#[cfg(test)]\nmod speed;\nmod b;"), ["speed"]);
}

struct Source {
    /// From the project's root.
    path: String,
    /// The folder or file directly below `src`.
    part: String,
    /// The text without comments and without the tests at its end.
    code: String,
}

/// Every file of the sources but those that only tests use.
fn sources() -> Vec<Source> {
    let files = rust_files(&root().join("src"));
    assert!(files.len() > 20, "the sources are not where they were");
    let tests: Vec<PathBuf> = files.iter().flat_map(|path| tests_beside(path)).collect();
    let of_tests = |path: &Path| {
        tests.iter().any(|test| path.starts_with(test) || path == test.with_extension("rs"))
    };
    files.iter().filter(|path| !of_tests(path)).map(|path| read(path)).collect()
}

/// The modules that a file declares for tests only, as paths without an ending.
fn tests_beside(path: &Path) -> Vec<PathBuf> {
    let folder = match path.file_stem().unwrap().to_str().unwrap() {
        "mod" | "lib" | "main" => path.parent().unwrap().to_owned(),
        _ => path.with_extension(""),
    };
    let text = fs::read_to_string(path).unwrap();
    test_modules(&text).into_iter().map(|name| folder.join(name)).collect()
}

fn test_modules(text: &str) -> Vec<&str> {
    text.split("#[cfg(test)]\n")
        .skip(1)
        .filter_map(|after| {
            let declared = after.lines().find(|line| !line.trim_start().starts_with("#["))?;
            let name = declared.split_once("mod ")?.1;
            name.strip_suffix(';')
        })
        .collect()
}

fn read(path: &Path) -> Source {
    let below = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    let part = below.split('/').nth(1).unwrap().trim_end_matches(".rs").to_owned();
    Source { path: below, part, code: code_of(&fs::read_to_string(path).unwrap()) }
}

fn code_of(text: &str) -> String {
    let before_tests = text.split("\nmod tests {").next().unwrap_or_default();
    let uncommented = before_tests.lines().map(|line| line.split("//").next().unwrap_or_default());
    uncommented.collect::<Vec<_>>().join("\n")
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files
}

/// The parts of the library that code names: after `keystead::` in the program, else `crate::`.
fn parts_used(file: &Source) -> BTreeSet<String> {
    let root = if file.part == "bin" { "keystead::" } else { "crate::" };
    let mut parts = BTreeSet::new();
    for (at, _) in file.code.match_indices(root) {
        let rest = &file.code[at + root.len()..];
        match rest.strip_prefix('{') {
            Some(group) => parts.extend(heads_of(group)),
            None => parts.extend(first_word(rest)),
        }
    }
    parts
}

/// The first word of each path in `{a::b, c::{d, e}}`, whose opening brace is gone.
fn heads_of(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut item) = (0, Vec::new(), String::new());
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.extend(first_word(&std::mem::take(&mut item))),
            _ if depth == 0 => item.push(letter),
            _ => {}
        }
    }
    heads.extend(first_word(&item));
    heads
}

fn first_word(text: &str) -> Option<String> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

fn may_use(part: &str, used: &str) -> bool {
    if part == used || part == "lib" || LEAVES.contains(&used) {
        return true;
    }
    MAY_USE.iter().any(|(name, below)| *name == part && below.contains(&used))
}

fn words(code: &str) -> BTreeSet<&str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').collect()
}

fn is_pkcs11_name(word: &str) -> bool {
    let after = word.strip_prefix("CK");
    after.is_some_and(|rest| {
        let kind = rest.trim_start_matches(|c: char| c.is_ascii_uppercase());
        kind.starts_with('_') && rest.len() - kind.len() <= 1
    })
}

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}
