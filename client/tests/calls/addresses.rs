//! A client that knows several servers. What would go wrong without: a bank that stands still because its
//! clients still speak to the machine that burned, one that writes to an old primary that came back, or to
//! a drill's copy that somebody named by mistake.

use crate::harness::{HandServer, Served, WELCOME, created, once, transfer};
use bytes::BytesMut;
use florin_client::{
    Client, ClientError, ClientOptions, RefusalKind, ReplicationStatus, StandbyStatus,
};
use florin_ledger::{DocumentKey, Lsn, TableId, Timestamp};
use florin_wire::{Effect, Operation, Refusal, ReplyHeader, RequestHeader, Welcome};

fn primary(synced: u64) -> ReplicationStatus {
    ReplicationStatus { synced: Lsn(synced), ..ReplicationStatus::default() }
}

/// With a log as long as that of any primary.
fn standby() -> ReplicationStatus {
    let primary_at = String::from("the-primary:3000");
    let standing = StandbyStatus { primary: primary_at, ..StandbyStatus::default() };
    ReplicationStatus { standby: Some(standing), ..primary(u64::MAX) }
}

/// The next connection, after the question what the server is.
async fn present(server: &HandServer, welcome: Welcome, status: ReplicationStatus) -> Served {
    let mut served = server.welcome(welcome).await;
    let (header, _) = served.request().await;
    assert_eq!(header.operation, Operation::ReplicationStatus.number());
    let mut body = BytesMut::new();
    status.write(&mut body);
    served.reply(ReplyHeader::answered(header.id, Operation::ReplicationStatus), &body).await;
    served
}

/// An address where nobody listens.
async fn nobody() -> String {
    HandServer::start().await.address()
}

async fn pair() -> (HandServer, HandServer, String) {
    let (a, b) = (HandServer::start().await, HandServer::start().await);
    let list = format!("{},{}", a.address(), b.address());
    (a, b, list)
}

/// A client of two servers that are what these say.
async fn client_of(
    (a, b, list): &(HandServer, HandServer, String),
    statuses: [ReplicationStatus; 2],
    options: ClientOptions,
) -> (Client, Served, Served) {
    let [of_a, of_b] = statuses;
    let (client, a, b) = tokio::join!(
        Client::connect(list, options),
        present(a, WELCOME, of_a),
        present(b, WELCOME, of_b)
    );
    (client.unwrap(), a, b)
}

/// Posts a transfer, which this server must get.
async fn post(client: &Client, served: &mut Served) {
    let batch = [transfer(1)];
    let serve = async {
        let (header, _) = served.transfers().await;
        served.answer(header, &[created(1)]).await;
    };
    let (result, ()) = tokio::join!(client.create_transfers(&batch), serve);
    assert_eq!(result, Ok(vec![created(1)]));
}

async fn decline(served: &mut Served, header: RequestHeader) {
    let refusal = Refusal::without_effect(RefusalKind::Standby, "this is a standby");
    served.refuse(header, &refusal).await;
}

#[tokio::test]
async fn a_standby_that_is_named_first_is_passed_over() {
    let servers = pair().await;
    let (client, mut a, mut b) = client_of(&servers, [standby(), primary(1)], once()).await;
    assert!(a.is_closed_without_a_request().await);
    post(&client, &mut b).await;
}

#[tokio::test]
async fn a_server_that_is_off_from_the_start_is_passed_over() {
    let server = HandServer::start().await;
    let list = format!("{}, {}", nobody().await, server.address());
    let (client, mut served) =
        tokio::join!(Client::connect(&list, once()), present(&server, WELCOME, primary(1)));
    post(&client.unwrap(), &mut served).await;
}

/// A machine that is off does not even refuse: nobody should wait for it each time.
#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_not_waited_for() {
    let servers = pair().await;
    let (a, b, list) = &servers;
    let begun = tokio::time::Instant::now();
    let (client, _silent, mut served) =
        tokio::join!(Client::connect(list, once()), a.accept(), present(b, WELCOME, primary(1)));
    assert!(begun.elapsed() < ClientOptions::default().connect_timeout / 2);
    post(&client.unwrap(), &mut served).await;
}

#[tokio::test(start_paused = true)]
async fn where_no_primary_can_be_reached_the_error_names_all() {
    let (silent, follower) = (HandServer::start().await, HandServer::start().await);
    let named = [nobody().await, silent.address(), follower.address()];
    let list = named.join(",");
    let (result, _silent, _follower) = tokio::join!(
        Client::connect(&list, once()),
        silent.accept(),
        present(&follower, WELCOME, standby())
    );
    let Err(ClientError::NotSent { message }) = result else { unreachable!("{result:?}") };
    for (address, why) in named.iter().zip([
        "can't connect",
        "did not answer within 3s",
        "is a standby and follows the-primary:3000",
    ]) {
        assert!(message.contains(address) && message.contains(why), "{address} {why}: {message}");
    }
}

/// Whoever writes to an old primary loses it all when that follows the new one.
#[tokio::test]
async fn of_two_that_claim_to_decide_the_one_with_the_longer_log_is_taken() {
    for (statuses, expect) in [([primary(5), primary(9)], 1), ([primary(9), primary(5)], 0)] {
        let servers = pair().await;
        let (client, a, b) = client_of(&servers, statuses, once()).await;
        let mut both = [a, b];
        assert!(both[1 - expect].is_closed_without_a_request().await);
        post(&client, &mut both[expect]).await;
    }
}

/// Refused by one, asked of the other, and answered: its caller hears nothing of it, although it wanted
/// everything to be sent once.
#[tokio::test]
async fn a_call_goes_on_from_a_server_that_decides_nothing_any_more() {
    let servers = pair().await;
    let (client, mut a, _b) = client_of(&servers, [primary(9), standby()], once()).await;
    let batch = [transfer(1)];
    let serve = async {
        let (header, _) = a.transfers().await;
        decline(&mut a, header).await;
        // The promotion takes a moment; and the one that declined would still like to, with a longer log.
        tokio::join!(
            present(&servers.0, WELCOME, standby()),
            present(&servers.1, WELCOME, standby())
        );
        let (old, mut new) = tokio::join!(
            present(&servers.0, WELCOME, primary(9)),
            present(&servers.1, WELCOME, primary(5))
        );
        let (header, transfers) = new.transfers().await;
        assert_eq!(transfers, batch);
        new.answer(header, &[created(7)]).await;
        (old, new)
    };
    let (result, (mut old, mut new)) = tokio::join!(client.create_transfers(&batch), serve);
    assert_eq!(result, Ok(vec![created(7)]));
    assert!(old.is_closed_without_a_request().await);
    post(&client, &mut new).await;
}

/// What has no id is asked elsewhere if it certainly did not happen, and not if it may have.
#[tokio::test]
async fn what_may_have_happened_is_not_asked_elsewhere_without_an_id() {
    let servers = pair().await;
    let options = ClientOptions::default();
    let (client, mut a, _b) = client_of(&servers, [primary(9), standby()], options).await;
    let key = DocumentKey { table: TableId(16), key: vec![1] };
    let serve = async {
        let (header, _) = a.request().await;
        decline(&mut a, header).await;
        let (_, mut new) = tokio::join!(
            present(&servers.0, WELCOME, standby()),
            present(&servers.1, WELCOME, primary(9))
        );
        let (header, _) = new.request().await;
        assert_eq!(header.operation, Operation::InsertUnique.number());
        let message = String::from("the server stops");
        let refusal = Refusal { kind: RefusalKind::Stopped, effect: Effect::Unknown, message };
        new.refuse(header, &refusal).await;
        new
    };
    let (result, _new) = tokio::join!(client.insert_unique(&key, Timestamp::NONE), serve);
    let Err(ClientError::Unknown { message }) = result else { unreachable!("{result:?}") };
    assert_eq!(message, "the server stops");
}

#[tokio::test]
async fn a_server_of_another_database_is_never_spoken_to() {
    // Nobody can tell which of them is meant.
    let (a, b, list) = pair().await;
    let stranger = Welcome { incarnation: 0xBAD, ..WELCOME };
    let (result, mut one, mut other) = tokio::join!(
        Client::connect(&list, ClientOptions::default()),
        present(&a, WELCOME, standby()),
        present(&b, stranger, primary(9))
    );
    let Err(ClientError::NotSent { message }) = result else { unreachable!("{result:?}") };
    assert!(message.contains("different databases"), "{message}");
    assert!(one.is_closed_without_a_request().await);
    assert!(other.is_closed_without_a_request().await);
    // Later the one that was found first is.
    let servers = (a, b, list);
    let (client, served, _) =
        client_of(&servers, [primary(1), standby()], ClientOptions::default()).await;
    drop(served);
    let batch = [transfer(1)];
    let serve = async {
        let (mut first, mut other) = tokio::join!(
            present(&servers.0, WELCOME, standby()),
            present(&servers.1, stranger, primary(9))
        );
        assert!(first.is_closed_without_a_request().await);
        assert!(other.is_closed_without_a_request().await);
        let (mut first, other) = tokio::join!(
            present(&servers.0, WELCOME, primary(1)),
            present(&servers.1, stranger, primary(9))
        );
        let (header, _) = first.transfers().await;
        first.answer(header, &[created(1)]).await;
        (first, other)
    };
    let (result, _served) = tokio::join!(client.create_transfers(&batch), serve);
    assert_eq!(result, Ok(vec![created(1)]));
}

/// One server is what it is: it is not asked, reads go to a standby, and its refusal is the answer.
#[tokio::test]
async fn a_single_server_is_taken_as_it_is() {
    let server = HandServer::start().await;
    let (client, mut served) = server.client(ClientOptions::default()).await;
    let batch = [transfer(1)];
    let serve = async {
        let (header, _) = served.transfers().await;
        decline(&mut served, header).await;
    };
    let (result, ()) = tokio::join!(client.create_transfers(&batch), serve);
    let Err(ClientError::Refused { kind, .. }) = result else { unreachable!("{result:?}") };
    assert_eq!(kind, RefusalKind::Standby);
    post(&client, &mut served).await;
}
