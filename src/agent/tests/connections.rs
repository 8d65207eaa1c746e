//! Many connections: none is refused, none is hung up on in the midst of a request.

use super::*;
use crate::agent::allowance::lift_limits;
use std::io::{ErrorKind, Read, Write};

/// The number of connections that one user holds at once.
const PER_USER: usize = 256;

/// A world whose connections may be as many as the system allows: both ends of them are this process's.
fn many() -> World {
    lift_limits().unwrap();
    World::patient()
}

/// Returns whether the agent has hung up, now or before long.
fn is_hung_up_on(peer: &mut Client) -> bool {
    peer.0.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    match peer.0.read(&mut [0]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

/// A user's connection, taken up again, as a module does, where it had to make room meanwhile.
fn user(world: &World) -> Client {
    loop {
        if let Some(peer) = Client::try_user(&world.path()) {
            return peer;
        }
    }
}

fn works(peer: &mut Client) -> bool {
    matches!(peer.try_ask(&Request::Tokens), Some(Response::Tokens(_)))
}

#[test]
fn a_new_connection_takes_the_place_of_the_longest_idle_one_and_never_of_a_busy_one() {
    let world = many();
    let mut busy = user(&world);
    let mut first = user(&world);
    assert!(works(&mut first));
    let mut others: Vec<Client> = (2..PER_USER - 30).map(|_| user(&world)).collect();
    // Late, for the agent waits some seconds for the rest of a frame, and no longer; and some connections
    // before it counts, so that it has been read by then.
    busy.0.write_all(&[1]).unwrap();
    others.extend((0..30).map(|_| user(&world)));
    assert!(others.iter_mut().all(works));
    let mut surplus: Vec<Client> = (0..50).map(|_| user(&world)).collect();
    assert!(surplus.iter_mut().all(works));
    assert!(is_hung_up_on(&mut first));
    let mut worked = vec![true; others.len()];
    // A thread of the agent that has not run since it was told to end answers once more.
    let gone = (0..100).find_map(|_| {
        for (worked, peer) in worked.iter_mut().zip(&mut others) {
            *worked &= works(peer);
        }
        let gone = worked.iter().filter(|worked| !**worked).count();
        (gone >= 49).then_some(gone)
    });
    // Threads of the agent that wrote their answers together end together, in any order.
    assert!(gone.is_some_and(|gone| gone < 120), "{gone:?} made room for 50");
    assert!(worked[120..].iter().all(|worked| *worked), "the longest idle ones");
    // One byte of the length has been sent: the rest, and the request.
    busy.0.write_all(&[0, 0, 0, 1]).unwrap();
    let answer = frame::receive::<Response>(&mut busy.0, MAX_FRAME).unwrap();
    assert!(matches!(answer, Some(Response::Tokens(_))), "{answer:?}");
}

#[test]
fn who_proves_nothing_and_says_nothing_is_the_first_to_go() {
    let world = many();
    let mut users: Vec<Client> = (0..PER_USER / 2).map(|_| user(&world)).collect();
    assert!(users.iter_mut().all(works));
    let mut silent: Vec<Client> =
        (0..PER_USER / 2).map(|_| Client::silent(&world.path())).collect();
    let mut more: Vec<Client> = (0..PER_USER / 2).map(|_| user(&world)).collect();
    assert!(more.iter_mut().all(works) && users.iter_mut().all(works));
    assert!(silent.iter_mut().all(is_hung_up_on));
}

#[test]
fn a_process_gives_back_what_it_leaves_idle_but_for_its_last_connection() {
    let world = World::new();
    let mut peers: Vec<Client> = (0..20).map(|_| user(&world)).collect();
    assert!(peers.iter_mut().all(works));
    let mut last = peers.pop().unwrap();
    // The last one asks now and then.
    let given_back = std::thread::spawn(move || peers.iter_mut().all(is_hung_up_on));
    while !given_back.is_finished() {
        assert!(works(&mut last));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(given_back.join().unwrap());
    last.0.set_read_timeout(Some(Duration::from_secs(4))).unwrap();
    let kept = last.0.read(&mut [0]).unwrap_err();
    assert_eq!(kept.kind(), ErrorKind::WouldBlock, "the last one is kept");
}

#[test]
fn any_number_of_threads_take_turns() {
    let world = many();
    let (rounds, threads) = (20, 2 * PER_USER);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let (mut peer, mut asked) = (user(&world), 0);
                while asked < rounds {
                    match works(&mut peer) {
                        true => asked += 1,
                        // As a module does whose connection was closed.
                        false => peer = user(&world),
                    }
                }
            });
        }
    });
}

#[test]
fn a_backup_goes_on_beside_any_number_of_connections() {
    let world = many();
    world
        .user()
        .commit(vec![object(Id::new([7; 16]), Expect::Absent, &[], &[7; 2 << 20])])
        .unwrap();
    let mut backup = world.connect();
    assert!(matches!(backup.ask(Request::Backup), Response::BackupReady { .. }));
    let mut bytes = 0;
    loop {
        let mut others: Vec<Client> = (0..300).map(|_| user(&world)).collect();
        assert!(others[100..].iter_mut().all(works));
        let answer = backup.ask(Request::BackupPart);
        let Response::BackupPart(part) = answer else { panic!("{answer:?}") };
        bytes += part.0.len();
        if part.0.is_empty() {
            break;
        }
    }
    assert!(bytes > 2 << 20);
}
