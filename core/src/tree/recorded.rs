//! Compares captures of balances with the log, while somebody reads it from the first frame to the last.

use crate::engine::ask::AccountPosition;
use crate::error::Error;
use crate::log::{FrameView, LogReader, ReadError};
use crate::reads::state_before;
use florin_ledger::record::{DocumentChange, Record};
use florin_ledger::{Ledger, Lsn, Slot, TableId};
use florin_proof::{AccountTree, Capture};

/// The comparison.
#[derive(Default)]
pub(crate) struct CaptureCheck {
    /// Where each account was opened, in order of slots.
    opened: Vec<Lsn>,
    /// The accounts of the last capture, in order of ids, which are big-endian.
    order: Vec<([u8; 16], Slot)>,
}

impl CaptureCheck {
    /// Takes the next frame, which was applied to the ledger, and says what does not hold of it. O(accounts) for each
    /// capture in it, and what was posted since its position is read again.
    ///
    /// # Errors
    /// As any read of the log.
    pub(crate) fn frame(
        &mut self,
        frame: &FrameView<'_>,
        log: &LogReader,
        ledger: &Ledger,
    ) -> Result<Vec<String>, Error> {
        let mut findings = Vec::new();
        for stored in frame.records_with_payloads() {
            let (stored, payload) = stored.map_err(ReadError::from)?;
            if let Record::Account(_) = stored.record {
                self.opened.push(stored.lsn);
            }
            let Record::Document(record) = stored.record else { continue };
            if record.table != TableId::BALANCES || record.change != DocumentChange::Put {
                continue;
            }
            let (key, value) = payload.split_at(usize::from(record.key_bytes));
            let Some(capture) = Capture::of_document(key, value) else { continue };
            let is_past = capture.position <= stored.lsn;
            if !is_past || !self.is_given(&capture, frame.after().lsn, log, ledger)? {
                findings.push(format!(
                    "the balances whose root is recorded at {} for {} are not those that the log gives: who put it \
                     there had others, ask a standby and whoever has proofs",
                    stored.lsn, capture.position
                ));
            }
        }
        Ok(findings)
    }

    fn is_given(
        &mut self,
        capture: &Capture,
        durable: Lsn,
        log: &LogReader,
        ledger: &Ledger,
    ) -> Result<bool, Error> {
        let count = self.opened.partition_point(|lsn| *lsn < capture.position);
        if u64::try_from(count) != Ok(capture.accounts) {
            return Ok(false);
        }
        if count < self.order.len() {
            // Of an earlier position than the one before, which nobody makes.
            self.order.clear();
        }
        let account = |slot| AccountPosition::of(ledger, slot).expect("slots have no gaps");
        for slot in self.order.len()..count {
            let slot = Slot(u32::try_from(slot).expect("slots are 32 bits"));
            self.order.push((account(slot).account.id.0.to_be_bytes(), slot));
        }
        // Stable: what is in order already is only merged.
        self.order.sort();
        let mut tree = AccountTree::default();
        for (_, slot) in &self.order {
            let now = account(*slot);
            let state = state_before(log, durable, now, capture.position, &|| true)?;
            tree.push(&state.leaf(now.account.id));
        }
        Ok(tree.root() == capture.root)
    }
}
