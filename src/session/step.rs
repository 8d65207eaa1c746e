//! What one call does to an operation under way: whole, update and final, for what transforms, what
//! absorbs and what checks.

use super::operation::Life;
use super::output::{Filled, Out};
use crate::error::{Reason, Result};
use crate::mechanism::{Absorb, Check, Transform};
use crate::secret::Secret;

/// An encryption or decryption under way.
pub struct Cipher {
    transform: Box<dyn Transform>,
    stage: Stage,
    /// Whether the last step can come out shorter than its bound, because padding is removed.
    shrinks: bool,
}

/// How far an operation is.
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
    pub fn encrypting(transform: Box<dyn Transform>) -> Self {
        Self { transform, stage: Stage::Fresh, shrinks: false }
    }

    /// Drives a decryption: its last step may turn out shorter than its bound.
    pub fn decrypting(transform: Box<dyn Transform>) -> Self {
        Self { transform, stage: Stage::Fresh, shrinks: true }
    }

    /// `C_Encrypt`, `C_Decrypt`.
    pub fn whole(&mut self, input: &[u8], out: &mut Out) -> Result<Life> {
        if self.stage == Stage::Parts {
            return Err(Reason::OperationActive.into());
        }
        let most = self.transform.whole_len(input.len());
        self.last(Last::Whole, most, out, |transform, room| transform.whole(input, room))
    }

    /// `C_EncryptUpdate`, `C_DecryptUpdate`.
    pub fn update(&mut self, input: &[u8], out: &mut Out) -> Result<Life> {
        if matches!(self.stage, Stage::Kept(..)) {
            return Err(Reason::OperationActive.into());
        }
        let most = self.transform.update_len(input.len());
        let filled = out.fill(most, |room| self.transform.update(input, room))?;
        if filled == Filled::Written {
            self.stage = Stage::Parts;
        }
        Ok(Life::after_part(filled))
    }

    /// `C_EncryptFinal`, `C_DecryptFinal`.
    pub fn finish(&mut self, out: &mut Out) -> Result<Life> {
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
    ) -> Result<Life> {
        if let Stage::Kept(kept, result) = &self.stage {
            return match *kept == step {
                true => Ok(Life::after_last(out.copy(result.expose()))),
                false => Err(Reason::OperationActive.into()),
            };
        }
        if !self.shrinks || !out.is_short_of(most) {
            let filled = out.fill(most, |room| run(self.transform.as_mut(), room))?;
            return Ok(Life::after_last(filled));
        }
        let mut result = Secret::new(vec![0; most]);
        let length = run(self.transform.as_mut(), result.expose_mut())?;
        result.truncate(length);
        let filled = out.copy(result.expose());
        self.stage = Stage::Kept(step, result);
        Ok(Life::after_last(filled))
    }
}

/// A digest, signature or MAC under way.
pub struct Absorption {
    absorb: Box<dyn Absorb>,
    parts: bool,
}

impl Absorption {
    /// Drives `absorb`.
    pub fn new(absorb: Box<dyn Absorb>) -> Self {
        Self { absorb, parts: false }
    }

    /// `C_Digest`, `C_Sign`.
    pub fn whole(&mut self, input: &[u8], out: &mut Out) -> Result<Life> {
        if self.parts {
            return Err(Reason::OperationActive.into());
        }
        let filled = out.fill(self.absorb.finish_len(), |room| self.absorb.whole(input, room))?;
        Ok(Life::after_last(filled))
    }

    /// `C_DigestUpdate`, `C_DigestKey`, `C_SignUpdate`.
    pub fn update(&mut self, input: &[u8]) -> Result<Life> {
        self.parts = true;
        self.absorb.update(input)?;
        Ok(Life::GoesOn)
    }

    /// `C_DigestFinal`, `C_SignFinal`.
    pub fn finish(&mut self, out: &mut Out) -> Result<Life> {
        let filled = out.fill(self.absorb.finish_len(), |room| self.absorb.finish(room))?;
        Ok(Life::after_last(filled))
    }
}

/// A verification under way.
pub struct Checking {
    check: Box<dyn Check>,
    parts: bool,
}

impl Checking {
    /// Drives `check`.
    pub fn new(check: Box<dyn Check>) -> Self {
        Self { check, parts: false }
    }

    /// `C_Verify`.
    pub fn whole(&mut self, input: &[u8], signature: &[u8]) -> Result<Life> {
        if self.parts {
            return Err(Reason::OperationActive.into());
        }
        self.check.update(input)?;
        self.finish(signature)
    }

    /// `C_VerifyUpdate`.
    pub fn update(&mut self, input: &[u8]) -> Result<Life> {
        self.parts = true;
        self.check.update(input)?;
        Ok(Life::GoesOn)
    }

    /// `C_VerifyFinal`.
    pub fn finish(&mut self, signature: &[u8]) -> Result<Life> {
        self.check.finish(signature)?;
        Ok(Life::Over)
    }
}
