//! How fast the tree of proofs is, and what it costs those who post: in a directory of its own that is removed.
//!
//! cargo run --release -p florin-core --example tree_speed -- [TRANSFERS] [ACCOUNTS] [A-SECOND]
//!
//! Posts transfers in batches of 8,190, sixteen in flight, as fast as they are taken or so many a second: without a tree, then
//! with one. Says how far the tree was behind at worst, how long it needed to come to the end, and how fast it
//! is when nobody posts. Decision 0025 quotes it.
#![expect(clippy::print_stdout, reason = "what it measures is its answer")]

use florin_core::proof::SigningKey;
use florin_core::request::{Request, TransferBatch};
use florin_core::tree::Proving;
use florin_core::{Database, Options};
use florin_ledger::{Account, AccountId, Amount, Code, LedgerId, Transfer, TransferId};
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

const BATCH: u128 = 8_190;
const IN_FLIGHT: usize = 16;
/// What takes longer does not happen any more.
const PATIENCE: Duration = Duration::from_secs(60);
const LEDGER: LedgerId = LedgerId(978);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let transfers: u128 = arguments.next().map_or(Ok(10_000_000), |it| it.parse())?;
    let accounts: u128 = arguments.next().map_or(Ok(10_000), |it| it.parse())?;
    let rate_max: u128 = arguments.next().map_or(Ok(u128::MAX), |it| it.parse())?;
    println!("{transfers} transfers over {accounts} accounts");
    let room = tempfile::tempdir()?;
    let without = room.path().join("without");
    let database = Database::open(&without, Options::default())?;
    let took = post(&database, transfers, accounts, rate_max)?;
    database.close()?;
    println!("without a tree: {} a second", rate(transfers, took));
    drop(database);

    let with = room.path().join("with");
    let database = Database::open(&with, proving())?;
    let took = post(&database, transfers, accounts, rate_max)?;
    let figures = database.metrics().tree.ok_or("there is a tree")?;
    println!("with a tree:    {} a second", rate(transfers, took));
    println!("  behind when the last was posted: {} records", figures.behind_records);
    let begun = Instant::now();
    database.await_tree()?;
    println!("  come to the end after {} ms", begun.elapsed().as_millis());
    say_processor(transfers)?;
    database.close()?;
    drop(database);
    again(&without, transfers)?;
    Ok(())
}

/// The tree of a log that is there, with nobody else at work.
fn again(directory: &Path, transfers: u128) -> Result<(), Box<dyn std::error::Error>> {
    let database = Database::open(directory, proving())?;
    let begun = Instant::now();
    database.await_tree()?;
    println!("alone, from the disk: {} a second", rate(transfers, begun.elapsed()));
    say_processor(transfers)?;
    database.close()?;
    Ok(())
}

/// What the tree's thread has taken of a processor, however busy that was with others.
fn say_processor(transfers: u128) -> Result<(), Box<dyn std::error::Error>> {
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        let name = std::fs::read_to_string(task.join("comm"))?;
        let times = std::fs::read_to_string(task.join("schedstat"))?;
        if name.trim() == "florin-tree" {
            let taken: u128 = times.split(' ').next().unwrap_or_default().parse()?;
            println!("  the tree took {} ns of a processor a transfer", taken / transfers);
        }
    }
    Ok(())
}

fn proving() -> Options {
    let signing_key = Some(SigningKey::from_seed(&[1; 32]));
    Options { proving: Some(Proving { signing_key, ..Proving::default() }), ..Options::default() }
}

fn rate(count: u128, took: Duration) -> u128 {
    count * 1_000 / took.as_millis().max(1)
}

fn post(
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
