//! A peer that sends an agent any bytes, before and after a login: it is answered or cut off, and the agent goes on
//! serving others, with the same token.

use super::input::Input;
use crate::agent::tests::{Client, TOKEN, World, entry};
use crate::error::Reason;
use crate::key::pin::TokenEntry;
use crate::wire::frame;
use crate::wire::message::{MAX_FRAME, Request, Response};
use std::cell::RefCell;
use std::io::Write;
use std::net::Shutdown;

/// The number of peers after which the next finds a new store: one that grows is slow.
const PEERS: usize = 2_000;

thread_local! {
    static SERVED: RefCell<Option<(World, usize)>> = const { RefCell::new(None) };
}

pub(super) fn run(bytes: &[u8]) {
    SERVED.with_borrow_mut(|served| {
        let (world, peers) = served.get_or_insert_with(|| (World::patient(), 0));
        converse(world, bytes);
        goes_on(world);
        *peers += 1;
        if *peers == PEERS {
            *served = None;
        }
    });
}

fn converse(world: &World, bytes: &[u8]) {
    let mut input = Input(bytes);
    let peer = match input.byte() % 4 {
        0 => Client::silent(&world.path()),
        1 => world.connect(),
        _ => world.user(),
    };
    let mut stream = peer.0;
    // An agent that has hung up takes no more.
    let _cut_off = stream.write_all(input.0).and_then(|()| stream.shutdown(Shutdown::Write));
    while let Ok(Some(answer)) = frame::receive::<Response>(&mut stream, MAX_FRAME) {
        if let Response::Refused(error) = answer {
            let ours = [Reason::General, Reason::StoreDamaged, Reason::StoreUnavailable];
            assert!(!ours.contains(&error.reason()), "{error}");
        }
    }
}

/// Holds that another peer still finds the token as it was.
fn goes_on(world: &World) {
    let Response::Tokens(tokens) = world.connect().ask(Request::Tokens) else {
        panic!("no tokens")
    };
    let kept = tokens.iter().find(|token| token.id == TOKEN).expect("the token is there");
    assert_eq!(TokenEntry::decode(&kept.entry).unwrap(), entry(true).redacted());
}
