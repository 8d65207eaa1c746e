//! The instructions that hot calls take inside the module, counted by callgrind and compared with those that are
//! recorded for the same compiler and the same processor features.

use crate::hot::CALLS;
use crate::module::Outcome;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The instructions over the recorded ones, in percent, from which on a row has failed.
const TOLERANCE: u64 = 5;

/// The beginning of a recorded block, and the words between its compiler and its processor's features.
const BLOCK: &str = "## ";
const BETWEEN: &str = ", with ";

/// The counts of one machine.
struct Block {
    /// The compiler and the processor's features.
    made_by: String,
    rows: Vec<(String, u64)>,
}

/// Counts, then prints a check for each recorded row, or that no counts are recorded for such a machine. With `write`
/// the recorded counts are replaced instead, those of other machines stay.
pub fn instructions(module: &Path, recorded: &Path, write: bool) -> Outcome<()> {
    let text = fs::read_to_string(recorded).map_err(|error| named(recorded, error))?;
    let (head, mut blocks) = parse(&text)?;
    let counted = count(module)?;
    let known = blocks.iter().position(|block| block.made_by == counted.made_by);
    if write {
        known.map(|at| blocks.remove(at));
        blocks.push(counted);
        return fs::write(recorded, written(&head, &blocks))
            .map_err(|error| named(recorded, error));
    }
    match known {
        Some(at) => compare(&blocks[at], &counted).iter().for_each(|check| println!("{check}")),
        None => println!(
            "skipped the instructions of hot calls: none are recorded for {}; \
             `tests/checks/instructions --write` records them",
            counted.made_by
        ),
    }
    Ok(())
}

/// Returns a check for each row, `ok …` or `not ok …`.
fn compare(recorded: &Block, counted: &Block) -> Vec<String> {
    let of = |rows: &[(String, u64)], name: &str| {
        rows.iter().find(|row| row.0 == name).map_or(0, |row| row.1)
    };
    let counts = counted.rows.iter().map(|(name, now)| {
        let before = of(&recorded.rows, name);
        let good = before > 0 && *now <= before + before * TOLERANCE / 100;
        let word = if good { "ok" } else { "not ok" };
        format!("{word} {name}: {now} instructions, recorded {before}")
    });
    let missing = recorded.rows.iter().filter(|row| of(&counted.rows, &row.0) == 0);
    counts
        .chain(missing.map(|(name, _)| format!("not ok {name}: recorded, and counted no more")))
        .collect()
}

/// Counts in a folder of its own, which goes away, as does its store, and with it the agent.
fn count(module: &Path) -> Outcome<Block> {
    let work = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (store, configuration) = (work.path().join("store"), work.path().join("config.toml"));
    fs::create_dir(&store)
        .and_then(|()| fs::write(&configuration, ""))
        .map_err(|e| e.to_string())?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--toggle-collect=C_*"])
        .args(["--zero-before=*hot_row_begins*", "--dump-before=*hot_row_ends*"])
        .arg(format!("--callgrind-out-file={}/counts", work.path().display()))
        .arg(program)
        .arg("hot")
        .arg(module)
        .env("KEYSTEAD_STORE", &store)
        .env("KEYSTEAD_CONF", &configuration)
        .env_remove("KEYSTEAD_LOG")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(format!("valgrind ends with {}: {said}{complaint}", output.status));
    }
    let mut lines = said.lines();
    let features = lines.next().unwrap_or_default();
    let rows = lines.enumerate().map(|(at, name)| {
        let file = work.path().join(format!("counts.{}", at + 1));
        Ok((name.to_owned(), total(&file)?.div_ceil(CALLS)))
    });
    let made_by = format!("{}{BETWEEN}{features}", compiler()?);
    Ok(Block { made_by, rows: rows.collect::<Outcome<_>>()? })
}

/// Returns the instructions of one of callgrind's files.
fn total(file: &PathBuf) -> Outcome<u64> {
    let text = fs::read_to_string(file).map_err(|error| named(file, error))?;
    let total = text.lines().find_map(|line| line.strip_prefix("summary: "));
    let total = total.and_then(|total| total.trim().parse().ok()).filter(|total| *total > 0);
    total.ok_or_else(|| format!("{}: no instructions are counted", file.display()))
}

/// Returns the compiler's release and the machine that it compiles for.
fn compiler() -> Outcome<String> {
    let output = Command::new("rustc").arg("-vV").output().map_err(|e| format!("rustc: {e}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = said.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    Ok(format!("{} for {host}", said.lines().next().unwrap_or_default()))
}

/// Returns the text before the first block, and the blocks.
fn parse(text: &str) -> Outcome<(String, Vec<Block>)> {
    let begins = format!("\n{BLOCK}");
    let mut parts = text.split(&begins);
    let head = parts.next().unwrap_or_default().to_owned();
    let blocks = parts.map(|part| {
        let mut lines = part.lines().filter(|line| !line.is_empty());
        let made_by = lines.next().unwrap_or_default().to_owned();
        let rows = lines.map(|line| {
            let (count, name) = line.trim_start().split_once(' ').unwrap_or_default();
            let count = count.parse().map_err(|_| format!("no count: {line:?}"))?;
            Ok((name.to_owned(), count))
        });
        Ok(Block { made_by, rows: rows.collect::<Outcome<_>>()? })
    });
    Ok((head, blocks.collect::<Outcome<_>>()?))
}

fn written(head: &str, blocks: &[Block]) -> String {
    let mut text = head.trim_end().to_owned() + "\n";
    for block in blocks {
        text += &format!("\n{BLOCK}{}\n", block.made_by);
        text.extend(block.rows.iter().map(|(name, count)| format!("{count:>8} {name}\n")));
    }
    text
}

fn named(path: &Path, error: std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(rows: &[(&str, u64)]) -> Block {
        let rows = rows.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        Block { made_by: String::new(), rows }
    }

    #[test]
    fn a_row_over_the_tolerance_fails_and_so_does_one_on_one_side_alone() {
        let recorded =
            block(&[("dearer", 1000), ("within", 1000), ("cheaper", 1000), ("gone", 1000)]);
        let counted = block(&[("dearer", 1051), ("within", 1050), ("cheaper", 500), ("new", 1)]);
        assert_eq!(
            compare(&recorded, &counted),
            [
                "not ok dearer: 1051 instructions, recorded 1000",
                "ok within: 1050 instructions, recorded 1000",
                "ok cheaper: 500 instructions, recorded 1000",
                "not ok new: 1 instructions, recorded 0",
                "not ok gone: recorded, and counted no more",
            ]
        );
    }
}
