//! The load of the examples that measure proofs.

use florin_core::Database;
use florin_core::request::{Request, TransferBatch};
use florin_ledger::{Account, AccountId, Amount, Code, LedgerId, Transfer, TransferId};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const BATCH: u128 = 8_190;
const IN_FLIGHT: usize = 16;
/// What takes longer does not happen any more.
const PATIENCE: Duration = Duration::from_secs(60);
const LEDGER: LedgerId = LedgerId(978);

pub(crate) fn rate(count: u128, took: Duration) -> u128 {
    count * 1_000 / took.as_millis().max(1)
}

/// Opens accounts and posts transfers between them, sixteen batches in flight; says every second how far the tree is.
pub(crate) fn post(
    database: &Database,
    transfers: u128,
    accounts: u128,
    rate_max: u128,
) -> Result<Duration, Box<dyn std::error::Error>> {
    let ids: Vec<u128> = (1..=accounts).collect();
    for some in ids.chunks(8_190) {
        let account = |id: &u128| Account {
            id: AccountId(*id),
            ledger: LEDGER,
            code: Code(1),
            ..Account::default()
        };
        database.create_accounts(&some.iter().map(account).collect::<Vec<_>>())?;
    }
    let begun = Instant::now();
    let (sender, answers) = mpsc::channel();
    let (mut next, mut owed, mut told) = (1, 0, Instant::now());
    while next <= transfers || 0 < owed {
        let due = Duration::from_millis(u64::try_from(next * 1_000 / rate_max)?);
        let may_send = next <= transfers && owed < IN_FLIGHT;
        let wait = if may_send { due.saturating_sub(begun.elapsed()) } else { PATIENCE };
        if wait.is_zero() {
            let count = BATCH.min(transfers + 1 - next);
            let batch: Vec<Transfer> =
                (next..next + count).map(|id| transfer(id, accounts)).collect();
            let sender = sender.clone();
            let request = Request::CreateTransfers(TransferBatch::new(&batch)?);
            database.submit(request, move |reply| {
                let _ = sender.send(reply.is_ok());
            });
            (next, owed) = (next + count, owed + 1);
            continue;
        }
        if let Ok(is_answered) = answers.recv_timeout(wait) {
            assert!(is_answered, "a batch was refused");
            owed -= 1;
        }
        if Duration::from_secs(1) <= told.elapsed() {
            told = Instant::now();
            if let Some(tree) = database.metrics().tree {
                println!(
                    "  {next} posted, the tree is {} records and {} ms behind",
                    tree.behind_records,
                    tree.behind.as_millis()
                );
            }
        }
    }
    Ok(begun.elapsed())
}

fn transfer(id: u128, accounts: u128) -> Transfer {
    let spread = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let debit = spread % accounts;
    Transfer {
        id: TransferId(id),
        debit_account_id: AccountId(debit + 1),
        credit_account_id: AccountId(
            (debit + 1 + spread / accounts % (accounts - 1)) % accounts + 1,
        ),
        amount: Amount(id % 1_000 + 1),
        ledger: LEDGER,
        code: Code(1),
        ..Transfer::default()
    }
}
