//! Deriving several keys by one call: all of them, or none.

use super::derive::DerivedKey;
use super::derive_rules::Sources;
use super::loaded::hides_its_value;
use super::plan::{NewObject, Plan};
use super::{Caller, Handle, Token};
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use crate::mechanism::{self, Mechanism, Params};
use crate::object::build::{leave_empty, provenance};
use crate::object::vendor::CKA_KEYSTEAD_CUSTODY;
use crate::object::{Attribute, Template, attributes};
use crate::secret::Secret;
use pkcs11_sys::*;
use std::collections::HashSet;

/// The keys of a TLS connection.
#[derive(Debug)]
pub struct ConnectionKeys {
    /// The client's and the server's key for MACs, then those for their ciphers.
    pub handles: [Handle; 4],
    /// The client's and the server's IV.
    pub ivs: [Vec<u8>; 2],
}

/// The attributes that the keys for MACs have of the template, which is that of the ciphers' keys.
const OF_ALL_KEYS: [u64; 5] =
    [CKA_TOKEN, CKA_PRIVATE, CKA_SENSITIVE, CKA_EXTRACTABLE, CKA_KEYSTEAD_CUSTODY];

impl Token {
    /// Derives a key for each template. A failure comes with the index of the template that it is about, none
    /// where it is about all.
    pub fn derive_several(
        &self,
        caller: &Caller,
        mechanism: &Mechanism,
        base: Handle,
        templates: &[&Template],
    ) -> Result<Vec<Handle>, (Option<usize>, Error)> {
        let whole = |error| (None, error);
        let derive = mechanism::find(mechanism.id).and_then(|row| row.derive_several());
        let derive = derive.map_err(whole)?;
        let sources = self.sources(mechanism, base).map_err(whole)?;
        let mut keys = Vec::with_capacity(templates.len());
        for (at, template) in templates.iter().enumerate() {
            let key = self.outline(caller, &sources, template);
            let key = key.and_then(|key| Ok((key.length()?, key)));
            keys.push(key.map_err(|error| (Some(at), error))?);
        }
        let lengths: Vec<_> = keys.iter().map(|(length, _)| *length).collect();
        let made = derive(&sources.usable, &mechanism.params, &lengths)?;
        let mut derived = Vec::with_capacity(keys.len());
        for (at, ((_, mut key), material)) in keys.into_iter().zip(made).enumerate() {
            let completed = sources.complete(&mut key.attributes, material.len());
            completed.map_err(|error| (Some(at), error))?;
            derived.push((key, material));
        }
        self.keep_all(caller, &derived)
    }

    /// Derives the keys and the IVs of a TLS connection. The keys are as hidden as the base key; a hidden one
    /// gives no IVs, since sizes can be chosen so that these are what keys are made of else.
    pub fn derive_connection_keys(
        &self,
        caller: &Caller,
        mechanism: &Mechanism,
        base: Handle,
        template: &Template,
    ) -> Result<ConnectionKeys> {
        let derive = mechanism::find(mechanism.id)?.derive_several()?;
        let Params::TlsKeys { sizes, .. } = &mechanism.params else {
            return Err(Reason::MechanismParam.into());
        };
        let sources = self.sources(mechanism, base)?;
        if sources.have_template() {
            return Err(Reason::KeyNotPermitted
                .detail("sizes can be chosen so that keys are pieces of one another"));
        }
        let mac = self.connection_key(caller, &sources, &for_macs(template)?, sizes.mac)?;
        let cipher = match sizes.key {
            0 => self.connection_key(caller, &sources, &for_macs(template)?, 0)?,
            _ if template.bytes(CKA_KEY_TYPE).is_none() => {
                return Err(Reason::TemplateIncomplete.detail("CKA_KEY_TYPE is missing"));
            }
            size => self.connection_key(caller, &sources, template, size)?,
        };
        let made = derive(&sources.usable, &mechanism.params, &[]).map_err(|(_, error)| error)?;
        let [client_mac, server_mac, client, server, ivs @ ..] =
            <[Secret; 6]>::try_from(made).map_err(|_| Reason::General)?;
        if sources.hide() && ivs.iter().any(|iv| !iv.is_empty()) {
            return Err(Reason::KeyNotPermitted.detail(
                "a hidden master secret gives no IVs; CKM_TLS12_KEY_SAFE_DERIVE asks for none",
            ));
        }
        let keys = [(&mac, client_mac), (&mac, server_mac), (&cipher, client), (&cipher, server)];
        let keys = keys.map(|(key, material)| (key.duplicate(), material));
        let handles = self.keep_all(caller, &keys).map_err(|(_, error)| error)?;
        Ok(ConnectionKeys {
            handles: handles.try_into().map_err(|_| Reason::General)?,
            ivs: ivs.map(|iv| iv.expose().to_vec()),
        })
    }

    /// Returns all of a connection's key of this size but its value. Its template may not say that it is more
    /// or less hidden than the base key.
    fn connection_key(
        &self,
        caller: &Caller,
        sources: &Sources,
        template: &Template,
        size: usize,
    ) -> Result<DerivedKey> {
        let mut key = self.outline(caller, sources, template)?;
        let base = sources.base()?;
        for kind in [CKA_SENSITIVE, CKA_EXTRACTABLE] {
            match template.flag(kind)? {
                Some(asked) if asked != base.flag(kind) => {
                    return Err(Reason::TemplateInconsistent
                        .detail("a connection's keys are as hidden as its master secret"));
                }
                _ => key.attributes.set_flag(kind, base.flag(kind)),
            }
        }
        sources.complete(&mut key.attributes, size)?;
        Ok(key)
    }

    /// Returns the version in the first bytes of a premaster secret, which no hidden one tells.
    pub fn premaster_version(&self, base: Handle) -> Result<[u8; 2]> {
        let key = self.object(base).map_err(|_| Reason::KeyUnknown)?;
        let body = key.body().ok_or(Reason::KeyUnknown)?;
        if hides_its_value(&body.attributes) {
            return Err(Reason::KeyNotPermitted.detail("the version is a piece of a hidden value"));
        }
        body.material.expose().first_chunk().copied().ok_or_else(|| Reason::KeySizeRange.into())
    }

    /// Keeps derived keys, all or none. A failure comes with the index of the key that it is about.
    fn keep_all(
        &self,
        caller: &Caller,
        keys: &[(DerivedKey, Secret)],
    ) -> Result<Vec<Handle>, (Option<usize>, Error)> {
        let mut at = None;
        let kept = self.retry_on_conflict(|| {
            let mut plans = Vec::with_capacity(keys.len());
            let mut taken = HashSet::new();
            for (index, (key, material)) in keys.iter().enumerate() {
                at = Some(index);
                let plan = self.plan_derived(caller, key, material)?;
                take_objects(&mut taken, &plan)?;
                plans.push(plan);
            }
            at = None;
            self.carry_out_all(caller, plans)
        });
        let custom = keys.iter().any(|(key, _)| self.is_custom(&key.attributes, &key.request));
        let kept = if custom { self.audited(None, kept) } else { kept };
        kept.map_err(|error| (at, error))
    }

    fn plan_derived(&self, caller: &Caller, key: &DerivedKey, material: &Secret) -> Result<Plan> {
        let DerivedKey { template, kind, request, attributes } = key;
        let mut attributes = attributes.duplicate();
        provenance(&mut attributes, None);
        if material.is_empty() {
            // A key that a cipher does without. SunPKCS11 destroys it, and so needs its handle.
            leave_empty(&mut attributes);
            return self.plan_ordinary(caller, NewObject::without_key(attributes));
        }
        if self.is_custom(&attributes, request) {
            let material = material.duplicate();
            return self.plan_import(caller, (*kind, template, request), attributes, material);
        }
        let parsed = Some(kind.read(material, &mut attributes)?);
        let (material, expiry) = (material.duplicate(), self.ordinary_expiry(request)?);
        self.plan_ordinary(caller, NewObject { attributes, material, parsed, expiry })
    }
}

impl DerivedKey {
    fn duplicate(&self) -> Self {
        Self {
            template: self.template.without(&[]),
            kind: self.kind,
            request: self.request.clone(),
            attributes: self.attributes.duplicate(),
        }
    }
}

/// Notes the records that a plan changes. Fails where a key before it changes one too: both would be the material
/// of one custom key.
fn take_objects(taken: &mut HashSet<Id>, plan: &Plan) -> Result<()> {
    let mut changed = match plan {
        Plan::Records(_, changes) => changes.iter(),
        Plan::Session(..) => [].iter(),
    };
    match changed.all(|change| taken.insert(change.id)) {
        true => Ok(()),
        false => Err(Reason::TemplateInconsistent.detail("two keys for one custom key")),
    }
}

/// Returns the template of the keys for MACs (PKCS#11 3.1, "Key and MAC derivation").
fn for_macs(template: &Template) -> Result<Template> {
    let class = attributes::number(CKO_SECRET_KEY);
    let key_type = attributes::number(CKK_GENERIC_SECRET);
    let yes = attributes::flag(true);
    let own: [(u64, &[u8]); 4] =
        [(CKA_CLASS, &class), (CKA_KEY_TYPE, &key_type), (CKA_SIGN, &yes), (CKA_VERIFY, &yes)];
    let of_all = OF_ALL_KEYS.into_iter().filter_map(|kind| Some((kind, template.bytes(kind)?)));
    let all = own.into_iter().chain(of_all);
    Template::new(all.map(|(kind, value)| Attribute { kind, value: value.into() }).collect())
}
