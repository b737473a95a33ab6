//! The six kinds of files that prove something: told apart by their first bytes, verified with public
//! keys, described as a line of JSON.

use crate::exit::{Exit, Failure};
use crate::json::hexadecimal::hexadecimal;
use crate::json::item;
use florin_ledger::record::Balances;
use florin_proof::{
    BalanceProof, Capture, ConsistencyProof, CosignedHead, Flaw, InclusionProof, Leaf, ProofError,
    PublicKey, SignedHead, SignedReceipt, TreeHead,
};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Bytes of a file that proves something, at most.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A file that proves something.
#[derive(Debug)]
pub(crate) enum Evidence {
    Head(SignedHead),
    Cosigned(CosignedHead),
    Inclusion(InclusionProof),
    Consistency(ConsistencyProof),
    Receipt(SignedReceipt),
    Balance(BalanceProof),
}

/// Reads a file; nothing of it is verified.
///
/// # Errors
/// If it can't be read, or proves nothing because it is none of the six.
pub(crate) fn read(path: &Path) -> Result<Evidence, Failure> {
    let unavailable = |error: String| Failure::unavailable(format!("{}: {error}", path.display()));
    let length = fs::metadata(path).map_err(|error| unavailable(error.to_string()))?.len();
    if FILE_BYTES_MAX < length {
        return Err(refused(path, "a file that long proves nothing"));
    }
    let bytes = fs::read(path).map_err(|error| unavailable(error.to_string()))?;
    Evidence::of(&bytes).map_err(|error| refused(path, &error.to_string()))
}

pub(crate) fn refused(path: &Path, why: &str) -> Failure {
    Failure::new(Exit::Findings, format!("{} proves nothing: {why}", path.display()))
}

impl Evidence {
    fn of(bytes: &[u8]) -> Result<Evidence, ProofError> {
        match bytes.get(..8) {
            Some(b"FLORINTH") => SignedHead::read(bytes).map(Evidence::Head),
            Some(b"FLORINCH") => CosignedHead::read(bytes).map(Evidence::Cosigned),
            Some(b"FLORINIP") => InclusionProof::read(bytes).map(Evidence::Inclusion),
            Some(b"FLORINCP") => ConsistencyProof::read(bytes).map(Evidence::Consistency),
            Some(b"FLORINBP") => BalanceProof::read(bytes).map(Evidence::Balance),
            _ => SignedReceipt::read(bytes).map(Evidence::Receipt),
        }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Evidence::Head(head) => head.to_bytes().to_vec(),
            Evidence::Cosigned(head) => head.to_bytes(),
            Evidence::Inclusion(proof) => proof.to_bytes(),
            Evidence::Consistency(proof) => proof.to_bytes(),
            Evidence::Receipt(receipt) => receipt.to_bytes(),
            Evidence::Balance(proof) => proof.to_bytes(),
        }
    }

    /// The record that it is about, if it is about one.
    pub(crate) fn leaf(&self) -> Option<&[u8]> {
        match self {
            Evidence::Inclusion(proof) => Some(&proof.leaf),
            Evidence::Receipt(receipt) => Some(&receipt.receipt.leaf),
            Evidence::Balance(proof) => Some(&proof.capture.leaf),
            Evidence::Head(_) | Evidence::Cosigned(_) | Evidence::Consistency(_) => None,
        }
    }

    /// Checks everything that it says: that `signers_min` of the trusted keys at least have signed it, and no
    /// other key has. `trusted` has a key.
    pub(crate) fn verify(
        &self,
        trusted: &[PublicKey],
        signers_min: usize,
    ) -> Result<(), ProofError> {
        let of_one =
            |signer: &PublicKey| trusted.iter().find(|key| *key == signer).unwrap_or(&trusted[0]);
        match self {
            Evidence::Cosigned(head) => return head.verify(trusted, signers_min),
            Evidence::Head(head) => head.verify(of_one(&head.key)),
            Evidence::Inclusion(proof) => proof.verify(of_one(&proof.head.key)).map(drop),
            Evidence::Consistency(proof) => proof.verify(of_one(&proof.first.key)),
            Evidence::Receipt(receipt) => receipt.verify(of_one(&receipt.key)).map(drop),
            Evidence::Balance(proof) => proof.verify(of_one(&proof.capture.head.key)).map(drop),
        }?;
        if 1 < signers_min {
            return Err(ProofError { offset: 0, flaw: Flaw::TooFewSigners });
        }
        Ok(())
    }

    /// What it says, true or not.
    pub(crate) fn describe(&self) -> Value {
        match self {
            Evidence::Head(head) => json!({ "kind": "tree_head", "head": of_head(head) }),
            Evidence::Cosigned(cosigned) => {
                let keys = cosigned.signers().iter().map(|signer| signer.key.to_string());
                json!({
                    "kind": "cosigned_head",
                    "head": stated(cosigned.head()),
                    "keys": keys.collect::<Vec<_>>(),
                })
            }
            Evidence::Inclusion(InclusionProof { head, index, leaf, .. }) => json!({
                "kind": "inclusion",
                "head": of_head(head),
                "index": index.to_string(),
                "record": of_leaf(leaf),
            }),
            Evidence::Consistency(ConsistencyProof { first, second, .. }) => json!({
                "kind": "consistency",
                "first": of_head(first),
                "second": of_head(second),
            }),
            Evidence::Receipt(SignedReceipt { receipt, key, .. }) => json!({
                "kind": "receipt",
                "database": format!("{:032x}", receipt.birth),
                "life": format!("{:032x}", receipt.life),
                "key": key.to_string(),
                "end": receipt.lsn.to_string(),
                "durable": {
                    "standbys": receipt.standbys,
                    "standbys_demanded": receipt.standbys_demanded,
                },
                "record": of_leaf(&receipt.leaf),
            }),
            Evidence::Balance(proof) => of_balance(proof),
        }
    }
}

/// The balance is null of an account that was not open.
fn of_balance(proof: &BalanceProof) -> Value {
    let leaf = Leaf::read(&proof.capture.leaf).ok();
    let capture = leaf.as_ref().and_then(Capture::of_leaf).map(|capture| of_capture(&capture));
    let balance = proof.state.map(|state| {
        let Balances { debits_pending, debits_posted, credits_pending, credits_posted } =
            state.balances;
        json!({
            "ledger": state.ledger.0,
            "debits_pending": debits_pending.0.to_string(),
            "debits_posted": debits_posted.0.to_string(),
            "credits_pending": credits_pending.0.to_string(),
            "credits_posted": credits_posted.0.to_string(),
            "last_posting": state.last_posting.to_string(),
        })
    });
    json!({
        "kind": "balance",
        "head": of_head(&proof.capture.head),
        "account": proof.account.0.to_string(),
        "balance": balance,
        "captured": capture,
        "recorded": leaf.map(|leaf| {
            json!({ "position": leaf.position.to_string(), "time": leaf.time.0.to_string() })
        }),
    })
}

pub(crate) fn of_capture(capture: &Capture) -> Value {
    json!({
        "position": capture.position.to_string(),
        "accounts": capture.accounts.to_string(),
        "root": capture.root.to_string(),
    })
}

fn of_head(SignedHead { head, key, .. }: &SignedHead) -> Value {
    let mut said = stated(head);
    said["key"] = Value::from(key.to_string());
    said
}

/// What a head says of itself.
fn stated(head: &TreeHead) -> Value {
    let TreeHead { birth, life, epoch, size, lsn, time, chain, root } = head;
    json!({
        "database": format!("{birth:032x}"),
        "life": format!("{life:032x}"),
        "epoch": epoch.to_string(),
        "leaves": size.to_string(),
        "end": lsn.to_string(),
        "time": time.0.to_string(),
        "chain": hexadecimal(chain),
        "root": root.to_string(),
    })
}

fn of_leaf(leaf: &[u8]) -> Value {
    match Leaf::read(leaf) {
        Ok(Leaf { position, time, content }) => json!({
            "position": position.to_string(),
            "time": time.0.to_string(),
            "what": content.kind().name(),
            "content": item::content(content),
        }),
        Err(_) => Value::Null,
    }
}
