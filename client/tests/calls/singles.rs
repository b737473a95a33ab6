//! Transfers submitted one by one travel together: one request a transfer would cap a bank at the
//! speed of its disk's syncs.

use crate::harness::{HandServer, created, exists, once, transfer};
use florin_client::{ClientError, RefusalKind};
use florin_ledger::{Transfer, TransferFlags};
use futures_util::future::join_all;
use std::time::Duration;

/// What queues while a request is in flight goes with the next, and each caller gets the result of
/// its own transfer; the same id twice among them too (fault 15).
#[tokio::test]
async fn what_queues_during_a_flight_goes_together() {
    let server = HandServer::start().await;
    let (client, mut served) = server.client(once()).await;
    let first = tokio::spawn({
        let client = client.clone();
        async move { client.create_transfer(transfer(1)).await }
    });
    let (header, transfers) = served.transfers().await;
    assert_eq!(transfers, [transfer(1)], "a lone transfer waits for nobody");

    let calls = join_all([2, 3, 2].map(|id| client.create_transfer(transfer(id))));
    let serve = async {
        // All three are queued once this task gets its turn.
        tokio::task::yield_now().await;
        served.answer(header, &[created(1)]).await;
        let (header, transfers) = served.transfers().await;
        assert_eq!(transfers, [transfer(2), transfer(3), transfer(2)]);
        served.answer(header, &[created(2), created(3), exists(2)]).await;
    };
    let (results, ()) = tokio::join!(calls, serve);
    let results: Vec<_> = results.into_iter().map(Result::unwrap).collect();
    assert_eq!(results, [created(2), created(3), exists(2)]);
    assert_eq!(first.await.unwrap().unwrap(), created(1));
}

/// A loss is everybody's loss.
#[tokio::test]
async fn a_lost_flight_is_unknown_to_all_aboard() {
    let server = HandServer::start().await;
    let (client, mut served) = server.client(once()).await;
    let calls = join_all([1, 2].map(|id| client.create_transfer(transfer(id))));
    let serve = async {
        served.transfers().await;
        drop(served);
        // Whoever was not aboard yet finds no server.
        drop(server);
    };
    let (results, ()) = tokio::join!(calls, serve);
    assert!(matches!(results[0], Err(ClientError::Unknown { .. })), "{results:?}");
}

/// "Unknown" of what never left would have its caller look for money that can't have moved.
#[tokio::test(start_paused = true)]
async fn what_is_still_queued_at_its_deadline_was_not_sent() {
    let server = HandServer::start().await;
    let (client, mut served) = server.client(once()).await;
    let hasty = client.with_deadline(Duration::from_millis(700));
    let aboard = hasty.create_transfer(transfer(1));
    let queued = async {
        let (header, _) = served.transfers().await;
        (hasty.create_transfer(transfer(2)).await, header)
    };
    let (aboard, (queued, header)) = tokio::join!(aboard, queued);
    assert!(matches!(aboard, Err(ClientError::Unknown { .. })), "{aboard:?}");
    assert!(matches!(queued, Err(ClientError::NotSent { .. })), "{queued:?}");
    // Nor is it sent later.
    served.answer(header, &[created(1)]).await;
    let serve = async {
        let (header, transfers) = served.transfers().await;
        assert_eq!(transfers, [transfer(3)]);
        served.answer(header, &[created(3)]).await;
    };
    let (result, ()) = tokio::join!(client.create_transfer(transfer(3)), serve);
    assert_eq!(result.unwrap(), created(3));
}

/// Its chain would go on into a stranger's transfer.
#[tokio::test]
async fn a_linked_transfer_does_not_go_alone() {
    let server = HandServer::start().await;
    let (client, _served) = server.client(once()).await;
    let linked = Transfer { flags: TransferFlags::LINKED, ..transfer(1) };
    let result = client.create_transfer(linked).await;
    let Err(ClientError::Refused { kind, .. }) = result else { unreachable!("{result:?}") };
    assert_eq!(kind, RefusalKind::Invalid);
}

/// A batch is imported as a whole or not at all: one among strangers would spoil theirs.
#[tokio::test]
async fn an_imported_transfer_goes_alone() {
    let server = HandServer::start().await;
    let (client, mut served) = server.client(once()).await;
    let imported = Transfer { flags: TransferFlags::IMPORTED, ..transfer(9) };
    let calls = async {
        tokio::join!(client.create_transfer(transfer(1)), client.create_transfer(imported))
    };
    let serve = async {
        for _ in 0..2 {
            let (header, transfers) = served.transfers().await;
            assert_eq!(transfers.len(), 1);
            let timestamp = u64::try_from(transfers[0].amount.0).unwrap();
            served.answer(header, &[created(timestamp)]).await;
        }
    };
    let ((one, other), ()) = tokio::join!(calls, serve);
    assert_eq!((one.unwrap(), other.unwrap()), (created(1), created(9)));
}
