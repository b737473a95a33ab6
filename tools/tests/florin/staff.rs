//! `florin bank staff`, as whoever runs a bank meets it. What would go wrong without: a bank that nobody looks
//! after, or whose staff is more than whoever runs it thinks.

use crate::process::{Ended, argument, run};
use std::path::Path;
use tempfile::TempDir;

/// A directory with an encrypted database, its key and a bank's root key.
fn directory() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    for key in ["kek", "root"] {
        assert_eq!(run(&["kek", "generate", argument(&path(key))], "").code, Some(0));
    }
    let (data, key) = (path("data"), path("kek"));
    let made = ["init", "--data", argument(&data), "--encrypt", "--key-file", argument(&key)];
    assert_eq!(run(&made, "").code, Some(0));
    directory
}

fn staff(directory: &Path, words: &[&str]) -> Ended {
    let path = |name: &str| directory.join(name);
    let (data, key, root) = (path("data"), path("kek"), path("root"));
    let access = [
        "--data",
        argument(&data),
        "--key-file",
        argument(&key),
        "--root-key-file",
        argument(&root),
    ];
    run(&[&["bank", "staff"], words, &access].concat(), "")
}

#[test]
fn members_are_made_listed_changed_and_let_go() {
    let directory = directory();
    let staff = |words: &[&str]| staff(directory.path(), words);
    let sue = ["--email", "sue@example.org"];
    let add = [&["add", "--name", "Sue Quill", "--role", "support"], &sue[..]].concat();
    let made = staff(&[&add[..], &["--role", "fraud", "--json"]].concat());
    assert_eq!(made.code, Some(0), "{made:?}");
    let made: serde_json::Value = serde_json::from_str(&made.output).expect("JSON");
    assert_eq!(made["roles"], serde_json::json!(["support", "fraud"]));
    assert_eq!(made["totp_secret"].as_str().map(str::len), Some(32));
    assert_eq!(made["password"].as_str().map(str::len), Some(16));
    let again = staff(&add);
    assert_eq!(again.code, Some(1), "{again:?}");
    let listed = staff(&["list"]);
    assert_eq!(listed.output, "sue@example.org   Sue Quill   support, fraud\n");
    let changed = staff(&[&["roles", "--role", "admin"], &sue[..]].concat());
    assert_eq!(changed.code, Some(0), "{changed:?}");
    assert!(staff(&["list"]).output.ends_with("   admin\n"));
    assert_eq!(staff(&[&["remove"], &sue[..]].concat()).code, Some(0));
    assert_eq!(staff(&["list"]).output, "");
    assert_eq!(staff(&[&["remove"], &sue[..]].concat()).code, Some(1), "nobody is there");
}

#[test]
fn what_is_no_role_or_no_address_is_a_wrong_command_line() {
    let directory = directory();
    for words in [
        &["add", "--name", "Sue", "--email", "sue@example.org"][..],
        &["add", "--name", "Sue", "--email", "sue@example.org", "--role", "king"],
        &["add", "--name", "Sue", "--email", "sue", "--role", "admin"],
        &["roles", "--email", "sue@example.org"],
    ] {
        assert_eq!(staff(directory.path(), words).code, Some(2), "{words:?}");
    }
    assert_eq!(run(&["bank", "staff", "list"], "").code, Some(2), "no ledger is named");
    assert_eq!(run(&["bank"], "").code, Some(2), "nor to be served");
}
