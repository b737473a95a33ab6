//! Questions for proofs, over both paths as those in [`crate::call`].

use crate::call::Call;
#[cfg(feature = "embedded")]
use crate::embedded::Task;
use bytes::Bytes;
use florin_ledger::Subject;
use florin_proof::{
    BalanceProof, Capture, ConsistencyProof, Hash, InclusionProof, ProofError, SignedHead,
    SignedReceipt,
};
use florin_wire::tree::{self, BalanceOf, Captured, ConsistencyOf, InclusionOf};
use florin_wire::{DecodeError, Operation, Reason};

/// What is answered is read, and for whoever trusts a key to verify.
macro_rules! proofs {
    ($($name:ident($question:ty) -> $answer:ident, $body:expr, $prove:expr;)*) => {
        $(
            pub(crate) struct $name(pub(crate) $question);

            impl Call for $name {
                type Answer = $answer;
                const OPERATION: Operation = Operation::$name;

                fn body(&self) -> Bytes {
                    let body: fn(&$question) -> Bytes = $body;
                    body(&self.0)
                }

                fn decode(&self, body: &[u8]) -> Result<$answer, DecodeError> {
                    $answer::read(body).map_err(|error| malformed(&error))
                }

                #[cfg(feature = "embedded")]
                fn task(&self) -> Result<Task<$answer>, florin_core::Error> {
                    let question = self.0.clone();
                    let prove: fn(&florin_core::Database, &$question) -> _ = $prove;
                    Ok(Task::Read(Box::new(move |database| prove(database, &question))))
                }
            }
        )*
    };
}

proofs! {
    TreeHead(Option<u64>) -> SignedHead, |size| tree::head_to_bytes(*size),
        |database, size| database.tree_head(*size);
    ProveInclusion(InclusionOf) -> InclusionProof, InclusionOf::to_bytes,
        |database, asked| database.prove_inclusion(&asked.subject, asked.size);
    ProveConsistency(ConsistencyOf) -> ConsistencyProof, |asked| asked.to_bytes(),
        |database, asked| database.prove_consistency(asked.first, asked.second);
    Receipt(Subject) -> SignedReceipt, tree::subject_to_bytes,
        |database, subject| database.receipt(subject);
    ProveBalance(BalanceOf) -> BalanceProof, |asked| asked.to_bytes(),
        |database, asked| database.prove_balance(asked.account, asked.at);
}

pub(crate) struct CaptureBalances;

impl Call for CaptureBalances {
    type Answer = Capture;
    const OPERATION: Operation = Operation::CaptureBalances;

    fn body(&self) -> Bytes {
        Bytes::new()
    }

    fn decode(&self, body: &[u8]) -> Result<Capture, DecodeError> {
        let Captured { position, accounts, root } = Captured::decode(body)?;
        Ok(Capture { position, accounts, root: Hash(root) })
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<Capture>, florin_core::Error> {
        Ok(Task::Read(Box::new(florin_core::Database::capture_balances)))
    }
}

fn malformed(error: &ProofError) -> DecodeError {
    DecodeError::new(error.offset, Reason::Unknown)
}
