//! The work that is owed when a signal ends the program: a signal drops nothing. What was ignored when the
//! program began (`nohup`, a job in the background) stays ignored.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::ffi::c_int;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The debts, each by its number. One thread pays all of them: of several, one would end the program
/// under the others.
static OWED: Mutex<Owed> = Mutex::new(Owed { watched: false, next: 0, debts: Vec::new() });

struct Owed {
    watched: bool,
    next: u64,
    debts: Vec<(u64, Debt)>,
}

type Debt = Box<dyn FnOnce() + Send>;

/// Something that is done should a signal end the program; no longer so once this is dropped.
#[must_use]
pub(crate) struct AtASignal(u64);

impl AtASignal {
    /// From now on.
    pub(crate) fn then(debt: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        Ok(Self(watched()?.owe(debt)))
    }

    /// Makes a file, and has it removed from the same moment on: a signal comes before both, or after.
    pub(crate) fn remove<T>(
        make: impl FnOnce() -> io::Result<T>,
        name: impl FnOnce(&T) -> io::Result<PathBuf>,
    ) -> io::Result<(T, Self)> {
        let mut owed = watched()?;
        let made = make()?;
        let name = name(&made)?;
        Ok((made, Self(owed.owe(move || drop(fs::remove_file(name))))))
    }
}

impl Owed {
    fn owe(&mut self, debt: impl FnOnce() + Send + 'static) -> u64 {
        self.next += 1;
        self.debts.push((self.next, Box::new(debt)));
        self.next
    }
}

impl Drop for AtASignal {
    fn drop(&mut self) {
        owed().debts.retain(|(number, _)| *number != self.0);
    }
}

/// Ends the program as that signal does, with nothing left to be put right. No code owes anything new
/// meanwhile.
pub(crate) fn end_by(signal: c_int) {
    let mut owed = owed();
    owed.debts.drain(..).for_each(|(_, debt)| debt());
    let _ends_here = emulate_default_handler(signal);
}

/// Locks the debts of a program that sees signals coming.
fn watched() -> io::Result<MutexGuard<'static, Owed>> {
    let mut owed = owed();
    if !owed.watched {
        watch()?;
        owed.watched = true;
    }
    Ok(owed)
}

fn owed() -> MutexGuard<'static, Owed> {
    OWED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watch() -> io::Result<()> {
    let ignored = ignored();
    let mut signals = Signals::new(
        [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0),
    )?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || signals.forever().for_each(end_by))?;
    Ok(())
}

/// The signals that are ignored, a bit each from the lowest, as proc(5) shows them; none without /proc.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
