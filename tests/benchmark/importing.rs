//! Imports by the program that belongs to the first module: many in one run, and one in each of many runs.

use crate::hot::PIN;
use crate::module::Outcome;
use crate::operations::new_value;
use crate::place::Place;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The keys of the run of many.
const MANY: usize = 1_000;

/// The runs of one key each.
const ONES: usize = 20;

/// Returns the time of one key of many in one run, and that of one in a run of its own. A new folder takes the keys,
/// whose names begin with its own.
pub fn imports(place: &Place, program: &Path, folder: &Path) -> Outcome<(Duration, Duration)> {
    let round = folder.file_name().unwrap_or_default().to_string_lossy();
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let (pin, keys) = (folder.join("pin"), folder.join("keys"));
    fs::create_dir(folder).and_then(|()| fs::create_dir(&keys)).map_err(failed)?;
    fs::write(&pin, PIN).map_err(failed)?;
    let key = |name: &str| {
        let file = keys.join(name);
        fs::write(&file, new_value()).map(|()| file)
    };
    let run = |arguments: &[&Path]| {
        let mut command = Command::new(program);
        place.configure(&mut command);
        command.args(arguments).arg("--pin-file").arg(&pin).stdin(Stdio::null());
        let began = Instant::now();
        let output = command.output().map_err(|error| error.to_string())?;
        let took = began.elapsed();
        match output.status.success() {
            true => Ok(took),
            false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        }
    };
    (0..MANY).try_for_each(|at| key(&format!("{round}-many-{at}")).map(drop)).map_err(failed)?;
    let many = run(&[Path::new("import-many"), &keys, Path::new("--keep-going")])?;
    let one_by_one = (0..ONES).map(|at| {
        let name = format!("{round}-one-{at}");
        let file = key(&name).map_err(failed)?;
        run(&[Path::new("import"), Path::new("--new"), Path::new(&name), &file])
    });
    let one_by_one: Duration = one_by_one.sum::<Outcome<_>>()?;
    Ok((many / MANY as u32, one_by_one / ONES as u32))
}
