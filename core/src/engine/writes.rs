//! Writing documents outside of commits: each write by itself, what may happen once, declarations of
//! tables, and documents whose time is over.

use super::commits::actor_bytes;
use super::documents::IndexKey;
use super::present::Present;
use super::volatile::Full;
use super::{Engine, Outcome};
use crate::commits::{RefusedRequest, UniqueRequest, WriteBatch};
use crate::documents::{KeyOrder, KeyRange};
use crate::error::{Error, ErrorKind};
use crate::limits::FRAME_EXPIRIES_MAX;
use crate::log::frame::room_for_payloads;
use crate::request::Reply;
use florin_ledger::commit::ACTOR_BYTES_MAX;
use florin_ledger::commit_bytes::WriteView;
use florin_ledger::document::{
    DOCUMENT_KEY_BYTES_MAX, DocumentCondition, UniqueResult, WriteResult,
};
use florin_ledger::record::{DocumentChange, DocumentRecord, Record, RefusalReason, RefusalRecord};
use florin_ledger::{Lsn, Position, TableId, TableOptions, Ticks, Timestamp};

/// Documents that expire in one frame, so that their keys surely fit.
const FRAME_DOCUMENTS_MAX: usize = FRAME_EXPIRIES_MAX / 4;

impl Engine {
    /// Writes documents, each by itself.
    pub(super) fn write_documents(&mut self, batch: &WriteBatch, now: Timestamp) -> Outcome<Reply> {
        let writes = batch.writes();
        let keys_bytes = writes.iter().map(|write| IndexKey::TABLE + write.key.len()).sum();
        if let Err(error) = self.admit_documents(batch.len(), keys_bytes) {
            return Outcome::Done(Err(error));
        }
        let mut ticks = match self.room_for_documents(batch.len(), batch.bytes(), now) {
            Ok(ticks) => ticks,
            Err(refusal) => return refusal,
        };
        // All is looked up before anything is written: a read that fails must leave nothing.
        let presents: Result<Vec<Present>, Error> =
            writes.iter().map(|write| self.present(&write)).collect();
        let results = presents.map(|presents| {
            let pairs = writes.iter().zip(presents);
            pairs.map(|(write, present)| self.write_one(&write, present, &mut ticks)).collect()
        });
        self.end_request(&ticks);
        Outcome::Done(results.map(Reply::Written))
    }

    /// What there is of a document to be written.
    pub(super) fn present(&self, write: &WriteView<'_>) -> Result<Present, Error> {
        let options = self.past.indexes.documents.options(write.table);
        let asks_version = write.condition != DocumentCondition::Any || options.append_only;
        self.past.present(write.table, write.key, asks_version)
    }

    /// One write; `present` is what there was of its document before the request.
    fn write_one(
        &mut self,
        write: &WriteView<'_>,
        present: Present,
        ticks: &mut Ticks,
    ) -> WriteResult {
        if self.past.indexes.documents.options(write.table).volatile {
            return self.write_volatile(write, ticks);
        }
        let present = self.past.present_in_memory(write.table, write.key).unwrap_or(present);
        if let Err(version) = present.check(write.condition) {
            return WriteResult::Stale(version);
        }
        if self.must_stay(write.table, present) {
            return WriteResult::AppendOnly(present.version);
        }
        let lsn = self.write_document(write, present, ticks);
        WriteResult::Written(Position { epoch: self.log.epoch, lsn })
    }

    fn write_volatile(&mut self, write: &WriteView<'_>, ticks: &mut Ticks) -> WriteResult {
        let (now, epoch) = (ticks.take(), self.log.epoch);
        let place = IndexKey::of(write.table, write.key);
        let present = self.volatile.get(place.bytes(), now);
        let version = present.map_or(Position::NONE, |kept| Position { epoch, lsn: kept.version });
        let holds = match write.condition {
            DocumentCondition::Any => true,
            DocumentCondition::Absent => version == Position::NONE,
            DocumentCondition::Version(expected) => version == expected,
        };
        if !holds {
            return WriteResult::Stale(version);
        }
        let Some(value) = write.value else {
            self.volatile.remove(place.bytes());
            return WriteResult::Written(Position::NONE);
        };
        let expires = self.expiry_of(write, now);
        match self.volatile.put(place.bytes(), value, expires, now) {
            Ok(lsn) => WriteResult::Written(Position { epoch, lsn }),
            Err(Full) => WriteResult::NoRoom,
        }
    }

    /// Whether the caller is the first to bring a key.
    pub(super) fn insert_unique(
        &mut self,
        unique: &UniqueRequest,
        now: Timestamp,
    ) -> Outcome<Reply> {
        let write = WriteView {
            table: unique.table,
            key: &unique.key,
            value: Some(&[]),
            key_and_value: &unique.key,
            expires: unique.expires,
            condition: DocumentCondition::Absent,
        };
        if let Err(error) = check_key(unique)
            .and_then(|()| self.admit_documents(1, IndexKey::TABLE + unique.key.len()))
        {
            return Outcome::Done(Err(error));
        }
        let mut ticks = match self.room_for_documents(1, unique.key.len(), now) {
            Ok(ticks) => ticks,
            Err(refusal) => return refusal,
        };
        let result =
            self.present(&write).map(|present| match self.write_one(&write, present, &mut ticks) {
                WriteResult::Written(version) => UniqueResult::Fresh(version),
                WriteResult::Stale(version) | WriteResult::AppendOnly(version) => {
                    UniqueResult::Seen(version)
                }
                WriteResult::NoRoom => UniqueResult::NoRoom,
            });
        self.end_request(&ticks);
        Outcome::Done(result.map(Reply::Unique))
    }

    /// Says what a table promises from now on.
    pub(super) fn declare_table(
        &mut self,
        table: TableId,
        options: TableOptions,
        now: Timestamp,
    ) -> Outcome<Reply> {
        if let Err(error) = self.check_declaration(table, options) {
            return Outcome::Done(Err(error));
        }
        let (key, value) = (table.0.to_be_bytes(), options.encoded());
        let mut ticks = match self.room_for_documents(1, key.len() + value.len(), now) {
            Ok(ticks) => ticks,
            Err(refusal) => return refusal,
        };
        let key_and_value = [&key[..], &value].concat();
        let write = WriteView {
            table: TableId::DECLARATIONS,
            key: &key,
            value: Some(&value),
            key_and_value: &key_and_value,
            expires: Timestamp::NONE,
            condition: DocumentCondition::Any,
        };
        let result = self.past.present(write.table, write.key, true).map(|present| {
            let before = self.past.indexes.documents.options(table);
            if before.append_only && !options.append_only {
                return WriteResult::AppendOnly(present.version);
            }
            self.write_one(&write, present, &mut ticks)
        });
        self.end_request(&ticks);
        Outcome::Done(result.map(|result| Reply::Written(vec![result])))
    }

    fn check_declaration(&self, table: TableId, options: TableOptions) -> Result<(), Error> {
        let invalid = |message: String| Err(Error::new(ErrorKind::Invalid, message));
        if table < TableId::FIRST_FREE || table == TableId::EXPIRIES {
            return invalid(format!(
                "tables 0 to 15 and 65535 are the system's, {table} can't be declared"
            ));
        }
        let before = self.past.indexes.documents.options(table);
        if options.volatile == before.volatile {
            return Ok(());
        }
        if !options.volatile {
            return invalid(format!("table {table} is volatile, and stays so: use another"));
        }
        let range = KeyRange::prefix(&table.0.to_be_bytes());
        let scan = self.past.indexes.documents.index.scan(range, KeyOrder::Rising, 1);
        if scan.page()?.keys.is_empty() && !options.append_only {
            return Ok(());
        }
        invalid(format!("table {table} can't be volatile: it holds documents, or is append-only"))
    }

    /// Puts on record that a caller was refused elsewhere.
    pub(super) fn record_refusal(
        &mut self,
        refused: &RefusedRequest,
        now: Timestamp,
    ) -> Outcome<Reply> {
        let mut ticks = match self.room_for_documents(1, ACTOR_BYTES_MAX, now) {
            Ok(ticks) => ticks,
            Err(refusal) => return refusal,
        };
        if self.budgets.spend(&refused.caller, refused.reason, ticks.next()) {
            self.append_refusal(refused.reason, 1, &refused.actor, &mut ticks);
        }
        self.end_request(&ticks);
        Outcome::Done(Ok(Reply::Recorded))
    }

    /// Puts on record how many refusals were over their callers' budgets, once their minutes are
    /// over.
    pub(super) fn record_counts(&mut self, now: Timestamp) -> Outcome<()> {
        while self.budgets.counts_due().is_some_and(|due| due <= now) {
            let mut ticks = match self.room_for_documents(1, ACTOR_BYTES_MAX, now) {
                Ok(ticks) => ticks,
                Err(Outcome::NeedsRoom(until)) => return Outcome::NeedsRoom(until),
                Err(Outcome::Done(refused)) => return Outcome::Done(refused.map(|_: Reply| ())),
            };
            if let Some(over) = self.budgets.take_over(now) {
                let name = over.caller.name().as_bytes();
                self.append_refusal(over.reason, over.count, name, &mut ticks);
            }
            self.end_request(&ticks);
        }
        Outcome::Done(Ok(()))
    }

    fn append_refusal(
        &mut self,
        reason: RefusalReason,
        count: u32,
        actor: &[u8],
        ticks: &mut Ticks,
    ) {
        let actor = &actor[..actor.len().min(ACTOR_BYTES_MAX)];
        let record = RefusalRecord {
            id: 0,
            digest: [0; 32],
            reason,
            index: 0,
            count,
            actor_bytes: actor_bytes(actor),
        };
        self.append_record(ticks.take(), &Record::Refusal(record), actor);
    }

    /// Expires every document that is due before the next event, whatever they are many.
    pub(super) fn settle_due_documents(&mut self, now: Timestamp) -> Outcome<()> {
        let now = self.next_tick.max(now);
        loop {
            match self.expire_documents(now) {
                Outcome::Done(Ok(true)) => {}
                Outcome::Done(settled) => return Outcome::Done(settled.map(|_| ())),
                Outcome::NeedsRoom(until) => return Outcome::NeedsRoom(until),
            }
        }
    }

    /// Expires the documents that are due at or before `now`, one frame of them at most; says whether
    /// more may be due.
    pub(super) fn expire_documents(&mut self, now: Timestamp) -> Outcome<bool> {
        let documents = &mut self.past.indexes.documents;
        if documents.expiries.is_unread()
            && let Err(error) = documents.expiries.read(&documents.index)
        {
            return Outcome::Done(Err(error.into()));
        }
        if documents.expiries.next_due().is_none_or(|due| now < due) {
            return Outcome::Done(Ok(false));
        }
        let keys_bytes = FRAME_DOCUMENTS_MAX * DOCUMENT_KEY_BYTES_MAX;
        if !documents.have_room(FRAME_DOCUMENTS_MAX, keys_bytes) {
            return Outcome::Done(Err(super::indexes_behind()));
        }
        let mut ticks = self.ticks(now);
        let bytes = room_for_payloads(FRAME_DOCUMENTS_MAX, keys_bytes);
        if let Err(until) = self.open_frame(bytes, self.room.reserved, &ticks) {
            return Outcome::NeedsRoom(until);
        }
        let expired = self.expire_documents_into_frame(now, &mut ticks);
        self.end_request(&ticks);
        self.finish_frame();
        Outcome::Done(expired.map(|()| true))
    }

    fn expire_documents_into_frame(
        &mut self,
        now: Timestamp,
        ticks: &mut Ticks,
    ) -> Result<(), Error> {
        for _ in 0..FRAME_DOCUMENTS_MAX {
            let documents = &mut self.past.indexes.documents;
            let Some((place, lsn, due)) = documents.expiries.take_due(now) else { break };
            let entry = match documents.index.get(&place) {
                Ok(entry) => entry,
                Err(error) => {
                    documents.expiries.add(due, &place, lsn);
                    return Err(error.into());
                }
            };
            // Stale where the document was written again, or deleted.
            if entry.is_some_and(|entry| entry.lsn == lsn && !entry.is_deleted) {
                self.expire_document(&place, lsn, due, ticks.take());
            }
        }
        Ok(())
    }

    fn expire_document(&mut self, place: &[u8], lsn: Lsn, due: Timestamp, time: Timestamp) {
        let (table, key) = IndexKey::split(place);
        let record = DocumentRecord {
            change: DocumentChange::Expired,
            table,
            key_bytes: u16::try_from(key.len()).expect("keys are bounded"),
            value_bytes: 0,
            previous: lsn,
            replaces: true,
            expires: due,
            time,
            check: 0,
        };
        self.append_record(time, &Record::Document(record), key);
    }

    /// When a document expires that is written at `time`: as its writer says, or as its table does;
    /// later than `time` in any case, since time that has passed is done with.
    pub(super) fn expiry_of(&self, write: &WriteView<'_>, time: Timestamp) -> Timestamp {
        let options = self.past.indexes.documents.options(write.table);
        let expires = match (write.expires, options.time_to_live) {
            (Timestamp::NONE, 0) => return Timestamp::NONE,
            (Timestamp::NONE, seconds) => time.after_seconds(seconds).unwrap_or(Timestamp::MAX),
            (expires, _) => expires,
        };
        expires.max(time.after_ticks(1).unwrap_or(Timestamp::MAX))
    }

    /// Whether a document is there and its table is append-only.
    pub(super) fn must_stay(&self, table: TableId, present: Present) -> bool {
        present.is_live() && self.past.indexes.documents.options(table).append_only
    }

    /// Opens a frame for records of so many documents with so many bytes of keys and values.
    fn room_for_documents<T>(
        &mut self,
        writes_count: usize,
        bytes: usize,
        now: Timestamp,
    ) -> Result<Ticks, Outcome<T>> {
        match self.settle_due_documents(now) {
            Outcome::Done(Ok(())) => {}
            Outcome::Done(Err(error)) => return Err(Outcome::Done(Err(error))),
            Outcome::NeedsRoom(until) => return Err(Outcome::NeedsRoom(until)),
        }
        self.make_room(writes_count, room_for_payloads(writes_count, bytes), now)
    }
}

fn check_key(unique: &UniqueRequest) -> Result<(), Error> {
    let length = unique.key.len();
    let is_well = (1..=DOCUMENT_KEY_BYTES_MAX).contains(&length)
        && unique.table != TableId::DECLARATIONS
        && unique.table != TableId::EXPIRIES
        && unique.expires <= Timestamp::MAX;
    if is_well {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Invalid,
        format!(
            "a key has 1 to {DOCUMENT_KEY_BYTES_MAX} bytes, this one {length}; tables 0 and 65535 \
             are not for this; time ends in the year 2262"
        ),
    ))
}
