//! That an answer's bytes are the contract's, and that an answer can be read back.

use super::*;
use crate::json::read::operation;
use crate::operation::Operation;
use florin_ledger::commit::{BrokenRule, CommitDone, CommitOutcome, CommitRefused, Unmet};
use florin_ledger::document::{Document, DocumentPage, UniqueResult, WriteResult};
use florin_ledger::query::{Cursor, Page};
use florin_ledger::record::Balances;
use florin_ledger::{
    AccountId, Amount, Code, CreateAccountStatus, CreateTransferStatus, LedgerId, Lsn, Position,
    TableId, TableOptions, Timestamp, TransferId,
};
use proptest::prelude::*;

#[test]
fn results_name_status_and_time() {
    let created =
        EventResult { status: CreateAccountStatus::Created, timestamp: Timestamp(1_790_000_000) };
    assert_eq!(
        answer(&Answer::AccountResults(vec![created])),
        r#"{"results":[{"status":"created","timestamp":"1790000000"}]}"#
    );
    let refused =
        EventResult { status: CreateTransferStatus::ExceedsCredits, timestamp: Timestamp(2) };
    assert_eq!(
        answer(&Answer::TransferResults(vec![refused])),
        r#"{"results":[{"status":"exceeds_credits","timestamp":"2"}]}"#
    );
    assert_eq!(answer(&Answer::TransferResults(vec![])), r#"{"results":[]}"#);
}

#[test]
fn an_account_has_every_field_in_the_documented_order() {
    let account = Account {
        id: AccountId(1),
        debits_pending: Amount(2),
        debits_posted: Amount(3),
        credits_pending: Amount(4),
        credits_posted: Amount(u128::MAX),
        user_data_128: 6,
        user_data_64: u64::MAX,
        user_data_32: 8,
        reserved: 0,
        ledger: LedgerId(840),
        code: Code(10),
        flags: AccountFlags::CLOSED.with(AccountFlags::LINKED),
        timestamp: Timestamp(9),
    };
    assert_eq!(
        answer(&Answer::Accounts(vec![Some(account), None])),
        concat!(
            r#"{"accounts":[{"id":"1","debits_pending":"2","debits_posted":"3","#,
            r#""credits_pending":"4","credits_posted":"340282366920938463463374607431768211455","#,
            r#""user_data_128":"6","user_data_64":"18446744073709551615","user_data_32":8,"#,
            r#""ledger":840,"code":10,"flags":["linked","closed"],"timestamp":"9"},null]}"#,
        )
    );
}

#[test]
fn a_transfer_has_every_field_in_the_documented_order() {
    let transfer = Transfer {
        id: TransferId(9),
        debit_account_id: AccountId(2),
        credit_account_id: AccountId(1),
        amount: Amount(500),
        pending_id: TransferId(8),
        user_data_128: 7,
        user_data_64: 6,
        user_data_32: 5,
        timeout: 60,
        ledger: LedgerId(840),
        code: Code(1),
        flags: TransferFlags::PENDING,
        timestamp: Timestamp(4),
    };
    let page = Page { items: vec![transfer], next_cursor: Some(Cursor(1 << 70)) };
    assert_eq!(
        answer(&Answer::TransferPage(page)),
        concat!(
            r#"{"transfers":[{"id":"9","debit_account_id":"2","credit_account_id":"1","#,
            r#""amount":"500","pending_id":"8","user_data_128":"7","user_data_64":"6","#,
            r#""user_data_32":5,"timeout":60,"ledger":840,"code":1,"flags":["pending"],"#,
            r#""timestamp":"4"}],"next_cursor":"1180591620717411303424"}"#,
        )
    );
}

#[test]
fn balances_and_sums_are_as_the_contract_shows_them() {
    let balances = Balances {
        debits_pending: Amount(1),
        debits_posted: Amount(2),
        credits_pending: Amount(3),
        credits_posted: Amount(4),
    };
    let at = BalanceAt { timestamp: Timestamp(5), balances };
    let balance = concat!(
        r#"{"timestamp":"5","debits_pending":"1","debits_posted":"2","#,
        r#""credits_pending":"3","credits_posted":"4"}"#,
    );
    let page = Page { items: vec![at], next_cursor: None };
    assert_eq!(answer(&Answer::BalancePage(page)), format!(r#"{{"balances":[{balance}]}}"#));
    assert_eq!(answer(&Answer::Balance(Some(at))), format!(r#"{{"balance":{balance}}}"#));
    assert_eq!(answer(&Answer::Balance(None)), r#"{"balance":null}"#);
    let sums = TrialBalance {
        debits_posted: Amount(1),
        credits_posted: Amount(2),
        debits_pending: Amount(3),
        credits_pending: Amount(4),
        accounts_count: 5,
    };
    assert_eq!(
        answer(&Answer::TrialBalance(sums)),
        concat!(
            r#"{"debits_posted":"1","credits_posted":"2","debits_pending":"3","#,
            r#""credits_pending":"4","accounts":"5"}"#,
        )
    );
    assert_eq!(error("a \"quote\"", 7), r#"{"error":"a \"quote\"","line":7}"#);
}

fn position(lsn: u64) -> Position {
    Position { epoch: 1, lsn: Lsn(lsn) }
}

#[test]
fn outcomes_are_as_the_contract_shows_them() {
    let done = CommitOutcome::Done(CommitDone {
        position: position(9),
        timestamp: Timestamp(1),
        accounts: vec![Timestamp(2)],
        transfers: vec![Timestamp(3)],
        documents: vec![position(4)],
        events: vec![position(5)],
    });
    let status = CreateAccountStatus::Exists;
    let refused = CommitOutcome::Refused(CommitRefused {
        position: position(9),
        timestamp: Timestamp(1),
        broken: BrokenRule::Account { index: 2, status },
    });
    let unmet = CommitOutcome::Unmet;
    let version = position(9);
    let cases = [
        (
            done,
            r#"{"outcome":"done","position":"1:9","timestamp":"1","accounts":["2"],"transfers":["3"],"documents":["1:4"],"events":["1:5"]}"#,
        ),
        (
            refused,
            r#"{"outcome":"refused","position":"1:9","timestamp":"1","kind":"account","index":2,"status":"exists"}"#,
        ),
        (
            unmet(Unmet::TooLate(Timestamp(7))),
            r#"{"outcome":"unmet","what":"too_late","timestamp":"7"}"#,
        ),
        (
            unmet(Unmet::Document { index: 0, version: Position::NONE }),
            r#"{"outcome":"unmet","what":"document","index":0,"version":"0:0"}"#,
        ),
        (
            unmet(Unmet::Balance { index: 1, balance: Some(Amount(u128::MAX)) }),
            r#"{"outcome":"unmet","what":"balance","index":1,"balance":"340282366920938463463374607431768211455"}"#,
        ),
        (
            unmet(Unmet::Balance { index: 1, balance: None }),
            r#"{"outcome":"unmet","what":"balance","index":1,"balance":null}"#,
        ),
        (unmet(Unmet::Hold { index: 2 }), r#"{"outcome":"unmet","what":"hold","index":2}"#),
        (
            unmet(Unmet::Write { index: 3, version }),
            r#"{"outcome":"unmet","what":"write","index":3,"version":"1:9"}"#,
        ),
        (
            unmet(Unmet::AppendOnly { index: 4, version }),
            r#"{"outcome":"unmet","what":"append_only","index":4,"version":"1:9"}"#,
        ),
        (
            CommitOutcome::ExistsWithDifferentDigest(version),
            r#"{"outcome":"exists_with_different_digest","position":"1:9"}"#,
        ),
    ];
    for (outcome, expect) in cases {
        assert_eq!(answer(&Answer::Outcome(outcome)), expect);
    }
}

#[test]
fn documents_are_text_where_they_are_and_digits_where_not() {
    let document = |key: &[u8], value: Option<&[u8]>| Document {
        key: key.to_vec(),
        version: position(9),
        timestamp: Timestamp(1),
        expires: Timestamp(2),
        value: value.map(<[u8]>::to_vec),
    };
    let found = vec![Some(document(b"a", Some(b"\xff\n"))), None, Some(document(b"\x1b", None))];
    assert_eq!(
        answer(&Answer::Documents(found)),
        concat!(
            r#"{"documents":[{"key":"a","version":"1:9","timestamp":"1","expires":"2","value_hex":"ff0a"},"#,
            r#"null,{"key_hex":"1b","version":"1:9","timestamp":"1","expires":"2","value":null}]}"#,
        )
    );
    let page = |next: Option<&[u8]>| {
        let next = next.map(<[u8]>::to_vec);
        answer(&Answer::DocumentPage(DocumentPage { items: vec![], next }))
    };
    assert_eq!(page(None), r#"{"documents":[]}"#);
    assert_eq!(page(Some(b"a")), r#"{"documents":[],"next":"a"}"#);
    assert_eq!(page(Some(b"a\xff")), r#"{"documents":[],"next_hex":"61ff"}"#);
}

#[test]
fn results_of_writes_are_as_the_contract_shows_them() {
    let results = vec![
        WriteResult::Written(position(9)),
        WriteResult::Stale(Position::NONE),
        WriteResult::AppendOnly(position(8)),
        WriteResult::NoRoom,
    ];
    assert_eq!(
        answer(&Answer::Written(results)),
        concat!(
            r#"{"results":[{"status":"written","version":"1:9"},{"status":"stale","version":"0:0"},"#,
            r#"{"status":"append_only","version":"1:8"},{"status":"no_room"}]}"#,
        )
    );
    let declared = Answer::Declared(WriteResult::Written(position(9)));
    assert_eq!(answer(&declared), r#"{"status":"written","version":"1:9"}"#);
    let fresh = Answer::Unique(UniqueResult::Fresh(position(9)));
    assert_eq!(answer(&fresh), r#"{"status":"fresh","version":"1:9"}"#);
    let seen = Answer::Unique(UniqueResult::Seen(position(9)));
    assert_eq!(answer(&seen), r#"{"status":"seen","version":"1:9"}"#);
    assert_eq!(answer(&Answer::Unique(UniqueResult::NoRoom)), r#"{"status":"no_room"}"#);
    let options = TableOptions { append_only: true, volatile: false, time_to_live: 60 };
    assert_eq!(
        answer(&Answer::Tables(vec![(TableId(16), options)])),
        r#"{"tables":[{"table":16,"append_only":true,"volatile":false,"time_to_live":60}]}"#
    );
}

proptest! {
    /// What `lookup_transfers` answers can be sent again by a script as it is.
    #[test]
    fn a_transfer_read_back_is_the_same(
        wide: [u128; 6], user_data_64: u64, timestamp: u64,
        user_data_32: u32, timeout: u32, ledger: u32, code: u16, bits in 0_u16..1 << 9,
    ) {
        let transfer = Transfer {
            id: TransferId(wide[0]),
            debit_account_id: AccountId(wide[1]),
            credit_account_id: AccountId(wide[2]),
            amount: Amount(wide[3]),
            pending_id: TransferId(wide[4]),
            user_data_128: wide[5],
            user_data_64,
            user_data_32,
            timeout,
            ledger: LedgerId(ledger),
            code: Code(code),
            flags: TransferFlags(bits),
            timestamp: Timestamp(timestamp),
        };
        let text = line(&TransferJson::from(&transfer));
        let read = operation(&format!("{{\"create_transfers\":[{text}]}}"));
        prop_assert_eq!(read, Ok(Operation::CreateTransfers(vec![transfer])));
    }

    #[test]
    fn an_account_read_back_is_the_same(
        wide: [u128; 6], user_data_64: u64, timestamp: u64,
        user_data_32: u32, ledger: u32, code: u16, bits in 0_u16..1 << 6,
    ) {
        let account = Account {
            id: AccountId(wide[0]),
            debits_pending: Amount(wide[1]),
            debits_posted: Amount(wide[2]),
            credits_pending: Amount(wide[3]),
            credits_posted: Amount(wide[4]),
            user_data_128: wide[5],
            user_data_64,
            user_data_32,
            reserved: 0,
            ledger: LedgerId(ledger),
            code: Code(code),
            flags: AccountFlags(bits),
            timestamp: Timestamp(timestamp),
        };
        let text = line(&AccountJson::from(&account));
        let read = operation(&format!("{{\"create_accounts\":[{text}]}}"));
        prop_assert_eq!(read, Ok(Operation::CreateAccounts(vec![account])));
    }
}
