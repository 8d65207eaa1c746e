//! The operator's program: run for each line of the audit log, which it reads on standard input.

use super::queue::Limit;
use crate::sys;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Access, access};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, geteuid, kill_process_group, pidfd_open};
use std::ffi::OsString;
use std::fs::Metadata;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Component, Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The time after which it is ended, with all that it has started in its process group.
const MOST: Duration = Duration::from_secs(10);

/// The time between two looks at whether the agent ends meanwhile.
const LOOK: Duration = Duration::from_millis(200);

/// The only variable in its environment: where its own commands are found.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Checks that a program may be run for events: an absolute path to an executable file that only the store's owner or
/// root can change, or anything on the way to it.
pub fn check(program: &Path, owner: u32) -> io::Result<()> {
    if !program.is_absolute() {
        return Err(wrong(program, "it is not an absolute path"));
    }
    let real = trusted(program, owner, false).map_err(|error| wrong(program, error))?;
    if !real.is_file() {
        return Err(wrong(program, "it is no file"));
    }
    access(&real, Access::EXEC_OK).map_err(|error| wrong(program, io::Error::from(error)))
}

/// Checks that a configuration may name such a program: only the store's owner and root can change it. In a directory
/// that is open to all, as /tmp is, what is another's they cannot.
pub fn check_named(configuration: &Path, owner: u32) -> io::Result<()> {
    let checked = trusted(configuration, owner, true);
    checked.map(drop).map_err(|error| wrong(configuration, error))
}

/// The most links on the way to a program, as the kernel has it.
const MOST_LINKS: usize = 40;

/// Returns the place to which a path leads, where only the store's owner and root can change that: each directory on the
/// way, those of every link too, is looked at before anything in it is believed. So the path leads there as long as
/// those two leave it.
fn trusted(program: &Path, owner: u32, sticky: bool) -> io::Result<PathBuf> {
    let mut at = PathBuf::from("/");
    let check = |path: &Path, about: &Metadata| check_writers(path, about, owner, sticky);
    check(&at, &at.symlink_metadata()?)?;
    let mut ahead = steps(program);
    let mut links = 0;
    while let Some(step) = ahead.pop() {
        if step == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&step);
        let about = next.symlink_metadata()?;
        if !about.is_symlink() {
            check(&next, &about)?;
            at = next;
            continue;
        }
        if ![0, owner].contains(&about.uid()) {
            return Err(io::Error::other(format!("{} is another user's link", next.display())));
        }
        links += 1;
        if links > MOST_LINKS {
            return Err(Errno::LOOP.into());
        }
        let target = next.read_link()?;
        if target.is_absolute() {
            at = PathBuf::from("/");
        }
        ahead.extend(steps(&target));
    }
    Ok(at)
}

/// Returns the names in a path, the last first.
fn steps(path: &Path) -> Vec<OsString> {
    let named = |it: &Component| matches!(it, Component::Normal(_) | Component::ParentDir);
    path.components().rev().filter(named).map(|it| it.as_os_str().to_owned()).collect()
}

fn check_writers(path: &Path, about: &Metadata, owner: u32, sticky: bool) -> io::Result<()> {
    let keeps_others = sticky && about.is_dir() && about.mode() & 0o1000 != 0;
    let is_open = about.mode() & 0o022 != 0 && !keeps_others;
    match [0, owner].contains(&about.uid()) && !is_open {
        true => Ok(()),
        false => {
            let path = path.display();
            Err(io::Error::other(format!("others than its owner and root can write {path}")))
        }
    }
}

/// Runs the program with a line on standard input, and waits for its end. One that fails, or takes too long and is ended,
/// is an error.
pub(super) fn run(program: &Path, line: &str, limit: Limit<'_>) -> io::Result<()> {
    run_within(program, line, limit, MOST)
}

fn run_within(program: &Path, line: &str, limit: Limit<'_>, most: Duration) -> io::Result<()> {
    check(program, geteuid().as_raw())?;
    let began = Instant::now();
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", PATH)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    let mut child = sys::without_descriptors(&mut command).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A line fits into a pipe; whether it is read is the program's business.
        let _unread = writeln!(input, "{line}");
    }
    match ended(&mut child, limit, began, most)? {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(wrong(program, status)),
        None => Err(wrong(program, "it took too long, and was ended")),
    }
}

/// Waits for the program; none where it had to be ended.
fn ended(
    child: &mut Child,
    limit: Limit<'_>,
    began: Instant,
    most: Duration,
) -> io::Result<Option<ExitStatus>> {
    let process = Pid::from_child(child);
    let descriptor = pidfd_open(process, PidfdFlags::empty())?;
    while let Some(left) = limit.left(began, most) {
        let left = Timespec::try_from(left.min(LOOK)).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&left)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return child.wait().map(Some),
            Err(error) => return Err(error.into()),
        }
    }
    // It has not been waited for: its number is still its own.
    kill_process_group(process, Signal::KILL)?;
    child.wait()?;
    Ok(None)
}

fn wrong(program: &Path, why: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {why}", program.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::queue::QueueState;
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// A directory on the way to which no other user can write: temporary directories are open to all.
    fn place() -> tempfile::TempDir {
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
        tempfile::tempdir_in(home.unwrap_or("/root".into())).unwrap()
    }

    fn program(place: &tempfile::TempDir, text: &str) -> PathBuf {
        let file = place.path().join("hook");
        fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
        file
    }

    #[test]
    fn it_reads_the_line_and_has_no_environment_and_no_descriptors() {
        let place = place();
        let said = place.path().join("said");
        let text = format!("exec > {}\ncat; pwd; env; ls /proc/self/fd", said.display());
        let hook = program(&place, &text);
        let open = fs::File::open("/dev/null").unwrap();
        // What every program that is run would inherit otherwise.
        rustix::io::fcntl_setfd(&open, rustix::io::FdFlags::empty()).unwrap();
        run(&hook, "{\"seq\":1}", Limit::of(&QueueState::default())).unwrap();
        let said = fs::read_to_string(said).unwrap();
        let mut lines = said.lines();
        assert_eq!((lines.next(), lines.next()), (Some("{\"seq\":1}"), Some("/")));
        let rest: Vec<&str> = lines
            .filter(|line| !["PWD=", "_=", "SHLVL="].iter().any(|it| line.starts_with(it)))
            .collect();
        // Of its descriptors the last is the listing's own.
        assert_eq!(rest, [&format!("PATH={PATH}"), "0", "1", "2", "3"]);
    }

    #[test]
    fn one_that_does_not_end_is_ended_with_what_it_has_started() {
        let place = place();
        let hook = program(&place, "sleep 600 & sleep 600");
        let began = Instant::now();
        let most = Duration::from_millis(300);
        let error = run_within(&hook, "{}", Limit::of(&QueueState::default()), most).unwrap_err();
        assert!(error.to_string().contains("was ended"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn one_gets_ten_seconds() {
        assert_eq!(MOST, Duration::from_secs(10), "as the manual says");
    }

    #[test]
    fn one_that_fails_or_does_not_read_fails_nothing_else() {
        let place = place();
        assert!(run(&program(&place, "exit 3"), "{}", Limit::of(&QueueState::default())).is_err());
        run(&program(&place, "exit 0"), &"x".repeat(4096), Limit::of(&QueueState::default()))
            .unwrap();
    }

    #[test]
    fn what_others_can_write_is_not_run() {
        let place = place();
        let hook = program(&place, "exit 0");
        let own = geteuid().as_raw();
        check(&hook, own).unwrap();
        let refused = |path: &Path, why: &str| {
            let error = check(path, own).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        };
        refused(Path::new("hook"), "absolute");
        refused(place.path(), "no file");
        refused(&place.path().join("none"), "No such file");
        for mode in [0o775, 0o757] {
            fs::set_permissions(&hook, Permissions::from_mode(mode)).unwrap();
            refused(&hook, "can write");
        }
        fs::set_permissions(&hook, Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(place.path(), Permissions::from_mode(0o777)).unwrap();
        refused(&hook, "can write");
        let other = self::place();
        let link = other.path().join("link");
        symlink(&hook, &link).unwrap();
        refused(&link, "can write");
        fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
        check(&link, own).unwrap();
    }

    #[test]
    fn a_link_on_the_way_of_a_link_is_no_better_than_its_directory() {
        let (place, open, own) = (place(), place(), geteuid().as_raw());
        let hook = program(&place, "exit 0");
        let between = open.path().join("between");
        symlink(&hook, &between).unwrap();
        let ways = ["file", "directory", "up"].map(|name| place.path().join(name));
        symlink(&between, &ways[0]).unwrap();
        symlink(open.path(), &ways[1]).unwrap();
        let name = open.path().file_name().unwrap();
        symlink(Path::new("..").join(name).join("between"), &ways[2]).unwrap();
        let through = [ways[0].clone(), ways[1].join("between"), ways[2].clone()];
        for way in &through {
            check(way, own).unwrap();
        }
        fs::set_permissions(open.path(), Permissions::from_mode(0o777)).unwrap();
        for way in &through {
            let error = check(way, own).unwrap_err().to_string();
            assert!(error.contains(&format!("can write {}", open.path().display())), "{error}");
        }
        // What a directory as /tmp is keeps its owner's may name a program, and be none.
        fs::set_permissions(open.path(), Permissions::from_mode(0o1777)).unwrap();
        let named = open.path().join("config.toml");
        fs::write(&named, "").unwrap();
        check_named(&named, own).unwrap();
        assert!(check(&through[0], own).is_err());
        fs::set_permissions(&named, Permissions::from_mode(0o666)).unwrap();
        assert!(check_named(&named, own).is_err());
        let circle = place.path().join("circle");
        symlink(&circle, &circle).unwrap();
        assert!(check(&circle, own).is_err());
        // Of another user the directory is as open as to all.
        fs::set_permissions(open.path(), Permissions::from_mode(0o755)).unwrap();
        if own == 0 {
            std::os::unix::fs::chown(open.path(), Some(65_534), None).unwrap();
            assert!(check(&through[0], own).is_err());
        }
    }
}
