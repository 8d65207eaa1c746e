//! Objects about to be: planned one by one, then kept together in one commit or not at all.

use super::loaded::{Loaded, ObjectBody};
use super::records::UnsealedRecord;
use super::terms::terms;
use super::{Caller, Handle, Token};
use crate::error::Result;
use crate::id::Id;
use crate::key::{Expiry, Header, Parsed, Role};
use crate::object::Attributes;
use crate::secret::Secret;
use crate::wire::Change;
use pkcs11_sys::*;
use std::sync::Arc;

/// An object about to be.
pub(crate) enum Plan {
    /// A session object, and the login epoch in which it was allowed.
    Session(Arc<Loaded>, u64),
    /// The record the caller gets a handle of, and all changes that make it.
    Records(Id, Vec<Change>),
}

/// An ordinary object as it is to be.
pub(super) struct NewObject {
    pub(super) attributes: Attributes,
    /// The material of a secret or private key.
    pub(super) material: Secret,
    /// The key itself, where it has been read.
    pub(super) parsed: Option<Parsed>,
    /// Its end, which lies ahead.
    pub(super) expiry: Option<Expiry>,
}

impl NewObject {
    /// Returns an object that is no key.
    pub(super) fn without_key(attributes: Attributes) -> Self {
        let material = Secret::new(Vec::new());
        Self { attributes, material, parsed: None, expiry: None }
    }

    /// Returns a public key, whose attributes are all there is of it.
    pub(super) fn public_key(attributes: Attributes, key: Parsed, expiry: Option<Expiry>) -> Self {
        Self { parsed: Some(key), expiry, ..Self::without_key(attributes) }
    }
}

impl Token {
    /// Plans an ordinary object, in its session or on the token.
    pub(super) fn plan_ordinary(&self, caller: &Caller, object: NewObject) -> Result<Plan> {
        let NewObject { attributes, material, parsed, expiry } = object;
        let (token, private) = (attributes.flag(CKA_TOKEN), attributes.flag(CKA_PRIVATE));
        let epoch = self.login_epoch();
        self.may_change(caller, token, private)?;
        self.may_trust(&attributes)?;
        let id = self.fresh_id()?;
        if !token {
            let object = Loaded::session(id, attributes, material, expiry).with_parsed(parsed);
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
        mut plans: [Plan; N],
    ) -> Result<[Handle; N]> {
        self.commit_all(&mut plans)?;
        let mut handles = [0; N];
        for (handle, plan) in handles.iter_mut().zip(plans) {
            *handle = self.made(caller, plan)?;
        }
        Ok(handles)
    }

    /// Does the same for any number of plans.
    pub(super) fn carry_out_all(
        &self,
        caller: &Caller,
        mut plans: Vec<Plan>,
    ) -> Result<Vec<Handle>> {
        self.commit_all(&mut plans)?;
        plans.into_iter().map(|plan| self.made(caller, plan)).collect()
    }

    /// Commits the changes of all plans at once.
    fn commit_all(&self, plans: &mut [Plan]) -> Result<()> {
        let changes = plans.iter_mut().flat_map(|plan| match plan {
            Plan::Records(_, changes) => std::mem::take(changes),
            Plan::Session(..) => Vec::new(),
        });
        let changes: Vec<Change> = changes.collect();
        if changes.is_empty() { Ok(()) } else { self.commit(changes) }
    }

    /// Returns the handle of what was planned, whose changes are committed.
    fn made(&self, caller: &Caller, plan: Plan) -> Result<Handle> {
        match plan {
            Plan::Session(object, epoch) => Ok(self.begin(caller, object, epoch)),
            Plan::Records(id, _) => self.handle_of(id),
        }
    }

    /// Gives a session object its handle. A private one whose login has ended meanwhile ends too, as
    /// if the logout had come just afterwards.
    fn begin(&self, caller: &Caller, object: Arc<Loaded>, epoch: u64) -> Handle {
        let private = object.header.private;
        let handle = self.handles.of_session(caller.session, object, epoch);
        if private && epoch != self.login_epoch() {
            self.handles.forget(handle);
        }
        handle
    }

    /// Keeps one ordinary object.
    pub(super) fn keep(&self, caller: &Caller, object: NewObject) -> Result<Handle> {
        let plan = self.plan_ordinary(caller, object)?;
        let [handle] = self.carry_out(caller, [plan])?;
        Ok(handle)
    }
}
