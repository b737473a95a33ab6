//! Reads a ledger's whole log over TCP and says how many transfers a second that were:
//! `cargo run --release --example replay -- 127.0.0.1:3000`.
#![forbid(unsafe_code)]

use florin_client::{Client, ClientOptions};
use florin_ledger::stream::ItemContent;
use florin_ledger::{StreamFilter, StreamStart};
use std::io::{self, Write};
use std::time::Instant;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).ok_or("name a server: HOST:PORT")?;
    let client = Client::connect(&address, ClientOptions::default()).await?;
    let began = Instant::now();
    let mut stream = client.subscribe(StreamStart::Begin, StreamFilter::all()).await?;
    let (mut transfers_count, mut amounts) = (0_u64, 0_u128);
    loop {
        let batch = stream.next().await?;
        for item in batch.items() {
            if let ItemContent::Transfer(transfer) = item.content {
                transfers_count += 1;
                amounts = amounts.wrapping_add(transfer.amount.0);
            }
        }
        if batch.end().is_live {
            break;
        }
    }
    let milliseconds = began.elapsed().as_millis().max(1);
    let a_second = u128::from(transfers_count) * 1_000 / milliseconds;
    writeln!(
        io::stdout(),
        "{transfers_count} transfers of {amounts} in all, in {milliseconds} ms: {a_second} a \
         second, up to {}",
        stream.cursor()
    )?;
    Ok(())
}
