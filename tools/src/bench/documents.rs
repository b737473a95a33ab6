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
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Interval, interval};

/// The table of every document: no bank's, so that a server that is in use can be measured.
pub(crate) const TABLE: TableId = TableId(64_000);
/// How long single transfers are sent by themselves, to know what they take, at most.
const ALONE_TIME_MAX: Duration = Duration::from_secs(10);
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
    /// From the first commit to the last.
    pub(crate) time: Duration,
    /// Commits a second at most.
    pub(crate) rate_max: Option<NonZeroU64>,
}

/// What a run of commits sent.
#[derive(Clone, Default, Debug)]
pub(crate) struct Sent {
    pub(crate) commits: Transferred,
    /// Single transfers before the first commit: what they take when there are none.
    pub(crate) alone: Transferred,
    /// Single transfers beside the commits.
    pub(crate) beside: Transferred,
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
        // Each is as large as one may be: more at a time would find the server's queue full.
        self.ask(requests_count, 1, move |client, request| async move {
            let start = request * per_request;
            let end = documents.preload_count.min(start + per_request);
            let writes: Vec<_> = (start..end).map(|index| documents.write(&plan, index)).collect();
            let results = client.write_documents(&writes).await?;
            Ok(results.iter().all(|result| matches!(result, WriteResult::Written(_))))
        })
        .await
        .map(drop)
    }

    /// Sends single transfers by themselves for a while; says which of the plan's is the next.
    pub(crate) async fn alone(&self, documents: Documents) -> Result<(Transferred, u64), Failure> {
        let next = Arc::new(AtomicU64::new(0));
        let time = documents.time.min(ALONE_TIME_MAX);
        let lanes = self.singles(time, &next);
        let alone = gathered(lanes, Instant::now()).await?;
        Ok((alone, next.load(Ordering::Relaxed)))
    }

    /// Sends commits until the time is up, each by whichever lane is free, and single transfers beside
    /// them, which come second in the answer. The first transfer of the plan is number `first`.
    pub(crate) async fn commit(
        &self,
        documents: Documents,
        first: u64,
    ) -> Result<(Transferred, Transferred), Failure> {
        let next = Arc::new(AtomicU64::new(first));
        let mut commits = JoinSet::new();
        let pace = Arc::new(Pace::from_now(documents.rate_max));
        let begun = pace.begun;
        for client in &self.clients {
            for _ in 0..self.in_flight {
                let (client, next, pace) = (client.clone(), Arc::clone(&next), Arc::clone(&pace));
                commits.spawn(send_commits(client, self.plan, documents, pace, next));
            }
        }
        let beside = self.singles(documents.time, &next);
        let commits = gathered(commits, begun).await?;
        Ok((commits, gathered(beside, begun).await?))
    }

    /// A lane of single transfers for each of the clients beside.
    fn singles(
        &self,
        time: Duration,
        next: &Arc<AtomicU64>,
    ) -> JoinSet<Result<Transferred, Failure>> {
        let mut lanes = JoinSet::new();
        for client in &self.beside.clients {
            let lane = send_singles(client.clone(), self.plan, time, Arc::clone(next));
            lanes.spawn_on(lane, &self.beside.thread);
        }
        lanes
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

/// What all lanes did together.
async fn gathered(
    mut lanes: JoinSet<Result<Transferred, Failure>>,
    begun: Instant,
) -> Result<Transferred, Failure> {
    let mut total = Transferred::default();
    while let Some(lane) = lanes.join_next().await {
        total.add(lane.expect("a lane runs to its end")?);
    }
    total.elapsed = begun.elapsed();
    Ok(total)
}

/// When each of many requests is due, over all lanes.
#[derive(Debug)]
struct Pace {
    begun: Instant,
    /// Those that were missed come at once.
    ticks: Option<Mutex<Interval>>,
}

impl Pace {
    fn from_now(rate_max: Option<NonZeroU64>) -> Pace {
        let ticks = |rate: NonZeroU64| {
            Mutex::new(interval(Duration::from_nanos((1_000_000_000 / rate).max(1))))
        };
        Pace { begun: Instant::now(), ticks: rate_max.map(ticks) }
    }

    /// Waits until the next request is due, and says when that was: a server that is behind makes it
    /// late, and that is part of its latency.
    async fn due(&self) -> Instant {
        match &self.ticks {
            None => Instant::now(),
            Some(ticks) => ticks.lock().await.tick().await.into_std(),
        }
    }
}

/// Sends single transfers, one after the other.
async fn send_singles(
    client: Client,
    plan: Plan,
    time: Duration,
    next: Arc<AtomicU64>,
) -> Result<Transferred, Failure> {
    let begun = Instant::now();
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

async fn send_commits(
    client: Client,
    plan: Plan,
    documents: Documents,
    pace: Arc<Pace>,
    next: Arc<AtomicU64>,
) -> Result<Transferred, Failure> {
    let mut done = Transferred::default();
    loop {
        let due = pace.due().await;
        if documents.time <= due.saturating_duration_since(pace.begun) {
            return Ok(done);
        }
        let index = next.fetch_add(1, Ordering::Relaxed);
        let commit = documents.commit(&plan, index);
        let outcome = client.commit(&commit).await?;
        let CommitOutcome::Done(committed) = outcome else {
            let message = format!("a commit was not done but {outcome:?}; try another --seed");
            return Err(Failure::new(Exit::Findings, message));
        };
        done.posted += plan.posted(index).0;
        done.see(committed.timestamp.0, committed.timestamp.0);
        let (finished, latency) = (pace.begun.elapsed(), due.elapsed());
        done.samples.push(Sample { finished, latency, events_count: 1 });
    }
}
