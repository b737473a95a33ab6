//! What a line may say, and that nothing in it is ever dropped in silence.

use super::*;
use florin_ledger::commit::{BalanceField, Commit, CommitId, Event, Precondition, Topic};
use florin_ledger::document::{DocumentCondition, DocumentScan};
use florin_ledger::{DocumentKey, DocumentWrite, Lsn, Position, TableId, TableOptions};
use proptest::prelude::*;

fn filter(line: &str) -> AccountFilter {
    match operation(line).expect("the line reads") {
        Operation::AccountTransfers(filter) | Operation::AccountBalances(filter) => filter,
        other => panic!("not a filter of an account: {other:?}"),
    }
}

fn query(line: &str) -> QueryFilter {
    match operation(line).expect("the line reads") {
        Operation::QueryAccounts(filter) | Operation::QueryTransfers(filter) => filter,
        other => panic!("not a query: {other:?}"),
    }
}

fn first_transfer(line: &str) -> Transfer {
    match operation(line).expect("the line reads") {
        Operation::CreateTransfers(transfers) => transfers[0],
        other => panic!("not transfers: {other:?}"),
    }
}

#[test]
fn every_field_of_a_transfer_is_read() {
    let line = r#"{"create_transfers": [{"id":"9","debit_account_id":2,"credit_account_id":"1",
        "amount":"340282366920938463463374607431768211455","pending_id":"8","user_data_128":"7",
        "user_data_64":"18446744073709551615","user_data_32":6,"timeout":60,"ledger":840,"code":1,
        "flags":["linked","pending","imported"],"timestamp":"5"}]}"#;
    let expect = Transfer {
        id: TransferId(9),
        debit_account_id: AccountId(2),
        credit_account_id: AccountId(1),
        amount: Amount(u128::MAX),
        pending_id: TransferId(8),
        user_data_128: 7,
        user_data_64: u64::MAX,
        user_data_32: 6,
        timeout: 60,
        ledger: LedgerId(840),
        code: Code(1),
        flags: TransferFlags::LINKED.with(TransferFlags::PENDING).with(TransferFlags::IMPORTED),
        timestamp: Timestamp(5),
    };
    assert_eq!(first_transfer(line), expect);
}

#[test]
fn a_field_left_out_or_null_is_zero() {
    let line = r#"{"create_transfers":[{"id":null,"amount":null,"flags":null,"timeout":null}]}"#;
    assert_eq!(first_transfer(line), Transfer::default());
    assert_eq!(first_transfer(r#"{"create_transfers":[{}]}"#), Transfer::default());
}

/// Fault 10: an explicit `false` or `null` is a value of its own, not an unknown field and not
/// the default.
#[test]
fn sides_left_out_are_both_and_an_explicit_false_is_false() {
    let cases = [
        (r#"{"account_transfers":{"account_id":1}}"#, (true, true)),
        (r#"{"account_transfers":{"account_id":1,"debits":null,"credits":null}}"#, (true, true)),
        (r#"{"account_transfers":{"account_id":1,"debits":true}}"#, (true, false)),
        (r#"{"account_transfers":{"account_id":1,"credits":true}}"#, (false, true)),
        (r#"{"account_transfers":{"account_id":1,"debits":false}}"#, (false, false)),
        (r#"{"account_balances":{"account_id":1,"debits":false,"credits":true}}"#, (false, true)),
        (r#"{"account_balances":{"account_id":1,"debits":true,"credits":true}}"#, (true, true)),
    ];
    for (line, expect) in cases {
        let filter = filter(line);
        assert_eq!((filter.debits, filter.credits), expect, "{line}");
    }
}

#[test]
fn every_field_of_a_filter_is_read() {
    let line = r#"{"account_transfers":{"account_id":"1","limit":10,"reversed":true,"debits":true,
        "credits":true,"timestamp_min":"2","timestamp_max":"3","code":4,"user_data_128":"5",
        "user_data_64":"6","user_data_32":7,"cursor":"340282366920938463463374607431768211455"}}"#;
    let expect = AccountFilter {
        account_id: AccountId(1),
        timestamp_min: Timestamp(2),
        timestamp_max: Timestamp(3),
        code: Code(4),
        user_data_128: 5,
        user_data_64: 6,
        user_data_32: 7,
        debits: true,
        credits: true,
        reversed: true,
        limit: 10,
        cursor: Some(Cursor(u128::MAX)),
    };
    assert_eq!(filter(line), expect);
    let line = r#"{"query_transfers":{"ledger":1,"code":2,"user_data_128":3,"user_data_64":4,
        "user_data_32":5,"timestamp_min":6,"timestamp_max":7,"reversed":true,"limit":8190,
        "cursor":"8","scan":true}}"#;
    let expect = QueryFilter {
        ledger: LedgerId(1),
        code: Code(2),
        user_data_128: 3,
        user_data_64: 4,
        user_data_32: 5,
        timestamp_min: Timestamp(6),
        timestamp_max: Timestamp(7),
        reversed: true,
        limit: 8190,
        cursor: Some(Cursor(8)),
        scan: true,
    };
    assert_eq!(query(line), expect);
}

#[test]
fn a_limit_left_out_is_the_default() {
    let bare = AccountFilter::new(AccountId(1));
    assert_eq!(filter(r#"{"account_balances":{"account_id":"1"}}"#), bare);
    assert_eq!(filter(r#"{"account_balances":{"account_id":"1","limit":0,"cursor":null}}"#), bare);
    assert_eq!(query(r#"{"query_accounts":{}}"#), QueryFilter::all());
}

/// Fault 63: an operator or field that is not understood must not be dropped, or the answer is for
/// another question.
#[test]
fn what_is_not_understood_is_refused_and_named() {
    let cases = [
        ("", "not a line of JSON"),
        ("{", "not a line of JSON"),
        ("[]", "expected an object, found []"),
        ("7", "expected an object, found 7"),
        ("{}", "no operation; known are create_accounts"),
        (r#"{"create_accounts":null}"#, "no operation"),
        (r#"{"drop_accounts":[]}"#, "unknown field drop_accounts; known are create_accounts"),
        (r#"{"lookup_accounts":[],"lookup_transfers":[]}"#, "one operation a line"),
        (r#"{"lookup_accounts":[],"lookup_accounts":[]}"#, "field lookup_accounts is given twice"),
        (r#"{"lookup_accounts":[]} {}"#, "not a line of JSON"),
        (r#"{"lookup_accounts":"1"}"#, "lookup_accounts: expected an array, found \"1\""),
        (r#"{"lookup_accounts":["1",null]}"#, "lookup_accounts[1]: expected a whole number"),
        (r#"{"lookup_transfers":[{"id":1}]}"#, "lookup_transfers[0]: expected a whole number"),
        (r#"{"create_accounts":[{"id":1,"amout":2}]}"#, "create_accounts[0]: unknown field amout"),
        (r#"{"create_accounts":[{"id":1,"id":2}]}"#, "create_accounts[0]: field id is given twice"),
        (r#"{"create_accounts":[{"id":1,"id":null}]}"#, "field id is given twice"),
        (r#"{"create_accounts":[{"flags":["frozen"]}]}"#, "flags: unknown flag frozen"),
        (r#"{"create_accounts":[{"flags":"linked"}]}"#, "flags: expected an array of names"),
        (r#"{"create_accounts":[{"flags":[1]}]}"#, "flags: expected an array of names"),
        (
            r#"{"create_transfers":[{},{"amount":-5}]}"#,
            "create_transfers[1].amount: -5 is negative",
        ),
        (r#"{"create_transfers":[{"amount":0.5}]}"#, "amount: 0.5 is not a whole number"),
        (r#"{"create_transfers":[{"amount":1e2}]}"#, "amount: 1e2 is not a whole number"),
        (r#"{"create_transfers":[{"code":65536}]}"#, "code: 65536 is above"),
        (r#"{"create_transfers":[{"timeout":4294967296}]}"#, "timeout: 4294967296 is above"),
        (
            r#"{"account_transfers":{"account_id":1,"reversed":1}}"#,
            "expected true or false, found 1",
        ),
        (r#"{"account_transfers":{"account_id":1,"scan":true}}"#, "unknown field scan"),
        (r#"{"account_transfers":{"amount":{"$gt":5}}}"#, "unknown field amount"),
        (r#"{"account_transfers":{"limit":8191}}"#, "limit: at most 8190"),
        (r#"{"query_transfers":{"account_id":1}}"#, "unknown field account_id"),
        (r#"{"query_transfers":{"cursor":"x"}}"#, "cursor: x is not a whole number"),
        (r#"{"trial_balance":840}"#, "trial_balance: expected an object, found 840"),
        (r#"{"balance_as_of":{"account_id":1,"at":2}}"#, "unknown field at"),
        (r#"{"commit":{"id":1,"digest":"00"}}"#, "commit: unknown field digest"),
        (r#"{"commit":{"digest_hex":"00"}}"#, "digest_hex: a digest has 32 bytes, this one has 1"),
        (r#"{"commit":{"actor_hex":"0"}}"#, "actor_hex: expected pairs of hexadecimal digits"),
        (r#"{"commit":{"actor":7}}"#, "actor: expected a string, found 7"),
        (r#"{"commit":{"actor":"a","actor_hex":"61"}}"#, "give actor or actor_hex, not both"),
        (r#"{"commit":{"preconditions":[{}]}}"#, "preconditions[0]: a precondition is one of"),
        (
            r#"{"commit":{"preconditions":[{"document":{"key":"a","version":"0:0"},"hold_pending":{}}]}}"#,
            "a precondition is one of",
        ),
        (r#"{"dry_run":{"preconditions":[{"frozen":{}}]}}"#, "unknown field frozen"),
        (r#"{"dry_run":{"id":"1","as_of":"yesterday"}}"#, "a position is two numbers"),
        (r#"{"commit":{"preconditions":[{"document":{"key":"a"}}]}}"#, "give its version"),
        (
            r#"{"commit":{"preconditions":[{"balance":{"field":"posted"}}]}}"#,
            "balance.field: give one of debits_pending",
        ),
        (r#"{"commit":{"documents":[{"key":"a","version":"7"}]}}"#, "version: a position is two"),
        (r#"{"write_documents":[{"table":16,"key":"a"}]}"#, "give its value or value_hex"),
        (r#"{"write_documents":[{"table":16,"key":"a","value":null}]}"#, "give its value or"),
        (
            r#"{"write_documents":[{"table":16,"key":"a","value":"b","delete":true}]}"#,
            "give its value or value_hex",
        ),
        (
            r#"{"write_documents":[{"table":16,"key":"a","delete":true,"expires":1}]}"#,
            "what is deleted has no expiry",
        ),
        (r#"{"get_documents":[{"table":65536,"key":"a"}]}"#, "table: 65536 is above"),
        (r#"{"scan_documents":{"cursor":"a"}}"#, "unknown field cursor"),
        (r#"{"document_history":{"key":"a","before":"x"}}"#, "before: a position is two numbers"),
        (r#"{"declare_table":{"appendonly":true}}"#, "unknown field appendonly"),
        (r#"{"list_tables":{"table":1}}"#, "unknown field table"),
        (r#"{"insert_unique":{"table":16}}"#, "give its key or key_hex"),
    ];
    for (line, expect) in cases {
        let error = operation(line).expect_err(line).to_string();
        assert!(error.contains(expect), "{line}\n  answered: {error}\n  expected: {expect}");
    }
}

#[test]
fn every_field_of_a_commit_is_read() {
    let line = r#"{"commit":{"id":"5","digest_hex":"0101010101010101010101010101010101010101010101010101010101010101",
        "actor":"me","not_after":"2","preconditions":[
        {"document":{"table":16,"key":"k","version":"1:4096"}},
        {"balance":{"account_id":"1","field":"credit_available","min":"6","max":"7"}},
        {"balance":{"account_id":"1","field":"debits_pending"}},
        {"hold_pending":{"transfer_id":"9"}}],
        "accounts":[{"id":"1"}],"transfers":[{"id":"2"}],
        "documents":[{"table":16,"key_hex":"00ff","value":"v","expires":3,"version":"1:5"},
        {"table":17,"key":"k","delete":true,"version":"0:0"},{"table":17,"key":"l","value_hex":""}],
        "events":[{"topic":8,"key":"k","value_hex":"7f"}]}}"#;
    let position = |lsn| Position { epoch: 1, lsn: Lsn(lsn) };
    let balance = |field, min, max| Precondition::Balance {
        account_id: AccountId(1),
        field,
        min: Amount(min),
        max: Amount(max),
    };
    let write = |table, key: &[u8], value: Option<&[u8]>, expires, condition| DocumentWrite {
        table: TableId(table),
        key: key.to_vec(),
        value: value.map(<[u8]>::to_vec),
        expires: Timestamp(expires),
        condition,
    };
    let (any, absent) = (DocumentCondition::Any, DocumentCondition::Absent);
    let expect = Commit {
        id: CommitId(5),
        digest: [1; 32],
        actor: b"me".to_vec(),
        not_after: Timestamp(2),
        preconditions: vec![
            Precondition::Document {
                table: TableId(16),
                key: b"k".to_vec(),
                version: position(4096),
            },
            balance(BalanceField::CreditAvailable, 6, 7),
            balance(BalanceField::DebitsPending, 0, u128::MAX),
            Precondition::HoldPending { transfer_id: TransferId(9) },
        ],
        accounts: vec![Account { id: AccountId(1), ..Account::default() }],
        transfers: vec![Transfer { id: TransferId(2), ..Transfer::default() }],
        documents: vec![
            write(16, &[0, 0xff], Some(b"v"), 3, DocumentCondition::Version(position(5))),
            write(17, b"k", None, 0, absent),
            write(17, b"l", Some(b""), 0, any),
        ],
        events: vec![Event { topic: Topic(8), key: b"k".to_vec(), value: vec![0x7f] }],
    };
    assert_eq!(operation(line), Ok(Operation::Commit(expect)));
}

#[test]
fn questions_of_documents_are_read() {
    let key = || DocumentKey { table: TableId(16), key: b"a".to_vec() };
    let cases = [
        (
            r#"{"scan_documents":{"table":16,"prefix":"a","after_hex":"61ff","reversed":true,"keys_only":true,"limit":7}}"#,
            Operation::ScanDocuments(DocumentScan {
                table: TableId(16),
                prefix: b"a".to_vec(),
                after: Some(b"a\xff".to_vec()),
                reversed: true,
                keys_only: true,
                limit: 7,
            }),
        ),
        (
            r#"{"scan_documents":{"table":16}}"#,
            Operation::ScanDocuments(DocumentScan {
                table: TableId(16),
                limit: PAGE_COUNT_DEFAULT,
                ..DocumentScan::default()
            }),
        ),
        (r#"{"get_documents":[{"table":16,"key":"a"}]}"#, Operation::GetDocuments(vec![key()])),
        (
            r#"{"document_history":{"table":16,"key":"a","before":"1:2","limit":3}}"#,
            Operation::DocumentHistory {
                key: key(),
                before: Position { epoch: 1, lsn: Lsn(2) },
                limit: 3,
            },
        ),
        (
            r#"{"insert_unique":{"table":16,"key":"a","expires":"9"}}"#,
            Operation::InsertUnique { key: key(), expires: Timestamp(9) },
        ),
        (
            r#"{"declare_table":{"table":16,"append_only":true,"volatile":true,"time_to_live":60}}"#,
            Operation::DeclareTable {
                table: TableId(16),
                options: TableOptions { append_only: true, volatile: true, time_to_live: 60 },
            },
        ),
        (r#"{"list_tables":{}}"#, Operation::ListTables),
    ];
    for (line, expect) in cases {
        assert_eq!(operation(line), Ok(expect), "{line}");
    }
}

#[test]
fn a_batch_too_large_is_refused_whole() {
    let ids = |count: usize| format!("{{\"lookup_accounts\":[{}]}}", vec!["1"; count].join(","));
    assert!(operation(&ids(EVENTS_MAX)).is_ok());
    let error = operation(&ids(EVENTS_MAX + 1)).expect_err("one too many").to_string();
    assert_eq!(error, "lookup_accounts: at most 8190 in one batch, this one has 8191: split it");
}

/// Fault 64: nesting must not use up the stack.
#[test]
fn a_million_brackets_are_an_error() {
    let line = format!("{{\"lookup_accounts\":{}", "[".repeat(1_000_000));
    assert!(operation(&line).is_err());
    let line = format!("{{\"lookup_accounts\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(operation(&line).is_err());
}

proptest! {
    #[test]
    fn no_line_makes_the_reader_panic(line in ".*") {
        let _ = operation(&line);
    }

    #[test]
    fn no_argument_makes_the_reader_panic(
        name in prop::sample::select(OPERATIONS.to_vec()),
        argument in r#"[\[\{]{0,3}("(id|limit|flags|amount)":)?[-0-9.eE"a-z,\]\}]{0,20}"#,
    ) {
        let _ = operation(&format!("{{\"{name}\":{argument}}}"));
    }
}
