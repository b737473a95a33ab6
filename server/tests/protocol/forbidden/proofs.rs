//! Proofs are not cut to what a key is limited to.

use super::two_ledgers;
use florin_ledger::{AccountId, Position, Subject, TransferId};
use florin_wire::tree::{self, BalanceOf, InclusionOf};
use florin_wire::{Operation, RefusalKind};

/// A proof shows any record that it is asked for by position, so a key that is limited gets none; a head
/// shows nothing.
#[tokio::test]
async fn a_limited_key_gets_no_proof_of_a_record() {
    let bank = two_ledgers().await;
    let mut shop = bank.admitted(2).await;
    let subject = Subject::Transfer(TransferId(101));
    let inclusion = InclusionOf { subject: subject.clone(), size: None }.to_bytes();
    shop.forbidden(Operation::ProveInclusion, &inclusion).await;
    shop.forbidden(Operation::Receipt, &tree::subject_to_bytes(&subject)).await;
    let balance = BalanceOf { account: AccountId(1), at: Position::NONE }.to_bytes();
    shop.forbidden(Operation::ProveBalance, &balance).await;
    shop.ask(1, Operation::TreeHead.number(), 0, &tree::head_to_bytes(None)).await;
    assert_eq!(shop.reply().await.refusal().kind, RefusalKind::Invalid, "there is no tree");
    bank.close().await;
}
