//! Key material as people have it: raw, hexadecimal, base64 or PEM, in a file or on standard input. It
//! lies in memory that is wiped, and is decoded without copies elsewhere.

use crate::Failure;
use base64ct::{Base64, Encoding};
use keystead::internal::error::Error;
use keystead::internal::lc::pkcs8;
use keystead::internal::object::Attributes;
use keystead::internal::object::kinds::{self, Kind};
use keystead::internal::plain_file;
use keystead::internal::secret::Secret;
use keystead::internal::sys;
use pkcs11_sys::{
    CKA_KEY_TYPE, CKK_EC, CKK_EC_EDWARDS, CKK_EC_MONTGOMERY, CKK_RSA, CKO_PRIVATE_KEY,
};
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;
use zeroize::Zeroizing;

/// The most that is read, in bytes; the longest RSA keys in PEM have a tenth of it.
const MAX_SIZE: usize = 1 << 16;

/// The formats of material in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// The bytes themselves; of a private key DER: PKCS#8, PKCS#1, SEC1 or PKCS#12
    Raw,
    /// Hexadecimal digits
    Hex,
    /// Base64
    Base64,
    /// PEM; of a private key PKCS#8, PKCS#1 or SEC1
    Pem,
}

/// The beginning of PEM.
const PEM: &[u8] = b"-----BEGIN ";

/// Reads material for a kind of key from a file's contents that are no private key's file, in the format given or,
/// of PEM and raw bytes, the one they have.
pub(crate) fn decode(text: &[u8], format: Option<Format>, kind: &Kind) -> Result<Secret, Failure> {
    let format = match format {
        Some(format) => format,
        None if text.starts_with(PEM) => Format::Pem,
        None if reads_as_text(text) => {
            return Err(Failure::new("the material reads as hexadecimal or base64 text")
                .hint("--format hex, base64 or raw says how it is meant"));
        }
        None => Format::Raw,
    };
    match format {
        Format::Raw => Ok(Secret::from(text)),
        Format::Hex => decoded(text, "hexadecimal", |text, room| {
            base16ct::mixed::decode(text, room).ok().map(<[u8]>::len)
        }),
        Format::Base64 => {
            decoded(text, "base64", |text, room| Base64::decode(text, room).ok().map(<[u8]>::len))
        }
        Format::Pem => from_pem(text, kind),
    }
}

/// Returns the size in bits that the token will see in material of that kind.
pub(crate) fn bits(material: &Secret, kind: &Kind) -> Result<u64, Failure> {
    let mut attributes = Attributes::default();
    attributes.set_number(CKA_KEY_TYPE, kind.key_type);
    let judged = kind.read(material, &mut attributes);
    judged.map(|_| kinds::bits(&attributes)).map_err(|_: Error| {
        let on_a_curve = matches!(kind.key_type, CKK_EC | CKK_EC_EDWARDS | CKK_EC_MONTGOMERY);
        if let Some(curve) = other_curve(material.expose()).filter(|_| on_a_curve) {
            return curve_not_kept(curve);
        }
        let (length, name) = (material.len(), kind.name);
        let failure =
            Failure::new(format_args!("these {length} bytes are no {name} key's material"));
        match kind.class {
            CKO_PRIVATE_KEY if !kind.sets().is_empty() => failure.hint(
                "a private key is PKCS#8, in PEM or DER; `keystead manual keystead.7`, \"What travels\", says \
                 how a raw seed becomes it",
            ),
            CKO_PRIVATE_KEY if kind.key_type == CKK_RSA => failure.hint(
                "a private key is PKCS#8, in PEM or DER, and an RSA key has 2048 bits, or what `rsa_minimum` says: \
                 `openssl pkey -in FILE -noout -text` shows how many",
            ),
            CKO_PRIVATE_KEY => failure.hint(
                "a private key is PKCS#8, in PEM or DER: `openssl pkcs8 -topk8 -nocrypt` makes it",
            ),
            _ => failure.hint("--format says how they are written: raw, hex, base64 or pem"),
        }
    })
}

/// Curves that people have keys on and the token does not keep, by the contents of their object identifiers.
const OTHER_CURVES: [(&[u8], &str); 7] = [
    (b"\x2B\x81\x04\x00\x1F", "secp192k1"),
    (b"\x2A\x86\x48\xCE\x3D\x03\x01\x01", "P-192"),
    (b"\x2B\x24\x03\x03\x02\x08\x01\x01\x07", "brainpoolP256r1"),
    (b"\x2B\x24\x03\x03\x02\x08\x01\x01\x0B", "brainpoolP384r1"),
    (b"\x2B\x24\x03\x03\x02\x08\x01\x01\x0D", "brainpoolP512r1"),
    (b"\x2B\x65\x6F", "X448"),
    (b"\x2B\x65\x71", "Ed448"),
];

/// The curve of a PKCS#8 key, where it is one of those.
fn other_curve(pkcs8: &[u8]) -> Option<&'static str> {
    let curve = pkcs8::curve(pkcs8)?;
    OTHER_CURVES.iter().find(|(identifier, _)| *identifier == curve).map(|(_, name)| *name)
}

/// Says which curves the token keeps keys on.
fn curve_not_kept(curve: &str) -> Failure {
    Failure::new(format_args!("the token keeps no keys on {curve}")).hint(
        "it keeps EC keys on P-224, P-256, P-384, P-521 and secp256k1, and ED25519 and X25519 keys",
    )
}

/// Reads a file, or standard input (`-`): 1 byte or more.
pub(crate) fn contents(file: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    // Standard input is read without the buffer that the standard library keeps and does not wipe.
    let (open, name) = match file.as_os_str() == "-" {
        true if io::stdin().is_terminal() => {
            return Err(Failure::usage("standard input is the terminal")
                .hint("name a file, or bring the material through a pipe"));
        }
        true => (sys::inherited(0), "standard input".as_ref()),
        false => (plain_file::open_named(file), file),
    };
    let text = open.and_then(fill).map_err(|error| Failure::of_file(name, &error))?;
    match text.len() {
        0 => Err(Failure::new(format_args!("{}: there is nothing in it", name.display()))
            .hint("is it the right file?")),
        MAX_SIZE.. => {
            Err(Failure::new(format_args!("{}: it is too long for a key", name.display()))
                .hint("is it the right file? A key, a digest, a signature or a certificate is read here; `keystead seal` takes data of any size"))
        }
        _ => Ok(text),
    }
}

/// Reads into memory that never moves, so that no copy stays behind.
fn fill(mut file: File) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut room = Zeroizing::new(vec![0; MAX_SIZE]);
    let mut length = 0;
    while let Some(rest) = room.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 => break,
            more => length += more,
        }
    }
    room.truncate(length);
    Ok(room)
}

/// Random bytes hardly ever look so; a digest in hexadecimal, or what `openssl rand -base64` wrote, do.
fn reads_as_text(bytes: &[u8]) -> bool {
    let may_be = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/= \t\r\n".contains(byte);
    bytes.len() >= 16 && bytes.iter().all(may_be)
}

fn decoded(
    text: &[u8],
    what: &str,
    decode: impl Fn(&[u8], &mut [u8]) -> Option<usize>,
) -> Result<Secret, Failure> {
    let mut packed = Zeroizing::new(Vec::with_capacity(text.len()));
    packed.extend(text.iter().filter(|byte| !byte.is_ascii_whitespace()));
    let mut material = Secret::new(vec![0; text.len()]);
    let length = decode(&packed, material.expose_mut()).ok_or_else(|| {
        Failure::new(format_args!("the material is not {what}"))
            .hint("--format says how it is written: raw, hex, base64 or pem")
    })?;
    material.truncate(length);
    Ok(material)
}

fn from_pem(text: &[u8], kind: &Kind) -> Result<Secret, Failure> {
    let mut material = Secret::new(vec![0; text.len()]);
    let (label, length) = match pem_rfc7468::decode(text, material.expose_mut()) {
        Ok((label, bytes)) => (label.to_owned(), bytes.len()),
        Err(_) => {
            return Err(Failure::new("the material is not PEM, or it is damaged")
                .hint("--format says how it is written: raw, hex, base64 or pem"));
        }
    };
    material.truncate(length);
    match kind.class {
        CKO_PRIVATE_KEY => {
            Err(Failure::refused(format_args!("PEM of {label} is no {} key", kind.name))
                .hint(TYPE_SAYS))
        }
        _ => Ok(material),
    }
}

/// The hint where the type of a key is another than was said.
pub(crate) const TYPE_SAYS: &str =
    "--type says which type of key it is; where it is imported, --new goes with that";

/// Refuses a private key that names another type than it should have.
pub(crate) fn check_type(pkcs8: &Secret, kind: &Kind) -> Result<(), Failure> {
    let is = |found: &Kind| found.class == kind.class && found.key_type == kind.key_type;
    match kinds::named_in(pkcs8.expose()) {
        Some(found) if !kinds::named(found).is_some_and(is) => {
            let name = kind.name;
            let message = format_args!("the private key is of type {found}, and not {name}");
            Err(Failure::refused(message).hint(TYPE_SAYS))
        }
        None if kind.class != CKO_PRIVATE_KEY => {
            if let Some(curve) = other_curve(pkcs8.expose()) {
                return Err(curve_not_kept(curve));
            }
            Err(Failure::new("the private key is of a type that the token does not keep")
                .hint("`keystead help import` says which types there are"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use std::io::Write;

    fn reading(bytes: &[u8], format: Option<Format>) -> Result<Secret, Failure> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        decode(&contents(file.path())?, format, kinds::named("AES").unwrap())
    }

    #[test]
    fn every_format_gives_the_same_bytes() {
        let raw: Vec<u8> = (0x80..0xA0).collect();
        let hex = "8081828384858687 88898A8B8c8d8e8f\n909192939495969798999a9b9c9d9e9f\n";
        let base64 = "gIGCg4SFhoeIiYqLjI2Oj5CRkpOUlZaXmJmam5ydnp8=\n";
        let pem = format!("-----BEGIN AES KEY-----\n{base64}-----END AES KEY-----\n");
        for (text, format) in [
            (&raw[..], None),
            (&raw[..], Some(Format::Raw)),
            (hex.as_bytes(), Some(Format::Hex)),
            (base64.as_bytes(), Some(Format::Base64)),
            (pem.as_bytes(), None),
            (pem.as_bytes(), Some(Format::Pem)),
        ] {
            assert_eq!(reading(text, format).unwrap().expose(), raw, "{format:?}");
        }
    }

    #[test]
    fn text_is_not_guessed_at() {
        let digits = "00112233445566778899aabbccddeeff";
        assert!(reading(digits.as_bytes(), None).is_err());
        assert_eq!(reading(digits.as_bytes(), Some(Format::Raw)).unwrap().len(), 32);
        assert_eq!(reading(digits.as_bytes(), Some(Format::Hex)).unwrap().len(), 16);
    }

    #[test]
    fn malformed_material_is_refused() {
        for (text, format) in [
            ("0", Format::Hex),
            ("0x00", Format::Hex),
            ("zz", Format::Hex),
            ("A", Format::Base64),
            ("A_==", Format::Base64),
            ("-----BEGIN X-----\n", Format::Pem),
            ("", Format::Raw),
        ] {
            assert!(reading(text.as_bytes(), Some(format)).is_err(), "{text}");
        }
        assert!(reading(&vec![0x80; MAX_SIZE], None).is_err());
    }

    #[test]
    fn the_size_of_material_is_what_the_token_will_say() {
        let aes = kinds::named("AES").unwrap();
        assert_eq!(bits(&Secret::new(vec![1; 24]), aes).unwrap(), 192);
        assert!(bits(&Secret::new(vec![1; 33]), aes).is_err());
        assert!(bits(&Secret::new(vec![1; 24]), kinds::named("RSA").unwrap()).is_err());
    }
}
