//! The operator's program: run for each line of the audit log, which it reads on standard input.

use super::queue::Limit;
use crate::sys::{self, Way};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Access, FileType, access};
use rustix::process::{Pid, PidfdFlags, Signal, geteuid, kill_process_group, pidfd_open};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
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
    checked(program, owner).map(drop)
}

/// Returns the very file that was checked, as a place.
fn checked(program: &Path, owner: u32) -> io::Result<OwnedFd> {
    let failed = |error: io::Error| wrong(program, error);
    let way = Way::to(program).map_err(failed)?;
    if way.steps.last().is_none_or(|last| last.kind != FileType::RegularFile) {
        return Err(wrong(program, "it is no file"));
    }
    if let Some(step) = way.open_to_others(owner, false) {
        let path = step.path.display();
        return Err(wrong(
            program,
            format_args!("others than its owner and root can write {path}"),
        ));
    }
    access(place_of(&way.end), Access::EXEC_OK).map_err(|error| failed(error.into()))?;
    Ok(way.end)
}

/// Returns the path of an open file, whatever stands under its name by now.
fn place_of(file: &OwnedFd) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// Runs the program with a line on standard input, and waits for its end. One that fails, or takes too long and is ended,
/// is an error.
pub(super) fn run(program: &Path, line: &str, limit: Limit<'_>) -> io::Result<()> {
    run_file(&checked(program, geteuid().as_raw())?, program, line, (limit, MOST))
}

/// Runs that file under the program's name. It stays open in it: the interpreter of a script reads it from there.
fn run_file(
    file: &OwnedFd,
    program: &Path,
    line: &str,
    (limit, most): (Limit<'_>, Duration),
) -> io::Result<()> {
    let began = Instant::now();
    let mut command = Command::new(place_of(file));
    command
        .arg0(program)
        .env_clear()
        .env("PATH", PATH)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    let mut child = sys::tied_to_this(&mut command, file.as_fd()).spawn()?;
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

/// Waits for the program, and ends what is left in its process group; none where it had to be ended itself.
fn ended(
    child: &mut Child,
    limit: Limit<'_>,
    began: Instant,
    most: Duration,
) -> io::Result<Option<ExitStatus>> {
    let process = Pid::from_child(child);
    let descriptor = pidfd_open(process, PidfdFlags::empty())?;
    let mut in_time = false;
    while let Some(left) = limit.left(began, most).filter(|_| !in_time) {
        let left = Timespec::try_from(left.min(LOOK)).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&left)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => in_time = true,
            Err(error) => return Err(error.into()),
        }
    }
    // It has not been waited for: its number is still its own and its group's.
    kill_process_group(process, Signal::KILL)?;
    child.wait().map(|status| Some(status).filter(|_| in_time))
}

fn wrong(program: &Path, why: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {why}", program.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::queue::QueueState;
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    fn program(place: &tempfile::TempDir, text: &str) -> PathBuf {
        let file = place.path().join("hook");
        fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
        file
    }

    /// Runs a program that has been checked.
    fn run(hook: &Path, line: &str, most: Duration) -> io::Result<()> {
        let state = QueueState::default();
        run_file(&Way::to(hook)?.end, hook, line, (Limit::of(&state), most))
    }

    #[test]
    fn it_reads_the_line_and_has_no_environment_and_no_descriptors() {
        let place = tempfile::tempdir().unwrap();
        let said = place.path().join("said");
        let text = format!(
            "exec > {}\ncat; pwd; env; for it in /proc/self/fd/*; do readlink $it; done; exit 0",
            said.display()
        );
        let hook = program(&place, &text);
        let open = fs::File::open("/dev/zero").unwrap();
        // What every program that is run would inherit otherwise.
        rustix::io::fcntl_setfd(&open, rustix::io::FdFlags::empty()).unwrap();
        run(&hook, "{\"seq\":1}", MOST).unwrap();
        let said_text = fs::read_to_string(&said).unwrap();
        let mut lines = said_text.lines();
        assert_eq!((lines.next(), lines.next()), (Some("{\"seq\":1}"), Some("/")));
        let (variables, files): (Vec<&str>, Vec<&str>) = lines
            .filter(|line| !["PWD=", "_=", "SHLVL="].iter().any(|it| line.starts_with(it)))
            .partition(|line| line.contains('='));
        assert_eq!(variables, [format!("PATH={PATH}")]);
        let known = [said.to_str().unwrap(), "/dev/null", hook.to_str().unwrap()];
        let strange = |file: &&&str| !known.contains(*file) && !file.starts_with("pipe:");
        assert_eq!(files.iter().find(strange), None, "but its own file it has none");
    }

    #[test]
    fn a_program_that_is_no_script_is_run_under_its_own_name() {
        let place = tempfile::tempdir().unwrap();
        let hook = place.path().join("touch");
        fs::copy("/bin/true", &hook).unwrap();
        run(&hook, "{}", MOST).unwrap();
    }

    #[test]
    fn the_file_that_was_checked_is_run_also_where_another_has_its_name_by_then() {
        let place = tempfile::tempdir().unwrap();
        let (ran, other) = (place.path().join("ran"), place.path().join("other"));
        let hook = program(&place, &format!("echo checked > {}", ran.display()));
        let file = Way::to(&hook).unwrap().end;
        fs::write(&other, format!("#!/bin/sh\necho another > {}\n", ran.display())).unwrap();
        fs::set_permissions(&other, Permissions::from_mode(0o755)).unwrap();
        fs::rename(&other, &hook).unwrap();
        let state = QueueState::default();
        run_file(&file, &hook, "{}", (Limit::of(&state), MOST)).unwrap();
        assert_eq!(fs::read_to_string(&ran).unwrap(), "checked\n");
    }

    #[test]
    fn one_that_does_not_end_is_ended_with_what_it_has_started() {
        let place = tempfile::tempdir().unwrap();
        let hook = program(&place, "sleep 600 & sleep 600");
        let began = Instant::now();
        let error = run(&hook, "{}", Duration::from_millis(300)).unwrap_err();
        assert!(error.to_string().contains("was ended"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn what_one_leaves_in_its_process_group_is_ended_with_it() {
        let place = tempfile::tempdir().unwrap();
        let (fifo, left) = (place.path().join("fifo"), place.path().join("left"));
        let text = format!(
            "trap '' TERM; echo $$ > {}; exec 3<> {}; read -r it <&3 & exit 0",
            left.display(),
            fifo.display()
        );
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
        run(&program(&place, &text), "{}", MOST).unwrap();
        let group: i32 = fs::read_to_string(&left).unwrap().trim().parse().unwrap();
        let is_there = || rustix::process::test_kill_process_group(Pid::from_raw(group).unwrap());
        let began = Instant::now();
        // Who was killed is there until its parent, by now init, has waited for it.
        while is_there().is_ok() && began.elapsed() < MOST {
            std::thread::yield_now();
        }
        assert!(is_there().is_err() || only_zombies(group), "it stays");
    }

    /// Returns whether no process of a group runs any more.
    fn only_zombies(group: i32) -> bool {
        let stat = |entry: fs::DirEntry| fs::read_to_string(entry.path().join("stat")).ok();
        let mut stats = fs::read_dir("/proc").unwrap().flatten().filter_map(stat);
        stats.all(|stat| {
            let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
            fields[2] != group.to_string() || fields[0] == "Z"
        })
    }

    #[test]
    fn one_gets_ten_seconds() {
        assert_eq!(MOST, Duration::from_secs(10), "as the manual says");
    }

    #[test]
    fn one_that_fails_or_does_not_read_fails_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        assert!(run(&program(&place, "exit 3"), "{}", MOST).is_err());
        run(&program(&place, "exit 0"), &"x".repeat(4096), MOST).unwrap();
    }

    #[test]
    fn what_others_can_write_is_not_run() {
        let own = geteuid().as_raw();
        let refused = |path: &Path, why: &str| {
            let error = check(path, own).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        };
        refused(Path::new("hook"), "absolute");
        let open = tempfile::tempdir().unwrap();
        refused(&program(&open, "exit 0"), "can write");
        refused(&open.path().join("none"), "No such file");
        refused(open.path(), "no file");
        // A link of root's to a file of root's, in directories of root's.
        check(Path::new("/bin/sh"), own).unwrap();
        let link = open.path().join("link");
        symlink("/bin/sh", &link).unwrap();
        refused(&link, "can write");
    }
}
