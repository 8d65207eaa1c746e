//! The whole run: children in turn, one module after the other in each round, and the samples that they print.

use crate::child::{CREATE, FIRST_FIND, INITIALISE, LOGIN, Load, READY};
use crate::importing::imports;
use crate::module::Outcome;
use crate::place::{Named, Place};
use crate::sample::{Axis, Point, Sample, Unit};
use clap::Args;
use rustix::process::Signal;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

/// The modules, numbers and times of a run.
#[derive(Args, Clone)]
pub struct Plan {
    /// A module, NAME=PATH, and ;VARIABLE=VALUE for its environment, in which {} stands for its folder; the names
    /// keystead, softhsm and kryoptic need none
    #[arg(long = "module", required = true)]
    pub modules: Vec<Named>,
    /// The numbers of keys on the token
    #[arg(long, value_delimiter = ',', default_values_t = [10, 100, 1_000, 10_000, 100_000])]
    pub keys: Vec<u64>,
    /// The numbers of threads
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4])]
    pub threads: Vec<u64>,
    /// The numbers of processes with one thread each
    #[arg(long, value_delimiter = ',', default_values_t = [1, 4, 32])]
    pub processes: Vec<u64>,
    /// The measurements of each, whose median counts
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// The seconds that a module may take to create the keys of one step; what takes longer is left out
    #[arg(long, default_value_t = 300)]
    pub patience: u64,
    /// The program that belongs to the first module, whose imports are measured too
    #[arg(long)]
    pub program: Option<PathBuf>,
    /// A further note on the versions, for the report
    #[arg(long, default_value = "")]
    pub note: String,
    /// Only operations whose names contain one of these, and nothing else
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<String>,
}

/// The seconds that a load lasts.
const LOAD: &str = "0.5";

/// The rows that are measured from outside.
const SYNC: &str = "one fdatasync of 4 KiB";
const COLD: &str = "C_Initialize, C_Login and first find, all processes ended before";
const WARM: &str = "C_Initialize, C_Login and first find";
const SERVERS: &str = "memory of the processes that serve the store";
const DISK: &str = "disk, for each key";
const MANY: &str = "import by the program, each of 1,000 in one run";
const ONE_BY_ONE: &str = "import by the program, one in a run";

/// A run under way.
struct Run<'a> {
    plan: &'a Plan,
    work: &'a Path,
    samples: Vec<Sample>,
}

/// Measures all of the plan, with stores below `work`.
pub fn run(plan: &Plan, work: &Path) -> Outcome<Vec<Sample>> {
    let mut run = Run { plan, work, samples: Vec::new() };
    run.operations()?;
    if plan.only.is_empty() {
        run.syncs()?;
        run.many_keys()?;
        run.loads()?;
        run.imports()?;
        run.interruptions()?;
    }
    Ok(run.samples)
}

impl Run<'_> {
    fn places(&self) -> Outcome<Vec<Place>> {
        let places: Outcome<Vec<Place>> =
            self.plan.modules.iter().map(|module| Place::new(module, self.work)).collect();
        let places = places?;
        for place in &places {
            output(&mut child(place, &["make"])?)?;
        }
        Ok(places)
    }

    fn operations(&mut self) -> Outcome<()> {
        say("operations");
        let places = self.places()?;
        let mut command = itself()?;
        command.args(["rounds", "--rounds", &self.plan.rounds.to_string()]);
        for place in &places {
            place.configure(&mut command);
            command.arg("--module").arg(format!(
                "{}={}",
                place.module.name,
                place.module.path.display()
            ));
        }
        if !self.plan.only.is_empty() {
            command.arg("--only").arg(self.plan.only.join(","));
        }
        let said = output(&mut command)?;
        self.keep(&said, Axis::Alone, 0)
    }

    /// Measures what a durable change takes at least on this disk.
    fn syncs(&mut self) -> Outcome<()> {
        let file = File::create(self.work.join("synced")).map_err(|error| error.to_string())?;
        for at in 0..self.plan.rounds * 20 {
            let began = Instant::now();
            file.write_all_at(&[at as u8; 4096], (at as u64 % 64) * 4096)
                .and_then(|()| file.sync_data())
                .map_err(|error| error.to_string())?;
            let value = Ok(began.elapsed().as_nanos() as f64);
            self.add(SYNC, "the disk", Axis::Alone, 0, Unit::Nanoseconds, value);
        }
        Ok(())
    }

    /// Lets all stores grow together; a module that takes too long stays behind.
    fn many_keys(&mut self) -> Outcome<()> {
        let (mut places, mut from) = (self.places()?, 0);
        for keys in self.plan.keys.clone() {
            say(&format!("{keys} keys"));
            let grown: Outcome<Vec<bool>> =
                places.iter().map(|place| self.grow(place, from, keys)).collect();
            let mut grown = grown?.into_iter();
            places.retain(|_| grown.next().unwrap_or(false));
            for round in 0..self.plan.rounds {
                for place in &places {
                    self.start(place, keys, round == 0)?;
                }
            }
            from = keys;
        }
        Ok(())
    }

    /// Returns false where the module took too long.
    fn grow(&mut self, place: &Place, from: u64, to: u64) -> Outcome<bool> {
        let (from, to_text) = (from.to_string(), to.to_string());
        let patience = self.plan.patience.to_string();
        let arguments = ["grow", "--from", &from, "--to", &to_text, "--patience", &patience];
        match output(&mut child(place, &arguments)?) {
            Ok(said) => self.keep(&said, Axis::Keys, to).map(|()| true),
            Err(error) => {
                let name = &place.module.name;
                self.add(CREATE, name, Axis::Keys, to, Unit::Nanoseconds, Err(error));
                Ok(false)
            }
        }
    }

    fn start(&mut self, place: &Place, keys: u64, cold: bool) -> Outcome<()> {
        let served = !place.servers().is_empty();
        if cold {
            place.signal(Signal::TERM);
        }
        let said = output(&mut child(place, &["start", "--keys", &keys.to_string()])?)?;
        let name = &place.module.name;
        let cold = cold && served;
        let sum = until_first_find(&said)?;
        let row = if cold { COLD } else { WARM };
        self.add(row, name, Axis::Keys, keys, Unit::Nanoseconds, Ok(sum));
        if !cold {
            self.keep(&said, Axis::Keys, keys)?;
        }
        if served {
            let bytes = place.servers_memory() as f64;
            self.add(SERVERS, name, Axis::Keys, keys, Unit::Bytes, Ok(bytes));
        }
        let each = place.disk() as f64 / keys as f64;
        self.add(DISK, name, Axis::Keys, keys, Unit::Bytes, Ok(each));
        Ok(())
    }

    fn loads(&mut self) -> Outcome<()> {
        say("threads and processes");
        let places = self.places()?;
        let loads =
            [(Load::Gcm, "AES-256-GCM, 1 KiB"), (Load::Create, "token keys created, durable")];
        let threads = self.plan.threads.iter().map(|count| (Axis::Threads, *count, 1, *count));
        let processes =
            self.plan.processes.iter().map(|count| (Axis::Processes, *count, *count, 1));
        let points: Vec<_> = threads.chain(processes).collect();
        for (axis, at, processes, threads) in points {
            for _ in 0..self.plan.rounds.min(3) {
                for (what, row) in loads {
                    for place in &places {
                        let value = load(place, what, processes, threads);
                        self.add(row, &place.module.name, axis, at, Unit::Calls, value);
                    }
                }
            }
        }
        Ok(())
    }

    /// Measures imports by the first module's program, in one run and one by one.
    fn imports(&mut self) -> Outcome<()> {
        let Some(program) = self.plan.program.clone() else { return Ok(()) };
        say("imports");
        for place in self.places()?.iter().take(1) {
            for round in 0..self.plan.rounds.min(3) {
                let folder = self.work.join(format!("round-{round}"));
                let (many, one_by_one) = imports(place, &program, &folder)?;
                for (row, took) in [(MANY, many), (ONE_BY_ONE, one_by_one)] {
                    let value = Ok(took.as_nanos() as f64);
                    self.add(row, &place.module.name, Axis::Alone, 0, Unit::Nanoseconds, value);
                }
            }
        }
        Ok(())
    }

    /// Measures a call after what serves the store was killed, and while it is stopped.
    fn interruptions(&mut self) -> Outcome<()> {
        say("interruptions");
        let rows = [
            ("a token key created, all processes killed before", Signal::KILL),
            ("the same, all processes stopped", Signal::STOP),
        ];
        for place in self.places()?.iter().filter(|place| !place.servers().is_empty()) {
            let all = (0..self.plan.rounds.min(3)).flat_map(|_| rows);
            for (row, signal) in all {
                let mut waiting =
                    Waiting::start(&mut child(place, &["interrupted", "--row", row])?)?;
                place.signal(signal);
                waiting.go()?;
                let said = waiting.end();
                place.signal(Signal::CONT);
                self.keep(&said?, Axis::Alone, 0)?;
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        row: &str,
        module: &str,
        axis: Axis,
        at: u64,
        unit: Unit,
        value: Outcome<f64>,
    ) {
        let (row, module) = (row.to_owned(), module.to_owned());
        self.samples.push(Sample { point: Point { row, module, axis, at, unit }, value });
    }

    fn keep(&mut self, said: &str, axis: Axis, at: u64) -> Outcome<()> {
        for mut sample in samples(said)? {
            (sample.point.axis, sample.point.at) = (axis, at);
            self.samples.push(sample);
        }
        Ok(())
    }
}

/// Returns the nanoseconds in which a start came to its first find.
fn until_first_find(said: &str) -> Outcome<f64> {
    let samples = samples(said)?.into_iter();
    let steps = samples.filter(|it| [INITIALISE, LOGIN, FIRST_FIND].contains(&&*it.point.row));
    steps.map(|sample| sample.value).sum()
}

/// Returns the calls a second that so many processes make together, with so many threads each.
fn load(place: &Place, what: Load, processes: u64, threads: u64) -> Outcome<f64> {
    let threads = threads.to_string();
    let arguments = ["load", "--what", what.word(), "--threads", &threads, "--seconds", LOAD];
    let start = |_| Waiting::start(&mut child(place, &arguments)?);
    let mut all = (0..processes).map(start).collect::<Outcome<Vec<_>>>()?;
    all.iter_mut().try_for_each(Waiting::go)?;
    let said = all.into_iter().map(Waiting::end).collect::<Outcome<Vec<_>>>()?;
    samples(&said.concat())?.into_iter().map(|sample| sample.value).sum()
}

/// A child that has said that it is ready.
struct Waiting {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Waiting {
    fn start(command: &mut Command) -> Outcome<Self> {
        let failed = |error: std::io::Error| error.to_string();
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let mut output = BufReader::new(child.stdout.take().ok_or("no output")?);
        let mut line = String::new();
        output.read_line(&mut line).map_err(failed)?;
        if line.trim() == READY {
            return Ok(Self { child, output });
        }
        let _ended = child.wait().map_err(failed)?;
        Err(format!("a child ends before it is ready: {line}"))
    }

    fn go(&mut self) -> Outcome<()> {
        let input = self.child.stdin.as_mut().ok_or("no input")?;
        writeln!(input).map_err(|error| error.to_string())
    }

    fn end(mut self) -> Outcome<String> {
        let said: Result<Vec<String>, _> = self.output.lines().collect();
        let said = said.map_err(|error| error.to_string())?.join("\n") + "\n";
        let status = self.child.wait().map_err(|error| error.to_string())?;
        if status.success() { Ok(said) } else { Err(format!("a child ends with {status}")) }
    }
}

fn itself() -> Outcome<Command> {
    std::env::current_exe().map(Command::new).map_err(|error| error.to_string())
}

/// This program with those arguments, with the module of that place.
fn child(place: &Place, arguments: &[&str]) -> Outcome<Command> {
    let mut command = itself()?;
    place.configure(&mut command);
    command.args(arguments).arg(&place.module.name).arg(&place.module.path);
    Ok(command)
}

fn output(command: &mut Command) -> Outcome<String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.trim().trim_start_matches("error: ").to_owned())
}

fn samples(said: &str) -> Outcome<Vec<Sample>> {
    said.lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).map_err(|error| format!("{line}: {error}")))
        .collect()
}

/// Says on the terminal how far the run has come.
fn say(what: &str) {
    eprintln!("measuring: {what}");
}
