//! Many requests in flight on one connection: each gets its own answer, and a slow one holds up
//! nobody. An answer under a wrong id tells a customer of somebody else's money.

use crate::harness::{Peer, Running, account, created, transfer};
use florin_core::request::{Reply, Request};
use florin_core::{Error, ErrorKind};
use florin_ledger::query::{AccountFilter, TrialBalance};
use florin_ledger::{Account, AccountId, Amount, Transfer, TransferId};
use florin_wire::{
    Effect, Operation, Outcome, Refusal, RefusalKind, ReplyHeader, Status, array, cold, page,
};

#[tokio::test]
async fn requests_reach_the_engine_in_order_and_answers_come_as_they_are_ready() {
    let (server, mut engine) = Running::default().await;
    let mut peer = Peer::welcomed(server.address).await;
    for id in 1..=3 {
        peer.create_transfers(id, &[transfer(u128::from(id) * 10)]).await;
    }
    let mut callbacks = Vec::new();
    for id in 1..=3_u128 {
        let (transfers, reply) = engine.next_transfers().await;
        assert_eq!(transfers, [transfer(id * 10)]);
        callbacks.push(reply);
    }
    for id in [3, 2, 1] {
        let reply = callbacks.pop().unwrap();
        reply(Ok(Reply::Transfers(vec![created(id)])));
        assert_eq!(peer.results(id).await, [created(id)]);
    }
}

#[tokio::test]
async fn a_read_that_waits_holds_up_no_write_on_its_connection() {
    let (server, mut engine) = Running::default().await;
    let mut peer = Peer::welcomed(server.address).await;
    let ids = array::to_bytes(&[TransferId(5)]);
    peer.ask(1, Operation::LookupTransfers.number(), 0, &ids).await;
    peer.create_transfers(2, &[transfer(6)]).await;
    let (_, reply) = engine.next_transfers().await;
    reply(Ok(Reply::Transfers(vec![created(2)])));
    assert_eq!(peer.results(2).await, [created(2)]);

    engine.let_read();
    let reply = peer.reply().await;
    reply.check_answers(1, Operation::LookupTransfers);
    assert_eq!(array::decode::<Option<Transfer>>(&reply.body).unwrap(), [Some(transfer(5))]);
}

/// Fault 15, the same id twice in one batch: the batch reaches the engine as it was sent, and one
/// result per event comes back, however often an id occurs.
#[tokio::test]
async fn one_result_per_event_in_the_order_of_events() {
    let (server, mut engine) = Running::default().await;
    let mut peer = Peer::welcomed(server.address).await;
    peer.create_transfers(1, &[transfer(5), transfer(5), transfer(4)]).await;
    let (transfers, reply) = engine.next_transfers().await;
    assert_eq!(transfers, [transfer(5), transfer(5), transfer(4)]);
    let results = vec![created(1), created(1), created(2)];
    reply(Ok(Reply::Transfers(results.clone())));
    assert_eq!(peer.results(1).await, results);
}

#[tokio::test]
async fn the_engines_other_replies_find_their_way() {
    let (server, mut engine) = Running::default().await;
    let mut peer = Peer::welcomed(server.address).await;

    let ids = array::to_bytes(&[AccountId(1), AccountId(2)]);
    peer.ask(1, Operation::LookupAccounts.number(), 0, &ids).await;
    let (request, reply) = engine.next().await;
    assert!(matches!(request, Request::LookupAccounts(ids) if ids == [AccountId(1), AccountId(2)]));
    reply(Ok(Reply::LookedUpAccounts(vec![Some(account(1)), None])));
    let body = peer.reply().await.body;
    assert_eq!(array::decode::<Option<Account>>(&body).unwrap(), [Some(account(1)), None]);

    let sums = TrialBalance { debits_posted: Amount(u128::MAX), ..TrialBalance::default() };
    peer.ask(2, Operation::TrialBalance.number(), 0, &840_u32.to_le_bytes()).await;
    let (request, reply) = engine.next().await;
    assert!(matches!(request, Request::TrialBalance(ledger) if ledger.0 == 840));
    reply(Ok(Reply::TrialBalance(sums)));
    assert_eq!(cold::decode::<TrialBalance>(&peer.reply().await.body).unwrap(), sums);

    peer.ask(3, Operation::Status.number(), 0, &[]).await;
    let status: Status = cold::decode(&peer.reply().await.body).unwrap();
    assert_eq!((status.accounts_count, status.checkpoint.0), (5, 8));

    engine.let_read();
    let filter = cold::to_bytes(&AccountFilter::new(AccountId(1)));
    peer.ask(4, Operation::AccountTransfers.number(), 0, &filter).await;
    let found = page::decode::<Transfer>(&peer.reply().await.body).unwrap();
    assert_eq!((found.items, found.next_cursor), (vec![transfer(1)], None));
}

#[tokio::test]
async fn an_engines_error_says_whether_anything_happened() {
    let (server, mut engine) = Running::default().await;
    let mut peer = Peer::welcomed(server.address).await;
    let cases = [
        (ErrorKind::Invalid, RefusalKind::Invalid, Effect::None),
        (ErrorKind::Busy, RefusalKind::Busy, Effect::None),
        (ErrorKind::DiskFull, RefusalKind::DiskFull, Effect::None),
        (ErrorKind::ClockJumped, RefusalKind::ClockJumped, Effect::None),
        (ErrorKind::Stopped, RefusalKind::Stopped, Effect::Unknown),
        (ErrorKind::Corrupt, RefusalKind::Corrupt, Effect::Unknown),
        (ErrorKind::Io, RefusalKind::Io, Effect::Unknown),
    ];
    for (id, (error, kind, effect)) in (1..).zip(cases) {
        peer.create_transfers(id, &[transfer(1)]).await;
        let (_, reply) = engine.next_transfers().await;
        reply(Err(Error::new(error, "what happened")));
        let reply = peer.reply().await;
        assert_eq!(reply.header, ReplyHeader::refused(id, Operation::CreateTransfers.number()));
        assert_eq!(
            reply.refusal(),
            Refusal { kind, effect, message: String::from("what happened") }
        );
    }
}

/// A client that is never answered waits for its deadline, a shutdown for ever. And what died
/// inside stays inside (fault 65).
#[tokio::test]
async fn an_engine_that_dies_is_an_answer() {
    let (server, mut engine) = Running::default().await;
    let mut peer = Peer::welcomed(server.address).await;
    peer.create_transfers(1, &[transfer(1)]).await;
    drop(engine.next_transfers().await);
    let reply = peer.reply().await;
    assert_eq!((reply.header.id, reply.header.outcome), (1, Outcome::Refused));
    let refusal = reply.refusal();
    assert_eq!((refusal.kind, refusal.effect), (RefusalKind::Stopped, Effect::Unknown));
    assert!(!refusal.message.contains("panic"), "{}", refusal.message);
}

/// What a peer sent before it closed its side is answered all the same.
#[tokio::test]
async fn a_peer_that_has_said_everything_still_hears_the_answers() {
    let (server, mut engine) = Running::default().await;
    let mut peer = Peer::welcomed(server.address).await;
    peer.create_transfers(1, &[transfer(1)]).await;
    peer.finish().await;
    let (_, reply) = engine.next_transfers().await;
    reply(Ok(Reply::Transfers(vec![created(1)])));
    assert_eq!(peer.results(1).await, [created(1)]);
    assert_eq!(peer.payload().await, None);
}
