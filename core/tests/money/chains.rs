//! A chain that fails leaves no trace but its failing member's id, wherever it is looked for and
//! however the bank was opened since.

use crate::audit::audit;
use crate::bank::Bank;
use crate::days::Case;
use crate::forms::{account, hold, linked, post, purse, transfer, void};
use florin_ledger::CreateTransferStatus as T;
use florin_ledger::{Transfer, TransferResult};

const SECOND: u64 = 1_000_000_000;

/// What happens between a failed chain and the questions about it.
#[derive(Clone, Copy, Debug)]
enum Meanwhile {
    Nothing,
    /// Enough traffic for a checkpoint.
    Checkpoint,
    Restart,
    PowerCut(u64),
    CheckpointAndPowerCut(u64),
}

impl Meanwhile {
    fn pass(self, mut bank: Bank) -> Bank {
        match self {
            Meanwhile::Nothing => bank,
            Meanwhile::Checkpoint => {
                make_checkpoint(&mut bank);
                bank
            }
            Meanwhile::Restart => bank.restart(),
            Meanwhile::PowerCut(seed) => bank.power_cut(seed),
            Meanwhile::CheckpointAndPowerCut(seed) => {
                make_checkpoint(&mut bank);
                bank.power_cut(seed)
            }
        }
    }
}

/// Traffic until a checkpoint is durable.
fn make_checkpoint(bank: &mut Bank) {
    let before = bank.status().checkpoint;
    let mut id = 1_000;
    while bank.status().checkpoint == before {
        id += 1;
        bank.create_transfers(&[transfer(id, 8, 9, 1)]);
    }
}

fn everywhere(check: impl Fn(Meanwhile)) {
    use Meanwhile::{Checkpoint, CheckpointAndPowerCut, Nothing, PowerCut, Restart};
    for meanwhile in
        [Nothing, Checkpoint, Restart, PowerCut(0), PowerCut(9), CheckpointAndPowerCut(0)]
    {
        let _case = Case(format!("{meanwhile:?}"));
        check(meanwhile);
    }
}

/// Purse 1 with 100, which came from 8; others are empty.
fn founded() -> Bank {
    let mut bank = Bank::new();
    bank.create_accounts(&[purse(1), account(2), account(3), account(8), account(9)]);
    assert_statuses(&bank.create_transfers(&[transfer(1, 8, 1, 100)]), &[T::Created]);
    bank
}

fn assert_statuses(results: &[TransferResult], expected: &[T]) {
    let statuses: Vec<T> = results.iter().map(|result| result.status).collect();
    assert_eq!(statuses, expected);
}

/// Faults 4, 19: of a chain that fails at its end something stays posted, held or remembered, or
/// the failing id is forgotten.
#[test]
fn a_failed_chain_leaves_only_its_failing_id() {
    let chain = [
        linked(transfer(10, 1, 2, 30)),
        linked(hold(11, 1, 3, 20, 5)),
        linked(post(12, 11)),
        transfer(13, 1, 2, 51),
    ];
    everywhere(|meanwhile| {
        let mut bank = founded();
        let failed = [T::LinkedEventFailed, T::LinkedEventFailed, T::LinkedEventFailed];
        let [one, two, three] = failed;
        let results = bank.create_transfers(&chain);
        assert_statuses(&results, &[one, two, three, T::ExceedsCredits]);
        let mut bank = meanwhile.pass(bank);
        audit(&mut bank);
        bank.synchronise();
        assert_eq!(bank.account(1).debits_posted.0, 0);
        assert_statuses(&bank.create_transfers(&[transfer(13, 1, 2, 1)]), &[T::IdAlreadyFailed]);
        assert_statuses(&bank.create_transfers(&[post(12, 11)]), &[T::PendingTransferNotFound]);
        let again = [transfer(10, 1, 2, 30), hold(11, 1, 3, 20, 0), post(14, 11)];
        assert_statuses(&bank.create_transfers(&again), &[T::Created; 3]);
        assert_eq!(bank.account(1).debits_posted.0, 50);
    });
}

/// Faults 1, 4: a hold that a failed chain had posted or voided stays settled, or can't be settled
/// any more.
#[test]
fn holds_settled_by_a_failed_chain_are_live_again() {
    everywhere(|meanwhile| {
        let mut bank = founded();
        bank.create_transfers(&[hold(20, 1, 2, 40, 0), hold(21, 1, 2, 10, 5)]);
        let chain = [linked(post(22, 20)), linked(void(23, 21)), transfer(24, 7, 2, 1)];
        let results = bank.create_transfers(&chain);
        let expected = [T::LinkedEventFailed, T::LinkedEventFailed, T::DebitAccountNotFound];
        assert_statuses(&results, &expected);
        let mut bank = meanwhile.pass(bank);
        audit(&mut bank);
        bank.synchronise();
        assert_eq!(bank.account(1).debits_pending.0, 50);
        assert_statuses(&bank.create_transfers(&[post(22, 20)]), &[T::Created]);
        bank.wait(6 * SECOND);
        assert_eq!(bank.account(1).debits_pending.0, 0, "the second hold still expires");
        assert_statuses(&bank.create_transfers(&[void(23, 21)]), &[T::PendingTransferExpired]);
        assert_statuses(
            &bank.create_transfers(&[post(25, 20)]),
            &[T::PendingTransferAlreadyPosted],
        );
        audit(&mut bank);
    });
}

/// Faults 4, 18: a hold falls due while the chain that fails is being judged: its expiry comes
/// undone with the chain.
#[test]
fn a_hold_that_expires_within_a_failed_chain_stays_expired() {
    everywhere(|meanwhile| {
        let mut bank = founded();
        let placed = bank.create_transfers(&[hold(30, 1, 2, 60, 1)]);
        // The hold is due two ticks into the chain.
        bank.wait_until(placed[0].timestamp.0 + SECOND - 2);
        let chain = [
            linked(transfer(31, 8, 2, 1)),
            linked(transfer(32, 8, 2, 1)),
            linked(transfer(33, 1, 2, 100)),
            transfer(34, 1, 2, 1),
        ];
        let results = bank.create_transfers(&chain);
        let expected = [T::LinkedEventFailed, T::LinkedEventFailed, T::LinkedEventFailed];
        assert_statuses(&results, &[expected[0], expected[1], expected[2], T::ExceedsCredits]);
        let mut bank = meanwhile.pass(bank);
        audit(&mut bank);
        bank.synchronise();
        assert_eq!(bank.account(1).debits_pending.0, 0);
        assert_statuses(&bank.create_transfers(&[post(35, 30)]), &[T::PendingTransferExpired]);
        assert_statuses(&bank.create_transfers(&[transfer(33, 1, 2, 100)]), &[T::Created]);
    });
}

/// Faults 15, 16, 20: the same id twice in one batch, a repeat that differs, and a repeat of what is
/// settled answer the same for ever.
#[test]
fn repeats_answer_the_first_outcome_for_ever() {
    everywhere(|meanwhile| {
        let mut bank = founded();
        let twice = [transfer(40, 1, 2, 5), transfer(40, 1, 2, 5), transfer(40, 1, 2, 6)];
        let results = bank.create_transfers(&twice);
        assert_statuses(&results, &[T::Created, T::Exists, T::ExistsWithDifferentAmount]);
        assert_eq!(results[0].timestamp, results[1].timestamp);
        bank.create_transfers(&[hold(41, 1, 2, 5, 0), post(42, 41), transfer(43, 1, 2, 1_000)]);
        let mut bank = meanwhile.pass(bank);
        bank.synchronise();
        let repeats: [Transfer; 6] = [
            transfer(40, 1, 2, 5),
            hold(41, 1, 2, 5, 0),
            post(42, 41),
            transfer(43, 1, 2, 1),
            void(44, 41),
            transfer(40, 1, 3, 5),
        ];
        let again = bank.create_transfers(&repeats);
        assert_eq!(again[0].timestamp, results[0].timestamp);
        let expected = [
            T::Exists,
            T::Exists,
            T::Exists,
            T::IdAlreadyFailed,
            T::PendingTransferAlreadyPosted,
            T::ExistsWithDifferentCreditAccountId,
        ];
        assert_statuses(&again, &expected);
        audit(&mut bank);
    });
}
