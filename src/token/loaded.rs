//! An object in memory: opened once, parsed once, kept until a generation counter says that it has
//! changed.

use crate::clock::Seconds;
use crate::erasure::Erasure;
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::policy::{InUse, Key, Purpose, Sealing, Usages, Watch};
use crate::key::{Body, Expiry, Header, KeyState, MaterialState, Metadata, Parsed, Role, Status};
use crate::object::build;
use crate::object::kinds::{self, USAGE_FLAGS};
use crate::object::values::plain;
use crate::object::{Attributes, attributes, implied, marks, template_check, trust};
use crate::secret::Secret;
use crate::wire::Stored;
use once_cell::sync::OnceCell;
use pkcs11_sys::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// One object.
pub(crate) struct Loaded {
    /// Its identity.
    pub id: Id,
    /// Its record's counter; 0 for a session object.
    pub revision: u64,
    /// Its public header.
    pub header: Header,
    /// Its content.
    pub content: RecordContent,
    /// Moves when it may have changed.
    pub watch: Watch,
    /// The parsed key as it came into being with the object, until it is first used.
    parsed: Mutex<Option<Box<Parsed>>>,
    key: OnceCell<Arc<Key>>,
    older: OnceCell<Vec<Arc<Loaded>>>,
}

/// The content of a record, opened.
pub(crate) enum RecordContent {
    /// An ordinary object.
    Object(ObjectBody),
    /// A custom key's metadata.
    CustomKey(Box<CustomKey>),
    /// A custom key's material, beside its metadata.
    Material(ObjectBody, Box<Owner>),
}

/// Attributes, and key material if it is a key.
pub(crate) struct ObjectBody {
    /// The object's own attributes.
    pub attributes: Attributes,
    /// A secret key's bytes or a private key's PKCS#8.
    pub material: Secret,
}

#[derive(Clone)]
/// A custom key's metadata with what decides about it.
pub(crate) struct CustomKey {
    /// Its names and purpose.
    pub metadata: Metadata,
    /// Its state as it was sealed.
    pub state: KeyState,
    /// The word of its newest material's erase cell.
    pub erasure: Erasure,
}

/// The metadata record that material belongs to.
pub(crate) struct Owner {
    /// The key ID.
    pub id: Id,
    /// The metadata record's counter.
    pub revision: u64,
    /// Its header.
    pub header: Header,
    /// Its content.
    pub key: CustomKey,
}

impl CustomKey {
    /// Returns the state at `now`.
    pub(crate) fn state(&self, now: Seconds) -> KeyState {
        self.state.clone().expire(self.erasure, now)
    }
}

impl ObjectBody {
    /// Returns the bytes to seal.
    pub(crate) fn encode(&self) -> Result<Secret> {
        let class = self.attributes.number(CKA_CLASS).unwrap_or(CK_UNAVAILABLE_INFORMATION);
        let attributes = self
            .attributes
            .iter()
            .filter(|(kind, value)| !implied::is_implied(*kind, value, class))
            .map(|(kind, value)| (kind, value.to_vec()))
            .collect();
        Body { attributes, material: self.material.expose().to_vec() }.encode()
    }

    /// Reads [`Self::encode`]'s bytes back.
    pub(crate) fn decode(bytes: &Secret) -> Result<Self> {
        let mut body = Body::decode(bytes)?;
        let given = std::mem::take(&mut body.attributes);
        let mut attributes: Attributes = given
            .into_iter()
            .map(|(kind, value)| (kind, plain(kind, Secret::new(value))))
            .collect();
        implied::complete(&mut attributes);
        let material = Secret::new(std::mem::take(&mut body.material)).kept();
        Ok(Self { attributes, material })
    }
}

impl Loaded {
    /// Makes a session object.
    pub(crate) fn session(
        id: Id,
        attributes: Attributes,
        material: Secret,
        expiry: Option<Expiry>,
    ) -> Self {
        let header = Header {
            private: attributes.flag(CKA_PRIVATE),
            role: Role::Object { holds_key: !material.is_empty() },
            expiry,
            tags: Vec::new(),
        };
        let content = RecordContent::Object(ObjectBody { attributes, material: material.kept() });
        let watch = Watch::Session(Arc::new(AtomicBool::new(true)));
        Self {
            id,
            revision: 0,
            header,
            content,
            watch,
            parsed: Mutex::default(),
            key: OnceCell::new(),
            older: OnceCell::new(),
        }
    }

    /// Returns the object with its parsed key beside it, so that its first use need not read it.
    pub(crate) fn with_parsed(self, parsed: Option<Parsed>) -> Self {
        Self { parsed: Mutex::new(parsed.map(Box::new)), ..self }
    }

    /// Makes a token object, once its record has been opened.
    pub(crate) fn record(
        stored: &Stored,
        header: Header,
        content: RecordContent,
        watch: Watch,
    ) -> Self {
        Self {
            id: stored.id,
            revision: stored.revision,
            header,
            content,
            watch,
            parsed: Mutex::default(),
            key: OnceCell::new(),
            older: OnceCell::new(),
        }
    }

    /// Returns whether it is there only for who has logged in: a private object, and a key on the token
    /// whatever it says of itself.
    pub(crate) fn needs_login(&self) -> bool {
        let on_token = matches!(self.watch, Watch::Record { .. });
        self.header.private || (on_token && self.header.holds_key())
    }

    /// Ends a session object: a holder of its key notices at the next Init.
    pub(crate) fn end(&self) {
        if let Watch::Session(alive) = &self.watch {
            alive.store(false, Ordering::Release);
        }
    }

    /// Returns whether there is anything to find or use at `now`: a custom key's metadata always, an object
    /// until its key ends.
    pub(crate) fn is_there(&self, now: Seconds) -> bool {
        let ended = |expiry: Option<Expiry>| expiry.is_some_and(|expiry| expiry.erases_by(now));
        match &self.content {
            RecordContent::CustomKey(_) => true,
            RecordContent::Object(_) => !ended(self.header.expiry),
            RecordContent::Material(_, owner) => {
                !ended(self.header.expiry) && owner.key.state(now).has_material()
            }
        }
    }

    /// Returns when it, or a usage of it, ends by itself after `now`.
    pub(crate) fn ends_after(&self, now: Seconds) -> Option<Seconds> {
        let deletion = self.custom_key().and_then(|(_, key)| key.state.deletion_at);
        let expiry = self.header.expiry.map(|expiry| expiry.at);
        [deletion, expiry].into_iter().flatten().filter(|at| *at > now).min()
    }

    /// Returns whether the object, or its key, may be held elsewhere than by the owner of this reference.
    pub(crate) fn is_held_elsewhere(self: &Arc<Self>) -> bool {
        let older = self.older.get().is_some_and(|older| !older.is_empty());
        Arc::strong_count(self) > 1 || older || self.key.get().is_some_and(Key::is_in_use)
    }

    /// Returns whether a key's value may go where it is used as a whole, wrapped, digested or read: not while
    /// its custom key is switched off, and not once it is expired and kept for reading only.
    pub(crate) fn is_whole(&self, now: Seconds) -> bool {
        let enabled = self.custom_key().is_none_or(|(_, key)| {
            let state = key.state(now);
            state.status() == Status::Enabled && state.material == MaterialState::Present
        });
        enabled
            && !self.is_older()
            && !self.header.expiry.is_some_and(|expiry| expiry.has_come(now))
    }

    /// Returns whether it is material that a newer version has followed: it only decrypts, verifies and
    /// unwraps.
    pub(crate) fn is_older(&self) -> bool {
        match (&self.content, &self.header.role) {
            (RecordContent::Material(_, owner), Role::Material { version, .. }) => {
                *version < owner.key.state.version
            }
            _ => false,
        }
    }

    /// Returns the custom key whose newest material this is, if older versions stand beside it.
    pub(crate) fn rotated(&self) -> Option<Id> {
        match (&self.content, &self.header.role) {
            (RecordContent::Material(_, owner), Role::Material { version, .. }) => {
                (*version > 1 && *version == owner.key.state.version).then_some(owner.id)
            }
            _ => None,
        }
    }

    /// Returns when the next version is due: of the newest material only.
    pub(crate) fn rotation_due(&self) -> Option<Seconds> {
        self.custom_key()
            .filter(|_| !self.is_older())
            .and_then(|(_, key)| key.metadata.rotation_due())
    }

    /// Returns the older versions, newest first, brought by `bring` when they are first asked for. They never
    /// change without a new version, and so without a new object in the place of this one.
    pub(crate) fn older(
        &self,
        bring: impl FnOnce() -> Result<Vec<Arc<Self>>>,
    ) -> Result<&[Arc<Self>]> {
        self.older.get_or_try_init(bring).map(Vec::as_slice)
    }

    /// Returns the material of a secret or private key.
    pub(crate) fn body(&self) -> Option<&ObjectBody> {
        match &self.content {
            RecordContent::Object(body) | RecordContent::Material(body, _) => Some(body),
            RecordContent::CustomKey(_) => None,
        }
    }

    /// Returns the custom key this is the metadata or material of.
    pub(crate) fn custom_key(&self) -> Option<(Id, &CustomKey)> {
        match &self.content {
            RecordContent::CustomKey(key) => Some((self.id, key)),
            RecordContent::Material(_, owner) => Some((owner.id, &owner.key)),
            RecordContent::Object(_) => None,
        }
    }

    /// Returns the parsed key, made at first use.
    pub(crate) fn key(&self) -> Result<&Arc<Key>> {
        self.key.get_or_try_init(|| self.parse().map(Arc::new))
    }

    /// Returns the part of the key that a digest remembers once it has taken its value.
    pub(crate) fn digested(&self) -> Result<InUse> {
        let until = self.header.expiry.map(Expiry::ends_operations_at);
        let (object, watch) = (self.id, self.watch.clone());
        self.key()?.begin();
        Ok(InUse { object, purpose: Purpose::Digest, watch, until })
    }

    fn parse(&self) -> Result<Key> {
        let body = self.body().ok_or(Reason::KeyUnknown)?;
        let class = body.attributes.number(CKA_CLASS).unwrap_or(CK_UNAVAILABLE_INFORMATION);
        let key_type = body.attributes.number(CKA_KEY_TYPE).ok_or(Reason::KeyUnknown)?;
        let kind = kinds::kind(class, key_type).map_err(|_| Reason::KeyUnknown)?;
        let usages = USAGE_FLAGS
            .iter()
            .filter(|&&(_, flag)| body.attributes.flag(flag))
            .fold(Usages::default(), |usages, &(usage, _)| usages.with(usage));
        let usages = if self.is_older() { usages.only_reading() } else { usages };
        let parsed = match self.parsed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(parsed) => *parsed,
            None => (kind.parse)(&body.material, &body.attributes)?,
        };
        Ok(Key {
            id: self.id,
            parsed,
            usages,
            restrictions: marks::restrictions(&body.attributes),
            mechanisms: allowed_mechanisms(body),
            private: self.needs_login(),
            sensitive: body.attributes.flag(CKA_SENSITIVE),
            extractable: body.attributes.flag(CKA_EXTRACTABLE),
            always_authenticate: body.attributes.flag(CKA_ALWAYS_AUTHENTICATE),
            // Narrowed by the erase cell alone: the key's expiry is compared with the time at each use.
            state: self.custom_key().map(|(_, key)| key.state(0)),
            expiry: self.header.expiry,
            rotation_due: self.rotation_due(),
            sealing: self.sealing(key_type, body),
            watch: self.watch.clone(),
            begun: AtomicBool::new(false),
        })
    }

    fn sealing(&self, key_type: u64, body: &ObjectBody) -> Option<Sealing> {
        match self.header.role {
            Role::Material { key, version, .. } if key_type == CKK_AES => {
                Some(Sealing { key, version, material: body.material.duplicate() })
            }
            _ => None,
        }
    }
}

/// Returns the mechanisms that a key serves alone; an empty list restricts nothing.
fn allowed_mechanisms(body: &ObjectBody) -> Option<Vec<u64>> {
    let given = body.attributes.bytes(CKA_ALLOWED_MECHANISMS);
    given.filter(|given| !given.is_empty()).map(attributes::mechanisms)
}

/// Returns whether a secret or private key's value must stay inside.
pub(crate) fn hides_its_value(key: &Attributes) -> bool {
    key.flag(CKA_SENSITIVE) || !key.flag(CKA_EXTRACTABLE)
}

/// Applies a change that [`template_check::check_change`] allows.
pub(crate) fn apply_changes(
    to: &mut Attributes,
    template: &crate::object::Template,
    officer: bool,
) -> Result<()> {
    for attribute in template.iter() {
        template_check::check_change(to, attribute, officer)?;
    }
    let before = to.duplicate();
    for attribute in template.iter() {
        marks::change(to, attribute.kind, attribute.value.expose());
    }
    build::rise_together(&before, to, template);
    trust::check(to, Reason::TemplateInconsistent)?;
    template_check::check_trust_in(template, to)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Stores from before this have numbers as clients gave them.
    #[test]
    fn a_number_that_was_kept_with_zeros_reads_without_them() {
        let mut attributes = Attributes::default();
        attributes.set(CKA_MODULUS, &[0, 0x80, 1]);
        attributes.set(CKA_ID, &[0, 1]);
        let material = Secret::new(Vec::new());
        let bytes = ObjectBody { attributes, material }.encode().unwrap();
        let body = ObjectBody::decode(&bytes).unwrap();
        assert_eq!(body.attributes.bytes(CKA_MODULUS), Some(&[0x80, 1][..]));
        assert_eq!(body.attributes.bytes(CKA_ID), Some(&[0, 1][..]));
    }
}
