//! The forms in which material travels to a token: wrapped under the public half of an import key, by
//! OAEP alone (RFC 8017) or with a transport key between (RFC 5649), which goes by OAEP or ML-KEM
//! (FIPS 203). Nothing here touches a token.

use crate::Failure;
use crate::public_half::PublicHalf;
use base64ct::{Base64UrlUnpadded, Encoding};
use keystead::internal::lc::aes::AesKey;
use keystead::internal::lc::digest::Hash;
use keystead::internal::lc::rsa_oaep::{Oaep, max_oaep};
use keystead::internal::lc::{kw, ml_kem, random};
use keystead::internal::secret::Secret;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The forms of wrapped material.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// RSA-OAEP with SHA-256 of the material itself, which has to be short
    OaepSha256,
    /// The same with SHA-1
    OaepSha1,
    /// CKM_RSA_AES_KEY_WRAP: a transport key by OAEP with SHA-256, the material by AES-KWP behind it
    RsaAesSha256,
    /// The same with SHA-1
    RsaAesSha1,
    /// The same two parts as two files, with SHA-256
    TwoFile,
    /// The same with SHA-1
    TwoFileSha1,
    /// The JSON transfer file of Azure Key Vault: CKM_RSA_AES_KEY_WRAP with SHA-1
    Byok,
    /// A transport key by ML-KEM and the material by AES-KWP behind it, as two files, which no quantum
    /// computer opens later
    MlKem,
    /// The same two parts in one file
    MlKemJoined,
}

/// The way in which the transport key, or the material itself, goes under the public half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Encrypted by RSA-OAEP with that hash.
    Oaep(Hash),
    /// Encapsulated by ML-KEM.
    MlKem,
}

const SHA_256: Scheme = Scheme::Oaep(Hash::Sha256);
const SHA_1: Scheme = Scheme::Oaep(Hash::Sha1);

/// The arrangement of a form's parts in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Bare,
    Joined,
    Apart,
    Json,
}

/// Wrapped material.
#[derive(Debug)]
pub(crate) struct Transfer {
    /// The way in which the first part is sealed.
    pub scheme: Scheme,
    /// The ciphertext of that: the transport key, or the material itself.
    pub sealed: Vec<u8>,
    /// The material by AES-KWP under the transport key, where there is one.
    pub carried: Option<Vec<u8>>,
}

/// The endings of the names of two files: the sealed transport key, and the wrapped material.
pub(crate) const ENDINGS: [&str; 2] = [".transport", ".wrapped"];

/// The members of a key transfer file (`.byok`) that matter here.
#[derive(Debug, Serialize, Deserialize)]
struct Byok {
    schema_version: String,
    header: JweHeader,
    ciphertext: String,
    #[serde(default)]
    generator: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct JweHeader {
    kid: String,
    alg: String,
    enc: String,
}

const SCHEMA_VERSION: &str = "1.0.0";
const ALG: &str = "dir";
const ENC: &str = "CKM_RSA_AES_KEY_WRAP";
const GENERATOR: &str = concat!("keystead ", env!("CARGO_PKG_VERSION"));

/// The size of a transport key, in bytes.
const TRANSPORT: usize = 32;

impl Form {
    /// The number of files it consists of.
    pub(crate) fn files(self) -> usize {
        match self.parts().1 {
            Layout::Apart => 2,
            Layout::Bare | Layout::Joined | Layout::Json => 1,
        }
    }

    /// Wraps material. What is too long for OAEP alone is refused in the forms that have nothing else.
    pub(crate) fn wrap(self, public: &PublicHalf, material: &Secret) -> Result<Transfer, Failure> {
        let (scheme, layout) = self.parts();
        let (sealed, carried) = match (scheme, public) {
            (Scheme::Oaep(hash), PublicHalf::Rsa(public)) if layout == Layout::Bare => {
                check_length(material, max_oaep(public.size(), hash))?;
                (public.encrypt_oaep(&oaep(hash), material.expose())?, None)
            }
            (Scheme::Oaep(hash), PublicHalf::Rsa(public)) => {
                let transport = random::secret(TRANSPORT)?;
                let sealed = public.encrypt_oaep(&oaep(hash), transport.expose())?;
                (sealed, Some(carried(&transport, material)?))
            }
            (Scheme::MlKem, PublicHalf::MlKem(public)) => {
                let (sealed, transport) = ml_kem::encapsulate(public)?;
                (sealed, Some(carried(&transport, material)?))
            }
            _ => return Err(other_type(public)),
        };
        Ok(Transfer { scheme, sealed, carried })
    }

    /// The contents of the files that carry wrapped material; `kid` names the public key in the forms
    /// that say it.
    pub(crate) fn write(self, transfer: &Transfer, kid: &str) -> Result<Vec<Vec<u8>>, Failure> {
        let carried = transfer.carried.as_deref().unwrap_or_default();
        let joined = [&transfer.sealed, carried].concat();
        Ok(match self.parts().1 {
            Layout::Bare | Layout::Joined => vec![joined],
            Layout::Apart => vec![transfer.sealed.clone(), carried.to_vec()],
            Layout::Json => vec![Byok::new(kid, &joined).text()?],
        })
    }

    /// Reads the files back, which were wrapped under that public half.
    pub(crate) fn read(self, files: &[&[u8]], public: &PublicHalf) -> Result<Transfer, Failure> {
        let (scheme, layout) = self.parts();
        let fits = match public {
            PublicHalf::Rsa(_) => scheme != Scheme::MlKem,
            PublicHalf::MlKem(_) => scheme == Scheme::MlKem,
        };
        if !fits {
            return Err(other_type(public));
        }
        let size = public.sealed_size();
        let (sealed, carried) = match (layout, files) {
            (Layout::Bare, [one]) if one.len() == size => (one.to_vec(), None),
            (Layout::Joined, [one]) => split(one, size)?,
            (Layout::Json, [one]) => Byok::read(one).and_then(|blob| split(&blob, size))?,
            (Layout::Apart, [sealed, carried]) if sealed.len() == size => {
                (sealed.to_vec(), Some(carried.to_vec()))
            }
            (Layout::Apart, [first, second]) => {
                let failure = not_wrapped(first.len(), size);
                return match second.len() == size {
                    true => Err(failure.also("the second file would be: are they in order?")),
                    false => Err(failure),
                };
            }
            (_, [one]) => return Err(not_wrapped(one.len(), size)),
            _ => {
                return Err(Failure::usage("that form has another number of files")
                    .hint("`ml-kem` and `two-file` have two, and the other forms one"));
            }
        };
        Ok(Transfer { scheme, sealed, carried })
    }

    const fn parts(self) -> (Scheme, Layout) {
        match self {
            Self::OaepSha256 => (SHA_256, Layout::Bare),
            Self::OaepSha1 => (SHA_1, Layout::Bare),
            Self::RsaAesSha256 => (SHA_256, Layout::Joined),
            Self::RsaAesSha1 => (SHA_1, Layout::Joined),
            Self::TwoFile => (SHA_256, Layout::Apart),
            Self::TwoFileSha1 => (SHA_1, Layout::Apart),
            Self::Byok => (SHA_1, Layout::Json),
            Self::MlKem => (Scheme::MlKem, Layout::Apart),
            Self::MlKemJoined => (Scheme::MlKem, Layout::Joined),
        }
    }
}

/// A file's name with one of [`ENDINGS`].
pub(crate) fn with(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Returns whether a file is a key transfer file, under any name. No key material reads so.
pub(crate) fn is_byok(text: &[u8]) -> bool {
    serde_json::from_slice::<Byok>(text).is_ok()
}

/// Returns whether a file is a JSON object at all.
pub(crate) fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(text).is_ok()
}

impl Byok {
    fn new(kid: &str, blob: &[u8]) -> Self {
        Self {
            schema_version: SCHEMA_VERSION.to_owned(),
            header: JweHeader { kid: kid.to_owned(), alg: ALG.to_owned(), enc: ENC.to_owned() },
            ciphertext: Base64UrlUnpadded::encode_string(blob),
            generator: GENERATOR.to_owned(),
        }
    }

    fn text(&self) -> Result<Vec<u8>, Failure> {
        let mut text = serde_json::to_vec_pretty(self).map_err(Failure::new)?;
        text.push(b'\n');
        Ok(text)
    }

    /// The ciphertext of a transfer file.
    fn read(text: &[u8]) -> Result<Vec<u8>, Failure> {
        let wrong = |what| {
            Failure::new(format_args!("the key transfer file: {what}"))
                .hint("it is not complete, or of another kind: make it again")
        };
        let read: Self = serde_json::from_slice(text).map_err(|error| wrong(error.to_string()))?;
        for (name, found, known) in [
            ("schema_version", &read.schema_version, SCHEMA_VERSION),
            ("alg", &read.header.alg, ALG),
            ("enc", &read.header.enc, ENC),
        ] {
            if found != known {
                return Err(wrong(format!("{name} is {found:?}, and only {known:?} is known")));
            }
        }
        Base64UrlUnpadded::decode_vec(read.ciphertext.trim_end_matches('='))
            .map_err(|_| wrong("its ciphertext is not base64url".to_owned()))
    }
}

fn oaep(hash: Hash) -> Oaep<'static> {
    Oaep { hash, mgf: hash, label: &[] }
}

/// Returns material by AES-KWP under a transport key.
fn carried(transport: &Secret, material: &Secret) -> Result<Vec<u8>, Failure> {
    Ok(kw::wrap_padded(&AesKey::new(transport.expose())?, material.expose())?)
}

/// Returns the two parts of a file.
fn split(blob: &[u8], size: usize) -> Result<(Vec<u8>, Option<Vec<u8>>), Failure> {
    match blob.split_at_checked(size) {
        Some((sealed, carried)) if !carried.is_empty() => {
            Ok((sealed.to_vec(), Some(carried.to_vec())))
        }
        Some(_) => Err(Failure::new("a transport key, and no material behind it").hint(
            "is the file complete? What is wrapped by OAEP alone is --wrapped oaep-sha256 or oaep-sha1",
        )),
        None => Err(not_wrapped(blob.len(), size).also("and the material behind it")),
    }
}

/// Returns the failure of a form that import keys of another type take.
fn other_type(public: &PublicHalf) -> Failure {
    Failure::refused(format_args!("an import key of type {} takes no such form", public.name()))
        .hint(match public {
            PublicHalf::Rsa(_) => "ml-kem and ml-kem-joined are for ML-KEM import keys",
            PublicHalf::MlKem(_) => {
                "it takes ml-kem and ml-kem-joined; the other forms are for RSA"
            }
        })
}

fn check_length(material: &Secret, most: usize) -> Result<(), Failure> {
    match material.len() {
        length if length > most => {
            let message = format_args!(
                "{length} bytes are too long for OAEP alone, which takes {most} under this key"
            );
            Err(Failure::new(message).hint(
                "all other forms take material of any length, under an import key that `keystead import-key --form \
                 rsa-aes` made",
            ))
        }
        _ => Ok(()),
    }
}

fn not_wrapped(length: usize, size: usize) -> Failure {
    Failure::new(format_args!("{length} bytes are not wrapped under this import key"))
        .hint(format_args!("is it the right one? What it wraps has {size} bytes"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use clap::ValueEnum;
    use keystead::internal::lc::lattice::{self, Set};
    use keystead::internal::lc::rsa::PrivateKey;
    use std::sync::LazyLock;

    static KEY: LazyLock<PrivateKey> =
        LazyLock::new(|| PrivateKey::generate(2048, &[1, 0, 1]).unwrap());
    static ML_KEM: LazyLock<lattice::PrivateKey> =
        LazyLock::new(|| lattice::PrivateKey::generate(Set::MlKem768).unwrap());

    fn public(form: Form) -> PublicHalf {
        match form.parts().0 {
            Scheme::Oaep(_) => PublicHalf::Rsa(KEY.public().unwrap()),
            Scheme::MlKem => PublicHalf::MlKem(ML_KEM.public().unwrap()),
        }
    }

    fn opened(transfer: &Transfer) -> Secret {
        let first = match transfer.scheme {
            Scheme::Oaep(hash) => KEY.decrypt_oaep(&oaep(hash), &transfer.sealed).unwrap(),
            Scheme::MlKem => ml_kem::decapsulate(&ML_KEM, &transfer.sealed).unwrap(),
        };
        match &transfer.carried {
            None => first,
            Some(carried) => {
                kw::unwrap_padded(&AesKey::new(first.expose()).unwrap(), carried).unwrap()
            }
        }
    }

    #[test]
    fn every_form_reads_what_it_writes() {
        for form in Form::value_variants() {
            let public = public(*form);
            for length in [1, 16, 190, 600] {
                let material = Secret::new(vec![7; length]);
                if form.parts().1 == Layout::Bare && length > 190 {
                    assert!(form.wrap(&public, &material).is_err());
                    continue;
                }
                let wrapped = form.wrap(&public, &material).unwrap();
                let files = form.write(&wrapped, "a key").unwrap();
                assert_eq!(files.len(), form.files());
                let files: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
                let read = form.read(&files, &public).unwrap();
                assert_eq!(opened(&read).expose(), material.expose(), "{form:?}");
            }
        }
    }

    #[test]
    fn what_is_cut_short_is_refused_in_every_form() {
        for form in Form::value_variants() {
            let public = public(*form);
            for length in [0, 1, public.sealed_size() - 1] {
                let short = vec![b'a'; length];
                let files = vec![&short[..]; form.files()];
                assert!(form.read(&files, &public).is_err(), "{form:?} {length}");
            }
        }
        let read = |form: Form, length| form.read(&[&vec![0; length]], &public(form));
        assert!(read(Form::RsaAesSha256, 256).is_err());
        assert!(read(Form::OaepSha256, 257).is_err());
        assert!(read(Form::MlKemJoined, 1088).is_err());
    }

    #[test]
    fn a_form_is_for_import_keys_of_one_type() {
        let material = Secret::new(vec![7; 32]);
        for form in Form::value_variants() {
            for other in Form::value_variants() {
                let public = public(*other);
                let fits = matches!(form.parts().0, Scheme::Oaep(_))
                    == matches!(other.parts().0, Scheme::Oaep(_));
                assert_eq!(form.wrap(&public, &material).is_ok(), fits, "{form:?} {other:?}");
            }
        }
        let sealed = vec![0; 256];
        let said = Form::TwoFile.read(&[&sealed, &sealed], &public(Form::MlKem)).unwrap_err();
        assert!(said.message().contains("ML-KEM-768"), "{}", said.message());
    }

    #[test]
    fn a_transfer_file_is_known_by_its_members_and_refused_where_they_say_something_else() {
        let text = |version: &str, alg: &str, enc: &str, ciphertext: &str| {
            format!(
                r#"{{"schema_version":"{version}","header":{{"kid":"k","alg":"{alg}","enc":"{enc}"}},
                "ciphertext":"{ciphertext}","generator":"a tool"}}"#
            )
        };
        let good = text("1.0.0", "dir", ENC, "AAECAw==");
        assert!(is_byok(good.as_bytes()));
        assert_eq!(Byok::read(good.as_bytes()).unwrap(), [0, 1, 2, 3]);
        for wrong in [
            text("2.0.0", "dir", ENC, "AAECAw"),
            text("1.0.0", "RSA-OAEP", ENC, "AAECAw"),
            text("1.0.0", "dir", "A256GCM", "AAECAw"),
            text("1.0.0", "dir", ENC, "AA+C/w"),
            good[..good.len() - 2].to_owned(),
        ] {
            assert!(Byok::read(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(!is_byok(b"{}"));
        assert!(!is_byok(&[0x80; 32]));
    }
}
