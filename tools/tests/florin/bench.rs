//! The contract of `florin bench`: a figure is worth nothing if the run behind it was not whole.

use crate::process::{Ended, Running, argument, run};
use serde_json::Value;
use std::fs;

const NAMES: [&str; 18] = [
    "transfers",
    "seconds",
    "transfers_per_second",
    "batch_latency_us",
    "slices_per_second",
    "lookups_per_second",
    "history_latency_us",
    "as_of_latency_us",
    "disk_bytes",
    "disk_bytes_per_transfer",
    "written_bytes",
    "written_bytes_per_transfer",
    "server_memory_peak_bytes",
    "server_cpu_seconds",
    "disk_sync_us",
    "limit_transfers_per_second",
    "machine",
    "version",
];

/// Small enough for any machine, mixed enough to touch everything.
const SMALL: [&str; 13] = [
    "bench",
    "--json",
    "--accounts=100",
    "--transfers=5000",
    "--batch=500",
    "--connections=2",
    "--in-flight=2",
    "--id-order=random",
    "--hot-percent=30",
    "--pending-percent=40",
    "--lookups=1000",
    "--history-queries=50",
    "--seed=3",
];

fn small<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SMALL.into_iter().chain(more.iter().copied()).collect()
}

fn report(ended: &Ended) -> Value {
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert_eq!(ended.output.lines().count(), 1, "{}", ended.output);
    let report: Value = serde_json::from_str(&ended.output).expect("one JSON object");
    let object = report.as_object().expect("an object");
    assert_eq!(object.len(), NAMES.len());
    for name in NAMES {
        assert!(object.contains_key(name), "{name} is missing");
    }
    assert_eq!(report["transfers"], 5_000);
    assert_eq!(report["slices_per_second"].as_array().expect("ten tenths").len(), 10);
    for percentile in ["p50", "p99", "p999", "p100"] {
        assert!(report["batch_latency_us"][percentile].is_number());
        assert!(report["history_latency_us"][percentile].is_number());
        assert!(report["as_of_latency_us"][percentile].is_number());
    }
    report
}

#[test]
fn a_real_server_is_measured_and_its_directory_removed() {
    let temporary = tempfile::tempdir().expect("a directory");
    let output = crate::process::florin(&small(&[]))
        .env("TMPDIR", temporary.path())
        .output()
        .expect("it runs");
    let report = report(&output.into());
    for name in ["disk_bytes", "server_memory_peak_bytes", "server_cpu_seconds"] {
        assert!(report[name].is_number(), "{name} is {}", report[name]);
    }
    for size in ["4KiB", "batch"] {
        assert!(report["disk_sync_us"][size]["p99"].is_number(), "{size}");
    }
    assert_eq!(fs::read_dir(temporary.path()).expect("readable").count(), 0);
}

#[test]
fn a_named_directory_is_kept_and_can_be_used_again_with_another_seed() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = argument(directory.path());
    let embedded = report(&run(&small(&["--embedded", "--data", data]), ""));
    for name in ["server_memory_peak_bytes", "server_cpu_seconds"] {
        assert!(embedded[name].is_null(), "there is no server, and {name} is {}", embedded[name]);
    }
    assert!(embedded["written_bytes"].is_number());
    let repeated = run(&small(&["--embedded", "--data", data]), "");
    assert_eq!(repeated.code, Some(1));
    assert!(repeated.errors.contains("5000 transfers were exists"), "{}", repeated.errors);
    assert_eq!(repeated.output, "", "a figure of refused work");
    let fresh =
        run(&["bench", "--json", "--embedded", "--data", data, "--transfers=100", "--seed=4"], "");
    assert_eq!(fresh.code, Some(0), "{}", fresh.errors);
}

#[test]
fn a_foreign_server_is_measured_by_its_answers_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let (server, address) = Running::serve(directory.path(), &[]);
    let report = report(&run(&small(&["--connect", &address]), ""));
    for name in ["disk_bytes", "server_memory_peak_bytes", "server_cpu_seconds", "disk_sync_us"] {
        assert!(report[name].is_null(), "{name} is {}", report[name]);
    }
    // A server that is in use has books in currencies: a benchmark must leave them alone.
    let dollars = run(&["exec", "--connect", &address], r#"{"trial_balance":{"ledger":840}}"#);
    assert!(dollars.output.contains(r#""accounts":"0""#), "{dollars:?}");
    assert_eq!(server.terminate(), Some(0));
}
