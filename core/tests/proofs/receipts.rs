//! Receipts in the answers to commits. Prevents: a promise that comes after the customer has left, one of something
//! else than was committed, and a commit that takes effect and is refused for want of a signature.

use crate::house::{open, open_accounts, open_with, options, public_key, transfer};
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::proof::{PublicKey, SignedReceipt};
use florin_core::tree::Proving;
use florin_core::{Database, ErrorKind, Options};
use florin_ledger::commit::{BrokenRule, Precondition};
use florin_ledger::stream::ItemContent;
use florin_ledger::{Commit, CommitId, CommitOutcome, Position, Subject, TableId, TransferFlags};

fn commit(id: u128, amount: u128) -> Commit {
    let transfers = vec![transfer(1_000 + id, amount, TransferFlags::NONE)];
    Commit { id: CommitId(id), transfers, actor: b"who".to_vec(), ..Commit::default() }
}

/// What a receipt says to whoever has its bytes and the public key.
fn judged(receipt: &SignedReceipt, key: &PublicKey) -> (Position, Option<CommitId>) {
    let read = SignedReceipt::read(&receipt.to_bytes()).unwrap();
    let leaf = read.verify(key).unwrap();
    let id = match leaf.content {
        ItemContent::Commit { id, actor, .. } => {
            assert_eq!(actor, b"who");
            Some(id)
        }
        _ => None,
    };
    (leaf.position, id)
}

fn check_redeemed(database: &Database, receipt: &SignedReceipt) {
    let position = receipt.verify(&public_key()).unwrap().position;
    let proof = database.prove_inclusion(&Subject::Position(position), None).unwrap();
    proof.verify(&public_key()).unwrap();
    receipt.check_redeemed(&proof).unwrap();
}

#[test]
fn a_commit_is_answered_with_its_receipt() {
    let disk = SimulatedDisk::new();
    let database = open(&disk).unwrap();
    open_accounts(&database);
    let (outcome, receipt) = database.commit_with_receipt(&commit(1, 5)).unwrap();
    let CommitOutcome::Done(done) = &outcome else { panic!("{outcome:?}") };
    let receipt = receipt.unwrap();
    assert_eq!(judged(&receipt, &public_key()), (done.position, Some(CommitId(1))));
    assert_eq!((receipt.receipt.standbys, receipt.receipt.standbys_demanded), (0, 0));
    check_redeemed(&database, &receipt);
    // Asked again it is the same outcome, with the same promise; also in another opening.
    assert_eq!(
        database.commit_with_receipt(&commit(1, 5)).unwrap(),
        (outcome, Some(receipt.clone()))
    );
    database.close().unwrap();
    let database = open(&disk).unwrap();
    assert_eq!(database.commit_with_receipt(&commit(1, 5)).unwrap().1, Some(receipt.clone()));
    assert_eq!(database.receipt(&Subject::Commit(CommitId(1))).unwrap(), receipt);
}

/// What a rule refused is decided for ever, and promised as well; what is not on record is not.
#[test]
fn what_is_on_record_has_a_receipt_and_nothing_else_has() {
    let database = open(&SimulatedDisk::new()).unwrap();
    open_accounts(&database);
    let mut to_itself = commit(1, 5);
    to_itself.transfers[0].credit_account_id = to_itself.transfers[0].debit_account_id;
    let (outcome, receipt) = database.commit_with_receipt(&to_itself).unwrap();
    let CommitOutcome::Refused(refused) = outcome else { panic!("{outcome:?}") };
    assert!(matches!(refused.broken, BrokenRule::Transfer { .. }));
    let receipt = receipt.unwrap();
    assert_eq!(judged(&receipt, &public_key()), (refused.position, None));
    check_redeemed(&database, &receipt);
    let missing = Precondition::Document {
        table: TableId(16),
        key: b"none".to_vec(),
        version: Position { epoch: 1, ..Position::NONE },
    };
    let unmet = Commit { preconditions: vec![missing], ..commit(2, 5) };
    let (outcome, receipt) = database.commit_with_receipt(&unmet).unwrap();
    assert!(matches!(outcome, CommitOutcome::Unmet(_)), "{outcome:?}");
    assert_eq!(receipt, None);
    database.commit(&commit(3, 5)).unwrap();
    let (outcome, receipt) = database.commit_with_receipt(&commit(3, 6)).unwrap();
    assert!(matches!(outcome, CommitOutcome::ExistsWithDifferentDigest(_)), "{outcome:?}");
    assert_eq!(receipt, None);
}

#[test]
fn who_can_not_sign_decides_nothing() {
    let without = [None, Some(Proving { signing_key: None, ..Proving::default() })];
    for proving in without {
        let options = Options { proving, ..options(9) };
        let database = open_with(&SimulatedDisk::new(), options).unwrap();
        open_accounts(&database);
        let refused = database.commit_with_receipt(&commit(1, 5)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
        let outcome = database.commit(&commit(1, 6)).unwrap();
        assert!(matches!(outcome, CommitOutcome::Done(_)), "the id was taken: {outcome:?}");
    }
}
