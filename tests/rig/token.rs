//! A token with a user logged in, and what scenarios ask of it again and again.

use super::vendor::{KEY_ID, kind};
use super::world::World;
use cryptoki::context::Pkcs11;
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use std::fmt::Debug;
use std::ops::Deref;

pub const SO_PIN: &str = "officer-1234";
pub const USER_PIN: &str = "user-1234";

/// A token and the read-write session in which its user is logged in.
#[derive(Debug)]
pub struct Token {
    pub module: Pkcs11,
    pub slot: Slot,
    session: Session,
}

impl World {
    /// Initialises the module and a token, sets both PINs and logs the user in.
    pub fn token(&self) -> Token {
        make_token(&self.module(), "a token")
    }

    /// Initialises the module and logs the user in to the token that another process made.
    pub fn same_token(&self) -> Token {
        let module = self.module();
        let slot = module.get_slots_with_initialized_token().unwrap()[0];
        Token::login(&module, slot)
    }
}

/// Initialises the free slot as a token with that label and logs its user in.
pub fn make_token(module: &Pkcs11, label: &str) -> Token {
    let slot = free_slot(module);
    module.init_token(slot, &pin(SO_PIN), label).unwrap();
    let session = module.open_rw_session(slot).unwrap();
    session.login(UserType::So, Some(&pin(SO_PIN))).unwrap();
    session.init_pin(&pin(USER_PIN)).unwrap();
    session.logout().unwrap();
    drop(session);
    Token::login(module, slot)
}

/// The slot that holds no token yet.
pub fn free_slot(module: &Pkcs11) -> Slot {
    let slots = module.get_all_slots().unwrap();
    let used = module.get_slots_with_initialized_token().unwrap();
    slots.into_iter().find(|slot| !used.contains(slot)).expect("a free slot")
}

pub fn pin(text: &str) -> AuthPin {
    AuthPin::new(text.into())
}

impl Deref for Token {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Token {
    /// Opens a read-write session and logs the user in.
    pub fn login(module: &Pkcs11, slot: Slot) -> Self {
        let token = Self::open(module, slot);
        token.session.login(UserType::User, Some(&pin(USER_PIN))).unwrap();
        token
    }

    /// Opens a read-write session.
    pub fn open(module: &Pkcs11, slot: Slot) -> Self {
        let session = module.open_rw_session(slot).unwrap();
        Self { module: module.clone(), slot, session }
    }

    /// A further session; the login is the token's, not the session's.
    pub fn another_session(&self) -> Session {
        self.module.open_rw_session(self.slot).unwrap()
    }

    /// Generates an AES-256 key.
    pub fn generate_aes(&self, template: &[Attribute]) -> ObjectHandle {
        let template = [&[Attribute::ValueLen(32.into())], template].concat();
        self.generate_key(&Mechanism::AesKeyGen, &template).unwrap()
    }

    /// One attribute's bytes.
    pub fn bytes(&self, object: ObjectHandle, kind: AttributeType) -> Vec<u8> {
        match &self.get_attributes(object, &[kind]).unwrap()[..] {
            [attribute] => value_of(attribute),
            other => panic!("{kind:?} reads {other:?}"),
        }
    }

    /// Returns true if an object has this value, also where the client crate does not know the attribute.
    pub fn has(&self, object: ObjectHandle, number: u64, value: &[u8]) -> bool {
        let asked = Attribute::VendorDefined((kind(number), value.to_vec()));
        self.find_objects(&[asked]).unwrap().contains(&object)
    }

    /// A vendor attribute that is a number.
    pub fn number(&self, object: ObjectHandle, number: u64) -> u64 {
        let bytes = self.bytes(object, kind(number));
        u64::from_ne_bytes(bytes.try_into().expect("a CK_ULONG"))
    }

    /// An attribute that is text.
    pub fn text(&self, object: ObjectHandle, kind: AttributeType) -> String {
        String::from_utf8(self.bytes(object, kind)).unwrap()
    }

    /// An attribute that is a `CK_BBOOL`.
    pub fn flag(&self, object: ObjectHandle, kind: AttributeType) -> bool {
        match self.get_attributes(object, &[kind]).unwrap().first() {
            Some(
                Attribute::Local(flag)
                | Attribute::AlwaysSensitive(flag)
                | Attribute::NeverExtractable(flag)
                | Attribute::Sensitive(flag)
                | Attribute::Extractable(flag)
                | Attribute::Private(flag)
                | Attribute::Token(flag)
                | Attribute::Copyable(flag)
                | Attribute::Destroyable(flag)
                | Attribute::Modifiable(flag)
                | Attribute::Encrypt(flag)
                | Attribute::Decrypt(flag)
                | Attribute::Wrap(flag)
                | Attribute::Unwrap(flag)
                | Attribute::Derive(flag)
                | Attribute::Sign(flag)
                | Attribute::Verify(flag),
            ) => *flag,
            other => panic!("{kind:?} reads {other:?}"),
        }
    }

    /// The custom key an object belongs to.
    pub fn key_of(&self, object: ObjectHandle) -> String {
        self.text(object, kind(KEY_ID))
    }

    /// The metadata object of a custom key.
    pub fn metadata(&self, key: &str) -> ObjectHandle {
        let class = Attribute::Class(ObjectClass::DATA);
        let found = self.find_objects(&[class, super::for_key(key)]).unwrap();
        assert_eq!(found.len(), 1, "metadata objects of one custom key");
        found[0]
    }

    /// The metadata as its JSON form shows it.
    pub fn json(&self, key: &str) -> serde_json::Value {
        let value = self.bytes(self.metadata(key), AttributeType::Value);
        serde_json::from_slice(&value).expect("the metadata's value is JSON")
    }

    /// The material object of a custom key, if there is one.
    pub fn material(&self, key: &str) -> Option<ObjectHandle> {
        let class = Attribute::Class(ObjectClass::SECRET_KEY);
        let found = self.find_objects(&[class, super::for_key(key)]).unwrap();
        assert!(found.len() <= 1, "material objects of one custom key: {found:?}");
        found.first().copied()
    }

    /// Makes an empty custom key for AES material by the native way; returns its key ID.
    pub fn empty_key(&self, template: &[Attribute]) -> String {
        let native = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Token(true),
            super::number(super::ORIGIN, super::EXTERNAL),
        ];
        let metadata = self.create_object(&[&native[..], template].concat()).unwrap();
        self.key_of(metadata)
    }

    /// One block of ciphertext, to tell keys apart and to see whether one works.
    pub fn encrypt_block(&self, key: ObjectHandle) -> cryptoki::error::Result<Vec<u8>> {
        self.encrypt(&Mechanism::AesEcb, key, b"sixteen bytes ok")
    }
}

/// All objects that calls have made: all but the profiles, which every token has.
pub fn made_objects(session: &Session) -> Vec<ObjectHandle> {
    made(session, &[])
}

/// Those of them on the token.
pub fn made_on_token(session: &Session) -> Vec<ObjectHandle> {
    made(session, &[Attribute::Token(true)])
}

fn made(session: &Session, template: &[Attribute]) -> Vec<ObjectHandle> {
    let profiles = session.find_objects(&[Attribute::Class(ObjectClass::PROFILE)]).unwrap();
    let all = session.find_objects(template).unwrap();
    all.into_iter().filter(|object| !profiles.contains(object)).collect()
}

/// The material templates that scenarios start from: an AES token key.
pub fn aes_material() -> [Attribute; 3] {
    [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::Token(true),
    ]
}

/// Returns the block of [`Token::encrypt_block`] as an AES key with that value encrypts it.
pub fn expected_block(value: &[u8]) -> Vec<u8> {
    use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, UnboundCipherKey};
    let algorithm = if value.len() == 16 { &AES_128 } else { &AES_256 };
    let key = EncryptingKey::ecb(UnboundCipherKey::new(algorithm, value).unwrap()).unwrap();
    let mut block = b"sixteen bytes ok".to_vec();
    key.encrypt(&mut block).unwrap();
    block
}

fn value_of(attribute: &Attribute) -> Vec<u8> {
    match attribute {
        Attribute::VendorDefined((_, bytes))
        | Attribute::Value(bytes)
        | Attribute::Label(bytes)
        | Attribute::Id(bytes)
        | Attribute::Application(bytes)
        | Attribute::ObjectId(bytes)
        | Attribute::CheckValue(bytes)
        | Attribute::PublicKeyInfo(bytes)
        | Attribute::UniqueId(bytes) => bytes.clone(),
        other => panic!("{other:?} is no plain value"),
    }
}

/// A call must fail with exactly this code.
#[track_caller]
pub fn refused<T: Debug>(result: cryptoki::error::Result<T>, code: RvError) {
    match result {
        Err(Error::Pkcs11(found, function)) => {
            assert_eq!(found, code, "{function:?} fails, but with another code");
        }
        other => panic!("expected {code:?}, found {other:?}"),
    }
}
