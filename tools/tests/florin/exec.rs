//! The contract of `florin exec`. What would go wrong without it: a script that reads another
//! answer from a server than from a directory, waits for ever for an answer that was not flushed,
//! or takes a run for good that had a line nobody understood.

use crate::process::{Ended, Running, argument, run};
use std::fs;
use tempfile::TempDir;

const CLOCK_START: &str = "1790000000000000000";

/// A conversation: each line with the answer it must get, to the byte.
const CONVERSATION: &[(&str, &str)] = &[
    (
        r#"{"create_accounts": [{"id":"1","ledger":840,"code":10,"flags":["debits_must_not_exceed_credits"]}]}"#,
        r#"{"results":[{"status":"created","timestamp":"1790000000000000001"}]}"#,
    ),
    (
        r#"{"create_accounts": [{"id":2,"ledger":840,"code":20},{"id":"2","ledger":840,"code":20}]}"#,
        r#"{"results":[{"status":"created","timestamp":"1790000000000000002"},{"status":"exists","timestamp":"1790000000000000002"}]}"#,
    ),
    (
        r#"{"create_transfers": [{"id":"9","debit_account_id":"2","credit_account_id":"1","amount":"500","ledger":840,"code":1,"flags":["pending"],"timeout":60}]}"#,
        r#"{"results":[{"status":"created","timestamp":"1790000000000000004"}]}"#,
    ),
    (
        r#"{"create_transfers": [{"id":"10","pending_id":"9","amount":"340282366920938463463374607431768211455","flags":["post_pending_transfer"]}]}"#,
        r#"{"results":[{"status":"created","timestamp":"1790000000000000005"}]}"#,
    ),
    (
        r#"{"create_transfers": [{"id":"11","debit_account_id":"1","credit_account_id":"2","amount":501,"ledger":840,"code":1}]}"#,
        r#"{"results":[{"status":"exceeds_credits","timestamp":"1790000000000000006"}]}"#,
    ),
    (
        r#"{"lookup_accounts": ["1","3"]}"#,
        r#"{"accounts":[{"id":"1","debits_pending":"0","debits_posted":"0","credits_pending":"0","credits_posted":"500","user_data_128":"0","user_data_64":"0","user_data_32":0,"ledger":840,"code":10,"flags":["debits_must_not_exceed_credits"],"timestamp":"1790000000000000001"},null]}"#,
    ),
    (
        r#"{"lookup_transfers": ["10", 11]}"#,
        r#"{"transfers":[{"id":"10","debit_account_id":"2","credit_account_id":"1","amount":"500","pending_id":"9","user_data_128":"0","user_data_64":"0","user_data_32":0,"timeout":0,"ledger":840,"code":1,"flags":["post_pending_transfer"],"timestamp":"1790000000000000005"},null]}"#,
    ),
    (
        r#"{"account_transfers": {"account_id":"1","limit":1,"reversed":true,"debits":false,"credits":true,"timestamp_min":"0","timestamp_max":"1790000000000000004","code":0,"user_data_128":"0","cursor":null}}"#,
        r#"{"transfers":[{"id":"9","debit_account_id":"2","credit_account_id":"1","amount":"500","pending_id":"0","user_data_128":"0","user_data_64":"0","user_data_32":0,"timeout":60,"ledger":840,"code":1,"flags":["pending"],"timestamp":"1790000000000000004"}]}"#,
    ),
    (
        r#"{"account_balances": {"account_id":"1","limit":10,"reversed":true}}"#,
        r#"{"balances":[{"timestamp":"1790000000000000005","debits_pending":"0","debits_posted":"0","credits_pending":"0","credits_posted":"500"},{"timestamp":"1790000000000000004","debits_pending":"0","debits_posted":"0","credits_pending":"500","credits_posted":"0"}]}"#,
    ),
    (
        r#"{"balance_as_of": {"account_id":"1","timestamp":"1790000000000000004"}}"#,
        r#"{"balance":{"timestamp":"1790000000000000004","debits_pending":"0","debits_posted":"0","credits_pending":"500","credits_posted":"0"}}"#,
    ),
    (r#"{"balance_as_of": {"account_id":"7","timestamp":"1"}}"#, r#"{"balance":null}"#),
    (
        r#"{"trial_balance": {"ledger":840}}"#,
        r#"{"debits_posted":"500","credits_posted":"500","debits_pending":"0","credits_pending":"0","accounts":"2"}"#,
    ),
    (
        r#"{"query_accounts": {"code":20,"ledger":840,"scan":true,"limit":5}}"#,
        r#"{"accounts":[{"id":"2","debits_pending":"0","debits_posted":"500","credits_pending":"0","credits_posted":"0","user_data_128":"0","user_data_64":"0","user_data_32":0,"ledger":840,"code":20,"flags":[],"timestamp":"1790000000000000002"}]}"#,
    ),
    (
        r#"{"query_transfers": {"code":1,"scan":true,"timestamp_min":"1790000000000000005"}}"#,
        r#"{"transfers":[{"id":"10","debit_account_id":"2","credit_account_id":"1","amount":"500","pending_id":"9","user_data_128":"0","user_data_64":"0","user_data_32":0,"timeout":0,"ledger":840,"code":1,"flags":["post_pending_transfer"],"timestamp":"1790000000000000005"}]}"#,
    ),
];

/// Lines that nobody can understand, each with a word that its error must hold.
const MISTAKES: &[(&str, &str)] = &[
    ("this is not JSON", "not a line of JSON"),
    (r#"{"create_accounts":[{"id":1.5}]}"#, "create_accounts[0].id: 1.5 is not a whole number"),
    (r#"{"account_transfers":{"account_id":"1","amount_min":5}}"#, "unknown field amount_min"),
];

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

fn questions() -> String {
    CONVERSATION.iter().map(|(question, _)| format!("{question}\n")).collect()
}

fn check(ended: &Ended) {
    let answers = lines(&ended.output);
    for ((question, expect), answer) in CONVERSATION.iter().zip(&answers) {
        assert_eq!(answer, expect, "{question}\n{}", ended.errors);
    }
    assert_eq!(answers.len(), CONVERSATION.len(), "{}", ended.errors);
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

#[test]
fn every_example_is_answered_as_given() {
    let directory = directory();
    let data = argument(directory.path());
    check(&run(&["exec", "--data", data, "--clock-start", CLOCK_START], &questions()));
}

#[test]
fn a_server_answers_the_same_bytes() {
    let directory = directory();
    let (server, address) = Running::serve(directory.path(), &["--clock-start", CLOCK_START]);
    check(&run(&["exec", "--connect", &address], &questions()));
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn each_answer_comes_before_the_next_line_is_sent() {
    let directory = directory();
    let data = argument(directory.path());
    let mut exec = Running::start(&["exec", "--data", data, "--clock-start", CLOCK_START]);
    for (question, expect) in CONVERSATION {
        exec.say(question);
        assert_eq!(exec.hear(), *expect, "{question}");
    }
    assert_eq!(exec.finish(), Some(0));
}

/// A disk that fails under an open database: it was opened, so "can't be opened" would send an
/// operator looking for the wrong fault.
#[test]
fn an_end_without_a_checkpoint_says_that_it_stopped() {
    let question = CONVERSATION[0].0;
    // What the session found before it ended counts for more than how it ended.
    let cases = [("exec", question, 4), ("shell", "trial 840", 4), ("exec", "nonsense", 1)];
    for (command, line, expect) in cases {
        let directory = directory();
        let mut running = Running::start(&[command, "--data", argument(directory.path())]);
        running.say(line);
        running.hear();
        // The checkpoint at the end finds nowhere to go.
        fs::remove_dir_all(directory.path()).expect("removed");
        assert_eq!(running.finish(), Some(expect), "{command} {line}");
    }
}

#[test]
fn what_was_answered_is_there_after_opening_again() {
    let directory = directory();
    let data = argument(directory.path());
    check(&run(&["exec", "--data", data, "--clock-start", CLOCK_START], &questions()));
    let question = r#"{"trial_balance": {"ledger":840}}"#;
    let again = run(&["exec", "--data", data], question);
    let expect = CONVERSATION.iter().find(|(asked, _)| *asked == question).expect("it was asked");
    assert_eq!(lines(&again.output), [expect.1], "{}", again.errors);
}

#[test]
fn a_line_that_cannot_be_read_costs_itself_and_the_exit_status() {
    let directory = directory();
    let (first, first_answer) = CONVERSATION[0];
    let mut input = format!("{first}\n\n");
    for (mistake, _) in MISTAKES {
        input.push_str(&format!("{mistake}\n"));
    }
    // No line break at the end, as a shell's printf leaves it.
    input.push_str(r#"{"lookup_accounts":["7"]}"#);
    let data = argument(directory.path());
    let ended = run(&["exec", "--data", data, "--clock-start", CLOCK_START], &input);
    let answers = lines(&ended.output);
    assert_eq!(answers.len(), MISTAKES.len() + 2, "{ended:?}");
    assert_eq!(answers[0], first_answer);
    for (place, (mistake, expect)) in MISTAKES.iter().enumerate() {
        let answer: serde_json::Value =
            serde_json::from_str(answers[place + 1]).expect("errors are JSON");
        let error = answer["error"].as_str().expect("it says why");
        assert!(error.contains(expect), "{mistake}: {error}");
        // The blank line counts: editors and scripts count it too.
        assert_eq!(answer["line"], place + 3, "{mistake}");
    }
    assert_eq!(answers[MISTAKES.len() + 1], r#"{"accounts":[null]}"#);
    assert_eq!(ended.code, Some(1));
}

#[test]
fn a_batch_too_large_is_refused_whole() {
    let directory = directory();
    let account = |id: usize| format!(r#"{{"id":{id},"ledger":840,"code":1}}"#);
    let batch = |ids: std::ops::RangeInclusive<usize>| {
        let accounts: Vec<String> = ids.map(account).collect();
        format!("{{\"create_accounts\":[{}]}}\n", accounts.join(","))
    };
    let input = format!(
        "{}{{\"trial_balance\":{{\"ledger\":840}}}}\n{}",
        batch(1..=8_191),
        batch(1..=8_190)
    );
    let ended = run(&["exec", "--data", argument(directory.path())], &input);
    let answers = lines(&ended.output);
    assert_eq!(
        answers[0],
        r#"{"error":"create_accounts: at most 8190 in one batch, this one has 8191: split it","line":1}"#
    );
    assert!(answers[1].ends_with(r#""accounts":"0"}"#), "{}", answers[1]);
    assert_eq!(answers[2].matches("created").count(), 8_190);
}

/// A page after a page reaches every transfer once, through the cursor as it was answered.
#[test]
fn a_cursor_leads_through_all_pages() {
    let directory = directory();
    let data = argument(directory.path());
    let mut exec = Running::start(&["exec", "--data", data, "--clock-start", CLOCK_START]);
    let mut ask = |question: String| {
        exec.say(&question);
        serde_json::from_str::<serde_json::Value>(&exec.hear()).expect("answers are JSON")
    };
    ask(String::from(
        r#"{"create_accounts":[{"id":1,"ledger":1,"code":1},{"id":2,"ledger":1,"code":1}]}"#,
    ));
    for id in 1..=7 {
        let transfer = format!(
            r#"{{"id":{id},"debit_account_id":1,"credit_account_id":2,"amount":1,"ledger":1,"code":1}}"#
        );
        ask(format!(r#"{{"create_transfers":[{transfer}]}}"#));
    }
    let mut seen = Vec::new();
    let mut cursor = String::from("null");
    while cursor != "end" {
        let page = ask(format!(
            r#"{{"account_transfers":{{"account_id":1,"limit":3,"cursor":{cursor}}}}}"#
        ));
        for transfer in page["transfers"].as_array().expect("a page of transfers") {
            seen.push(String::from(transfer["id"].as_str().expect("ids are strings")));
        }
        cursor = page.get("next_cursor").map_or(String::from("end"), ToString::to_string);
    }
    assert_eq!(seen, ["1", "2", "3", "4", "5", "6", "7"]);
}
