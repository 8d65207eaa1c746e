//! Custom keys coming into being: generated with their material, or empty and waiting for an import.

use super::loaded::ObjectBody;
use super::plan::Plan;
use super::records::UnsealedRecord;
use super::terms::material_terms;
use super::{Caller, Handle, Login, Token};
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use crate::key::{
    Association, Due, Event, Expiry, ExpiryAction, Fingerprint, Header, KeyState, Metadata, Origin,
    OwnExpiry, Role,
};
use crate::object::kinds::{Kind, ParameterSet, bits, rotates_on_schedule};
use crate::object::properties::give;
use crate::object::vendor::*;
use crate::object::{Attributes, Template, VendorRequest, json, lattices};
use crate::secret::Secret;
use crate::v3_2::CKA_PARAMETER_SET;
use crate::wire::Change;
use pkcs11_sys::*;

impl Token {
    /// Returns whether a key with these attributes and request is to be a custom key.
    pub(super) fn is_custom(&self, attributes: &Attributes, request: &VendorRequest) -> bool {
        let hidden = attributes.number(CKA_CLASS) != Some(CKO_PUBLIC_KEY);
        hidden && attributes.flag(CKA_TOKEN) && request.custody.unwrap_or(self.custody)
    }

    /// Plans a custom key whose material the token has just made. Returns its plan and the key ID.
    pub(super) fn plan_generated(
        &self,
        caller: &Caller,
        kind: &Kind,
        attributes: Attributes,
        material: Secret,
        request: &VendorRequest,
    ) -> Result<(Plan, Id)> {
        if request.capped(request.expiry()).is_some() {
            return Err(Reason::ExpiryOnGenerated.into());
        }
        let private = attributes.flag(CKA_PRIVATE);
        self.may_keep_custody(caller)?;
        self.may_trust(&attributes)?;
        let id = self.fresh_id()?;
        let fingerprint = self.fingerprint(kind, &material)?;
        let now = self.now();
        let mut metadata = Metadata {
            bits: bits(&attributes),
            rotation_days: request.rotation_days,
            rotation_from: now,
            ..Metadata::new(id, kind.class, kind.key_type, now)
        };
        give(&mut metadata, id, names(&attributes).chain(request.properties()))?;
        if request.rotation_days != 0 && !rotates_on_schedule(&metadata, Origin::Generated) {
            return Err(Reason::TemplateInconsistent
                .detail("only AES and ChaCha20 keys rotate on schedule"));
        }
        let state = KeyState::generated(fingerprint);
        let body = ObjectBody { attributes, material };
        let (material_id, material) = self.new_material(id, &metadata, &state, &body)?;
        let change = self.metadata_change(id, None, private, &metadata, state, Event::Create)?;
        Ok((Plan::Records(material_id, vec![change, material]), id))
    }

    /// Makes an empty custom key, asked for by the attributes of a key without a value.
    pub(super) fn create_empty(
        &self,
        caller: &Caller,
        kind: &'static Kind,
        template: &Template,
        request: VendorRequest,
    ) -> Result<Handle> {
        // What an empty key has no place for is not passed over in silence.
        let acts_on_none =
            request.action == Some(ExpiryAction::ReadOnly) && request.expiry().is_none();
        if acts_on_none || request.key.is_some() || request.rotation_days != 0 {
            return Err(
                Reason::TemplateInconsistent.detail("an empty custom key has none of this yet")
            );
        }
        let length = template.number(CKA_VALUE_LEN)?.map(|bytes| bytes.saturating_mul(8));
        let set = template.number(CKA_PARAMETER_SET)?;
        let set = set.map(|set| lattices::numbered(kind.key_type, set)).transpose()?;
        let own = |Expiry { at, action }| OwnExpiry { due: Due::At(at), action };
        let own_expiry = self.ordinary_expiry(&request)?.map(own);
        let wanted = json::KeyRequest {
            alias: label(template),
            identifier: template.bytes(CKA_ID).unwrap_or_default().to_vec(),
            properties: request.properties,
            kind,
            bits: length.or(set.map(ParameterSet::bits)).unwrap_or(0),
            expiry: own_expiry,
            private: template.flag(CKA_PRIVATE)?.unwrap_or(true),
        };
        if wanted.bits != 0 && !kind.sizes.contain(wanted.bits) {
            return Err(Reason::AttributeValue.detail("CKA_VALUE_LEN is no size of that key type"));
        }
        self.make_empty(caller, wanted)
    }

    /// Makes an empty custom key, asked for in JSON. Its data object is private whatever the template says,
    /// unless the JSON says otherwise: `pkcs11-tool` always sends `CKA_PRIVATE` false.
    pub(super) fn create_from_json(&self, caller: &Caller, template: &Template) -> Result<Handle> {
        if template.flag(CKA_TOKEN)? != Some(true) {
            return Err(Reason::TemplateInconsistent.detail("a custom key is a token object"));
        }
        let external = template.number(CKA_KEYSTEAD_ORIGIN)?.is_none_or(|it| it == ORIGIN_EXTERNAL);
        let in_json = |kind| kind >= CKA_VENDOR_DEFINED && kind != CKA_KEYSTEAD_ORIGIN;
        if !external || template.iter().any(|attribute| in_json(attribute.kind)) {
            return Err(Reason::TemplateInconsistent.detail("the JSON says what the key is"));
        }
        let value = template
            .bytes(CKA_VALUE)
            .ok_or_else(|| Reason::TemplateIncomplete.detail("CKA_VALUE is missing"))?;
        let mut wanted = json::wanted(value, self.now(), self.clock.now())?;
        match (&wanted.alias, label(template)) {
            (Some(alias), Some(label)) if *alias != label => {
                return Err(
                    Reason::TemplateInconsistent.detail("CKA_LABEL is not the JSON's alias")
                );
            }
            (None, label) => wanted.alias = label,
            (Some(_), _) => {}
        }
        self.make_empty(caller, wanted)
    }

    fn make_empty(&self, caller: &Caller, wanted: json::KeyRequest) -> Result<Handle> {
        self.may_keep_custody(caller)?;
        if wanted.bits != 0 {
            let sized = self.may_be_so_short(wanted.kind.key_type, || wanted.bits);
            sized.map_err(|short| Reason::AttributeValue.detail(short))?;
        }
        let id = self.fresh_id()?;
        let (class, key_type) = (wanted.kind.class, wanted.kind.key_type);
        let mut metadata = Metadata {
            bits: wanted.bits,
            own_expiry: wanted.expiry,
            ..Metadata::new(id, class, key_type, self.now())
        };
        let alias = wanted.alias.unwrap_or_default();
        let names = [(CKA_LABEL, &alias[..]), (CKA_ID, &wanted.identifier)];
        let properties = wanted.properties.iter().map(|(kind, value)| (*kind, &value[..]));
        give(&mut metadata, id, names.into_iter().chain(properties))?;
        let state = KeyState::awaiting_import();
        let change =
            self.metadata_change(id, None, wanted.private, &metadata, state, Event::Create)?;
        self.commit(vec![change])?;
        self.handle_of(id)
    }

    /// Returns a new record of material for a custom key in this state.
    pub(super) fn new_material(
        &self,
        key: Id,
        metadata: &Metadata,
        state: &KeyState,
        body: &ObjectBody,
    ) -> Result<(Id, Change)> {
        let id = self.fresh_id()?;
        let fingerprint = state.fingerprint.ok_or(Reason::General)?;
        let role = Role::Material { key, version: state.version, fingerprint };
        let private = body.attributes.flag(CKA_PRIVATE);
        let change = self.seal(UnsealedRecord {
            id,
            revision: None,
            header: Header { private, role, expiry: state.expiry, tags: Vec::new() },
            event: None,
            terms: material_terms(id, body, key, metadata),
            body: body.encode()?,
        })?;
        Ok((id, change))
    }

    /// Returns the keyed fingerprint of material, which outlives it.
    pub(super) fn fingerprint(&self, kind: &Kind, material: &Secret) -> Result<Fingerprint> {
        self.association_of(kind, material).map(|association| association.of_all)
    }

    /// Returns all that material is recognized by.
    pub(super) fn association_of(&self, kind: &Kind, material: &Secret) -> Result<Association> {
        const REST: u8 = 2;
        let class = u8::from(kind.class == CKO_PRIVATE_KEY);
        let (all, rest) = kind.identity(material)?;
        let key = self.private_key()?;
        let rest = rest.map(|rest| key.fingerprint(REST, rest.expose())).transpose()?;
        Ok(Association { of_all: key.fingerprint(class, all.expose())?, of_rest: rest })
    }

    /// Custom keys are made and changed by the logged-in user only, even public ones: their
    /// fingerprints and states are kept under the private token key.
    pub(super) fn may_keep_custody(&self, caller: &Caller) -> Result<()> {
        self.may_change(caller, true, true)?;
        debug_assert_eq!(self.logged_in_as(), Login::User);
        Ok(())
    }
}

/// Returns the failure of a template whose key ID is no custom key's.
pub(super) fn no_custom_key() -> Error {
    Reason::AttributeValue.detail("CKA_KEYSTEAD_KEY_ID names no custom key")
}

/// Returns whether a custom key is for material of that kind.
pub(super) fn is_of(key: &Metadata, kind: &Kind) -> bool {
    key.class == kind.class && key.key_type == kind.key_type
}

/// Fails unless a custom key is for material of that kind.
pub(super) fn check_kind(key: &Metadata, kind: &Kind) -> Result<()> {
    match is_of(key, kind) {
        true => Ok(()),
        false => Err(Reason::TemplateInconsistent.detail("the custom key is for another key type")),
    }
}

/// Returns the attributes of material that name its custom key.
pub(super) fn names(attributes: &Attributes) -> impl Iterator<Item = (u64, &[u8])> {
    let names = [CKA_LABEL, CKA_ID].into_iter();
    names.filter_map(|kind| Some((kind, attributes.bytes(kind)?)))
}

/// Returns the label of a template, if it says anything.
pub(super) fn label(template: &Template) -> Option<Vec<u8>> {
    template.bytes(CKA_LABEL).filter(|label| !label.is_empty()).map(<[u8]>::to_vec)
}
