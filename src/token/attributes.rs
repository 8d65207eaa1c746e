//! Reading and setting attributes. A custom key's names and status belong to its metadata, whichever
//! of its two objects they are set through.

use super::loaded::{CustomKey, Loaded, ObjectBody, Owner, RecordContent, apply_changes};
use super::records::UnsealedRecord;
use super::terms::{material_terms, metadata_terms, terms};
use super::{Answer, Caller, Handle, Login, Token};
use crate::clock::Seconds;
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::{Event, Header, KeyState, Metadata, Origin, Parsed, Role};
use crate::object::properties::setter;
use crate::object::property::{CustomKeyView, SetBy};
use crate::object::{
    Attribute, Attributes, Template, build, curves, json, lattices, marks, template_check,
};
use crate::wire::Change;
use pkcs11_sys::*;

/// A change of a custom key that a template asks for.
struct CustomKeyChange {
    metadata: Metadata,
    /// The material's own attributes, where it is asked through them.
    own: Option<Attributes>,
    event: Event,
}

impl Token {
    /// One answer for each attribute asked for, in order.
    pub fn attributes(
        &self,
        _caller: &Caller,
        object: Handle,
        kinds: &[u64],
    ) -> Result<Vec<Answer>> {
        let (loaded, now) = (self.object(object)?, self.now());
        let whole = loaded.is_whole(now);
        kinds.iter().map(|&kind| answer(&loaded, kind, whole, now)).collect()
    }

    /// Returns the size of an object in bytes: its attributes and material.
    pub fn size(&self, _caller: &Caller, object: Handle) -> Result<u64> {
        let loaded = self.object(object)?;
        let attributes: usize =
            loaded.shown(self.now())?.iter().map(|(_, value)| size_of::<u64>() + value.len()).sum();
        let material = loaded.body().map_or(0, |body| body.material.len());
        Ok((attributes + material) as u64)
    }

    /// `C_SetAttributeValue`: all of the template or nothing.
    pub fn set_attributes(
        &self,
        caller: &Caller,
        object: Handle,
        template: &Template,
    ) -> Result<()> {
        self.retry_on_conflict(|| self.set_attributes_once(caller, object, template))
            .map_err(|failure| self.with_name_of(object, failure))
    }

    fn set_attributes_once(
        &self,
        caller: &Caller,
        object: Handle,
        template: &Template,
    ) -> Result<()> {
        let loaded = self.object(object)?;
        let shown = loaded.shown(self.now())?;
        self.may_change(caller, shown.flag(CKA_TOKEN), loaded.header.private)?;
        if loaded.custom_key().is_some() && !self.says_trust(template) {
            self.may_keep_custody(caller)?;
        }
        if loaded.is_older() {
            return Err(Reason::ActionProhibited.detail("an older version of the material"));
        }
        if !shown.flag(CKA_MODIFIABLE) {
            return Err(Reason::ActionProhibited.detail("CKA_MODIFIABLE is false"));
        }
        let differs = |kind| template.bytes(kind).is_some_and(|new| shown.bytes(kind) != Some(new));
        let external = loaded
            .custom_key()
            .is_some_and(|(_, key)| key.state(self.now()).origin == Origin::External);
        if external && differs(CKA_END_DATE) {
            return Err(
                Reason::AttributeReadOnly.detail("CKA_END_DATE shows the material's expiry")
            );
        }
        if is_trusted_certificate(&shown) && !self.says_trust(template) {
            return Err(Reason::ActionProhibited.detail("a trusted certificate cannot be modified"));
        }
        for attribute in template.iter() {
            template_check::check_change(&shown, attribute, self.logged_in_as() == Login::Officer)?;
        }
        let change = without_same(template, &shown);
        if change.is_empty() {
            return Ok(());
        }
        match (&loaded.content, shown.flag(CKA_TOKEN)) {
            (RecordContent::Object(body), false) => {
                self.change_session_object(object, &loaded, body, template)
            }
            (RecordContent::Object(body), true) => self.change_object(&loaded, body, template),
            (RecordContent::CustomKey(key), _) => {
                let id = loaded.id;
                self.change_custom_key(id, loaded.revision, &loaded.header, key, None, &change)
            }
            (RecordContent::Material(body, owner), _) => {
                let Owner { id, revision, header, key } = &**owner;
                self.change_custom_key(*id, *revision, header, key, Some((&loaded, body)), &change)
            }
        }
    }

    /// Returns whether it is the security officer who says what is trusted, and nothing else: that alone is
    /// theirs, of custom keys too (PKCS#11 3.1, 4.10).
    fn says_trust(&self, template: &Template) -> bool {
        let mut attributes = template.iter();
        self.logged_in_as() == Login::Officer
            && attributes.all(|attribute| attribute.kind == CKA_TRUSTED)
    }

    fn change_session_object(
        &self,
        handle: Handle,
        loaded: &Loaded,
        body: &ObjectBody,
        template: &Template,
    ) -> Result<()> {
        let changed = self.changed(body, template)?;
        let object =
            Loaded::session(loaded.id, changed.attributes, changed.material, loaded.header.expiry);
        self.handles.replace(handle, loaded, object.into())
    }

    fn change_object(&self, loaded: &Loaded, body: &ObjectBody, template: &Template) -> Result<()> {
        let changed = self.changed(body, template)?;
        let mut terms = terms(&changed.attributes);
        terms.push((CKA_UNIQUE_ID, loaded.id.to_string().into_bytes()));
        let record = UnsealedRecord {
            id: loaded.id,
            revision: Some(loaded.revision),
            header: loaded.header.clone(),
            event: None,
            terms,
            body: changed.encode()?,
        };
        self.commit(vec![self.seal(record)?])
    }

    fn changed(&self, body: &ObjectBody, template: &Template) -> Result<ObjectBody> {
        let mut attributes = body.attributes.duplicate();
        apply_changes(&mut attributes, template, self.logged_in_as() == Login::Officer)?;
        Ok(ObjectBody { attributes, material: body.material.duplicate() })
    }

    /// Changes a custom key: its metadata takes what is the key's, the material the rest, in one commit. A
    /// new name moves both, because both are found by it.
    fn change_custom_key(
        &self,
        id: Id,
        revision: u64,
        header: &Header,
        key: &CustomKey,
        material: Option<(&Loaded, &ObjectBody)>,
        template: &Template,
    ) -> Result<()> {
        let CustomKeyChange { metadata, own, event } =
            self.requested_change(id, key, material.map(|(_, body)| body), template)?;
        let enabled = event == Event::Enable(true);
        let now = self.now();
        let state = key.state(now).apply(&event, now)?;
        let mut changes = vec![self.metadata_change(
            id,
            Some(revision),
            header.private,
            &metadata,
            state.clone(),
            event,
        )?];
        match (material, own) {
            (Some((loaded, body)), Some(attributes)) => {
                let body = ObjectBody { attributes, material: body.material.duplicate() };
                changes.push(self.material_change(loaded, &body, id, &metadata)?);
            }
            _ if metadata != key.metadata => {
                // Older versions are found by their custom key, and not by its names.
                for loaded in self.materials(id)?.iter().filter(|loaded| !loaded.is_older()) {
                    if let Some(body) = loaded.body() {
                        changes.push(self.material_change(loaded, body, id, &metadata)?);
                    }
                }
            }
            _ => {}
        }
        self.commit(changes)?;
        if enabled {
            self.catch_up(id);
        }
        Ok(())
    }

    /// Returns the change that a template asks for of a custom key, through its metadata or through its material.
    fn requested_change(
        &self,
        id: Id,
        key: &CustomKey,
        material: Option<&ObjectBody>,
        template: &Template,
    ) -> Result<CustomKeyChange> {
        let mut metadata = key.metadata.clone();
        let mut own = material.map(|body| body.attributes.duplicate());
        let mut event = Event::Describe;
        for attribute in template.iter() {
            let (kind, value) = (attribute.kind, attribute.value.expose());
            match setter(kind) {
                SetBy::Event(asked) if event == Event::Describe => {
                    event = asked(number(template, kind)?)?
                }
                SetBy::Event(_) => {
                    return Err(
                        Reason::TemplateInconsistent.detail("two changes of status at once")
                    );
                }
                SetBy::Judged(set) => {
                    let judged_by = (key.state.origin, self.now());
                    set(&mut metadata, judged_by, number(template, kind)?)?;
                }
                SetBy::Sealed(set) => set(&mut metadata, id, value)?,
                SetBy::Never if kind == CKA_VALUE && own.is_none() => {
                    self.change_expiry(&mut metadata, key.state.origin, value)?;
                }
                SetBy::Never => {
                    let own = own.as_mut().ok_or(Reason::AttributeReadOnly)?;
                    self.change_own(own, attribute)?;
                }
            }
        }
        if let (Some(body), Some(own)) = (material, &mut own) {
            build::rise_together(&body.attributes, own, template);
            template_check::check_trust_in(template, own)?;
        }
        if let Some(own) = own.as_ref().filter(|own| marks::restrictions(own).any()) {
            metadata.bindings = marks::bindings(own);
        }
        Ok(CustomKeyChange { metadata, own, event })
    }

    /// Changes one of the material's own attributes. What the custom key shows on it, and the template
    /// says as it is, stays.
    fn change_own(&self, own: &mut Attributes, attribute: &Attribute) -> Result<()> {
        if attribute.kind < CKA_VENDOR_DEFINED {
            template_check::check_change(own, attribute, self.logged_in_as() == Login::Officer)?;
            marks::change(own, attribute.kind, attribute.value.expose());
        }
        Ok(())
    }

    /// Changes the expiry of imports to come. Material that is present keeps its own.
    fn change_expiry(&self, metadata: &mut Metadata, origin: Origin, json: &[u8]) -> Result<()> {
        let changed =
            json::changed_expiry(json, metadata.own_expiry, (self.now(), self.clock.now()))?;
        if origin == Origin::Generated {
            return Err(Reason::ExpiryOnGenerated.into());
        }
        metadata.own_expiry = changed;
        Ok(())
    }

    /// Returns a change of a custom key's metadata record.
    pub(super) fn metadata_change(
        &self,
        id: Id,
        revision: Option<u64>,
        private: bool,
        metadata: &Metadata,
        state: KeyState,
        event: Event,
    ) -> Result<Change> {
        let version = state.version;
        let view = CustomKeyView { id, metadata, state: state.clone(), version, private };
        let shown = view.metadata_attributes()?;
        let terms = metadata_terms(&shown, metadata);
        let header =
            Header { private, role: Role::CustomKey(state), expiry: None, tags: Vec::new() };
        self.seal(UnsealedRecord {
            id,
            revision,
            header,
            event: Some(event),
            terms,
            body: metadata.encode()?,
        })
    }

    /// Returns a material record written again, under its custom key's names.
    pub(super) fn material_change(
        &self,
        loaded: &Loaded,
        body: &ObjectBody,
        key: Id,
        metadata: &Metadata,
    ) -> Result<Change> {
        self.seal(UnsealedRecord {
            id: loaded.id,
            revision: Some(loaded.revision),
            header: loaded.header.clone(),
            event: None,
            terms: material_terms(loaded.id, body, key, metadata),
            body: body.encode()?,
        })
    }
}

/// Returns the template of a change of a custom key without what is so already: what its objects show is not
/// all their own.
fn without_same(template: &Template, shown: &Attributes) -> Template {
    let same = |attribute: &&Attribute| {
        // A protection that is said as it is stands, where another one would take it along.
        let protects =
            matches!(attribute.kind, CKA_SENSITIVE | CKA_EXTRACTABLE | CKA_WRAP_WITH_TRUSTED);
        let own = attribute.kind < CKA_VENDOR_DEFINED && !protects;
        own && shown.bytes(attribute.kind) == Some(attribute.value.expose())
    };
    let same: Vec<u64> = template.iter().filter(same).map(|attribute| attribute.kind).collect();
    template.without(&same)
}

/// Returns whether it is a certificate that only the security officer changes, and only to end its
/// trust (PKCS#11 3.1, 4.6.2).
fn is_trusted_certificate(shown: &Attributes) -> bool {
    shown.number(CKA_CLASS) == Some(CKO_CERTIFICATE) && shown.flag(CKA_TRUSTED)
}

/// Returns the answer for one attribute.
pub(super) fn answer(loaded: &Loaded, kind: u64, whole: bool, now: Seconds) -> Result<Answer> {
    if loaded.hides(kind, whole) {
        return Ok(Answer::Sensitive);
    }
    if let Some(value) = loaded.attribute(kind, now)? {
        return Ok(Answer::Value(value));
    }
    let Some(body) = loaded.body().filter(|_| loaded.is_secret(kind)) else {
        return Ok(Answer::Unknown);
    };
    let class = body.attributes.number(CKA_CLASS);
    if kind == CKA_VALUE && class == Some(CKO_SECRET_KEY) {
        return Ok(Answer::Value(body.material.duplicate()));
    }
    match (class, &loaded.key().map(|key| &key.parsed)) {
        (Some(CKO_PRIVATE_KEY), Ok(Parsed::RsaPrivate(key))) => {
            let parts = key.components()?;
            Ok(match kind {
                CKA_PRIVATE_EXPONENT => Answer::Value(parts.private_exponent),
                CKA_PRIME_1 => Answer::Value(parts.prime_1),
                CKA_PRIME_2 => Answer::Value(parts.prime_2),
                CKA_EXPONENT_1 => Answer::Value(parts.exponent_1),
                CKA_EXPONENT_2 => Answer::Value(parts.exponent_2),
                CKA_COEFFICIENT => Answer::Value(parts.coefficient),
                _ => Answer::Unknown,
            })
        }
        (Some(CKO_PRIVATE_KEY), Ok(Parsed::LatticePrivate(key))) => {
            Ok(lattices::private_part(key, kind)?.map_or(Answer::Unknown, Answer::Value))
        }
        (Some(CKO_PRIVATE_KEY), Ok(key)) if kind == CKA_VALUE => {
            Ok(curves::private_value(key)?.map_or(Answer::Unknown, Answer::Value))
        }
        _ => Ok(Answer::Unknown),
    }
}

/// Returns the value of an attribute that the table has as a number.
fn number(template: &Template, kind: u64) -> Result<u64> {
    template.number(kind)?.ok_or_else(|| Reason::AttributeValue.into())
}
