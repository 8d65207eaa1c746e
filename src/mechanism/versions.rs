//! Rotated keys: what only reads is tried with the newest version first, then with each older one,
//! so that a client which knows an identifier and no version goes on working.
//!
//! Only mechanisms that tell the right key from a wrong one may do so: no plaintext leaves before a
//! version has authenticated it, and all failures have the code that the newest version's has.

use super::{BeginTransform, BeginVerify, Check, MechanismRow, Params, Transform};
use crate::error::{Error, Reason, Result};
use crate::key::UsableKey;
use crate::secret::Secret;

impl MechanismRow {
    /// Begins an encryption: with the newest version.
    pub(crate) fn begin_encrypt(
        &self,
        key: &UsableKey,
        params: &Params,
    ) -> Result<Box<dyn Transform>> {
        self.encrypt()?(key, params)
    }

    /// Begins a decryption, with whichever version fits.
    pub(crate) fn begin_decrypt(
        &self,
        key: &UsableKey,
        params: &Params,
    ) -> Result<Box<dyn Transform>> {
        let begin = self.decrypt()?;
        let newest = begin(key, params)?;
        if key.older().is_empty() {
            return Ok(newest);
        }
        self.tells_versions_apart(params)?;
        let (key, params) = (key.clone(), params.clone());
        Ok(Box::new(OpeningByVersion { newest, key, begin, params, held: Vec::new() }))
    }

    /// Begins a verification, with whichever version fits.
    pub(crate) fn begin_verify(&self, key: &UsableKey, params: &Params) -> Result<Box<dyn Check>> {
        begin_verify(self.verify()?, key, params)
    }

    /// Unwraps key bytes, with whichever version fits.
    pub(crate) fn unwrap_with(
        &self,
        key: &UsableKey,
        params: &Params,
        wrapped: &[u8],
    ) -> Result<Secret> {
        let unwrap = self.unwrap()?;
        if !self.authenticated && key.restrictions.hides_what_it_unwraps() {
            return Err(Reason::KeyNotPermitted.detail(
                "the mechanism tells a right padding from a wrong one, which shows what was wrapped \
                 to a user who may only unwrap it",
            ));
        }
        if !key.older().is_empty() {
            self.tells_versions_apart(params)?;
        }
        let newest = unwrap(key, params, wrapped);
        with_older(newest, key, |version| unwrap(version, params, wrapped))
    }

    fn tells_versions_apart(&self, params: &Params) -> Result<()> {
        match (self.tells_versions)(params) {
            true => Ok(()),
            false => Err(Reason::KeyNotPermitted.detail(
                "the key has several versions, and the mechanism cannot tell which one fits: \
                 name one by CKA_KEYSTEAD_MATERIAL_VERSION",
            )),
        }
    }
}

/// Begins a verification, with whichever version fits: a MAC tells by itself.
pub(crate) fn begin_verify(
    begin: BeginVerify,
    key: &UsableKey,
    params: &Params,
) -> Result<Box<dyn Check>> {
    let newest = begin(key, params)?;
    if key.older().is_empty() {
        return Ok(newest);
    }
    let older = key.older().iter().map(|version| begin(version, params));
    let checks = std::iter::once(Ok(newest)).chain(older).collect::<Result<_>>()?;
    Ok(Box::new(Checks(checks)))
}

/// The newest version's result, or that of the first older one that has any.
fn with_older<T>(
    newest: Result<T>,
    key: &UsableKey,
    mut attempt: impl FnMut(&UsableKey) -> Result<T>,
) -> Result<T> {
    newest.or_else(|failure: Error| {
        key.older().iter().find_map(|version| attempt(version).ok()).ok_or(failure)
    })
}

/// A decryption that keeps the ciphertext until one version has authenticated it.
struct OpeningByVersion {
    newest: Box<dyn Transform>,
    key: UsableKey,
    begin: BeginTransform,
    params: Params,
    held: Vec<u8>,
}

impl Transform for OpeningByVersion {
    fn update_len(&self, _input: usize) -> usize {
        0
    }

    fn update(&mut self, input: &[u8], _output: &mut [u8]) -> Result<usize> {
        self.held.try_reserve(input.len())?;
        self.held.extend_from_slice(input);
        Ok(0)
    }

    fn finish_len(&self) -> usize {
        self.newest.whole_len(self.held.len())
    }

    fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        let held = std::mem::take(&mut self.held);
        self.whole(&held, output)
    }

    fn whole_len(&self, input: usize) -> usize {
        self.newest.whole_len(input)
    }

    fn whole(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        let newest = self.newest.whole(input, output);
        with_older(newest, &self.key, |version| {
            (self.begin)(version, &self.params)?.whole(input, output)
        })
    }
}

/// A verification by every version at once: the data is seen only once.
struct Checks(Vec<Box<dyn Check>>);

impl Check for Checks {
    fn update(&mut self, input: &[u8]) -> Result<()> {
        self.0.iter_mut().try_for_each(|check| check.update(input))
    }

    fn finish(&mut self, signature: &[u8]) -> Result<()> {
        let found = self.0.iter_mut().map(|check| check.finish(signature));
        found.reduce(Result::or).unwrap_or_else(|| Err(Reason::General.into()))
    }
}
