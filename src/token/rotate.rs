//! Rotation: the next version of a generated symmetric key takes the place of the newest, which goes
//! on, in a record of its own, to decrypt, verify and unwrap.
//!
//! On schedule it happens before the first use that makes anything after the moment: only a process
//! that is logged in can make material, so the agent cannot do it alone.

use super::custody::no_custom_key;
use super::loaded::{CustomKey, Loaded, ObjectBody, RecordContent};
use super::records::UnsealedRecord;
use super::terms::material_terms;
use super::{Caller, Handle, Login, Token};
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use crate::key::{Event, Header, KeyState, Metadata, Origin, Role, Status};
use crate::mechanism::{self, Params};
use crate::object::kinds::{self, Kind};
use crate::object::vendor::CKA_KEYSTEAD_KEY_ID;
use crate::object::{Creation, Template, VendorRequest, template_check};
use crate::secret::Secret;
use crate::wire::Change;
use pkcs11_sys::*;
use std::sync::Arc;

/// The attributes that a template of a rotation may name beside the key: they must agree.
const AGREEING: [u64; 5] = [CKA_CLASS, CKA_KEY_TYPE, CKA_TOKEN, CKA_VALUE_LEN, CKA_LABEL];

impl Token {
    /// `C_GenerateKey` with `CKM_KEYSTEAD_ROTATE`: the handle of the key, which stays the same one.
    pub(super) fn rotate(&self, caller: &Caller, template: &Template) -> Result<Handle> {
        template_check::check(template, Creation::Generate, CKO_SECRET_KEY, None)?;
        let key = VendorRequest::read(template)?.key.ok_or_else(|| {
            Reason::TemplateIncomplete.detail("CKA_KEYSTEAD_KEY_ID names the key to be rotated")
        })?;
        self.may_keep_custody(caller)?;
        let material = self.retry_on_conflict(|| self.rotate_once(key, Some(template)))?;
        self.handle_of(material)
    }

    /// Rotates what is overdue; whether a new version is there now. A rotation that cannot be done
    /// at the moment (a full disk) does not keep the key from its work: the next use tries again.
    pub(super) fn rotate_overdue(&self, loaded: &Loaded) -> bool {
        let due = loaded.rotation_due().is_some_and(|due| due <= self.now());
        let Some((key, _)) = loaded.custom_key().filter(|_| due) else { return false };
        match self.retry_on_conflict(|| self.rotate_if_due(key)) {
            Ok(()) => true,
            Err(failure) => {
                log::warn!("custom key {key} is overdue for its rotation: {failure}");
                false
            }
        }
    }

    /// Another process may have been quicker.
    fn rotate_if_due(&self, key: Id) -> Result<()> {
        let (_, custom) = self.custom_key(key)?;
        match custom.metadata.rotation_due().is_some_and(|due| due <= self.now()) {
            true => self.rotate_once(key, None).map(drop),
            false => Ok(()),
        }
    }

    fn rotate_once(&self, id: Id, template: Option<&Template>) -> Result<Id> {
        let (record, key) = self.custom_key(id)?;
        let kind = rotatable(&key)?;
        let newest = self.materials(id)?.into_iter().next().ok_or(Reason::KeyDisabled)?;
        match newest.header.role {
            Role::Material { version, .. } if version == key.state.version => {}
            // Another process was faster.
            Role::Material { version, .. } if version > key.state.version => {
                return Err(Reason::Conflict.into());
            }
            _ => return Err(Reason::KeyDisabled.detail("its newest version cannot be read")),
        }
        let body = newest.body().ok_or(Reason::Conflict)?;
        if let Some(template) = template {
            agrees(template, &newest.shown(self.now())?)?;
        }
        let next = made_like(kind, body)?;
        let event = Event::Rotate { fingerprint: self.fingerprint(kind, &next.material)? };
        let now = self.now();
        let state = key.state(now).apply(&event, now)?;
        let metadata = Metadata { rotation_from: now, ..key.metadata.clone() };
        let private = record.header.private;
        self.commit(vec![
            self.metadata_change(
                id,
                Some(record.revision),
                private,
                &metadata,
                state.clone(),
                event,
            )?,
            self.next_version(&newest, &next, (id, &metadata, &state))?,
            self.older_version(&newest, body)?,
        ])?;
        Ok(newest.id)
    }

    /// Returns the new version in the place of the newest.
    fn next_version(
        &self,
        newest: &Loaded,
        next: &ObjectBody,
        (key, metadata, state): (Id, &Metadata, &KeyState),
    ) -> Result<Change> {
        let fingerprint = state.fingerprint.ok_or(Reason::General)?;
        let role = Role::Material { key, version: state.version, fingerprint };
        self.seal(UnsealedRecord {
            id: newest.id,
            revision: Some(newest.revision),
            header: Header { role, ..newest.header.clone() },
            event: None,
            terms: material_terms(newest.id, next, key, metadata),
            body: next.encode()?,
        })
    }

    /// Returns the version that was the newest until now, at a place that only its custom key leads to.
    fn older_version(&self, newest: &Loaded, body: &ObjectBody) -> Result<Change> {
        self.seal(UnsealedRecord {
            id: self.fresh_id()?,
            revision: None,
            header: newest.header.clone(),
            event: None,
            terms: Vec::new(),
            body: body.encode()?,
        })
    }

    /// Returns the older versions of a rotated key's newest material, newest first.
    pub(super) fn older<'a>(&self, loaded: &'a Loaded) -> Result<&'a [Arc<Loaded>]> {
        let Some(key) = loaded.rotated() else { return Ok(&[]) };
        loaded.older(|| {
            let mut versions = self.materials(key)?;
            versions.retain(|version| version.id != loaded.id);
            Ok(versions)
        })
    }

    fn custom_key(&self, id: Id) -> Result<(Arc<Loaded>, CustomKey)> {
        let loaded = self.load(id)?.ok_or_else(no_custom_key)?;
        match &loaded.content {
            RecordContent::CustomKey(key) => {
                let key = CustomKey::clone(key);
                Ok((loaded, key))
            }
            RecordContent::Object(_) | RecordContent::Material(..) => Err(no_custom_key()),
        }
    }

    /// After a key has been enabled again: what fell due meanwhile is made up for, once.
    pub(super) fn catch_up(&self, key: Id) {
        if self.logged_in_as() != Login::User {
            return;
        }
        match self.custom_key(key) {
            Ok((loaded, custom)) if custom.state(self.now()).status() == Status::Enabled => {
                self.rotate_overdue(&loaded);
            }
            Ok(_) => {}
            Err(failure) => log::warn!("custom key {key}: {failure}"),
        }
    }
}

/// Returns the kind of a key that can be rotated: generated and symmetric.
fn rotatable(key: &CustomKey) -> Result<&'static Kind> {
    if key.state.origin == Origin::External {
        return Err(Reason::RotateExternal.into());
    }
    if key.metadata.class != CKO_SECRET_KEY {
        return Err(Reason::RotatePrivate.into());
    }
    kinds::kind(key.metadata.class, key.metadata.key_type)
}

/// Returns new material of the same kind and size, with the attributes of what is there.
fn made_like(kind: &Kind, body: &ObjectBody) -> Result<ObjectBody> {
    let made_by = body.attributes.number(CKA_KEY_GEN_MECHANISM).ok_or(Reason::RotateExternal)?;
    let generate = mechanism::find(made_by)?.generate()?;
    let material: Secret = generate(&Params::None, body.material.len())?;
    let mut attributes = body.attributes.duplicate();
    attributes.remove(CKA_CHECK_VALUE);
    kind.read(&material, &mut attributes)?;
    Ok(ObjectBody { attributes, material })
}

/// Checks that a template says nothing about the next version that is not so already.
fn agrees(template: &Template, shown: &crate::object::Attributes) -> Result<()> {
    let differs = |kind: u64, value: &[u8]| match kind {
        CKA_KEYSTEAD_KEY_ID => false,
        kind if AGREEING.contains(&kind) => shown.bytes(kind) != Some(value),
        _ => true,
    };
    match template.iter().find(|wanted| differs(wanted.kind, wanted.value.expose())) {
        None => Ok(()),
        Some(wanted) => Err(disagreement(wanted.kind)),
    }
}

fn disagreement(kind: u64) -> Error {
    Reason::TemplateInconsistent
        .detail(format_args!("a rotation changes the material alone, and not attribute {kind:#x}"))
}
