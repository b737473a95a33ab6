//! The load of commits: one transfer and some documents each, over documents that were there before,
//! for a time rather than a number; and scans of what they wrote.

use super::drive::{Asked, Load, Transferred};
use super::latency::Sample;
use super::plan::Plan;
use crate::exit::{Exit, Failure};
use florin_client::Client;
use florin_ledger::commit_bytes::{COMMIT_BYTES_MAX, COMMIT_PARTS_MAX};
use florin_ledger::document::{DocumentScan, WriteResult};
use florin_ledger::{
    Commit, CommitId, CommitOutcome, CreateTransferStatus, DocumentWrite, TableId,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The table of every document: no bank's, so that a server that is in use can be measured.
pub(crate) const TABLE: TableId = TableId(64_000);
/// Documents per page of a scan.
const PAGE_COUNT: u32 = 1_000;
/// Bytes of a write besides its value: what is said of it, and its key.
const WRITE_BYTES: usize = 40 + 16;

/// Documents that are written, and for how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Documents {
    /// With every commit.
    pub(crate) per_commit: u64,
    /// Bytes of each value.
    pub(crate) value_bytes: usize,
    /// Before the first commit.
    pub(crate) preload_count: u64,
    /// Requests of one transfer each that are in flight beside the commits.
    pub(crate) beside_count: usize,
    /// From the first commit to the last.
    pub(crate) time: Duration,
}

impl Documents {
    /// A document, never the same key twice.
    fn write(&self, plan: &Plan, index: u64) -> DocumentWrite {
        let key = plan.document_key(index);
        let mut value = key.repeat(self.value_bytes.div_ceil(key.len()));
        value.truncate(self.value_bytes);
        DocumentWrite {
            table: TABLE,
            key: key.to_vec(),
            value: Some(value),
            ..DocumentWrite::default()
        }
    }

    fn commit(&self, plan: &Plan, index: u64) -> Commit {
        let first = self.preload_count + index * self.per_commit;
        Commit {
            id: CommitId((u128::from(plan.seed) << 64) | u128::from(index + 1)),
            transfers: vec![plan.transfer(index)],
            documents: (first..first + self.per_commit)
                .map(|index| self.write(plan, index))
                .collect(),
            ..Commit::default()
        }
    }
}

impl Load {
    /// Writes the documents that are there before the first commit, as many a request as fit.
    pub(crate) async fn preload(&self, documents: Documents) -> Result<(), Failure> {
        let fit = COMMIT_BYTES_MAX / (WRITE_BYTES + documents.value_bytes);
        let per_request = u64::try_from(fit.min(COMMIT_PARTS_MAX)).expect("a limit is small");
        let plan = self.plan;
        let requests_count = documents.preload_count.div_ceil(per_request);
        self.ask(requests_count, self.in_flight, move |client, request| async move {
            let start = request * per_request;
            let end = documents.preload_count.min(start + per_request);
            let writes: Vec<_> = (start..end).map(|index| documents.write(&plan, index)).collect();
            let results = client.write_documents(&writes).await?;
            Ok(results.iter().all(|result| matches!(result, WriteResult::Written(_))))
        })
        .await
        .map(drop)
    }

    /// Sends commits until the time is up, each by whichever lane is free; and beside them single
    /// transfers, which come second in the answer.
    pub(crate) async fn commit(
        &self,
        documents: Documents,
    ) -> Result<(Transferred, Transferred), Failure> {
        let next = Arc::new(AtomicU64::new(0));
        let begun = Instant::now();
        let mut singles_lanes = JoinSet::new();
        for lane in 0..documents.beside_count {
            let client = self.clients[lane % self.clients.len()].clone();
            singles_lanes.spawn(singles(
                client,
                self.plan,
                documents.time,
                begun,
                Arc::clone(&next),
            ));
        }
        let mut lanes = JoinSet::new();
        for client in &self.clients {
            for _ in 0..self.in_flight {
                let (client, next) = (client.clone(), Arc::clone(&next));
                lanes.spawn(commits(client, self.plan, documents, begun, next));
            }
        }
        let mut total = Transferred::default();
        while let Some(lane) = lanes.join_next().await {
            total.add(lane.expect("a lane runs to its end")?);
        }
        total.elapsed = begun.elapsed();
        let mut beside = Transferred::default();
        while let Some(lane) = singles_lanes.join_next().await {
            beside.add(lane.expect("a lane runs to its end")?);
        }
        beside.elapsed = begun.elapsed();
        Ok((total, beside))
    }

    /// Reads `count` pages of documents, each from any key on.
    pub(crate) async fn scan(&self, count: u64) -> Result<Asked, Failure> {
        let plan = self.plan;
        self.ask(count, 1, move |client, request| async move {
            let scan = DocumentScan {
                table: TABLE,
                after: Some(plan.document_key(u64::MAX - request).to_vec()),
                limit: PAGE_COUNT,
                ..DocumentScan::default()
            };
            let page = client.scan_documents(&scan).await?;
            let after = scan.after.as_deref().unwrap_or_default();
            let behind = page.items.first().is_none_or(|first| after < &first.key[..]);
            Ok(behind && page.items.is_sorted_by(|a, b| a.key < b.key))
        })
        .await
    }
}

/// Sends single transfers, one after the other.
async fn singles(
    client: Client,
    plan: Plan,
    time: Duration,
    begun: Instant,
    next: Arc<AtomicU64>,
) -> Result<Transferred, Failure> {
    let mut done = Transferred::default();
    while begun.elapsed() < time {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let sent = Instant::now();
        let result = client.create_transfer(plan.transfer(index)).await?;
        if result.status != CreateTransferStatus::Created {
            *done.refused.entry(result.status.name()).or_default() += 1;
            continue;
        }
        done.posted += plan.posted(index).0;
        done.see(result.timestamp.0, result.timestamp.0);
        let (finished, latency) = (begun.elapsed(), sent.elapsed());
        done.samples.push(Sample { finished, latency, events_count: 1 });
    }
    Ok(done)
}

async fn commits(
    client: Client,
    plan: Plan,
    documents: Documents,
    begun: Instant,
    next: Arc<AtomicU64>,
) -> Result<Transferred, Failure> {
    let mut done = Transferred::default();
    while begun.elapsed() < documents.time {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let commit = documents.commit(&plan, index);
        let sent = Instant::now();
        let outcome = client.commit(&commit).await?;
        let CommitOutcome::Done(committed) = outcome else {
            let message = format!("a commit was not done but {outcome:?}; try another --seed");
            return Err(Failure::new(Exit::Findings, message));
        };
        done.posted += plan.posted(index).0;
        done.see(committed.timestamp.0, committed.timestamp.0);
        let (finished, latency) = (begun.elapsed(), sent.elapsed());
        done.samples.push(Sample { finished, latency, events_count: 1 });
    }
    Ok(done)
}
