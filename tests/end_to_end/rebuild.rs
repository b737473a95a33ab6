//! A directory that has lost everything but its log. What would go wrong without it: something
//! that can't be derived again has crept into a projection, and is found missing on the worst day.

use crate::chance::Chance;
use crate::directory::{empty, strip_to_the_log};
use crate::examples::CLOCK_START;
use crate::process::{argument, run_florin, verified};
use crate::script::{CURSOR, Conversation};
use std::fs;
use std::path::Path;

const QUESTIONS: &str = r#"{"lookup_accounts":[1,2,3,4,5,6,7,8]}
{"query_accounts":{"limit":8190}}
{"query_transfers":{"limit":8190}}
{"query_transfers":{"limit":8190,"reversed":true}}
{"account_transfers":{"account_id":1,"limit":8190}}
{"account_balances":{"account_id":1,"limit":8190}}
{"account_balances":{"account_id":2,"limit":8190,"reversed":true}}
{"balance_as_of":{"account_id":1,"timestamp":"1790000000000000400"}}
{"trial_balance":{"ledger":840}}
{"trial_balance":{"ledger":978}}
"#;
/// What a projection knows of ids: one that was created, one that failed for a reason that has
/// passed, a hold that was posted.
const PAST: &str = r#"{"create_accounts":[{"id":71,"ledger":840,"code":1},{"id":72,"ledger":840,"code":1}]}
{"create_transfers":[{"id":7001,"debit_account_id":71,"credit_account_id":72,"amount":5,"ledger":840,"code":1}]}
{"create_transfers":[{"id":7002,"debit_account_id":73,"credit_account_id":72,"amount":5,"ledger":840,"code":1}]}
{"create_accounts":[{"id":73,"ledger":840,"code":1}]}
{"create_transfers":[{"id":7003,"debit_account_id":71,"credit_account_id":72,"amount":5,"ledger":840,"code":1,"flags":["pending"]}]}
{"create_transfers":[{"id":7004,"pending_id":7003,"flags":["void_pending_transfer"]}]}
"#;
const PAST_AGAIN: &str = r#"{"create_transfers":[{"id":7001,"debit_account_id":71,"credit_account_id":72,"amount":5,"ledger":840,"code":1}]}
{"create_transfers":[{"id":7002,"debit_account_id":73,"credit_account_id":72,"amount":5,"ledger":840,"code":1}]}
{"create_transfers":[{"id":7005,"pending_id":7003,"flags":["void_pending_transfer"]}]}
"#;

/// Works in a new directory, as a user would, and closes it.
async fn work(directory: &Path) {
    let mut conversation = Conversation::new(Chance::seeded(4));
    let mut lines: String = (0..1_500).map(|_| conversation.next() + "\n").collect();
    lines = lines.replace(CURSOR, "null");
    lines += PAST;
    let data = argument(directory);
    let ended = run_florin(&["exec", "--data", data, "--clock-start", CLOCK_START], &lines).await;
    assert_eq!(ended.code, Some(1), "some lines could not be read: {}", ended.errors);
}

/// Everything that can be read, as it is read.
async fn read(directory: &Path) -> String {
    let ended = run_florin(&["exec", "--data", argument(directory)], QUESTIONS).await;
    assert_eq!(ended.code, Some(0), "{}", ended.said());
    ended.output
}

/// What every report says alike, whoever opened the directory in between.
const SAME: [&str; 5] = ["incarnation", "accounts", "transfers", "live_holds", "ledgers"];

#[tokio::test]
async fn everything_but_the_log_can_be_lost() {
    let directory = empty();
    work(directory.path()).await;
    let before = read(directory.path()).await;
    assert!(10_000 < before.len(), "there is something to lose");
    let report = verified(directory.path()).await;
    strip_to_the_log(directory.path());
    let bare = verified(directory.path()).await;
    assert_eq!(bare["checkpoint"], serde_json::Value::Null);
    assert_eq!(bare["digest"], report["digest"], "the log alone says what stands");

    let data = argument(directory.path());
    let rebuilt = run_florin(&["rebuild", "--data", data], "").await;
    assert_eq!(rebuilt.code, Some(0), "{rebuilt:?}");
    let after = verified(directory.path()).await;
    assert_ne!(after["checkpoint"], serde_json::Value::Null);
    for same in SAME {
        assert_eq!(after[same], report[same], "{same}");
    }
    assert_eq!(read(directory.path()).await, before);
    let again = run_florin(&["exec", "--data", data], PAST_AGAIN).await;
    let statuses: Vec<&str> = again.output.split('"').skip(5).step_by(10).collect();
    assert_eq!(
        statuses,
        ["exists", "id_already_failed", "pending_transfer_already_voided"],
        "{again:?}"
    );
}

/// Damage outside the log is found, and costs nothing but the time to derive it again.
#[tokio::test]
async fn a_checkpoint_that_is_damaged_is_found_and_derived_again() {
    let directory = empty();
    work(directory.path()).await;
    let before = read(directory.path()).await;
    let checkpoint = directory.path().join("checkpoint.redb");
    let mut bytes = fs::read(&checkpoint).expect("there is one");
    for byte in bytes.iter_mut().skip(4_096) {
        *byte ^= 0x55;
    }
    fs::write(&checkpoint, bytes).expect("written");
    let data = argument(directory.path());
    let found = run_florin(&["verify", "--data", data], "").await;
    assert_eq!(found.code, Some(1), "{found:?}");
    assert!(found.said().contains("florin rebuild"), "it says what to do: {found:?}");
    let rebuilt = run_florin(&["rebuild", "--data", data], "").await;
    assert_eq!(rebuilt.code, Some(0), "{rebuilt:?}");
    verified(directory.path()).await;
    assert_eq!(read(directory.path()).await, before);
}
