//! What operators do with a directory at rest: verify, rebuild, inspect. What would go wrong
//! without it: damage that verification passes over, or a look that changes what it looks at.

use crate::process::{Running, argument, run};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const WORK: &str = r#"{"create_accounts":[{"id":1,"ledger":840,"code":1},{"id":2,"ledger":840,"code":1}]}
{"create_transfers":[{"id":9,"debit_account_id":2,"credit_account_id":1,"amount":500,"ledger":840,"code":1,"flags":["pending"]}]}
{"create_transfers":[{"id":10,"pending_id":9,"amount":"300","flags":["post_pending_transfer"]}]}
{"create_transfers":[{"id":11,"debit_account_id":3,"credit_account_id":1,"amount":5,"ledger":840,"code":1}]}
"#;

fn worked_in() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let ended = run(&["exec", "--data", argument(directory.path())], WORK);
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    directory
}

fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![directory.to_path_buf()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).expect("readable") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                found.insert(path.clone(), fs::read(path).expect("readable"));
            }
        }
    }
    found
}

/// The names only: contents would fill the terminal.
fn changed(before: &BTreeMap<PathBuf, Vec<u8>>, directory: &Path) -> Vec<PathBuf> {
    let after = files(directory);
    let names = before.keys().chain(after.keys());
    names.filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}

#[test]
fn what_was_written_verifies_before_and_after_a_rebuild() {
    let directory = worked_in();
    let data = argument(directory.path());
    let verified = run(&["verify", "--data", data, "--json"], "");
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let before: serde_json::Value = serde_json::from_str(&verified.output).expect("JSON");
    assert_eq!(before["holds"], true);
    assert_eq!(before["accounts"], "2");
    assert_eq!(before["transfers"], "2");
    assert_eq!(before["ledgers"][0]["ledger"], 840);
    assert_eq!(before["ledgers"][0]["debits_posted"], "300");
    assert_eq!(run(&["rebuild", "--data", data], "").code, Some(0));
    let verified = run(&["verify", "--data", data, "--json"], "");
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let after: serde_json::Value = serde_json::from_str(&verified.output).expect("JSON");
    // The digest covers the last recorded time, and rebuilding opens the log for writing.
    for same in ["incarnation", "accounts", "transfers", "live_holds", "ledgers"] {
        assert_eq!(after[same], before[same], "{same}");
    }
    let text = run(&["verify", "--data", data], "");
    assert!(text.output.ends_with("everything holds\n"), "{text:?}");
}

/// Sums wider than any figure are no reason to leave a ledger out of the list.
#[test]
fn a_ledger_of_more_than_can_be_summed_is_listed() {
    let directory = worked_in();
    let data = argument(directory.path());
    let most = u128::MAX - 1;
    let account = |id: u32| format!(r#"{{"id":{id},"ledger":7,"code":1}}"#);
    let accounts: Vec<String> = (21..=24).map(account).collect();
    let transfer = |id: u32, debit: u32, credit: u32| {
        format!(
            r#"{{"id":{id},"debit_account_id":{debit},"credit_account_id":{credit},"amount":"{most}","ledger":7,"code":1}}"#
        )
    };
    let work = format!(
        "{{\"create_accounts\":[{}]}}\n{{\"create_transfers\":[{},{}]}}\n",
        accounts.join(","),
        transfer(31, 21, 22),
        transfer(32, 23, 24)
    );
    let done = run(&["exec", "--data", data], &work);
    assert_eq!(done.output.matches("created").count(), 6, "{done:?}");
    let verified = run(&["verify", "--data", data], "");
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let line = "ledger 7: sums exceed 2^128-1\n";
    assert!(verified.output.contains(line), "{}", verified.output);
    let verified = run(&["verify", "--data", data, "--json"], "");
    let report: serde_json::Value = serde_json::from_str(&verified.output).expect("JSON");
    assert_eq!(report["ledgers"][0], serde_json::json!({"ledger": 7}));
}

#[test]
fn a_flipped_bit_in_the_log_is_found() {
    let directory = worked_in();
    let data = argument(directory.path());
    let segment = directory.path().join("log").join(format!("{:020}", 0));
    let mut bytes = fs::read(&segment).expect("the first segment");
    // Past the segment's header and the first block's: the body of the first frame.
    bytes[4_096 + 180] ^= 1;
    fs::write(&segment, bytes).expect("written");
    let verified = run(&["verify", "--data", data], "");
    assert_eq!(verified.code, Some(1), "{verified:?}");
    let said = verified.output + &verified.errors;
    assert!(said.contains("damaged"), "{said}");
    let inspected = run(&["inspect", "--data", data, "frames"], "");
    assert_eq!(inspected.code, Some(1), "{inspected:?}");
}

#[test]
fn inspection_tells_the_story_of_a_transfer() {
    let directory = worked_in();
    let data = argument(directory.path());
    let inspect = |more: &[&str]| {
        let mut arguments = vec!["inspect", "--data", data, "--json"];
        arguments.extend(more);
        let ended = run(&arguments, "");
        assert_eq!(ended.code, Some(0), "{more:?}: {}", ended.errors);
        let lines = ended.output.lines();
        lines.map(|line| serde_json::from_str(line).expect("JSON")).collect::<Vec<_>>()
    };
    let story: Vec<serde_json::Value> = inspect(&["transfer", "--id", "9"]);
    let ids: Vec<&str> = story.iter().filter_map(|row| row["id"].as_str()).collect();
    assert_eq!(ids, ["9", "10"], "the hold, and what posted it");
    assert_eq!(story[1]["hold"], story[0]["record"]);
    assert_eq!(story[0]["debit"], "2");
    let failed: Vec<serde_json::Value> = inspect(&["transfer", "--id", "11"]);
    assert_eq!(failed[0]["kind"], "failed");
    assert_eq!(failed[0]["status"], "debit_account_not_found");
    let lsn = story[0]["record"].as_str().expect("a position");
    assert_eq!(inspect(&["record", "--lsn", lsn])[0]["amount"], "500");
    let frames = inspect(&["frames"]);
    assert_eq!(frames.last().expect("the end")["state"], "clean");
    let second = frames[1]["frame"].as_str().expect("a position");
    assert_eq!(inspect(&["frames", "--from", second, "--limit", "1"]), [frames[1].clone()]);
    assert_eq!(inspect(&[])[0]["segment"], "0");
    let absent = run(&["inspect", "--data", data, "transfer", "--id", "12"], "");
    assert_eq!(absent.code, Some(1));
}

#[test]
fn looking_changes_nothing_and_needs_no_lock() {
    let directory = worked_in();
    let data = argument(directory.path());
    let before = files(directory.path());
    for subject in [&["segments"][..], &["frames"], &["transfer", "--id", "9"]] {
        let mut arguments = vec!["inspect", "--data", data];
        arguments.extend(subject);
        assert_eq!(run(&arguments, "").code, Some(0), "{subject:?}");
    }
    let inspected = changed(&before, directory.path());
    assert!(inspected.is_empty(), "inspecting changed {inspected:?}");
    assert_eq!(run(&["verify", "--data", data], "").code, Some(0));
    // The store of checkpoints notes in its own file that it was opened; nothing else may change.
    let mut verified = changed(&before, directory.path());
    verified.retain(|path| !path.ends_with("checkpoint.redb"));
    assert!(verified.is_empty(), "verifying changed {verified:?}");
    let (server, _) = Running::serve(directory.path(), &[]);
    assert_eq!(run(&["inspect", "--data", data, "frames"], "").code, Some(0));
    assert_eq!(run(&["verify", "--data", data], "").code, Some(3), "it is open");
    assert_eq!(server.terminate(), Some(0));
}
