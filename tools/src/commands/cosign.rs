//! `florin proof head --cosign`: a head that a primary states, and its standbys too.
//!
//! - What is written as a co-signed head was stated byte for byte by all who were asked, each under a key of its
//!   own.
//! - Another head of a standby is told and kept, whatever went wrong with the others. Exit status 1 says that,
//!   and nothing else.

use super::proof::{Asked, patiently, write_new};
use crate::evidence::Evidence;
use crate::exit::{Exit, Failure};
use clap::Args;
use florin_client::{ClientError, RefusalKind};
use florin_proof::{CosignedHead, SignedHead};
use std::fs;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use tokio::runtime::Runtime;

/// Who signs beside the server that is asked.
#[derive(Args, Debug)]
pub(super) struct Cosigners {
    /// Have these standbys state the same head, and write one file with the signatures of all. They are reached with
    /// the same --tls-ca and --key
    #[arg(
        long = "cosign",
        value_name = "HOST:PORT",
        value_delimiter = ',',
        requires_all = ["connect", "out"]
    )]
    standbys: Vec<String>,
    /// How long the tree of a standby has to come so far
    #[arg(long = "wait", value_name = "SECONDS", default_value = "30", requires = "standbys")]
    wait_seconds: NonZeroUsize,
}

/// A head, and who stated it.
struct Statement {
    address: String,
    head: SignedHead,
}

impl Cosigners {
    pub(super) fn is_none(&self) -> bool {
        self.standbys.is_empty()
    }

    /// The primary's head, stated and signed by all.
    pub(super) fn cosign(&self, asked: &Asked, size: Option<u64>) -> Result<Exit, Failure> {
        let runtime = crate::target::runtime()?;
        let primary = asked.destination.target.connect.as_ref().expect("clap demands it");
        let out = asked.out.as_ref().expect("clap demands it");
        let first = self.stated(&runtime, asked, primary, size)?;
        let (mut same, mut failed) = (vec![first], None);
        for standby in &self.standbys {
            match self.stated(&runtime, asked, standby, Some(same[0].head.head.size)) {
                Ok(other) if other.head.head == same[0].head.head => same.push(other),
                Ok(other) => return contradict(out, &same[0], &other),
                Err(failure) => failed = failed.or(Some(failure)),
            }
        }
        if let Some(failure) = failed {
            return Err(failure);
        }
        let evidence = Evidence::Cosigned(together(&same)?);
        let written = write_new(out, &evidence.to_bytes());
        written.map_err(|failure| Failure::unavailable(failure.to_string()))?;
        writeln!(io::stdout(), "{}", evidence.describe())?;
        Ok(Exit::Done)
    }

    /// What a server states, under its signature.
    fn stated(
        &self,
        runtime: &Runtime,
        asked: &Asked,
        address: &str,
        size: Option<u64>,
    ) -> Result<Statement, Failure> {
        let ledger = asked.destination.at(address).open(runtime, None)?;
        let client = &ledger.client;
        let attempts_max = self.wait_seconds.get();
        let answered = runtime.block_on(async {
            match patiently(attempts_max, async || client.tree_head(size).await).await {
                // On the log of who named the size a frame ends there. On another, what it says of itself shows it.
                Err(refused @ ClientError::Refused { kind: RefusalKind::Invalid, .. }) => {
                    client.tree_head(None).await.map_err(|_| refused)
                }
                answered => answered,
            }
        });
        let head = answered.map_err(|error| unavailable(address, &error.to_string()))?;
        let verified = head.verify(&head.key);
        verified.map_err(|error| unavailable(address, &format!("it signs nothing: {error}")))?;
        Ok(Statement { address: String::from(address), head })
    }
}

/// One file of all, unless one key has signed for two.
fn together(same: &[Statement]) -> Result<CosignedHead, Failure> {
    for (at, Statement { address, head }) in same.iter().enumerate() {
        if let Some(before) = same[..at].iter().find(|before| before.head.key == head.key) {
            let why = format!(
                "it signs with the key of {}, which is one signature: name servers that have signing keys of \
                 their own (florin proof key --data DIR)",
                before.address
            );
            return Err(unavailable(address, &why));
        }
    }
    let heads: Vec<SignedHead> = same.iter().map(|statement| statement.head).collect();
    CosignedHead::of(&heads).map_err(|error| Failure::usage(format!("no head of so many: {error}")))
}

/// Two servers of one bank state two heads: both are shown and kept.
fn contradict(out: &Path, first: &Statement, other: &Statement) -> Result<Exit, Failure> {
    let (one, two) = (&first.head.head, &other.head.head);
    if one.birth != two.birth {
        let why = "it is of another database: name standbys of the server that is asked";
        return Err(unavailable(&other.address, why));
    }
    let kept = [first, other].map(|statement| keep(out, statement));
    for statement in [first, other] {
        writeln!(io::stdout(), "{}", Evidence::Head(statement.head).describe())?;
    }
    let what = if one.size != two.size {
        format!("has {} leaves and no head of {}, which {} has", two.size, one.size, first.address)
    } else {
        format!(
            "states the root {} of {} leaves, where {} states {}",
            two.root, one.size, first.address, one.root
        )
    };
    Err(Failure::new(
        Exit::Findings,
        format!(
            "TWO HISTORIES: {} {what}; what both have signed {} and {}: show it to whoever trusts them",
            other.address, kept[0], kept[1]
        ),
    ))
}

/// Keeps a head beside the file that was wanted, and says where.
fn keep(out: &Path, statement: &Statement) -> String {
    let bytes = statement.head.to_bytes();
    let path = evidence_path(out, &statement.head);
    // The same head was signed with the same bytes before.
    let is_kept = fs::read(&path).is_ok_and(|kept| kept == bytes);
    match if is_kept { Ok(()) } else { write_new(&path, &bytes) } {
        Ok(()) => format!("is kept in {}", path.display()),
        Err(failure) => format!("could not be kept ({failure})"),
    }
}

/// `OUT.` and how the signer's key begins.
fn evidence_path(out: &Path, head: &SignedHead) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".");
    name.push(&head.key.to_string()[..16]);
    PathBuf::from(name)
}

fn unavailable(address: &str, why: &str) -> Failure {
    Failure::unavailable(format!("{address}: {why}"))
}
