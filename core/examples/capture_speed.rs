//! What it takes to put all balances on record, and what it costs those who post: in a directory of its own that is
//! removed.
//!
//! cargo run --release -p florin-core --example capture_speed -- [TRANSFERS] [ACCOUNTS] [A-SECOND]
//!
//! Posts transfers as `tree_speed` does, with the tree of proofs: without captures, then with one after the other. Then
//! says how long a capture takes when nobody posts, a proof from memory, and one whose tree is derived again. Decision
//! 0034 quotes it.
#![expect(clippy::print_stdout, reason = "what it measures is its answer")]

mod posting;

use florin_core::proof::SigningKey;
use florin_core::tree::Proving;
use florin_core::{Database, Options};
use florin_ledger::{AccountId, Position};
use posting::{post, rate};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let transfers: u128 = arguments.next().map_or(Ok(10_000_000), |it| it.parse())?;
    let accounts: u128 = arguments.next().map_or(Ok(10_000), |it| it.parse())?;
    let rate_max: u128 = arguments.next().map_or(Ok(u128::MAX), |it| it.parse())?;
    println!("{transfers} transfers over {accounts} accounts");
    let room = tempfile::tempdir()?;
    let database = Database::open(&room.path().join("without"), proving())?;
    let took = post(&database, transfers, accounts, rate_max)?;
    println!("without captures: {} a second", rate(transfers, took));
    database.close()?;
    drop(database);

    let directory = room.path().join("with");
    let database = Database::open(&directory, proving())?;
    let is_over = Arc::new(AtomicBool::new(false));
    let capturing = {
        let (database, is_over) = (database.clone(), Arc::clone(&is_over));
        thread::spawn(move || capture_until(&database, &is_over))
    };
    let took = post(&database, transfers, accounts, rate_max)?;
    is_over.store(true, Ordering::Relaxed);
    println!("one after the other: {} a second", rate(transfers, took));
    let (count, spent) = capturing.join().map_err(|_| "capturing failed")??;
    println!("  {count} captures, {} ms each", spent.as_millis() / u128::from(count.max(1)));
    database.await_tree()?;
    let begun = Instant::now();
    database.capture_balances()?;
    println!("nobody posts: a capture takes {} ms", begun.elapsed().as_millis());
    database.await_tree()?;
    time(&database, "a proof from memory")?;
    database.close()?;
    drop(database);
    let database = Database::open(&directory, proving())?;
    database.await_tree()?;
    time(&database, "the first proof after an opening")?;
    database.close()?;
    Ok(())
}

fn time(database: &Database, what: &str) -> Result<(), Box<dyn std::error::Error>> {
    let begun = Instant::now();
    let proof = database.prove_balance(AccountId(7), Position::NONE)?;
    let (took, bytes) = (begun.elapsed().as_micros(), proof.to_bytes().len());
    println!("{what} takes {took} us, and has {bytes} bytes");
    Ok(())
}

fn capture_until(
    database: &Database,
    is_over: &AtomicBool,
) -> Result<(u32, Duration), florin_core::Error> {
    let (mut count, begun) = (0, Instant::now());
    while !is_over.load(Ordering::Relaxed) {
        database.capture_balances()?;
        count += 1;
    }
    Ok((count, begun.elapsed()))
}

fn proving() -> Options {
    let signing_key = Some(SigningKey::from_seed(&[1; 32]));
    let proving = Proving { signing_key, capture_bytes: 0, ..Proving::default() };
    Options { proving: Some(proving), ..Options::default() }
}
