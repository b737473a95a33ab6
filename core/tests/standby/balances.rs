//! A standby has its own word on balances. Prevents: a primary that puts other balances on record than it has, and a
//! standby that proves them to customers.

use crate::pair::{PATIENCE, Pair, Wire, await_applied, open_accounts, options, post};
use florin_core::event::{Event, Observer};
use florin_core::proof::{AccountTree, Capture, SigningKey};
use florin_core::tree::Proving;
use florin_core::{Database, Error, ErrorKind, Options};
use florin_ledger::{AccountId, DocumentKey, DocumentWrite, Lsn, Position};
use std::sync::{Arc, mpsc};

fn proving(options: Options, seed: u8) -> Options {
    let signing_key = Some(SigningKey::from_seed(&[seed; 32]));
    Options {
        proving: Some(Proving { signing_key, capture_bytes: 0, ..Proving::default() }),
        ..options
    }
}

fn patiently<T>(ask: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    loop {
        match ask() {
            Err(error) if error.kind() == ErrorKind::NotYet => {}
            answered => return answered,
        }
    }
}

#[test]
fn a_standby_proves_the_same_balances_and_tells_of_others() {
    let mut pair = Pair::new();
    pair.primary.close().unwrap();
    let own = proving(options(&pair.primary_disk), 1);
    pair.primary =
        Database::open_on(Arc::new(pair.primary_disk.clone()), pair.clock.clone(), own).unwrap();
    open_accounts(&pair.primary);
    post(&pair.primary, 1, 20);
    let capture = pair.primary.capture_balances().unwrap();
    post(&pair.primary, 100, 20);

    let (sender, told) = mpsc::channel();
    let observer = Observer::new(move |event| {
        if let Event::CaptureFailed(error) = event {
            let _ = sender.send(error.clone());
        }
    });
    let options = Options { observer, ..proving(options(&pair.standby_disk), 2) };
    let disk = Arc::new(pair.standby_disk.clone());
    let primary = &pair.primary;
    let (standby, mut follower) =
        Database::follow_on(disk, pair.clock.clone(), "primary:3000", || primary.origin(), options)
            .unwrap();
    let mut wire = Wire::new(&pair.primary, &mut follower);
    await_applied(&standby, wire.carry(&mut follower, 10_000));
    let prove = |database: &Database, id| {
        patiently(|| database.prove_balance(AccountId(id), Position::NONE))
    };
    for id in [1, 2, 8, 99] {
        let (here, there) = (prove(&pair.primary, id).unwrap(), prove(&standby, id).unwrap());
        assert_eq!((&here.state, &here.places), (&there.state, &there.places), "account {id}");
        let standby_key = SigningKey::from_seed(&[2; 32]).public();
        assert_eq!(there.verify(&standby_key), Ok(capture));
    }
    assert!(standby.capture_balances().is_err(), "it decides nothing");
    // The primary puts roots of its own invention on record, of a moment before and of the future, and true ones after.
    let newest = pair.primary.capture_balances().unwrap();
    let far = Lsn(newest.position.0 + (1 << 40));
    for position in [Lsn(capture.position.0 + 8), far] {
        let root = AccountTree::default().root();
        let forged = Capture { position, accounts: capture.accounts, root };
        let DocumentKey { table, key } = Capture::key_of(position);
        let value = Some(forged.value().to_vec());
        let write = DocumentWrite { table, key, value, ..DocumentWrite::default() };
        pair.primary.write_documents(&[write]).unwrap();
        post(&pair.primary, 1_000 + position.0, 1);
        pair.primary.capture_balances().unwrap();
        await_applied(&standby, wire.carry(&mut follower, 10_000));
        let alarm = told.recv_timeout(PATIENCE).unwrap();
        assert_eq!(alarm.kind(), ErrorKind::Corrupt, "{alarm}");
        assert!(alarm.to_string().contains(&position.to_string()), "{alarm}");
    }
    assert!(prove(&standby, 1).is_ok(), "the newest is true");
    standby.close().unwrap();
}
