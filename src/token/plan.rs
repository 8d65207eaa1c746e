//! Objects about to be: planned one by one, then kept together in one commit or not at all.

use super::loaded::{Held, Loaded};
use super::records::{Draft, found_by};
use super::{Caller, Handle, Token};
use crate::error::Result;
use crate::id::Id;
use crate::key::{Expiry, Header, Role};
use crate::object::Attributes;
use crate::secret::Secret;
use crate::wire::Change;
use pkcs11_sys::*;

/// An object about to be.
pub enum Plan {
    /// A session object.
    Session(Box<Loaded>),
    /// The record the caller gets a handle of, and all changes that make it.
    Records(Id, Vec<Change>),
}

impl Token {
    /// An ordinary object, in its session or on the token.
    pub(super) fn plan_ordinary(
        &self,
        caller: &Caller,
        attributes: Attributes,
        material: Secret,
        expiry: Option<Expiry>,
    ) -> Result<Plan> {
        let (token, private) = (attributes.flag(CKA_TOKEN), attributes.flag(CKA_PRIVATE));
        self.may_change(caller, token, private)?;
        self.may_trust(&attributes)?;
        let id = self.fresh_id()?;
        if !token {
            return Ok(Plan::Session(Loaded::session(id, attributes, material, expiry).into()));
        }
        let mut found_by = found_by(&attributes);
        found_by.push((CKA_UNIQUE_ID, id.to_string().into_bytes()));
        let role = Role::Object { holds_key: !material.is_empty() };
        let draft = Draft {
            id,
            revision: None,
            header: Header { private, role, expiry, tags: Vec::new() },
            event: None,
            found_by,
            body: Held { attributes, material }.encode()?,
        };
        Ok(Plan::Records(id, vec![self.seal(draft)?]))
    }

    /// Keeps what was planned, all or nothing; the handles in the order of the plans.
    pub(super) fn carry_out<const N: usize>(
        &self,
        caller: &Caller,
        mut plans: [Plan; N],
    ) -> Result<[Handle; N]> {
        let changes: Vec<Change> = plans
            .iter_mut()
            .flat_map(|plan| match plan {
                Plan::Records(_, changes) => std::mem::take(changes),
                Plan::Session(_) => Vec::new(),
            })
            .collect();
        if !changes.is_empty() {
            self.commit(changes)?;
        }
        let mut handles = [0; N];
        for (handle, plan) in handles.iter_mut().zip(plans) {
            *handle = match plan {
                Plan::Session(object) => {
                    self.handles.of_session(caller.session, std::sync::Arc::from(object))
                }
                Plan::Records(id, _) => self.handle_of(id)?,
            };
        }
        Ok(handles)
    }

    /// Keeps one ordinary object.
    pub(super) fn keep(
        &self,
        caller: &Caller,
        attributes: Attributes,
        material: Secret,
        expiry: Option<Expiry>,
    ) -> Result<Handle> {
        let plan = self.plan_ordinary(caller, attributes, material, expiry)?;
        let [handle] = self.carry_out(caller, [plan])?;
        Ok(handle)
    }
}
