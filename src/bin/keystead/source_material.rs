//! Material as it is brought: in the clear, or wrapped under an import key.

use crate::Failure;
use crate::file_passphrase::FilePassphrase;
use crate::key_file::KeyFile;
use crate::material::{self, Format};
use crate::transfer::{self, Form};
use keystead::internal::lc::digest::{Digest, Hash};
use keystead::internal::object::kinds::Kind;
use keystead::internal::secret::Secret;
use pkcs11_sys::CKO_PRIVATE_KEY;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Material as it is brought.
pub(crate) enum SourceMaterial {
    /// Material in the clear.
    Plain(Secret),
    /// Wrapped under an import key, as the files of that form.
    Wrapped(Form, Vec<Zeroizing<Vec<u8>>>),
}

/// The files that it comes in, read: wrapped in a form, or written in a format.
pub(crate) struct SourceFiles {
    form: Option<Form>,
    format: Option<Format>,
    texts: Vec<Zeroizing<Vec<u8>>>,
    /// The private key, where it is one's file.
    key: Option<KeyFile>,
}

impl SourceFiles {
    /// Reads them, for a key of the kind that was said. A private key's file is opened at once, so that it tells its
    /// type.
    pub(crate) fn read(
        files: &[PathBuf],
        (form, format): (Option<Form>, Option<Format>),
        said: Option<&Kind>,
        passphrase: &FilePassphrase,
    ) -> Result<Self, Failure> {
        let contents = |file: &PathBuf| material::contents(file);
        let texts = files.iter().map(contents).collect::<Result<Vec<_>, _>>()?;
        let key = match (form, texts.as_slice()) {
            (None, [text]) => key_in(text, format, said, passphrase)?,
            _ => None,
        };
        Ok(Self { form, format, texts, key })
    }

    /// Returns the name of the type of key that they name.
    pub(crate) fn named_type(&self) -> Option<&'static str> {
        self.key.as_ref()?.named_type()
    }

    /// Takes the certificates that came with a private key out of it.
    pub(crate) fn take_certificates(&mut self) -> Vec<Vec<u8>> {
        self.key.as_mut().map_or_else(Vec::new, |key| std::mem::take(&mut key.certificates))
    }

    /// Returns the material in them: wrapped in their form; without one it is a key transfer file, where it
    /// looks like one, else material of that kind in the clear.
    pub(crate) fn material(self, kind: &Kind) -> Result<SourceMaterial, Failure> {
        let Self { form, format, texts, key } = self;
        if let Some(KeyFile { pkcs8, .. }) = key {
            material::check_type(&pkcs8, kind)?;
            return Ok(SourceMaterial::Plain(pkcs8));
        }
        match (form, texts.as_slice()) {
            (Some(form), texts) if texts.len() != form.files() => Err(match form.files() {
                1 => Failure::usage("that form is one file")
                    .hint("ml-kem is two files, and so is two-file under an RSA import key"),
                _ => Failure::usage("that form is two files").hint(
                    "first the transport key (.transport), then the wrapped material (.wrapped)",
                ),
            }),
            (Some(form), _) => Ok(SourceMaterial::Wrapped(form, texts)),
            (None, [text]) if format.is_none() && transfer::is_byok(text) => {
                Ok(SourceMaterial::Wrapped(Form::Byok, texts))
            }
            (None, [text]) if format.is_none() && transfer::is_json(text) => {
                Err(Failure::new("this is JSON, and no key transfer file")
                    .hint("--wrapped byok says what it lacks, --format raw that it is material"))
            }
            (None, [text]) => material::decode(text, format, kind).map(SourceMaterial::Plain),
            (None, _) => Err(Failure::usage("only wrapped material is in two files")
                .hint("--wrapped says in which form: ml-kem, or two-file under an RSA import key")),
        }
    }
}

impl SourceMaterial {
    /// Returns a digest that distinguishes it from other material of this run, in memory only; none for
    /// wrapped material.
    pub(crate) fn digest(&self) -> Result<Option<[u8; 32]>, Failure> {
        match self {
            Self::Plain(material) => Ok(Some(sha256(material.expose())?)),
            Self::Wrapped(..) => Ok(None),
        }
    }

    /// Returns whether it is wrapped already.
    pub(crate) fn is_wrapped(&self) -> bool {
        matches!(self, Self::Wrapped(..))
    }
}

/// Returns the private key in a file's contents, where they can be one's.
fn key_in(
    text: &[u8],
    format: Option<Format>,
    said: Option<&Kind>,
    passphrase: &FilePassphrase,
) -> Result<Option<KeyFile>, Failure> {
    let is_private = said.map(|kind| kind.class == CKO_PRIVATE_KEY);
    match (format, is_private, said) {
        (None | Some(Format::Pem), Some(false), Some(said)) if KeyFile::is_one(text) => {
            let name = said.name;
            let message = format_args!("there is a private key in it, and no {name} key");
            Err(Failure::refused(message).hint(material::TYPE_SAYS))
        }
        (Some(Format::Raw), Some(true), _) | (None | Some(Format::Pem), Some(true) | None, _) => {
            KeyFile::read(text, passphrase)
        }
        _ => Ok(None),
    }
}

/// The SHA-256 of some bytes.
pub(crate) fn sha256(bytes: &[u8]) -> Result<[u8; 32], Failure> {
    let mut digest = Digest::new(Hash::Sha256)?;
    digest.update(bytes)?;
    let mut sum = [0; 32];
    digest.finish(&mut sum)?;
    Ok(sum)
}
