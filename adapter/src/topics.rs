//! What events of a bank are about. Numbers are in logs for ever.
//!
//! The key is the account that an event concerns; the value a version, 1, and the transaction's id.

use crate::id::{Account, Id, Transaction};
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

/// The account that an event tells of; `None` if it is of another version.
pub(crate) fn account(key: &[u8], value: &[u8]) -> Option<Id<Account>> {
    let is_known = value == [VERSION];
    let number = key.try_into().ok().filter(|_| is_known).map(u128::from_be_bytes)?;
    Some(Id::from_number(number))
}

/// The transaction that an event tells of; `None` if it is of another version.
pub(crate) fn transaction(value: &[u8]) -> Option<Id<Transaction>> {
    let (&VERSION, id) = value.split_first()? else { return None };
    Some(Id::from_number(u128::from_be_bytes(id.try_into().ok()?)))
}
