//! `keystead wrap`: wraps key material for another's import key, as it travels to a cloud, a device or
//! a token of Keystead. It needs no token, and makes none.

use crate::file_passphrase::FilePassphrase;
use crate::new_file::NewFile;
use crate::public_half::PublicHalf;
use crate::source_material::{SourceFiles, SourceMaterial, sha256};
use crate::transfer::{self, Form};
use crate::{Failure, Global, importing, keys, material, output};
use clap::ValueEnum;
use keystead::internal::object::kinds;
use material::Format;
use serde_json::json;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

/// Wrap key material under the public half of an import key, without a token
///
/// This is the owner's side of an import, into a cloud's key service too.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The material's file; - is standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    /// The public half of the import key, in PEM or DER
    #[arg(long = "for", value_name = "FILE")]
    public: PathBuf,
    /// The form of the wrapped material; the import key has to take it
    /// [default: oaep-sha256, under an ML-KEM import key ml-kem]
    #[arg(long, value_enum)]
    form: Option<Form>,
    /// The type of key that the material is for [default: the one that PEM names, else AES]
    #[arg(long = "type", value_name = "TYPE", ignore_case = true, value_parser = keys::types())]
    key_type: Option<String>,
    /// The material's format [default: PEM where it is PEM, else raw]
    #[arg(long, value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    passphrase: FilePassphrase,
    /// Write to that new file; the forms ml-kem and two-file write FILE.transport and FILE.wrapped, and
    /// - is standard output
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// The import key's name in a .byok file; Azure wants the identifier it has in the key vault
    /// [default: the SHA-256 of its public half]
    #[arg(long, value_name = "TEXT")]
    kid: Option<String>,
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        if self.kid.is_some() && self.form != Some(Form::Byok) {
            return Err(Failure::usage("only a .byok file says how the import key is called")
                .hint("--kid goes with --form byok"));
        }
        let public = PublicHalf::read(&self.public)?;
        let form = self.form.unwrap_or(match public {
            PublicHalf::Rsa(_) => Form::OaepSha256,
            PublicHalf::MlKem(_) => Form::MlKem,
        });
        let said = self.key_type.as_deref().map(importing::kind).transpose()?;
        let file = std::slice::from_ref(&self.file);
        let files = SourceFiles::read(file, (None, self.format), said, &self.passphrase)?;
        let named = self.key_type.as_deref().or_else(|| files.named_type());
        let key_type = named.unwrap_or(keys::DEFAULT_TYPE);
        let kind = importing::kind(key_type)?;
        let SourceMaterial::Plain(material) = files.material(kind)? else {
            return Err(Failure::new("this is wrapped already")
                .hint("`keystead import` takes it, with the import key that it was wrapped for"));
        };
        let bits = material::bits(&material, kind)?;
        importing::check_named(kind, kinds::size_named(key_type), bits)?;
        let transfer = form.wrap(&public, &material)?;
        let written = form.write(&transfer, &self.kid(&public)?)?;
        let paths = self.keep(global, &written)?;
        if paths.is_empty() {
            return Ok(());
        }
        let form = form.to_possible_value().map_or(String::new(), |it| it.get_name().into());
        let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        match global.json {
            true => output::done_json(&json!({
                "form": form, "key_type": kind.called(bits), "key_bits": bits,
                "import_key_type": public.name(), "import_key_bits": public.bits(), "files": names,
            })),
            false => output::done(format_args!(
                "wrapped, {} under {}, {form}: {}",
                kind.sized(bits),
                public.name(),
                names.join(", ")
            )),
        }
    }

    fn kid(&self, public: &PublicHalf) -> Result<String, Failure> {
        match &self.kid {
            Some(kid) => Ok(kid.clone()),
            None => fingerprint(public),
        }
    }

    /// Writes what was wrapped, all of it or nothing, and says where; nowhere is standard output.
    fn keep(&self, global: &Global, written: &[Vec<u8>]) -> Result<Vec<PathBuf>, Failure> {
        let paths = match (self.out.as_os_str() == "-", written) {
            (true, [one]) => return print(one).map(|()| Vec::new()),
            (true, _) => {
                return Err(Failure::usage("two files do not go to standard output")
                    .hint("--out FILE writes FILE.transport and FILE.wrapped"));
            }
            (false, [_]) => vec![self.out.clone()],
            (false, _) => {
                transfer::ENDINGS.map(|ending| transfer::with(&self.out, ending)).to_vec()
            }
        };
        let make = |path| NewFile::make(global, path, 0o644);
        let mut files = paths.iter().map(|path| make(path)).collect::<Result<Vec<NewFile>, _>>()?;
        for (file, bytes) in files.iter_mut().zip(written) {
            file.keep(bytes)?;
        }
        drop(files);
        Ok(paths)
    }
}

/// The SHA-256 of a `SubjectPublicKeyInfo` in hexadecimal.
fn fingerprint(public: &PublicHalf) -> Result<String, Failure> {
    let sum = sha256(&public.to_spki()?)?;
    Ok(sum.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn print(bytes: &[u8]) -> Result<(), Failure> {
    if io::stdout().is_terminal() && std::str::from_utf8(bytes).is_err() {
        return Err(Failure::usage("standard output is the terminal, and this is no text")
            .hint("--out FILE writes it to a file"));
    }
    output::data(bytes)
}
