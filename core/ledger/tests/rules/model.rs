//! A naive ledger, written from the rules as a banker would tell them, sharing nothing with the real
//! one but names: maps of everything, chains by copying the whole bank, expiry by looking at every
//! hold, the first broken rule of a list.

use florin_ledger::CreateAccountStatus as A;
use florin_ledger::CreateTransferStatus as T;
use florin_ledger::{Account, AccountFlags, Amount, Code, LedgerId, Transfer, TransferFlags};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    NoHold,
    Live,
    Posted,
    Voided,
    Expired,
}

#[derive(Clone, Default)]
pub(crate) struct Model {
    state: State,
    /// The next nanosecond.
    pub(crate) clock: u64,
}

#[derive(Clone, Default)]
struct State {
    /// Accounts, and their flags as they were given.
    accounts: BTreeMap<u128, (Account, AccountFlags)>,
    transfers: BTreeMap<u128, (Transfer, Fate)>,
    failed: BTreeSet<u128>,
    last_expiry: u64,
}

type Answer<S> = (S, u64);

impl Model {
    pub(crate) fn starting_at(clock: u64) -> Model {
        Model { state: State::default(), clock }
    }

    pub(crate) fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.state.accounts.values().map(|(account, _)| account)
    }

    pub(crate) fn transfers_count(&self) -> usize {
        self.state.transfers.len()
    }

    pub(crate) fn holds_count(&self) -> usize {
        self.state.transfers.values().filter(|(_, fate)| *fate == Fate::Live).count()
    }

    pub(crate) fn create_accounts(&mut self, events: &[Account]) -> Vec<Answer<A>> {
        let end = self.clock + u64::try_from(events.len()).expect("it fits") - 1;
        let imports = events[0].flags.contains(AccountFlags::IMPORTED);
        self.chains(
            events,
            |event| event.flags.contains(AccountFlags::LINKED),
            [A::Created, A::LinkedEventFailed, A::LinkedEventChainOpen],
            |state, event, now| {
                let imported = event.flags.contains(AccountFlags::IMPORTED);
                let stamp = event.timestamp.0;
                let broken = first_broken([
                    (imports && !imported, A::ImportedEventExpected),
                    (!imports && imported, A::ImportedEventNotExpected),
                    (!imported && stamp != 0, A::TimestampMustBeZero),
                    (imported && !valid(stamp), A::ImportedEventTimestampOutOfRange),
                    (imported && end <= stamp, A::ImportedEventTimestampMustNotAdvance),
                ]);
                broken.map_or_else(|| state.open(event, now), |status| (status, now))
            },
            |_, _, _| (),
        )
    }

    pub(crate) fn create_transfers(&mut self, events: &[Transfer]) -> Vec<Answer<T>> {
        let end = self.clock + u64::try_from(events.len()).expect("it fits") - 1;
        let imports = events[0].flags.contains(TransferFlags::IMPORTED);
        self.chains(
            events,
            |event| event.flags.contains(TransferFlags::LINKED),
            [T::Created, T::LinkedEventFailed, T::LinkedEventChainOpen],
            |state, event, now| {
                let imported = event.flags.contains(TransferFlags::IMPORTED);
                let stamp = event.timestamp.0;
                let broken = first_broken([
                    (imports && !imported, T::ImportedEventExpected),
                    (!imports && imported, T::ImportedEventNotExpected),
                    (!imported && stamp != 0, T::TimestampMustBeZero),
                    (imported && !valid(stamp), T::ImportedEventTimestampOutOfRange),
                    (imported && end <= stamp, T::ImportedEventTimestampMustNotAdvance),
                ]);
                broken.map_or_else(|| state.transfer(event, now), |status| (status, now))
            },
            |state, event, status| {
                let passes = [
                    T::DebitAccountNotFound,
                    T::CreditAccountNotFound,
                    T::PendingTransferNotFound,
                    T::ExceedsCredits,
                    T::ExceedsDebits,
                    T::DebitAccountAlreadyClosed,
                    T::CreditAccountAlreadyClosed,
                ];
                if passes.contains(&status) {
                    state.failed.insert(event.id.0);
                }
            },
        )
    }

    pub(crate) fn expire(&mut self, count_max: usize) -> usize {
        (0..count_max).take_while(|_| self.expire_one()).count()
    }

    /// Cuts a batch into chains first, then runs chain by chain.
    fn chains<E, S: Copy + PartialEq>(
        &mut self,
        events: &[E],
        is_linked: impl Fn(&E) -> bool,
        [created, chain_failed, chain_open]: [S; 3],
        execute: impl Fn(&mut State, &E, u64) -> Answer<S>,
        remember: impl Fn(&mut State, &E, S),
    ) -> Vec<Answer<S>> {
        let mut answers = Vec::new();
        let mut rest = events;
        while !rest.is_empty() {
            let links = rest.iter().take_while(|event| is_linked(event)).count();
            let open = links == rest.len();
            let (chain, after) = rest.split_at(if open { links } else { links + 1 });
            rest = after;
            let mut before = None;
            let mut failure = None;
            let mut times = Vec::new();
            for (index, event) in chain.iter().enumerate() {
                if failure.is_none() {
                    while self.expire_one() {}
                }
                before.get_or_insert_with(|| self.state.clone());
                let now = self.tick();
                times.push(now);
                if failure.is_some() {
                    continue;
                }
                let last_of_open = open && index + 1 == chain.len();
                let (status, stamp) = if last_of_open {
                    (chain_open, now)
                } else {
                    execute(&mut self.state, event, now)
                };
                if status == created {
                    answers.push((status, stamp));
                } else {
                    failure = Some((index, (status, stamp)));
                }
            }
            let Some((failed, answer)) = failure else { continue };
            self.state.undo_but_expiries(before.expect("it is there"));
            remember(&mut self.state, &chain[failed], answer.0);
            answers.truncate(answers.len() - failed);
            for (index, now) in times.into_iter().enumerate() {
                let last_of_open = open && index + 1 == chain.len();
                answers.push(match index {
                    _ if index == failed => answer,
                    _ if last_of_open => (chain_open, now),
                    _ => (chain_failed, now),
                });
            }
        }
        answers
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock - 1
    }

    fn expire_one(&mut self) -> bool {
        let expired = self.state.expire_one(self.clock);
        self.clock += u64::from(expired);
        expired
    }
}

impl State {
    /// Goes back, but what has expired stays expired. A hold that the chain had resolved, and that
    /// is due by now, waits for the next event like any other.
    fn undo_but_expiries(&mut self, before: State) {
        let after = std::mem::replace(self, before);
        for (id, (_, fate)) in &after.transfers {
            let was = self.transfers.get(id).map(|(_, fate)| *fate);
            if *fate == Fate::Expired && was == Some(Fate::Live) {
                self.release(*id, Fate::Expired);
            }
        }
        self.last_expiry = after.last_expiry;
    }

    fn expire_one(&mut self, now: u64) -> bool {
        let due = |(transfer, fate): &(Transfer, Fate)| {
            let expiry = transfer.timestamp.0 + u64::from(transfer.timeout) * 1_000_000_000;
            (*fate == Fate::Live && transfer.timeout != 0 && expiry <= now).then_some((
                expiry,
                transfer.timestamp,
                transfer.id.0,
            ))
        };
        let Some((_, _, id)) = self.transfers.values().filter_map(due).min() else {
            return false;
        };
        self.release(id, Fate::Expired);
        self.last_expiry = now;
        true
    }

    /// Ends a hold; voids and expiries reopen what it closed.
    fn release(&mut self, id: u128, fate: Fate) {
        let (hold, was) = self.transfers.get_mut(&id).expect("it is there");
        assert_eq!(*was, Fate::Live);
        *was = fate;
        let hold = *hold;
        let debit = &mut self.accounts.get_mut(&hold.debit_account_id.0).expect("it is there").0;
        debit.debits_pending.0 -= hold.amount.0;
        if fate != Fate::Posted && hold.flags.contains(TransferFlags::CLOSING_DEBIT) {
            debit.flags.0 &= !AccountFlags::CLOSED.0;
        }
        let credit = &mut self.accounts.get_mut(&hold.credit_account_id.0).expect("it is there").0;
        credit.credits_pending.0 -= hold.amount.0;
        if fate != Fate::Posted && hold.flags.contains(TransferFlags::CLOSING_CREDIT) {
            credit.flags.0 &= !AccountFlags::CLOSED.0;
        }
    }

    fn open(&mut self, event: &Account, now: u64) -> Answer<A> {
        if let Some(status) = first_broken([
            (event.reserved != 0, A::ReservedField),
            (event.flags.0 >= 64, A::ReservedFlag),
            (event.id.0 == 0, A::IdMustNotBeZero),
            (event.id.0 == u128::MAX, A::IdMustNotBeIntMax),
        ]) {
            return (status, now);
        }
        if let Some((old, given)) = self.accounts.get(&event.id.0) {
            let differs = first_broken([
                (event.flags != *given, A::ExistsWithDifferentFlags),
                (event.user_data_128 != old.user_data_128, A::ExistsWithDifferentUserData128),
                (event.user_data_64 != old.user_data_64, A::ExistsWithDifferentUserData64),
                (event.user_data_32 != old.user_data_32, A::ExistsWithDifferentUserData32),
                (event.ledger != old.ledger, A::ExistsWithDifferentLedger),
                (event.code != old.code, A::ExistsWithDifferentCode),
            ]);
            return differs.map_or((A::Exists, old.timestamp.0), |status| (status, now));
        }
        let imported = event.flags.contains(AccountFlags::IMPORTED);
        let stamp = if imported { event.timestamp.0 } else { now };
        let newest = self.accounts.values().map(|(account, _)| account.timestamp.0).max();
        let taken = self.transfers.values().any(|(transfer, _)| transfer.timestamp.0 == stamp);
        let late = imported && (newest.is_some_and(|newest| stamp <= newest) || taken);
        let limits = [
            AccountFlags::DEBITS_MUST_NOT_EXCEED_CREDITS,
            AccountFlags::CREDITS_MUST_NOT_EXCEED_DEBITS,
        ];
        if let Some(status) = first_broken([
            (limits.iter().all(|limit| event.flags.contains(*limit)), A::FlagsAreMutuallyExclusive),
            (event.debits_pending.0 != 0, A::DebitsPendingMustBeZero),
            (event.debits_posted.0 != 0, A::DebitsPostedMustBeZero),
            (event.credits_pending.0 != 0, A::CreditsPendingMustBeZero),
            (event.credits_posted.0 != 0, A::CreditsPostedMustBeZero),
            (event.ledger.0 == 0, A::LedgerMustNotBeZero),
            (event.code.0 == 0, A::CodeMustNotBeZero),
            (late, A::ImportedEventTimestampMustNotRegress),
        ]) {
            return (status, now);
        }
        let mut account = *event;
        account.timestamp.0 = stamp;
        self.accounts.insert(event.id.0, (account, event.flags));
        (A::Created, stamp)
    }

    fn transfer(&mut self, event: &Transfer, now: u64) -> Answer<T> {
        if let Some(status) = first_broken([
            (event.flags.0 >= 512, T::ReservedFlag),
            (event.id.0 == 0, T::IdMustNotBeZero),
            (event.id.0 == u128::MAX, T::IdMustNotBeIntMax),
        ]) {
            return (status, now);
        }
        if let Some((old, _)) = self.transfers.get(&event.id.0) {
            let differs = self.differs(event, old);
            return differs.map_or((T::Exists, old.timestamp.0), |status| (status, now));
        }
        if self.failed.contains(&event.id.0) {
            return (T::IdAlreadyFailed, now);
        }
        let has = |flag| event.flags.contains(flag);
        let stamp = if has(TransferFlags::IMPORTED) { event.timestamp.0 } else { now };
        let post = has(TransferFlags::POST_PENDING_TRANSFER);
        let void = has(TransferFlags::VOID_PENDING_TRANSFER);
        let done = if post || void {
            self.resolve(event, post, void, stamp)
        } else {
            self.post(event, stamp)
        };
        match done {
            Ok(()) => (T::Created, stamp),
            Err(status) => (status, now),
        }
    }

    /// The event as it was meant: a post or void means its hold where it says nothing.
    fn meant(&self, event: &Transfer) -> Transfer {
        let void = event.flags.contains(TransferFlags::VOID_PENDING_TRANSFER);
        let post = event.flags.contains(TransferFlags::POST_PENDING_TRANSFER);
        let mut meant = *event;
        if !void && !post {
            return meant;
        }
        let hold = &self.transfers[&event.pending_id.0].0;
        let all = if void { Amount(0) } else { Amount(u128::MAX) };
        let or = |given: u128, held: u128| if given == 0 { held } else { given };
        meant.amount = if event.amount == all { hold.amount } else { event.amount };
        meant.debit_account_id.0 = or(event.debit_account_id.0, hold.debit_account_id.0);
        meant.credit_account_id.0 = or(event.credit_account_id.0, hold.credit_account_id.0);
        meant.user_data_128 = or(event.user_data_128, hold.user_data_128);
        if event.user_data_64 == 0 {
            meant.user_data_64 = hold.user_data_64;
        }
        if event.user_data_32 == 0 {
            meant.user_data_32 = hold.user_data_32;
        }
        if event.ledger == LedgerId(0) {
            meant.ledger = hold.ledger;
        }
        if event.code == Code(0) {
            meant.code = hold.code;
        }
        meant
    }

    fn differs(&self, event: &Transfer, old: &Transfer) -> Option<T> {
        if let Some(status) = first_broken([
            (event.flags != old.flags, T::ExistsWithDifferentFlags),
            (event.pending_id != old.pending_id, T::ExistsWithDifferentPendingId),
            (event.timeout != old.timeout, T::ExistsWithDifferentTimeout),
        ]) {
            return Some(status);
        }
        let new = self.meant(event);
        let balancing = TransferFlags::BALANCING_DEBIT.0 | TransferFlags::BALANCING_CREDIT.0;
        let same_amount = if event.flags.0 & balancing != 0 {
            new.amount >= old.amount
        } else {
            new.amount == old.amount
        };
        let credit_differs = new.credit_account_id != old.credit_account_id;
        first_broken([
            (new.debit_account_id != old.debit_account_id, T::ExistsWithDifferentDebitAccountId),
            (credit_differs, T::ExistsWithDifferentCreditAccountId),
            (!same_amount, T::ExistsWithDifferentAmount),
            (new.user_data_128 != old.user_data_128, T::ExistsWithDifferentUserData128),
            (new.user_data_64 != old.user_data_64, T::ExistsWithDifferentUserData64),
            (new.user_data_32 != old.user_data_32, T::ExistsWithDifferentUserData32),
            (new.ledger != old.ledger, T::ExistsWithDifferentLedger),
            (new.code != old.code, T::ExistsWithDifferentCode),
        ])
    }

    /// Imported timestamps rise within transfers, are after every expiry, and are no account's.
    fn is_late(&self, event: &Transfer, stamp: u64) -> bool {
        event.flags.contains(TransferFlags::IMPORTED)
            && (stamp <= self.last_expiry
                || self.transfers.values().any(|(transfer, _)| stamp <= transfer.timestamp.0)
                || self.accounts.values().any(|(account, _)| stamp == account.timestamp.0))
    }

    fn resolve(&mut self, event: &Transfer, post: bool, void: bool, stamp: u64) -> Result<(), T> {
        let others = TransferFlags::ALL.0
            & !TransferFlags::LINKED.0
            & !TransferFlags::IMPORTED.0
            & !TransferFlags::POST_PENDING_TRANSFER.0
            & !TransferFlags::VOID_PENDING_TRANSFER.0;
        refuse([
            ((post && void) || event.flags.0 & others != 0, T::FlagsAreMutuallyExclusive),
            (event.pending_id.0 == 0, T::PendingIdMustNotBeZero),
            (event.pending_id.0 == u128::MAX, T::PendingIdMustNotBeIntMax),
            (event.pending_id == event.id, T::PendingIdMustBeDifferent),
            (event.timeout != 0, T::TimeoutReservedForPendingTransfer),
            (!self.transfers.contains_key(&event.pending_id.0), T::PendingTransferNotFound),
        ])?;
        let (hold, fate) = self.transfers[&event.pending_id.0];
        refuse([(fate == Fate::NoHold, T::PendingTransferNotPending)])?;
        let new = self.meant(event);
        let debit = self.accounts[&hold.debit_account_id.0].0;
        let credit = self.accounts[&hold.credit_account_id.0].0;
        let closed = |account: &Account| post && account.flags.contains(AccountFlags::CLOSED);
        refuse([
            (
                new.debit_account_id != hold.debit_account_id,
                T::PendingTransferHasDifferentDebitAccountId,
            ),
            (
                new.credit_account_id != hold.credit_account_id,
                T::PendingTransferHasDifferentCreditAccountId,
            ),
            (new.ledger != hold.ledger, T::PendingTransferHasDifferentLedger),
            (new.code != hold.code, T::PendingTransferHasDifferentCode),
            (new.amount > hold.amount, T::ExceedsPendingTransferAmount),
            (void && new.amount != hold.amount, T::PendingTransferHasDifferentAmount),
            (fate == Fate::Posted, T::PendingTransferAlreadyPosted),
            (fate == Fate::Voided, T::PendingTransferAlreadyVoided),
            (fate == Fate::Expired, T::PendingTransferExpired),
            (self.is_late(event, stamp), T::ImportedEventTimestampMustNotRegress),
            (closed(&debit), T::DebitAccountAlreadyClosed),
            (closed(&credit), T::CreditAccountAlreadyClosed),
        ])?;
        self.release(hold.id.0, if post { Fate::Posted } else { Fate::Voided });
        let posted = if post { new.amount.0 } else { 0 };
        self.accounts.get_mut(&debit.id.0).expect("it is there").0.debits_posted.0 += posted;
        self.accounts.get_mut(&credit.id.0).expect("it is there").0.credits_posted.0 += posted;
        self.record(new, stamp, Fate::NoHold);
        Ok(())
    }

    fn post(&mut self, event: &Transfer, stamp: u64) -> Result<(), T> {
        let has = |flag| event.flags.contains(flag);
        let hold = has(TransferFlags::PENDING);
        let closes = has(TransferFlags::CLOSING_DEBIT) || has(TransferFlags::CLOSING_CREDIT);
        refuse([
            (event.debit_account_id.0 == 0, T::DebitAccountIdMustNotBeZero),
            (event.debit_account_id.0 == u128::MAX, T::DebitAccountIdMustNotBeIntMax),
            (event.credit_account_id.0 == 0, T::CreditAccountIdMustNotBeZero),
            (event.credit_account_id.0 == u128::MAX, T::CreditAccountIdMustNotBeIntMax),
            (event.debit_account_id == event.credit_account_id, T::AccountsMustBeDifferent),
            (event.pending_id.0 != 0, T::PendingIdMustBeZero),
            (!hold && event.timeout != 0, T::TimeoutReservedForPendingTransfer),
            (!hold && closes, T::ClosingTransferMustBePending),
            (event.ledger.0 == 0, T::LedgerMustNotBeZero),
            (event.code.0 == 0, T::CodeMustNotBeZero),
            (!self.accounts.contains_key(&event.debit_account_id.0), T::DebitAccountNotFound),
            (!self.accounts.contains_key(&event.credit_account_id.0), T::CreditAccountNotFound),
        ])?;
        let debit = self.accounts[&event.debit_account_id.0].0;
        let credit = self.accounts[&event.credit_account_id.0].0;
        let imported = has(TransferFlags::IMPORTED);
        refuse([
            (debit.ledger != credit.ledger, T::AccountsMustHaveTheSameLedger),
            (event.ledger != debit.ledger, T::TransferMustHaveTheSameLedgerAsAccounts),
            (self.is_late(event, stamp), T::ImportedEventTimestampMustNotRegress),
            (stamp <= debit.timestamp.0, T::ImportedEventTimestampMustPostdateDebitAccount),
            (stamp <= credit.timestamp.0, T::ImportedEventTimestampMustPostdateCreditAccount),
            (imported && event.timeout != 0, T::ImportedEventTimeoutMustBeZero),
            (debit.flags.contains(AccountFlags::CLOSED), T::DebitAccountAlreadyClosed),
            (credit.flags.contains(AccountFlags::CLOSED), T::CreditAccountAlreadyClosed),
        ])?;
        let mut amount = event.amount.0;
        let debits = debit.debits_pending.0 + debit.debits_posted.0;
        let credits = credit.credits_pending.0 + credit.credits_posted.0;
        if has(TransferFlags::BALANCING_DEBIT) {
            amount = amount.min(debit.credits_posted.0.saturating_sub(debits));
        }
        if has(TransferFlags::BALANCING_CREDIT) {
            amount = amount.min(credit.debits_posted.0.saturating_sub(credits));
        }
        let no_room = |sum: u128| amount > u128::MAX - sum;
        refuse([
            (hold && no_room(debit.debits_pending.0), T::OverflowsDebitsPending),
            (hold && no_room(credit.credits_pending.0), T::OverflowsCreditsPending),
            (no_room(debit.debits_posted.0), T::OverflowsDebitsPosted),
            (no_room(credit.credits_posted.0), T::OverflowsCreditsPosted),
            (no_room(debits), T::OverflowsDebits),
            (no_room(credits), T::OverflowsCredits),
        ])?;
        let limits_debits = debit.flags.contains(AccountFlags::DEBITS_MUST_NOT_EXCEED_CREDITS);
        let limits_credits = credit.flags.contains(AccountFlags::CREDITS_MUST_NOT_EXCEED_DEBITS);
        refuse([
            (limits_debits && debits + amount > debit.credits_posted.0, T::ExceedsCredits),
            (limits_credits && credits + amount > credit.debits_posted.0, T::ExceedsDebits),
        ])?;
        let debit = &mut self.accounts.get_mut(&debit.id.0).expect("it is there").0;
        *(if hold { &mut debit.debits_pending } else { &mut debit.debits_posted }) =
            Amount(if hold { debit.debits_pending.0 } else { debit.debits_posted.0 } + amount);
        if has(TransferFlags::CLOSING_DEBIT) {
            debit.flags.0 |= AccountFlags::CLOSED.0;
        }
        let credit = &mut self.accounts.get_mut(&credit.id.0).expect("it is there").0;
        *(if hold { &mut credit.credits_pending } else { &mut credit.credits_posted }) =
            Amount(if hold { credit.credits_pending.0 } else { credit.credits_posted.0 } + amount);
        if has(TransferFlags::CLOSING_CREDIT) {
            credit.flags.0 |= AccountFlags::CLOSED.0;
        }
        let applied = Transfer { amount: Amount(amount), ..*event };
        self.record(applied, stamp, if hold { Fate::Live } else { Fate::NoHold });
        Ok(())
    }

    fn record(&mut self, mut transfer: Transfer, stamp: u64, fate: Fate) {
        transfer.timestamp.0 = stamp;
        self.transfers.insert(transfer.id.0, (transfer, fate));
    }
}

fn valid(stamp: u64) -> bool {
    0 < stamp && stamp < 1 << 63
}

fn first_broken<S: Copy, const N: usize>(rules: [(bool, S); N]) -> Option<S> {
    rules.into_iter().find(|(broken, _)| *broken).map(|(_, status)| status)
}

fn refuse<S: Copy, const N: usize>(rules: [(bool, S); N]) -> Result<(), S> {
    first_broken(rules).map_or(Ok(()), Err)
}
