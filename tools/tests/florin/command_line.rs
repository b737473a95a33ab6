//! What scripts lean on: exit codes, where errors go, and the line that says a server is ready.

use crate::process::{Running, argument, run};
use std::fs;
use std::net::TcpListener;
use std::path::Path;

#[test]
fn exit_codes_say_what_went_wrong() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("file");
    fs::write(&file, "not a directory").expect("written");
    let file = argument(&file);
    let absent = directory.path().join("absent");
    let absent = argument(&absent);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = listener.local_addr().expect("it listens").to_string();
    let cases: &[(&[&str], i32, &str)] = &[
        (&[], 2, "Usage: florin"),
        (&["frobnicate"], 2, "unrecognized subcommand"),
        (&["exec"], 2, "--data <DIR>|--connect <HOST:PORT>"),
        (&["exec", "--data", "x", "--connect", "y"], 2, "cannot be used with"),
        (&["exec", "--connect", "y", "--clock-start", "1"], 2, "cannot be used with"),
        (&["exec", "--data", file], 3, file),
        (&["exec", "--connect", "127.0.0.1:1"], 3, "127.0.0.1:1"),
        (&["serve", "--insecure-loopback", "--data", absent, "--listen", &taken], 3, &taken),
        (
            &["serve", "--insecure-loopback", "--data", absent, "--listen", "nonsense"],
            2,
            "nonsense",
        ),
        (
            &["serve", "--insecure-loopback", "--data", absent, "--listen", "0.0.0.0:0"],
            2,
            "without tls",
        ),
        (&["exec", "--data", "x", "--key", "y"], 2, "--connect"),
        (&["exec", "--connect", "x:1", "--tls-ca", "/nonexistent/ca"], 3, "/nonexistent/ca"),
        (&["exec", "--connect", "x:1", "--key", file], 3, file),
        (&["status", "--data", "/nonexistent/florin"], 3, "/nonexistent/florin"),
        (&["verify", "--data", "/nonexistent/florin"], 3, "/nonexistent/florin"),
        (&["rebuild", "--data", "/nonexistent/florin"], 3, "/nonexistent/florin"),
        (&["inspect", "--data", "/nonexistent/florin"], 3, "/nonexistent/florin"),
        (&["bench", "--accounts", "1"], 2, "--accounts"),
        (&["bench", "--batch", "8191"], 2, "--batch"),
        (&["bench", "--embedded", "--connect", "y"], 2, "cannot be used with"),
        (&["bench", "--connect", "127.0.0.1:1"], 3, "127.0.0.1:1"),
    ];
    for (arguments, code, expect) in cases {
        let ended = run(arguments, "");
        assert_eq!(ended.code, Some(*code), "{arguments:?}: {}", ended.errors);
        assert!(ended.errors.contains(expect), "{arguments:?}: {}", ended.errors);
        assert_eq!(ended.output, "", "{arguments:?}");
        assert!(!ended.errors.contains("panicked"), "{arguments:?}: {}", ended.errors);
    }
    assert!(!Path::new(absent).exists(), "nothing was served, and yet a directory was made");
}

#[test]
fn the_version_is_printed_both_ways() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(run(&["version"], "").output, format!("florin {version}\n"));
    let json = run(&["version", "--json"], "");
    assert_eq!(json.output, format!("{{\"version\":\"{version}\"}}\n"));
    assert_eq!(json.code, Some(0));
}

#[test]
fn a_server_says_where_it_listens_and_ends_cleanly() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = argument(directory.path());
    let mut server = Running::start(&[
        "serve",
        "--insecure-loopback",
        "--data",
        data,
        "--listen",
        "127.0.0.1:0",
    ]);
    let line = server.hear();
    let address = line.strip_prefix("florin listens on ").expect("it says so");
    let (address, shown) = address.split_once(", data in ").expect("and where its data is");
    assert_eq!(shown, data);
    let status = run(&["status", "--connect", address, "--json"], "");
    let status: serde_json::Value = serde_json::from_str(&status.output).expect("JSON");
    assert_eq!(status["epoch"], "1");
    assert_eq!(status["disk_full"], false);
    assert_eq!(server.terminate(), Some(0));
    let status = run(&["status", "--data", data], "");
    assert!(status.output.contains("epoch        2\n"), "{status:?}");
    assert_eq!(status.code, Some(0));
}

/// Asking how a ledger is doing must not make one.
#[test]
fn a_question_leaves_an_empty_directory_empty() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = argument(directory.path());
    let status = run(&["status", "--data", data], "");
    assert_eq!(status.code, Some(3), "{status:?}");
    assert!(status.errors.contains(data), "{}", status.errors);
    assert_eq!(fs::read_dir(directory.path()).expect("readable").count(), 0);
}

/// Two engines over one directory would write over each other.
#[test]
fn a_directory_in_use_is_not_opened_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let (server, _) = Running::serve(directory.path(), &[]);
    let second = run(&["exec", "--data", argument(directory.path())], "");
    assert_eq!(second.code, Some(3));
    assert!(second.errors.contains("open already"), "{}", second.errors);
    assert_eq!(server.terminate(), Some(0));
}
