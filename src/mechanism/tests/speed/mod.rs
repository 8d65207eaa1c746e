//! Measures what mechanisms cost beside AWS-LC itself, and compares it with their bounds: `tests/run speed`.
//!
//! Both calls run in turn, in short batches, so that a machine that others use slows both alike; the ratio is
//! that of the medians. Of several tries the fastest counts, which was disturbed the least.

mod ciphers;
mod derivations;
mod encapsulation;
mod signatures;

use super::usable;
use crate::lc::tests::floor::Time;
use std::time::{Duration, Instant};

/// The length of a batch, about.
const BATCH: Duration = Duration::from_micros(400);

/// The batches of each call in a try.
const BATCHES: usize = 250;

/// The batches of calls whose time varies with chance.
const MANY_BATCHES: usize = 5_000;

/// The tries, of which the fastest counts.
const TRIES: usize = 4;

/// The most that a call may cost, as a multiple of AWS-LC's: one that takes longer than [`LONG`], and a shorter one.
const BOUNDS: (f64, f64) = (1.03, 1.3);

/// The same of a key that is generated: it also moves into memory of its own, and the stack is wiped.
const BOUNDS_OF_GENERATION: (f64, f64) = (1.05, 1.3);

/// The time above which a call is long, in nanoseconds.
const LONG: f64 = 20_000.0;

/// The nanoseconds that one call takes: AWS-LC's, and ours.
#[derive(Debug, Clone, Copy)]
struct Times([f64; 2]);

impl Times {
    fn ratio(self) -> f64 {
        let Self([raw, ours]) = self;
        ours / raw
    }

    fn sum(self) -> f64 {
        self.0.iter().sum()
    }
}

/// Compares two calls, `batches` of each at a time.
fn compare<'a>(batches: usize, raw: &'a mut dyn FnMut(), ours: &'a mut dyn FnMut()) -> Times {
    let mut calls = [raw, ours];
    let rounds = rounds(calls[0]);
    (0..TRIES)
        .map(|_| once(batches, rounds, &mut calls))
        .min_by(|one, other| one.sum().total_cmp(&other.sum()))
        .unwrap()
}

fn once(batches: usize, rounds: u32, calls: &mut [&mut dyn FnMut(); 2]) -> Times {
    let mut times = [(); 2].map(|()| Vec::with_capacity(batches));
    for batch in 0..batches {
        // Each comes after the other as often as before it.
        for which in [batch % 2, (batch + 1) % 2] {
            times[which].push(timed(rounds, calls[which]));
        }
    }
    Times(times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    }))
}

/// The nanoseconds of one call, of so many.
fn timed(rounds: u32, call: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    (0..rounds).for_each(|_| call());
    start.elapsed().as_nanos() as f64 / f64::from(rounds)
}

/// The number of calls in a batch.
fn rounds(call: &mut dyn FnMut()) -> u32 {
    timed(3, call);
    let one = timed(3, call).max(1.0);
    (BATCH.as_nanos() as f64 / one).clamp(1.0, 100_000.0) as u32
}

/// The rows of a table, with those that missed their bounds.
struct Table {
    bounds: (f64, f64),
    missed: Vec<String>,
}

impl Table {
    /// Begins a table, on a line of its own.
    fn new() -> Self {
        Self::within(BOUNDS)
    }

    fn within(bounds: (f64, f64)) -> Self {
        println!();
        Self { bounds, missed: Vec::new() }
    }

    /// Measures `ours` beside the call that `floor` has timed.
    fn row(&mut self, name: &str, floor: impl FnOnce(Time), ours: impl FnMut()) {
        self.row_of(BATCHES, name, floor, ours);
    }

    /// Measures calls whose time varies with chance.
    fn varying_row(&mut self, name: &str, floor: impl FnOnce(Time), ours: impl FnMut()) {
        self.row_of(MANY_BATCHES, name, floor, ours);
    }

    fn row_of(
        &mut self,
        batches: usize,
        name: &str,
        floor: impl FnOnce(Time),
        mut ours: impl FnMut(),
    ) {
        let mut times = Times([f64::NAN; 2]);
        floor(&mut |raw| times = compare(batches, raw, &mut ours));
        let Times([raw, own]) = times;
        let bound = if raw > LONG { self.bounds.0 } else { self.bounds.1 };
        let line = format!("{name} | {} | {} | {:.3}", span(raw), span(own), times.ratio());
        println!("| {line} |");
        if times.ratio() > bound {
            self.missed.push(line);
        }
    }

    /// Ends the table: each row has kept its bound.
    #[track_caller]
    fn end(self) {
        assert!(self.missed.is_empty(), "more than they may: {:#?}", self.missed);
    }
}

fn span(nanoseconds: f64) -> String {
    match nanoseconds {
        short if short < 1000.0 => format!("{short:.0} ns"),
        long => format!("{:.1} µs", long / 1000.0),
    }
}
