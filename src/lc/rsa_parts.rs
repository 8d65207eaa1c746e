//! RSA private keys from fewer numbers than there are: what is missing follows from the rest.

use super::number::Number;
use super::rsa::Components;
use crate::error::{Reason, Result};
use crate::secret::Secret;

/// Public exponents to try where a key comes without its own, F4 first: those in use.
const EXPONENTS: [u64; 6] = [65_537, 3, 17, 5, 7, 257];

/// The known parts of a private key, big-endian; all but the first and the third may be empty, which is
/// unknown.
#[derive(Debug)]
pub struct RsaParts {
    /// The modulus.
    pub modulus: Vec<u8>,
    /// The public exponent.
    pub public_exponent: Vec<u8>,
    /// The private exponent.
    pub private_exponent: Secret,
    /// The primes.
    pub primes: [Secret; 2],
    /// The private exponent modulo each prime less one.
    pub exponents: [Secret; 2],
    /// The second prime's inverse modulo the first.
    pub coefficient: Secret,
}

impl RsaParts {
    /// All numbers of the key: what was given, and what follows from it where nothing was. Numbers that
    /// are no key's are `AttributeValue`, or give components that make none.
    pub fn complete(self) -> Result<Components> {
        let (n, d) = (Number::of(&self.modulus)?, Number::of(self.private_exponent.expose())?);
        if n.is_zero() || d.is_zero() {
            return Err(Reason::AttributeValue.into());
        }
        let (e, p, q) = self.factors(&n, &d)?;
        let [exponent_1, exponent_2] = self.exponents;
        let given_or = |given: Secret, number: &dyn Fn() -> Result<Number>| match given.is_empty() {
            true => number()?.bytes(),
            false => Ok(given),
        };
        let modulo_less_one =
            |prime: &Number| -> Result<Number> { Ok(d.divided(&prime.minus(&one()?)?)?.1) };
        Ok(Components {
            public_exponent: e.bytes()?.expose().to_vec(),
            prime_1: p.bytes()?,
            prime_2: q.bytes()?,
            exponent_1: given_or(exponent_1, &|| modulo_less_one(&p))?,
            exponent_2: given_or(exponent_2, &|| modulo_less_one(&q))?,
            coefficient: given_or(self.coefficient, &|| q.inverse(&p))?,
            modulus: self.modulus,
            private_exponent: self.private_exponent,
        })
    }

    /// The public exponent and the primes.
    fn factors(&self, n: &Number, d: &Number) -> Result<(Number, Number, Number)> {
        let [p, q] = &self.primes;
        let known = (!self.public_exponent.is_empty()).then_some(&self.public_exponent);
        let known = known.map(|bytes| Number::of(bytes)).transpose()?;
        let (p, q) = match (p.is_empty(), q.is_empty(), known) {
            (false, false, _) => (Number::of(p.expose())?, Number::of(q.expose())?),
            (false, true, _) => other_factor(n, Number::of(p.expose())?)?,
            (true, false, _) => {
                let (q, p) = other_factor(n, Number::of(q.expose())?)?;
                (p, q)
            }
            (true, true, Some(e)) => {
                let (p, q) = factor(n, &e, d)?;
                return Ok((e, p, q));
            }
            (true, true, None) => return guessed(n, d),
        };
        let e = match self.public_exponent.is_empty() {
            true => d.inverse(&least_multiple(&p.minus(&one()?)?, &q.minus(&one()?)?)?),
            false => Number::of(&self.public_exponent),
        };
        Ok((e?, p, q))
    }
}

fn one() -> Result<Number> {
    Number::of(&[1])
}

fn least_multiple(one: &Number, other: &Number) -> Result<Number> {
    Ok(one.times(other)?.divided(&one.common(other)?)?.0)
}

fn other_factor(n: &Number, factor: Number) -> Result<(Number, Number)> {
    let (other, rest) = n.divided(&factor)?;
    if rest.is_zero() { Ok((factor, other)) } else { Err(Reason::AttributeValue.into()) }
}

/// The first public exponent in use that fits.
fn guessed(n: &Number, d: &Number) -> Result<(Number, Number, Number)> {
    for exponent in EXPONENTS {
        let e = Number::of(&exponent.to_be_bytes())?;
        if let Ok((p, q)) = factor(n, &e, d) {
            return Ok((e, p, q));
        }
    }
    Err(Reason::TemplateIncomplete.detail("the public exponent is missing, and is none in use"))
}

/// The primes of a modulus whose both exponents are known: NIST SP 800-56B rev. 2, appendix C.2.
fn factor(n: &Number, e: &Number, d: &Number) -> Result<(Number, Number)> {
    let multiple = d.times(e)?.minus(&one()?)?;
    let a = multiple.times(&n.minus(&one()?)?.common(&multiple)?)?;
    let (m, r) = a.divided(n)?;
    let (b, rest) = n.minus(&r)?.divided(&m.plus(&one()?)?)?;
    if !rest.is_zero() {
        return Err(Reason::AttributeValue.into());
    }
    // The sum of the primes, and their difference.
    let sum = b.plus(&one()?)?;
    let difference = sum.times(&sum)?.minus(&n.times(&Number::of(&[4])?)?)?.root()?;
    let half = |number: Number| -> Result<Number> { Ok(number.divided(&Number::of(&[2])?)?.0) };
    Ok((half(sum.plus(&difference)?)?, half(sum.minus(&difference)?)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::lc::rsa::PrivateKey;

    fn none() -> Secret {
        Secret::new(Vec::new())
    }

    fn parts(whole: &Components, given: [bool; 4]) -> RsaParts {
        let [exponent, first, second, rest] = given;
        let kept = |given, part: &Secret| if given { part.duplicate() } else { none() };
        RsaParts {
            modulus: whole.modulus.clone(),
            public_exponent: if exponent { whole.public_exponent.clone() } else { Vec::new() },
            private_exponent: whole.private_exponent.duplicate(),
            primes: [kept(first, &whole.prime_1), kept(second, &whole.prime_2)],
            exponents: [kept(rest, &whole.exponent_1), kept(rest, &whole.exponent_2)],
            coefficient: kept(rest, &whole.coefficient),
        }
    }

    #[test]
    fn whatever_is_missing_the_key_is_the_same() {
        for exponent in [&[3][..], &[1, 0, 1], &[17]] {
            let key = PrivateKey::generate(2048, exponent).unwrap();
            let whole = key.components().unwrap();
            for given in 0..16 {
                let given = [1, 2, 4, 8].map(|bit| given & bit != 0);
                let made = parts(&whole, given).complete().unwrap();
                let made = PrivateKey::from_components(&made).unwrap();
                assert_eq!(made.public().unwrap().modulus().unwrap(), whole.modulus);
                let again = made.components().unwrap();
                assert_eq!(again.public_exponent, whole.public_exponent, "{given:?}");
                assert_eq!(again.private_exponent, whole.private_exponent, "{given:?}");
            }
        }
    }

    #[test]
    fn a_private_exponent_need_not_be_the_least_one() {
        let key = PrivateKey::generate(2048, &[1, 0, 1]).unwrap();
        let whole = key.components().unwrap();
        let number = |part: &Secret| Number::of(part.expose()).unwrap();
        let less = |prime: &Secret| number(prime).minus(&one().unwrap()).unwrap();
        let period = least_multiple(&less(&whole.prime_1), &less(&whole.prime_2)).unwrap();
        let d = number(&whole.private_exponent).plus(&period).unwrap().bytes().unwrap();
        for exponent in [true, false] {
            let given = RsaParts {
                private_exponent: d.duplicate(),
                ..parts(&whole, [exponent, false, false, false])
            };
            PrivateKey::from_components(&given.complete().unwrap()).unwrap();
        }
    }

    #[test]
    fn numbers_of_different_keys_make_none() {
        let [one, other] =
            [(); 2].map(|()| PrivateKey::generate(2048, &[1, 0, 1]).unwrap().components().unwrap());
        for given in [
            RsaParts { modulus: other.modulus.clone(), ..parts(&one, [true, false, false, false]) },
            RsaParts { modulus: other.modulus.clone(), ..parts(&one, [false; 4]) },
            RsaParts { modulus: other.modulus.clone(), ..parts(&one, [true, true, false, false]) },
            RsaParts { private_exponent: none(), ..parts(&one, [true; 4]) },
            RsaParts { modulus: vec![0; 256], ..parts(&one, [true, false, false, false]) },
            RsaParts { public_exponent: vec![0], ..parts(&one, [true, false, false, false]) },
            RsaParts { public_exponent: vec![3], ..parts(&one, [true; 4]) },
            RsaParts { coefficient: Secret::new(vec![1]), ..parts(&one, [true; 4]) },
        ] {
            let made = given.complete().and_then(|parts| PrivateKey::from_components(&parts));
            assert!(made.is_err());
        }
    }
}
