//! Importing material: the one commit that does it, once its destination is decided.
//!
//! An import that fails in any way changes nothing.

use super::custody::NAMES;
use super::destination::{Destination, Import, Target};
use super::loaded::ObjectBody;
use super::records::UnsealedRecord;
use super::terms::material_terms;
use super::{Caller, Handle, Token};
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::{Event, Expiry, Fingerprint, Header, Metadata, State};
use crate::object::build::{provenance, rise_together, stronger};
use crate::object::kinds::{Kind, bits};
use crate::object::properties::give;
use crate::object::{Attribute, Attributes, Template, VendorRequest, attributes, marks};
use crate::secret::Secret;
use crate::wire::{Change, Expect};
use pkcs11_sys::*;

/// Material that is imported into a custom key.
struct ImportedMaterial<'a> {
    kind: &'static Kind,
    template: &'a Template,
    request: &'a VendorRequest,
    body: ObjectBody,
    fingerprint: Fingerprint,
}

impl Token {
    /// Accepts key material that came from outside: for a session key, an ordinary token key, or a custom
    /// key.
    pub(super) fn accept_material(
        &self,
        caller: &Caller,
        import: Import<'_>,
        mut attributes: Attributes,
        material: Secret,
    ) -> Result<Handle> {
        let Import { kind, template, request, destination } = import;
        let material = kind.canonical(material, &attributes)?;
        (kind.describe)(&material, &mut attributes)?;
        self.may_be_so_short(kind.key_type, bits(&attributes))?;
        provenance(&mut attributes, None);
        let mut target = match destination {
            Destination::Ordinary(ordinary) => {
                self.check_same_material(kind, &ordinary, &material)?;
                return self.keep(caller, attributes, material, ordinary.expiry);
            }
            Destination::CustomKey(target) => Some(target.map(|target| *target)),
        };
        self.may_trust(&attributes)?;
        if template.flag(CKA_DESTROYABLE)? == Some(false) {
            return Err(Reason::TemplateInconsistent.detail("imported material can be deleted"));
        }
        let fingerprint = self.fingerprint(kind, &material)?;
        let body = ObjectBody { attributes, material };
        let material = ImportedMaterial { kind, template, request, body, fingerprint };
        let id = self.retry_on_conflict(|| match target.take() {
            Some(target) => self.import(&material, target),
            // The target has changed since it was decided on.
            None => self.import(&material, self.named_target(kind, template, request)?),
        })?;
        self.handle_of(id)
    }

    /// Imports once; returns the material's identity.
    fn import(&self, import: &ImportedMaterial<'_>, named: Option<Target>) -> Result<Id> {
        let now = self.now();
        let target = match named {
            Some(target) => target,
            None => match self.revivable(import.kind, import.fingerprint)? {
                Some(target) => target,
                None => return self.import_new(import),
            },
        };
        let size = bits(&import.body.attributes);
        // Stores from before sizes were counted in bits have an RSA key's in whole bytes.
        if ![0, size, size.next_multiple_of(8)].contains(&target.metadata.bits) {
            return Err(Reason::OtherSize.into());
        }
        let expiry = self.import_expiry(import.template, import.request, &target.metadata)?;
        let event = Event::Import { fingerprint: import.fingerprint, expiry };
        let state = target.state.clone().apply(&event, now)?;
        let metadata = Metadata { bits: size, ..target.metadata.clone() };
        if target.state.has_material() {
            self.import_over_present(import, target, metadata, state, event)
        } else {
            let metadata = renamed(target.id, metadata, import.template)?;
            self.import_into(import, target, metadata, state, event)
        }
    }

    /// Makes a new external custom key with its first material.
    fn import_new(&self, import: &ImportedMaterial<'_>) -> Result<Id> {
        let now = self.now();
        let id = self.fresh_id()?;
        let expiry = import.request.expiry();
        self.check_ahead(expiry)?;
        let event = Event::Import { fingerprint: import.fingerprint, expiry };
        let state = State::awaiting_import().apply(&event, now)?;
        let mut metadata = Metadata {
            bits: bits(&import.body.attributes),
            ..Metadata::new(id, import.kind.class, import.kind.key_type, now)
        };
        give(&mut metadata, id, import.request.properties())?;
        let target = Target {
            id,
            revision: None,
            private: import.body.attributes.flag(CKA_PRIVATE),
            metadata: metadata.clone(),
            state: State::awaiting_import(),
        };
        let metadata = renamed(id, metadata, import.template)?;
        self.import_into(import, target, metadata, state, Event::Create)
    }

    /// Material where there is none: a new record, in the place of what was erased.
    fn import_into(
        &self,
        import: &ImportedMaterial<'_>,
        target: Target,
        metadata: Metadata,
        state: State,
        event: Event,
    ) -> Result<Id> {
        let mut body = bound(import, &target)?;
        note_end(&mut body.attributes, import.template, state.expiry);
        let metadata = Metadata { bindings: marks::bindings(&body.attributes), ..metadata };
        let (id, material) = self.new_material(target.id, &metadata, &state, &body)?;
        let mut changes = vec![
            self.metadata_change(
                target.id,
                target.revision,
                target.private,
                &metadata,
                state,
                event,
            )?,
            material,
        ];
        if target.revision.is_some() {
            let erased = self.versions(target.id)?.into_iter();
            changes.extend(erased.map(|stored| Change {
                id: stored.id,
                expect: Expect::Revision(stored.revision),
                event: Vec::new(),
                put: None,
                alias: None,
            }));
        }
        self.commit(changes)?;
        Ok(id)
    }

    /// Imports the same material while it is present: only the expiry is replaced, and protections rise.
    fn import_over_present(
        &self,
        import: &ImportedMaterial<'_>,
        target: Target,
        metadata: Metadata,
        state: State,
        event: Event,
    ) -> Result<Id> {
        let present = self.materials(target.id)?.into_iter().next().ok_or(Reason::Conflict)?;
        let body = present.body().ok_or(Reason::Conflict)?;
        let mut merged = merged(&body.attributes, import, (target.id, &metadata))?;
        note_end(&mut merged, import.template, state.expiry);
        let body = ObjectBody { attributes: merged, material: body.material.duplicate() };
        let header = Header {
            private: present.header.private || body.attributes.flag(CKA_PRIVATE),
            expiry: state.expiry,
            ..present.header.clone()
        };
        let material = self.seal(UnsealedRecord {
            id: present.id,
            revision: Some(present.revision),
            header,
            event: None,
            terms: material_terms(present.id, &body, target.id, &metadata),
            body: body.encode()?,
        })?;
        let change = self.metadata_change(
            target.id,
            target.revision,
            target.private,
            &metadata,
            state,
            event,
        )?;
        self.commit(vec![change, material])?;
        Ok(present.id)
    }
}

/// Returns the material as its custom key takes it in: hidden where that is, and bound to what its material
/// was bound to before. An import lowers neither.
fn bound(import: &ImportedMaterial<'_>, target: &Target) -> Result<ObjectBody> {
    let mut attributes = import.body.attributes.duplicate();
    if target.private {
        attributes.set_flag(CKA_PRIVATE, true);
    }
    marks::bind(&mut attributes, &target.metadata.bindings, import.template)?;
    Ok(ObjectBody { attributes, material: import.body.material.duplicate() })
}

/// Keeps the date that an import gives. Where there is an expiry, that is shown in its place.
fn note_end(attributes: &mut Attributes, template: &Template, expiry: Option<Expiry>) {
    match (expiry, template.bytes(CKA_END_DATE)) {
        (Some(_), _) => attributes.set(CKA_END_DATE, &[]),
        (None, Some(date)) => attributes.set(CKA_END_DATE, date),
        (None, None) => {}
    }
}

/// Returns the metadata under the names that an import gives: a label or identifier in the template becomes
/// the custom key's.
fn renamed(id: Id, mut metadata: Metadata, template: &Template) -> Result<Metadata> {
    let names = NAMES.into_iter().filter_map(|kind| Some((kind, template.bytes(kind)?)));
    give(&mut metadata, id, names)?;
    Ok(metadata)
}

/// Returns the attributes after the same material came again: nothing the template names may differ, except
/// that of two protections the stronger one stays.
fn merged(
    present: &Attributes,
    import: &ImportedMaterial<'_>,
    (key, metadata): (Id, &Metadata),
) -> Result<Attributes> {
    let mut merged = present.duplicate();
    for Attribute { kind, value } in import.template.iter() {
        let value = value.expose();
        let same = match *kind {
            CKA_SENSITIVE | CKA_EXTRACTABLE | CKA_WRAP_WITH_TRUSTED => {
                merged.set(*kind, stronger(*kind, present, &import.body.attributes).expose());
                true
            }
            CKA_PRIVATE => {
                merged.set_flag(
                    CKA_PRIVATE,
                    present.flag(CKA_PRIVATE) || value == attributes::flag(true),
                );
                true
            }
            CKA_LABEL => value.is_empty() || value == metadata.name(key),
            // It may have named the custom key by its UUID.
            CKA_ID => value.is_empty() || value == metadata.identifier || value == key.bytes(),
            // The material itself, and what is settled elsewhere.
            CKA_VALUE | CKA_VALUE_LEN | CKA_CHECK_VALUE | CKA_END_DATE => true,
            kind if kind >= CKA_VENDOR_DEFINED => true,
            kind => import.body.attributes.bytes(kind) == present.bytes(kind),
        };
        if !same {
            return Err(Reason::TemplateInconsistent.detail(format_args!(
                "attribute {kind:#x} differs from the material that is present"
            )));
        }
    }
    rise_together(present, &mut merged, import.template);
    Ok(merged)
}
