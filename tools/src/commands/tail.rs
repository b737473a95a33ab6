//! `florin tail`: what happened and happens, as JSON lines.

use crate::exit::{Exit, Failure};
use crate::json::item;
use crate::target::{Destination, runtime};
use clap::Args;
use florin_client::{StreamBatch, Subscription};
use florin_ledger::commit::Topic;
use florin_ledger::stream::{ItemKind, TableFilter};
use florin_ledger::{AccountId, LedgerId, StreamFilter, StreamStart, TableId, Timestamp};
use std::io::{self, BufWriter, Write};

/// Print what is in the log, and what happens, as JSON lines
#[derive(Args, Debug)]
#[command(after_help = "Each line has the cursor to go on after it: --from CURSOR. Several \
values of one filter widen it, several filters narrow it. Without --follow it ends where the log \
ends; SIGINT or a closed pipe ends it too.")]
pub(crate) struct Tail {
    #[command(flatten)]
    destination: Destination,

    /// Where to begin: begin, end, a cursor, or a time in nanoseconds since 1970
    #[arg(long, value_name = "PLACE", default_value = "begin", value_parser = start)]
    from: StreamStart,

    /// Only items of this kind
    #[arg(long = "kind", value_name = "KIND", value_parser = kind)]
    kinds: Vec<ItemKind>,

    /// Only documents of this table, or with keys that begin so
    #[arg(long = "table", value_name = "NUMBER[:HEX]", value_parser = table)]
    tables: Vec<TableFilter>,

    /// Only events about this topic
    #[arg(long = "topic", value_name = "NUMBER")]
    topics: Vec<u16>,

    /// Only items in this currency
    #[arg(long = "ledger", value_name = "NUMBER")]
    ledgers: Vec<u32>,

    /// Only items that name this account
    #[arg(long = "account", value_name = "ID")]
    accounts: Vec<u128>,

    /// Print so many items at most
    #[arg(long, value_name = "N")]
    limit: Option<u64>,

    /// Wait for what happens next
    #[arg(long)]
    follow: bool,
}

impl Tail {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let runtime = runtime()?;
        let ledger = self.destination.open(&runtime, None)?;
        let tailed = runtime.block_on(async {
            let stream = ledger.client.subscribe(self.from, self.filter()).await?;
            self.print(stream, BufWriter::new(io::stdout().lock())).await
        });
        let closed = ledger.close();
        tailed?;
        closed.map(|()| Exit::Done)
    }

    fn filter(&self) -> StreamFilter {
        StreamFilter {
            kinds: self.kinds.iter().copied().collect(),
            tables: self.tables.clone(),
            topics: self.topics.iter().copied().map(Topic).collect(),
            ledgers: self.ledgers.iter().copied().map(LedgerId).collect(),
            accounts: self.accounts.iter().copied().map(AccountId).collect(),
        }
    }

    async fn print(&self, mut stream: Subscription, mut output: impl Write) -> Result<(), Failure> {
        let mut left = self.limit.unwrap_or(u64::MAX);
        let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
        while 0 < left {
            let batch = tokio::select! {
                biased;
                _ = &mut interrupted => return Ok(()),
                batch = stream.next() => batch?,
            };
            match write(&batch, &mut left, &mut output) {
                Ok(()) => {}
                // Whoever read it has read enough.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                Err(error) => return Err(error.into()),
            }
            if batch.end().is_live && !self.follow {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn write(batch: &StreamBatch, left: &mut u64, output: &mut impl Write) -> io::Result<()> {
    for item in batch.items().take(usize::try_from(*left).unwrap_or(usize::MAX)) {
        writeln!(output, "{}", item::line(&item))?;
        *left -= 1;
    }
    output.flush()
}

/// A place in the log, as a flag and as JSON name it.
pub(crate) fn start(text: &str) -> Result<StreamStart, String> {
    match text {
        "begin" => Ok(StreamStart::Begin),
        "end" => Ok(StreamStart::End),
        _ if text.contains(':') => {
            text.parse().map(StreamStart::After).map_err(|error| format!("{error}"))
        }
        _ if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => text
            .parse()
            .map(|time| StreamStart::Time(Timestamp(time)))
            .map_err(|_| String::from("a time is at most 18446744073709551615")),
        _ => Err(String::from("begin, end, a cursor (epoch:lsn:hash), or nanoseconds since 1970")),
    }
}

/// A kind by its name.
pub(crate) fn kind(name: &str) -> Result<ItemKind, String> {
    let found = ItemKind::ALL.iter().copied().find(|kind| kind.name() == name);
    found.ok_or_else(|| {
        let known: Vec<&str> = ItemKind::ALL.iter().map(|kind| kind.name()).collect();
        format!("known kinds are {}", known.join(", "))
    })
}

fn table(text: &str) -> Result<TableFilter, String> {
    let (number, prefix) = text.split_once(':').unwrap_or((text, ""));
    let table = number.parse().map_err(|_| String::from("a table is a number up to 65535"))?;
    Ok(TableFilter { table: TableId(table), key_prefix: bytes(prefix)? })
}

/// The bytes of hexadecimal digits.
pub(crate) fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let wrong = || String::from("bytes are pairs of hexadecimal digits");
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2)).ok_or_else(wrong)?;
    let byte = |pair: &[u32]| u8::try_from(pair[0] * 16 + pair[1]).expect("two digits are a byte");
    Ok(digits.chunks_exact(2).map(byte).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: a misspelt place or filter prints the whole bank, or nothing.
    #[test]
    fn what_is_not_a_place_a_kind_or_a_table_is_refused() {
        assert_eq!(start("begin"), Ok(StreamStart::Begin));
        assert_eq!(start("end"), Ok(StreamStart::End));
        assert_eq!(start("17"), Ok(StreamStart::Time(Timestamp(17))));
        let cursor = ["1:4272:", &"0f".repeat(32)].concat();
        assert_eq!(start(&cursor), Ok(StreamStart::After(cursor.parse().expect("a cursor"))));
        for wrong in ["", "beginning", "-1", "1:4272", "18446744073709551616"] {
            assert!(start(wrong).is_err(), "{wrong}");
        }
        assert_eq!(kind("transfer"), Ok(ItemKind::Transfer));
        assert!(kind("transfers").is_err_and(|known| known.contains("document_put")));
        let of = |table, key_prefix| TableFilter { table: TableId(table), key_prefix };
        assert_eq!(table("16"), Ok(of(16, vec![])));
        assert_eq!(table("16:61fF"), Ok(of(16, vec![0x61, 0xff])));
        for wrong in ["", "65536", "16:6", "16:6g", "16:é"] {
            assert!(table(wrong).is_err(), "{wrong}");
        }
    }
}
