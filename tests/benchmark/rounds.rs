//! The operations of several modules and of AWS-LC in one process, interleaved: each round begins with another one, so
//! that a machine which others use slows all alike.

use crate::floor::Floor;
use crate::hot::PIN;
use crate::module::{Module, Outcome, Session};
use crate::operations::{LEFT, OPERATIONS, Operation, Row};
use crate::sample::{Sample, Unit};
use crate::template::Template;
use cryptoki_sys::{CKA_ID, CKA_TOKEN};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The time that one module takes for an operation in one round, where that is more than one call.
const SLICE: Duration = Duration::from_millis(20);

/// AWS-LC's name in the report.
pub const FLOOR: &str = "AWS-LC";

/// One of those that take turns.
struct Contender {
    name: String,
    operation: Operation,
    times: u64,
    failed: bool,
}

/// Measures every operation whose name contains one of `only`, or all where there is none.
pub fn rounds(modules: &[(String, PathBuf)], rounds: usize, only: &[String]) -> Outcome<()> {
    let mut sessions = Vec::new();
    for (name, path) in modules {
        let module = Module::load(path)?;
        module.initialize()?;
        sessions.push((name.clone(), module.log_in(PIN)?));
    }
    let wanted = |row: &&Row| only.is_empty() || only.iter().any(|part| row.name.contains(part));
    for row in OPERATIONS.iter().filter(wanted) {
        let mut contenders = contenders(row, &sessions);
        for round in 0..rounds {
            let count = contenders.len();
            contenders.rotate_left(round.min(1).min(count));
            contenders.iter_mut().for_each(|contender| contender.go(row.name));
        }
        sessions.iter().try_for_each(|(_, session)| clean(*session))?;
    }
    sessions.iter().try_for_each(|(_, session)| session.module.finalize())
}

fn contenders(row: &Row, sessions: &[(String, Session)]) -> Vec<Contender> {
    let mut prepared = Vec::new();
    if let Some(floor) = row.floor {
        prepared.push((FLOOR.to_owned(), Ok(of_floor(floor()))));
    }
    for (name, session) in sessions {
        prepared.push((name.clone(), (row.prepare)(*session)));
    }
    let mut contenders = Vec::new();
    for (name, operation) in prepared {
        let measured = operation.and_then(|mut it| Ok((times(&mut it)?, it)));
        match measured {
            Ok((times, operation)) => {
                contenders.push(Contender { name, operation, times, failed: false });
            }
            Err(error) => Sample::print(row.name, &name, Unit::Nanoseconds, Err(error)),
        }
    }
    contenders
}

fn of_floor(mut floor: Floor) -> Operation {
    Box::new(move |times| {
        let began = Instant::now();
        for _ in 0..times {
            floor().map_err(|_| "AWS-LC refuses".to_owned())?;
        }
        Ok(began.elapsed())
    })
}

/// Returns the calls that fill a slice; what is made at the first call is made by then.
fn times(operation: &mut Operation) -> Outcome<u64> {
    let mut times = 1;
    operation(1)?;
    loop {
        let began = Instant::now();
        operation(times)?;
        let took = began.elapsed();
        if took > SLICE / 4 {
            let fill = times as f64 * SLICE.as_secs_f64() / took.as_secs_f64();
            return Ok((fill as u64).max(1));
        }
        times *= 2;
    }
}

impl Contender {
    /// Measures a slice, unless an earlier one has failed.
    fn go(&mut self, row: &str) {
        if self.failed {
            return;
        }
        let taken = (self.operation)(self.times);
        self.failed = taken.is_err();
        let each = taken.map(|time| time.as_nanos() as f64 / self.times as f64);
        Sample::print(row, &self.name, Unit::Nanoseconds, each);
    }
}

/// Destroys what the operations have left on a token.
pub fn clean(session: Session) -> Outcome<()> {
    let template = Template::default().flag(CKA_TOKEN, true).bytes(CKA_ID, LEFT);
    session.find::<100>(&template)?.into_iter().try_for_each(|object| {
        match session.destroy(object) {
            // Custom keys that a module has generated are never destroyed by hand; another process may have been first.
            Err(refused) if ["0x1b", "0x82"].iter().any(|code| refused.ends_with(code)) => Ok(()),
            result => result,
        }
    })
}
