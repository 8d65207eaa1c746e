//! Big numbers that may be secret: AWS-LC wipes them, and what it computes in between, as they are freed.

use super::done;
use super::owned::Owned;
use crate::error::{Reason, Result};
use crate::secret::Secret;
use aws_lc_sys::*;

/// A whole number; none of the operations here makes a negative one.
pub(super) struct Number(Owned<BIGNUM>);

impl Number {
    /// A number from its big-endian bytes, leading zeros or none.
    pub(super) fn of(bytes: &[u8]) -> Result<Self> {
        Owned::number(bytes).map(Self)
    }

    /// The big-endian bytes, without leading zeros.
    pub(super) fn bytes(&self) -> Result<Secret> {
        // SAFETY: `self.0` owns the number for as long as it is borrowed.
        unsafe { super::pkey::bytes(self.0.as_ptr()) }.map(Secret::new)
    }

    pub(super) fn plus(&self, other: &Self) -> Result<Self> {
        // SAFETY: `made` owns `sum` during the call; `self.0` and `other.0` own the summands while they are
        // borrowed.
        Self::made(|sum, _| unsafe { BN_add(sum, self.0.as_ptr(), other.0.as_ptr()) })
    }

    /// The difference; where `other` is larger, `AttributeValue`.
    pub(super) fn minus(&self, other: &Self) -> Result<Self> {
        // SAFETY: `made` owns `rest` during the call; `self.0` and `other.0` own theirs while they are
        // borrowed; the call refuses what would be negative.
        Self::made(|rest, _| unsafe { BN_usub(rest, self.0.as_ptr(), other.0.as_ptr()) })
    }

    pub(super) fn times(&self, other: &Self) -> Result<Self> {
        // SAFETY: `made` owns the product and the context `by` during the call; `self.0` and `other.0` own
        // the factors.
        Self::made(|made, by| unsafe { BN_mul(made, self.0.as_ptr(), other.0.as_ptr(), by) })
    }

    /// Divides by `other`: the quotient and the rest; `AttributeValue` for 0.
    pub(super) fn divided(&self, other: &Self) -> Result<(Self, Self)> {
        let rest = Self::of(&[])?;
        let (from, by_number, left) = (self.0.as_ptr(), other.0.as_ptr(), rest.0.as_ptr());
        // SAFETY: `made` owns the quotient and the context `by` during the call; `rest`, `self.0` and
        // `other.0`, from which the three pointers are, live until the end of this function.
        let times = Self::made(|times, by| unsafe { BN_div(times, left, from, by_number, by) })?;
        Ok((times, rest))
    }

    /// The greatest common divisor.
    pub(super) fn common(&self, other: &Self) -> Result<Self> {
        // SAFETY: `made` owns the result and the context `by` during the call; `self.0` and `other.0` own the
        // operands.
        Self::made(|made, by| unsafe { BN_gcd(made, self.0.as_ptr(), other.0.as_ptr(), by) })
    }

    /// The square root of a square; of another number `AttributeValue`.
    pub(super) fn root(&self) -> Result<Self> {
        // SAFETY: `made` owns the root and the context `by` during the call; `self.0` owns the square.
        Self::made(|root, by| unsafe { BN_sqrt(root, self.0.as_ptr(), by) })
    }

    /// The inverse modulo `modulus`; `AttributeValue` where there is none.
    pub(super) fn inverse(&self, modulus: &Self) -> Result<Self> {
        Self::made(|made, by| {
            // SAFETY: `Self::made` owns `made` and the context `by` during the call; `self.0` and `modulus.0`
            // own the operands. The answer is `made` again, or null, and is only compared.
            let found = unsafe { BN_mod_inverse(made, self.0.as_ptr(), modulus.0.as_ptr(), by) };
            i32::from(!found.is_null())
        })
    }

    pub(super) fn is_zero(&self) -> bool {
        // SAFETY: `self.0` owns the number for as long as it is borrowed.
        unsafe { BN_is_zero(self.0.as_ptr()) == 1 }
    }

    /// A number that `compute` writes to where it is pointed to, with a context for what is in between.
    fn made(compute: impl FnOnce(*mut BIGNUM, *mut BN_CTX) -> i32) -> Result<Self> {
        let number = Self::of(&[])?;
        // SAFETY: `BN_CTX_new` gives its object to its caller; nothing else has the pointer.
        let context = unsafe { Owned::take(BN_CTX_new(), Reason::HostMemory)? };
        done(compute(number.0.as_ptr(), context.as_ptr()), Reason::AttributeValue)?;
        Ok(number)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn number(value: u64) -> Number {
        Number::of(&value.to_be_bytes()).unwrap()
    }

    #[track_caller]
    fn is(made: Result<Number>, value: u64) {
        let bytes = made.unwrap().bytes().unwrap();
        let mut wide = [0; 8];
        wide.split_at_mut(8 - bytes.len()).1.copy_from_slice(bytes.expose());
        assert_eq!(u64::from_be_bytes(wide), value);
    }

    #[test]
    fn arithmetic_is_as_at_school() {
        is(number(40).plus(&number(2)), 42);
        is(number(40).minus(&number(2)), 38);
        is(number(40).times(&number(2)), 80);
        let (times, rest) = number(40).divided(&number(7)).unwrap();
        is(Ok(times), 5);
        is(Ok(rest), 5);
        is(number(40).common(&number(24)), 8);
        is(number(1_764).root(), 42);
        is(number(3).inverse(&number(40)), 27);
    }

    #[test]
    fn what_there_is_not_is_an_error() {
        for none in [
            number(2).minus(&number(3)),
            number(2).divided(&number(0)).map(|(times, _)| times),
            number(1_765).root(),
            number(4).inverse(&number(40)),
        ] {
            assert_eq!(none.err().unwrap().reason(), Reason::AttributeValue);
        }
        assert!(number(0).is_zero() && !number(1).is_zero());
    }
}
