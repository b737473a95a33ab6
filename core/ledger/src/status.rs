//! The answers to an event, named for the rule that was broken, in order of precedence: of several
//! broken rules, the one listed first is answered. A status is a number on the wire and in the log
//! (its place in the list, from 0) and a name everywhere else; neither ever changes.

use crate::id::Timestamp;

macro_rules! statuses {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $number:literal $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`")] $variant = $number,)*
        }

        impl $name {
            /// Every status, in order of precedence.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// The name that JSON and the shell use.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            /// The number that the wire and the log use.
            #[must_use]
            pub const fn number(self) -> u8 {
                match self { $($name::$variant => $number,)* }
            }

            /// The status of a number, `None` for a number that no status has.
            #[must_use]
            pub const fn from_number(number: u8) -> Option<$name> {
                match number { $($number => Some($name::$variant),)* _ => None }
            }
        }
    };
}

statuses! {
    /// The answer to one account of a batch.
    CreateAccountStatus {
        Created = 0 "created",
        LinkedEventFailed = 1 "linked_event_failed",
        LinkedEventChainOpen = 2 "linked_event_chain_open",
        ImportedEventExpected = 3 "imported_event_expected",
        ImportedEventNotExpected = 4 "imported_event_not_expected",
        TimestampMustBeZero = 5 "timestamp_must_be_zero",
        ImportedEventTimestampOutOfRange = 6 "imported_event_timestamp_out_of_range",
        ImportedEventTimestampMustNotAdvance = 7 "imported_event_timestamp_must_not_advance",
        ReservedField = 8 "reserved_field",
        ReservedFlag = 9 "reserved_flag",
        IdMustNotBeZero = 10 "id_must_not_be_zero",
        IdMustNotBeIntMax = 11 "id_must_not_be_int_max",
        ExistsWithDifferentFlags = 12 "exists_with_different_flags",
        ExistsWithDifferentUserData128 = 13 "exists_with_different_user_data_128",
        ExistsWithDifferentUserData64 = 14 "exists_with_different_user_data_64",
        ExistsWithDifferentUserData32 = 15 "exists_with_different_user_data_32",
        ExistsWithDifferentLedger = 16 "exists_with_different_ledger",
        ExistsWithDifferentCode = 17 "exists_with_different_code",
        Exists = 18 "exists",
        FlagsAreMutuallyExclusive = 19 "flags_are_mutually_exclusive",
        DebitsPendingMustBeZero = 20 "debits_pending_must_be_zero",
        DebitsPostedMustBeZero = 21 "debits_posted_must_be_zero",
        CreditsPendingMustBeZero = 22 "credits_pending_must_be_zero",
        CreditsPostedMustBeZero = 23 "credits_posted_must_be_zero",
        LedgerMustNotBeZero = 24 "ledger_must_not_be_zero",
        CodeMustNotBeZero = 25 "code_must_not_be_zero",
        ImportedEventTimestampMustNotRegress = 26 "imported_event_timestamp_must_not_regress",
    }
}

statuses! {
    /// The answer to one transfer of a batch.
    CreateTransferStatus {
        Created = 0 "created",
        LinkedEventFailed = 1 "linked_event_failed",
        LinkedEventChainOpen = 2 "linked_event_chain_open",
        ImportedEventExpected = 3 "imported_event_expected",
        ImportedEventNotExpected = 4 "imported_event_not_expected",
        TimestampMustBeZero = 5 "timestamp_must_be_zero",
        ImportedEventTimestampOutOfRange = 6 "imported_event_timestamp_out_of_range",
        ImportedEventTimestampMustNotAdvance = 7 "imported_event_timestamp_must_not_advance",
        ReservedFlag = 8 "reserved_flag",
        IdMustNotBeZero = 9 "id_must_not_be_zero",
        IdMustNotBeIntMax = 10 "id_must_not_be_int_max",
        ExistsWithDifferentFlags = 11 "exists_with_different_flags",
        ExistsWithDifferentPendingId = 12 "exists_with_different_pending_id",
        ExistsWithDifferentTimeout = 13 "exists_with_different_timeout",
        ExistsWithDifferentDebitAccountId = 14 "exists_with_different_debit_account_id",
        ExistsWithDifferentCreditAccountId = 15 "exists_with_different_credit_account_id",
        ExistsWithDifferentAmount = 16 "exists_with_different_amount",
        ExistsWithDifferentUserData128 = 17 "exists_with_different_user_data_128",
        ExistsWithDifferentUserData64 = 18 "exists_with_different_user_data_64",
        ExistsWithDifferentUserData32 = 19 "exists_with_different_user_data_32",
        ExistsWithDifferentLedger = 20 "exists_with_different_ledger",
        ExistsWithDifferentCode = 21 "exists_with_different_code",
        Exists = 22 "exists",
        IdAlreadyFailed = 23 "id_already_failed",
        FlagsAreMutuallyExclusive = 24 "flags_are_mutually_exclusive",
        DebitAccountIdMustNotBeZero = 25 "debit_account_id_must_not_be_zero",
        DebitAccountIdMustNotBeIntMax = 26 "debit_account_id_must_not_be_int_max",
        CreditAccountIdMustNotBeZero = 27 "credit_account_id_must_not_be_zero",
        CreditAccountIdMustNotBeIntMax = 28 "credit_account_id_must_not_be_int_max",
        AccountsMustBeDifferent = 29 "accounts_must_be_different",
        PendingIdMustBeZero = 30 "pending_id_must_be_zero",
        PendingIdMustNotBeZero = 31 "pending_id_must_not_be_zero",
        PendingIdMustNotBeIntMax = 32 "pending_id_must_not_be_int_max",
        PendingIdMustBeDifferent = 33 "pending_id_must_be_different",
        TimeoutReservedForPendingTransfer = 34 "timeout_reserved_for_pending_transfer",
        ClosingTransferMustBePending = 35 "closing_transfer_must_be_pending",
        LedgerMustNotBeZero = 36 "ledger_must_not_be_zero",
        CodeMustNotBeZero = 37 "code_must_not_be_zero",
        DebitAccountNotFound = 38 "debit_account_not_found",
        CreditAccountNotFound = 39 "credit_account_not_found",
        AccountsMustHaveTheSameLedger = 40 "accounts_must_have_the_same_ledger",
        TransferMustHaveTheSameLedgerAsAccounts = 41 "transfer_must_have_the_same_ledger_as_accounts",
        PendingTransferNotFound = 42 "pending_transfer_not_found",
        PendingTransferNotPending = 43 "pending_transfer_not_pending",
        PendingTransferHasDifferentDebitAccountId = 44 "pending_transfer_has_different_debit_account_id",
        PendingTransferHasDifferentCreditAccountId = 45 "pending_transfer_has_different_credit_account_id",
        PendingTransferHasDifferentLedger = 46 "pending_transfer_has_different_ledger",
        PendingTransferHasDifferentCode = 47 "pending_transfer_has_different_code",
        ExceedsPendingTransferAmount = 48 "exceeds_pending_transfer_amount",
        PendingTransferHasDifferentAmount = 49 "pending_transfer_has_different_amount",
        PendingTransferAlreadyPosted = 50 "pending_transfer_already_posted",
        PendingTransferAlreadyVoided = 51 "pending_transfer_already_voided",
        PendingTransferExpired = 52 "pending_transfer_expired",
        ImportedEventTimestampMustNotRegress = 53 "imported_event_timestamp_must_not_regress",
        ImportedEventTimestampMustPostdateDebitAccount = 54 "imported_event_timestamp_must_postdate_debit_account",
        ImportedEventTimestampMustPostdateCreditAccount = 55 "imported_event_timestamp_must_postdate_credit_account",
        ImportedEventTimeoutMustBeZero = 56 "imported_event_timeout_must_be_zero",
        DebitAccountAlreadyClosed = 57 "debit_account_already_closed",
        CreditAccountAlreadyClosed = 58 "credit_account_already_closed",
        OverflowsDebitsPending = 59 "overflows_debits_pending",
        OverflowsCreditsPending = 60 "overflows_credits_pending",
        OverflowsDebitsPosted = 61 "overflows_debits_posted",
        OverflowsCreditsPosted = 62 "overflows_credits_posted",
        OverflowsDebits = 63 "overflows_debits",
        OverflowsCredits = 64 "overflows_credits",
        OverflowsTimeout = 65 "overflows_timeout",
        ExceedsCredits = 66 "exceeds_credits",
        ExceedsDebits = 67 "exceeds_debits",
    }
}

impl CreateTransferStatus {
    /// Whether the reason may pass by itself (an account may be opened, funds may arrive). The id
    /// of a transfer that failed so is remembered and can never be used again: a caller that was
    /// told "insufficient funds" must not see the same id succeed later.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(
            self,
            CreateTransferStatus::DebitAccountNotFound
                | CreateTransferStatus::CreditAccountNotFound
                | CreateTransferStatus::PendingTransferNotFound
                | CreateTransferStatus::ExceedsCredits
                | CreateTransferStatus::ExceedsDebits
                | CreateTransferStatus::DebitAccountAlreadyClosed
                | CreateTransferStatus::CreditAccountAlreadyClosed
        )
    }
}

/// The answer to one event: what became of it, and when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventResult<Status> {
    /// What became of it.
    pub status: Status,
    /// `created`: when it took effect. `exists`: when the original did. Otherwise: when it was
    /// judged.
    pub timestamp: Timestamp,
}

/// The answer to one account of a batch.
pub type AccountResult = EventResult<CreateAccountStatus>;
/// The answer to one transfer of a batch.
pub type TransferResult = EventResult<CreateTransferStatus>;
