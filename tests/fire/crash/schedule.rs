//! The scheduled ends of whole keys: the time comes, and the agents that meet it are killed at it.

use super::*;
use std::process::Child;

/// The number of agents that are killed as they begin, at a time when the schedules are over.
const KILLED: usize = 3;

impl Storm<'_> {
    pub(super) fn end_scheduled(&mut self) {
        for key in (0..self.keys.len()).step_by(3) {
            self.change(key, Act::Schedule(now() + SCHEDULED));
        }
        let there = self.there();
        self.world.end_agent();
        for _ in 0..KILLED {
            let mut agent = self.begin_later();
            std::thread::sleep(Duration::from_micros(self.fire.rng.u64(..LATEST_AT_START)));
            agent.kill().unwrap();
            agent.wait().unwrap();
            self.killed += 1;
        }
        let mut agent = self.world.agent_at(&self.later);
        // It sees the time with each call, and the next one goes on from there.
        self.hands[0].ask::<usize>(&Order::Count, self.longest);
        assert!(self.world.keystead(&["clock"]).status.success());
        agent.kill().unwrap();
        agent.wait().unwrap();
        // The next one has its clock back, and fills what no key claims anew.
        assert!(self.world.keystead(&["sweep"]).status.success());
        let over = now() + DAYS * 86_400;
        self.keys.iter_mut().for_each(|key| key.ask(&[], (over, over)));
        println!("{} whole keys ended as scheduled", there - self.there());
    }

    fn begin_later(&self) -> Child {
        let store = self.world.store();
        let mut agent = self.world.keystead_command(&["agent", "--store", store.to_str().unwrap()]);
        agent.envs(self.later.borrowed()).spawn().unwrap()
    }

    fn there(&self) -> usize {
        self.keys.iter().filter(|key| key.is_there()).count()
    }
}
