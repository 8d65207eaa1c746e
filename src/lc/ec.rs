//! Keys on elliptic curves: ECDSA and ECDH.

pub use super::curve::Curve;

use super::heap::kept_private;
use super::owned::Owned;
use super::pkey::{Pkey, fill};
use super::{done, ec_der, failed};
use crate::error::{Reason, Result};
use crate::secret::Secret;
use aws_lc_sys::*;
use std::ptr::{null, null_mut};

impl Curve {
    fn of(key: &Pkey) -> Result<Self> {
        let ec = ec(key)?;
        // SAFETY: `ec` is borrowed from `key`, and its group lies inside it; a parsed key always has one.
        let nid = unsafe { EC_GROUP_get_curve_name(EC_KEY_get0_group(ec)) };
        Self::ALL.iter().copied().find(|curve| curve.nid() == nid).ok_or(Reason::DataInvalid.into())
    }

    fn empty(self) -> Result<Owned<EC_KEY>> {
        // SAFETY: `EC_KEY_new_by_curve_name` gives its object to its caller; nothing else has the pointer.
        unsafe { Owned::take(EC_KEY_new_by_curve_name(self.nid()), Reason::HostMemory) }
    }
}

/// The first byte of a point with both coordinates (SEC 1, 2.3.3).
const UNCOMPRESSED: u8 = 4;

/// A parsed private key.
pub struct PrivateKey {
    key: Pkey,
    curve: Curve,
    /// The public key's point, uncompressed.
    point: Vec<u8>,
}

impl PrivateKey {
    /// Generates a key, to be kept.
    pub fn generate(curve: Curve) -> Result<Self> {
        kept_private(|| {
            let ec = curve.empty()?;
            // SAFETY: `ec` owns the key that `empty` has made with its group, and the call fills it.
            done(unsafe { EC_KEY_generate_key(ec.as_ptr()) }, Reason::FunctionFailed)?;
            Self::of(Pkey::ec(&ec)?, curve)
        })
    }

    fn of(key: Pkey, curve: Curve) -> Result<Self> {
        Ok(Self { point: point(&key, curve)?, key, curve })
    }

    /// Reads a PKCS#8 `PrivateKeyInfo` and checks the key; anything else is `DataInvalid`.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self> {
        let key = Pkey::from_pkcs8(der, EVP_PKEY_EC)?;
        let curve = Curve::of(&key)?;
        Self::of(key, curve)
    }

    /// Makes a key of its big-endian number: `AttributeValue` unless it is between 1 and the order.
    pub fn from_scalar(curve: Curve, scalar: &[u8]) -> Result<Self> {
        let (ec, number) = (curve.empty()?, Owned::number(scalar)?);
        // SAFETY: `ec` and `number` own the two objects; the number is checked and copied.
        let code = unsafe { EC_KEY_set_private_key(ec.as_ptr(), number.as_ptr()) };
        done(code, Reason::AttributeValue)?;
        // SAFETY: `ec` owns the key and with it the group, until the end of this function; nothing else has
        // the new point.
        let (group, point) = unsafe {
            let group = EC_KEY_get0_group(ec.as_ptr());
            (group, Owned::take(EC_POINT_new(group), Reason::HostMemory)?)
        };
        // SAFETY: `point` was made for `group`, which belongs to `ec`; `number` owns the factor of the
        // generator. No other point or factor is named.
        let code = unsafe {
            let (to, by) = (point.as_ptr(), number.as_ptr());
            EC_POINT_mul(group, to, by, null(), null(), null_mut())
        };
        done(code, Reason::AttributeValue)?;
        // SAFETY: `ec` owns the key, and `point` a point made for that key's group; the point is copied.
        let code = unsafe {
            EC_KEY_set_public_key(ec.as_ptr(), point.as_ptr()) & EC_KEY_check_key(ec.as_ptr())
        };
        done(code, Reason::AttributeValue)?;
        Self::of(Pkey::ec(&ec)?, curve)
    }

    /// The key as PKCS#8 `PrivateKeyInfo`, with its public half, however it was read.
    pub fn to_pkcs8(&self) -> Result<Secret> {
        Ok(ec_der::private(self.curve, &self.scalar()?, &self.point))
    }

    /// The key's number, big-endian, as long as a coordinate.
    pub fn scalar(&self) -> Result<Secret> {
        let mut scalar = Secret::new(vec![0; self.curve.size()]);
        // SAFETY: the EC key is borrowed from `self.key`, and the number lies inside it; `fill` refuses null.
        unsafe { fill(EC_KEY_get0_private_key(ec(&self.key)?), scalar.expose_mut())? };
        Ok(scalar)
    }

    /// The curve.
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// The public key's point, uncompressed.
    pub fn point(&self) -> &[u8] {
        &self.point
    }

    /// The public half as `SubjectPublicKeyInfo`.
    pub fn to_spki(&self) -> Vec<u8> {
        ec_der::public(self.curve, &self.point)
    }

    /// The public half.
    pub fn public(&self) -> Result<PublicKey> {
        PublicKey::from_point(self.curve, &self.point)
    }

    /// Signs a digest, of which as many bits count as the curve has; gives both numbers, each as
    /// long as a coordinate.
    pub fn sign(&self, digest: &[u8]) -> Result<Vec<u8>> {
        let key = ec(&self.key)?;
        // SAFETY: `key` is borrowed from `self.key`; `digest` is borrowed for the call, which gives the
        // signature that it makes to its caller.
        let made = unsafe {
            Owned::take(ECDSA_do_sign(digest.as_ptr(), digest.len(), key), Reason::FunctionFailed)?
        };
        let mut signature = vec![0; 2 * self.curve.size()];
        let (r, s) = signature.split_at_mut(self.curve.size());
        // SAFETY: `made` owns the signature, inside which both numbers lie; `fill` refuses null.
        unsafe {
            fill(ECDSA_SIG_get0_r(made.as_ptr()), r)?;
            fill(ECDSA_SIG_get0_s(made.as_ptr()), s)?;
        }
        Ok(signature)
    }

    /// The secret shared with the owner of a point: its first coordinate. A point that is not on
    /// the curve is `MechanismParam`.
    pub fn agree(&self, peer: &[u8]) -> Result<Secret> {
        let peer = PublicKey::from_point(self.curve, peer).map_err(|_| Reason::MechanismParam)?;
        let (own, other) = (ec(&self.key)?, ec(&peer.key)?);
        let mut shared = Secret::new(vec![0; self.curve.size()]);
        let (to, room) = (shared.expose_mut().as_mut_ptr(), self.curve.size());
        // SAFETY: `own` is borrowed from `self.key`, `other` from `peer`, which `from_point` has made on the
        // same curve; both live until the end of this function. The call writes at most `room` bytes, which
        // `shared` has.
        let len =
            unsafe { ECDH_compute_key(to.cast(), room, EC_KEY_get0_public_key(other), own, None) };
        if usize::try_from(len) == Ok(room) { Ok(shared) } else { Err(failed(Reason::General)) }
    }
}

/// A parsed public key.
pub struct PublicKey {
    key: Pkey,
    curve: Curve,
    /// Its point, uncompressed.
    point: Vec<u8>,
}

impl PublicKey {
    /// Reads a point (SEC 1, 2.3.3), compressed or not: `AttributeValue` unless it is on the curve.
    pub fn from_point(curve: Curve, bytes: &[u8]) -> Result<Self> {
        let ec = curve.empty()?;
        // SAFETY: `ec` owns the key and with it the group, until the end of this function; nothing else has
        // the new point.
        let (group, point) = unsafe {
            let group = EC_KEY_get0_group(ec.as_ptr());
            (group, Owned::take(EC_POINT_new(group), Reason::HostMemory)?)
        };
        // SAFETY: `point` was made for `group`, which belongs to `ec`; `bytes` is borrowed for the call.
        let code = unsafe {
            EC_POINT_oct2point(group, point.as_ptr(), bytes.as_ptr(), bytes.len(), null_mut())
        };
        done(code, Reason::AttributeValue)?;
        // SAFETY: `ec` owns the key, and `point` a point made for that key's group; the point is copied.
        let code = unsafe {
            EC_KEY_set_public_key(ec.as_ptr(), point.as_ptr()) & EC_KEY_check_key(ec.as_ptr())
        };
        done(code, Reason::AttributeValue)?;
        let key = Pkey::ec(&ec)?;
        match bytes.first() == Some(&UNCOMPRESSED) {
            true => Ok(Self { key, curve, point: bytes.to_vec() }),
            false => Self::of(key, curve),
        }
    }

    fn of(key: Pkey, curve: Curve) -> Result<Self> {
        Ok(Self { point: point(&key, curve)?, key, curve })
    }

    /// Reads a `SubjectPublicKeyInfo`; anything else is `DataInvalid`.
    pub fn from_spki(der: &[u8]) -> Result<Self> {
        let key = Pkey::from_spki(der, EVP_PKEY_EC)?;
        let curve = Curve::of(&key)?;
        Self::of(key, curve)
    }

    /// The key as `SubjectPublicKeyInfo`, its point uncompressed.
    pub fn to_spki(&self) -> Vec<u8> {
        ec_der::public(self.curve, &self.point)
    }

    /// The point, uncompressed.
    pub fn point(&self) -> &[u8] {
        &self.point
    }

    /// The curve.
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// Verifies a signature of a digest: `SignatureInvalid`. Its halves may be shorter than a coordinate
    /// (Java sends them so), but equally long: else `SignatureLength`.
    pub fn verify(&self, digest: &[u8], signature: &[u8]) -> Result<()> {
        let len = signature.len();
        if len == 0 || !len.is_multiple_of(2) || len > 2 * self.curve.size() {
            return Err(Reason::SignatureLength.into());
        }
        let (r, s) = signature.split_at(len / 2);
        let (r, s) = (Owned::number(r)?, Owned::number(s)?);
        // SAFETY: `ECDSA_SIG_new` gives its object to its caller; nothing else has the pointer.
        let numbers = unsafe { Owned::take(ECDSA_SIG_new(), Reason::HostMemory)? };
        // SAFETY: `numbers`, `r` and `s` own the three objects. If the call answers 1 the signature owns both
        // numbers from now on, and `give` below ends our owning; else `done` returns and they are freed here.
        let code = unsafe { ECDSA_SIG_set0(numbers.as_ptr(), r.as_ptr(), s.as_ptr()) };
        done(code, Reason::HostMemory)?;
        r.give();
        s.give();
        let key = ec(&self.key)?;
        // SAFETY: `numbers` owns the signature, `key` is borrowed from `self.key`, and `digest` for the call.
        let code = unsafe { ECDSA_do_verify(digest.as_ptr(), digest.len(), numbers.as_ptr(), key) };
        done(code, Reason::SignatureInvalid)
    }
}

fn ec(key: &Pkey) -> Result<*const EC_KEY> {
    // SAFETY: `key` owns the EVP_PKEY while it is borrowed. The answer is a pointer into it, or null where it
    // is of another type; every caller uses it within its own borrow of the key.
    let ec = unsafe { EVP_PKEY_get0_EC_KEY(key.as_ptr()) };
    if ec.is_null() { Err(failed(Reason::General)) } else { Ok(ec) }
}

fn point(key: &Pkey, curve: Curve) -> Result<Vec<u8>> {
    let ec = ec(key)?;
    let mut point = vec![0; 1 + 2 * curve.size()];
    // SAFETY: `ec` is borrowed from `key`, and group and point lie inside it: every key is made with both.
    // The call is told the room of `point`, the most that it writes.
    let len = unsafe {
        let form = point_conversion_form_t::POINT_CONVERSION_UNCOMPRESSED;
        let (group, at) = (EC_KEY_get0_group(ec), EC_KEY_get0_public_key(ec));
        EC_POINT_point2oct(group, at, form, point.as_mut_ptr(), point.len(), null_mut())
    };
    if len == point.len() { Ok(point) } else { Err(failed(Reason::General)) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::lc::der::{INTEGER, OCTET_STRING, SEQUENCE, element};

    #[test]
    fn a_key_survives_each_of_its_forms() {
        for curve in Curve::ALL {
            let key = PrivateKey::generate(*curve).unwrap();
            let public = key.public().unwrap();
            let again = [
                PrivateKey::from_pkcs8(key.to_pkcs8().unwrap().expose()).unwrap(),
                PrivateKey::from_scalar(*curve, key.scalar().unwrap().expose()).unwrap(),
            ];
            for again in again {
                assert_eq!(again.curve(), *curve);
                let signature = again.sign(b"digest").unwrap();
                public.verify(b"digest", &signature).unwrap();
                assert!(public.verify(b"Digest", &signature).is_err());
            }
            let again = PublicKey::from_spki(&public.to_spki()).unwrap();
            assert_eq!(again.point(), public.point());
            assert_eq!(Curve::named(curve.oid()), Some(*curve));
        }
    }

    #[test]
    fn each_form_is_the_one_that_aws_lc_writes_whether_or_not_it_was_read_with_its_point() {
        for curve in Curve::ALL {
            let key = PrivateKey::generate(*curve).unwrap();
            let der = key.to_pkcs8().unwrap();
            assert_eq!(der, key.key.to_pkcs8().unwrap());
            let public = key.public().unwrap();
            assert_eq!(public.to_spki(), public.key.to_spki().unwrap());
            let without = without_point(*curve, &key.scalar().unwrap());
            let again = PrivateKey::from_pkcs8(without.expose()).unwrap();
            assert_eq!(again.to_pkcs8().unwrap(), der);
        }
    }

    #[test]
    fn a_compressed_point_is_the_same_point() {
        for curve in Curve::ALL {
            let whole = PrivateKey::generate(*curve).unwrap().public().unwrap();
            let (x, y) = whole.point().split_at(1).1.split_at(curve.size());
            let sign = 2 + (y.last().unwrap() & 1);
            let compressed = PublicKey::from_point(*curve, &[&[sign], x].concat()).unwrap();
            assert_eq!(compressed.point(), whole.point());
            assert_eq!(compressed.to_spki(), whole.to_spki());
        }
    }

    /// A `PrivateKeyInfo` as programs write it that leave the public half out.
    fn without_point(curve: Curve, scalar: &Secret) -> Secret {
        let version = |number: u8| element(INTEGER, &[&[number]]);
        let scalar = element(OCTET_STRING, &[scalar.expose()]);
        let key = element(SEQUENCE, &[version(1).expose(), scalar.expose()]);
        let algorithm = b"\x06\x07\x2A\x86\x48\xCE\x3D\x02\x01";
        let algorithm = element(SEQUENCE, &[algorithm, curve.oid()]);
        let key = element(OCTET_STRING, &[key.expose()]);
        element(SEQUENCE, &[version(0).expose(), algorithm.expose(), key.expose()])
    }

    #[test]
    fn two_owners_share_one_secret() {
        for curve in Curve::ALL {
            let one = PrivateKey::generate(*curve).unwrap();
            let two = PrivateKey::generate(*curve).unwrap();
            let point = |key: &PrivateKey| key.public().unwrap().point().to_vec();
            assert_eq!(one.agree(&point(&two)).unwrap(), two.agree(&point(&one)).unwrap());
            assert_eq!(one.agree(&point(&two)).unwrap().len(), curve.size());
        }
    }

    #[test]
    fn numbers_and_points_off_the_curve_are_refused() {
        let key = PrivateKey::generate(Curve::P256).unwrap();
        let mut off = key.public().unwrap().point().to_vec();
        if let Some(last) = off.last_mut() {
            *last ^= 1;
        }
        assert_eq!(key.agree(&off).unwrap_err().reason(), Reason::MechanismParam);
        for bytes in [&off[..], &[], &[0], &[4; 64]] {
            let refusal = PublicKey::from_point(Curve::P256, bytes).err().unwrap();
            assert_eq!(refusal.reason(), Reason::AttributeValue);
        }
        for scalar in [&[][..], &[0; 32], &[0xFF; 32], &[1; 40]] {
            let refusal = PrivateKey::from_scalar(Curve::P256, scalar).err().unwrap();
            assert_eq!(refusal.reason(), Reason::AttributeValue);
        }
    }

    #[test]
    fn halves_of_a_signature_may_be_short_but_not_odd() {
        let public = PrivateKey::generate(Curve::P521).unwrap().public().unwrap();
        for len in [0, 1, 131, 134] {
            let refusal = public.verify(b"digest", &vec![1; len]).unwrap_err().reason();
            assert_eq!(refusal, Reason::SignatureLength, "{len}");
        }
        let refusal = public.verify(b"digest", &[1; 130]).unwrap_err().reason();
        assert_eq!(refusal, Reason::SignatureInvalid);
    }
}
