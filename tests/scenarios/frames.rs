//! The cost of long frames to an agent: no more memory than there is for all of them together, of all senders,
//! and each one's turn comes.

use crate::rig::play;
use crate::rig::raw::Raw;
use crate::rig::token::USER_PIN;
use crate::rig::world::World;
use keystead::internal::id::Id;
use keystead::internal::key::{Header, Role};
use keystead::internal::wire::message::{MAX_FRAME, MAX_UNPROVED};
use keystead::internal::wire::{Change, Expect, Request, Response, frame};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// The number of those who send a long frame at once.
const STRANGERS: usize = 24;
const USERS: usize = 20;

/// The agent's memory that the frames of all who are logged in may take, in bytes.
const BUDGET: usize = 64 << 20;

/// The memory that it may take beside: stacks of threads, and what the allocator keeps.
const MARGIN: usize = 24 << 20;

#[test]
fn the_frames_of_strangers_cost_an_agent_no_more_than_they_weigh() {
    play(|world| {
        let _token = world.token();
        let alternatives = vec![Vec::new(); MAX_FRAME as usize - 64];
        let token = Raw::connect(world).token;
        let find = Request::Find { token, alternatives, now: 0, after: None, limit: 1 };
        let frame = frame::encode(&find).unwrap();
        let before = peak(world);
        let mut strangers: Vec<_> =
            (0..STRANGERS).map(|_| Raw::connect(world).into_stream()).collect();
        std::thread::scope(|scope| {
            for stranger in &mut strangers {
                let frame = &frame;
                scope.spawn(move || {
                    // A peer that has not proved a login is hung up on before.
                    let _sent = stranger.write_all(frame);
                    assert_eq!(stranger.read(&mut [0; 16]).unwrap_or(0), 0, "an answer");
                });
            }
        });
        let weight = STRANGERS * MAX_UNPROVED as usize;
        let grown = peak(world) - before;
        assert!(grown < weight + MARGIN, "the agent has grown by {grown} bytes");
    });
}

#[test]
fn the_frames_of_users_share_one_budget_and_all_are_answered() {
    play(|world| {
        let _token = world.token();
        let mut first = Raw::connect(world);
        let credential = first.login(false, USER_PIN).unwrap();
        let frame = frame::encode(&long_commit(first.token)).unwrap();
        let user = |_| {
            let mut user = Raw::connect(world);
            let proof = user.proof(&credential);
            user.ask(&proof).unwrap();
            Sender { stream: user.into_stream(), sent: 0 }
        };
        let mut users: Vec<Sender> = (0..USERS).map(user).collect();
        let before = peak(world);
        // All but the last byte, as far as the agent takes it.
        let most = &frame[..frame.len() - 1];
        let mut moved = Instant::now();
        while moved.elapsed() < Duration::from_millis(500) {
            if users.iter_mut().filter_map(|user| user.push(most)).sum::<usize>() > 0 {
                moved = Instant::now();
            }
        }
        let taken = users.iter().filter(|user| user.sent == most.len()).count();
        assert!((1..USERS).contains(&taken), "{taken} of {USERS} frames are in the agent");
        std::thread::scope(|scope| {
            for user in users {
                let frame = &frame;
                scope.spawn(move || user.finish(frame));
            }
        });
        let grown = peak(world) - before;
        assert!(grown < BUDGET + MARGIN, "the agent has grown by {grown} bytes");
    });
}

/// A change of a record that is not there, which is as long as a record can be.
fn long_commit(token: Id) -> Request {
    let header = Header {
        private: true,
        role: Role::Object { holds_key: false },
        expiry: None,
        tags: Vec::new(),
    };
    let put = Some((header.encode().unwrap(), vec![7; MAX_FRAME as usize - 1024]));
    let expect = Expect::Revision(9);
    let change = Change { id: token, expect, event: Vec::new(), put, alias: None };
    Request::Commit { token, changes: vec![change], change: [9; 16] }
}

/// A connection that sends a frame piece by piece.
struct Sender {
    stream: UnixStream,
    sent: usize,
}

impl Sender {
    /// Sends what is taken at once of the frame; how much that was, if it waits.
    fn push(&mut self, frame: &[u8]) -> Option<usize> {
        self.stream.set_nonblocking(true).unwrap();
        let rest = &frame[self.sent..];
        match self.stream.write(rest) {
            Ok(sent) => {
                self.sent += sent;
                Some(sent)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("hung up on after {} bytes: {error}", self.sent),
        }
    }

    /// Sends the rest and is refused, for there is no such record.
    fn finish(mut self, frame: &[u8]) {
        self.stream.set_nonblocking(false).unwrap();
        self.stream.write_all(&frame[self.sent..]).unwrap();
        loop {
            match frame::receive::<Response>(&mut self.stream, MAX_FRAME).unwrap() {
                Some(Response::Working) => {}
                Some(Response::Refused(_)) => return,
                other => panic!("{other:?}"),
            }
        }
    }
}

/// The most memory that the agent has had at once, in bytes.
fn peak(world: &World) -> usize {
    let agent = world.agent().unwrap().as_raw_nonzero();
    let status = fs::read_to_string(format!("/proc/{agent}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.split_whitespace().next().unwrap().parse::<usize>().unwrap() << 10
}
