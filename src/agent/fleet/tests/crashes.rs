//! Crashes between any two steps.

use super::*;

/// Has a host crash after each number of uses of the store in turn, until it comes to its end.
fn crash_everywhere(world: &mut World, host: usize, mut between: impl FnMut(&mut World, u64)) {
    for uses in 0.. {
        between(world, uses);
        if !world.hosts[host].work_and_crash_after(uses) {
            assert!(uses > 10, "it was no work");
            return;
        }
    }
}

/// The key is overwritten only once the next is published, wherever a crash comes: whatever others send meanwhile arrives.
#[test]
fn overwritten_before_published() {
    let mut world = World::of(2);
    world.hosts[0].make(250);
    world.settle();
    let mut numbers = BTreeSet::new();
    crash_everywhere(&mut world, 1, |world, uses| {
        let key = (uses % 200) as u8;
        world.hosts[0].make(key);
        if uses > 0 {
            // Each time an end that the present key could still tell.
            world.hosts[0].remove(((uses - 1) % 200) as u8);
        }
        if uses % 3 == 0 {
            // Each time a new batch: after a start the earlier ones are given up.
            world.hosts[0].start();
            world.hosts[0].work();
        }
        numbers.extend(world.hosts[1].open().fleet_cells().unwrap().envelope_keys());
        assert!(world.hosts[1].has(key) && world.hosts[1].has(250), "after {uses} uses");
    });
    world.settle();
    assert!(numbers.len() > 2, "the key was changed: {numbers:?}");
    assert!(world.hosts[1].has(250));
    assert_eq!(world.hosts[1].open().fleet_cells().unwrap().envelope_keys().len(), 1);
}

/// An erased secret is gone once the status says so, wherever the hosts crash.
#[test]
fn an_erasure_that_is_cut_short_is_gone_on_with() {
    let mut world = World::of(2);
    (1..=3).for_each(|key| world.hosts[0].make(key));
    world.settle();
    let cell = world.hosts[0].cell_of(1);
    world.hosts[0].remove(1);
    crash_everywhere(&mut world, 1, |world, uses| {
        world.hosts[0].make(100);
        world.hosts[0].remove(100);
        let erased = world.hosts[0].status(cell) == "erased";
        assert!(!erased || !world.is_recoverable(1), "after {uses} uses");
        world.hosts[0].work();
    });
    world.settle();
    assert_eq!(world.hosts[0].status(cell), "erased");
    assert!(!world.is_recoverable(1) && world.is_recoverable(2));
}

#[test]
fn a_joining_that_is_cut_short_is_gone_on_with() {
    let mut world = World::of(2);
    (1..=3).for_each(|key| world.hosts[0].make(key));
    world.hosts[1].make(4);
    world.hosts[0].remove(3);
    let joining = world.host(3);
    world.hosts[1].list(&joining);
    world.hosts.push(joining);
    let end = |world: &mut World, host: usize| {
        crash_everywhere(world, host, |world, uses| {
            if uses % 5 == 0 {
                world.hosts[1].work();
            }
        });
    };
    end(&mut world, 0);
    end(&mut world, 2);
    world.settle();
    world.hosts[2].check_enrolled();
    for key in [1, 2, 4] {
        assert!(world.hosts[2].has(key), "key {key}");
    }
    assert!(!world.is_recoverable(3));
    world.hosts[2].make(5);
    assert!(world.hosts.iter().all(|host| host.has(5)));
}

#[test]
fn a_commit_that_is_cut_short_leaves_a_key_that_every_host_has_or_none() {
    let mut world = World::of(2);
    for uses in 0u8.. {
        let host = &mut world.hosts[0];
        host.store.left.store(uses.into(), Ordering::Relaxed);
        let made = host.try_commit(made(uses)).is_ok();
        // After each start the first commit makes a batch too.
        host.start();
        let stands = world.hosts[0].try_read(uses).unwrap().is_some();
        assert!(stands || !made);
        assert!(world.hosts.iter().all(|host| host.has(uses) == stands), "after {uses} uses");
        if made {
            assert!(uses > 5, "it was no work");
            break;
        }
        world.hosts[1].work();
    }
    world.settle();
    assert_eq!(
        world.hosts[0].open().cells.erase.numbers(),
        world.hosts[1].open().cells.erase.numbers()
    );
}
