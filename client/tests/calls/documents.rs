//! Commits and documents over a connection that ends. What has an id is sent again and answered as it
//! was; what has none must not be: a write would fall on top of another's, and whoever came first
//! would be told that somebody else had.

use crate::harness::{HandServer, Served, WELCOME};
use bytes::{Bytes, BytesMut};
use florin_client::{Client, ClientError, ClientOptions, RefusalKind};
use florin_ledger::commit::{CommitDone, CommitId};
use florin_ledger::commit_bytes::CommitView;
use florin_ledger::document::{DocumentPage, DocumentScan, UniqueResult, WriteResult};
use florin_ledger::{
    Commit, CommitOutcome, Document, DocumentKey, DocumentWrite, Lsn, Position, TableId,
    TableOptions, Timestamp,
};
use florin_wire::cold::{self, HistoryOf};
use florin_wire::documents::{self, Found};
use florin_wire::{Effect, Operation, Refusal, ReplyHeader, RequestHeader, array, outcome};

const TABLE: TableId = TableId(16);

fn position(lsn: u64) -> Position {
    Position { epoch: 1, lsn: Lsn(lsn) }
}

fn key(key: &str) -> DocumentKey {
    DocumentKey { table: TABLE, key: key.as_bytes().to_vec() }
}

fn document(key: &str, lsn: u64) -> Document {
    Document {
        key: key.as_bytes().to_vec(),
        version: position(lsn),
        timestamp: Timestamp(lsn),
        expires: Timestamp::NONE,
        value: Some(b"value".to_vec()),
    }
}

fn write(key: &str) -> DocumentWrite {
    DocumentWrite {
        table: TABLE,
        key: key.as_bytes().to_vec(),
        value: Some(b"value".to_vec()),
        ..DocumentWrite::default()
    }
}

async fn answer(served: &mut Served, request: RequestHeader, body: &[u8]) {
    let operation = Operation::from_number(request.operation).unwrap();
    served.reply(ReplyHeader::answered(request.id, operation), body).await;
}

fn found(documents: Vec<Option<Document>>, more: bool, next: Option<&str>) -> BytesMut {
    let next = next.map(|next| next.as_bytes().to_vec());
    let mut body = BytesMut::new();
    documents::write_found(&Found { documents, more, next }, &mut body);
    body
}

/// Without it a payment that was made is reported as unknown, or made twice under a new digest.
#[tokio::test(start_paused = true)]
async fn a_commit_is_sent_again_to_the_byte_and_gets_the_first_answer() {
    let commit = Commit { id: CommitId(7), documents: vec![write("a")], ..Commit::default() };
    let done = CommitOutcome::Done(CommitDone {
        position: position(9),
        documents: vec![position(8)],
        ..CommitDone::default()
    });
    let server = HandServer::start().await;
    let (client, mut first) = server.client(ClientOptions::default()).await;
    let serve = async {
        let (_, sent) = first.request().await;
        drop(first);
        let mut second = server.welcome(WELCOME).await;
        let (header, again) = second.request().await;
        assert_eq!(again, sent);
        assert_eq!(CommitView::parse(&again).unwrap().to_commit(), commit);
        answer(&mut second, header, &outcome::to_bytes(&done)).await;
        second
    };
    let (result, _open) = tokio::join!(client.commit(&commit), serve);
    assert_eq!(result, Ok(done.clone()));
}

/// Each question that has no id, and a body that answers it.
#[derive(Clone, Copy, Debug)]
enum Once {
    Write,
    ConditionalWrite,
    Unique,
    Declare,
}

impl Once {
    async fn ask(self, client: &Client) -> Result<Position, ClientError> {
        let version = |result: WriteResult| match result {
            WriteResult::Written(version) => version,
            WriteResult::Stale(_) | WriteResult::AppendOnly(_) | WriteResult::NoRoom => {
                Position::NONE
            }
        };
        match self {
            Once::Write => client.write_documents(&[write("a")]).await.map(|it| version(it[0])),
            Once::ConditionalWrite => {
                let condition = florin_ledger::document::DocumentCondition::Absent;
                let write = DocumentWrite { condition, ..write("a") };
                client.write_documents(&[write]).await.map(|it| version(it[0]))
            }
            Once::Unique => {
                client.insert_unique(&key("a"), Timestamp::NONE).await.map(|result| match result {
                    UniqueResult::Fresh(version) => version,
                    UniqueResult::Seen(_) | UniqueResult::NoRoom => Position::NONE,
                })
            }
            Once::Declare => {
                client.declare_table(TABLE, TableOptions::default()).await.map(version)
            }
        }
    }

    fn answer(self) -> Bytes {
        match self {
            Once::Unique => array::to_bytes(&[UniqueResult::Fresh(position(5))]),
            Once::Write | Once::ConditionalWrite | Once::Declare => {
                array::to_bytes(&[WriteResult::Written(position(5))])
            }
        }
    }
}

const ALL: [Once; 4] = [Once::Write, Once::ConditionalWrite, Once::Unique, Once::Declare];

#[tokio::test(start_paused = true)]
async fn what_has_no_id_is_not_sent_again_once_it_may_have_happened() {
    for question in ALL {
        let server = HandServer::start().await;
        let (client, mut first) = server.client(ClientOptions::default()).await;
        let lose = async {
            first.request().await;
            drop(first);
        };
        let (result, ()) = tokio::join!(question.ask(&client), lose);
        assert!(matches!(result, Err(ClientError::Unknown { .. })), "{question:?}: {result:?}");

        // A server that stops while it works on it says as little.
        let stop = async {
            let mut second = server.welcome(WELCOME).await;
            let (header, _) = second.request().await;
            let message = String::from("stopping");
            let refusal = Refusal { kind: RefusalKind::Stopped, effect: Effect::Unknown, message };
            second.refuse(header, &refusal).await;
            assert!(second.has_nothing_to_read().await, "{question:?} was sent again");
            second
        };
        let (result, _open) = tokio::join!(question.ask(&client), stop);
        assert!(matches!(result, Err(ClientError::Unknown { .. })), "{question:?}: {result:?}");
    }
}

/// The other side of it: what did not happen may be tried until it does.
#[tokio::test(start_paused = true)]
async fn what_has_no_id_is_sent_again_as_long_as_nothing_happened() {
    for question in ALL {
        let server = HandServer::start().await;
        let (client, mut served) = server.client(ClientOptions::default()).await;
        let serve = async {
            let (header, sent) = served.request().await;
            served.refuse(header, &Refusal::without_effect(RefusalKind::Busy, "full")).await;
            let (header, again) = served.request().await;
            assert_eq!(again, sent);
            answer(&mut served, header, &question.answer()).await;
            served
        };
        let (result, _open) = tokio::join!(question.ask(&client), serve);
        assert_eq!(result, Ok(position(5)), "{question:?}");
    }
}

/// A reply holds what fits; whoever took it for everything would find a customer's documents gone.
#[tokio::test]
async fn what_did_not_fit_a_reply_is_asked_for_again() {
    let server = HandServer::start().await;
    let (client, mut served) = server.client(ClientOptions::default()).await;
    let keys = [key("a"), key("b"), key("c")];
    let serve = async {
        let (header, body) = served.request().await;
        assert_eq!(documents::decode_keys(&body).unwrap(), keys);
        answer(&mut served, header, &found(vec![Some(document("a", 1)), None], true, None)).await;
        let (header, body) = served.request().await;
        assert_eq!(documents::decode_keys(&body).unwrap(), keys[2..]);
        answer(&mut served, header, &found(vec![Some(document("c", 3))], false, None)).await;
        served
    };
    let (result, mut served) = tokio::join!(client.documents(&keys), serve);
    assert_eq!(result, Ok(vec![Some(document("a", 1)), None, Some(document("c", 3))]));

    let asked = |before, limit| HistoryOf { key: key("a"), before, limit };
    let serve = async {
        let (header, body) = served.request().await;
        assert_eq!(cold::decode::<HistoryOf>(&body), Ok(asked(position(9), 3)));
        let two = vec![Some(document("a", 8)), Some(document("a", 7))];
        answer(&mut served, header, &found(two, true, None)).await;
        let (header, body) = served.request().await;
        assert_eq!(cold::decode::<HistoryOf>(&body), Ok(asked(position(7), 1)));
        // There is more, but no more was asked for.
        answer(&mut served, header, &found(vec![Some(document("a", 6))], true, None)).await;
        served
    };
    let key = key("a");
    let history = client.document_history(&key, position(9), 3);
    let (result, mut served) = tokio::join!(history, serve);
    assert_eq!(result, Ok(vec![document("a", 8), document("a", 7), document("a", 6)]));

    let serve = async {
        let (header, body) = served.request().await;
        assert_eq!(cold::decode::<DocumentScan>(&body), Ok(scan("")));
        answer(&mut served, header, &found(vec![Some(document("a", 1))], true, Some("a"))).await;
        served
    };
    let scan = scan("");
    let (result, _open) = tokio::join!(client.scan_documents(&scan), serve);
    let page = DocumentPage { items: vec![document("a", 1)], next: Some(b"a".to_vec()) };
    assert_eq!(result, Ok(page), "pages are the caller's to follow");
}

fn scan(prefix: &str) -> DocumentScan {
    let prefix = prefix.as_bytes().to_vec();
    DocumentScan { table: TABLE, prefix, limit: 10, ..DocumentScan::default() }
}

/// A server that answers nothing and promises more would keep a client asking until its deadline.
#[tokio::test]
async fn an_answer_that_leads_nowhere_is_malformed() {
    let answers = [
        found(vec![], true, None),
        found(vec![None], true, None),
        found(vec![None, None], false, None),
    ];
    for nonsense in answers {
        let server = HandServer::start().await;
        let options = ClientOptions { attempts_max: 1, ..ClientOptions::default() };
        let (client, mut served) = server.client(options).await;
        let serve = async {
            let (header, _) = served.request().await;
            answer(&mut served, header, &nonsense).await;
            served
        };
        let keys = [key("a")];
        let (result, _open) = tokio::join!(client.documents(&keys), serve);
        let Err(ClientError::NotSent { message }) = result else { unreachable!("{result:?}") };
        assert!(message.contains("malformed"), "{message}");
    }
}

/// What no server takes would cost the connection, and with it the answers to everything else.
#[tokio::test]
async fn what_breaks_a_limit_is_refused_before_it_is_sent() {
    let server = HandServer::start().await;
    let (client, mut served) = server.client(ClientOptions::default()).await;
    let long = "k".repeat(257);
    let kind = |error| match error {
        ClientError::Refused { kind, .. } => kind,
        other => unreachable!("{other:?}"),
    };
    let nameless = client.commit(&Commit::default()).await.map(drop).map_err(kind);
    assert_eq!(nameless, Err(RefusalKind::Invalid));
    let large = DocumentWrite { value: Some(vec![0; (64 << 10) + 1]), ..write("a") };
    let commit = Commit { id: CommitId(1), documents: vec![large.clone()], ..Commit::default() };
    let too_large = client.dry_run(&commit).await.map(drop).map_err(kind);
    assert_eq!(too_large, Err(RefusalKind::TooLarge));
    let too_large = client.write_documents(&[write("a"), large]).await.map(drop).map_err(kind);
    assert_eq!(too_large, Err(RefusalKind::TooLarge));
    let many = client.documents(&vec![key("a"); 1_025]).await.map(drop).map_err(kind);
    assert_eq!(many, Err(RefusalKind::TooLarge));
    for key in [key(""), key(&long)] {
        let refused = [
            client.documents(std::slice::from_ref(&key)).await.map(drop).map_err(kind),
            client.document_history(&key, Position::NONE, 1).await.map(drop).map_err(kind),
            client.insert_unique(&key, Timestamp::NONE).await.map(drop).map_err(kind),
        ];
        assert_eq!(refused, [Err(RefusalKind::Invalid); 3]);
    }
    let refused = client.scan_documents(&scan(&long)).await.map(drop).map_err(kind);
    assert_eq!(refused, Err(RefusalKind::Invalid));
    assert!(served.has_nothing_to_read().await);
}
