//! Tests of who leaves for whom, as time passes that each test decides.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;

const LIMITS: ConnectionLimits =
    ConnectionLimits { per_user: 3, others: 5, in_all: 100, waiting: 8 };

fn peer(user: u32) -> Peer {
    Peer { user, process: Some(user * 10), trusted: user == 0 }
}

/// Connections are numbers, and time passes as the test says.
struct Scene {
    connections: Connections<u32>,
    now: Instant,
    next: u32,
}

impl Scene {
    fn new() -> Self {
        Self { connections: Connections::new(LIMITS, Instant::now()), now: Instant::now(), next: 0 }
    }

    fn after(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self
    }

    /// A peer comes; returns the number of the connection, if there is one at once, and those that have to go.
    fn comes(&mut self, user: u32) -> (Option<u64>, Vec<u32>) {
        assert!(self.connections.arrive(peer(user), self.next, self.now));
        self.next += 1;
        self.admits()
    }

    fn admits(&mut self) -> (Option<u64>, Vec<u32>) {
        let Moves { admitted, leaving } = self.connections.admit(self.now);
        assert!(admitted.len() <= 1);
        (admitted.first().map(|admitted| admitted.0), leaving)
    }

    /// Asks and is answered; whether it stays.
    fn asks(&mut self, number: u64, proved: bool) -> bool {
        assert!(self.connections.begin(number));
        self.connections.rest(number, true, proved, self.now)
    }

    /// A user's connections, each of which has asked something, one second after the other.
    fn full(&mut self, user: u32, proved: bool) -> Vec<u64> {
        (0..LIMITS.per_user)
            .map(|_| {
                let number = self.comes(user).0.unwrap();
                assert!(self.after(TIME_SLICE * 20).asks(number, proved));
                number
            })
            .collect()
    }
}

#[test]
fn who_has_been_idle_longest_makes_room_and_who_waits_comes_in_when_it_has_gone() {
    let mut scene = Scene::new();
    let connections = scene.full(1, true);
    scene.after(TIME_SLICE).asks(connections[0], true);
    assert_eq!(scene.comes(1), (None, vec![1]));
    assert!(!scene.connections.begin(connections[1]), "what it asks now is not answered here");
    assert_eq!(scene.admits(), (None, vec![]), "one goes for one who waits");
    assert_eq!(scene.comes(1), (None, vec![2]));
    scene.connections.leave(connections[1], scene.now);
    assert!(matches!(scene.admits(), (Some(_), _)));
    assert!(scene.connections.is_crowded());
    scene.connections.leave(connections[2], scene.now);
    assert!(matches!(scene.admits(), (Some(_), _)));
    assert_eq!((scene.connections.is_crowded(), scene.connections.count()), (false, 3));
}

#[test]
fn who_has_proved_nothing_goes_first() {
    let mut scene = Scene::new();
    let connections = scene.full(1, true);
    scene.after(TIME_SLICE).asks(connections[1], false);
    assert_eq!(scene.comes(1), (None, vec![1]));
}

#[test]
fn nobody_goes_in_the_midst_of_a_request_and_who_has_had_a_turn_goes_after_it() {
    let mut scene = Scene::new();
    let connections = scene.full(1, true);
    connections.iter().for_each(|number| assert!(scene.connections.begin(*number)));
    assert_eq!(scene.comes(1), (None, vec![]));
    assert_eq!(scene.comes(2).0, Some(3), "another user's are none of their business");
    assert!(!scene.connections.rest(connections[2], true, true, scene.now));
    assert!(scene.connections.rest(connections[0], true, true, scene.now), "one for one");
    scene.connections.leave(connections[2], scene.now);
    assert!(matches!(scene.admits(), (Some(4), _)));
}

#[test]
fn who_has_just_come_stays_for_a_turn() {
    let mut scene = Scene::new();
    let connections: Vec<u64> = (0..3).map(|_| scene.comes(1).0.unwrap()).collect();
    connections.iter().for_each(|number| assert!(scene.asks(*number, true)));
    assert_eq!(scene.comes(1), (None, vec![]));
    assert_eq!(scene.after(TIME_SLICE).admits(), (None, vec![0]));
}

#[test]
fn who_has_said_hello_at_the_most_stays_longer_and_goes_before_who_has_proved_a_login() {
    let mut scene = Scene::new();
    let number = scene.comes(1).0.unwrap();
    scene.after(FIRST_SLICE).asks(number, true);
    scene.comes(1);
    assert!(scene.after(FIRST_SLICE / 2).comes(1).0.is_some());
    assert_eq!(scene.comes(1), (None, vec![]));
    assert_eq!(scene.after(FIRST_SLICE / 2).admits(), (None, vec![1]));
    assert_eq!(scene.comes(1), (None, vec![]));
    assert_eq!(scene.after(FIRST_SLICE / 2).admits(), (None, vec![2]));
    assert_eq!(scene.comes(1), (None, vec![0]), "nobody else is left");
}

#[test]
fn all_others_together_have_a_limit_and_the_owner_one_alone() {
    let mut scene = Scene::new();
    scene.full(1, true);
    let second: Vec<_> = (0..2).map(|_| scene.comes(2).0.unwrap()).collect();
    scene.after(FIRST_SLICE);
    assert_eq!(scene.comes(2), (None, vec![3]), "who has proved nothing");
    assert!(scene.comes(0).0.is_some());
    scene.connections.leave(second[0], scene.now);
    assert!(scene.admits().0.is_some());
}

#[test]
fn one_user_takes_half_of_the_places_to_wait_and_the_owner_all() {
    let mut scene = Scene::new();
    for user in [1, 0] {
        scene.full(user, true).iter().for_each(|number| assert!(scene.connections.begin(*number)));
    }
    for _ in 0..LIMITS.waiting / 2 {
        scene.comes(1);
    }
    assert!(!scene.connections.arrive(peer(1), 99, scene.now));
    for _ in 0..LIMITS.waiting / 2 {
        assert!(!scene.connections.is_full());
        scene.comes(0);
    }
    assert!(scene.connections.is_full(), "who comes now is not accepted yet");
}

#[test]
fn a_process_keeps_one_idle_connection_and_gives_the_others_back() {
    let mut scene = Scene::new();
    let connections = scene.full(1, true);
    let stranger = scene.comes(2).0.unwrap();
    assert!(scene.connections.is_spare(connections[2]));
    assert!(!scene.connections.begin(connections[2]));
    assert!(scene.connections.is_spare(connections[0]));
    assert!(!scene.connections.is_spare(connections[1]), "the last one");
    assert!(!scene.connections.is_spare(stranger));
    assert!(scene.asks(connections[1], true));
}

#[test]
fn where_descriptors_are_short_anybody_idle_makes_room() {
    let mut scene = Scene::new();
    assert_eq!(scene.connections.make_room(scene.now), None);
    scene.full(1, true);
    scene.full(0, false);
    assert_eq!(scene.connections.make_room(scene.now), Some(3));
}

#[test]
fn who_could_not_be_seated_waits_until_somebody_has_gone() {
    let mut scene = Scene::new();
    let connections: Vec<u64> = [scene.full(1, true), scene.full(0, true)].concat();
    let (number, _) = scene.comes(2);
    scene.connections.leave(number.unwrap(), scene.now);
    scene.connections.put_back(peer(2), 99, scene.now);
    assert_eq!(scene.admits(), (None, vec![0]), "somebody idle makes room");
    scene.connections.leave(connections[0], scene.now);
    assert!(scene.admits().0.is_some());
}
