//! Profile objects: the profiles of PKCS#11 Profiles 3.2, section 5, that every token here conforms to. They
//! are found without a login, stand in no store, and no call makes, changes, copies or destroys them.
//!
//! A token here is no public certificates token (5.5): whether all certificates are public, and bear the
//! `CKA_ID` of their keys, is for those to say who put them there.

use super::loaded::Loaded;
use super::{Handle, Token};
use crate::error::Result;
use crate::id::Id;
use crate::object::{Attributes, Template, attributes};
use crate::secret::Secret;
use pkcs11_sys::*;
use std::sync::Arc;

/// The profiles, by their `CKP_` numbers.
const PROFILES: [u64; 3] = [CKP_BASELINE_PROVIDER, CKP_EXTENDED_PROVIDER, CKP_AUTHENTICATION_TOKEN];

impl Token {
    /// Returns the profile objects that fit a template, with their handles.
    pub(super) fn profiles(&self, template: &Template) -> Result<Vec<(Id, Handle)>> {
        let class = template.bytes(CKA_CLASS);
        if class.is_some_and(|class| class != attributes::number(CKO_PROFILE)) {
            return Ok(Vec::new());
        }
        let made = || PROFILES.iter().map(|profile| Arc::new(object(self.id, *profile))).collect();
        let mut found = Vec::new();
        for (handle, object) in self.handles.built_in(made) {
            if self.fits(&object, template, self.now())? {
                found.push((object.id, handle));
            }
        }
        Ok(found)
    }
}

/// Returns the object of a profile of the token.
fn object(token: Id, profile: u64) -> Loaded {
    let mut made = Attributes::default();
    made.set_number(CKA_CLASS, CKO_PROFILE);
    made.set_number(CKA_PROFILE_ID, profile);
    made.set(CKA_LABEL, &[]);
    made.set_flag(CKA_TOKEN, true);
    for kind in [CKA_PRIVATE, CKA_MODIFIABLE, CKA_COPYABLE, CKA_DESTROYABLE] {
        made.set_flag(kind, false);
    }
    Loaded::session(identity(token, profile), made, Secret::new(Vec::new()), None)
}

/// Returns the identity of a token's profile, the same in every process: the token's, with a time of creation
/// before that of all other objects, in the order of the profiles.
fn identity(token: Id, profile: u64) -> Id {
    let [_, _, _, _, _, _, rest @ ..] = *token.bytes();
    let mut bytes = [0; 16];
    if let Some((time, others)) = bytes.split_first_chunk_mut::<6>() {
        *time = [0, 0, 0, 0, 0, profile as u8];
        others.copy_from_slice(&rest);
    }
    Id::new(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profiles_of_a_token_have_identities_of_their_own_before_all_others() {
        let (one, other) = (Id::new([7; 16]), Id::new([8; 16]));
        let of = |token| PROFILES.map(|profile| identity(token, profile));
        let mut all = [of(one), of(other)].concat();
        assert!(all.iter().all(|profile| *profile < one));
        assert!(of(one).is_sorted());
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 2 * PROFILES.len());
    }
}
