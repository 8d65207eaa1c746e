//! The rules of derived keys: what they have of the keys that they come from. What a one-way mechanism makes is
//! a key of its own. A key that tells something about the one it comes from never has fewer protections than
//! that, and no key is derived that would tell a hidden value piece by piece.

use super::loaded::{Loaded, hides_its_value};
use super::{Handle, Token};
use crate::error::{Reason, Result};
use crate::key::{Parsed, UsableKey, Usage};
use crate::mechanism::{self, Mechanism, MechanismRow, Protections, Tells};
use crate::object::{Attributes, Template, VendorRequest, attributes, marks};
use crate::secret::Secret;
use pkcs11_sys::*;
use std::sync::Arc;

/// The shortest key that is derived hidden because a key says so, in bytes: 112 bits (NIST SP 800-131A). A
/// byte can be guessed and the guess checked with what the key makes, and then the same for one byte more.
pub(super) const LEAST: usize = 14;

/// The size of a block of AES, in bytes.
const BLOCK: usize = 16;

/// The keys that others are derived from.
pub(super) struct Sources {
    pub(super) row: &'static MechanismRow,
    /// The base key, ready for use.
    pub(super) usable: UsableKey,
    base: Arc<Loaded>,
    other: Option<Arc<Loaded>>,
}

impl Token {
    /// Returns the keys that a mechanism derives from, where it may.
    pub(super) fn sources(&self, mechanism: &Mechanism, base: Handle) -> Result<Sources> {
        let row = mechanism::find(mechanism.id)?;
        let usable = self.usable(base, Usage::Derive, mechanism.id)?;
        let other = mechanism.params.other_key();
        let other = other.map(|key| self.second(key, row)).transpose()?;
        let sources = Sources { row, usable, base: self.object(base)?, other };
        if matches!(row.tells, Tells::Whole | Tells::Piece) {
            sources.keys().try_for_each(|key| may_be_passed_on(key, row.tells))?;
        }
        Ok(sources)
    }

    /// Returns a second key that goes into a derivation: a secret of any length that may derive.
    fn second(&self, key: Handle, row: &MechanismRow) -> Result<Arc<Loaded>> {
        match self.usable(key, Usage::Derive, row.id)?.parsed {
            Parsed::Generic(_) => self.object(key),
            Parsed::Aes(_) if row.any_secret => self.object(key),
            _ => Err(Reason::KeyTypeInconsistent.into()),
        }
    }
}

/// Fails where a hidden key may not be a part of another, which is as good as a copy with other usages: a
/// custom key is not copied, and a piece of any hidden key would tell it, one guess after the other.
fn may_be_passed_on(key: &Loaded, tells: Tells) -> Result<()> {
    let attributes = &key.body().ok_or(Reason::KeyUnknown)?.attributes;
    if !hides_its_value(attributes) {
        return Ok(());
    }
    let stays = key.custom_key().is_some()
        || !attributes.flag(CKA_COPYABLE)
        || !attributes.flag(CKA_MODIFIABLE)
        || marks::restrictions(attributes).any()
        || marks::are_on(attributes);
    match (stays, tells) {
        (true, _) => Err(Reason::KeyNotPermitted.detail(
            "it hides its value, and may be neither copied nor changed, or not in every way",
        )),
        (false, Tells::Piece) => {
            Err(Reason::KeyNotPermitted.detail("a piece of a hidden value could be guessed"))
        }
        (false, _) => Ok(()),
    }
}

impl Sources {
    fn keys(&self) -> impl Iterator<Item = &Arc<Loaded>> {
        [Some(&self.base), self.other.as_ref()].into_iter().flatten()
    }

    /// Returns the attributes of each key.
    pub(super) fn attributes(&self) -> impl Iterator<Item = &Attributes> {
        self.keys().filter_map(|key| key.body()).map(|body| &body.attributes)
    }

    /// Returns the base key's attributes.
    pub(super) fn base(&self) -> Result<&Attributes> {
        self.attributes().next().ok_or_else(|| Reason::KeyUnknown.into())
    }

    /// Returns the second key's value.
    pub(super) fn other(&self) -> Option<&Secret> {
        self.other.as_ref().and_then(|other| other.body()).map(|body| &body.material)
    }

    /// Returns whether one of the keys hides its value.
    pub(super) fn hide(&self) -> bool {
        self.attributes().any(hides_its_value)
    }

    /// Returns whether one of the keys has a template for what is derived of it.
    pub(super) fn have_template(&self) -> bool {
        self.attributes().any(|key| marks::has_template(key, CKA_DERIVE_TEMPLATE))
    }

    /// Returns a template with what each key's `CKA_DERIVE_TEMPLATE` adds. That of the second key binds as
    /// well: who chooses the base can have of HKDF's extraction what an expansion of the salt key gives.
    pub(super) fn bound(&self, template: &Template) -> Result<Template> {
        self.attributes()
            .filter_map(|key| key.bytes(CKA_DERIVE_TEMPLATE))
            .try_fold(template.without(&[]), |joined, more| joined.joined(more))
    }

    /// Gives a derived key the protections that it has from its keys, and the mechanisms it is confined to.
    /// Fails where its template says otherwise.
    pub(super) fn protect(&self, derived: &mut Attributes, template: &Template) -> Result<()> {
        for key in self.attributes() {
            match self.row.protections {
                Protections::Own => {}
                Protections::Default => raise(derived, template, key),
                Protections::Kept => protect(derived, template, key)?,
            }
            if matches!(self.row.tells, Tells::Whole | Tells::Piece) {
                let list = key.bytes(CKA_ALLOWED_MECHANISMS).unwrap_or_default();
                confine(derived, template, list)?;
            }
        }
        let list = self.row.confines_to.iter().flat_map(|id| attributes::number(*id));
        confine(derived, template, &list.collect::<Vec<_>>())
    }

    /// Returns the request of a derived key: one that is as good as a copy lives no longer than its keys.
    pub(super) fn request(&self, template: &Template) -> Result<VendorRequest> {
        let request = VendorRequest::read(template)?;
        Ok(match self.row.tells {
            Tells::Whole | Tells::Piece => {
                request.within(self.keys().filter_map(|key| key.header.expiry))
            }
            Tells::Nothing | Tells::Ciphertext => request,
        })
    }

    /// Checks that a value tells nothing of a hidden one; `natural` makes it in its natural length. A part
    /// beside what is known could be guessed, and the guess checked with what another length makes.
    pub(super) fn check(
        &self,
        made: &Secret,
        natural: impl FnOnce() -> Result<Secret>,
    ) -> Result<()> {
        let fits = match self.row.tells {
            _ if !self.hide() => true,
            Tells::Nothing => true,
            Tells::Ciphertext => made.len().is_multiple_of(BLOCK),
            Tells::Piece => false,
            Tells::Whole => {
                let parts = self.keys().filter_map(|key| key.body());
                let least: usize = parts.map(|body| body.material.len()).sum();
                made.len() >= least && made.len() == natural()?.len()
            }
        };
        match fits {
            true => Ok(()),
            false => Err(Reason::KeySizeRange.detail("a part of a hidden value could be guessed")),
        }
    }

    /// Returns whether what is derived stays hidden because its keys say so, although it tells nothing of them.
    fn keep_hidden(&self) -> bool {
        let kept = self.row.protections == Protections::Kept && self.row.tells == Tells::Nothing;
        self.have_template() || kept && self.hide()
    }

    /// Completes a derived key of this length: its history, and what its keys hide stays hidden.
    pub(super) fn complete(&self, derived: &mut Attributes, length: usize) -> Result<()> {
        if self.keep_hidden() && hides_its_value(derived) {
            if (1..LEAST).contains(&length) {
                return Err(Reason::KeySizeRange.detail("so short a key could be guessed"));
            }
            // What a digest makes of a shared secret is another key that is derived from the same base.
            marks::forbid_digests(derived);
        }
        inherit_history(derived, self)
    }
}

/// A derived key was always sensitive, or never extractable, if its base was and it is (PKCS#11 3.1,
/// the rules of each deriving mechanism); if both keys were that are in it.
fn inherit_history(derived: &mut Attributes, sources: &Sources) -> Result<()> {
    let base = sources.base()?;
    for (always, flag, kept) in [
        (CKA_ALWAYS_SENSITIVE, CKA_SENSITIVE, true),
        (CKA_NEVER_EXTRACTABLE, CKA_EXTRACTABLE, false),
    ] {
        let was = match sources.row.tells {
            Tells::Whole => sources.attributes().all(|key| key.flag(always)),
            _ => base.flag(always),
        };
        derived.set_flag(always, was && derived.flag(flag) == kept);
    }
    Ok(())
}

/// Confines a derived key to some mechanisms, if there are any. Fails where its template names another.
fn confine(derived: &mut Attributes, template: &Template, list: &[u8]) -> Result<()> {
    let allowed = attributes::mechanisms(list);
    if allowed.is_empty() {
        return Ok(());
    }
    let named = attributes::mechanisms(derived.bytes(CKA_ALLOWED_MECHANISMS).unwrap_or_default());
    let asked = template.bytes(CKA_ALLOWED_MECHANISMS).is_some();
    match named.is_empty() {
        true if !asked => derived.set(CKA_ALLOWED_MECHANISMS, list),
        false if named.iter().all(|id| allowed.contains(id)) => {}
        _ => {
            return Err(Reason::TemplateInconsistent
                .detail("a derived key with more mechanisms than it is confined to"));
        }
    }
    Ok(())
}

/// The protections of a value.
const PROTECTIONS: [(u64, bool); 4] = [
    (CKA_SENSITIVE, true),
    (CKA_EXTRACTABLE, false),
    (CKA_PRIVATE, true),
    (CKA_WRAP_WITH_TRUSTED, true),
];

/// Gives the derived key the protections of its base key where the template says nothing of them.
fn raise(derived: &mut Attributes, template: &Template, base: &Attributes) {
    for (kind, protected) in PROTECTIONS {
        if base.flag(kind) == protected && template.bytes(kind).is_none() {
            derived.set_flag(kind, protected);
        }
    }
}

/// Gives the derived key the protections of its base key. Fails where the template says otherwise.
fn protect(derived: &mut Attributes, template: &Template, base: &Attributes) -> Result<()> {
    raise(derived, template, base);
    let lowers = |(kind, protected): (u64, bool)| {
        base.flag(kind) == protected && derived.flag(kind) != protected
    };
    match PROTECTIONS.into_iter().any(lowers) {
        true => Err(Reason::TemplateInconsistent
            .detail("a derived key with fewer protections than the one it comes from")),
        false => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::object::Attribute;
    use crate::object::attributes::flag;

    fn attributes(protected: bool) -> Attributes {
        let mut made = Attributes::default();
        for (kind, protects) in PROTECTIONS {
            made.set_flag(kind, protects == protected);
        }
        made
    }

    #[test]
    fn what_tells_about_its_base_has_all_of_its_protections() {
        let (hidden, open) = (attributes(true), attributes(false));
        for (kind, protects) in PROTECTIONS {
            let value = Secret::from(&flag(!protects)[..]);
            let lower = Template::new(vec![Attribute { kind, value }]).unwrap();
            let refusal = protect(&mut attributes(false), &lower, &hidden).unwrap_err();
            assert_eq!(refusal.reason(), Reason::TemplateInconsistent, "{kind:#x}");
            protect(&mut attributes(false), &lower, &open).unwrap();
            let mut silent = attributes(false);
            protect(&mut silent, &Template::default(), &hidden).unwrap();
            assert_eq!(silent.flag(kind), protects, "{kind:#x}");
        }
    }
}
