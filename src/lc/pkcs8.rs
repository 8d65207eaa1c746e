//! The algorithm that a private key as PKCS#8 names, whatever else is in it.

use super::der::{Elements, INTEGER, OBJECT_IDENTIFIER, SEQUENCE};
use super::lattice_sets::Set;

/// The algorithm of a private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyAlgorithm {
    /// `rsaEncryption` (RFC 8017).
    Rsa,
    /// `id-ecPublicKey` (RFC 5480), on any curve.
    Ec,
    /// `id-Ed25519` (RFC 8410).
    Ed25519,
    /// `id-X25519` (RFC 8410).
    X25519,
    /// A parameter set of ML-KEM or ML-DSA (RFC 9935, RFC 9881).
    Lattice(Set),
}

/// The contents of the object identifiers, but those of parameter sets.
const IDENTIFIERS: [(&[u8], KeyAlgorithm); 4] = [
    (b"\x2A\x86\x48\x86\xF7\x0D\x01\x01\x01", KeyAlgorithm::Rsa),
    (b"\x2A\x86\x48\xCE\x3D\x02\x01", KeyAlgorithm::Ec),
    (b"\x2B\x65\x70", KeyAlgorithm::Ed25519),
    (b"\x2B\x65\x6E", KeyAlgorithm::X25519),
];

/// Returns the algorithm that a `PrivateKeyInfo` (RFC 5958) in DER names; none where it is no such thing, or names
/// another.
pub(crate) fn algorithm(der: &[u8]) -> Option<KeyAlgorithm> {
    let identifier = identifier(der)?.take(OBJECT_IDENTIFIER)?;
    let known = IDENTIFIERS.iter().find(|(known, _)| *known == identifier);
    let known = known.map(|(_, algorithm)| *algorithm);
    known.or_else(|| Set::named(identifier).map(KeyAlgorithm::Lattice))
}

/// Returns the contents of the object identifier of the curve that a `PrivateKeyInfo` names: the parameter of
/// `id-ecPublicKey` (RFC 5480), else the algorithm itself, which is a curve's in RFC 8410.
pub fn curve(der: &[u8]) -> Option<&[u8]> {
    let named = algorithm(der);
    let mut identifier = identifier(der)?;
    let own = identifier.take(OBJECT_IDENTIFIER)?;
    match named {
        Some(KeyAlgorithm::Ec) => identifier.take(OBJECT_IDENTIFIER),
        _ => Some(own),
    }
}

/// Returns the elements of the `AlgorithmIdentifier`.
fn identifier(der: &[u8]) -> Option<Elements<'_>> {
    let mut info = Elements(Elements(der).take(SEQUENCE)?);
    info.take(INTEGER)?;
    info.take(SEQUENCE).map(Elements)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::lc::lattice::PrivateKey;
    use crate::lc::{curve, ec, ed25519, rsa, x25519};

    #[test]
    fn each_key_names_its_own_algorithm() {
        let of = |key: crate::secret::Secret| algorithm(key.expose());
        let rsa = rsa::PrivateKey::generate(2048, &[1, 0, 1]).unwrap();
        assert_eq!(of(rsa.to_pkcs8().unwrap()), Some(KeyAlgorithm::Rsa));
        let ec = ec::PrivateKey::generate(curve::Curve::P256).unwrap();
        assert_eq!(of(ec.to_pkcs8().unwrap()), Some(KeyAlgorithm::Ec));
        let edwards = ed25519::PrivateKey::generate().unwrap();
        assert_eq!(of(edwards.to_pkcs8().unwrap()), Some(KeyAlgorithm::Ed25519));
        let montgomery = x25519::PrivateKey::generate().unwrap();
        assert_eq!(of(montgomery.to_pkcs8().unwrap()), Some(KeyAlgorithm::X25519));
        for &set in Set::ALL {
            let lattice = PrivateKey::generate(set).unwrap();
            assert_eq!(of(lattice.to_pkcs8().unwrap()), Some(KeyAlgorithm::Lattice(set)));
        }
    }

    #[test]
    fn what_is_cut_or_names_another_algorithm_names_none() {
        // id-Ed448.
        let other = b"\x30\x0C\x02\x01\x00\x30\x05\x06\x03\x2B\x65\x71\x04\x00";
        assert_eq!(algorithm(other), None);
        let known = [&other[..11], b"\x70\x04\x00"].concat();
        assert_eq!(algorithm(&known), Some(KeyAlgorithm::Ed25519));
        for cut in 0..known.len() {
            assert_eq!(algorithm(known.split_at(cut).0), None, "cut at {cut}");
        }
    }
}
