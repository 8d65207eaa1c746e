//! Objects about to be: planned one by one, then kept together in one commit or not at all.

use super::loaded::{Loaded, ObjectBody};
use super::records::UnsealedRecord;
use super::terms::terms;
use super::{Caller, Handle, Token};
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::{Expiry, Header, Role};
use crate::object::Attributes;
use crate::secret::Secret;
use crate::wire::Change;
use pkcs11_sys::*;

/// An object about to be.
pub(crate) enum Plan {
    /// A session object, and the login epoch in which it was allowed.
    Session(Box<Loaded>, u64),
    /// The record the caller gets a handle of, and all changes that make it.
    Records(Id, Vec<Change>),
}

impl Token {
    /// Plans an ordinary object, in its session or on the token.
    pub(super) fn plan_ordinary(
        &self,
        caller: &Caller,
        attributes: Attributes,
        material: Secret,
        expiry: Option<Expiry>,
    ) -> Result<Plan> {
        let (token, private) = (attributes.flag(CKA_TOKEN), attributes.flag(CKA_PRIVATE));
        let epoch = self.login_epoch();
        self.may_change(caller, token, private)?;
        self.may_trust(&attributes)?;
        let id = self.fresh_id()?;
        if !token {
            let object = Loaded::session(id, attributes, material, expiry);
            return Ok(Plan::Session(object.into(), epoch));
        }
        let mut terms = terms(&attributes);
        terms.push((CKA_UNIQUE_ID, id.to_string().into_bytes()));
        let role = Role::Object { holds_key: !material.is_empty() };
        let record = UnsealedRecord {
            id,
            revision: None,
            header: Header { private, role, expiry, tags: Vec::new() },
            event: None,
            terms,
            body: ObjectBody { attributes, material }.encode()?,
        };
        Ok(Plan::Records(id, vec![self.seal(record)?]))
    }

    /// Keeps what was planned, all or nothing; the handles in the order of the plans.
    pub(super) fn carry_out<const N: usize>(
        &self,
        caller: &Caller,
        plans: [Plan; N],
    ) -> Result<[Handle; N]> {
        let handles = self.carry_out_all(caller, plans.into())?;
        handles.try_into().map_err(|_| Reason::General.into())
    }

    /// Does the same for any number of plans.
    pub(super) fn carry_out_all(
        &self,
        caller: &Caller,
        mut plans: Vec<Plan>,
    ) -> Result<Vec<Handle>> {
        let changes: Vec<Change> = plans
            .iter_mut()
            .flat_map(|plan| match plan {
                Plan::Records(_, changes) => std::mem::take(changes),
                Plan::Session(..) => Vec::new(),
            })
            .collect();
        if !changes.is_empty() {
            self.commit(changes)?;
        }
        let handles = plans.into_iter().map(|plan| match plan {
            Plan::Session(object, epoch) => Ok(self.begin(caller, *object, epoch)),
            Plan::Records(id, _) => self.handle_of(id),
        });
        handles.collect()
    }

    /// Gives a session object its handle. A private one whose login has ended meanwhile ends too, as
    /// if the logout had come just afterwards.
    fn begin(&self, caller: &Caller, object: Loaded, epoch: u64) -> Handle {
        let private = object.header.private;
        let handle = self.handles.of_session(caller.session, object.into(), epoch);
        if private && epoch != self.login_epoch() {
            self.handles.forget(handle);
        }
        handle
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
