//! Many calls on one connection: each gets its own answer, and no more are in flight than the
//! server allows. An answer that lands at the wrong call tells a customer of other people's money.

use crate::harness::{HandServer, WELCOME, created, once, transfer};
use florin_client::{Client, ClientError};
use florin_ledger::{Account, AccountId};
use florin_wire::{Operation, ReplyHeader, Welcome, array};

#[tokio::test]
async fn answers_land_by_id_in_any_order() {
    let server = HandServer::start().await;
    let (client, mut served) = server.client(once()).await;
    let (a, b) = ([transfer(1)], [transfer(2)]);
    let ids = [AccountId(5), AccountId(6)];
    let calls = async {
        tokio::join!(
            client.create_transfers(&a),
            client.create_transfers(&b),
            client.lookup_accounts(&ids)
        )
    };
    let serve = async {
        let mut requests = Vec::new();
        for _ in 0..2 {
            requests.push(served.transfers().await);
        }
        let (lookup, body) = served.request().await;
        assert_eq!(array::decode::<AccountId>(&body).unwrap(), ids);
        let account = Account { id: AccountId(6), ..Account::default() };
        let header = ReplyHeader::answered(lookup.id, Operation::LookupAccounts);
        served.reply(header, &array::to_bytes(&[None, Some(account)])).await;
        for (header, transfers) in requests.into_iter().rev() {
            let timestamp = u64::try_from(transfers[0].amount.0).unwrap();
            served.answer(header, &[created(timestamp)]).await;
        }
    };
    let ((a, b, accounts), ()) = tokio::join!(calls, serve);
    assert_eq!((a.unwrap(), b.unwrap()), (vec![created(1)], vec![created(2)]));
    let account = Account { id: AccountId(6), ..Account::default() };
    assert_eq!(accounts.unwrap(), [None, Some(account)]);
}

#[tokio::test]
async fn no_more_is_sent_than_the_server_allows() {
    let server = HandServer::start().await;
    let welcome = Welcome { requests_in_flight_max: 2, ..WELCOME };
    let (client, mut served) = server.client_of(welcome, once()).await;
    let batches = [[transfer(1)], [transfer(2)], [transfer(3)]];
    let calls = async {
        tokio::join!(
            client.create_transfers(&batches[0]),
            client.create_transfers(&batches[1]),
            client.create_transfers(&batches[2])
        )
    };
    let serve = async {
        let (first, _) = served.transfers().await;
        let (second, _) = served.transfers().await;
        assert!(served.has_nothing_to_read().await);
        served.answer(first, &[created(1)]).await;
        let (third, _) = served.transfers().await;
        served.answer(second, &[created(2)]).await;
        served.answer(third, &[created(3)]).await;
    };
    let ((a, b, c), ()) = tokio::join!(calls, serve);
    assert_eq!(a.unwrap(), [created(1)]);
    assert_eq!(b.unwrap(), [created(2)]);
    assert_eq!(c.unwrap(), [created(3)]);
}

/// A batch of the largest size goes past the copying of small ones.
#[tokio::test]
async fn the_largest_batch_arrives_whole() {
    let server = HandServer::start().await;
    let (client, mut served) = server.client(once()).await;
    let batch: Vec<_> = (1..=8_190).map(transfer).collect();
    let results: Vec<_> = (1..=8_190).map(created).collect();
    let serve = async {
        let (header, transfers) = served.transfers().await;
        assert_eq!(transfers, batch);
        served.answer(header, &results).await;
    };
    let (answer, ()) = tokio::join!(client.create_transfers(&batch), serve);
    assert_eq!(answer.unwrap(), results);
}

/// A runtime that ends takes the connection's task with it. Whoever waits elsewhere would wait until
/// its deadline, and every call after it would find the connection open and be sent by nobody.
#[tokio::test]
async fn a_runtime_that_ends_ends_its_connections() {
    let server = HandServer::start().await;
    let address = server.address();
    let elsewhere = tokio::runtime::Runtime::new().unwrap();
    let connect = async move { Client::connect(&address, once()).await };
    let (client, mut served) = tokio::join!(elsewhere.spawn(connect), server.welcome(WELCOME));
    let client = client.unwrap().unwrap();
    let batch = [transfer(1)];
    let (result, ()) = tokio::join!(client.create_transfers(&batch), async {
        served.transfers().await;
        elsewhere.shutdown_background();
    });
    let Err(ClientError::Unknown { message }) = result else { unreachable!("{result:?}") };
    assert!(message.contains("runtime"), "{message}");
    let (result, _open) = tokio::join!(client.create_transfers(&batch), async {
        let mut served = server.welcome(WELCOME).await;
        let (header, _) = served.transfers().await;
        served.answer(header, &[created(1)]).await;
        served
    });
    assert_eq!(result.unwrap(), [created(1)]);
}

/// A reply to nothing means that the two sides disagree about everything that follows.
#[tokio::test]
async fn a_reply_to_nothing_ends_the_connection() {
    let server = HandServer::start().await;
    let (client, mut served) = server.client(once()).await;
    let batch = [transfer(1)];
    let serve = async {
        let (header, _) = served.transfers().await;
        let stray = ReplyHeader::answered(header.id + 1, Operation::CreateTransfers);
        served.reply(stray, &array::to_bytes(&[created(1)])).await;
        served
    };
    let (result, _open) = tokio::join!(client.create_transfers(&batch), serve);
    assert!(matches!(result, Err(ClientError::Unknown { .. })), "{result:?}");
}
