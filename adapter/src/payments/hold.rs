//! The holds of a transaction: of its money and of its limits. They are placed, posted and voided together, in this
//! order, so the money's expires first.

use super::limits::Span;
use super::record::TransferOpen;
use crate::accounts::chart;
use crate::clock::{SECOND, after};
use crate::id::{Account, Id, Transaction};
use crate::money::Money;
use florin_ledger::{AccountId, Amount, Timestamp, Transfer, TransferFlags, TransferId};

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

    /// How long money is held if nobody goes on with the transfer: five minutes, five days.
    fn seconds(self) -> u32 {
        match self {
            Round::First => 300,
            Round::Review => 5 * 24 * 3_600,
        }
    }

    /// When holds that are placed now expire, by the adapter's clock.
    pub(super) fn ends(self, now: Timestamp) -> Timestamp {
        after(now, u64::from(self.seconds()) * SECOND)
    }

    /// The id of the hold of the money.
    pub(super) fn money(self, transaction: Id<Transaction>) -> TransferId {
        TransferId(match self {
            Round::First => transaction.number(),
            Round::Review => transaction.number() | REVIEW_BIT,
        })
    }

    /// The id of the hold of a limit.
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
pub(super) fn for_review(open: &TransferOpen) -> Vec<Transfer> {
    let holding = Holding {
        transaction: open.transaction_id,
        source: open.source_account_id,
        destination: open.destination_account_id,
        money: Money { currency: open.currency_code, cents: open.amount_cents.into() },
    };
    let mut all = vec![holding.money(Round::Review)];
    if open.has_limits {
        all.extend(Span::ALL.map(|span| holding.limit(Round::Review, span)));
    }
    all
}

/// What is held for a transaction, in whichever round.
#[derive(Clone, Copy)]
pub(super) struct Holding {
    pub(super) transaction: Id<Transaction>,
    pub(super) source: Id<Account>,
    pub(super) destination: Id<Account>,
    pub(super) money: Money,
}

impl Holding {
    /// The hold of the money.
    pub(super) fn money(&self, round: Round) -> Transfer {
        Transfer {
            id: round.money(self.transaction),
            debit_account_id: AccountId(self.source.number()),
            credit_account_id: AccountId(self.destination.number()),
            amount: self.money.amount(),
            user_data_128: self.transaction.number(),
            timeout: round.seconds(),
            ledger: self.money.currency.ledger(),
            code: chart::TRANSFER,
            flags: TransferFlags::PENDING,
            ..Transfer::default()
        }
    }

    /// The hold of a limit.
    pub(super) fn limit(&self, round: Round, span: Span) -> Transfer {
        Transfer {
            id: round.limit(self.transaction, span),
            debit_account_id: span.account_id(self.source),
            credit_account_id: chart::limits().id,
            ledger: chart::LIMITS_LEDGER,
            code: chart::LIMIT_USE,
            ..self.money(round)
        }
    }
}
