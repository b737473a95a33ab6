//! A little of everything that a log can hold: imports, transfers, holds that are posted, voided and
//! expire, chains, failures, closed accounts, and enough postings for waypoints.

use florin_core::Database;
use florin_ledger::{
    Account, AccountFlags, AccountId, Amount, Code, LedgerId, Timestamp, Transfer, TransferFlags,
    TransferId,
};

/// What is done between an opening and its close.
pub(crate) struct Steps {
    pub(crate) accounts: Vec<Vec<Account>>,
    pub(crate) transfers: Vec<Vec<Transfer>>,
}

const LIMITED: AccountFlags = AccountFlags::DEBITS_MUST_NOT_EXCEED_CREDITS;
const PENDING: TransferFlags = TransferFlags::PENDING;
const POST: TransferFlags = TransferFlags::POST_PENDING_TRANSFER;
const VOID: TransferFlags = TransferFlags::VOID_PENDING_TRANSFER;
const LINKED: TransferFlags = TransferFlags::LINKED;

fn account(id: u128, flags: AccountFlags, timestamp: u64) -> Account {
    Account {
        id: AccountId(id),
        user_data_128: id * 1_000,
        user_data_64: 7,
        user_data_32: 3,
        ledger: LedgerId(840),
        code: Code(10),
        flags,
        timestamp: Timestamp(timestamp),
        ..Account::default()
    }
}

fn transfer(id: u128, debit: u128, credit: u128, amount: u128) -> Transfer {
    Transfer {
        id: TransferId(id),
        debit_account_id: AccountId(debit),
        credit_account_id: AccountId(credit),
        amount: Amount(amount),
        user_data_128: id,
        user_data_64: 5,
        user_data_32: 1,
        ledger: LedgerId(840),
        code: Code(1),
        ..Transfer::default()
    }
}

fn resolve(id: u128, pending: u128, amount: u128, flags: TransferFlags) -> Transfer {
    Transfer {
        id: TransferId(id),
        pending_id: TransferId(pending),
        amount: Amount(amount),
        flags,
        ..Transfer::default()
    }
}

/// What is done, opening by opening.
pub(crate) fn openings() -> Vec<Steps> {
    let imported = AccountFlags::IMPORTED;
    let first = Steps {
        accounts: vec![
            vec![account(1, imported, 100), account(2, imported.with(LIMITED), 200)],
            vec![account(3, LIMITED, 0), account(4, AccountFlags::NONE, 0)],
        ],
        transfers: vec![
            vec![Transfer {
                flags: TransferFlags::IMPORTED,
                timestamp: Timestamp(300),
                ..transfer(10, 1, 2, 1_000)
            }],
            vec![
                transfer(11, 1, 3, 500),
                // Exceeds what it has: remembered as failed.
                transfer(12, 3, 4, 501),
                // One second, and for ever.
                Transfer { flags: PENDING, timeout: 1, ..transfer(13, 2, 3, 100) },
                Transfer { flags: PENDING, ..transfer(14, 2, 3, 200) },
                Transfer { flags: PENDING, ..transfer(15, 2, 3, 300) },
                Transfer { flags: PENDING, ..transfer(16, 2, 4, 50) },
            ],
            vec![resolve(17, 14, 150, POST), resolve(18, 15, 0, VOID)],
        ],
    };
    let second = Steps {
        accounts: Vec::new(),
        transfers: vec![
            vec![
                // A chain that stands, and one that falls.
                Transfer { flags: LINKED, ..transfer(20, 1, 4, 5) },
                transfer(21, 1, 3, 6),
                Transfer { flags: LINKED, ..transfer(22, 1, 4, 7) },
                transfer(23, 3, 4, 1_000_000),
            ],
            (100..170).map(|id| transfer(id, 1, 4, 1)).collect(),
        ],
    };
    let third = Steps {
        accounts: Vec::new(),
        transfers: vec![
            // By now the hold of one second has expired.
            vec![resolve(30, 13, 0, VOID)],
            vec![Transfer {
                flags: PENDING.with(TransferFlags::CLOSING_DEBIT),
                ..transfer(31, 3, 1, 0)
            }],
            vec![transfer(32, 3, 1, 1)],
        ],
    };
    vec![first, second, third]
}

pub(crate) fn account_ids() -> Vec<AccountId> {
    (1..=5).map(AccountId).collect()
}

pub(crate) fn transfer_ids() -> Vec<TransferId> {
    (10..40).chain(100..171).map(TransferId).collect()
}

/// The balances, by pencil: imports, holds that ended in each of the four ways, chains, closing.
pub(crate) fn check_by_hand(database: &Database) {
    let found = database.lookup_accounts(&account_ids()).unwrap();
    let balances = |account: &Option<Account>| {
        account.map(|it| {
            let sums = [it.debits_pending, it.debits_posted, it.credits_pending, it.credits_posted];
            (sums.map(|sum| sum.0), it.flags.contains(AccountFlags::CLOSED))
        })
    };
    // 1: debits 1,000 imported, 500, a chain of 5 and 6, 70 times 1.
    assert_eq!(balances(&found[0]), Some(([0, 1_581, 0, 0], false)));
    // 2: 1,000 in; 150 posted of 200, 300 voided, 100 expired, 50 still held.
    assert_eq!(balances(&found[1]), Some(([50, 150, 0, 1_000], false)));
    // 3: 500 and 150 and 6 in; closed by a hold of nothing.
    assert_eq!(balances(&found[2]), Some(([0, 0, 0, 656], true)));
    // 4: 5 and 70 in, 50 held for it.
    assert_eq!(balances(&found[3]), Some(([0, 0, 50, 75], false)));
    assert_eq!(found[4], None);
}
