//! What would have become of a commit at a position of the past.
//!
//! Whatever the commit names is put together as it was there: rows of accounts, live holds, documents,
//! ids. A small engine that knows nothing else then judges the commit, by the code that judges every
//! other, and is dropped. It writes nothing, and the engine at work is asked only cheap questions.
//!
//! - What can't be told for certain is refused, never guessed.
//! - Holds that the commit does not name expire, within the nanoseconds that its events take, as little
//!   as they did there.
//! - At most [`AS_OF_RECORDS_MAX`] records are read: what needs more, because too much has happened
//!   since to what the commit names, is refused.

use super::history::{self, Walk};
use super::{Found, Reads};
use crate::commits::CommitRequest;
use crate::documents::DocumentLookup;
use crate::engine::ask::{AccountPosition, Answer, Ask, DocumentPlace};
use crate::engine::{Checkpointing, Engine, IndexKey, Indexes, LogEnd, Outcome, Past, outcome_of};
use crate::error::{Error, ErrorKind};
use crate::limits::{AS_OF_RECORDS_MAX, DOCUMENTS_READ_MAX};
use crate::log::{ReadError, Room};
use crate::request::{Reply, Request};
use crate::runs::RunKind;
use florin_ledger::accounts::{AccountReferences, AccountRow};
use florin_ledger::commit_bytes::{CommitView, PreconditionView};
use florin_ledger::document::DocumentCondition;
use florin_ledger::record::{DocumentRecord, LifeRecord, Record};
use florin_ledger::{
    Account, AccountFlags, AccountId, CommitOutcome, Hold, Ledger, Lsn, PastHold, PastTransfer,
    Position, Slot, TableId, TableOptions, Timestamp, Totals, Transfer, TransferFlags, TransferId,
};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

impl Reads {
    /// What a dry run would have answered right after the record at a position.
    pub(crate) fn dry_run_as_of(
        &self,
        request: &CommitRequest,
        at: Position,
    ) -> Result<CommitOutcome, Error> {
        self.wait_for(at, Duration::ZERO)?;
        let durable = self.durable.get();
        let time = match self.log.record(at.lsn, durable) {
            Ok(stored) => stored.time,
            Err(ReadError::NoRecord { .. }) => {
                return Err(invalid(format!(
                    "position {at} names no record: take that of a commit, a document or an item \
                     of a stream"
                )));
            }
            Err(error) => return Err(error.into()),
        };
        let mut then = Then {
            reads: self,
            at: at.lsn,
            time,
            durable,
            records_left: Cell::new(AS_OF_RECORDS_MAX),
            accounts: BTreeMap::new(),
            holds: Vec::new(),
            transfers: Vec::new(),
            settled: Vec::new(),
            documents: BTreeMap::new(),
            commit: None,
        };
        let view = request.view();
        then.gather_commit(&view)?;
        then.gather_transfers(&view)?;
        then.gather_accounts(&view)?;
        then.gather_documents(&view)?;
        then.judge(request, at.epoch)
    }
}

/// What a commit names, as it was.
struct Then<'reads> {
    reads: &'reads Reads,
    /// Records up to this one, it included, have happened.
    at: Lsn,
    /// When that one was recorded.
    time: Timestamp,
    durable: Lsn,
    /// Records that may still be read.
    records_left: Cell<u64>,
    /// By their slots in the database.
    accounts: BTreeMap<Slot, (AccountRow, AccountReferences)>,
    /// Live ones, their slots those of the database.
    holds: Vec<Hold>,
    transfers: Vec<(TransferId, PastTransfer)>,
    /// Ids that are asked for as holds, and are none that is live.
    settled: Vec<(TransferId, PastHold)>,
    /// By their positions.
    documents: BTreeMap<Lsn, (DocumentRecord, Vec<u8>)>,
    /// The record that had decided the commit's id.
    commit: Option<Lsn>,
}

impl Then<'_> {
    fn gather_commit(&mut self, view: &CommitView<'_>) -> Result<(), Error> {
        self.commit = self.find(RunKind::CommitIds, vec![view.id.0])?[0];
        Ok(())
    }

    /// Every id that the commit wants to use, and every hold that it asks for.
    fn gather_transfers(&mut self, view: &CommitView<'_>) -> Result<(), Error> {
        let transfers = view.transfers.iter().map(Transfer::from);
        let mut holds: BTreeSet<TransferId> = transfers.map(|it| it.pending_id).collect();
        for precondition in view.preconditions() {
            if let PreconditionView::HoldPending { transfer_id } = precondition {
                holds.insert(transfer_id);
            }
        }
        let mut ids: BTreeSet<TransferId> = holds.clone();
        ids.extend(view.transfers.iter().map(|it| Transfer::from(it).id));
        ids.retain(|id| *id != TransferId::ZERO && id.0 != u128::MAX);
        let lsns = self.find(RunKind::TransferIds, ids.iter().map(|id| id.0).collect())?;
        let mut created: Vec<(Lsn, Found)> = Vec::new();
        for (id, lsn) in ids.into_iter().zip(lsns) {
            let Some(lsn) = lsn else { continue };
            self.spend()?;
            match self.reads.find_transfer(lsn, self.durable)? {
                Some(found) => created.push((lsn, found)),
                None => {
                    self.transfers.push((id, PastTransfer::Failed));
                    self.settled.push((id, PastHold::Unknown));
                }
            }
        }
        let founds = created.iter().map(|(_, found)| *found);
        let named = self.reads.name_all(founds, self.durable)?;
        let keys = created.iter().map(|(lsn, _)| u128::from(lsn.0)).collect();
        let outcomes = self.find(RunKind::HoldOutcomes, keys)?;
        for (((lsn, found), transfer), outcome) in created.iter().zip(named).zip(outcomes) {
            self.transfers.push((transfer.id, PastTransfer::Created(transfer)));
            if !holds.contains(&transfer.id) {
                continue;
            }
            if !transfer.flags.contains(TransferFlags::PENDING) {
                self.settled.push((transfer.id, PastHold::NotPending));
                continue;
            }
            match outcome {
                Some(outcome) => {
                    self.spend()?;
                    let record = self.reads.log.record(outcome, self.durable)?.record;
                    let how = outcome_of(&record).ok_or_else(|| wrong_record(outcome))?;
                    self.settled.push((transfer.id, PastHold::Settled(transfer, how)));
                }
                None => self.holds.push(hold_of(*lsn, found, &transfer)),
            }
        }
        Ok(())
    }

    fn gather_accounts(&mut self, view: &CommitView<'_>) -> Result<(), Error> {
        let mut ids = BTreeSet::new();
        for transfer in view.transfers.iter().map(Transfer::from) {
            ids.extend([transfer.debit_account_id, transfer.credit_account_id]);
        }
        ids.extend(view.accounts.iter().map(|account| Account::from(account).id));
        for precondition in view.preconditions() {
            if let PreconditionView::Balance { account_id, .. } = precondition {
                ids.insert(account_id);
            }
        }
        ids.remove(&AccountId(0));
        for id in ids {
            if let Some(account) = self.reads.account(id)? {
                self.add_account(account)?;
            }
        }
        let slots: BTreeSet<Slot> =
            self.holds.iter().flat_map(|hold| [hold.debit_slot, hold.credit_slot]).collect();
        for slot in slots {
            let Answer::Account(Some(account)) = self.reads.ask(Ask::AccountAt(slot))? else {
                return Err(Error::corrupt(format!(
                    "a hold names slot {slot}, which has no account: run `florin rebuild`"
                )));
            };
            self.add_account(account)?;
        }
        Ok(())
    }

    /// Puts an account in as it was, if it was open.
    fn add_account(&mut self, now: AccountPosition) -> Result<(), Error> {
        let Account { id, timestamp, .. } = now.account;
        if self.accounts.contains_key(&now.slot) {
            return Ok(());
        }
        let walk = Walk::new(&self.reads.log, self.durable, now);
        let then = history::as_of(walk, self.at, || self.spend())?;
        let is_imported = now.flags_given.contains(AccountFlags::IMPORTED);
        if is_imported && !then.last_posting.is_some() {
            return Err(invalid(format!(
                "account {id} was imported, and nothing was posted on it by then: whether it was \
                 open can't be told"
            )));
        }
        if !is_imported && self.time < timestamp {
            return Ok(());
        }
        let is_closed = then.is_closed.unwrap_or(now.flags_given.contains(AccountFlags::CLOSED));
        let flags = now.account.flags.without(AccountFlags::CLOSED);
        let row = AccountRow {
            id,
            balances: then.balances,
            last_posting: then.last_posting,
            last_waypoint: Lsn::NONE,
            postings_count: 0,
            timestamp,
            ledger: now.account.ledger,
            user_data_32: now.account.user_data_32,
            code: now.account.code,
            flags: if is_closed { flags.with(AccountFlags::CLOSED) } else { flags },
            flags_given: now.flags_given,
        };
        let Account { user_data_128, user_data_64, .. } = now.account;
        self.accounts.insert(now.slot, (row, AccountReferences::new(user_data_128, user_data_64)));
        Ok(())
    }

    fn gather_documents(&mut self, view: &CommitView<'_>) -> Result<(), Error> {
        let mut tables: BTreeSet<TableId> = view.documents().map(|write| write.table).collect();
        let mut keys = BTreeSet::new();
        for precondition in view.preconditions() {
            if let PreconditionView::Document { table, key, .. } = precondition {
                tables.insert(table);
                keys.insert((table, key));
            }
        }
        let declarations: Vec<(TableId, [u8; 2])> =
            tables.into_iter().map(|table| (table, table.0.to_be_bytes())).collect();
        let declared = declarations.iter().map(|(_, key)| (TableId::DECLARATIONS, &key[..]));
        let declared = self.add_documents(&declared.collect::<Vec<_>>())?;
        let mut append_only = BTreeSet::from([TableId::DESTROYED_KEYS, TableId::BALANCES]);
        for ((table, _), lsn) in declarations.iter().zip(declared) {
            let promises =
                lsn.and_then(|lsn| self.documents.get(&lsn)).and_then(|(record, payload)| {
                    TableOptions::decoded(payload.get(usize::from(record.key_bytes)..)?)
                });
            if promises.is_some_and(|options| options.append_only) {
                append_only.insert(*table);
            }
        }
        for write in view.documents() {
            // Nobody asks what there was of any other.
            if write.condition != DocumentCondition::Any || append_only.contains(&write.table) {
                keys.insert((write.table, write.key));
            }
        }
        self.add_documents(&keys.into_iter().collect::<Vec<_>>())?;
        Ok(())
    }

    /// Puts documents in as they were, their ends too; says where the record of each is.
    fn add_documents(&mut self, keys: &[(TableId, &[u8])]) -> Result<Vec<Option<Lsn>>, Error> {
        let places: Vec<Box<[u8]>> =
            keys.iter().map(|(table, key)| IndexKey::of(*table, key).bytes().into()).collect();
        let mut added = Vec::with_capacity(keys.len());
        for (keys, places) in keys.chunks(DOCUMENTS_READ_MAX).zip(places.chunks(DOCUMENTS_READ_MAX))
        {
            let Answer::Documents(found, runs) = self.reads.ask(Ask::Places(places.to_vec()))?
            else {
                unreachable!("documents are answered by their places");
            };
            for (((table, _), place), found) in keys.iter().zip(places).zip(found) {
                let newest = match found {
                    DocumentPlace::Indexed(DocumentLookup::Found(entry)) => Some(entry.lsn),
                    DocumentPlace::Recent(..) => unreachable!("places say nothing more"),
                    DocumentPlace::Indexed(DocumentLookup::Unknown) => {
                        runs.get(place)?.map(|entry| entry.lsn)
                    }
                    DocumentPlace::Indexed(DocumentLookup::Absent) => None,
                    DocumentPlace::Volatile(_) => {
                        return Err(invalid(format!(
                            "table {table} is volatile: it has no part in commits, and no past"
                        )));
                    }
                };
                let oldest = runs.runs().last().map_or(Lsn::NONE, |run| run.position());
                added.push(self.add_document(*table, newest.unwrap_or(Lsn::NONE), oldest)?);
            }
        }
        Ok(added)
    }

    /// Puts a document in as it was, by its newest record and where the oldest run of keys ends.
    fn add_document(
        &mut self,
        table: TableId,
        newest: Lsn,
        oldest: Lsn,
    ) -> Result<Option<Lsn>, Error> {
        let mut next = newest;
        while next.is_some() {
            self.spend()?;
            let (stored, payload) = self.reads.log.payload(next, self.durable)?;
            let Record::Document(record) = stored.record else { return Err(wrong_record(next)) };
            if next <= self.at {
                self.documents.insert(next, (record, payload));
                return Ok(Some(next));
            }
            next = record.previous;
        }
        // A deletion may have been dropped from the oldest run, with what was before it.
        if self.at < oldest && table != TableId::DECLARATIONS {
            return Err(invalid(format!(
                "a document of table {table} is not known from then: it was never there, or was \
                 deleted so long ago that it is forgotten. Its condition can't be judged as of a \
                 position before {oldest}"
            )));
        }
        Ok(None)
    }

    /// Where the records of some keys are that had happened.
    fn find(&self, kind: RunKind, keys: Vec<u128>) -> Result<Vec<Option<Lsn>>, Error> {
        let mut found = self.reads.find(kind, keys)?;
        for lsn in &mut found {
            lsn.take_if(|lsn| self.at < *lsn);
        }
        Ok(found)
    }

    fn spend(&self) -> Result<(), Error> {
        match self.records_left.get().checked_sub(1) {
            Some(left) => {
                self.records_left.set(left);
                Ok(())
            }
            None => Err(invalid(format!(
                "too much has happened since to what the commit names: a dry run reads at most \
                 {AS_OF_RECORDS_MAX} records of the past"
            ))),
        }
    }

    /// Judges the commit by what was gathered.
    fn judge(self, request: &CommitRequest, epoch: u64) -> Result<CommitOutcome, Error> {
        let mut ledger = Ledger::new();
        let mut slots = BTreeMap::new();
        for (number, (slot, (row, references))) in (0..).zip(self.accounts) {
            ledger
                .restore_row(Slot(number), row, references)
                .map_err(|what| contradiction(&what))?;
            slots.insert(slot, Slot(number));
        }
        for hold in self.holds {
            let here = |slot| slots.get(&slot).copied().ok_or_else(|| wrong_record(hold.lsn));
            let (debit_slot, credit_slot) = (here(hold.debit_slot)?, here(hold.credit_slot)?);
            let hold = Hold { debit_slot, credit_slot, ..hold };
            ledger.restore_hold(hold).map_err(|what| contradiction(&what))?;
        }
        ledger.restore_totals(Totals {
            last_recorded: self.time,
            last_posting_timestamp: self.time,
            ..Totals::default()
        });
        let mut indexes = Indexes::of_few();
        for (lsn, (record, payload)) in self.documents {
            // None of those that it replaced is here: one that expires is taken off the count.
            let replaces = false;
            indexes.documents.enter(lsn, &DocumentRecord { replaces, ..record }, &payload);
        }
        if let Some(lsn) = self.commit {
            indexes.commits.insert(request.view().id.0, lsn.0);
        }
        let mut past = Past::new(indexes, self.reads.log.clone(), self.durable);
        past.know(self.transfers, self.settled);
        let geometry = self.reads.log.identity().geometry;
        // Past everything that there is, so that its own records are told from those.
        let next = geometry.first_place(geometry.segment(self.durable) + 1);
        let log = LogEnd {
            life: LifeRecord::birth(self.reads.log.identity().incarnation),
            epoch,
            geometry,
            next,
            sequence: 1,
            applied: next,
            is_witnessed: true,
        };
        let mut engine = Engine::new(ledger, past, log, Checkpointing::new(next, u64::MAX));
        engine.set_room(Room { ordinary: Lsn(u64::MAX), reserved: Lsn(u64::MAX) });
        match engine.execute(&Request::DryRun(request.clone()), Timestamp::NONE) {
            Outcome::Done(Ok(Reply::Commit(outcome))) => Ok(outcome),
            Outcome::Done(Err(error)) => Err(error),
            Outcome::Done(Ok(_)) => unreachable!("a dry run is answered by an outcome"),
            Outcome::NeedsRoom(_) => unreachable!("there is room without end"),
        }
    }
}

fn hold_of(lsn: Lsn, found: &Found, transfer: &Transfer) -> Hold {
    Hold {
        id: transfer.id,
        amount: transfer.amount,
        user_data_128: transfer.user_data_128,
        user_data_64: transfer.user_data_64,
        lsn,
        timestamp: transfer.timestamp,
        debit_slot: found.record.debit_slot,
        credit_slot: found.record.credit_slot,
        timeout: transfer.timeout,
        user_data_32: transfer.user_data_32,
        ledger: transfer.ledger,
        code: transfer.code,
        flags: transfer.flags,
    }
}

fn wrong_record(lsn: Lsn) -> Error {
    Error::corrupt(format!(
        "the record at {lsn} is not what an index says that it is: run `florin rebuild`"
    ))
}

fn contradiction(what: &florin_ledger::Inconsistent) -> Error {
    Error::corrupt(format!(
        "what was read of the past contradicts itself: {what}: run `florin verify`"
    ))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, message)
}
