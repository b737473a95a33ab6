//! Events as a test fills them in.

use florin_ledger::{
    Account, AccountFlags, AccountId, Amount, Code, LedgerId, Transfer, TransferFlags, TransferId,
};

pub(crate) const EURO: LedgerId = LedgerId(978);

pub(crate) fn account(id: u128) -> Account {
    Account { id: AccountId(id), ledger: EURO, code: Code(1), ..Account::default() }
}

/// An account that can't be overdrawn.
pub(crate) fn purse(id: u128) -> Account {
    Account { flags: AccountFlags::DEBITS_MUST_NOT_EXCEED_CREDITS, ..account(id) }
}

pub(crate) fn transfer(id: u128, from: u128, to: u128, amount: u128) -> Transfer {
    Transfer {
        id: TransferId(id),
        debit_account_id: AccountId(from),
        credit_account_id: AccountId(to),
        amount: Amount(amount),
        ledger: EURO,
        code: Code(1),
        ..Transfer::default()
    }
}

/// Expires after so many seconds; never after none.
pub(crate) fn hold(id: u128, from: u128, to: u128, amount: u128, timeout: u32) -> Transfer {
    Transfer { flags: TransferFlags::PENDING, timeout, ..transfer(id, from, to, amount) }
}

/// Posts a hold wholly.
pub(crate) fn post(id: u128, hold: u128) -> Transfer {
    Transfer {
        id: TransferId(id),
        pending_id: TransferId(hold),
        amount: Amount::MAX,
        flags: TransferFlags::POST_PENDING_TRANSFER,
        ..Transfer::default()
    }
}

pub(crate) fn void(id: u128, hold: u128) -> Transfer {
    Transfer {
        id: TransferId(id),
        pending_id: TransferId(hold),
        flags: TransferFlags::VOID_PENDING_TRANSFER,
        ..Transfer::default()
    }
}

/// The same, linked to the next.
pub(crate) fn linked(transfer: Transfer) -> Transfer {
    Transfer { flags: transfer.flags.with(TransferFlags::LINKED), ..transfer }
}
