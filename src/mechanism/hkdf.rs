//! HKDF: PKCS#11 3.1, "HKDF Mechanisms".

use super::mac::{self, MAX_MADE, MAX_SECRET};
use super::row::row;
use super::{HkdfSalt, MechanismRow, Params, ParamsShape, Protections, Tells};
use crate::error::{Reason, Result};
use crate::key::{Parsed, UsableKey};
use crate::lc::hkdf;
use crate::secret::Secret;
use pkcs11_sys::CKK_HKDF;

pub(super) const DERIVE: MechanismRow = hkdf(row!(CKM_HKDF_DERIVE));

pub(super) const DATA: MechanismRow =
    MechanismRow { derives_data: true, ..hkdf(row!(CKM_HKDF_DATA)) };

/// Generation of HKDF secrets, whose sizes are in bits as a generic secret's.
pub(super) const KEY_GEN: MechanismRow = MechanismRow {
    key_type: Some(CKK_HKDF),
    key_sizes: (8, MAX_MADE * 8),
    generate: Some(mac::generate),
    ..row!(CKM_HKDF_KEY_GEN)
};

const fn hkdf(row: MechanismRow) -> MechanismRow {
    MechanismRow {
        key_type: Some(CKK_HKDF),
        key_sizes: (1, MAX_SECRET),
        params: ParamsShape::Hkdf,
        derive: Some(derive),
        tells: Tells::Nothing,
        protections: Protections::Own,
        ..row
    }
}

fn derive(
    usable: &UsableKey,
    salt_key: Option<&Secret>,
    params: &Params,
    len: usize,
) -> Result<Secret> {
    let Params::Hkdf { extract, expand, hash, salt, info } = params else {
        return Err(Reason::MechanismParam.into());
    };
    let Parsed::Generic(secret) = &usable.parsed else {
        return Err(Reason::KeyTypeInconsistent.into());
    };
    let salt = match (salt, salt_key) {
        (HkdfSalt::Bytes(bytes), _) => bytes,
        (HkdfSalt::Key(_), Some(value)) => value.expose(),
        (HkdfSalt::Key(_), None) => return Err(Reason::MechanismParam.detail("no salt key")),
    };
    match (extract, expand) {
        (true, true) => {
            let key = hkdf::extract(*hash, secret.expose(), salt)?;
            hkdf::expand(*hash, key.expose(), info, wanted(len)?)
        }
        (false, true) => hkdf::expand(*hash, secret.expose(), info, wanted(len)?),
        (true, false) if len == 0 || len == hash.size() => {
            hkdf::extract(*hash, secret.expose(), salt)
        }
        (true, false) => Err(Reason::KeySizeRange.into()),
        // OpenSSL's provider of Debian 13 names a step always, earlier ones none where their caller named no
        // mode: which of the two OpenSSL itself would have taken is nothing to guess keys by.
        (false, false) => Err(Reason::MechanismParam.detail("neither extract nor expand")),
    }
}

/// An expansion has no natural length.
fn wanted(len: usize) -> Result<usize> {
    if len == 0 {
        return Err(Reason::TemplateIncomplete.detail("CKA_VALUE_LEN is missing"));
    }
    Ok(len)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::lc::digest::Hash;
    use crate::mechanism::tests::secret;

    fn params(extract: bool, expand: bool) -> Params {
        let (salt, info) = (HkdfSalt::Bytes((0..13).collect()), (0xF0..0xFA).collect());
        Params::Hkdf { extract, expand, hash: Hash::Sha256, salt, info }
    }

    /// RFC 5869, appendix A.1.
    #[test]
    fn the_steps_give_what_the_rfc_printed() {
        let key = secret(&[0x0B; 22]);
        let condensed = derive(&key, None, &params(true, false), 0).unwrap();
        assert!(condensed.expose().starts_with(&[0x07, 0x77, 0x09, 0x36, 0x2C, 0x2E, 0x32, 0xDF]));
        let expected = [0x3C, 0xB2, 0x5F, 0x25, 0xFA, 0xAC, 0xD5, 0x7A];
        let made = derive(&key, None, &params(true, true), 42).unwrap();
        assert!(made.expose().starts_with(&expected) && made.len() == 42);
        let made = derive(&secret(condensed.expose()), None, &params(false, true), 42).unwrap();
        assert!(made.expose().starts_with(&expected) && made.len() == 42);
    }

    #[test]
    fn steps_and_lengths_that_make_no_sense_are_refused() {
        let key = secret(&[0x0B; 22]);
        for (extract, expand, len, reason) in [
            (false, false, 32, Reason::MechanismParam),
            (true, true, 0, Reason::TemplateIncomplete),
            (true, false, 31, Reason::KeySizeRange),
            (true, true, 255 * 32 + 1, Reason::KeySizeRange),
        ] {
            let refusal = derive(&key, None, &params(extract, expand), len).unwrap_err();
            assert_eq!(refusal.reason(), reason);
        }
    }
}
