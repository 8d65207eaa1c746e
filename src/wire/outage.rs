//! The memory of a process of an agent that does not answer: for a while every call is told the same at
//! once, then one tries again.

use crate::error::{Error, Reason};
use std::time::{Duration, Instant};

/// The time during which every call gets the same answer.
const PAUSE: Duration = Duration::from_secs(3);

/// A failure that took less than this to find is looked for again by each call.
const QUICK: Duration = Duration::from_secs(1);

/// The memory of an agent that did not answer a moment ago.
#[derive(Debug, Default)]
pub(crate) struct Outage(Option<OutageCause>);

#[derive(Debug)]
struct OutageCause {
    why: Error,
    until: Instant,
    /// Set while a call tries again at this moment.
    tried: bool,
}

impl Outage {
    /// Returns the answer for a call that comes at that moment, or none for a call that may try.
    pub(crate) fn tell(&mut self, now: Instant) -> Option<Error> {
        let known = self.0.as_mut()?;
        if now >= known.until && !known.tried {
            known.tried = true;
            return None;
        }
        Some(known.why.under(Reason::AgentDown))
    }

    /// Returns the answer for a call that has tried already, because another has found out meanwhile.
    pub(crate) fn found(&self, now: Instant) -> Option<Error> {
        let known = self.0.as_ref().filter(|known| now < known.until)?;
        Some(known.why.under(Reason::AgentDown))
    }

    /// Begins, or goes on, where a call that began then has failed now.
    pub(crate) fn begin(&mut self, why: &Error, began: Instant, now: Instant) {
        let quick = now.saturating_duration_since(began) < QUICK;
        self.0 = match quick {
            true => None,
            false => Some(OutageCause { why: why.clone(), until: now + PAUSE, tried: false }),
        };
    }

    /// Ends: the agent has given a sign of life.
    pub(crate) fn end(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Duration, Instant, Outage, PAUSE, QUICK, Reason};

    #[test]
    fn all_are_told_the_same_for_a_while_and_then_one_tries() {
        let began = Instant::now();
        let (now, why) = (began + 2 * QUICK, Reason::AgentLost.detail("process 7 is stopped"));
        let mut outage = Outage::default();
        assert_eq!(outage.tell(now), None);
        outage.begin(&why, began, now);
        for told in [outage.tell(now).unwrap(), outage.tell(now + PAUSE / 2).unwrap()] {
            assert_eq!((told.rv(), told.reason()), (why.rv(), Reason::AgentDown));
            assert!(told.to_string().ends_with(": process 7 is stopped"), "{told}");
        }
        let later = now + PAUSE;
        assert_eq!(outage.tell(later), None, "it tries");
        assert!(outage.tell(later).is_some(), "the others do not");
        outage.begin(&why, later, later + 2 * QUICK);
        assert!(outage.tell(later + 2 * QUICK).is_some());
        outage.end();
        assert_eq!(outage.tell(later), None);
    }

    #[test]
    fn what_is_quick_to_find_is_looked_for_again() {
        let now = Instant::now();
        let mut outage = Outage::default();
        outage.begin(&Reason::AgentAbsent.into(), now, now + Duration::from_millis(20));
        assert_eq!(outage.tell(now), None);
    }
}
