//! ML-DSA: pairs, signatures of messages and of digests (PKCS#11 3.2, 6.67).
//!
//! A message is digested into its representative as it comes, so that its parts are not gathered.

use super::one_shot::{Accumulator, Compare, Compute};
use super::row::row;
use super::{Absorb, Check, Domain, MechanismRow, Params, ParamsShape};
use crate::error::{Reason, Result};
use crate::key::{Parsed, UsableKey};
use crate::lc::digest::Hash;
use crate::lc::lattice::{Algorithm, PrivateKey, PublicKey, Set};
use crate::lc::ml_dsa::{self, Hedging};
use crate::lc::ml_dsa_message::{KeyDigest, MAX_CONTEXT, PreHash, Representative};
use crate::lc::shake::Shake;
use crate::secret::Secret;
use crate::v3_2::*;

pub(super) const KEY_PAIR_GEN: MechanismRow = MechanismRow {
    params: ParamsShape::None,
    generate_pair: Some(generate),
    ..dsa(row!(3_2 CKM_ML_DSA_KEY_PAIR_GEN))
};

pub(super) const ML_DSA: MechanismRow = MechanismRow {
    sign: Some(|key, params| sign(key, params, Input::message(params)?)),
    verify: Some(|key, params| verify(key, Input::message(params)?)),
    signs_messages: true,
    ..dsa(row!(3_2 CKM_ML_DSA))
};

pub(super) const HASH_ML_DSA: MechanismRow = MechanismRow {
    params: ParamsShape::HashSignContext,
    sign: Some(|key, params| sign(key, params, Input::given(params)?)),
    verify: Some(|key, params| verify(key, Input::given(params)?)),
    signs_messages: true,
    ..dsa(row!(3_2 CKM_HASH_ML_DSA))
};

macro_rules! hashing {
    ($($name:ident = $id:ident, $hash:expr;)*) => {$(
        pub(super) const $name: MechanismRow = MechanismRow {
            sign: Some(|key, params| sign(key, params, Input::hashed(params, $hash)?)),
            verify: Some(|key, params| verify(key, Input::hashed(params, $hash)?)),
            signs_messages: true,
            ..dsa(row!(3_2 $id))
        };
    )*};
}

hashing! {
    HASH_ML_DSA_SHA224 = CKM_HASH_ML_DSA_SHA224, PreHash::of(Hash::Sha224);
    HASH_ML_DSA_SHA256 = CKM_HASH_ML_DSA_SHA256, PreHash::of(Hash::Sha256);
    HASH_ML_DSA_SHA384 = CKM_HASH_ML_DSA_SHA384, PreHash::of(Hash::Sha384);
    HASH_ML_DSA_SHA512 = CKM_HASH_ML_DSA_SHA512, PreHash::of(Hash::Sha512);
    HASH_ML_DSA_SHA3_224 = CKM_HASH_ML_DSA_SHA3_224, PreHash::of(Hash::Sha3_224);
    HASH_ML_DSA_SHA3_256 = CKM_HASH_ML_DSA_SHA3_256, PreHash::of(Hash::Sha3_256);
    HASH_ML_DSA_SHA3_384 = CKM_HASH_ML_DSA_SHA3_384, PreHash::of(Hash::Sha3_384);
    HASH_ML_DSA_SHA3_512 = CKM_HASH_ML_DSA_SHA3_512, PreHash::of(Hash::Sha3_512);
    HASH_ML_DSA_SHAKE128 = CKM_HASH_ML_DSA_SHAKE128, Some(PreHash::SHAKE128);
    HASH_ML_DSA_SHAKE256 = CKM_HASH_ML_DSA_SHAKE256, Some(PreHash::SHAKE256);
}

/// The sizes are those of public keys in bytes.
const fn dsa(row: MechanismRow) -> MechanismRow {
    let (least, most) = (Set::MlDsa44.public_size(), Set::MlDsa87.public_size());
    let key_sizes = (least as u64, most as u64);
    MechanismRow { key_type: Some(CKK_ML_DSA), key_sizes, params: ParamsShape::SignContext, ..row }
}

fn generate(_: &Params, domain: &Domain) -> Result<Parsed> {
    match domain {
        Domain::Lattice(_, set) => PrivateKey::generate(*set).map(Parsed::LatticePrivate),
        _ => Err(Reason::MechanismParam.into()),
    }
}

/// The input of a signature, and the context of all that is signed.
struct Input {
    form: InputForm,
    context: Vec<u8>,
}

/// The form of an input.
#[derive(Clone, Copy)]
enum InputForm {
    /// A message.
    Message,
    /// A message, which is signed by its digest.
    Hashed(PreHash),
    /// The digest of a message.
    Digest(PreHash),
}

impl Input {
    fn message(params: &Params) -> Result<Self> {
        Self::new(params, InputForm::Message)
    }

    fn hashed(params: &Params, hash: Option<PreHash>) -> Result<Self> {
        Self::new(params, InputForm::Hashed(hash.ok_or(Reason::General)?))
    }

    fn given(params: &Params) -> Result<Self> {
        let Params::HashSignContext { hash, .. } = params else {
            return Err(Reason::MechanismParam.into());
        };
        let hash = PreHash::of(*hash);
        let hash = hash.ok_or_else(|| Reason::MechanismParam.detail("the hash"))?;
        Self::new(params, InputForm::Digest(hash))
    }

    fn new(params: &Params, form: InputForm) -> Result<Self> {
        let context = match params {
            Params::None => &[][..],
            Params::SignContext { context, .. } | Params::HashSignContext { context, .. } => {
                context
            }
            _ => return Err(Reason::MechanismParam.into()),
        };
        if context.len() > MAX_CONTEXT {
            return Err(Reason::MechanismParam.detail("a context of more than 255 bytes"));
        }
        Ok(Self { form, context: context.to_vec() })
    }

    /// Takes in what is signed for a key.
    fn accumulator(&self, key: &KeyDigest) -> Result<Accumulator> {
        match self.form {
            InputForm::Message => key.message(&self.context).map(Accumulator::Shake),
            InputForm::Hashed(PreHash::Hash(hash, _)) => Accumulator::digest(hash),
            InputForm::Hashed(hash @ PreHash::Shake(function, _)) => {
                Shake::new(function, hash.size()).map(Accumulator::Shake)
            }
            InputForm::Digest(hash) => Ok(Accumulator::message(hash.size(), Reason::DataLength)),
        }
    }

    /// Returns the representative of what was taken in.
    fn representative(&self, key: &KeyDigest, taken: &[u8]) -> Result<Representative> {
        match self.form {
            InputForm::Message => taken.try_into().map_err(|_| Reason::General.into()),
            InputForm::Hashed(hash) | InputForm::Digest(hash) => {
                key.digest(&self.context, hash, taken)
            }
        }
    }
}

fn sign(usable: &UsableKey, params: &Params, input: Input) -> Result<Box<dyn Absorb>> {
    let (hedging, key) = (hedging(params)?, private(usable)?);
    let size = ml_dsa::signature_size(key.set()).ok_or(Reason::KeyTypeInconsistent)?;
    let (accumulator, usable) = (input.accumulator(key.digest()?)?, usable.clone());
    Ok(Box::new(Compute::new(accumulator, size, move |taken| {
        let key = private(&usable)?;
        let of = input.representative(key.digest()?, taken)?;
        ml_dsa::sign(key, &of, hedging).map(Secret::new)
    })))
}

fn verify(usable: &UsableKey, input: Input) -> Result<Box<dyn Check>> {
    let (accumulator, usable) = (input.accumulator(public(usable)?.digest()?)?, usable.clone());
    Ok(Box::new(Compare::new(accumulator, move |taken, signature| {
        let key = public(&usable)?;
        ml_dsa::verify(key, &input.representative(key.digest()?, taken)?, signature)
    })))
}

/// Returns the hedging that a parameter asks for; it is hedged where the token may choose.
fn hedging(params: &Params) -> Result<Hedging> {
    let hedge = match params {
        Params::SignContext { hedge, .. } | Params::HashSignContext { hedge, .. } => *hedge,
        _ => CKH_HEDGE_PREFERRED,
    };
    match hedge {
        CKH_HEDGE_PREFERRED | CKH_HEDGE_REQUIRED => Ok(Hedging::Hedged),
        CKH_DETERMINISTIC_REQUIRED => Ok(Hedging::Deterministic),
        _ => Err(Reason::MechanismParam.detail("the kind of hedging")),
    }
}

fn private(usable: &UsableKey) -> Result<&PrivateKey> {
    match &usable.parsed {
        Parsed::LatticePrivate(key) if key.set().algorithm() == Algorithm::MlDsa => Ok(key),
        _ => Err(Reason::KeyTypeInconsistent.into()),
    }
}

fn public(usable: &UsableKey) -> Result<&PublicKey> {
    match &usable.parsed {
        Parsed::LatticePublic(key) if key.set().algorithm() == Algorithm::MlDsa => Ok(key),
        _ => Err(Reason::KeyTypeInconsistent.into()),
    }
}
