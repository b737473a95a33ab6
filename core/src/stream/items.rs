//! What a record is to a reader of the log. The only place that knows both.

use super::holds::RecentHolds;
use crate::error::Error;
use crate::log::{LogReader, StoredRecord};
use crate::reads::{self, timestamp_of};
use florin_ledger::record::{AccountRecord, DocumentChange, ExpiryRecord, Record, TransferRecord};
use florin_ledger::stream::{BegunLife, ExpiredHold, ItemContent, ItemKind, Refused};
use florin_ledger::{
    Account, AccountFlags, AccountId, LedgerId, Lsn, Slot, Timestamp, Transfer, TransferFlags,
    TransferId,
};

/// What items are made with.
pub(crate) struct Items<'a> {
    pub(crate) log: &'a LogReader,
    /// Holds lie before.
    pub(crate) durable: Lsn,
    /// Those that need not be read.
    pub(crate) holds: Option<&'a RecentHolds>,
}

/// The kind of item that a record becomes; `None` if it is the engine's own affair.
pub(crate) fn kind_of(record: &Record) -> Option<ItemKind> {
    match record {
        Record::Epoch(_) => Some(ItemKind::Epoch),
        Record::Account(_) => Some(ItemKind::Account),
        Record::Transfer(_) => Some(ItemKind::Transfer),
        Record::Expiry(_) => Some(ItemKind::Expiry),
        Record::Failed(_) => Some(ItemKind::Failed),
        Record::Document(document) => Some(match document.change {
            DocumentChange::Put => ItemKind::DocumentPut,
            DocumentChange::Deleted => ItemKind::DocumentDeleted,
            DocumentChange::Expired => ItemKind::DocumentExpired,
        }),
        Record::Event(_) => Some(ItemKind::Event),
        Record::Commit(_) => Some(ItemKind::Commit),
        Record::Refusal(_) => Some(ItemKind::Refusal),
        Record::Life(_) => Some(ItemKind::Life),
        Record::Waypoint(_) | Record::Part(_) => None,
    }
}

/// The currency of a record; `None` if it has none, or only its hold says which.
pub(crate) fn ledger_of(record: &Record) -> Option<LedgerId> {
    match record {
        Record::Account(account) => Some(account.ledger),
        Record::Transfer(transfer) => Some(transfer.ledger),
        _ => None,
    }
}

/// The accounts that a record names by slot.
pub(crate) fn slots_of(record: &Record) -> Option<[Slot; 2]> {
    match record {
        Record::Transfer(transfer) => Some([transfer.debit_slot, transfer.credit_slot]),
        Record::Expiry(expiry) => Some([expiry.debit_slot, expiry.credit_slot]),
        _ => None,
    }
}

/// Whether more of a record's chain follows, given whether more followed before it. A chain goes on
/// after each linked member; what expires or is noted in its midst does not end it. Of what a commit
/// did, the commit's record says where it ends.
pub(crate) fn is_in_chain(record: &Record, before: bool) -> bool {
    match record {
        Record::Account(account) => account.flags.contains(AccountFlags::LINKED),
        Record::Transfer(transfer) => transfer.flags.contains(TransferFlags::LINKED),
        Record::Document(_) | Record::Event(_) | Record::Commit(_) | Record::Refusal(_) => false,
        Record::Epoch(_)
        | Record::Life(_)
        | Record::Expiry(_)
        | Record::Failed(_)
        | Record::Waypoint(_)
        | Record::Part(_) => before,
    }
}

impl Items<'_> {
    /// What a record tells a reader; `None` if nothing. `accounts` are those of its slots.
    pub(crate) fn content<'a>(
        &self,
        stored: &StoredRecord,
        payload: &'a [u8],
        accounts: [AccountId; 2],
    ) -> Result<Option<ItemContent<'a>>, Error> {
        Ok(Some(match &stored.record {
            Record::Epoch(epoch) => ItemContent::Epoch { epoch: epoch.epoch, tag: epoch.tag },
            Record::Account(account) => ItemContent::Account(opened(account, stored.time)),
            Record::Transfer(transfer) => {
                ItemContent::Transfer(self.transfer(transfer, stored.time, accounts)?)
            }
            Record::Expiry(expiry) => ItemContent::Expiry(self.expired(expiry, accounts)?),
            Record::Failed(failed) => ItemContent::Failed { id: failed.id, status: failed.status },
            Record::Document(document) => {
                let (key, value) = split(payload, document.key_bytes);
                let (table, time) = (document.table, document.expires);
                match document.change {
                    DocumentChange::Put => {
                        ItemContent::DocumentPut { table, key, value, expires: time }
                    }
                    DocumentChange::Deleted => ItemContent::DocumentDeleted { table, key },
                    DocumentChange::Expired => {
                        ItemContent::DocumentExpired { table, key, due: time }
                    }
                }
            }
            Record::Event(event) => {
                let (key, value) = split(payload, event.key_bytes);
                ItemContent::Event { topic: event.topic, key, value }
            }
            Record::Commit(commit) => {
                ItemContent::Commit { id: commit.id, digest: commit.digest, actor: payload }
            }
            Record::Refusal(refusal) => ItemContent::Refusal(Refused {
                id: refusal.id,
                digest: refusal.digest,
                reason: refusal.reason,
                index: refusal.index,
                count: refusal.count,
                actor: payload,
            }),
            Record::Life(life) => ItemContent::Life(BegunLife {
                number: life.number,
                restored_to: life.restored_to,
                incarnation: life.incarnation,
                previous: life.previous,
            }),
            Record::Waypoint(_) | Record::Part(_) => return Ok(None),
        }))
    }

    fn transfer(
        &self,
        record: &TransferRecord,
        time: Timestamp,
        [debit_account_id, credit_account_id]: [AccountId; 2],
    ) -> Result<Transfer, Error> {
        let pending_id = if record.pending.is_some() {
            self.hold(record.pending)?.0.id
        } else {
            TransferId::ZERO
        };
        Ok(Transfer {
            id: record.id,
            debit_account_id,
            credit_account_id,
            amount: record.amount,
            pending_id,
            user_data_128: record.user_data_128,
            user_data_64: record.user_data_64,
            user_data_32: record.user_data_32,
            timeout: record.timeout,
            ledger: record.ledger,
            code: record.code,
            flags: record.flags,
            timestamp: timestamp_of(record, time),
        })
    }

    fn hold(&self, lsn: Lsn) -> Result<(TransferRecord, Timestamp), Error> {
        match self.holds.and_then(|holds| holds.get(lsn)) {
            Some(hold) => Ok(hold),
            None => reads::hold(self.log, lsn, self.durable),
        }
    }

    fn expired(
        &self,
        expiry: &ExpiryRecord,
        [debit_account_id, credit_account_id]: [AccountId; 2],
    ) -> Result<ExpiredHold, Error> {
        let (hold, recorded) = self.hold(expiry.hold)?;
        Ok(ExpiredHold {
            hold_id: hold.id,
            debit_account_id,
            credit_account_id,
            amount: expiry.amount,
            ledger: hold.ledger,
            code: hold.code,
            hold_timestamp: timestamp_of(&hold, recorded),
        })
    }
}

/// The key, and what follows it. A whole payload is as long as its record says.
fn split(payload: &[u8], key_bytes: u16) -> (&[u8], &[u8]) {
    payload.split_at(usize::from(key_bytes))
}

fn opened(record: &AccountRecord, time: Timestamp) -> Account {
    let is_imported = record.imported_timestamp != Timestamp::NONE;
    Account {
        id: record.id,
        user_data_128: record.user_data_128,
        user_data_64: record.user_data_64,
        user_data_32: record.user_data_32,
        ledger: record.ledger,
        code: record.code,
        flags: record.flags,
        timestamp: if is_imported { record.imported_timestamp } else { time },
        ..Account::default()
    }
}
