//! The examples of the contract of `florin exec`, as given, through both paths. What would go
//! wrong without it: a script that was written from the contract is misunderstood, or reads
//! another answer from a server than from a directory.

use crate::directory::empty;
use crate::process::{Ended, Server, argument, run_florin};

pub(crate) const CLOCK_START: &str = "1790000000000000000";

/// Each line with its answer. Account 2, which the examples take for granted, is opened second.
const EXAMPLES: &[(&str, &str)] = &[
    (
        r#"{"create_accounts": [{"id":"1","ledger":840,"code":10,"flags":["debits_must_not_exceed_credits"]}]}"#,
        r#"{"results":[{"status":"created","timestamp":"1790000000000000001"}]}"#,
    ),
    (
        r#"{"create_accounts": [{"id":"2","ledger":840,"code":10}]}"#,
        r#"{"results":[{"status":"created","timestamp":"1790000000000000002"}]}"#,
    ),
    (
        r#"{"create_transfers": [{"id":"9","debit_account_id":"2","credit_account_id":"1","amount":"500","ledger":840,"code":1,"flags":["pending"],"timeout":60}]}"#,
        r#"{"results":[{"status":"created","timestamp":"1790000000000000003"}]}"#,
    ),
    (
        r#"{"lookup_accounts": ["1","2"]}"#,
        concat!(
            r#"{"accounts":[{"id":"1","debits_pending":"0","debits_posted":"0","credits_pending":"500","credits_posted":"0","user_data_128":"0","user_data_64":"0","user_data_32":0,"ledger":840,"code":10,"flags":["debits_must_not_exceed_credits"],"timestamp":"1790000000000000001"},"#,
            r#"{"id":"2","debits_pending":"500","debits_posted":"0","credits_pending":"0","credits_posted":"0","user_data_128":"0","user_data_64":"0","user_data_32":0,"ledger":840,"code":10,"flags":[],"timestamp":"1790000000000000002"}]}"#
        ),
    ),
    (
        r#"{"lookup_transfers": ["9"]}"#,
        r#"{"transfers":[{"id":"9","debit_account_id":"2","credit_account_id":"1","amount":"500","pending_id":"0","user_data_128":"0","user_data_64":"0","user_data_32":0,"timeout":60,"ledger":840,"code":1,"flags":["pending"],"timestamp":"1790000000000000003"}]}"#,
    ),
    (
        r#"{"account_transfers": {"account_id":"1","limit":10,"reversed":true,"debits":true,"credits":true,"timestamp_min":"0","timestamp_max":"0","code":0,"user_data_128":"0"}}"#,
        r#"{"transfers":[{"id":"9","debit_account_id":"2","credit_account_id":"1","amount":"500","pending_id":"0","user_data_128":"0","user_data_64":"0","user_data_32":0,"timeout":60,"ledger":840,"code":1,"flags":["pending"],"timestamp":"1790000000000000003"}]}"#,
    ),
    (
        r#"{"account_balances": {"account_id":"1","limit":10,"reversed":true}}"#,
        r#"{"balances":[{"timestamp":"1790000000000000003","debits_pending":"0","debits_posted":"0","credits_pending":"500","credits_posted":"0"}]}"#,
    ),
    (
        r#"{"balance_as_of": {"account_id":"1","timestamp":"1790000000000000003"}}"#,
        r#"{"balance":{"timestamp":"1790000000000000003","debits_pending":"0","debits_posted":"0","credits_pending":"500","credits_posted":"0"}}"#,
    ),
    (
        r#"{"query_accounts": {"ledger":840,"code":10,"scan":true,"limit":1,"reversed":true,"timestamp_max":"1790000000000000001"}}"#,
        r#"{"accounts":[{"id":"1","debits_pending":"0","debits_posted":"0","credits_pending":"500","credits_posted":"0","user_data_128":"0","user_data_64":"0","user_data_32":0,"ledger":840,"code":10,"flags":["debits_must_not_exceed_credits"],"timestamp":"1790000000000000001"}]}"#,
    ),
    (r#"{"query_transfers": {"timestamp_min":"1790000000000000004"}}"#, r#"{"transfers":[]}"#),
    (
        r#"{"trial_balance": {"ledger":840}}"#,
        r#"{"debits_posted":"0","credits_posted":"0","debits_pending":"500","credits_pending":"500","accounts":"2"}"#,
    ),
];

fn check(ended: &Ended) {
    let answers: Vec<&str> = ended.output.lines().collect();
    for ((question, expect), answer) in EXAMPLES.iter().zip(&answers) {
        assert_eq!(answer, expect, "{question}");
    }
    assert_eq!(answers.len(), EXAMPLES.len(), "{ended:?}");
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[tokio::test]
async fn a_directory_and_a_server_answer_every_example_as_given() {
    let questions: String = EXAMPLES.iter().map(|(question, _)| format!("{question}\n")).collect();
    let directory = empty();
    let data = argument(directory.path());
    check(&run_florin(&["exec", "--data", data, "--clock-start", CLOCK_START], &questions).await);

    let served = empty();
    let server = Server::start(served.path(), &["--clock-start", CLOCK_START]).await;
    check(&run_florin(&["exec", "--connect", &server.address], &questions).await);
    server.stop().await;
}
