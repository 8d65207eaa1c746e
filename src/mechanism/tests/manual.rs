//! The manual's table of mechanisms, compared with the rows.

use super::*;
use crate::object::kinds::KINDS;

/// The words for what a mechanism does, by the flags that say it.
const WORDS: &[(CK_FLAGS, &str)] = &[
    (CKF_ENCRYPT, "encrypts"),
    (CKF_DECRYPT, "decrypts"),
    (CKF_DIGEST, "digests"),
    (CKF_SIGN, "signs"),
    (CKF_VERIFY, "verifies"),
    (CKF_SIGN_RECOVER | CKF_VERIFY_RECOVER, "signs and verifies with recovery"),
    (CKF_WRAP, "wraps"),
    (CKF_UNWRAP, "unwraps"),
    (CKF_ENCAPSULATE, "encapsulates"),
    (CKF_DECAPSULATE, "decapsulates"),
    (CKF_DERIVE, "derives"),
    (CKF_GENERATE, "generates"),
    (CKF_GENERATE_KEY_PAIR, "generates pairs"),
    (CKF_MULTI_MESSAGE, "takes messages"),
];

fn key(row: &MechanismRow) -> &'static str {
    let of = |key_type| KINDS.iter().find(|kind| kind.key_type == key_type);
    match row.key_type.and_then(of) {
        _ if row.any_secret => "any secret",
        Some(kind) => kind.name,
        None => "",
    }
}

fn in_the_manual(row: &MechanismRow) -> String {
    let does = WORDS.iter().filter(|(flags, _)| row.flags() & flags == *flags);
    let does: Vec<&str> = does.map(|(_, word)| *word).collect();
    let setting = row.wraps_by.or(row.unwraps_by).map(|it| format!(" (`{}`)", it.name()));
    let setting = setting.unwrap_or_default();
    format!("//! | `{}` | {} | {}{setting} |", row.name, key(row), does.join(", "))
}

#[test]
fn the_manual_has_every_mechanism_with_its_keys_and_what_it_does() {
    let manual = include_str!("../../manual/mechanisms.rs").lines();
    let told: Vec<&str> = manual.filter(|line| line.starts_with("//! | `CKM_")).collect();
    let rows: Vec<String> = MECHANISMS.iter().map(in_the_manual).collect();
    assert_eq!(told, rows, "the table is to be:\n{}", rows.join("\n"));
}
