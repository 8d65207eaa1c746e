//! The system calls on this system, in children where they change the process.

use super::{
    AsRawFd, Duration, ForkMark, Mark, Moved, c_int, clock, contradicted, counted_uptime, getpid,
    group_named, home_of, inherited, io, is_privileged, is_readable, peer, peer_process,
    write_quietly,
};
use std::io::{Read, Write};

#[test]
fn an_inherited_descriptor_is_read_on_from_where_it_stands() {
    let (reader, mut writer) = io::pipe().unwrap();
    writer.write_all(b"ab").unwrap();
    let mut byte = [0];
    inherited(reader.as_raw_fd()).unwrap().read_exact(&mut byte).unwrap();
    (&reader).read_exact(&mut byte).unwrap();
    assert_eq!(&byte, b"b");
    assert!(inherited(-1).is_err());
}

/// Writes in a child, since the test program ignores one of the signals: 0 where it lives on.
fn writes_in_a_child(descriptor: &impl std::os::fd::AsFd, limit: u64) -> c_int {
    // SAFETY: the child changes its own signals and limit, writes, and leaves.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: the child is a copy of this test's process with this thread alone; it calls only what
        // allocates nothing, and `_exit`.
        unsafe {
            libc::signal(libc::SIGPIPE, libc::SIG_DFL);
            let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
            libc::setrlimit(libc::RLIMIT_FSIZE, &limit);
            let failed = write_quietly(descriptor, b"line").is_err();
            libc::_exit(i32::from(!failed));
        }
    }
    let mut status = 0;
    // SAFETY: `status` is a number on this stack, valid for the call's one write.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    status
}

#[test]
fn a_line_that_nobody_reads_or_that_does_not_fit_kills_no_program() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    assert_eq!(writes_in_a_child(&writer, libc::RLIM_INFINITY), 0);
    assert_eq!(writes_in_a_child(&tempfile::tempfile().unwrap(), 0), 0);
}

#[test]
fn an_address_is_readable_where_there_is_memory() {
    assert!(is_readable(b"a".as_ptr()).unwrap());
    for nowhere in [1, usize::MAX] {
        assert!(!is_readable(std::ptr::without_provenance(nowhere)).unwrap());
    }
}

#[test]
fn a_namespace_of_time_moves_the_uptime_and_is_told_from_it() {
    let parse = |text: &str| Moved::parse(&format!("monotonic           0         0\n{text}\n"));
    let by = Duration::new;
    assert_eq!(parse("boottime            0         0"), Some(Moved::Ahead(by(0, 0))));
    assert_eq!(parse("boottime     1000000       500"), Some(Moved::Ahead(by(1_000_000, 500))));
    let quarter = Some(Moved::Behind(by(6, 750_000_000)));
    assert_eq!(parse("boottime           -7 250000000"), quarter);
    assert_eq!(parse("boottime            x         0"), None);
}

#[test]
fn an_uptime_that_the_kernel_does_not_confirm_is_not_believed() {
    let counted = Duration::from_secs(1000);
    let told = |shown| contradicted(Duration::from_secs(shown), "1000.25 3999.00\n", counted);
    let kernel = Some(Duration::from_millis(1_000_250));
    assert_eq!(
        [1_800_000_000, 1062, 1060, 941, 939, 0].map(told),
        [kernel, kernel, None, None, kernel, kernel]
    );
    for nothing in ["", "x", "-1 2", "inf"] {
        assert_eq!(contradicted(Duration::from_secs(1 << 40), nothing, counted), None);
    }
}

#[test]
fn an_uptime_that_only_a_file_contradicts_is_believed() {
    let shown = Duration::from_secs(90_000);
    assert_eq!(contradicted(shown, "12.00 12.00\n", Duration::from_secs(90_001)), None);
    let counted = counted_uptime();
    assert!(clock(libc::CLOCK_BOOTTIME).abs_diff(counted) < Duration::from_secs(5), "{counted:?}");
}

/// Returns whether a child of this process takes `mark` for its own. The child only looks and leaves.
fn child_agrees(mark: &ForkMark) -> bool {
    // SAFETY: the child calls nothing but `same_process` and `_exit`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let agrees = mark.same_process();
        // SAFETY: leaves without running anything of the parent's.
        unsafe { libc::_exit(i32::from(agrees)) };
    }
    let mut status = 0;
    // SAFETY: `status` is a number on this stack, valid for the call's one write.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    libc::WEXITSTATUS(status) == 1
}

#[test]
fn a_forked_child_is_another_process_with_or_without_the_kernels_help() {
    for mark in [ForkMark::new(), ForkMark(Mark::Process(getpid()))] {
        assert!(mark.same_process());
        assert!(!child_agrees(&mark));
        assert!(mark.same_process());
    }
}

#[test]
fn the_peer_of_a_socket_is_known() {
    let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let (user, group) = peer(&socket).unwrap();
    assert_eq!(user, rustix::process::geteuid().as_raw());
    assert_eq!(group, rustix::process::getegid().as_raw());
    assert_eq!(peer_process(&socket).unwrap(), std::process::id());
    assert!(peer(tempfile::tempfile().unwrap()).is_err());
}

#[test]
fn a_test_is_not_privileged_and_root_has_a_home() {
    assert!(!is_privileged());
    assert!(home_of(0).unwrap().is_absolute());
    assert_eq!(home_of(u32::MAX - 1), None);
    assert_eq!((group_named(c"root"), group_named(c"no such group")), (Some(0), None));
}
