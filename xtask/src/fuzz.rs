//! `cargo xtask fuzz`: hostile bytes for every decoder.
//!
//! With a nightly toolchain and a C++ compiler the targets run under libFuzzer, which steers by the
//! branches it reaches. On a machine without them the same bodies run on the stable toolchain over
//! their seeds, mutated at random (fuzz/examples/mutate.rs): blind, but the shallow defects still
//! show. The output says which it was.
//!
//! No address sanitizer: only two files of one crate may contain unsafe code at all, and without it
//! twice as many inputs run in the same time. What is hunted is panics, overflows, endless loops and
//! memory taken on the word of a length field.

use crate::command::{root, run_quietly};
use crate::toolchain;

const INPUT_BYTES_MAX: u64 = 16 << 10;
const INPUT_SECONDS_MAX: u64 = 5;
const MEMORY_MIB_MAX: u64 = 1024;

/// Runs one target, or each in turn, for so many seconds each.
///
/// # Errors
/// If a target does not exist, does not build, or found an input that breaks it.
pub(crate) fn run(target: Option<&str>, seconds: u64) -> Result<(), String> {
    let known = targets()?;
    let chosen = match target {
        None => known,
        Some(name) if known.iter().any(|known| known == name) => vec![name.to_owned()],
        Some(name) => return Err(format!("no target `{name}`; there are: {}", known.join(", "))),
    };
    match toolchain::libfuzzer() {
        Ok(()) => chosen.iter().try_for_each(|name| steered(name, seconds)),
        Err(missing) => {
            println!("libFuzzer can't run here: {missing}");
            println!("running the targets on random mutations of their seeds instead");
            chosen.iter().try_for_each(|name| blind(name, seconds))
        }
    }
}

/// The targets' names: one file each.
fn targets() -> Result<Vec<String>, String> {
    let directory = root().join("fuzz/fuzz_targets");
    let entries = std::fs::read_dir(&directory)
        .map_err(|error| format!("can't list {}: {error}", directory.display()))?;
    let names = entries.filter_map(|entry| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        name.strip_suffix(".rs").map(str::to_owned)
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    Ok(names)
}

const BUILD: &[&str] = &["--fuzz-dir", "fuzz", "--sanitizer", "none", "--features", "libfuzzer"];

fn steered(target: &str, seconds: u64) -> Result<(), String> {
    // What a run finds worth keeping goes to the first directory, which git ignores.
    let corpus = format!("fuzz/corpus/{target}");
    std::fs::create_dir_all(root().join(&corpus))
        .map_err(|error| format!("can't make {corpus}: {error}"))?;
    let limits = [
        format!("-max_total_time={seconds}"),
        format!("-max_len={INPUT_BYTES_MAX}"),
        format!("-timeout={INPUT_SECONDS_MAX}"),
        format!("-rss_limit_mb={MEMORY_MIB_MAX}"),
        "-verbosity=0".to_owned(),
        "-print_final_stats=1".to_owned(),
    ];
    let seeds = format!("fuzz/seeds/{target}");
    let limits: Vec<&str> = limits.iter().map(String::as_str).collect();
    let run: &[&str] = &["+nightly", "fuzz", "run"];
    let inputs: &[&str] = &[target, &corpus, &seeds, "--"];
    let said = run_quietly("cargo", &[run, BUILD, inputs, &limits].concat())?;
    let (runs, rate) = (statistic(&said, "number_of_executed_units"), statistic(&said, RATE));
    println!("{target}: {runs} runs, {rate} a second");
    Ok(())
}

const RATE: &str = "average_exec_per_sec";

/// What libFuzzer counted: `stat::NAME: NUMBER`.
fn statistic<'a>(said: &'a str, name: &str) -> &'a str {
    let value = |line: &'a str| line.strip_prefix("stat::")?.strip_prefix(name)?.strip_prefix(':');
    said.lines().find_map(value).map_or("uncounted", str::trim)
}

fn blind(target: &str, seconds: u64) -> Result<(), String> {
    let example = ["run", "--release", "--manifest-path", "fuzz/Cargo.toml", "--example", "mutate"];
    let seconds = seconds.to_string();
    let said = run_quietly("cargo", &[&example[..], &["--", target, &seconds]].concat())?;
    let counted = said.lines().find(|line| line.contains(" inputs in "));
    println!("{}", counted.unwrap_or(target));
    Ok(())
}
