//! Tests of the uses of keys, from what modules tell to the lines of the audit log.

use super::custody::{KEY, born};
use super::*;
use crate::agent::audit::{self, AuditEvent};

/// The day on which these tests begin; its second second.
const TODAY: u32 = 20_833;

fn world() -> World {
    let world = World::new();
    world.clock.set(Seconds::from(TODAY) * 86_400 + 2);
    world.user().commit(born(None)).unwrap();
    world
}

fn tell(world: &World, uses: &[(Id, u32, u64)]) {
    let request = Request::Used { token: TOKEN, uses: uses.to_vec() };
    assert!(matches!(world.user().ask(request), Response::Done(0)));
}

/// The lines there are: the day's first second and how often.
fn lines(world: &World) -> Vec<(i64, u64)> {
    let entries = audit::entries(&world.path()).unwrap();
    let used = entries
        .0
        .into_iter()
        .map(|line| line.entry)
        .filter(|entry| entry.fact.event == AuditEvent::Used);
    used.map(|it| (it.fact.at.unwrap().as_second() / 86_400, it.fact.times.unwrap())).collect()
}

#[test]
fn a_day_has_one_line_for_each_key_once_it_is_over() {
    let mut world = world();
    tell(&world, &[(KEY, TODAY, 3), (KEY, TODAY, 4)]);
    tell(&world, &[(KEY, TODAY, 1)]);
    world.restart();
    assert_eq!(lines(&world), []);
    let tomorrow = Seconds::from(TODAY + 1) * 86_400;
    world.clock.set(tomorrow + 30);
    // Counted before midnight, told after it; and what is counted today already.
    tell(&world, &[(KEY, TODAY, 2), (KEY, TODAY + 1, 100)]);
    world.clock.set(tomorrow + 300);
    world.restart();
    assert_eq!(lines(&world), [(i64::from(TODAY), 10)]);
    world.restart();
    assert_eq!(lines(&world).len(), 1);
    world.clock.set(tomorrow + 86_700);
    world.restart();
    assert_eq!(lines(&world)[1..], [(i64::from(TODAY + 1), 100)]);
}

#[test]
fn what_cannot_be_is_not_counted_and_a_wrong_clock_is_taken_for_today() {
    let mut world = world();
    tell(&world, &[(Id::new([9; 16]), TODAY, 5), (KEY, 1, 7), (KEY, u32::MAX - 1, u64::MAX)]);
    let request = Request::Used { token: TOKEN, uses: vec![(KEY, TODAY, 1)] };
    assert!(matches!(world.connect().ask(request), Response::Refused(_)));
    world.clock.set(Seconds::from(TODAY + 1) * 86_400 + 300);
    world.restart();
    assert_eq!(lines(&world), [(i64::from(TODAY), u64::MAX)]);
}

/// On a full disk only a snapshot that lacks nothing is served.
#[test]
fn a_snapshot_at_the_end_has_the_uses_too() {
    let mut world = world();
    world.restart();
    let snapshot = || std::fs::read(world.path().join("snapshot")).unwrap();
    let before = snapshot();
    tell(&world, &[(KEY, TODAY, 3)]);
    assert!(snapshot() == before, "uses alone are not worth one");
    world.stop().unwrap();
    let kept = crate::store::snapshot_origin(&world.records()).unwrap().unwrap();
    let cells = crate::store::Cells::open(&world.path()).unwrap();
    assert_eq!(kept.commits, cells.commits.get());
}
