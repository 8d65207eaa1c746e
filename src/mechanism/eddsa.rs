//! EdDSA: Ed25519 and its variants with a context and of a digest. PKCS#11 3.1, "Elliptic Curve".

use super::ec::{edwards, generate_edwards};
use super::one_shot::{Accumulator, Compare, Compute};
use super::row::row;
use super::{Absorb, Check, MechanismRow, Params, ParamsShape};
use crate::error::{Reason, Result};
use crate::key::{Parsed, UsableKey};
use crate::lc::digest::Hash;
use crate::lc::ed25519::{self, Variant};

/// The longest message that is not signed by its digest: it is gathered, as it is read twice.
const MAX_MESSAGE: usize = 1 << 28;

/// GnuTLS generates its pairs with the mechanism that signs.
pub(super) const EDDSA: MechanismRow = MechanismRow {
    params: ParamsShape::Eddsa,
    signs_messages: true,
    sign: Some(sign),
    verify: Some(verify),
    generate_pair: Some(generate_edwards),
    ..edwards(row!(CKM_EDDSA))
};

fn sign(usable: &UsableKey, params: &Params) -> Result<Box<dyn Absorb>> {
    let variant = variant(params)?;
    private(usable)?;
    let (input, key) = (accumulator(&variant)?, usable.clone());
    Ok(Box::new(Compute::new(input, ed25519::SIGNATURE, move |input| {
        private(&key)?.sign(&variant, input).map(|signature| signature.as_slice().into())
    })))
}

fn verify(usable: &UsableKey, params: &Params) -> Result<Box<dyn Check>> {
    let variant = variant(params)?;
    public(usable)?;
    let (input, key) = (accumulator(&variant)?, usable.clone());
    Ok(Box::new(Compare::new(input, move |input, signature| {
        public(&key)?.verify(&variant, input, signature)
    })))
}

/// The variant that a parameter names: plain Ed25519 has none.
fn variant(params: &Params) -> Result<Variant> {
    match params {
        Params::None => Ok(Variant::Pure),
        Params::Eddsa { prehash: false, context } => Variant::context(context),
        Params::Eddsa { prehash: true, context } => Variant::prehashed(context),
        _ => Err(Reason::MechanismParam.into()),
    }
}

fn accumulator(variant: &Variant) -> Result<Accumulator> {
    match variant {
        Variant::Prehashed(_) => Accumulator::digest(Hash::Sha512),
        _ => Ok(Accumulator::message(MAX_MESSAGE, Reason::DataLength)),
    }
}

fn private(usable: &UsableKey) -> Result<&ed25519::PrivateKey> {
    match &usable.parsed {
        Parsed::EdwardsPrivate(key) => Ok(key),
        _ => Err(Reason::KeyTypeInconsistent.into()),
    }
}

fn public(usable: &UsableKey) -> Result<&ed25519::PublicKey> {
    match &usable.parsed {
        Parsed::EdwardsPublic(key) => Ok(key),
        _ => Err(Reason::KeyTypeInconsistent.into()),
    }
}
