//! The trial balance of every ledger, summed afresh over the engine's own rows while it goes on.
//!
//! The rows are asked for in steps of a few thousand, each a fraction of a millisecond of the
//! engine's time, and each answer says which position of the log its rows reflect. When all rows
//! were summed, the records between the first position and the last are read from the log, and what
//! a step's rows did not have yet is added to its ledger. The sums are then exact at one position,
//! the last, and every one of them comes from the rows: a row that is wrong makes them wrong.

use super::{Check, Eyes, Halt, Progress};
use crate::engine::ask::{Answer, Ask, RowSums};
use crate::error::Error;
use crate::log::geometry::CELL_BYTES;
use crate::log::{Frames, LogReader, ReadError};
use florin_ledger::record::Record;
use florin_ledger::trial::{LedgerSums, Movement};
use florin_ledger::{Lsn, Slot, TransferFlags};
use std::collections::BTreeMap;

/// One pass after the other.
pub(super) struct TrialPass {
    rows_per_ask: u32,
    asks_per_step: u32,
    sums: LedgerSums,
    /// For each step the first slot of its rows and the position that they reflect.
    steps: BTreeMap<u32, Lsn>,
    /// The slot that is next.
    slot: u32,
    /// Where the frame ends before which every record is reflected by every row.
    frame_end: Lsn,
    catching_up: Option<Frames>,
}

/// Rows summed by one question: 256 KiB of memory for the engine to read.
const ROWS_PER_ASK: u32 = 2_048;
/// Questions in one step, each asked when the one before was answered.
const ASKS_PER_STEP: u32 = 8;
/// Bytes of log read in one step of catching up.
const STEP_BYTES: u64 = 128 << 10;
/// What summing a row counts against the rate: it reads memory, not the disk.
const ROW_BYTES: u64 = 16;

impl Default for TrialPass {
    fn default() -> TrialPass {
        TrialPass::in_pieces(ROWS_PER_ASK, ASKS_PER_STEP)
    }
}

impl TrialPass {
    /// A pass that asks for so many rows at once, so often in one step.
    pub(super) fn in_pieces(rows_per_ask: u32, asks_per_step: u32) -> TrialPass {
        TrialPass {
            rows_per_ask,
            asks_per_step,
            sums: LedgerSums::default(),
            steps: BTreeMap::new(),
            slot: 0,
            frame_end: Lsn::NONE,
            catching_up: None,
        }
    }

    pub(super) fn step(&mut self, eyes: &Eyes) -> Result<Progress, Halt> {
        let stepped = match self.catching_up.take() {
            Some(frames) => self.catch_up(eyes, frames),
            None => self.sum_rows(eyes),
        };
        if stepped.as_ref().is_ok_and(|progress| progress.is_pass_over) || stepped.is_err() {
            *self = TrialPass::in_pieces(self.rows_per_ask, self.asks_per_step);
        }
        stepped
    }

    fn sum_rows(&mut self, eyes: &Eyes) -> Result<Progress, Halt> {
        let mut rows_count = 0;
        for _ in 0..self.asks_per_step {
            let ask = Ask::Rows { from: Slot(self.slot), count: self.rows_per_ask };
            let rows = match eyes.ask(ask)? {
                Answer::Rows(rows) => rows,
                _ => unreachable!("rows are answered by rows"),
            };
            if self.steps.is_empty() {
                self.frame_end = rows.frame_end;
            }
            rows_count += u64::from(rows.count);
            if let Some(frames) = self.add(eyes, &rows)? {
                self.catching_up = Some(frames);
                break;
            }
        }
        Ok(Progress { bytes: rows_count * ROW_BYTES, is_pass_over: false })
    }

    /// Adds a step's rows; after the last it gives the scan of what they did not have yet.
    fn add(&mut self, eyes: &Eyes, rows: &RowSums) -> Result<Option<Frames>, Halt> {
        self.sums.add_all(&rows.sums);
        self.steps.insert(self.slot, rows.at);
        self.slot += rows.count;
        if rows.count == self.rows_per_ask {
            return Ok(None);
        }
        let durable = eyes.durable.get();
        let from = eyes.log.position_at(self.frame_end, durable).map_err(Error::from);
        match from {
            Ok(from) => Ok(Some(eyes.log.frames(from, durable))),
            Err(error) => {
                eyes.report(Check::TrialBalance, Some(self.frame_end), &error.to_string());
                Err(Halt::Later)
            }
        }
    }

    /// Brings every step's rows to the position of the last.
    fn catch_up(&mut self, eyes: &Eyes, mut frames: Frames) -> Result<Progress, Halt> {
        let (&last_slot, &end) = self.steps.last_key_value().expect("the rows were summed");
        assert!(last_slot <= self.slot);
        let durable = eyes.durable.get();
        let mut bytes = 0;
        while bytes < STEP_BYTES {
            if end <= frames.position().lsn {
                return Ok(self.conclude(eyes, end, bytes));
            }
            let caught = match frames.next() {
                Ok(Some(frame)) => {
                    bytes += frame.stored_bytes();
                    frame.records().try_for_each(|stored| {
                        let stored = stored.map_err(ReadError::from)?;
                        if stored.lsn < end {
                            bytes += self.catch(&eyes.log, durable, stored.lsn, &stored.record)?;
                        }
                        Ok::<(), Error>(())
                    })
                }
                Ok(None) => Err(frames.check_whole().err().map_or_else(
                    || Error::corrupt("the log ends before a position that was durable"),
                    Error::from,
                )),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = caught {
                let at = frames.position().lsn;
                eyes.report(Check::TrialBalance, Some(at), &error.to_string());
                return Err(Halt::Later);
            }
        }
        self.catching_up = Some(frames);
        Ok(Progress { bytes, is_pass_over: false })
    }

    /// Adds what a record moved to the sums of those rows that did not have it yet. Says how many
    /// bytes were read for it.
    fn catch(
        &mut self,
        log: &LogReader,
        durable: Lsn,
        lsn: Lsn,
        record: &Record,
    ) -> Result<u64, Error> {
        let (debit_slot, credit_slot) = match record {
            Record::Transfer(transfer) => (transfer.debit_slot, transfer.credit_slot),
            Record::Expiry(expiry) => (expiry.debit_slot, expiry.credit_slot),
            _ => return Ok(0),
        };
        let (lacks_debit, lacks_credit) =
            (self.lacks(debit_slot, lsn), self.lacks(credit_slot, lsn));
        if !lacks_debit && !lacks_credit {
            return Ok(0);
        }
        let (movement, bytes) = movement_of(log, durable, record)?;
        if lacks_debit {
            self.sums.debit(&movement);
        }
        if lacks_credit {
            self.sums.credit(&movement);
        }
        Ok(bytes)
    }

    /// Whether the row of a slot was summed before the record at a position.
    fn lacks(&self, slot: Slot, lsn: Lsn) -> bool {
        let step = self.steps.range(..=slot.0).next_back();
        step.is_some_and(|(_, at)| *at <= lsn)
    }

    fn conclude(&mut self, eyes: &Eyes, end: Lsn, bytes: u64) -> Progress {
        for (ledger, balance) in self.sums.unbalanced() {
            let message = format!(
                "ledger {ledger} does not balance: posted debits {} and credits {}, pending debits \
                 {} and credits {}: stop, run `florin verify`, restore a backup",
                balance.debits_posted,
                balance.credits_posted,
                balance.debits_pending,
                balance.credits_pending
            );
            eyes.report(Check::TrialBalance, Some(end), &message);
        }
        eyes.metrics.summed(end, self.sums.clone(), eyes.clock.elapsed());
        Progress { bytes, is_pass_over: true }
    }
}

/// What a posting moves, and the bytes that were read to know it.
fn movement_of(log: &LogReader, durable: Lsn, record: &Record) -> Result<(Movement, u64), Error> {
    let hold_of = |lsn: Lsn| match log.record(lsn, durable)?.record {
        Record::Transfer(hold) => Ok(hold),
        _ => Err(Error::corrupt(format!("the record at {lsn} is no hold: run `florin verify`"))),
    };
    Ok(match record {
        Record::Transfer(transfer) if !transfer.pending.is_some() => {
            let is_hold = transfer.flags.contains(TransferFlags::PENDING);
            let movement = if is_hold {
                Movement::held(transfer.ledger, transfer.amount)
            } else {
                Movement::posted(transfer.ledger, transfer.amount)
            };
            (movement, 0)
        }
        Record::Transfer(transfer) => {
            let hold = hold_of(transfer.pending)?;
            let is_void = transfer.flags.contains(TransferFlags::VOID_PENDING_TRANSFER);
            let movement = Movement::released(transfer.ledger, hold.amount);
            let movement = if is_void { movement } else { movement.and_posted(transfer.amount) };
            (movement, CELL_BYTES)
        }
        Record::Expiry(expiry) => {
            let hold = hold_of(expiry.hold)?;
            (Movement::released(hold.ledger, expiry.amount), CELL_BYTES)
        }
        _ => unreachable!("only postings move balances"),
    })
}
