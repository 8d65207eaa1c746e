//! The layers of the code: dependencies point down, no two files use each other, `unsafe` stays at its
//! borders, the domain knows no PKCS#11, and what only tests use stands where it can be seen.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod circles;
mod names;
mod sources;
mod words;

use circles::{Arrows, circles};
use names::{Modules, parts_named_in};
use sources::{Source, root};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// The parts that each part uses, in order, besides itself and the leaves.
const ARROWS: &[(&str, &[&str])] = &[
    ("bin", &["agent", "key", "lc", "mechanism", "module", "object", "store", "token", "wire"]),
    ("ffi", &["key", "lc", "mechanism", "module", "object", "session", "token"]),
    ("module", &["session", "token", "wire"]),
    ("session", &["key", "lc", "mechanism", "token"]),
    ("token", &["key", "lc", "mechanism", "object", "wire"]),
    ("mechanism", &["key", "lc", "object"]),
    ("object", &["key", "lc"]),
    ("key", &["lc", "wire"]),
    ("agent", &["key", "lc", "store", "wire"]),
    ("store", &[]),
    ("wire", &[]),
    ("lc", &[]),
    ("manual", &[]),
];

/// The parts that every part may use; leaves use only leaves.
const LEAVES: &[&str] = &[
    "clock",
    "config",
    "erasure",
    "error",
    "fast_map",
    "file_names",
    "id",
    "installed",
    "plain_file",
    "presence",
    "secret",
    "sys",
    "text",
    "v3_2",
];

/// The files that only pass on what others make: the map, and what the program and the tests use.
const FACADES: &[&str] = &["lib", "internal"];

/// The files and folders in which `unsafe` may stand.
const UNSAFE: &[&str] = &[
    "src/ffi/",
    "src/lc/",
    "src/sys.rs",
    "src/sys/",
    "src/bin/keystead/standard.rs",
    "src/bin/keystead/mechanisms.rs",
];

/// The items outside of modules for tests that only tests use: a clock, stores and an agent that tests furnish as they
/// want, and looks at what is private elsewhere.
const FOR_TESTS: &[(&str, &str)] = &[
    ("src/agent/index/answer_log.rs", "fn numbers"),
    ("src/agent/index/postings.rs", "fn ids"),
    ("src/agent/index/tags.rs", "fn entries"),
    ("src/agent/main_loop.rs", "fn serve_until"),
    ("src/agent/mod.rs", "use main_loop::serve_until"),
    ("src/agent/open_store.rs", "fn open"),
    ("src/agent/open_store.rs", "fn open_as"),
    ("src/clock.rs", "impl Clock for FixedClock"),
    ("src/clock.rs", "impl FixedClock"),
    ("src/clock.rs", "struct FixedClock"),
    ("src/clock.rs", "use std::sync::atomic::"),
    ("src/store/memory.rs", "fn narrow"),
    ("src/store/pending_syncs.rs", "tests::observed::before"),
    ("src/store/memory.rs", "fn with_limits"),
    ("src/store/sled/entries.rs", "fn all"),
    ("src/wire/page.rs", "fn mark"),
    ("src/wire/page/writer.rs", "fn mark"),
    ("src/wire/socket.rs", "fn give_number_to"),
];

/// The folders in which no PKCS#11 name may stand.
const DOMAIN: &[&str] = &["src/key/", "src/store/", "src/lc/"];

#[test]
fn every_part_uses_exactly_what_it_is_said_to_use() {
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in sources::all() {
        used.entry(file.part().to_owned()).or_default().extend(parts_named_in(&file));
    }
    for leaf in LEAVES {
        let uses = used.remove(*leaf).unwrap_or_default();
        assert!(uses.iter().all(|used| is_leaf(used)), "the leaf {leaf} uses {uses:?}");
    }
    used.iter_mut().for_each(|(part, uses)| uses.retain(|used| used != part && !is_leaf(used)));
    for facade in FACADES {
        used.remove(*facade);
    }
    let arrows = ARROWS.iter().map(|(part, uses)| (part.to_string(), set(uses)));
    assert_eq!(used, arrows.collect(), "the code, and what is said of it in this file");
}

#[test]
fn every_part_of_the_library_has_its_place() {
    let map = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    for line in map.lines().take_while(|line| *line != "#[cfg(test)]") {
        let Some((_, part)) = line.strip_suffix(';').and_then(|line| line.split_once("mod "))
        else {
            continue;
        };
        let placed = is_leaf(part)
            || FACADES.contains(&part)
            || ARROWS.iter().any(|(name, _)| *name == part);
        assert!(placed, "tests/direction does not say where {part} stands");
    }
}

#[test]
fn the_files_of_a_folder_form_no_circle() {
    let sources = sources::all();
    let modules = Modules::new(&sources);
    let arrows: Arrows =
        sources.iter().map(|file| (&file.path[..], modules.used_by(file))).collect();
    let mut found = Vec::new();
    for folder in folders(&arrows) {
        let circles = circles(&within(folder, &arrows)).into_iter();
        found.extend(circles.map(|circle| (folder, circle)));
    }
    assert!(found.is_empty(), "files that use each other: {found:?}");
}

/// A new arrow is a decision: it is written down, and a review sees it.
#[test]
fn files_use_each_other_as_it_is_written_down() {
    let sources = sources::all();
    let drawn = drawn(&sources);
    let file = root().join("tests/direction/arrows.txt");
    if std::env::var_os("KEYSTEAD_WRITE_ARROWS").is_some() {
        fs::write(&file, drawn.join("\n") + "\n").unwrap();
    }
    let text = fs::read_to_string(file).unwrap();
    let written: Vec<&str> = text.lines().collect();
    let gone = written.iter().filter(|line| !drawn.iter().any(|drawn| drawn == *line));
    let new = drawn.iter().filter(|line| !written.contains(&line.as_str()));
    let changes: Vec<String> =
        gone.map(|line| format!("- {line}")).chain(new.map(|line| format!("+ {line}"))).collect();
    let hint = "KEYSTEAD_WRITE_ARROWS=1 cargo test --test direction writes them down";
    assert!(changes.is_empty(), "other arrows than in arrows.txt; {hint}\n{}", changes.join("\n"));
}

/// Draws the arrows within each folder: a file, and those beside it that it uses.
fn drawn(sources: &[Source]) -> Vec<String> {
    let modules = Modules::new(sources);
    let arrows: Arrows =
        sources.iter().map(|file| (&file.path[..], modules.used_by(file))).collect();
    let mut lines = Vec::new();
    for folder in folders(&arrows).into_iter().filter(|folder| *folder != "src") {
        for (from, to) in within(folder, &arrows).into_iter().filter(|(_, to)| !to.is_empty()) {
            let to = to.into_iter().collect::<Vec<_>>().join(" ");
            lines.push(format!("{folder}/{from}: {to}"));
        }
    }
    lines
}

/// Returns all folders of files.
fn folders<'a>(arrows: &Arrows<'a>) -> BTreeSet<&'a str> {
    arrows.keys().filter_map(|path| Some(path.rsplit_once('/')?.0)).collect()
}

/// Returns the arrows between what stands in a folder; a file and the folder of its name are one.
fn within<'a>(folder: &str, arrows: &Arrows<'a>) -> Arrows<'a> {
    let node = |path: &'a str| {
        let below = path.strip_prefix(folder)?.strip_prefix('/')?;
        Some(below.split('/').next()?.trim_end_matches(".rs"))
    };
    let mut inner = Arrows::new();
    for (from, to) in arrows {
        let Some(from) = node(from) else { continue };
        let to = to.iter().filter_map(|path| node(path)).filter(|to| *to != from);
        inner.entry(from).or_default().extend(to);
    }
    inner
}

#[test]
fn unsafe_code_stands_at_its_borders_only() {
    for file in sources::all() {
        if !UNSAFE.iter().any(|place| file.path.starts_with(place)) {
            let words = words(&file.code);
            assert!(!words.contains("unsafe"), "{} has unsafe code", file.path);
        }
    }
    // Tests have no borders of their own.
    for path in sources::paths() {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        let place = path == "src/lib.rs" || UNSAFE.iter().any(|at| path.starts_with(at));
        assert!(place || !text.contains("allow(unsafe_code"), "{path} allows unsafe code");
    }
}

#[test]
fn the_domain_names_nothing_of_pkcs11() {
    for file in sources::all() {
        if DOMAIN.iter().any(|place| file.path.starts_with(place)) {
            let named: Vec<&str> =
                words(&file.code).into_iter().filter(|word| is_pkcs11_name(word)).collect();
            assert!(named.is_empty(), "{} names {named:?}", file.path);
        }
    }
}

#[test]
fn every_file_says_first_what_it_decides() {
    for path in sources::paths() {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        assert!(text.starts_with("//! "), "{path} opens without a //! line");
    }
}

#[test]
fn what_only_tests_use_is_called_tests_and_stands_last() {
    let mut items = BTreeSet::new();
    for path in sources::paths().iter().filter(|path| !sources::is_of_tests(path)) {
        let text = fs::read_to_string(root().join(path)).unwrap();
        for after in text.split("#[cfg(test)]\n").skip(1) {
            let declared = after.lines().find(|line| !line.trim_start().starts_with("#["));
            let declared = declared.unwrap_or_default();
            let Some((_, module)) = declared.split_once("mod ") else {
                items.insert((path.clone(), item(declared)));
                continue;
            };
            let called_tests = ["tests;", "tests {"].contains(&module);
            let last = after.lines().all(|line| {
                line.starts_with([' ', '#', '}']) || line.is_empty() || line.contains("mod tests")
            });
            assert!(called_tests && last, "{path}: mod {module}");
        }
    }
    let named = FOR_TESTS.iter().map(|(path, item)| (path.to_string(), item.to_string()));
    assert_eq!(items, named.collect(), "the items that only tests use, and what is said of them");
}

/// Returns a declaration without its visibility, and without what follows its name.
fn item(declared: &str) -> String {
    let declared = declared.trim();
    let visible = ["pub(crate) ", "pub(super) ", "pub "];
    let bare = visible.iter().find_map(|visible| declared.strip_prefix(visible));
    let name = bare.unwrap_or(declared).split(['(', '<', '{', ';']).next();
    name.unwrap_or_default().trim().to_owned()
}

#[test]
fn every_doc_comment_begins_with_a_noun_or_a_verb() {
    let mut found = Vec::new();
    for path in sources::everywhere() {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        let questions = words::doc_comments(&text).filter(|(_, text)| words::is_question(text));
        found.extend(questions.map(|(line, text)| format!("{path}:{line}: {text}")));
    }
    assert!(found.is_empty(), "doc comments that begin with a question:\n{}", found.join("\n"));
}

#[test]
fn every_comment_names_who_or_what_it_means() {
    let mut found = Vec::new();
    for path in sources::everywhere() {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        let riddles = words::comments(&text).filter(|(_, text)| words::is_riddle(text));
        found.extend(riddles.map(|(line, text)| format!("{path}:{line}: {text}")));
    }
    assert!(found.is_empty(), "comments that name nobody:\n{}", found.join("\n"));
}

#[test]
fn questions_and_riddles_are_seen_where_a_comment_stands() {
    let riddle = words::RIDDLES[0];
    let text =
        format!("//! What it is.\n//! What follows.\n\n/// Returns one.\nlet x = 1; // {riddle}");
    let text = text.as_str();
    let begins: Vec<_> = words::doc_comments(text).collect();
    assert_eq!(begins, [(1, "What it is."), (4, "Returns one.")]);
    assert!(words::is_question("What it is.") && words::is_question("Returns why it fails."));
    assert!(!words::is_question("Whole bytes.") && !words::is_question("Returns whether it is."));
    let riddles = words::comments(text).filter(|(_, text)| words::is_riddle(text));
    assert_eq!(riddles.map(|(line, _)| line).collect::<Vec<_>>(), [5]);
}

#[test]
fn a_property_that_fails_writes_nothing_into_the_tree() {
    for path in sources::paths() {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        for property in text.split("proptest! {\n").skip(1) {
            let configured = property.trim_start().starts_with("#![proptest_config(cases(");
            assert!(configured, "{path}: a property without `tests::cases`");
        }
    }
}

#[test]
fn the_scanner_sees_every_way_to_name_a_part() {
    let library = Source::new(
        "src/token/x.rs",
        "use crate::store::Store;\nuse crate::{id::Id, error::{Reason, Result}};\n\
         // crate::agent\nfn x() -> crate::wire::Link {}\nmod tests {\nuse crate::agent;",
    );
    assert_eq!(parts_named_in(&library), set(&["error", "id", "store", "wire"]));
    let program =
        Source::new("src/bin/keystead/x.rs", "use crate::Failure; use keystead::internal::agent;");
    assert_eq!(parts_named_in(&program), set(&["agent"]));
    assert!(is_pkcs11_name("CKR_OK") && is_pkcs11_name("CK_RV") && !is_pkcs11_name("CKECK"));
}

#[test]
fn a_file_is_found_through_what_passes_its_items_on() {
    let sources = [
        Source::new(
            "src/a/mod.rs",
            "mod b;\nmod c;\npub use b::{One, Two as Other};\nuse c::Three;",
        ),
        Source::new("src/a/b.rs", "use super::c;\nfn x() { c::three() }"),
        Source::new("src/a/c.rs", "fn x() -> super::super::d::Four {}"),
        Source::new(
            "src/d.rs",
            "use crate::a::One;\nuse crate::a::{self, c};\nfn x() { std::x() }",
        ),
    ];
    let modules = Modules::new(&sources);
    let used = |at: usize| Vec::from_iter(modules.used_by(&sources[at]));
    assert_eq!(used(0), ["src/a/c.rs"]);
    assert_eq!(used(1), ["src/a/c.rs"]);
    assert_eq!(used(2), ["src/d.rs"]);
    assert_eq!(used(3), ["src/a/b.rs", "src/a/c.rs", "src/a/mod.rs"]);
}

fn is_leaf(part: &str) -> bool {
    LEAVES.contains(&part)
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| name.to_string()).collect()
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
