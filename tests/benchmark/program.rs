//! The benchmark: loads PKCS#11 modules by their paths, and measures what they take beside each other and beside
//! AWS-LC. `tests/bench` runs it, `tests/checks/instructions` counts by it.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod child;
mod floor;
mod hot;
mod importing;
mod instructions;
mod module;
mod operations;
mod place;
mod plot;
mod report;
mod rounds;
mod run;
mod sample;
mod template;

use child::Load;
use clap::{Args, Parser, Subcommand};
use module::{Module, Outcome};
use place::Named;
use run::Plan;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Parser)]
#[command(about = "Measures PKCS#11 modules")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures, and reports
    Run {
        #[command(flatten)]
        plan: Plan,
        /// The folder of the report
        #[arg(long, default_value = "target/bench")]
        out: PathBuf,
        /// The folder below which the stores are made
        #[arg(long, default_value = "target")]
        stores: PathBuf,
        /// The command that repeats the run, as the report names it
        #[arg(long)]
        command: String,
    },
    /// Counts the instructions of hot calls, and compares them with those recorded
    Instructions {
        module: PathBuf,
        recorded: PathBuf,
        /// Records them instead
        #[arg(long)]
        write: bool,
    },
    #[command(flatten)]
    Child(Child),
}

/// The commands that the program starts itself for.
#[derive(Subcommand)]
enum Child {
    #[command(hide = true)]
    Hot { module: PathBuf },
    #[command(hide = true)]
    Version { module: PathBuf },
    #[command(hide = true)]
    Rounds {
        #[arg(long = "module")]
        modules: Vec<Named>,
        #[arg(long)]
        rounds: usize,
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
    },
    #[command(hide = true)]
    Make(Of),
    #[command(hide = true)]
    Grow {
        #[command(flatten)]
        of: Of,
        #[arg(long)]
        from: u64,
        #[arg(long)]
        to: u64,
        #[arg(long)]
        patience: u64,
    },
    #[command(hide = true)]
    Start {
        #[command(flatten)]
        of: Of,
        #[arg(long)]
        keys: u64,
    },
    #[command(hide = true)]
    Load {
        #[command(flatten)]
        of: Of,
        #[arg(long)]
        what: Load,
        #[arg(long)]
        threads: usize,
        #[arg(long)]
        seconds: f64,
    },
    #[command(hide = true)]
    Interrupted {
        #[command(flatten)]
        of: Of,
        #[arg(long)]
        row: String,
    },
}

/// The module of a child, and its name in the report.
#[derive(Args)]
struct Of {
    name: String,
    module: PathBuf,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Outcome<()> {
    match command {
        Command::Run { plan, out, stores, command } => {
            let work = tempfile::Builder::new().prefix("bench.").tempdir_in(&stores);
            let work = work.map_err(|error| format!("{}: {error}", stores.display()))?;
            let samples = run::run(&plan, work.path())?;
            report::write(&plan, &samples, &command, &out)
        }
        Command::Instructions { module, recorded, write } => {
            instructions::instructions(&module, &recorded, write)
        }
        Command::Child(child) => play(child),
    }
}

fn play(child: Child) -> Outcome<()> {
    match child {
        Child::Hot { module } => hot::hot(&module),
        Child::Version { module } => {
            Module::load(&module)?.version().map(|version| println!("{version}"))
        }
        Child::Rounds { modules, rounds, only } => {
            let modules: Vec<_> = modules.into_iter().map(|it| (it.name, it.path)).collect();
            rounds::rounds(&modules, rounds, &only)
        }
        Child::Make(of) => child::make(&of.module),
        Child::Grow { of, from, to, patience } => {
            child::grow(&of.name, &of.module, from, to, Duration::from_secs(patience))
        }
        Child::Start { of, keys } => child::start(&of.name, &of.module, keys),
        Child::Load { of, what, threads, seconds } => {
            let time = Duration::from_secs_f64(seconds);
            child::load(&of.name, &of.module, what, threads, time)
        }
        Child::Interrupted { of, row } => child::interrupted(&of.name, &of.module, &row),
    }
}
