//! Commits and documents on a connection: what reaches the engine is what was sent, in order, without
//! what no engine could take, and what is found goes out in frames that the peer can read.

use crate::harness::{Engine, Peer, Running};
use bytes::BytesMut;
use florin_core::request::{Reply, Request};
use florin_ledger::commit::{CommitDone, CommitOutcome, Unmet};
use florin_ledger::commit_bytes::encode_commit;
use florin_ledger::document::{UniqueResult, WriteResult};
use florin_ledger::{
    Commit, CommitId, Document, DocumentKey, DocumentWrite, Lsn, Position, TableId, TableOptions,
    Timestamp, Transfer, TransferFlags,
};
use florin_wire::cold::{self, Once};
use florin_wire::documents::{self, Found};
use florin_wire::{Effect, Operation, RefusalKind, array, outcome};

const TABLE: TableId = TableId(16);

fn position(lsn: u64) -> Position {
    Position { epoch: 1, lsn: Lsn(lsn) }
}

fn write(key: &[u8], value: &[u8]) -> DocumentWrite {
    DocumentWrite {
        table: TABLE,
        key: key.to_vec(),
        value: Some(value.to_vec()),
        ..DocumentWrite::default()
    }
}

async fn ask(peer: &mut Peer, operation: Operation, body: &[u8]) {
    peer.ask(1, operation.number(), 0, body).await;
}

async fn answer(peer: &mut Peer, operation: Operation) -> bytes::Bytes {
    let reply = peer.reply().await;
    reply.check_answers(1, operation);
    reply.body
}

#[tokio::test]
async fn writes_reach_the_engine_in_order_and_as_they_were_sent() {
    let (server, mut engine) = Running::default().await;
    let mut peer = Peer::welcomed(server.address).await;
    let commit =
        Commit { id: CommitId(7), documents: vec![write(b"a", b"b")], ..Commit::default() };
    let writes = [write(b"a", b"b"), write(b"a", b"c")];
    let options = TableOptions { append_only: true, ..TableOptions::default() };
    let once =
        Once { key: DocumentKey { table: TABLE, key: b"code".to_vec() }, expires: Timestamp(9) };
    ask(&mut peer, Operation::Commit, &encode_commit(&commit)).await;
    ask(&mut peer, Operation::DryRun, &encode_commit(&commit)).await;
    ask(&mut peer, Operation::WriteDocuments, &documents::writes_to_bytes(&writes)).await;
    ask(&mut peer, Operation::InsertUnique, &cold::to_bytes(&once)).await;
    ask(&mut peer, Operation::DeclareTable, &array::to_bytes(&[(TABLE, options)])).await;

    let done = CommitOutcome::Done(CommitDone { position: position(5), ..CommitDone::default() });
    let (Request::Commit(asked), reply) = engine.next().await else { unreachable!() };
    assert_eq!(asked.view().to_commit(), commit);
    reply(Ok(Reply::Commit(done.clone())));
    assert_eq!(outcome::decode(&answer(&mut peer, Operation::Commit).await), Ok(done));

    let unmet = CommitOutcome::Unmet(Unmet::TooLate(Timestamp(3)));
    let (Request::DryRun(asked), reply) = engine.next().await else { unreachable!() };
    assert_eq!(asked.view().to_commit(), commit);
    reply(Ok(Reply::Commit(unmet.clone())));
    assert_eq!(outcome::decode(&answer(&mut peer, Operation::DryRun).await), Ok(unmet));

    let results = vec![WriteResult::Written(position(6)), WriteResult::Stale(position(6))];
    let (Request::WriteDocuments(asked), reply) = engine.next().await else { unreachable!() };
    let asked: Vec<_> = asked.writes().iter().map(|write| write.to_write()).collect();
    assert_eq!(asked, writes);
    reply(Ok(Reply::Written(results.clone())));
    let body = answer(&mut peer, Operation::WriteDocuments).await;
    assert_eq!(array::decode::<WriteResult>(&body), Ok(results));

    let (Request::InsertUnique(asked), reply) = engine.next().await else { unreachable!() };
    assert_eq!((asked.table, asked.key, asked.expires), (TABLE, b"code".to_vec(), Timestamp(9)));
    reply(Ok(Reply::Unique(UniqueResult::Seen(position(2)))));
    let body = answer(&mut peer, Operation::InsertUnique).await;
    assert_eq!(array::decode::<UniqueResult>(&body), Ok(vec![UniqueResult::Seen(position(2))]));

    let (Request::DeclareTable(table, asked), reply) = engine.next().await else { unreachable!() };
    assert_eq!((table, asked), (TABLE, options));
    reply(Ok(Reply::Written(vec![WriteResult::Written(position(8))])));
    let body = answer(&mut peer, Operation::DeclareTable).await;
    assert_eq!(array::decode::<WriteResult>(&body), Ok(vec![WriteResult::Written(position(8))]));
}

/// A limit that is only the engine's would end it; one that closed the connection would take the
/// answers to everything else with it.
#[tokio::test]
async fn what_breaks_a_limit_is_refused_whole_and_the_connection_goes_on() {
    let (server, mut engine) = Running::default().await;
    let mut peer = Peer::welcomed(server.address).await;
    let id = CommitId(1);
    let large = write(b"a", &vec![0; (64 << 10) + 1]);
    let linked = Transfer { flags: TransferFlags::LINKED, ..Transfer::default() };
    let commits = [
        (Commit::default(), RefusalKind::Invalid),
        (Commit { id, documents: vec![large.clone()], ..Commit::default() }, RefusalKind::TooLarge),
        (Commit { id, actor: vec![0; 257], ..Commit::default() }, RefusalKind::TooLarge),
        (
            Commit { id, documents: vec![write(b"a", b""); 2], ..Commit::default() },
            RefusalKind::Invalid,
        ),
        (Commit { id, transfers: vec![linked], ..Commit::default() }, RefusalKind::Invalid),
    ];
    for (commit, kind) in commits {
        ask(&mut peer, Operation::Commit, &encode_commit(&commit)).await;
        let refusal = peer.reply().await.refusal();
        assert_eq!((refusal.kind, refusal.effect), (kind, Effect::None), "{}", refusal.message);
    }
    let writes = documents::writes_to_bytes(&[write(b"a", b"b"), large]);
    ask(&mut peer, Operation::WriteDocuments, &writes).await;
    assert_eq!(peer.reply().await.refusal().kind, RefusalKind::TooLarge);
    let mut keys = BytesMut::new();
    let key = DocumentKey { table: TABLE, key: b"a".to_vec() };
    documents::write_keys(&vec![key; 1_025], &mut keys);
    ask(&mut peer, Operation::GetDocuments, &keys).await;
    assert_eq!(peer.reply().await.refusal().kind, RefusalKind::TooLarge);
    server.is_unharmed(&mut engine).await;
}

/// An engine that stops in the middle of a write leaves its peer in doubt, and must say so.
#[tokio::test]
async fn a_write_that_an_engine_leaves_unanswered_may_have_happened() {
    let (server, mut engine) = Running::default().await;
    let mut peer = Peer::welcomed(server.address).await;
    let commit = encode_commit(&Commit { id: CommitId(7), ..Commit::default() });
    let cases = [(Operation::Commit, Effect::Unknown), (Operation::DryRun, Effect::None)];
    for (operation, effect) in cases {
        ask(&mut peer, operation, &commit).await;
        let (_, reply) = engine.next().await;
        drop(reply);
        let refusal = peer.reply().await.refusal();
        assert_eq!((refusal.kind, refusal.effect), (RefusalKind::Stopped, effect));
    }
}

async fn found(peer: &mut Peer, engine: &Engine, operation: Operation, body: &[u8]) -> Found {
    ask(peer, operation, body).await;
    engine.let_read();
    documents::decode_found(&answer(peer, operation).await).unwrap()
}

#[tokio::test]
async fn documents_are_read_beside_the_engine() {
    let (server, engine) = Running::default().await;
    let mut peer = Peer::welcomed(server.address).await;
    let mut keys = BytesMut::new();
    let key = |key: &[u8]| DocumentKey { table: TABLE, key: key.to_vec() };
    documents::write_keys(&[key(b"a"), key(b"bb")], &mut keys);
    let documents = found(&mut peer, &engine, Operation::GetDocuments, &keys).await.documents;
    let document = |key: &[u8]| {
        Some(Document {
            key: key.to_vec(),
            version: position(4096),
            timestamp: Timestamp(1),
            expires: Timestamp::NONE,
            value: Some(key.to_vec()),
        })
    };
    assert_eq!(documents, [document(b"a"), document(b"bb")]);
}
