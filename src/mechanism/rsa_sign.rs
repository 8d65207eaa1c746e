//! RSA signatures, and RSA encryption without OAEP: PKCS#11 3.1, "RSA".

use super::gather::{Compare, Compute, Gathered};
use super::row::row;
use super::rsa::{private, public, rsa};
use super::{Absorb, Check, Params, Row, Transform};
use crate::error::{Reason, Result};
use crate::key::UsableKey;
use crate::lc::digest::Hash;
use crate::lc::rsa::{PrivateKey, PublicKey};
use crate::lc::rsa_sign::{PKCS1_OVERHEAD, Scheme};
use crate::secret::Secret;

pub(super) const PKCS: Row = Row {
    encrypt: Some(|key, params| seal(key, params, PKCS1_OVERHEAD, PublicKey::encrypt_pkcs1)),
    decrypt: Some(|key, params| open(key, params, PKCS1_OVERHEAD, PrivateKey::decrypt_pkcs1)),
    sign: Some(|key, params| sign(key, params, Scheme::Pkcs1Raw)),
    verify: Some(|key, params| verify(key, params, Scheme::Pkcs1Raw)),
    ..rsa(row!(CKM_RSA_PKCS))
};

pub(super) const X_509: Row = Row {
    encrypt: Some(|key, params| seal(key, params, 0, PublicKey::encrypt_bare)),
    decrypt: Some(|key, params| open(key, params, 0, PrivateKey::decrypt_bare)),
    sign: Some(|key, params| sign(key, params, Scheme::Bare)),
    verify: Some(|key, params| verify(key, params, Scheme::Bare)),
    ..rsa(row!(CKM_RSA_X_509))
};

macro_rules! pkcs1 {
    ($($name:ident = $id:ident, $hash:ident;)*) => {$(
        pub(super) const $name: Row = Row {
            sign: Some(|key, params| sign(key, params, Scheme::Pkcs1(Hash::$hash))),
            verify: Some(|key, params| verify(key, params, Scheme::Pkcs1(Hash::$hash))),
            ..rsa(row!($id))
        };
    )*};
}

pkcs1! {
    SHA1_RSA_PKCS = CKM_SHA1_RSA_PKCS, Sha1;
    SHA224_RSA_PKCS = CKM_SHA224_RSA_PKCS, Sha224;
    SHA256_RSA_PKCS = CKM_SHA256_RSA_PKCS, Sha256;
    SHA384_RSA_PKCS = CKM_SHA384_RSA_PKCS, Sha384;
    SHA512_RSA_PKCS = CKM_SHA512_RSA_PKCS, Sha512;
    SHA3_224_RSA_PKCS = CKM_SHA3_224_RSA_PKCS, Sha3_224;
    SHA3_256_RSA_PKCS = CKM_SHA3_256_RSA_PKCS, Sha3_256;
    SHA3_384_RSA_PKCS = CKM_SHA3_384_RSA_PKCS, Sha3_384;
    SHA3_512_RSA_PKCS = CKM_SHA3_512_RSA_PKCS, Sha3_512;
}

fn sign(usable: &UsableKey, params: &Params, scheme: Scheme) -> Result<Box<dyn Absorb>> {
    none(params)?;
    let size = private(usable)?.size();
    let key = usable.clone();
    Ok(Box::new(Compute::new(gathered(scheme, size)?, size, move |input| {
        private(&key)?.sign(scheme, input).map(Secret::new)
    })))
}

fn verify(usable: &UsableKey, params: &Params, scheme: Scheme) -> Result<Box<dyn Check>> {
    none(params)?;
    let gathered = gathered(scheme, public(usable)?.size())?;
    let key = usable.clone();
    Ok(Box::new(Compare::new(gathered, move |input, signature| {
        public(&key)?.verify(scheme, input, signature)
    })))
}

fn gathered(scheme: Scheme, size: usize) -> Result<Gathered> {
    match scheme {
        Scheme::Pkcs1(hash) => Gathered::digest(hash),
        Scheme::Pkcs1Raw => Ok(Gathered::message(size - PKCS1_OVERHEAD, Reason::DataLength)),
        Scheme::Bare => Ok(Gathered::message(size, Reason::DataLength)),
        Scheme::Pss { hash, .. } => Ok(Gathered::message(hash.size(), Reason::DataLength)),
    }
}

fn seal(
    usable: &UsableKey,
    params: &Params,
    overhead: usize,
    run: fn(&PublicKey, &[u8]) -> Result<Vec<u8>>,
) -> Result<Box<dyn Transform>> {
    none(params)?;
    let size = public(usable)?.size();
    let gathered = Gathered::message(size - overhead, Reason::DataLength);
    let key = usable.clone();
    Ok(Box::new(Compute::new(gathered, size, move |text| {
        run(public(&key)?, text).map(Secret::new)
    })))
}

fn open(
    usable: &UsableKey,
    params: &Params,
    overhead: usize,
    run: fn(&PrivateKey, &[u8]) -> Result<Secret>,
) -> Result<Box<dyn Transform>> {
    none(params)?;
    let size = private(usable)?.size();
    let gathered = Gathered::message(size, Reason::EncryptedLength);
    let key = usable.clone();
    Ok(Box::new(Compute::new(gathered, size - overhead, move |text| run(private(&key)?, text))))
}

fn none(params: &Params) -> Result<()> {
    match params {
        Params::None => Ok(()),
        _ => Err(Reason::MechanismParam.into()),
    }
}
