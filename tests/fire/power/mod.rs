//! Power that goes at any moment: of what the agent wrote, the disk keeps what was synced, and of the rest what it
//! likes. The store opens and holds what was acknowledged, and what was erased stays erased.

mod disk;
mod recording;

use crate::fire::{Fire, complaint, is_found, play_under_fire};
use crate::hand::{Hand, Order, take_part};
use crate::image::{self, Image};
use crate::key::{Act, Answer, Key};
use crate::lines::check_lines;
use crate::rig::World;
use crate::rig::process::{PATIENCE, agent_of, kill_9};
use crate::rig::secrets::found_in;
use crate::rig::world::now;
use disk::{Disk, Syncs, Unsynced};
use recording::{Recording, Step};

/// The fates of the unsynced at a point.
const FATES: [Unsynced; 3] = [Unsynced::Lost, Unsynced::Kept, Unsynced::Torn];

/// The words of a judge who misses a change that was acknowledged, and of one who finds what was erased.
const LOST: &str = "should be one of";
const BACK: &str = "an erased secret is in";

/// The controls: syncs that are missing, or come behind the answer, and what the judge says of them.
const CONTROLS: [(Syncs, &str); 5] = [
    (Syncs::None, LOST),
    (Syncs::AllBut("db/db"), LOST),
    (Syncs::Late("db/db"), LOST),
    (Syncs::AllBut("slots"), LOST),
    (Syncs::Late("slots"), BACK),
];

#[test]
fn what_was_acknowledged_survives_a_loss_of_power_at_any_moment() {
    play_under_fire(|world, mut fire| match world.role() {
        "" => {
            let recording = Recording::new(world, &mut fire);
            let points = points(&mut fire, &recording);
            println!("{} events, {} points", recording.events.len(), points.len());
            let answers = recording.answers().into_iter().map(|at| (at, Unsynced::Lost));
            let answers: Vec<Point> = answers.collect();
            let mut checks = Checks { world, recording: &recording, fire, count: 0 };
            let failed = checks.failures(&points, Syncs::All, None);
            assert!(failed.is_empty(), "{} points fail:\n{}", failed.len(), failed.join("\n"));
            for (syncs, words) in CONTROLS {
                let failed = checks.failures(&answers, syncs, Some(words));
                is_found(&format!("{syncs:?}"), words, failed.into_iter().last());
            }
        }
        _ => take_part(world),
    });
}

/// A moment of the recording, and what becomes of the unsynced at it.
type Point = (usize, Unsynced);

/// Each moment of the share, for a long run; some, in no order, for a short one, of which every second is an answer.
fn points(fire: &mut Fire, recording: &Recording) -> Vec<Point> {
    let all = |moments: Vec<usize>| moments.into_iter().flat_map(|at| FATES.map(|it| (at, it)));
    let mut points: Vec<Point> = all((0..=recording.events.len()).collect()).collect();
    let mut answers: Vec<Point> = all(recording.answers()).collect();
    fire.keep_share(&mut points);
    fire.rng.shuffle(&mut points);
    fire.rng.shuffle(&mut answers);
    points.truncate(fire.either(30, points.len()));
    points.extend(answers.into_iter().take(fire.either(30, 0)));
    points
}

struct Checks<'a> {
    world: &'a World,
    recording: &'a Recording,
    fire: Fire,
    count: usize,
}

impl Checks<'_> {
    /// The points at which the store is not as it should be, until one is complained of in these words.
    fn failures(&mut self, points: &[Point], syncs: Syncs, words: Option<&str>) -> Vec<String> {
        let mut failed = Vec::new();
        // Those that can be taken from one pass over the recording.
        let mut in_order: Vec<Point> = points.to_vec();
        in_order.sort_by_key(|(at, _)| *at);
        let mut disk = Disk::of(&self.recording.base, syncs);
        let mut played = 0;
        for (at, fate) in in_order {
            self.recording.events[played..at].iter().for_each(|event| disk.play(event));
            played = at;
            let image = disk.cut_off(fate, &mut self.fire.rng);
            if let Some(why) = complaint(|| self.check(at, &image)) {
                let is_enough = words.is_some_and(|words| why.contains(words));
                failed.push(format!("after {at} events, the unsynced {fate:?}: {why}"));
                self.keep(&image, at, syncs);
                if is_enough {
                    break;
                }
            }
        }
        failed
    }

    /// Keeps the files at a point that failed, for those who look for the reason.
    fn keep(&self, image: &Image, at: usize, syncs: Syncs) {
        if syncs == Syncs::All {
            let place = std::env::temp_dir().join(format!("keystead-power-{at}"));
            image::write(&place, image);
            println!("kept: {}", place.display());
        }
    }

    /// Has an agent open these files, and looks at every key.
    fn check(&mut self, at: usize, image: &Image) {
        let store = self.world.store();
        agent_of(&store).into_iter().for_each(kill_9);
        image::write(&store, image);
        let step = self.recording.last_before(at);
        let found = found_in(&store, &step.erased);
        assert!(found.is_empty(), "an erased secret is in {found:?}");
        self.count += 1;
        let role = format!("client {}", self.count);
        let (mut hand, _) = Hand::start(self.world, &role, &step.pins);
        let mut keys = step.keys.clone();
        self.look(&mut hand, step, &mut keys);
        let audit = self.world.keystead(&["audit", "--verify"]);
        assert!(audit.status.success(), "{audit:?}");
        check_lines(&store, &keys);
        hand.end();
    }

    fn look(&self, hand: &mut Hand, step: &Step, keys: &mut [Key]) {
        if let Some((key, act)) = &step.next {
            keys[*key].ask(&[(act.clone(), None)], (step.began, now()));
        }
        for key in keys.iter_mut() {
            let began = now();
            let seen = hand.ask(&Order::See(key.clone()), PATIENCE);
            key.see(seen, (began, now()));
        }
        let count: usize = hand.ask(&Order::Count, PATIENCE);
        assert_eq!(count, keys.iter().filter(|key| key.is_there()).count(), "custom keys");
        // And it goes on.
        let another = Key::new("another".into(), vec![7; 32]);
        let made: Answer = hand.ask(&Order::Act(another, Act::Generate), PATIENCE);
        assert_eq!(made, Answer::Done);
    }
}
