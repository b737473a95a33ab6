//! Deadlines: a request whose deadline passed before it began never happens; one that began is
//! answered, late or not. A caller who was told "too late" must not find the money moved.

use crate::harness::{Peer, Running, created, transfer};
use florin_core::request::Reply;
use florin_ledger::TransferId;
use florin_server::limits::{
    CONNECTION_BYTES_IN_FLIGHT_MAX, PROOFS_AT_ONCE_MAX, PROOFS_WAITING_MAX, READS_AT_ONCE_MAX,
};
use florin_wire::limits::EVENTS_MAX;
use florin_wire::{Effect, Operation, Outcome, RefusalKind, array, tree};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_request_that_waited_too_long_for_its_place_does_not_begin() {
    let (server, mut engine) = Running::default().await;
    let mut peer = Peer::welcomed(server.address).await;
    let full = array::to_bytes(&vec![transfer(1); EVENTS_MAX]);
    let full_count = CONNECTION_BYTES_IN_FLIGHT_MAX / (full.len() + 16);
    let mut callbacks = Vec::new();
    for id in (1..).take(full_count) {
        peer.ask(id, Operation::CreateTransfers.number(), 0, &full).await;
        callbacks.push(engine.next_transfers().await.1);
    }
    // No place is left: the first of these is read but may not begin, the second is not read.
    let one = array::to_bytes(&[transfer(1)]);
    peer.ask(100, Operation::CreateTransfers.number(), 500, &one).await;
    peer.ask(101, Operation::CreateTransfers.number(), 60_000, &one).await;
    server.is_unharmed(&mut engine).await;
    tokio::time::advance(Duration::from_millis(501)).await;
    assert!(engine.requests.try_recv().is_err());

    for reply in callbacks {
        reply(Ok(Reply::Transfers(vec![created(1)])));
    }
    for id in (1..).take(full_count) {
        assert_eq!(peer.results(id).await, [created(1)]);
    }
    let reply = peer.reply().await;
    assert_eq!(reply.header.id, 100);
    let refusal = reply.refusal();
    assert_eq!((refusal.kind, refusal.effect), (RefusalKind::Deadline, Effect::None));
    // The request behind it begins.
    let (_, reply) = engine.next_transfers().await;
    reply(Ok(Reply::Transfers(vec![created(2)])));
    assert_eq!(peer.results(101).await, [created(2)]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_began_is_answered_although_its_deadline_passed() {
    let (server, mut engine) = Running::default().await;
    let mut peer = Peer::welcomed(server.address).await;
    let body = array::to_bytes(&[transfer(1)]);
    peer.ask(1, Operation::CreateTransfers.number(), 10, &body).await;
    let (_, reply) = engine.next_transfers().await;
    tokio::time::advance(Duration::from_secs(1)).await;
    reply(Ok(Reply::Transfers(vec![created(1)])));
    assert_eq!(peer.results(1).await, [created(1)]);
}

/// Reads wait for a thread; one whose deadline passed meanwhile is not worth a thread.
#[tokio::test(start_paused = true)]
async fn a_read_that_waited_too_long_for_a_thread_does_not_begin() {
    let (server, engine) = Running::default().await;
    let mut peer = Peer::welcomed(server.address).await;
    let ids = array::to_bytes(&[TransferId(1)]);
    for id in (1..).take(READS_AT_ONCE_MAX) {
        peer.ask(id, Operation::LookupTransfers.number(), 0, &ids).await;
    }
    peer.ask(100, Operation::LookupTransfers.number(), 10, &ids).await;
    // Its answer shows that the reads before it have begun or wait.
    peer.ask(101, Operation::Status.number(), 0, &[]).await;
    assert_eq!(peer.reply().await.header.id, 101);
    tokio::time::advance(Duration::from_secs(1)).await;
    for _ in 0..READS_AT_ONCE_MAX {
        engine.let_read();
    }
    let mut refused = Vec::new();
    for _ in 0..=READS_AT_ONCE_MAX {
        let reply = peer.reply().await;
        if reply.header.outcome == Outcome::Refused {
            refused.push((reply.header.id, reply.refusal().kind));
        }
    }
    assert_eq!(refused, [(100, RefusalKind::Deadline)]);
}

/// Prevents: a tree that is behind, and all who ask for proofs in the places of those who ask for balances.
#[tokio::test(start_paused = true)]
async fn questions_for_proofs_take_no_place_of_a_read() {
    let (server, engine) = Running::default().await;
    let mut peer = Peer::welcomed(server.address).await;
    let (newest, ids) = (tree::head_to_bytes(None), array::to_bytes(&[TransferId(1)]));
    let taken = PROOFS_AT_ONCE_MAX + PROOFS_WAITING_MAX;
    for id in (1_000..).take(taken + 1) {
        peer.ask(id, Operation::TreeHead.number(), 0, &newest).await;
    }
    // As many wait as may.
    let reply = peer.reply().await;
    assert_eq!(reply.header.id, 1_000 + u64::try_from(taken).unwrap());
    let refusal = reply.refusal();
    assert_eq!((refusal.kind, refusal.effect), (RefusalKind::Busy, Effect::None));
    peer.ask(1, Operation::LookupTransfers.number(), 10, &ids).await;
    peer.ask(2, Operation::Status.number(), 0, &[]).await;
    assert_eq!(peer.reply().await.header.id, 2);
    // The lookup has begun by now, or it would come too late.
    tokio::time::advance(Duration::from_secs(1)).await;
    for _ in 0..=taken {
        engine.let_read();
    }
    let mut outcomes = Vec::new();
    for _ in 0..=taken {
        let reply = peer.reply().await;
        if reply.header.id == 1 {
            outcomes.push(reply.header.outcome);
        }
    }
    assert_eq!(outcomes, [Outcome::Answered]);
}
