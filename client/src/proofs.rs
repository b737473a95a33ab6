//! What a client asks a server to prove. What is answered is worth what the key is that verifies it: take
//! that from somewhere else than from the server.

use crate::client::Client;
use crate::error::ClientError;
use crate::proof_call::{
    CaptureBalances, ProveBalance, ProveConsistency, ProveInclusion, Receipt, TreeHead,
};
use florin_ledger::{AccountId, Position, Subject};
use florin_proof::{
    BalanceProof, Capture, ConsistencyProof, InclusionProof, Leaf, SignedHead, SignedReceipt,
};
use florin_wire::RefusalKind;
use florin_wire::tree::{BalanceOf, ConsistencyOf, InclusionOf};

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
    /// ask again, or for a [`Client::receipt`]; as [`crate::RefusalKind::Corrupt`] if the server proves another
    /// record; see [`ClientError`].
    pub async fn prove_inclusion(
        &self,
        subject: &Subject,
        size: Option<u64>,
    ) -> Result<InclusionProof, ClientError> {
        let proof: InclusionProof =
            self.ask(&ProveInclusion(InclusionOf { subject: subject.clone(), size })).await?;
        check_subject(&proof.leaf, subject)?;
        Ok(proof)
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

    /// What an account was when all balances were captured last, or last at or before a position if one is given; or
    /// that it was not open then. Whether a posting that the caller knows of is counted is
    /// [`BalanceProof::check_counted`]'s to say.
    ///
    /// # Errors
    /// Refused as [`crate::RefusalKind::Invalid`] if no balances were captured by then; as
    /// [`crate::RefusalKind::NotYet`] while the balances of another capture are derived again: ask again; as
    /// [`crate::RefusalKind::Corrupt`] if the server proves another account's; see [`ClientError`].
    pub async fn prove_balance(
        &self,
        account: AccountId,
        at: Position,
    ) -> Result<BalanceProof, ClientError> {
        let proof: BalanceProof = self.ask(&ProveBalance(BalanceOf { account, at })).await?;
        if proof.account != account {
            let message = "the server has proved another account's balance than was asked for";
            let (kind, message) = (RefusalKind::Corrupt, String::from(message));
            return Err(ClientError::Refused { kind, message });
        }
        Ok(proof)
    }

    /// Puts the root of all balances as they are now on record, for proofs of them. Returns when that is durable:
    /// seconds where there are millions of accounts.
    ///
    /// # Errors
    /// Refused as [`crate::RefusalKind::NotYet`] while another is made; see [`ClientError`].
    pub async fn capture_balances(&self) -> Result<Capture, ClientError> {
        self.ask(&CaptureBalances).await
    }

    /// The signed promise that a record is in the log. Waits for no tree; the inclusion proof of the same
    /// record redeems it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn receipt(&self, subject: &Subject) -> Result<SignedReceipt, ClientError> {
        let receipt: SignedReceipt = self.ask(&Receipt(subject.clone())).await?;
        check_subject(&receipt.receipt.leaf, subject)?;
        Ok(receipt)
    }
}

/// A proof of something else may well hold: it is not what was asked for.
pub(crate) fn check_subject(leaf: &[u8], subject: &Subject) -> Result<(), ClientError> {
    if Leaf::read(leaf).is_ok_and(|leaf| leaf.is_of(subject)) {
        return Ok(());
    }
    Err(ClientError::Refused {
        kind: RefusalKind::Corrupt,
        message: String::from(
            "the server has proved another record than was asked for: don't take it for that one",
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use florin_ledger::stream::ItemContent;
    use florin_ledger::{Lsn, Timestamp, Transfer, TransferId};

    /// Prevents: a payment that is taken for proved because the server has proved another.
    #[test]
    fn a_proof_of_another_record_is_not_taken() {
        let position = Position { epoch: 1, lsn: Lsn(4_272) };
        let transfer = Transfer { id: TransferId(7), ..Transfer::default() };
        let leaf = Leaf { position, time: Timestamp(5), content: ItemContent::Transfer(transfer) };
        let leaf = leaf.to_bytes();
        assert_eq!(check_subject(&leaf, &Subject::Transfer(TransferId(7))), Ok(()));
        assert_eq!(check_subject(&leaf, &Subject::Position(position)), Ok(()));
        for (leaf, subject) in [
            (&leaf[..], Subject::Transfer(TransferId(8))),
            (&leaf[..], Subject::Position(Position { epoch: 2, ..position })),
            (&leaf[1..], Subject::Transfer(TransferId(7))),
        ] {
            let refused = check_subject(leaf, &subject).unwrap_err();
            assert!(matches!(refused, ClientError::Refused { kind: RefusalKind::Corrupt, .. }));
        }
    }
}
