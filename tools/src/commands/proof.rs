//! `florin proof`: heads, proofs and receipts, as files for whoever wants to verify them.

use super::cosign::Cosigners;
use super::tail::bytes;
use crate::evidence::{self, Evidence};
use crate::exit::{Exit, Failure};
use crate::signing_key::SigningKeyArguments;
use crate::target::{Destination, Ledger, runtime};
use clap::{Args, Subcommand};
use florin_client::{Client, ClientError, RefusalKind};
use florin_ledger::{AccountId, CommitId, DocumentKey, Position, Subject, TableId, TransferId};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// How often a proof is asked for that is refused as *not yet*.
const ATTEMPTS_MAX: usize = 30;

/// Prove what is recorded, to whoever has the public key
#[derive(Args, Debug)]
#[command(
    after_help = "What is asked for is written to --out, for florin verify-receipt, which needs no \
server. A receipt is given at once; an inclusion proof once the tree has come past the record, which takes \
milliseconds as a rule."
)]
pub(crate) struct Proof {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Print the public key, making the pair if there is none
    Key {
        /// The data directory
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        #[command(flatten)]
        signing_key: SigningKeyArguments,
    },
    /// The signed head of the tree: one statement about everything that is recorded so far
    Head {
        #[command(flatten)]
        asked: Asked,
        /// Of the tree that had so many leaves; as another head says
        #[arg(long, value_name = "LEAVES")]
        size: Option<u64>,
        #[command(flatten)]
        cosigners: Cosigners,
    },
    /// That a record is in the tree of a signed head
    Inclusion {
        #[command(flatten)]
        asked: Asked,
        #[command(flatten)]
        subject: SubjectArguments,
        /// In the tree that had so many leaves; without it, in the newest
        #[arg(long, value_name = "LEAVES")]
        size: Option<u64>,
    },
    /// That an older tree is the beginning of a newer one: nothing of it was changed
    Consistency {
        #[command(flatten)]
        asked: Asked,
        /// Leaves of the older tree
        #[arg(long, value_name = "LEAVES")]
        from: u64,
        /// Leaves of the newer tree; without it, of the newest
        #[arg(long, value_name = "LEAVES")]
        to: Option<u64>,
    },
    /// A signed promise that a record is in the log
    Receipt {
        #[command(flatten)]
        asked: Asked,
        #[command(flatten)]
        subject: SubjectArguments,
    },
    /// What an account was when all balances were captured last, or that it was not open then
    Balance {
        #[command(flatten)]
        asked: Asked,
        /// The account
        account: u128,
        /// Of the last capture at or before the record at this position
        #[arg(long, value_name = "EPOCH:LSN", value_parser = position)]
        as_of: Option<Position>,
    },
    /// Capture all balances as they are now: put the root of their tree on record, for proofs of balances
    Capture {
        #[command(flatten)]
        destination: Destination,
    },
    /// The inclusion proof of what a receipt promises, verified under the key that signed the receipt
    Redeem {
        #[command(flatten)]
        asked: Asked,
        /// The receipt
        receipt: PathBuf,
    },
}

/// Whom to ask, and where the answer goes.
#[derive(Args, Debug)]
pub(super) struct Asked {
    #[command(flatten)]
    pub(super) destination: Destination,
    #[command(flatten)]
    signing_key: SigningKeyArguments,
    /// Where to write it; must be new
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct SubjectArguments {
    /// The record of this transfer
    #[arg(long, value_name = "ID")]
    transfer: Option<u128>,
    /// The record that decided this commit
    #[arg(long, value_name = "ID")]
    commit: Option<u128>,
    /// The record that wrote this document last; its key in hexadecimal digits
    #[arg(long, value_name = "TABLE:HEX", value_parser = document)]
    document: Option<DocumentKey>,
    /// The record at this position
    #[arg(long, value_name = "EPOCH:LSN", value_parser = position)]
    position: Option<Position>,
}

impl SubjectArguments {
    fn subject(&self) -> Subject {
        match (self.transfer, self.commit, &self.document, self.position) {
            (Some(id), ..) => Subject::Transfer(TransferId(id)),
            (_, Some(id), ..) => Subject::Commit(CommitId(id)),
            (_, _, Some(key), _) => Subject::Document(key.clone()),
            (.., position) => Subject::Position(position.expect("one of the group is required")),
        }
    }
}

fn document(text: &str) -> Result<DocumentKey, String> {
    let (table, key) = text.split_once(':').ok_or("a document is TABLE:HEX")?;
    let table = table.parse().map_err(|_| String::from("a table is a number up to 65535"))?;
    Ok(DocumentKey { table: TableId(table), key: bytes(key)? })
}

fn position(text: &str) -> Result<Position, String> {
    text.parse().map_err(|_| String::from("a position is EPOCH:LSN, both decimal"))
}

impl Proof {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        match &self.action {
            Action::Key { data, signing_key } => {
                let key = signing_key.open_or_make(data)?;
                writeln!(io::stdout(), "{}", key.public())?;
                Ok(Exit::Done)
            }
            Action::Head { asked, size, cosigners } if cosigners.is_none() => {
                asked.answer(async |client| {
                    let state = async || client.tree_head(*size).await;
                    patiently(ATTEMPTS_MAX, state).await.map(Evidence::Head)
                })
            }
            Action::Head { asked, size, cosigners } => cosigners.cosign(asked, *size),
            Action::Inclusion { asked, subject, size } => {
                let subject = subject.subject();
                asked.answer(async |client| {
                    let prove = async || client.prove_inclusion(&subject, *size).await;
                    patiently(ATTEMPTS_MAX, prove).await.map(Evidence::Inclusion)
                })
            }
            Action::Consistency { asked, from, to } => asked.answer(async |client| {
                let prove = async || client.prove_consistency(*from, *to).await;
                patiently(ATTEMPTS_MAX, prove).await.map(Evidence::Consistency)
            }),
            Action::Receipt { asked, subject } => {
                let subject = subject.subject();
                asked.answer(async |client| client.receipt(&subject).await.map(Evidence::Receipt))
            }
            Action::Balance { asked, account, as_of } => {
                let (account, at) = (AccountId(*account), as_of.unwrap_or(Position::NONE));
                asked.answer(async |client| {
                    let prove = async || client.prove_balance(account, at).await;
                    patiently(ATTEMPTS_MAX, prove).await.map(Evidence::Balance)
                })
            }
            Action::Capture { destination } => capture(destination),
            Action::Redeem { asked, receipt } => redeem(asked, receipt),
        }
    }
}

fn capture(destination: &Destination) -> Result<Exit, Failure> {
    destination.refuse_new()?;
    let runtime = runtime()?;
    let ledger = match &destination.target.data {
        // No key is needed to put it on record, one is to prove it.
        Some(_) => destination.open_proving(&runtime, None)?,
        None => destination.open(&runtime, None)?,
    };
    let capture = async || ledger.client.capture_balances().await;
    let captured = runtime.block_on(patiently(ATTEMPTS_MAX, capture));
    let closed = ledger.close();
    writeln!(io::stdout(), "{}", evidence::of_capture(&captured?))?;
    closed?;
    Ok(Exit::Done)
}

fn redeem(asked: &Asked, path: &Path) -> Result<Exit, Failure> {
    let Evidence::Receipt(receipt) = evidence::read(path)? else {
        return Err(Failure::usage(format!("{} is no receipt", path.display())));
    };
    let leaf = receipt.verify(&receipt.key);
    let leaf = leaf.map_err(|error| broken(path, &error.to_string()))?;
    let subject = Subject::Position(leaf.position);
    asked.answer(async |client| {
        let prove = async || client.prove_inclusion(&subject, None).await;
        let proof = patiently(ATTEMPTS_MAX, prove).await?;
        let redeemed = proof.verify(&receipt.key).and_then(|_| receipt.check_redeemed(&proof));
        redeemed.map_err(|error| ClientError::Refused {
            kind: RefusalKind::Fork,
            message: format!(
                "the receipt is not redeemed, what the ledger gives for it proves nothing: {error}; keep \
                 the receipt, it shows what was promised"
            ),
        })?;
        Ok(Evidence::Inclusion(proof))
    })
}

impl Asked {
    fn answer(
        &self,
        ask: impl AsyncFn(&Client) -> Result<Evidence, ClientError>,
    ) -> Result<Exit, Failure> {
        self.destination.refuse_new()?;
        let runtime = runtime()?;
        let ledger = self.open(&runtime)?;
        let answered = runtime.block_on(ask(&ledger.client));
        let closed = ledger.close();
        let evidence = answered?;
        if let Some(out) = &self.out {
            write_new(out, &evidence.to_bytes())?;
        }
        writeln!(io::stdout(), "{}", evidence.describe())?;
        closed?;
        Ok(Exit::Done)
    }

    fn open(&self, runtime: &tokio::runtime::Runtime) -> Result<Ledger, Failure> {
        match &self.destination.target.data {
            None => self.destination.open(runtime, None),
            Some(data) => {
                let key = self.signing_key.required(data)?;
                self.destination.open_proving(runtime, Some(key))
            }
        }
    }
}

/// A tree that is behind catches up: who asks for a proof by hand would only ask again. A server waits a
/// second before it says *not yet*.
pub(super) async fn patiently<T>(
    attempts_max: usize,
    ask: impl AsyncFn() -> Result<T, ClientError>,
) -> Result<T, ClientError> {
    let mut answered = ask().await;
    for _ in 1..attempts_max {
        let Err(ClientError::Refused { kind: RefusalKind::NotYet, .. }) = answered else { break };
        answered = ask().await;
    }
    answered
}

pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let made = fs::OpenOptions::new().write(true).create_new(true).open(path);
    let written = made.and_then(|mut file| file.write_all(bytes));
    written.map_err(|error| broken(path, &error.to_string()))
}

fn broken(path: &Path, why: &str) -> Failure {
    Failure::new(Exit::Findings, format!("{}: {why}", path.display()))
}
