//! Files with a private key as other programs write them: PKCS#8 and the forms before it, PKCS#12, in PEM or DER, and
//! OpenSSH's own, encrypted or not.

use crate::Failure;
use crate::file_passphrase::{self, FilePassphrase};
use crate::openssh_key;
use crate::pem::{self, PemBlock, PemBlocks};
use keystead::internal::lc::derivation_cost::check_cost;
use keystead::internal::lc::encrypted_key::{self, Pkcs12, Unread};
use keystead::internal::lc::key_syntax::{KeySyntax, ec_to_pkcs8, key_syntax, rsa_to_pkcs8};
use keystead::internal::object::kinds;
use keystead::internal::secret::Secret;
use pkcs5::EncryptionScheme;

/// A private key, and the certificates that came with it.
pub(crate) struct KeyFile {
    /// The key as PKCS#8.
    pub pkcs8: Secret,
    /// The certificates in DER, in the file's order.
    pub certificates: Vec<Vec<u8>>,
}

/// The label of the end of all private keys in PEM.
const PRIVATE_KEY: &str = "PRIVATE KEY";

/// The label of a certificate in PEM.
pub(crate) const CERTIFICATE: &str = "CERTIFICATE";

/// The label of the curve that OpenSSL writes before an EC key.
const EC_PARAMETERS: &str = "EC PARAMETERS";

/// The beginnings of files with keys that are read elsewhere, each with the command that makes another of it.
const FOREIGN: [(&[u8], &str, &str); 2] = [
    (
        b"\xFE\xED\xFE\xED",
        "a Java keystore (JKS)",
        "`keytool -importkeystore -srckeystore FILE -destkeystore FILE.p12 -deststoretype PKCS12` makes it PKCS#12",
    ),
    (
        b"PuTTY-User-Key-File-",
        "a key of PuTTY's",
        "`puttygen FILE -O private-openssh -o FILE.key` makes it PEM",
    ),
];

/// The contents of PEM with these labels, for people.
const OTHERS: [(&str, &str); 8] = [
    ("PUBLIC KEY", "a public key"),
    ("RSA PUBLIC KEY", "a public key"),
    (CERTIFICATE, "a certificate"),
    ("TRUSTED CERTIFICATE", "a certificate"),
    ("X509 CRL", "a revocation list"),
    ("CERTIFICATE REQUEST", "a certificate request"),
    ("NEW CERTIFICATE REQUEST", "a certificate request"),
    ("PKCS7", "certificates as PKCS#7"),
];

impl KeyFile {
    /// Reads a file's contents; none where they are no private key's, but may be another's material.
    /// A passphrase is asked for only where one is needed.
    pub(crate) fn read(text: &[u8], passphrase: &FilePassphrase) -> Result<Option<Self>, Failure> {
        if let Some((_, what, hint)) = FOREIGN.iter().find(|(begin, ..)| text.starts_with(begin)) {
            return Err(Failure::new(format_args!("this is {what}")).hint(hint));
        }
        match pem::blocks(text) {
            Some(found) => Self::from_pem(&found, passphrase),
            None => Self::from_der(text, passphrase),
        }
    }

    /// Returns whether a file's contents look like a private key's, which is not opened.
    pub(crate) fn is_one(text: &[u8]) -> bool {
        let Some(found) = pem::blocks(text) else {
            return key_syntax(text).is_some_and(|(syntax, _)| {
                !matches!(syntax, KeySyntax::PublicKey | KeySyntax::Certificate)
            });
        };
        let is_private = |block: &PemBlock| block.label.ends_with(PRIVATE_KEY);
        found.blocks.is_some_and(|blocks| blocks.iter().any(is_private))
    }

    /// Returns the name of the key's type, where the token keeps it.
    pub(crate) fn named_type(&self) -> Option<&'static str> {
        kinds::named_in(self.pkcs8.expose())
    }

    fn from_pem(found: &PemBlocks, passphrase: &FilePassphrase) -> Result<Option<Self>, Failure> {
        let blocks = found.blocks.as_ref().ok_or_else(damaged)?;
        let private: Vec<&PemBlock> =
            blocks.iter().filter(|block| block.label.ends_with(PRIVATE_KEY)).collect();
        let key = match private.as_slice() {
            [key] => *key,
            [] => return no_private_key(blocks).map_or(Ok(None), Err),
            several => return Err(too_many(several.len())),
        };
        check_rest(found.rest.len())?;
        let parameters = blocks.iter().find(|block| block.label == EC_PARAMETERS);
        let pkcs8 = key_in(key, parameters, passphrase)?;
        let certificates = blocks.iter().filter(|block| block.label == CERTIFICATE);
        let der = |block: &PemBlock| Some(block.bytes()?.expose().to_vec());
        let certificates = certificates.map(der).collect::<Option<_>>().ok_or_else(damaged)?;
        Ok(Some(Self { pkcs8, certificates }))
    }

    fn from_der(der: &[u8], passphrase: &FilePassphrase) -> Result<Option<Self>, Failure> {
        let Some((syntax, rest)) = key_syntax(der) else { return Ok(None) };
        check_rest(rest.len())?;
        let pkcs8 = match syntax {
            KeySyntax::Pkcs12 => return from_pkcs12(der, passphrase).map(Some),
            KeySyntax::PublicKey => return Err(none_but("a public key")),
            KeySyntax::Certificate => return Err(none_but("a certificate, or a request for one")),
            KeySyntax::Cut => {
                return Err(Failure::new(format_args!("it ends after {} bytes", der.len()))
                    .hint("is it all there? A private key or a PKCS#12 file begins so"));
            }
            _ => pkcs8(Secret::from(der), None, passphrase)?,
        };
        Ok(Some(Self { pkcs8, certificates: Vec::new() }))
    }
}

/// Returns the key in a block of PEM as PKCS#8.
fn key_in(
    key: &PemBlock,
    parameters: Option<&PemBlock>,
    passphrase: &FilePassphrase,
) -> Result<Secret, Failure> {
    let curve = parameters.map(|block| block.bytes().ok_or_else(damaged)).transpose()?;
    let curve = curve.as_ref().map(Secret::expose);
    match key.label {
        "PRIVATE KEY"
        | "ENCRYPTED PRIVATE KEY"
        | "RSA PRIVATE KEY"
        | "EC PRIVATE KEY"
        | "ANY PRIVATE KEY" => {}
        openssh_key::LABEL => {
            return openssh_key::to_pkcs8(key.bytes().ok_or_else(damaged)?.expose(), passphrase);
        }
        label => return Err(unreadable(label)),
    }
    if !key.is_encrypted() {
        return pkcs8(key.bytes().ok_or_else(damaged)?, curve, passphrase);
    }
    let der = passphrase.with(|text| encrypted_key::encrypted_pem(key.text.as_bytes(), text));
    // Nothing else tells a passphrase that leaves right padding by chance.
    let der = der?.map_err(|why| unread(why, IN_PEM))?;
    match key_syntax(der.expose()) {
        Some((KeySyntax::Pkcs8 | KeySyntax::Rsa | KeySyntax::Ec, [])) => {
            pkcs8(der, curve, passphrase)
        }
        _ => Err(unread(Unread::Passphrase, IN_PEM)),
    }
}

/// Returns a private key in DER as PKCS#8, whichever form it has.
fn pkcs8(
    der: Secret,
    curve: Option<&[u8]>,
    passphrase: &FilePassphrase,
) -> Result<Secret, Failure> {
    match key_syntax(der.expose()) {
        Some((KeySyntax::Rsa, [])) => Ok(rsa_to_pkcs8(der.expose())),
        Some((KeySyntax::Ec, [])) => ec_to_pkcs8(der.expose(), curve).ok_or_else(|| {
            Failure::new("the EC private key does not say on which curve it is")
                .hint("`openssl ec -in FILE -param_enc named_curve` shows it, where it is known")
        }),
        Some((KeySyntax::Encrypted(scheme, ciphertext), [])) => {
            decrypted(der.expose(), scheme, ciphertext, passphrase)
        }
        // Whatever else it is, the token's own judgement says so.
        _ => Ok(der),
    }
}

/// Decrypts an `EncryptedPrivateKeyInfo`, by PBES2 (RFC 8018) or by what there was before.
fn decrypted(
    der: &[u8],
    scheme: &[u8],
    ciphertext: &[u8],
    passphrase: &FilePassphrase,
) -> Result<Secret, Failure> {
    check_cost(scheme).map_err(|why| unread(why, IN_PKCS8))?;
    let key = match EncryptionScheme::try_from(scheme) {
        Ok(scheme @ EncryptionScheme::Pbes2(_)) => {
            passphrase.with(|text| by_pbes2(&scheme, ciphertext, text))?
        }
        _ => passphrase.with(|text| encrypted_key::encrypted_pkcs8(der, text))?,
    };
    let key = key.map_err(|why| unread(why, IN_PKCS8))?;
    match key_syntax(key.expose()) {
        Some((KeySyntax::Pkcs8, [])) => Ok(key),
        _ => Err(unread(Unread::Passphrase, IN_PKCS8)),
    }
}

fn by_pbes2(
    scheme: &EncryptionScheme,
    ciphertext: &[u8],
    passphrase: &str,
) -> Result<Secret, Unread> {
    let mut buffer = Secret::from(ciphertext);
    let length = match scheme.decrypt_in_place(passphrase, buffer.expose_mut()) {
        Ok(key) => key.len(),
        Err(pkcs5::Error::DecryptFailed) => return Err(Unread::Passphrase),
        Err(_) => return Err(Unread::Algorithm),
    };
    buffer.truncate(length);
    Ok(buffer)
}

fn from_pkcs12(der: &[u8], passphrase: &FilePassphrase) -> Result<KeyFile, Failure> {
    check_cost(der).map_err(|why| unread(why, IN_PKCS12))?;
    // Many have none, which is the empty one.
    let opened = match passphrase.is_given() {
        true => Err(Unread::Passphrase),
        false => encrypted_key::pkcs12(der, ""),
    };
    let opened = match opened {
        Err(Unread::Passphrase) => passphrase.with(|text| encrypted_key::pkcs12(der, text))?,
        opened => opened,
    };
    let Pkcs12 { key, certificates } = opened.map_err(|why| unread(why, IN_PKCS12))?;
    match (key, certificates.len()) {
        (Some(pkcs8), _) => Ok(KeyFile { pkcs8, certificates }),
        (None, 0) => Err(none_but("nothing at all")),
        (None, 1) => Err(none_but("a certificate")),
        (None, several) => Err(none_but(&format!("{several} certificates"))),
    }
}

/// The hints where a file of a kind is not read here.
const IN_PEM: &str = "`openssl pkey -in FILE` prints it as PKCS#8, to be piped here";
const IN_PKCS8: &str = "`openssl pkey -in FILE` prints it as PKCS#8, to be piped here";
const IN_PKCS12: &str = "`openssl pkcs12 -in FILE -nodes`, for older files with -legacy, prints what is in it as PEM, to be \
     piped here";

fn unread(why: Unread, hint: &str) -> Failure {
    match why {
        Unread::Passphrase => file_passphrase::wrong(),
        Unread::Algorithm => Failure::new(
            "it is encrypted in a way, or holds a type of private key, that is not known here",
        )
        .hint(hint),
        Unread::Costly => file_passphrase::too_costly(hint),
        Unread::Several => Failure::new("there are several private keys in it").hint(ONE_KEY),
        Unread::Damaged => Failure::new("it is damaged, or no key's file").hint(hint),
    }
}

const ONE_KEY: &str = "a custom key has one key's material: bring each in a file of its own";

fn too_many(count: usize) -> Failure {
    Failure::new(format_args!("there are {count} private keys in it")).hint(ONE_KEY)
}

fn check_rest(length: usize) -> Result<(), Failure> {
    match length {
        0 => Ok(()),
        _ => Err(Failure::new(format_args!("{length} bytes follow the private key"))
            .hint("is it the right file? Without them it can be read")),
    }
}

fn damaged() -> Failure {
    Failure::new("the PEM is damaged").hint("is it all there, from its first dashes to its last?")
}

/// Returns the refusal of PEM without a private key; there is none of what may be a secret.
fn no_private_key(blocks: &[PemBlock]) -> Option<Failure> {
    let known = |block: &PemBlock| OTHERS.iter().find(|(label, _)| *label == block.label);
    let found: Vec<&str> = blocks.iter().filter_map(known).map(|(_, what)| *what).collect();
    match found.as_slice() {
        [] if blocks.len() < 2 => None,
        [] => Some(
            Failure::new(format_args!("there are {} blocks of PEM in it", blocks.len()))
                .hint(ONE_KEY),
        ),
        [what, ..] => Some(none_but(what)),
    }
}

fn none_but(what: &str) -> Failure {
    let failure = Failure::new(format_args!("there is no private key in it, but {what}"));
    match what.contains("certificate") {
        true => failure.hint("is it the right file? `keystead certificate put` takes certificates"),
        false => failure.hint("is it the right file? A private key is in one of its own"),
    }
}

fn unreadable(label: &str) -> Failure {
    let failure = Failure::new(format_args!("PEM of {label} cannot be imported as it is"));
    match label {
        "DSA PRIVATE KEY" => failure.hint("the token keeps no DSA keys"),
        _ => failure.hint(IN_PEM),
    }
}
