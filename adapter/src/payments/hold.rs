//! The holds of a transaction: of its money and of its limits. They are placed, posted and voided together, in this
//! order, so the money's expires first.

use super::limits::Span;
use super::record::TransferOpen;
use crate::accounts::chart;
use crate::id::{Id, Transaction};
use crate::money::Money;
use florin_ledger::{AccountId, Amount, Transfer, TransferFlags, TransferId};

/// Which holds of a transaction: for the time that it takes, or for a person to look at it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Round {
    /// Minutes.
    First,
    /// Days.
    Review,
}

/// No id has it, whose first bits are a time.
const REVIEW_BIT: u128 = 1 << 127;

impl Round {
    /// The holds that a transfer has now.
    pub(super) fn of(open: &TransferOpen) -> Round {
        if open.case_id.is_some() { Round::Review } else { Round::First }
    }

    /// The hold of the money.
    pub(super) fn money(self, transaction: Id<Transaction>) -> TransferId {
        TransferId(match self {
            Round::First => transaction.number(),
            Round::Review => transaction.number() | REVIEW_BIT,
        })
    }

    /// The hold of a limit.
    pub(super) fn limit(self, transaction: Id<Transaction>, span: Span) -> TransferId {
        span.hold_id(self.money(transaction).0)
    }
}

/// The transaction whose money was held.
pub(super) fn transaction_of(TransferId(hold): TransferId) -> Id<Transaction> {
    Id::from_number(hold & !REVIEW_BIT)
}

/// What posts or voids the holds that a transfer has now. `id_of` gives each of them its own id.
pub(super) fn resolutions(
    open: &TransferOpen,
    flags: TransferFlags,
    id_of: impl Fn(&str) -> TransferId,
) -> Vec<Transfer> {
    let (round, transaction) = (Round::of(open), open.transaction_id);
    let is_posted = flags == TransferFlags::POST_PENDING_TRANSFER;
    let resolution = |what: &str, pending_id, code| Transfer {
        id: id_of(what),
        pending_id,
        amount: if is_posted { Amount::MAX } else { Amount::ZERO },
        user_data_128: transaction.number(),
        code,
        flags,
        ..Transfer::default()
    };
    let mut all = vec![resolution("money", round.money(transaction), chart::TRANSFER)];
    if open.has_limits {
        all.extend(
            Span::ALL.map(|span| {
                resolution(span.name(), round.limit(transaction, span), chart::LIMIT_USE)
            }),
        );
    }
    all
}

/// The same holds again, for a person to look at the transfer.
pub(super) fn for_review(open: &TransferOpen, timeout: u32) -> Vec<Transfer> {
    let transaction = open.transaction_id;
    let amount = Money { currency: open.currency_code, cents: open.amount_cents.into() }.amount();
    let money = Transfer {
        id: Round::Review.money(transaction),
        debit_account_id: AccountId(open.source_account_id.number()),
        credit_account_id: AccountId(open.destination_account_id.number()),
        amount,
        user_data_128: transaction.number(),
        timeout,
        ledger: open.currency_code.ledger(),
        code: chart::TRANSFER,
        flags: TransferFlags::PENDING,
        ..Transfer::default()
    };
    let of_limit = |span: Span| Transfer {
        id: Round::Review.limit(transaction, span),
        debit_account_id: span.account_id(open.source_account_id),
        credit_account_id: chart::limits().id,
        ledger: chart::LIMITS_LEDGER,
        code: chart::LIMIT_USE,
        ..money
    };
    let mut all = vec![money];
    if open.has_limits {
        all.extend(Span::ALL.map(of_limit));
    }
    all
}
