//! Batches whose reply was lost, and what became of the chains in them.
//!
//! A chain that took effect without our knowing answers the second attempt with `exists` for its
//! first member, which breaks it, and `linked_event_failed` for the others. That reads as a chain
//! that failed, and whoever believes it pays again. So after a loss the members of such a chain are
//! looked up: if all of them are there, each is answered `exists`, as it would be alone.

use crate::call::{Call, CreateAccounts, CreateTransfers, LookupAccounts, LookupTransfers};
use crate::error::ClientError;
use crate::path::{Asked, Path};
use florin_ledger::{
    Account, AccountFlags, Amount, CreateAccountStatus, CreateTransferStatus, EventResult,
    Position, Timestamp, Transfer, TransferFlags,
};
use std::ops::Range;
use tokio::time::Instant;

/// What a batch consists of.
pub(crate) trait Event: Copy + Send + Sync {
    type Status: Copy + PartialEq + Send;
    type Create: Call<Answer = Vec<EventResult<Self::Status>>>;
    type Lookup: Call<Answer = Vec<Option<Self>>>;
    const EXISTS: Self::Status;
    const LINKED_EVENT_FAILED: Self::Status;

    fn create(events: &[Self]) -> Self::Create;
    fn look_up(events: impl Iterator<Item = Self>) -> Self::Lookup;
    fn is_linked(&self) -> bool;
    fn timestamp(&self) -> Timestamp;

    /// Whether `stored` is what this event becomes, as far as what is stored shows it.
    fn became(&self, stored: &Self) -> bool;
}

/// Creates a batch, and settles the chains that a lost attempt left in doubt.
pub(crate) async fn create<E: Event>(
    path: &Path,
    events: &[E],
    attempts_max: u32,
    deadline: Instant,
) -> Result<Vec<EventResult<E::Status>>, ClientError> {
    let asked = path.ask(&E::create(events), Position::NONE, attempts_max, deadline).await?;
    let Asked { answer: mut results, after_loss } = asked;
    let chains = if after_loss { in_doubt(events, &results) } else { Vec::new() };
    if chains.is_empty() {
        return Ok(results);
    }
    let members = chains.iter().flat_map(|chain| events[chain.clone()].iter().copied());
    let looking_up = E::look_up(members);
    let found = path.ask(&looking_up, Position::NONE, attempts_max, deadline).await;
    let found = found.map_err(|error| ClientError::Unknown {
        message: format!("a chain's reply was lost and its members were not found out: {error}"),
    })?;
    let mut found = found.answer.as_slice();
    for chain in chains {
        let (stored, rest) = found.split_at(chain.len());
        found = rest;
        settle(&events[chain.clone()], stored, &mut results[chain]);
    }
    Ok(results)
}

/// The chains that broke at a member that exists.
fn in_doubt<E: Event>(events: &[E], results: &[EventResult<E::Status>]) -> Vec<Range<usize>> {
    assert_eq!(events.len(), results.len(), "an answer has a result for each event");
    let mut chains = Vec::new();
    let mut start = 0;
    for chain in events.split_inclusive(|event| !event.is_linked()) {
        let range = start..start + chain.len();
        start = range.end;
        let mut statuses = results[range.clone()].iter().map(|result| result.status);
        let broke = statuses.find(|status| *status != E::LINKED_EVENT_FAILED);
        if 1 < chain.len() && broke == Some(E::EXISTS) {
            chains.push(range);
        }
    }
    chains
}

fn settle<E: Event>(chain: &[E], stored: &[Option<E>], results: &mut [EventResult<E::Status>]) {
    let is_there = |(event, stored): (&E, &Option<E>)| {
        stored.as_ref().is_some_and(|stored| event.became(stored))
    };
    if !chain.iter().zip(stored).all(is_there) {
        return;
    }
    for (result, stored) in results.iter_mut().zip(stored.iter().flatten()) {
        *result = EventResult { status: E::EXISTS, timestamp: stored.timestamp() };
    }
}

impl Event for Account {
    type Status = CreateAccountStatus;
    type Create = CreateAccounts;
    type Lookup = LookupAccounts;
    const EXISTS: CreateAccountStatus = CreateAccountStatus::Exists;
    const LINKED_EVENT_FAILED: CreateAccountStatus = CreateAccountStatus::LinkedEventFailed;

    fn create(events: &[Account]) -> CreateAccounts {
        CreateAccounts::new(events)
    }

    fn look_up(events: impl Iterator<Item = Account>) -> LookupAccounts {
        LookupAccounts(events.map(|account| account.id).collect())
    }

    fn is_linked(&self) -> bool {
        self.flags.contains(AccountFlags::LINKED)
    }

    fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    fn became(&self, stored: &Account) -> bool {
        // Balances move, and accounts are closed and opened again.
        let closed = AccountFlags::CLOSED.0;
        let comparable = Account {
            debits_pending: self.debits_pending,
            debits_posted: self.debits_posted,
            credits_pending: self.credits_pending,
            credits_posted: self.credits_posted,
            flags: AccountFlags(stored.flags.0 & !closed | self.flags.0 & closed),
            timestamp: self.timestamp,
            ..*stored
        };
        *self == comparable
    }
}

impl Event for Transfer {
    type Status = CreateTransferStatus;
    type Create = CreateTransfers;
    type Lookup = LookupTransfers;
    const EXISTS: CreateTransferStatus = CreateTransferStatus::Exists;
    const LINKED_EVENT_FAILED: CreateTransferStatus = CreateTransferStatus::LinkedEventFailed;

    fn create(events: &[Transfer]) -> CreateTransfers {
        CreateTransfers::new(events)
    }

    fn look_up(events: impl Iterator<Item = Transfer>) -> LookupTransfers {
        LookupTransfers(events.map(|transfer| transfer.id).collect())
    }

    fn is_linked(&self) -> bool {
        self.flags.contains(TransferFlags::LINKED)
    }

    fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    fn became(&self, stored: &Transfer) -> bool {
        let has = |flag| self.flags.contains(flag);
        let mut meant = Transfer { timestamp: stored.timestamp, ..*self };
        if has(TransferFlags::BALANCING_DEBIT) || has(TransferFlags::BALANCING_CREDIT) {
            // The amount is a bound: any that allows what was moved.
            meant.amount = meant.amount.min(stored.amount);
        } else if has(TransferFlags::POST_PENDING_TRANSFER) {
            fill_from_hold(&mut meant, stored, Amount::MAX);
        } else if has(TransferFlags::VOID_PENDING_TRANSFER) {
            fill_from_hold(&mut meant, stored, Amount::ZERO);
        }
        meant == *stored
    }
}

/// What a post or void leaves out is its hold's, and stands in what is stored.
fn fill_from_hold(meant: &mut Transfer, stored: &Transfer, amount_of_hold: Amount) {
    fn fill<T: PartialEq>(field: &mut T, left_out: T, stored: T) {
        if *field == left_out {
            *field = stored;
        }
    }
    fill(&mut meant.amount, amount_of_hold, stored.amount);
    let nothing = Transfer::default();
    fill(&mut meant.debit_account_id, nothing.debit_account_id, stored.debit_account_id);
    fill(&mut meant.credit_account_id, nothing.credit_account_id, stored.credit_account_id);
    fill(&mut meant.user_data_128, nothing.user_data_128, stored.user_data_128);
    fill(&mut meant.user_data_64, nothing.user_data_64, stored.user_data_64);
    fill(&mut meant.user_data_32, nothing.user_data_32, stored.user_data_32);
    fill(&mut meant.ledger, nothing.ledger, stored.ledger);
    fill(&mut meant.code, nothing.code, stored.code);
}

#[cfg(test)]
mod tests {
    use super::Event;
    use florin_ledger::{
        Account, AccountFlags, AccountId, Amount, LedgerId, Timestamp, Transfer, TransferFlags,
        TransferId,
    };

    fn transfer(flags: TransferFlags, amount: Amount) -> Transfer {
        Transfer {
            id: TransferId(1),
            debit_account_id: AccountId(5),
            ledger: LedgerId(840),
            amount,
            flags,
            ..Transfer::default()
        }
    }

    /// What is stored is filled in and cut: a comparison that expects the bytes that were sent
    /// would call a posted hold "failed", one that compares nothing would confirm another's.
    #[test]
    fn a_transfer_is_known_by_what_it_becomes() {
        let (none, post, void, balancing) = (
            TransferFlags::NONE,
            TransferFlags::POST_PENDING_TRANSFER,
            TransferFlags::VOID_PENDING_TRANSFER,
            TransferFlags::BALANCING_DEBIT,
        );
        let cases = [
            (none, Amount(7), Amount(7), true),
            (none, Amount(7), Amount(6), false),
            (none, Amount(0), Amount(6), false),
            (balancing, Amount(7), Amount(6), true),
            (balancing, Amount(7), Amount(8), false),
            (post, Amount::MAX, Amount(6), true),
            (post, Amount(7), Amount(6), false),
            (void, Amount::ZERO, Amount(6), true),
        ];
        for (flags, sent, stored, same) in cases {
            let sent = transfer(flags, sent);
            let stored = Transfer { timestamp: Timestamp(9), ..transfer(flags, stored) };
            assert_eq!(sent.became(&stored), same, "{sent:?} {stored:?}");
            let bare = Transfer { debit_account_id: AccountId::ZERO, ledger: LedgerId(0), ..sent };
            let resolves = flags == post || flags == void;
            assert_eq!(bare.became(&stored), same && resolves, "{bare:?} {stored:?}");
            assert!(!sent.became(&Transfer { user_data_64: 1, ..stored }) || resolves);
            assert!(!sent.became(&Transfer { flags: TransferFlags::PENDING, ..stored }));
        }
    }

    #[test]
    fn an_account_is_known_although_it_lived_on() {
        let sent = Account { id: AccountId(1), flags: AccountFlags::LINKED, ..Account::default() };
        let flags = AccountFlags(AccountFlags::LINKED.0 | AccountFlags::CLOSED.0);
        let stored = Account { credits_posted: Amount(3), flags, timestamp: Timestamp(9), ..sent };
        assert!(sent.became(&stored));
        assert!(!sent.became(&Account { flags: AccountFlags::NONE, ..stored }));
        assert!(!sent.became(&Account { user_data_32: 1, ..stored }));
    }
}
