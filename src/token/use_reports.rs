//! Reports of how often each custom key is used: counted in the sessions, gathered here, and told to the
//! agent for its audit log at most once a minute, and at each logout. An operation that has begun is a use,
//! and so is each call that begins a message.
//!
//! The agent is not started for it, and no operation fails or waits long on its account: what a killed
//! process, or one whose agent does not answer, has not told of the last minute is not counted.

use super::Token;
use crate::id::Id;
use crate::key::Key;
use crate::key::policy::Watch;
use crate::wire::Request;
use crate::wire::message::MAX_USES;

impl Token {
    /// Returns the minute it is, in minutes since 1970 UTC; cheap.
    pub fn minute(&self) -> u64 {
        self.clock.coarse() / 60
    }

    /// Counts uses of a key in that minute.
    pub fn count_uses(&self, key: &Key, minute: u64, times: u64) {
        let (Some(_), Watch::Record { watched, .. }) = (&key.state, &key.watch) else { return };
        if self.uses.count(*watched, minute, times, self.minute()) {
            self.report_uses();
        }
    }

    /// Tells the agent, if it runs. What it did not take is told another time.
    pub fn report_uses(&self) {
        self.uses.take().chunks(MAX_USES).for_each(|some| self.report_some(some));
    }

    fn report_some(&self, uses: &[(Id, u32, u64)]) {
        let answer = self.link.tell_running(&Request::Used { token: self.id, uses: uses.to_vec() });
        if !matches!(answer, Ok(true)) {
            log::debug!("uses of keys are not told: {answer:?}");
            self.uses.put_back(uses);
        }
    }
}

/// Reports the last uses even where no caller logs out.
impl Drop for Token {
    fn drop(&mut self) {
        self.report_uses();
    }
}
