//! Doing something again where another process or thread has changed the same objects in between: the
//! one place that retries what was decided on records that have moved on.

use super::Token;
use crate::error::{Reason, Result};
use crate::lc;
use std::time::{Duration, Instant};

/// The time for all tries. A conflict that lasts longer is the answer: the same call, made again, may
/// succeed, which is what `CKR_FUNCTION_FAILED` says (PKCS#11 3.1, 5.1.1).
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest first pause; each later one may be twice as long, up to [`LONGEST_PAUSE`].
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

impl Token {
    /// Does `work` until it no longer fails because others were faster, with an end to it. `work` reads
    /// anew what it decides on.
    pub(super) fn retry_on_conflict<R>(&self, work: impl FnMut() -> Result<R>) -> Result<R> {
        retry_on_conflict(work)
    }
}

/// Does the same for what is no token's.
pub(super) fn retry_on_conflict<R>(work: impl FnMut() -> Result<R>) -> Result<R> {
    let end = Instant::now() + RETRY_TIMEOUT;
    repeat(work, |pause| {
        let goes_on = Instant::now() + pause < end;
        if goes_on {
            std::thread::sleep(pause);
        }
        goes_on
    })
}

/// Repeats `work` while it is in conflict and `wait` lets it. Most conflicts are over at once, so the
/// first repetition comes without a pause; the others wait for a random while that grows, so that those
/// who are in each other's way part.
fn repeat<R>(
    mut work: impl FnMut() -> Result<R>,
    mut wait: impl FnMut(Duration) -> bool,
) -> Result<R> {
    let mut pause = Duration::ZERO;
    loop {
        let done = work();
        let conflict = done.as_ref().is_err_and(|failure| failure.reason() == Reason::Conflict);
        if !conflict || !wait(random_part(pause)?) {
            return done;
        }
        pause = (pause * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
    }
}

/// Returns a random part of `whole`.
fn random_part(whole: Duration) -> Result<Duration> {
    let random = u32::from(u16::from_ne_bytes(lc::random::bytes()?));
    Ok(whole * random / u32::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_PAUSE, repeat};
    use crate::error::{Error, Reason, Result};
    use std::time::Duration;

    fn conflicts(times: usize, then: Result<u8>) -> impl FnMut() -> Result<u8> {
        let mut left = times;
        move || {
            if left == 0 {
                return then.clone();
            }
            left -= 1;
            Err(Reason::Conflict.into())
        }
    }

    #[test]
    fn a_conflict_is_waited_for_and_anything_else_is_the_answer() {
        for then in [Ok(7), Err(Reason::ObjectUnknown.into())] {
            let mut pauses = Vec::new();
            let done = repeat(conflicts(200, then.clone()), |pause| {
                pauses.push(pause);
                true
            });
            assert_eq!(done, then);
            assert_eq!((pauses.len(), pauses.first()), (200, Some(&Duration::ZERO)));
            assert!(pauses.iter().all(|pause| *pause <= LONGEST_PAUSE));
            let late = pauses.iter().skip(20);
            assert!(late.clone().any(|pause| *pause > LONGEST_PAUSE / 4), "they grow");
            assert!(late.clone().any(|pause| *pause < LONGEST_PAUSE / 4), "they differ");
        }
    }

    #[test]
    fn there_is_an_end_to_it_and_the_conflict_is_told() {
        let mut waits = 0;
        let done = repeat(conflicts(usize::MAX, Ok(7)), |_| {
            waits += 1;
            waits < 5
        });
        assert_eq!((done, waits), (Err(Error::from(Reason::Conflict)), 5));
    }
}
