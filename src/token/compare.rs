//! Comparing without importing: a key that is no custom key, whose template names one, is only made of
//! that custom key's material. So a backup is proved good while nothing changes, and also after the
//! material has been deleted or has expired.

use super::custody::{check_kind, no_custom_key};
use super::destination::Ordinary;
use super::loaded::RecordContent;
use super::{Login, Token};
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::{Association, Origin};
use crate::object::kinds::Kind;
use crate::object::{VendorRequest, association};
use crate::secret::Secret;

impl Token {
    /// Refuses material that is not the named custom key's: `OtherMaterial`. Nothing is compared where
    /// no custom key is named.
    pub(super) fn check_same_material(
        &self,
        kind: &Kind,
        ordinary: &Ordinary,
        material: &Secret,
    ) -> Result<()> {
        match ordinary.compared {
            Some((_, known)) if !known.is_same(self.association_of(kind, material)?) => {
                Err(Reason::OtherMaterial.into())
            }
            _ => Ok(()),
        }
    }

    /// Returns the association of the named custom key with its material: `NotAssociated` before its
    /// first import, `ImportIntoGenerated` where there can be none. It does not depend on any material, so it
    /// can be asked for before anything is unwrapped.
    pub(super) fn association(
        &self,
        kind: &Kind,
        request: &VendorRequest,
    ) -> Result<Option<(Id, Association)>> {
        let Some(id) = request.key else {
            return Ok(None);
        };
        // No other caller learns which custom keys there are, nor tries out what they are made of. The
        // security officer has the key of the fingerprints too, and no business with material.
        if self.logged_in_as() != Login::User {
            return Err(Reason::NotLoggedIn.into());
        }
        let loaded = self.load(id)?;
        let Some(RecordContent::CustomKey(key)) = loaded.as_ref().map(|loaded| &loaded.content)
        else {
            return Err(no_custom_key());
        };
        check_kind(&key.metadata, kind)?;
        let state = key.state(self.now());
        match (state.origin, state.fingerprint) {
            (Origin::Generated, _) => Err(Reason::ImportIntoGenerated.into()),
            (Origin::External, None) => Err(Reason::NotAssociated.into()),
            (Origin::External, Some(of_all)) => {
                let of_rest = association::of_rest(&key.metadata);
                Ok(Some((id, Association { of_all, of_rest })))
            }
        }
    }
}
