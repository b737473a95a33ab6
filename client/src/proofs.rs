//! What a client asks a server to prove. What is answered is worth what the key is that verifies it: take
//! that from somewhere else than from the server.

use crate::client::Client;
use crate::error::ClientError;
use crate::proof_call::{ProveConsistency, ProveInclusion, Receipt, TreeHead};
use florin_ledger::Subject;
use florin_proof::{ConsistencyProof, InclusionProof, SignedHead, SignedReceipt};
use florin_wire::tree::{ConsistencyOf, InclusionOf};

impl Client {
    /// The signed head of the tree of so many leaves; `None`: of the newest.
    ///
    /// # Errors
    /// Refused as [`crate::RefusalKind::NotYet`] for a size that the tree does not have yet; see
    /// [`ClientError`].
    pub async fn tree_head(&self, size: Option<u64>) -> Result<SignedHead, ClientError> {
        self.ask(&TreeHead(size)).await
    }

    /// That a record is in the tree of so many leaves; `None`: in the newest.
    ///
    /// # Errors
    /// Refused as [`crate::RefusalKind::NotYet`] if the tree has not come past the record within a second:
    /// ask again, or for a [`Client::receipt`]; see [`ClientError`].
    pub async fn prove_inclusion(
        &self,
        subject: &Subject,
        size: Option<u64>,
    ) -> Result<InclusionProof, ClientError> {
        self.ask(&ProveInclusion(InclusionOf { subject: subject.clone(), size })).await
    }

    /// That the tree of `first` leaves is the beginning of that of `second`; `None`: of the newest.
    ///
    /// # Errors
    /// As [`Client::tree_head`].
    pub async fn prove_consistency(
        &self,
        first: u64,
        second: Option<u64>,
    ) -> Result<ConsistencyProof, ClientError> {
        self.ask(&ProveConsistency(ConsistencyOf { first, second })).await
    }

    /// The signed promise that a record is in the log. Waits for no tree; the inclusion proof of the same
    /// record redeems it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn receipt(&self, subject: &Subject) -> Result<SignedReceipt, ClientError> {
        self.ask(&Receipt(subject.clone())).await
    }
}
