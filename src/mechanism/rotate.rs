//! `CKM_KEYSTEAD_ROTATE`: `C_GenerateKey` with `CKA_KEYSTEAD_KEY_ID` makes the next version of a
//! generated symmetric key, by the mechanism that made the key.

use super::MechanismRow;
use crate::object::vendor::CKM_KEYSTEAD_ROTATE;

pub(super) const ROTATE: MechanismRow =
    MechanismRow { rotates: true, ..MechanismRow::new(CKM_KEYSTEAD_ROTATE, "CKM_KEYSTEAD_ROTATE") };
