//! The wait of one call for the agent, over all its steps: five seconds without a sign of life.

use std::time::{Duration, Instant};

/// The longest silence of an agent without a sign of life.
pub const SILENCE_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest time for a call, though the agent gives signs of life all the time.
const MAX_CALL: Duration = Duration::from_secs(600);

/// The time at which one call gives up waiting for the agent.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    patience: Duration,
    end: Instant,
    last: Instant,
}

impl Deadline {
    /// Begins now: `patience` without a sign of life ends it.
    pub fn new(patience: Duration) -> Self {
        let now = Instant::now();
        Self { patience, end: now + patience, last: now + MAX_CALL }
    }

    /// Notes a sign of life: the wait begins again.
    pub fn renew(&mut self) {
        self.heard(Instant::now());
    }

    /// Notes a sign of life that was given at that moment.
    pub fn heard(&mut self, at: Instant) {
        self.end = self.end.max(at + self.patience).min(self.last);
    }

    /// The time at which it is over.
    pub fn end(&self) -> Instant {
        self.end
    }

    /// The time that is left; none once it is over.
    pub fn left(&self) -> Option<Duration> {
        self.end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Deadline, Duration, Instant, MAX_CALL};

    #[test]
    fn a_sign_of_life_begins_the_wait_again_and_an_old_one_does_not_shorten_it() {
        let mut deadline = Deadline::new(Duration::from_secs(5));
        let first = deadline.end();
        deadline.heard(Instant::now().checked_sub(Duration::from_secs(4)).unwrap());
        assert_eq!(deadline.end(), first);
        deadline.heard(first);
        assert_eq!(deadline.end(), first + Duration::from_secs(5));
        assert!(deadline.left().unwrap() > Duration::from_secs(5));
    }

    #[test]
    fn no_sign_of_life_lets_a_call_wait_for_ever() {
        let mut deadline = Deadline::new(Duration::from_secs(5));
        deadline.heard(Instant::now() + 2 * MAX_CALL);
        assert!(deadline.left().unwrap() <= MAX_CALL);
        assert_eq!(Deadline::new(Duration::ZERO).left(), None);
    }
}
