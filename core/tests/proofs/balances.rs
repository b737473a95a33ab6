//! Proofs of balances from a real engine: what is captured is what was, however much happens meanwhile, and a
//! database whose balances are not those of its log gives none.

use crate::house::{
    everything, open, open_accounts, open_with, options, patiently, post, public_key, signing_key,
    transfer, verify,
};
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::proof::balance::Standing;
use florin_core::proof::{AccountState, BalanceProof, Capture, Flaw};
use florin_core::tree::Proving;
use florin_core::{Database, ErrorKind, Options};
use florin_ledger::document::WriteResult;
use florin_ledger::record::Balances;
use florin_ledger::{
    Account, AccountId, Code, DocumentKey, DocumentWrite, LedgerId, Lsn, Position, Subject,
    TransferFlags, TransferId,
};
use std::thread;

fn prove(database: &Database, id: u128, at: Position) -> BalanceProof {
    let proof = patiently(|| database.prove_balance(AccountId(id), at));
    proof.verify(&public_key()).unwrap();
    assert_eq!(BalanceProof::read(&proof.to_bytes()).as_ref(), Ok(&proof));
    proof
}

fn now(database: &Database, id: u128) -> Balances {
    let account = database.lookup_accounts(&[AccountId(id)]).unwrap()[0].unwrap();
    Balances {
        debits_pending: account.debits_pending,
        debits_posted: account.debits_posted,
        credits_pending: account.credits_pending,
        credits_posted: account.credits_posted,
    }
}

fn state(proof: &BalanceProof) -> AccountState {
    proof.state.unwrap()
}

fn open_more(database: &Database, ids: impl Iterator<Item = u128>) {
    let account = |id| Account {
        id: AccountId(id),
        ledger: LedgerId(978),
        code: Code(1),
        ..Account::default()
    };
    let accounts: Vec<Account> = ids.map(account).collect();
    for some in accounts.chunks(8_000) {
        database.create_accounts(some).unwrap();
    }
}

/// The position at which something is recorded that happens now.
fn here(database: &Database) -> Position {
    let key = DocumentKey { table: florin_ledger::TableId(20), key: b"here".to_vec() };
    let write = DocumentWrite {
        table: key.table,
        key: key.key,
        value: Some(Vec::new()),
        ..DocumentWrite::default()
    };
    match database.write_documents(&[write]).unwrap()[0] {
        WriteResult::Written(position) => position,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_balance_is_proved_as_it_was_at_each_capture_through_crashes() {
    let mut disk = SimulatedDisk::new();
    let mut database = open(&disk).unwrap();
    open_accounts(&database);
    let nothing = database.prove_balance(AccountId(1), Position::NONE).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::Invalid, "{nothing}");
    let mut captured: Vec<(Position, Capture, Vec<Balances>)> = Vec::new();
    for round in 0..4_u128 {
        // Ids before, between and behind those that are there.
        open_more(&database, (0..40).map(|id| 1_000 + (id * 37 + round * 11) % 997 * 10 + round));
        everything(&database, 100_000 + round * 100);
        post(&database, round * 1_000 + 1..round * 1_000 + 700);
        let capture = database.capture_balances().unwrap();
        captured.push((here(&database), capture, (1..=6).map(|id| now(&database, id)).collect()));
        post(&database, round * 1_000 + 700..round * 1_000 + 800);
        for (at, capture, balances) in &captured {
            for (id, balances) in (1..).zip(balances) {
                let proof = prove(&database, id, *at);
                assert_eq!(proof.verify(&public_key()), Ok(*capture));
                assert_eq!(state(&proof).balances, *balances, "account {id} at {at}");
                assert!(state(&proof).last_posting < capture.position);
            }
        }
        let newest = prove(&database, 1, Position::NONE);
        assert_eq!(newest.verify(&public_key()), Ok(*capture_of(&captured, round)));
        assert_eq!(verify(&disk), Vec::<String>::new());
        // The power fails: the tree of accounts is gone, the root is on record.
        disk = disk.copy();
        drop(database);
        database = open(&disk).unwrap();
    }
    // Who opened an account later was not there before; one that never was is shown by its neighbours.
    let first = captured[0].0;
    for id in [0, 7, 999, 1_001, 1_003, 99_999, u128::MAX] {
        let proof = prove(&database, id, first);
        assert_eq!((proof.state, proof.places.is_empty()), (None, false), "{id}");
    }
    assert_eq!(prove(&database, 1_000, first).places.len(), 1);
    let capture = captured[3].1;
    assert_eq!(capture.accounts, database.status().unwrap().accounts_count);
    assert_eq!(verify(&disk), Vec::<String>::new());
    // No key to sign with, no proof; a standing order for what is before the first.
    let before = database.prove_balance(AccountId(1), Position { epoch: 1, lsn: Lsn(4_096) });
    assert!(before.is_err());
}

fn capture_of(captured: &[(Position, Capture, Vec<Balances>)], round: u128) -> &Capture {
    &captured[usize::try_from(round).unwrap()].1
}

/// Prevents (N03): the last posting of an account that is not in its balance.
#[test]
fn every_posting_before_a_capture_is_counted_while_others_are_posted() {
    let disk = SimulatedDisk::new();
    let database = open(&disk).unwrap();
    open_accounts(&database);
    open_more(&database, 100..20_000);
    post(&database, 1_000_000..1_000_010);
    let poster = {
        let database = database.clone();
        thread::spawn(move || {
            for round in 0..60_u128 {
                post(&database, round * 1_000 + 1..round * 1_000 + 300);
                everything(&database, 900_000 + round * 100);
            }
        })
    };
    let mut captures = Vec::new();
    while !poster.is_finished() || captures.len() < 3 {
        captures.push(database.capture_balances().unwrap());
    }
    poster.join().unwrap();
    for capture in &captures {
        let at = Position { epoch: 1, lsn: capture.position };
        let key = Capture::key_of(capture.position);
        let recorded =
            patiently(|| database.prove_inclusion(&Subject::Document(key.clone()), None));
        let leaf = recorded.verify(&public_key()).unwrap();
        assert!(at.lsn <= leaf.position.lsn);
        let proof = prove(&database, 1, leaf.position);
        assert_eq!(proof.verify(&public_key()), Ok(*capture));
        // What the account's history says is the last before the capture is the one.
        let last = state(&proof).last_posting;
        assert!(last.is_some());
        let posting = Subject::Position(Position { epoch: 1, lsn: last });
        let posting = patiently(|| database.prove_inclusion(&posting, None));
        assert_eq!(proof.check_counted(&posting), Ok(Standing::Counted));
    }
    assert_eq!(verify(&disk), Vec::<String>::new(), "{} captures", captures.len());
    database.close().unwrap();
}

/// The server lies: an older state of the account under the root of now; and whoever has the posting.
#[test]
fn a_server_that_leaves_out_the_last_posting_is_refused() {
    let disk = SimulatedDisk::new();
    let database = open(&disk).unwrap();
    open_accounts(&database);
    post(&database, 1..100);
    database.capture_balances().unwrap();
    let old = prove(&database, 1, Position::NONE);
    database.create_transfers(&[transfer(300, 77, TransferFlags::NONE)]).unwrap();
    let last = Subject::Transfer(TransferId(300));
    let receipt = database.receipt(&last).unwrap();
    database.capture_balances().unwrap();
    let honest = prove(&database, 1, Position::NONE);
    let posting = patiently(|| database.prove_inclusion(&last, None));
    assert_eq!(honest.check_counted(&posting), Ok(Standing::Counted));
    assert_eq!(honest.check_promised(&receipt), Ok(Standing::Counted));
    assert_eq!(old.check_counted(&posting), Ok(Standing::Later), "it says itself of when it is");
    // The old balance as one of now.
    let mut lie = honest.clone();
    (lie.state, lie.places) = (old.state, old.places.clone());
    assert_eq!(lie.verify(&public_key()).unwrap_err().flaw, Flaw::Root);
    // A root of its own on record: everybody but the posting's owner would believe it.
    let mut tree = florin_core::proof::AccountTree::default();
    let mut leaves = Vec::new();
    for id in 1..=6 {
        let of = prove(&database, id, Position::NONE);
        let shown = if id == 1 { state(&old) } else { state(&of) };
        leaves.push(shown.leaf(AccountId(id)));
        tree.push(leaves.last().unwrap());
    }
    let position = Lsn(honest.verify(&public_key()).unwrap().position.0 + 8);
    let forged = Capture { position, accounts: 6, root: tree.root() };
    let DocumentKey { table, key } = Capture::key_of(position);
    let value = Some(forged.value().to_vec());
    let write = DocumentWrite { table, key: key.clone(), value, ..DocumentWrite::default() };
    assert!(matches!(
        database.write_documents(std::slice::from_ref(&write)).unwrap()[0],
        WriteResult::Written(_)
    ));
    let subject = Subject::Document(DocumentKey { table, key });
    let recorded = patiently(|| database.prove_inclusion(&subject, None));
    let places = vec![florin_core::proof::balance::Place {
        index: 0,
        leaf: leaves[0],
        path: tree.path(0, &leaves).unwrap(),
    }];
    let lie = BalanceProof { capture: recorded, account: AccountId(1), places, state: old.state };
    assert_eq!(lie.verify(&public_key()), Ok(forged));
    assert_eq!(lie.check_counted(&posting).unwrap_err().flaw, Flaw::LeftOut);
    assert_eq!(lie.check_promised(&receipt).unwrap_err().flaw, Flaw::LeftOut);
    // The database itself proves nothing of it, nor does whoever reads the log let it pass.
    let refused = database.prove_balance(AccountId(1), Position::NONE).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt, "{refused}");
    let findings = verify(&disk);
    assert!(
        findings.len() == 1 && findings[0].contains("not those that the log gives"),
        "{findings:?}"
    );
    // What is on record stays there.
    assert!(matches!(database.write_documents(&[write]).unwrap()[0], WriteResult::AppendOnly(_)));
}

/// Prevents: a walk to before the first posting that never ends, in a database that nobody can close then.
#[test]
fn a_capture_of_nothing_is_none() {
    let database = open(&SimulatedDisk::new()).unwrap();
    open_accounts(&database);
    post(&database, 1..100);
    let root = florin_core::proof::AccountTree::default().root();
    let value = Capture { position: Lsn(8), accounts: 1, root }.value();
    let DocumentKey { table, .. } = Capture::key_of(Lsn(8));
    let write = DocumentWrite {
        table,
        key: vec![0; 8],
        value: Some(value.to_vec()),
        ..DocumentWrite::default()
    };
    assert!(matches!(database.write_documents(&[write]).unwrap()[0], WriteResult::Written(_)));
    let refused = database.prove_balance(AccountId(1), Position::NONE).unwrap_err();
    assert!(refused.to_string().contains("no balances were captured"), "{refused}");
    database.close().unwrap();
}

/// Prevents: a tree that leaves out the newest accounts, and is right of all others.
#[test]
fn whoever_reads_the_log_misses_no_account() {
    let disk = SimulatedDisk::new();
    let database = open(&disk).unwrap();
    open_accounts(&database);
    let mut capture = database.capture_balances().unwrap();
    let mut tree = florin_core::proof::AccountTree::default();
    for id in 1..=5 {
        tree.push(&state(&prove(&database, id, Position::NONE)).leaf(AccountId(id)));
    }
    capture = Capture { position: Lsn(capture.position.0 + 8), accounts: 5, root: tree.root() };
    let DocumentKey { table, key } = Capture::key_of(capture.position);
    let value = Some(capture.value().to_vec());
    let write = DocumentWrite { table, key, value, ..DocumentWrite::default() };
    database.write_documents(&[write]).unwrap();
    assert_eq!(verify(&disk).len(), 1);
}

#[test]
fn balances_are_captured_by_themselves_as_the_log_grows() {
    let disk = SimulatedDisk::new();
    let proving =
        Proving { signing_key: Some(signing_key()), capture_bytes: 1 << 10, ..Proving::default() };
    let options = Options { proving: Some(proving), ..options(9) };
    let database = open_with(&disk, options).unwrap();
    open_accounts(&database);
    post(&database, 1..100);
    let proof = loop {
        match database.prove_balance(AccountId(1), Position::NONE) {
            Ok(proof) => break proof,
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Invalid | ErrorKind::NotYet), "{error}")
            }
        }
    };
    assert_eq!(state(&proof).balances, now(&database, 1));
    database.close().unwrap();
}
