//! Targets of fuzzing within the program: the files and texts that people give it.

#![allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod harness;

use crate::Failure;
use crate::certificates::KeptCertificate;
use crate::command::migrate::softhsm_file::ObjectFile;
use crate::file_passphrase::FilePassphrase;
use crate::key_file::KeyFile;
use crate::material::{self, Format};
use crate::moment::{self, ExpiryArgument};
use crate::name::Name;
use crate::sealed_file::SealedFileHeader;
use crate::uri::Uri;
use crate::{manifest, openssh, pem};
use clap::Parser;
use harness::Target;
use keystead::internal::object::kinds::KINDS;
use std::fs;
use std::path::PathBuf;
use x509_cert::der::Encode;

const TARGETS: &[Target] = &[
    Target { name: "key_files", run: key_files },
    Target { name: "certificates", run: certificates },
    Target { name: "manifests", run: manifests },
    Target { name: "words", run: words },
    Target { name: "softhsm", run: softhsm },
];

#[test]
fn every_input_of_the_corpora_keeps_to_the_properties() {
    harness::replay(TARGETS);
}

#[cfg(fuzzing)]
#[test]
fn fuzzed() {
    harness::fuzz(TARGETS);
}

thread_local! {
    static FOLDER: tempfile::TempDir = tempfile::tempdir().unwrap();
}

/// Writes a file of the thread's own, and returns its path.
fn written(name: &str, bytes: &[u8]) -> PathBuf {
    let path = FOLDER.with(|folder| folder.path().join(name));
    fs::write(&path, bytes).unwrap();
    path
}

/// Holds that a message is a line or two for a terminal, and says nothing of what is in a file's lines.
#[track_caller]
fn harmless(failure: &Failure, file: &[u8]) {
    let said = failure.message();
    assert!(!said.chars().any(|it| it.is_control() && it != '\n'), "{said:?}");
    let lines = file.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"-----"));
    for secret in lines.flat_map(|line| line.windows(16)) {
        let secret = String::from_utf8_lossy(secret);
        assert!(!said.contains(&*secret), "{said:?} tells {secret:?}");
    }
}

#[derive(Parser)]
struct Asked {
    #[command(flatten)]
    passphrase: FilePassphrase,
}

/// A private key in any file, and material in any format.
fn key_files(bytes: &[u8]) {
    thread_local! {
        static PASSPHRASE: FilePassphrase = {
            let file = written("passphrase", b"passphrase\n");
            let words = ["keystead".as_ref(), "--passphrase-file".as_ref(), file.as_os_str()];
            Asked::parse_from(words).passphrase
        };
    }
    let read = PASSPHRASE.with(|passphrase| KeyFile::read(bytes, passphrase));
    match read {
        Ok(Some(file)) => {
            assert!(file.named_type().is_none_or(|name| KINDS.iter().any(|it| it.name == name)));
        }
        Ok(None) => {}
        Err(failure) => harmless(&failure, bytes),
    }
    let _is_one = KeyFile::is_one(bytes);
    if let Some(blocks) = pem::blocks(bytes).and_then(|found| found.blocks) {
        for block in blocks {
            assert!(block.bytes().is_none_or(|it| it.len() <= block.text.len()));
        }
    }
    for format in
        [None, Some(Format::Raw), Some(Format::Hex), Some(Format::Base64), Some(Format::Pem)]
    {
        for kind in KINDS.iter().filter(|kind| ["AES", "GENERIC", "RSA", "EC"].contains(&kind.name))
        {
            match material::decode(bytes, format, kind) {
                Ok(material) => {
                    assert!(material.len() <= bytes.len());
                    let _refused =
                        material::bits(&material, kind).map_err(|it| harmless(&it, bytes));
                }
                Err(failure) => harmless(&failure, bytes),
            }
        }
    }
}

/// Certificates in PEM or DER; the OpenSSH line of a public key.
fn certificates(bytes: &[u8]) {
    match KeptCertificate::all_in(bytes) {
        Ok(read) => {
            assert!(!read.is_empty());
            for certificate in read {
                let again = KeptCertificate::from_der(certificate.der.clone()).unwrap();
                assert_eq!(
                    again.subject().to_der().unwrap(),
                    certificate.subject().to_der().unwrap()
                );
                let _shown = (certificate.subject().to_string(), certificate.issuer().to_string());
            }
        }
        Err(failure) => harmless(&failure, bytes),
    }
    match openssh::line(bytes, "comment") {
        Ok(line) => {
            let words: Vec<&str> = line.trim_end().split(' ').collect();
            assert!(words.len() == 3 && line.ends_with('\n') && line.is_ascii(), "{line:?}");
        }
        Err(failure) => harmless(&failure, b""),
    }
}

/// A manifest of imports.
fn manifests(bytes: &[u8]) {
    let source = written("manifest.csv", bytes);
    match manifest::read(&source) {
        Ok(entries) => {
            assert!(!entries.is_empty());
            for entry in entries {
                assert!(entry.place.starts_with("line "), "{}", entry.place);
                if let Err(failure) = entry.wanted {
                    harmless(&failure, b"");
                }
            }
        }
        Err(failure) => {
            harmless(&failure, b"");
            assert!(failure.message().contains("manifest.csv"), "{}", failure.message());
        }
    }
}

/// Words of the command line: URIs, times, names; and the front of a sealed file.
fn words(bytes: &[u8]) {
    let header = SealedFileHeader::read(&mut &bytes[..]).unwrap();
    if let Some(header) = header {
        assert_eq!(header.bytes(), &bytes[..header.bytes().len()]);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(Ok(uri)) = Uri::parse(text) {
        let shown = uri.to_string();
        let again = Uri::parse(&shown).unwrap().unwrap();
        assert_eq!(again.to_string(), shown);
    }
    let _wrong = (Name::of_token(text), Name::of_key(text));
    if let Ok(expiry) = text.parse::<ExpiryArgument>() {
        let _before_1970 = expiry.for_import(1_800_000_000);
    }
    let _wrong = moment::since(text);
}

/// A file of SoftHSM's store: what is read takes no more memory than the file has bytes.
fn softhsm(bytes: &[u8]) {
    if let Some(file) = ObjectFile::read(bytes) {
        let kept: usize = file.attributes.iter().map(|(_, value)| value.len()).sum();
        assert!(kept <= bytes.len());
        assert!(file.bytes.len() + file.templates.len() <= bytes.len() / 24 + 1);
    }
}
