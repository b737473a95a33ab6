//! What a batch needs to know of its events. Accounts and transfers share chains, clocks and the
//! rules of imports; they differ in everything here.

use crate::account::{Account, AccountFlags};
use crate::decide_account::decide_account;
use crate::decide_transfer::{RESOLVING, decide_transfer};
use crate::id::{Slot, Timestamp};
use crate::journal::Journal;
use crate::record::{FailedRecord, Record, RefusalReason};
use crate::state::Ledger;
use crate::status::{
    AccountResult, CreateAccountStatus, CreateTransferStatus, EventResult, TransferResult,
};
use crate::transfer::{Transfer, TransferFlags};
use core::hint::black_box;

/// An event of a batch.
pub(crate) trait Event: Copy {
    /// What an event is answered.
    type Status: Copy;
    /// Where the accounts are that it names.
    type Places: Copy;

    const CHAIN_FAILED: Self::Status;
    const CHAIN_OPEN: Self::Status;
    const IMPORTED_EXPECTED: Self::Status;
    const IMPORTED_NOT_EXPECTED: Self::Status;
    const TIMESTAMP_MUST_BE_ZERO: Self::Status;
    const TIMESTAMP_OUT_OF_RANGE: Self::Status;
    const TIMESTAMP_MUST_NOT_ADVANCE: Self::Status;

    fn is_created(status: Self::Status) -> bool;
    /// Why an event with this status was refused; `None` if it was created, now or before.
    fn refusal(status: Self::Status) -> Option<RefusalReason>;
    fn id(&self) -> u128;
    fn is_linked(&self) -> bool;
    fn is_imported(&self) -> bool;
    fn timestamp(&self) -> Timestamp;

    /// Looks up the accounts that the event names. What it answers must hold until the event is
    /// executed, whatever the events before it in the batch do.
    fn places(&self, ledger: &Ledger) -> Self::Places;

    /// Decides by the rules, and commits what was decided.
    fn execute(
        &self,
        places: Self::Places,
        ledger: &mut Ledger,
        time: Timestamp,
        journal: &mut impl Journal,
    ) -> EventResult<Self::Status>;

    /// What is remembered of a failure.
    fn remembered(&self, status: Self::Status) -> Option<FailedRecord>;
}

impl Event for Account {
    type Status = CreateAccountStatus;
    type Places = ();

    const CHAIN_FAILED: Self::Status = CreateAccountStatus::LinkedEventFailed;
    const CHAIN_OPEN: Self::Status = CreateAccountStatus::LinkedEventChainOpen;
    const IMPORTED_EXPECTED: Self::Status = CreateAccountStatus::ImportedEventExpected;
    const IMPORTED_NOT_EXPECTED: Self::Status = CreateAccountStatus::ImportedEventNotExpected;
    const TIMESTAMP_MUST_BE_ZERO: Self::Status = CreateAccountStatus::TimestampMustBeZero;
    const TIMESTAMP_OUT_OF_RANGE: Self::Status =
        CreateAccountStatus::ImportedEventTimestampOutOfRange;
    const TIMESTAMP_MUST_NOT_ADVANCE: Self::Status =
        CreateAccountStatus::ImportedEventTimestampMustNotAdvance;

    fn is_created(status: Self::Status) -> bool {
        status == CreateAccountStatus::Created
    }

    fn refusal(status: Self::Status) -> Option<RefusalReason> {
        match status {
            CreateAccountStatus::Created | CreateAccountStatus::Exists => None,
            status => Some(RefusalReason::BatchAccount(status)),
        }
    }

    fn id(&self) -> u128 {
        self.id.0
    }

    fn is_linked(&self) -> bool {
        self.flags.contains(AccountFlags::LINKED)
    }

    fn is_imported(&self) -> bool {
        self.flags.contains(AccountFlags::IMPORTED)
    }

    fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// An account may repeat one that is opened just before it, so what is found now is not used; but
    /// where to look is near when its turn comes.
    fn places(&self, ledger: &Ledger) {
        black_box(ledger.slot(self.id));
    }

    fn execute(
        &self,
        (): (),
        ledger: &mut Ledger,
        time: Timestamp,
        journal: &mut impl Journal,
    ) -> AccountResult {
        match decide_account(ledger, self, time, journal) {
            Ok(record) => {
                ledger.commit(time, &Record::Account(record), journal);
                let timestamp = if self.is_imported() { self.timestamp } else { time };
                EventResult { status: CreateAccountStatus::Created, timestamp }
            }
            Err(refused) => refused,
        }
    }

    /// Whether an account can be opened never depends on anything that passes by itself.
    fn remembered(&self, _status: Self::Status) -> Option<FailedRecord> {
        None
    }
}

impl Event for Transfer {
    type Status = CreateTransferStatus;
    type Places = [Option<Slot>; 2];

    const CHAIN_FAILED: Self::Status = CreateTransferStatus::LinkedEventFailed;
    const CHAIN_OPEN: Self::Status = CreateTransferStatus::LinkedEventChainOpen;
    const IMPORTED_EXPECTED: Self::Status = CreateTransferStatus::ImportedEventExpected;
    const IMPORTED_NOT_EXPECTED: Self::Status = CreateTransferStatus::ImportedEventNotExpected;
    const TIMESTAMP_MUST_BE_ZERO: Self::Status = CreateTransferStatus::TimestampMustBeZero;
    const TIMESTAMP_OUT_OF_RANGE: Self::Status =
        CreateTransferStatus::ImportedEventTimestampOutOfRange;
    const TIMESTAMP_MUST_NOT_ADVANCE: Self::Status =
        CreateTransferStatus::ImportedEventTimestampMustNotAdvance;

    #[inline]
    fn is_created(status: Self::Status) -> bool {
        status == CreateTransferStatus::Created
    }

    fn refusal(status: Self::Status) -> Option<RefusalReason> {
        match status {
            CreateTransferStatus::Created | CreateTransferStatus::Exists => None,
            status => Some(RefusalReason::BatchTransfer(status)),
        }
    }

    fn id(&self) -> u128 {
        self.id.0
    }

    #[inline]
    fn is_linked(&self) -> bool {
        self.flags.contains(TransferFlags::LINKED)
    }

    #[inline]
    fn is_imported(&self) -> bool {
        self.flags.contains(TransferFlags::IMPORTED)
    }

    #[inline]
    fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// A batch of transfers opens no account.
    #[inline]
    fn places(&self, ledger: &Ledger) -> Self::Places {
        if self.flags.intersects(RESOLVING) {
            return [None; 2]; // It goes by its hold.
        }
        let accounts = &ledger.accounts;
        [self.debit_account_id, self.credit_account_id].map(|id| accounts.slot_to_move(id))
    }

    #[inline]
    fn execute(
        &self,
        places: Self::Places,
        ledger: &mut Ledger,
        time: Timestamp,
        journal: &mut impl Journal,
    ) -> TransferResult {
        match decide_transfer(ledger, self, places, time, journal) {
            Ok(record) => {
                let slots = [record.debit_slot, record.credit_slot];
                ledger.commit_posting(time, &Record::Transfer(record), slots, journal);
                let timestamp = if self.is_imported() { self.timestamp } else { time };
                EventResult { status: CreateTransferStatus::Created, timestamp }
            }
            Err(refused) => refused,
        }
    }

    #[inline]
    fn remembered(&self, status: Self::Status) -> Option<FailedRecord> {
        status.is_transient().then_some(FailedRecord { id: self.id, status })
    }
}
