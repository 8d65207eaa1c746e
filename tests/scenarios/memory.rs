//! The remains of a key in memory once it has ended: none. One process uses keys, and another, which knows what
//! they look like, looks through everything it can write to.

use crate::rig::elsewhen::faketime_in;
use crate::rig::memory::{Needle, advised};
use crate::rig::process::Other;
use crate::rig::raw::Raw;
use crate::rig::secrets::by_place;
use crate::rig::token::{Token, USER_PIN, pin};
use crate::rig::vendor::mechanism_type;
use crate::rig::world::{World, now};
use crate::rig::{expires_at, number, play, unhex};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::mechanism::vendor_defined::VendorDefinedMechanism;
use cryptoki::object::{Attribute, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use keystead::internal::lc;
use pkcs11_sys::*;
use rustix::process::Pid;

/// A kind of key: what its secret looks like, and a use of it.
struct Kind {
    name: &'static str,
    make: fn() -> (Vec<Attribute>, Vec<u8>),
    utilise: fn(&Session, ObjectHandle) -> cryptoki::error::Result<Vec<u8>>,
}

const KINDS: &[Kind] = &[
    Kind { name: "AES key", make: aes, utilise: encrypt },
    Kind { name: "AES-XTS keys", make: xts, utilise: encrypt_sector },
    Kind { name: "ChaCha20 key", make: chacha20, utilise: encrypt_by_chacha20 },
    Kind { name: "HMAC secret", make: hmac, utilise: mac },
    Kind {
        name: "RSA prime",
        make: rsa,
        utilise: |session, key| sign(session, key, Mechanism::Sha256RsaPkcs),
    },
    Kind {
        name: "EC scalar",
        make: ec,
        utilise: |session, key| sign(session, key, Mechanism::Ecdsa),
    },
];

fn random(len: usize) -> Vec<u8> {
    lc::random::secret(len).unwrap().expose().to_vec()
}

fn secret_key(kind: KeyType, value: &[u8]) -> Vec<Attribute> {
    vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(kind),
        Attribute::Value(value.to_vec()),
    ]
}

fn aes() -> (Vec<Attribute>, Vec<u8>) {
    let value = random(32);
    (secret_key(KeyType::AES, &value), value)
}

/// A key of a type that the client crate has no name for.
fn cipher_key(kind: u64, value: Vec<u8>) -> (Vec<Attribute>, Vec<u8>) {
    let template = vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        number(CKA_KEY_TYPE, kind),
        Attribute::Value(value.clone()),
    ];
    (template, value)
}

fn xts() -> (Vec<Attribute>, Vec<u8>) {
    cipher_key(CKK_AES_XTS, random(64))
}

fn chacha20() -> (Vec<Attribute>, Vec<u8>) {
    cipher_key(CKK_CHACHA20, random(32))
}

fn hmac() -> (Vec<Attribute>, Vec<u8>) {
    let value = random(48);
    (secret_key(KeyType::GENERIC_SECRET, &value), value)
}

fn rsa() -> (Vec<Attribute>, Vec<u8>) {
    let parts = lc::rsa::PrivateKey::generate(2048, &[1, 0, 1]).unwrap().components().unwrap();
    let template = vec![
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::KeyType(KeyType::RSA),
        Attribute::Modulus(parts.modulus.clone()),
        Attribute::PublicExponent(parts.public_exponent.clone()),
        Attribute::PrivateExponent(parts.private_exponent.expose().to_vec()),
        Attribute::Prime1(parts.prime_1.expose().to_vec()),
        Attribute::Prime2(parts.prime_2.expose().to_vec()),
    ];
    (template, parts.prime_1.expose().to_vec())
}

fn ec() -> (Vec<Attribute>, Vec<u8>) {
    const P256: [u8; 10] = [0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
    // Below the order of the curve, whatever the rest is.
    let value = [&[0x7F][..], &random(31)].concat();
    let template = vec![
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::KeyType(KeyType::EC),
        Attribute::EcParams(P256.to_vec()),
        Attribute::Value(value.clone()),
    ];
    (template, value)
}

fn encrypt(session: &Session, key: ObjectHandle) -> cryptoki::error::Result<Vec<u8>> {
    let mut iv = [7; 12];
    let gcm = Mechanism::AesGcm(GcmParams::new(&mut iv, &[], 128.into()).unwrap());
    session.encrypt(&gcm, key, b"text")
}

fn encrypt_sector(session: &Session, key: ObjectHandle) -> cryptoki::error::Result<Vec<u8>> {
    let xts = VendorDefinedMechanism::new(mechanism_type(CKM_AES_XTS), Some(&[7_u8; 16]));
    session.encrypt(&Mechanism::VendorDefined(xts), key, &[7; 512])
}

/// Encrypts a whole text and one in parts, which AWS-LC has different contexts for.
fn encrypt_by_chacha20(session: &Session, key: ObjectHandle) -> cryptoki::error::Result<Vec<u8>> {
    let mut nonce = [7; 12];
    let params = CK_SALSA20_CHACHA20_POLY1305_PARAMS {
        pNonce: nonce.as_mut_ptr(),
        ulNonceLen: 12,
        pAAD: std::ptr::null_mut(),
        ulAADLen: 0,
    };
    let number = mechanism_type(CKM_CHACHA20_POLY1305);
    let chacha20 = Mechanism::VendorDefined(VendorDefinedMechanism::new(number, Some(&params)));
    session.encrypt_init(&chacha20, key)?;
    session.encrypt_update(b"te")?;
    session.encrypt_final()?;
    session.encrypt(&chacha20, key, b"text")
}

fn mac(session: &Session, key: ObjectHandle) -> cryptoki::error::Result<Vec<u8>> {
    session.sign(&Mechanism::Sha256Hmac, key, b"text")
}

fn sign(
    session: &Session,
    key: ObjectHandle,
    mechanism: Mechanism,
) -> cryptoki::error::Result<Vec<u8>> {
    session.sign(&mechanism, key, &[7; 32])
}

fn kind(name: &str) -> &'static Kind {
    KINDS.iter().find(|kind| kind.name == name).unwrap()
}

/// One key of each kind on the token, each under its kind's name.
fn make_all(token: &Token, more: &[Attribute]) -> Vec<(&'static Kind, Needle)> {
    let make = |kind: &'static Kind| {
        let (mut template, secret) = (kind.make)();
        template.extend([Attribute::Token(true), Attribute::Label(kind.name.into())]);
        template.extend_from_slice(more);
        token.create_object(&template).unwrap();
        (kind, Needle::new(&secret))
    };
    KINDS.iter().map(make).collect()
}

/// The process that uses keys does what it is told.
fn obey(world: &World) {
    let token = world.same_token();
    let mut sessions: Vec<Session> = Vec::new();
    world.tell("ready");
    loop {
        let told = world.hear();
        let (what, name) = told.split_once(' ').unwrap_or((&told, ""));
        let answer = match what {
            "use" => {
                (kind(name).utilise)(&token, named(&token, name)).unwrap();
                "done".to_owned()
            }
            "destroy" => {
                token.destroy_object(named(&token, name)).unwrap();
                "done".to_owned()
            }
            "begin" => {
                let session = token.another_session();
                session.encrypt_init(&Mechanism::AesEcb, named(&token, name)).unwrap();
                session.encrypt_update(&[0; 16]).unwrap();
                sessions.push(session);
                "done".to_owned()
            }
            "go" => format!("{:?}", sessions[0].encrypt_update(&[0; 16]).map(drop).is_ok()),
            "call" => {
                token.get_session_info().unwrap();
                "done".to_owned()
            }
            "logout" => {
                token.logout().unwrap();
                "done".to_owned()
            }
            "unwrap" => {
                let wrapping = named(&token, "wrapping");
                let template = &secret_key(KeyType::AES, &[])[..2];
                let wrapped = unhex(name);
                let key = token.unwrap_key(&Mechanism::AesKeyWrap, wrapping, &wrapped, template);
                let session = token.another_session();
                encrypt(&session, key.unwrap()).unwrap();
                sessions.push(session);
                "done".to_owned()
            }
            "drop" => {
                let ours = [Attribute::Token(false), Attribute::Class(ObjectClass::SECRET_KEY)];
                token.destroy_object(token.find_objects(&ours).unwrap()[0]).unwrap();
                "done".to_owned()
            }
            "fork" => fork().to_string(),
            "close" => break,
            _ => return,
        };
        world.tell(&answer);
    }
    let module = token.module.clone();
    drop((token, sessions));
    world.tell("closed");
    assert_eq!(world.hear(), "finalize");
    module.finalize().unwrap();
    world.tell("finalized");
    world.hear();
}

fn named(token: &Token, name: &str) -> ObjectHandle {
    let class = |class| [Attribute::Class(class), Attribute::Label(name.into())];
    let found = [ObjectClass::SECRET_KEY, ObjectClass::PRIVATE_KEY]
        .map(|of| token.find_objects(&class(of)).unwrap());
    found.concat()[0]
}

/// A child that has everything of its parent's that a fork leaves it, until the parent ends.
#[allow(unsafe_code)]
fn fork() -> i32 {
    // SAFETY: the child does nothing but wait for the end of its parent.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            loop {
                libc::pause();
            }
        }
        child
    }
}

/// The other process, ready to be told.
fn client(world: &World) -> Other {
    let mut client = world.start("client");
    client.says("ready");
    client
}

fn told(client: &mut Other, what: &str) -> String {
    client.tell(what);
    client.hear()
}

#[track_caller]
fn present(client: &Other, needle: &Needle, what: &str) {
    assert!(!needle.places_in(client.pid()).is_empty(), "{what} is in use and cannot be found");
}

#[track_caller]
fn absent(pid: Pid, needle: &Needle, what: &str) {
    let places = needle.places_in(pid);
    assert!(places.is_empty(), "{what} is left in {places:#x?}");
}

/// Plays the scenario with a process that has used one key of each kind.
fn in_use(world: &World, more: &[Attribute], end: impl FnOnce(&Token, Other, &[(&Kind, Needle)])) {
    if world.role() == "client" {
        return obey(world);
    }
    let token = world.token();
    let keys = make_all(&token, more);
    let mut client = client(world);
    for (kind, needle) in &keys {
        told(&mut client, &format!("use {}", kind.name));
        present(&client, needle, kind.name);
    }
    end(&token, client, &keys);
}

#[test]
fn a_key_leaves_the_memory_of_the_process_that_deletes_it() {
    play(|world| {
        in_use(world, &[], |_, mut client, keys| {
            for (kind, needle) in keys {
                told(&mut client, &format!("destroy {}", kind.name));
                absent(client.pid(), needle, kind.name);
            }
        });
    });
}

#[test]
fn a_key_that_another_process_deletes_leaves_the_memory_at_the_next_call() {
    play(|world| {
        in_use(world, &[], |token, mut client, keys| {
            for (kind, _) in keys {
                token.destroy_object(named(token, kind.name)).unwrap();
            }
            told(&mut client, "call");
            keys.iter().for_each(|(kind, needle)| absent(client.pid(), needle, kind.name));
        });
    });
}

#[test]
fn a_key_that_expires_leaves_the_memory_at_the_next_call() {
    play(|world| {
        in_moved_time(world, |token, zero, time| {
            let keys = make_all(token, &[expires_at(zero + 1000)]);
            let mut client = client(world);
            for (kind, needle) in &keys {
                told(&mut client, &format!("use {}", kind.name));
                present(&client, needle, kind.name);
            }
            time(1001);
            told(&mut client, "call");
            keys.iter().for_each(|(kind, needle)| absent(client.pid(), needle, kind.name));
        });
    });
}

#[test]
fn nothing_is_left_of_keys_after_the_logout() {
    play(|world| {
        in_use(world, &[], |_, mut client, keys| {
            told(&mut client, "logout");
            keys.iter().for_each(|(kind, needle)| absent(client.pid(), needle, kind.name));
        });
    });
}

#[test]
fn nothing_is_left_of_keys_and_pin_after_the_last_session_and_after_the_end() {
    play(|world| {
        in_use(world, &[], |_, mut client, keys| {
            told(&mut client, "close");
            keys.iter().for_each(|(kind, needle)| absent(client.pid(), needle, kind.name));
            told(&mut client, "finalize");
            keys.iter().for_each(|(kind, needle)| absent(client.pid(), needle, kind.name));
        });
    });
}

/// A session key that a process unwraps and uses, in two of its sessions.
fn with_session_key(world: &World, end: impl FnOnce(Other, &Needle)) {
    if world.role() == "client" {
        return obey(world);
    }
    let token = world.token();
    let wrapping = [Attribute::Token(true), Attribute::Label(b"wrapping".to_vec())];
    let usages = [Attribute::Wrap(true), Attribute::Unwrap(true)];
    let wrapping = token.generate_aes(&[&wrapping[..], &usages].concat());
    let (mut template, secret) = aes();
    template.push(Attribute::Extractable(true));
    let key = token.create_object(&template).unwrap();
    let wrapped = token.wrap_key(&Mechanism::AesKeyWrap, wrapping, key).unwrap();
    let mut client = client(world);
    let hex: String = wrapped.iter().map(|byte| format!("{byte:02x}")).collect();
    told(&mut client, &format!("unwrap {hex}"));
    let needle = Needle::new(&secret);
    present(&client, &needle, "the session key");
    end(client, &needle);
}

#[test]
fn a_session_key_leaves_the_memory_as_it_is_destroyed() {
    play(|world| {
        with_session_key(world, |mut client, needle| {
            told(&mut client, "drop");
            absent(client.pid(), needle, "the session key");
        });
    });
}

#[test]
fn a_session_key_leaves_the_memory_with_the_last_session() {
    play(|world| {
        with_session_key(world, |mut client, needle| {
            told(&mut client, "close");
            absent(client.pid(), needle, "the session key");
        });
    });
}

/// The secrets in the store's erase cells, by place; the layout of that file is a promise to all stores.
#[test]
fn the_agent_keeps_neither_an_erased_cells_secret_nor_what_shows_a_pin() {
    play(|world| {
        if !rustix::process::geteuid().is_root() {
            World::skip("only root looks through the agent's memory");
        }
        let token = world.token();
        make_all(&token, &[]);
        let before = by_place(&world.store());
        KINDS.iter().for_each(|kind| token.destroy_object(named(&token, kind.name)).unwrap());
        let after = by_place(&world.store());
        let agent = world.agent().unwrap();
        let erased: Vec<_> = before.iter().filter(|(at, old)| after.get(at) != Some(old)).collect();
        assert!(erased.len() >= KINDS.len(), "{} secrets were erased", erased.len());
        for (_, secret) in erased {
            absent(agent, &Needle::new(secret), "an erased secret");
        }
        let shown = Raw::connect(world).entry.user.unwrap().stretch(USER_PIN.as_bytes()).unwrap();
        absent(agent, &Needle::new(shown.authenticator.expose()), "what shows the PIN");
        let store = &std::fs::read(world.store().join("slots")).unwrap()[64 + 16..64 + 32];
        let known = Needle::new(store).places_in(agent);
        assert!(!known.is_empty(), "what the agent does have is not found");
    });
}

/// Returns the secrets that a login has in a process: the key of everything private, and what proves the login.
fn of_the_login(world: &World, pin: &str) -> [(&'static str, Needle); 3] {
    let mut raw = Raw::connect(world);
    let stretched = raw.entry.user.as_ref().unwrap().stretch(pin.as_bytes()).unwrap();
    let key = raw.private_key(pin);
    [
        ("token key", Needle::new(key.root().expose())),
        ("proof of the login", Needle::new(key.proof_key().unwrap().expose())),
        ("PIN key", Needle::new(stretched.wrapping.expose())),
    ]
}

#[test]
fn of_a_login_only_the_token_key_and_its_proof_are_kept_and_only_for_that_process() {
    play(|world| {
        in_use(world, &[], |_, mut client, _| {
            let [key, proof, pin_key] = of_the_login(world, USER_PIN);
            present(&client, &key.1, key.0);
            present(&client, &proof.1, proof.0);
            absent(client.pid(), &pin_key.1, pin_key.0);
            let child = told(&mut client, "fork").parse().unwrap();
            for (what, needle) in [&key, &proof, &pin_key] {
                absent(Pid::from_raw(child).unwrap(), needle, what);
            }
            told(&mut client, "logout");
            for (what, needle) in [&key, &proof, &pin_key] {
                absent(client.pid(), needle, what);
            }
        });
    });
}

#[test]
fn a_pin_is_not_kept() {
    const PIN: &str = "a PIN of more than sixteen bytes";
    play(|world| {
        if world.role() == "client" {
            let module = world.module();
            let slot = module.get_slots_with_initialized_token().unwrap()[0];
            let session = module.open_rw_session(slot).unwrap();
            let masked = unhex(&world.hear());
            let pin = masked.iter().map(|byte| char::from(byte ^ MASK)).collect::<String>();
            session.login(UserType::User, Some(&AuthPin::new(pin.into()))).unwrap();
            world.tell("in");
            world.hear();
            return;
        }
        let token = world.token();
        token.set_pin(&pin(USER_PIN), &pin(PIN)).unwrap();
        let mut client = world.start("client");
        client.tell(&PIN.bytes().map(|byte| format!("{:02x}", byte ^ MASK)).collect::<String>());
        client.says("in");
        absent(client.pid(), &Needle::new(PIN.as_bytes()), "the PIN");
        present(&client, &of_the_login(world, PIN)[0].1, "the token key");
    });
}

/// Keeps a process that is looked through from having what is looked for in what it is told.
const MASK: u8 = 0xA5;

#[test]
fn a_forked_child_inherits_no_key() {
    play(|world| {
        in_use(world, &[], |_, mut client, keys| {
            let child = told(&mut client, "fork").parse().unwrap();
            let child = Pid::from_raw(child).unwrap();
            for (kind, needle) in keys {
                absent(child, needle, kind.name);
                present(&client, needle, kind.name);
            }
        });
    });
}

/// Plays in a time that is moved, to so many seconds after its beginning.
fn in_moved_time(world: &World, play: impl FnOnce(&Token, u64, &dyn Fn(u64))) {
    let file = world.path("time");
    match world.role() {
        "client" => return obey(world),
        "user" => {
            let time = |second| std::fs::write(&file, format!("+{second}")).unwrap();
            return play(&world.token(), now(), &time);
        }
        _ => {}
    }
    std::fs::write(&file, "+0").unwrap();
    let time = faketime_in(&file);
    let mut agent = world.agent_at(&time);
    world.start_with("user", &time.borrowed()).ends_well();
    world.kill_agent();
    agent.wait().unwrap();
}

/// The same with a process that has begun an operation with a key that expires at second 1000.
fn under_way(world: &World, play: impl FnOnce(&Token, Other, &Needle, &dyn Fn(u64))) {
    in_moved_time(world, |token, zero, time| {
        let (mut template, secret) = aes();
        template.extend([Attribute::Token(true), Attribute::Label("AES key".into())]);
        template.push(expires_at(zero + 1000));
        token.create_object(&template).unwrap();
        let mut client = client(world);
        told(&mut client, "begin AES key");
        let needle = Needle::new(&secret);
        present(&client, &needle, "the key");
        play(token, client, &needle, time);
    });
}

#[test]
fn an_operation_keeps_its_key_for_a_minute_after_the_expiry_and_no_longer() {
    play(|world| {
        under_way(world, |_, mut client, needle, time| {
            time(1030);
            told(&mut client, "call");
            present(&client, needle, "the key of an operation that may go on");
            assert_eq!(told(&mut client, "go"), "true");
            time(1062);
            told(&mut client, "call");
            absent(client.pid(), needle, "the key of an idle operation");
            assert_eq!(told(&mut client, "go"), "false");
        });
    });
}

#[test]
fn an_operation_keeps_no_key_that_another_process_has_deleted() {
    play(|world| {
        under_way(world, |token, mut client, needle, _| {
            token.destroy_object(named(token, "AES key")).unwrap();
            told(&mut client, "call");
            absent(client.pid(), needle, "the key of an idle operation");
            assert_eq!(told(&mut client, "go"), "false");
        });
    });
}

#[test]
fn what_is_kept_lies_in_pages_that_a_fork_wipes_and_a_dump_leaves_out() {
    play(|world| {
        in_use(world, &[], |_, client, keys| {
            let advised = advised(client.pid());
            for (kind, needle) in keys {
                let mut places = needle.places_in(client.pid());
                places.retain(|(at, _)| !advised.iter().any(|pages| pages.contains(at)));
                assert!(places.is_empty(), "{} lies in {places:#x?}", kind.name);
            }
        });
    });
}
