//! Keys by a pseudorandom function under a base key: PKCS#11 3.1, "SP800-108 Key Derivation", and NIST SP
//! 800-108.
//!
//! The order and the forms of what goes into the function are the caller's here. No library takes them so:
//! AWS-LC's function and the crate `kbkdf` know one order each, big-endian. The function itself is AWS-LC's.

use super::derive_params::{Field, Kbkdf, NumberForm, Prf};
use super::mac::MAX_SECRET;
use super::row::row;
use super::simple_derivation::value;
use super::{Hash, MechanismRow, Params, ParamsShape, Protections, Tells, aes};
use crate::error::{Error, Reason, Result};
use crate::key::{Parsed, UsableKey};
use crate::lc::aes::{AesKey, BLOCK};
use crate::lc::mac::{HmacKey, MAX_LEN, Mac};
use crate::secret::Secret;
use pkcs11_sys::CKK_GENERIC_SECRET;
use zeroize::Zeroizing;

pub(super) const COUNTER: MechanismRow = MechanismRow {
    derive: Some(|key, _, params, len| one(key, params, len, Mode::Counter)),
    derive_several: Some(|key, params, lengths| several(key, params, lengths, Mode::Counter)),
    ..kbkdf(row!(CKM_SP800_108_COUNTER_KDF))
};

pub(super) const FEEDBACK: MechanismRow = MechanismRow {
    params: ParamsShape::KbkdfFeedback,
    derive: Some(|key, _, params, len| one(key, params, len, Mode::Feedback)),
    derive_several: Some(|key, params, lengths| several(key, params, lengths, Mode::Feedback)),
    ..kbkdf(row!(CKM_SP800_108_FEEDBACK_KDF))
};

pub(super) const DOUBLE_PIPELINE: MechanismRow = MechanismRow {
    derive: Some(|key, _, params, len| one(key, params, len, Mode::DoublePipeline)),
    derive_several: Some(|key, params, lengths| {
        several(key, params, lengths, Mode::DoublePipeline)
    }),
    ..kbkdf(row!(CKM_SP800_108_DOUBLE_PIPELINE_KDF))
};

/// The specification counts these mechanisms' sizes in bits.
const fn kbkdf(row: MechanismRow) -> MechanismRow {
    MechanismRow {
        key_type: Some(CKK_GENERIC_SECRET),
        key_sizes: (8, MAX_SECRET * 8),
        params: ParamsShape::Kbkdf,
        any_secret: true,
        tells: Tells::Nothing,
        protections: Protections::Default,
        ..row
    }
}

/// The widest counter, in bytes (NIST SP 800-108, 4).
const WIDEST_COUNTER: usize = 4;

/// The most that goes into the function for all keys of a derivation, in bytes: more would look like a process
/// that hangs.
const MAX_INPUT: usize = 1 << 26;

/// The iteration variable of each mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// A counter.
    Counter,
    /// The output of the iteration before.
    Feedback,
    /// The output of a second run of the function, beside the one that makes keys.
    DoublePipeline,
}

fn one(usable: &UsableKey, params: &Params, len: usize, mode: Mode) -> Result<Secret> {
    let made = several(usable, params, &[len], mode).map_err(|(_, failure)| failure)?.pop();
    made.ok_or_else(|| Reason::General.into())
}

/// Derives keys of these lengths, each of segments of its own. A failure comes with the index of the length that it
/// is about.
fn several(
    usable: &UsableKey,
    params: &Params,
    lengths: &[usize],
    mode: Mode,
) -> Result<Vec<Secret>, (Option<usize>, Error)> {
    for (at, length) in lengths.iter().enumerate() {
        check_length(*length).map_err(|failure| (Some(at), failure))?;
    }
    let derive = || -> Result<Vec<Secret>> {
        let Params::Kbkdf(params) = params else { return Err(Reason::MechanismParam.into()) };
        check(&params.fields, mode)?;
        let mut derivation = Derivation::new(usable, params, mode, lengths)?;
        lengths.iter().map(|&len| derivation.key(len)).collect()
    };
    derive().map_err(|failure| (None, failure))
}

/// Checks that a template named a length, and one that a key can have.
fn check_length(length: usize) -> Result<()> {
    match length as u64 {
        0 => Err(Reason::TemplateIncomplete.detail("CKA_VALUE_LEN is missing")),
        1..=MAX_SECRET => Ok(()),
        _ => Err(Reason::KeySizeRange.into()),
    }
}

/// Checks that the fields are those of the mode (the tables of data field requirements).
fn check(fields: &[Field], mode: Mode) -> Result<()> {
    let counts = mode == Mode::Counter;
    let (mut iterations, mut counters, mut lengths, mut fits) = (0, 0, 0, true);
    for field in fields {
        match field {
            Field::Iteration(form) => {
                iterations += 1;
                fits &= form.is_some() == counts && form.is_none_or(counter);
            }
            Field::Counter(form) => {
                counters += 1;
                fits &= !counts && counter(*form);
            }
            Field::Length { .. } => lengths += 1,
            Field::Bytes(bytes) => fits &= !bytes.is_empty(),
        }
    }
    match fits && iterations == 1 && counters <= 1 && lengths <= 1 {
        true => Ok(()),
        false => Err(Reason::MechanismParam.detail("the fields are not those of the mode")),
    }
}

/// Returns whether a counter may have this form.
fn counter(form: NumberForm) -> bool {
    form.width <= WIDEST_COUNTER
}

/// A derivation under way.
struct Derivation<'a> {
    params: &'a Kbkdf,
    mode: Mode,
    function: Function<'a>,
    /// The number of the iteration, from 1.
    counter: u64,
    /// The iteration variable where it is no counter.
    variable: Secret,
    /// The length of all keys, and of all segments, in bits.
    bits: (u64, u64),
}

impl<'a> Derivation<'a> {
    fn new(
        usable: &'a UsableKey,
        params: &'a Kbkdf,
        mode: Mode,
        lengths: &[usize],
    ) -> Result<Self> {
        let function = Function::new(usable, params.prf)?;
        let segments: usize = lengths.iter().map(|len| len.div_ceil(function.size())).sum();
        if segments.saturating_mul(most_of_a_segment(&params.fields)) > MAX_INPUT {
            return Err(Reason::MechanismParam.detail("so many bytes would take too long"));
        }
        let keys: usize = lengths.iter().sum();
        let bits = (keys as u64 * 8, (segments * function.size()) as u64 * 8);
        let variable = Secret::from(&params.iv[..]);
        let mut new = Self { params, mode, function, counter: 0, variable, bits };
        if mode == Mode::DoublePipeline {
            new.variable = new.first_variable()?;
        }
        Ok(new)
    }

    /// Returns A(0): the fields that are the same in each iteration.
    fn first_variable(&self) -> Result<Secret> {
        let varies = |field: &&Field| matches!(field, Field::Iteration(_) | Field::Counter(_));
        let mut fixed = Vec::new();
        for field in self.params.fields.iter().filter(|field| !varies(field)) {
            self.give(field, |bytes| {
                fixed.extend_from_slice(bytes);
                Ok(())
            })?;
        }
        Ok(Secret::new(fixed))
    }

    /// Makes a key of as many segments as it takes.
    fn key(&mut self, len: usize) -> Result<Secret> {
        let (mut key, mut mac) = (Secret::new(vec![0; len]), self.function.begin()?);
        for part in key.expose_mut().chunks_mut(self.function.size()) {
            let segment = Zeroizing::new(self.segment(&mut mac)?);
            part.copy_from_slice(segment.get(..part.len()).ok_or(Reason::General)?);
        }
        Ok(key)
    }

    /// Makes the next segment, as many of the first bytes as the function has.
    fn segment(&mut self, mac: &mut Mac) -> Result<[u8; MAX_LEN]> {
        self.counter += 1;
        if self.mode == Mode::DoublePipeline {
            mac.again()?;
            mac.update(self.variable.expose())?;
            self.keep(Zeroizing::new(mac.finish()?))?;
        }
        mac.again()?;
        for field in &self.params.fields {
            self.give(field, |bytes| mac.update(bytes))?;
        }
        let segment = mac.finish()?;
        if self.mode == Mode::Feedback {
            self.keep(Zeroizing::new(segment))?;
        }
        Ok(segment)
    }

    /// Keeps what the function has made as the iteration variable.
    fn keep(&mut self, made: Zeroizing<[u8; MAX_LEN]>) -> Result<()> {
        self.variable = Secret::from(made.get(..self.function.size()).ok_or(Reason::General)?);
        Ok(())
    }

    /// Gives a field to `take`, as it goes into the function.
    fn give(&self, field: &Field, take: impl FnOnce(&[u8]) -> Result<()>) -> Result<()> {
        let (value, form) = match field {
            Field::Iteration(Some(form)) | Field::Counter(form) => (self.counter, form),
            Field::Iteration(None) => return take(self.variable.expose()),
            Field::Length { of_segments: false, form } => (self.bits.0, form),
            Field::Length { of_segments: true, form } => (self.bits.1, form),
            Field::Bytes(bytes) => return take(bytes),
        };
        let mut room = [0; size_of::<u64>()];
        take(number(value, *form, &mut room)?)
    }
}

/// Returns the most that goes into the function for one segment beside its variable, in bytes.
fn most_of_a_segment(fields: &[Field]) -> usize {
    let most = fields.iter().map(|field| match field {
        Field::Bytes(bytes) => bytes.len(),
        Field::Iteration(_) | Field::Counter(_) | Field::Length { .. } => size_of::<u64>(),
    });
    most.fold(0, usize::saturating_add)
}

/// Writes a number in its form into `room`; one that has no room there is `MechanismParam`.
fn number(number: u64, form: NumberForm, room: &mut [u8; size_of::<u64>()]) -> Result<&[u8]> {
    *room = number.to_be_bytes();
    let (unused, used) = room.split_at_mut(size_of::<u64>().saturating_sub(form.width));
    if unused.iter().any(|byte| *byte != 0) {
        return Err(Reason::MechanismParam.detail("a number is too large for its width"));
    }
    if form.little_endian {
        used.reverse();
    }
    Ok(used)
}

/// A pseudorandom function with its key.
enum Function<'a> {
    Hmac(Hash, &'a HmacKey),
    /// HMAC with a key that is kept for something else.
    OtherHmac(Hash, HmacKey),
    Cmac(&'a AesKey),
}

impl<'a> Function<'a> {
    fn new(usable: &'a UsableKey, prf: Prf) -> Result<Self> {
        match (prf, &usable.parsed) {
            (Prf::Hmac(hash), Parsed::Generic(key)) => Ok(Self::Hmac(hash, key)),
            (Prf::Hmac(hash), _) => {
                Ok(Self::OtherHmac(hash, HmacKey::new(Secret::from(value(usable)?))))
            }
            (Prf::Cmac, _) => aes::key(usable).map(Self::Cmac),
        }
    }

    const fn size(&self) -> usize {
        match self {
            Self::Hmac(hash, _) | Self::OtherHmac(hash, _) => hash.size(),
            Self::Cmac(_) => BLOCK,
        }
    }

    fn begin(&self) -> Result<Mac> {
        match self {
            Self::Hmac(hash, key) => Mac::hmac(*hash, key),
            Self::OtherHmac(hash, key) => Mac::hmac(*hash, key),
            Self::Cmac(key) => Mac::cmac(key),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::mechanism::tests::secret;

    const FORM: NumberForm = NumberForm { little_endian: false, width: 1 };

    fn params(fields: &[Field]) -> Params {
        Params::Kbkdf(Kbkdf { prf: Prf::Hmac(Hash::Sha256), fields: fields.to_vec(), iv: vec![] })
    }

    /// Each mode takes what the others refuse.
    #[test]
    fn fields_that_a_mode_does_not_have_are_refused() {
        let bytes = Field::Bytes(vec![7]);
        let length = Field::Length { of_segments: false, form: NumberForm { width: 4, ..FORM } };
        let (counting, bare) = (Field::Iteration(Some(FORM)), Field::Iteration(None));
        let wide = Field::Iteration(Some(NumberForm { width: 5, ..FORM }));
        let all = [Mode::Counter, Mode::Feedback, Mode::DoublePipeline];
        for (fields, fit) in [
            (vec![counting.clone(), bytes.clone(), length.clone()], &all[..1]),
            (vec![bytes.clone(), bare.clone(), Field::Counter(FORM)], &all[1..]),
            (vec![bare.clone(), length.clone()], &all[1..]),
            (vec![bytes.clone(), length.clone()], &[]),
            (vec![], &[]),
            (vec![counting.clone(), Field::Counter(FORM)], &[]),
            (vec![counting.clone(), counting.clone()], &[]),
            (vec![bare.clone(), bare.clone()], &[]),
            (vec![bare.clone(), Field::Counter(FORM), Field::Counter(FORM)], &[]),
            (vec![counting.clone(), length.clone(), length.clone()], &[]),
            (vec![bare.clone(), Field::Bytes(vec![])], &[]),
            (vec![wide], &[]),
        ] {
            for mode in all {
                let made = one(&secret(&[1; 32]), &params(&fields), 16, mode);
                let refusal = made.err().map(|error| error.reason());
                let expected = (!fit.contains(&mode)).then_some(Reason::MechanismParam);
                assert_eq!(refusal, expected, "{mode:?} {fields:?}");
            }
        }
    }

    #[test]
    fn a_length_that_no_key_has_is_told_by_its_place() {
        let (key, params) =
            (secret(&[1; 32]), params(&[Field::Iteration(Some(NumberForm { width: 4, ..FORM }))]));
        let most = MAX_SECRET as usize;
        for (lengths, at, reason) in [
            ([16, 16, 0], Some(2), Reason::TemplateIncomplete),
            ([16, most + 1, 0], Some(1), Reason::KeySizeRange),
            ([0, 16, 16], Some(0), Reason::TemplateIncomplete),
        ] {
            let refusal = several(&key, &params, &lengths, Mode::Counter).unwrap_err();
            assert_eq!((refusal.0, refusal.1.reason()), (at, reason), "{lengths:?}");
        }
        let refusal = several(&key, &params, &[16, 16], Mode::Feedback).unwrap_err();
        assert_eq!((refusal.0, refusal.1.reason()), (None, Reason::MechanismParam));
    }

    #[test]
    fn keys_begin_with_segments_of_their_own() {
        let fields = [Field::Iteration(Some(FORM)), Field::Bytes(vec![7])];
        let (key, params) = (secret(&[1; 32]), params(&fields));
        let together = several(&key, &params, &[48, 16], Mode::Counter).unwrap();
        let stream = one(&key, &params, 96, Mode::Counter).unwrap();
        assert_eq!(together[0].expose(), &stream.expose()[..48]);
        assert_eq!(together[1].expose(), &stream.expose()[64..80]);
    }

    /// 48 and 16 bytes are 512 bits, and three segments of SHA-256 are 768.
    #[test]
    fn a_length_is_that_of_the_keys_or_of_the_segments() {
        let key = secret(&[1; 32]);
        for (of_segments, bits) in [(false, [2, 0]), (true, [3, 0])] {
            let length = Field::Length { of_segments, form: NumberForm { width: 2, ..FORM } };
            let counting = Field::Iteration(Some(FORM));
            let told = params(&[counting.clone(), length]);
            let meant = params(&[counting, Field::Bytes(bits.to_vec())]);
            let [told, meant] =
                [told, meant].map(|it| several(&key, &it, &[48, 16], Mode::Counter).unwrap());
            assert_eq!(told, meant);
        }
    }

    #[test]
    fn numbers_have_their_width_and_order_and_no_more_room() {
        let little_endian = true;
        let room = &mut [0; 8];
        assert_eq!(number(0x0102, NumberForm { width: 4, ..FORM }, room).unwrap(), [0, 0, 1, 2]);
        assert_eq!(
            number(0x0102, NumberForm { little_endian, width: 3 }, room).unwrap(),
            [2, 1, 0]
        );
        assert_eq!(number(256, FORM, room).unwrap_err().reason(), Reason::MechanismParam);
        let counting = params(&[Field::Iteration(Some(FORM))]);
        let (key, mode) = (secret(&[1; 32]), Mode::Counter);
        assert_eq!(one(&key, &counting, 255 * 32, mode).unwrap().len(), 255 * 32);
        let refusal = one(&key, &counting, 255 * 32 + 1, mode).unwrap_err();
        assert_eq!(refusal.reason(), Reason::MechanismParam);
        let refusal = one(&key, &counting, 0, mode).unwrap_err();
        assert_eq!(refusal.reason(), Reason::TemplateIncomplete);
    }
}
