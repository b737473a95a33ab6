//! The load: each connection keeps its requests in flight, and everything is counted.

use super::latency::Sample;
use super::plan::{LEDGER, Plan};
use crate::exit::{Exit, Failure};
use crate::operation::EVENTS_MAX;
use florin_client::{Client, ClientError};
use florin_ledger::query::{AccountFilter, TrialBalance};
use florin_ledger::{
    AccountId, CreateAccountStatus, CreateTransferStatus, Timestamp, TransferResult,
};
use indicatif::ProgressBar;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// Transfers per page of history.
const PAGE_COUNT: u32 = 20;

/// What sends the load: as many lanes as requests may be in flight at once.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) plan: Plan,
    /// One per connection.
    pub(crate) clients: Vec<Client>,
    /// What sends single transfers beside the load.
    pub(crate) beside: Beside,
    /// Lanes of each connection.
    pub(crate) in_flight: usize,
    pub(crate) progress: ProgressBar,
}

/// Clients that have nothing to do with the load but its ledger: connections of their own, and a thread
/// of their own, so that what one of them waits for is the ledger.
#[derive(Clone)]
pub(crate) struct Beside {
    /// One for each request in flight.
    pub(crate) clients: Vec<Client>,
    /// The runtime of that thread.
    pub(crate) thread: Handle,
}

/// What became of the transfers.
#[derive(Clone, Default, Debug)]
pub(crate) struct Transferred {
    /// One per request.
    pub(crate) samples: Vec<Sample>,
    /// How long it took from the first request to the last answer.
    pub(crate) elapsed: Duration,
    /// The sum of what was posted by what was created.
    pub(crate) posted: u128,
    /// What was not created, by status. A figure with anything in here is no figure.
    pub(crate) refused: BTreeMap<&'static str, u64>,
    /// The first and last timestamp answered.
    pub(crate) timestamps: Option<(u64, u64)>,
}

/// Times of one kind of question.
#[derive(Clone, Default, Debug)]
pub(crate) struct Asked {
    pub(crate) latencies: Vec<Duration>,
    pub(crate) elapsed: Duration,
}

impl Load {
    /// Opens the accounts. Those of an earlier run with the same seed are as good.
    pub(crate) async fn open_accounts(&self) -> Result<(), Failure> {
        let client = &self.clients[0];
        let mut accounts = Vec::with_capacity(EVENTS_MAX);
        for index in 0..self.plan.accounts_count {
            accounts.push(self.plan.account(index));
            if accounts.len() == EVENTS_MAX || index + 1 == self.plan.accounts_count {
                for result in client.create_accounts(&accounts).await? {
                    let opened = [CreateAccountStatus::Created, CreateAccountStatus::Exists];
                    if !opened.contains(&result.status) {
                        let name = result.status.name();
                        let message = format!("an account was refused: {name}; try another --seed");
                        return Err(Failure::new(Exit::Findings, message));
                    }
                }
                accounts.clear();
            }
        }
        Ok(())
    }

    /// Sends every transfer of the plan, each group by whichever lane is free.
    pub(crate) async fn transfer(&self) -> Result<Transferred, Failure> {
        let next = Arc::new(AtomicU64::new(0));
        let begun = Instant::now();
        let mut lanes = JoinSet::new();
        for client in &self.clients {
            for _ in 0..self.in_flight {
                let lane = Lane {
                    client: client.clone(),
                    plan: self.plan,
                    begun,
                    progress: self.progress.clone(),
                    done: Transferred::default(),
                };
                lanes.spawn(lane.run(Arc::clone(&next)));
            }
        }
        let mut total = Transferred::default();
        while let Some(lane) = lanes.join_next().await {
            total.add(lane.expect("a lane runs to its end")?);
        }
        total.elapsed = begun.elapsed();
        Ok(total)
    }

    /// The sums of the ledger that the benchmark works in.
    pub(crate) async fn trial_balance(&self) -> Result<TrialBalance, Failure> {
        Ok(self.clients[0].trial_balance(LEDGER).await?)
    }

    /// Reads `count` accounts, a batch a request.
    pub(crate) async fn look_up(&self, count: u64) -> Result<Asked, Failure> {
        let plan = self.plan;
        let requests_count = count.div_ceil(plan.batch_count);
        self.ask(requests_count, self.in_flight, move |client, request| async move {
            let start = request * plan.batch_count;
            let ids: Vec<AccountId> = (start..count.min(start + plan.batch_count))
                .map(|index| plan.any_account(index))
                .collect();
            let accounts = client.lookup_accounts(&ids).await?;
            Ok(accounts.len() == ids.len() && accounts.iter().all(Option::is_some))
        })
        .await
    }

    /// Reads `count` pages of history, each of any account, back from any instant.
    pub(crate) async fn read_history(
        &self,
        count: u64,
        timestamps: (u64, u64),
    ) -> Result<Asked, Failure> {
        let plan = self.plan;
        self.ask(count, 1, move |client, request| async move {
            let until = plan.any_instant(request, timestamps.0, timestamps.1);
            let filter = AccountFilter {
                timestamp_max: Timestamp(until),
                reversed: true,
                limit: PAGE_COUNT,
                ..AccountFilter::new(plan.any_account(request))
            };
            let page = client.account_transfers(&filter).await?;
            let falling = |pair: &[florin_ledger::Transfer]| pair[1].timestamp < pair[0].timestamp;
            let within = page.items.iter().all(|transfer| transfer.timestamp.0 <= until);
            Ok(within && page.items.windows(2).all(falling))
        })
        .await
    }

    /// Reads `count` balances, each of any account as of any instant.
    pub(crate) async fn read_balances(
        &self,
        count: u64,
        timestamps: (u64, u64),
    ) -> Result<Asked, Failure> {
        let plan = self.plan;
        self.ask(count, 1, move |client, request| async move {
            let instant = plan.any_instant(request, timestamps.0, timestamps.1);
            let id = plan.any_account(request);
            let balance = client.balance_as_of(id, Timestamp(instant)).await?;
            Ok(balance.is_none_or(|balance| balance.timestamp.0 <= instant))
        })
        .await
    }

    /// Asks `count` questions over all connections; `question` says whether its answer was right.
    pub(super) async fn ask<Question, Answered>(
        &self,
        count: u64,
        in_flight: usize,
        question: Question,
    ) -> Result<Asked, Failure>
    where
        Question: Fn(Client, u64) -> Answered + Clone + Send + 'static,
        Answered: Future<Output = Result<bool, ClientError>> + Send,
    {
        let next = Arc::new(AtomicU64::new(0));
        let begun = Instant::now();
        let mut lanes = JoinSet::new();
        for client in &self.clients {
            for _ in 0..in_flight {
                let (client, next, question) =
                    (client.clone(), Arc::clone(&next), question.clone());
                lanes.spawn(async move {
                    let mut latencies = Vec::new();
                    loop {
                        let request = next.fetch_add(1, Ordering::Relaxed);
                        if count <= request {
                            return Ok(latencies);
                        }
                        let sent = Instant::now();
                        if !question(client.clone(), request).await? {
                            let message = "an answer was wrong: run florin verify on the directory";
                            return Err(Failure::new(Exit::Findings, message));
                        }
                        latencies.push(sent.elapsed());
                    }
                });
            }
        }
        let mut asked = Asked::default();
        while let Some(lane) = lanes.join_next().await {
            asked.latencies.extend(lane.expect("a lane runs to its end")?);
        }
        asked.elapsed = begun.elapsed();
        Ok(asked)
    }
}

/// One request after the other.
struct Lane {
    client: Client,
    plan: Plan,
    begun: Instant,
    progress: ProgressBar,
    done: Transferred,
}

impl Lane {
    /// Sends groups until none is left.
    async fn run(mut self, next: Arc<AtomicU64>) -> Result<Transferred, Failure> {
        let batch = usize::try_from(self.plan.batch_count).expect("bounded by the command line");
        let mut transfers = Vec::with_capacity(batch);
        loop {
            let group = next.fetch_add(1, Ordering::Relaxed);
            if self.plan.groups_count() <= group {
                return Ok(self.done);
            }
            let indexes: Vec<u64> = self.plan.group(group).collect();
            for indexes in indexes.chunks(batch) {
                transfers.clear();
                transfers.extend(indexes.iter().map(|index| self.plan.transfer(*index)));
                let sent = Instant::now();
                let results = if let [transfer] = transfers[..] {
                    vec![self.client.create_transfer(transfer).await?]
                } else {
                    self.client.create_transfers(&transfers).await?
                };
                self.count(indexes, &results, sent)?;
            }
        }
    }

    fn count(
        &mut self,
        indexes: &[u64],
        results: &[TransferResult],
        sent: Instant,
    ) -> Result<(), Failure> {
        let latency = sent.elapsed();
        if indexes.len() != results.len() {
            let message = format!("{} transfers got {} answers", indexes.len(), results.len());
            return Err(Failure::new(Exit::Findings, message));
        }
        for (index, result) in indexes.iter().zip(results) {
            if result.status == CreateTransferStatus::Created {
                self.done.posted += self.plan.posted(*index).0;
            } else {
                *self.done.refused.entry(result.status.name()).or_default() += 1;
            }
        }
        let edges = [results.first(), results.last()].into_iter().flatten();
        for timestamp in edges.map(|result| result.timestamp.0) {
            self.done.see(timestamp, timestamp);
        }
        let events_count = u64::try_from(results.len()).expect("a batch is small");
        let finished = self.begun.elapsed();
        self.done.samples.push(Sample { finished, latency, events_count });
        self.progress.inc(events_count);
        Ok(())
    }
}

impl Transferred {
    pub(super) fn see(&mut self, first: u64, last: u64) {
        let (seen_first, seen_last) = self.timestamps.unwrap_or((first, last));
        self.timestamps = Some((seen_first.min(first), seen_last.max(last)));
    }

    pub(super) fn add(&mut self, lane: Transferred) {
        self.samples.extend(lane.samples);
        self.posted += lane.posted;
        for (name, count) in lane.refused {
            *self.refused.entry(name).or_default() += count;
        }
        if let Some((first, last)) = lane.timestamps {
            self.see(first, last);
        }
    }
}
