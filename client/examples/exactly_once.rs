//! A worker that takes payments from the ledger's own log and posts each exactly once, however often
//! it is killed: the transfer and the place up to which it has read are one commit.
//! `cargo run --example exactly_once -- 127.0.0.1:3000` ends when the log has no more of them.
#![forbid(unsafe_code)]

use florin_client::{Client, ClientOptions};
use florin_ledger::commit::Topic;
use florin_ledger::stream::ItemContent;
use florin_ledger::{
    AccountId, Amount, Code, Commit, CommitId, CommitOutcome, LedgerId, StreamCursor, StreamFilter,
    StreamStart, Transfer, TransferId,
};
use std::io::Write;

const PAYMENTS: Topic = Topic(1);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).ok_or("name a server: HOST:PORT")?;
    let client = Client::connect(&address, ClientOptions::default()).await?;
    let filter = StreamFilter { topics: vec![PAYMENTS], ..StreamFilter::all() };
    let mut consumer = client.consumer("payments", StreamStart::Begin, filter).await?;
    loop {
        let batch = consumer.next().await?;
        for item in batch.items() {
            let ItemContent::Event { value, .. } = item.content else { continue };
            let posting = posting(value, item.cursor).ok_or("an event that is no payment")?;
            match consumer.commit(item.cursor, posting).await? {
                CommitOutcome::Done(_) => writeln!(std::io::stdout(), "{}", item.cursor)?,
                // The payment can't be posted: for a person to see.
                other => return Err(format!("{}: {other:?}", item.cursor).into()),
            }
        }
        if batch.end().is_live {
            return Ok(());
        }
    }
}

/// The transfer that an event asks for, `DEBIT CREDIT AMOUNT`. Its ids follow from the event's place:
/// whoever sends it again is answered what came of it the first time.
fn posting(payment: &[u8], at: StreamCursor) -> Option<Commit> {
    let mut numbers = str::from_utf8(payment).ok()?.split(' ').map(str::parse);
    let id = u128::from(at.epoch) << 64 | u128::from(at.lsn.0);
    let transfer = Transfer {
        id: TransferId(id),
        debit_account_id: AccountId(numbers.next()?.ok()?),
        credit_account_id: AccountId(numbers.next()?.ok()?),
        amount: Amount(numbers.next()?.ok()?),
        ledger: LedgerId(978),
        code: Code(1),
        ..Transfer::default()
    };
    Some(Commit { id: CommitId(id), transfers: vec![transfer], ..Commit::default() })
}
