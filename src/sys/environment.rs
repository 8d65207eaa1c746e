//! Variables of the environment that hold secrets: read once, and gone afterwards.

use std::ffi::{CStr, CString};
use zeroize::Zeroizing;

/// Takes a variable out of this process's environment: its value is overwritten where the kernel shows it
/// (`/proc/PID/environ`), and no child inherits it. None where there is no such variable.
///
/// To be called while the process has one thread.
pub fn take_variable(name: &str) -> Option<Zeroizing<Vec<u8>>> {
    let c_name = CString::new(name).ok().filter(|_| !name.is_empty() && !name.contains('='))?;
    // SAFETY: the name ends with a NUL byte and is not kept.
    let value = unsafe { libc::getenv(c_name.as_ptr()) };
    if value.is_null() {
        return None;
    }
    // SAFETY: a value that the C library found ends with a NUL byte, and no other thread changes the
    // environment meanwhile.
    let taken = Zeroizing::new(unsafe { CStr::from_ptr(value) }.to_bytes().to_vec());
    // SAFETY: these are the bytes of that value, which lie in memory of this process that can be written,
    // and to which the environment alone points: its NUL byte stays.
    unsafe { std::slice::from_raw_parts_mut(value.cast::<u8>(), taken.len()) }.fill(0);
    // SAFETY: no other thread uses the environment meanwhile.
    unsafe { std::env::remove_var(name) };
    Some(taken)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::take_variable;
    use std::process::Command;

    #[test]
    fn a_variable_is_taken_once() {
        const ROLE: &str = "KEYSTEAD_TEST_TAKEN";
        if std::env::var_os(ROLE).is_some() {
            assert_eq!(take_variable(ROLE).unwrap().as_slice(), b"secret value");
            assert!(take_variable(ROLE).is_none() && std::env::var_os(ROLE).is_none());
            let shown = std::fs::read("/proc/self/environ").unwrap();
            assert!(!shown.windows(6).any(|window| window == b"secret"));
            return;
        }
        for wrong in ["", "a=b", "a\0b", ROLE] {
            assert!(take_variable(wrong).is_none(), "{wrong:?}");
        }
        let own = "sys::environment::tests::a_variable_is_taken_once";
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", own, "--test-threads=1"]).env(ROLE, "secret value");
        let said = command.output().unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
        assert!(String::from_utf8_lossy(&said.stdout).contains("1 passed"));
    }
}
