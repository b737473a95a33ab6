//! Every call ends, and its end is true. A caller who is told "not sent" of money that moved pays
//! twice; one who is never told anything holds up a shop.

use crate::harness::{HandServer, WELCOME, created, exists, once, transfer};
use florin_client::{Client, ClientError, ClientOptions, RefusalKind};
use florin_ledger::{
    CreateTransferStatus, EventResult, Timestamp, Transfer, TransferFlags, TransferId,
};
use florin_wire::{
    Effect, Farewell, Operation, Refusal, ReplyHeader, ServerHello, Versions, Welcome, array, cold,
};
use std::time::Duration;

fn linked(id: u128) -> Transfer {
    Transfer { flags: TransferFlags::LINKED, ..transfer(id) }
}

fn refusal(kind: RefusalKind, effect: Effect) -> Refusal {
    Refusal { kind, effect, message: String::from("what happened") }
}

/// The reply is lost, the transfer was made: sent again with its id it is found, not made again.
#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_asked_for_again_with_the_same_ids() {
    let server = HandServer::start().await;
    let (client, mut first) = server.client(ClientOptions::default()).await;
    let batch = [transfer(1), transfer(2)];
    let call = client.create_transfers(&batch);
    let serve = async {
        assert_eq!(first.transfers().await.1, batch);
        drop(first);
        let mut second = server.welcome(WELCOME).await;
        let (header, transfers) = second.transfers().await;
        assert_eq!(transfers, batch);
        second.answer(header, &[exists(7), exists(8)]).await;
        second
    };
    let (results, _open) = tokio::join!(call, serve);
    assert_eq!(results.unwrap(), [exists(7), exists(8)]);
}

/// A chain that took effect and is sent again breaks at its first member, which exists; a caller
/// who is told that the others failed pays them again.
#[tokio::test(start_paused = true)]
async fn a_chain_whose_reply_was_lost_is_looked_up() {
    let chain = [linked(11), transfer(12), linked(13), transfer(14), linked(15), transfer(16)];
    let failed = |timestamp| EventResult {
        status: CreateTransferStatus::LinkedEventFailed,
        timestamp: Timestamp(timestamp),
    };
    let stored = |transfer: Transfer, timestamp| {
        Some(Transfer { timestamp: Timestamp(timestamp), ..transfer })
    };
    let server = HandServer::start().await;
    let (client, mut first) = server.client(ClientOptions::default()).await;
    let serve = async {
        first.transfers().await;
        drop(first);
        let mut second = server.welcome(WELCOME).await;
        let (header, _) = second.transfers().await;
        let answer = [exists(1), failed(9), exists(3), failed(9), failed(9), exists(6)];
        second.answer(header, &answer).await;
        let (header, ids) = second.request().await;
        assert_eq!(header.operation, Operation::LookupTransfers.number());
        assert_eq!(array::decode::<TransferId>(&ids).unwrap(), chain.map(|member| member.id));
        // The first chain is there whole; of the second a member is another, of the third none.
        let found = [
            stored(chain[0], 1),
            stored(chain[1], 2),
            stored(chain[2], 3),
            stored(Transfer { user_data_32: 1, ..chain[3] }, 4),
            None,
            stored(chain[5], 6),
        ];
        let reply = ReplyHeader::answered(header.id, Operation::LookupTransfers);
        second.reply(reply, &array::to_bytes(&found)).await;
        second
    };
    let (results, _open) = tokio::join!(client.create_transfers(&chain), serve);
    let expected = [exists(1), exists(2), exists(3), failed(9), failed(9), exists(6)];
    assert_eq!(results.unwrap(), expected);
}

/// Without knowing, "failed" would be a guess.
#[tokio::test(start_paused = true)]
async fn a_chain_that_can_not_be_looked_up_is_unknown() {
    let chain = [linked(11), transfer(12)];
    let failed =
        EventResult { status: CreateTransferStatus::LinkedEventFailed, timestamp: Timestamp(9) };
    let server = HandServer::start().await;
    let (client, mut first) = server.client(ClientOptions::default()).await;
    let serve = async {
        first.transfers().await;
        drop(first);
        let mut second = server.welcome(WELCOME).await;
        let (header, _) = second.transfers().await;
        second.answer(header, &[exists(1), failed]).await;
        let (header, _) = second.request().await;
        second.refuse(header, &refusal(RefusalKind::Io, Effect::None)).await;
        second
    };
    let (result, _open) = tokio::join!(client.create_transfers(&chain), serve);
    assert!(matches!(result, Err(ClientError::Unknown { .. })), "{result:?}");
}

#[tokio::test]
async fn a_lost_reply_that_is_not_asked_for_again_is_unknown() {
    let server = HandServer::start().await;
    let (client, mut served) = server.client(once()).await;
    let batch = [transfer(1)];
    let call = client.create_transfers(&batch);
    let serve = async {
        served.transfers().await;
        drop(served);
    };
    let (result, ()) = tokio::join!(call, serve);
    assert!(matches!(result, Err(ClientError::Unknown { .. })), "{result:?}");
}

/// Nobody retries for ever: not against a server that always goes away, not against one that is
/// always busy. And pauses lie between (fault 77).
#[tokio::test(start_paused = true)]
async fn attempts_are_counted() {
    let server = HandServer::start().await;
    let options = ClientOptions { attempts_max: 4, ..ClientOptions::default() };
    let (client, mut served) = server.client(options).await;
    let batch = [transfer(1)];
    let serve = async move {
        for _ in 0..3 {
            served.transfers().await;
            drop(served);
            served = server.welcome(WELCOME).await;
        }
        served.transfers().await;
        drop(served);
        server
    };
    let (result, server) = tokio::join!(client.create_transfers(&batch), serve);
    assert!(matches!(result, Err(ClientError::Unknown { .. })), "{result:?}");

    let serve = async {
        let mut served = server.welcome(WELCOME).await;
        for _ in 0..4 {
            let (header, _) = served.transfers().await;
            served.refuse(header, &refusal(RefusalKind::Busy, Effect::None)).await;
        }
        served
    };
    let (result, _open) = tokio::join!(client.create_transfers(&batch), serve);
    let expected =
        ClientError::Refused { kind: RefusalKind::Busy, message: String::from("what happened") };
    assert_eq!(result, Err(expected));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_unknown_at_the_deadline() {
    let server = HandServer::start().await;
    let (client, mut served) = server.client(ClientOptions::default()).await;
    let client = client.with_deadline(Duration::from_millis(700));
    let batch = [transfer(1)];
    let start = tokio::time::Instant::now();
    let (result, header) =
        tokio::join!(client.create_transfers(&batch), async { served.transfers().await.0 });
    assert!(matches!(result, Err(ClientError::Unknown { .. })), "{result:?}");
    assert_eq!(start.elapsed().as_millis() / 10, 70);
    assert!((600..=700).contains(&header.deadline_ms), "{}", header.deadline_ms);
}

/// A server that vanished without a word: its connection is given up while the call that meets it
/// has time left for another, and without a word from that call.
#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_given_up() {
    let server = HandServer::start().await;
    let (client, mut silent) = server.client(ClientOptions::default()).await;
    let batch = [transfer(1)];
    let start = tokio::time::Instant::now();
    let serve = async {
        silent.transfers().await;
        let mut served = server.welcome(WELCOME).await;
        let (header, _) = served.transfers().await;
        served.answer(header, &[exists(1)]).await;
        (silent, served)
    };
    let (result, _open) = tokio::join!(client.create_transfers(&batch), serve);
    assert_eq!(result.unwrap(), [exists(1)]);
    assert_eq!(start.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn without_a_server_nothing_is_sent() {
    let server = HandServer::start().await;
    let address = server.address();
    let (client, served) = server.client(ClientOptions::default()).await;
    drop((server, served));
    // The first call may find the connection before it finds out that it ended.
    let result = client.create_transfers(&[transfer(1)]).await;
    assert!(result.is_err(), "{result:?}");
    let result = client.create_transfers(&[transfer(1)]).await;
    assert!(matches!(result, Err(ClientError::NotSent { .. })), "{result:?}");
    let result = Client::connect(&address, ClientOptions::default()).await;
    let Err(ClientError::NotSent { message }) = result else { unreachable!("{result:?}") };
    assert!(message.contains(&address), "{message}");
}

/// A last word promises that what has no reply did not happen.
#[tokio::test]
async fn after_a_last_word_nothing_is_unknown() {
    let server = HandServer::start().await;
    let (client, mut served) = server.client(once()).await;
    let batch = [transfer(1)];
    let serve = async {
        served.transfers().await;
        let word = refusal(RefusalKind::Stopped, Effect::None);
        served.reply(ReplyHeader::last_word(), &cold::to_bytes(&word)).await;
        served
    };
    let (result, _open) = tokio::join!(client.create_transfers(&batch), serve);
    let expected =
        ClientError::Refused { kind: RefusalKind::Stopped, message: String::from("what happened") };
    assert_eq!(result, Err(expected));
}

#[tokio::test]
async fn refusals_are_told_as_they_are() {
    let server = HandServer::start().await;
    let (client, mut served) = server.client(once()).await;
    let batch = [transfer(1)];
    let cases = [
        (RefusalKind::Invalid, Effect::None),
        (RefusalKind::DiskFull, Effect::None),
        (RefusalKind::Deadline, Effect::None),
        (RefusalKind::Stopped, Effect::Unknown),
    ];
    for (kind, effect) in cases {
        let serve = async {
            let (header, _) = served.transfers().await;
            served.refuse(header, &refusal(kind, effect)).await;
        };
        let (result, ()) = tokio::join!(client.create_transfers(&batch), serve);
        let message = String::from("what happened");
        let expected = match effect {
            Effect::None => ClientError::Refused { kind, message },
            Effect::Unknown => ClientError::Unknown { message },
        };
        assert_eq!(result, Err(expected));
    }
}

/// A status that names nothing (fault 22), or a result too few: the transfer may have been made.
#[tokio::test]
async fn an_answer_that_makes_no_sense_is_unknown() {
    let server = HandServer::start().await;
    let (client, mut served) = server.client(once()).await;
    let batch = [transfer(1), transfer(2)];
    for body in [vec![200; 32], vec![0; 16], vec![0; 31]] {
        let serve = async {
            let (header, _) = served.transfers().await;
            let reply = ReplyHeader::answered(header.id, Operation::CreateTransfers);
            served.reply(reply, &body).await;
        };
        let (result, ()) = tokio::join!(client.create_transfers(&batch), serve);
        assert!(matches!(result, Err(ClientError::Unknown { .. })), "{result:?}");
        // The connection makes no sense any more either.
        let (result, ()) = tokio::join!(client.create_transfers(&batch), async {
            served = server.welcome(WELCOME).await;
            let (header, _) = served.transfers().await;
            served.answer(header, &[created(1), created(2)]).await;
        });
        assert_eq!(result.unwrap(), [created(1), created(2)]);
    }
}

/// The address leads to another database now, say a copy restored for a drill: what was lost must
/// not be posted there.
#[tokio::test(start_paused = true)]
async fn another_database_gets_nothing() {
    let server = HandServer::start().await;
    let (client, mut served) = server.client(ClientOptions::default()).await;
    let batch = [transfer(1)];
    let serve = async {
        served.transfers().await;
        drop(served);
        server.welcome(Welcome { incarnation: 0xBAD, ..WELCOME }).await
    };
    let (result, mut other) = tokio::join!(client.create_transfers(&batch), serve);
    let Err(ClientError::Unknown { message }) = result else { unreachable!("{result:?}") };
    assert!(message.contains("another database"), "{message}");
    assert!(other.is_closed_without_a_request().await);
}

#[tokio::test]
async fn a_server_of_another_version_or_of_something_else_is_named() {
    let server = HandServer::start().await;
    let address = server.address();
    let refuse = async {
        let mut served = server.accept().await;
        served.hear_hello().await;
        let farewell = Farewell {
            versions: Versions { min: 2, max: 3 },
            kind: RefusalKind::UnsupportedVersion,
            message: String::from("the client speaks version 1"),
        };
        served.say_hello(&ServerHello::Refused(farewell)).await;
        served
    };
    let (result, _open) = tokio::join!(Client::connect(&address, ClientOptions::default()), refuse);
    let Err(ClientError::Refused { kind, .. }) = result else { unreachable!("{result:?}") };
    assert_eq!(kind, RefusalKind::UnsupportedVersion);

    let stranger = async {
        let mut served = server.accept().await;
        served.hear_hello().await;
        served.say(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        served
    };
    let (result, _open) =
        tokio::join!(Client::connect(&address, ClientOptions::default()), stranger);
    let Err(ClientError::NotSent { message }) = result else { unreachable!("{result:?}") };
    assert!(message.contains("no florin server"), "{message}");
}

/// What can't fit one request is refused before anything is sent, as a server would.
#[tokio::test]
async fn too_many_events_are_refused_whole() {
    let server = HandServer::start().await;
    let (client, _served) = server.client(once()).await;
    let result = client.create_transfers(&vec![transfer(1); 8_191]).await;
    let Err(ClientError::Refused { kind, message }) = result else { unreachable!("{result:?}") };
    assert_eq!(kind, RefusalKind::TooLarge);
    assert!(message.contains("8191"), "{message}");
}
