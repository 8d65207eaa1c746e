//! A token of SoftHSM 2 as it lies in files, opened with its user's PIN, without SoftHSM.
//!
//! The PIN, with a salt, hashed by SHA-256 again and again, is an AES key. Under it lies the token's own
//! key, and under that the bytes of every private object's attributes, by AES-CBC with the padding of PKCS#7
//! each time.

use super::object::{SourceObject, TEMPLATES};
use super::softhsm_file::ObjectFile;
use super::source::{Source, SourceArguments, Wrapped};
use crate::Failure;
use crate::pin::PinOptions;
use crate::source_material::sha256;
use keystead::internal::lc::aes::{AesKey, Direction, Mode};
use keystead::internal::lc::digest::Hash;
use keystead::internal::lc::rsa::{Components, PublicKey};
use keystead::internal::lc::rsa_oaep::Oaep;
use keystead::internal::lc::{ec, ed25519, kw, random, rsa, x25519};
use keystead::internal::object::Attributes;
use keystead::internal::object::rules::rule;
use keystead::internal::plain_file;
use keystead::internal::secret::Secret;
use pkcs11_sys::*;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The file of a token about itself, and the attributes in it.
const TOKEN_FILE: &str = "token.object";
const TOKEN_LABEL: u64 = CKA_VENDOR_DEFINED + 0x5349;
const TOKEN_SERIAL: u64 = CKA_VENDOR_DEFINED + 0x534A;
const USER_PIN: u64 = CKA_VENDOR_DEFINED + 0x534D;

/// The file of a store in another form, which is not read.
const DATABASE: &str = "sqlite3.db";

/// The most that is read of a file, in bytes.
const MAX_FILE: u64 = 1 << 24;

/// The sizes in a sealed token key, in bytes, and the text before the key, once it is open.
const SALT: usize = 8;
const BLOCK: usize = 16;
const MAGIC: &[u8] = b"RJR";

/// The number of times that a PIN is hashed, to which the last byte of the salt is added.
const ROUNDS: u32 = 1500;

/// The size of the transport key, in bytes.
const TRANSPORT: usize = 32;

/// An open token.
pub(super) struct SoftHsmToken {
    files: Vec<ObjectFile>,
    /// Those that cannot be read.
    broken: Vec<SourceObject>,
    transport: Option<AesKey>,
}

/// A token's directory, and the file about it.
struct Found {
    directory: PathBuf,
    about: ObjectFile,
}

impl SoftHsmToken {
    /// Opens a token of that directory, which is one's or holds several.
    pub(super) fn open(directory: &Path, wanted: &SourceArguments) -> Result<Self, Failure> {
        let found = wanted.choose(tokens(directory)?, Found::names)?;
        let key = found.open_key(wanted)?;
        let mut files = Vec::new();
        let mut broken = Vec::new();
        for file in objects(&found.directory)? {
            let opened = read(&file).and_then(|mut object| {
                open_object(&mut object, &key)?;
                Ok(object)
            });
            match opened {
                Ok(object) if object.attributes.flag(CKA_TOKEN) => files.push(object),
                Ok(_) => {}
                Err(failure) => broken.push(shown_broken(&file, failure)),
            }
        }
        Ok(Self { files, broken, transport: None })
    }

    fn material(&self, object: &SourceObject) -> Result<Secret, Failure> {
        let file = self.files.get(object.number);
        let attributes = &file.ok_or_else(|| Failure::new("the object has gone"))?.attributes;
        material(attributes)
    }
}

impl Source for SoftHsmToken {
    fn objects(&mut self) -> Result<Vec<SourceObject>, Failure> {
        let whole = self.files.iter().enumerate().map(shown);
        Ok(whole.chain(std::mem::take(&mut self.broken)).collect())
    }

    fn make_transport(&mut self, under: &PublicKey) -> Result<(Hash, Vec<u8>), Failure> {
        let key = random::secret(TRANSPORT)?;
        let padding = Oaep { hash: Hash::Sha256, mgf: Hash::Sha256, label: &[] };
        let sealed = under.encrypt_oaep(&padding, key.expose())?;
        self.transport = Some(AesKey::new(key.expose())?);
        Ok((Hash::Sha256, sealed))
    }

    fn wrap(&self, object: &SourceObject) -> Result<Vec<Wrapped>, Failure> {
        let by = self.transport.as_ref().ok_or_else(|| Failure::new("no transport key is made"))?;
        let blob = kw::wrap_padded(by, self.material(object)?.expose())?;
        Ok(vec![Wrapped { mechanism: CKM_AES_KEY_WRAP_KWP, blob }])
    }
}

/// An object without what is secret in it.
fn shown((number, file): (usize, &ObjectFile)) -> SourceObject {
    let class = file.attributes.number(CKA_CLASS).unwrap_or(CK_UNAVAILABLE_INFORMATION);
    let mut attributes = Attributes::default();
    for (kind, value) in file.attributes.iter() {
        if rule(kind, class).is_some_and(|rule| !rule.secret) {
            attributes.set(kind, value);
        }
    }
    attributes.set_number(CKA_CLASS, class);
    let template = TEMPLATES.iter().find(|(kind, _)| file.templates.contains(kind));
    SourceObject { number, attributes, restriction: template.map(|(_, name)| *name), broken: None }
}

/// An object of which nothing is known but the file in which it should be.
fn shown_broken(file: &Path, failure: Failure) -> SourceObject {
    let mut attributes = Attributes::default();
    let name = file.file_name().unwrap_or_default();
    attributes.set(CKA_LABEL, name.as_bytes());
    SourceObject { number: usize::MAX, attributes, restriction: None, broken: Some(failure) }
}

impl Found {
    fn names(&self) -> [String; 2] {
        [TOKEN_LABEL, TOKEN_SERIAL].map(|kind| {
            let text = self.about.attributes.bytes(kind).unwrap_or_default();
            String::from_utf8_lossy(text).trim_end().to_owned()
        })
    }

    /// Opens the token's own key with the PIN.
    fn open_key(&self, wanted: &SourceArguments) -> Result<AesKey, Failure> {
        let [label, _] = self.names();
        let sealed = self.about.attributes.bytes(USER_PIN).unwrap_or_default();
        let Some((salt, sealed)) = sealed.split_at_checked(SALT) else {
            return Err(Failure::of_pin(format_args!("token {label:?} has no user PIN"))
                .hint("so it has no keys of a user's either"));
        };
        let pin = wanted.pin.read()?;
        let opened = opened(&key_of_pin(salt, pin.bytes())?, sealed)?;
        let key = opened.as_ref().and_then(|opened| opened.expose().strip_prefix(MAGIC));
        let key = key.ok_or_else(|| {
            Failure::of_pin(format_args!("the PIN of token {label:?} is another one"))
                .hint("it is the user's PIN in SoftHSM; nothing counts attempts there")
        })?;
        Ok(AesKey::new(key)?)
    }
}

/// Returns the tokens of a directory, which is one's or holds several.
fn tokens(directory: &Path) -> Result<Vec<Found>, Failure> {
    let mut candidates = entries(directory)?;
    candidates.push(directory.to_owned());
    let mut found = Vec::new();
    for directory in candidates {
        let about = directory.join(TOKEN_FILE);
        if about.is_file() {
            let about = read(&about).map_err(|failure| failure.within(directory.display()))?;
            found.push(Found { about, directory });
        } else if directory.join(DATABASE).is_file() {
            let message = format_args!("{}: the token lies in a database", directory.display());
            return Err(Failure::new(message)
                .hint("only SoftHSM's own store of files is read; --from with its module copies what may leave"));
        }
    }
    Ok(found)
}

/// Returns the files of a token's objects, in order of their names.
fn objects(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = entries(directory)?;
    let is_object = |file: &PathBuf| {
        file.extension().is_some_and(|it| it == "object") && !file.ends_with(TOKEN_FILE)
    };
    files.retain(is_object);
    files.sort();
    Ok(files)
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error| Failure::of_file(directory, &error);
    let listed = fs::read_dir(directory).map_err(failed)?;
    listed.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect()
}

fn read(file: &Path) -> Result<ObjectFile, Failure> {
    let mut contents = Vec::new();
    plain_file::open(file)
        .and_then(|open| open.take(MAX_FILE).read_to_end(&mut contents))
        .map_err(|error| Failure::of_file(file, &error))?;
    ObjectFile::read(&contents).ok_or_else(|| {
        Failure::new("this is no whole object of SoftHSM's")
            .hint("end the programs that use the token, in case one is writing it")
    })
}

/// Decrypts the bytes of a private object's attributes, in place.
fn open_object(object: &mut ObjectFile, key: &AesKey) -> Result<(), Failure> {
    if !object.attributes.flag(CKA_PRIVATE) {
        return Ok(());
    }
    for kind in &object.bytes {
        let sealed = object.attributes.bytes(*kind).unwrap_or_default();
        if !sealed.is_empty() {
            let value = opened(key, sealed)?.ok_or_else(|| {
                Failure::new("it does not open under the token's key").hint("it is damaged")
            })?;
            object.attributes.set(*kind, value.expose());
        }
    }
    Ok(())
}

/// Returns the key that a PIN stands for.
fn key_of_pin(salt: &[u8], pin: &[u8]) -> Result<AesKey, Failure> {
    let first = Secret::new([salt, pin].concat());
    let mut hashed = Secret::from(&sha256(first.expose())?[..]);
    let more = salt.last().copied().unwrap_or_default();
    for _ in 1..ROUNDS + u32::from(more) {
        hashed = Secret::from(&sha256(hashed.expose())?[..]);
    }
    Ok(AesKey::new(hashed.expose())?)
}

/// Opens an initial value and blocks of AES-CBC; none where the padding is none of PKCS#7, which another key
/// gives.
fn opened(key: &AesKey, sealed: &[u8]) -> Result<Option<Secret>, Failure> {
    let Some((initial, blocks)) = sealed.split_at_checked(BLOCK) else { return Ok(None) };
    if blocks.is_empty() || !blocks.len().is_multiple_of(BLOCK) {
        return Ok(None);
    }
    let mut text = Secret::new(vec![0; blocks.len()]);
    key.cipher(Mode::Cbc, Direction::Decrypt, initial)?.update(blocks, text.expose_mut())?;
    let padding = text.expose().last().copied().unwrap_or_default();
    let length = text.len().checked_sub(usize::from(padding));
    let tail = length.and_then(|length| text.expose().get(length..)).unwrap_or_default();
    let whole = (1..=BLOCK).contains(&tail.len()) && tail.iter().all(|byte| *byte == padding);
    Ok(length.filter(|_| whole).map(|length| {
        text.truncate(length);
        text
    }))
}

/// Returns a key's material in the form in which keys are wrapped: a secret as it is, a private key as PKCS#8.
fn material(attributes: &Attributes) -> Result<Secret, Failure> {
    let missing = || Failure::new("its value is missing").hint("the object is not whole");
    let value = |kind| attributes.bytes(kind).filter(|it| !it.is_empty()).ok_or_else(missing);
    let of_class = (attributes.number(CKA_CLASS), attributes.number(CKA_KEY_TYPE));
    Ok(match of_class {
        (Some(CKO_SECRET_KEY), _) => Secret::from(value(CKA_VALUE)?),
        (_, Some(CKK_RSA)) => rsa::PrivateKey::from_components(&components(value)?)?.to_pkcs8()?,
        (_, Some(CKK_EC)) => {
            let curve = ec::Curve::named(value(CKA_EC_PARAMS)?).ok_or_else(other_curve)?;
            ec::PrivateKey::from_scalar(curve, value(CKA_VALUE)?)?.to_pkcs8()?
        }
        (_, Some(CKK_EC_EDWARDS)) => {
            let seed = value(CKA_VALUE)?;
            ed25519::PrivateKey::from_seed(seed).map_err(|_| other_curve())?.to_pkcs8()?
        }
        (_, Some(CKK_EC_MONTGOMERY)) => {
            let scalar = value(CKA_VALUE)?;
            x25519::PrivateKey::from_scalar(scalar).map_err(|_| other_curve())?.to_pkcs8()?
        }
        _ => return Err(Failure::new("keys of this type are not read from files")),
    })
}

fn components<'a>(value: impl Fn(u64) -> Result<&'a [u8], Failure>) -> Result<Components, Failure> {
    let secret = |kind| value(kind).map(Secret::from);
    Ok(Components {
        modulus: value(CKA_MODULUS)?.to_vec(),
        public_exponent: value(CKA_PUBLIC_EXPONENT)?.to_vec(),
        private_exponent: secret(CKA_PRIVATE_EXPONENT)?,
        prime_1: secret(CKA_PRIME_1)?,
        prime_2: secret(CKA_PRIME_2)?,
        exponent_1: secret(CKA_EXPONENT_1)?,
        exponent_2: secret(CKA_EXPONENT_2)?,
        coefficient: secret(CKA_COEFFICIENT)?,
    })
}

fn other_curve() -> Failure {
    Failure::new("the token keeps no keys on its curve")
}
