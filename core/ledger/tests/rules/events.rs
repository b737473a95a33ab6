//! Random days of a bank: few accounts, few ids, amounts at the edges, so that events meet each
//! other often. Weighted towards events that succeed.

use crate::bank::START;
use florin_ledger::{
    Account, AccountFlags, AccountId, Amount, Code, LedgerId, Timestamp, Transfer, TransferFlags,
    TransferId,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Accounts(Vec<Account>),
    Transfers(Vec<Transfer>),
    Wait { nanoseconds: u64 },
    Expire { count_max: usize },
}

/// A day that begins with some accounts, so that the rest has something to move.
pub(crate) fn day(steps_max: usize) -> impl Strategy<Value = Vec<Step>> {
    let opening = vec(plain_account(), 16..24).prop_map(Step::Accounts);
    (opening, vec(step(), 1..steps_max)).prop_map(|(opening, mut steps)| {
        // Not far from the first waypoints.
        let busy = (0..30).map(|round| plain_transfer(1 + round % 3, 2 + round % 3)).collect();
        steps.splice(0..0, [opening, Step::Transfers(busy)]);
        let mut memory = Memory { clock: START.0, ids_count: 100, ..Memory::default() };
        steps.iter_mut().for_each(|step| memory.relate(step));
        steps
    })
}

/// Drawn one by one, events would seldom meet: most ids would be taken or unknown. So what was drawn
/// as an id is read as dice that relate the event to those before it.
#[derive(Default)]
struct Memory {
    clock: u64,
    ids_count: u128,
    holds: Vec<TransferId>,
    past: Vec<Transfer>,
}

impl Memory {
    fn relate(&mut self, step: &mut Step) {
        match step {
            Step::Accounts(accounts) => {
                for account in accounts.iter_mut() {
                    if account.flags.contains(AccountFlags::IMPORTED) {
                        account.timestamp = self.recent(account.timestamp);
                    }
                }
                self.clock += u64::try_from(accounts.len()).expect("it fits");
            }
            Step::Transfers(transfers) => {
                transfers.iter_mut().for_each(|transfer| self.relate_transfer(transfer));
                self.clock += u64::try_from(transfers.len()).expect("it fits");
            }
            Step::Wait { nanoseconds } => self.clock += *nanoseconds,
            Step::Expire { .. } => {}
        }
    }

    fn relate_transfer(&mut self, transfer: &mut Transfer) {
        let dice = usize::try_from(transfer.id.0).expect("it fits");
        match (dice, self.past.len()) {
            (0..4, 1..) => *transfer = self.past[dice * 7 % self.past.len()],
            (4..8, 1..) => transfer.id = self.past[dice * 7 % self.past.len()].id,
            (8..10, 1..) => {
                let past = self.past[dice * 7 % self.past.len()];
                *transfer = Transfer { user_data_32: 1, amount: Amount::MAX, ..past };
            }
            (10, _) => transfer.id = TransferId(0),
            _ => {
                self.ids_count += 1;
                transfer.id = TransferId(self.ids_count);
            }
        }
        let dice = usize::try_from(transfer.pending_id.0).expect("it fits");
        if (1..70).contains(&dice) && !self.holds.is_empty() {
            let back = dice % self.holds.len().min(6);
            transfer.pending_id = self.holds[self.holds.len() - 1 - back];
            if transfer.flags == TransferFlags::POST_PENDING_TRANSFER && dice % 2 == 0 {
                transfer.amount = Amount::MAX;
            }
            if transfer.flags == TransferFlags::VOID_PENDING_TRANSFER && dice % 5 != 0 {
                transfer.amount = Amount::ZERO;
            }
        }
        if transfer.flags.contains(TransferFlags::IMPORTED) {
            transfer.timestamp = self.recent(transfer.timestamp);
        }
        if transfer.flags.contains(TransferFlags::PENDING) {
            self.holds.push(transfer.id);
        }
        self.past.push(*transfer);
    }

    /// Mostly a little before now.
    fn recent(&self, timestamp: Timestamp) -> Timestamp {
        let back = timestamp.0 % 1_000_000;
        if back < 40 { timestamp } else { Timestamp(self.clock.saturating_sub(back / 2)) }
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => vec(account(), 1..5).prop_map(Step::Accounts),
        1 => vec(imported_account(), 1..4).prop_map(Step::Accounts),
        8 => vec(transfer(), 1..12).prop_map(Step::Transfers),
        2 => vec(imported_transfer(), 1..5).prop_map(Step::Transfers),
        4 => waits().prop_map(|nanoseconds| Step::Wait { nanoseconds }),
        1 => (0..4_usize).prop_map(|count_max| Step::Expire { count_max }),
    ]
}

fn waits() -> impl Strategy<Value = u64> {
    select(vec![1, 500, 499_999_990, 999_999_995, 1_000_000_000, 2_000_000_000])
}

fn plain_account() -> impl Strategy<Value = Account> {
    let flags = select(vec![
        AccountFlags::NONE,
        AccountFlags::NONE,
        AccountFlags::NONE,
        AccountFlags::NONE,
        AccountFlags::NONE,
        AccountFlags::NONE,
        AccountFlags::HISTORY,
        AccountFlags::DEBITS_MUST_NOT_EXCEED_CREDITS,
        AccountFlags::CREDITS_MUST_NOT_EXCEED_DEBITS,
    ]);
    (party(), flags).prop_map(|(id, flags)| Account {
        id: AccountId(id),
        ledger: LedgerId(if id == 7 { 2 } else { 1 }),
        code: Code(1),
        flags,
        ..Account::default()
    })
}

fn account() -> impl Strategy<Value = Account> {
    let any_flags = subsequence(AccountFlags::NAMES.map(|(flag, _)| flag).to_vec(), 0..3);
    let linked = prop::bool::weighted(0.2);
    let changes = (0..9_u128, 0..3_u32, 0..3_u16, 0..2_u32, 0..12_u8, any_flags, linked);
    (plain_account(), changes).prop_map(
        |(mut account, (id, ledger, code, data, choice, flags, linked))| {
            match choice {
                0 => account.id = AccountId(id),
                1 => account.ledger = LedgerId(ledger),
                2 => account.code = Code(code),
                3 => account.user_data_32 = data,
                4 => flags.into_iter().for_each(|flag| account.flags = account.flags.with(flag)),
                5 => account.credits_posted = Amount(u128::from(data)),
                6 => account.timestamp = Timestamp(u64::from(data)),
                _ => account.id = AccountId(account.id.0 + id),
            }
            if linked {
                account.flags = account.flags.with(AccountFlags::LINKED);
            }
            account
        },
    )
}

fn imported_account() -> impl Strategy<Value = Account> {
    (account(), timestamp(), 8..16_u128).prop_map(|(account, timestamp, id)| Account {
        id: AccountId(id),
        timestamp,
        flags: account.flags.with(AccountFlags::IMPORTED),
        ..account
    })
}

/// Around the waits, so that some fall between live events.
fn timestamp() -> impl Strategy<Value = Timestamp> {
    let coarse = (0..8_u64).prop_map(|n| n * 500_000_000);
    (coarse, 0..1_200_u64).prop_map(|(coarse, fine)| Timestamp(coarse + fine))
}

/// Seven accounts, the last in another currency.
fn party() -> impl Strategy<Value = u128> {
    prop_oneof![12 => 1..7_u128, 1 => Just(7)]
}

fn amount() -> impl Strategy<Value = Amount> {
    prop_oneof![
        12 => (0..20_u128).prop_map(Amount),
        1 => (0..3_u128).prop_map(|less| Amount(u128::MAX - less)),
        1 => Just(Amount(u128::MAX / 2)),
    ]
}

fn transfer() -> impl Strategy<Value = Transfer> {
    let kinds = (kind(), 0..30_u8, prop::bool::weighted(0.1));
    let parties = (party(), party(), 1..80_u128, 1..80_u128);
    let rest = (0..3_u32, 0..3_u32, 0..3_u16, 0..2_u128);
    (parties, amount(), kinds, rest).prop_map(|(parties, amount, (flags, odd, linked), rest)| {
        let (debit, credit, id, pending_id) = parties;
        let credit = if credit == debit && id % 8 != 0 { debit % 6 + 1 } else { credit };
        let (timeout, ledger, code, data) = rest;
        let resolves = flags.intersects(
            TransferFlags::POST_PENDING_TRANSFER.with(TransferFlags::VOID_PENDING_TRANSFER),
        );
        let holds = flags.contains(TransferFlags::PENDING);
        let mut transfer = Transfer {
            id: TransferId(id),
            debit_account_id: AccountId(if resolves { 0 } else { debit }),
            credit_account_id: AccountId(if resolves { 0 } else { credit }),
            amount,
            pending_id: TransferId(if resolves { pending_id } else { 0 }),
            timeout: if holds { timeout } else { 0 },
            ledger: LedgerId(u32::from(!resolves)),
            code: Code(u16::from(!resolves)),
            user_data_128: data,
            flags,
            ..Transfer::default()
        };
        match odd {
            0 => transfer.pending_id = TransferId(pending_id / 2),
            1 => transfer.timeout = timeout,
            2 => transfer.ledger = LedgerId(ledger),
            3 => transfer.code = Code(code),
            4 => transfer.debit_account_id = AccountId(debit / 2),
            _ => {}
        }
        if linked {
            transfer.flags = transfer.flags.with(TransferFlags::LINKED);
        }
        transfer
    })
}

fn plain_transfer(debit: u128, credit: u128) -> Transfer {
    Transfer {
        id: TransferId(80),
        debit_account_id: AccountId(debit),
        credit_account_id: AccountId(credit),
        amount: Amount(1),
        ledger: LedgerId(1),
        code: Code(1),
        ..Transfer::default()
    }
}

fn kind() -> impl Strategy<Value = TransferFlags> {
    let hold = TransferFlags::PENDING;
    let any = subsequence(TransferFlags::NAMES.map(|(flag, _)| flag)[1..8].to_vec(), 0..4);
    prop_oneof![
        6 => Just(TransferFlags::NONE),
        6 => Just(hold),
        4 => Just(TransferFlags::POST_PENDING_TRANSFER),
        3 => Just(TransferFlags::VOID_PENDING_TRANSFER),
        1 => Just(TransferFlags::BALANCING_DEBIT),
        1 => Just(TransferFlags::BALANCING_CREDIT.with(hold)),
        1 => Just(hold.with(TransferFlags::CLOSING_DEBIT)),
        1 => Just(hold.with(TransferFlags::CLOSING_CREDIT)),
        1 => any.prop_map(|flags| {
            flags.into_iter().fold(TransferFlags::NONE, TransferFlags::with)
        }),
    ]
}

fn imported_transfer() -> impl Strategy<Value = Transfer> {
    (transfer(), timestamp(), prop::bool::weighted(0.9)).prop_map(
        |(transfer, timestamp, untimed)| Transfer {
            timestamp,
            timeout: if untimed { 0 } else { transfer.timeout },
            flags: transfer.flags.with(TransferFlags::IMPORTED),
            ..transfer
        },
    )
}
