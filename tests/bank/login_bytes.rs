//! What a login leaves in the log, which nobody can take back. What would go wrong without: a column more, and
//! terabytes in ten years.

use crate::branch::Branch;
use florin_ledger::stream::ItemContent;
use florin_ledger::{StreamCursor, StreamFilter, StreamStart};

/// A login may write 2 KiB. It is written at three moments, so in three frames of 176 bytes each at most; the heads
/// of its six documents, two deletions and one outcome, and what fills them up to multiples of eight, take 508.
const PAYLOAD_BYTES_MAX: usize = 2_048 - 3 * 176 - 508;

/// Everything behind a place: bytes of keys, values and actors, and where it ends.
async fn written(branch: &Branch, from: StreamStart) -> (usize, StreamCursor) {
    let mut stream = branch.client.subscribe(from, StreamFilter::default()).await.unwrap();
    let mut bytes = 0;
    loop {
        let batch = stream.next().await.unwrap();
        for item in batch.items() {
            bytes += match item.content {
                ItemContent::DocumentPut { key, value, .. } => key.len() + value.len(),
                ItemContent::DocumentDeleted { key, .. } => key.len(),
                ItemContent::Commit { actor, .. } => actor.len(),
                _ => 0,
            };
        }
        if batch.end().is_live {
            return (bytes, batch.end().cursor);
        }
    }
}

#[tokio::test]
async fn a_login_stays_within_two_kibibytes_of_log() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    // The first one makes what the others change.
    branch.login(&ada).await;
    branch.pass(60 * florin_adapter::clock::SECOND);
    let (_, before) = written(&branch, StreamStart::Begin).await;
    branch.login(&ada).await;
    let (bytes, _) = written(&branch, StreamStart::After(before)).await;
    assert!((400..=PAYLOAD_BYTES_MAX).contains(&bytes), "{bytes} bytes");
}
