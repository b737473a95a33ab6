//! The whole state as bytes in a fixed order, so that two derivations can be compared: live against
//! replayed, primary against standby.

use crate::accounts::{AccountReferences, AccountRow};
use crate::holds::Hold;
use crate::id::Slot;
use crate::state::{Ledger, Totals};

impl Ledger {
    /// Hands the state to `sink` piece by piece, always in the same order: rows by slot, holds by
    /// position, totals; every field little-endian, every count before what it counts. Two ledgers
    /// that answer all questions alike give the same bytes. O(accounts + holds log holds).
    pub fn digest_into(&self, sink: &mut impl FnMut(&[u8])) {
        sink(&self.accounts_count().to_le_bytes());
        for (slot, row) in (0..).map(Slot).zip(self.accounts.rows()) {
            digest_row(row, sink);
            let references = self.accounts.references(slot).expect("every row has references");
            digest_references(references, sink);
        }
        sink(&self.holds_count().to_le_bytes());
        for hold in self.holds.sorted() {
            digest_hold(hold, sink);
        }
        digest_totals(&self.totals, sink);
    }
}

fn digest_row(row: &AccountRow, sink: &mut impl FnMut(&[u8])) {
    sink(&row.id.0.to_le_bytes());
    sink(&row.balances.debits_pending.0.to_le_bytes());
    sink(&row.balances.debits_posted.0.to_le_bytes());
    sink(&row.balances.credits_pending.0.to_le_bytes());
    sink(&row.balances.credits_posted.0.to_le_bytes());
    sink(&row.last_posting.0.to_le_bytes());
    sink(&row.last_waypoint.0.to_le_bytes());
    sink(&row.postings_count.to_le_bytes());
    sink(&row.timestamp.0.to_le_bytes());
    sink(&row.ledger.0.to_le_bytes());
    sink(&row.user_data_32.to_le_bytes());
    sink(&row.code.0.to_le_bytes());
    sink(&row.flags.0.to_le_bytes());
    sink(&row.flags_given.0.to_le_bytes());
}

fn digest_references(references: &AccountReferences, sink: &mut impl FnMut(&[u8])) {
    sink(&references.user_data_128().to_le_bytes());
    sink(&references.user_data_64().to_le_bytes());
}

fn digest_hold(hold: &Hold, sink: &mut impl FnMut(&[u8])) {
    sink(&hold.id.0.to_le_bytes());
    sink(&hold.amount.0.to_le_bytes());
    sink(&hold.user_data_128.to_le_bytes());
    sink(&hold.user_data_64.to_le_bytes());
    sink(&hold.lsn.0.to_le_bytes());
    sink(&hold.timestamp.0.to_le_bytes());
    sink(&hold.debit_slot.0.to_le_bytes());
    sink(&hold.credit_slot.0.to_le_bytes());
    sink(&hold.timeout.to_le_bytes());
    sink(&hold.user_data_32.to_le_bytes());
    sink(&hold.ledger.0.to_le_bytes());
    sink(&hold.code.0.to_le_bytes());
    sink(&hold.flags.0.to_le_bytes());
}

fn digest_totals(totals: &Totals, sink: &mut impl FnMut(&[u8])) {
    sink(&totals.last_recorded.0.to_le_bytes());
    sink(&totals.last_posting_timestamp.0.to_le_bytes());
    sink(&totals.transfers_count.to_le_bytes());
}
