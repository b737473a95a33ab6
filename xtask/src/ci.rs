//! `cargo xtask ci`: whether a checkout is good, in one command.
//!
//! Every step runs, even after one has failed, so that one run names everything there is to mend.
//! The steps share one target directory: lints check what the tests then build, doc-tests link what
//! the tests have built. Only the fuzz targets, which are built with other flags, keep their own: they
//! are run beside what waits most, the doc-tests and the browser.

use crate::command::run as command;
use crate::{browser, fuzz, python, toolchain};
use std::thread;
use std::time::{Duration, Instant};

/// A step's name, how long it took, and why it failed.
type Outcome = (&'static str, Duration, Result<(), String>);

/// Runs every step, then says how long each took and which failed.
///
/// # Errors
/// If something that the steps need is missing, before the first; if any step failed, after the
/// last.
pub(crate) fn run(fuzz_seconds: u64) -> Result<(), String> {
    let began = Instant::now();
    toolchain::prepare()?;
    let mut summary = vec![
        ("toolchain", began.elapsed(), Ok(())),
        step("format", format),
        step("lints", lints),
        step("tests and tidy", tests),
    ];
    thread::scope(|scope| {
        let fuzzing = (0 < fuzz_seconds)
            .then(|| scope.spawn(|| step("fuzz", || fuzz::run(None, fuzz_seconds))));
        summary.push(step("doc-tests", doc_tests));
        summary.push(step("browser", browser::run_tests));
        summary.push(step("python", python::run_tests));
        let fuzzed = fuzzing.map(|fuzzing| fuzzing.join().expect("a step does not panic"));
        summary.extend(fuzzed);
    });
    report(&summary, began.elapsed())
}

fn step(name: &'static str, run: impl FnOnce() -> Result<(), String>) -> Outcome {
    println!("\n== {name}");
    let began = Instant::now();
    let outcome = run();
    if let Err(message) = &outcome {
        eprintln!("error: {name}: {message}");
    }
    (name, began.elapsed(), outcome)
}

fn format() -> Result<(), String> {
    command("cargo", &["fmt", "--all", "--check"])?;
    command("cargo", &["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"])
}

/// All features are what ships (the binary embeds the engine in the client); the client alone is
/// checked without them, as a Rust application that only speaks TCP would use it.
fn lints() -> Result<(), String> {
    let deny = ["--", "-D", "warnings"];
    let workspace = ["clippy", "--workspace", "--all-targets", "--all-features", "--locked"];
    command("cargo", &[&workspace[..], &deny[..]].concat())?;
    command("cargo", &[&["clippy", "--package", "florin-client", "--locked"], &deny[..]].concat())
}

fn tests() -> Result<(), String> {
    command("cargo", &["nextest", "run", "--workspace", "--all-features", "--locked"])
}

fn doc_tests() -> Result<(), String> {
    command("cargo", &["test", "--doc", "--workspace", "--all-features", "--locked"])
}

fn report(summary: &[Outcome], total: Duration) -> Result<(), String> {
    println!();
    for (name, took, outcome) in summary {
        let word = if outcome.is_ok() { "ok" } else { "FAILED" };
        println!("{name:<16} {:>6} s  {word}", took.as_secs());
    }
    println!("{:<16} {:>6} s", "all", total.as_secs());
    let failed: Vec<&str> =
        summary.iter().filter(|step| step.2.is_err()).map(|step| step.0).collect();
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}
