//! Florin's developer commands: `cargo xtask ci`, `tidy`, `fuzz`.
//!
//! Nothing here is part of the product. [`ci`] is the one command that says whether a checkout is
//! good; it calls the others. The checks of [`tidy`] are tests too, so a plain `cargo nextest run`
//! runs them.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command speaks to its terminal")]

mod browser;
mod ci;
mod command;
mod fuzz;
mod python;
mod tidy;
mod toolchain;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Florin's developer commands")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything that must hold: format, lints, tests, doc-tests, tidy, a short run of each fuzz
    /// target.
    Ci {
        /// Seconds for each fuzz target; 0 leaves fuzzing out.
        #[arg(long, default_value_t = 10)]
        fuzz_seconds: u64,
    },
    /// The rules of the house that no compiler checks. They are tests of this crate too.
    Tidy {
        /// Writes what documents derive from the source: the hashes of the byte layouts to
        /// docs/FORMAT.md (first read that what it draws is what the source says), the table of
        /// faults to docs/TESTING.md.
        #[arg(long, visible_alias = "update-hashes")]
        update: bool,
    },
    /// Runs a fuzz target, or each of them in turn.
    Fuzz {
        /// One of the targets; all of them if left out.
        target: Option<String>,
        /// Seconds for each target.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Ci { fuzz_seconds } => ci::run(fuzz_seconds),
        Task::Tidy { update: true } => tidy::update(),
        Task::Tidy { update: false } => tidy::run(),
        Task::Fuzz { target, seconds } => fuzz::run(target.as_deref(), seconds),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
