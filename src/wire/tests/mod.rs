//! Messages are what they were, byte by byte: `golden.txt` has each of this protocol's, and every reason
//! with its number. Where a line changes, so must [`PROTOCOL`](super::message::PROTOCOL); what is new is
//! appended.

use super::message::{BackupPart, PROTOCOL};
use super::{
    Authority, Change, Confidential, Expect, FleetStatus, HeartbeatStatus, HostState, HostStatus,
    Request, Response, Stored, StoredToken,
};
use crate::erasure::{Erasure, ErasureStatus, Tombstone};
use crate::error::Reason;
use crate::id::Id;
use crate::secret::Secret;
use serde::Serialize;
use std::fmt::{Debug, Write};

const TOKEN: Id = Id::new([0x11; 16]);
const RECORD: Id = Id::new([0x22; 16]);

fn secret(byte: u8) -> Confidential {
    Secret::new(vec![byte; 32]).into()
}

fn requests() -> Vec<Request> {
    let (token, key, change) = (TOKEN, RECORD, [0x33; 16]);
    let authenticator = || secret(0x44);
    let put = Some((vec![5, 6], vec![7]));
    let changes = vec![
        Change { id: key, expect: Expect::Absent, event: vec![8], put, alias: Some("a".into()) },
        Change {
            id: token,
            expect: Expect::Revision(300),
            event: Vec::new(),
            put: None,
            alias: None,
        },
    ];
    let by = Some(Authority { officer: true, authenticator: authenticator() });
    let entry = vec![9, 10];
    vec![
        Request::Hello { protocol: (1, 300), store_format: 2 },
        Request::Tokens,
        Request::PutToken {
            token,
            expect: Expect::Revision(1),
            entry,
            slot: Some(3),
            by,
            wipe: true,
            change,
        },
        Request::Login { token, officer: true, authenticator: authenticator() },
        Request::Prove { token, officer: true, proof: secret(0x55) },
        Request::Forget { token },
        Request::Find {
            token,
            alternatives: vec![vec![[0x66; 16]], Vec::new()],
            now: 1_800_000_000,
            after: Some(key),
            limit: 7,
        },
        Request::Read { token, ids: vec![key, token] },
        Request::Versions { token, key },
        Request::Associated { token, fingerprint: [0x77; 32] },
        Request::Commit { token, changes, change },
        Request::Sweep,
        Request::DestroyToken {
            token,
            label: "old".into(),
            authenticator: authenticator(),
            change,
        },
        Request::Clock,
        Request::AcceptClock { token, authenticator: authenticator() },
        Request::AuditHead,
        Request::ImportRefused { token, key: Some(key), reason: Reason::OtherMaterial },
        Request::Backup,
        Request::BackupPart,
        Request::Used { token, uses: vec![(key, 20_833, 1000)] },
        Request::OpenUses { key },
        Request::Troubles,
        Request::FleetStatus,
        Request::Invite { seconds: 900 },
        Request::Expel { host: "b".into() },
    ]
}

fn status() -> FleetStatus {
    let heartbeat = HeartbeatStatus { clock: 1_800_000_000, applied: 300, version: "0.0.0".into() };
    let host = |state, heartbeat| HostStatus {
        host: RECORD,
        name: "a".into(),
        state,
        erased_through: 299,
        heartbeat,
    };
    FleetStatus {
        fleet: TOKEN,
        own: RECORD,
        applied: 301,
        word_left: 60,
        hosts: vec![
            host(HostState::Listed, None),
            host(HostState::Enrolled, Some(heartbeat)),
            host(HostState::Expelled, None),
        ],
        erasures: vec![
            (ErasureStatus::Erasing { done: 1, of: 2 }, 3),
            (ErasureStatus::Erased, 4),
            (ErasureStatus::ErasedExcept(vec!["b".into()]), 5),
        ],
    }
}

fn responses() -> Vec<Response> {
    let stored = |erasure| Stored {
        id: RECORD,
        revision: 4,
        header: vec![1, 2],
        sealed: vec![3, 4, 5],
        erasure,
    };
    let entry = || StoredToken {
        id: TOKEN,
        slot: 1,
        revision: 2,
        entry: vec![1],
        wrong: (9, 10),
        read_only: true,
    };
    let owned = (
        stored(Erasure::Live),
        Some(Box::new(stored(Erasure::Ended(Tombstone::Expired(1_800_000_000))))),
    );
    vec![
        Response::Welcome {
            protocol: 3,
            store: TOKEN,
            incarnation: 300,
            nonce: [0x99; 32],
            page: 300,
        },
        Response::Tokens(vec![entry()]),
        Response::Done(5),
        Response::LoggedIn { entry: entry(), ticket: secret(0xAA) },
        Response::Found { ids: vec![RECORD], more: true },
        Response::Records(vec![None, Some(owned)]),
        Response::Several(vec![stored(Erasure::Ended(Tombstone::Deleted(1)))]),
        Response::Committed(vec![1, 0]),
        Response::Swept { erased: 1, ended: 2 },
        Response::Refused(Reason::StoreFull.detail("why")),
        Response::Clock { clock: 1, mark: 2 },
        Response::AuditHead { seq: 1, mac: [0x88; 32], waiting: 2 },
        Response::BackupReady {
            bytes: 1,
            tokens: 2,
            custom_keys: 3,
            others: 4,
            damaged: vec![RECORD],
        },
        Response::BackupPart(BackupPart(vec![1, 2, 3])),
        Response::Working,
        Response::OpenUses(vec![(20_833, 1000)]),
        Response::Troubles(vec![("log".into(), "why".into())]),
        Response::FleetStatus(status()),
        Response::Invitation { code: secret(0xBB), expires: 1_800_000_000 },
        Response::Expelled(RECORD),
    ]
}

/// One line each: the variant's name, and its bytes.
fn lines<M: Debug + Serialize>(messages: &[M]) -> String {
    let mut lines = String::new();
    for (number, message) in messages.iter().enumerate() {
        let bytes = postcard::to_stdvec(message).unwrap();
        assert_eq!(usize::from(bytes[0]), number, "{message:?} has another message's place");
        let debug = format!("{message:?}");
        let name = debug.split(|it: char| !it.is_alphanumeric()).next().unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(lines, "{name} {hex}").unwrap();
    }
    lines
}

#[test]
fn messages_and_reasons_equal_the_golden_file() {
    let mut text = format!("protocol {} to {}\n\n", PROTOCOL.0, PROTOCOL.1);
    writeln!(text, "{}\n{}", lines(&requests()), lines(&responses())).unwrap();
    for (number, reason) in Reason::ALL.iter().enumerate() {
        let bytes = postcard::to_stdvec(reason).unwrap();
        assert_eq!(bytes, [u8::try_from(number).unwrap()]);
        writeln!(text, "{number} {reason:?} {:#x}", reason.rv()).unwrap();
    }
    let golden = include_str!("golden.txt");
    let differs = text.lines().zip(golden.lines()).find(|(now, was)| now != was);
    assert_eq!(differs, None, "now, and before");
    assert!(text == golden, "a message or reason is missing from golden.txt, or new:\n{text}");
}

/// Compiles only while each kind of message has an example above.
#[test]
fn every_message_has_an_example() {
    let request = |it: &Request| match it {
        Request::Hello { .. } => 0,
        Request::Tokens => 1,
        Request::PutToken { .. } => 2,
        Request::Login { .. } => 3,
        Request::Prove { .. } => 4,
        Request::Forget { .. } => 5,
        Request::Find { .. } => 6,
        Request::Read { .. } => 7,
        Request::Versions { .. } => 8,
        Request::Associated { .. } => 9,
        Request::Commit { .. } => 10,
        Request::Sweep => 11,
        Request::DestroyToken { .. } => 12,
        Request::Clock => 13,
        Request::AcceptClock { .. } => 14,
        Request::AuditHead => 15,
        Request::ImportRefused { .. } => 16,
        Request::Backup => 17,
        Request::BackupPart => 18,
        Request::Used { .. } => 19,
        Request::OpenUses { .. } => 20,
        Request::Troubles => 21,
        Request::FleetStatus => 22,
        Request::Invite { .. } => 23,
        Request::Expel { .. } => 24,
    };
    let response = |it: &Response| match it {
        Response::Welcome { .. } => 0,
        Response::Tokens(_) => 1,
        Response::Done(_) => 2,
        Response::LoggedIn { .. } => 3,
        Response::Found { .. } => 4,
        Response::Records(_) => 5,
        Response::Several(_) => 6,
        Response::Committed(_) => 7,
        Response::Swept { .. } => 8,
        Response::Refused(_) => 9,
        Response::Clock { .. } => 10,
        Response::AuditHead { .. } => 11,
        Response::BackupReady { .. } => 12,
        Response::BackupPart(_) => 13,
        Response::Working => 14,
        Response::OpenUses(_) => 15,
        Response::Troubles(_) => 16,
        Response::FleetStatus(_) => 17,
        Response::Invitation { .. } => 18,
        Response::Expelled(_) => 19,
    };
    assert!(requests().iter().map(request).eq(0..25));
    assert!(responses().iter().map(response).eq(0..20));
}
