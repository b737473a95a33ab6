//! Named consumers. What would go wrong without: a worker that was started twice pays twice, one that
//! is started again leaves out what it had not paid, and one whose place is lost begins anew.
#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use florin_client::{Client, ClientError, Consumer, ConsumerError, RefusalKind, StreamBatch};
use florin_core::SEGMENT_BYTES_MIN;
use florin_core::clock::FixedClock;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::log::PreparerOptions;
use florin_core::{Database, Options};
use florin_ledger::commit::{BalanceField, Event, Precondition, Topic, Unmet};
use florin_ledger::stream::{ItemContent, ItemKind, ItemKinds};
use florin_ledger::{
    AccountId, Amount, Commit, CommitId, CommitOutcome, DocumentKey, DocumentWrite, Lsn,
    StreamCursor, StreamFilter, StreamStart, TableId, Timestamp, TransferId,
};
use std::sync::Arc;

const NAME: &str = "payments";
const TABLE: TableId = TableId(16);

fn database() -> Database {
    let preparer =
        PreparerOptions { slice_bytes: 128 << 10, reserve_bytes: 32 << 10, free_bytes_min: 0 };
    let options = Options { segment_bytes: SEGMENT_BYTES_MIN, preparer, ..Options::default() };
    let clock = Arc::new(FixedClock(Timestamp(1_000)));
    Database::open_on(Arc::new(SimulatedDisk::new()), clock, options).unwrap()
}

fn event(value: &str) -> Event {
    Event { topic: Topic(1), key: Vec::new(), value: value.as_bytes().to_vec() }
}

async fn tell(client: &Client, id: u128, values: &[&str]) {
    let events = values.iter().copied().map(event).collect();
    let outcome = client.commit(&Commit { id: CommitId(id), events, ..Commit::default() }).await;
    assert!(matches!(outcome, Ok(CommitOutcome::Done(_))), "{outcome:?}");
}

async fn consumer(client: &Client) -> Consumer {
    let filter = StreamFilter { topics: vec![Topic(1)], ..StreamFilter::all() };
    client.consumer(NAME, StreamStart::Begin, filter).await.unwrap()
}

fn values(batch: &StreamBatch) -> Vec<(String, StreamCursor)> {
    batch
        .items()
        .map(|item| {
            let ItemContent::Event { value, .. } = item.content else { unreachable!("{item:?}") };
            (String::from_utf8(value.to_vec()).unwrap(), item.cursor)
        })
        .collect()
}

/// The next of what there is to consume.
async fn next(consumer: &mut Consumer) -> Vec<(String, StreamCursor)> {
    let batch = consumer.next().await.unwrap();
    assert!(0 < batch.view().items_count() || batch.end().is_live, "a stream that says nothing");
    values(&batch)
}

/// An effect that follows from an event, as a document.
fn effect(value: &str, at: StreamCursor) -> Commit {
    let write = DocumentWrite {
        table: TABLE,
        key: value.as_bytes().to_vec(),
        value: Some(Vec::new()),
        ..DocumentWrite::default()
    };
    Commit { id: CommitId(at.lsn.0.into()), documents: vec![write], ..Commit::default() }
}

async fn has_effect(client: &Client, value: &str) -> bool {
    let key = DocumentKey { table: TABLE, key: value.as_bytes().to_vec() };
    client.documents(&[key]).await.unwrap()[0].is_some()
}

#[tokio::test]
async fn a_consumer_goes_on_behind_what_it_committed() {
    let client = Client::embedded(database());
    tell(&client, u128::MAX - 1, &["a", "b", "c"]).await;
    let mut first = consumer(&client).await;
    let told = next(&mut first).await;
    let (value, at) = &told[0];
    let CommitOutcome::Done(done) = first.commit(*at, effect(value, *at)).await.unwrap() else {
        unreachable!("nothing stands in its way")
    };
    assert_eq!(done.documents.len(), 1, "the cursor is the consumer's own affair");
    let (value, at) = &told[1];
    first.commit(*at, effect(value, *at)).await.unwrap();
    drop(first);
    let left: Vec<_> = next(&mut consumer(&client).await).await;
    assert_eq!(left, told[2..]);
    let mut saving = consumer(&client).await;
    let batch = saving.next().await.unwrap();
    saving.save(batch.end().cursor).await.unwrap();
    tell(&client, u128::MAX - 2, &["d"]).await;
    let told = next(&mut consumer(&client).await).await;
    assert_eq!(told.iter().map(|(value, _)| value.as_str()).collect::<Vec<_>>(), ["d"]);
}

/// Fault 72: two workers of one name, and both pay.
#[tokio::test]
async fn of_two_instances_of_one_name_one_is_fenced_off_and_nothing_is_doubled() {
    let client = Client::embedded(database());
    tell(&client, u128::MAX - 1, &["a", "b"]).await;
    let (mut one, mut other) = (consumer(&client).await, consumer(&client).await);
    let told = next(&mut one).await;
    assert_eq!(next(&mut other).await, told, "both are told");
    let at = told[1].1;
    one.commit(at, effect("by one", at)).await.unwrap();
    let late = Commit { id: CommitId(7), ..effect("by other", at) };
    let poor = Precondition::Balance {
        account_id: AccountId(1),
        field: BalanceField::CreditsPosted,
        min: Amount(1),
        max: Amount(1),
    };
    let late = Commit { preconditions: vec![poor], ..late };
    for _ in 0..2 {
        let fenced = other.commit(at, late.clone()).await;
        assert!(matches!(fenced, Err(ConsumerError::Fenced { .. })), "{fenced:?}");
        let fenced = other.save(at).await;
        assert!(matches!(fenced, Err(ConsumerError::Fenced { .. })), "{fenced:?}");
    }
    assert!(has_effect(&client, "by one").await && !has_effect(&client, "by other").await);
    one.save(at).await.unwrap();
    one.save(at).await.unwrap();
    // The same commit that arrives again, from an instance that read the same, is recognised.
    tell(&client, u128::MAX - 2, &["c"]).await;
    let (mut one, mut other) = (consumer(&client).await, consumer(&client).await);
    let at = next(&mut one).await[0].1;
    let paid = one.commit(at, effect("c", at)).await.unwrap();
    assert_eq!(other.commit(at, effect("c", at)).await.unwrap(), paid);
    other.save(at).await.unwrap();
    assert!(matches!(one.save(at).await, Err(ConsumerError::Fenced { .. })));
}

/// What stands in the way of the commit itself is told as if it had been sent alone.
#[tokio::test]
async fn an_unmet_commit_leaves_the_cursor_where_it_was() {
    let client = Client::embedded(database());
    tell(&client, u128::MAX - 1, &["a"]).await;
    let mut first = consumer(&client).await;
    let at = next(&mut first).await[0].1;
    first.save(StreamCursor::BEGIN).await.unwrap();
    let hold = Precondition::HoldPending { transfer_id: TransferId(5) };
    let unmet = Commit { preconditions: vec![hold], ..effect("a", at) };
    let outcome = first.commit(at, unmet.clone()).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Unmet(Unmet::Hold { index: 0 }));
    assert_eq!(outcome, client.commit(&unmet).await.unwrap());
    assert_eq!(next(&mut consumer(&client).await).await.len(), 1, "it is told again");
}

/// A worker that settles per commit must not settle half of one: batches end anywhere.
#[tokio::test]
async fn a_commit_is_handed_out_whole_whatever_batches_it_comes_in() {
    let client = Client::embedded(database());
    // More than a batch holds, in one commit and in many.
    let large = "x".repeat(60_000);
    tell(&client, u128::MAX - 1, &["a"]).await;
    for id in 1..=3 {
        tell(&client, u128::MAX - 1 - id, &[large.as_str(); 16]).await;
        tell(&client, u128::MAX - 10 - id, &["b", "c"]).await;
    }
    let mut whole = consumer(&client).await;
    let mut counts = Vec::new();
    loop {
        let commit = whole.next_commit().await.unwrap();
        let items: Vec<_> = commit.items().collect();
        counts.push(items.len());
        let ends: Vec<bool> = items.iter().map(|item| item.ends_commit).collect();
        assert_eq!(ends.iter().filter(|end| **end).count(), 1, "one commit");
        assert!(ends[items.len() - 1]);
        assert_eq!(commit.end().cursor, items[items.len() - 1].cursor);
        if commit.end().is_live {
            break;
        }
    }
    assert_eq!(counts, [1, 16, 2, 16, 2, 16, 2]);

    // Both ways to read may be mixed: everything comes once.
    let mut mixed = consumer(&client).await;
    let mut count = 0;
    for turn in 0.. {
        let batch = if turn % 2 == 0 { mixed.next_commit().await } else { mixed.next().await };
        let batch = batch.unwrap();
        count += batch.view().items_count();
        if batch.end().is_live {
            break;
        }
    }
    assert_eq!(count, 1 + 3 * 18);
}

/// A place that this log does not have must not be taken for its beginning, or its end.
#[tokio::test]
async fn a_place_that_the_log_does_not_have_is_refused_by_name() {
    let client = Client::embedded(database());
    tell(&client, u128::MAX - 1, &["a"]).await;
    let at = next(&mut consumer(&client).await).await[0].1;
    let ahead = StreamCursor { lsn: Lsn(1 << 40), ..at };
    let cases = [
        (StreamCursor { hash: [7; 32], ..at }.to_string(), Some(RefusalKind::Fork)),
        (ahead.to_string(), Some(RefusalKind::NotYet)),
        (String::from("yesterday"), None),
    ];
    for (text, kind) in cases {
        let write = DocumentWrite {
            table: TableId::CONSUMERS,
            key: NAME.as_bytes().to_vec(),
            value: Some(text.clone().into_bytes()),
            ..DocumentWrite::default()
        };
        client.write_documents(&[write]).await.unwrap();
        let kinds = ItemKinds::NONE.with(ItemKind::Event);
        let filter = StreamFilter { kinds, ..StreamFilter::all() };
        let error = client.consumer(NAME, StreamStart::Begin, filter).await.unwrap_err();
        match (&error, kind) {
            (ConsumerError::NotACursor { .. }, None) => {}
            (ConsumerError::Client(ClientError::Refused { kind, .. }), Some(expect)) => {
                assert_eq!(*kind, expect, "{text}");
            }
            _ => unreachable!("{text}: {error:?}"),
        }
    }
}
