//! A server that is told to stop finishes what it accepted, answers it, and says of everything
//! else that it did not happen. A stop that drops answers makes every client ask again.

use crate::harness::{Peer, Running, created, open, transfer};
use florin_core::request::Reply;
use florin_server::ServerOptions;
use florin_server::limits::HANDSHAKE_TIMEOUT;
use florin_wire::{Effect, Outcome, RefusalKind, Versions};
use tokio::net::TcpStream;
use tokio::time::Instant;

#[tokio::test]
async fn what_was_accepted_is_answered_before_the_last_word() {
    let (server, mut engine) = Running::default().await;
    let address = server.address;
    let mut busy = Peer::welcomed(address).await;
    let mut idle = Peer::welcomed(address).await;
    busy.create_transfers(1, &[transfer(1)]).await;
    let (_, reply) = engine.next_transfers().await;
    let mut stopped = server.stop();

    // The idle connection hears of the stop at once, and the listener is gone.
    assert_eq!(idle.reply().await.refusal().kind, RefusalKind::Stopped);
    assert_eq!(idle.payload().await, None);
    assert!(TcpStream::connect(address).await.is_err());
    // What comes now is not accepted any more.
    busy.create_transfers(2, &[transfer(2)]).await;

    tokio::select! {
        biased;
        _ = &mut stopped => unreachable!("the server did not wait for what it accepted"),
        () = tokio::task::yield_now() => {}
    }
    reply(Ok(Reply::Transfers(vec![created(1)])));
    assert_eq!(busy.results(1).await, [created(1)]);
    let last_word = busy.reply().await;
    assert_eq!((last_word.header.id, last_word.header.outcome), (0, Outcome::LastWord));
    let refusal = last_word.refusal();
    assert_eq!((refusal.kind, refusal.effect), (RefusalKind::Stopped, Effect::None));
    assert_eq!(busy.payload().await, None);
    drop((busy, idle));
    stopped.await.unwrap();
    assert!(engine.requests.try_recv().is_err(), "a request after the stop reached the engine");
}

/// A peer over the limit that says nothing would hold up the stop until its hello is due.
#[tokio::test(start_paused = true)]
async fn a_peer_over_the_limit_does_not_hold_up_the_stop() {
    let options = ServerOptions { connections_max: 0, ..open() };
    let (server, _engine) = Running::start(options).await;
    let mut told = Peer::connected(server.address).await;
    let _silent = Peer::connected(server.address).await;
    told.say_hello(Versions::SPOKEN).await;
    told.hello().await;
    drop(told);
    let start = Instant::now();
    server.stop().await.unwrap();
    assert!(start.elapsed() < HANDSHAKE_TIMEOUT, "{:?}", start.elapsed());
}

/// Peers that never close their side must not keep a server from stopping.
#[tokio::test(start_paused = true)]
async fn a_peer_that_stays_does_not_hold_up_the_stop() {
    let (server, _engine) = Running::default().await;
    let _stays = Peer::welcomed(server.address).await;
    let _silent = Peer::connected(server.address).await;
    server.stop().await.unwrap();
}
