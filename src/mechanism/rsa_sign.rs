//! RSA signatures, and RSA encryption without OAEP: PKCS#11 3.1, "RSA".

use super::one_shot::{Accumulator, Compare, Compute};
use super::row::row;
use super::rsa::{private, public, rsa, whole};
use super::{Absorb, Check, MechanismRow, Params, ParamsShape, Setting, Transform};
use crate::error::{Reason, Result};
use crate::key::UsableKey;
use crate::lc::digest::Hash;
use crate::lc::rsa::{PrivateKey, PublicKey};
use crate::lc::rsa_sign::{PKCS1_OVERHEAD, Scheme};
use crate::secret::Secret;

pub(super) const PKCS: MechanismRow = MechanismRow {
    encrypt: Some(|key, params| seal(key, params, PKCS1_OVERHEAD, PublicKey::encrypt_pkcs1)),
    decrypt: Some(|key, params| open(key, params, PKCS1_OVERHEAD, PrivateKey::decrypt_pkcs1)),
    signs_messages: true,
    sign: Some(|key, params| sign(key, plain(params, Scheme::Pkcs1Raw)?, Input::Given)),
    verify: Some(|key, params| verify(key, plain(params, Scheme::Pkcs1Raw)?, Input::Given)),
    wrap: Some(wrap),
    unwrap: Some(unwrap),
    unwrapped: whole,
    unwraps_by: Some(Setting::Pkcs1Unwrap),
    sign_recover: Some(|key, params| sign(key, plain(params, Scheme::Pkcs1Raw)?, Input::Given)),
    verify_recover: Some(|key, params| recover(key, plain(params, Scheme::Pkcs1Raw)?)),
    ..rsa(row!(CKM_RSA_PKCS))
};

fn wrap(usable: &UsableKey, params: &Params, material: &Secret) -> Result<Vec<u8>> {
    plain(params, Scheme::Pkcs1Raw)?;
    let key = public(usable).map_err(|_| Reason::WrappingKeyType)?;
    key.encrypt_pkcs1(material.expose()).map_err(|cause| match cause.reason() {
        Reason::DataLength => Reason::KeySizeRange.into(),
        _ => cause,
    })
}

/// A malformed blob unwraps to unknown bytes, as bad paddings decrypt to: only their length
/// may still show that they are no key. The token serves this where its configuration says so.
fn unwrap(usable: &UsableKey, params: &Params, wrapped: &[u8]) -> Result<Secret> {
    plain(params, Scheme::Pkcs1Raw)?;
    let key = private(usable).map_err(|_| Reason::UnwrappingKeyType)?;
    match key.decrypt_pkcs1(wrapped) {
        Ok(material) if !material.is_empty() => Ok(material),
        _ => Err(Reason::WrappedInvalid.into()),
    }
}

pub(super) const X_509: MechanismRow = MechanismRow {
    encrypt: Some(|key, params| seal(key, params, 0, PublicKey::encrypt_bare)),
    decrypt: Some(|key, params| open(key, params, 0, PrivateKey::decrypt_bare)),
    signs_messages: true,
    sign: Some(|key, params| sign(key, plain(params, Scheme::Bare)?, Input::Given)),
    verify: Some(|key, params| verify(key, plain(params, Scheme::Bare)?, Input::Given)),
    sign_recover: Some(|key, params| sign(key, plain(params, Scheme::Bare)?, Input::Given)),
    verify_recover: Some(|key, params| recover(key, plain(params, Scheme::Bare)?)),
    ..rsa(row!(CKM_RSA_X_509))
};

pub(super) const PSS: MechanismRow = MechanismRow {
    params: ParamsShape::Pss,
    signs_messages: true,
    sign: Some(|key, params| sign(key, pss(params, None)?, Input::Given)),
    verify: Some(|key, params| verify(key, pss(params, None)?, Input::Given)),
    ..rsa(row!(CKM_RSA_PKCS_PSS))
};

macro_rules! digesting {
    ($($hash:ident: $pkcs1:ident = $pkcs1_id:ident, $pss:ident = $pss_id:ident;)*) => {$(
        pub(super) const $pkcs1: MechanismRow = MechanismRow {
            signs_messages: true,
            sign: Some(|key, params| {
                let scheme = plain(params, Scheme::Pkcs1(Hash::$hash))?;
                sign(key, scheme, Input::Digested(Hash::$hash))
            }),
            verify: Some(|key, params| {
                let scheme = plain(params, Scheme::Pkcs1(Hash::$hash))?;
                verify(key, scheme, Input::Digested(Hash::$hash))
            }),
            ..rsa(row!($pkcs1_id))
        };

        pub(super) const $pss: MechanismRow = MechanismRow {
            params: ParamsShape::Pss,
            signs_messages: true,
            sign: Some(|key, params| {
                sign(key, pss(params, Some(Hash::$hash))?, Input::Digested(Hash::$hash))
            }),
            verify: Some(|key, params| {
                verify(key, pss(params, Some(Hash::$hash))?, Input::Digested(Hash::$hash))
            }),
            ..rsa(row!($pss_id))
        };
    )*};
}

digesting! {
    Sha1: SHA1_RSA_PKCS = CKM_SHA1_RSA_PKCS, SHA1_RSA_PKCS_PSS = CKM_SHA1_RSA_PKCS_PSS;
    Sha224: SHA224_RSA_PKCS = CKM_SHA224_RSA_PKCS, SHA224_RSA_PKCS_PSS = CKM_SHA224_RSA_PKCS_PSS;
    Sha256: SHA256_RSA_PKCS = CKM_SHA256_RSA_PKCS, SHA256_RSA_PKCS_PSS = CKM_SHA256_RSA_PKCS_PSS;
    Sha384: SHA384_RSA_PKCS = CKM_SHA384_RSA_PKCS, SHA384_RSA_PKCS_PSS = CKM_SHA384_RSA_PKCS_PSS;
    Sha512: SHA512_RSA_PKCS = CKM_SHA512_RSA_PKCS, SHA512_RSA_PKCS_PSS = CKM_SHA512_RSA_PKCS_PSS;
    Sha3_224:
        SHA3_224_RSA_PKCS = CKM_SHA3_224_RSA_PKCS,
        SHA3_224_RSA_PKCS_PSS = CKM_SHA3_224_RSA_PKCS_PSS;
    Sha3_256:
        SHA3_256_RSA_PKCS = CKM_SHA3_256_RSA_PKCS,
        SHA3_256_RSA_PKCS_PSS = CKM_SHA3_256_RSA_PKCS_PSS;
    Sha3_384:
        SHA3_384_RSA_PKCS = CKM_SHA3_384_RSA_PKCS,
        SHA3_384_RSA_PKCS_PSS = CKM_SHA3_384_RSA_PKCS_PSS;
    Sha3_512:
        SHA3_512_RSA_PKCS = CKM_SHA3_512_RSA_PKCS,
        SHA3_512_RSA_PKCS_PSS = CKM_SHA3_512_RSA_PKCS_PSS;
}

/// The input of a signature.
enum Input {
    /// The input of the scheme itself.
    Given,
    /// The message, which is digested first.
    Digested(Hash),
}

impl Input {
    fn accumulator(&self, scheme: Scheme, size: usize) -> Result<Accumulator> {
        let most = match scheme {
            Scheme::Pkcs1(hash) | Scheme::Pss { hash, .. } => hash.size(),
            Scheme::Pkcs1Raw => size - PKCS1_OVERHEAD,
            Scheme::Bare => size,
        };
        match self {
            Self::Given => Ok(Accumulator::message(most, Reason::DataLength)),
            Self::Digested(hash) => Accumulator::digest(*hash),
        }
    }
}

fn sign(usable: &UsableKey, scheme: Scheme, input: Input) -> Result<Box<dyn Absorb>> {
    let size = private(usable)?.size();
    scheme.check(private(usable)?.bits())?;
    let key = usable.clone();
    Ok(Box::new(Compute::new(input.accumulator(scheme, size)?, size, move |input| {
        private(&key)?.sign(scheme, input).map(Secret::new)
    })))
}

fn verify(usable: &UsableKey, scheme: Scheme, input: Input) -> Result<Box<dyn Check>> {
    let size = public(usable)?.size();
    scheme.check(public(usable)?.bits())?;
    let key = usable.clone();
    Ok(Box::new(Compare::new(input.accumulator(scheme, size)?, move |input, signature| {
        public(&key)?.verify(scheme, input, signature)
    })))
}

fn recover(usable: &UsableKey, scheme: Scheme) -> Result<Box<dyn Transform>> {
    let size = public(usable)?.size();
    let input = Accumulator::message(size, Reason::SignatureLength);
    let key = usable.clone();
    Ok(Box::new(Compute::new(input, size, move |signature| {
        public(&key)?.recover(scheme, signature).map(Secret::new)
    })))
}

/// The scheme of a mechanism without a parameter.
fn plain(params: &Params, scheme: Scheme) -> Result<Scheme> {
    match params {
        Params::None => Ok(scheme),
        _ => Err(Reason::MechanismParam.into()),
    }
}

/// The scheme of a PSS parameter, whose hash is the mechanism's own where it has one.
fn pss(params: &Params, own: Option<Hash>) -> Result<Scheme> {
    match *params {
        Params::Pss { hash, mgf, salt_len } if own.is_none_or(|own| own == hash) => {
            let salt_len = usize::try_from(salt_len).map_err(|_| Reason::MechanismParam)?;
            Ok(Scheme::Pss { hash, mgf, salt_len })
        }
        _ => Err(Reason::MechanismParam.into()),
    }
}

fn seal(
    usable: &UsableKey,
    params: &Params,
    overhead: usize,
    run: fn(&PublicKey, &[u8]) -> Result<Vec<u8>>,
) -> Result<Box<dyn Transform>> {
    plain(params, Scheme::Bare)?;
    let size = public(usable)?.size();
    let input = Accumulator::message(size - overhead, Reason::DataLength);
    let key = usable.clone();
    Ok(Box::new(Compute::new(input, size, move |text| run(public(&key)?, text).map(Secret::new))))
}

fn open(
    usable: &UsableKey,
    params: &Params,
    overhead: usize,
    run: fn(&PrivateKey, &[u8]) -> Result<Secret>,
) -> Result<Box<dyn Transform>> {
    plain(params, Scheme::Bare)?;
    let size = private(usable)?.size();
    let input = Accumulator::message(size, Reason::EncryptedLength);
    let key = usable.clone();
    Ok(Box::new(Compute::new(input, size - overhead, move |text| run(private(&key)?, text))))
}
