//! Files that ask for more than they are worth, or are none: the program says so at once, and nothing changes.

use crate::rig::play;
use crate::rig::token::USER_PIN;
use crate::rig::world::World;
use rustix::fs::{CWD, Mode, mkfifoat};
use std::fs;
use std::process::{Command, Output, Stdio};

/// `PBES2` (RFC 8018), PBKDF2 and scrypt (RFC 7914), and AES-256-CBC with its initial value.
const PBES2: &[u8] = b"\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x05\x0D";
const PBKDF2: &[u8] = b"\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x05\x0C";
const SCRYPT: &[u8] = b"\x06\x09\x2B\x06\x01\x04\x01\xDA\x47\x04\x0B";
const AES: &[u8] = b"\x30\x1D\x06\x09\x60\x86\x48\x01\x65\x03\x04\x01\x2A\x04\x10iviviviviviviviv";

/// `pbeWithSHAAnd3-KeyTripleDES-CBC` (RFC 7292).
const PBE: &[u8] = b"\x06\x0A\x2A\x86\x48\x86\xF7\x0D\x01\x0C\x01\x03";

#[test]
fn a_key_file_that_costs_too_much_to_open_is_refused_before_the_work() {
    play(|world| {
        let scrypt = |numbers: &[u64]| encrypted(&by_pbes2(SCRYPT, numbers));
        let pbkdf2 = |iterations| encrypted(&by_pbes2(PBKDF2, &[iterations]));
        for (name, file) in [
            ("memory for no machine", scrypt(&[1 << 40, 8, 1])),
            ("two gigabytes", scrypt(&[1 << 21, 8, 1])),
            ("hours of scrypt", scrypt(&[1 << 15, 8, 60_000])),
            ("hours of PBKDF2", pbkdf2(u64::from(u32::MAX >> 1))),
            ("an hour of PKCS#12's own", encrypted(&[PBE, &parameters(&[99_999_999])].concat())),
            ("a MAC of PKCS#12", with_mac(99_999_999)),
        ] {
            let refused = wrap(world, &file);
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert_eq!(refused.status.code(), Some(1), "{name}: {said}");
            assert!(said.contains("more time or memory"), "{name}: {said}");
        }
        for (name, file) in [("scrypt", scrypt(&[1 << 14, 8, 1])), ("PBKDF2", pbkdf2(600_000))] {
            let refused = wrap(world, &file);
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert_eq!(refused.status.code(), Some(4), "{name}: it is opened, and is none: {said}");
        }
    });
}

#[test]
fn a_pipe_with_a_name_is_refused_wherever_a_file_is_read_and_not_waited_for() {
    play(|world| {
        let path = |name: &str| world.path(name).to_str().unwrap().to_owned();
        let [pipe, folder, key, public] = ["pipe", "folder", "key", "public.pem"].map(path);
        fs::create_dir(&folder).unwrap();
        let inside = world.path("folder").join("inside");
        for name in [world.path("pipe"), inside] {
            mkfifoat(CWD, &name, Mode::RUSR | Mode::WUSR).unwrap();
        }
        fs::write(&key, [7; 32]).unwrap();
        fs::write(&public, PUBLIC).unwrap();
        let _token = world.token();
        let pin = path("pin");
        fs::write(&pin, USER_PIN).unwrap();
        for words in [&["generate", "pair", "--type", "EC"][..], &["generate", "seals"]] {
            let done = world.keystead(&[words, &["--pin-file", &pin]].concat());
            assert!(done.status.success(), "{done:?}");
        }
        for arguments in [
            &["list", "--config", &pipe][..],
            &["list", "--module", &pipe],
            &["list", "--pin-file", &pipe],
            &["wrap", &pipe, "--for", &public, "--out", "-"],
            &["wrap", &key, "--for", &pipe, "--out", "-"],
            &["import-many", &pipe, "--pin-file", &pin],
            &["import-many", &folder, "--pin-file", &pin],
            &["migrate", "--from", &pipe, "--pin-file", &pin],
            &["sign", "pair", &pipe, "--pin-file", &pin],
            &["seal", "seals", &pipe, "--pin-file", &pin],
            &["open", &pipe, "--pin-file", &pin],
            &["restore", &pipe, "--check", "--passphrase-file", &pin],
        ] {
            let done = within_time(world.keystead_command(arguments));
            let said = [done.stdout, done.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            let status = if arguments[1] == "--pin-file" { 4 } else { 1 };
            assert_eq!(done.status.code(), Some(status), "{arguments:?}: {said}");
            assert!(said.contains("no ordinary file"), "{arguments:?}: {said}");
        }
    });
}

#[test]
fn what_a_shell_brings_through_a_pipe_is_read() {
    play(|world| {
        let _token = world.token();
        let program = world.keystead_command(&[]);
        let mut shell = Command::new("bash");
        shell.args(["-c", "\"$0\" list --pin-file <(echo \"$1\") --json"]);
        shell.arg(program.get_program()).arg(USER_PIN);
        for (name, value) in program.get_envs() {
            value.map(|value| shell.env(name, value));
        }
        let done = within_time(shell);
        assert_eq!(String::from_utf8_lossy(&done.stdout).trim(), "[]", "{done:?}");
    });
}

// --- what the scenarios are made of ---

/// Runs a command that would wait for ever where it does not look at what it opens.
fn within_time(command: Command) -> Output {
    let mut limited = Command::new("timeout");
    limited.arg("60").arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        value.map(|value| limited.env(name, value));
    }
    limited.output().unwrap()
}

/// Wraps a private key out of such a file.
fn wrap(world: &World, file: &[u8]) -> Output {
    let path = |name: &str| world.path(name).to_str().unwrap().to_owned();
    let [key, words, public, out] = ["key", "words", "public.pem", "out"].map(path);
    fs::write(&key, file).unwrap();
    fs::write(&words, "a passphrase").unwrap();
    fs::write(&public, PUBLIC).unwrap();
    let form = ["--type", "EC", "--passphrase-file", &words, "--out", &out];
    world.keystead(&[&["wrap", &key, "--for", &public][..], &form].concat())
}

/// The public half of an import key.
const PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAzv1Vz5dN1IdPojzLVKTq
o2nlbD+aWrgrBb9zDAnN5vYMXAy0YWOWa8HHA34pjio+hos1Cyg/EB8hOrD0T5ZT
cHR1uQbeqDYHUM8RULZywL4LKDHKAqACRm4mnxpg609/OQLms+wWCW/9J06JxTty
CDwJkoNa/dmoDKzUP7ovtPqC9x6nXbDvngHPdzO5do7AddhfCiJwL2Ek+eHeuPMu
jpEx3QxxOX0j/0Iv2Xlu0bHTjW9sYRU/sHRE19vpCnn7aoXMP6YqYPhMmtt/Dk6U
R8G0mXXXUggC1s9DErLrrkFv5wZQfgMp6vXonLnB2JjZOFIj/pdiShs4dEyJTyg3
PwIDAQAB
-----END PUBLIC KEY-----
";

fn encrypted(algorithm: &[u8]) -> Vec<u8> {
    element(0x30, &[&element(0x30, &[algorithm]), &element(0x04, &[&[0x55; 160]])])
}

fn by_pbes2(derivation: &[u8], numbers: &[u64]) -> Vec<u8> {
    let derivation = element(0x30, &[derivation, &parameters(numbers)]);
    [PBES2, &element(0x30, &[&derivation, AES])].concat()
}

/// A salt, and these numbers.
fn parameters(numbers: &[u64]) -> Vec<u8> {
    let number = |number: &u64| {
        let bytes = number.to_be_bytes();
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count().min(7);
        element(0x02, &[&[0][..usize::from(bytes[zeros] > 127)], &bytes[zeros..]])
    };
    let numbers: Vec<u8> = numbers.iter().flat_map(number).collect();
    element(0x30, &[&element(0x04, &[b"saltsalt"]), &numbers])
}

/// A file of PKCS#12 with nothing in it, but for the iterations of its MAC.
fn with_mac(iterations: u64) -> Vec<u8> {
    let data = b"\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x07\x01";
    let nothing = element(0xA0, &[&element(0x04, &[&element(0x30, &[])])]);
    let digest = element(
        0x30,
        &[
            b"\x30\x0D\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00",
            &element(0x04, &[&[7; 32]]),
        ],
    );
    // The salt and the iterations stand in the MAC's own element.
    let salt = &parameters(&[iterations])[2..];
    let mac = element(0x30, &[&digest, salt]);
    element(0x30, &[b"\x02\x01\x03", &element(0x30, &[data, &nothing]), &mac])
}

fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let inner = parts.concat();
    let length = match inner.len() {
        short @ 0..0x80 => vec![short as u8],
        middle @ 0x80..0x100 => vec![0x81, middle as u8],
        long => vec![0x82, (long >> 8) as u8, long as u8],
    };
    [&[tag][..], &length, &inner].concat()
}
