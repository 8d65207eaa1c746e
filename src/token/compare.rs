//! Comparing without importing: a key that is no custom key, whose template names one, is only made of
//! that custom key's material. So a backup is proved good while nothing changes, and also after the
//! material has been deleted or has expired.

use super::custody::{check_kind, no_custom_key};
use super::destination::Ordinary;
use super::loaded::RecordContent;
use super::{Login, Token};
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::{Fingerprint, Origin};
use crate::object::VendorRequest;
use crate::object::kinds::Kind;
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
            Some((_, known)) if self.fingerprint(kind, material)? != known => {
                Err(Reason::OtherMaterial.into())
            }
            _ => Ok(()),
        }
    }

    /// Returns the fingerprint of what the named custom key was imported with: `NotAssociated` before its
    /// first import, `ImportIntoGenerated` where there can be none. It does not depend on any material, so it
    /// can be asked for before anything is unwrapped.
    pub(super) fn association(
        &self,
        kind: &Kind,
        request: &VendorRequest,
    ) -> Result<Option<(Id, Fingerprint)>> {
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
            (Origin::External, Some(known)) => Ok(Some((id, known))),
        }
    }
}
