//! The answer to an id that is taken: `exists` if the repeat says what the original said, otherwise
//! the first field in which it differs.

use crate::account::Account;
use crate::amount::Amount;
use crate::decide_transfer::{BALANCING, RESOLVING};
use crate::id::{AccountId, Code, LedgerId, Slot, Timestamp};
use crate::journal::{Journal, PastHold};
use crate::state::Ledger;
use crate::status::{
    AccountResult, CreateAccountStatus, CreateTransferStatus, EventResult, TransferResult,
};
use crate::transfer::{Transfer, TransferFlags};

/// Compares a repeat of an account with the one in this slot, its flags as they were given.
pub(crate) fn account_exists(
    ledger: &Ledger,
    event: &Account,
    slot: Slot,
    time: Timestamp,
) -> AccountResult {
    let row = ledger.accounts.row_known(slot);
    let original = ledger.account_at(slot).expect("a slot that was found has an account");
    let status = if event.flags != row.flags_given {
        CreateAccountStatus::ExistsWithDifferentFlags
    } else if event.user_data_128 != original.user_data_128 {
        CreateAccountStatus::ExistsWithDifferentUserData128
    } else if event.user_data_64 != original.user_data_64 {
        CreateAccountStatus::ExistsWithDifferentUserData64
    } else if event.user_data_32 != original.user_data_32 {
        CreateAccountStatus::ExistsWithDifferentUserData32
    } else if event.ledger != original.ledger {
        CreateAccountStatus::ExistsWithDifferentLedger
    } else if event.code != original.code {
        CreateAccountStatus::ExistsWithDifferentCode
    } else {
        return EventResult { status: CreateAccountStatus::Exists, timestamp: original.timestamp };
    };
    EventResult { status, timestamp: time }
}

/// Compares a repeat of a transfer with the original as it took effect.
#[cold]
pub(crate) fn transfer_exists(
    ledger: &Ledger,
    event: &Transfer,
    original: &Transfer,
    time: Timestamp,
    journal: &impl Journal,
) -> TransferResult {
    assert!(event.id == original.id, "the journal answers for the id that it was asked");
    match check_same(ledger, event, original, journal) {
        Ok(()) => {
            EventResult { status: CreateTransferStatus::Exists, timestamp: original.timestamp }
        }
        Err(status) => EventResult { status, timestamp: time },
    }
}

/// Flags come first: they decide how the other fields are compared.
fn check_same(
    ledger: &Ledger,
    event: &Transfer,
    original: &Transfer,
    journal: &impl Journal,
) -> Result<(), CreateTransferStatus> {
    if event.flags != original.flags {
        return Err(CreateTransferStatus::ExistsWithDifferentFlags);
    }
    if event.pending_id != original.pending_id {
        return Err(CreateTransferStatus::ExistsWithDifferentPendingId);
    }
    if event.timeout != original.timeout {
        return Err(CreateTransferStatus::ExistsWithDifferentTimeout);
    }
    if !event.flags.intersects(RESOLVING) {
        let same_amount = if event.flags.intersects(BALANCING) {
            // The bound may be any that allows what was moved.
            original.amount <= event.amount
        } else {
            event.amount == original.amount
        };
        return check_fields(event, original, same_amount);
    }
    assert!(ledger.hold(event.pending_id).is_none(), "a resolved hold is not live");
    let PastHold::Settled(hold, _) = journal.past_hold(ledger, event.pending_id) else {
        unreachable!("a post or void that was created has settled its hold");
    };
    let is_void = event.flags.contains(TransferFlags::VOID_PENDING_TRANSFER);
    let says_all = if is_void { Amount::ZERO } else { Amount::MAX };
    let amount = if event.amount == says_all { hold.amount } else { event.amount };
    check_fields(&meaning(event, &hold), original, amount == original.amount)
}

/// A post or void with what it leaves out taken from its hold.
fn meaning(event: &Transfer, hold: &Transfer) -> Transfer {
    let mut meant = *event;
    if meant.debit_account_id == AccountId::ZERO {
        meant.debit_account_id = hold.debit_account_id;
    }
    if meant.credit_account_id == AccountId::ZERO {
        meant.credit_account_id = hold.credit_account_id;
    }
    if meant.user_data_128 == 0 {
        meant.user_data_128 = hold.user_data_128;
    }
    if meant.user_data_64 == 0 {
        meant.user_data_64 = hold.user_data_64;
    }
    if meant.user_data_32 == 0 {
        meant.user_data_32 = hold.user_data_32;
    }
    if meant.ledger == LedgerId(0) {
        meant.ledger = hold.ledger;
    }
    if meant.code == Code(0) {
        meant.code = hold.code;
    }
    meant
}

fn check_fields(
    event: &Transfer,
    original: &Transfer,
    same_amount: bool,
) -> Result<(), CreateTransferStatus> {
    if event.debit_account_id != original.debit_account_id {
        return Err(CreateTransferStatus::ExistsWithDifferentDebitAccountId);
    }
    if event.credit_account_id != original.credit_account_id {
        return Err(CreateTransferStatus::ExistsWithDifferentCreditAccountId);
    }
    if !same_amount {
        return Err(CreateTransferStatus::ExistsWithDifferentAmount);
    }
    if event.user_data_128 != original.user_data_128 {
        return Err(CreateTransferStatus::ExistsWithDifferentUserData128);
    }
    if event.user_data_64 != original.user_data_64 {
        return Err(CreateTransferStatus::ExistsWithDifferentUserData64);
    }
    if event.user_data_32 != original.user_data_32 {
        return Err(CreateTransferStatus::ExistsWithDifferentUserData32);
    }
    if event.ledger != original.ledger {
        return Err(CreateTransferStatus::ExistsWithDifferentLedger);
    }
    if event.code != original.code {
        return Err(CreateTransferStatus::ExistsWithDifferentCode);
    }
    Ok(())
}
