//! The control: stores that do not mind the time, each in one way. The judge of the clocks finds each.

use super::*;
use crate::fire::{complaint, is_found};

/// A flaw: its name, the end that the store is told of, what happens then, and the words of the complaint.
type Flaw = (&'static str, fn(u64) -> u64, fn(&mut Clocks<'_>, &Key), &'static str);

const FLAWS: [Flaw; 4] = [
    ("no expiry is minded", never, jump, "it is still used"),
    ("no client's clock is minded", never, jump_of_a_client, "it is still used"),
    ("time in suspension is not counted", as_it_is, suspend, "it is still used"),
    ("a key ends early", as_it_is, delete, "it has ended"),
];

#[test]
fn a_store_that_does_not_mind_the_time_is_found() {
    play_under_fire(|world, fire| match world.role() {
        "" => {
            let mut clocks = Clocks::new(world, fire);
            for (flaw, told, happens, words) in FLAWS {
                let (key, ends) = clocks.begin(flaw, told);
                assert_eq!(complaint(|| clocks.look(&key, ends, 0)), None, "nothing is wrong yet");
                happens(&mut clocks, &key);
                is_found(flaw, words, complaint(|| clocks.look(&key, ends, 1)));
            }
            clocks.end();
        }
        _ => take_part(world),
    });
}

fn never(_: u64) -> u64 {
    0
}

fn as_it_is(ends: u64) -> u64 {
    ends
}

fn jump(clocks: &mut Clocks<'_>, _: &Key) {
    clocks.jump(2 * LIFE);
}

fn jump_of_a_client(clocks: &mut Clocks<'_>, _: &Key) {
    let ahead = clocks.ahead + 2 * LIFE;
    clocks.clients[1].clock.set(ahead);
}

/// No clock goes on meanwhile, neither one that can be set nor `CLOCK_BOOTTIME`.
fn suspend(clocks: &mut Clocks<'_>, _: &Key) {
    clocks.suspend(4 * LIFE, false);
    clocks.signal_all(Signal::CONT);
}

fn delete(clocks: &mut Clocks<'_>, key: &Key) {
    clocks.done(Order::Act(key.clone(), Act::Delete));
}
