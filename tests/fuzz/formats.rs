//! The formats of the agent's protocol, of the store and of people's files: what is read is written again as the same
//! bytes, or read again as the same thing; what is not read is refused with one error.

use super::input::Input;
use crate::agent::{audit, backup::Backup, rows};
use crate::config::Config;
use crate::error::Reason;
use crate::key::body::{Body, Metadata};
use crate::key::pin::TokenEntry;
use crate::key::record::Header;
use crate::key::state::Event;
use crate::object::json;
use crate::secret::Secret;
use crate::text::{escaped, unescaped};
use crate::wire::frame;
use crate::wire::message::{MAX_FRAME, Request, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs;
use std::io::ErrorKind;

/// The frames that a module sends.
pub(super) fn requests(bytes: &[u8]) {
    frames::<Request>(bytes);
}

/// The frames that an agent sends.
pub(super) fn responses(bytes: &[u8]) {
    frames::<Response>(bytes);
}

fn frames<T: Serialize + DeserializeOwned + std::fmt::Debug>(bytes: &[u8]) {
    let mut rest = bytes;
    loop {
        let before = rest.len();
        match frame::receive::<T>(&mut rest, MAX_FRAME) {
            Ok(None) => return assert!(rest.is_empty()),
            Ok(Some(message)) => {
                let sent = frame::encode(&message).unwrap();
                // A number may be written longer than it has to be.
                assert!(sent.len() <= before - rest.len(), "{message:?}");
                let again: T = frame::receive(&mut &sent[..], MAX_FRAME).unwrap().unwrap();
                assert_eq!(*frame::encode(&again).unwrap(), *sent, "{message:?}");
            }
            Err(error) => {
                let legal = [ErrorKind::InvalidData, ErrorKind::UnexpectedEof];
                return assert!(legal.contains(&error.kind()), "{error}");
            }
        }
        // A frame may announce more than it has, and then waits for it: nothing is made for it that is longer.
    }
}

/// The parts of records, and the rows of the store.
pub(super) fn records(bytes: &[u8]) {
    let mut input = Input(bytes);
    let kind = input.byte();
    let bytes = input.0;
    let damaged = |reason| assert_eq!(reason, Reason::StoreDamaged);
    match kind % 8 {
        0 => read(
            Header::decode(bytes),
            |it| it.encode().unwrap(),
            |it| Header::decode(it).unwrap(),
            damaged,
        ),
        1 => read(
            Event::decode(bytes),
            |it| it.encode().unwrap(),
            |it| Event::decode(it).unwrap(),
            |reason| assert_eq!(reason, Reason::ArgumentsBad),
        ),
        2 => read(
            TokenEntry::decode(bytes),
            |it| it.encode().unwrap(),
            |it| TokenEntry::decode(it).unwrap(),
            damaged,
        ),
        3 => read(
            Metadata::decode(&Secret::from(bytes)),
            |it| it.encode().unwrap().expose().to_vec(),
            |it| Metadata::decode(&Secret::from(it)).unwrap(),
            damaged,
        ),
        4 => read(
            Body::decode(&Secret::from(bytes)),
            |it| it.encode().unwrap().expose().to_vec(),
            |it| Body::decode(&Secret::from(it)).unwrap(),
            damaged,
        ),
        5 => row::<rows::RecordRow>(bytes),
        6 => row::<rows::TokenRow>(bytes),
        _ => {
            let read = Backup::decode(bytes).map(drop).map_err(|error| error.reason());
            assert!(matches!(read, Ok(()) | Err(Reason::BackupDamaged)), "{read:?}");
            row::<rows::Meta>(bytes);
            row::<rows::Answered>(bytes);
        }
    }
}

fn row<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    let decode = |bytes: &[u8]| rows::decode::<T>(bytes, "a row");
    let damaged = |reason| assert_eq!(reason, Reason::StoreDamaged);
    read(decode(bytes), |it| rows::encode(it).unwrap(), |it| decode(it).unwrap(), damaged);
}

/// Holds what was read against what it is written as.
fn read<T>(
    read: crate::error::Result<T>,
    encode: impl Fn(&T) -> Vec<u8>,
    decode: impl Fn(&[u8]) -> T,
    refused: impl Fn(Reason),
) {
    match read {
        Ok(it) => {
            let written = encode(&it);
            assert_eq!(encode(&decode(&written)), written);
        }
        Err(error) => refused(error.reason()),
    }
}

/// A configuration file.
pub(super) fn configuration(bytes: &[u8]) {
    thread_local! {
        static FOLDER: tempfile::TempDir = tempfile::tempdir().unwrap();
    }
    FOLDER.with(|folder| {
        let file = folder.path().join("config.toml");
        fs::write(&file, bytes).unwrap();
        match Config::load(Some(file.to_str().unwrap())) {
            Ok(config) => {
                assert!(config.directory.is_absolute() && config.grace_hours <= 24);
                assert!((1024..=8192).contains(&config.rsa_minimum));
                for path in [&config.agent, &config.module, &config.metrics, &config.on_event] {
                    assert!(path.as_ref().is_none_or(|path| path.is_absolute()), "{path:?}");
                }
            }
            Err(error) => {
                assert_eq!(error.reason(), Reason::BadConfiguration);
                assert!(error.to_string().contains("config.toml"), "it names no file: {error}");
            }
        }
    });
}

/// The JSON that makes a custom key, or changes its expiry; lines of the audit log; escaped text.
pub(super) fn json(bytes: &[u8]) {
    const NOW: u64 = 1_800_000_000;
    match json::wanted(bytes, NOW, NOW) {
        Ok(request) => {
            assert!(request.alias.is_none_or(|alias| !alias.is_empty()));
            assert!(request.bits == 0 || request.kind.sizes.contain(request.bits));
        }
        Err(error) => assert!(
            [Reason::AttributeValue, Reason::ExpiryPast, Reason::ClockBehind]
                .contains(&error.reason()),
            "{error}"
        ),
    }
    if let Err(error) = json::changed_expiry(bytes, None, (NOW, NOW)) {
        let legal = [
            Reason::AttributeValue,
            Reason::AttributeReadOnly,
            Reason::ExpiryPast,
            Reason::ClockBehind,
        ];
        assert!(legal.contains(&error.reason()), "{error}");
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some((entry, head)) = audit::line::parse(text) {
        assert_eq!(entry.seq, head.seq);
    }
    if let Some(bytes) = unescaped(text) {
        let shown = escaped(&bytes);
        assert_eq!(unescaped(&shown), Some(bytes), "{shown}");
    }
}
