//! `C_DestroyObject`: ordinary objects end, imported material is deleted, and nothing else.

use super::loaded::{Loaded, RecordContent};
use super::{Caller, Handle, Token};
use crate::error::{Reason, Result};
use crate::key::Event;
use crate::wire::{Change, Expect};
use pkcs11_sys::*;

impl Token {
    /// Destroys an ordinary object or deletes imported material. A custom key's metadata stays for
    /// good, and so does what the token has generated.
    pub fn destroy(&self, caller: &Caller, object: Handle) -> Result<()> {
        self.retry_on_conflict(|| self.destroy_once(caller, object))
            .map_err(|failure| self.with_name_of(object, failure))?;
        self.handles.forget(object);
        Ok(())
    }

    fn destroy_once(&self, caller: &Caller, object: Handle) -> Result<()> {
        let loaded = self.object(object)?;
        let says = |kind| match &loaded.content {
            RecordContent::Object(body) => body.attributes.flag(kind),
            RecordContent::CustomKey(_) | RecordContent::Material(..) => kind == CKA_TOKEN,
        };
        self.may_change(caller, says(CKA_TOKEN), loaded.header.private)?;
        match &loaded.content {
            RecordContent::CustomKey(_) => Err(Reason::Undestroyable.into()),
            RecordContent::Material(..) => self.delete_material(caller, &loaded),
            RecordContent::Object(_) if !says(CKA_DESTROYABLE) => {
                Err(Reason::ActionProhibited.detail("CKA_DESTROYABLE is false"))
            }
            RecordContent::Object(_) if says(CKA_TOKEN) => self.commit(vec![removal(&loaded)]),
            RecordContent::Object(_) => Ok(()),
        }
    }

    fn delete_material(&self, caller: &Caller, loaded: &Loaded) -> Result<()> {
        let RecordContent::Material(_, owner) = &loaded.content else {
            return Err(Reason::General.into());
        };
        let event = Event::DeleteMaterial;
        let now = self.now();
        let state = owner.key.state(now).apply(&event, now)?;
        self.may_keep_custody(caller)?;
        let metadata = self.metadata_change(
            owner.id,
            Some(owner.revision),
            owner.header.private,
            &owner.key.metadata,
            state,
            event,
        )?;
        self.commit(vec![metadata, removal(loaded)])
    }
}

fn removal(loaded: &Loaded) -> Change {
    Change {
        id: loaded.id,
        expect: Expect::Revision(loaded.revision),
        event: Vec::new(),
        put: None,
        alias: None,
    }
}
