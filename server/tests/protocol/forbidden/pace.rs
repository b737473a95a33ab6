//! A key that asks too fast is told so, and nobody else feels it.

use crate::closed::{Closed, secret, teller};
use crate::harness::{created, transfer};
use florin_core::request::Reply;
use florin_server::{ClientKey, KeyLimits};
use florin_wire::{Operation, RefusalKind};
use std::time::Duration;

/// One key that asks without pause would take the engine from all others.
#[tokio::test(start_paused = true)]
async fn who_asks_too_fast_is_told_when_to_come_back() {
    let still = crate::harness::Still::hold();
    let limits =
        KeyLimits { requests_per_second: Some(10.try_into().unwrap()), ..KeyLimits::default() };
    let slow = ClientKey { limits, ..teller(&secret(1)) };
    let closed = Closed::start([slow, teller(&secret(2))]).await;
    let status = Operation::Status;
    let mut first = closed.admitted(&secret(1)).await;
    let mut second = closed.admitted(&secret(1)).await;
    // Both connections together.
    for _ in 0..5 {
        first.answered(status, &[]).await;
        second.answered(status, &[]).await;
    }
    first.ask(7, status.number(), 0, &[]).await;
    let refusal = first.reply().await.refusal();
    assert_eq!(refusal.kind, RefusalKind::RateLimited);
    assert!(refusal.message.contains("again in 1 ms"), "{}", refusal.message);
    // Others do not feel it, and connecting anew helps nobody.
    closed.admitted(&secret(2)).await.answered(status, &[]).await;
    drop((first, second));
    let mut again = closed.admitted(&secret(1)).await;
    again.ask(7, status.number(), 0, &[]).await;
    assert_eq!(again.reply().await.refusal().kind, RefusalKind::RateLimited);
    tokio::time::advance(Duration::from_millis(101)).await;
    again.answered(status, &[]).await;
    drop(still);
}

#[tokio::test(start_paused = true)]
async fn bytes_count_as_well_as_requests() {
    let _still = crate::harness::Still::hold();
    let limits =
        KeyLimits { bytes_per_second: Some(1_000.try_into().unwrap()), ..KeyLimits::default() };
    let slow = ClientKey { limits, ..teller(&secret(1)) };
    let mut closed = Closed::start([slow]).await;
    let mut peer = closed.admitted(&secret(1)).await;
    // More than a second's worth at once gets in, and is paid for afterwards.
    let batch: Vec<_> = (0..20).map(transfer).collect();
    peer.create_transfers(1, &batch).await;
    let (_, reply) = closed.engine.next_transfers().await;
    reply(Ok(Reply::Transfers(vec![created(1); 20])));
    assert_eq!(peer.results(1).await.len(), 20);
    peer.ask(7, Operation::Status.number(), 0, &[]).await;
    let refusal = peer.reply().await.refusal();
    assert_eq!(refusal.kind, RefusalKind::RateLimited);
    assert!(refusal.message.contains("again in 1576 ms"), "{}", refusal.message);
}
