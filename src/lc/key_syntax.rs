//! The DER in which private keys lie in files, told by its first elements, and PKCS#8 made of the forms that are
//! older than it.

use super::der::{
    BIT_STRING, Elements, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, constructed, element,
};
use crate::secret::Secret;

/// The structure of DER that may have to do with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySyntax<'a> {
    /// `PrivateKeyInfo` (RFC 5958).
    Pkcs8,
    /// `EncryptedPrivateKeyInfo` (RFC 5958): the whole `AlgorithmIdentifier`, and the bytes that it encrypts.
    Encrypted(&'a [u8], &'a [u8]),
    /// `RSAPrivateKey` (RFC 8017, A.1.2).
    Rsa,
    /// `ECPrivateKey` (RFC 5915).
    Ec,
    /// `PFX` (RFC 7292), in DER or BER.
    Pkcs12,
    /// `SubjectPublicKeyInfo` (RFC 5280).
    PublicKey,
    /// `Certificate` (RFC 5280), or a request for one.
    Certificate,
    /// The beginning of a private key or `PFX`, the rest of which is not there.
    Cut,
}

/// The beginning of a `PFX` of indefinite length, as some programs write it.
const ENDLESS_PFX: &[u8] = b"\x30\x80\x02\x01\x03";

/// Returns the structure of the first element, and the bytes behind that element; none where it has another.
pub fn key_syntax(der: &[u8]) -> Option<(KeySyntax<'_>, &[u8])> {
    if der.starts_with(ENDLESS_PFX) {
        return Some((KeySyntax::Pkcs12, &[]));
    }
    let mut whole = Elements(der);
    let Some(inner) = whole.take(SEQUENCE) else {
        return CUT.iter().any(|begin| is_cut(der, begin)).then_some((KeySyntax::Cut, &[]));
    };
    let found = numbered(inner).or_else(|| encrypted(inner)).or_else(|| public(inner))?;
    Some((found, whole.0))
}

/// The elements that a private key or a `PFX` begins with.
const CUT: [&[u8]; 3] = [b"\x02\x01\x00\x30", b"\x02\x01\x00\x02", b"\x02\x01\x03\x30"];

/// Returns whether these bytes are a sequence that begins so, with a length in two bytes.
fn is_cut(der: &[u8], begin: &[u8]) -> bool {
    der.strip_prefix(b"\x30\x82")
        .and_then(|rest| rest.get(2..))
        .is_some_and(|it| it.starts_with(begin))
}

/// Returns the structure of what begins with its version.
fn numbered(inner: &[u8]) -> Option<KeySyntax<'_>> {
    let mut elements = Elements(inner);
    let version = elements.take(INTEGER)?;
    let mut then = |tag| elements.take(tag).is_some();
    match version {
        [0 | 1] if then(SEQUENCE) => Some(KeySyntax::Pkcs8),
        [0 | 1] if then(INTEGER) => Some(KeySyntax::Rsa),
        [1] if then(OCTET_STRING) => Some(KeySyntax::Ec),
        [3] if then(SEQUENCE) => Some(KeySyntax::Pkcs12),
        _ => None,
    }
}

fn encrypted(inner: &[u8]) -> Option<KeySyntax<'_>> {
    let mut elements = Elements(inner);
    let mut algorithm = Elements(elements.take(SEQUENCE)?);
    algorithm.take(OBJECT_IDENTIFIER)?;
    let (algorithm, _) = inner.split_at_checked(inner.len() - elements.0.len())?;
    let ciphertext = elements.take(OCTET_STRING)?;
    elements.is_empty().then_some(KeySyntax::Encrypted(algorithm, ciphertext))
}

fn public(inner: &[u8]) -> Option<KeySyntax<'_>> {
    let mut elements = Elements(inner);
    let mut first = Elements(elements.take(SEQUENCE)?);
    if first.take(OBJECT_IDENTIFIER).is_some() {
        return elements.take(BIT_STRING).map(|_| KeySyntax::PublicKey);
    }
    // The first version of certificates does not say which it is.
    first.take(constructed(0));
    first.take(INTEGER)?;
    elements.take(SEQUENCE)?;
    elements.take(BIT_STRING).map(|_| KeySyntax::Certificate)
}

/// `rsaEncryption` (RFC 8017) with its parameter, as an `AlgorithmIdentifier` has them in it.
const RSA_ENCRYPTION: &[u8] = b"\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x01\x01\x05\x00";

/// `id-ecPublicKey` (RFC 5480).
const EC_PUBLIC_KEY: &[u8] = b"\x06\x07\x2A\x86\x48\xCE\x3D\x02\x01";

/// Returns the `PrivateKeyInfo` of an `RSAPrivateKey`.
pub fn rsa_to_pkcs8(der: &[u8]) -> Secret {
    private_key_info(&[RSA_ENCRYPTION], der)
}

/// Returns the `PrivateKeyInfo` of an `ECPrivateKey`, on the curve that it names, or else on that one, the
/// contents of a file's `EC PARAMETERS`; none where neither says which it is.
pub fn ec_to_pkcs8(der: &[u8], curve: Option<&[u8]>) -> Option<Secret> {
    let mut elements = Elements(Elements(der).take(SEQUENCE)?);
    elements.take(INTEGER)?;
    elements.take(OCTET_STRING)?;
    let curve = elements.take(constructed(0)).or(curve)?;
    Some(private_key_info(&[EC_PUBLIC_KEY, curve], der))
}

fn private_key_info(algorithm: &[&[u8]], key: &[u8]) -> Secret {
    let algorithm = element(SEQUENCE, algorithm);
    let key = element(OCTET_STRING, &[key]);
    element(SEQUENCE, &[b"\x02\x01\x00", algorithm.expose(), key.expose()])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::lc::{curve::Curve, ec, ed25519, rsa};

    /// The key in a `PrivateKeyInfo`.
    fn within(pkcs8: &Secret) -> Vec<u8> {
        let mut info = Elements(Elements(pkcs8.expose()).take(SEQUENCE).unwrap());
        info.take(INTEGER).unwrap();
        info.take(SEQUENCE).unwrap();
        info.take(OCTET_STRING).unwrap().to_vec()
    }

    #[test]
    fn each_structure_is_told_by_its_first_elements() {
        let rsa = rsa::PrivateKey::generate(2048, &[1, 0, 1]).unwrap();
        let ec = ec::PrivateKey::generate(Curve::P256).unwrap();
        let ed = ed25519::PrivateKey::generate().unwrap();
        for pkcs8 in [rsa.to_pkcs8().unwrap(), ec.to_pkcs8().unwrap(), ed.to_pkcs8().unwrap()] {
            assert_eq!(key_syntax(pkcs8.expose()), Some((KeySyntax::Pkcs8, &[][..])));
        }
        let old_rsa = within(&rsa.to_pkcs8().unwrap());
        assert_eq!(key_syntax(&[&old_rsa[..], b"\n"].concat()), Some((KeySyntax::Rsa, &b"\n"[..])));
        let old = within(&ec.to_pkcs8().unwrap());
        assert_eq!(key_syntax(&old), Some((KeySyntax::Ec, &[][..])));
        let spki = rsa.public().unwrap().to_spki().unwrap();
        assert_eq!(key_syntax(&spki), Some((KeySyntax::PublicKey, &[][..])));
        let pbes2 = b"\x30\x0B\x30\x06\x06\x01\x2A\x04\x01\x07\x04\x01\x09";
        let told = KeySyntax::Encrypted(pbes2.get(2..10).unwrap(), &[9]);
        assert_eq!(key_syntax(pbes2), Some((told, &[][..])));
        assert_eq!(key_syntax(b"\x30\x80\x02\x01\x03\x30\x80"), Some((KeySyntax::Pkcs12, &[][..])));
        let cut = old_rsa.get(..300).unwrap();
        assert_eq!(key_syntax(cut), Some((KeySyntax::Cut, &[][..])));
        for other in [&b""[..], b"\x30\x00", b"\x30\x03\x02\x01\x02", &[7; 32]] {
            assert_eq!(key_syntax(other), None, "{other:?}");
        }
    }

    #[test]
    fn an_older_form_becomes_the_same_key() {
        let rsa = rsa::PrivateKey::generate(2048, &[1, 0, 1]).unwrap().to_pkcs8().unwrap();
        assert_eq!(rsa_to_pkcs8(&within(&rsa)), rsa);
        let ec = ec::PrivateKey::generate(Curve::P384).unwrap().to_pkcs8().unwrap();
        let (old, p384) = (within(&ec), b"\x06\x05\x2B\x81\x04\x00\x22");
        assert_eq!(ec_to_pkcs8(&old, Some(p384)).unwrap(), ec);
        assert!(ec_to_pkcs8(&old, None).is_none(), "nothing names its curve");
    }
}
