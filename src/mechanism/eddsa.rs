//! EdDSA. PKCS#11 3.1, "Elliptic Curve".

use super::ec::{edwards, generate_edwards};
use super::one_shot::{Accumulator, Compare, Compute};
use super::row::row;
use super::{Absorb, Check, MechanismRow, Params};
use crate::error::{Reason, Result};
use crate::key::{Parsed, UsableKey};
use crate::lc::ed25519;

/// The longest message of EdDSA, which is gathered, as it is read twice.
const MAX_MESSAGE: usize = 1 << 28;

/// GnuTLS generates its pairs with the mechanism that signs.
pub(super) const EDDSA: MechanismRow = MechanismRow {
    signs_messages: true,
    sign: Some(sign),
    verify: Some(verify),
    generate_pair: Some(generate_edwards),
    ..edwards(row!(CKM_EDDSA))
};

fn sign(usable: &UsableKey, params: &Params) -> Result<Box<dyn Absorb>> {
    let input = message(params)?;
    private(usable)?;
    let key = usable.clone();
    Ok(Box::new(Compute::new(input, ed25519::SIGNATURE, move |message| {
        private(&key)?.sign(message).map(|signature| signature.as_slice().into())
    })))
}

fn verify(usable: &UsableKey, params: &Params) -> Result<Box<dyn Check>> {
    let input = message(params)?;
    public(usable)?;
    let key = usable.clone();
    Ok(Box::new(Compare::new(input, move |message, signature| {
        public(&key)?.verify(message, signature)
    })))
}

/// Plain Ed25519 only: no context, no prehashing.
fn message(params: &Params) -> Result<Accumulator> {
    match params {
        Params::None => Ok(Accumulator::message(MAX_MESSAGE, Reason::DataLength)),
        _ => Err(Reason::MechanismParam.into()),
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
