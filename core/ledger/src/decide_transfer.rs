//! Which rule a transfer breaks, in order of precedence, or the record it becomes. Posts and voids
//! part company after the id: see `decide_resolve`.

use crate::account::AccountFlags;
use crate::accounts::AccountRow;
use crate::amount::Amount;
use crate::decide_resolve::decide_resolve;
use crate::exists::transfer_exists;
use crate::id::{AccountId, Code, LedgerId, Lsn, Slot, Timestamp, TransferId};
use crate::journal::{Journal, PastTransfer};
use crate::record::{Balances, TransferRecord};
use crate::state::Ledger;
use crate::status::{CreateTransferStatus, EventResult, TransferResult};
use crate::transfer::{Transfer, TransferFlags};

/// The flags that resolve a hold.
pub(crate) const RESOLVING: TransferFlags =
    TransferFlags::POST_PENDING_TRANSFER.with(TransferFlags::VOID_PENDING_TRANSFER);
/// The flags that make an amount an upper bound.
pub(crate) const BALANCING: TransferFlags =
    TransferFlags::BALANCING_DEBIT.with(TransferFlags::BALANCING_CREDIT);
/// The flags that close an account.
pub(crate) const CLOSING: TransferFlags =
    TransferFlags::CLOSING_DEBIT.with(TransferFlags::CLOSING_CREDIT);

/// Decides an event whose batch has nothing against it, at the time of its tick. Every hold due by
/// then has expired. `places` are the slots of its accounts, unless it resolves a hold.
#[inline]
pub(crate) fn decide_transfer(
    ledger: &Ledger,
    event: &Transfer,
    places: [Option<Slot>; 2],
    time: Timestamp,
    journal: &impl Journal,
) -> Result<TransferRecord, TransferResult> {
    let refused = |status| EventResult { status, timestamp: time };
    check_id(event).map_err(refused)?;
    match journal.past_transfer(ledger, event.id) {
        PastTransfer::Unknown => {}
        PastTransfer::Failed => return Err(refused(CreateTransferStatus::IdAlreadyFailed)),
        PastTransfer::Created(original) => {
            return Err(transfer_exists(ledger, event, &original, time, journal));
        }
    }
    if event.flags.intersects(RESOLVING) {
        return decide_resolve(ledger, event, time, journal).map_err(refused);
    }
    decide_posting(ledger, event, places, time).map_err(refused)
}

#[inline]
fn check_id(event: &Transfer) -> Result<(), CreateTransferStatus> {
    if !TransferFlags::ALL.contains(event.flags) {
        return Err(CreateTransferStatus::ReservedFlag);
    }
    match event.id {
        TransferId::ZERO => Err(CreateTransferStatus::IdMustNotBeZero),
        TransferId::MAX => Err(CreateTransferStatus::IdMustNotBeIntMax),
        _ => Ok(()),
    }
}

/// Either side of a transfer.
struct Sides<'a> {
    debit_slot: Slot,
    debit: &'a AccountRow,
    credit_slot: Slot,
    credit: &'a AccountRow,
}

/// A transfer or hold that stands by itself.
#[inline]
fn decide_posting(
    ledger: &Ledger,
    event: &Transfer,
    places: [Option<Slot>; 2],
    time: Timestamp,
) -> Result<TransferRecord, CreateTransferStatus> {
    check_fields(event)?;
    let sides = find_sides(ledger, event, places)?;
    let mut timestamp = time;
    if event.flags.contains(TransferFlags::IMPORTED) {
        check_imported(ledger, event)?;
        check_imported_posting(event, &sides)?;
        timestamp = event.timestamp;
    }
    assert!(sides.debit.timestamp < timestamp, "an account is older than its transfers");
    assert!(sides.credit.timestamp < timestamp, "an account is older than its transfers");
    if sides.debit.is_closed() {
        return Err(CreateTransferStatus::DebitAccountAlreadyClosed);
    }
    if sides.credit.is_closed() {
        return Err(CreateTransferStatus::CreditAccountAlreadyClosed);
    }
    let amount = balanced(event, &sides.debit.balances, &sides.credit.balances);
    check_overflow(event, amount, timestamp, &sides)?;
    check_limits(amount, &sides)?;
    Ok(TransferRecord {
        id: event.id,
        amount,
        user_data_128: event.user_data_128,
        user_data_64: event.user_data_64,
        user_data_32: event.user_data_32,
        debit_slot: sides.debit_slot,
        credit_slot: sides.credit_slot,
        debit_prev: sides.debit.last_posting,
        credit_prev: sides.credit.last_posting,
        pending: Lsn::NONE,
        timeout: event.timeout,
        ledger: event.ledger,
        code: event.code,
        flags: event.flags,
        imported_timestamp: event.timestamp,
    })
}

#[inline]
fn check_fields(event: &Transfer) -> Result<(), CreateTransferStatus> {
    match event.debit_account_id {
        AccountId::ZERO => return Err(CreateTransferStatus::DebitAccountIdMustNotBeZero),
        AccountId::MAX => return Err(CreateTransferStatus::DebitAccountIdMustNotBeIntMax),
        _ => {}
    }
    match event.credit_account_id {
        AccountId::ZERO => return Err(CreateTransferStatus::CreditAccountIdMustNotBeZero),
        AccountId::MAX => return Err(CreateTransferStatus::CreditAccountIdMustNotBeIntMax),
        _ => {}
    }
    if event.debit_account_id == event.credit_account_id {
        return Err(CreateTransferStatus::AccountsMustBeDifferent);
    }
    if event.pending_id != TransferId::ZERO {
        return Err(CreateTransferStatus::PendingIdMustBeZero);
    }
    if !event.flags.contains(TransferFlags::PENDING) {
        if event.timeout != 0 {
            return Err(CreateTransferStatus::TimeoutReservedForPendingTransfer);
        }
        if event.flags.intersects(CLOSING) {
            return Err(CreateTransferStatus::ClosingTransferMustBePending);
        }
    }
    if event.ledger == LedgerId(0) {
        return Err(CreateTransferStatus::LedgerMustNotBeZero);
    }
    if event.code == Code(0) {
        return Err(CreateTransferStatus::CodeMustNotBeZero);
    }
    Ok(())
}

#[inline]
fn find_sides<'a>(
    ledger: &'a Ledger,
    event: &Transfer,
    places: [Option<Slot>; 2],
) -> Result<Sides<'a>, CreateTransferStatus> {
    let [debit_slot, credit_slot] = places;
    let debit_slot = debit_slot.ok_or(CreateTransferStatus::DebitAccountNotFound)?;
    let credit_slot = credit_slot.ok_or(CreateTransferStatus::CreditAccountNotFound)?;
    let debit = ledger.accounts.row_known(debit_slot);
    let credit = ledger.accounts.row_known(credit_slot);
    debug_assert!(debit.id == event.debit_account_id, "accounts never move");
    debug_assert!(credit.id == event.credit_account_id, "accounts never move");
    if debit.ledger != credit.ledger {
        return Err(CreateTransferStatus::AccountsMustHaveTheSameLedger);
    }
    if event.ledger != debit.ledger {
        return Err(CreateTransferStatus::TransferMustHaveTheSameLedgerAsAccounts);
    }
    Ok(Sides { debit_slot, debit, credit_slot, credit })
}

/// Imported timestamps rise from transfer to transfer, are after every expiry, and are no
/// account's.
pub(crate) fn check_imported(
    ledger: &Ledger,
    event: &Transfer,
) -> Result<(), CreateTransferStatus> {
    let rises = ledger.totals.last_posting_timestamp < event.timestamp;
    if !rises || ledger.accounts.has_account_at(event.timestamp) {
        return Err(CreateTransferStatus::ImportedEventTimestampMustNotRegress);
    }
    Ok(())
}

fn check_imported_posting(event: &Transfer, sides: &Sides) -> Result<(), CreateTransferStatus> {
    if event.timestamp <= sides.debit.timestamp {
        return Err(CreateTransferStatus::ImportedEventTimestampMustPostdateDebitAccount);
    }
    if event.timestamp <= sides.credit.timestamp {
        return Err(CreateTransferStatus::ImportedEventTimestampMustPostdateCreditAccount);
    }
    // Its time is another system's, so no timer can run on it.
    if event.timeout != 0 {
        return Err(CreateTransferStatus::ImportedEventTimeoutMustBeZero);
    }
    Ok(())
}

/// The amount, cut to what is left between the debits and credits of a balancing side.
#[inline]
fn balanced(event: &Transfer, debit: &Balances, credit: &Balances) -> Amount {
    let mut amount = event.amount;
    if event.flags.contains(TransferFlags::BALANCING_DEBIT) {
        let debits = debit.debits_pending.checked_add(debit.debits_posted).expect(SUM_FITS);
        amount = amount.min(debit.credits_posted.saturating_sub(debits));
    }
    if event.flags.contains(TransferFlags::BALANCING_CREDIT) {
        let credits = credit.credits_pending.checked_add(credit.credits_posted).expect(SUM_FITS);
        amount = amount.min(credit.debits_posted.saturating_sub(credits));
    }
    amount
}

const SUM_FITS: &str = "no posting lets pending and posted together overflow";

#[inline]
fn check_overflow(
    event: &Transfer,
    amount: Amount,
    timestamp: Timestamp,
    sides: &Sides,
) -> Result<(), CreateTransferStatus> {
    let debit = &sides.debit.balances;
    let credit = &sides.credit.balances;
    let overflows = |sum: Amount| sum.checked_add(amount).is_none();
    if event.flags.contains(TransferFlags::PENDING) {
        if overflows(debit.debits_pending) {
            return Err(CreateTransferStatus::OverflowsDebitsPending);
        }
        if overflows(credit.credits_pending) {
            return Err(CreateTransferStatus::OverflowsCreditsPending);
        }
    }
    if overflows(debit.debits_posted) {
        return Err(CreateTransferStatus::OverflowsDebitsPosted);
    }
    if overflows(credit.credits_posted) {
        return Err(CreateTransferStatus::OverflowsCreditsPosted);
    }
    if overflows(debit.debits_pending.checked_add(debit.debits_posted).expect(SUM_FITS)) {
        return Err(CreateTransferStatus::OverflowsDebits);
    }
    if overflows(credit.credits_pending.checked_add(credit.credits_posted).expect(SUM_FITS)) {
        return Err(CreateTransferStatus::OverflowsCredits);
    }
    if timestamp.after_seconds(event.timeout).is_none() {
        return Err(CreateTransferStatus::OverflowsTimeout);
    }
    Ok(())
}

/// Whether either account's own limit allows the amount; no sum overflows any more.
#[inline]
fn check_limits(amount: Amount, sides: &Sides) -> Result<(), CreateTransferStatus> {
    let exceeds = |pending: Amount, posted: Amount, limit: Amount| {
        let sum = pending.checked_add(posted).and_then(|sum| sum.checked_add(amount));
        limit < sum.expect(SUM_FITS)
    };
    let debit = sides.debit;
    if debit.flags.contains(AccountFlags::DEBITS_MUST_NOT_EXCEED_CREDITS) {
        let Balances { debits_pending, debits_posted, credits_posted, .. } = debit.balances;
        if exceeds(debits_pending, debits_posted, credits_posted) {
            return Err(CreateTransferStatus::ExceedsCredits);
        }
    }
    let credit = sides.credit;
    if credit.flags.contains(AccountFlags::CREDITS_MUST_NOT_EXCEED_DEBITS) {
        let Balances { credits_pending, credits_posted, debits_posted, .. } = credit.balances;
        if exceeds(credits_pending, credits_posted, debits_posted) {
            return Err(CreateTransferStatus::ExceedsDebits);
        }
    }
    Ok(())
}
