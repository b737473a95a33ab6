//! What is proved is what happened, of every kind, in every place of the tree.

use crate::house::{
    TILE_LEAVES, assert_tree, beside, everything, open, open_accounts, options, post, public_key,
    tiles, wide,
};
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::tree::Proving;
use florin_core::{Database, ErrorKind, Options};
use florin_ledger::stream::ItemContent;
use florin_ledger::{CommitId, DocumentKey, LedgerId, Position, Subject, TableId, TransferId};
use std::collections::BTreeSet;

fn busy_day(disk: &SimulatedDisk) -> Database {
    let database = open(disk).unwrap();
    open_accounts(&database);
    for round in 0..3 {
        everything(&database, 100_000 + round * 100);
        post(&database, round * 1_000 + 1..round * 1_000 + 700);
    }
    database
}

#[test]
fn every_record_is_proved_as_the_stream_tells_it() {
    let disk = SimulatedDisk::new();
    let database = busy_day(&disk);
    let leaves = assert_tree(&database);
    assert!(4 * TILE_LEAVES < wide(leaves.len()), "some tiles, and an edge");
    assert_eq!(tiles(&disk).len(), leaves.len() / 512);
    let mut kinds = BTreeSet::new();
    // All of the edges of blocks and tiles, and some in between.
    for (index, leaf) in leaves.iter().enumerate() {
        let place = index % 256;
        if 3 < place && place < 253 && index % 61 != 0 && index + 40 < leaves.len() && 60 < index {
            continue;
        }
        let proof = database.prove_inclusion(&Subject::Position(leaf.position), None).unwrap();
        assert_eq!((proof.index, &proof.leaf), (wide(index), &leaf.bytes));
        let proved = proof.verify(&public_key()).unwrap();
        // In the first tree that has it, too: of what no verifier lets contradict itself there is all.
        if index < 40 {
            let sizes = wide(index) + 1..;
            let head =
                sizes.map(|size| database.tree_head(Some(size))).find_map(Result::ok).unwrap();
            let subject = Subject::Position(leaf.position);
            let early = database.prove_inclusion(&subject, Some(head.head.size)).unwrap();
            assert_eq!((early.verify(&public_key()), early.head), (Ok(proved), head));
        }
        kinds.insert(proved.content.kind().name());
    }
    let expected = [
        "account",
        "commit",
        "document_deleted",
        "document_put",
        "epoch",
        "event",
        "failed",
        "refusal",
        "transfer",
    ];
    assert_eq!(Vec::from_iter(kinds), expected);
}

#[test]
fn transfers_commits_and_documents_are_found_by_what_they_are_called() {
    let database = busy_day(&SimulatedDisk::new());
    database.await_tree().unwrap();
    let transfer = database.prove_inclusion(&Subject::Transfer(TransferId(1_500)), None).unwrap();
    let looked_up = database.lookup_transfers(&[TransferId(1_500)]).unwrap()[0].unwrap();
    let leaf = transfer.verify(&public_key()).unwrap();
    assert_eq!(leaf.content, ItemContent::Transfer(looked_up));
    // One that settled a hold names it by its id.
    let posting = database.prove_inclusion(&Subject::Transfer(TransferId(100_003)), None).unwrap();
    let ItemContent::Transfer(posted) = posting.verify(&public_key()).unwrap().content else {
        panic!("{posting:?}")
    };
    assert_eq!(posted.pending_id, TransferId(100_000));
    let commit = database.prove_inclusion(&Subject::Commit(CommitId(100_100)), None).unwrap();
    let leaf = commit.verify(&public_key()).unwrap();
    let ItemContent::Commit { id, actor, .. } = leaf.content else { panic!("{leaf:?}") };
    assert_eq!((id, actor), (CommitId(100_100), &b"who"[..]));
    let large = DocumentKey { table: TableId(16), key: b"large".to_vec() };
    let document = database.prove_inclusion(&Subject::Document(large), None).unwrap();
    let leaf = document.verify(&public_key()).unwrap();
    let ItemContent::DocumentPut { value, .. } = leaf.content else { panic!("{leaf:?}") };
    assert_eq!(value, vec![7; 40_000]);
}

#[test]
fn what_there_is_not_is_not_proved() {
    let database = busy_day(&SimulatedDisk::new());
    let leaves = assert_tree(&database);
    let refused = |subject: Subject, size| {
        database.prove_inclusion(&subject, size).map(drop).unwrap_err().kind()
    };
    let transfer = |id| Subject::Transfer(TransferId(id));
    assert_eq!(refused(transfer(77_777_777), None), ErrorKind::Invalid);
    assert_eq!(refused(Subject::Commit(CommitId(1)), None), ErrorKind::Invalid);
    let gone = DocumentKey { table: TableId(16), key: b"small".to_vec() };
    assert_eq!(refused(Subject::Document(gone), None), ErrorKind::Invalid);
    let last = leaves.last().unwrap().position;
    assert_eq!(refused(Subject::Position(beside(last)), None), ErrorKind::Invalid);
    let future = Position { lsn: florin_ledger::Lsn(1 << 40), ..last };
    assert_eq!(refused(Subject::Position(future), None), ErrorKind::NotYet);
    let another = Position { epoch: 9, ..last };
    assert_eq!(refused(Subject::Position(another), None), ErrorKind::Fork);
    // A tree that ends before it, and one that there is not yet.
    assert_eq!(refused(Subject::Position(last), Some(7)), ErrorKind::Invalid);
    assert_eq!(refused(transfer(5), Some(1 << 40)), ErrorKind::NotYet);
    assert_eq!(database.tree_head(Some(0)).unwrap_err().kind(), ErrorKind::Invalid);
}

/// A head is of the end of a frame, the same whenever it is asked for, and each the beginning of the next.
#[test]
fn old_heads_are_stated_again_and_are_the_beginning_of_new_ones() {
    let database = open(&SimulatedDisk::new()).unwrap();
    open_accounts(&database);
    let mut heads = Vec::new();
    for round in 0..14_u128 {
        post(&database, round * 200 + 1..round * 200 + 1 + 13 * (round + 1));
        database.await_tree().unwrap();
        heads.push(database.tree_head(None).unwrap());
    }
    for (number, head) in heads.iter().enumerate() {
        assert_eq!(database.tree_head(Some(head.head.size)).unwrap(), *head);
        for newer in &heads[number..] {
            let proof = database.prove_consistency(head.head.size, Some(newer.head.size)).unwrap();
            proof.verify(&public_key()).unwrap();
            assert_eq!((proof.first, proof.second), (*head, *newer));
        }
        // What was in it then is proved to be in it still.
        let proof = database
            .prove_inclusion(&Subject::Transfer(TransferId(1)), Some(head.head.size))
            .unwrap();
        assert_eq!(proof.head, *head);
    }
    let within = heads[5].head.size - 1;
    assert_eq!(database.tree_head(Some(within)).unwrap_err().kind(), ErrorKind::Invalid);
    let (old, new) = (heads[3].head.size, heads[2].head.size);
    let backwards = database.prove_consistency(old, Some(new)).unwrap_err();
    assert_eq!(backwards.kind(), ErrorKind::Invalid);
}

#[test]
fn a_receipt_is_given_at_once_and_redeemed_by_its_proof() {
    let database = busy_day(&SimulatedDisk::new());
    let subject = Subject::Transfer(TransferId(2_100));
    let receipt = database.receipt(&subject).unwrap();
    let promised = receipt.verify(&public_key()).unwrap();
    let proof = database.prove_inclusion(&Subject::Position(promised.position), None).unwrap();
    proof.verify(&public_key()).unwrap();
    receipt.check_redeemed(&proof).unwrap();
    // By the head of its own frame, too: the chain of both is one.
    let ends = receipt.receipt.lsn;
    let heads = (proof.index + 1..).map_while(|size| match database.tree_head(Some(size)) {
        Err(error) if error.kind() == ErrorKind::Invalid => Some(None),
        head => head.ok().map(Some),
    });
    let head = heads.flatten().next().unwrap();
    assert_eq!((head.head.lsn, head.head.chain), (ends, receipt.receipt.chain));
}

#[test]
fn without_a_tree_or_a_key_it_is_said_what_to_do() {
    let unsigned = Proving { signing_key: None, ..Proving::default() };
    let cases = [(None, "without its tree"), (Some(unsigned), "florin proof key")];
    for (proving, said) in cases {
        let options = Options { proving, ..options(9) };
        let database = crate::house::open_with(&SimulatedDisk::new(), options).unwrap();
        open_accounts(&database);
        post(&database, 1..5);
        let subject = Subject::Transfer(TransferId(1));
        for error in [
            database.tree_head(None).map(drop).unwrap_err(),
            database.prove_inclusion(&subject, None).map(drop).unwrap_err(),
            database.prove_consistency(1, None).map(drop).unwrap_err(),
            database.receipt(&subject).map(drop).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains(said), "{error}");
        }
        assert_eq!(database.trial_balance(LedgerId(978)).unwrap().accounts_count, 6);
    }
    let wrong = open_with_level(8).unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Invalid);
}

fn open_with_level(tile_level: u32) -> Result<Database, florin_core::Error> {
    crate::house::open_with(&SimulatedDisk::new(), options(tile_level))
}

/// What the tree is behind is a figure, and it comes to nothing.
#[test]
fn the_figures_say_how_far_it_is() {
    let database = busy_day(&SimulatedDisk::new());
    let leaves = assert_tree(&database);
    let figures = database.metrics().tree.unwrap();
    assert_eq!(figures.leaves, wide(leaves.len()));
    assert_eq!((figures.derived_tiles, figures.is_stuck), (0, false));
    assert!(figures.behind.as_nanos() == 0 || 0 < figures.behind_bytes);
    database.close().unwrap();
    assert_eq!(database.metrics().tree, None, "a closed database holds its directory no more");
    assert_eq!(database.tree_head(None).unwrap_err().kind(), ErrorKind::Stopped);
}
