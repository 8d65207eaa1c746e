//! RSA signatures: PKCS#1 v1.5, PSS, and the bare operation (RFC 8017, 8 and 5.2).

use super::digest::Hash;
use super::rsa::{PrivateKey, PublicKey};
use super::{done, failed};
use crate::error::{Error, Reason, Result};
use aws_lc_sys::*;
use std::ffi::{c_int, c_uint};

/// The schemes by which a signature's block is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// PKCS#1 v1.5 over a digest.
    Pkcs1(Hash),
    /// PKCS#1 v1.5 over a `DigestInfo`, or anything else that the caller has built.
    Pkcs1Raw,
    /// The caller has built the whole block.
    Bare,
    /// PSS over a digest.
    Pss {
        /// The hash that made the digest.
        hash: Hash,
        /// The hash in the mask generation function.
        mgf: Hash,
        /// The salt's length in bytes.
        salt_len: usize,
    },
}

impl Scheme {
    /// Checks that a modulus of so many bits is large enough: `MechanismParam` (RFC 8017, 8.1.1 and
    /// 9.1.1, step 3: the block has one bit less than the modulus).
    pub fn check(self, bits: u64) -> Result<()> {
        let block = usize::try_from(bits.saturating_sub(1).div_ceil(8)).unwrap_or(0);
        match self {
            Self::Pss { hash, salt_len, .. }
                if salt_len > block.saturating_sub(hash.size() + 2) =>
            {
                Err(Reason::MechanismParam.detail("the salt is too long for the key"))
            }
            _ => Ok(()),
        }
    }

    fn takes(self, bits: u64, size: usize, input: usize) -> Result<()> {
        self.check(bits)?;
        let fits = match self {
            Self::Pkcs1(hash) | Self::Pss { hash, .. } => input == hash.size(),
            Self::Pkcs1Raw => input <= size.saturating_sub(PKCS1_OVERHEAD),
            Self::Bare => input <= size,
        };
        if fits { Ok(()) } else { Err(Reason::DataLength.into()) }
    }
}

/// The overhead of a PKCS#1 v1.5 block, in bytes.
pub(crate) const PKCS1_OVERHEAD: usize = 11;

impl PrivateKey {
    /// Signs `input`: the digest, or what the scheme says. An input that does not fit is
    /// `DataLength`, a bare number that AWS-LC refuses (0, 1, one less than the modulus, or
    /// more) `DataInvalid`, a salt that does not fit `MechanismParam`.
    pub fn sign(&self, scheme: Scheme, input: &[u8]) -> Result<Vec<u8>> {
        let size = self.size();
        scheme.takes(self.bits(), size, input.len())?;
        let rsa = self.rsa()?.cast_mut();
        let (mut output, mut len) = (vec![0; size], size);
        let (to, from) = (output.as_mut_ptr(), input.as_ptr());
        // SAFETY: `self.key` owns the RSA key, which is not changed but for what AWS-LC locks. `output` has
        // the size of the modulus, the most that is written; `takes` has checked the input's length, and
        // `block` makes a bare one as long as the modulus.
        let code = self.using(|| unsafe {
            Ok::<_, Error>(match scheme {
                Scheme::Pkcs1(hash) => {
                    let mut written: c_uint = 0;
                    let code = RSA_sign(hash.nid(), from, input.len(), to, &mut written, rsa);
                    len = written as usize;
                    code
                }
                Scheme::Pkcs1Raw => {
                    RSA_sign_raw(rsa, &mut len, to, size, from, input.len(), RSA_PKCS1_PADDING)
                }
                Scheme::Bare => {
                    let block = block(size, input)?;
                    RSA_sign_raw(rsa, &mut len, to, size, block.as_ptr(), size, RSA_NO_PADDING)
                }
                Scheme::Pss { hash, mgf, salt_len } => {
                    let (salt, md, mgf) = (int(salt_len)?, hash.md(), mgf.md());
                    RSA_sign_pss_mgf1(rsa, &mut len, to, size, from, input.len(), md, mgf, salt)
                }
            })
        })?;
        let refusal = if scheme == Scheme::Bare { Reason::DataInvalid } else { Reason::General };
        done(code, refusal)?;
        output.truncate(len);
        Ok(output)
    }
}

impl PublicKey {
    /// Verifies `signature` of `input`: another length than the modulus' is `SignatureLength`, everything
    /// else `SignatureInvalid`.
    pub fn verify(&self, scheme: Scheme, input: &[u8], signature: &[u8]) -> Result<()> {
        if signature.len() != self.size() {
            return Err(Reason::SignatureLength.into());
        }
        scheme.takes(self.bits(), self.size(), input.len())?;
        match scheme {
            Scheme::Pkcs1Raw => self.recovers(RSA_PKCS1_PADDING, input, signature),
            Scheme::Bare => {
                let block = block(self.size(), input)?;
                self.recovers(RSA_NO_PADDING, &block, signature)
            }
            Scheme::Pkcs1(hash) => self.verify_pkcs1(hash, input, signature),
            Scheme::Pss { hash, mgf, salt_len } => {
                let (digest, rsa) = (input.as_ptr(), self.rsa()?.cast_mut());
                let (sig, len, salt) = (signature.as_ptr(), signature.len(), int(salt_len)?);
                // SAFETY: `self.0` owns the RSA key; `input` and `signature` are borrowed for the call; both
                // tables are static.
                let code = unsafe {
                    let (md, mgf) = (hash.md(), mgf.md());
                    RSA_verify_pss_mgf1(rsa, digest, input.len(), md, mgf, salt, sig, len)
                };
                done(code, Reason::SignatureInvalid)
            }
        }
    }

    fn verify_pkcs1(&self, hash: Hash, digest: &[u8], signature: &[u8]) -> Result<()> {
        let (rsa, digest_at) = (self.rsa()?.cast_mut(), digest.as_ptr());
        let (sig, len) = (signature.as_ptr(), signature.len());
        // SAFETY: `self.0` owns the RSA key; `digest` and `signature` are borrowed for the call, and `takes`
        // has checked that the digest is as long as the hash's.
        let code = unsafe { RSA_verify(hash.nid(), digest_at, digest.len(), sig, len, rsa) };
        done(code, Reason::SignatureInvalid)
    }

    /// Recovers what was signed raw or bare from its signature: another length than the modulus' is
    /// `SignatureLength`, a block that is none of that padding `SignatureInvalid`.
    pub fn recover(&self, scheme: Scheme, signature: &[u8]) -> Result<Vec<u8>> {
        if signature.len() != self.size() {
            return Err(Reason::SignatureLength.into());
        }
        match scheme {
            Scheme::Pkcs1Raw => self.open(RSA_PKCS1_PADDING, signature),
            Scheme::Bare => self.open(RSA_NO_PADDING, signature),
            Scheme::Pkcs1(_) | Scheme::Pss { .. } => Err(Reason::General.into()),
        }
    }

    fn recovers(&self, padding: c_int, expected: &[u8], signature: &[u8]) -> Result<()> {
        match self.open(padding, signature)? == expected {
            true => Ok(()),
            false => Err(Reason::SignatureInvalid.into()),
        }
    }

    fn open(&self, padding: c_int, signature: &[u8]) -> Result<Vec<u8>> {
        let (rsa, size) = (self.rsa()?.cast_mut(), self.size());
        let (mut output, mut len) = (vec![0; size], 0);
        let to = output.as_mut_ptr();
        // SAFETY: `self.0` owns the RSA key; `output` has the size of the modulus, the most that is written,
        // which the call is told too.
        let code = unsafe {
            let (from, from_len) = (signature.as_ptr(), signature.len());
            RSA_verify_raw(rsa, &mut len, to, size, from, from_len, padding)
        };
        done(code, Reason::SignatureInvalid)?;
        output.truncate(len);
        Ok(output)
    }
}

/// Returns `input` with zeros before it, as long as the modulus.
pub(super) fn block(size: usize, input: &[u8]) -> Result<Vec<u8>> {
    let mut block = vec![0; size];
    let start = size.checked_sub(input.len()).ok_or(Reason::DataLength)?;
    block.get_mut(start..).ok_or(Reason::DataLength)?.copy_from_slice(input);
    Ok(block)
}

fn int(len: usize) -> Result<c_int> {
    c_int::try_from(len).map_err(|_| failed(Reason::MechanismParam))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_number_as_large_as_the_modulus_is_refused() {
        let key = PrivateKey::generate(2048, &[1, 0, 1]).unwrap();
        let refusal = key.sign(Scheme::Bare, &[0xFF; 256]).unwrap_err().reason();
        assert_eq!(refusal, Reason::DataInvalid);
        let signature = key.sign(Scheme::Bare, &[7; 255]).unwrap();
        let public = key.public().unwrap();
        public.verify(Scheme::Bare, &[7; 255], &signature).unwrap();
        assert!(public.verify(Scheme::Bare, &[7; 254], &signature).is_err());
    }

    #[test]
    fn every_scheme_serves_every_size_of_modulus() {
        for bits in [1024, 2049, 2050, 2055, 2056] {
            let key = PrivateKey::generate(bits, &[1, 0, 1]).unwrap();
            let (public, size) = (key.public().unwrap(), key.size());
            let (hash, mgf) = (Hash::Sha256, Hash::Sha256);
            let longest = usize::try_from((bits - 1).div_ceil(8)).unwrap() - hash.size() - 2;
            for scheme in [
                Scheme::Pkcs1(hash),
                Scheme::Pkcs1Raw,
                Scheme::Bare,
                Scheme::Pss { hash, mgf, salt_len: 0 },
                Scheme::Pss { hash, mgf, salt_len: 32 },
                Scheme::Pss { hash, mgf, salt_len: longest },
            ] {
                let signature = key.sign(scheme, &[7; 32]).unwrap();
                assert_eq!(signature.len(), size, "{scheme:?}");
                public.verify(scheme, &[7; 32], &signature).unwrap();
                assert!(public.verify(scheme, &[8; 32], &signature).is_err(), "{scheme:?}");
            }
            let scheme = Scheme::Pss { hash, mgf, salt_len: longest + 1 };
            let refusal = key.sign(scheme, &[7; 32]).unwrap_err().reason();
            assert_eq!(refusal, Reason::MechanismParam, "{bits}");
            let padding = crate::lc::rsa_oaep::Oaep { hash, mgf, label: b"label" };
            let text = vec![9; crate::lc::rsa_oaep::max_oaep(size, hash)];
            let sealed = public.encrypt_oaep(&padding, &text).unwrap();
            assert_eq!(key.decrypt_oaep(&padding, &sealed).unwrap().expose(), text);
            let sealed = public.encrypt_pkcs1(&[5; 100]).unwrap();
            assert_eq!(key.decrypt_pkcs1(&sealed).unwrap().expose(), [5; 100]);
        }
    }

    #[test]
    fn an_input_or_a_salt_that_does_not_fit_is_refused_on_both_sides() {
        let key = PrivateKey::generate(2048, &[1, 0, 1]).unwrap();
        let public = key.public().unwrap();
        let (hash, mgf) = (Hash::Sha512, Hash::Sha512);
        for (scheme, len, reason) in [
            (Scheme::Pkcs1(Hash::Sha256), 31, Reason::DataLength),
            (Scheme::Pkcs1Raw, 246, Reason::DataLength),
            (Scheme::Bare, 257, Reason::DataLength),
            (Scheme::Pss { hash, mgf, salt_len: 64 }, 63, Reason::DataLength),
            (Scheme::Pss { hash, mgf, salt_len: 191 }, 64, Reason::MechanismParam),
        ] {
            let input = vec![1; len];
            assert_eq!(key.sign(scheme, &input).unwrap_err().reason(), reason, "{scheme:?}");
            let refusal = public.verify(scheme, &input, &[0; 256]).unwrap_err();
            assert_eq!(refusal.reason(), reason, "{scheme:?}");
        }
        let scheme = Scheme::Pss { hash, mgf, salt_len: 190 };
        public.verify(scheme, &[1; 64], &key.sign(scheme, &[1; 64]).unwrap()).unwrap();
    }
}
