//! Reads that must not be older than a position. Behind one address there may be servers of which some
//! are behind: the same that says that it is so far must be the one that is read from.

use crate::harness::{HandServer, Served, WELCOME, created, once, transfer};
use florin_client::{Client, ClientError, ClientOptions, RefusalKind};
use florin_ledger::{AccountId, Lsn, Position};
use florin_wire::cold::{self, Await};
use florin_wire::{Operation, Refusal, ReplyHeader, RequestHeader, array};

fn position(epoch: u64, lsn: u64) -> Position {
    Position { epoch, lsn: Lsn(lsn) }
}

/// Hears the question for a position.
async fn asked(served: &mut Served, expect: Position) -> RequestHeader {
    let (header, body) = served.request().await;
    assert_eq!(header.operation, Operation::AwaitPosition.number());
    let asked: Await = cold::decode(&body).unwrap();
    assert_eq!(asked.position, expect);
    assert!(0 < asked.patience_ms, "it waits");
    header
}

async fn reached(served: &mut Served, expect: Position) {
    let header = asked(served, expect).await;
    served.reply(ReplyHeader::answered(header.id, Operation::AwaitPosition), &[]).await;
}

async fn answer_lookup(served: &mut Served) {
    let (header, _) = served.request().await;
    assert_eq!(header.operation, Operation::LookupAccounts.number());
    let nobody = array::to_bytes(&[None::<florin_ledger::Account>]);
    served.reply(ReplyHeader::answered(header.id, Operation::LookupAccounts), &nobody).await;
}

async fn look_up(client: &Client) -> Result<(), ClientError> {
    client.lookup_accounts(&[AccountId(1)]).await.map(drop)
}

#[tokio::test]
async fn a_server_is_asked_once_whether_it_is_so_far_and_another_again() {
    let server = HandServer::start().await;
    let (client, mut first) = server.client(ClientOptions::default()).await;
    let later = client.after(position(1, 500));
    let serve = async {
        reached(&mut first, position(1, 500)).await;
        answer_lookup(&mut first).await;
        answer_lookup(&mut first).await;
        answer_lookup(&mut first).await;
        reached(&mut first, position(1, 501)).await;
        answer_lookup(&mut first).await;
        // What was reached in one opening says nothing of another.
        reached(&mut first, position(0, 400)).await;
        answer_lookup(&mut first).await;
        // Lost while it is asked for: the next server says for itself how far it is.
        let (header, _) = first.request().await;
        assert_eq!(header.operation, Operation::LookupAccounts.number());
        drop(first);
        let mut second = server.welcome(WELCOME).await;
        reached(&mut second, position(1, 500)).await;
        answer_lookup(&mut second).await;
        second
    };
    let ask = async {
        look_up(&later).await?;
        look_up(&client.after(position(1, 400))).await?;
        look_up(&client).await?;
        look_up(&client.after(position(1, 501))).await?;
        look_up(&client.after(position(0, 400))).await?;
        look_up(&later).await
    };
    let (result, _open) = tokio::join!(ask, serve);
    assert_eq!(result, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_behind_or_of_another_history_is_not_read_from() {
    let server = HandServer::start().await;
    let (client, mut served) = server.client(ClientOptions::default()).await;
    let later = client.after(position(1, 500));
    for kind in [RefusalKind::Fork, RefusalKind::Gone] {
        let serve = async {
            let header = asked(&mut served, position(1, 500)).await;
            served.refuse(header, &Refusal::without_effect(kind, "no")).await;
        };
        let (result, ()) = tokio::join!(look_up(&later), serve);
        let Err(ClientError::Refused { kind: refused, .. }) = result else { unreachable!() };
        assert_eq!(refused, kind);
    }
    // Each question stays short of the silence after which a server is given up.
    let serve = async {
        for _ in 0..3 {
            let header = asked(&mut served, position(1, 500)).await;
            served.refuse(header, &Refusal::without_effect(RefusalKind::NotYet, "no")).await;
        }
    };
    let (result, ()) = tokio::join!(look_up(&later), serve);
    assert!(
        matches!(result, Err(ClientError::Refused { kind: RefusalKind::NotYet, .. })),
        "{result:?}"
    );
    assert!(served.has_nothing_to_read().await);
}

/// A caller that is told "unknown" of what was not sent looks for a payment that nobody made.
#[tokio::test]
async fn what_was_not_sent_for_want_of_a_position_is_not_unknown() {
    let server = HandServer::start().await;
    let (client, mut served) = server.client(once()).await;
    let later = client.after(position(1, 500));
    let key = florin_ledger::DocumentKey { table: florin_ledger::TableId(16), key: vec![1] };
    let insert = later.insert_unique(&key, florin_ledger::Timestamp::NONE);
    let serve = async {
        asked(&mut served, position(1, 500)).await;
        drop(served);
    };
    let (result, ()) = tokio::join!(insert, serve);
    assert!(matches!(result, Err(ClientError::NotSent { .. })), "{result:?}");
    // Batches have ids and ask for nothing.
    let serve = async {
        let mut served = server.welcome(WELCOME).await;
        let (header, _) = served.transfers().await;
        served.answer(header, &[created(1)]).await;
        served
    };
    let batch = [transfer(1)];
    let (result, _open) = tokio::join!(later.create_transfers(&batch), serve);
    assert_eq!(result, Ok(vec![created(1)]));
}
