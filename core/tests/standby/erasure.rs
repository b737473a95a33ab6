//! The promise to whoever is forgotten, where there are standbys: one from before the erasure and one from after,
//! with the newest keyring and the master key, read everybody else's name and not theirs; and what was proved is
//! proved still. Fault 50.

use crate::names::{self, CUSTOMERS, TABLE, readable};
use crate::pair::{Pair, Wire, await_applied, open, open_accounts, options, post, verified};
use florin_core::Database;
use florin_core::disk::Disk;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::following::{Promotion, promote_on};
use florin_core::keyring::copy::KeyringCopy;
use florin_core::keyring::{DestroyResult, Held};
use florin_core::proof::SigningKey;
use florin_core::tree::Proving;
use florin_ledger::{DocumentKey, Subject, TransferId};
use std::sync::Arc;

/// Copies everything that there is to a standby, and closes it.
fn brought_up_to_date(pair: &Pair) -> SimulatedDisk {
    let (standby, mut follower) = pair.follow();
    let end = Wire::new(&pair.primary, &mut follower).carry(&mut follower, 10_000);
    await_applied(&standby, end);
    // A standby has no keys to lose.
    assert!(standby.keys(&[b"ann"]).is_err());
    standby.close().unwrap();
    drop((standby, follower));
    assert_eq!(pair.standby_disk.list("keyring").unwrap_or_default(), Vec::<String>::new());
    pair.standby_disk.copy()
}

/// Makes a standby the primary, with a copy of the keyring, and opens it.
fn promoted(
    pair: &Pair,
    standby: &SimulatedDisk,
    keyring: &KeyringCopy,
) -> (SimulatedDisk, Database) {
    let disk = standby.copy();
    keyring.write(&disk).unwrap();
    promote_on(&disk, Promotion::Forced).unwrap();
    let opened = open(&disk, &pair.clock).unwrap();
    (disk, opened)
}

#[test]
fn whoever_was_forgotten_is_on_no_standby() {
    let pair = Pair::encrypted();
    open_accounts(&pair.primary);
    post(&pair.primary, 1, 20);
    names::write(&pair.primary);
    let before = brought_up_to_date(&pair);
    let old_keyring = pair.primary.copy_keyring().unwrap().unwrap();
    assert_eq!(readable(&pair.primary), CUSTOMERS);
    assert_eq!(pair.primary.destroy_keys(&[b"bob"], "a test").unwrap(), [DestroyResult::Destroyed]);
    let after = brought_up_to_date(&pair);
    let keyring = pair.primary.copy_keyring().unwrap().unwrap();
    assert_eq!(readable(&pair.primary), ["ann", "eve"]);

    for (standby, keyring) in [(&before, &keyring), (&after, &keyring), (&after, &old_keyring)] {
        let (disk, promoted) = promoted(&pair, standby, keyring);
        assert_eq!(readable(&promoted), ["ann", "eve"]);
        assert_eq!(promoted.make_keys(&[b"bob"]).unwrap(), [Held::Destroyed], "for ever");
        promoted.close().unwrap();
        verified(&disk);
        still_proves(&pair, &disk);
    }
    // What the newest keyring is for: with the one from before, a standby from before knows of no erasure.
    let (_, promoted) = promoted(&pair, &before, &old_keyring);
    assert_eq!(readable(&promoted), CUSTOMERS);
}

/// Money and sealed documents are proved as ever, those of whoever was forgotten too.
fn still_proves(pair: &Pair, disk: &SimulatedDisk) {
    let signing_key = SigningKey::from_seed(&[42; 32]);
    let public_key = signing_key.public();
    let proving = Some(Proving { signing_key: Some(signing_key), ..Proving::default() });
    let options = florin_core::Options { proving, ..options(disk) };
    let database = Database::open_on(Arc::new(disk.clone()), pair.clock.clone(), options).unwrap();
    database.await_tree().unwrap();
    let name = DocumentKey { table: TABLE, key: b"bob".to_vec() };
    for subject in [Subject::Transfer(TransferId(7)), Subject::Document(name)] {
        let proof = database.prove_inclusion(&subject, None).unwrap();
        proof.verify(&public_key).unwrap();
    }
    database.close().unwrap();
}
