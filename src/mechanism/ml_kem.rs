//! ML-KEM: pairs, encapsulation and decapsulation (PKCS#11 3.2, 6.68).

use super::row::row;
use super::{Domain, MechanismRow, Params};
use crate::error::{Reason, Result};
use crate::key::{Parsed, UsableKey};
use crate::lc::lattice::{PrivateKey, PublicKey, Set};
use crate::lc::ml_kem;
use crate::secret::Secret;
use crate::v3_2::*;

pub(super) const KEY_PAIR_GEN: MechanismRow =
    MechanismRow { generate_pair: Some(generate), ..kem(row!(3_2 CKM_ML_KEM_KEY_PAIR_GEN)) };

pub(super) const ML_KEM: MechanismRow = MechanismRow {
    encapsulate: Some(encapsulate),
    decapsulate: Some(|key, _, ciphertext| ml_kem::decapsulate(private(key)?, ciphertext)),
    ciphertext: Some(|key| {
        ml_kem::ciphertext_size(public(key)?.set()).ok_or(Reason::KeyTypeInconsistent.into())
    }),
    ..kem(row!(3_2 CKM_ML_KEM))
};

/// The sizes are those of public keys in bytes.
const fn kem(row: MechanismRow) -> MechanismRow {
    let (least, most) = (Set::MlKem512.public_size(), Set::MlKem1024.public_size());
    MechanismRow { key_type: Some(CKK_ML_KEM), key_sizes: (least as u64, most as u64), ..row }
}

fn generate(_: &Params, domain: &Domain) -> Result<Parsed> {
    match domain {
        Domain::Lattice(_, set) => PrivateKey::generate(*set).map(Parsed::LatticePrivate),
        _ => Err(Reason::MechanismParam.into()),
    }
}

fn encapsulate(key: &UsableKey, _: &Params) -> Result<(Vec<u8>, Secret)> {
    ml_kem::encapsulate(public(key)?)
}

fn public(usable: &UsableKey) -> Result<&PublicKey> {
    match &usable.parsed {
        Parsed::LatticePublic(key) => Ok(key),
        _ => Err(Reason::KeyTypeInconsistent.into()),
    }
}

fn private(usable: &UsableKey) -> Result<&PrivateKey> {
    match &usable.parsed {
        Parsed::LatticePrivate(key) => Ok(key),
        _ => Err(Reason::UnwrappingKeyType.into()),
    }
}
