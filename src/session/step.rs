//! The steps of an operation under way: whole, update and final, for what transforms, what
//! absorbs and what checks.

use super::operation::StepOutcome;
use super::output::{Filled, Out};
use crate::error::{Reason, Result};
use crate::mechanism::{Absorb, Check, Transform};
use crate::secret::Secret;

/// An encryption or decryption under way.
pub(crate) struct CipherOperation {
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

impl CipherOperation {
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
        let mut result = Secret::zeros(most)?;
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

    /// Drives what was saved of another, after parts or before them.
    pub(crate) fn resumed(absorb: Box<dyn Absorb>, parts: bool) -> Self {
        Self { absorb, parts }
    }

    /// Returns the state, if it can be saved, and whether parts have been absorbed.
    pub(crate) fn state(&self) -> Option<(Secret, bool)> {
        self.absorb.state().map(|state| (state, self.parts))
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

/// A verification under way, with its signature. The signature is looked at when all data has come: what is
/// wrong with it, its length too, is told then.
pub(crate) struct SignatureChecking {
    checking: Checking,
    signature: Vec<u8>,
}

impl SignatureChecking {
    /// Drives `checking`, to be ended with `signature`.
    pub(crate) fn new(checking: Checking, signature: &[u8]) -> Self {
        Self { checking, signature: signature.to_vec() }
    }

    /// Checks everything (`C_VerifySignature`).
    pub(crate) fn whole(&mut self, input: &[u8]) -> Result<StepOutcome> {
        self.checking.whole(input, &self.signature)
    }

    /// Takes a part (`C_VerifySignatureUpdate`).
    pub(crate) fn update(&mut self, input: &[u8]) -> Result<StepOutcome> {
        self.checking.update(input)
    }

    /// Checks the signature (`C_VerifySignatureFinal`).
    pub(crate) fn finish(&mut self) -> Result<StepOutcome> {
        self.checking.finish(&self.signature)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
