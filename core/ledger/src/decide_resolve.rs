//! Which rule a post or void breaks, in order of precedence, or the record it becomes.

use crate::amount::Amount;
use crate::decide_transfer::{BALANCING, CLOSING, RESOLVING, check_imported};
use crate::holds::Hold;
use crate::id::{AccountId, Code, LedgerId, Lsn, Timestamp, TransferId};
use crate::journal::{HoldOutcome, Journal, PastHold};
use crate::record::TransferRecord;
use crate::state::Ledger;
use crate::status::CreateTransferStatus;
use crate::transfer::{Transfer, TransferFlags};

/// Decides a post or void whose id is free.
pub(crate) fn decide_resolve(
    ledger: &Ledger,
    event: &Transfer,
    time: Timestamp,
    journal: &impl Journal,
) -> Result<TransferRecord, CreateTransferStatus> {
    check_fields(event)?;
    let Some(hold) = ledger.holds.by_id(event.pending_id) else {
        return Err(refuse_settled(ledger, event, journal));
    };
    let debit = ledger.accounts.row_known(hold.debit_slot);
    let credit = ledger.accounts.row_known(hold.credit_slot);
    let terms = Terms {
        debit_account_id: debit.id,
        credit_account_id: credit.id,
        amount: hold.amount,
        ledger: hold.ledger,
        code: hold.code,
    };
    let amount = terms.amount_of(event)?;
    assert!(hold.expires_at().is_none_or(|expiry| time < expiry), "what is due has expired");
    let is_imported = event.flags.contains(TransferFlags::IMPORTED);
    if is_imported {
        check_imported(ledger, event)?;
    }
    let timestamp = if is_imported { event.timestamp } else { time };
    assert!(hold.timestamp < timestamp, "a hold is older than what resolves it");
    // Of all that could move a closed account, only the release of a hold is allowed.
    if event.flags.contains(TransferFlags::POST_PENDING_TRANSFER) {
        if debit.is_closed() {
            return Err(CreateTransferStatus::DebitAccountAlreadyClosed);
        }
        if credit.is_closed() {
            return Err(CreateTransferStatus::CreditAccountAlreadyClosed);
        }
    }
    let prevs = [debit.last_posting, credit.last_posting];
    Ok(resolving(event, hold, amount, prevs))
}

fn check_fields(event: &Transfer) -> Result<(), CreateTransferStatus> {
    let others = TransferFlags::PENDING.with(BALANCING).with(CLOSING);
    if event.flags.contains(RESOLVING) || event.flags.intersects(others) {
        return Err(CreateTransferStatus::FlagsAreMutuallyExclusive);
    }
    match event.pending_id {
        TransferId::ZERO => return Err(CreateTransferStatus::PendingIdMustNotBeZero),
        TransferId::MAX => return Err(CreateTransferStatus::PendingIdMustNotBeIntMax),
        _ => {}
    }
    if event.pending_id == event.id {
        return Err(CreateTransferStatus::PendingIdMustBeDifferent);
    }
    if event.timeout != 0 {
        return Err(CreateTransferStatus::TimeoutReservedForPendingTransfer);
    }
    Ok(())
}

/// What a post or void is compared with.
struct Terms {
    debit_account_id: AccountId,
    credit_account_id: AccountId,
    amount: Amount,
    ledger: LedgerId,
    code: Code,
}

impl Terms {
    /// The amount that the event posts or releases, if it says nothing else than the hold.
    fn amount_of(&self, event: &Transfer) -> Result<Amount, CreateTransferStatus> {
        let debit = event.debit_account_id;
        if debit != AccountId::ZERO && debit != self.debit_account_id {
            return Err(CreateTransferStatus::PendingTransferHasDifferentDebitAccountId);
        }
        let credit = event.credit_account_id;
        if credit != AccountId::ZERO && credit != self.credit_account_id {
            return Err(CreateTransferStatus::PendingTransferHasDifferentCreditAccountId);
        }
        if event.ledger != LedgerId(0) && event.ledger != self.ledger {
            return Err(CreateTransferStatus::PendingTransferHasDifferentLedger);
        }
        if event.code != Code(0) && event.code != self.code {
            return Err(CreateTransferStatus::PendingTransferHasDifferentCode);
        }
        let is_void = event.flags.contains(TransferFlags::VOID_PENDING_TRANSFER);
        let says_all = if is_void { Amount::ZERO } else { Amount::MAX };
        let amount = if event.amount == says_all { self.amount } else { event.amount };
        if self.amount < amount {
            return Err(CreateTransferStatus::ExceedsPendingTransferAmount);
        }
        if is_void && amount < self.amount {
            return Err(CreateTransferStatus::PendingTransferHasDifferentAmount);
        }
        Ok(amount)
    }
}

/// Why a hold that is not live can't be resolved.
#[cold]
fn refuse_settled(
    ledger: &Ledger,
    event: &Transfer,
    journal: &impl Journal,
) -> CreateTransferStatus {
    let (hold, outcome) = match journal.past_hold(ledger, event.pending_id) {
        PastHold::Unknown => return CreateTransferStatus::PendingTransferNotFound,
        PastHold::NotPending => return CreateTransferStatus::PendingTransferNotPending,
        PastHold::Settled(hold, outcome) => (hold, outcome),
    };
    let terms = Terms {
        debit_account_id: hold.debit_account_id,
        credit_account_id: hold.credit_account_id,
        amount: hold.amount,
        ledger: hold.ledger,
        code: hold.code,
    };
    match (terms.amount_of(event), outcome) {
        (Err(status), _) => status,
        (Ok(_), HoldOutcome::Posted) => CreateTransferStatus::PendingTransferAlreadyPosted,
        (Ok(_), HoldOutcome::Voided) => CreateTransferStatus::PendingTransferAlreadyVoided,
        (Ok(_), HoldOutcome::Expired) => CreateTransferStatus::PendingTransferExpired,
    }
}

/// The event's own references where it gives any, everything else from the hold.
fn resolving(event: &Transfer, hold: &Hold, amount: Amount, prevs: [Lsn; 2]) -> TransferRecord {
    let [debit_prev, credit_prev] = prevs;
    let mut record = TransferRecord {
        id: event.id,
        amount,
        user_data_128: event.user_data_128,
        user_data_64: event.user_data_64,
        user_data_32: event.user_data_32,
        debit_slot: hold.debit_slot,
        credit_slot: hold.credit_slot,
        debit_prev,
        credit_prev,
        pending: hold.lsn,
        timeout: 0,
        ledger: hold.ledger,
        code: hold.code,
        flags: event.flags,
        imported_timestamp: event.timestamp,
    };
    if record.user_data_128 == 0 {
        record.user_data_128 = hold.user_data_128;
    }
    if record.user_data_64 == 0 {
        record.user_data_64 = hold.user_data_64;
    }
    if record.user_data_32 == 0 {
        record.user_data_32 = hold.user_data_32;
    }
    record
}
