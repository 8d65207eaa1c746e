//! A caller's output buffer and the two-call rule (PKCS#11 3.1, 5.2), once for everything that has
//! a length: bytes, handles, numbers.

use crate::error::{Reason, Result};

/// Room for a result, or none where the caller asks for its length only.
pub(crate) struct Out<'a, T = u8> {
    room: Option<&'a mut [T]>,
    length: Option<usize>,
    written: bool,
}

/// The outcomes of [`Out::fill`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Filled {
    /// The caller asked for the length, and has it.
    Asked,
    /// The room is too small; the caller has the length that is needed.
    Short,
    /// The result is in the room.
    Written,
}

impl Filled {
    /// Turns a short buffer into an error, for results that belong to no operation.
    pub(crate) fn or_short(self) -> Result<()> {
        match self {
            Self::Asked | Self::Written => Ok(()),
            Self::Short => Err(Reason::BufferTooSmall.into()),
        }
    }
}

impl<'a, T> Out<'a, T> {
    /// Output into `room`, or a question for the length.
    pub(crate) fn new(room: Option<&'a mut [T]>) -> Self {
        Self { room, length: None, written: false }
    }

    /// The two-call rule: `write` runs only when there is room for the `most` that it can write, and
    /// returns how much it wrote.
    pub(crate) fn fill(
        &mut self,
        most: usize,
        write: impl FnOnce(&mut [T]) -> Result<usize>,
    ) -> Result<Filled> {
        let (length, filled) = match &mut self.room {
            None => (most, Filled::Asked),
            Some(room) => match room.get_mut(..most) {
                None => (most, Filled::Short),
                Some(room) => (write(room)?, Filled::Written),
            },
        };
        self.length = Some(length);
        self.written = filled == Filled::Written;
        Ok(filled)
    }

    /// The two-call rule for a result that is there already.
    pub(crate) fn copy(&mut self, result: &[T]) -> Filled
    where
        T: Copy,
    {
        let copied = self.fill(result.len(), |room| {
            room.copy_from_slice(result);
            Ok(result.len())
        });
        // Copying cannot fail.
        copied.unwrap_or(Filled::Short)
    }

    /// Answers a question for the length of what an operation is still to bring: with `bound`, and
    /// never with 0. Some clients allocate what they are told and pass it on; an allocation of no bytes
    /// reaches the module as NULL, which asks for the length again. PKCS#11 3.1, 5.2 allows a bound.
    /// Returns none where there is room.
    pub(crate) fn answer_question(&mut self, bound: usize) -> Option<Filled> {
        if self.room.is_some() {
            return None;
        }
        self.length = Some(bound.max(1));
        Some(Filled::Asked)
    }

    /// Returns whether the caller gave room, but less than `most`.
    pub(crate) fn is_short_of(&self, most: usize) -> bool {
        self.room.as_ref().is_some_and(|room| room.len() < most)
    }

    /// The result, if it is in the room.
    pub(crate) fn written(&self) -> Option<&[T]> {
        let room = self.room.as_deref().filter(|_| self.written)?;
        room.get(..self.length?)
    }

    /// Returns the length that the caller is told, if any.
    pub(crate) fn length(&self) -> Option<usize> {
        self.length
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Filled, Out};
    use crate::error::Reason;

    #[test]
    fn a_question_for_the_length_is_answered_and_nothing_runs() {
        let mut out: Out = Out::new(None);
        assert_eq!(out.fill(5, |_| unreachable!()), Ok(Filled::Asked));
        assert_eq!((out.length(), out.written()), (Some(5), None));
    }

    #[test]
    fn a_short_buffer_is_told_the_length_and_nothing_runs() {
        let mut room = [0_u8; 4];
        let mut out = Out::new(Some(&mut room));
        assert!(out.is_short_of(5));
        assert_eq!(out.fill(5, |_| unreachable!()), Ok(Filled::Short));
        assert_eq!(out.length(), Some(5));
        assert_eq!(Filled::Short.or_short().unwrap_err().reason(), Reason::BufferTooSmall);
    }

    #[test]
    fn a_sufficient_buffer_is_written_no_further_than_the_bound() {
        let mut room = [0_u8; 8];
        let mut out = Out::new(Some(&mut room));
        let filled = out.fill(5, |room| {
            room.fill(1);
            Ok(3)
        });
        assert_eq!(filled, Ok(Filled::Written));
        assert_eq!((out.length(), out.written()), (Some(3), Some(&[1; 3][..])));
        assert_eq!(room, [1, 1, 1, 1, 1, 0, 0, 0]);
    }

    #[test]
    fn a_failure_leaves_the_length_alone() {
        let mut room = [0_u8; 8];
        let mut out = Out::new(Some(&mut room));
        assert!(out.fill(5, |_| Err(Reason::DataInvalid.into())).is_err());
        assert_eq!(out.length(), None);
    }

    #[test]
    fn a_result_of_no_bytes_fits_any_buffer() {
        let mut room = [0_u8; 0];
        assert_eq!(Out::new(Some(&mut room)).copy(&[]), Filled::Written);
    }
}
