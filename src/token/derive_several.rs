//! Deriving several keys by one call: all of them, or none.

use super::derive::DerivedKey;
use super::plan::Plan;
use super::{Caller, Handle, Token};
use crate::error::{Error, Reason, Result};
use crate::mechanism::{self, Mechanism};
use crate::object::Template;
use crate::object::build::provenance;
use crate::secret::Secret;
use std::collections::HashSet;

impl Token {
    /// Derives a key for each template. A failure comes with the number of the template that it is about, 0
    /// where it is about none.
    pub fn derive_several(
        &self,
        caller: &Caller,
        mechanism: &Mechanism,
        base: Handle,
        templates: &[&Template],
    ) -> Result<Vec<Handle>, (usize, Error)> {
        let whole = |error| (0, error);
        let derive = mechanism::find(mechanism.id).and_then(|row| row.derive_several());
        let derive = derive.map_err(whole)?;
        let sources = self.sources(mechanism, base).map_err(whole)?;
        let mut keys = Vec::with_capacity(templates.len());
        for (at, template) in templates.iter().enumerate() {
            let key = self.outline(caller, &sources, template);
            let key = key.and_then(|key| Ok((key.length()?, key)));
            keys.push(key.map_err(|error| (at, error))?);
        }
        let lengths: Vec<_> = keys.iter().map(|(length, _)| *length).collect();
        let made = derive(&sources.usable, &mechanism.params, &lengths).map_err(whole)?;
        let mut derived = Vec::with_capacity(keys.len());
        for (at, ((_, mut key), material)) in keys.into_iter().zip(made).enumerate() {
            let completed = sources.complete(&mut key.attributes, material.len());
            completed.map_err(|error| (at, error))?;
            derived.push((key, material));
        }
        self.keep_all(caller, &derived)
    }

    /// Keeps derived keys, all or none. A failure comes with the number of the key that it is about.
    fn keep_all(
        &self,
        caller: &Caller,
        keys: &[(DerivedKey, Secret)],
    ) -> Result<Vec<Handle>, (usize, Error)> {
        let mut at = 0;
        let kept = self.retry_on_conflict(|| {
            let mut plans = Vec::with_capacity(keys.len());
            for (number, (key, material)) in keys.iter().enumerate() {
                at = number;
                plans.push(self.plan_derived(caller, key, material)?);
            }
            at = 0;
            of_different_objects(&plans)?;
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
        if self.is_custom(&attributes, request) {
            let material = material.duplicate();
            return self.plan_import(caller, (*kind, template, request), attributes, material);
        }
        (kind.describe)(material, &mut attributes)?;
        let expiry = self.ordinary_expiry(request)?;
        self.plan_ordinary(caller, attributes, material.duplicate(), expiry)
    }
}

/// Fails where two keys would be the material of one custom key.
fn of_different_objects(plans: &[Plan]) -> Result<()> {
    let mut changed = plans.iter().flat_map(|plan| match plan {
        Plan::Records(_, changes) => changes.iter().map(|change| change.id).collect(),
        Plan::Session(..) => Vec::new(),
    });
    let mut seen = HashSet::new();
    match changed.all(|id| seen.insert(id)) {
        true => Ok(()),
        false => Err(Reason::TemplateInconsistent.detail("two keys for one custom key")),
    }
}
