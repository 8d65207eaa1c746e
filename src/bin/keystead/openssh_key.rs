//! Private keys in OpenSSH's own format (PROTOCOL.key of its sources), as `ssh-keygen` writes them, encrypted or not.

use crate::Failure;
use crate::file_passphrase::{self, FilePassphrase};
use keystead::internal::lc::ec::{self, Curve};
use keystead::internal::lc::ed25519;
use keystead::internal::lc::rsa;
use keystead::internal::lc::rsa_parts::RsaParts;
use keystead::internal::secret::Secret;
use ssh_key::private::{EcdsaKeypair, Ed25519Keypair, KeypairData, PrivateKey, RsaKeypair};
use ssh_key::{EcdsaCurve, Error, Kdf, Mpint};

/// The remedy of a file that is encrypted in a way that is not known here.
const ANEW: &str =
    "`ssh-keygen -p -f COPY` writes a copy anew, encrypted as is usual or not at all";

/// The label of such a key in PEM.
pub(crate) const LABEL: &str = "OPENSSH PRIVATE KEY";

/// Returns the key in the bytes of a file as PKCS#8.
pub(crate) fn to_pkcs8(file: &[u8], passphrase: &FilePassphrase) -> Result<Secret, Failure> {
    let stored = PrivateKey::from_bytes(file).map_err(|error| unread(&error))?;
    let opened = match stored.is_encrypted() {
        true if rounds(stored.kdf()) > MOST_ROUNDS => {
            return Err(file_passphrase::too_costly(ANEW));
        }
        true => Some(passphrase.with(|text| stored.decrypt(text))?.map_err(|e| unopened(&e))?),
        false => None,
    };
    match opened.as_ref().unwrap_or(&stored).key_data() {
        KeypairData::Rsa(pair) => of_rsa(pair),
        KeypairData::Ecdsa(pair) => of_ec(pair),
        KeypairData::Ed25519(pair) => of_ed25519(pair),
        KeypairData::Dsa(_) => Err(other("DSA", "the token keeps no DSA keys")),
        KeypairData::SkEcdsaSha2NistP256(_) | KeypairData::SkEd25519(_) => Err(other(
            "a security key's",
            "the private key is in that device (FIDO), and never leaves it",
        )),
        _ => Err(other("not known here", "RSA, ECDSA and Ed25519 keys are imported")),
    }
}

/// The most rounds of bcrypt that a file may ask for, each of which takes some milliseconds; `ssh-keygen` takes 16 to 24.
const MOST_ROUNDS: u32 = 4096;

const fn rounds(kdf: &Kdf) -> u32 {
    match kdf {
        Kdf::Bcrypt { rounds, .. } => *rounds,
        _ => 0,
    }
}

fn of_rsa(pair: &RsaKeypair) -> Result<Secret, Failure> {
    let number = |number: &Mpint| Secret::from(number.as_positive_bytes().unwrap_or_default());
    let (public, private) = (pair.public(), pair.private());
    let parts = RsaParts {
        modulus: number(public.n()).expose().to_vec(),
        public_exponent: number(public.e()).expose().to_vec(),
        private_exponent: number(private.d()),
        primes: [number(private.p()), number(private.q())],
        exponents: [(); 2].map(|()| Secret::new(Vec::new())),
        coefficient: number(private.iqmp()),
    };
    let key = parts.complete().and_then(|parts| rsa::PrivateKey::from_components(&parts));
    Ok(key.map_err(|_| damaged())?.to_pkcs8()?)
}

fn of_ec(pair: &EcdsaKeypair) -> Result<Secret, Failure> {
    let curve = match pair.curve() {
        EcdsaCurve::NistP256 => Curve::P256,
        EcdsaCurve::NistP384 => Curve::P384,
        EcdsaCurve::NistP521 => Curve::P521,
    };
    let key =
        ec::PrivateKey::from_scalar(curve, pair.private_key_bytes()).map_err(|_| damaged())?;
    let is_whole = key.public()?.point() == pair.public_key_bytes();
    if is_whole { Ok(key.to_pkcs8()?) } else { Err(damaged()) }
}

fn of_ed25519(pair: &Ed25519Keypair) -> Result<Secret, Failure> {
    let key = ed25519::PrivateKey::from_seed(pair.private.as_ref()).map_err(|_| damaged())?;
    let is_whole = key.public()?.bytes() == pair.public.0;
    if is_whole { Ok(key.to_pkcs8()?) } else { Err(damaged()) }
}

fn unread(error: &Error) -> Failure {
    match error {
        Error::AlgorithmUnknown | Error::AlgorithmUnsupported { .. } | Error::Version { .. } => {
            Failure::new(
                "it is encrypted in a way, or holds a type of private key, that is not known here",
            )
            .hint(ANEW)
        }
        _ => damaged(),
    }
}

/// Explains the failure to decrypt.
fn unopened(error: &Error) -> Failure {
    match error {
        Error::Crypto => file_passphrase::wrong(),
        other => unread(other),
    }
}

fn damaged() -> Failure {
    Failure::new("it is damaged, or no key's file")
        .hint("`ssh-keygen -y -f FILE` reads one that is whole")
}

fn other(what: &str, hint: &str) -> Failure {
    Failure::new(format_args!("the private key is {what}")).hint(hint)
}
