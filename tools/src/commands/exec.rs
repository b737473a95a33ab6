//! `florin exec`: JSON lines in, JSON lines out.

use crate::exit::{Exit, Failure};
use crate::json;
use crate::operation::{Answer, Operation};
use crate::signing_key::SigningKeyArguments;
use crate::target::{Destination, Ledger, runtime};
use clap::Args;
use florin_client::{ClientError, RefusalKind};
use florin_ledger::Commit;
use florin_proof::SignedReceipt;
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, Read, Write};
use std::path::{Path, PathBuf};
use tokio::runtime::Runtime;

/// Bytes of one line at most: a full batch with every field at its widest takes a tenth of it.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// Read operations as JSON lines from standard input, answer each with a JSON line
#[derive(Args, Debug)]
#[command(after_help = "Blank lines are skipped. A line that can't be read answers \
{\"error\": \"...\", \"line\": n}, the rest goes on, and the exit status is 1. Each answer is \
flushed as soon as it is known, so that a program can talk to this line by line.")]
pub(crate) struct Exec {
    #[command(flatten)]
    destination: Destination,

    /// Fix the clock: the first event takes the nanosecond after this, each later one the next
    #[arg(long, value_name = "NANOSECONDS", conflicts_with = "connect")]
    clock_start: Option<u64>,

    /// Have the receipt of every commit with its answer, and write it into this directory, named by the commit's id.
    /// Commits that are unmet have none. A directory of a ledger (--data) must have its signing key
    #[arg(long, value_name = "DIR", conflicts_with = "clock_start")]
    receipts: Option<PathBuf>,

    #[command(flatten)]
    signing_key: SigningKeyArguments,
}

impl Exec {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let runtime = runtime()?;
        let ledger = self.open(&runtime)?.patient();
        let receipts = self.receipts.as_deref();
        let mut conversation =
            Conversation { runtime: &runtime, ledger: &ledger, receipts, line: 0 };
        let exit = conversation.hold(io::stdin().lock(), io::stdout().lock());
        let closed = ledger.close();
        // What went wrong in the conversation was first, and may be why it can't be closed.
        match exit? {
            Exit::Done => closed.map(|()| Exit::Done),
            findings => Ok(findings),
        }
    }
}

impl Exec {
    fn open(&self, runtime: &Runtime) -> Result<Ledger, Failure> {
        let Some(receipts) = &self.receipts else {
            return self.destination.open(runtime, self.clock_start);
        };
        if !receipts.is_dir() {
            let message = format!("{} is no directory for receipts", receipts.display());
            return Err(Failure::usage(message));
        }
        match &self.destination.target.data {
            None => self.destination.open(runtime, None),
            Some(data) => {
                let key = self.signing_key.required(data)?;
                self.destination.open_proving(runtime, Some(key))
            }
        }
    }
}

/// What became of one line.
enum Turn {
    Answered(String),
    /// There is no answer; the next line may well get one.
    Failed(String),
    /// There is no answer, and later lines must not be tried: they may lean on this one.
    Broken(String),
}

struct Conversation<'a> {
    runtime: &'a Runtime,
    ledger: &'a Ledger,
    /// Where receipts of commits go, if they are wanted.
    receipts: Option<&'a Path>,
    /// Of the line being answered, from 1.
    line: u64,
}

impl Conversation<'_> {
    fn hold(&mut self, mut input: impl BufRead, mut output: impl Write) -> Result<Exit, Failure> {
        let mut exit = Exit::Done;
        while let Some(line) = next_line(&mut input)? {
            self.line += 1;
            if matches!(&line, Ok(text) if text.trim().is_empty()) {
                continue;
            }
            let turn = match line {
                Ok(text) => self.answer(&text),
                Err(message) => Turn::Failed(message),
            };
            let (text, broken) = match turn {
                Turn::Answered(text) => (text, false),
                Turn::Failed(message) => {
                    exit = Exit::Findings;
                    (json::write::error(&message, self.line), false)
                }
                Turn::Broken(message) => (json::write::error(&message, self.line), true),
            };
            output.write_all(text.as_bytes())?;
            output.write_all(b"\n")?;
            output.flush()?;
            if broken {
                return Ok(Exit::Stopped);
            }
        }
        Ok(exit)
    }

    fn answer(&self, line: &str) -> Turn {
        let operation = match json::read::operation(line) {
            Ok(operation) => operation,
            Err(error) => return Turn::Failed(error.to_string()),
        };
        if let (Operation::Commit(commit), Some(receipts)) = (&operation, self.receipts) {
            return self.commit(commit, &operation, receipts);
        }
        match self.runtime.block_on(operation.perform(&self.ledger.client)) {
            Ok(answer) => Turn::Answered(json::write::answer(&answer)),
            Err(error) if is_final(&operation, &error) => Turn::Broken(error.to_string()),
            Err(error) => Turn::Failed(error.to_string()),
        }
    }
}

impl Conversation<'_> {
    fn commit(&self, commit: &Commit, operation: &Operation, receipts: &Path) -> Turn {
        let committed = self.ledger.client.commit_with_receipt(commit);
        let (outcome, receipt) = match self.runtime.block_on(committed) {
            Ok(answered) => answered,
            Err(error) if is_final(operation, &error) => return Turn::Broken(error.to_string()),
            Err(error) => return Turn::Failed(error.to_string()),
        };
        if let Some(receipt) = receipt {
            let path = receipts.join(commit.id.0.to_string());
            if let Err(error) = keep(&path, &receipt) {
                return Turn::Broken(format!(
                    "commit {} is decided, and its receipt can't be written to {}: {error}; florin proof \
                     receipt gives it again",
                    commit.id.0,
                    path.display()
                ));
            }
        }
        Turn::Answered(json::write::answer(&Answer::Outcome(outcome)))
    }
}

/// Writes a receipt, and never over another: what was promised first stays, and of one record that is enough.
fn keep(path: &Path, receipt: &SignedReceipt) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(&receipt.to_bytes()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let kept = SignedReceipt::read(&fs::read(path)?);
            let is_of_it = kept.is_ok_and(|kept| {
                let (kept, new) = (kept.receipt, &receipt.receipt);
                kept.birth == new.birth && kept.leaf == new.leaf
            });
            if is_of_it { Ok(()) } else { Err(error) }
        }
        Err(error) => Err(error),
    }
}

/// Whether the ledger is gone, or what a line did is unknown: a later line may lean on that. Of a
/// question, nothing does.
fn is_final(operation: &Operation, error: &ClientError) -> bool {
    match error {
        ClientError::NotSent { .. } => true,
        ClientError::Unknown { .. } => operation.writes(),
        ClientError::Refused { kind, .. } => {
            matches!(kind, RefusalKind::Stopped | RefusalKind::Corrupt)
        }
    }
}

/// The next line: its text, or why it has none. `None` at the end of the input.
fn next_line(input: &mut impl BufRead) -> Result<Option<Result<String, String>>, Failure> {
    let mut bytes = Vec::new();
    let read = input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes);
    let count = read
        .map_err(|error| Failure::new(Exit::Stopped, format!("can't read the input: {error}")))?;
    if count == 0 {
        return Ok(None);
    }
    if bytes.len() == usize::try_from(LINE_BYTES_MAX).unwrap_or(usize::MAX)
        && bytes.last() != Some(&b'\n')
    {
        skip_line(input)?;
        return Ok(Some(Err(format!("a line holds at most {LINE_BYTES_MAX} bytes: split it"))));
    }
    Ok(Some(String::from_utf8(bytes).map_err(|_| String::from("the line is not UTF-8"))))
}

/// Passes over the rest of a line without keeping it.
fn skip_line(input: &mut impl BufRead) -> Result<(), Failure> {
    input
        .skip_until(b'\n')
        .map(|_| ())
        .map_err(|error| Failure::new(Exit::Stopped, format!("can't read the input: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use florin_ledger::LedgerId;

    /// A question that took too long must not end a run; a write whose fate is unknown must.
    #[test]
    fn only_a_write_without_an_answer_ends_the_conversation() {
        let write = Operation::CreateTransfers(Vec::new());
        let question = Operation::TrialBalance(LedgerId(840));
        let unknown = ClientError::Unknown { message: String::from("no answer in time") };
        assert!(is_final(&write, &unknown));
        assert!(!is_final(&question, &unknown));
        let not_sent = ClientError::NotSent { message: String::from("nobody listens") };
        assert!(is_final(&question, &not_sent));
    }

    fn lines(mut input: &[u8]) -> Vec<Result<String, String>> {
        let mut found = Vec::new();
        while let Some(line) = next_line(&mut input).expect("memory can be read") {
            found.push(line);
        }
        found
    }

    #[test]
    fn the_last_line_needs_no_line_break() {
        assert_eq!(lines(b"{}\n[]"), [Ok(String::from("{}\n")), Ok(String::from("[]"))]);
        assert_eq!(lines(b""), []);
    }

    /// A line that never ends must not take all memory, and must cost only itself.
    #[test]
    fn an_endless_line_is_refused_and_the_next_one_read() {
        let bytes = usize::try_from(LINE_BYTES_MAX).expect("fits");
        let mut input = vec![b'x'; bytes + 10];
        input.extend_from_slice(b"\n{}\n");
        let found = lines(&input);
        assert_eq!(found.len(), 2);
        assert!(found[0].as_ref().is_err_and(|error| error.contains("split it")));
        assert_eq!(found[1], Ok(String::from("{}\n")));
    }

    #[test]
    fn bytes_that_are_no_text_cost_their_line_only() {
        let found = lines(b"\xff\xfe\n{}\n");
        assert!(found[0].is_err());
        assert_eq!(found[1], Ok(String::from("{}\n")));
    }
}
