//! The few calls to the system that are unsafe: sharing memory, noticing a fork,
//! and what a new agent does to the process it inherits. Nothing here decides anything.
#![allow(unsafe_code)]

mod environment;
pub(crate) mod heap;
mod mapped_words;
pub(crate) mod robust;
pub(crate) mod vault;
mod way;

pub use environment::take_variable;
pub(crate) use mapped_words::{Words, WordsMut};
pub use way::Way;

use mapped_words::Mapping;
use rustix::mm::{Advice, MapFlags, madvise};
use rustix::process::{Pid, getpid};
use std::ffi::{CStr, OsString, c_char, c_int};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Once, OnceLock};
use std::time::Duration;

/// Tells whether this is still the process that made the mark, or a forked child of it.
pub(crate) struct ForkMark(Mark);

enum Mark {
    /// A page that the kernel hands to a child zeroed.
    Page(Mapping),
    /// The process's number, where the kernel has no such pages (before Linux 4.14, some sandboxes).
    Process(Pid),
}

impl ForkMark {
    /// Marks this process.
    pub(crate) fn new() -> Self {
        Self(Self::page().map_or_else(|_| Mark::Process(getpid()), Mark::Page))
    }

    /// Returns whether this is the process that made the mark. One load, where the kernel can.
    pub(crate) fn same_process(&self) -> bool {
        match &self.0 {
            Mark::Page(page) => {
                page.words().first().is_some_and(|word| word.load(Ordering::Relaxed) != 0)
            }
            Mark::Process(maker) => getpid() == *maker,
        }
    }

    fn page() -> io::Result<Mapping> {
        let page = Mapping::anonymous(1, MapFlags::PRIVATE)?;
        // SAFETY: the advice covers exactly the page just mapped, whose owner expects it to be wiped.
        unsafe {
            madvise(page.start(), page.length(), Advice::LinuxWipeOnFork)?;
        }
        if let Some(word) = page.words().first() {
            word.store(1, Ordering::Relaxed);
        }
        Ok(page)
    }
}

impl Default for ForkMark {
    fn default() -> Self {
        Self::new()
    }
}

/// A descriptor that this process was started with, as a file of its own that shares its position.
pub fn inherited(descriptor: RawFd) -> io::Result<File> {
    // SAFETY: the call takes numbers, and fails where the descriptor is not open.
    let copy = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 0) };
    if copy < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the copy has just been made, and this has the only pointer to it.
    Ok(unsafe { File::from_raw_fd(copy) })
}

/// Returns whether the program runs with privileges its caller does not have (set-uid and the like), so
/// that nothing may be taken from its environment.
pub(crate) fn is_privileged() -> bool {
    // SAFETY: reads the process's auxiliary vector, nothing else.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// The effective user and group of the process at the other end of a Unix socket, as they were when it
/// connected or began to listen.
///
/// (rustix's `socket_peercred` has no value for a peer in a process namespace that this one cannot see.)
pub(crate) fn peer(socket: impl AsFd) -> io::Result<(u32, u32)> {
    credentials(socket).map(|peer| (peer.uid, peer.gid))
}

/// The number of that process, as this one sees it.
pub(crate) fn peer_process(socket: impl AsFd) -> io::Result<u32> {
    let number = u32::try_from(credentials(socket)?.pid).ok().filter(|number| *number > 0);
    number.ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn credentials(socket: impl AsFd) -> io::Result<libc::ucred> {
    let mut peer = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: `peer` and `length` are valid for writes, and `length` is the size of `peer`.
    let failed = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &mut length,
        )
    };
    if failed == 0 { Ok(peer) } else { Err(io::Error::last_os_error()) }
}

/// The home directory the system's user database has for `user`.
pub fn home_of(user: u32) -> Option<PathBuf> {
    of_user(user, |entry| entry.pw_dir).map(PathBuf::from)
}

/// The name the system's user database has for `user`, or else the number.
pub fn name_of(user: u32) -> String {
    let name = of_user(user, |entry| entry.pw_name).and_then(|name| name.into_string().ok());
    name.unwrap_or_else(|| user.to_string())
}

/// A text that the system's user database has for `user`.
fn of_user(user: u32, field: fn(&libc::passwd) -> *mut c_char) -> Option<OsString> {
    let mut text = vec![0; 16 << 10];
    // SAFETY: a passwd of zeros is valid: its pointers are null.
    let mut entry = unsafe { std::mem::zeroed::<libc::passwd>() };
    let mut found = std::ptr::null_mut();
    // SAFETY: entry, text (with its length) and found are valid for writes during the call.
    let failed =
        unsafe { libc::getpwuid_r(user, &mut entry, text.as_mut_ptr(), text.len(), &mut found) };
    let field = field(&entry);
    if failed != 0 || found.is_null() || field.is_null() {
        return None;
    }
    // SAFETY: the call succeeded, so the pointer leads to a C string inside `text`, which still lives.
    let field = unsafe { CStr::from_ptr(field) };
    Some(OsString::from_vec(field.to_bytes().to_vec()))
}

/// The room for what the system's database has of a group, in bytes: one with many members is long.
const GROUP_TEXT: usize = 1 << 20;

/// The number of the group that the system's database has under `name`.
pub fn group_named(name: &CStr) -> Option<u32> {
    let mut text = vec![0; GROUP_TEXT];
    // SAFETY: a group of zeros is valid: its pointers are null.
    let mut entry = unsafe { std::mem::zeroed::<libc::group>() };
    let mut found = std::ptr::null_mut();
    // SAFETY: `name` is a C string; entry, text (with its length) and found are valid for writes.
    let failed = unsafe {
        libc::getgrnam_r(name.as_ptr(), &mut entry, text.as_mut_ptr(), text.len(), &mut found)
    };
    (failed == 0 && !found.is_null()).then_some(entry.gr_gid)
}

/// The name the system's database has for `group`, or else the number.
pub fn name_of_group(group: u32) -> String {
    let mut text = vec![0; GROUP_TEXT];
    // SAFETY: a group of zeros is valid: its pointers are null.
    let mut entry = unsafe { std::mem::zeroed::<libc::group>() };
    let mut found = std::ptr::null_mut();
    // SAFETY: entry, text (with its length) and found are valid for writes during the call.
    let failed =
        unsafe { libc::getgrgid_r(group, &mut entry, text.as_mut_ptr(), text.len(), &mut found) };
    if failed != 0 || found.is_null() || entry.gr_name.is_null() {
        return group.to_string();
    }
    // SAFETY: the call succeeded, so the pointer leads to a C string inside `text`, which still lives.
    let name = unsafe { CStr::from_ptr(entry.gr_name) };
    name.to_str().map_or_else(|_| group.to_string(), str::to_owned)
}

/// Returns whether a byte can be read at an address. The kernel looks, so that an address that is none
/// costs no signal.
pub(crate) fn is_readable(address: *const u8) -> io::Result<bool> {
    let (_reader, writer) = io::pipe()?;
    // SAFETY: the kernel checks the address itself and answers EFAULT; nothing of this process is written.
    match unsafe { libc::write(writer.as_raw_fd(), address.cast(), 1) } {
        1 => Ok(true),
        _ => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::EFAULT) => Ok(false),
            error => Err(error),
        },
    }
}

/// Closes every descriptor but standard input, output and error.
///
/// For a program that has just started and has opened nothing itself.
pub fn close_inherited() -> io::Result<()> {
    const FIRST: u32 = 3;
    // SAFETY: at the start of a program nothing owns descriptors above standard error.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, FIRST, u32::MAX, 0) };
    if closed == 0 { Ok(()) } else { close_each(FIRST as RawFd) }
}

/// The way of kernels before 5.9.
fn close_each(first: RawFd) -> io::Result<()> {
    let open: Vec<RawFd> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for descriptor in open.into_iter().filter(|descriptor| *descriptor >= first) {
        // SAFETY: no descriptor above standard error has an owner at the start of a program, as
        // `close_inherited` says. The listing's own descriptor is closed already: EBADF.
        unsafe { libc::close(descriptor) };
    }
    Ok(())
}

/// Has the program that a command starts begin with no other descriptor of this process than the three standard ones and
/// `kept`, and end with the thread that starts it.
pub(crate) fn tied_to_this<'a>(command: &'a mut Command, kept: BorrowedFd<'_>) -> &'a mut Command {
    const FIRST: u32 = 3;
    let kept = kept.as_raw_fd();
    let tie = move || {
        // Each is closed where the new program begins. A kernel before 5.11 cannot: there those are left that were opened
        // to be inherited, of which this process has none of its own.
        // SAFETY: the call changes flags of descriptors of the child alone.
        unsafe { libc::syscall(libc::SYS_close_range, FIRST, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
        // SAFETY: the call changes a flag of a descriptor of the child alone.
        let kept = unsafe { libc::fcntl(kept, libc::F_SETFD, 0) };
        // SAFETY: the call takes numbers only.
        let tied = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        if kept == 0 && tied == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    // SAFETY: between fork and exec system calls are made that take no lock and allocate nothing.
    unsafe { command.pre_exec(tie) }
}

/// Gives every signal its default effect and blocks none; a write to a closed pipe stays an error
/// rather than a signal, as in every Rust program.
///
/// For a program that has just started: ignored and blocked signals are inherited.
pub fn reset_signals() {
    for signal in (1..=libc::SIGRTMAX()).filter(|signal| *signal != libc::SIGPIPE) {
        // SAFETY: no handler is installed. Signals that cannot be changed answer EINVAL.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    unblock_signals();
}

/// Makes a write beyond the largest size that a file may have fail, rather than end the process.
pub fn ignore_size_signal() {
    // SAFETY: no handler is installed.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

fn unblock_signals() -> c_int {
    // SAFETY: the set is initialised.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, &signals(&[]), std::ptr::null_mut()) }
}

/// Writes once, without the signals that a write can raise in a program that does not expect them: of a
/// closed pipe (`SIGPIPE`), of a file's limited size (`SIGXFSZ`), of a terminal that belongs to others
/// (`SIGTTOU`).
pub(crate) fn write_quietly(descriptor: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    let raised = signals(&[libc::SIGPIPE, libc::SIGXFSZ, libc::SIGTTOU]);
    let mut before = signals(&[]);
    let mut pending = signals(&[]);
    // SAFETY: the sets are initialised and valid for the calls, which concern this thread only.
    unsafe {
        libc::sigpending(&mut pending);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raised, &mut before);
    }
    let written = rustix::io::write(descriptor, bytes);
    for signal in [libc::SIGPIPE, libc::SIGXFSZ] {
        // SAFETY: `pending` was filled by `sigpending`, `signals` makes an initialised set, and `none` lives
        // during the call. A signal that was raised before stays pending.
        unsafe {
            if libc::sigismember(&pending, signal) == 0 {
                let none = libc::timespec { tv_sec: 0, tv_nsec: 0 };
                libc::sigtimedwait(&signals(&[signal]), std::ptr::null_mut(), &none);
            }
        }
    }
    // SAFETY: `before` was initialised by `signals` and holds what the first call has stored.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut()) };
    Ok(written?)
}

fn signals(members: &[c_int]) -> libc::sigset_t {
    // SAFETY: a zeroed set is valid memory for `sigemptyset`, which initialises it for `sigaddset`.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&mut set);
        members.iter().for_each(|signal| {
            libc::sigaddset(&mut set, *signal);
        });
        set
    }
}

/// Makes the system schedule this process like any other, its disk accesses too.
pub(crate) fn schedule_as_usual() -> io::Result<()> {
    // By process, this one; class and level as its niceness says (ioprio_set(2)).
    const PROCESS: c_int = 1;
    const THIS: c_int = 0;
    const BY_NICENESS: c_int = 0;
    let usual = libc::sched_param { sched_priority: 0 };
    // SAFETY: `usual` is valid for reads during the call.
    let scheduled = unsafe { libc::sched_setscheduler(THIS, libc::SCHED_OTHER, &usual) };
    // SAFETY: the call takes numbers only.
    let ranked = unsafe { libc::syscall(libc::SYS_ioprio_set, PROCESS, THIS, BY_NICENESS) };
    match scheduled == 0 && ranked == 0 {
        true => Ok(()),
        false => Err(io::Error::last_os_error()),
    }
}

/// Seconds since 1970 UTC as of the kernel's last tick; 0 before 1970.
pub(crate) fn coarse_seconds() -> u64 {
    clock(libc::CLOCK_REALTIME_COARSE).as_secs()
}

/// Returns the time that the machine has run, suspended or not, as its first processes see it: one in a
/// namespace of time has a clock that is moved.
pub(crate) fn uptime() -> Duration {
    static MOVED: OnceLock<Moved> = OnceLock::new();
    let uptime = checked_uptime();
    match MOVED.get_or_init(Moved::read) {
        Moved::Ahead(by) => uptime.saturating_sub(*by),
        Moved::Behind(by) => uptime.saturating_add(*by),
    }
}

/// Returns the clock of the machine's uptime, once in a minute compared with what the kernel writes to
/// `/proc/uptime`. A library that puts itself before the C library to move a program's clocks moves this
/// one too, by decades, and everything that has an expiry would be erased.
fn checked_uptime() -> Duration {
    /// The clock's reading when it was right last, in seconds.
    static CHECKED: AtomicU64 = AtomicU64::new(u64::MAX);
    static REPORTED: Once = Once::new();
    let shown = clock(libc::CLOCK_BOOTTIME);
    let since = shown.as_secs().checked_sub(CHECKED.load(Ordering::Relaxed));
    if since.is_some_and(|since| since < UPTIME_TOLERANCE) {
        return shown;
    }
    let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    match contradicted(shown, &text, counted_uptime()) {
        Some(kernel) => {
            REPORTED.call_once(|| {
                log::error!(
                    "CLOCK_BOOTTIME shows an uptime of {} s and /proc/uptime {} s, which is gone by: \
                     does something such as libfaketime move this program's clocks?",
                    shown.as_secs(),
                    kernel.as_secs()
                );
            });
            kernel
        }
        None => {
            CHECKED.store(shown.as_secs(), Ordering::Relaxed);
            shown
        }
    }
}

/// The permitted difference between the two ways to ask for the uptime, and the time after which they are
/// compared again, in seconds.
const UPTIME_TOLERANCE: u64 = 60;

/// Returns the uptime that `/proc/uptime` has if what a clock has `shown` is another, and what sysinfo(2) has
/// `counted` too: in a container the file may be of lxcfs, and tell since when the container runs.
fn contradicted(shown: Duration, text: &str, counted: Duration) -> Option<Duration> {
    let seconds = text.split_whitespace().next()?.parse().ok()?;
    let kernel = Duration::try_from_secs_f64(seconds).ok()?;
    let differs = |other: Duration| shown.abs_diff(other).as_secs() > UPTIME_TOLERANCE;
    (differs(kernel) && differs(counted)).then_some(kernel)
}

/// Returns the uptime in whole seconds as sysinfo(2) has it.
fn counted_uptime() -> Duration {
    // SAFETY: zeros are a valid `sysinfo`, which is numbers only.
    let mut counted = unsafe { std::mem::zeroed::<libc::sysinfo>() };
    // SAFETY: `counted` is valid for writes. The call fails for no other reason.
    unsafe { libc::sysinfo(&mut counted) };
    Duration::from_secs(u64::try_from(counted.uptime).unwrap_or(0))
}

/// Returns the identity of this start of the machine.
pub(crate) fn boot() -> Option<[u8; 16]> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let digits: String = text.trim().split('-').collect();
    u128::from_str_radix(&digits, 16).ok().map(u128::to_be_bytes)
}

/// The offset of this process's uptime, for good.
#[derive(Debug, PartialEq, Eq)]
enum Moved {
    Ahead(Duration),
    Behind(Duration),
}

impl Moved {
    fn read() -> Self {
        let offsets = std::fs::read_to_string("/proc/self/timens_offsets").unwrap_or_default();
        Self::parse(&offsets).unwrap_or(Self::Ahead(Duration::ZERO))
    }

    /// Reads the line `boottime SECONDS NANOSECONDS`; the nanoseconds are counted forward.
    fn parse(offsets: &str) -> Option<Self> {
        let line = offsets.lines().find_map(|line| line.trim().strip_prefix("boottime"))?;
        let mut numbers = line.split_whitespace();
        let seconds: i64 = numbers.next()?.parse().ok()?;
        let fraction = Duration::from_nanos(numbers.next()?.parse().ok()?);
        let whole = Duration::from_secs(seconds.unsigned_abs());
        Some(match seconds {
            0.. => Self::Ahead(whole.saturating_add(fraction)),
            _ => Self::Behind(whole.saturating_sub(fraction)),
        })
    }
}

/// Reads a clock, 0 where it shows less or is not there. Through the C library: rustix reads the vDSO by
/// itself, and ends the process where a tool such as valgrind has taken that away.
fn clock(which: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writes.
    if unsafe { libc::clock_gettime(which, &mut time) } != 0 {
        return Duration::ZERO;
    }
    match (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec)) {
        (Ok(seconds), Ok(fraction)) => Duration::new(seconds, fraction),
        _ => Duration::ZERO,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
