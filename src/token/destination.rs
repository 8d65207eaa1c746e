//! The destination of key material from outside, decided once and before anything of it is unwrapped: to an
//! ordinary object, of the session or on the token, or to a custom key.

use super::custody::{check_kind, is_of, label, no_custom_key};
use super::loaded::{CustomKey, Loaded, RecordContent};
use super::terms::TARGET_ID;
use super::{Caller, Handle, Token};
use crate::clock::Seconds;
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::{
    Association, Expiry, ExpiryAction, Fingerprint, KeyState, Metadata, Origin, Status,
};
use crate::object::kinds::Kind;
use crate::object::properties::give;
use crate::object::vendor::APPLICATION;
use crate::object::{Attributes, Template, VendorRequest, attributes};
use crate::wire::{Request, Response};
use pkcs11_sys::*;

/// Key material about to come, but for the material itself.
pub(super) struct Import<'a> {
    pub(super) kind: &'static Kind,
    pub(super) template: &'a Template,
    pub(super) request: &'a VendorRequest,
    pub(super) destination: Destination,
}

/// The destination of key material.
pub(super) enum Destination {
    /// To an ordinary object, of the session or on the token.
    Ordinary(Ordinary),
    /// To a custom key.
    CustomKey(CustomKeyImport),
}

/// The decision about a custom key's material.
pub(super) enum CustomKeyImport {
    /// It is for the custom key that the template names.
    Named(Box<Target>),
    /// The template names none: it is for one that has lost just this material, or else for a new one with
    /// this expiry, which lies ahead.
    Unnamed { expiry: Option<Expiry> },
}

/// The decision about an ordinary object.
pub(super) struct Ordinary {
    /// Its expiry, which lies ahead.
    pub(super) expiry: Option<Expiry>,
    /// The custom key whose material it has to be, and what that is recognized by.
    pub(super) compared: Option<(Id, Association)>,
}

/// The custom key that material is for, and the expiry that an import gives it, which lies ahead.
pub(super) struct Target {
    pub(super) key: TargetKey,
    pub(super) expiry: Option<Expiry>,
}

/// A custom key that material may be for.
pub(super) struct TargetKey {
    pub(super) id: Id,
    /// Its record's counter; none of a key that the import makes.
    pub(super) revision: Option<u64>,
    pub(super) private: bool,
    pub(super) metadata: Metadata,
    pub(super) state: KeyState,
}

impl Import<'_> {
    /// Returns the custom key that it is for or is compared with, as far as that is known.
    pub(super) fn key(&self) -> Option<Id> {
        match &self.destination {
            Destination::Ordinary(ordinary) => ordinary.compared.map(|(key, _)| key),
            Destination::CustomKey(CustomKeyImport::Named(target)) => Some(target.key.id),
            Destination::CustomKey(CustomKeyImport::Unnamed { .. }) => None,
        }
    }
}

impl Token {
    /// Decides where material goes that is no custom key's.
    pub(super) fn plan_ordinary_import<'a>(
        &self,
        kind: &'static Kind,
        template: &'a Template,
        request: &'a VendorRequest,
    ) -> Result<Import<'a>> {
        let expiry = self.ordinary_expiry(request)?;
        let ordinary = Ordinary { expiry, compared: self.association(kind, request)? };
        Ok(Import { kind, template, request, destination: Destination::Ordinary(ordinary) })
    }

    /// Decides where material goes that is a custom key's. A refused import into one is in the audit log.
    pub(super) fn plan_custom_import<'a>(
        &self,
        caller: &Caller,
        kind: &'static Kind,
        template: &'a Template,
        request: &'a VendorRequest,
    ) -> Result<Import<'a>> {
        let named = || self.named_key(kind, template, request);
        let key = self.audited(None, self.may_keep_custody(caller).and_then(|()| named()))?;
        let id = key.as_ref().map(|key| key.id);
        let of = self.audited(id, self.decide_import_for(key, template, request))?;
        Ok(Import { kind, template, request, destination: Destination::CustomKey(of) })
    }

    /// Decides which custom key material is for.
    pub(super) fn decide_import(
        &self,
        kind: &Kind,
        template: &Template,
        request: &VendorRequest,
    ) -> Result<CustomKeyImport> {
        self.decide_import_for(self.named_key(kind, template, request)?, template, request)
    }

    fn decide_import_for(
        &self,
        named: Option<TargetKey>,
        template: &Template,
        request: &VendorRequest,
    ) -> Result<CustomKeyImport> {
        if template.flag(CKA_DESTROYABLE)? == Some(false) {
            return Err(Reason::TemplateInconsistent.detail("imported material can be deleted"));
        }
        match named {
            Some(key) => Ok(CustomKeyImport::Named(self.aim_at(key, template, request)?.into())),
            None => Ok(CustomKeyImport::Unnamed { expiry: self.ordinary_expiry(request)? }),
        }
    }

    /// Does an import. A refused one into a custom key is in the audit log.
    pub(super) fn audited_import<'a>(
        &self,
        import: Import<'a>,
        act: impl FnOnce(Import<'a>) -> Result<Handle>,
    ) -> Result<Handle> {
        let (key, custom) = (import.key(), matches!(import.destination, Destination::CustomKey(_)));
        let done = act(import);
        if custom { self.audited(key, done) } else { done }
    }

    /// Reports a refused import to the audit log, under the custom key that it was for. It is refused all the
    /// same where that fails.
    pub(super) fn audited<R>(&self, key: Option<Id>, imported: Result<R>) -> Result<R> {
        let Err(failure) = &imported else { return imported };
        let reason = failure.reason();
        if reason.is_no_agent() {
            return imported;
        }
        match self.link.ask(&Request::ImportRefused { token: self.id, key, reason }) {
            Ok(Response::Done(_)) => {}
            other => log::warn!("a refused import is not in the audit log: {other:?}"),
        }
        imported.map_err(|failure| match key {
            Some(key) => failure.of(format_args!("key {key} of {self}")),
            None => failure.of(self),
        })
    }

    /// Returns the target that a custom key is. Fails where no import can go there, whatever is imported.
    pub(super) fn aim_at(
        &self,
        key: TargetKey,
        template: &Template,
        request: &VendorRequest,
    ) -> Result<Target> {
        let expiry = self.import_expiry(template, request, &key.metadata)?;
        match key.state {
            KeyState { origin: Origin::Generated, .. } => Err(Reason::ImportIntoGenerated.into()),
            KeyState { deletion_at: Some(_), .. } => Err(Reason::PendingDeletion.into()),
            _ => Ok(Target { key, expiry }),
        }
    }

    /// Returns the target that is a new external custom key.
    pub(super) fn new_target(
        &self,
        kind: &Kind,
        request: &VendorRequest,
        attributes: &Attributes,
        expiry: Option<Expiry>,
    ) -> Result<Target> {
        let id = self.fresh_id()?;
        let mut metadata = Metadata::new(id, kind.class, kind.key_type, self.now());
        give(&mut metadata, id, request.properties())?;
        let private = attributes.flag(CKA_PRIVATE);
        let state = KeyState::awaiting_import();
        Ok(Target { key: TargetKey { id, revision: None, private, metadata, state }, expiry })
    }

    /// Returns the expiry of an import into a custom key, which lies ahead: the attribute's, else the key's
    /// own, else the end of `CKA_END_DATE`; else never. What happens then: what the attribute says, else the
    /// key's own, else erasing.
    fn import_expiry(
        &self,
        template: &Template,
        request: &VendorRequest,
        metadata: &Metadata,
    ) -> Result<Option<Expiry>> {
        let own = metadata.own_expiry.map(|own| own.of_import(self.now()));
        let at = match (request.expires_at, own) {
            (Some(0), _) => None,
            (Some(at), _) => Some(at),
            (None, Some(own)) => Some(own.at),
            (None, None) => end_of_date(template)?,
        };
        let action = request.action.or(own.map(|own| own.action)).unwrap_or(ExpiryAction::Erase);
        let expiry = request.capped(at.map(|at| Expiry { at, action }));
        match self.check_ahead(expiry) {
            Err(error)
                if error.reason() == Reason::ExpiryPast
                    && request.expires_at.is_none()
                    && own.is_some() =>
            {
                Err(error.reason().detail(
                    "it is the custom key's own; CKA_KEYSTEAD_EXPIRES_AT gives the import another",
                ))
            }
            checked => checked.map(|()| expiry),
        }
    }

    /// Returns the expiry of an ordinary key, which lies ahead as far as the template gives it.
    pub(super) fn ordinary_expiry(&self, request: &VendorRequest) -> Result<Option<Expiry>> {
        let asked = request.expiry();
        self.check_ahead(asked).map(|()| request.capped(asked))
    }

    /// Returns the custom key that the template names, with or without material.
    fn named_key(
        &self,
        kind: &Kind,
        template: &Template,
        request: &VendorRequest,
    ) -> Result<Option<TargetKey>> {
        let identifier = template.bytes(CKA_ID).unwrap_or_default();
        if let Some(id) = request.key {
            let target = self.target_key(id)?.ok_or_else(no_custom_key)?;
            return target.of_kind(kind).map(Some);
        }
        if let Ok(bytes) = identifier.try_into()
            && let Some(target) = self.target_key(Id::new(bytes))?
        {
            return target.of_kind(kind).map(Some);
        }
        if !identifier.is_empty()
            && let Some(target) = self.only_key(kind, (TARGET_ID, identifier.to_vec()))?
        {
            return Ok(Some(target));
        }
        match label(template) {
            Some(label) => self.only_key(kind, (CKA_LABEL, label)),
            None => Ok(None),
        }
    }

    fn only_key(&self, kind: &Kind, name: (u64, Vec<u8>)) -> Result<Option<TargetKey>> {
        let named = self.search(&[(CKA_APPLICATION, APPLICATION.to_vec()), name])?;
        self.one_key(named, |it| it.state.origin == Origin::External && is_of(&it.metadata, kind))
    }

    /// Returns the one custom key of these that fits; more than one is `SeveralTargets`.
    fn one_key(
        &self,
        ids: impl IntoIterator<Item = Id>,
        fits: impl Fn(&TargetKey) -> bool,
    ) -> Result<Option<TargetKey>> {
        let mut fitting = None;
        for id in ids {
            if let Some(key) = self.target_key(id)?.filter(&fits)
                && fitting.replace(key).is_some()
            {
                return Err(Reason::SeveralTargets.into());
            }
        }
        Ok(fitting)
    }

    /// Returns an enabled external key that has lost just this material.
    pub(super) fn revivable(
        &self,
        kind: &Kind,
        fingerprint: Fingerprint,
    ) -> Result<Option<TargetKey>> {
        let request = Request::Associated { token: self.id, fingerprint: fingerprint.0 };
        let associated = self.stored_records(&request)?.into_iter().map(|stored| stored.id);
        self.one_key(associated, |it| it.may_revive() && is_of(&it.metadata, kind))
    }

    fn target_key(&self, id: Id) -> Result<Option<TargetKey>> {
        Ok(self.load(id)?.and_then(|loaded| match &loaded.content {
            RecordContent::CustomKey(key) => Some(TargetKey::of(&loaded, key, self.now())),
            _ => None,
        }))
    }
}

impl TargetKey {
    fn of(loaded: &Loaded, key: &CustomKey, now: Seconds) -> Self {
        Self {
            id: loaded.id,
            revision: Some(loaded.revision),
            private: loaded.header.private,
            metadata: key.metadata.clone(),
            state: key.state(now),
        }
    }

    fn of_kind(self, kind: &Kind) -> Result<Self> {
        check_kind(&self.metadata, kind).map(|()| self)
    }

    /// Returns whether its own material, coming without a name, is its again.
    fn may_revive(&self) -> bool {
        self.state.origin == Origin::External
            && self.state.enabled
            && self.state.status() == Status::PendingImport
    }
}

/// Returns 00:00 UTC of the day after `CKA_END_DATE`.
fn end_of_date(template: &Template) -> Result<Option<Seconds>> {
    let Some(day) = template.bytes(CKA_END_DATE).and_then(attributes::date) else {
        return Ok(None);
    };
    let end = day.tomorrow().and_then(|next| next.to_zoned_datetime(jiff::tz::TimeZone::UTC));
    let second = end.map_err(|_| Reason::AttributeValue)?.timestamp().as_second();
    // A day before 1970 ended long ago.
    Ok(Some(u64::try_from(second).unwrap_or(0)))
}
