//! A manifest of imports: the files of a directory, or the lines of a CSV manifest. Each is
//! read for itself, so that every wrong one can be named.

use crate::Failure;
use crate::identifier::Identifier;
use crate::keys;
use crate::material::Format;
use crate::moment::ExpiryArgument;
use crate::transfer::{self, Form};
use clap::ValueEnum;
use clap::builder::TypedValueParser;
use csv::{ErrorKind, Position, StringRecord, Trim};
use keystead::internal::key::ExpiryAction;
use keystead::internal::plain_file;
use serde::Deserialize;
use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The columns of a manifest. `file` must be there.
pub(crate) const COLUMNS: [&str; 9] =
    ["file", "alias", "id", "type", "form", "cka_id", "expires", "expiry_action", "description"];

/// The most that is read of a manifest, in bytes: a hundred thousand lines and more.
const MAX_SIZE: u64 = 1 << 24;

/// One import of several.
#[derive(Debug)]
pub(crate) struct ManifestEntry {
    /// The line (`line 3`) or the file's name.
    pub place: String,
    /// The import that it asks for; of a wrong line only why it is wrong.
    pub wanted: Result<WantedImport, Failure>,
}

/// One import as a line asks for it.
#[derive(Debug)]
pub(crate) struct WantedImport {
    /// The files its material is in.
    pub files: Vec<PathBuf>,
    /// The alias, or of an existing key the key ID.
    pub name: String,
    /// Set where the name is a key ID.
    pub by_id: bool,
    /// The type of a new key, and the one that an existing key must have.
    pub key_type: Option<String>,
    /// The format of material in the clear.
    pub format: Option<Format>,
    /// The form of wrapped material.
    pub form: Option<Form>,
    /// The `CKA_ID` of a new key.
    pub cka_id: Option<Identifier>,
    /// The expiry.
    pub expires: Option<ExpiryArgument>,
    /// The action at the expiry.
    pub action: Option<ExpiryAction>,
    /// The description of a new key.
    pub description: Option<String>,
}

/// A line as it is written.
#[derive(Debug, Deserialize)]
struct ManifestLine {
    file: PathBuf,
    alias: Option<String>,
    id: Option<String>,
    #[serde(rename = "type")]
    key_type: Option<String>,
    form: Option<String>,
    cka_id: Option<String>,
    expires: Option<String>,
    expiry_action: Option<String>,
    description: Option<String>,
}

/// Reads a directory or a manifest. What is wrong with all of it is an error, what is wrong with one
/// line is in its entry.
pub(crate) fn read(source: &Path) -> Result<Vec<ManifestEntry>, Failure> {
    let of_file = |error| Failure::of_file(source, &error);
    let entries = match fs::metadata(source).map_err(of_file)?.is_dir() {
        true => directory(source).map_err(of_file)?,
        false => manifest(source, &contents(source)?)?,
    };
    match entries.is_empty() {
        true => Err(Failure::new(format_args!("{}: nothing to import", source.display())).hint(
            "a directory holds a file for each key, a manifest a line; hidden files do not count",
        )),
        false => Ok(entries),
    }
}

fn contents(source: &Path) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    plain_file::open_named(source)
        .and_then(|file| file.take(MAX_SIZE).read_to_end(&mut text))
        .map_err(|error| Failure::of_file(source, &error))?;
    match text.len() as u64 {
        MAX_SIZE.. => {
            Err(Failure::new(format_args!("{}: it is too long for a manifest", source.display()))
                .hint("split it into several, and import one after the other"))
        }
        _ => Ok(text),
    }
}

/// Every file is an import; hidden ones are none.
fn directory(directory: &Path) -> std::io::Result<Vec<ManifestEntry>> {
    let mut names = fs::read_dir(directory)?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<std::io::Result<Vec<OsString>>>()?;
    names.retain(|name| !name.as_encoded_bytes().starts_with(b"."));
    names.sort();
    let entry = |name: OsString| ManifestEntry {
        place: name.to_string_lossy().into_owned(),
        wanted: named_by_file(directory.join(name)),
    };
    Ok(names.into_iter().map(entry).collect())
}

fn manifest(source: &Path, text: &[u8]) -> Result<Vec<ManifestEntry>, Failure> {
    let wrong = |line: u64, what: &str| {
        Failure::new(format_args!("{}, line {line}: {what}", source.display()))
            .hint("`keystead help import-many` says what stands in a manifest")
    };
    let mut reader = csv::ReaderBuilder::new().trim(Trim::All).from_reader(text);
    let header = reader.headers().map_err(|error| wrong(1, &said(&error)))?.clone();
    check_header(&header).map_err(|failure| wrong(1, &failure.message()))?;
    let folder = source.parent().unwrap_or(Path::new(""));
    let mut entries = Vec::new();
    let mut record = StringRecord::new();
    loop {
        let read = reader.read_record(&mut record);
        if matches!(read, Ok(false)) {
            return Ok(entries);
        }
        let begun = read.as_ref().err().and_then(csv::Error::position).or(record.position());
        let place = format!("line {}", begun.map_or(0, |begun| line(begun, text)));
        let row = read.and_then(|_| record.deserialize::<ManifestLine>(Some(&header)));
        let wanted = match row {
            Ok(row) => row.wanted(folder),
            Err(error) if error.is_io_error() => {
                return Err(Failure::of_file(source, &std::io::Error::other(error)));
            }
            Err(error) => Err(Failure::new(said(&error))),
        };
        entries.push(ManifestEntry { place, wanted });
    }
}

/// A record's line. The reader counts empty lines before a record as part of it.
fn line(begun: &Position, text: &[u8]) -> u64 {
    let at = usize::try_from(begun.byte()).unwrap_or(usize::MAX);
    let rest = text.get(at..).unwrap_or_default().iter();
    let empty = rest.take_while(|byte| b"\r\n".contains(byte)).filter(|byte| **byte == b'\n');
    empty.fold(begun.line(), |line, _| line + 1)
}

fn check_header(header: &StringRecord) -> Result<(), Failure> {
    let hint = format!("the first line names columns: {}", COLUMNS.join(", "));
    let wrong = |what: String| Err(Failure::new(what).hint(&hint));
    if let Some(unknown) = header.iter().find(|name| !COLUMNS.contains(name)) {
        return wrong(format!("there is no column {unknown:?}"));
    }
    let count = |name: &str| header.iter().filter(|it| *it == name).count();
    if let Some(twice) = COLUMNS.iter().find(|name| count(name) > 1) {
        return wrong(format!("the column {twice:?} is there twice"));
    }
    match count("file") {
        0 => wrong("the column \"file\" is missing".to_owned()),
        _ => Ok(()),
    }
}

/// Describes the error in a line, without its place.
fn said(error: &csv::Error) -> String {
    match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields, and the first line names {expected_len}")
        }
        ErrorKind::Utf8 { .. } => "it is not UTF-8".to_owned(),
        ErrorKind::Deserialize { err, .. } => err.to_string(),
        _ => error.to_string(),
    }
}

impl ManifestLine {
    fn wanted(self, folder: &Path) -> Result<WantedImport, Failure> {
        if self.file.as_os_str().is_empty() {
            return Err(Failure::new("the file is missing"));
        }
        let path = folder.join(&self.file);
        let (name, by_id) = match (self.alias, self.id) {
            (Some(_), Some(_)) => {
                return Err(Failure::new("alias and id: one of them names the custom key")
                    .hint("leave one of them empty"));
            }
            (Some(alias), None) => (alias, false),
            (None, Some(id)) => (id, true),
            (None, None) => (alias_of(&path)?, false),
        };
        let (format, form) = written(self.form.as_deref(), &path)?;
        Ok(WantedImport {
            files: files(path, form),
            name,
            by_id,
            key_type: self.key_type.as_deref().map(key_type).transpose()?,
            format,
            form,
            cka_id: self.cka_id.map(|text| cka_id(&text)).transpose()?,
            expires: self.expires.map(|text| expiry(&text)).transpose()?,
            action: self.expiry_action.as_deref().map(action).transpose()?,
            description: self.description,
        })
    }
}

fn named_by_file(path: PathBuf) -> Result<WantedImport, Failure> {
    if path.is_dir() {
        return Err(Failure::new("a directory inside the directory")
            .hint("move it away, or import it by itself"));
    }
    let (format, form) = written(None, &path)?;
    Ok(WantedImport {
        name: alias_of(&path)?,
        files: vec![path],
        by_id: false,
        key_type: None,
        format,
        form,
        cka_id: None,
        expires: None,
        action: None,
        description: None,
    })
}

/// File endings that say how material is written. They are no part of the alias.
const ENDINGS: [(&str, Option<Format>, Option<Form>); 9] = [
    ("hex", Some(Format::Hex), None),
    ("b64", Some(Format::Base64), None),
    ("base64", Some(Format::Base64), None),
    ("pem", Some(Format::Pem), None),
    ("p12", None, None),
    ("pfx", None, None),
    ("p8", None, None),
    ("der", None, None),
    ("byok", None, Some(Form::Byok)),
];

type Suffix = (&'static str, Option<Format>, Option<Form>);

fn ending(path: &Path) -> Option<Suffix> {
    let text = path.extension()?.to_str()?;
    ENDINGS.into_iter().find(|(ending, ..)| *ending == text)
}

/// The alias that a file's name says.
fn alias_of(path: &Path) -> Result<String, Failure> {
    let name = if ending(path).is_some() { path.file_stem() } else { path.file_name() };
    let name = name.and_then(|name| name.to_str());
    name.map(str::to_owned)
        .ok_or_else(|| Failure::new("the file's name is no alias").hint("a manifest gives it one"))
}

/// Returns the format or form of the material: as the line says, else as the file's ending says.
fn written(said: Option<&str>, path: &Path) -> Result<(Option<Format>, Option<Form>), Failure> {
    let Some(said) = said else {
        return Ok(ending(path).map_or((None, None), |(_, format, form)| (format, form)));
    };
    match (Format::from_str(said, true), Form::from_str(said, true)) {
        (Ok(format), _) => Ok((Some(format), None)),
        (_, Ok(form)) => Ok((None, Some(form))),
        _ => Err(Failure::new(format_args!("there is no form {said:?}"))
            .hint(format_args!("it is {}", forms().join(", ")))),
    }
}

fn forms() -> Vec<String> {
    let name = |value: Option<clap::builder::PossibleValue>| {
        value.map_or(String::new(), |value| value.get_name().to_owned())
    };
    let formats = Format::value_variants().iter().map(|it| name(it.to_possible_value()));
    formats.chain(Form::value_variants().iter().map(|it| name(it.to_possible_value()))).collect()
}

/// Two files are named by what their names have in common.
fn files(path: PathBuf, form: Option<Form>) -> Vec<PathBuf> {
    match form.map(Form::files) {
        Some(2) => transfer::ENDINGS.map(|ending| transfer::with(&path, ending)).to_vec(),
        _ => vec![path],
    }
}

fn key_type(text: &str) -> Result<String, Failure> {
    let names: Vec<String> = keys::types()
        .possible_values()
        .into_iter()
        .flatten()
        .map(|it| it.get_name().into())
        .collect();
    let found = names.iter().find(|name| name.eq_ignore_ascii_case(text));
    found.cloned().ok_or_else(|| {
        Failure::new(format_args!("there is no type {text:?}"))
            .hint(format_args!("it is {}", names.join(", ")))
    })
}

fn cka_id(text: &str) -> Result<Identifier, Failure> {
    Identifier::parse(text).map_err(|wrong| Failure::new(format_args!("cka_id: {wrong}")))
}

fn expiry(text: &str) -> Result<ExpiryArgument, Failure> {
    text.parse().map_err(|wrong: String| Failure::new(format_args!("expires: {wrong}")))
}

/// Reads the action at an expiry.
pub(crate) fn action(text: &str) -> Result<ExpiryAction, Failure> {
    match text {
        "erase" => Ok(ExpiryAction::Erase),
        "read-only" => Ok(ExpiryAction::ReadOnly),
        _ => Err(Failure::new(format_args!("there is no expiry_action {text:?}"))
            .hint("it is erase or read-only")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use std::io::Write;

    fn reading(text: &str) -> Result<Vec<ManifestEntry>, Failure> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        read(file.path())
    }

    #[test]
    fn a_line_says_all_that_an_import_takes() {
        let entries = reading(
            "\u{feff}file, alias, type, form, cka_id, expires, expiry_action, description\n\
             a.hex, payroll, aes, , 0aF1, 90d, read-only,\"wages, and more\"\n\
             two, ec, EC, two-file, , never, erase,\n",
        )
        .unwrap();
        let first = entries[0].wanted.as_ref().unwrap();
        assert_eq!((first.name.as_str(), first.by_id), ("payroll", false));
        assert_eq!(first.key_type.as_deref(), Some("AES"));
        assert_eq!((first.format, first.form), (Some(Format::Hex), None));
        assert_eq!(first.cka_id.as_ref().unwrap().bytes(), [0x0a, 0xf1]);
        assert_eq!(first.expires, Some(ExpiryArgument::After(90 * 86_400)));
        assert_eq!(first.action, Some(ExpiryAction::ReadOnly));
        assert_eq!(first.description.as_deref(), Some("wages, and more"));
        let second = entries[1].wanted.as_ref().unwrap();
        let names: Vec<_> = second.files.iter().map(|it| it.file_name().unwrap()).collect();
        assert_eq!(names, ["two.transport", "two.wrapped"]);
        assert_eq!(second.description, None);
    }

    #[test]
    fn a_wrong_line_is_named_and_the_others_are_read() {
        let entries = reading(
            "file,alias,id,type,form,expires,expiry_action,cka_id\n\
             a,b,,,,,,\n\
             a,b,,,,,\n\
             ,b,,,,,,\n\
             a,b,c,,,,,\n\
             a,b,,DES,,,,\n\
             a,b,,,zip,,,\n\
             a,b,,,,1999-01-01,,\n\
             \n\
             a,b,,,,,burn,\n\
             a,b,,,,,,0x1\n\
             a.b64,,,,,,,\n",
        )
        .unwrap();
        let wrong: Vec<&str> = entries
            .iter()
            .filter(|entry| entry.wanted.is_err())
            .map(|entry| entry.place.as_str())
            .collect();
        assert_eq!(
            wrong,
            ["line 3", "line 4", "line 5", "line 6", "line 7", "line 8", "line 10", "line 11"]
        );
        assert_eq!(entries.last().unwrap().wanted.as_ref().unwrap().name, "a");
    }

    #[test]
    fn the_first_line_names_known_columns_once() {
        for header in ["", "alias\n", "file,colour\na,b\n", "file,file\na,b\n", "a.hex\nb.hex\n"] {
            assert!(reading(header).is_err(), "{header}");
        }
        assert!(reading("file\n").is_err());
    }

    #[test]
    fn what_never_ends_is_no_manifest() {
        let refused = read(Path::new("/dev/zero")).err().unwrap().message();
        assert!(refused.starts_with("/dev/zero: it is too long for a manifest"), "{refused}");
    }

    #[test]
    fn a_directory_names_keys_by_its_files() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["payroll.hex", "a.key", ".hidden", "cloud.byok"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        fs::create_dir(folder.path().join("zz")).unwrap();
        let entries = read(folder.path()).unwrap();
        let name = |entry: &ManifestEntry| entry.wanted.as_ref().ok().map(|it| it.name.clone());
        let names: Vec<_> = entries.iter().map(name).collect();
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(names, [some("a.key"), some("cloud"), some("payroll"), None]);
    }
}
