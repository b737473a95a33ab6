//! Executing commits: found under its id, or judged by what it needs, then by the rules, then written.
//!
//! Order: an id that was decided gets its first answer; preconditions; conditions of the documents to
//! write; accounts and transfers, as one chain; documents and events; the commit's own record last.
//! What comes before the chain changes nothing, and what comes after it cannot fail, so a commit is in
//! the frame whole or not at all.

use super::documents::IndexKey;
use super::journal::FrameJournal;
use super::present::Present;
use super::{EVENT_BYTES_MAX, Engine, Outcome};
use crate::commits::{Caller, CommitRequest};
use crate::error::{Error, ErrorKind};
use crate::log::frame::room_for_payloads;
use crate::request::Reply;
use florin_ledger::chain::{ChainEnd, ChainTimes};
use florin_ledger::commit::{BrokenRule, CommitDone, CommitRefused, Unmet};
use florin_ledger::commit_bytes::{CommitView, EventView, PreconditionView, WriteView};
use florin_ledger::document::DocumentCondition;
use florin_ledger::record::{
    CommitRecord, DocumentChange, DocumentRecord, EventRecord, Record, RefusalReason, RefusalRecord,
};
use florin_ledger::{Account, Amount, CommitOutcome, Lsn, Position, Ticks, Timestamp, Transfer};

/// Ticks that a commit takes beside its events': its own, and one of a failed id or refusal.
const OWN_TICKS: usize = 2;

/// A commit being decided.
struct Deciding<'a> {
    view: CommitView<'a>,
    digest: [u8; 32],
    caller: &'a Caller,
    /// What was asked: to take effect, or only to know.
    end: ChainEnd,
    /// What there is of the preconditions' documents.
    needed: Vec<Present>,
    /// What there is of the documents to be written.
    written: Vec<Present>,
}

/// Why a commit goes no further.
enum Stop {
    /// Its answer, and the refusal to put on record if it is one.
    Answer(Box<CommitOutcome>, Option<(RefusalReason, u32)>),
    /// It could not be decided; it binds nothing.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Failed(error)
    }
}

impl Engine {
    /// Executes a commit, or finds out what it would come to.
    pub(super) fn commit(
        &mut self,
        request: &CommitRequest,
        end: ChainEnd,
        now: Timestamp,
    ) -> Outcome<Reply> {
        let view = request.view();
        if let Err(error) = self.admit(&view) {
            return Outcome::Done(Err(error));
        }
        match self.settle_due_documents(now) {
            Outcome::Done(Ok(())) => {}
            Outcome::Done(Err(error)) => return Outcome::Done(Err(error)),
            Outcome::NeedsRoom(until) => return Outcome::NeedsRoom(until),
        }
        let events_count = view.accounts.len() + view.transfers.len();
        let payloads_count = view.documents().len() + view.events().len() + OWN_TICKS;
        let payload_bytes = request.bytes();
        let bytes =
            events_count * EVENT_BYTES_MAX + room_for_payloads(payloads_count, payload_bytes);
        let mut ticks = match self.make_room(events_count + payloads_count, bytes, now) {
            Ok(ticks) => ticks,
            Err(refusal) => return refusal,
        };
        let (digest, caller) = (request.digest(), request.caller());
        let (needed, written) = (Vec::new(), Vec::new());
        let mut deciding = Deciding { view, digest, caller, end, needed, written };
        let outcome = match self.decide(&mut deciding, &mut ticks) {
            Ok(done) => Ok(CommitOutcome::Done(done)),
            Err(Stop::Failed(error)) => Err(error),
            Err(Stop::Answer(outcome, None)) => Ok(*outcome),
            Err(Stop::Answer(outcome, Some((reason, index)))) => {
                self.refuse(&deciding, *outcome, reason, index, &mut ticks)
            }
        };
        self.end_request(&ticks);
        Outcome::Done(outcome.map(Reply::Commit))
    }

    /// What no id binds: limits of the whole database.
    fn admit(&self, view: &CommitView<'_>) -> Result<(), Error> {
        self.admit_accounts(view.accounts.len())?;
        self.admit_holds(view.transfers)?;
        let keys_bytes = view.documents().map(|write| IndexKey::TABLE + write.key.len()).sum();
        self.admit_documents(view.documents().len(), keys_bytes)?;
        let tables = &self.past.indexes.documents;
        match view.documents().find(|write| tables.options(write.table).volatile) {
            None => Ok(()),
            Some(write) => Err(Error::new(
                ErrorKind::Invalid,
                format!("table {} is volatile: it has no part in commits", write.table),
            )),
        }
    }

    fn decide(
        &mut self,
        deciding: &mut Deciding<'_>,
        ticks: &mut Ticks,
    ) -> Result<CommitDone, Stop> {
        self.answer_if_decided(deciding)?;
        let view = deciding.view;
        if view.not_after != Timestamp::NONE && view.not_after < ticks.next() {
            let unmet = Unmet::TooLate(ticks.next());
            return Err(unmet_stop(unmet, RefusalReason::TooLate, 0));
        }
        self.look_up_documents(deciding)?;
        self.check_preconditions(deciding)?;
        self.check_writes(deciding)?;
        self.prefetch_layouts(view.transfers)?;
        let (times, first) = self.run_commit_chain(deciding, ticks)?;
        if deciding.end == ChainEnd::TakeBack {
            return Ok(CommitDone {
                position: Position::NONE,
                timestamp: ticks.next(),
                accounts: times.accounts,
                transfers: times.transfers,
                documents: vec![Position::NONE; view.documents().len()],
                events: vec![Position::NONE; view.events().len()],
            });
        }
        Ok(self.write_commit(deciding, times, first, ticks))
    }

    /// Stops at an id that was decided before.
    fn answer_if_decided(&mut self, deciding: &Deciding<'_>) -> Result<(), Stop> {
        let Some(lsn) = self.past.find_commit(deciding.view.id)? else { return Ok(()) };
        let (digest, outcome) = self.past.decided(lsn)?;
        if digest == deciding.digest {
            return Err(Stop::Answer(Box::new(outcome), None));
        }
        let position = self.past.position_of(lsn)?;
        let outcome = CommitOutcome::ExistsWithDifferentDigest(position);
        Err(Stop::Answer(Box::new(outcome), Some((RefusalReason::Digest, 0))))
    }

    fn look_up_documents(&self, deciding: &mut Deciding<'_>) -> Result<(), Error> {
        for precondition in deciding.view.preconditions() {
            if let PreconditionView::Document { table, key, .. } = precondition {
                deciding.needed.push(self.past.present(table, key, true)?);
            }
        }
        for write in deciding.view.documents() {
            deciding.written.push(self.present(&write)?);
        }
        Ok(())
    }

    fn check_preconditions(&self, deciding: &Deciding<'_>) -> Result<(), Stop> {
        let mut needed = deciding.needed.iter();
        for (index, precondition) in (0..).zip(deciding.view.preconditions()) {
            match precondition {
                PreconditionView::Document { version, .. } => {
                    let present = needed.next().expect("each document was looked up");
                    let condition = match version {
                        Position::NONE => DocumentCondition::Absent,
                        version => DocumentCondition::Version(version),
                    };
                    if let Err(version) = present.check(condition) {
                        let unmet = Unmet::Document { index, version };
                        return Err(unmet_stop(unmet, RefusalReason::Document, index));
                    }
                }
                PreconditionView::Balance { account_id, field, min, max } => {
                    let account = self.ledger.account(account_id);
                    let balance: Option<Amount> = account.map(|account| field.of(&account));
                    if !balance.is_some_and(|balance| min <= balance && balance <= max) {
                        let unmet = Unmet::Balance { index, balance };
                        return Err(unmet_stop(unmet, RefusalReason::Balance, index));
                    }
                }
                PreconditionView::HoldPending { transfer_id } => {
                    if self.ledger.hold(transfer_id).is_none() {
                        return Err(unmet_stop(Unmet::Hold { index }, RefusalReason::Hold, index));
                    }
                }
            }
        }
        Ok(())
    }

    fn check_writes(&self, deciding: &Deciding<'_>) -> Result<(), Stop> {
        let writes = deciding.view.documents().zip(&deciding.written);
        for (index, (write, present)) in (0..).zip(writes) {
            if let Err(version) = present.check(write.condition) {
                let unmet = Unmet::Write { index, version };
                return Err(unmet_stop(unmet, RefusalReason::Write, index));
            }
            if self.must_stay(write.table, *present) {
                let unmet = Unmet::AppendOnly { index, version: present.version };
                return Err(unmet_stop(unmet, RefusalReason::AppendOnly, index));
            }
        }
        Ok(())
    }

    /// Posts the accounts and transfers, or takes them back. Says where their records begin, if
    /// there are any.
    fn run_commit_chain(
        &mut self,
        deciding: &Deciding<'_>,
        ticks: &mut Ticks,
    ) -> Result<(ChainTimes, Option<Lsn>), Stop> {
        let is_spent = self.budgets.is_spent(deciding.caller, ticks.next());
        if is_spent && deciding.end == ChainEnd::Keep {
            // A refusal could not be put on record, and must then not be final either.
            let mut trial = *ticks;
            if self.run_chain_once(&deciding.view, &mut trial, ChainEnd::TakeBack).is_err() {
                *ticks = trial;
                return Err(Stop::Failed(budget_spent()));
            }
            *ticks = trial;
        }
        self.run_chain_once(&deciding.view, ticks, deciding.end).map_err(|broken| {
            let (reason, index) = match broken {
                BrokenRule::Account { index, status } => (RefusalReason::Account(status), index),
                BrokenRule::Transfer { index, status } => (RefusalReason::Transfer(status), index),
            };
            // The position and time are those of the record, which comes next.
            let (position, timestamp) = (Position::NONE, ticks.next());
            let refused = CommitRefused { position, timestamp, broken };
            let outcome = CommitOutcome::Refused(refused);
            Stop::Answer(Box::new(outcome), Some((reason, index)))
        })
    }

    fn run_chain_once(
        &mut self,
        view: &CommitView<'_>,
        ticks: &mut Ticks,
        end: ChainEnd,
    ) -> Result<(ChainTimes, Option<Lsn>), BrokenRule> {
        let mut journal = FrameJournal::new(&mut self.past);
        let accounts = view.accounts.iter().map(Account::from);
        let transfers = view.transfers.iter().map(Transfer::from);
        let times = self.ledger.run_chain(accounts, transfers, ticks, &mut journal, end)?;
        Ok((times, journal.first()))
    }

    /// Writes documents, events and the commit's own record. Nothing can refuse it any more.
    fn write_commit(
        &mut self,
        deciding: &Deciding<'_>,
        times: ChainTimes,
        mut first: Option<Lsn>,
        ticks: &mut Ticks,
    ) -> CommitDone {
        let view = &deciding.view;
        let epoch = self.log.epoch;
        let position = |lsn| Position { epoch, lsn };
        let mut done = CommitDone {
            accounts: times.accounts,
            transfers: times.transfers,
            ..CommitDone::default()
        };
        for (write, present) in view.documents().zip(&deciding.written) {
            let lsn = self.write_document(&write, *present, ticks);
            first.get_or_insert(lsn);
            done.documents.push(position(lsn));
        }
        for event in view.events() {
            let lsn = self.write_event(&event, ticks);
            first.get_or_insert(lsn);
            done.events.push(position(lsn));
        }
        let count = |count: usize| u32::try_from(count).expect("a commit is bounded");
        let record = CommitRecord {
            id: view.id,
            digest: deciding.digest,
            first: first.unwrap_or(Lsn::NONE),
            accounts_count: count(view.accounts.len()),
            transfers_count: count(view.transfers.len()),
            documents_count: count(view.documents().len()),
            events_count: count(view.events().len()),
            actor_bytes: actor_bytes(view.actor),
        };
        done.timestamp = ticks.take();
        done.position =
            position(self.append_record(done.timestamp, &Record::Commit(record), view.actor));
        done
    }

    fn write_event(&mut self, event: &EventView<'_>, ticks: &mut Ticks) -> Lsn {
        let record = EventRecord {
            topic: event.topic,
            key_bytes: u16::try_from(event.key.len()).expect("keys are bounded"),
            value_bytes: u32::try_from(event.value.len()).expect("values are bounded"),
        };
        self.append_record(ticks.take(), &Record::Event(record), event.key_and_value)
    }

    /// Writes a document, or its end.
    pub(super) fn write_document(
        &mut self,
        write: &WriteView<'_>,
        present: Present,
        ticks: &mut Ticks,
    ) -> Lsn {
        let time = ticks.take();
        let is_put = write.value.is_some();
        let record = DocumentRecord {
            change: if is_put { DocumentChange::Put } else { DocumentChange::Deleted },
            table: write.table,
            key_bytes: u16::try_from(write.key.len()).expect("keys are bounded"),
            value_bytes: u32::try_from(write.value.map_or(0, <[u8]>::len)).expect("bounded"),
            previous: present.previous,
            replaces: present.is_live(),
            expires: if is_put { self.expiry_of(write, time) } else { Timestamp::NONE },
            time,
            check: 0,
        };
        self.append_record(time, &Record::Document(record), write.key_and_value)
    }

    /// Answers a refusal, and puts it on record, within the caller's budget.
    fn refuse(
        &mut self,
        deciding: &Deciding<'_>,
        outcome: CommitOutcome,
        reason: RefusalReason,
        index: u32,
        ticks: &mut Ticks,
    ) -> Result<CommitOutcome, Error> {
        if deciding.end == ChainEnd::TakeBack {
            return Ok(outcome);
        }
        if !self.budgets.spend(deciding.caller, reason, ticks.next()) {
            assert!(!reason.is_final(), "what is final is tried before it is decided");
            return Err(budget_spent());
        }
        let record = RefusalRecord {
            id: deciding.view.id.0,
            digest: deciding.digest,
            reason,
            index,
            count: 1,
            actor_bytes: actor_bytes(deciding.view.actor),
        };
        let time = ticks.take();
        let lsn = self.append_record(time, &Record::Refusal(record), deciding.view.actor);
        let position = Position { epoch: self.log.epoch, lsn };
        Ok(match outcome {
            CommitOutcome::Refused(refused) => {
                CommitOutcome::Refused(CommitRefused { position, timestamp: time, ..refused })
            }
            outcome => outcome,
        })
    }
}

fn unmet_stop(unmet: Unmet, reason: RefusalReason, index: u32) -> Stop {
    Stop::Answer(Box::new(CommitOutcome::Unmet(unmet)), Some((reason, index)))
}

pub(super) fn actor_bytes(actor: &[u8]) -> u16 {
    u16::try_from(actor.len()).expect("actor contexts are bounded")
}

fn budget_spent() -> Error {
    Error::new(
        ErrorKind::Busy,
        "too many of this caller's requests were refused in the last minute to put this one on \
         record as well; nothing happened: mend what is refused, then send it again",
    )
}
