//! The `keystead` program as its users meet it: transcripts, replayed command by command and compared
//! with what is printed.
//!
//! A transcript is a text of lines that begin with `#` (prose) and `$` (a command for bash), each
//! command followed by what it prints and, where that is not 0, its exit status. All commands of one
//! run in the same new directory, without a terminal, on a store of their own; the files `pin`,
//! `so-pin` and `wrong-pin` are there. `SNAPSHOTS=overwrite cargo test --test transcripts` writes
//! down what is printed now.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use regex::Regex;
use snapbox::data::DataFormat;
use snapbox::{Assert, Data, Redactions};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use tempfile::TempDir;

#[path = "rig/skip.rs"]
mod skip;

macro_rules! transcripts {
    ($($name:ident)*) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                replay(stringify!($name));
            }
        )*
    };
}

transcripts! {
    auditing
    backups
    clock
    command_line
    custom_keys
    destroying_a_token
    doctor
    dry_run
    exit_statuses
    expiring
    import_keys
    import_many
    importing
    key_files
    key_formats
    key_pairs
    making_a_token
    ml_dsa
    ml_kem
    ml_kem_ceremony
    openssh_keys
    pins
    rotation
    scheduled_deletion
    sealing
    standard_output
    systemd
    tokens_and_stores
    uris
    wrapping
}

#[test]
fn every_transcript_is_replayed() {
    let mut files: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    assert_eq!(files, NAMES);
}

/// The texts that differ from run to run.
const VARYING: &[(&str, &str)] = &[
    ("[UUID]", r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"),
    ("[ID]", r"\b[0-9a-f]{32}\b"),
    ("[CKA_ID]", r"id=(?<redacted>(%[0-9A-F]{2}){16})"),
    ("[SERIAL]", r"\b[0-9a-f]{16}\b"),
    ("[TIME]", "20[2-8][0-9]-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"),
    ("[PID]", "`kill (?<redacted>[0-9]+)`"),
    ("[MAC]", r"\b[0-9a-f]{64}\b"),
    ("[LEFT]", r"\b[0-9]{5}d\b"),
];

/// Commands that a system may lack.
const WANTED: [&str; 7] =
    ["openssl", "ssh-keygen", "pkcs11-tool", "script", "flock", "setsid", "bash"];

/// Those with which every transcript is replayed.
const ALWAYS: [&str; 2] = ["setsid", "bash"];

fn replay(name: &str) {
    let file = folder().join(name).with_extension("txt");
    let text = fs::read_to_string(&file).unwrap();
    let wanted: Vec<&str> =
        WANTED.into_iter().filter(|it| ALWAYS.contains(it) || text.contains(it)).collect();
    if !skip::has_all(name, &wanted) {
        return;
    }
    let play = Play::new();
    let mut actual = String::new();
    for line in text.lines() {
        match line.strip_prefix("$ ") {
            Some(command) => actual.push_str(&format!("{line}\n{}\n", play.said(command))),
            None if line.starts_with('#') => actual.push_str(&format!("{line}\n")),
            None => {}
        }
    }
    let mut varying = Redactions::new();
    varying.insert("[DIRECTORY]", play.0.path().to_str().unwrap().to_owned()).unwrap();
    varying.insert("[PROGRAM]", PROGRAM.path().to_str().unwrap().to_owned()).unwrap();
    for (placeholder, pattern) in VARYING {
        varying.insert(placeholder, Regex::new(pattern).unwrap()).unwrap();
    }
    Assert::new()
        .action_env("SNAPSHOTS")
        .redact_with(varying)
        .normalize_paths(false)
        .eq(actual.trim_end().to_owned() + "\n", Data::read_from(&file, Some(DataFormat::Text)));
}

/// A directory in which commands run.
struct Play(TempDir);

impl Play {
    fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("keystead-transcript.").tempdir().unwrap();
        for (name, text) in [("pin", "12345678"), ("so-pin", "87654321"), ("wrong-pin", "wrong")] {
            let file = directory.path().join(name);
            fs::write(&file, format!("{text}\n")).unwrap();
            fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
        }
        Self(directory)
    }

    /// Returns the text that a command prints, and its status where it fails.
    fn said(&self, command: &str) -> String {
        let output = Command::new("setsid")
            .args(["--wait", "bash", "-c", &format!("exec 2>&1; umask 077; {command}")])
            .current_dir(&self.0)
            .env("HOME", self.0.path())
            .env("PATH", format!("{}:{}", PROGRAM.path().display(), std::env::var("PATH").unwrap()))
            .env("MODULE", PROGRAM.path().join("libkeystead.so"))
            .env("KEYSTEAD_STORE", self.0.path().join("store"))
            .env("NO_COLOR", "1")
            .env_remove("KEYSTEAD_CONF")
            .env_remove("XDG_CONFIG_HOME")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let mut said = String::from_utf8(output.stdout).unwrap();
        if !output.status.success() {
            said.push_str(&format!("[{}]\n", output.status));
        }
        said
    }
}

/// The program with its module beside it, as an installation has them. `cargo test` builds the two in
/// different folders.
static PROGRAM: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::Builder::new().prefix("keystead-program.").tempdir().unwrap();
    let module = std::env::current_exe().unwrap().with_file_name("libkeystead.so");
    fs::copy(env!("CARGO_BIN_EXE_keystead"), folder.path().join("keystead")).unwrap();
    fs::copy(module, folder.path().join("libkeystead.so")).unwrap();
    folder
});

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts")
}
