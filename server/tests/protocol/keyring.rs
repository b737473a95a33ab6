//! Keys over the wire. What would go wrong without it: key material in a log line, a request that holds
//! up all reads, a destruction that is believed not to have happened.

use crate::harness::{Peer, Running, open};
use bytes::Bytes;
use florin_core::disk::os::OsDisk;
use florin_core::keys::FileKey;
use florin_core::{Database, Options, sealing};
use florin_wire::keyring::{
    self, DestroyResult, HeldKey, KeyNames, KeyringStatus, decode_held, decode_results,
    decode_status,
};
use florin_wire::limits::{KEYRING_NAME_BYTES_MAX, KEYRING_NAMES_MAX};
use florin_wire::{Effect, Operation, Outcome, RefusalKind};
use std::path::Path;
use std::sync::Arc;

fn encrypted(directory: &Path) -> Database {
    let path = directory.join("kek");
    FileKey::generate(&path).unwrap();
    let key = Arc::new(FileKey::open(&path).unwrap());
    let data = directory.join("data");
    let disk = OsDisk::open(&data).unwrap();
    sealing::create(&disk, key.as_ref()).unwrap();
    drop(disk);
    Database::open(&data, Options { key: Some(key), ..Options::default() }).unwrap()
}

fn names(names: &[&str]) -> Bytes {
    keyring::names_to_bytes(&KeyNames(names.iter().map(|it| it.as_bytes().to_vec()).collect()))
}

async fn answered(peer: &mut Peer, operation: Operation, body: &[u8]) -> Bytes {
    peer.ask(1, operation.number(), 0, body).await;
    let reply = peer.reply().await;
    assert_eq!(reply.header.outcome, Outcome::Answered, "{:?}", reply.refusal());
    reply.body
}

async fn refused(peer: &mut Peer, operation: Operation, body: &[u8]) -> florin_wire::Refusal {
    peer.ask(1, operation.number(), 0, body).await;
    let refusal = peer.reply().await.refusal();
    assert_eq!(refusal.effect, Effect::None);
    refusal
}

#[tokio::test]
async fn keys_are_made_read_and_destroyed_over_tcp() {
    let directory = tempfile::tempdir().unwrap();
    let database = encrypted(directory.path());
    let server = Running::over(database.clone(), open()).await;
    let mut peer = Peer::welcomed(server.address).await;
    let both = names(&["ann", "bob"]);
    let read = answered(&mut peer, Operation::ReadKeys, &both).await;
    assert_eq!(decode_held(&read).unwrap(), [HeldKey::Unknown, HeldKey::Unknown]);
    let made = decode_held(&answered(&mut peer, Operation::MakeKeys, &both).await).unwrap();
    assert!(made.iter().all(|held| matches!(held, HeldKey::Key(_))) && made[0] != made[1]);
    let read = answered(&mut peer, Operation::ReadKeys, &names(&["bob", "eve", "ann"])).await;
    let expected = [made[1].clone(), HeldKey::Unknown, made[0].clone()];
    assert_eq!(decode_held(&read).unwrap(), expected);
    let results = answered(&mut peer, Operation::DestroyKeys, &names(&["ann", "eve", "ann"])).await;
    let expected =
        [DestroyResult::Destroyed, DestroyResult::Unknown, DestroyResult::AlreadyDestroyed];
    assert_eq!(decode_results(&results).unwrap(), expected);
    let made_again = answered(&mut peer, Operation::MakeKeys, &names(&["ann", "bob", "eve"])).await;
    let expected = [HeldKey::Destroyed, made[1].clone(), HeldKey::Destroyed];
    assert_eq!(decode_held(&made_again).unwrap(), expected);
    let status = decode_status(&answered(&mut peer, Operation::KeyringStatus, &[]).await);
    assert_eq!(status, Ok(KeyringStatus { keys_count: 1, destroyed_count: 2 }));
    assert_eq!(database.keys(&[b"ann"]).unwrap(), [florin_core::keyring::Held::Destroyed]);
    server.stop().await.unwrap();
    database.close().unwrap();
}

#[tokio::test]
async fn what_breaks_a_limit_is_refused_whole() {
    let directory = tempfile::tempdir().unwrap();
    let database = encrypted(directory.path());
    let server = Running::over(database.clone(), open()).await;
    let mut peer = Peer::welcomed(server.address).await;
    let long = "a".repeat(KEYRING_NAME_BYTES_MAX + 1);
    let many = vec!["a"; KEYRING_NAMES_MAX + 1];
    for operation in [Operation::MakeKeys, Operation::ReadKeys, Operation::DestroyKeys] {
        for wrong in [names(&["ann", ""]), names(&["ann", &long])] {
            assert_eq!(refused(&mut peer, operation, &wrong).await.kind, RefusalKind::Invalid);
        }
        let refusal = refused(&mut peer, operation, &names(&many)).await;
        assert_eq!(refusal.kind, RefusalKind::TooLarge);
        assert!(refusal.message.contains("split it"), "{}", refusal.message);
    }
    let status = decode_status(&answered(&mut peer, Operation::KeyringStatus, &[]).await);
    assert_eq!(status, Ok(KeyringStatus::default()), "nothing of them happened");
    let most = names(&vec!["a"; KEYRING_NAMES_MAX]);
    let held = decode_held(&answered(&mut peer, Operation::MakeKeys, &most).await).unwrap();
    assert_eq!(held.len(), KEYRING_NAMES_MAX);
    server.stop().await.unwrap();
    database.close().unwrap();
}

#[tokio::test]
async fn a_database_without_a_keyring_says_how_to_have_one() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::open(directory.path(), Options::default()).unwrap();
    let server = Running::over(database.clone(), open()).await;
    let mut peer = Peer::welcomed(server.address).await;
    for operation in [Operation::MakeKeys, Operation::ReadKeys, Operation::DestroyKeys] {
        let refusal = refused(&mut peer, operation, &names(&["ann"])).await;
        assert_eq!(refusal.kind, RefusalKind::Invalid);
        assert!(refusal.message.contains("florin init --encrypt"), "{}", refusal.message);
    }
    server.stop().await.unwrap();
    database.close().unwrap();
}
