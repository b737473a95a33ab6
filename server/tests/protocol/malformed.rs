//! Bytes that are not the protocol: the peer is told where, its connection closes, and the server
//! goes on. One bad client must not stop a bank.

use crate::harness::{Engine, Peer, Running, created, transfer};
use florin_core::request::Reply;
use florin_wire::limits::FRAME_BYTES_MAX;
use florin_wire::{Effect, Operation, Outcome, RefusalKind, ServerHello, Versions, array};

/// A frame around a payload.
fn framed(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    [&length.to_le_bytes(), payload].concat()
}

/// A payload of a request.
fn request(id: u64, operation: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    payload.extend_from_slice(&id.to_le_bytes());
    payload.extend_from_slice(&operation.to_le_bytes());
    payload.extend_from_slice(&flags.to_le_bytes());
    payload.extend_from_slice(&[0; 4]);
    payload.extend_from_slice(body);
    payload
}

/// The hello of [`Peer::welcomed`] takes the connection's first 32 bytes.
const HELLO_BYTES: usize = 32;

async fn check(server: &Running, engine: &mut Engine, bytes: &[u8], expected: &str) {
    let mut peer = Peer::welcomed(server.address).await;
    peer.say(bytes).await;
    let last_word = peer.reply().await;
    assert_eq!((last_word.header.id, last_word.header.outcome), (0, Outcome::LastWord));
    let refusal = last_word.refusal();
    assert_eq!((refusal.kind, refusal.effect), (RefusalKind::Malformed, Effect::None));
    assert!(refusal.message.contains(expected), "{} lacks {expected}", refusal.message);
    assert_eq!(peer.payload().await, None);
    server.is_unharmed(engine).await;
}

#[tokio::test]
async fn malformed_frames_are_named_by_their_offset() {
    let (server, mut engine) = Running::default().await;
    let create = Operation::CreateTransfers.number();
    let cases = [
        (vec![0xFF; 4], "the frame at byte 32 of the connection says that it is longer"),
        (
            u32::try_from(FRAME_BYTES_MAX + 1).unwrap().to_le_bytes().to_vec(),
            "longer than 1048576 bytes",
        ),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "byte 32"),
        (framed(&[]), "malformed at offset 0 of its payload: the bytes end too soon"),
        (framed(&request(1, create, 0, &[])[..15]), "offset 15"),
        (framed(&request(0, create, 0, &[])), "offset 0"),
        (framed(&request(1, create, 1, &[])), "offset 10 of its payload: reserved"),
        (framed(&request(1, create, 0, &[0; 200])), "offset 144 of its payload: not a whole"),
        (framed(&request(1, Operation::LookupAccounts.number(), 0, &[0; 17])), "offset 32"),
        (framed(&request(1, Operation::AccountTransfers.number(), 0, &[0; 17])), "offset 33"),
        (framed(&request(1, Operation::Status.number(), 0, &[0])), "offset 16"),
        (framed(&request(1, Operation::ListTables.number(), 0, &[0])), "offset 16"),
        (framed(&request(1, Operation::Commit.number(), 0, &[1; 79])), "offset 16 of its payload"),
        (framed(&request(1, Operation::WriteDocuments.number(), 0, &[1, 0])), "offset 18"),
        (framed(&request(1, Operation::WriteDocuments.number(), 0, &[1, 0, 0, 0, 1])), "offset 20"),
        (framed(&request(1, Operation::GetDocuments.number(), 0, &[16, 0, 9, 0, 1])), "offset 21"),
        (framed(&request(1, Operation::ScanDocuments.number(), 0, &[0; 9])), "offset 25"),
        (framed(&request(1, Operation::DeclareTable.number(), 0, &[0; 16])), "not the 1 items"),
        (framed(&request(1, Operation::InsertUnique.number(), 0, &[0xFF; 20])), "offset 18"),
    ];
    for (bytes, expected) in cases {
        check(&server, &mut engine, &bytes, expected).await;
    }
}

/// Work that was accepted is answered before the last word; what follows the mistake is not read.
#[tokio::test]
async fn what_came_before_a_malformed_frame_is_answered() {
    let (server, mut engine) = Running::default().await;
    let mut peer = Peer::welcomed(server.address).await;
    let body = array::to_bytes(&[transfer(1)]);
    let good = framed(&request(5, Operation::CreateTransfers.number(), 0, &body));
    let mut bytes = good.clone();
    bytes.extend_from_slice(&framed(b"nonsense"));
    bytes.extend_from_slice(&good);
    peer.say(&bytes).await;
    let (_, reply) = engine.next_transfers().await;
    reply(Ok(Reply::Transfers(vec![created(1)])));
    assert_eq!(peer.results(5).await, [created(1)]);
    let refusal = peer.reply().await.refusal();
    let position = format!("byte {} of", HELLO_BYTES + good.len());
    assert!(refusal.message.contains(&position), "{}", refusal.message);
    assert_eq!(peer.payload().await, None);
    assert!(engine.requests.try_recv().is_err());
}

#[tokio::test]
async fn half_a_frame_is_no_request() {
    let (server, mut engine) = Running::default().await;
    let body = array::to_bytes(&[transfer(1)]);
    let whole = framed(&request(1, Operation::CreateTransfers.number(), 0, &body));
    for end in [1, 3, 4, 19, 20, whole.len() - 1] {
        let mut peer = Peer::welcomed(server.address).await;
        peer.say(&whole[..end]).await;
        peer.finish().await;
        peer.is_closed().await;
    }
    assert!(engine.requests.try_recv().is_err());
    server.is_unharmed(&mut engine).await;
}

/// A newer client asks for something that this server has never heard of.
#[tokio::test]
async fn an_unknown_operation_is_refused_and_the_connection_goes_on() {
    let (server, mut engine) = Running::default().await;
    let mut peer = Peer::welcomed(server.address).await;
    peer.ask(1, 999, 0, b"whatever").await;
    let reply = peer.reply().await;
    assert_eq!((reply.header.id, reply.header.operation), (1, 999));
    let refusal = reply.refusal();
    assert_eq!(refusal.kind, RefusalKind::UnsupportedOperation);
    assert_eq!(refusal.effect, Effect::None);
    assert!(refusal.message.contains("999"));

    peer.create_transfers(2, &[transfer(1)]).await;
    let (_, reply) = engine.next_transfers().await;
    reply(Ok(Reply::Transfers(vec![created(1)])));
    assert_eq!(peer.results(2).await, [created(1)]);
}

/// One event too many, in a frame that is not: refused whole, never cut.
#[tokio::test]
async fn a_batch_that_is_too_large_is_refused_whole() {
    let (server, mut engine) = Running::default().await;
    let mut peer = Peer::welcomed(server.address).await;
    peer.create_transfers(1, &vec![transfer(1); 8_191]).await;
    let refusal = peer.reply().await.refusal();
    assert_eq!(refusal.kind, RefusalKind::TooLarge);
    assert!(refusal.message.contains("8191"), "{}", refusal.message);
    let ids = vec![0; 8_191 * 16];
    peer.ask(2, Operation::LookupAccounts.number(), 0, &ids).await;
    assert_eq!(peer.reply().await.refusal().kind, RefusalKind::TooLarge);
    assert!(engine.requests.try_recv().is_err());
}

async fn refused_hello(server: &Running, bytes: &[u8]) -> (RefusalKind, String) {
    let mut peer = Peer::connected(server.address).await;
    peer.say(bytes).await;
    let ServerHello::Refused(farewell) = peer.hello().await else { unreachable!("welcomed") };
    assert_eq!(farewell.versions, Versions::SPOKEN);
    assert_eq!(peer.payload().await, None);
    (farewell.kind, farewell.message)
}

#[tokio::test]
async fn a_hello_that_is_none_is_refused_in_the_hellos_place() {
    let (server, mut engine) = Running::default().await;
    let (kind, message) = refused_hello(&server, b"GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(kind, RefusalKind::Malformed);
    assert!(message.contains("byte 0 of the connection says that it is longer"), "{message}");
    let (kind, message) = refused_hello(&server, &framed(&[b'x'; 24])).await;
    assert_eq!(kind, RefusalKind::Malformed);
    assert!(message.contains("not a hello of florin"), "{message}");
    server.is_unharmed(&mut engine).await;
}

/// Both sides are named, so that whoever reads it knows which one to bring up to date.
#[tokio::test]
async fn a_version_that_the_server_does_not_speak_is_refused_by_name() {
    let (server, _engine) = Running::default().await;
    let mut peer = Peer::connected(server.address).await;
    peer.say_hello(Versions { min: 7, max: 9 }).await;
    let ServerHello::Refused(farewell) = peer.hello().await else { unreachable!("welcomed") };
    assert_eq!(farewell.kind, RefusalKind::UnsupportedVersion);
    assert!(farewell.message.contains("versions 7 to 9"), "{}", farewell.message);
    assert!(farewell.message.contains("version 1"), "{}", farewell.message);
    assert_eq!(peer.payload().await, None);
}

/// A client that speaks more than the server gets the highest that both speak.
#[tokio::test]
async fn a_newer_client_is_served_in_the_servers_version() {
    let (server, _engine) = Running::default().await;
    let mut peer = Peer::connected(server.address).await;
    peer.say_hello(Versions { min: 1, max: 9 }).await;
    let ServerHello::Welcome(welcome) = peer.hello().await else { unreachable!("refused") };
    assert_eq!(welcome.version, 1);
    assert_eq!((welcome.incarnation, welcome.epoch), (crate::harness::INCARNATION, 3));
}
