//! A standby is sent everything, at most a window ahead of what it has; also what became durable while the
//! server stops. Otherwise it stops where nobody looks, or answers are lost with a primary that stopped in order.

use crate::harness::{Engine, Peer, Running, created, transfer};
use florin_core::request::Reply;
use florin_core::shipping::BATCH_HEAD_BYTES;
use florin_ledger::Lsn;
use florin_server::limits::{SHIP_BATCH_BYTES_MAX, SHIP_ENDING_MAX, SHIP_WINDOW_BYTES};
use florin_wire::replication::{Acknowledge, Follow};
use florin_wire::{Operation, Outcome, RefusalKind};
use tokio::time::Instant;

const START: u64 = 4_096;
const FOLLOW_ID: u64 = 9;

async fn follow(server: &Running) -> Peer {
    let mut peer = Peer::welcomed(server.address).await;
    let follow = Follow {
        incarnation: crate::harness::INCARNATION,
        life: crate::harness::INCARNATION,
        node: 1,
        lsn: Lsn(START),
        sequence: 0,
        chain: [0; 32],
        promised: 0,
        must_compare: false,
        name: String::from("standby"),
    };
    peer.ask(FOLLOW_ID, Operation::FollowLog.number(), 0, &follow.to_bytes()).await;
    peer
}

/// Bytes behind the head of the next batch.
async fn batch_bytes(peer: &mut Peer) -> usize {
    loop {
        let reply = peer.reply().await;
        if reply.header.id != FOLLOW_ID {
            // That an acknowledgement came.
            continue;
        }
        assert_eq!(reply.header.outcome, Outcome::Batch, "{reply:?}");
        return reply.body.len() - BATCH_HEAD_BYTES;
    }
}

async fn acknowledge(peer: &mut Peer, lsn: u64) {
    say(peer, lsn, true).await;
}

/// That it has so much; `counts`: that answers may rest on it.
async fn say(peer: &mut Peer, lsn: u64, counts: bool) {
    let acknowledge = Acknowledge { following: FOLLOW_ID, lsn: Lsn(lsn), counts };
    peer.ask(FOLLOW_ID + 1, Operation::AcknowledgeLog.number(), 0, &acknowledge.to_bytes()).await;
}

fn put(engine: &Engine, bytes: usize, end: u64) {
    engine.shipping.put(bytes, end);
    engine.log.grow(0);
}

/// Every opening leaves the rest of a segment unused. What was read reaches over that, and the frame that the
/// standby has to acknowledge before more is read lies behind a batch's end.
#[tokio::test(start_paused = true)]
async fn what_was_read_is_sent_to_its_end_however_far_apart_positions_lie() {
    let (server, engine) = Running::default().await;
    let mut peer = follow(&server).await;
    assert_eq!(batch_bytes(&mut peer).await, 0);
    let gap = 60 << 20;
    put(&engine, SHIP_BATCH_BYTES_MAX + 100, START + gap);
    assert_eq!(batch_bytes(&mut peer).await, SHIP_BATCH_BYTES_MAX);
    assert_eq!(batch_bytes(&mut peer).await, 100);
    // What was not read yet waits for the acknowledgement; the standby hears that it is not forgotten.
    put(&engine, 200, START + gap + 200);
    assert_eq!(batch_bytes(&mut peer).await, 0);
    assert_eq!(batch_bytes(&mut peer).await, 0);
    acknowledge(&mut peer, START + gap).await;
    while batch_bytes(&mut peer).await != 200 {}
}

/// A node that comes back more than a window behind is compared at the primary's end: it has to come there first.
#[tokio::test(start_paused = true)]
async fn one_that_counts_for_nothing_yet_is_sent_more_all_the_same() {
    let (server, engine) = Running::default().await;
    let mut peer = follow(&server).await;
    assert_eq!(batch_bytes(&mut peer).await, 0);
    let end = START + SHIP_WINDOW_BYTES;
    put(&engine, 100, end);
    assert_eq!(batch_bytes(&mut peer).await, 100);
    put(&engine, 200, end + 200);
    say(&mut peer, end, false).await;
    while batch_bytes(&mut peer).await != 200 {}
    assert_eq!(*engine.shipping.acknowledged.lock().unwrap(), []);
}

#[tokio::test]
async fn a_server_that_stops_ships_what_it_still_answers_and_its_last_frame() {
    let (server, mut engine) = Running::default().await;
    let mut standby = follow(&server).await;
    assert_eq!(batch_bytes(&mut standby).await, 0);
    let mut busy = Peer::welcomed(server.address).await;
    busy.create_transfers(1, &[transfer(1)]).await;
    let (_, reply) = engine.next_transfers().await;
    let mut idle = Peer::welcomed(server.address).await;
    let mut stopped = server.stop();
    // Now it stops: whoever follows may still say what it has, and nothing else.
    assert_eq!(idle.reply().await.header.outcome, Outcome::LastWord);
    drop(idle);
    standby.create_transfers(77, &[transfer(2)]).await;
    let refused = loop {
        let answer = standby.reply().await;
        if answer.header.id == 77 {
            break answer.refusal();
        }
    };
    assert_eq!(refused.kind, RefusalKind::Stopped);
    // It becomes durable after the stop, and is answered.
    put(&engine, 300, START + 300);
    reply(Ok(Reply::Transfers(vec![created(1)])));
    assert_eq!(busy.results(1).await, [created(1)]);
    while batch_bytes(&mut standby).await != 300 {}
    acknowledge(&mut standby, START + 300).await;
    drop(busy);
    // The last frame of all is written once nothing more is asked.
    engine.rests().await;
    put(&engine, 50, START + 350);
    engine.let_rest();
    while batch_bytes(&mut standby).await != 50 {}
    tokio::select! {
        biased;
        _ = &mut stopped => unreachable!("it is not acknowledged"),
        () = tokio::task::yield_now() => {}
    }
    acknowledge(&mut standby, START + 350).await;
    loop {
        let last = standby.reply().await;
        if last.header.outcome == Outcome::LastWord {
            break;
        }
    }
    drop(standby);
    stopped.await.unwrap();
    assert_eq!(*engine.shipping.acknowledged.lock().unwrap(), [Lsn(START + 300), Lsn(START + 350)]);
}

#[tokio::test(start_paused = true)]
async fn a_standby_that_acknowledges_nothing_does_not_hold_up_the_stop_for_long() {
    let (server, engine) = Running::default().await;
    let mut standby = follow(&server).await;
    put(&engine, 300, START + 300);
    while batch_bytes(&mut standby).await != 300 {}
    let begun = Instant::now();
    let stopped = server.stop();
    while standby.payload().await.is_some() {}
    drop(standby);
    stopped.await.unwrap();
    assert!(begun.elapsed() <= 2 * SHIP_ENDING_MAX, "{:?}", begun.elapsed());
}
