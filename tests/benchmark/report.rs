//! The report of a run: what it ran on, and the figures as JSON, as a table in Markdown, and as plots.

use crate::child::{CREATE, FIRST_FIND, INITIALISE, SIGN};
use crate::module::Outcome;
use crate::plot::{Line, Plot};
use crate::rounds::FLOOR;
use crate::run::Plan;
use crate::sample::{Axis, Figure, Sample, Unit, figures};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The facts that a reader must know to judge the figures, or to measure them again.
#[derive(Serialize)]
struct Conditions {
    date: String,
    /// The command that repeats the run, in the project's folder.
    command: String,
    processor: String,
    processors: usize,
    /// The average number of programs that wanted a processor when the run ended: the run itself is one or more.
    load: String,
    system: String,
    compiler: String,
    aws_lc: String,
    modules: BTreeMap<String, String>,
    note: String,
}

#[derive(Serialize)]
struct Report<'a> {
    conditions: Conditions,
    figures: &'a [Figure],
}

/// The plots, with the row that each shows.
const PLOTS: &[(&str, Axis, &str)] = &[
    ("initialise", Axis::Keys, INITIALISE),
    ("find", Axis::Keys, FIRST_FIND),
    ("create", Axis::Keys, CREATE),
    ("sign", Axis::Keys, SIGN),
    ("threads", Axis::Threads, "AES-256-GCM, 1 KiB"),
    ("processes", Axis::Processes, "token keys created, durable"),
];

/// Writes `report.md`, `report.json` and the plots to a folder.
pub fn write(plan: &Plan, samples: &[Sample], command: &str, folder: &Path) -> Outcome<()> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let (figures, conditions) = (figures(samples), conditions(plan, command)?);
    fs::create_dir_all(folder).map_err(failed)?;
    let mut text = heading(&conditions);
    text += &tables(&figures);
    for (name, axis, row) in PLOTS {
        let plot = plot(&figures, *axis, row);
        if !plot.lines.is_empty() {
            let file = format!("{name}.svg");
            fs::write(folder.join(&file), plot.svg()).map_err(failed)?;
            let _infallible = writeln!(text, "![{}]({file})", plot.title);
        }
    }
    fs::write(folder.join("report.md"), &text).map_err(failed)?;
    let report = Report { conditions, figures: &figures };
    let json = serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?;
    fs::write(folder.join("report.json"), json).map_err(failed)?;
    println!("{text}");
    Ok(())
}

fn conditions(plan: &Plan, command: &str) -> Outcome<Conditions> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let information = read("/proc/cpuinfo");
    let model = information.lines().find(|line| line.starts_with("model name"));
    let versions = plan.modules.iter().map(|module| (module.name.clone(), version(&module.path)));
    Ok(Conditions {
        date: jiff::Timestamp::now()
            .to_string()
            .chars()
            .take(16)
            .collect::<String>()
            .replace('T', " ")
            + " UTC",
        command: command.to_owned(),
        processor: model.and_then(|it| it.split_once(": ")).unwrap_or_default().1.to_owned(),
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
        system: format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
        compiler: said("rustc", &["--version"]),
        aws_lc: said(
            "cargo",
            &["tree", "--locked", "--prefix", "none", "--depth", "0", "-p", "aws-lc-sys"],
        ),
        modules: versions.collect(),
        note: plan.note.clone(),
    })
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output =
        Command::new(program).args(arguments).output().map(|it| it.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).lines().next().unwrap_or("unknown").to_owned()
}

/// Returns the words of a module about itself, from a process of its own.
fn version(module: &Path) -> String {
    let program = std::env::current_exe().unwrap_or_default();
    said(&program.to_string_lossy(), &["version", &module.to_string_lossy()])
}

fn heading(it: &Conditions) -> String {
    let modules: Vec<String> =
        it.modules.iter().map(|(name, version)| format!("{name} ({version})")).collect();
    format!(
        "Measured on {} with `{}`: {}; {} processors ({}), load {}; {}; {}; {}{}. Medians.\n\n",
        it.date,
        it.command,
        modules.join(", "),
        it.processors,
        it.processor,
        it.load,
        it.system,
        it.compiler,
        it.aws_lc,
        it.note
    )
}

/// Returns a table for each axis that has figures: a line for each row and point, a column for each module.
fn tables(figures: &[Figure]) -> String {
    let axes = [
        (Axis::Alone, "operation"),
        (Axis::Keys, "keys"),
        (Axis::Threads, "threads"),
        (Axis::Processes, "processes"),
    ];
    let mut text = String::new();
    for (axis, title) in axes {
        let of: Vec<&Figure> = figures.iter().filter(|it| it.point.axis == axis).collect();
        if !of.is_empty() {
            text += &table(&of, title);
        }
    }
    text
}

fn table(figures: &[&Figure], title: &str) -> String {
    let (mut modules, mut lines): (Vec<&str>, Vec<(String, u64)>) = Default::default();
    for figure in figures {
        let (line, module) = ((figure.point.row.clone(), figure.point.at), &*figure.point.module);
        if !modules.contains(&module) {
            modules.push(module);
        }
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    modules.sort_by_key(|module| *module != FLOOR);
    lines.sort_by_key(|(row, _)| figures.iter().position(|it| it.point.row == *row));
    let mut text =
        format!("| {title} | {} |\n|---|{}\n", modules.join(" | "), "---|".repeat(modules.len()));
    for (row, at) in &lines {
        let cell = |module: &&str| {
            let of = |it: &&&Figure| {
                (&*it.point.module, &it.point.row, it.point.at) == (*module, row, *at)
            };
            figures.iter().find(of).map_or_else(|| "–".to_owned(), |it| value(it))
        };
        let cells: Vec<String> = modules.iter().map(cell).collect();
        let at = if *at == 0 { String::new() } else { format!("{at}: ") };
        let _infallible = writeln!(text, "| {at}{row} | {} |", cells.join(" | "));
    }
    text + "\n"
}

/// Returns a figure with its unit in three digits, or why there is none.
fn value(figure: &Figure) -> String {
    if let Some(error) = figure.error.as_ref() {
        return error.replace('|', "/");
    }
    let (steps, units): (f64, &[&str]) = match figure.point.unit {
        Unit::Nanoseconds => (1000.0, &["ns", "µs", "ms", "s"]),
        Unit::Bytes => (1024.0, &["B", "KiB", "MiB", "GiB"]),
        Unit::Calls => (1000.0, &["/s", "k/s", "M/s"]),
    };
    let (mut value, mut at) = (figure.median, 0);
    while value >= steps && at + 1 < units.len() {
        value /= steps;
        at += 1;
    }
    let digits = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$} {}", units[at])
}

fn plot(figures: &[Figure], axis: Axis, row: &str) -> Plot {
    let mut lines: BTreeMap<&str, Line> = BTreeMap::new();
    let of = |it: &&Figure| it.point.axis == axis && it.point.row == row && it.error.is_none();
    let mut unit = "µs";
    for figure in figures.iter().filter(of) {
        let scale = match figure.point.unit {
            Unit::Nanoseconds => 1e3,
            _ => 1.0,
        };
        if figure.point.unit == Unit::Calls {
            unit = "calls a second";
        }
        let name = figure.point.module.clone();
        let line =
            lines.entry(&figure.point.module).or_insert_with(|| Line { name, points: vec![] });
        line.points.push((figure.point.at as f64, figure.median / scale));
    }
    let along = match axis {
        Axis::Threads => "threads",
        Axis::Processes => "processes",
        _ => "token keys",
    };
    Plot { title: format!("{row}: {unit}, against {along}"), lines: lines.into_values().collect() }
}
