//! The tables of a bank: every document that it keeps is in one of these. Numbers are in logs for ever:
//! one that was given out is never given to another table.

use florin_ledger::{TableId, TableOptions};

/// A table and what it promises.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its number.
    pub id: TableId,
    /// What people call it.
    pub name: &'static str,
    /// What it is declared as.
    pub options: TableOptions,
}

const PLAIN: TableOptions = TableOptions { append_only: false, volatile: false, time_to_live: 0 };
const APPEND_ONLY: TableOptions = TableOptions { append_only: true, ..PLAIN };
const VOLATILE: TableOptions = TableOptions { volatile: true, ..PLAIN };

const HOUR_S: u32 = 3_600;

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident $number:literal $text:literal $options:expr;)*) => {
        $($(#[$doc])* pub const $name: TableId = TableId($number);)*

        /// All of them.
        pub const ALL: &[Table] =
            &[$(Table { id: $name, name: $text, options: $options }),*];
    };
}

tables! {
    /// Keys by purpose, wrapped with the root key.
    KEYS 16 "bank_keys" PLAIN;
    /// USERS of the design, but for what logs a customer in.
    CUSTOMERS 17 "users" PLAIN;
    /// What customers prove themselves with.
    CREDENTIALS 18 "credentials" PLAIN;
    /// Customers by blind index of their e-mail address.
    CUSTOMER_EMAILS 19 "user_emails" PLAIN;
    /// Attempts to log in, by blind index of what was typed.
    LOGIN_COUNTERS 20 "login_counters" PLAIN;
    /// Logins that wait for the second factor.
    LOGIN_ATTEMPTS 21 "login_attempts" TableOptions { time_to_live: HOUR_S, ..PLAIN };
    /// Logins, by hash of their token.
    LOGINS 22 "logins" PLAIN;
    /// When logins were last used; written once a minute at most.
    LOGIN_USES 23 "login_uses" TableOptions { time_to_live: HOUR_S, ..PLAIN };
    /// ACCOUNTS of the design.
    ACCOUNTS 24 "accounts" PLAIN;
    /// Accounts by customer.
    ACCOUNT_OWNERS 25 "account_owners" PLAIN;
    /// Accounts by blind index of their number.
    ACCOUNT_NUMBERS 26 "account_numbers" PLAIN;
    /// TRANSACTIONS of the design: a row for each step that a transaction takes.
    TRANSACTIONS 27 "transactions" APPEND_ONLY;
    /// Transactions under way.
    TRANSFERS_OPEN 28 "transfers_open" PLAIN;
    /// Numbers that are given out in blocks.
    SEQUENCES 29 "sequences" PLAIN;
    /// AUDIT_TRAIL of the design.
    AUDIT_TRAIL 30 "audit_trail" APPEND_ONLY;
    /// Counters of rates, shared by all adapters.
    RATES 31 "rates" VOLATILE;
    /// What a transaction looks like to who is paid.
    TRANSACTION_COPIES 32 "transaction_copies" APPEND_ONLY;
    /// The newest code of each customer that was accepted.
    FACTOR_USES 33 "factor_uses" PLAIN;
    /// Nothing, ever: sealed actor contexts of commits are bound to it.
    ACTORS 34 "actors" PLAIN;
    /// What requests that may come twice came to.
    REQUESTS 35 "requests" PLAIN;
    /// Letters that are to be sent, by when they are due.
    OUTBOX 36 "outbox" PLAIN;
    /// How many letters strangers had sent to an address, by its blind index.
    MAIL_BUDGETS 37 "mail_budgets" TableOptions { time_to_live: HOUR_S, ..PLAIN };
    /// Who wants to be a customer and is not yet.
    REGISTRATIONS 38 "registrations" PLAIN;
    /// Forgotten passwords, by customer and a hash of the link.
    RECOVERIES 39 "recoveries" TableOptions { time_to_live: HOUR_S, ..PLAIN };
    /// Who is on the staff.
    STAFF 56 "staff" PLAIN;
    /// What requests about accounts that may come twice came to.
    ACCOUNT_REQUESTS 57 "account_requests" PLAIN;
    /// What members of the staff ask for and others must approve.
    STAFF_PROPOSALS 58 "staff_proposals" PLAIN;
    /// Transfers that have moved their money back.
    REVERSALS 59 "reversals" PLAIN;
    /// BENEFICIARIES of the design.
    PAYEES 66 "beneficiaries" PLAIN;
    /// Which numbers a customer has noted.
    PAYEE_NUMBERS 67 "beneficiary_numbers" PLAIN;
    /// What customers are asked to prove for one order.
    CHALLENGES 68 "challenges" TableOptions { time_to_live: HOUR_S, ..PLAIN };
    /// Which day and month an account's limits count for.
    ACCOUNT_LIMITS 69 "account_limits" PLAIN;
    /// Transactions that a person had to look at.
    CASES 70 "cases" PLAIN;
    /// Those that wait for it.
    CASES_OPEN 71 "cases_open" PLAIN;
    /// Transactions that could not go on.
    TRANSFERS_PARKED 73 "transfers_parked" PLAIN;
    /// Whom customers have paid before.
    PAID_BEFORE 72 "paid_before" PLAIN;
    /// What customers have left of their recovery codes.
    RECOVERY_CODES 74 "recovery_codes" PLAIN;
    /// Authenticator apps that wait for their first code.
    FACTOR_CHANGES 75 "factor_changes" TableOptions { time_to_live: HOUR_S, ..PLAIN };
    /// E-mail addresses that wait to be confirmed.
    EMAIL_CHANGES 76 "email_changes" PLAIN;
    /// When what customers are reached or proved by was changed last.
    CONTACT_CHANGES 77 "contact_changes" PLAIN;
    /// Links by which customers set up another authenticator app whose old one is lost.
    FACTOR_RECOVERIES 78 "factor_recoveries" PLAIN;
    /// How many short messages were sent in an hour: to a customer, to a number, by the bank.
    SMS_BUDGETS 90 "sms_budgets" VOLATILE;
    /// How many names customers have had checked in a day.
    NAME_CHECKS 103 "name_checks" VOLATILE;
    /// Telephone numbers that wait to be confirmed.
    PHONE_CHANGES 91 "phone_changes" TableOptions { time_to_live: HOUR_S, ..PLAIN };
    /// What customers asked to be told of.
    NOTIFICATION_PREFERENCES 92 "notification_preferences" PLAIN;
    /// Devices on which customers' apps show notices.
    DEVICES 93 "devices" PLAIN;
    /// Whose a device is, by blind index of what its service knows it by.
    DEVICE_TOKENS 94 "device_tokens" PLAIN;
    /// In which incarnation of the ledger the bank is active.
    ACTIVATIONS 80 "activations" PLAIN;
    /// What orders of the staff that may come twice came to.
    STAFF_REQUESTS 100 "staff_requests" PLAIN;
    /// What customers log in with, and where from.
    FAMILIAR 102 "familiar" PLAIN;
    /// That the bank's clock is set by hand, and how far it is ahead.
    TEST_CLOCKS 101 "test_clocks" PLAIN;
    /// Proofs of apps' keys that were used.
    DPOP_PROOFS 46 "dpop_proofs" VOLATILE;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Prevents: two kinds of documents under one key.
    #[test]
    fn every_table_has_a_number_and_a_name_of_its_own() {
        let numbers: BTreeSet<_> = ALL.iter().map(|table| table.id).collect();
        let names: BTreeSet<_> = ALL.iter().map(|table| table.name).collect();
        assert_eq!((numbers.len(), names.len()), (ALL.len(), ALL.len()));
        assert!(ALL.iter().all(|table| TableId::FIRST_FREE <= table.id));
    }
}
