//! The public key object beside an imported private key, by which programs that do not log in, as
//! `ssh-keygen -D`, see that the pair is there.

use crate::Failure;
use crate::keys::ListedKey;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;

/// The note on a public key object.
pub(crate) const READABLE: &str =
    "its public key is an object of its own: that, and the alias on it, can be read without a PIN";

/// The parts of the public key of each type of key. Of one on a lattice it follows from the last.
const PARTS: [&[AttributeType]; 3] = [
    &[AttributeType::Modulus, AttributeType::PublicExponent],
    &[AttributeType::EcParams, AttributeType::EcPoint],
    &[AttributeType::ParameterSet, AttributeType::PublicKeyInfo],
];

/// Makes the public key object of a custom key whose private key is present, with its alias and its
/// `CKA_ID`, unless there is one. Returns whether there is one now: a secret key has none.
pub(crate) fn make_beside(session: &Session, key: &ListedKey) -> Result<bool, Failure> {
    let Some(private) = private_half(session, key)? else { return Ok(false) };
    if beside(session, private)?.is_empty() {
        session.create_object(&template(session, private)?).map_err(|error| {
            Failure::from(error).also(
                "the material has been imported; importing it again makes the public key object",
            )
        })?;
    }
    Ok(true)
}

/// Returns whether a custom key has a public key object.
pub(crate) fn is_beside(session: &Session, key: &ListedKey) -> Result<bool, Failure> {
    match private_half(session, key)? {
        Some(private) => Ok(!beside(session, private)?.is_empty()),
        None => Ok(false),
    }
}

/// Returns the public key of a custom key as a `SubjectPublicKeyInfo` (RFC 5280): of its private key, or else
/// of the public key object that has stayed.
pub(crate) fn info(session: &Session, key: &ListedKey) -> Result<Vec<u8>, Failure> {
    let object = match private_half(session, key)? {
        Some(private) => private,
        None => left(session, key)?,
    };
    match session.get_attributes(object, &[AttributeType::PublicKeyInfo])?.pop() {
        Some(Attribute::PublicKeyInfo(info)) if !info.is_empty() => Ok(info),
        _ => Err(none(key)),
    }
}

/// Returns an object that verifies what a custom key has signed: the public key object, or one for this
/// session.
pub(crate) fn verifying(session: &Session, key: &ListedKey) -> Result<ObjectHandle, Failure> {
    let Some(private) = private_half(session, key)? else { return left(session, key) };
    match beside(session, private)?.first() {
        Some(public) => Ok(*public),
        None => {
            let mut template = template(session, private)?;
            template.retain(|attribute| *attribute != Attribute::Token(true));
            template.extend([Attribute::Token(false), Attribute::Verify(true)]);
            Ok(session.create_object(&template)?)
        }
    }
}

/// Returns the private key that is a custom key's material.
pub(crate) fn private(session: &Session, key: &ListedKey) -> Result<ObjectHandle, Failure> {
    private_half(session, key)?.ok_or_else(|| {
        let shown = &key.shown;
        Failure::not_found(format_args!("{shown} has no private key: {}", shown.material))
            .hint("`keystead show` shows what it is, and when material has gone")
    })
}

/// The public key object of a custom key without material.
fn left(session: &Session, key: &ListedKey) -> Result<ObjectHandle, Failure> {
    let id = key.shown.id_bytes();
    let wanted = [
        Attribute::Class(ObjectClass::PUBLIC_KEY),
        Attribute::Label(key.shown.label()),
        Attribute::Id(id.clone()),
    ];
    let found = if id.is_empty() { Vec::new() } else { session.find_objects(&wanted)? };
    found.first().copied().ok_or_else(|| none(key))
}

fn none(key: &ListedKey) -> Failure {
    let shown = &key.shown;
    Failure::not_found(format_args!("{shown} has no public key: {}", shown.key_type))
        .hint("it is there with a private key's material, or as an object of its own")
}

/// Gives the public key object of a custom key that new alias.
pub(crate) fn rename(session: &Session, key: &ListedKey, alias: &str) -> Result<(), Failure> {
    let Some(private) = private_half(session, key)? else { return Ok(()) };
    for public in beside(session, private)? {
        session.update_attributes(public, &[Attribute::Label(alias.into())])?;
    }
    Ok(())
}

fn private_half(session: &Session, key: &ListedKey) -> Result<Option<ObjectHandle>, Failure> {
    let is_private = |object: &ObjectHandle| {
        let class = session.get_attributes(*object, &[AttributeType::Class]);
        class.is_ok_and(|class| class == [Attribute::Class(ObjectClass::PRIVATE_KEY)])
    };
    Ok(key.material(session)?.into_iter().find(is_private))
}

/// The public key objects with the private key's `CKA_ID` and its very public key.
fn beside(session: &Session, private: ObjectHandle) -> Result<Vec<ObjectHandle>, Failure> {
    let mut wanted =
        session.get_attributes(private, &[AttributeType::Id, AttributeType::PublicKeyInfo])?;
    wanted.extend([Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::Token(true)]);
    Ok(session.find_objects(&wanted)?)
}

fn template(session: &Session, private: ObjectHandle) -> Result<Vec<Attribute>, Failure> {
    let same = [AttributeType::KeyType, AttributeType::Label, AttributeType::Id];
    let mut template = session.get_attributes(private, &same)?;
    for parts in PARTS {
        template.extend(session.get_attributes(private, parts)?);
    }
    template.extend([
        Attribute::Class(ObjectClass::PUBLIC_KEY),
        Attribute::Token(true),
        Attribute::Private(false),
    ]);
    Ok(template)
}
