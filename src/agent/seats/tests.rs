//! Who leaves for whom, as time passes that each test decides.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;

const LIMITS: Limits = Limits { per_user: 3, others: 5, in_all: 100, waiting: 8 };

fn peer(user: u32) -> Peer {
    Peer { user, process: Some(user * 10), trusted: user == 0 }
}

/// Connections are numbers, and time passes as the test says.
struct House {
    seats: Seats<u32>,
    now: Instant,
    next: u32,
}

impl House {
    fn new() -> Self {
        Self { seats: Seats::new(LIMITS, Instant::now()), now: Instant::now(), next: 0 }
    }

    fn after(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self
    }

    /// Somebody comes; the number of the seat, if there is one at once, and who has to go.
    fn comes(&mut self, user: u32) -> (Option<u64>, Vec<u32>) {
        assert!(self.seats.arrive(peer(user), self.next, self.now));
        self.next += 1;
        self.admits()
    }

    fn admits(&mut self) -> (Option<u64>, Vec<u32>) {
        let Moves { seated, leaving } = self.seats.admit(self.now);
        assert!(seated.len() <= 1);
        (seated.first().map(|seated| seated.0), leaving)
    }

    /// Asks and is answered; whether it stays.
    fn asks(&mut self, seat: u64, proved: bool) -> bool {
        assert!(self.seats.begin(seat));
        self.seats.rest(seat, true, proved, self.now)
    }

    /// A user's seats, each of which has asked something, one second after the other.
    fn full(&mut self, user: u32, proved: bool) -> Vec<u64> {
        (0..LIMITS.per_user)
            .map(|_| {
                let seat = self.comes(user).0.unwrap();
                assert!(self.after(TURN * 20).asks(seat, proved));
                seat
            })
            .collect()
    }
}

#[test]
fn who_has_been_idle_longest_makes_room_and_who_waits_comes_in_when_it_has_gone() {
    let mut house = House::new();
    let seats = house.full(1, true);
    house.after(TURN).asks(seats[0], true);
    assert_eq!(house.comes(1), (None, vec![1]));
    assert!(!house.seats.begin(seats[1]), "what it asks now is not answered here");
    assert_eq!(house.admits(), (None, vec![]), "one goes for one who waits");
    assert_eq!(house.comes(1), (None, vec![2]));
    house.seats.leave(seats[1], house.now);
    assert!(matches!(house.admits(), (Some(_), _)));
    assert!(house.seats.is_crowded());
    house.seats.leave(seats[2], house.now);
    assert!(matches!(house.admits(), (Some(_), _)));
    assert_eq!((house.seats.is_crowded(), house.seats.count()), (false, 3));
}

#[test]
fn who_has_proved_nothing_goes_first() {
    let mut house = House::new();
    let seats = house.full(1, true);
    house.after(TURN).asks(seats[1], false);
    assert_eq!(house.comes(1), (None, vec![1]));
}

#[test]
fn nobody_goes_in_the_midst_of_a_request_and_who_has_had_a_turn_goes_after_it() {
    let mut house = House::new();
    let seats = house.full(1, true);
    seats.iter().for_each(|seat| assert!(house.seats.begin(*seat)));
    assert_eq!(house.comes(1), (None, vec![]));
    assert_eq!(house.comes(2).0, Some(3), "another user's are none of their business");
    assert!(!house.seats.rest(seats[2], true, true, house.now));
    assert!(house.seats.rest(seats[0], true, true, house.now), "one for one");
    house.seats.leave(seats[2], house.now);
    assert!(matches!(house.admits(), (Some(4), _)));
}

#[test]
fn who_has_just_come_stays_for_a_turn() {
    let mut house = House::new();
    let seats: Vec<u64> = (0..3).map(|_| house.comes(1).0.unwrap()).collect();
    seats.iter().for_each(|seat| assert!(house.asks(*seat, true)));
    assert_eq!(house.comes(1), (None, vec![]));
    assert_eq!(house.after(TURN).admits(), (None, vec![0]));
}

#[test]
fn who_has_said_hello_at_the_most_stays_longer_and_goes_before_who_has_proved_a_login() {
    let mut house = House::new();
    let seat = house.comes(1).0.unwrap();
    house.after(SETTLING).asks(seat, true);
    house.comes(1);
    assert!(house.after(SETTLING / 2).comes(1).0.is_some());
    assert_eq!(house.comes(1), (None, vec![]));
    assert_eq!(house.after(SETTLING / 2).admits(), (None, vec![1]));
    assert_eq!(house.comes(1), (None, vec![]));
    assert_eq!(house.after(SETTLING / 2).admits(), (None, vec![2]));
    assert_eq!(house.comes(1), (None, vec![0]), "nobody else is left");
}

#[test]
fn all_others_together_have_a_limit_and_the_owner_one_alone() {
    let mut house = House::new();
    house.full(1, true);
    let second: Vec<_> = (0..2).map(|_| house.comes(2).0.unwrap()).collect();
    house.after(SETTLING);
    assert_eq!(house.comes(2), (None, vec![3]), "who has proved nothing");
    assert!(house.comes(0).0.is_some());
    house.seats.leave(second[0], house.now);
    assert!(house.admits().0.is_some());
}

#[test]
fn one_user_takes_half_of_the_places_to_wait_and_the_owner_all() {
    let mut house = House::new();
    for user in [1, 0] {
        house.full(user, true).iter().for_each(|seat| assert!(house.seats.begin(*seat)));
    }
    for _ in 0..LIMITS.waiting / 2 {
        house.comes(1);
    }
    assert!(!house.seats.arrive(peer(1), 99, house.now));
    for _ in 0..LIMITS.waiting / 2 {
        assert!(!house.seats.is_full());
        house.comes(0);
    }
    assert!(house.seats.is_full(), "who comes now is not accepted yet");
}

#[test]
fn a_process_keeps_one_idle_connection_and_gives_the_others_back() {
    let mut house = House::new();
    let seats = house.full(1, true);
    let stranger = house.comes(2).0.unwrap();
    assert!(house.seats.is_spare(seats[2]));
    assert!(!house.seats.begin(seats[2]));
    assert!(house.seats.is_spare(seats[0]));
    assert!(!house.seats.is_spare(seats[1]), "the last one");
    assert!(!house.seats.is_spare(stranger));
    assert!(house.asks(seats[1], true));
}

#[test]
fn where_descriptors_are_short_anybody_idle_makes_room() {
    let mut house = House::new();
    assert_eq!(house.seats.make_room(house.now), None);
    house.full(1, true);
    house.full(0, false);
    assert_eq!(house.seats.make_room(house.now), Some(3));
}

#[test]
fn who_could_not_be_seated_waits_until_somebody_has_gone() {
    let mut house = House::new();
    let seats: Vec<u64> = [house.full(1, true), house.full(0, true)].concat();
    let (seat, _) = house.comes(2);
    house.seats.leave(seat.unwrap(), house.now);
    house.seats.put_back(peer(2), 99, house.now);
    assert_eq!(house.admits(), (None, vec![0]), "somebody idle makes room");
    house.seats.leave(seats[0], house.now);
    assert!(house.admits().0.is_some());
}
