//! Strangers, who have no PIN and do not use the module: another process of the same user, a member of the group.
//! They see what is public, no key whatever it says of itself, and change nothing.

use crate::rig::raw::{Raw, needs_login};
use crate::rig::token::{SO_PIN, Token, USER_PIN, aes_material, expected_block, make_token, pin};
use crate::rig::world::World;
use crate::rig::{play, refused, without_custody};
use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::UserType;
use keystead::internal::error::Reason;
use keystead::internal::id::Id;
use keystead::internal::key::{Body, Event, Header, Role};
use keystead::internal::wire::proof::Credential;
use keystead::internal::wire::{Expect, Request, Response, Stored};
use pkcs11_sys::{
    CKA_CLASS, CKA_ENCRYPT, CKA_KEY_TYPE, CKA_LABEL, CKA_TOKEN, CKK_AES, CKO_SECRET_KEY,
};
use rustix::process::{Gid, Uid};
use std::os::unix::fs::PermissionsExt;

const KNOWN: [u8; 32] = [7; 32];
const FORGED: [u8; 32] = [8; 32];

fn log_in_again(token: &Token, who: UserType, text: &str) {
    token.logout().unwrap();
    token.login(who, Some(&pin(text))).unwrap();
}

fn public() -> [Attribute; 2] {
    [Attribute::Token(true), Attribute::Private(false)]
}

/// An ordinary key that the security officer trusts to wrap, with the value [`KNOWN`].
fn trusted(token: &Token) -> ObjectHandle {
    log_in_again(token, UserType::So, SO_PIN);
    let template = [
        &aes_material()[..],
        &[
            Attribute::Private(false),
            Attribute::Value(KNOWN.to_vec()),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Trusted(true),
            Attribute::Wrap(true),
            Attribute::Encrypt(true),
            Attribute::Label(b"trusted".to_vec()),
            without_custody(),
        ],
    ]
    .concat();
    let key = token.create_object(&template).unwrap();
    log_in_again(token, UserType::User, USER_PIN);
    key
}

/// The records of all public objects on the token, by a connection that has logged in.
fn all_public(world: &World) -> Vec<Stored> {
    let mut user = Raw::connect(world);
    user.login(false, USER_PIN).unwrap();
    let ids = user.find(None);
    ids.into_iter().map(|id| user.read(id).unwrap().0).filter(|it| !header(it).private).collect()
}

fn header(stored: &Stored) -> Header {
    Header::decode(&stored.header).unwrap()
}

/// A token with a trusted key, a public custom key and a public data object.
fn furnished(world: &World) -> (Token, ObjectHandle) {
    let token = world.token();
    let trusted = trusted(&token);
    token.generate_aes(&public());
    let data = [Attribute::Class(ObjectClass::DATA), Attribute::Label(b"data".to_vec())];
    token.create_object(&[&data[..], &public()].concat()).unwrap();
    (token, trusted)
}

/// Asserts that the holder of this connection reads no key and changes nothing.
fn gets_nowhere(stranger: &mut Raw, all: &[Stored]) {
    let class = CKO_SECRET_KEY.to_ne_bytes();
    assert!(stranger.find(Some((CKA_CLASS, &class))).is_empty());
    assert_eq!(stranger.find(Some((CKA_LABEL, b"data"))).len(), 1);
    assert_eq!(stranger.find(None).len(), 2, "the data, and what is said of the custom key");
    let token = stranger.token;
    for stored in all {
        let header = header(stored);
        let key = header.holds_key();
        let read = stranger.read(stored.id);
        assert_eq!(read.is_some(), !key, "{header:?}");
        if let Role::CustomKey(state) = &header.role {
            let fingerprint = state.fingerprint.unwrap().0;
            for request in [
                Request::Versions { token, key: stored.id },
                Request::Associated { token, fingerprint },
            ] {
                let Response::Several(found) = stranger.ask(&request).unwrap() else { panic!() };
                assert!(found.iter().all(|it| it.id == stored.id), "{request:?}");
            }
            needs_login(stranger.ask(&Request::Used { token, uses: vec![(stored.id, 0, 9)] }));
        }
        let mut change = stranger.forged(stored, b"forged");
        if matches!(header.role, Role::CustomKey(_)) {
            change.event = Event::Describe.encode().unwrap();
        }
        needs_login(stranger.commit(vec![change.clone()]));
        change.put = None;
        needs_login(stranger.commit(vec![change]));
    }
    let role = Role::Object { holds_key: false };
    let new = Header { private: false, role, expiry: None, tags: Vec::new() };
    needs_login(stranger.commit(vec![stranger.made(Id::new([9; 16]), &new, b"new")]));
    needs_login(stranger.commit(Vec::new()));
    let reason = Reason::OtherMaterial;
    needs_login(stranger.ask(&Request::ImportRefused { token, key: None, reason }));
    for wipe in [false, true] {
        needs_login(stranger.ask(&renaming(stranger, wipe)));
    }
}

/// A change of the token's label without any PIN.
fn renaming(stranger: &Raw, wipe: bool) -> Request {
    let mut entry = stranger.entry.clone();
    entry.label = "mine".into();
    Request::PutToken {
        token: stranger.token,
        expect: Expect::Revision(2),
        entry: entry.encode().unwrap(),
        slot: None,
        by: None,
        wipe,
        change: [5; 16],
    }
}

#[test]
fn another_process_without_a_pin_reads_no_key_and_changes_no_record() {
    play(|world| {
        let (token, trusted) = furnished(world);
        let all = all_public(world);
        assert_eq!(all.iter().filter(|it| header(it).holds_key()).count(), 2);
        gets_nowhere(&mut Raw::connect(world), &all);
        assert_eq!(all_public(world), all, "nothing has changed");
        let block = token.encrypt_block(trusted).unwrap();
        assert_eq!(block, expected_block(&KNOWN));
        // What the stranger was after: a key that only trusted keys wrap, wrapped under his own.
        let guarded = [Attribute::Extractable(true), Attribute::WrapWithTrusted(true)];
        let guarded = token.generate_aes(&guarded);
        let wrapped = token.wrap_key(&Mechanism::AesKeyWrap, trusted, guarded).unwrap();
        let template = [
            &aes_material()[..2],
            &[Attribute::Token(false), Attribute::Unwrap(true), Attribute::Value(FORGED.to_vec())],
        ]
        .concat();
        let own = token.create_object(&template).unwrap();
        let session = [&aes_material()[..2], &[Attribute::Token(false)]].concat();
        let opened = token.unwrap_key(&Mechanism::AesKeyWrap, own, &wrapped, &session);
        refused(opened, RvError::WrappedKeyInvalid);
    });
}

#[test]
fn a_member_of_the_group_without_a_pin_does_no_better() {
    const NOBODY: u32 = 65_534;
    play(|world| {
        if !rustix::process::geteuid().is_root() {
            World::skip("only root acts as another user");
        }
        world.configure("group = \"daemon\"");
        let (_token, _) = furnished(world);
        let all = all_public(world);
        for folder in [world.path(""), world.store()] {
            std::fs::set_permissions(folder, PermissionsExt::from_mode(0o711)).unwrap();
        }
        let group = std::fs::metadata(world.store().join("agent.sock")).unwrap();
        let group = std::os::unix::fs::MetadataExt::gid(&group);
        let store = world.store();
        let member = move || {
            let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(group));
            rustix::thread::set_thread_groups(&[]).unwrap();
            rustix::thread::set_thread_res_gid(group, group, group).unwrap();
            rustix::thread::set_thread_res_uid(user, user, user).unwrap();
            let mut member = Raw::to(&store, 0);
            gets_nowhere(&mut member, &all);
            for request in [Request::Backup, Request::Sweep, Request::AuditHead] {
                let refused = member.ask(&request).unwrap_err().reason();
                assert_eq!(refused, Reason::OwnerOnly, "{request:?}");
            }
            member.login(false, USER_PIN).unwrap();
            let key = all.iter().find(|it| header(it).holds_key()).unwrap();
            assert!(member.read(key.id).is_some(), "with the PIN as everybody");
        };
        std::thread::spawn(member).join().unwrap();
    });
}

#[test]
fn the_officer_reads_public_keys_and_no_private_object() {
    play(|world| {
        let (token, trusted) = furnished(world);
        let named = [Attribute::Token(true), Attribute::Label(b"private".to_vec())];
        let private = token.generate_aes(&named);
        let id = uuid(&token, private);
        let mut user = Raw::connect(world);
        user.login(false, USER_PIN).unwrap();
        let (stored, _) = user.read(id).unwrap();
        let mut officer = Raw::connect(world);
        officer.login(true, SO_PIN).unwrap();
        assert!(officer.read(id).is_none());
        assert!(officer.read(uuid(&token, trusted)).is_some());
        assert_eq!(officer.find(None).len(), all_public(world).len());
        needs_login(officer.commit(vec![officer.forged(&stored, b"forged")]));
        let mut removal = officer.forged(&stored, b"forged");
        removal.put = None;
        needs_login(officer.commit(vec![removal]));
    });
}

/// A token object's identity.
fn uuid(token: &Token, object: ObjectHandle) -> Id {
    Id::parse(&token.bytes(object, AttributeType::UniqueId)).unwrap()
}

#[test]
fn a_login_to_one_token_is_none_to_another() {
    play(|world| {
        let (token, _) = furnished(world);
        let other = make_token(&token.module, "another token");
        let theirs = other.generate_aes(&[&public()[..], &[without_custody()]].concat());
        let id = uuid(&other, theirs);
        let mut raw = Raw::connect(world);
        let credential = raw.login(false, USER_PIN).unwrap();
        assert!(raw.read(id).is_none(), "not among the own token's records");
        raw.token = Raw::to(&world.store(), 1).token;
        assert!(raw.read(id).is_none() && raw.find(None).is_empty());
        needs_login(raw.commit(Vec::new()));
        let proof = raw.proof(&credential);
        needs_login(raw.ask(&proof));
    });
}

#[test]
fn a_proof_is_of_no_use_on_another_connection() {
    play(|world| {
        let (_token, _) = furnished(world);
        let credential = Raw::connect(world).login(false, USER_PIN).unwrap();
        let (mut other, mut again) = (Raw::connect(world), Raw::connect(world));
        let proof = again.proof(&credential);
        needs_login(other.ask(&proof));
        again.ask(&proof).unwrap();
        let claim = again.proof(&Credential { officer: true, ..credential });
        needs_login(again.ask(&claim));
    });
}

#[test]
fn a_key_in_a_record_that_says_it_holds_none_is_no_key_for_anybody() {
    play(|world| {
        let token = world.token();
        let mut raw = Raw::connect(world);
        raw.login(false, USER_PIN).unwrap();
        let attributes = [(CKA_CLASS, CKO_SECRET_KEY), (CKA_KEY_TYPE, CKK_AES)];
        let number = |(kind, value): (u64, u64)| (kind, value.to_ne_bytes().to_vec());
        let mut attributes: Vec<_> = attributes.map(number).into();
        attributes.extend([(CKA_TOKEN, vec![1]), (CKA_ENCRYPT, vec![1])]);
        let body = Body { attributes, material: FORGED.to_vec() }.encode().unwrap();
        let record = |id, holds_key| {
            let tags = [(CKA_CLASS, &CKO_SECRET_KEY.to_ne_bytes()[..])];
            let tags = tags.map(|(kind, value)| raw.public_key().tag(kind, value).unwrap()).into();
            let role = Role::Object { holds_key };
            raw.made(id, &Header { private: false, role, expiry: None, tags }, body.expose())
        };
        let (honest, lying) = (Id::new([1; 16]), Id::new([2; 16]));
        let changes = vec![record(honest, true), record(lying, false)];
        raw.commit(changes).unwrap();
        let found = token.find_objects(&[Attribute::Class(ObjectClass::SECRET_KEY)]).unwrap();
        let [first, second] = found[..] else { panic!("{found:?}") };
        assert_eq!(token.encrypt_block(first).unwrap(), expected_block(&FORGED));
        refused(token.encrypt_block(second), RvError::DeviceError);
    });
}

#[test]
fn a_public_key_on_the_token_is_there_for_who_has_logged_in_and_one_of_a_session_for_all() {
    play(|world| {
        let (token, trusted) = furnished(world);
        let session = [Attribute::Token(false), Attribute::Private(false)];
        let fleeting = token.generate_aes(&session);
        let secret = [Attribute::Class(ObjectClass::SECRET_KEY)];
        assert_eq!(token.find_objects(&secret).unwrap().len(), 3);
        token.encrypt_init(&Mechanism::AesEcb, trusted).unwrap();
        token.logout().unwrap();
        refused(token.encrypt_update(&KNOWN), RvError::OperationNotInitialized);
        assert_eq!(token.find_objects(&secret).unwrap(), [fleeting]);
        token.encrypt_block(fleeting).unwrap();
        refused(token.encrypt_block(trusted), RvError::KeyHandleInvalid);
        let read = token.get_attributes(trusted, &[AttributeType::Label]);
        refused(read, RvError::ObjectHandleInvalid);
        let data = [Attribute::Label(b"data".to_vec())];
        let data = token.find_objects(&data).unwrap()[0];
        assert_eq!(token.bytes(data, AttributeType::Label), b"data");
        refused(token.destroy_object(data), RvError::UserNotLoggedIn);
        let certificate = [Attribute::Class(ObjectClass::DATA), Attribute::Token(true)];
        let certificate = [&certificate[..], &[Attribute::Private(false)]].concat();
        refused(token.create_object(&certificate), RvError::UserNotLoggedIn);

        for who in [(UserType::So, SO_PIN), (UserType::User, USER_PIN)] {
            token.login(who.0, Some(&pin(who.1))).unwrap();
            assert_eq!(token.find_objects(&secret).unwrap().len(), 3);
            assert_eq!(token.encrypt_block(trusted).unwrap(), expected_block(&KNOWN));
            token.logout().unwrap();
        }
    });
}

#[test]
fn a_process_that_knows_nobodys_pin_any_more_goes_on_after_its_agents_end() {
    play(|world| {
        let (token, _) = furnished(world);
        let key = token.generate_aes(&[Attribute::Token(true)]);
        world.kill_agent();
        token.update_attributes(key, &[Attribute::Label(b"renamed".to_vec())]).unwrap();
        log_in_again(&token, UserType::So, SO_PIN);
        world.kill_agent();
        token.init_pin(&pin("another-pin")).unwrap();
        token.set_pin(&pin(SO_PIN), &pin("another-so-pin")).unwrap();
        world.kill_agent();
        token.init_pin(&pin(USER_PIN)).unwrap();
        log_in_again(&token, UserType::User, USER_PIN);
        let named = [Attribute::Label(b"renamed".to_vec())];
        assert_eq!(token.find_objects(&named).unwrap().len(), 2);
    });
}
