//! The timer of an agent: it rings when something is due.

use rustix::event::Timespec;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Two descriptors: `due` is readable when something is due, `set` when the system's clock is set.
pub(super) struct Timer {
    pub(super) due: OwnedFd,
    pub(super) set: OwnedFd,
}

impl Timer {
    pub(super) fn new() -> rustix::io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let due = timerfd_create(TimerfdClockId::Boottime, flags)?;
        Ok(Self { due, set: timerfd_create(TimerfdClockId::Realtime, flags)? })
    }

    /// Arms it for the moment that lies so far ahead, a suspended machine's time included, or for none.
    pub(super) fn arm(&self, ahead: Option<Duration>) -> rustix::io::Result<()> {
        let ahead = ahead.map_or(Duration::ZERO, |ahead| ahead.max(Duration::from_millis(1)));
        let ahead = Timespec::try_from(ahead).unwrap_or(NEVER);
        timerfd_settime(&self.due, TimerfdTimerFlags::empty(), &once(ahead))?;
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        timerfd_settime(&self.set, flags, &once(NEVER)).map(drop)
    }
}

const NEVER: Timespec = Timespec { tv_sec: i64::MAX, tv_nsec: 0 };

fn once(it_value: Timespec) -> Itimerspec {
    Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value }
}
