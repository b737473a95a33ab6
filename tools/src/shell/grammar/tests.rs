//! That a line asks for what its words say, and that a line with a mistake asks for nothing.

use super::*;

fn ask(line: &str) -> Operation {
    match parse(line) {
        Ok(Request::Ask(operation)) => operation,
        other => panic!("{line} is no question of the ledger: {other:?}"),
    }
}

#[test]
fn accounts_and_transfers_take_their_values_in_any_order() {
    let account = Account {
        id: AccountId(1),
        ledger: LedgerId(840),
        code: Code(10),
        flags: AccountFlags::HISTORY.with(AccountFlags::LINKED),
        ..Account::default()
    };
    let expect = Operation::CreateAccounts(vec![account]);
    assert_eq!(ask("account 1 ledger 840 code 10 flags linked,history"), expect);
    assert_eq!(ask("account 1 flags history,linked code 10 ledger 840"), expect);

    let transfer = Transfer {
        id: TransferId(9),
        debit_account_id: AccountId(2),
        credit_account_id: AccountId(1),
        amount: Amount(1_000_000),
        ledger: LedgerId(840),
        code: Code(1),
        ..Transfer::default()
    };
    let line = "transfer 9 debit 2 credit 1 amount 1_000_000 ledger 840 code 1";
    assert_eq!(ask(line), Operation::CreateTransfers(vec![transfer]));
    let line =
        "hold 9 debit 2 credit 1 amount 1000000 ledger 840 code 1 timeout 60 flags closing_debit";
    let hold = Transfer {
        flags: TransferFlags::PENDING.with(TransferFlags::CLOSING_DEBIT),
        timeout: 60,
        ..transfer
    };
    assert_eq!(ask(line), Operation::CreateTransfers(vec![hold]));
}

/// Posting without an amount posts the whole hold; voiding names none.
#[test]
fn holds_are_posted_whole_unless_an_amount_is_named() {
    let post = |amount| {
        Operation::CreateTransfers(vec![Transfer {
            id: TransferId(10),
            pending_id: TransferId(9),
            flags: TransferFlags::POST_PENDING_TRANSFER,
            amount,
            ..Transfer::default()
        }])
    };
    assert_eq!(ask("post 10 hold 9"), post(Amount::MAX));
    assert_eq!(ask("post 10 hold 9 amount 30"), post(Amount(30)));
    let void = Transfer {
        id: TransferId(10),
        pending_id: TransferId(9),
        flags: TransferFlags::VOID_PENDING_TRANSFER,
        ..Transfer::default()
    };
    assert_eq!(ask("void 10 hold 9"), Operation::CreateTransfers(vec![void]));
}

#[test]
fn questions_of_history_say_which_side_and_order() {
    let both = AccountFilter::new(AccountId(1));
    assert_eq!(ask("history 1"), Operation::AccountTransfers(both));
    let filter = AccountFilter { credits: false, reversed: true, limit: 5, ..both };
    assert_eq!(ask("balances 1 debits newest limit 5"), Operation::AccountBalances(filter));
    assert_eq!(ask("history 1 debits credits"), Operation::AccountTransfers(both));
    let filter = QueryFilter { code: Code(3), scan: true, ..QueryFilter::all() };
    assert_eq!(ask("find transfers code 3 scan"), Operation::QueryTransfers(filter));
    let at = |timestamp| Operation::BalanceAsOf { account_id: AccountId(1), timestamp };
    assert_eq!(ask("balance 1"), at(Timestamp::MAX));
    assert_eq!(ask("balance 1 at 17"), at(Timestamp(17)));
    assert_eq!(ask("accounts 1 2"), Operation::LookupAccounts(vec![AccountId(1), AccountId(2)]));
    assert_eq!(ask("trial 840"), Operation::TrialBalance(LedgerId(840)));
}

#[test]
fn words_that_ask_nothing_of_the_ledger() {
    let cases = [
        ("", Request::Nothing),
        ("   ", Request::Nothing),
        ("help", Request::Help),
        ("quit", Request::Quit),
        ("exit", Request::Quit),
        ("more", Request::More),
        ("status", Request::Status),
    ];
    for (line, expect) in cases {
        assert_eq!(parse(line), Ok(expect), "{line:?}");
    }
    let json = parse(r#" {"trial_balance":{"ledger":840}}"#);
    assert_eq!(json, Ok(Request::AskJson(Operation::TrialBalance(LedgerId(840)))));
}

/// A misspelt or superfluous word must not be passed over: the rest would post something else.
#[test]
fn a_line_with_a_mistake_asks_for_nothing() {
    let cases = [
        ("acount 1", "acount is no command"),
        ("account", "the account's id is missing"),
        ("account one", "must be a whole number"),
        ("account 1 legder 840", "legder means nothing here; known are ledger"),
        ("account 1 ledger", "ledger is missing"),
        ("account 1 code 65536", "code is too large: 65536"),
        ("account 1 flags frozen", "frozen means nothing here"),
        ("transfer 1 debit 2 credit 3 amount -5", "amount must be a whole number, not -5"),
        ("transfer 1 amount 1.50", "amount must be a whole number, not 1.50"),
        ("transfer 21 debit 1 credit 2 amount 5 amount 50", "amount is said twice"),
        ("transfer 21 debit 1 credit 2", "amount is missing"),
        ("hold 21 debit 1 credit 2", "amount is missing"),
        ("post 10 hold 9 hold 8", "hold is said twice"),
        ("account 1 ledger 840 ledger 978", "ledger is said twice"),
        ("history 1 newest newest", "newest is said twice"),
        ("find transfers code 3 code 4", "code is said twice"),
        ("post 10 hold 9 debit 1", "debit means nothing here"),
        ("trial 840 841", "something too much: 841"),
        ("status now", "something too much: now"),
        ("accounts", "name at least one id"),
        ("find money", "accounts or transfers"),
        ("find accounts anything", "anything means nothing here"),
        ("balance 1 on 5", "on means nothing here; known are at"),
        ("{\"lookup\":[]}", "unknown field lookup"),
    ];
    for (line, expect) in cases {
        let error = parse(line).expect_err(line);
        assert!(error.contains(expect), "{line}\n  answered: {error}\n  expected: {expect}");
    }
}

#[test]
fn the_next_page_asks_the_same_question_from_the_cursor() {
    let Operation::AccountTransfers(filter) = ask("history 1 newest limit 2") else {
        panic!("a filter of an account");
    };
    let expect = AccountFilter { cursor: Some(Cursor(7)), ..filter };
    let next = next_page(&Operation::AccountTransfers(filter), Cursor(7));
    assert_eq!(next, Some(Operation::AccountTransfers(expect)));
    assert_eq!(next_page(&ask("trial 1"), Cursor(7)), None);
}

/// Help and completion must not promise a command that does not exist.
#[test]
fn every_command_of_the_help_page_is_understood() {
    for command in COMMANDS {
        if let Err(error) = parse(command.name) {
            assert!(!error.contains("no command"), "{}: {error}", command.name);
        }
    }
}

#[test]
fn documents_are_written_shown_and_listed() {
    let key = DocumentKey { table: TableId(16), key: b"payment/9".to_vec() };
    assert_eq!(ask("document 16 payment/9"), Operation::GetDocuments(vec![key.clone()]));
    let write = DocumentWrite {
        table: key.table,
        key: key.key,
        value: Some(b"paid".to_vec()),
        ..DocumentWrite::default()
    };
    assert_eq!(ask("put 16 payment/9 paid"), Operation::WriteDocuments(vec![write]));
    let scan = DocumentScan {
        table: TableId(16),
        prefix: b"payment/".to_vec(),
        after: Some(b"payment/9".to_vec()),
        reversed: true,
        keys_only: false,
        limit: 7,
    };
    let line = "documents 16 limit 7 reversed prefix payment/ after payment/9";
    assert_eq!(ask(line), Operation::ScanDocuments(scan));
    // A value of two words would be cut without a word.
    for line in ["put 16 k", "put 16 k a b", "put k v", "document 16", "documents", "documents 1 x"]
    {
        assert!(parse(line).is_err(), "{line}");
    }
}
