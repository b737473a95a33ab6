//! What a benchmark sends: every account and transfer is a pure function of the flags and of its
//! index, so the same flags send the same work whatever the timing, nothing is kept between making
//! a transfer and checking it, and making one costs less than reading it back from memory would.
//!
//! Transfers are sent in groups, one batch each. Within a group of `n`, transfer `i` of the first
//! half may be a hold that transfer `i + n/2` posts: a post never overtakes its hold, and they
//! don't stand side by side either. With batches of one, a group is two batches, sent one after
//! the other.

use clap::ValueEnum;
use florin_ledger::{
    Account, AccountId, Amount, Code, LedgerId, Transfer, TransferFlags, TransferId,
};
use std::ops::Range;

/// The ledger of every account: no currency, whose numbers have three digits, so that a server that
/// is in use can be measured without posting into its books.
pub(crate) const LEDGER: LedgerId = LedgerId(1_000_000);
const CODE: Code = Code(1);
/// Amounts are 1 to this.
const AMOUNT_MAX: u64 = 10_000;

/// In which order transfer ids come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum IdOrder {
    /// Each above the one before, as time-ordered ids are
    Sequential,
    /// All over the place, as random UUIDs are
    Random,
    /// Each below the one before
    Reversed,
}

/// What is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Plan {
    /// At least two.
    pub(crate) accounts_count: u64,
    pub(crate) transfers_count: u64,
    /// Transfers per request, at least one.
    pub(crate) batch_count: u64,
    pub(crate) id_order: IdOrder,
    /// Of all transfers, how many touch the first account.
    pub(crate) hot_percent: u64,
    /// Of all transfers, how many are holds or posts of holds.
    pub(crate) pending_percent: u64,
    /// Other seeds have other ids, so that a directory can be used again.
    pub(crate) seed: u64,
}

/// Independent sources of randomness, one per question.
#[derive(Clone, Copy)]
struct Source(u64);

impl Source {
    const ID: Source = Source(1);
    const DEBIT: Source = Source(2);
    const CREDIT: Source = Source(3);
    const AMOUNT: Source = Source(4);
    const HOT: Source = Source(5);
    const PENDING: Source = Source(6);
    const INSTANT: Source = Source(7);
    const KEY: Source = Source(8);
}

/// What a transfer of a group is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    Plain,
    Hold,
    /// Of the hold at this index.
    Post(u64),
}

impl Plan {
    /// How many groups there are.
    pub(crate) fn groups_count(&self) -> u64 {
        self.transfers_count.div_ceil(self.group_count_max())
    }

    /// The transfers of a group.
    pub(crate) fn group(&self, group: u64) -> Range<u64> {
        let start = group * self.group_count_max();
        start..self.transfers_count.min(start + self.group_count_max())
    }

    /// An account to open.
    pub(crate) fn account(&self, index: u64) -> Account {
        let id = self.account_id(index);
        Account { id, ledger: LEDGER, code: CODE, ..Account::default() }
    }

    /// An account's id.
    pub(crate) fn account_id(&self, index: u64) -> AccountId {
        assert!(index < self.accounts_count, "account {index} of {}", self.accounts_count);
        AccountId((u128::from(self.seed) << 64) | u128::from(index + 1))
    }

    /// Any account, the first one as often as transfers touch it.
    pub(crate) fn any_account(&self, index: u64) -> AccountId {
        if self.random(Source::HOT, index) % 100 < self.hot_percent {
            return self.account_id(0);
        }
        self.account_id(self.random(Source::DEBIT, index) % self.accounts_count)
    }

    /// Any instant of a range, both ends included.
    pub(crate) fn any_instant(&self, index: u64, first: u64, last: u64) -> u64 {
        assert!(first <= last, "an instant from {first} to {last}");
        let span = u128::from(last - first) + 1;
        let offset = u128::from(self.random(Source::INSTANT, index)) % span;
        first + u64::try_from(offset).expect("at most last - first")
    }

    /// The key of a document, all over the place and never the same twice.
    pub(crate) fn document_key(&self, index: u64) -> [u8; 16] {
        let high = self.random(Source::KEY, index);
        ((u128::from(high) << 64) | u128::from(mix(high))).to_be_bytes()
    }

    /// A transfer to send.
    pub(crate) fn transfer(&self, index: u64) -> Transfer {
        let id = self.transfer_id(index);
        let flags = match self.role(index) {
            Role::Plain => TransferFlags::NONE,
            Role::Hold => TransferFlags::PENDING,
            Role::Post(hold) => {
                return Transfer {
                    id,
                    pending_id: self.transfer_id(hold),
                    amount: Amount::MAX,
                    flags: TransferFlags::POST_PENDING_TRANSFER,
                    ..Transfer::default()
                };
            }
        };
        let (debit, credit) = self.sides(index);
        Transfer {
            id,
            debit_account_id: self.account_id(debit),
            credit_account_id: self.account_id(credit),
            amount: self.amount(index),
            ledger: LEDGER,
            code: CODE,
            flags,
            ..Transfer::default()
        }
    }

    /// What a transfer adds to the posted debits of the ledger.
    pub(crate) fn posted(&self, index: u64) -> Amount {
        match self.role(index) {
            Role::Plain => self.amount(index),
            Role::Hold => Amount::ZERO,
            Role::Post(hold) => self.amount(hold),
        }
    }

    /// Transfers of a full group.
    fn group_count_max(&self) -> u64 {
        if self.batch_count == 1 && 0 < self.pending_percent { 2 } else { self.batch_count }
    }

    fn transfer_id(&self, index: u64) -> TransferId {
        assert!(index < self.transfers_count, "transfer {index} of {}", self.transfers_count);
        let base = u128::from(self.seed) << 64;
        TransferId(match self.id_order {
            IdOrder::Sequential => base | u128::from(index + 1),
            IdOrder::Reversed => base | u128::from(self.transfers_count - index),
            IdOrder::Random => {
                // The upper half never repeats, because `random` is one to one; the lower half is
                // neither zero nor all ones, so that no id is one of the reserved two.
                let high = self.random(Source::ID, index);
                let low = (mix(high) >> 1) | 1;
                (u128::from(high) << 64) | u128::from(low)
            }
        })
    }

    fn role(&self, index: u64) -> Role {
        let group = self.group(index / self.group_count_max());
        let half = (group.end - group.start) / 2;
        let offset = index - group.start;
        let pair = if offset < half { index } else { index.saturating_sub(half) };
        if 2 * half <= offset || self.pending_percent <= self.random(Source::PENDING, pair) % 100 {
            return Role::Plain;
        }
        if offset < half { Role::Hold } else { Role::Post(pair) }
    }

    /// The two accounts of a transfer, never the same.
    fn sides(&self, index: u64) -> (u64, u64) {
        let debit = self.random(Source::DEBIT, index) % self.accounts_count;
        let step = 1 + self.random(Source::CREDIT, index) % (self.accounts_count - 1);
        let hot = self.random(Source::HOT, index);
        if self.hot_percent <= hot % 100 {
            return (debit, (debit + step) % self.accounts_count);
        }
        // `step` is any account but the first. Bits above the percentage choose the side.
        if (hot >> 32).is_multiple_of(2) { (0, step) } else { (step, 0) }
    }

    fn amount(&self, index: u64) -> Amount {
        Amount(u128::from(1 + self.random(Source::AMOUNT, index) % AMOUNT_MAX))
    }

    /// One to one in `index`.
    fn random(&self, source: Source, index: u64) -> u64 {
        mix(mix(self.seed.wrapping_add(source.0)).wrapping_add(index.wrapping_mul(GOLDEN)))
    }
}

/// 2^64 divided by the golden ratio: odd, so multiplying by it is one to one.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finaliser of splitmix64: one to one, and every bit depends on every bit.
pub(super) fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests;
