//! Which rule an account breaks, in order of precedence, or the record it becomes.

use crate::account::{Account, AccountFlags};
use crate::amount::Amount;
use crate::exists::account_exists;
use crate::id::{AccountId, Code, LedgerId, Timestamp};
use crate::journal::Journal;
use crate::record::AccountRecord;
use crate::state::Ledger;
use crate::status::{AccountResult, CreateAccountStatus, EventResult};

/// Decides an event whose batch has nothing against it, at the time of its tick.
pub(crate) fn decide_account(
    ledger: &Ledger,
    event: &Account,
    time: Timestamp,
    journal: &impl Journal,
) -> Result<AccountRecord, AccountResult> {
    let refused = |status| EventResult { status, timestamp: time };
    check_id(event).map_err(refused)?;
    if let Some(slot) = ledger.slot(event.id) {
        return Err(account_exists(ledger, event, slot, time));
    }
    check_fields(event).map_err(refused)?;
    check_imported(ledger, event, journal).map_err(refused)?;
    Ok(AccountRecord {
        slot: ledger.accounts.next_slot(),
        id: event.id,
        user_data_128: event.user_data_128,
        user_data_64: event.user_data_64,
        user_data_32: event.user_data_32,
        ledger: event.ledger,
        code: event.code,
        flags: event.flags,
        imported_timestamp: event.timestamp,
    })
}

fn check_id(event: &Account) -> Result<(), CreateAccountStatus> {
    if event.reserved != 0 {
        return Err(CreateAccountStatus::ReservedField);
    }
    if event.flags.without(AccountFlags::ALL) != AccountFlags::NONE {
        return Err(CreateAccountStatus::ReservedFlag);
    }
    match event.id {
        AccountId::ZERO => Err(CreateAccountStatus::IdMustNotBeZero),
        AccountId::MAX => Err(CreateAccountStatus::IdMustNotBeIntMax),
        _ => Ok(()),
    }
}

fn check_fields(event: &Account) -> Result<(), CreateAccountStatus> {
    let both_limits = AccountFlags::DEBITS_MUST_NOT_EXCEED_CREDITS
        .with(AccountFlags::CREDITS_MUST_NOT_EXCEED_DEBITS);
    if event.flags.contains(both_limits) {
        return Err(CreateAccountStatus::FlagsAreMutuallyExclusive);
    }
    if event.debits_pending != Amount::ZERO {
        return Err(CreateAccountStatus::DebitsPendingMustBeZero);
    }
    if event.debits_posted != Amount::ZERO {
        return Err(CreateAccountStatus::DebitsPostedMustBeZero);
    }
    if event.credits_pending != Amount::ZERO {
        return Err(CreateAccountStatus::CreditsPendingMustBeZero);
    }
    if event.credits_posted != Amount::ZERO {
        return Err(CreateAccountStatus::CreditsPostedMustBeZero);
    }
    if event.ledger == LedgerId(0) {
        return Err(CreateAccountStatus::LedgerMustNotBeZero);
    }
    if event.code == Code(0) {
        return Err(CreateAccountStatus::CodeMustNotBeZero);
    }
    Ok(())
}

/// Imported timestamps rise from account to account and are no transfer's.
fn check_imported(
    ledger: &Ledger,
    event: &Account,
    journal: &impl Journal,
) -> Result<(), CreateAccountStatus> {
    if !event.flags.contains(AccountFlags::IMPORTED) {
        assert!(event.timestamp == Timestamp::NONE, "the batch refuses a live event's timestamp");
        return Ok(());
    }
    let rises = ledger.accounts.last_timestamp() < event.timestamp;
    if !rises || journal.has_transfer_at(event.timestamp) {
        return Err(CreateAccountStatus::ImportedEventTimestampMustNotRegress);
    }
    Ok(())
}
