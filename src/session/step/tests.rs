//! The two-call rule over whole operations and parts.

use super::{Absorption, Checking, CipherOperation};
use crate::error::{Reason, Result};
use crate::mechanism::{Absorb, Check, Transform};
use crate::session::operation::tests::under;
use crate::session::operation::{AnyOperationSlot, Begun, OperationSlot, StepOutcome};
use crate::session::output::Out;

/// Passes on every byte but the zeros, of which none can be known in advance.
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

fn decryption() -> OperationSlot<CipherOperation> {
    begun(CipherOperation::decrypting(Box::new(Strip(Vec::new()))))
}

fn encryption() -> OperationSlot<CipherOperation> {
    begun(CipherOperation::encrypting(Box::new(Strip(Vec::new()))))
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
    let whole = |cipher: &mut CipherOperation, out: &mut Out| cipher.whole(b"a\0b\0", out);
    let short = step(&mut slot, Some(1), whole);
    assert_eq!(short, (Err(Reason::BufferTooSmall), Some(2), vec![0xFF]));
    assert_eq!(step(&mut slot, None, whole), (Ok(()), Some(2), vec![]));
    assert_eq!(step(&mut slot, Some(3), whole), (Ok(()), Some(2), b"ab\xFF".to_vec()));
    assert!(!slot.is_active(0));
}

#[test]
fn a_kept_result_is_for_the_step_that_made_it() {
    for other in [
        (|cipher, out| cipher.finish(out))
            as fn(&mut CipherOperation, &mut Out) -> Result<StepOutcome>,
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
