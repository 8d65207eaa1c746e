//! Importing material: the one commit that does it, once its destination is decided.
//!
//! An import that fails in any way changes nothing.

use super::custody::names;
use super::destination::{CustomKeyImport, Destination, Import, Target, TargetKey};
use super::loaded::ObjectBody;
use super::plan::{NewObject, Plan};
use super::records::UnsealedRecord;
use super::terms::material_terms;
use super::{Caller, Handle, Token};
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::{Association, Event, Expiry, Header, KeyState, Metadata, Parsed};
use crate::object::build::{provenance, rise_together, stronger};
use crate::object::kinds::{Kind, bits};
use crate::object::properties::give;
use crate::object::{
    Attribute, Attributes, Template, VendorRequest, association, attributes, marks,
};
use crate::secret::Secret;
use crate::v3_2::CKA_SEED;
use crate::wire::{Change, Expect};
use pkcs11_sys::*;

/// Material that is imported into a custom key.
struct ImportedMaterial<'a> {
    kind: &'static Kind,
    template: &'a Template,
    request: &'a VendorRequest,
    body: ObjectBody,
    association: Association,
}

impl Token {
    /// Accepts key material that came from outside: for a session key, an ordinary token key, or a custom
    /// key.
    pub(super) fn accept_material(
        &self,
        caller: &Caller,
        import: Import<'_>,
        attributes: Attributes,
        material: Secret,
    ) -> Result<Handle> {
        let Import { kind, template, request, destination } = import;
        let (body, key) = self.described(kind, attributes, material)?;
        if request.bits.is_some_and(|said| said != bits(&body.attributes)) {
            return Err(Reason::OtherSize.detail("it is not of CKA_KEYSTEAD_KEY_BITS"));
        }
        let mut decided = match destination {
            Destination::Ordinary(ordinary) => {
                self.check_same_material(kind, &ordinary, &body.material)?;
                let ObjectBody { attributes, material } = body;
                let (parsed, expiry) = (Some(key), ordinary.expiry);
                return self.keep(caller, NewObject { attributes, material, parsed, expiry });
            }
            Destination::CustomKey(of) => Some(of),
        };
        let material = self.imported(kind, template, request, body)?;
        let id = self.retry_on_conflict(|| {
            // After a conflict the target has changed since it was decided on.
            let of = match decided.take() {
                Some(of) => of,
                None => self.decide_import(kind, template, request)?,
            };
            let (id, changes) = self.import(&material, self.target_of(of, &material)?)?;
            self.commit(changes)?;
            Ok(id)
        })?;
        self.handle_of(id)
    }

    /// Plans the import of material into a custom key, to be kept together with others.
    pub(super) fn plan_import(
        &self,
        caller: &Caller,
        (kind, template, request): (&'static Kind, &Template, &VendorRequest),
        attributes: Attributes,
        material: Secret,
    ) -> Result<Plan> {
        self.may_keep_custody(caller)?;
        let (body, _) = self.described(kind, attributes, material)?;
        let material = self.imported(kind, template, request, body)?;
        let of = self.decide_import(kind, template, request)?;
        let (id, changes) = self.import(&material, self.target_of(of, &material)?)?;
        Ok(Plan::Records(id, changes))
    }

    /// Returns material that came from outside in the form that is kept, with the attributes that follow from it,
    /// and the key that it is.
    fn described(
        &self,
        kind: &Kind,
        mut attributes: Attributes,
        material: Secret,
    ) -> Result<(ObjectBody, Parsed)> {
        let key = kind.read(&material, &mut attributes)?;
        let material = kind.canonical(material, &key)?;
        self.may_be_so_short(kind.key_type, || bits(&attributes))?;
        provenance(&mut attributes, None);
        Ok((ObjectBody { attributes, material }, key))
    }

    /// Returns material as a custom key takes it in.
    fn imported<'a>(
        &self,
        kind: &'static Kind,
        template: &'a Template,
        request: &'a VendorRequest,
        body: ObjectBody,
    ) -> Result<ImportedMaterial<'a>> {
        self.may_trust(&body.attributes)?;
        let association = self.association_of(kind, &body.material)?;
        Ok(ImportedMaterial { kind, template, request, body, association })
    }

    /// Returns the target of material, which the material itself names where its template does not: a custom
    /// key that has lost just this, or else a new one.
    fn target_of(&self, of: CustomKeyImport, import: &ImportedMaterial<'_>) -> Result<Target> {
        let expiry = match of {
            CustomKeyImport::Named(target) => return Ok(*target),
            CustomKeyImport::Unnamed { expiry } => expiry,
        };
        let ImportedMaterial { kind, template, request, body, association } = import;
        match self.revivable(kind, association.of_all)? {
            Some(key) => self.aim_at(key, template, request),
            None => self.new_target(kind, request, &body.attributes, expiry),
        }
    }

    /// Returns the material's identity, and the changes that import it.
    fn import(&self, import: &ImportedMaterial<'_>, target: Target) -> Result<(Id, Vec<Change>)> {
        let Target { key, expiry } = target;
        let size = bits(&import.body.attributes);
        // Stores from before sizes were counted in bits have an RSA key's in whole bytes.
        if ![0, size, size.next_multiple_of(8)].contains(&key.metadata.bits) {
            return Err(Reason::OtherSize.into());
        }
        let event = Event::Import { fingerprint: import.association.of_all, expiry };
        let state = key.state.clone().apply(&event, self.now())?;
        let mut metadata = Metadata { bits: size, ..key.metadata.clone() };
        association::note_rest(&mut metadata, import.association.of_rest)?;
        if key.state.has_material() {
            return self.import_over_present(import, key, metadata, state, event);
        }
        give(&mut metadata, key.id, names(&import.body.attributes))?;
        let event = if key.revision.is_some() { event } else { Event::Create };
        self.import_into(import, key, metadata, state, event)
    }

    /// Material where there is none: a new record, in the place of what was erased.
    fn import_into(
        &self,
        import: &ImportedMaterial<'_>,
        target: TargetKey,
        metadata: Metadata,
        state: KeyState,
        event: Event,
    ) -> Result<(Id, Vec<Change>)> {
        let mut body = bound(import, &target)?;
        hide_end_date(&mut body.attributes, state.expiry);
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
        Ok((id, changes))
    }

    /// Imports the same material while it is present: only the expiry is replaced, and protections rise. Of two
    /// forms the one that tells more is kept.
    fn import_over_present(
        &self,
        import: &ImportedMaterial<'_>,
        target: TargetKey,
        metadata: Metadata,
        state: KeyState,
        event: Event,
    ) -> Result<(Id, Vec<Change>)> {
        let present = self.materials(target.id)?.into_iter().next().ok_or(Reason::Conflict)?;
        let body = present.body().ok_or(Reason::Conflict)?;
        let mut merged = merged(&body.attributes, import, (target.id, &metadata))?;
        hide_end_date(&mut merged, state.expiry);
        let material = import.kind.fuller(&body.material, &import.body.material)?;
        let body = ObjectBody { attributes: merged, material };
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
        Ok((present.id, vec![change, material]))
    }
}

/// Returns the material as its custom key takes it in: hidden where that is, and bound to what its material
/// was bound to before. An import lowers neither.
fn bound(import: &ImportedMaterial<'_>, target: &TargetKey) -> Result<ObjectBody> {
    let mut attributes = import.body.attributes.duplicate();
    if target.private {
        attributes.set_flag(CKA_PRIVATE, true);
    }
    marks::bind(&mut attributes, &target.metadata.bindings, import.template)?;
    Ok(ObjectBody { attributes, material: import.body.material.duplicate() })
}

/// Takes away the date that an import gives where there is an expiry, which is shown in its place.
fn hide_end_date(attributes: &mut Attributes, expiry: Option<Expiry>) {
    if expiry.is_some() {
        attributes.set(CKA_END_DATE, &[]);
    }
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
            CKA_END_DATE => {
                merged.set(*kind, value);
                true
            }
            // The material itself.
            CKA_VALUE | CKA_VALUE_LEN | CKA_CHECK_VALUE | CKA_SEED => true,
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
