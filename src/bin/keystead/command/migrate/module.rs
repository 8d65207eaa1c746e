//! A token of another PKCS#11 module. It makes the transport key itself and wraps keys under it, so that
//! neither passes through this program in the clear.

use super::object::SourceObject;
use super::reader;
use super::source::{Source, SourceArguments, Wrapped};
use crate::Failure;
use crate::explain::code;
use crate::mechanisms::{bare, numbered};
use crate::module_file;
use crate::outcome::Outcome;
use crate::pin::PinOptions;
use crate::wrapping::oaep;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use keystead::internal::lc::digest::Hash;
use keystead::internal::lc::rsa::PublicKey;
use pkcs11_sys::{CKA_EXTRACTABLE, CKM_AES_KEY_WRAP, CKM_AES_KEY_WRAP_KWP, CKM_AES_KEY_WRAP_PAD};
use std::path::Path;

/// The mechanisms that keys are wrapped by; all are authenticated. SoftHSM adds zeros to what it wraps by the
/// others too, where they are taken for the key's; behind the first they are known for what they are.
const WRAPPING: [u64; 3] = [CKM_AES_KEY_WRAP, CKM_AES_KEY_WRAP_KWP, CKM_AES_KEY_WRAP_PAD];

/// The size of the transport key, in bytes.
const TRANSPORT: u64 = 32;

/// A token of another module, with a session in which its user is logged in.
pub(super) struct ModuleToken {
    session: Session,
    objects: Vec<ObjectHandle>,
    /// Those of [`WRAPPING`] that the module has.
    mechanisms: Vec<u64>,
    transport: Option<ObjectHandle>,
}

impl ModuleToken {
    /// Loads the module, chooses a token and logs in.
    pub(super) fn open(module: &Path, wanted: &SourceArguments) -> Result<Self, Failure> {
        let pkcs11 = loaded(module)?;
        let slots = pkcs11.get_slots_with_initialized_token().map_err(of_source)?;
        let info = |slot: Slot| Ok((slot, pkcs11.get_token_info(slot).map_err(of_source)?));
        let tokens = slots.into_iter().map(info).collect::<Result<Vec<_>, Failure>>()?;
        let names = |(_, info): &(Slot, TokenInfo)| {
            [info.label(), info.serial_number()].map(ToOwned::to_owned)
        };
        let (slot, info) = wanted.choose(tokens, names)?;
        let session = pkcs11.open_ro_session(slot).map_err(of_source)?;
        let pin = wanted.pin.read()?.for_login();
        session
            .login(UserType::User, Some(&pin))
            .map_err(|error| refused_login(error, info.label()))?;
        let objects = session.find_objects(&[Attribute::Token(true)]).map_err(of_source)?;
        let mechanisms = WRAPPING.into_iter().filter(|it| wraps(&pkcs11, slot, *it)).collect();
        Ok(Self { session, objects, mechanisms, transport: None })
    }

    /// Returns the transport key encrypted under a public key that the module is given for this.
    fn sealed(
        &self,
        transport: ObjectHandle,
        under: &PublicKey,
    ) -> Result<(Hash, Vec<u8>), Failure> {
        let public = [
            Attribute::Class(ObjectClass::PUBLIC_KEY),
            Attribute::KeyType(KeyType::RSA),
            Attribute::Token(false),
            Attribute::Private(false),
            Attribute::Modulus(under.modulus()?),
            Attribute::PublicExponent(under.public_exponent()?),
            Attribute::Wrap(true),
        ];
        let public = self.session.create_object(&public).map_err(of_source)?;
        let seal = |hash| -> Result<_, Failure> {
            let by = Mechanism::RsaPkcsOaep(oaep(hash)?);
            let sealed = self.session.wrap_key(&by, public, transport);
            sealed.map(|sealed| (hash, sealed)).map_err(of_source)
        };
        // Some modules have OAEP with SHA-1 only, which is as good for this.
        seal(Hash::Sha256).or_else(|_| seal(Hash::Sha1))
    }
}

impl Source for ModuleToken {
    fn objects(&mut self) -> Result<Vec<SourceObject>, Failure> {
        let read = |(number, object): (usize, &ObjectHandle)| {
            reader::read(&self.session, *object, number).map_err(of_source)
        };
        self.objects.iter().enumerate().map(read).collect()
    }

    fn make_transport(&mut self, under: &PublicKey) -> Result<(Hash, Vec<u8>), Failure> {
        if self.mechanisms.is_empty() {
            return Err(Failure::new("the other module wraps no keys by AES-KWP or AES-KW")
                .hint("what it has of wrapping is not taken here"));
        }
        let template = [
            Attribute::Token(false),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(true),
            Attribute::ValueLen(TRANSPORT.into()),
            Attribute::Wrap(true),
        ];
        let made = self.session.generate_key(&Mechanism::AesKeyGen, &template);
        let transport = made.map_err(of_source)?;
        self.transport = Some(transport);
        self.sealed(transport, under)
    }

    fn wrap(&self, object: &SourceObject) -> Result<Vec<Wrapped>, Failure> {
        if !object.attributes.flag(CKA_EXTRACTABLE) {
            return Err(may_not_leave());
        }
        let handle = self.objects.get(object.number);
        let (Some(handle), Some(by)) = (handle, self.transport) else {
            return Err(Failure::new("no transport key is made"));
        };
        let wrap = |mechanism: &u64| {
            let blob = self.session.wrap_key(&bare(*mechanism), by, *handle)?;
            Ok(Wrapped { mechanism: *mechanism, blob })
        };
        let mut wrapped = Vec::new();
        let mut refused = None;
        for made in self.mechanisms.iter().map(wrap) {
            match made {
                Ok(made) => wrapped.push(made),
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(error) if wrapped.is_empty() => Err(not_wrapped(error)),
            _ => Ok(wrapped),
        }
    }
}

fn loaded(module: &Path) -> Result<Pkcs11, Failure> {
    module_file::check(module)?;
    let name = module.display();
    let pkcs11 = Pkcs11::new(module).map_err(|error| match error {
        Error::LibraryLoading(error) => {
            Failure::new(format_args!("{name}: the other module cannot be loaded: {error}"))
                .hint("--from names a PKCS#11 module, or SoftHSM's directory of tokens")
        }
        other => Failure::new(format_args!("{name}: {other}")),
    })?;
    let arguments = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
    pkcs11.initialize(arguments).map_err(|error| {
        of_source(error).within(name).hint(
            "does it find its configuration, and may this user read that? SoftHSM's is in SOFTHSM2_CONF, or /etc/softhsm",
        )
    })?;
    Ok(pkcs11)
}

fn wraps(pkcs11: &Pkcs11, slot: Slot, mechanism: u64) -> bool {
    let mechanism: MechanismType = numbered(mechanism);
    pkcs11.get_mechanism_info(slot, mechanism).is_ok_and(|info| info.wrap())
}

fn may_not_leave() -> Failure {
    Failure::new("it may not leave the other token (CKA_EXTRACTABLE is false)")
        .hint("of SoftHSM's, `--from` with the directory of its tokens reads it out of the files")
}

fn not_wrapped(error: Error) -> Failure {
    match code(&error) {
        Some(RvError::KeyUnextractable) => may_not_leave(),
        Some(RvError::KeyNotWrappable) => Failure::new(
            "it leaves the other token under trusted keys only (CKA_WRAP_WITH_TRUSTED), or not by wrapping",
        ),
        _ => of_source(error),
    }
}

fn refused_login(error: Error, label: &str) -> Failure {
    let (message, outcome) = match code(&error) {
        Some(RvError::PinIncorrect) => ("another PIN", Outcome::Pin),
        Some(RvError::PinLocked) => ("its PIN is locked", Outcome::Locked),
        Some(RvError::UserPinNotInitialized) => ("it has no user PIN", Outcome::Pin),
        _ => return of_source(error).of(format_args!("the other token {label:?}")),
    };
    Failure::new(format_args!("the other token {label:?}: {message}"))
        .with_outcome(outcome)
        .hint("it counts wrong PINs as it likes, and may lock: look before the next try")
}

/// Explains the failure of a call to the other module, of whose codes only the names are known.
fn of_source(error: Error) -> Failure {
    match error {
        Error::Pkcs11(code, function) => {
            Failure::new(format_args!("the other module: C_{function:?}: {code:?}"))
        }
        other => Failure::new(format_args!("the other module: {other}")),
    }
}
