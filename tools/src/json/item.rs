//! An item of a stream as JSON, for `florin tail` and `florin exec`. The order of the fields below is
//! the order on the line.

use super::hexadecimal::hexadecimal;
use super::write::{AccountJson, TransferJson, Wide};
use florin_ledger::stream::{ExpiredHold, ItemContent, Refused};
use florin_ledger::{StreamCursor, StreamItem};
use serde::Serialize;

/// An item as its line, without a line break.
pub(crate) fn line(item: &StreamItem<'_>) -> String {
    serde_json::to_string(&ItemJson::from(item)).expect("items have string keys and can't fail")
}

/// What an item says, by itself.
pub(crate) fn content(content: ItemContent<'_>) -> serde_json::Value {
    let content = serde_json::to_value(ContentJson::from(content));
    content.expect("items have string keys and can't fail")
}

/// One item.
#[derive(Serialize)]
pub(super) struct ItemJson {
    kind: &'static str,
    cursor: Wide<StreamCursor>,
    time: Wide<u64>,
    commit_ends: bool,
    #[serde(flatten)]
    content: ContentJson,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ContentJson {
    Epoch { epoch: Wide<u64>, tag: Wide<u128> },
    Account(AccountJson),
    Transfer(TransferJson),
    Expiry(ExpiryJson),
    Failed { id: Wide<u128>, status: &'static str },
    Life { life: Wide<u64>, restored_to: Wide<u64>, incarnation: String, previous: String },
    Refusal(RefusalJson),
    DocumentPut { table: u16, key: String, value: String, expires: Wide<u64> },
    DocumentDeleted { table: u16, key: String },
    DocumentExpired { table: u16, key: String, due: Wide<u64> },
    Commit { id: Wide<u128>, digest: String, actor: String },
    Event { topic: u16, key: String, value: String },
}

#[derive(Serialize)]
struct ExpiryJson {
    hold_id: Wide<u128>,
    debit_account_id: Wide<u128>,
    credit_account_id: Wide<u128>,
    amount: Wide<u128>,
    ledger: u32,
    code: u16,
    hold_timestamp: Wide<u64>,
}

#[derive(Serialize)]
struct RefusalJson {
    of: &'static str,
    id: Wide<u128>,
    digest: String,
    reason: &'static str,
    index: u32,
    count: u32,
    actor: String,
}

impl From<&StreamItem<'_>> for ItemJson {
    fn from(item: &StreamItem<'_>) -> ItemJson {
        ItemJson {
            kind: item.content.kind().name(),
            cursor: Wide(item.cursor),
            time: Wide(item.time.0),
            commit_ends: item.ends_commit,
            content: ContentJson::from(item.content),
        }
    }
}

impl From<ItemContent<'_>> for ContentJson {
    fn from(content: ItemContent<'_>) -> ContentJson {
        match content {
            ItemContent::Epoch { epoch, tag } => {
                ContentJson::Epoch { epoch: Wide(epoch), tag: Wide(tag) }
            }
            ItemContent::Account(account) => ContentJson::Account(AccountJson::from(&account)),
            ItemContent::Transfer(transfer) => ContentJson::Transfer(TransferJson::from(&transfer)),
            ItemContent::Expiry(hold) => ContentJson::Expiry(ExpiryJson::from(hold)),
            ItemContent::Failed { id, status } => {
                ContentJson::Failed { id: Wide(id.0), status: status.name() }
            }
            ItemContent::Life(life) => ContentJson::Life {
                life: Wide(life.number),
                restored_to: Wide(life.restored_to.0),
                incarnation: format!("{:032x}", life.incarnation),
                previous: format!("{:032x}", life.previous),
            },
            ItemContent::Refusal(refusal) => ContentJson::Refusal(RefusalJson::from(refusal)),
            ItemContent::DocumentPut { table, key, value, expires } => ContentJson::DocumentPut {
                table: table.0,
                key: hexadecimal(key),
                value: hexadecimal(value),
                expires: Wide(expires.0),
            },
            ItemContent::DocumentDeleted { table, key } => {
                ContentJson::DocumentDeleted { table: table.0, key: hexadecimal(key) }
            }
            ItemContent::DocumentExpired { table, key, due } => ContentJson::DocumentExpired {
                table: table.0,
                key: hexadecimal(key),
                due: Wide(due.0),
            },
            ItemContent::Commit { id, digest, actor } => ContentJson::Commit {
                id: Wide(id.0),
                digest: hexadecimal(&digest),
                actor: hexadecimal(actor),
            },
            ItemContent::Event { topic, key, value } => ContentJson::Event {
                topic: topic.0,
                key: hexadecimal(key),
                value: hexadecimal(value),
            },
        }
    }
}

impl From<ExpiredHold> for ExpiryJson {
    fn from(hold: ExpiredHold) -> ExpiryJson {
        ExpiryJson {
            hold_id: Wide(hold.hold_id.0),
            debit_account_id: Wide(hold.debit_account_id.0),
            credit_account_id: Wide(hold.credit_account_id.0),
            amount: Wide(hold.amount.0),
            ledger: hold.ledger.0,
            code: hold.code.0,
            hold_timestamp: Wide(hold.hold_timestamp.0),
        }
    }
}

impl From<Refused<'_>> for RefusalJson {
    fn from(refusal: Refused<'_>) -> RefusalJson {
        RefusalJson {
            of: refusal.reason.subject(),
            id: Wide(refusal.id),
            digest: hexadecimal(&refusal.digest),
            reason: refusal.reason.name(),
            index: refusal.index,
            count: refusal.count,
            actor: hexadecimal(refusal.actor),
        }
    }
}
