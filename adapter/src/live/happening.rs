//! Something that happened on an account, as its owner is told of it.
//!
//! That a person looks at a transfer is not told, as no page tells it.

use crate::customers::LoginKey;
use crate::error::BankError;
use crate::id::{Account, Customer, Id, Transaction};
use crate::topics;
use florin_ledger::StreamCursor;
use florin_ledger::commit::Topic;
use florin_ledger::stream::{ItemContent, StreamItem};
use serde::Serialize;
use utoipa::ToSchema;

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[schema(as = EventType)]
pub enum Kind {
    /// A transfer from the account was begun: its money is held.
    #[serde(rename = "transaction.initiated")]
    TransactionInitiated,
    /// A transfer from the account has moved its money.
    #[serde(rename = "transaction.completed")]
    TransactionCompleted,
    /// A transfer from the account has failed: its money is free again.
    #[serde(rename = "transaction.failed")]
    TransactionFailed,
    /// Money has come to the account.
    #[serde(rename = "transaction.received")]
    TransactionReceived,
    /// What had moved from the account, or to it, has moved back.
    #[serde(rename = "transaction.reversed")]
    TransactionReversed,
    /// The account was opened.
    #[serde(rename = "account.opened")]
    AccountOpened,
    /// The account is suspended.
    #[serde(rename = "account.suspended")]
    AccountSuspended,
    /// The account is not suspended any more.
    #[serde(rename = "account.resumed")]
    AccountResumed,
    /// The account is closed.
    #[serde(rename = "account.closed")]
    AccountClosed,
    /// What the account may send in a day or a month was changed.
    #[serde(rename = "account.limits_changed")]
    AccountLimitsChanged,
    /// What happened since the last event can't be told: read your accounts again.
    #[serde(rename = "reset")]
    Reset,
    /// The login is over, and the stream with it.
    #[serde(rename = "session.ended")]
    SessionEnded,
}

impl Kind {
    fn of(topic: Topic) -> Option<Kind> {
        Some(match topic {
            topics::TRANSACTION_INITIATED => Kind::TransactionInitiated,
            topics::TRANSACTION_COMPLETED => Kind::TransactionCompleted,
            topics::TRANSACTION_FAILED => Kind::TransactionFailed,
            topics::TRANSACTION_RECEIVED => Kind::TransactionReceived,
            topics::TRANSACTION_REVERSED => Kind::TransactionReversed,
            topics::ACCOUNT_OPENED => Kind::AccountOpened,
            topics::ACCOUNT_SUSPENDED => Kind::AccountSuspended,
            topics::ACCOUNT_RESUMED => Kind::AccountResumed,
            topics::ACCOUNT_CLOSED => Kind::AccountClosed,
            topics::ACCOUNT_LIMITS_CHANGED => Kind::AccountLimitsChanged,
            _ => return None,
        })
    }
}

/// What an event of a stream says, as JSON.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub struct Message {
    /// What happened.
    r#type: Kind,
    /// Where it happened, if it did on an account.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "acc_01jdsh2m0v9x3f4t8kzq6w5r7n")]
    account_id: Option<String>,
    /// The transaction, if it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "txn_01jdsh2m0v9x3f4t8kzq6w5r7n")]
    transaction_id: Option<String>,
}

impl Message {
    /// A message about the stream itself.
    pub(super) fn of_stream(kind: Kind) -> Message {
        Message { r#type: kind, account_id: None, transaction_id: None }
    }
}

/// Something that happened on an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Happening {
    /// Where the log tells of it.
    pub(super) cursor: StreamCursor,
    pub(super) account: Id<Account>,
    kind: Kind,
    transaction: Option<Id<Transaction>>,
}

impl Happening {
    pub(super) fn message(&self) -> Message {
        Message {
            r#type: self.kind,
            account_id: Some(self.account.to_string()),
            transaction_id: self.transaction.map(|id| id.to_string()),
        }
    }
}

/// What the log tells that concerns those who listen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum News {
    /// Something happened on an account.
    Happened(Happening),
    /// An account was opened, and whose it is.
    Opened(Happening, Id<Customer>),
    /// A login is over.
    LoginOver(LoginKey),
}

impl News {
    /// The news of an item, if it has any.
    ///
    /// # Errors
    /// [`BankError::Odd`] if it tells of an account what only a newer version of this program understands.
    pub(super) fn of(item: &StreamItem<'_>) -> Result<Option<News>, BankError> {
        match item.content {
            ItemContent::DocumentDeleted { table, key } => {
                Ok(LoginKey::of_deleted(table, key).map(News::LoginOver))
            }
            ItemContent::Event { topic, key, value } => {
                let Some(kind) = Kind::of(topic) else { return Ok(None) };
                let news = News::of_event(item.cursor, kind, key, value);
                news.map(Some).ok_or_else(|| BankError::odd(&"an event of a newer version"))
            }
            ref other => Err(BankError::odd(other)),
        }
    }

    fn of_event(cursor: StreamCursor, kind: Kind, key: &[u8], value: &[u8]) -> Option<News> {
        let account = topics::concerned(key)?;
        let happening = Happening { cursor, account, kind, transaction: None };
        match kind {
            Kind::AccountOpened => {
                topics::customer(value).map(|owner| News::Opened(happening, owner))
            }
            Kind::AccountSuspended
            | Kind::AccountResumed
            | Kind::AccountClosed
            | Kind::AccountLimitsChanged => {
                topics::account(key, value).map(|_| News::Happened(happening))
            }
            _ => {
                let transaction = Some(topics::transaction(value)?);
                Some(News::Happened(Happening { transaction, ..happening }))
            }
        }
    }
}

#[cfg(test)]
impl Happening {
    /// One of many, for tests of what is done with them.
    pub(super) fn numbered(number: u64, account: Id<Account>) -> Happening {
        use florin_ledger::Lsn;
        Happening {
            cursor: StreamCursor { epoch: 1, lsn: Lsn(number), hash: [7; 32] },
            account,
            kind: Kind::TransactionReceived,
            transaction: Some(Id::from_number(number.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables;
    use florin_ledger::Timestamp;
    use florin_ledger::commit::Event;

    fn news(content: ItemContent<'_>) -> Result<Option<News>, BankError> {
        let item = StreamItem {
            cursor: StreamCursor::BEGIN,
            time: Timestamp(1),
            ends_commit: true,
            content,
        };
        News::of(&item)
    }

    fn news_of(event: &Event) -> Result<Option<News>, BankError> {
        news(ItemContent::Event { topic: event.topic, key: &event.key, value: &event.value })
    }

    /// Prevents: a customer who is told more than is theirs to know, or an event that is passed over unread.
    #[test]
    fn an_event_says_account_and_transaction_and_what_is_not_understood_is_no_event() {
        let (account, transaction) = (Id::from_number(1), Id::from_number(2));
        let event = topics::event(topics::TRANSACTION_RECEIVED, account, transaction);
        let Ok(Some(News::Happened(happening))) = news_of(&event) else { panic!("{event:?}") };
        assert_eq!(
            serde_json::json!(happening.message()),
            serde_json::json!({
                "type": "transaction.received",
                "account_id": account.to_string(),
                "transaction_id": transaction.to_string(),
            })
        );
        let opened = topics::opened(account, Id::from_number(3));
        assert!(matches!(news_of(&opened), Ok(Some(News::Opened(..)))));
        let review = topics::event(topics::TRANSACTION_IN_REVIEW, account, transaction);
        assert_eq!(news_of(&review).unwrap(), None, "that a person looks is not told");
        for event in [
            Event { value: vec![2], ..event.clone() },
            Event { key: vec![1], ..event.clone() },
            Event { value: Vec::new(), ..opened },
        ] {
            assert!(news_of(&event).is_err(), "{event:?}");
        }
        for (table, key) in [(tables::LOGINS, &[1; 31][..]), (tables::LOGIN_USES, &[1; 32])] {
            let deleted = ItemContent::DocumentDeleted { table, key };
            assert_eq!(news(deleted).unwrap(), None, "{table}");
        }
    }
}
