//! Waiting for a position. A read that does not wait shows a customer the balance from before the
//! payment that it was told of; one that waits for ever holds its connection up.

use crate::harness::{EPOCH, Peer, Running, transfer};
use florin_core::request::Reply;
use florin_ledger::{Lsn, Position};
use florin_wire::cold::{self, Await};
use florin_wire::{Operation, Outcome, RefusalKind};

const LONG_MS: u32 = 600_000;

async fn wait_for(peer: &mut Peer, id: u64, epoch: u64, lsn: u64, patience_ms: u32) {
    let position = Position { epoch, lsn: Lsn(lsn) };
    let body = cold::to_bytes(&Await { position, patience_ms });
    peer.ask(id, Operation::AwaitPosition.number(), 0, &body).await;
}

/// That a request is answered, with nothing.
async fn reached(peer: &mut Peer, id: u64) {
    let received = peer.reply().await;
    assert_eq!((received.header.id, received.header.outcome), (id, Outcome::Answered));
    assert!(received.body.is_empty());
}

#[tokio::test]
async fn it_is_answered_when_the_log_has_come_so_far_and_holds_up_nobody_until_then() {
    let (server, mut engine) = Running::default().await;
    engine.log.grow(3);
    let mut peer = Peer::welcomed(server.address).await;
    wait_for(&mut peer, 1, EPOCH, 2, 0).await;
    engine.let_read();
    reached(&mut peer, 1).await;
    wait_for(&mut peer, 2, EPOCH, 4, LONG_MS).await;
    peer.create_transfers(3, &[transfer(7)]).await;
    let (_, reply) = engine.next_transfers().await;
    reply(Ok(Reply::Transfers(vec![])));
    assert_eq!(peer.reply().await.header.id, 3, "it overtakes what waits");
    engine.log.grow(1);
    // It is not enough: the position is that of what comes next.
    engine.log.grow(1);
    engine.let_read();
    reached(&mut peer, 2).await;
}

/// Prevents: a reader who is told that what he reads is newer than it is, and a writer who is told a place before what
/// he wrote: whoever waits for that elsewhere reads the balance from before.
#[tokio::test]
async fn an_answer_names_a_position_that_what_was_read_has_and_what_was_done_is_before() {
    let (server, mut engine) = Running::default().await;
    let at = |lsn| Position { epoch: EPOCH, lsn: Lsn(lsn) };
    let mut peer = Peer::welcomed(server.address).await;
    peer.ask(1, Operation::LookupAccounts.number(), 0, &[1; 16]).await;
    let (_, reply) = engine.next().await;
    reply(Ok(Reply::LookedUpAccounts(vec![None])));
    assert_eq!(peer.reply().await.header.position, Position::NONE, "nothing is there");
    engine.log.grow(3);
    peer.ask(2, Operation::LookupAccounts.number(), 0, &[1; 16]).await;
    let (_, reply) = engine.next().await;
    engine.log.grow(2);
    reply(Ok(Reply::LookedUpAccounts(vec![None])));
    assert_eq!(peer.reply().await.header.position, at(2), "it was asked before there was more");
    peer.create_transfers(3, &[transfer(7)]).await;
    let (_, reply) = engine.next_transfers().await;
    engine.log.grow(1);
    reply(Ok(Reply::Transfers(vec![])));
    assert_eq!(peer.reply().await.header.position, at(5), "what it did lies there");
    wait_for(&mut peer, 4, EPOCH, 6, LONG_MS).await;
    engine.log.grow(1);
    engine.let_read();
    assert_eq!(peer.reply().await.header.position, at(6), "it was waited for");
    wait_for(&mut peer, 5, EPOCH, 9, 0).await;
    engine.let_read();
    assert_eq!(peer.reply().await.header.position, Position::NONE, "it is no answer");
}

#[tokio::test(start_paused = true)]
async fn it_waits_no_longer_than_it_was_asked_to_nor_than_the_server_likes() {
    let (server, engine) = Running::default().await;
    engine.log.grow(3);
    let mut peer = Peer::welcomed(server.address).await;
    for (id, patience_ms) in [(1, 0), (2, 1_000), (3, u32::MAX)] {
        wait_for(&mut peer, id, EPOCH, 100, patience_ms).await;
        engine.let_read();
        let refusal = peer.reply().await.refusal();
        assert_eq!(refusal.kind, RefusalKind::NotYet);
    }
    // What an earlier opening wrote, or did not, is told at once.
    wait_for(&mut peer, 4, EPOCH - 1, 100, LONG_MS).await;
    engine.let_read();
    assert_eq!(peer.reply().await.refusal().kind, RefusalKind::Fork);
}

/// Prevents: a server that does not stop, because somebody waits for what will not come any more.
#[tokio::test]
async fn a_server_that_stops_waits_for_nothing() {
    let (server, engine) = Running::default().await;
    engine.log.grow(1);
    let mut peer = Peer::welcomed(server.address).await;
    wait_for(&mut peer, 1, EPOCH, 100, LONG_MS).await;
    // Read behind it, so it is known to wait.
    peer.ask(2, Operation::Status.number(), 0, &[]).await;
    assert_eq!(peer.reply().await.header.id, 2);
    let serving = server.stop();
    let refused = peer.reply().await;
    assert_eq!(refused.header.id, 1);
    assert_eq!(refused.refusal().kind, RefusalKind::Stopped);
    let last_word = peer.reply().await;
    assert_eq!(last_word.header.outcome, Outcome::LastWord);
    drop(peer);
    serving.await.unwrap();
}
