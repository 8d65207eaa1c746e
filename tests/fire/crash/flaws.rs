//! The control: stores that break their word, each in one way, after some kills. The judge of the storm finds each.

use super::*;
use crate::fire::{complaint, is_found};
use crate::image::{self, Image};
use std::fs;

/// The number of processes that are killed before a store breaks its word.
const BEFORE: usize = 4;

/// A flaw: its name, what is done to a store and its clients behind the judge's back, and the words of the complaint.
type Flaw = (&'static str, fn(&mut Storm<'_>), &'static str);

const FLAWS: [Flaw; 18] = [
    ("an acknowledged change is lost", lose, "should be one of"),
    ("a deleted key is revived", revive, "should be one of"),
    ("a key is there twice", double, "custom keys"),
    ("a change is made twice", rotate_twice, "should be one of"),
    ("a change is half done", import_half, "should be one of"),
    ("a key has other material", import_other, "should be one of"),
    ("the new PIN does not hold", forget_pin, "it logs in"),
    ("an erased secret is left", leave_secret, "erased secrets"),
    ("a secret of present material is gone", lose_secret, "agrees: false"),
    ("a line of the audit log is gone", lose_line, "audit"),
    ("a change has no line in the audit log", forget_line, "lines of the audit log"),
    ("a change has two lines in the audit log", import_twice, "lines of the audit log"),
    ("a client dies of a change", end_client, "client 0 died of"),
    ("what is forbidden is done", do_forbidden, "no order explains"),
    ("what is allowed is refused", refuse_allowed, "no order explains"),
    ("a key does not open what it has sealed", seal_by_other, "opened: [false]"),
    ("a key opens what another has sealed", open_others, "opens_others: true"),
    ("a call takes longer than it may", be_slow, "a call took"),
];

/// The same of PINs, of schedules and of erasure at once.
const MORE: [Flaw; 4] = [
    ("a wrong PIN is not counted", forget_guesses, "wrong PINs, and the token is not locked"),
    ("a wrong PIN does not show after a kill", hide_guess, "wrong PINs are shown"),
    ("no schedule is minded", stay_early, "should be one of [None]"),
    ("a deleted key's secret is not overwritten", keep_secret, "erase secrets none is gone"),
];

#[test]
fn a_store_that_breaks_its_word_is_found() {
    play_under_fire(|world, fire| match world.role() {
        "" => {
            world.start("maker").ends_well();
            let mut storm = Storm::new(world, fire.clone());
            while storm.killed < BEFORE {
                storm.round();
            }
            let key = storm.brought_in();
            storm.changed(key, Act::Delete);
            let sound = Sound::of(storm);
            assert_eq!(complaint(|| sound.storm(world, &fire).end()), None, "it keeps its word");
            for (flaw, does, words) in FLAWS.into_iter().chain(MORE) {
                let mut storm = sound.storm(world, &fire);
                is_found(
                    flaw,
                    words,
                    complaint(|| {
                        does(&mut storm);
                        storm.end();
                    }),
                );
            }
        }
        _ => take_part(world),
    });
}

/// A store that has kept its word so far, and all that is known of it.
struct Sound {
    files: Image,
    keys: Vec<Key>,
    pins: Vec<String>,
    secrets: Secrets,
}

impl Sound {
    fn of(mut storm: Storm<'_>) -> Self {
        storm.check();
        let files = storm.files();
        let Storm { keys, pins, secrets, .. } = storm;
        Self { files, keys, pins, secrets }
    }

    /// Goes on with it.
    fn storm<'a>(&self, world: &'a World, fire: &Fire) -> Storm<'a> {
        put(world, &self.files);
        let (keys, secrets) = (self.keys.clone(), self.secrets.clone());
        let mut storm = Storm::with(world, fire.clone(), self.pins.clone(), secrets);
        storm.keys = keys;
        storm
    }
}

/// Puts files in the place of a store.
fn put(world: &World, files: &Image) {
    agent_of(&world.store()).into_iter().for_each(kill_9);
    image::write(&world.store(), files);
}

impl Storm<'_> {
    /// A key that certainly has imported material.
    fn brought_in(&mut self) -> usize {
        let key = self.add_key();
        self.changed(key, Act::Create);
        self.changed(key, Act::Import { ends: 0, wrapped: false });
        key
    }

    /// One that has sealed a text too.
    fn sealed(&mut self) -> usize {
        let key = self.brought_in();
        self.look_by(0, key);
        assert_eq!(self.keys[key].sealed.len(), 1);
        key
    }

    /// Has a change made.
    fn changed(&mut self, key: usize, act: Act) {
        self.changed_as(key, act.clone(), act);
    }

    /// Has a change made of which the judge is told as of another.
    fn changed_as(&mut self, key: usize, told: Act, made: Act) {
        let (answer, between) = self.made(key, made);
        assert_eq!(answer, Answer::Done);
        self.judged(key, told, answer, between);
    }

    /// Has a change made, and returns the answer and the seconds between which it was.
    fn made(&mut self, key: usize, act: Act) -> (Answer, (u64, u64)) {
        let began = now();
        let order = Order::Act(self.keys[key].clone(), act);
        let answer = self.hands[0].ask(&order, self.longest);
        (answer, (began, now()))
    }

    /// Tells the judge of a change.
    fn judged(&mut self, key: usize, told: Act, answer: Answer, between: (u64, u64)) {
        self.keys[key].ask(&[(told, Some(answer))], between);
        if self.keys[key].id.is_none() {
            self.look(key);
        }
        self.secrets.note();
    }

    /// The files of the store, once no agent has them open.
    fn files(&mut self) -> Image {
        agent_of(&self.world.store()).into_iter().for_each(kill_9);
        image::read(&self.world.store())
    }

    /// Goes on with other files.
    fn put_back(&mut self, files: &Image) {
        self.hands.iter().for_each(Hand::kill);
        put(self.world, files);
        for hand in 0..HANDS {
            self.hands[hand] = self.another();
        }
    }
}

fn lose(storm: &mut Storm<'_>) {
    let key = storm.brought_in();
    let before = storm.files();
    storm.changed(key, Act::Rename("another name".into()));
    storm.put_back(&before);
}

fn revive(storm: &mut Storm<'_>) {
    let key = storm.brought_in();
    let before = storm.files();
    storm.changed(key, Act::Delete);
    storm.put_back(&before);
}

fn double(storm: &mut Storm<'_>) {
    let key = storm.brought_in();
    let again = Key::new(storm.keys[key].name.clone(), Vec::new());
    let made: Answer = storm.hands[1].ask(&Order::Act(again, Act::Create), storm.longest);
    assert_eq!(made, Answer::Done);
}

fn rotate_twice(storm: &mut Storm<'_>) {
    let key = storm.add_key();
    storm.changed(key, Act::Generate);
    storm.changed(key, Act::Rotate);
    let again = Order::Act(storm.keys[key].clone(), Act::Rotate);
    assert_eq!(storm.hands[1].ask::<Answer>(&again, storm.longest), Answer::Done);
}

/// The material is there, and its expiry is not.
fn import_half(storm: &mut Storm<'_>) {
    let key = storm.brought_in();
    let import = |ends| Act::Import { ends, wrapped: false };
    storm.changed_as(key, import(now() + 86_400), import(0));
}

fn import_other(storm: &mut Storm<'_>) {
    let key = storm.add_key();
    storm.changed(key, Act::Create);
    let right = std::mem::replace(&mut storm.keys[key].material, vec![9; 32]);
    storm.changed(key, Act::Import { ends: 0, wrapped: false });
    storm.keys[key].material = right;
}

fn forget_pin(storm: &mut Storm<'_>) {
    let before = storm.files();
    let set = Order::SetPin(storm.pins[0].clone(), "user-new-1".into());
    assert_eq!(storm.hands[0].ask::<Answer>(&set, storm.longest), Answer::Done);
    storm.pins = vec!["user-new-1".into()];
    storm.put_back(&before);
}

fn leave_secret(storm: &mut Storm<'_>) {
    let key = storm.brought_in();
    let cells = storm.world.store().join("slots");
    let before = fs::read(&cells).unwrap();
    storm.changed(key, Act::Delete);
    fs::write(cells.with_file_name("left"), before).unwrap();
}

fn lose_secret(storm: &mut Storm<'_>) {
    let before = storm.files();
    storm.brought_in();
    let mut after = storm.files();
    after.insert("slots".into(), before["slots"].clone());
    storm.put_back(&after);
}

fn lose_line(storm: &mut Storm<'_>) {
    let mut files = storm.files();
    let log = image::bytes(&mut files, "audit/audit.jsonl");
    let ends: Vec<usize> = (0..log.len()).filter(|at| log[*at] == b'\n').collect();
    log.drain(ends[1] + 1..=ends[2]);
    storm.put_back(&files);
}

/// The same import once more changes nothing else than the log.
fn forget_line(storm: &mut Storm<'_>) {
    let key = storm.brought_in();
    let again = Act::Import { ends: 0, wrapped: false };
    storm.keys[key].ask(&[(again, Some(Answer::Done))], (now(), now()));
}

fn import_twice(storm: &mut Storm<'_>) {
    let key = storm.brought_in();
    let again = Act::Import { ends: 0, wrapped: false };
    let again = Order::Act(storm.keys[key].clone(), again);
    assert_eq!(storm.hands[1].ask::<Answer>(&again, storm.longest), Answer::Done);
}

/// It is stopped, so that it dies after it was told and before it answers.
fn end_client(storm: &mut Storm<'_>) {
    let key = storm.brought_in();
    let rename = Act::Rename("another name".into());
    kill_process(storm.hands[0].pid(), Signal::STOP).unwrap();
    storm.hands[0].tell(&Order::Act(storm.keys[key].clone(), rename.clone()));
    storm.hands[0].kill();
    storm.answers(&[Some((key, rename))], &[]);
}

/// Another name is given; the judge hears of other material.
fn do_forbidden(storm: &mut Storm<'_>) {
    let key = storm.brought_in();
    storm.changed_as(key, Act::ImportOther(vec![9; 32]), Act::Rename("another name".into()));
}

/// Other material is refused; the judge hears of another name.
fn refuse_allowed(storm: &mut Storm<'_>) {
    let key = storm.brought_in();
    let (answer, between) = storm.made(key, Act::ImportOther(vec![9; 32]));
    assert!(matches!(answer, Answer::Refused(_)), "{answer:?}");
    storm.judged(key, Act::Rename("another name".into()), answer, between);
}

fn seal_by_other(storm: &mut Storm<'_>) {
    let [one, other] = [storm.sealed(), storm.sealed()];
    storm.keys[one].sealed = storm.keys[other].sealed.clone();
    storm.look_by(0, one);
}

fn open_others(storm: &mut Storm<'_>) {
    let key = storm.sealed();
    let mut asked = storm.keys[key].clone();
    asked.others = asked.sealed.values().next().cloned();
    let began = now();
    let seen = storm.hands[0].ask(&Order::See(asked), storm.longest);
    storm.keys[key].see(seen, (began, now()));
}

fn be_slow(storm: &mut Storm<'_>) {
    storm.longest = Duration::ZERO;
}

/// The right PIN sets the count to zero behind the judge's back.
fn forget_guesses(storm: &mut Storm<'_>) {
    let almost = usize::from(PIN_TRIES) - 1;
    for _ in 0..almost {
        storm.guess();
    }
    let right = storm.pins.clone();
    storm.hands[1].ask::<String>(&Order::Login(right), storm.longest);
    storm.guess_on(almost);
}

fn hide_guess(storm: &mut Storm<'_>) {
    storm.guess();
    let right = storm.pins.clone();
    storm.hands[1].ask::<String>(&Order::Login(right), storm.longest);
    storm.shows((true, false));
}

/// Agents do not come to see the time.
fn stay_early(storm: &mut Storm<'_>) {
    let key = storm.brought_in();
    storm.changed(key, Act::Schedule(now() + SCHEDULED));
    storm.later = faketime("+2d");
}

/// The judge takes a renaming for a deletion.
fn keep_secret(storm: &mut Storm<'_>) {
    let key = storm.brought_in();
    storm.erase_by(key, Act::Rename("another name".into()));
}
