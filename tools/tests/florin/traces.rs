//! From what a server tells of a request to what the log has of it.

use crate::process::{Running, argument, run};
use serde_json::Value;
use std::fs::{self, File};

/// Creates two accounts, and commits a transfer and a document.
const QUESTIONS: &str = r#"{"create_accounts": [{"id":"770001","ledger":840,"code":10},{"id":"770002","ledger":840,"code":10}]}
{"commit": {"id":"770003","transfers":[{"id":"770004","debit_account_id":"770002","credit_account_id":"770001","amount":"500","ledger":840,"code":1}],"documents":[{"table":1000,"key":"secret-key","value":"secret-value"}]}}
"#;

/// Prevents: a customer's request of last night that nobody can find in the log of the ledger; and ids,
/// keys and values of customers in a server's messages.
#[test]
fn a_request_is_followed_from_the_servers_messages_to_its_record() {
    let directory = tempfile::tempdir().expect("a directory");
    let messages = directory.path().join("messages");
    let data = directory.path().join("data");
    let errors = File::create(&messages).expect("a file");
    let more = ["--log", "debug", "--log-json"];
    let (server, address) = Running::serve_telling(&data, &more, errors.into());
    let answered = run(&["exec", "--connect", &address], QUESTIONS);
    assert_eq!(answered.code, Some(0), "{}", answered.errors);
    assert_eq!(server.terminate(), Some(0));

    let answers: Vec<Value> =
        answered.output.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let text = fs::read_to_string(&messages).expect("what it told");
    assert!(!text.contains("secret") && !text.contains("77000"), "{text}");
    let told: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of = |what: &str, operation: u64| {
        let mut fields = told.iter().map(|line| &line["fields"]);
        let fields = fields.find(|fields| {
            fields["message"] == what && fields["operation"].as_u64() == Some(operation)
        });
        fields.unwrap_or_else(|| panic!("nothing {what} of {operation}: {text}")).clone()
    };
    let same = |one: &Value, other: &Value| {
        let name = |fields: &Value| (fields["connection"].clone(), fields["request"].clone());
        assert_eq!(name(one), name(other));
        assert!(one["connection"].is_u64() && one["request"].is_u64(), "{one}");
    };
    let (create_accounts, commit) = (1, 32);
    let accounts = of("answered", create_accounts);
    same(&of("asked", create_accounts), &accounts);
    let last = answers[0]["results"][1]["timestamp"].as_str().expect("a timestamp");
    assert_eq!(accounts["at"].to_string(), last);

    let committed = of("answered", commit);
    same(&of("asked", commit), &committed);
    let position = committed["position"].to_string();
    let answer = answers[1]["position"].as_str().expect("a position");
    assert_eq!(answer.split_once(':').expect("epoch and lsn").1, position);
    let stream = run(&["tail", "--data", argument(&data), "--kind", "commit"], "");
    let record = stream.output.lines().find(|line| line.contains(&format!(":{position}:")));
    let record = record.unwrap_or_else(|| panic!("no record at {position}: {stream:?}"));
    assert!(record.contains(r#""id":"770003""#), "{record}");
}
