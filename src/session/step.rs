//! The steps of an operation under way: whole, update and final, for what transforms, what
//! absorbs and what checks.

use super::operation::StepOutcome;
use super::output::{Filled, Out};
use crate::error::{Reason, Result};
use crate::mechanism::{Absorb, Check, Transform};
use crate::secret::Secret;

/// An encryption or decryption under way.
pub(crate) struct Cipher {
    transform: Box<dyn Transform>,
    stage: Stage,
    /// Set where the last step can come out shorter than its bound, because padding is removed.
    shrinks: bool,
}

/// The progress of an operation.
#[derive(PartialEq, Eq)]
enum Stage {
    Fresh,
    /// An update was made: a one-shot call is refused from here on.
    Parts,
    /// The last step has run, but its result did not fit the caller's buffer.
    Kept(Last, Secret),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Whole,
    Final,
}

impl Cipher {
    /// Drives an encryption: its lengths are exact.
    pub(crate) fn encrypting(transform: Box<dyn Transform>) -> Self {
        Self { transform, stage: Stage::Fresh, shrinks: false }
    }

    /// Drives a decryption: its last step may turn out shorter than its bound.
    pub(crate) fn decrypting(transform: Box<dyn Transform>) -> Self {
        Self { transform, stage: Stage::Fresh, shrinks: true }
    }

    /// Transforms everything (`C_Encrypt`, `C_Decrypt`).
    pub(crate) fn whole(&mut self, input: &[u8], out: &mut Out) -> Result<StepOutcome> {
        if self.stage == Stage::Parts {
            return Err(Reason::OperationActive.into());
        }
        let most = self.transform.whole_len(input.len());
        self.last(Last::Whole, most, out, |transform, room| transform.whole(input, room))
    }

    /// Transforms a part (`C_EncryptUpdate`, `C_DecryptUpdate`).
    pub(crate) fn update(&mut self, input: &[u8], out: &mut Out) -> Result<StepOutcome> {
        if matches!(self.stage, Stage::Kept(..)) {
            return Err(Reason::OperationActive.into());
        }
        if let Some(asked) = out.answer_question(self.update_bound(input.len())) {
            return Ok(StepOutcome::after_part(asked));
        }
        let most = self.transform.update_len(input.len());
        let filled = out.fill(most, |room| self.transform.update(input, room))?;
        if filled == Filled::Written {
            self.stage = Stage::Parts;
        }
        Ok(StepOutcome::after_part(filled))
    }

    /// The answer to a question for the length of an update. Where everything is withheld until the last
    /// step, as by a decryption that authenticates, it is a bound on all that has come so far.
    fn update_bound(&self, input: usize) -> usize {
        match self.transform.update_len(input) {
            0 => self.transform.finish_len().saturating_add(input),
            ready => ready,
        }
    }

    /// Ends the operation (`C_EncryptFinal`, `C_DecryptFinal`).
    pub(crate) fn finish(&mut self, out: &mut Out) -> Result<StepOutcome> {
        let most = self.transform.finish_len();
        self.last(Last::Final, most, out, |transform, room| transform.finish(room))
    }

    /// The last step. Where its size is only known afterwards and the room is smaller than the bound,
    /// the result is made aside, and kept if it does not fit.
    fn last(
        &mut self,
        step: Last,
        most: usize,
        out: &mut Out,
        run: impl FnOnce(&mut dyn Transform, &mut [u8]) -> Result<usize>,
    ) -> Result<StepOutcome> {
        if let Stage::Kept(kept, result) = &self.stage {
            if *kept != step {
                return Err(Reason::OperationActive.into());
            }
            let asked = out.answer_question(result.len());
            return Ok(StepOutcome::after_last(asked.unwrap_or_else(|| out.copy(result.expose()))));
        }
        if let Some(asked) = out.answer_question(most) {
            return Ok(StepOutcome::after_last(asked));
        }
        if !self.shrinks || !out.is_short_of(most) {
            let filled = out.fill(most, |room| run(self.transform.as_mut(), room))?;
            return Ok(StepOutcome::after_last(filled));
        }
        let mut result = Secret::new(vec![0; most]);
        let length = run(self.transform.as_mut(), result.expose_mut())?;
        result.truncate(length);
        let filled = out.copy(result.expose());
        self.stage = Stage::Kept(step, result);
        Ok(StepOutcome::after_last(filled))
    }
}

/// A digest, signature or MAC under way.
pub(crate) struct Absorption {
    absorb: Box<dyn Absorb>,
    parts: bool,
}

impl Absorption {
    /// Drives `absorb`.
    pub(crate) fn new(absorb: Box<dyn Absorb>) -> Self {
        Self { absorb, parts: false }
    }

    /// Absorbs everything and gives the result (`C_Digest`, `C_Sign`).
    pub(crate) fn whole(&mut self, input: &[u8], out: &mut Out) -> Result<StepOutcome> {
        if self.parts {
            return Err(Reason::OperationActive.into());
        }
        let filled = out.fill(self.absorb.finish_len(), |room| self.absorb.whole(input, room))?;
        Ok(StepOutcome::after_last(filled))
    }

    /// Absorbs a part (`C_DigestUpdate`, `C_DigestKey`, `C_SignUpdate`).
    pub(crate) fn update(&mut self, input: &[u8]) -> Result<StepOutcome> {
        self.parts = true;
        self.absorb.update(input)?;
        Ok(StepOutcome::GoesOn)
    }

    /// Gives the result (`C_DigestFinal`, `C_SignFinal`).
    pub(crate) fn finish(&mut self, out: &mut Out) -> Result<StepOutcome> {
        let filled = out.fill(self.absorb.finish_len(), |room| self.absorb.finish(room))?;
        Ok(StepOutcome::after_last(filled))
    }
}

/// A verification under way.
pub(crate) struct Checking {
    check: Box<dyn Check>,
    parts: bool,
}

impl Checking {
    /// Drives `check`.
    pub(crate) fn new(check: Box<dyn Check>) -> Self {
        Self { check, parts: false }
    }

    /// Checks everything (`C_Verify`).
    pub(crate) fn whole(&mut self, input: &[u8], signature: &[u8]) -> Result<StepOutcome> {
        if self.parts {
            return Err(Reason::OperationActive.into());
        }
        self.check.update(input)?;
        self.finish(signature)
    }

    /// Takes a part (`C_VerifyUpdate`).
    pub(crate) fn update(&mut self, input: &[u8]) -> Result<StepOutcome> {
        self.parts = true;
        self.check.update(input)?;
        Ok(StepOutcome::GoesOn)
    }

    /// Checks the signature (`C_VerifyFinal`).
    pub(crate) fn finish(&mut self, signature: &[u8]) -> Result<StepOutcome> {
        self.check.finish(signature)?;
        Ok(StepOutcome::Over)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::{Absorption, Checking, Cipher};
    use crate::error::{Reason, Result};
    use crate::mechanism::{Absorb, Check, Transform};
    use crate::session::operation::tests::under;
    use crate::session::operation::{AnyOperationSlot, Begun, OperationSlot, StepOutcome};
    use crate::session::output::Out;

    /// Passes on every byte but the zeros, of which nobody knows in advance.
    struct Strip(Vec<u8>);

    impl Transform for Strip {
        fn update_len(&self, _: usize) -> usize {
            0
        }
        fn update(&mut self, input: &[u8], _: &mut [u8]) -> Result<usize> {
            self.0.extend_from_slice(input);
            Ok(0)
        }
        fn finish_len(&self) -> usize {
            self.0.len()
        }
        fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
            let kept = std::mem::take(&mut self.0).into_iter().filter(|byte| *byte != 0);
            Ok(output.iter_mut().zip(kept).map(|(place, byte)| *place = byte).count())
        }
        fn whole_len(&self, input: usize) -> usize {
            self.0.len() + input
        }
        fn whole(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
            self.update(input, &mut [])?;
            self.finish(output)
        }
    }

    /// Sums what it takes.
    struct Sum(u8);

    impl Absorb for Sum {
        fn update(&mut self, input: &[u8]) -> Result<()> {
            self.0 += input.iter().sum::<u8>();
            Ok(())
        }
        fn finish_len(&self) -> usize {
            1
        }
        fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
            output[0] = self.0;
            Ok(1)
        }
    }

    impl Check for Sum {
        fn update(&mut self, input: &[u8]) -> Result<()> {
            Absorb::update(self, input)
        }
        fn finish(&mut self, signature: &[u8]) -> Result<()> {
            if signature == [self.0] { Ok(()) } else { Err(Reason::SignatureInvalid.into()) }
        }
    }

    fn begun<O>(operation: O) -> OperationSlot<O> {
        let mut slot = OperationSlot::empty();
        slot.begin(0, || Ok(Begun::keyless(operation))).unwrap();
        slot
    }

    fn decryption() -> OperationSlot<Cipher> {
        begun(Cipher::decrypting(Box::new(Strip(Vec::new()))))
    }

    fn encryption() -> OperationSlot<Cipher> {
        begun(Cipher::encrypting(Box::new(Strip(Vec::new()))))
    }

    /// Runs a step with room for so many bytes, or none: what it returned, the length it told, and
    /// what is in the room.
    fn step<O>(
        slot: &mut OperationSlot<O>,
        room: Option<usize>,
        step: impl FnOnce(&mut O, &mut Out) -> Result<StepOutcome>,
    ) -> (Result<(), Reason>, Option<usize>, Vec<u8>) {
        let mut bytes = vec![0xFF; room.unwrap_or(0)];
        let mut out = Out::new(room.map(|_| bytes.as_mut_slice()));
        let done = slot.step(&under(0), |operation| step(operation, &mut out));
        let told = out.length();
        (done.map_err(|error| error.reason()), told, bytes)
    }

    #[test]
    fn a_question_for_the_length_leaves_a_fresh_operation() {
        for mut slot in [encryption(), decryption()] {
            let asked = step(&mut slot, None, |cipher, out| cipher.whole(b"ab", out));
            assert_eq!(asked, (Ok(()), Some(2), vec![]));
            let done = step(&mut slot, Some(2), |cipher, out| cipher.whole(b"ab", out));
            assert_eq!(done, (Ok(()), Some(2), b"ab".to_vec()));
            assert!(!slot.is_active(0));
        }
    }

    #[test]
    fn an_encryption_into_a_short_buffer_has_not_begun() {
        let mut slot = encryption();
        let short = step(&mut slot, Some(1), |cipher, out| cipher.whole(b"a\0", out));
        assert_eq!(short, (Err(Reason::BufferTooSmall), Some(2), vec![0xFF]));
        let parts = step(&mut slot, Some(0), |cipher, out| cipher.update(b"xy", out));
        assert_eq!(parts, (Ok(()), Some(0), vec![]));
    }

    #[test]
    fn a_decryption_fits_a_buffer_of_the_size_that_is_really_needed() {
        let mut slot = decryption();
        let done = step(&mut slot, Some(2), |cipher, out| cipher.whole(b"a\0b\0", out));
        assert_eq!(done, (Ok(()), Some(2), b"ab".to_vec()));
        assert!(!slot.is_active(0));
    }

    #[test]
    fn a_decryption_that_does_not_fit_is_kept_for_the_next_call() {
        let mut slot = decryption();
        let whole = |cipher: &mut Cipher, out: &mut Out| cipher.whole(b"a\0b\0", out);
        let short = step(&mut slot, Some(1), whole);
        assert_eq!(short, (Err(Reason::BufferTooSmall), Some(2), vec![0xFF]));
        assert_eq!(step(&mut slot, None, whole), (Ok(()), Some(2), vec![]));
        assert_eq!(step(&mut slot, Some(3), whole), (Ok(()), Some(2), b"ab\xFF".to_vec()));
        assert!(!slot.is_active(0));
    }

    #[test]
    fn a_kept_result_is_for_the_step_that_made_it() {
        for other in [
            (|cipher, out| cipher.finish(out)) as fn(&mut Cipher, &mut Out) -> Result<StepOutcome>,
            |cipher, out| cipher.update(b"c", out),
        ] {
            let mut slot = decryption();
            let short = step(&mut slot, Some(1), |cipher, out| cipher.whole(b"a\0b\0", out));
            assert_eq!(short.0, Err(Reason::BufferTooSmall));
            assert_eq!(step(&mut slot, Some(9), other).0, Err(Reason::OperationActive));
            assert!(!slot.is_active(0));
        }
    }

    #[test]
    fn parts_end_with_the_final_and_not_with_a_whole() {
        for mut slot in [encryption(), decryption()] {
            let part = step(&mut slot, Some(0), |cipher, out| cipher.update(b"ab", out));
            assert_eq!(part.0, Ok(()));
            let last = step(&mut slot, Some(2), |cipher, out| cipher.finish(out));
            assert_eq!(last, (Ok(()), Some(2), b"ab".to_vec()));

            let mut slot = encryption();
            step(&mut slot, Some(0), |cipher, out| cipher.update(b"", out)).0.unwrap();
            let whole = step(&mut slot, Some(2), |cipher, out| cipher.whole(b"ab", out));
            assert_eq!(whole.0, Err(Reason::OperationActive));
            assert!(!slot.is_active(0));
        }
    }

    #[test]
    fn asking_what_a_part_would_give_is_not_a_part() {
        let mut slot = encryption();
        step(&mut slot, None, |cipher, out| cipher.update(b"ab", out)).0.unwrap();
        let whole = step(&mut slot, Some(2), |cipher, out| cipher.whole(b"cd", out));
        assert_eq!(whole, (Ok(()), Some(2), b"cd".to_vec()));
    }

    #[test]
    fn a_signature_is_asked_for_and_made_whole_or_in_parts() {
        let mut slot = begun(Absorption::new(Box::new(Sum(0))));
        let whole = |sign: &mut Absorption, out: &mut Out| sign.whole(&[1, 2], out);
        assert_eq!(step(&mut slot, None, whole), (Ok(()), Some(1), vec![]));
        assert_eq!(step(&mut slot, Some(0), whole).0, Err(Reason::BufferTooSmall));
        assert_eq!(step(&mut slot, Some(1), whole), (Ok(()), Some(1), vec![3]));

        let mut slot = begun(Absorption::new(Box::new(Sum(0))));
        step(&mut slot, None, |sign, _| sign.update(&[1])).0.unwrap();
        step(&mut slot, None, |sign, out| sign.finish(out)).0.unwrap();
        step(&mut slot, None, |sign, _| sign.update(&[2])).0.unwrap();
        let last = step(&mut slot, Some(1), |sign, out| sign.finish(out));
        assert_eq!(last, (Ok(()), Some(1), vec![3]));
        assert!(!slot.is_active(0));
    }

    #[test]
    fn a_whole_signature_or_check_after_a_part_is_refused_and_ends() {
        let mut slot = begun(Absorption::new(Box::new(Sum(0))));
        step(&mut slot, None, |sign, _| sign.update(&[])).0.unwrap();
        let whole = step(&mut slot, Some(1), |sign, out| sign.whole(&[1], out));
        assert_eq!(whole.0, Err(Reason::OperationActive));
        assert!(!slot.is_active(0));

        let mut slot = begun(Checking::new(Box::new(Sum(0))));
        step(&mut slot, None, |verify, _| verify.update(&[])).0.unwrap();
        let whole = step(&mut slot, None, |verify, _| verify.whole(&[1], &[1]));
        assert_eq!(whole.0, Err(Reason::OperationActive));
        assert!(!slot.is_active(0));
    }

    #[test]
    fn a_check_ends_with_its_answer_whichever_it_is() {
        for (signature, answer) in [([3], Ok(())), ([4], Err(Reason::SignatureInvalid))] {
            let mut slot = begun(Checking::new(Box::new(Sum(0))));
            assert_eq!(step(&mut slot, None, |v, _| v.whole(&[1, 2], &signature)).0, answer);
            assert!(!slot.is_active(0));

            let mut slot = begun(Checking::new(Box::new(Sum(0))));
            step(&mut slot, None, |verify, _| verify.update(&[1])).0.unwrap();
            step(&mut slot, None, |verify, _| verify.update(&[2])).0.unwrap();
            assert_eq!(step(&mut slot, None, |v, _| v.finish(&signature)).0, answer);
            assert!(!slot.is_active(0));
        }
    }
}
