//! Clocks of an agent and two clients that jump back and forth: no key outlives the time that the store has seen, or
//! the clock of its own process; none ends before one of the two.

use crate::fire::{Fire, play_under_fire};
use crate::hand::{Hand, Order, take_part};
use crate::key::{Act, Answer, Key, Seen};
use crate::rig::World;
use crate::rig::elsewhen::{Elsewhen, Suspended, faketime, faketime_in};
use crate::rig::process::PATIENCE;
use crate::rig::token::{USER_PIN, expected_block};
use crate::rig::world::now;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

mod flaws;

/// The time for which a key is to live, and the lengths of the jumps, in seconds.
const LIFE: i64 = 3_600;
const JUMPS: [i64; 4] = [600, 2_400, 7_200, 40_000];

/// The number of jumps, or other events, in the life of a key.
const EVENTS: usize = 8;

/// The seconds by which two readings of one clock may be apart.
const LEEWAY: i64 = 3;

#[test]
fn no_clock_keeps_a_key_alive_and_none_ends_it_early() {
    play_under_fire(|world, fire| match world.role() {
        "" => {
            let lives = fire.share_of(8, 1_000);
            let mut clocks = Clocks::new(world, fire);
            for life in 0..lives {
                clocks.live(life);
            }
            clocks.end();
            println!("{lives} lives of {EVENTS} events");
        }
        _ => take_part(world),
    });
}

/// A clock of one process.
struct Clock {
    file: PathBuf,
    /// The seconds by which it is ahead.
    ahead: i64,
}

impl Clock {
    fn new(world: &World, name: &str) -> Self {
        let clock = Self { file: world.path(name), ahead: 0 };
        fs::write(&clock.file, "+0").unwrap();
        clock
    }

    fn time(&self, machine: &Suspended) -> Elsewhen {
        machine.at(faketime_in(&self.file))
    }

    fn set(&mut self, ahead: i64) {
        self.ahead = ahead;
        // In one step, for it is read meanwhile.
        let draft = self.file.with_extension("new");
        fs::write(&draft, format!("{ahead:+}")).unwrap();
        fs::rename(&draft, &self.file).unwrap();
    }

    fn shows(&self) -> i64 {
        now() as i64 + self.ahead
    }
}

/// A client and its clock.
struct Client {
    hand: Hand,
    clock: Clock,
    /// The latest that it has shown.
    latest: i64,
}

struct Clocks<'a> {
    world: &'a World,
    fire: Fire,
    machine: Suspended,
    /// The seconds for which it was suspended.
    suspended: i64,
    agent: Child,
    clock: Clock,
    /// The seconds by which the store's time is ahead: as far as the agent's clock ever was, or the suspended machine.
    ahead: i64,
    clients: Vec<Client>,
}

impl<'a> Clocks<'a> {
    fn new(world: &'a World, fire: Fire) -> Self {
        let clock = Clock::new(world, "clock of the agent");
        let machine = Suspended::new(world);
        let agent = world.agent_at(&clock.time(&machine));
        world.start("maker").ends_well();
        let client = |name: &str| {
            let clock = Clock::new(world, &format!("clock of the {name}"));
            let time = clock.time(&machine);
            let (hand, _) = Hand::start_with(world, name, &time.borrowed(), &[USER_PIN.into()]);
            Client { hand, latest: clock.shows(), clock }
        };
        let clients = vec![client("left"), client("right")];
        Self { world, fire, machine, suspended: 0, agent, clock, ahead: 0, clients }
    }

    /// One key's life.
    fn live(&mut self, number: usize) {
        let (key, ends) = self.begin(&format!("key {number}"), |ends| ends);
        for event in 0..EVENTS {
            self.happens();
            self.look(&key, ends, event);
        }
    }

    /// A key's beginning, and the second at which it ends; the store is told of another end.
    fn begin(&mut self, name: &str, told: fn(u64) -> u64) -> (Key, i64) {
        let mut material = vec![0; 32];
        self.fire.rng.fill(&mut material);
        let mut key = Key::new(name.to_owned(), material);
        let shown = self.clients.iter().map(|client| client.clock.ahead).max().unwrap_or(0);
        let ends = now() as i64 + self.ahead.max(shown) + LIFE;
        self.done(Order::Act(key.clone(), Act::Create));
        key.id = self.seen(0, &key).map(|seen| seen.id);
        let import = Act::Import { ends: told(ends as u64), wrapped: false };
        self.done(Order::Act(key.clone(), import));
        for client in &mut self.clients {
            client.latest = client.clock.shows();
        }
        (key, ends)
    }

    fn done(&mut self, order: Order) {
        let answer: Answer = self.clients[0].hand.ask(&order, PATIENCE);
        assert_eq!(answer, Answer::Done, "{order:?}");
    }

    fn seen(&mut self, client: usize, key: &Key) -> Option<Seen> {
        let seen: Option<Seen> = self.clients[client].hand.ask(&Order::See(key.clone()), PATIENCE);
        assert!(seen.as_ref().is_none_or(|seen| seen.agrees), "{seen:?}");
        seen
    }

    /// A clock jumps, the agent is killed, or it is stopped for a while.
    fn happens(&mut self) {
        let rng = &mut self.fire.rng;
        let jump = JUMPS[rng.usize(..JUMPS.len())] * if rng.bool() { 1 } else { -1 };
        match rng.u8(..9) {
            0..3 => self.jump(jump),
            3..6 => {
                let client = &mut self.clients[rng.usize(..2)];
                client.clock.set(client.clock.ahead + jump);
            }
            6 => {
                self.world.kill_agent();
                self.agent.wait().unwrap();
                self.agent = self.world.agent_at(&self.clock.time(&self.machine));
            }
            7 => {
                let agent = Pid::from_child(&self.agent);
                kill_process(agent, Signal::STOP).unwrap();
                std::thread::sleep(Duration::from_millis(rng.u64(..100)));
                kill_process(agent, Signal::CONT).unwrap();
            }
            _ => {
                let clocks_go_on = rng.bool();
                self.suspend(jump.abs(), clocks_go_on);
                self.machine.set(self.suspended);
                self.signal_all(Signal::CONT);
            }
        }
    }

    /// The agent's clock jumps.
    fn jump(&mut self, by: i64) {
        self.clock.set(self.clock.ahead + by);
        self.ahead = self.ahead.max(self.clock.ahead);
    }

    /// The machine is suspended. Its processes stand still; the battery keeps the clocks, or does not.
    fn suspend(&mut self, seconds: i64, clocks_go_on: bool) {
        self.signal_all(Signal::STOP);
        self.suspended += seconds;
        self.ahead += seconds;
        if clocks_go_on {
            let clients = self.clients.iter_mut().map(|client| &mut client.clock);
            clients.chain([&mut self.clock]).for_each(|clock| clock.set(clock.ahead + seconds));
        }
    }

    fn signal_all(&self, signal: Signal) {
        let clients = self.clients.iter().map(|client| client.hand.pid());
        let all = clients.chain([Pid::from_child(&self.agent)]);
        all.for_each(|process| kill_process(process, signal).unwrap());
    }

    /// Each client can use the key, or cannot, as the clocks have it.
    fn look(&mut self, key: &Key, ends: i64, event: usize) {
        // Each caller that asks the agent shows it the time.
        let time = self.machine.at(faketime("+0"));
        let mut clock = self.world.keystead_command(&["clock"]);
        assert!(clock.envs(time.borrowed()).output().unwrap().status.success());
        let store = now() as i64 + self.ahead;
        for number in 0..self.clients.len() {
            let client = &mut self.clients[number];
            let shows = client.clock.shows();
            client.latest = client.latest.max(shows);
            let latest = client.latest;
            let block = self.seen(number, key).and_then(|seen| seen.block);
            let told = format!(
                "{} after event {event}: it ends at {ends}, the store is at {store}, client {number} at {shows}",
                key.name
            );
            if store.max(shows) >= ends + LEEWAY {
                assert_eq!(block, None, "{told}: it is still used");
            }
            if store.max(latest) + LEEWAY < ends {
                assert_eq!(block, Some(expected_block(&key.material)), "{told}: it has ended");
            }
        }
    }

    fn end(mut self) {
        self.clients.into_iter().for_each(|client| client.hand.end());
        self.world.kill_agent();
        self.agent.wait().unwrap();
    }
}
