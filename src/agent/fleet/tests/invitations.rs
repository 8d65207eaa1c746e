//! Codes that introduce two hosts to each other.

use super::*;
use crate::agent::fleet::invitation::{Code, invite, request};

fn join(world: &World, joining: &Host, code: &str) -> Result<()> {
    let introduction = request(joining.open(), &Code::parse(code)?, &joining.name)?;
    world.hosts[1].work();
    take_first_key(joining.open(), &introduction)
}

#[test]
fn a_host_joins_by_a_code_once() {
    let mut world = World::of(2);
    world.hosts[0].make(1);
    let code = invite(world.hosts[0].open(), 600).unwrap().0.text();
    assert_eq!(code.len(), 9 * 4 + 8);
    let (third, fourth) = (world.host(3), world.host(4));
    let typed = code.to_uppercase().replace('-', " ");
    join(&world, &third, &typed).unwrap();
    let error = join(&world, &fourth, &code).unwrap_err();
    assert!(error.to_string().contains("does not count"), "{error}");
    world.hosts.push(third);
    world.settle();
    world.hosts[2].check_enrolled();
    assert!(world.hosts[2].has(1));
}

#[test]
fn a_code_that_is_mistyped_too_late_or_another_fleets_lets_no_host_join() {
    let world = World::of(2);
    let third = world.host(3);
    let code = invite(world.hosts[0].open(), 600).unwrap().0.text();
    let before = world.hosts[0].progress().by_all();
    let mut mistyped = code.to_string();
    let last = if mistyped.ends_with('0') { "1" } else { "0" };
    mistyped.replace_range(code.len() - 1.., last);
    for wrong in [&mistyped[..], "", "0000", &code[..code.len() - 5]] {
        assert_eq!(Code::parse(wrong).err().unwrap().reason(), Reason::ArgumentsBad);
    }
    let other = World::of(1);
    let elsewhere = invite(other.hosts[0].open(), 600).unwrap().0.text();
    assert!(join(&world, &third, &elsewhere).is_err());
    world.hosts.iter().for_each(|host| host.clock.set(NOW + 601));
    assert!(join(&world, &third, &code).is_err());
    assert!(world.memory.scan(b"i", b"", 9).unwrap().is_empty(), "it is used up");
    assert_eq!(world.hosts[0].progress().by_all(), before);
    let (list, _) = HostsRow::read(&world.memory, &key_of(world.hosts[0].open()).unwrap()).unwrap();
    assert_eq!(list.members.len(), 2);
}

/// The two sides know each other by the code alone, and not by rows.
#[test]
fn neither_side_takes_the_word_of_one_that_has_not_the_code() {
    let world = World::of(2);
    let (third, thief) = (world.host(3), world.host(4));
    let code = invite(world.hosts[0].open(), 600).unwrap().0;
    let introduction = request(third.open(), &code, &third.name).unwrap();
    let (at, _) = world.memory.scan(keys::REQUEST_PREFIX, b"", 1).unwrap().remove(0);
    let forger = FleetKey::new(FLEET, 0, secret(&[9; 32]));
    // A request in the place of the other's.
    let asked = (thief.id(), "h3", hpke::public_key(&[7; 32]).unwrap(), ());
    let writes = vec![(at.clone(), Some(forger.sign(&at, &asked).unwrap()))];
    world.memory.apply(&Batch { conditions: Vec::new(), writes }).unwrap();
    world.hosts[0].work();
    let (list, _) = HostsRow::read(&world.memory, &key_of(world.hosts[0].open()).unwrap()).unwrap();
    assert_eq!(list.members.len(), 2);
    // A fleet key in the place of the fleet's.
    let joiner = Joiner::of(third.open(), &third.name).unwrap();
    list_as(&world, &joiner, &forger);
    assert!(take_first_key(third.open(), &introduction).is_err());
}

fn list_as(world: &World, joiner: &Joiner, introduction: &FleetKey) {
    super::list(world.hosts[0].open(), joiner, introduction).unwrap();
}
