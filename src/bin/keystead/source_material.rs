//! Material as it is brought: in the clear, or wrapped under an import key.

use crate::Failure;
use crate::material::{self, Format};
use crate::transfer::{self, Form};
use keystead::internal::lc::digest::{Digest, Hash};
use keystead::internal::object::kinds::Kind;
use keystead::internal::secret::Secret;
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
}

impl SourceFiles {
    /// Reads them.
    pub(crate) fn read(
        files: &[PathBuf],
        form: Option<Form>,
        format: Option<Format>,
    ) -> Result<Self, Failure> {
        let contents = |file: &PathBuf| material::contents(file);
        let texts = files.iter().map(contents).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { form, format, texts })
    }

    /// Returns the name of the type of key that they name.
    pub(crate) fn named_type(&self) -> Option<&'static str> {
        match (self.form, self.texts.as_slice()) {
            (None, [text]) => material::named_type(text, self.format),
            _ => None,
        }
    }

    /// Returns the material in them: wrapped in their form; without one it is a key transfer file, where it
    /// looks like one, else material of that kind in the clear.
    pub(crate) fn material(self, kind: &Kind) -> Result<SourceMaterial, Failure> {
        let Self { form, format, texts } = self;
        match (form, texts.as_slice()) {
            (Some(form), texts) if texts.len() != form.files() => Err(match form.files() {
                1 => Failure::new("that form is one file")
                    .hint("ml-kem is two files, and so is two-file under an RSA import key"),
                _ => Failure::new("that form is two files").hint(
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
            (None, _) => Err(Failure::new("only wrapped material is in two files")
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

/// The SHA-256 of some bytes.
pub(crate) fn sha256(bytes: &[u8]) -> Result<[u8; 32], Failure> {
    let mut digest = Digest::new(Hash::Sha256)?;
    digest.update(bytes)?;
    let mut sum = [0; 32];
    digest.finish(&mut sum)?;
    Ok(sum)
}
