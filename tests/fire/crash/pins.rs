//! Wrong PINs in the storm: each that was answered stays counted, whatever is killed.

use super::*;

/// The wrong PINs that lock a token.
const TRIES: usize = PIN_TRIES as usize;

impl Storm<'_> {
    /// The user certainly has this PIN; those that it may have had are wrong from now on.
    pub(super) fn is_pin(&mut self, right: String) {
        self.former.append(&mut self.pins);
        self.former.retain(|pin| *pin != right);
        self.pins = vec![right];
    }

    /// One client gives a wrong PIN, once a right one has set the count to zero. The agent is killed then: the next one
    /// shows that there was one.
    pub(super) fn guess_and_kill(&mut self) {
        let right = self.hands[0].ask::<String>(&Order::Login(self.pins.clone()), self.longest);
        self.is_pin(right);
        self.shows((false, false));
        assert_eq!(self.guess(), Answer::Refused("PinIncorrect".into()));
        agent_of(&self.world.store()).into_iter().for_each(kill_9);
        self.shows((true, false));
    }

    /// Wrong PINs lock the token, and no kill gives one try more.
    pub(super) fn guess_until_locked(&mut self) {
        let right = self.hands[0].ask::<String>(&Order::Login(self.pins.clone()), self.longest);
        self.is_pin(right);
        self.guess_on(0);
    }

    /// The same, where some were wrong already.
    pub(super) fn guess_on(&mut self, mut answered: usize) {
        let mut interrupted = 0;
        loop {
            let by = self.fire.rng.usize(..HANDS);
            let wrong = self.wrong_pin();
            self.hands[by].tell(&wrong);
            let is_killed = self.fire.rng.bool();
            if is_killed {
                std::thread::sleep(Duration::from_micros(self.fire.rng.u64(..LATEST_AT_START)));
                agent_of(&self.world.store()).into_iter().for_each(kill_9);
            }
            match self.hands[by].hear(self.longest) {
                Some(Answer::Refused(code)) if code == "PinIncorrect" => answered += 1,
                Some(Answer::Refused(code)) if code == "PinLocked" => break,
                // Whether it was counted is not said.
                Some(Answer::Refused(_)) if is_killed => {}
                other => panic!("the answer to a wrong PIN is {other:?}"),
            }
            interrupted += usize::from(is_killed);
            assert!(answered <= TRIES, "{answered} wrong PINs, and the token is not locked");
            assert!(interrupted <= 10 * TRIES, "the token is never locked");
        }
        assert!(answered + interrupted + 1 >= TRIES, "{answered} wrong PINs have locked the token");
        self.shows((true, true));
        agent_of(&self.world.store()).into_iter().for_each(kill_9);
        self.shows((true, true));
    }

    pub(super) fn guess(&mut self) -> Answer {
        let wrong = self.wrong_pin();
        self.hands[0].ask(&wrong, self.longest)
    }

    /// A former PIN, or one that never was.
    fn wrong_pin(&mut self) -> Order {
        let rng = &mut self.fire.rng;
        let former = if rng.bool() { rng.choice(&self.former) } else { None };
        let wrong = former.cloned().unwrap_or_else(|| "wrong-pin".into());
        Order::SetPin(wrong, "user-of-another".into())
    }

    /// Asserts what the token shows: that there were wrong PINs, and that there were too many.
    pub(super) fn shows(&mut self, expected: (bool, bool)) {
        let shown: (bool, bool) = self.hands[0].ask(&Order::WrongPins, self.longest);
        assert_eq!(shown, expected, "wrong PINs are shown, and that they lock");
    }
}
