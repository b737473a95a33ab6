//! What lies in a log: segments, frames, records, and the story of a transfer.

use super::directory::ReadOnly;
use super::row::Row;
use crate::json::hexadecimal::hexadecimal;
use crate::json::write::{account_flags, transfer_flags};
use florin_core::disk::{Access, Disk};
use florin_core::log::{
    End, FramePosition, FrameView, LogError, LogReader, ReadError, StoredRecord, identify,
    judge_end, segment,
};
use florin_core::{Error, ErrorKind, sealing};
use florin_keys::KeyEncryptionKey;
use florin_ledger::record::{Record, TransferRecord};
use florin_ledger::{AccountId, Lsn, Slot, TransferId};
use std::sync::Arc;

/// Every position: nothing here asks what is durable.
const EVERYTHING: Lsn = Lsn(u64::MAX);

/// A log to look at.
pub(crate) struct Log {
    disk: Arc<dyn Disk>,
    reader: LogReader,
}

/// What was found, and whether the log is damaged.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) rows: Vec<Row>,
    pub(crate) is_damaged: bool,
}

impl Log {
    /// # Errors
    /// If the directory holds no log, or one of another version, or if the key is not its; damage is
    /// no error here. Without its key an encrypted log is shown as far as that goes.
    pub(crate) fn open(
        directory: ReadOnly,
        key: Option<Arc<dyn KeyEncryptionKey>>,
    ) -> Result<Log, Error> {
        let mut disk: Arc<dyn Disk> = Arc::new(directory);
        if key.is_some() {
            disk = sealing::unlock(disk, key.as_deref())?;
        }
        let Some(identity) = identify(disk.as_ref())? else {
            let message = "there is no log in this directory: name a data directory of florin";
            return Err(Error::new(ErrorKind::Unusable, message));
        };
        Ok(Log { reader: LogReader::new(Arc::clone(&disk), identity), disk })
    }

    /// Where the last segment file ends; the log itself ends somewhat before.
    pub(crate) fn segments_end(&self) -> Result<u64, Error> {
        let count = segment::list(self.disk.as_ref())?.last().map_or(0, |number| number + 1);
        Ok(self.reader.identity().geometry.lsn(count, 0).0)
    }

    /// One row per segment file.
    pub(crate) fn segments(&self) -> Result<Found, Error> {
        let identity = self.reader.identity();
        let mut found = Found { rows: Vec::new(), is_damaged: false };
        for number in segment::list(self.disk.as_ref())? {
            let file = self.disk.open(&segment::file_name(number), Access::Read);
            let bytes = file.and_then(|file| file.bytes()).map_err(LogError::from)?;
            let row = Row::default()
                .with("segment", number)
                .with("from", identity.geometry.lsn(number, 0))
                .with("bytes", bytes);
            let state = segment::open(self.disk.as_ref(), identity, number, Access::Read);
            let row = match state {
                Ok(segment::Found::Segment(_)) => self.with_first_frame(row, number)?,
                Ok(segment::Found::Nothing) => without_frame(row, "made ahead"),
                Err(error) => {
                    found.is_damaged = true;
                    without_frame(row, &error.to_string())
                }
            };
            found.rows.push(row);
        }
        Ok(found)
    }

    fn with_first_frame(&self, row: Row, number: u64) -> Result<Row, Error> {
        let first = self.reader.identity().geometry.first_place(number);
        let position = match self.reader.position_before(first) {
            Ok(position) => position,
            Err(ReadError::Io(error)) => return Err(ReadError::Io(error).into()),
            Err(_) => return Ok(without_frame(row, "no frame at its start")),
        };
        let mut frames = self.reader.frames(position, EVERYTHING);
        Ok(match frames.next()? {
            Some(frame) => row
                .with("epoch", frame.epoch())
                .with("first frame", frame.sequence())
                .with("timestamp", frame.timestamp())
                .with("state", "in use"),
            None => without_frame(row, "its first frame is not whole"),
        })
    }

    /// One row per frame, `limit` at most, from the frame that starts at a position (or the first
    /// frame of all); then what the log's end is, if it was reached.
    pub(crate) fn frames(&self, from: Option<Lsn>, limit: usize) -> Result<Found, Error> {
        let position = match from {
            None => FramePosition::GENESIS,
            Some(from) => self.reader.position_before(from).map_err(ReadError::of_caller)?,
        };
        let mut frames = self.reader.frames(position, EVERYTHING);
        let mut found = Found { rows: Vec::new(), is_damaged: false };
        while found.rows.len() < limit {
            let Some(frame) = frames.next()? else {
                let end = judge_end(&self.reader, &frames, &[])?;
                found.is_damaged = matches!(end, End::Corrupt(_));
                found.rows.push(end_row(&end));
                return Ok(found);
            };
            found.rows.push(frame_row(&frame));
        }
        Ok(found)
    }

    /// The record at a position.
    pub(crate) fn record(&self, lsn: Lsn) -> Result<Found, Error> {
        let stored = self.reader.record(lsn, EVERYTHING).map_err(ReadError::of_caller)?;
        Ok(Found { rows: vec![record_row(&stored, &[])], is_damaged: false })
    }

    /// Every record that tells of a transfer id, from the whole log: its creation or failure, and
    /// what became of it if it is a hold. `progress` hears positions.
    pub(crate) fn transfer(
        &self,
        id: TransferId,
        progress: &mut dyn FnMut(Lsn),
    ) -> Result<Found, Error> {
        let mut accounts = Vec::new();
        let mut hold = None;
        let mut rows = Vec::new();
        let mut frames = self.reader.frames(FramePosition::GENESIS, EVERYTHING);
        while let Some(frame) = frames.next()? {
            for stored in frame.records() {
                let stored = stored.map_err(ReadError::from)?;
                match stored.record {
                    Record::Account(account) => accounts.push(account.id),
                    Record::Transfer(transfer) if transfer.id == id => {
                        hold = Some(stored.lsn);
                        rows.push(record_row(&stored, &accounts));
                    }
                    _ if tells_of(&stored.record, id, hold) => {
                        rows.push(record_row(&stored, &accounts));
                    }
                    _ => {}
                }
            }
            progress(frame.after().lsn);
        }
        let end = judge_end(&self.reader, &frames, &[])?;
        let is_damaged = matches!(end, End::Corrupt(_));
        if is_damaged {
            rows.push(end_row(&end));
        }
        Ok(Found { rows, is_damaged })
    }
}

/// Whether a record tells of an id, or of the hold at a position.
fn tells_of(record: &Record, id: TransferId, hold: Option<Lsn>) -> bool {
    match record {
        Record::Transfer(transfer) => transfer.pending.is_some() && Some(transfer.pending) == hold,
        Record::Expiry(expiry) => Some(expiry.hold) == hold,
        Record::Failed(failed) => failed.id == id,
        Record::Epoch(_)
        | Record::Life(_)
        | Record::Account(_)
        | Record::Waypoint(_)
        | Record::Document(_)
        | Record::Event(_)
        | Record::Commit(_)
        | Record::Refusal(_)
        | Record::Part(_) => false,
    }
}

fn without_frame(row: Row, state: &str) -> Row {
    row.with("epoch", "").with("first frame", "").with("timestamp", "").with("state", state)
}

fn frame_row(frame: &FrameView<'_>) -> Row {
    Row::default()
        .with("frame", frame.start())
        .with("sequence", frame.sequence())
        .with("epoch", frame.epoch())
        .with("timestamp", frame.timestamp())
        .with("durable", frame.durable())
        .with("blocks", frame.blocks_count())
        .with("records", frame.records_count())
        .with("bytes", frame.stored_bytes())
}

fn end_row(end: &End) -> Row {
    let (at, state) = match end {
        End::Clean { at } => (at.lsn, String::from("clean")),
        End::Torn { at } => (at.lsn, String::from("torn: what follows was never known durable")),
        End::Corrupt(lost) => (lost.at, lost.to_string()),
    };
    Row::default().with("end", at).with("state", state)
}

fn record_row(stored: &StoredRecord, accounts: &[AccountId]) -> Row {
    let row = |kind: &str| {
        Row::default().with("record", stored.lsn).with("time", stored.time).with("kind", kind)
    };
    match stored.record {
        Record::Epoch(epoch) => {
            row("epoch").with("epoch", epoch.epoch).with("tag", format!("{:032x}", epoch.tag))
        }
        Record::Life(life) => row("life")
            .with("life", life.number)
            .with("incarnation", format!("{:032x}", life.incarnation))
            .with("previous", format!("{:032x}", life.previous))
            .with("restored_to", life.restored_to),
        Record::Account(account) => row("account")
            .with("id", account.id)
            .with("slot", account.slot)
            .with("ledger", account.ledger)
            .with("code", account.code)
            .with("flags", account_flags(account.flags).join(","))
            .with("user_data_128", account.user_data_128)
            .with("user_data_64", account.user_data_64)
            .with("user_data_32", account.user_data_32)
            .with("imported", account.imported_timestamp),
        Record::Transfer(transfer) => transfer_row(row("transfer"), &transfer, accounts),
        Record::Expiry(expiry) => row("expiry")
            .with("hold", expiry.hold)
            .with("amount", expiry.amount)
            .with("debit", account_name(expiry.debit_slot, accounts))
            .with("credit", account_name(expiry.credit_slot, accounts))
            .with("debit_prev", expiry.debit_prev)
            .with("credit_prev", expiry.credit_prev),
        Record::Failed(failed) => {
            row("failed").with("id", failed.id).with("status", failed.status.name())
        }
        Record::Waypoint(waypoint) => row("waypoint")
            .with("account", account_name(waypoint.slot, accounts))
            .with("postings", waypoint.postings_count)
            .with("posting", waypoint.posting)
            .with("waypoint_prev", waypoint.waypoint_prev)
            .with("debits_pending", waypoint.balances.debits_pending)
            .with("debits_posted", waypoint.balances.debits_posted)
            .with("credits_pending", waypoint.balances.credits_pending)
            .with("credits_posted", waypoint.balances.credits_posted),
        Record::Document(document) => row(document.change.name())
            .with("table", document.table)
            .with("key_bytes", document.key_bytes)
            .with("value_bytes", document.value_bytes)
            .with("previous", document.previous)
            .with("expires", document.expires),
        Record::Event(event) => row("event")
            .with("topic", event.topic.0)
            .with("key_bytes", event.key_bytes)
            .with("value_bytes", event.value_bytes),
        Record::Commit(commit) => row("commit")
            .with("id", commit.id)
            .with("digest", hexadecimal(&commit.digest))
            .with("first", commit.first)
            .with("accounts", commit.accounts_count)
            .with("transfers", commit.transfers_count)
            .with("documents", commit.documents_count)
            .with("events", commit.events_count)
            .with("actor_bytes", commit.actor_bytes),
        Record::Refusal(refusal) => row("refusal")
            .with("of", refusal.reason.subject())
            .with("id", refusal.id)
            .with("digest", hexadecimal(&refusal.digest))
            .with("reason", refusal.reason.name())
            .with("index", refusal.index)
            .with("count", refusal.count)
            .with("actor_bytes", refusal.actor_bytes),
        Record::Part(part) => row("part").with("owner", part.owner).with("bytes", part.bytes),
    }
}

fn transfer_row(row: Row, transfer: &TransferRecord, accounts: &[AccountId]) -> Row {
    row.with("id", transfer.id)
        .with("debit", account_name(transfer.debit_slot, accounts))
        .with("credit", account_name(transfer.credit_slot, accounts))
        .with("amount", transfer.amount)
        .with("ledger", transfer.ledger)
        .with("code", transfer.code)
        .with("flags", transfer_flags(transfer.flags).join(","))
        .with("hold", transfer.pending)
        .with("timeout", transfer.timeout)
        .with("user_data_128", transfer.user_data_128)
        .with("user_data_64", transfer.user_data_64)
        .with("user_data_32", transfer.user_data_32)
        .with("debit_prev", transfer.debit_prev)
        .with("credit_prev", transfer.credit_prev)
        .with("imported", transfer.imported_timestamp)
}

/// An account's id where the accounts are known, its slot otherwise.
fn account_name(slot: Slot, accounts: &[AccountId]) -> String {
    let index = usize::try_from(slot.0).unwrap_or(usize::MAX);
    accounts.get(index).map_or_else(|| format!("slot {slot}"), ToString::to_string)
}
