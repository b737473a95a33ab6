//! What a restored bank signs. Prevents: an honest bank that was restored and seems to have signed two things of
//! one tree, and one that was not and says so.

use crate::bank::{Bank, Kind, opens_with, options, restored, transfer};
use florin_core::backup::Target;
use florin_core::backup::memory::MemoryStore;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::proof::{Leaf, SigningKey};
use florin_core::tree::Proving;
use florin_core::{Database, Options};
use florin_ledger::stream::{ItemContent, ItemKind, ItemKinds};
use florin_ledger::{Position, StreamFilter, StreamStart, Subject, TransferId};
use std::time::Duration;

fn key() -> SigningKey {
    SigningKey::from_seed(&[42; 32])
}

fn open(kind: Kind, disk: &SimulatedDisk) -> Database {
    let proving = Proving { signing_key: Some(key()), tile_level: 9, ..Proving::default() };
    let database = opens_with(kind, disk, Options { proving: Some(proving), ..options() }).unwrap();
    database.await_tree().unwrap();
    database
}

fn post(database: &Database, ids: std::ops::Range<u128>) {
    let transfers: Vec<_> = ids.map(|id| transfer(TransferId(id))).collect();
    database.create_transfers(&transfers).unwrap();
    database.await_tree().unwrap();
}

/// Where the lives begin of which a stream tells.
fn lives(database: &Database) -> Vec<Position> {
    let kinds = ItemKinds::NONE.with(ItemKind::Life);
    let filter = StreamFilter { kinds, ..StreamFilter::default() };
    let mut stream = database.subscribe(StreamStart::Begin, filter).unwrap();
    let mut found = Vec::new();
    loop {
        let batch = stream.next(1 << 20, Duration::ZERO).unwrap();
        let positions = batch.view().items().map(|item| item.cursor);
        found.extend(positions.map(|cursor| Position { epoch: cursor.epoch, lsn: cursor.lsn }));
        if batch.view().end().is_live {
            return found;
        }
    }
}

#[test]
fn a_restored_bank_signs_under_its_new_name_and_shows_why() {
    for kind in [Kind::Clear, Kind::Sealed] {
        let mut bank = Bank::found(kind);
        bank.day(3);
        let public = key().public();
        let old = open(kind, &bank.disk);
        post(&old, 1_000..1_600);
        let kept = old.tree_head(None).unwrap().head;
        let promised = old.receipt(&Subject::Transfer(TransferId(1_300))).unwrap();
        old.close().unwrap();
        drop(old);
        let store = MemoryStore::new();
        bank.back_up(&store).unwrap();
        // What comes now is lost.
        let old = open(kind, &bank.disk);
        post(&old, 5_000..5_100);
        let lost_head = old.tree_head(None).unwrap().head;
        let lost = old.receipt(&Subject::Transfer(TransferId(5_050))).unwrap();
        let old_name = old.status().unwrap().incarnation;
        old.close().unwrap();
        assert_eq!((kept.birth, kept.life), (old_name, old_name));

        let disk = SimulatedDisk::new();
        let life = restored(kind, &store, &disk, Target::End).unwrap();
        let database = open(kind, &disk);
        let mut next = 7_000;
        let head = loop {
            post(&database, next..next + 1);
            next += 1;
            let head = database.tree_head(None).unwrap().head;
            if lost_head.size <= head.size {
                break head;
            }
        };
        assert_eq!((head.birth, head.life), (kept.birth, life.incarnation));
        // The two trees of one size have two roots: they are of two lives, and that is said.
        let same = database.tree_head(Some(lost_head.size)).unwrap().head;
        assert_eq!((same.size, same.birth), (lost_head.size, lost_head.birth));
        assert_ne!((same.root, same.life), (lost_head.root, lost_head.life));
        // What the old life signed before the cut holds.
        assert_eq!(database.tree_head(Some(kept.size)).unwrap().head, kept);
        let consistent = database.prove_consistency(kept.size, None).unwrap();
        consistent.verify(&public).unwrap();
        assert_eq!(consistent.first.head, kept);
        let subject = Subject::Position(promised.verify(&public).unwrap().position);
        let proof = database.prove_inclusion(&subject, None).unwrap();
        proof.verify(&public).unwrap();
        promised.check_redeemed(&proof).unwrap();
        assert_eq!(promised.receipt.life, old_name);
        // Of what was lost, the leaf of the life says so.
        let begun = lives(&database);
        let proof = database.prove_inclusion(&Subject::Position(begun[0]), None).unwrap();
        let Leaf { content: ItemContent::Life(begun), .. } = proof.verify(&public).unwrap() else {
            panic!("{proof:?}")
        };
        assert_eq!((begun.previous, begun.incarnation), (lost.receipt.life, life.incarnation));
        assert!(begun.restored_to <= lost.verify(&public).unwrap().position.lsn);
        assert_eq!(begun.restored_to, life.cut.lsn);
        // A receipt of the new life is of the new life.
        let receipt = database.receipt(&Subject::Transfer(TransferId(7_000))).unwrap();
        assert_eq!(receipt.receipt.life, life.incarnation);
        database.close().unwrap();
    }
}

/// Every head of every life is stated again after the third restore, as each life stated it.
#[test]
fn heads_of_many_lives_keep_their_names() {
    let mut disk = {
        let mut bank = Bank::found(Kind::Clear);
        bank.day(1);
        bank.disk
    };
    let mut heads = Vec::new();
    for life in 0..4_u128 {
        let database = open(Kind::Clear, &disk);
        post(&database, life * 1_000 + 100..life * 1_000 + 400);
        assert_eq!(lives(&database).len(), usize::try_from(life).unwrap());
        let head = database.tree_head(None).unwrap();
        assert_eq!(head.head.life, database.status().unwrap().incarnation);
        heads.push(head);
        for head in &heads {
            assert_eq!(database.tree_head(Some(head.head.size)).unwrap(), *head);
            let proof = database.prove_consistency(head.head.size, None).unwrap();
            proof.verify(&key().public()).unwrap();
        }
        database.close().unwrap();
        drop(database);
        let store = MemoryStore::new();
        Bank::on(Kind::Clear, disk, 9, 1).back_up(&store).unwrap();
        disk = SimulatedDisk::new();
        restored(Kind::Clear, &store, &disk, Target::End).unwrap();
    }
    let names: std::collections::BTreeSet<u128> = heads.iter().map(|head| head.head.life).collect();
    assert_eq!(names.len(), 4);
}
