//! A worker that takes payments from the ledger's own log and posts each exactly once, however often
//! it is killed: the transfer and the place up to which it has read are one commit.
//! `cargo run --example exactly_once -- 127.0.0.1:3000` ends when the log has no more of them.
#![forbid(unsafe_code)]

use florin_client::{Client, ClientError, ClientOptions};
use florin_ledger::commit::Topic;
use florin_ledger::document::DocumentCondition;
use florin_ledger::stream::ItemContent;
use florin_ledger::{
    AccountId, Amount, Code, Commit, CommitId, CommitOutcome, DocumentKey, DocumentWrite, LedgerId,
    Position, StreamCursor, StreamFilter, StreamStart, TableId, Transfer, TransferId,
};
use std::io::Write;

const PAYMENTS: Topic = Topic(1);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).ok_or("name a server: HOST:PORT")?;
    let client = Client::connect(&address, ClientOptions::default()).await?;
    let (start, mut version) = place(&client).await?;
    let filter = StreamFilter { topics: vec![PAYMENTS], ..StreamFilter::all() };
    let mut stream = client.subscribe(start, filter).await?;
    loop {
        let batch = stream.next().await?;
        for item in batch.items() {
            let ItemContent::Event { value, .. } = item.content else { continue };
            let payment = payment(value).ok_or("an event that is no payment")?;
            match client.commit(&posting(payment, item.cursor, version)).await? {
                CommitOutcome::Done(done) => version = done.documents[0],
                // Another worker has read on, or the payment can't be posted: for a person to see.
                other => return Err(format!("{}: {other:?}", item.cursor).into()),
            }
            writeln!(std::io::stdout(), "{}", item.cursor)?;
        }
        if batch.end().is_live {
            return Ok(());
        }
    }
}

/// Where the worker that ran before had come to, and the version of the document that says so.
async fn place(client: &Client) -> Result<(StreamStart, Position), ClientError> {
    let key = DocumentKey { table: TableId::CONSUMERS, key: b"payments".to_vec() };
    let document = client.documents(&[key]).await?.remove(0);
    let cursor = document.as_ref().and_then(|it| str::from_utf8(it.value.as_deref()?).ok());
    let start =
        cursor.and_then(|text| text.parse().ok()).map_or(StreamStart::Begin, StreamStart::After);
    Ok((start, document.map_or(Position::NONE, |it| it.version)))
}

/// The payment and the new place, in one commit. Its id follows from the event's place, so a commit
/// whose answer was lost with the process is found done when it is sent again.
fn posting(
    (debit, credit, amount): (u128, u128, u128),
    at: StreamCursor,
    version: Position,
) -> Commit {
    let id = u128::from(at.epoch) << 64 | u128::from(at.lsn.0);
    let transfer = Transfer {
        id: TransferId(id),
        debit_account_id: AccountId(debit),
        credit_account_id: AccountId(credit),
        amount: Amount(amount),
        ledger: LedgerId(978),
        code: Code(1),
        ..Transfer::default()
    };
    let condition = if version.is_some() {
        DocumentCondition::Version(version)
    } else {
        DocumentCondition::Absent
    };
    let place = DocumentWrite {
        table: TableId::CONSUMERS,
        key: b"payments".to_vec(),
        value: Some(at.to_string().into_bytes()),
        condition,
        ..DocumentWrite::default()
    };
    Commit {
        id: CommitId(id),
        transfers: vec![transfer],
        documents: vec![place],
        ..Commit::default()
    }
}

/// A payment as its event says it: `DEBIT CREDIT AMOUNT`.
fn payment(value: &[u8]) -> Option<(u128, u128, u128)> {
    let mut numbers = str::from_utf8(value).ok()?.split(' ').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?))
}
