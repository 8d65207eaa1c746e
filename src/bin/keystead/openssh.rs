//! A public key as a line of OpenSSH's (RFC 4253, 6.6; RFC 5656; RFC 8709).

use crate::Failure;
use base64ct::{Base64, Encoding};
use x509_cert::der::Decode;
use x509_cert::der::asn1::{ObjectIdentifier, Uint};
use x509_cert::spki::SubjectPublicKeyInfoRef;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// The curves that OpenSSH knows, with its names of them (RFC 5656, 10.1).
const CURVES: [(ObjectIdentifier, &str); 3] = [
    (ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"), "nistp256"),
    (ObjectIdentifier::new_unwrap("1.3.132.0.34"), "nistp384"),
    (ObjectIdentifier::new_unwrap("1.3.132.0.35"), "nistp521"),
];

/// Returns the line for `authorized_keys` of a `SubjectPublicKeyInfo`, with that comment.
pub(crate) fn line(info: &[u8], comment: &str) -> Result<String, Failure> {
    let info = SubjectPublicKeyInfoRef::from_der(info).map_err(Failure::new)?;
    let key = info.subject_public_key.raw_bytes();
    let (name, parts) = match info.algorithm.oid {
        RSA => {
            let numbers = Vec::<Uint>::from_der(key).map_err(Failure::new)?;
            // First the modulus there, and first the exponent here.
            let numbers = numbers.iter().rev().map(|number| positive(number.as_bytes()));
            ("ssh-rsa".to_owned(), numbers.collect())
        }
        EC => {
            let curve: ObjectIdentifier =
                info.algorithm.parameters.ok_or_else(unknown)?.decode_as().map_err(Failure::new)?;
            let curve = CURVES.iter().find(|(oid, _)| *oid == curve).ok_or_else(unknown)?.1;
            (format!("ecdsa-sha2-{curve}"), vec![curve.as_bytes().to_vec(), key.to_vec()])
        }
        ED25519 => ("ssh-ed25519".to_owned(), vec![key.to_vec()]),
        _ => return Err(unknown()),
    };
    let blob: Vec<u8> = [name.as_bytes()]
        .into_iter()
        .chain(parts.iter().map(Vec::as_slice))
        .flat_map(string)
        .collect();
    Ok(format!("{name} {} {comment}\n", Base64::encode_string(&blob)))
}

/// A number that is not to pass for a negative one (RFC 4251, 5).
fn positive(number: &[u8]) -> Vec<u8> {
    match number.first() {
        Some(0x80..) => [&[0], number].concat(),
        _ => number.to_vec(),
    }
}

/// A string with its length before it (RFC 4251, 5).
fn string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or_default();
    [&length.to_be_bytes()[..], bytes].concat()
}

fn unknown() -> Failure {
    Failure::refused("OpenSSH has no keys of this type")
        .hint("it has RSA, P-256, P-384, P-521 and Ed25519; --format pem prints every key")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::line;

    #[test]
    fn an_ed25519_key_is_its_bytes_behind_its_name() {
        // RFC 8410, 10.1, and what `ssh-keygen` makes of it.
        let info = b"\x30\x2A\x30\x05\x06\x03\x2B\x65\x70\x03\x21\x00\x19\xBF\x44\x09\x69\x84\xCD\xFE\
            \x85\x41\xBA\xC1\x67\xDC\x3B\x96\xC8\x50\x86\xAA\x30\xB6\xB6\xCB\x0C\x5C\x38\xAD\x70\x31\x66\xE1";
        let expected =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBm/RAlphM3+hUG6wWfcO5bIUIaqMLa2ywxcOK1wMWbh me\n";
        assert_eq!(line(info, "me").unwrap(), expected);
    }

    #[test]
    fn what_openssh_does_not_know_is_refused() {
        assert!(line(b"", "me").is_err());
        // id-X25519 (RFC 8410).
        let info = [&b"\x30\x2A\x30\x05\x06\x03\x2B\x65\x6E\x03\x21\x00"[..], &[9; 32]].concat();
        assert!(line(&info, "me").is_err());
    }
}
