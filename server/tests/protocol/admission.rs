//! Who may connect, how many, and how much one peer may ask for at a time: without these bounds
//! one peer, slow or greedy, takes the server from all others.

use crate::harness::{Engine, Peer, Running, created, open, transfer};
use bytes::BytesMut;
use florin_core::request::{Reply, Request};
use florin_server::limits::{
    CONNECTION_BYTES_IN_FLIGHT_MAX, FRAME_TIMEOUT, REQUESTS_IN_FLIGHT_MAX,
};
use florin_server::{Server, ServerError, ServerOptions};
use florin_wire::limits::EVENTS_MAX;
use florin_wire::{
    Operation, Outcome, RefusalKind, RequestHeader, ServerHello, Versions, array, frame,
};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

/// Fault 67, TLS not required: without it nothing listens where others could reach it.
#[tokio::test]
async fn only_loopback_is_listened_on() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:192.0.2.1]:0"] {
        let (ledger, _engine) = Engine::new();
        let bound = Server::bind(address.parse().unwrap(), open(), ledger).await;
        let Err(error) = bound else { unreachable!("{address} was listened on") };
        assert!(matches!(error, ServerError::NotLoopback { .. }), "{error}");
        assert!(error.to_string().contains("127.0.0.1"), "{error}");
    }
}

#[tokio::test]
async fn a_connection_too_many_is_told_so_and_a_place_is_given_again() {
    let options = ServerOptions { connections_max: 2, ..open() };
    let (server, mut engine) = Running::start(options).await;
    let first = Peer::welcomed(server.address).await;
    let second = Peer::welcomed(server.address).await;

    let mut third = Peer::connected(server.address).await;
    third.say_hello(Versions::SPOKEN).await;
    let ServerHello::Refused(farewell) = third.hello().await else { unreachable!("welcomed") };
    assert_eq!(farewell.kind, RefusalKind::Busy);
    assert!(farewell.message.contains("2 connections"), "{}", farewell.message);
    assert_eq!(third.payload().await, None);

    drop(first);
    // The server hears of it in its own time: ask until there is a place.
    loop {
        let mut peer = Peer::connected(server.address).await;
        peer.say_hello(Versions::SPOKEN).await;
        if matches!(peer.hello().await, ServerHello::Welcome(_)) {
            break;
        }
    }
    drop(second);
    loop {
        let mut peer = Peer::connected(server.address).await;
        peer.say_hello(Versions::SPOKEN).await;
        if matches!(peer.hello().await, ServerHello::Welcome(_)) {
            break;
        }
    }
    server.is_unharmed(&mut engine).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_is_dropped() {
    let (server, mut engine) = Running::default().await;
    let mut silent = Peer::connected(server.address).await;
    silent.is_closed().await;
    let mut halting = Peer::connected(server.address).await;
    halting.say(&[28, 0, 0, 0, b'F', b'L']).await;
    halting.is_closed().await;
    server.is_unharmed(&mut engine).await;
}

/// A peer that asks for megabytes and never reads them costs a bounded amount of memory for a
/// bounded time.
#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_dropped() {
    let (server, mut engine) = Running::default().await;
    let answering = tokio::spawn(async move {
        let mut answered = 0_usize;
        while let Some((request, reply)) = engine.requests.recv().await {
            let Request::LookupAccounts(ids) = request else { break };
            reply(Ok(Reply::LookedUpAccounts(vec![None; ids.len()])));
            answered += 1;
        }
        (engine, answered)
    });
    let mut peer = Peer::welcomed(server.address).await;
    let body = array::to_bytes(&vec![florin_ledger::AccountId(1); EVENTS_MAX]);
    let mut asked = 0_usize;
    let mut request = bytes::BytesMut::new();
    let header = florin_wire::RequestHeader {
        id: 1,
        operation: Operation::LookupAccounts.number(),
        deadline_ms: 0,
    };
    florin_wire::frame::write(&mut request, &header.to_bytes(), |out| {
        out.extend_from_slice(&body);
    });
    // Never reading, until the server has closed the connection over our bytes.
    while peer.stream().write_all(&request).await.is_ok() {
        asked += 1;
        assert!(asked < 10_000, "the server reads on and on");
    }

    // Others are served meanwhile; a request that is no lookup ends the answering.
    let mut last = Peer::welcomed(server.address).await;
    last.create_transfers(1, &[transfer(1)]).await;
    let (_engine, answered) = answering.await.unwrap();
    assert!(answered <= asked);
}

/// Requests beyond the bound stay in the peer's socket until others are answered.
#[tokio::test]
async fn no_more_is_read_than_may_be_in_flight() {
    let (server, mut engine) = Running::default().await;
    let mut peer = Peer::welcomed(server.address).await;
    let count = u64::try_from(REQUESTS_IN_FLIGHT_MAX).unwrap();
    for id in 1..=count + 1 {
        peer.create_transfers(id, &[transfer(1)]).await;
    }
    let mut callbacks = Vec::new();
    for _ in 0..count {
        callbacks.push(engine.next_transfers().await.1);
    }
    // Another connection goes all the way to the engine and back meanwhile.
    server.is_unharmed(&mut engine).await;
    assert!(engine.requests.try_recv().is_err());

    callbacks.remove(0)(Ok(Reply::Transfers(vec![created(1)])));
    assert_eq!(peer.results(1).await, [created(1)]);
    let (_, reply) = engine.next_transfers().await;
    reply(Ok(Reply::Transfers(vec![created(2)])));
    assert_eq!(peer.results(count + 1).await, [created(2)]);
}

/// What lies in flight is bounded in bytes as well, and a lookup counts by its reply.
#[tokio::test]
async fn no_more_is_read_than_may_be_answered() {
    let (server, mut engine) = Running::default().await;
    let mut peer = Peer::welcomed(server.address).await;
    let reply_bytes = EVENTS_MAX * 128;
    let fitting = CONNECTION_BYTES_IN_FLIGHT_MAX / reply_bytes;
    let ids = array::to_bytes(&vec![florin_ledger::AccountId(1); EVENTS_MAX]);
    for id in (1..).take(fitting + 1) {
        peer.ask(id, Operation::LookupAccounts.number(), 0, &ids).await;
    }
    let mut waiting = Vec::new();
    for _ in 0..fitting {
        waiting.push(engine.next().await);
    }
    server.is_unharmed(&mut engine).await;
    assert!(engine.requests.try_recv().is_err());
}

/// Whoever stops in the middle of a frame would keep its place, and the frame's memory, for ever.
/// What it asked for before is answered.
#[tokio::test(start_paused = true)]
async fn a_peer_that_stalls_within_a_frame_is_told_and_dropped() {
    let one = {
        let header = RequestHeader { id: 2, operation: 22, deadline_ms: 0 };
        let mut out = BytesMut::new();
        frame::write(&mut out, &header.to_bytes(), |_| {});
        out
    };
    // Within the length, right behind it, within the header.
    for bytes in [1, 4, 9] {
        let (server, mut engine) = Running::default().await;
        let mut peer = Peer::welcomed(server.address).await;
        peer.create_transfers(1, &[transfer(1)]).await;
        peer.say(&one[..bytes]).await;
        let start = Instant::now();
        let (_, reply) = engine.next_transfers().await;
        server.is_unharmed(&mut engine).await;
        reply(Ok(Reply::Transfers(vec![created(1)])));
        assert_eq!(peer.results(1).await, [created(1)]);
        let last_word = peer.reply().await;
        assert_eq!(last_word.header.outcome, Outcome::LastWord);
        assert_eq!(last_word.refusal().kind, RefusalKind::Malformed);
        assert!(last_word.refusal().message.contains("not whole within 10 seconds"));
        let elapsed = start.elapsed();
        assert!(FRAME_TIMEOUT <= elapsed, "{elapsed:?}");
        assert!(elapsed < 2 * FRAME_TIMEOUT, "{elapsed:?}");
        assert_eq!(peer.payload().await, None);
    }
}

/// The pauses of a slow but honest peer are nobody's business.
#[tokio::test(start_paused = true)]
async fn a_peer_that_is_idle_is_kept() {
    let (server, mut engine) = Running::default().await;
    let mut peer = Peer::welcomed(server.address).await;
    tokio::time::advance(Duration::from_secs(3_600)).await;
    peer.create_transfers(1, &[transfer(1)]).await;
    let (_, reply) = engine.next_transfers().await;
    reply(Ok(Reply::Transfers(vec![created(1)])));
    assert_eq!(peer.results(1).await, [created(1)]);
}
