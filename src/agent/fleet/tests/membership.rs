//! Hosts that join and hosts that are expelled.

use super::*;

#[test]
fn a_host_that_joins_has_every_key_and_what_is_made_meanwhile() {
    let mut world = World::of(2);
    (1..=3).for_each(|key| world.hosts[0].make(key));
    world.hosts[1].make(4);
    world.hosts[0].remove(3);
    let mut joining = world.host(3);
    let error = joining.try_work().unwrap_err();
    assert!(error.to_string().contains("fleet's key"), "{error}");
    assert!(joining.try_commit(made(9)).is_err());
    world.hosts[0].list(&joining);
    joining.work();
    let error = joining.try_commit(made(9)).unwrap_err();
    assert!(error.to_string().contains("still being sent"), "{error}");
    // Claimed from what was there before its listing, and from what is made after it.
    world.hosts[1].make(5);
    world.hosts[0].start();
    world.hosts[0].make(6);
    world.hosts[0].remove(2);
    world.hosts.push(joining);
    world.settle();
    for key in [1, 4, 5, 6] {
        assert!(world.hosts[2].has(key), "key {key}");
    }
    assert!(!world.is_recoverable(2) && !world.is_recoverable(3));
    world.hosts[2].make(7);
    assert!(world.hosts.iter().all(|host| host.has(7)));
}

#[test]
fn a_host_that_is_listed_counts_for_every_erasure() {
    let mut world = World::of(1);
    world.hosts[0].make(1);
    let joining = world.host(2);
    world.hosts[0].list(&joining);
    let cell = world.hosts[0].cell_of(1);
    world.hosts[0].remove(1);
    world.hosts[0].work();
    assert_eq!(world.hosts[0].status(cell), "erasing, 1 of 2");
    world.hosts.push(joining);
    world.settle();
    assert_eq!(world.hosts[0].status(cell), "erased");
}

#[test]
fn a_host_is_listed_once_and_by_a_host_that_serves() {
    let world = World::of(2);
    let joining = world.host(3);
    let joiner = Joiner::of(joining.open(), &joining.name).unwrap();
    let first = Joiner::of(world.hosts[0].open(), "another").unwrap();
    let named = Joiner { name: "h1".to_owned(), ..joiner.clone() };
    for refused in [first, named] {
        let error = list(world.hosts[1].open(), &refused, &introduction()).unwrap_err();
        assert_eq!(error.reason(), Reason::ArgumentsBad);
    }
    assert!(list(joining.open(), &joiner, &introduction()).is_err());
    list(world.hosts[1].open(), &joiner, &introduction()).unwrap();
    let again = list(world.hosts[0].open(), &joiner, &introduction());
    assert_eq!(again.unwrap_err().reason(), Reason::ArgumentsBad);
    let other = FleetKey::new(FLEET, 0, secret(&[9; 32]));
    assert!(take_first_key(joining.open(), &other).is_err(), "sent by another than the code's");
    take_first_key(joining.open(), &introduction()).unwrap();
}

#[test]
fn an_expulsion_gives_up_what_is_unclaimed_and_has_the_others_take_a_new_key() {
    let mut world = World::of(3);
    world.hosts[0].make(1);
    world.hosts[1].make(2);
    world.settle();
    let expelled = world.hosts.pop().unwrap();
    let (mine, away) = (world.hosts[0].id(), world.hosts[1].id());
    for (host, said) in [(mine, "this host"), (Id::new([9; 16]), "not in")] {
        let error = world.hosts[0].fleet().expel(world.hosts[0].open(), host).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
    world.hosts[0].fleet().expel(world.hosts[0].open(), expelled.id()).unwrap();
    let before = batch_of(world.hosts[0].cell_of(1)).max(batch_of(world.hosts[0].cell_of(2)));
    world.hosts[0].make(3);
    assert!(batch_of(world.hosts[0].cell_of(3)) > before);
    // The other was away for that and for a second one.
    let fourth = world.host(4);
    world.hosts[0].list(&fourth);
    world.hosts[0].fleet().expel(world.hosts[0].open(), fourth.id()).unwrap();
    world.hosts[1].start();
    world.settle();
    for key in [1, 2, 3] {
        assert!(world.hosts.iter().all(|host| host.has(key)), "key {key}");
        assert_eq!(world.is_recoverable_by(key, &[&expelled]), key < 3);
    }
    world.hosts[1].make(4);
    assert!(world.hosts[0].has(4) && batch_of(world.hosts[0].cell_of(4)) > before);
    let numbers = world.hosts.iter().map(|host| key_of(host.open()).unwrap().number());
    assert_eq!(numbers.collect::<Vec<_>>(), [3, 3]);
    let error = world.hosts[0].fleet().expel(world.hosts[0].open(), expelled.id()).unwrap_err();
    assert!(error.to_string().contains("before"), "{error}");
    assert_eq!(world.hosts[1].id(), away);
}

#[test]
fn one_that_expels_and_crashes_before_it_has_kept_the_new_key_finds_it_again() {
    let mut world = World::of(2);
    world.hosts[0].make(1);
    let expelled = world.hosts.pop().unwrap();
    for uses in 0.. {
        let host = &mut world.hosts[0];
        host.store.left.store(uses, Ordering::Relaxed);
        let done = host.fleet().expel(host.open(), expelled.id()).is_ok();
        host.start();
        host.work();
        let list = HostsRow::read(host.open().rows(), &key_of(host.open()).unwrap()).unwrap().0;
        if done || list.member(expelled.id()).is_none_or(|member| !member.belongs()) {
            assert!(uses > 1, "it was no work");
            break;
        }
    }
    world.hosts[0].make(2);
    assert!(world.hosts[0].has(1) && world.hosts[0].has(2));
    assert_eq!(key_of(world.hosts[0].open()).unwrap().number(), 2);
}
