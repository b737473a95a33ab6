//! How fast the tree of proofs is, and what it costs those who post: in a directory of its own that is removed.
//!
//! cargo run --release -p florin-core --example tree_speed -- [TRANSFERS] [ACCOUNTS] [A-SECOND]
//!
//! Posts transfers in batches of 8,190, sixteen in flight, as fast as they are taken or so many a second: without a tree, then
//! with one. Says how far the tree was behind at worst, how long it needed to come to the end, and how fast it
//! is when nobody posts. Decision 0025 quotes it.
#![expect(clippy::print_stdout, reason = "what it measures is its answer")]

mod posting;

use florin_core::proof::SigningKey;
use florin_core::tree::Proving;
use florin_core::{Database, Options};
use posting::{post, rate};
use std::path::Path;
use std::time::Instant;

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
