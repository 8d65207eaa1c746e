//! Trust in the configuration file: what it has run, or loaded, is its writers' to choose.

use super::bad;
use crate::error::Result;
use crate::sys::Way;
use rustix::process::geteuid;
use std::path::Path;

/// Fails where others than this user and root can change the file, or exchange it or a link on the way to it: then
/// what its key `key` names is not run, and not loaded.
pub fn check(file: &Path, key: &str) -> Result<()> {
    check_for(geteuid().as_raw(), file, key)
}

/// The same for another user, as whom a program is run.
pub fn check_for(user: u32, file: &Path, key: &str) -> Result<()> {
    let refused = |why: &dyn std::fmt::Display| {
        bad(format_args!("{}: {key}: what it names is not run: {why}", file.display()))
    };
    let way = Way::to(file).map_err(|error| refused(&error))?;
    match way.open_to_others(user, true) {
        Some(step) => {
            let path = step.path.display();
            Err(refused(&format_args!("others than its user and root can write {path}")))
        }
        None => Ok(()),
    }
}
