//! Two operations in one call: an encryption beside a digest or signature of the same text, a
//! decryption beside a digest or verification (PKCS#11 3.1, 5.17). Both go on, or both end.

use super::Session;
use super::operation::{OperationSlot, Rules, StepOutcome};
use super::output::Out;
use super::step::{Absorption, Checking, CipherOperation};
use crate::error::Result;

impl Session {
    /// One part of an encryption and a digest.
    pub(crate) fn digest_encrypt(
        &mut self,
        step: impl FnOnce(&mut CipherOperation, &mut Absorption) -> Result<StepOutcome>,
    ) -> Result<()> {
        both(&*self.token, &mut self.encrypt, &mut self.digest, step)
    }

    /// One part of a decryption and a digest.
    pub(crate) fn decrypt_digest(
        &mut self,
        step: impl FnOnce(&mut CipherOperation, &mut Absorption) -> Result<StepOutcome>,
    ) -> Result<()> {
        both(&*self.token, &mut self.decrypt, &mut self.digest, step)
    }

    /// One part of an encryption and a signature.
    pub(crate) fn sign_encrypt(
        &mut self,
        step: impl FnOnce(&mut CipherOperation, &mut Absorption) -> Result<StepOutcome>,
    ) -> Result<()> {
        both(&*self.token, &mut self.encrypt, &mut self.sign, step)
    }

    /// One part of a decryption and a verification.
    pub(crate) fn decrypt_verify(
        &mut self,
        step: impl FnOnce(&mut CipherOperation, &mut Checking) -> Result<StepOutcome>,
    ) -> Result<()> {
        both(&*self.token, &mut self.decrypt, &mut self.verify, step)
    }
}

/// Runs one step of two operations.
fn both<A, B>(
    rules: &impl Rules,
    one: &mut OperationSlot<A>,
    other: &mut OperationSlot<B>,
    step: impl FnOnce(&mut A, &mut B) -> Result<StepOutcome>,
) -> Result<()> {
    one.step(rules, |one| {
        let mut outcome = StepOutcome::GoesOn;
        other.step(rules, |other| {
            outcome = step(one, other)?;
            Ok(StepOutcome::GoesOn)
        })?;
        Ok(outcome)
    })
}

impl CipherOperation {
    /// An update whose input is taken by another operation too, unless only the length is asked for.
    pub(crate) fn update_beside_input(
        &mut self,
        input: &[u8],
        out: &mut Out,
        take: impl FnOnce(&[u8]) -> Result<StepOutcome>,
    ) -> Result<StepOutcome> {
        let outcome = self.update(input, out)?;
        match out.written() {
            Some(_) => take(input),
            None => Ok(outcome),
        }
    }

    /// An update whose output is taken by another operation too.
    pub(crate) fn update_beside_output(
        &mut self,
        input: &[u8],
        out: &mut Out,
        take: impl FnOnce(&[u8]) -> Result<StepOutcome>,
    ) -> Result<StepOutcome> {
        let outcome = self.update(input, out)?;
        match out.written() {
            Some(text) => take(text),
            None => Ok(outcome),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::both;
    use crate::error::Reason;
    use crate::session::operation::tests::under;
    use crate::session::operation::{AnyOperationSlot, Begun, OperationSlot, StepOutcome};

    fn begun() -> OperationSlot<u8> {
        let mut slot = OperationSlot::empty();
        slot.begin(1, || Ok(Begun::keyless(0))).unwrap();
        slot
    }

    #[test]
    fn both_operations_go_on_after_a_part_and_after_a_short_buffer() {
        let (mut one, mut other) = (begun(), begun());
        both(&under(1), &mut one, &mut other, |_, _| Ok(StepOutcome::GoesOn)).unwrap();
        let short =
            both(&under(1), &mut one, &mut other, |_, _| Ok(StepOutcome::Short)).unwrap_err();
        assert_eq!(short.reason(), Reason::BufferTooSmall);
        assert!(one.is_active(1) && other.is_active(1));
    }

    #[test]
    fn an_error_ends_both_and_so_does_one_that_is_missing() {
        let (mut one, mut other) = (begun(), begun());
        let failed = both(&under(1), &mut one, &mut other, |_, _| Err(Reason::DataLength.into()));
        assert_eq!(failed.unwrap_err().reason(), Reason::DataLength);
        assert!(!one.is_active(1) && !other.is_active(1));
        let (mut one, mut other) = (begun(), OperationSlot::<u8>::empty());
        let missing = both(&under(1), &mut one, &mut other, |_, _| unreachable!()).unwrap_err();
        assert_eq!(missing.reason(), Reason::OperationMissing);
        assert!(!one.is_active(1));
    }
}
