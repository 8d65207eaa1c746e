//! The attributes of an object of another module, as bytes: the client crate reads them as values of its own,
//! and knows not all.

use super::object::{SourceObject, TEMPLATES, asked};
use cryptoki::error::{Error, Result};
use cryptoki::object::{Attribute, AttributeInfo, AttributeType, ObjectHandle};
use cryptoki::session::Session;
use keystead::internal::object::Attributes;
use pkcs11_sys::{CK_ULONG, CKA_ALLOWED_MECHANISMS, CKA_CLASS, CKA_EXTRACTABLE};

/// Reads an object.
pub(super) fn read(session: &Session, object: ObjectHandle, number: usize) -> Result<SourceObject> {
    let mut attributes = Attributes::default();
    one(session, object, CKA_CLASS, &mut attributes)?;
    let class = attributes.number(CKA_CLASS);
    for kind in class.into_iter().flat_map(asked).chain([CKA_EXTRACTABLE]) {
        one(session, object, kind, &mut attributes)?;
    }
    let restriction = restriction(session, object, &attributes)?;
    Ok(SourceObject { number, attributes, restriction, broken: None })
}

/// Reads one attribute, if the object has it and the client crate knows it.
fn one(
    session: &Session,
    object: ObjectHandle,
    kind: u64,
    attributes: &mut Attributes,
) -> Result<()> {
    match session.get_attributes(object, &[numbered(kind)]) {
        Ok(read) => {
            if let Some(value) = read.first().and_then(bytes) {
                attributes.set(kind, &value);
            }
            Ok(())
        }
        Err(error @ Error::Pkcs11(..)) => Err(error),
        // A value that the client crate has no name for.
        Err(_) => Ok(()),
    }
}

/// Returns an attribute that restricts a key, where it has one that has not been read.
fn restriction(
    session: &Session,
    object: ObjectHandle,
    read: &Attributes,
) -> Result<Option<&'static str>> {
    let mechanisms = (CKA_ALLOWED_MECHANISMS, "CKA_ALLOWED_MECHANISMS");
    let restricting = TEMPLATES.iter().chain([&mechanisms]);
    for (kind, name) in restricting.filter(|(kind, _)| !read.contains(*kind)) {
        let info = session.get_attribute_info(object, &[numbered(*kind)])?;
        if matches!(info.as_slice(), [AttributeInfo::Available(1..)]) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn numbered(kind: u64) -> AttributeType {
    // The client crate takes any number under this name.
    AttributeType::VendorDefined(kind)
}

/// Returns the bytes of an attribute in PKCS#11's form; none for those that no copy has.
fn bytes(attribute: &Attribute) -> Option<Vec<u8>> {
    use Attribute as Is;
    Some(match attribute {
        Is::AlwaysAuthenticate(flag)
        | Is::Copyable(flag)
        | Is::Decapsulate(flag)
        | Is::Decrypt(flag)
        | Is::Derive(flag)
        | Is::Destroyable(flag)
        | Is::Encapsulate(flag)
        | Is::Encrypt(flag)
        | Is::Extractable(flag)
        | Is::Modifiable(flag)
        | Is::Private(flag)
        | Is::Sensitive(flag)
        | Is::Sign(flag)
        | Is::SignRecover(flag)
        | Is::Trusted(flag)
        | Is::Unwrap(flag)
        | Is::Verify(flag)
        | Is::VerifyRecover(flag)
        | Is::Wrap(flag)
        | Is::WrapWithTrusted(flag) => vec![u8::from(*flag)],
        Is::Class(class) => number(**class),
        Is::KeyType(key_type) => number(**key_type),
        Is::CertificateType(certificate_type) => number(**certificate_type),
        Is::ParameterSet(set) => number(***set),
        Is::ValueLen(length) => number(**length),
        Is::AllowedMechanisms(list) => list.iter().flat_map(|it| number(**it)).collect(),
        Is::Application(bytes)
        | Is::EcParams(bytes)
        | Is::EcPoint(bytes)
        | Is::HashOfIssuerPublicKey(bytes)
        | Is::HashOfSubjectPublicKey(bytes)
        | Is::Id(bytes)
        | Is::Issuer(bytes)
        | Is::Label(bytes)
        | Is::Modulus(bytes)
        | Is::ObjectId(bytes)
        | Is::PublicExponent(bytes)
        | Is::SerialNumber(bytes)
        | Is::Subject(bytes)
        | Is::Url(bytes)
        | Is::Value(bytes)
        | Is::VendorDefined((_, bytes)) => bytes.clone(),
        _ => return None,
    })
}

fn number(value: CK_ULONG) -> Vec<u8> {
    value.to_ne_bytes().to_vec()
}
