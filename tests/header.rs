//! `include/keystead.h` and the code carry the same numbers: a C program prints the header's.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use keystead::internal::object::properties::PROPERTIES;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "rig/skip.rs"]
mod skip;

macro_rules! numbers {
    ($($name:ident)*) => {
        &[$((stringify!($name), keystead::internal::object::vendor::$name)),*]
    };
}

/// Every number of the code that is no property's attribute; that none is missing here is a test.
const OTHERS: &[(&str, u64)] = numbers! {
    CKM_KEYSTEAD_SEAL CKM_KEYSTEAD_ROTATE
    ORIGIN_GENERATED ORIGIN_EXTERNAL
    STATUS_ENABLED STATUS_DISABLED STATUS_PENDING_DELETION STATUS_PENDING_IMPORT
    MATERIAL_PRESENT MATERIAL_NEVER MATERIAL_DELETED MATERIAL_EXPIRED MATERIAL_READABLE
    ACTION_ERASE ACTION_READ_ONLY
};

/// Every number of the code by its name: the attributes of the table of properties, and the others.
fn numbers() -> BTreeMap<&'static str, u64> {
    let own = PROPERTIES.iter().filter(|property| property.rule.is_some());
    let attributes = own.filter_map(|property| Some((property.name, property.kind?)));
    attributes.chain(OTHERS.iter().copied()).collect()
}

#[test]
fn the_header_has_every_number_of_the_code_and_no_other() {
    let wanted = ["gcc", "/usr/include/p11-kit-1/p11-kit/pkcs11.h"];
    if !skip::has_all("the_header_has_every_number_of_the_code_and_no_other", &wanted) {
        return;
    }
    let code: BTreeMap<String, u64> =
        numbers().into_iter().map(|(name, value)| (in_c(name), value)).collect();
    assert_eq!(printed_by_c(&defined(&header())), code);
}

#[test]
fn every_number_of_the_code_is_compared() {
    let text = fs::read_to_string(root().join("src/object/vendor.rs")).unwrap();
    let declared: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("pub const ")?.split_once(": u64 = "))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(declared, numbers().into_keys().collect());
}

#[test]
fn the_numbers_are_those_that_were_promised() {
    let promised = |name: &str| numbers()[name];
    for (at, name) in [
        "KEY_ID",
        "ORIGIN",
        "STATUS",
        "DESCRIPTION",
        "CREATED_AT",
        "EXPIRES_AT",
        "MATERIAL_STATE",
        "MATERIAL_VERSION",
        "ROTATION_DAYS",
        "DELETION_AT",
        "CUSTODY",
        "EXPIRY_ACTION",
        "IMPORT_ONLY",
    ]
    .iter()
    .enumerate()
    {
        assert_eq!(promised(&format!("CKA_KEYSTEAD_{name}")), 0x804B_5301 + at as u64);
    }
    assert_eq!(promised("CKM_KEYSTEAD_SEAL"), 0x804B_5301);
    assert_eq!(promised("CKM_KEYSTEAD_ROTATE"), 0x804B_5302);
}

#[test]
fn the_manual_tells_of_every_property() {
    let manual = fs::read_to_string(root().join("src/manual/properties.rs")).unwrap();
    for property in PROPERTIES {
        for name in [Some(property.name), property.json].into_iter().flatten() {
            let told = name.is_empty() || manual.contains(&format!("`{name}`"));
            assert!(told, "src/manual/properties.rs does not tell of {name}");
        }
    }
}

/// The name in C: what is no PKCS#11 name in the code has a prefix there.
fn in_c(name: &str) -> String {
    if name.starts_with("CK") { name.to_owned() } else { format!("CK_KEYSTEAD_{name}") }
}

/// The names that the header defines as numbers.
fn defined(header: &Path) -> Vec<String> {
    let text = fs::read_to_string(header).unwrap();
    text.lines()
        .filter_map(|line| line.strip_prefix("#define "))
        .filter_map(|line| line.split_once(' '))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// Returns the values that a C program prints for the names, with p11-kit's header before ours.
fn printed_by_c(names: &[String]) -> BTreeMap<String, u64> {
    let folder = tempfile::tempdir().unwrap();
    let (source, program) = (folder.path().join("print.c"), folder.path().join("print"));
    let mut text = "#include <stdio.h>\n#include <p11-kit/pkcs11.h>\n".to_owned();
    text += "#include \"keystead.h\"\nint main(void) {\n";
    for name in names {
        text += &format!("printf(\"{name} %lu\\n\", (CK_ULONG)({name}));\n");
    }
    fs::write(&source, text + "return 0; }\n").unwrap();
    let compiled = Command::new("gcc")
        .args(["-Wall", "-Werror", "-I/usr/include/p11-kit-1", "-I"])
        .arg(header().parent().unwrap())
        .arg("-o")
        .args([&program, &source])
        .status()
        .expect("gcc");
    assert!(compiled.success());
    let output = Command::new(&program).output().unwrap().stdout;
    String::from_utf8(output)
        .unwrap()
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

fn header() -> PathBuf {
    root().join("include/keystead.h")
}

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}
