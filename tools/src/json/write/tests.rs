//! That an answer's bytes are the contract's, and that an answer can be read back.

use super::*;
use crate::json::read::operation;
use crate::operation::Operation;
use florin_ledger::query::{Cursor, Page};
use florin_ledger::record::Balances;
use florin_ledger::{
    AccountId, Amount, Code, CreateAccountStatus, CreateTransferStatus, LedgerId, Timestamp,
    TransferId,
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
