//! The operations that are measured, one row each: how each begins, and what of AWS-LC does the same work.

use crate::floor::{self, Floor};
use crate::module::{Outcome, Session};
use crate::template::*;
use cryptoki_sys::*;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// A prepared operation: does it so many times, and returns the time that it took, without what was only undone.
pub type Operation = Box<dyn FnMut(u64) -> Outcome<Duration>>;

/// A row of the table of operations.
pub struct Row {
    pub name: &'static str,
    pub prepare: fn(Session) -> Outcome<Operation>,
    /// The same work straight in AWS-LC, where it is cryptography.
    pub floor: Option<fn() -> Floor>,
    /// True where its instructions are counted: it waits for no other process, and draws no primes.
    pub counted: bool,
}

/// Every operation with keys, in the report's order.
pub const OPERATIONS: &[Row] = &[
    row("AES-256-GCM, token key, 16 bytes", |it| gcm_of(it, 16), Some(|| floor::gcm(16))).counted(),
    row(
        "AES-256-GCM, token key, 16 bytes, beside a kept context",
        |it| gcm_of(it, 16),
        Some(|| floor::gcm_kept(16)),
    ),
    row("AES-256-GCM, token key, 1 KiB", |it| gcm_of(it, 1 << 10), Some(|| floor::gcm(1 << 10)))
        .counted(),
    row("AES-256-GCM, token key, 1 MiB", |it| gcm_of(it, 1 << 20), Some(|| floor::gcm(1 << 20))),
    row("AES-256-CBC, 16 bytes", cbc, Some(floor::cbc)).counted(),
    row("SHA-256, 32 bytes", sha256, Some(floor::sha256)).counted(),
    row("HMAC-SHA-256, token key, 32 bytes", hmac, Some(floor::hmac)).counted(),
    row("RSA-2048, token key, sign", rsa_sign, Some(floor::rsa_sign)),
    row("P-256, token key, sign", p256_sign, Some(floor::p256_sign)).counted(),
    row("Ed25519, token key, sign", ed25519_sign, Some(floor::ed25519_sign)).counted(),
    row("P-256 pair, session", p256_pair, Some(floor::p256_pair)).counted(),
    row("Ed25519 pair, session", ed25519_pair, Some(floor::ed25519_pair)).counted(),
    row("RSA-2048 pair, session", rsa_pair, Some(floor::rsa_pair)),
    row("session key, created", created, None).counted(),
    row("session key, generated", generated, Some(floor::random)).counted(),
    row("session key, unwrapped by AES-KW", unwrapped, Some(floor::unwrap)).counted(),
    row("32 random bytes", random, Some(floor::random)).counted(),
    row("session, opened and closed", sessions, None).counted(),
    row("find by ID, again", find_again, None).counted(),
    row("find by ID, none there", find_none, None).counted(),
    row("CKA_ID read", read_id, None).counted(),
    row("token key, created, durable", created_on_token, None),
    row("token key, destroyed, durable", destroyed_on_token, None),
    row("session, opened and closed, with 60 000 open", sessions_among_many, None).counted(),
];

const fn row(
    name: &'static str,
    prepare: fn(Session) -> Outcome<Operation>,
    floor: Option<fn() -> Floor>,
) -> Row {
    Row { name, prepare, floor, counted: false }
}

impl Row {
    const fn counted(self) -> Self {
        Self { counted: true, ..self }
    }
}

/// An operation that leaves nothing behind.
fn repeated(mut one: impl FnMut() -> Outcome<()> + 'static) -> Operation {
    Box::new(move |times| {
        let began = Instant::now();
        for _ in 0..times {
            one()?;
        }
        Ok(began.elapsed())
    })
}

/// An operation between what is made before it and undone after it, of which only `one` is timed.
fn between<A, B>(
    mut before: impl FnMut() -> Outcome<A> + 'static,
    mut one: impl FnMut(A) -> Outcome<B> + 'static,
    mut after: impl FnMut(B) -> Outcome<()> + 'static,
) -> Operation {
    Box::new(move |times| {
        let mut spent = Duration::ZERO;
        for _ in 0..times {
            let made = before()?;
            let began = Instant::now();
            let result = one(made)?;
            spent += began.elapsed();
            after(result)?;
        }
        Ok(spent)
    })
}

/// An operation that makes an object, which is destroyed again.
fn making(
    session: Session,
    mut make: impl FnMut() -> Outcome<CK_OBJECT_HANDLE> + 'static,
) -> Operation {
    between(|| Ok(()), move |()| make(), move |object| session.destroy(object))
}

/// The IDs of what the operations leave on the token, by which it is found and destroyed.
pub const LEFT: &[u8] = b"benchmark operation";

/// An AES-GCM operation of so many bytes, with a key on the token.
pub fn gcm_of(session: Session, size: usize) -> Outcome<Operation> {
    let key = session.generate(&new_aes(true, LEFT))?;
    Ok(gcm_by(session, key, size))
}

/// The same with a key that is there.
pub fn gcm_by(session: Session, key: CK_OBJECT_HANDLE, size: usize) -> Operation {
    let (iv, input, mut output) = ([1; 12], vec![3; size], vec![0; size + 16]);
    repeated(move || {
        let parameter = gcm(&iv);
        let mut mechanism = Mechanism::with(CKM_AES_GCM, &parameter);
        session.encrypt(&mut mechanism, key, black_box(&input), &mut output).map(drop)
    })
}

fn cbc(session: Session) -> Outcome<Operation> {
    let key = session.generate(&new_aes(true, LEFT))?;
    let (iv, mut output) = ([2_u8; 16], [0; 32]);
    Ok(repeated(move || {
        let mut mechanism = Mechanism::with(CKM_AES_CBC, &iv);
        session.encrypt(&mut mechanism, key, black_box(&[3; 16]), &mut output).map(drop)
    }))
}

fn sha256(session: Session) -> Outcome<Operation> {
    Ok(repeated(move || session.digest(black_box(&[3; 32])).map(drop)))
}

fn hmac(session: Session) -> Outcome<Operation> {
    let key = session.create(&given_hmac(true, LEFT, &new_value()))?;
    Ok(signing(session, CKM_SHA256_HMAC, key))
}

/// Signs 32 bytes.
fn signing(session: Session, mechanism: CK_MECHANISM_TYPE, key: CK_OBJECT_HANDLE) -> Operation {
    let mut signature = vec![0; 512];
    repeated(move || {
        let mut mechanism = Mechanism::plain(mechanism);
        session.sign(&mut mechanism, key, black_box(&[5; 32]), &mut signature).map(drop)
    })
}

fn rsa_sign(session: Session) -> Outcome<Operation> {
    let (public, private) = (public_rsa(true, LEFT, 2048), private(true, LEFT));
    let (_, key) = session.generate_pair(CKM_RSA_PKCS_KEY_PAIR_GEN, &public, &private)?;
    Ok(signing(session, CKM_SHA256_RSA_PKCS, key))
}

/// A signature with a new P-256 key on the token.
pub fn p256_sign(session: Session) -> Outcome<Operation> {
    let (public, private) = (public_ec(true, LEFT, &P256), private(true, LEFT));
    let (_, key) = session.generate_pair(CKM_EC_KEY_PAIR_GEN, &public, &private)?;
    Ok(signing(session, CKM_ECDSA, key))
}

fn ed25519_sign(session: Session) -> Outcome<Operation> {
    let (public, private) = (public_ec(true, LEFT, &ED25519), private(true, LEFT));
    let (_, key) = session.generate_pair(CKM_EC_EDWARDS_KEY_PAIR_GEN, &public, &private)?;
    Ok(signing(session, CKM_EDDSA, key))
}

fn pairs(session: Session, mechanism: CK_MECHANISM_TYPE, public: Template) -> Operation {
    let private = private(false, LEFT);
    let both = move |(public, private)| session.destroy(public).and(session.destroy(private));
    let make = move |()| session.generate_pair(mechanism, &public, &private);
    between(|| Ok(()), make, both)
}

fn p256_pair(session: Session) -> Outcome<Operation> {
    Ok(pairs(session, CKM_EC_KEY_PAIR_GEN, public_ec(false, LEFT, &P256)))
}

fn ed25519_pair(session: Session) -> Outcome<Operation> {
    Ok(pairs(session, CKM_EC_EDWARDS_KEY_PAIR_GEN, public_ec(false, LEFT, &ED25519)))
}

fn rsa_pair(session: Session) -> Outcome<Operation> {
    Ok(pairs(session, CKM_RSA_PKCS_KEY_PAIR_GEN, public_rsa(false, LEFT, 2048)))
}

fn created(session: Session) -> Outcome<Operation> {
    let template = given_aes(false, LEFT, &[7; 32]);
    Ok(making(session, move || session.create(&template)))
}

fn generated(session: Session) -> Outcome<Operation> {
    let template = new_aes(false, LEFT);
    Ok(making(session, move || session.generate(&template)))
}

fn unwrapped(session: Session) -> Outcome<Operation> {
    let by = session.generate(&new_wrapping_key())?;
    let key = session.create(&given_extractable())?;
    let wrapped = session.wrap(&mut Mechanism::plain(CKM_AES_KEY_WRAP), by, key)?;
    let template = unwrapped_aes();
    let unwrap =
        move || session.unwrap(&mut Mechanism::plain(CKM_AES_KEY_WRAP), by, &wrapped, &template);
    Ok(making(session, unwrap))
}

fn random(session: Session) -> Outcome<Operation> {
    let mut output = [0; 32];
    Ok(repeated(move || session.random(&mut output)))
}

fn sessions(session: Session) -> Outcome<Operation> {
    Ok(repeated(move || session.module.open(session.slot)?.close()))
}

fn find_again(session: Session) -> Outcome<Operation> {
    let id = b"benchmark operation: found";
    session.generate(&new_aes(true, id))?;
    let template = by_id(CKO_SECRET_KEY, id);
    Ok(repeated(move || match session.find::<10>(&template)?.is_empty() {
        true => Err("a key on the token is not found".into()),
        false => Ok(()),
    }))
}

fn find_none(session: Session) -> Outcome<Operation> {
    let template = by_id(CKO_SECRET_KEY, b"none has this");
    Ok(repeated(move || session.find::<10>(&template).map(drop)))
}

fn read_id(session: Session) -> Outcome<Operation> {
    let key = session.generate(&new_aes(true, LEFT))?;
    let mut id = [0; 64];
    Ok(repeated(move || session.read(key, CKA_ID, &mut id).map(drop)))
}

/// Creates keys on the token and destroys them, the creation timed.
pub fn created_on_token(session: Session) -> Outcome<Operation> {
    Ok(making(session, move || session.create(&given_aes(true, &new_value(), &new_value()))))
}

fn destroyed_on_token(session: Session) -> Outcome<Operation> {
    let create = move || session.create(&given_aes(true, &new_value(), &new_value()));
    Ok(between(create, move |key| session.destroy(key), Ok))
}

/// Opens and closes a session while 60 000 others are open, which `C_Finalize` closes.
fn sessions_among_many(session: Session) -> Outcome<Operation> {
    (0..60_000).try_for_each(|_| session.module.open(session.slot).map(drop))?;
    sessions(session)
}

/// Returns the value of a key, or its ID, that no other has: a custom key's material is its alone, and by its ID the
/// material would come back.
pub fn new_value() -> [u8; 32] {
    let mut value = [0; 32];
    aws_lc_rs::rand::fill(&mut value).expect("random bytes");
    value
}
