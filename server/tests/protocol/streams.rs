//! Streams over a connection that does other work too: each reader gets what it granted room for, in
//! order, and is told how it ends. One that takes nothing costs the others nothing.

use crate::hand_log::cursor_at;
use crate::harness::{INCARNATION, Peer, Received, Running, created, transfer};
use florin_core::request::Reply;
use florin_ledger::stream::{BATCH_HEAD_BYTES, BatchView, ItemContent};
use florin_ledger::{StreamFilter, StreamStart, Timestamp};
use florin_server::limits::{
    STREAM_CREDIT_MIN, SUBSCRIPTIONS_MAX, SUBSCRIPTIONS_PER_CONNECTION_MAX,
};
use florin_wire::stream::{Credit, Subscribe, Unsubscribe};
use florin_wire::{Operation, Outcome, RefusalKind, ReplyHeader};
use std::sync::atomic::Ordering;

/// The least that a stream begins with.
fn least() -> u32 {
    u32::try_from(STREAM_CREDIT_MIN).unwrap()
}

async fn subscribe(peer: &mut Peer, id: u64, start: StreamStart, credit_bytes: u32) {
    let filter = StreamFilter::all();
    let body = Subscribe { incarnation: INCARNATION, start, filter, credit_bytes }.to_bytes();
    peer.ask(id, Operation::Subscribe.number(), 0, &body).await;
}

async fn grant(peer: &mut Peer, id: u64, subscription: u64, bytes: u32) {
    let body = Credit { subscription, bytes }.to_bytes();
    peer.ask(id, Operation::Credit.number(), 0, &body).await;
}

/// A batch: the numbers of its transfers, and the credit that it cost.
fn batch(received: &Received, id: u64) -> (Vec<u128>, usize) {
    assert_eq!((received.header.id, received.header.outcome), (id, Outcome::Batch));
    assert_eq!(received.header.operation, Operation::Subscribe.number());
    let view = BatchView::new(&received.body).unwrap();
    let numbers = view.items().map(|item| match item.content {
        ItemContent::Transfer(transfer) => transfer.id.0,
        other => unreachable!("{other:?}"),
    });
    (numbers.collect(), received.body.len() - BATCH_HEAD_BYTES)
}

/// Transfers until so many came.
async fn take(peer: &mut Peer, id: u64, count: usize) -> Vec<u128> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        numbers.extend(batch(&peer.reply().await, id).0);
    }
    numbers
}

/// The next reply that is no batch.
async fn reply(peer: &mut Peer) -> Received {
    loop {
        let received = peer.reply().await;
        if received.header.outcome != Outcome::Batch {
            return received;
        }
    }
}

#[tokio::test]
async fn what_is_there_comes_and_then_what_happens() {
    let (server, engine) = Running::default().await;
    engine.log.grow(3);
    let mut peer = Peer::welcomed(server.address).await;
    subscribe(&mut peer, 5, StreamStart::Begin, least()).await;
    assert_eq!(take(&mut peer, 5, 3).await, [1, 2, 3]);
    engine.log.grow(2);
    assert_eq!(take(&mut peer, 5, 2).await, [4, 5]);
    let mut later = Peer::welcomed(server.address).await;
    subscribe(&mut later, 9, StreamStart::After(cursor_at(2)), least()).await;
    assert_eq!(take(&mut later, 9, 3).await, [3, 4, 5]);
}

/// Prevents: a client that does not know where its live stream began misses what happened meanwhile.
#[tokio::test]
async fn the_first_batch_says_where_the_stream_began() {
    let (server, engine) = Running::default().await;
    engine.log.grow(7);
    let mut peer = Peer::welcomed(server.address).await;
    subscribe(&mut peer, 1, StreamStart::End, least()).await;
    let first = peer.reply().await;
    assert_eq!(batch(&first, 1), (vec![], 0));
    let end = BatchView::new(&first.body).unwrap().end();
    assert_eq!((end.cursor, end.is_live), (cursor_at(7), true));
}

/// Prevents: a slow consumer fills the server's memory or holds up payments on its connection.
#[tokio::test]
async fn a_reader_that_grants_nothing_gets_no_more_and_delays_nobody() {
    const COUNT: u64 = 100_000;
    let (server, mut engine) = Running::default().await;
    engine.log.grow(COUNT);
    let mut peer = Peer::welcomed(server.address).await;
    subscribe(&mut peer, 1, StreamStart::Begin, least()).await;
    let (numbers, cost) = batch(&peer.reply().await, 1);
    let mut spent = cost;
    assert!(0 < cost && cost <= usize::try_from(STREAM_CREDIT_MIN).unwrap());

    // The answers come although the stream has much more to say.
    for id in 2..20 {
        peer.create_transfers(id, &[transfer(1)]).await;
        let (_, answer) = engine.next_transfers().await;
        answer(Ok(Reply::Transfers(vec![created(id)])));
        let answered = loop {
            let received = peer.reply().await;
            if received.header.outcome == Outcome::Answered {
                break received;
            }
            // What was left of the credit, or a word that all is well.
            spent += batch(&received, 1).1;
        };
        answered.check_answers(id, Operation::CreateTransfers);
    }
    assert!(spent <= usize::try_from(STREAM_CREDIT_MIN).unwrap(), "{spent}");

    // With credit it goes on where it stood.
    grant(&mut peer, 20, 1, least()).await;
    let mut next = u128::try_from(numbers.len()).unwrap() + 1;
    let mut granted = 2 * usize::try_from(STREAM_CREDIT_MIN).unwrap();
    while next <= u128::from(COUNT) {
        let received = peer.reply().await;
        if received.header.outcome == Outcome::Answered {
            continue;
        }
        let (numbers, cost) = batch(&received, 1);
        spent += cost;
        assert!(spent <= granted, "{spent} of {granted}");
        for number in numbers {
            // What came between the answers above was counted, not read.
            assert!(next <= number);
            next = number + 1;
        }
        if granted - spent < usize::try_from(STREAM_CREDIT_MIN).unwrap() / 2 {
            grant(&mut peer, 21 + u64::try_from(granted).unwrap(), 1, least()).await;
            granted += usize::try_from(STREAM_CREDIT_MIN).unwrap();
        }
    }
    assert_eq!(next, u128::from(COUNT) + 1);
}

#[tokio::test]
async fn a_stream_ends_with_the_answer_to_its_request() {
    let (server, engine) = Running::default().await;
    let mut peer = Peer::welcomed(server.address).await;
    subscribe(&mut peer, 1, StreamStart::Begin, least()).await;
    batch(&peer.reply().await, 1);
    let body = Unsubscribe { subscription: 1 }.to_bytes();
    peer.ask(2, Operation::Unsubscribe.number(), 0, &body).await;
    let mut ended = [reply(&mut peer).await, reply(&mut peer).await];
    ended.sort_by_key(|reply| reply.header.id);
    ended[0].check_answers(1, Operation::Subscribe);
    ended[1].check_answers(2, Operation::Unsubscribe);
    // A word to a stream that has ended is no mistake: they may have crossed.
    grant(&mut peer, 3, 1, 1).await;
    reply(&mut peer).await.check_answers(3, Operation::Credit);
    // And its id is free again.
    subscribe(&mut peer, 1, StreamStart::Begin, least()).await;
    engine.log.grow(1);
    assert_eq!(take(&mut peer, 1, 1).await, [1]);
}

/// Prevents: a stop waits for readers that never end, or ends them without a word.
#[tokio::test]
async fn a_stopping_server_tells_its_streams() {
    let (server, engine) = Running::default().await;
    engine.log.grow(100_000);
    let mut peer = Peer::welcomed(server.address).await;
    subscribe(&mut peer, 1, StreamStart::Begin, least()).await;
    batch(&peer.reply().await, 1);
    let stopped = server.stop();
    let last = reply(&mut peer).await;
    assert_eq!((last.header.id, last.refusal().kind), (1, RefusalKind::Stopped));
    assert_eq!(reply(&mut peer).await.header, ReplyHeader::last_word());
    peer.is_closed().await;
    stopped.await.unwrap();
    assert_eq!(engine.log.readers.load(Ordering::SeqCst), 0);
}

/// Prevents: readers that went without a word are read for until the server has no place left.
#[tokio::test]
async fn a_peer_that_goes_leaves_no_reader() {
    let (server, mut engine) = Running::default().await;
    for _ in 0..3 * SUBSCRIPTIONS_MAX {
        let mut peer = Peer::welcomed(server.address).await;
        // Its places may not be free yet when the next one comes.
        loop {
            subscribe(&mut peer, 1, StreamStart::Begin, least()).await;
            let received = peer.reply().await;
            if received.header.outcome == Outcome::Batch {
                break;
            }
            assert_eq!(received.refusal().kind, RefusalKind::Busy);
        }
    }
    server.is_unharmed(&mut engine).await;
}

#[tokio::test]
async fn one_stream_too_many_is_busy_and_the_others_go_on() {
    let (server, engine) = Running::default().await;
    let mut peer = Peer::welcomed(server.address).await;
    let last = u64::try_from(SUBSCRIPTIONS_PER_CONNECTION_MAX).unwrap();
    for id in 1..=last {
        subscribe(&mut peer, id, StreamStart::Begin, least()).await;
    }
    subscribe(&mut peer, last + 1, StreamStart::Begin, least()).await;
    let refused = reply(&mut peer).await;
    assert_eq!((refused.header.id, refused.refusal().kind), (last + 1, RefusalKind::Busy));
    engine.log.grow(1);
    let mut told = vec![0; SUBSCRIPTIONS_PER_CONNECTION_MAX];
    while told.contains(&0) {
        let received = peer.reply().await;
        let numbers = batch(&received, received.header.id).0;
        told[usize::try_from(received.header.id).unwrap() - 1] += numbers.len();
    }
    assert!(told.iter().all(|count| *count == 1), "{told:?}");
}

#[tokio::test]
async fn a_start_that_the_log_does_not_have_is_refused_by_name() {
    let (server, engine) = Running::default().await;
    engine.log.grow(3);
    let mut peer = Peer::welcomed(server.address).await;
    let fork = florin_ledger::StreamCursor { epoch: 2, ..cursor_at(1) };
    let cases = [
        (StreamStart::Time(Timestamp(1)), RefusalKind::Gone),
        (StreamStart::After(fork), RefusalKind::Fork),
        (StreamStart::After(cursor_at(4)), RefusalKind::NotYet),
    ];
    for (id, (start, kind)) in (1..).zip(cases) {
        subscribe(&mut peer, id, start, least()).await;
        let refused = peer.reply().await;
        assert_eq!((refused.header.id, refused.refusal().kind), (id, kind));
    }
    let filter = StreamFilter::all();
    let (start, credit_bytes) = (StreamStart::Begin, least());
    let another = Subscribe { incarnation: INCARNATION + 1, start, filter, credit_bytes };
    peer.ask(9, Operation::Subscribe.number(), 0, &another.to_bytes()).await;
    assert_eq!(peer.reply().await.refusal().kind, RefusalKind::Fork);
    subscribe(&mut peer, 10, StreamStart::Begin, least() - 1).await;
    assert_eq!(peer.reply().await.refusal().kind, RefusalKind::Invalid);
    subscribe(&mut peer, 11, StreamStart::After(cursor_at(1)), least()).await;
    assert_eq!(take(&mut peer, 11, 2).await, [2, 3]);
}
