//! What events of a bank are about. Numbers are in logs for ever.
//!
//! The key is the account that an event concerns; the value a version, 1, and, if nothing else is said, the
//! transaction's id.

use crate::id::{Account, Customer, Id, Transaction};
use florin_ledger::commit::{Event, Topic};

/// A transfer from the account was begun.
pub const TRANSACTION_INITIATED: Topic = Topic(16);
/// A transfer from the account has moved the money.
pub const TRANSACTION_COMPLETED: Topic = Topic(17);
/// A transfer from the account has failed.
pub const TRANSACTION_FAILED: Topic = Topic(18);
/// Money has come to the account.
pub const TRANSACTION_RECEIVED: Topic = Topic(19);
/// A transfer from the account waits for a person to look at it.
pub const TRANSACTION_IN_REVIEW: Topic = Topic(40);
/// The person has decided.
pub const CASE_DECIDED: Topic = Topic(41);
/// A transfer could not go on; the key is its own.
pub const TRANSACTION_PARKED: Topic = Topic(42);
/// It may go on again; the key is its own.
pub const TRANSACTION_RESUMED: Topic = Topic(43);

/// The account is suspended: what is held on it is given back. The value is the version alone.
pub const ACCOUNT_SUSPENDED: Topic = Topic(30);
/// The account is not suspended any more. The value is the version alone.
pub const ACCOUNT_RESUMED: Topic = Topic(31);
/// A transfer that had moved money from the account, or to it, has moved it back.
pub const TRANSACTION_REVERSED: Topic = Topic(32);
/// The account was opened. The value is the version and the id of whose it is.
pub const ACCOUNT_OPENED: Topic = Topic(33);
/// The account is closed. The value is the version alone.
pub const ACCOUNT_CLOSED: Topic = Topic(34);
/// What the account may send was changed. The value is the version alone.
pub const ACCOUNT_LIMITS_CHANGED: Topic = Topic(35);

const VERSION: u8 = 1;

/// An event of an account.
pub(crate) fn account_event(topic: Topic, account: Id<Account>) -> Event {
    Event { topic, key: account.bytes().to_vec(), value: vec![VERSION] }
}

/// An event of a transaction that concerns an account.
pub(crate) fn event(topic: Topic, account: Id<Account>, transaction: Id<Transaction>) -> Event {
    let value = [&[VERSION][..], &transaction.bytes()].concat();
    Event { topic, key: account.bytes().to_vec(), value }
}

/// An event of a transaction whose accounts may not be known.
pub(crate) fn about(topic: Topic, transaction: Id<Transaction>) -> Event {
    event(topic, Id::from_number(transaction.number()), transaction)
}

/// That a customer's account was opened.
pub(crate) fn opened(account: Id<Account>, owner: Id<Customer>) -> Event {
    let value = [&[VERSION][..], &owner.bytes()].concat();
    Event { topic: ACCOUNT_OPENED, key: account.bytes().to_vec(), value }
}

/// The account that an event tells of, and nothing more; `None` if it is of another version.
pub(crate) fn account(key: &[u8], value: &[u8]) -> Option<Id<Account>> {
    let is_known = value == [VERSION];
    concerned(key).filter(|_| is_known)
}

/// The account that an event concerns.
pub(crate) fn concerned(key: &[u8]) -> Option<Id<Account>> {
    key.try_into().ok().map(u128::from_be_bytes).map(Id::from_number)
}

/// The transaction that an event tells of; `None` if it is of another version.
pub(crate) fn transaction(value: &[u8]) -> Option<Id<Transaction>> {
    number(value).map(Id::from_number)
}

/// The customer that an event tells of; `None` if it is of another version.
pub(crate) fn customer(value: &[u8]) -> Option<Id<Customer>> {
    number(value).map(Id::from_number)
}

fn number(value: &[u8]) -> Option<u128> {
    let (&VERSION, id) = value.split_first()? else { return None };
    id.try_into().ok().map(u128::from_be_bytes)
}
